#include "tidewheel/cluster/job_report_builder.h"

#include <algorithm>
#include <set>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/parallelism.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/edge_kind.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

size_t report_index(int32_t index) { return static_cast<size_t>(index); }

bool is_secret(std::string_view key) {
  for (const std::string_view part : {"password", "secret", "token", "apikey", "auth"}) {
    if (key.find(part) != std::string_view::npos) { return true; }
  }
  return false;
}

void fill_failure(const Status& status, int64_t at_ms, const std::string& task,
                  pb::FailureReport& report) {
  report.set_error(fmt::format("TW{} {}", static_cast<int>(status.id()), error_name(status.id())));
  report.set_text(status.message());
  report.set_at_ms(at_ms);
  report.set_task(task);
}

void fill_attempt(const TaskAttempt& from, bool has_input, pb::AttemptReport& report) {
  report.set_attempt(from.number);
  report.set_state(static_cast<uint32_t>(from.state));
  report.set_task_manager(from.task_manager_id);
  report.set_host(from.host);
  report.set_data_port(from.data_port);
  for (const int64_t ms : from.state_ms) { report.add_state_ms(ms); }
  report.set_end_ms(from.end_ms);
  if (has_input) { report.set_rows_in(from.info.rows_in); }
  report.set_bytes_in(from.bytes_in);
  report.set_bytes_out(from.bytes_out);
  report.set_rows_out(from.info.rows_out);
  report.set_busy_ms(from.info.busy_ms);
  report.set_idle_ms(from.info.idle_ms);
  report.set_backpressured_ms(from.info.backpressured_ms);
  report.set_busy_ms_per_second(from.busy_ms_per_second);
  report.set_idle_ms_per_second(from.idle_ms_per_second);
  report.set_backpressured_ms_per_second(from.backpressured_ms_per_second);
  report.set_rows_in_per_second(has_input ? from.rows_in_per_second : 0);
  report.set_rows_out_per_second(from.rows_out_per_second);
  report.set_watermark(from.info.watermark);
  report.set_has_input(has_input);
  if (!from.failure.ok()) {
    pb::FailureReport& failure = *report.mutable_failure();
    fill_failure(from.failure, from.end_ms, "", failure);
    failure.set_host(from.host);
    failure.set_data_port(from.data_port);
    failure.set_task_manager(from.task_manager_id);
  }
}

void fill_subtasks(const JobReportSources& job, int32_t vertex, pb::VertexReport& report) {
  const ChainVertex& chain = job.chained.vertices[report_index(vertex)];
  const bool has_input = !job.chained.graph.nodes[report_index(chain.nodes.front())].is_source;
  for (int32_t subtask = 0; subtask < chain.parallelism; ++subtask) {
    pb::SubtaskReport& entry = *report.add_subtasks();
    const auto& attempts = job.fleet->attempts()[job.fleet->place_of({vertex, subtask})];
    for (auto attempt = attempts.rbegin(); attempt != attempts.rend(); ++attempt) {
      fill_attempt(*attempt, has_input, *entry.add_attempts());
    }
    if (attempts.empty()) {
      pb::AttemptReport& waiting = *entry.add_attempts();
      waiting.set_state(static_cast<uint32_t>(ExecutionState::kScheduled));
      for (int i = 0; i < kExecutionStateCount; ++i) { waiting.add_state_ms(0); }
      waiting.set_watermark(INT64_MIN);
      waiting.set_has_input(has_input);
      for (const auto set :
           {&pb::AttemptReport::set_busy_ms_per_second, &pb::AttemptReport::set_idle_ms_per_second,
            &pb::AttemptReport::set_backpressured_ms_per_second}) {
        (waiting.*set)(-1);
      }
    }
  }
}

void fill_task_checkpoints(const ChainedGraph& chained, const CheckpointFigures& from,
                           pb::CheckpointReport& report) {
  std::map<int32_t, pb::TaskCheckpointReport*> by_vertex;
  int64_t latest_ms = 0;
  for (const SubtaskCheckpointFigures& figures : from.acknowledged) {
    pb::TaskCheckpointReport*& task = by_vertex[figures.vertex];
    if (task == nullptr) {
      task = report.add_tasks();
      task->set_vertex_id(vertex_id_of(chained, figures.vertex));
      task->set_subtasks(chained.vertices[report_index(figures.vertex)].parallelism);
    }
    pb::SubtaskCheckpointReport& entry = *task->add_acknowledged();
    const TaskSnapshotFigures& part = figures.figures;
    entry.set_subtask(figures.subtask);
    entry.set_ack_ms(from.trigger_wall_ms + figures.duration_ns / kNsPerMs);
    latest_ms = std::max(latest_ms, entry.ack_ms());
    entry.set_duration_ms(figures.duration_ns / kNsPerMs);
    entry.set_bytes_written(static_cast<int64_t>(part.bytes_written));
    entry.set_bytes_full(static_cast<int64_t>(figures.bytes_full));
    entry.set_sync_ms(part.sync_ns / kNsPerMs);
    entry.set_async_ms(part.async_ns / kNsPerMs);
    entry.set_alignment_ms(part.alignment_ns / kNsPerMs);
    entry.set_start_delay_ms(part.start_delay_ns / kNsPerMs);
    entry.set_bytes_in_flight(static_cast<int64_t>(part.bytes_in_flight));
    entry.set_unaligned(part.unaligned);
    if (part.unaligned) { report.set_unaligned(true); }
  }
  report.set_latest_ack_ms(latest_ms);
}

void fill_checkpoint(const JobReportSources& job, const CheckpointFigures& from,
                     pb::CheckpointReport& report) {
  report.set_id(from.id);
  report.set_status(static_cast<uint32_t>(from.status));
  report.set_is_savepoint(from.kind == SnapshotKind::kSavepoint);
  report.set_native(from.form == SavepointForm::kNative);
  report.set_is_synchronous(from.after != AfterSavepoint::kGoOn);
  report.set_trigger_ms(from.trigger_wall_ms);
  const bool over = from.status != CheckpointStatus::kInProgress;
  report.set_duration_ms(over ? from.duration_ns / kNsPerMs : job.now_ms - from.trigger_wall_ms);
  report.set_bytes_written(static_cast<int64_t>(from.bytes_written));
  report.set_bytes_full(static_cast<int64_t>(from.bytes_full));
  report.set_bytes_in_flight(static_cast<int64_t>(from.bytes_in_flight));
  report.set_subtasks(from.subtasks);
  report.set_subtasks_acknowledged(static_cast<int32_t>(from.acknowledged.size()));
  report.set_path(from.path);
  if (from.status == CheckpointStatus::kFailed) {
    report.set_failed_ms(from.trigger_wall_ms + from.duration_ns / kNsPerMs);
    report.set_failure(from.failure);
  }
  fill_task_checkpoints(job.chained, from, report);
}

void fill_rules(const JobReportSources& job, pb::CheckpointsReport& report) {
  const CheckpointRules& rules = job.rules;
  report.set_at_least_once(!rules.exactly_once);
  report.set_interval_ms(rules.interval_ns / kNsPerMs);
  report.set_timeout_ms(rules.timeout_ns / kNsPerMs);
  report.set_min_pause_ms(rules.min_pause_ns / kNsPerMs);
  report.set_max_concurrent(rules.concurrent_max);
  report.set_externalized(rules.retention != CheckpointRetention::kNone);
  report.set_delete_on_cancellation(rules.retention == CheckpointRetention::kDeleteOnCancellation);
  report.set_state_backend(job.config.get(options::kStateBackend));
  report.set_directory(job.config.get(options::kCheckpointDirectory));
  report.set_unaligned(rules.unaligned_after_ns == 0);
  report.set_tolerable_failures(rules.tolerable_failures);
  const bool later = rules.unaligned_after_ns > 0 && rules.unaligned_after_ns != Clock::kNever;
  report.set_aligned_timeout_ms(later ? rules.unaligned_after_ns / kNsPerMs : 0);
  report.set_after_tasks_finish(rules.after_tasks_finish);
}

void fill_checkpoints(const JobReportSources& job, pb::CheckpointsReport& report) {
  fill_rules(job, report);
  const CheckpointStatistics& from = job.checkpoints;
  report.set_triggered(from.triggered);
  report.set_completed(from.completed);
  report.set_failed(from.failed);
  report.set_in_progress(from.in_progress);
  report.set_restored(from.restored);
  for (const CheckpointFigures& figures : from.history) {
    fill_checkpoint(job, figures, *report.add_history());
  }
  if (from.latest_completed) {
    fill_checkpoint(job, *from.latest_completed, *report.mutable_latest_completed());
  }
  if (from.latest_savepoint) {
    fill_checkpoint(job, *from.latest_savepoint, *report.mutable_latest_savepoint());
  }
  if (from.latest_failed) {
    fill_checkpoint(job, *from.latest_failed, *report.mutable_latest_failed());
  }
  if (from.latest_restore) {
    pb::RestoreReport& restore = *report.mutable_latest_restore();
    restore.set_id(from.latest_restore->checkpoint);
    restore.set_is_savepoint(from.latest_restore->kind == SnapshotKind::kSavepoint);
    restore.set_path(from.latest_restore->path);
    restore.set_at_ms(from.latest_restore->wall_ms);
  }
}

}  // namespace

ClusterJobStatus cluster_status_of(JobState state) {
  switch (state) {
    case JobState::kCreated: return ClusterJobStatus::kCreated;
    case JobState::kRunning:
    case JobState::kStopping: return ClusterJobStatus::kRunning;
    case JobState::kCancelling: return ClusterJobStatus::kCancelling;
    case JobState::kFailing: return ClusterJobStatus::kFailing;
    case JobState::kRestarting: return ClusterJobStatus::kRestarting;
    case JobState::kFinished: return ClusterJobStatus::kFinished;
    case JobState::kCancelled: return ClusterJobStatus::kCanceled;
    case JobState::kFailed: return ClusterJobStatus::kFailed;
  }
  return ClusterJobStatus::kInitializing;
}

void fill_plan(const ChainedGraph& chained, pb::JobReport& report) {
  int32_t parallelism = 0;
  for (size_t i = 0; i < chained.vertices.size(); ++i) {
    const ChainVertex& vertex = chained.vertices[i];
    pb::VertexReport& entry = *report.add_vertices();
    entry.set_id(vertex_id_of(chained, static_cast<int32_t>(i)));
    entry.set_name(vertex.name);
    entry.set_parallelism(vertex.parallelism);
    entry.set_max_parallelism(vertex.max_parallelism);
    entry.set_slot_sharing_group(vertex.slot_sharing_group);
    parallelism = std::max(parallelism, vertex.parallelism);
    for (const int32_t node : vertex.nodes) {
      const GraphNode& from = chained.graph.nodes[report_index(node)];
      pb::OperatorReport& op = *entry.add_operators();
      op.set_id(to_hex(chained.operator_ids[report_index(node)]));
      op.set_uid(from.uid);
      op.set_name(from.name);
      op.set_description(from.description);
      op.set_is_source(from.is_source);
      op.set_is_sink(from.is_sink);
    }
  }
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    if (chained.edge_is_chained[i]) { continue; }
    const GraphEdge& edge = chained.graph.edges[i];
    pb::EdgeReport& entry = *report.add_edges();
    entry.set_from(chained.vertex_of_node[report_index(edge.from)]);
    entry.set_to(chained.vertex_of_node[report_index(edge.to)]);
    entry.set_input(edge.to_input);
    entry.set_ship_strategy(std::string(edge_kind_name(edge.kind)));
    entry.set_exchange("pipelined_bounded");
  }
  report.set_parallelism(parallelism);
  report.set_max_parallelism(-1);
}

void fill_job_report(const JobReportSources& job, pb::JobReport& report) {
  fill_plan(job.chained, report);
  report.set_id(job.id);
  report.set_name(job.name);
  report.set_status(static_cast<uint32_t>(cluster_status_of(job.state)));
  report.set_now_ms(job.now_ms);
  report.set_start_ms(job.start_ms);
  report.set_end_ms(job.end_ms);
  for (const int64_t ms : job.status_ms) { report.add_status_ms(ms); }
  report.set_restarts(job.restarts);
  report.set_restart_strategy(job.restart_strategy);
  report.set_status_text(job.status_text);
  report.set_can_rescale(job.can_rescale);
  for (pb::VertexReport& vertex : *report.mutable_vertices()) {
    for (const ParallelismBounds& bounds : job.bounds) {
      if (bounds.vertex_id != vertex.id()) { continue; }
      vertex.set_parallelism_lower(bounds.lower);
      vertex.set_parallelism_upper(bounds.upper);
    }
  }
  if (const int64_t max = job.config.get(options::kMaxParallelism); max > 0) {
    report.set_max_parallelism(static_cast<int32_t>(max));
  }
  if (job.fleet != nullptr) {
    for (int i = 0; i < report.vertices_size(); ++i) {
      fill_subtasks(job, i, *report.mutable_vertices(i));
    }
    for (const auto& [name, value] : job.fleet->accumulators()) {
      pb::AccumulatorReport& accumulator = *report.add_accumulators();
      accumulator.set_name(name);
      accumulator.set_type("LongCounter");
      accumulator.set_value(std::to_string(value));
    }
  }
  if (job.rules.has_directory || job.rules.interval_ns > 0) {
    fill_checkpoints(job, *report.mutable_checkpoints());
  }
  for (auto failure = job.failures.rbegin(); failure != job.failures.rend(); ++failure) {
    fill_failure(failure->status, failure->wall_ms, failure->task, *report.add_failures());
  }
  for (const auto& [key, value] : job.config.values()) {
    pb::SettingReport& setting = *report.add_settings();
    setting.set_key(key);
    setting.set_value(is_secret(key) ? "******" : value);
  }
}

}  // namespace tidewheel
