#include "tidewheel/state/state_memory.h"

#include "tidewheel/base/memory_pool.h"

namespace tidewheel {

bool StateMemory::try_reserve(int64_t bytes) {
  if (pool_ != nullptr && !pool_->try_reserve(bytes)) {
    note_refusal(bytes);
    return false;
  }
  bytes_ += bytes;
  return true;
}

void StateMemory::reserve(int64_t bytes) {
  if (bytes <= 0 || try_reserve(bytes)) { return; }
  pool_->reserve(bytes);
  bytes_ += bytes;
}

void StateMemory::release(int64_t bytes) {
  if (pool_ != nullptr && bytes > 0) { pool_->release(bytes); }
  bytes_ -= bytes;
}

const Status& StateMemory::check() {
  // Others charge the pool beyond its limit too: heaps of Text.
  if (pool_ != nullptr && !pool_->try_reserve(0)) { note_refusal(0); }
  return status_;
}

void StateMemory::note_refusal(int64_t bytes) {
  if (!status_.ok()) { return; }
  status_ = resource_exhausted(
      ErrorId::kMemoryLimit,
      "state does not fit into the memory limit; raise the limit, use more subtasks or let state "
      "expire: {} needs {} bytes more; held: {}",
      owner_, bytes, pool_->describe());
}

}  // namespace tidewheel
