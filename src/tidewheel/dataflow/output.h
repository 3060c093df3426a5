// The output ports of an operator. A port gathers rows into a batch and hands it, and the control
// elements between batches, to its consumers: the next operator of the chain, or a channel writer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/fault.h"
#include "tidewheel/dataflow/batch.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/types/text.h"

namespace tidewheel {

// Whether a resumable call has finished, or was refused by an output and must be called again with
// the same arguments once the output is ready. It resumes from the operator's own cursor.
enum class Progress : uint8_t { kDone, kBlocked };

// Where a port hands its elements. One thread.
class ElementSink {
 public:
  virtual ~ElementSink() = default;
  // Takes the element, or refuses it and returns false; then it is offered again, later.
  [[nodiscard]] virtual bool offer(Element& element) = 0;
};

// One output of one operator. Lives on its task's thread.
//
// Refusal: `ready()` is false while something sent before has not been taken by every consumer.
// An operator asks before each input row and each timer, and answers kBlocked when it is not ready.
// Whatever it emits all the same (a flat_map that is in the middle of a row) is kept, in order: one
// input row never has to be taken back.
class OutputPort {
 public:
  virtual ~OutputPort() = default;

  bool ready() const { return is_settled() && !tidewheel::refuses_for_test(); }
  // Sends the rows gathered so far, if any. Returns kBlocked when they (or what came before them)
  // are still pending; nothing is lost either way.
  virtual Progress flush() = 0;
  // Sends the gathered rows, then `element`.
  Progress send(Element element);
  // Offers pending elements again. Returns kDone when none is left, and there is memory for another
  // batch.
  Progress retry() { return is_settled() ? Progress::kDone : retry_pending(); }
  // Sends a batch made elsewhere as it is (pass-through operators), after the gathered rows.
  Progress forward(const Element& rows) { return send(rows); }
  // True when rows wait for the batch to fill; the task flushes them on dry input or timeout.
  virtual bool has_gathered_rows() const = 0;

  // Wiring, before the first row. The sinks outlive the port.
  void connect(ElementSink& sink) { sinks_.push_back(&sink); }
  bool is_connected() const { return !sinks_.empty(); }
  int64_t rows_sent() const { return rows_sent_; }
  // True when it is not ready for want of memory alone: nothing will wake the task.
  bool waits_for_memory() const { return starved_ && pending_.empty(); }

 protected:
  struct Pending {
    Element element;
    size_t next_sink = 0;  // the first sink that has not taken it
  };

  bool is_settled() const { return pending_.empty() && !starved_; }
  void enqueue(Element element);  // delivers it, or keeps it
  Progress retry_pending();
  bool deliver(Pending& pending);

  std::shared_ptr<BatchPool> pool_;
  bool starved_ = false;  // no memory for another batch

 private:
  std::vector<Pending> pending_;  // [next_pending_, end) are not delivered; empty when all are
  size_t next_pending_ = 0;
  std::vector<ElementSink*> sinks_;
  int64_t rows_sent_ = 0;
};

// A port for rows of type T.
template <class T>
class Output final : public OutputPort {
 public:
  // A port that can be wired; `open` comes before the first row.
  Output() = default;
  Output(std::shared_ptr<BatchPool> pool, uint32_t batch_rows) {
    open(std::move(pool), batch_rows);
  }
  // `pool` makes RowBatch<T>; batches are sent when they hold `batch_rows`. Called in
  // Operator::open.
  void open(std::shared_ptr<BatchPool> pool, uint32_t batch_rows) {
    pool_ = std::move(pool);
    batch_rows_ = batch_rows;
  }

  template <class U>
  void emit(U&& row, int64_t timestamp) {
    RowBatch<T>& batch = current();
    batch.append(std::forward<U>(row), timestamp);
    if (batch.size() >= batch_rows_) [[unlikely]] { static_cast<void>(flush()); }
  }
  // The batch being gathered, for loops that write many rows: room() of them at most, then
  // commit(). Text that the rows made from `input` point to is kept alive by share_arenas(input).
  RowBatch<T>& current() {
    if (!current_) [[unlikely]] { current_ = static_cast<RowBatch<T>*>(pool_->acquire()); }
    return *current_;
  }
  uint32_t room() { return batch_rows_ - current().size(); }
  // After rows were added to current(): sends it when full.
  void commit() {
    if (current_->size() >= batch_rows_) { static_cast<void>(flush()); }
  }
  // Copies bytes so that they live as long as the rows that are being gathered.
  Text intern(std::string_view bytes) { return current().arena().copy(bytes); }

  Progress flush() override {
    if (current_ != nullptr && current_->size() > 0) {
      seal_batch(*current_);
      pool_->settle(*current_, current_->memory_bytes());
      Element element = Element::rows(BatchRef::adopt(std::exchange(current_, nullptr)));
      enqueue(std::move(element));
      if (!pool_->has_memory()) [[unlikely]] { starved_ = true; }
      return is_settled() ? Progress::kDone : Progress::kBlocked;
    }
    return retry();
  }
  bool has_gathered_rows() const override { return current_ != nullptr && current_->size() > 0; }
  ~Output() override {
    if (current_ != nullptr) { current_->release(); }
  }

 private:
  uint32_t batch_rows_ = 0;
  RowBatch<T>* current_ = nullptr;  // one reference is ours
};

}  // namespace tidewheel
