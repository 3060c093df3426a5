#include "tidewheel/rest/checkpoint_json.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/statistics.h"

namespace tidewheel {
namespace {

enum class Status : uint32_t { kInProgress = 0, kCompleted = 1, kFailed = 2 };

Status status_of(const pb::CheckpointReport& checkpoint) {
  return static_cast<Status>(std::min<uint32_t>(checkpoint.status(), 2));
}

const char* status_name(Status status) {
  switch (status) {
    case Status::kInProgress: return "IN_PROGRESS";
    case Status::kCompleted: return "COMPLETED";
    case Status::kFailed: break;
  }
  return "FAILED";
}

const char* class_name(Status status) {
  switch (status) {
    case Status::kInProgress: return "in_progress";
    case Status::kCompleted: return "completed";
    case Status::kFailed: break;
  }
  return "failed";
}

const char* type_name(const pb::CheckpointReport& checkpoint) {
  if (checkpoint.is_savepoint()) {
    return checkpoint.is_synchronous() ? "SYNC_SAVEPOINT" : "SAVEPOINT";
  }
  return checkpoint.unaligned() ? "UNALIGNED_CHECKPOINT" : "CHECKPOINT";
}

template <class F>
std::vector<double> values_of(const pb::TaskCheckpointReport& task, const F& read) {
  std::vector<double> values;
  for (const pb::SubtaskCheckpointReport& one : task.acknowledged()) {
    values.push_back(static_cast<double>(read(one)));
  }
  return values;
}

int64_t sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double one : values) { sum += one; }
  return static_cast<int64_t>(sum);
}
int64_t max_of(const std::vector<double>& values) {
  return values.empty() ? 0 : static_cast<int64_t>(*std::max_element(values.begin(), values.end()));
}

using Subtask = pb::SubtaskCheckpointReport;
int64_t duration_of(const Subtask& one) { return one.duration_ms(); }
int64_t written_of(const Subtask& one) { return one.bytes_written(); }
int64_t full_of(const Subtask& one) { return one.bytes_full(); }
int64_t processed_of(const Subtask& one) { return one.bytes_processed(); }
int64_t in_flight_of(const Subtask& one) { return one.bytes_in_flight(); }
int64_t ack_of(const Subtask& one) { return one.ack_ms(); }
int64_t sync_of(const Subtask& one) { return one.sync_ms(); }
int64_t async_of(const Subtask& one) { return one.async_ms(); }
int64_t alignment_of(const Subtask& one) { return one.alignment_ms(); }
int64_t start_delay_of(const Subtask& one) { return one.start_delay_ms(); }

// The members of a task's part, without the braces.
void write_task(JsonBuilder& json, const pb::CheckpointReport& checkpoint,
                const pb::TaskCheckpointReport& task) {
  Status status = status_of(checkpoint);
  if (status == Status::kInProgress && task.acknowledged_size() == task.subtasks()) {
    status = Status::kCompleted;
  }
  const int64_t latest_ack = max_of(values_of(task, ack_of));
  json.member("id", checkpoint.id()).member("status", status_name(status));
  json.member("latest_ack_timestamp", latest_ack > 0 ? latest_ack : -1);
  json.member("checkpointed_size", sum_of(values_of(task, written_of)));
  json.member("state_size", sum_of(values_of(task, full_of)));
  json.member("end_to_end_duration",
              task.acknowledged_size() > 0 ? max_of(values_of(task, duration_of)) : -1);
  json.member("alignment_buffered", 0);
  json.member("processed_data", sum_of(values_of(task, processed_of)));
  json.member("persisted_data", sum_of(values_of(task, in_flight_of)));
  json.member("num_subtasks", task.subtasks());
  json.member("num_acknowledged_subtasks", task.acknowledged_size());
}

// A vertex's part. One whose tasks had all ended before has none: to clients it is one of which
// nothing is awaited.
pb::TaskCheckpointReport part_of(const pb::CheckpointReport& checkpoint,
                                 const std::string& vertex_id) {
  for (const pb::TaskCheckpointReport& one : checkpoint.tasks()) {
    if (one.vertex_id() == vertex_id) { return one; }
  }
  pb::TaskCheckpointReport none;
  none.set_vertex_id(vertex_id);
  return none;
}

// With the parts of `job`'s vertices, unless it is null.
void write_checkpoint(JsonBuilder& json, const pb::CheckpointReport& checkpoint,
                      const pb::JobReport* job) {
  const Status status = status_of(checkpoint);
  json.begin_object().member("className", class_name(status)).member("id", checkpoint.id());
  json.member("status", status_name(status)).member("is_savepoint", checkpoint.is_savepoint());
  if (checkpoint.is_savepoint()) {
    json.member("savepointFormat", checkpoint.native() ? "NATIVE" : "CANONICAL");
  } else {
    json.null_member("savepointFormat");
  }
  json.member("trigger_timestamp", checkpoint.trigger_ms());
  json.member("latest_ack_timestamp",
              checkpoint.latest_ack_ms() > 0 ? checkpoint.latest_ack_ms() : int64_t{-1});
  json.member("checkpointed_size", checkpoint.bytes_written());
  json.member("state_size", checkpoint.bytes_full());
  json.member("end_to_end_duration", checkpoint.duration_ms()).member("alignment_buffered", 0);
  json.member("processed_data", checkpoint.bytes_processed());
  json.member("persisted_data", checkpoint.bytes_in_flight());
  json.member("num_subtasks", checkpoint.subtasks());
  json.member("num_acknowledged_subtasks", checkpoint.subtasks_acknowledged());
  json.member("checkpoint_type", type_name(checkpoint)).begin_object("tasks");
  if (job != nullptr) {
    for (const pb::VertexReport& vertex : job->vertices()) {
      json.begin_object(vertex.id());
      write_task(json, checkpoint, part_of(checkpoint, vertex.id()));
      json.end_object();
    }
  }
  json.end_object();
  if (status == Status::kCompleted) {
    json.member("external_path", checkpoint.path()).member("discarded", checkpoint.discarded());
  } else if (status == Status::kFailed) {
    json.member("failure_timestamp", checkpoint.failed_ms());
    json.member("failure_message", checkpoint.failure());
  }
  json.end_object();
}

void write_latest(JsonBuilder& json, std::string_view key, bool is_there,
                  const pb::CheckpointReport& checkpoint) {
  if (!is_there) {
    json.null_member(key);
    return;
  }
  json.key(key);
  write_checkpoint(json, checkpoint, nullptr);
}

const pb::CheckpointReport* find_checkpoint(const pb::JobReport& job, int64_t id) {
  const pb::CheckpointsReport& checkpoints = job.checkpoints();
  for (const pb::CheckpointReport& one : checkpoints.history()) {
    if (one.id() == id) { return &one; }
  }
  for (const pb::CheckpointReport* const one :
       {&checkpoints.latest_completed(), &checkpoints.latest_savepoint(),
        &checkpoints.latest_failed()}) {
    if (one->id() == id && id != 0) { return one; }
  }
  return nullptr;
}

// A field over the complete checkpoints that are remembered.
template <class F>
std::vector<double> history_of(const pb::CheckpointsReport& checkpoints, const F& read) {
  std::vector<double> values;
  for (const pb::CheckpointReport& one : checkpoints.history()) {
    if (status_of(one) == Status::kCompleted) { values.push_back(static_cast<double>(read(one))); }
  }
  return values;
}

}  // namespace

std::string checkpoints_json(const pb::CheckpointsReport& checkpoints) {
  JsonBuilder json;
  json.begin_object().begin_object("counts").member("restored", checkpoints.restored());
  json.member("total", checkpoints.triggered()).member("in_progress", checkpoints.in_progress());
  json.member("completed", checkpoints.completed()).member("failed", checkpoints.failed());
  json.end_object().begin_object("summary");
  const auto summary = [&](std::string_view key, auto read) {
    json.key(key);
    write_summary(json, history_of(checkpoints, read), true);
  };
  using Report = pb::CheckpointReport;
  summary("checkpointed_size", [](const Report& one) { return one.bytes_written(); });
  summary("state_size", [](const Report& one) { return one.bytes_full(); });
  summary("end_to_end_duration", [](const Report& one) { return one.duration_ms(); });
  summary("alignment_buffered", [](const Report&) { return int64_t{0}; });
  summary("processed_data", [](const Report& one) { return one.bytes_processed(); });
  summary("persisted_data", [](const Report& one) { return one.bytes_in_flight(); });
  json.end_object().begin_object("latest");
  write_latest(json, "completed", checkpoints.has_latest_completed(),
               checkpoints.latest_completed());
  write_latest(json, "savepoint", checkpoints.has_latest_savepoint(),
               checkpoints.latest_savepoint());
  write_latest(json, "failed", checkpoints.has_latest_failed(), checkpoints.latest_failed());
  if (checkpoints.has_latest_restore()) {
    const pb::RestoreReport& restore = checkpoints.latest_restore();
    json.begin_object("restored").member("id", restore.id());
    json.member("restore_timestamp", restore.at_ms());
    json.member("is_savepoint", restore.is_savepoint()).member("external_path", restore.path());
    json.end_object();
  } else {
    json.null_member("restored");
  }
  json.end_object().begin_array("history");
  for (int i = checkpoints.history_size(); i > 0; --i) {
    write_checkpoint(json, checkpoints.history(i - 1), nullptr);
  }
  return json.end_array().end_object().take();
}

std::string checkpoint_config_json(const pb::CheckpointsReport& checkpoints) {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  JsonBuilder json;
  json.begin_object();
  json.member("mode", checkpoints.at_least_once() ? "at_least_once" : "exactly_once");
  json.member("interval", checkpoints.interval_ms() > 0 ? checkpoints.interval_ms() : kNever);
  json.member("timeout", checkpoints.timeout_ms()).member("min_pause", checkpoints.min_pause_ms());
  json.member("max_concurrent", checkpoints.max_concurrent());
  json.begin_object("externalization").member("enabled", checkpoints.externalized());
  json.member("delete_on_cancellation", checkpoints.delete_on_cancellation()).end_object();
  json.member("state_backend", checkpoints.state_backend() == "rocksdb"
                                   ? "EmbeddedRocksDBStateBackend"
                                   : "HashMapStateBackend");
  json.member("checkpoint_storage", checkpoints.directory().empty()
                                        ? "JobManagerCheckpointStorage"
                                        : "FileSystemCheckpointStorage");
  json.member("unaligned_checkpoints", checkpoints.unaligned());
  json.member("tolerable_failed_checkpoints", checkpoints.tolerable_failures());
  json.member("aligned_checkpoint_timeout", checkpoints.aligned_timeout_ms());
  json.member("checkpoints_after_tasks_finish", checkpoints.after_tasks_finish());
  json.member("state_changelog_enabled", false);
  json.member("changelog_periodic_materialization_interval", 0);
  return json.null_member("changelog_storage").end_object().take();
}

std::string checkpoint_json(const pb::JobReport& job, int64_t id) {
  const pb::CheckpointReport* const checkpoint = find_checkpoint(job, id);
  if (checkpoint == nullptr) { return {}; }
  JsonBuilder json;
  write_checkpoint(json, *checkpoint, &job);
  return json.take();
}

std::string checkpoint_task_json(const pb::JobReport& job, int64_t id, std::string_view vertex_id) {
  const pb::CheckpointReport* const checkpoint = find_checkpoint(job, id);
  const bool is_vertex = std::any_of(job.vertices().begin(), job.vertices().end(),
                                     [&](const auto& one) { return one.id() == vertex_id; });
  if (checkpoint == nullptr || !is_vertex) { return {}; }
  const pb::TaskCheckpointReport task = part_of(*checkpoint, std::string(vertex_id));
  JsonBuilder json;
  json.begin_object();
  write_task(json, *checkpoint, task);
  const auto summary = [&](std::string_view key, auto read) {
    json.key(key);
    write_summary(json, values_of(task, read), false);
  };
  json.begin_object("summary");
  summary("checkpointed_size", written_of);
  summary("state_size", full_of);
  summary("end_to_end_duration", duration_of);
  json.begin_object("checkpoint_duration");
  summary("sync", sync_of);
  summary("async", async_of);
  json.end_object().begin_object("alignment");
  summary("buffered", [](const Subtask&) { return int64_t{0}; });
  summary("processed", processed_of);
  summary("persisted", in_flight_of);
  summary("duration", alignment_of);
  json.end_object();
  summary("start_delay", start_delay_of);
  json.end_object().begin_array("subtasks");
  std::vector<const Subtask*> by_index(static_cast<size_t>(std::max(0, task.subtasks())));
  for (const Subtask& one : task.acknowledged()) {
    const auto index = static_cast<size_t>(one.subtask());
    if (index >= by_index.size()) { by_index.resize(index + 1); }
    by_index[index] = &one;
  }
  for (size_t i = 0; i < by_index.size(); ++i) {
    json.begin_object().member("index", i);
    if (by_index[i] == nullptr) {
      json.member("status", "pending_or_failed").end_object();
      continue;
    }
    const Subtask& one = *by_index[i];
    json.member("status", "completed").member("ack_timestamp", one.ack_ms());
    json.member("end_to_end_duration", one.duration_ms());
    json.member("checkpointed_size", one.bytes_written()).member("state_size", one.bytes_full());
    json.begin_object("checkpoint").member("sync", one.sync_ms()).member("async", one.async_ms());
    json.member("unaligned_checkpoint", one.unaligned()).end_object();
    json.begin_object("alignment").member("buffered", 0);
    json.member("processed", one.bytes_processed()).member("persisted", one.bytes_in_flight());
    json.member("duration", one.alignment_ms()).end_object();
    json.member("start_delay", one.start_delay_ms());
    json.member("unaligned_checkpoint", one.unaligned()).member("aborted", false).end_object();
  }
  return json.end_array().end_object().take();
}

}  // namespace tidewheel
