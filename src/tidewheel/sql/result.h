// The rows of a query on their way to whoever asked for them.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
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
    int64_t epoch =
        0;  // whose end they came before; 0: there are no epochs, or none came after them
    const ColumnBatch& columns() const { return ColumnBatch::of(*batch); }
  };
  void push(Rows rows);
  void push_all(std::vector<Rows> rows);
  std::vector<Rows> take_all();

 private:
  LeafLock lock_;
  std::vector<Rows> rows_;  // guarded by lock_
};

// The end of a query whose rows are wanted. In one subtask, so that changes keep their order. With
// epochs those of one are seen all at once.
class ResultSink {
 public:
  using input = ColumnRow;
  static constexpr int32_t fixed_parallelism = 1;
  explicit ResultSink(std::shared_ptr<ResultQueue> queue, bool has_epochs = false)
      : queue_(std::move(queue)), has_epochs_(has_epochs) {}

  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    if (has_epochs_) {
      held_.push_back({BatchRef(&rows), begin, end});
    } else {
      queue_->push({BatchRef(&rows), begin, end});
    }
    return ok_status();
  }
  Status flush_epoch(int64_t epoch) {
    for (ResultQueue::Rows& rows : held_) { rows.epoch = epoch; }
    return end_of_input();
  }
  Status end_of_input() {
    if (!held_.empty()) { queue_->push_all(std::exchange(held_, {})); }
    return ok_status();
  }

 private:
  std::shared_ptr<ResultQueue> queue_;
  bool has_epochs_;
  std::vector<ResultQueue::Rows> held_;  // of the epoch that goes on
};

}  // namespace tidewheel::sql
