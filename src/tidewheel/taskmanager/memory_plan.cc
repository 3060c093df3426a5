#include "tidewheel/taskmanager/memory_plan.h"

#include <algorithm>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/rocksdb_options.h"

namespace tidewheel {
namespace {
constexpr int64_t kMegabyte = 1 << 20;
constexpr int64_t kOwnBytes = 64 * kMegabyte;
constexpr int64_t kSlotBytesMin = 96 * kMegabyte;
constexpr int64_t kUncountedBytesMin = 32 * kMegabyte;
}  // namespace

int64_t MemoryPlan::worker_accounted_bytes(int32_t slots) const {
  const int64_t limit = worker_limit_bytes(slots);
  return limit - std::max(kUncountedBytesMin, limit / 10);
}

Result<MemoryPlan> plan_memory(const Config& config, int32_t slots, int64_t machine_bytes) {
  MemoryPlan plan;
  plan.process_bytes = config.get(options::kTaskManagerMemory);
  if (plan.process_bytes == 0) { plan.process_bytes = machine_bytes / 4 * 3; }
  plan.own_bytes = kOwnBytes;
  plan.slot_bytes = (plan.process_bytes - plan.own_bytes) / slots;
  plan.managed_fraction = config.get(options::kManagedFraction);
  if (plan.slot_bytes < kSlotBytesMin) {
    return invalid_argument(
        ErrorId::kMemorySizes,
        "{} is {}: less {} for the TaskManager itself that is {} for each of {} slots, and a slot "
        "needs {}; set it to {} or more, or {} to fewer",
        options::kTaskManagerMemory.key, format_memory_bytes(plan.process_bytes),
        format_memory_bytes(plan.own_bytes),
        format_memory_bytes(std::max<int64_t>(0, plan.slot_bytes) / kMegabyte * kMegabyte), slots,
        format_memory_bytes(kSlotBytesMin),
        format_memory_bytes(plan.own_bytes + kSlotBytesMin * slots),
        "taskmanager.numberOfTaskSlots");
  }
  return plan;
}

}  // namespace tidewheel
