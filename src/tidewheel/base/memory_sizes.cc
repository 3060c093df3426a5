#include "tidewheel/base/memory_sizes.h"

#include <algorithm>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_options.h"

namespace tidewheel {
namespace {

constexpr int64_t kUncountedBytesMin = int64_t{32} << 20;
constexpr int64_t kNetworkPartMax = 4;  // of which a minimum that nobody has set takes one

// The least that has to be taken so that so much can be counted.
int64_t uncounted_beside(int64_t counted_bytes) {
  return std::max(kUncountedBytesMin, (counted_bytes + 8) / 9);
}

// Of a size that is set, or follows from such, in messages.
std::string shown(const ConfigOption& option, int64_t bytes) {
  return fmt::format("{} {}", option.key, rounded_memory(bytes));
}

Status check_fractions(const Config& config) {
  for (const DoubleOption* const option :
       {&options::kManagedFraction, &options::kNetworkFraction}) {
    const double part = config.get(*option);
    const bool is_part = part >= 0 && part < 1;
    const bool may_be_all = option == &options::kManagedFraction && part == 1;
    if (!is_part && !may_be_all) {
      return invalid_argument(ErrorId::kBadOptionValue, "{} can't be {}; it takes 0 to 1",
                              option->key, part);
    }
  }
  const int64_t least = config.get(options::kNetworkMemoryMin);
  const int64_t most = config.get(options::kNetworkMemoryMax);
  if (config.has(options::kNetworkMemoryMin) && most > 0 && least > most) {
    return invalid_argument(ErrorId::kMemorySizes, "{} is more than {}",
                            shown(options::kNetworkMemoryMin, least),
                            shown(options::kNetworkMemoryMax, most));
  }
  return ok_status();
}

int64_t within_network_bounds(const Config& config, double wanted, int64_t accounted_bytes) {
  int64_t least = config.get(options::kNetworkMemoryMin);
  if (!config.has(options::kNetworkMemoryMin)) {
    least = std::min(least, accounted_bytes / kNetworkPartMax);
  }
  const int64_t most = config.get(options::kNetworkMemoryMax);
  const int64_t bytes = std::max(least, static_cast<int64_t>(wanted));
  return most > 0 ? std::min(bytes, most) : bytes;
}

// What is left for the network when all other parts are given. Bounds that nobody has set do not
// hold for it.
Status check_network_rest(const Config& config, const MemorySizes& sizes, const std::string& whole,
                          int64_t accounted_bytes) {
  const int64_t rest = sizes.network_bytes;
  const std::string sums =
      fmt::format("{} is for {} of tasks ({} and {}), {} that are managed and the network",
                  rounded_memory(accounted_bytes), rounded_memory(sizes.task_bytes),
                  options::kTaskHeapMemory.key, options::kTaskOffHeapMemory.key,
                  rounded_memory(sizes.managed_bytes));
  if (rest < 0) {
    return invalid_argument(ErrorId::kMemorySizes, "{}: {}, which are {} more than there is", whole,
                            sums, rounded_memory(-rest));
  }
  const bool has_min = config.has(options::kNetworkMemoryMin);
  const int64_t least = has_min ? config.get(options::kNetworkMemoryMin) : 0;
  const int64_t most = config.get(options::kNetworkMemoryMax);
  if (rest >= least && (most == 0 || rest <= most)) { return ok_status(); }
  return invalid_argument(ErrorId::kMemorySizes, "{}: {}, which leaves {} for it; {}", whole, sums,
                          rounded_memory(rest),
                          rest < least ? shown(options::kNetworkMemoryMin, least) + " is more"
                                       : shown(options::kNetworkMemoryMax, most) + " is less");
}

int64_t set_task_bytes(const Config& config) {
  return config.get(options::kTaskHeapMemory) + config.get(options::kTaskOffHeapMemory);
}

// Divides what is accounted for. `whole` is what was set, for messages.
Status split(const Config& config, int64_t accounted_bytes, const std::string& whole,
             MemorySizes& sizes) {
  const int64_t managed = config.get(options::kManagedMemory);
  sizes.is_managed_set = managed > 0;
  sizes.managed_bytes =
      sizes.is_managed_set ? managed
                           : static_cast<int64_t>(config.get(options::kManagedFraction) *
                                                  static_cast<double>(std::max<int64_t>(
                                                      0, accounted_bytes - kManagedOverheadBytes)));
  if (config.get(options::kTaskHeapMemory) > 0) {
    sizes.task_bytes = set_task_bytes(config);
    sizes.network_bytes = accounted_bytes - sizes.task_bytes - sizes.managed_bytes;
    return check_network_rest(config, sizes, whole, accounted_bytes);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(sizes.network_bytes, network_memory_bytes(config, accounted_bytes));
  sizes.task_bytes = accounted_bytes - sizes.managed_bytes - sizes.network_bytes;
  const int64_t least = std::max<int64_t>(1, config.get(options::kTaskOffHeapMemory));
  if (sizes.task_bytes >= least) { return ok_status(); }
  return invalid_argument(
      ErrorId::kMemorySizes,
      "{}: of {} that are accounted for, {} are managed and {} the network's, which leaves {} for "
      "tasks; lower {} or {}, or have more",
      whole, rounded_memory(accounted_bytes), rounded_memory(sizes.managed_bytes),
      rounded_memory(sizes.network_bytes),
      sizes.task_bytes < 0 ? rounded_memory(-sizes.task_bytes) + " too little"
                           : rounded_memory(sizes.task_bytes),
      sizes.is_managed_set ? options::kManagedMemory.key : options::kManagedFraction.key,
      options::kNetworkMemoryMin.key);
}

// The network's part, when the others are given and the whole follows.
int64_t network_beside(const Config& config, int64_t others) {
  const double part = config.get(options::kNetworkFraction);
  const double wanted = part / (1 - part) * static_cast<double>(others);
  return within_network_bounds(config, wanted,
                               others + others / std::max<int64_t>(1, kNetworkPartMax - 1));
}

// What is not counted is what is left of the process, which has to be enough.
Status fit_process(int64_t process_bytes, MemorySizes& sizes) {
  const int64_t least = uncounted_beside(sizes.accounted_bytes());
  if (process_bytes == 0) {
    sizes.uncounted_bytes = least;
    return ok_status();
  }
  sizes.uncounted_bytes = process_bytes - sizes.flink_bytes();
  if (sizes.uncounted_bytes >= least) { return ok_status(); }
  return invalid_argument(
      ErrorId::kMemorySizes,
      "{}, and {} of the TaskManager itself and {} that are accounted for (tasks {}, managed {}, "
      "network {}) need {} beside them that are not: {} together",
      shown(options::kTaskManagerMemory, process_bytes), rounded_memory(sizes.own_bytes),
      rounded_memory(sizes.accounted_bytes()), rounded_memory(sizes.task_bytes),
      rounded_memory(sizes.managed_bytes), rounded_memory(sizes.network_bytes),
      rounded_memory(least), rounded_memory(sizes.flink_bytes() + least));
}

}  // namespace

std::string rounded_memory(int64_t bytes) {
  if (bytes % (1 << 20) == 0 || bytes < (1 << 20)) { return format_memory_bytes(bytes); }
  return fmt::format("{:.1f} mb", static_cast<double>(bytes) / (1 << 20));
}

int64_t uncounted_of(int64_t taken_bytes) { return std::max(kUncountedBytesMin, taken_bytes / 10); }

Result<int64_t> network_memory_bytes(const Config& config, int64_t accounted_bytes) {
  TIDEWHEEL_RETURN_IF_ERROR(check_fractions(config));
  const double wanted =
      config.get(options::kNetworkFraction) * static_cast<double>(accounted_bytes);
  return within_network_bounds(config, wanted, accounted_bytes);
}

Result<MemorySizes> divide_memory(const Config& config, int64_t own_bytes, int64_t process_bytes) {
  TIDEWHEEL_RETURN_IF_ERROR(check_fractions(config));
  MemorySizes sizes;
  sizes.own_bytes = own_bytes;
  const int64_t process = config.get(options::kTaskManagerMemory);
  const int64_t flink = config.get(options::kTaskManagerFlinkMemory);
  if (flink > 0) {
    const std::string whole =
        fmt::format("{}, less {} of the TaskManager itself",
                    shown(options::kTaskManagerFlinkMemory, flink), rounded_memory(own_bytes));
    TIDEWHEEL_RETURN_IF_ERROR(split(config, flink - own_bytes, whole, sizes));
    TIDEWHEEL_RETURN_IF_ERROR(fit_process(process, sizes));
    return sizes;
  }
  const int64_t managed = config.get(options::kManagedMemory);
  if (config.get(options::kTaskHeapMemory) > 0 && managed > 0) {
    sizes.is_managed_set = true;
    sizes.managed_bytes = managed;
    sizes.task_bytes = set_task_bytes(config);
    sizes.network_bytes = network_beside(config, sizes.task_bytes + managed);
    TIDEWHEEL_RETURN_IF_ERROR(fit_process(process, sizes));
    return sizes;
  }
  const int64_t all = process > 0 ? process : process_bytes;
  const int64_t slots = std::max<int64_t>(0, all - own_bytes);
  sizes.uncounted_bytes = uncounted_of(slots);
  const std::string whole = fmt::format(
      "{}, less {} of the TaskManager itself and {} that are not accounted for",
      process > 0 ? shown(options::kTaskManagerMemory, all)
                  : fmt::format("three quarters of the machine, {}", rounded_memory(all)),
      rounded_memory(own_bytes), rounded_memory(sizes.uncounted_bytes));
  TIDEWHEEL_RETURN_IF_ERROR(split(config, slots - sizes.uncounted_bytes, whole, sizes));
  return sizes;
}

Result<int64_t> master_memory_bytes(const Config& config) {
  const int64_t process = config.get(options::kJobManagerMemory);
  const int64_t flink = config.get(options::kJobManagerFlinkMemory);
  if (flink == 0) { return process; }
  const int64_t least = flink + uncounted_beside(flink);
  if (process == 0) { return least; }
  if (process >= least) { return process; }
  return invalid_argument(ErrorId::kMemorySizes, "{}, and {} needs {} with what is not counted",
                          shown(options::kJobManagerMemory, process),
                          shown(options::kJobManagerFlinkMemory, flink), rounded_memory(least));
}

}  // namespace tidewheel
