#include "tidewheel/rest/test_gateway.h"

#include <algorithm>

#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {
namespace {

constexpr int64_t kStartMs = 1'600'000'000'000;

void add_attempt(pb::VertexReport& vertex, int32_t subtask, ExecutionState state) {
  pb::AttemptReport& attempt = *vertex.add_subtasks()->add_attempts();
  attempt.set_state(static_cast<uint32_t>(state));
  attempt.set_task_manager("tm-1");
  attempt.set_host("host1");
  attempt.set_data_port(5000);
  for (int32_t i = 0; i < kExecutionStateCount; ++i) {
    const bool was_there = i <= static_cast<int32_t>(ExecutionState::kRunning);
    attempt.add_state_ms(was_there ? kStartMs + 10 * (i + 1) : 0);
  }
  attempt.set_rows_in(100 * (subtask + 1));
  attempt.set_rows_out(50);
  attempt.set_bytes_in(1000);
  attempt.set_busy_ms(300);
  attempt.set_busy_ms_per_second(200);
  attempt.set_idle_ms_per_second(500);
  attempt.set_backpressured_ms_per_second(subtask == 0 ? 300 : 50);
  attempt.set_watermark(subtask == 0 ? INT64_MIN : 12345);
  pb::AccumulatorReport& accumulator = *attempt.add_accumulators();
  accumulator.set_name("late");
  accumulator.set_type("LongCounter");
  accumulator.set_value("3");
}

void add_vertices(pb::JobReport& job) {
  for (const bool is_source : {true, false}) {
    pb::VertexReport& vertex = *job.add_vertices();
    vertex.set_id(is_source ? TestGateway::kSource : TestGateway::kSink);
    vertex.set_name(is_source ? "clicks -> <map>" : "print");
    vertex.set_parallelism(2);
    vertex.set_max_parallelism(128);
    vertex.set_slot_sharing_group("default");
    pb::OperatorReport& one = *vertex.add_operators();
    one.set_name(is_source ? "clicks" : "print");
    one.set_is_source(is_source);
    if (is_source) { vertex.add_operators()->set_name("<map>"); }
    add_attempt(vertex, 0, ExecutionState::kRunning);
    add_attempt(vertex, 1, ExecutionState::kRunning);
    for (pb::SubtaskReport& subtask : *vertex.mutable_subtasks()) {
      subtask.mutable_attempts(0)->set_has_input(!is_source);
    }
  }
  pb::EdgeReport& edge = *job.add_edges();
  edge.set_from(0);
  edge.set_to(1);
  edge.set_ship_strategy("HASH");
}

void add_checkpoints(pb::JobReport& job) {
  pb::CheckpointsReport& checkpoints = *job.mutable_checkpoints();
  checkpoints.set_interval_ms(1000);
  checkpoints.set_triggered(3);
  checkpoints.set_completed(2);
  checkpoints.set_failed(1);
  checkpoints.set_directory("/checkpoints");
  for (int64_t id = 1; id <= 3; ++id) {
    pb::CheckpointReport& one = *checkpoints.add_history();
    one.set_id(id);
    one.set_status(id == 2 ? 2 : 1);
    one.set_trigger_ms(kStartMs + id * 1000);
    one.set_duration_ms(10 * id);
    one.set_bytes_full(1000 * id);
    one.set_subtasks(4);
    one.set_subtasks_acknowledged(4);
    if (id == 2) {
      one.set_failure("the disk is full");
      continue;
    }
    one.set_path("/checkpoints/chk-" + std::to_string(id));
    pb::TaskCheckpointReport& task = *one.add_tasks();
    task.set_vertex_id(TestGateway::kSource);
    task.set_subtasks(2);
    pb::SubtaskCheckpointReport& subtask = *task.add_acknowledged();
    subtask.set_subtask(1);
    subtask.set_ack_ms(kStartMs + id * 1000 + 5);
    subtask.set_duration_ms(5);
    subtask.set_bytes_full(400);
  }
  *checkpoints.mutable_latest_completed() = checkpoints.history(2);
  *checkpoints.mutable_latest_failed() = checkpoints.history(1);
}

Status unknown_job(const std::string& id) {
  return not_found(ErrorId::kUnknownJob, "Job {} not found", id);
}

}  // namespace

struct TestGateway::Reports {
  std::map<std::string, pb::JobReport> by_id;
};

TestGateway::TestGateway() : reports_(std::make_unique<Reports>()) {
  for (const std::string& id : {kJob, kEndedJob}) {
    const bool is_running = id == kJob;
    JobSummary summary{.id = id, .name = is_running ? "clicks" : "broken", .start_ms = kStartMs};
    summary.end_ms = is_running ? -1 : kStartMs + 60'000;
    summary.last_modification_ms = kStartMs + 60'000;
    summary.tasks[static_cast<size_t>(is_running ? ExecutionState::kRunning
                                                 : ExecutionState::kFailed)] = 4;
    summaries.push_back(summary);
    pb::JobReport& job = reports_->by_id[id];
    job.set_id(id);
    job.set_name(summary.name);
    job.set_now_ms(kStartMs + 100'000);
    job.set_start_ms(kStartMs);
    job.set_end_ms(summary.end_ms);
    job.set_max_parallelism(-1);
    job.set_parallelism(2);
    job.set_restart_strategy("fixed delay");
    for (int32_t i = 0; i < kClusterJobStatusCount; ++i) { job.add_status_ms(0); }
    add_vertices(job);
    set_status(id, is_running ? ClusterJobStatus::kRunning : ClusterJobStatus::kFailed);
    if (is_running) {
      add_checkpoints(job);
    } else {
      pb::FailureReport& failure = *job.add_failures();
      failure.set_error("TW1501 kUserCodeFailed");
      failure.set_text("it was \"bad\"");
      failure.set_at_ms(summary.end_ms);
      failure.set_task("print (1/2) - execution #0");
      failure.set_host("host1");
      failure.set_data_port(5000);
      failure.set_task_manager("tm-1");
    }
  }
  TaskManagerSummary& manager = managers.emplace_back();
  manager.id = "tm-1";
  manager.address = "host1:6122";
  manager.slots = 4;
  manager.free_slots = 2;
  manager.allocated.push_back({.job_id = kJob, .resource = {}});
  bounds = {{.vertex_id = kSource, .lower = 1, .upper = 2},
            {.vertex_id = kSink, .lower = 1, .upper = 2}};
}

TestGateway::~TestGateway() = default;

void TestGateway::set_status(const std::string& job_id, ClusterJobStatus status) {
  for (JobSummary& one : summaries) {
    if (one.id == job_id) { one.status = status; }
  }
  pb::JobReport& job = report_of(job_id);
  job.set_status(static_cast<uint32_t>(status));
  job.set_status_ms(static_cast<int>(status), kStartMs + 1000);
  if (is_final(status) && job.end_ms() < 0) { job.set_end_ms(kStartMs + 90'000); }
}

pb::JobReport& TestGateway::report_of(const std::string& job_id) {
  return reports_->by_id.at(job_id);
}

void TestGateway::overview(Answer<ClusterOverview> done) {
  done(ClusterOverview{.task_managers = 1, .slots = 4, .free_slots = 2});
}

void TestGateway::shut_down(Done done) {
  was_shut_down = true;
  done({});
}

void TestGateway::add_program(UploadedProgram program, Answer<ProgramInfo> done) {
  uploads.push_back(program);
  stored.push_back({.id = "0123456789abcdef0123456789abcdef_" + program.name,
                    .name = program.name,
                    .sha256 = program.sha256,
                    .bytes = program.bytes,
                    .uploaded_ms = kStartMs + static_cast<int64_t>(stored.size()),
                    .entries = {"main"}});
  done(stored.back());
}

void TestGateway::programs(Answer<std::vector<ProgramInfo>> done) { done(stored); }

void TestGateway::remove_program(std::string id, Done done) {
  const size_t count = std::erase_if(stored, [&](const ProgramInfo& one) { return one.id == id; });
  done(count > 0 ? ok_status() : Status(not_found(ErrorId::kArtifact, "no such program: {}", id)));
}

void TestGateway::run_program(std::string id, ProgramRun run, Answer<std::string> done) {
  runs.emplace_back(id, run);
  done(run.job_id.empty() ? kJob : run.job_id);
}

void TestGateway::plan_program(std::string, ProgramRun, Answer<JobReportRef> done) {
  done(std::make_shared<const pb::JobReport>(report_of(kJob)));
}

void TestGateway::jobs(Answer<std::vector<JobSummary>> done) { done(summaries); }

void TestGateway::report(std::string job_id, Answer<JobReportRef> done) {
  ++reports_asked;
  const auto found = reports_->by_id.find(job_id);
  if (found == reports_->by_id.end()) {
    done(unknown_job(job_id));
  } else {
    done(std::make_shared<const pb::JobReport>(found->second));
  }
}

void TestGateway::metrics_of_job(std::string job_id, Answer<MetricReportRef> done) {
  if (!reports_->by_id.contains(job_id)) {
    done(unknown_job(job_id));
    return;
  }
  auto report = std::make_shared<pb::MetricReport>();
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    pb::MetricScope& scope = *report->add_scopes();
    scope.set_kind(pb::MetricScope::OPERATOR);
    scope.set_vertex_id(kSource);
    scope.set_subtask(subtask);
    scope.set_operator_name("my clicks");
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name("pendingRecords");
    metric.set_integer(10 * (subtask + 1));
  }
  done(std::move(report));
}

void TestGateway::cancel(std::string job_id, Done done) {
  if (!reports_->by_id.contains(job_id)) {
    done(unknown_job(job_id));
  } else if (job_id == kEndedJob) {
    done(failed_precondition(ErrorId::kJobState, "the job has failed already"));
  } else {
    set_status(job_id, ClusterJobStatus::kCanceled);
    done({});
  }
}

void TestGateway::savepoint(std::string job_id, SavepointOrder order, Answer<std::string> done) {
  savepoints.emplace_back(job_id, order);
  if (savepoint_failure.has_value()) {
    done(*savepoint_failure);
  } else if (!reports_->by_id.contains(job_id)) {
    done(unknown_job(job_id));
  } else if (holds_savepoints) {
    held_savepoints.push_back(std::move(done));
  } else {
    if (order.then != SavepointOrder::Then::kGoOn) {
      set_status(job_id, ClusterJobStatus::kFinished);
    }
    done(order.directory + "/savepoint-111122-abc");
  }
}

void TestGateway::checkpoint(std::string job_id, Answer<int64_t> done) {
  if (reports_->by_id.contains(job_id)) {
    done(int64_t{18});
  } else {
    done(unknown_job(job_id));
  }
}

void TestGateway::dispose_savepoint(std::string path, Done done) {
  disposed.push_back(path);
  done({});
}

void TestGateway::parallelism_bounds(std::string, Answer<std::vector<ParallelismBounds>> done) {
  if (can_rescale) {
    done(bounds);
  } else {
    done(Status(unimplemented(ErrorId::kRescale, "the scheduler can't rescale")));
  }
}

void TestGateway::set_parallelism_bounds(std::string, std::vector<ParallelismBounds> wanted,
                                         Done done) {
  bounds = std::move(wanted);
  done({});
}

void TestGateway::client_heartbeat(std::string, int64_t expires_ms, Done done) {
  heartbeats.push_back(expires_ms);
  done({});
}

void TestGateway::sample_stacks(StackSampling, Answer<std::vector<SampledStack>> done) {
  ++samplings;
  done(std::vector<SampledStack>{{.frames = {"main", "step", "map"}, .count = 3},
                                 {.frames = {"main", "sleep"}, .count = 1}});
}

void TestGateway::task_managers(Answer<std::vector<TaskManagerSummary>> done) { done(managers); }

void TestGateway::metrics_of_process(ProcessName process, Answer<MetricReportRef> done) {
  if (!process.task_manager.empty() && process.task_manager != "tm-1") {
    done(
        Status(not_found(ErrorId::kUnknownTaskManager, "no TaskManager {}", process.task_manager)));
    return;
  }
  auto report = std::make_shared<pb::MetricReport>();
  pb::MetricScope& scope = *report->add_scopes();
  pb::Metric& metric = *scope.add_metrics();
  metric.set_name("Status.JVM.CPU.Load");
  metric.set_real(0.25);
  done(std::move(report));
}

void TestGateway::log_files(ProcessName, Answer<std::vector<LogFileInfo>> done) {
  done(std::vector<LogFileInfo>{{.name = "worker.log", .bytes = 6, .modified_ms = kStartMs}});
}

void TestGateway::read_log(ProcessName, std::string name, int64_t offset, int64_t bytes_max,
                           Answer<LogPiece> done) {
  const auto found = logs.find(name);
  if (found == logs.end()) {
    done(Status(not_found(ErrorId::kFileNotFound, "This file does not exist")));
    return;
  }
  const auto size = static_cast<int64_t>(found->second.size());
  const int64_t from = std::min(offset, size);
  done(
      LogPiece{.bytes = found->second.substr(static_cast<size_t>(from),
                                             static_cast<size_t>(std::min(bytes_max, size - from))),
               .total_bytes = size});
}

void TestGateway::thread_dump(ProcessName, Answer<std::vector<ThreadStack>> done) {
  done(std::vector<ThreadStack>{{.name = "tw-slot-0", .text = "step\nmain\n"}});
}

}  // namespace tidewheel
