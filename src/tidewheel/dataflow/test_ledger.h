// Operators with state for tests of checkpoints: a source that goes on where it was, and a sink
// that keeps what it was given. After any crashes and restores the sinks have every row, once.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/dataflow/test_operators.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel::dataflow_test {

inline StateMeta list_state(std::string name, StateKind kind = StateKind::kSplitList) {
  StateMeta meta;
  meta.name = std::move(name);
  meta.kind = kind;
  meta.form = "list";
  return meta;
}
inline std::vector<int64_t> numbers_of(std::string_view text) {
  std::vector<int64_t> numbers;
  while (!text.empty()) {
    int64_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
    numbers.push_back(number);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.empty()) { text.remove_prefix(1); }
  }
  return numbers;
}

struct FewKeys {
  uint32_t operator()(const int64_t& row) const { return static_cast<uint32_t>(row % 5); }
};

// How far the sources of a job may go.
struct Valve {
  int64_t open_until = INT64_MAX;  // numbers from here on wait
  std::vector<OperatorContext*> sources;
  void open(int64_t until) {
    open_until = until;
    for (OperatorContext* context : sources) { context->wake(); }
  }
};

// Emits the numbers of its splits, each with itself as event time, and a watermark now and then. A
// split is the numbers begin, begin + step, ... below end.
class LedgerSource final : public SourceOperator {
 public:
  LedgerSource(int64_t end, std::shared_ptr<Valve> valve) : end_(end), valve_(std::move(valve)) {}
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read("splits"));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { break; }
      const std::vector<int64_t> numbers = numbers_of(entry.value);
      splits_.push_back({numbers[0], numbers[1]});
    }
    restored_ = reader.find("splits") != nullptr;
    return ok_status();
  }
  Status open(OperatorContext& context) override {
    context_ = &context;
    valve_->sources.push_back(&context);
    out_.open(pool_for<int64_t>(context), context.batch_rows());
    if (!restored_) { splits_.push_back({context.subtask_index(), context.parallelism()}); }
    return ok_status();
  }
  Poll poll() override {
    bool ended = true;
    for (Split& split : splits_) {
      for (uint32_t i = 0; i < context_->batch_rows() && split.next < end_; ++i) {
        ended = false;
        if (split.next >= valve_->open_until) { break; }
        if (!out_.ready()) { return Poll::kBlocked; }
        out_.emit(split.next, split.next);
        split.next += split.step;
        if (++rows_ % 5 == 0) {
          static_cast<void>(out_.send(Element::watermark(split.next - 100)));
        }
      }
    }
    if (ended) { return Poll::kEnd; }
    const bool waits = std::all_of(splits_.begin(), splits_.end(), [&](const Split& split) {
      return split.next >= end_ || split.next >= valve_->open_until;
    });
    return waits && valve_->open_until < end_ ? Poll::kNothingYet : Poll::kMore;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    writer.begin_state(list_state("splits"));
    for (const Split& split : splits_) {
      const std::string value = std::to_string(split.next) + " " + std::to_string(split.step);
      writer.add({0, {}, {}, value});
    }
    context_->metrics().group("accumulators").counter("source snapshots").add();
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  struct Split {
    int64_t next;
    int64_t step;
  };
  const int64_t end_;
  const std::shared_ptr<Valve> valve_;
  std::vector<Split> splits_;
  bool restored_ = false;
  int64_t rows_ = 0;
  OperatorContext* context_ = nullptr;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// What the sinks of a job have been given, and what happened to them.
struct Ledger {
  bool background = false;                 // they write their state in the background, a row a call
  std::vector<std::vector<int64_t>> rows;  // by subtask
  // With edges by FewKeys only: rows of one split with one key have to come in order.
  int32_t split_count = 0;
  int out_of_order = 0;
  std::vector<int64_t> snapshot_calls;
  int begun = 0;
  int aborted = 0;
  int ends = 0;
  int finished_closes = 0;
  int suspended_closes = 0;
  bool may_end = true;
  std::vector<int64_t> completed;
  std::vector<int64_t> aborted_checkpoints;

  std::vector<int64_t> sorted_rows() const {
    std::vector<int64_t> all;
    for (const auto& of_subtask : rows) {
      all.insert(all.end(), of_subtask.begin(), of_subtask.end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }
};

class LedgerSink final : public Operator {
 public:
  explicit LedgerSink(std::shared_ptr<Ledger> ledger) : ledger_(std::move(ledger)) {}
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read("rows"));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      restored_.push_back(numbers_of(entry.value)[0]);
    }
  }
  Status open(OperatorContext& context) override {
    index_ = static_cast<size_t>(context.subtask_index());
    ledger_->rows.resize(static_cast<size_t>(context.parallelism()));
    rows() = restored_;
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& batch, uint32_t& cursor) override {
    for (; cursor < batch.end; ++cursor) {
      const int64_t row = RowBatch<int64_t>::of(*batch.batch).row(cursor);
      rows().push_back(row);
      if (ledger_->split_count == 0) { continue; }
      int64_t& newest = newest_[{FewKeys()(row), row % ledger_->split_count}];
      if (row < newest) { ++ledger_->out_of_order; }
      newest = row;
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t) override { return Progress::kDone; }
  Progress on_idle(bool) override { return Progress::kDone; }
  Progress on_end_of_input(int32_t) override {
    ++ledger_->ends;
    return Progress::kDone;
  }
  void begin_snapshot(const SnapshotStart&) override {
    ++ledger_->begun;
    frozen_ = rows();
    next_ = 0;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    ledger_->snapshot_calls.push_back(static_cast<int64_t>(index_));
    for (; next_ < frozen_.size(); ++next_) {
      if (!writer.ready()) { return Progress::kBlocked; }
      writer.begin_state(list_state("rows"));
      const std::string value = std::to_string(frozen_[next_]);
      writer.add({0, {}, {}, value});
    }
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return ledger_->background; }
  void abort_snapshot() override { ++ledger_->aborted; }
  void on_checkpoint_complete(int64_t id) override { ledger_->completed.push_back(id); }
  void on_checkpoint_aborted(int64_t id) override { ledger_->aborted_checkpoints.push_back(id); }
  bool may_end() override { return ledger_->may_end; }
  void close(bool finished) override {
    ++(finished ? ledger_->finished_closes : ledger_->suspended_closes);
  }
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  std::vector<int64_t>& rows() { return ledger_->rows[index_]; }
  const std::shared_ptr<Ledger> ledger_;
  size_t index_ = 0;
  std::vector<int64_t> restored_;
  std::map<std::pair<uint32_t, int64_t>, int64_t> newest_;  // of this run
  std::vector<int64_t> frozen_;
  size_t next_ = 0;
};

// Numbers as text.
class NumberReader final : public RowReader {
 public:
  Status read(std::string_view bytes, bool, Batch& batch) override {
    const std::vector<int64_t> numbers = numbers_of(bytes);
    for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
      static_cast<RowBatch<int64_t>&>(batch).append(numbers[i], numbers[i + 1]);
    }
    return ok_status();
  }
};

class NumberCodec final : public RowCodec {
 public:
  std::string schema() const override { return "numbers"; }
  void encode(const Element& rows, EncodedRows& out) const override {
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    std::string text;
    for (uint32_t i = rows.begin; i < rows.end; ++i) {
      text += std::to_string(batch.row(i)) + ' ' + std::to_string(batch.timestamps()[i]) + ' ';
    }
    out.writer().raw(text.data(), text.size());
  }
  std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const override {
    return BatchPool::create_for<int64_t>(batch_rows, memory);
  }
  Result<std::unique_ptr<RowReader>> open_reader(std::string_view schema) const override {
    TIDEWHEEL_CHECK(schema == "numbers", "as it was encoded");
    return std::unique_ptr<RowReader>(std::make_unique<NumberReader>());
  }
};

// Refuses one call in `one_in`.
class RefusingPlan final : public FaultPlan {
 public:
  RefusingPlan(uint64_t seed, uint64_t one_in) : random_(seed), one_in_(one_in) {}
  bool fires(std::string_view) override { return false; }
  bool refuses() override { return random_.below(one_in_) == 0; }
  void mark(std::string_view name) override { ++marks[std::string(name)]; }

  std::map<std::string, int> marks;

 private:
  Random random_;
  const uint64_t one_in_;
};

}  // namespace tidewheel::dataflow_test
