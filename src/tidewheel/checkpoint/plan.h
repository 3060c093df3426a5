// What everybody who takes part in one checkpoint has to know about it. A barrier carries only the
// checkpoint's id (Element::value); the plan is made known before the first barrier is sent.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/clock.h"

namespace tidewheel {

enum class SnapshotKind : uint8_t {
  kCheckpoint,  // the engine's own: may share segments with earlier ones
  kSavepoint,   // the user's: all segments are its own
};

// What a savepoint is written as.
enum class SavepointForm : uint8_t {
  kCanonical,  // entries, which every state backend reads
  kNative,     // what the state backend has, which only the same one reads: files, if it has such
};

// What becomes of the job after a savepoint.
enum class AfterSavepoint : uint8_t {
  kGoOn,
  kSuspend,  // sources send nothing behind the barrier; tasks end when it is complete
  kDrain,    // the same, but the final watermark and the end of data go before the barrier
};

// Immutable once it is known to others.
struct CheckpointPlan {
  int64_t id = 0;
  SnapshotKind kind = SnapshotKind::kCheckpoint;
  AfterSavepoint after = AfterSavepoint::kGoOn;
  SavepointForm form = SavepointForm::kCanonical;
  bool exactly_once = true;  // false: channels are not blocked for barriers
  // The end of an epoch: a barrier and nothing else, which nobody acknowledges.
  bool is_mark = false;
  // Barriers overtake what is in flight: at once (0), or when they have been under way for this
  // long; kNever: they do not.
  int64_t unaligned_after_ns = Clock::kNever;
  int64_t trigger_ns = 0;  // monotonic, of the coordinator's machine
  int64_t trigger_wall_ms = 0;
  // Of the newest complete checkpoint: segments may be written as changes to it (0: none may).
  int64_t base_checkpoint = 0;
  std::string directory;  // where the snapshot's own files go
};
using CheckpointPlanRef = std::shared_ptr<const CheckpointPlan>;

// The plans that are under way in a process.
class CheckpointPlans {
 public:
  virtual ~CheckpointPlans() = default;
  // Any thread. Null when the checkpoint is over, or was never announced.
  virtual CheckpointPlanRef find(int64_t checkpoint) const = 0;
};

}  // namespace tidewheel
