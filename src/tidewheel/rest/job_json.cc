#include "tidewheel/rest/job_json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/java_throwable.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/statistics.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

constexpr const char* kUnassigned = "(unassigned)";

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) { c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
  return out;
}

// Numbers of a newer version than ours are shown as the last one that we know.
ClusterJobStatus status_of(const pb::JobReport& job) {
  return static_cast<ClusterJobStatus>(
      std::min<uint32_t>(job.status(), kClusterJobStatusCount - 1));
}
ExecutionState state_of(const pb::AttemptReport& attempt) {
  return static_cast<ExecutionState>(std::min<uint32_t>(attempt.state(), kExecutionStateCount - 1));
}
int64_t state_ms(const pb::AttemptReport& attempt, ExecutionState state) {
  const auto index = static_cast<int>(state);
  return index < attempt.state_ms_size() ? attempt.state_ms(index) : 0;
}
bool is_ended(ExecutionState state) {
  return state == ExecutionState::kFinished || state == ExecutionState::kCanceled ||
         state == ExecutionState::kFailed;
}

int64_t status_ms(const pb::JobReport& job, ClusterJobStatus status) {
  const auto index = static_cast<int>(status);
  const int64_t at_ms = index < job.status_ms_size() ? job.status_ms(index) : 0;
  // A job begins with its master being started, which that does not tell of.
  return status == ClusterJobStatus::kInitializing && at_ms == 0 ? job.start_ms() : at_ms;
}
// Groups have names here, and ids in clients: these parse 32 hex digits.
std::string sharing_group_id(std::string_view name) {
  const uint64_t hash = hash_bytes(name.data(), name.size());
  return fmt::format("{:016x}{:016x}", hash, mix64(hash));
}

// A subtask that was never deployed has no attempt.
const pb::AttemptReport& present_attempt(const pb::SubtaskReport& subtask) {
  return subtask.attempts_size() > 0 ? subtask.attempts(0) : pb::AttemptReport::default_instance();
}

struct Times {
  int64_t start_ms = -1;
  int64_t end_ms = -1;
  int64_t duration_ms = -1;
};

Times times_of(const pb::AttemptReport& attempt, int64_t now_ms) {
  Times times;
  const int64_t deploying = state_ms(attempt, ExecutionState::kDeploying);
  if (deploying > 0) { times.start_ms = deploying; }
  if (is_ended(state_of(attempt))) {
    times.end_ms = attempt.end_ms() > 0 ? attempt.end_ms() : state_ms(attempt, state_of(attempt));
  }
  if (times.start_ms > 0) {
    times.duration_ms =
        std::max<int64_t>(0, (times.end_ms > 0 ? times.end_ms : now_ms) - times.start_ms);
  }
  return times;
}

// What several subtasks come to.
struct Group {
  int32_t states[kExecutionStateCount] = {};
  int32_t count = 0;
  Times times;
  int64_t bytes_in = 0;
  int64_t bytes_out = 0;
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t backpressured_ms = 0;
  int64_t idle_ms = 0;
  int64_t busy_ms = 0;

  void add(const pb::AttemptReport& attempt, int64_t now_ms) {
    ++states[static_cast<size_t>(state_of(attempt))];
    ++count;
    const Times of_attempt = times_of(attempt, now_ms);
    if (of_attempt.start_ms > 0 && (times.start_ms < 0 || of_attempt.start_ms < times.start_ms)) {
      times.start_ms = of_attempt.start_ms;
    }
    last_end_ms_ = std::max(last_end_ms_, of_attempt.end_ms);
    bytes_in += attempt.bytes_in();
    bytes_out += attempt.bytes_out();
    rows_in += attempt.rows_in();
    rows_out += attempt.rows_out();
    backpressured_ms += attempt.backpressured_ms();
    idle_ms += attempt.idle_ms();
    busy_ms += attempt.busy_ms();
  }
  int32_t in(ExecutionState state) const { return states[static_cast<size_t>(state)]; }
  Times final_times(int64_t now_ms) const {
    Times out = times;
    const int32_t ended =
        in(ExecutionState::kFinished) + in(ExecutionState::kCanceled) + in(ExecutionState::kFailed);
    if (count > 0 && ended == count) { out.end_ms = last_end_ms_; }
    if (out.start_ms > 0) {
      out.duration_ms = std::max<int64_t>(0, (out.end_ms > 0 ? out.end_ms : now_ms) - out.start_ms);
    }
    return out;
  }
  ExecutionState state() const {
    for (const ExecutionState one :
         {ExecutionState::kFailed, ExecutionState::kCanceling, ExecutionState::kCanceled,
          ExecutionState::kInitializing, ExecutionState::kRunning}) {
      if (in(one) > 0) { return one; }
    }
    if (in(ExecutionState::kFinished) > 0) {
      return in(ExecutionState::kFinished) == count ? ExecutionState::kFinished
                                                    : ExecutionState::kRunning;
    }
    for (const ExecutionState one : {ExecutionState::kDeploying, ExecutionState::kScheduled}) {
      if (in(one) > 0) { return one; }
    }
    return ExecutionState::kCreated;
  }

 private:
  int64_t last_end_ms_ = -1;
};

Group group_of(const pb::VertexReport& vertex, int64_t now_ms) {
  Group group;
  for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
    group.add(present_attempt(subtask), now_ms);
  }
  return group;
}

void write_states(JsonBuilder& json, std::string_view key, const Group& group) {
  json.begin_object(key);
  for (int32_t i = 0; i < kExecutionStateCount; ++i) {
    json.member(execution_state_name(static_cast<ExecutionState>(i)), group.states[i]);
  }
  json.end_object();
}

void write_metrics(JsonBuilder& json, const Group& group) {
  json.begin_object("metrics");
  json.member("read-bytes", group.bytes_in).member("read-bytes-complete", true);
  json.member("write-bytes", group.bytes_out).member("write-bytes-complete", true);
  json.member("read-records", group.rows_in).member("read-records-complete", true);
  json.member("write-records", group.rows_out).member("write-records-complete", true);
  json.member("accumulated-backpressured-time", group.backpressured_ms);
  json.member("accumulated-idle-time", group.idle_ms);
  json.member("accumulated-busy-time", static_cast<double>(group.busy_ms));
  json.end_object();
}

void write_times(JsonBuilder& json, const Times& times) {
  json.member("start-time", times.start_ms).member("end-time", times.end_ms);
  json.member("duration", times.duration_ms);
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string description_of(const pb::VertexReport& vertex) {
  std::string out;
  for (const pb::OperatorReport& one : vertex.operators()) {
    if (!out.empty()) { out += "+- "; }
    out += html_escaped(one.description().empty() ? one.name() : one.description()) + "<br/>";
  }
  return out.empty() ? html_escaped(vertex.name()) + "<br/>" : out;
}

void write_plan(JsonBuilder& json, const pb::JobReport& job) {
  json.begin_object("plan").member("jid", job.id()).member("name", job.name());
  json.member("type", job.is_batch() ? "BATCH" : "STREAMING").begin_array("nodes");
  for (int v = 0; v < job.vertices_size(); ++v) {
    const pb::VertexReport& vertex = job.vertices(v);
    json.begin_object().member("id", vertex.id()).member("parallelism", vertex.parallelism());
    json.member("operator", "").member("operator_strategy", "");
    json.member("description", description_of(vertex));
    int32_t inputs = 0;
    for (const pb::EdgeReport& edge : job.edges()) {
      if (edge.to() != v || edge.from() < 0 || edge.from() >= job.vertices_size()) { continue; }
      if (inputs == 0) { json.begin_array("inputs"); }
      json.begin_object().member("num", inputs++);
      json.member("id", job.vertices(edge.from()).id());
      json.member("ship_strategy", edge.ship_strategy());
      json.member("exchange",
                  edge.exchange().empty() ? std::string("pipelined_bounded") : edge.exchange());
      json.end_object();
    }
    if (inputs > 0) { json.end_array(); }
    json.begin_object("optimizer_properties").end_object().end_object();
  }
  json.end_array().end_object();
}

void write_accumulators(
    JsonBuilder& json, std::string_view key,
    const google::protobuf::RepeatedPtrField<pb::AccumulatorReport>& accumulators) {
  json.begin_array(key);
  for (const pb::AccumulatorReport& one : accumulators) {
    json.begin_object().member("name", one.name());
    json.member("type", one.type()).member("value", one.value()).end_object();
  }
  json.end_array();
}

std::string endpoint_of(const std::string& host, int32_t port) {
  return host.empty() ? kUnassigned : fmt::format("{}:{}", host, port);
}

// The states whose lengths are shown.
constexpr ExecutionState kTimedStates[] = {ExecutionState::kCreated, ExecutionState::kScheduled,
                                           ExecutionState::kDeploying,
                                           ExecutionState::kInitializing, ExecutionState::kRunning};

// How long it was in `state`, until the next state that it came into; -1: never.
int64_t duration_in(const pb::AttemptReport& attempt, ExecutionState state, int64_t now_ms) {
  const int64_t begin = state_ms(attempt, state);
  if (begin == 0) { return -1; }
  int64_t end = 0;
  for (int32_t next = static_cast<int32_t>(state) + 1; next < kExecutionStateCount; ++next) {
    const int64_t at = state_ms(attempt, static_cast<ExecutionState>(next));
    if (at >= begin && (end == 0 || at < end)) { end = at; }
  }
  return (end == 0 ? now_ms : end) - begin;
}

void write_status_duration(JsonBuilder& json, const pb::AttemptReport& attempt, int64_t now_ms) {
  json.begin_object("status-duration");
  for (const ExecutionState state : kTimedStates) {
    json.member(execution_state_name(state), duration_in(attempt, state, now_ms));
  }
  json.end_object();
}

void write_attempt(JsonBuilder& json, const pb::JobReport& job, int64_t subtask,
                   const pb::AttemptReport& attempt) {
  const Times times = times_of(attempt, job.now_ms());
  Group group;
  group.add(attempt, job.now_ms());
  json.member("subtask", subtask).member("status", execution_state_name(state_of(attempt)));
  json.member("attempt", attempt.attempt());
  json.member("host", attempt.host().empty() ? std::string(kUnassigned) : attempt.host());
  json.member("endpoint", endpoint_of(attempt.host(), attempt.data_port()));
  write_times(json, times);
  write_metrics(json, group);
  json.member("taskmanager-id",
              attempt.task_manager().empty() ? std::string(kUnassigned) : attempt.task_manager());
  write_status_duration(json, attempt, job.now_ms());
  json.member("start_time", times.start_ms);
}

// The dashboard takes it that each metric and each state is there.
void write_aggregated(JsonBuilder& json, const std::vector<const pb::AttemptReport*>& attempts,
                      int64_t now_ms) {
  using Read = int64_t (pb::AttemptReport::*)() const;
  static constexpr std::pair<const char*, Read> kMetrics[] = {
      {"read-bytes", &pb::AttemptReport::bytes_in},
      {"write-bytes", &pb::AttemptReport::bytes_out},
      {"read-records", &pb::AttemptReport::rows_in},
      {"write-records", &pb::AttemptReport::rows_out},
      {"accumulated-backpressured-time", &pb::AttemptReport::backpressured_ms},
      {"accumulated-idle-time", &pb::AttemptReport::idle_ms},
      {"accumulated-busy-time", &pb::AttemptReport::busy_ms}};
  json.begin_object("aggregated").begin_object("metrics");
  for (const auto& [name, read] : kMetrics) {
    std::vector<double> values;
    for (const pb::AttemptReport* const one : attempts) {
      values.push_back(static_cast<double>((one->*read)()));
    }
    json.key(name);
    write_spread(json, std::move(values));
  }
  json.end_object().begin_object("status-duration");
  for (const ExecutionState state : kTimedStates) {
    std::vector<double> values;
    for (const pb::AttemptReport* const one : attempts) {
      values.push_back(static_cast<double>(duration_in(*one, state, now_ms)));
    }
    json.key(execution_state_name(state));
    write_spread(json, std::move(values));
  }
  json.end_object().end_object();
}

const pb::AttemptReport* find_attempt(const pb::VertexReport& vertex, int64_t subtask,
                                      int64_t attempt) {
  if (subtask < 0 || subtask >= vertex.subtasks_size()) { return nullptr; }
  const pb::SubtaskReport& found = vertex.subtasks(static_cast<int>(subtask));
  if (attempt < 0) { return &present_attempt(found); }
  for (const pb::AttemptReport& one : found.attempts()) {
    if (one.attempt() == attempt) { return &one; }
  }
  return nullptr;
}

std::string stack_trace_of(const pb::FailureReport& failure) {
  return failure.error() + ": " + failure.text();
}

void write_failure(JsonBuilder& json, const pb::FailureReport& failure, bool is_entry) {
  json.begin_object().member("exceptionName", failure.error());
  json.member("stacktrace", stack_trace_of(failure)).member("timestamp", failure.at_ms());
  json.begin_object("failureLabels").end_object();
  json.member_or_null("taskName", failure.task());
  const std::string endpoint =
      failure.host().empty() ? "" : endpoint_of(failure.host(), failure.data_port());
  json.member_or_null("endpoint", endpoint).member_or_null("location", endpoint);
  json.member_or_null("taskManagerId", failure.task_manager());
  if (is_entry) {
    json.begin_array("concurrentExceptions");
    for (const pb::FailureReport& one : failure.concurrent()) { write_failure(json, one, false); }
    json.end_array();
  }
  json.end_object();
}

}  // namespace

std::string jobs_json(const std::vector<JobSummary>& jobs) {
  JsonBuilder json;
  json.begin_object().begin_array("jobs");
  for (const JobSummary& job : jobs) {
    json.begin_object().member("id", job.id);
    json.member("status", cluster_job_status_name(job.status)).end_object();
  }
  json.end_array().end_object();
  return json.take();
}

std::string jobs_overview_json(const std::vector<JobSummary>& jobs, int64_t now_ms) {
  JsonBuilder json;
  json.begin_object().begin_array("jobs");
  for (const JobSummary& job : jobs) {
    json.begin_object().member("jid", job.id).member("name", job.name);
    json.member("start-time", job.start_ms).member("end-time", job.end_ms);
    json.member("duration",
                std::max<int64_t>(0, (job.end_ms > 0 ? job.end_ms : now_ms) - job.start_ms));
    json.member("state", cluster_job_status_name(job.status));
    json.member("last-modification", job.last_modification_ms).begin_object("tasks");
    int32_t total = 0;
    for (const int32_t count : job.tasks) { total += count; }
    json.member("total", total);
    for (int32_t i = 0; i < kExecutionStateCount; ++i) {
      json.member(lower_case(execution_state_name(static_cast<ExecutionState>(i))), job.tasks[i]);
    }
    json.end_object().end_object();
  }
  json.end_array().end_object();
  return json.take();
}

std::string job_json(const pb::JobReport& job) {
  const bool ended = job.end_ms() > 0;
  JsonBuilder json;
  json.begin_object().member("jid", job.id()).member("name", job.name());
  json.member("isStoppable", false).member("state", cluster_job_status_name(status_of(job)));
  json.member("job-type", job.is_batch() ? "BATCH" : "STREAMING");
  json.member("start-time", job.start_ms()).member("end-time", ended ? job.end_ms() : int64_t{-1});
  json.member("duration",
              std::max<int64_t>(0, (ended ? job.end_ms() : job.now_ms()) - job.start_ms()));
  json.member("maxParallelism", job.max_parallelism() > 0 ? job.max_parallelism() : -1);
  json.member("now", job.now_ms()).begin_object("timestamps");
  for (int32_t i = 0; i < kClusterJobStatusCount; ++i) {
    const auto status = static_cast<ClusterJobStatus>(i);
    json.member(cluster_job_status_name(status), status_ms(job, status));
  }
  json.end_object().begin_array("vertices");
  Group vertices;  // counted by their states
  for (const pb::VertexReport& vertex : job.vertices()) {
    const Group group = group_of(vertex, job.now_ms());
    ++vertices.states[static_cast<size_t>(group.state())];
    json.begin_object().member("id", vertex.id());
    json.member("slotSharingGroupId", sharing_group_id(vertex.slot_sharing_group()));
    json.member("name", vertex.name());
    json.member("maxParallelism", vertex.max_parallelism());
    json.member("parallelism", vertex.parallelism());
    json.member("status", execution_state_name(group.state()));
    write_times(json, group.final_times(job.now_ms()));
    write_states(json, "tasks", group);
    write_metrics(json, group);
    json.end_object();
  }
  json.end_array();
  write_states(json, "status-counts", vertices);
  write_plan(json, job);
  if (!job.status_text().empty()) { json.member("status-text", job.status_text()); }
  return json.end_object().take();
}

std::string job_plan_json(const pb::JobReport& job) {
  JsonBuilder json;
  json.begin_object();
  write_plan(json, job);
  return json.end_object().take();
}

std::string job_config_json(const pb::JobReport& job) {
  JsonBuilder json;
  json.begin_object().member("jid", job.id()).member("name", job.name());
  json.begin_object("execution-config").member("execution-mode", "PIPELINED");
  json.member("restart-strategy", job.restart_strategy());
  json.member("job-parallelism", job.parallelism()).member("object-reuse-mode", true);
  json.begin_object("user-config");
  for (const pb::SettingReport& one : job.arguments()) { json.member(one.key(), one.value()); }
  return json.end_object().end_object().end_object().take();
}

std::string job_accumulators_json(const pb::JobReport& job) {
  JsonBuilder json;
  json.begin_object().begin_array("job-accumulators").end_array();
  write_accumulators(json, "user-task-accumulators", job.accumulators());
  return json.begin_object("serialized-user-task-accumulators").end_object().end_object().take();
}

std::string job_result_json(const pb::JobReport& job) {
  const ClusterJobStatus status = status_of(job);
  JsonBuilder json;
  if (!is_final(status)) {
    json.begin_object().begin_object("status").member("id", "IN_PROGRESS").end_object();
    return json.end_object().take();
  }
  json.begin_object().begin_object("status").member("id", "COMPLETED").end_object();
  json.begin_object("job-execution-result").member("id", job.id());
  json.member("application-status", status == ClusterJobStatus::kFinished   ? "SUCCEEDED"
                                    : status == ClusterJobStatus::kCanceled ? "CANCELED"
                                                                            : "FAILED");
  json.begin_object("accumulator-results").end_object();
  json.member("net-runtime", std::max<int64_t>(0, job.end_ms() - job.start_ms()));
  if (status != ClusterJobStatus::kFinished) {
    const bool has_failure = status == ClusterJobStatus::kFailed && job.failures_size() > 0;
    const std::string error = has_failure ? job.failures(0).error() : "TW1802 kJobCancelled";
    const std::string text =
        has_failure ? stack_trace_of(job.failures(0)) : "the job was cancelled";
    json.begin_object("failure-cause").member("class", error).member("stack-trace", text);
    json.member("serialized-throwable", serialized_throwable(error, text)).end_object();
  }
  return json.end_object().end_object().take();
}

std::string job_exceptions_json(const pb::JobReport& job, int64_t count_max, bool has_label) {
  JsonBuilder json;
  const int count =
      has_label ? 0 : static_cast<int>(std::clamp<int64_t>(count_max, 0, job.failures_size()));
  const bool is_cut = job.failures_cut() || count < job.failures_size();
  json.begin_object().begin_object("exceptionHistory").begin_array("entries");
  for (int i = 0; i < count; ++i) { write_failure(json, job.failures(i), true); }
  json.end_array().member("truncated", is_cut).end_object();
  // The old form.
  if (job.failures_size() == 0) {
    json.null_member("root-exception").null_member("timestamp");
  } else {
    json.member("root-exception", stack_trace_of(job.failures(0)));
    json.member("timestamp", job.failures(0).at_ms());
  }
  json.begin_array("all-exceptions");
  for (int i = 0; i < count; ++i) {
    const pb::FailureReport& failure = job.failures(i);
    if (failure.task().empty()) { continue; }
    const std::string endpoint = endpoint_of(failure.host(), failure.data_port());
    json.begin_object().member("exception", stack_trace_of(failure)).member("task", failure.task());
    json.member("location", endpoint).member("endpoint", endpoint);
    json.member("timestamp", failure.at_ms()).member("taskManagerId", failure.task_manager());
    json.end_object();
  }
  return json.end_array().member("truncated", is_cut).end_object().take();
}

const pb::VertexReport* find_vertex(const pb::JobReport& job, std::string_view vertex_id) {
  for (const pb::VertexReport& vertex : job.vertices()) {
    if (vertex.id() == vertex_id) { return &vertex; }
  }
  return nullptr;
}

std::string vertex_json(const pb::JobReport& job, const pb::VertexReport& vertex) {
  JsonBuilder json;
  json.begin_object().member("id", vertex.id()).member("name", vertex.name());
  json.member("parallelism", vertex.parallelism());
  json.member("maxParallelism", vertex.max_parallelism()).member("now", job.now_ms());
  json.begin_array("subtasks");
  std::vector<const pb::AttemptReport*> attempts;
  for (int i = 0; i < vertex.subtasks_size(); ++i) {
    attempts.push_back(&present_attempt(vertex.subtasks(i)));
    json.begin_object();
    write_attempt(json, job, i, *attempts.back());
    json.end_object();
  }
  json.end_array();
  write_aggregated(json, attempts, job.now_ms());
  return json.end_object().take();
}

std::string vertex_times_json(const pb::JobReport& job, const pb::VertexReport& vertex) {
  JsonBuilder json;
  json.begin_object().member("id", vertex.id()).member("name", vertex.name());
  json.member("now", job.now_ms()).begin_array("subtasks");
  for (int i = 0; i < vertex.subtasks_size(); ++i) {
    const pb::AttemptReport& attempt = present_attempt(vertex.subtasks(i));
    json.begin_object().member("subtask", i);
    json.member("host", attempt.host().empty() ? std::string(kUnassigned) : attempt.host());
    json.member("endpoint", endpoint_of(attempt.host(), attempt.data_port()));
    json.member("duration", times_of(attempt, job.now_ms()).duration_ms).begin_object("timestamps");
    for (int32_t state = 0; state < kExecutionStateCount; ++state) {
      json.member(execution_state_name(static_cast<ExecutionState>(state)),
                  state_ms(attempt, static_cast<ExecutionState>(state)));
    }
    json.end_object().end_object();
  }
  return json.end_array().end_object().take();
}

std::string vertex_task_managers_json(const pb::JobReport& job, const pb::VertexReport& vertex) {
  std::map<std::string, std::vector<const pb::AttemptReport*>> by_id;
  for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
    const pb::AttemptReport& attempt = present_attempt(subtask);
    by_id[attempt.task_manager()].push_back(&attempt);
  }
  JsonBuilder json;
  json.begin_object().member("id", vertex.id()).member("name", vertex.name());
  json.member("now", job.now_ms()).begin_array("taskmanagers");
  for (const auto& [id, attempts] : by_id) {
    Group group;
    for (const pb::AttemptReport* const one : attempts) { group.add(*one, job.now_ms()); }
    const std::string endpoint =
        endpoint_of(attempts.front()->host(), attempts.front()->data_port());
    json.begin_object().member("host", endpoint).member("endpoint", endpoint);
    json.member("status", execution_state_name(group.state()));
    write_times(json, group.final_times(job.now_ms()));
    write_metrics(json, group);
    write_states(json, "status-counts", group);
    json.member("taskmanager-id", id.empty() ? std::string(kUnassigned) : id);
    write_aggregated(json, attempts, job.now_ms());
    json.end_object();
  }
  return json.end_array().end_object().take();
}

std::string vertex_backpressure_json(const pb::JobReport& job, const pb::VertexReport& vertex) {
  const auto ratio_of = [](int32_t ms_per_second) { return std::max(0, ms_per_second) / 1000.0; };
  const auto level_of = [](double ratio) {
    return ratio <= 0.10 ? "ok" : ratio <= 0.5 ? "low" : "high";
  };
  double highest = 0;
  bool is_measured = vertex.subtasks_size() > 0;
  for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
    const pb::AttemptReport& attempt = present_attempt(subtask);
    is_measured = is_measured && attempt.backpressured_ms_per_second() >= 0;
    highest = std::max(highest, ratio_of(attempt.backpressured_ms_per_second()));
  }
  JsonBuilder json;
  json.begin_object().member("status", is_measured ? "ok" : "deprecated");
  if (!is_measured) { return json.begin_array("subtasks").end_array().end_object().take(); }
  json.member("backpressureLevel", level_of(highest));
  json.member("backpressure-level", level_of(highest)).member("end-timestamp", job.now_ms());
  json.begin_array("subtasks");
  for (int i = 0; i < vertex.subtasks_size(); ++i) {
    const pb::AttemptReport& attempt = present_attempt(vertex.subtasks(i));
    const double ratio = ratio_of(attempt.backpressured_ms_per_second());
    json.begin_object().member("subtask", i).member("attempt-number", attempt.attempt());
    json.member("backpressureLevel", level_of(ratio)).member("backpressure-level", level_of(ratio));
    json.member("ratio", ratio).member("idleRatio", ratio_of(attempt.idle_ms_per_second()));
    json.member("busyRatio", ratio_of(attempt.busy_ms_per_second())).end_object();
  }
  return json.end_array().end_object().take();
}

std::string vertex_watermarks_json(const pb::VertexReport& vertex) {
  JsonBuilder json;
  json.begin_array();
  for (int i = 0; i < vertex.subtasks_size(); ++i) {
    const pb::AttemptReport& attempt = present_attempt(vertex.subtasks(i));
    if (!attempt.has_input()) { continue; }
    json.begin_object().member("id", fmt::format("{}.currentInputWatermark", i));
    json.member("value", std::to_string(attempt.watermark())).end_object();
  }
  return json.end_array().take();
}

std::string vertex_accumulators_json(const pb::VertexReport& vertex) {
  // Counters of equal name are added up; of others, each subtask's is shown.
  std::map<std::string, std::pair<std::string, int64_t>> sums;
  google::protobuf::RepeatedPtrField<pb::AccumulatorReport> shown;
  for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
    for (const pb::AccumulatorReport& one : present_attempt(subtask).accumulators()) {
      if (one.type() == "LongCounter") {
        auto& sum = sums[one.name()];
        sum.first = one.type();
        sum.second += std::strtoll(one.value().c_str(), nullptr, 10);
      } else {
        *shown.Add() = one;
      }
    }
  }
  for (const auto& [name, sum] : sums) {
    pb::AccumulatorReport& added = *shown.Add();
    added.set_name(name);
    added.set_type(sum.first);
    added.set_value(std::to_string(sum.second));
  }
  JsonBuilder json;
  json.begin_object().member("id", vertex.id());
  write_accumulators(json, "user-accumulators", shown);
  return json.end_object().take();
}

std::string subtask_accumulators_json(const pb::VertexReport& vertex) {
  JsonBuilder json;
  json.begin_object().member("id", vertex.id()).member("parallelism", vertex.parallelism());
  json.begin_array("subtasks");
  for (int i = 0; i < vertex.subtasks_size(); ++i) {
    const pb::AttemptReport& attempt = present_attempt(vertex.subtasks(i));
    json.begin_object().member("subtask", i).member("attempt", attempt.attempt());
    json.member("host", attempt.host().empty() ? std::string(kUnassigned) : attempt.host());
    json.member("endpoint", endpoint_of(attempt.host(), attempt.data_port()));
    write_accumulators(json, "user-accumulators", attempt.accumulators());
    json.end_object();
  }
  return json.end_array().end_object().take();
}

std::string subtask_json(const pb::JobReport& job, const pb::VertexReport& vertex, int64_t subtask,
                         int64_t attempt) {
  const pb::AttemptReport* const found = find_attempt(vertex, subtask, attempt);
  if (found == nullptr) { return {}; }
  JsonBuilder json;
  json.begin_object();
  write_attempt(json, job, subtask, *found);
  return json.end_object().take();
}

std::string attempt_accumulators_json(const pb::VertexReport& vertex, int64_t subtask,
                                      int64_t attempt) {
  const pb::AttemptReport* const found = find_attempt(vertex, subtask, attempt);
  if (found == nullptr) { return {}; }
  JsonBuilder json;
  json.begin_object().member("subtask", subtask).member("attempt", found->attempt());
  json.member("id", fmt::format("{}_{}_{}", vertex.id(), subtask, found->attempt()));
  write_accumulators(json, "user-accumulators", found->accumulators());
  return json.end_object().take();
}

}  // namespace tidewheel
