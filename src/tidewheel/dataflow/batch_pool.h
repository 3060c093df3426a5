// Makes and recycles the batches of one output port.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/batch.h"

namespace tidewheel {

// `acquire`, `has_memory` and `settle` are for the port's thread; batches come back from any thread
// (a lock-free stack that the owner empties at once). The pool itself lives until the last
// shared_ptr is gone and the last batch is back; after the former it charges no memory any more, so
// that `memory` has to live as long as the shared_ptr only.
class BatchPool {
 public:
  using Make = Batch* (*)(BatchPool&, uint32_t capacity);

  // `memory` (may be null) is charged for every batch that the pool holds or has given out.
  // `batches_min` may be out whatever the memory limit says, so that there is always progress.
  static std::shared_ptr<BatchPool> create(Make make, uint32_t batch_rows, MemoryPool* memory,
                                           uint32_t batches_min = 1);
  template <class T>
  static std::shared_ptr<BatchPool> create_for(uint32_t batch_rows, MemoryPool* memory,
                                               uint32_t batches_min = 1) {
    return create([](BatchPool& pool,
                     uint32_t capacity) -> Batch* { return new RowBatch<T>(pool, capacity); },
                  batch_rows, memory, batches_min);
  }
  BatchPool(const BatchPool&) = delete;
  BatchPool& operator=(const BatchPool&) = delete;

  // An empty batch with one reference, which is the caller's to release.
  Batch* acquire() {
    if (free_ == nullptr) [[unlikely]] { refill(); }
    Batch* const batch = free_;
    free_ = batch->next_free_;
    batch->references_.store(1, std::memory_order_relaxed);
    return batch;
  }
  // False when another batch would go over the memory limit: the port is then not ready.
  bool has_memory() {
    return free_ != nullptr || memory_ == nullptr || made_ < batches_min_ || find_memory();
  }
  // Charges what `batch` has grown by (rows beyond its capacity, its arena). Before it is sent.
  void settle(Batch& batch, int64_t bytes) {
    if (bytes != batch.charged_bytes_ && memory_ != nullptr) { charge(batch, bytes); }
  }

 private:
  friend class Batch;
  BatchPool(Make make, uint32_t batch_rows, MemoryPool* memory, uint32_t batches_min);
  ~BatchPool();
  void give_back(Batch* batch);  // any thread
  void refill();
  bool find_memory();
  void charge(Batch& batch, int64_t bytes);
  static void close(BatchPool* pool);
  uint32_t delete_all(Batch* first);

  const Make make_;
  const uint32_t batch_rows_;
  const uint32_t batches_min_;
  MemoryPool* memory_;
  Batch* free_ = nullptr;
  uint32_t made_ = 0;
  int64_t charged_bytes_ = 0;
  int64_t prepaid_bytes_ = 0;  // reserved by has_memory for the next batch
  int64_t batch_bytes_ = 0;    // of the latest batch, the estimate for the next
  // Batches that came back, or kClosed; then whoever brings `late_` to 0 deletes the pool.
  alignas(64) std::atomic<Batch*> returned_{nullptr};
  std::atomic<int64_t> late_{0};
};

}  // namespace tidewheel
