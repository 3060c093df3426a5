#include "tidewheel/taskmanager/memory_plan.h"

#include <algorithm>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_options.h"

namespace tidewheel {
namespace {

constexpr int64_t kMegabyte = 1 << 20;
constexpr int64_t kOwnBytes = 64 * kMegabyte;
constexpr int64_t kSlotBytesMin = 96 * kMegabyte;

Status check_slot(int64_t process_bytes, int32_t slots, std::string_view key) {
  const int64_t slot_bytes = (process_bytes - kOwnBytes) / slots;
  if (slot_bytes >= kSlotBytesMin) { return ok_status(); }
  return invalid_argument(
      ErrorId::kMemorySizes,
      "{} is {}: less {} for the TaskManager itself that is {} for each of {} slots, and a slot "
      "needs {}; set {} to {} or more, or {} to fewer",
      key, rounded_memory(process_bytes), rounded_memory(kOwnBytes),
      format_memory_bytes(std::max<int64_t>(0, slot_bytes) / kMegabyte * kMegabyte), slots,
      rounded_memory(kSlotBytesMin), options::kTaskManagerMemory.key,
      rounded_memory(kOwnBytes + kSlotBytesMin * slots), "taskmanager.numberOfTaskSlots");
}

}  // namespace

int64_t MemoryPlan::worker_limit_bytes(int32_t its_slots) const {
  return (sizes.process_bytes() - sizes.own_bytes) / slots * its_slots;
}

int64_t MemoryPlan::worker_accounted_bytes(int32_t its_slots) const {
  const int64_t limit = worker_limit_bytes(its_slots);
  return limit - std::max(uncounted_of(limit), sizes.uncounted_bytes / slots * its_slots);
}

int64_t MemoryPlan::worker_managed_bytes(int32_t its_slots) const {
  return sizes.managed_bytes / slots * its_slots;
}

int64_t MemoryPlan::worker_network_bytes(int32_t its_slots) const {
  return sizes.network_bytes / slots * its_slots;
}

std::string MemoryPlan::describe() const {
  return fmt::format(
      "{}: {} its own, {} not accounted for, {} managed, up to {} for the network, {} for tasks; "
      "{} a slot",
      rounded_memory(sizes.process_bytes()), rounded_memory(sizes.own_bytes),
      rounded_memory(sizes.uncounted_bytes), rounded_memory(sizes.managed_bytes),
      rounded_memory(sizes.network_bytes), rounded_memory(sizes.task_bytes),
      rounded_memory(slot_bytes()));
}

Result<MemoryPlan> plan_memory(const Config& config, int32_t slots, int64_t machine_bytes) {
  const int64_t all_bytes = machine_bytes / 4 * 3;
  const int64_t process = config.get(options::kTaskManagerMemory);
  const bool follows =
      config.get(options::kTaskManagerFlinkMemory) > 0 ||
      (config.get(options::kTaskHeapMemory) > 0 && config.get(options::kManagedMemory) > 0);
  const std::string_view key =
      process > 0 ? options::kTaskManagerMemory.key : "the memory of the TaskManager";
  // Before it is divided further, since that is the plainer reason.
  if (process > 0 || !follows) {
    TIDEWHEEL_RETURN_IF_ERROR(check_slot(process > 0 ? process : all_bytes, slots, key));
  }
  MemoryPlan plan;
  plan.slots = slots;
  TIDEWHEEL_ASSIGN_OR_RETURN(plan.sizes, divide_memory(config, kOwnBytes, all_bytes));
  TIDEWHEEL_RETURN_IF_ERROR(check_slot(plan.sizes.process_bytes(), slots, key));
  return plan;
}

}  // namespace tidewheel
