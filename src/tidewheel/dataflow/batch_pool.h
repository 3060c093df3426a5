// Makes and recycles the batches of one output port.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/batch.h"

namespace tidewheel {

// `acquire` is for the port's thread; batches come back from any thread (a lock-free stack that the
// owner empties at once). The pool lives until its last batch is back, whoever holds that: the
// shared_ptr of the port, and every batch that is out, keep it.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  using Make = Batch* (*)(BatchPool&, uint32_t capacity);

  // `memory` (may be null) is charged for every batch that the pool holds or has given out.
  static std::shared_ptr<BatchPool> create(Make make, uint32_t batch_rows, MemoryPool* memory);
  template <class T>
  static std::shared_ptr<BatchPool> create_for(uint32_t batch_rows, MemoryPool* memory) {
    return create(
        [](BatchPool& pool, uint32_t capacity) -> Batch* { return new RowBatch<T>(pool, capacity); },
        batch_rows, memory);
  }
  ~BatchPool();

  // An empty batch with one reference, which is the caller's to release.
  Batch* acquire();
  // False when another batch would go over the memory limit: the port is then not ready.
  bool has_memory() const;

 private:
  friend class Batch;
  BatchPool(Make make, uint32_t batch_rows, MemoryPool* memory);
  void give_back(Batch* batch);  // any thread
};

}  // namespace tidewheel
