#include "tidewheel/sql/calc.h"

#include <algorithm>
#include <span>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/forgettable_state.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/saved_event_time.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/common_parts.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/vector_ops.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

std::vector<LogicalType> types_of(const std::vector<Bound>& outputs) {
  std::vector<LogicalType> types;
  for (const Bound& output : outputs) { types.push_back(output.type); }
  return types;
}

// An empty batch of an output, to be filled and sent by itself.
ColumnBatch& fresh_batch(Output<ColumnRow>& output, const std::vector<LogicalType>& types,
                         std::vector<Column*>& targets) {
  static_cast<void>(output.flush());
  ColumnBatch& batch = output.current();
  batch.set_types(types);
  for (size_t i = 0; i < types.size(); ++i) { targets[i] = &batch.column(i); }
  return batch;
}

// Sends what `outputs` gives for rows [begin, end) of `views`, in a batch whose columns are those
// of the input where nothing is computed. The first columns of `views` are the input's;
// `keep_sources` has the batch keep what its strings may point to. `targets` and `results` are
// scratch.
template <class KeepSources>
Status send_computed(Output<ColumnRow>& output, const std::vector<LogicalType>& types,
                     Evaluator& outputs, const ColumnBatch& in, std::span<const ColumnView> views,
                     uint32_t begin, uint32_t end, std::vector<Column*>& targets,
                     std::vector<Evaluated>& results, KeepSources keep_sources) {
  ColumnBatch& batch = fresh_batch(output, types, targets);
  TIDEWHEEL_RETURN_IF_ERROR(outputs.run(views, begin, end, targets, batch.arena(), results));
  outputs.keep_strings(batch);
  const auto input_columns = static_cast<int32_t>(in.views().size());
  for (size_t i = 0; i < types.size(); ++i) {
    const int32_t column = results[i].input_column;
    if (column < 0) {
      if (outputs.borrows_input(i)) { keep_sources(batch); }
    } else if (begin == 0 && column < input_columns) {
      batch.share_column(i, results[i].view, in);
    } else {
      copy_rows(results[i].view, begin, end, batch.column(i), 0);
      keep_sources(batch);
    }
  }
  if (in.kinds() != nullptr) {
    std::copy(in.kinds() + begin, in.kinds() + end, batch.make_kinds(end - begin));
  }
  batch.set_size(end - begin);
  static_cast<void>(output.flush());
  return {};
}

// Rows that pass are sent in a batch of their own, whose columns are those of the input where
// nothing is computed. When few of a batch pass they are gathered over several, so that what
// follows gets full batches.
//
// What the condition computes for all rows, and the results need again, `first` gives beside the
// condition. They are columns behind those of the input for `rest`, which makes the results of
// both.
class CalcOperator final : public OutputOperator<ColumnRow> {
 public:
  CalcOperator(std::unique_ptr<Evaluator> condition, std::unique_ptr<Evaluator> outputs,
               std::unique_ptr<Evaluator> first, std::unique_ptr<Evaluator> rest,
               std::vector<LogicalType> types)
      : condition_(std::move(condition)),
        outputs_(std::move(outputs)),
        first_(std::move(first)),
        rest_(std::move(rest)),
        types_(std::move(types)) {
    results_.resize(types_.size());
    targets_.resize(types_.size());
    for (const LogicalType& type : types_) { scratch_.emplace_back(type); }
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (cursor == rows.end) { return Progress::kDone; }
    if (!output().ready()) { return Progress::kBlocked; }
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    const uint32_t begin = cursor;
    for (Evaluator* const evaluator :
         {condition_.get(), outputs_.get(), first_.get(), rest_.get()}) {
      if (evaluator != nullptr) { evaluator->see_tables(in); }
    }
    // A whole element at once: what it gives is kept by the port, when that can't send it.
    use(in, *outputs_);
    if (condition_ == nullptr) {
      send_all(in, begin, rows.end);
    } else {
      filter(in, begin, rows.end);
    }
    cursor = rows.end;
    return Progress::kDone;
  }

 private:
  static constexpr uint32_t kGatheredPart = 4;  // fewer than one in so many: gather

  void check(const Status& status) {
    if (!status.ok()) [[unlikely]] { throw_user_failure(context(), "evaluate", status, ""); }
  }

  void filter(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    passing_.clear();
    // Rows of what was computed have the numbers of the input's only where those begin.
    if (rest_ != nullptr && begin == 0) {
      filter_for_rest(in, end);
    } else {
      check(condition_->run_filter(in.views(), begin, end, *arena(), passing_));
    }
    const auto count = static_cast<uint32_t>(passing_.size());
    if (count == 0) { return recycle_arena(); }
    if (count == end - begin) {
      send_all(in, begin, end);
    } else if (count * kGatheredPart < context().batch_rows()) {
      gather_rows(in);
    } else {
      send_passing(in);
    }
    recycle_arena();
  }

  // The results come from these expressions over the input.
  void use(const ColumnBatch& in, Evaluator& evaluator) {
    evaluator_ = &evaluator;
    views_.assign(in.views().begin(), in.views().end());
  }
  // Computes the condition, and all that `rest` needs of it.
  void filter_for_rest(const ColumnBatch& in, uint32_t end) {
    use(in, *rest_);
    computed_.resize(first_->output_count());
    check(first_->run(in.views(), 0, end, {}, *arena(), computed_));
    for (size_t i = 1; i < computed_.size(); ++i) { views_.push_back(computed_[i].view); }
    const ColumnView& truth = computed_[0].view;
    if (truth.validity == nullptr && !truth.is_constant) {
      return append_selected(truth.as<uint8_t>(), end, 0, passing_);
    }
    for (uint32_t row = 0; row < end; ++row) {
      if (!truth.is_null(row) && truth.at<uint8_t>(row) != 0) { passing_.push_back(row); }
    }
  }
  // What strings of results may point to, besides the batch's own.
  void keep_sources(const ColumnBatch& in, ColumnBatch& batch) {
    batch.keep(in);
    if (evaluator_ != rest_.get() || !arena_) { return; }
    batch.share_arena(arena_);
    first_->keep_strings(batch);
  }

  void send_all(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    check(send_computed(output(), types_, *evaluator_, in, views_, begin, end, targets_, results_,
                        [&](ColumnBatch& batch) { keep_sources(in, batch); }));
  }

  void send_passing(const ColumnBatch& in) {
    ColumnBatch& batch = fresh_batch(output(), types_, targets_);
    check(evaluator_->run_selected(views_, passing_, targets_, batch.arena(), results_));
    evaluator_->keep_strings(batch);
    keep_sources(in, batch);
    put_kinds(in, batch, 0);
    batch.set_size(static_cast<uint32_t>(passing_.size()));
    static_cast<void>(output().flush());
  }

  void gather_rows(const ColumnBatch& in) {
    for (size_t i = 0; i < types_.size(); ++i) { targets_[i] = &scratch_[i]; }
    check(evaluator_->run_selected(views_, passing_, targets_, *arena(), results_));
    const auto count = static_cast<uint32_t>(passing_.size());
    if (output().has_gathered_rows() && output().room() < count) {
      static_cast<void>(output().flush());
    }
    ColumnBatch& batch = output().current();
    if (batch.size() == 0) { batch.set_types(types_); }
    const uint32_t size = batch.size();
    batch.ensure_room(count);
    for (size_t i = 0; i < types_.size(); ++i) {
      copy_rows(results_[i].view, 0, count, batch.column(i), size, &batch.arena());
    }
    put_kinds(in, batch, size);
    batch.set_size(size + count);
    output().commit();
  }

  void put_kinds(const ColumnBatch& in, ColumnBatch& batch, uint32_t at) {
    const auto count = static_cast<uint32_t>(passing_.size());
    if (in.kinds() == nullptr && batch.kinds() == nullptr) { return; }
    RowKind* const kinds = batch.make_kinds(at + count) + at;
    for (uint32_t i = 0; i < count; ++i) { kinds[i] = in.kind(passing_[i]); }
  }

  Arena* arena() {
    if (!arena_) { arena_ = Arena::create(); }
    return arena_.get();
  }
  void recycle_arena() {
    if (arena_) { arena_.recycle(); }
  }

  const std::unique_ptr<Evaluator> condition_;  // null: all rows pass
  const std::unique_ptr<Evaluator> outputs_;
  const std::unique_ptr<Evaluator> first_;  // null: the condition has nothing of the results
  const std::unique_ptr<Evaluator> rest_;
  const std::vector<LogicalType> types_;
  Evaluator* evaluator_ = nullptr;   // outputs_ or rest_
  std::vector<ColumnView> views_;    // that it reads: the input's, and what the condition computed
  std::vector<Evaluated> computed_;  // by first_
  std::vector<Evaluated> results_;
  std::vector<Column*> targets_;
  std::vector<Column> scratch_;
  std::vector<uint32_t> passing_;
  ArenaRef arena_;  // of one call
};

class ExpandOperator final : public OutputOperator<ColumnRow> {
 public:
  ExpandOperator(std::vector<std::unique_ptr<Evaluator>> projections,
                 std::vector<LogicalType> types)
      : projections_(std::move(projections)), types_(std::move(types)) {
    results_.resize(types_.size());
    targets_.resize(types_.size());
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (cursor == rows.end) { return Progress::kDone; }
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    for (; next_ < projections_.size(); ++next_) {
      if (!output().ready()) { return Progress::kBlocked; }
      const Status status =
          send_computed(output(), types_, *projections_[next_], in, in.views(), cursor, rows.end,
                        targets_, results_, [&](ColumnBatch& batch) { batch.keep(in); });
      if (!status.ok()) { throw_user_failure(context(), "expand", status, ""); }
    }
    next_ = 0;
    cursor = rows.end;
    return Progress::kDone;
  }

 private:
  const std::vector<std::unique_ptr<Evaluator>> projections_;
  const std::vector<LogicalType> types_;
  size_t next_ = 0;  // of the projections, for the rows at hand
  std::vector<Evaluated> results_;
  std::vector<Column*> targets_;
};

// A snapshot has how far event time was: rows that are in the state of operators behind this one
// do not come again, and would wait for ever for a time that nothing else brings.
class WatermarkOperator final : public OutputOperator<ColumnRow> {
 public:
  WatermarkOperator(std::unique_ptr<Evaluator> value, int64_t units_per_ms, bool per_record)
      : value_(std::move(value)), units_per_ms_(units_per_ms), per_record_(per_record) {}

  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(saved_,
                               read_saved_records<SavedEventTime>(reader, kSavedEventTimeState));
    return ok_status();
  }
  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<ColumnRow>::open(context));
    const auto share = share_of(saved_, context.subtask_index(), context.parallelism());
    saved_.clear();
    if (share.has_value() && share->time_ms != kMinWatermark) {
      newest_ = share->time_ms * units_per_ms_;
      context.wake_at_wall_ms(context.clock().wall_ms());
    }
    return ok_status();
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    write_event_time(writer, {reached_ms(), false}, context().subtask_index(),
                     context().parallelism(), kEventTimeForm);
    return Progress::kDone;
  }
  // What was restored goes on at once, without waiting for a row.
  Progress on_processing_time(int64_t) override {
    if (ended_) { return Progress::kDone; }
    if (!output().ready()) { return Progress::kBlocked; }
    send_watermark();
    return Progress::kDone;
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (cursor == rows.end) { return Progress::kDone; }
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    if (arena_) { arena_.recycle(); }
    if (!arena_) { arena_ = Arena::create(); }
    if (!output().ready()) { return Progress::kBlocked; }
    const uint32_t begin = cursor;
    Evaluated evaluated;
    const Status status = value_->run(in.views(), begin, rows.end, {}, *arena_, {&evaluated, 1});
    if (!status.ok()) { throw_user_failure(context(), "watermark", status, ""); }
    const uint32_t shift = evaluated.input_column >= 0 ? 0 : begin;
    if (per_record_) {
      while (cursor < rows.end) {
        if (!output().ready()) { return Progress::kBlocked; }
        uint32_t end = cursor;
        while (end < rows.end && !advances(evaluated.view, end - shift)) { ++end; }
        end = std::min(end + 1, rows.end);
        send_piece(rows, cursor, end);
        cursor = end;
        send_watermark();
      }
      return Progress::kDone;
    }
    send_piece(rows, begin, rows.end);
    cursor = rows.end;
    advance_over(evaluated.view, begin - shift, rows.end - shift);
    send_watermark();
    return Progress::kDone;
  }

  // Event time here is what the rows say; the end of the input ends it.
  Progress on_watermark(int64_t time_ms) override {
    if (time_ms != kMaxWatermark) { return Progress::kDone; }
    ended_ = true;
    return Operator::on_watermark(time_ms);
  }

 private:
  bool advances(const ColumnView& values, uint32_t row) {
    if (values.is_null(row)) { return false; }
    const int64_t value = values.at<int64_t>(row);
    if (value <= newest_) { return false; }
    newest_ = value;
    return true;
  }
  void advance_over(const ColumnView& values, uint32_t begin, uint32_t end) {
    if (values.validity == nullptr && !values.is_constant) {
      const auto* const times = values.as<int64_t>();
      int64_t newest = newest_;
      for (uint32_t row = begin; row < end; ++row) { newest = std::max(newest, times[row]); }
      newest_ = newest;
      return;
    }
    for (uint32_t row = begin; row < end; ++row) { static_cast<void>(advances(values, row)); }
  }
  void send_piece(const Element& rows, uint32_t begin, uint32_t end) {
    Element piece = rows;
    piece.begin = begin;
    piece.end = end;
    static_cast<void>(output().forward(piece));
  }
  int64_t reached_ms() const {
    if (newest_ == kMinWatermark) { return kMinWatermark; }
    return newest_ / units_per_ms_ - (newest_ % units_per_ms_ < 0 ? 1 : 0);
  }
  void send_watermark() {
    const int64_t time_ms = reached_ms();
    if (time_ms <= sent_) { return; }
    sent_ = time_ms;
    static_cast<void>(output().send(Element::watermark(time_ms)));
  }

  const std::unique_ptr<Evaluator> value_;
  const int64_t units_per_ms_;
  const bool per_record_;
  std::vector<SavedRecord<SavedEventTime>> saved_;  // from `restore` to `open`
  ArenaRef arena_;
  int64_t newest_ = kMinWatermark;
  int64_t sent_ = kMinWatermark;
  bool ended_ = false;
};

// How many rows have come, kept in snapshots.
struct RowsSeen {
  int64_t rows = 0;
};

class LimitOperator final : public OutputOperator<ColumnRow> {
 public:
  LimitOperator(int64_t offset, int64_t count)
      : first_(offset), end_(saturating_add(offset, count)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (!output().ready()) { return Progress::kBlocked; }
    const int64_t begin = std::clamp<int64_t>(first_ - seen_, 0, rows.end - cursor);
    const int64_t end = std::clamp<int64_t>(end_ - seen_, 0, rows.end - cursor);
    if (begin < end) {
      Element piece = rows;
      piece.begin = cursor + static_cast<uint32_t>(begin);
      piece.end = cursor + static_cast<uint32_t>(end);
      static_cast<void>(output().forward(piece));
    }
    seen_ += rows.end - cursor;
    cursor = rows.end;
    return Progress::kDone;
  }

  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    SavedRecordWriter saved(writer, kState, StateKind::kUnionList,
                            encoded_schema<SavedRecord<RowsSeen>>(), context().subtask_index(),
                            context().parallelism(), "list");
    saved.add(encode_record(RowsSeen{seen_}));
    return Progress::kDone;
  }
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto all, read_saved_records<RowsSeen>(reader, kState));
    for (const SavedRecord<RowsSeen>& saved : all) { seen_ += saved.record.rows; }
    return ok_status();
  }

 private:
  static constexpr char kState[] = "rows seen";
  const int64_t first_;
  const int64_t end_;
  int64_t seen_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_limit_operator(int64_t offset, int64_t count) {
  return std::make_unique<LimitOperator>(offset, count);
}

Result<std::unique_ptr<Operator>> make_calc_operator(std::optional<Bound> condition,
                                                     std::vector<Bound> outputs,
                                                     std::vector<LogicalType> input,
                                                     const EvalOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto values, Evaluator::compile(outputs, input, options));
  const std::vector<LogicalType> types = types_of(outputs);
  std::unique_ptr<Evaluator> filter;
  std::unique_ptr<Evaluator> first;
  std::unique_ptr<Evaluator> rest;
  if (condition.has_value()) {
    const std::vector<Bound> parts = find_common_parts(*condition, outputs);
    std::vector<Bound> computed{std::move(*condition)};
    TIDEWHEEL_ASSIGN_OR_RETURN(filter, Evaluator::compile(computed, input, options));
    if (!parts.empty()) {
      computed.insert(computed.end(), parts.begin(), parts.end());
      TIDEWHEEL_ASSIGN_OR_RETURN(first, Evaluator::compile(computed, input, options));
      read_parts(parts, static_cast<int32_t>(input.size()), outputs);
      EvalOptions named = options;
      for (size_t i = named.column_names.size(); i < input.size(); ++i) {
        named.column_names.push_back("column " + std::to_string(i + 1));
      }
      for (const Bound& part : parts) {
        input.push_back(part.type);
        named.column_names.push_back(part.function->name() + "(...)");
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(rest, Evaluator::compile(outputs, input, named));
    }
  }
  return std::unique_ptr<Operator>(std::make_unique<CalcOperator>(
      std::move(filter), std::move(values), std::move(first), std::move(rest), types));
}

Result<std::unique_ptr<Operator>> make_expand_operator(
    const std::vector<std::vector<Bound>>& projections, const std::vector<LogicalType>& input,
    const EvalOptions& options) {
  std::vector<std::unique_ptr<Evaluator>> made;
  for (const std::vector<Bound>& outputs : projections) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto one, Evaluator::compile(outputs, input, options));
    made.push_back(std::move(one));
  }
  return std::unique_ptr<Operator>(
      std::make_unique<ExpandOperator>(std::move(made), types_of(projections[0])));
}

Result<std::unique_ptr<Operator>> make_watermark_operator(Bound value,
                                                          std::vector<LogicalType> input,
                                                          bool per_record,
                                                          const EvalOptions& options) {
  const int64_t units_per_ms = value.type.units_per_second() / 1000;
  std::vector<Bound> one;
  one.push_back(std::move(value));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto evaluator, Evaluator::compile(one, input, options));
  return std::unique_ptr<Operator>(
      std::make_unique<WatermarkOperator>(std::move(evaluator), units_per_ms, per_record));
}

}  // namespace tidewheel::sql
