// The rows of a query on their way to whoever asked for them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel::sql {

// Filled by the job's slots, emptied by the caller. Any thread.
class ResultQueue {
 public:
  struct Rows {
    BatchRef batch;
    uint32_t begin = 0;
    uint32_t end = 0;
    const ColumnBatch& columns() const { return ColumnBatch::of(*batch); }
  };
  void push(Rows rows);
  std::vector<Rows> take_all();

 private:
  LeafLock lock_;
  std::vector<Rows> rows_;  // guarded by lock_
};

// The end of a query whose rows are wanted. In one subtask, so that changes keep their order.
class ResultSink {
 public:
  using input = ColumnRow;
  static constexpr int32_t fixed_parallelism = 1;
  explicit ResultSink(std::shared_ptr<ResultQueue> queue) : queue_(std::move(queue)) {}

  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    queue_->push({BatchRef(&rows), begin, end});
    return ok_status();
  }

 private:
  std::shared_ptr<ResultQueue> queue_;
};

}  // namespace tidewheel::sql
