#include "tidewheel/checkpoint/stats.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

std::string_view checkpoint_status_name(CheckpointStatus status) {
  switch (status) {
    case CheckpointStatus::kInProgress: return "IN_PROGRESS";
    case CheckpointStatus::kCompleted: return "COMPLETED";
    case CheckpointStatus::kFailed: return "FAILED";
  }
  return "";
}

const CheckpointFigures* CheckpointStatistics::find(int64_t id) const {
  for (const CheckpointFigures& figures : history) {
    if (figures.id == id) { return &figures; }
  }
  return nullptr;
}

void CheckpointHistory::begin(const CheckpointPlan& plan, int32_t subtasks) {
  CheckpointFigures figures;
  figures.id = plan.id;
  figures.kind = plan.kind;
  figures.after = plan.after;
  figures.form = plan.form;
  figures.trigger_wall_ms = plan.trigger_wall_ms;
  figures.trigger_ns = plan.trigger_ns;
  figures.subtasks = subtasks;
  statistics_.history.push_back(std::move(figures));
  ++statistics_.triggered;
  ++statistics_.in_progress;
}

void CheckpointHistory::acknowledge(int64_t id, const TaskSnapshot& snapshot, int64_t now_ns) {
  CheckpointFigures* const figures = in_progress(id);
  if (figures == nullptr) { return; }
  SubtaskCheckpointFigures subtask;
  subtask.vertex = snapshot.vertex;
  subtask.subtask = snapshot.subtask;
  subtask.end_of_data = snapshot.end_of_data;
  subtask.duration_ns = now_ns - figures->trigger_ns;
  subtask.figures = snapshot.figures;
  for (const OperatorSnapshot& op : snapshot.operators) {
    for (const SegmentRef& segment : op.segments) { subtask.bytes_full += segment.stored_bytes(); }
  }
  figures->bytes_written += snapshot.figures.bytes_written;
  figures->bytes_in_flight += snapshot.figures.bytes_in_flight;
  figures->bytes_full += subtask.bytes_full;
  figures->sync_ns = std::max(figures->sync_ns, snapshot.figures.sync_ns);
  figures->async_ns = std::max(figures->async_ns, snapshot.figures.async_ns);
  figures->alignment_ns = std::max(figures->alignment_ns, snapshot.figures.alignment_ns);
  figures->start_delay_ns = std::max(figures->start_delay_ns, snapshot.figures.start_delay_ns);
  figures->acknowledged.push_back(std::move(subtask));
}

void CheckpointHistory::complete(int64_t id, uint64_t bytes_full, std::string path,
                                 int64_t now_ns) {
  CheckpointFigures* const figures = in_progress(id);
  if (figures == nullptr) { return; }
  figures->status = CheckpointStatus::kCompleted;
  figures->duration_ns = now_ns - figures->trigger_ns;
  figures->bytes_full = bytes_full;
  figures->path = std::move(path);
  ++statistics_.completed;
  --statistics_.in_progress;
  (figures->kind == SnapshotKind::kSavepoint ? statistics_.latest_savepoint
                                             : statistics_.latest_completed) = *figures;
  forget_oldest();
}

void CheckpointHistory::fail(int64_t id, std::string why, int64_t now_ns) {
  CheckpointFigures* const figures = in_progress(id);
  if (figures == nullptr) { return; }
  figures->status = CheckpointStatus::kFailed;
  figures->duration_ns = now_ns - figures->trigger_ns;
  figures->failure = std::move(why);
  ++statistics_.failed;
  --statistics_.in_progress;
  statistics_.latest_failed = *figures;
  forget_oldest();
}

void CheckpointHistory::restored(RestoreFigures figures) {
  ++statistics_.restored;
  statistics_.latest_restore = std::move(figures);
}

CheckpointFigures* CheckpointHistory::in_progress(int64_t id) {
  for (CheckpointFigures& figures : statistics_.history) {
    if (figures.id == id && figures.status == CheckpointStatus::kInProgress) { return &figures; }
  }
  return nullptr;
}

// Those that are under way stay, however many there are.
void CheckpointHistory::forget_oldest() {
  auto& history = statistics_.history;
  const auto is_over = [](const CheckpointFigures& figures) {
    return figures.status != CheckpointStatus::kInProgress;
  };
  auto over = static_cast<size_t>(std::count_if(history.begin(), history.end(), is_over));
  while (over > count_max_) {
    history.erase(std::find_if(history.begin(), history.end(), is_over));
    --over;
  }
}

}  // namespace tidewheel
