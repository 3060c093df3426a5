// What is remembered of a job's checkpoints, for the user: how long they took, how much they wrote,
// and why some failed.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"

namespace tidewheel {

enum class CheckpointStatus : uint8_t { kInProgress, kCompleted, kFailed };
std::string_view checkpoint_status_name(CheckpointStatus status);  // "IN_PROGRESS"

// One subtask's part of a checkpoint.
struct SubtaskCheckpointFigures {
  int32_t vertex = 0;
  int32_t subtask = 0;
  bool end_of_data = false;
  int64_t duration_ns = 0;  // from the trigger to the acknowledgement
  uint64_t bytes_full = 0;  // of the segments that it has handed over
  TaskSnapshotFigures figures;
};

struct CheckpointFigures {
  int64_t id = 0;
  SnapshotKind kind = SnapshotKind::kCheckpoint;
  AfterSavepoint after = AfterSavepoint::kGoOn;
  SavepointForm form = SavepointForm::kCanonical;
  CheckpointStatus status = CheckpointStatus::kInProgress;
  int64_t trigger_wall_ms = 0;
  int64_t trigger_ns = 0;   // monotonic
  int64_t duration_ns = 0;  // from the trigger to the end; 0 while it is under way
  int32_t subtasks = 0;     // that take part
  uint64_t bytes_written = 0;
  uint64_t bytes_full = 0;
  uint64_t bytes_in_flight = 0;
  std::string path;     // of a complete one
  std::string failure;  // of one that failed
  // The longest of all subtasks.
  int64_t sync_ns = 0;
  int64_t async_ns = 0;
  int64_t alignment_ns = 0;
  int64_t start_delay_ns = 0;
  std::vector<SubtaskCheckpointFigures> acknowledged;  // in order of arrival
};

// From which snapshot the job, or a part of it, went on.
struct RestoreFigures {
  int64_t checkpoint = 0;
  SnapshotKind kind = SnapshotKind::kCheckpoint;
  std::string path;
  int64_t wall_ms = 0;
};

struct CheckpointStatistics {
  // Counts over the job's whole life in this process.
  int64_t triggered = 0;
  int64_t completed = 0;
  int64_t failed = 0;
  int64_t in_progress = 0;
  int64_t restored = 0;
  // The newest ones, oldest first; at most `web.checkpoints.history` of those that are over.
  std::vector<CheckpointFigures> history;
  std::optional<CheckpointFigures> latest_completed;  // not a savepoint
  std::optional<CheckpointFigures> latest_savepoint;
  std::optional<CheckpointFigures> latest_failed;
  std::optional<RestoreFigures> latest_restore;

  const CheckpointFigures* find(int64_t id) const;  // in the history
};

// Keeps the figures. One thread.
class CheckpointHistory {
 public:
  explicit CheckpointHistory(size_t count_max) : count_max_(count_max) {}

  void begin(const CheckpointPlan& plan, int32_t subtasks);
  void acknowledge(int64_t id, const TaskSnapshot& snapshot, int64_t now_ns);
  // `bytes_full`: of all segments that it refers to.
  void complete(int64_t id, uint64_t bytes_full, std::string path, int64_t now_ns);
  void fail(int64_t id, std::string why, int64_t now_ns);
  void restored(RestoreFigures figures);
  const CheckpointStatistics& statistics() const { return statistics_; }

 private:
  CheckpointFigures* in_progress(int64_t id);
  void forget_oldest();

  const size_t count_max_;
  CheckpointStatistics statistics_;
};

}  // namespace tidewheel
