// How memory is divided, by Flink's keys: which sizes follow from those that are set.
//
//   process    all of it; a container's limit
//     own        of the TaskManager itself
//     uncounted  code, stacks, libraries, what the allocator keeps: a tenth of the slots' memory
//     accounted
//       managed    RocksDB's block caches and write buffers
//       network    a bound, and no reservation: batches that come from other processes
//       task       the rest: state, timers, batches
#pragma once
#include <cstdint>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

struct MemorySizes {
  int64_t own_bytes = 0;
  int64_t uncounted_bytes = 0;
  int64_t managed_bytes = 0;
  int64_t network_bytes = 0;
  int64_t task_bytes = 0;
  bool is_managed_set = false;  // to a size; else it is a part

  int64_t accounted_bytes() const { return managed_bytes + network_bytes + task_bytes; }
  int64_t flink_bytes() const { return own_bytes + accounted_bytes(); }
  int64_t process_bytes() const { return flink_bytes() + uncounted_bytes; }
};

// What RocksDB's threads, its open files and the allocator take besides, whatever the limit is: the
// managed fraction is that of the rest.
inline constexpr int64_t kManagedOverheadBytes = 8 << 20;

// What is not counted, of so much that is taken from the system.
int64_t uncounted_of(int64_t taken_bytes);

// Of a TaskManager, which needs `own_bytes` itself; `process_bytes` is all there is where no size
// of a whole is set. Errors: kMemorySizes, with the sums, when what is set contradicts itself.
Result<MemorySizes> divide_memory(const Config& config, int64_t own_bytes, int64_t process_bytes);

// The bound of the network of whoever may account for so much. Errors: kMemorySizes.
Result<int64_t> network_memory_bytes(const Config& config, int64_t accounted_bytes);

// Of each job's master; 0: no limit. Errors: kMemorySizes.
Result<int64_t> master_memory_bytes(const Config& config);

// "482.4 mb": for people.
std::string rounded_memory(int64_t bytes);

}  // namespace tidewheel
