#include "tidewheel/dataflow/batch_pool.h"

namespace tidewheel {
namespace {

// Stands for "the owner is gone" in `returned_`. Never dereferenced.
Batch* closed_mark() { return reinterpret_cast<Batch*>(uintptr_t{1}); }

}  // namespace

BatchPool::BatchPool(Make make, uint32_t batch_rows, MemoryPool* memory, uint32_t batches_min)
    : make_(make),
      batch_rows_(batch_rows == 0 ? 1 : batch_rows),
      batches_min_(batches_min),
      memory_(memory) {}

BatchPool::~BatchPool() = default;

std::shared_ptr<BatchPool> BatchPool::create(Make make, uint32_t batch_rows, MemoryPool* memory,
                                             uint32_t batches_min) {
  return std::shared_ptr<BatchPool>(new BatchPool(make, batch_rows, memory, batches_min), close);
}

void BatchPool::give_back(Batch* batch) {
  // Here and not at the next use: what the rows hold (strings, arenas of other batches) is free
  // now.
  batch->clear();
  Batch* head = returned_.load(std::memory_order_acquire);
  do {
    if (head == closed_mark()) {
      delete batch;
      if (late_.fetch_add(1, std::memory_order_acq_rel) + 1 == 0) { delete this; }
      return;
    }
    batch->next_free_ = head;
  } while (!returned_.compare_exchange_weak(head, batch, std::memory_order_release,
                                            std::memory_order_acquire));
}

void BatchPool::refill() {
  free_ = returned_.exchange(nullptr, std::memory_order_acquire);
  if (free_ != nullptr) { return; }
  Batch* const batch = make_(*this, batch_rows_);
  ++made_;
  if (memory_ != nullptr) {
    batch->charged_bytes_ = prepaid_bytes_;
    prepaid_bytes_ = 0;
    charge(*batch, batch->memory_bytes());
  }
  batch->next_free_ = nullptr;
  free_ = batch;
}

bool BatchPool::find_memory() {
  free_ = returned_.exchange(nullptr, std::memory_order_acquire);
  if (free_ != nullptr || prepaid_bytes_ > 0) { return true; }
  if (!memory_->try_reserve(batch_bytes_)) { return false; }
  prepaid_bytes_ = batch_bytes_;
  charged_bytes_ += batch_bytes_;
  return true;
}

void BatchPool::charge(Batch& batch, int64_t bytes) {
  const int64_t more = bytes - batch.charged_bytes_;
  if (more > 0) {
    memory_->reserve(more);
  } else if (more < 0) {
    memory_->release(-more);
  }
  charged_bytes_ += more;
  batch.charged_bytes_ = bytes;
  batch_bytes_ = bytes;
}

uint32_t BatchPool::delete_all(Batch* first) {
  uint32_t count = 0;
  while (first != nullptr) {
    Batch* const next = first->next_free_;
    delete first;
    first = next;
    ++count;
  }
  return count;
}

// `late_` counts up for each batch that comes back after the mark is set, and down, at once, by the
// number that were out then. The sum is 0 only after both the owner and the last batch are through:
// before the owner's step it is positive (or untouched), after it negative until the last one.
void BatchPool::close(BatchPool* pool) {
  if (pool->memory_ != nullptr) { pool->memory_->release(pool->charged_bytes_); }
  uint32_t back = pool->delete_all(pool->free_);
  back += pool->delete_all(pool->returned_.exchange(closed_mark(), std::memory_order_acq_rel));
  const int64_t out = static_cast<int64_t>(pool->made_) - back;
  if (pool->late_.fetch_sub(out, std::memory_order_acq_rel) - out == 0) { delete pool; }
}

}  // namespace tidewheel
