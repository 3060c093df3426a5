// What operators on columns with keyed state share: the life of their store, its way through
// snapshots, and failures that name the operator.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/saved_layout.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel::sql {

// `K` is what the store is keyed by. A subclass's `open` calls make_store, declares its states, and
// then calls read_store.
template <class K>
class KeyedOperator : public OutputOperator<ColumnRow> {
 public:
  void begin_snapshot(const SnapshotStart& start) override {
    is_layout_written_ = false;
    store_->begin_snapshot(start);
  }
  Progress snapshot(SnapshotWriter& writer) final {
    if (!writer.ready()) { return Progress::kBlocked; }
    if (!write_beside(writer)) { return this->snapshot_blocked(writer); }
    bool is_done = false;
    guard([&] { is_done = store_->write(writer); });
    return is_done ? Progress::kDone : snapshot_blocked(*store_, writer);
  }
  bool snapshots_in_background() const final { return true; }
  void abort_snapshot() final {
    abort_beside();
    store_->abort_snapshot();
  }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    return layout_.empty() ? Status() : check_layout(reader, layout_, also_read_);
  }

 protected:
  // `name` is a constant, for messages. `links`: of operators with side outputs.
  explicit KeyedOperator(const char* name, std::shared_ptr<const NodeLinks> links = nullptr)
      : OutputOperator<ColumnRow>(std::move(links)), name_(name) {}
  // Says what rows in the state are made of. In the constructor, when there are any. `also_read`:
  // of what else it can be restored.
  void set_layout(std::string layout, std::string also_read = {}) {
    layout_ = std::move(layout);
    also_read_ = std::move(also_read);
  }

  Status make_store(OperatorContext& context) {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<ColumnRow>::open(context));
    store_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(),
                   context.clock(), name_);
    if (keeps_changes()) { store_->keep_changes(); }
    return {};
  }
  // For the destructor of a subclass whose cells refer to its members, which go before the store.
  void drop_store() { store_.reset(); }
  // Until read_store: null when there is nothing to restore.
  SnapshotReader* reader() const { return reader_; }
  bool is_restored() const { return reader_ != nullptr; }
  Status read_store() { return open_store(*store_, std::exchange(reader_, nullptr)); }

  // Writes what is in the snapshot beside the store. Called more than once; false: the writer took
  // no more, and there is more to come.
  virtual bool write_beside(SnapshotWriter& writer) {
    if (!layout_.empty() && !std::exchange(is_layout_written_, true)) {
      write_layout(writer, layout_, context().subtask_index(), context().parallelism());
    }
    return true;
  }
  // The snapshot comes to nothing.
  virtual void abort_beside() {}

  // Takes the rows of an element, at most `chunk` at a time, while the output is ready:
  // take(batch, cursor, end) moves `cursor` past those that it has taken.
  template <class Take>
  Progress take_chunks(const Element& rows, uint32_t& cursor, uint32_t chunk, Take take) {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + chunk);
      guard([&] { take(in, cursor, end); });
    }
    require(store_->status());
    return Progress::kDone;
  }

  template <class F>
  void guard(F f) {
    try {
      f();
    } catch (...) { rethrow_user_failure(context(), name_, ""); }
  }
  void require(const Status& status) {
    if (!status.ok()) [[unlikely]] { throw_user_failure(context(), name_, status, ""); }
  }
  // Ends all that a key has; `row` may be null.
  void clear_cells(std::byte* row) {
    if (row == nullptr) { return; }
    for (const auto& cell : store_->cells()) {
      if (KeyedState::has(row, cell->bit())) { store_->clear_cell(row, *cell); }
    }
  }

  std::optional<KeyedStore<K>> store_;  // from make_store on

 private:
  const char* const name_;
  std::string layout_;
  std::string also_read_;
  SnapshotReader* reader_ = nullptr;
  bool is_layout_written_ = true;
};

// With event time, which goes on after a restore from where it was.
template <class K>
class TimedKeyedOperator : public KeyedOperator<K> {
 public:
  void begin_snapshot(const SnapshotStart& start) override {
    saved_watermark_.start(watermark_);
    KeyedOperator<K>::begin_snapshot(start);
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    return KeyedOperator<K>::restore(reader);
  }

 protected:
  using KeyedOperator<K>::KeyedOperator;

  int64_t restored_watermark() const { return saved_watermark_.restored(); }
  // What on_watermark does: fire_some() does some of what the watermark asks for, and answers false
  // when there is nothing left.
  template <class FireSome>
  Progress advance(int64_t time_ms, FireSome fire_some) {
    if (time_ms > watermark_) {
      watermark_ = time_ms;
      is_advancing_ = true;
    }
    while (is_advancing_) {
      if (!this->ready()) { return Progress::kBlocked; }
      this->guard([&] { is_advancing_ = fire_some(); });
    }
    this->require(this->store_->status());
    return Operator::on_watermark(time_ms);
  }
  bool write_beside(SnapshotWriter& writer) override {
    saved_watermark_.write(writer);
    return KeyedOperator<K>::write_beside(writer);
  }

  int64_t watermark_ = kMinWatermark;

 private:
  WatermarkState saved_watermark_;
  bool is_advancing_ = false;
};

// An operator for keys that are a number, or bytes.
template <template <class> class Op, class... Args>
std::unique_ptr<Operator> make_by_key(bool is_int, Args&&... args) {
  if (is_int) { return std::make_unique<Op<IntKey>>(std::forward<Args>(args)...); }
  return std::make_unique<Op<Text>>(std::forward<Args>(args)...);
}

}  // namespace tidewheel::sql
