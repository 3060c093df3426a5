#include "tidewheel/sql/interval_join.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/sql/pair_columns.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/saved_layout.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel::sql {

// A row that is kept, and whether there was a match for it.
struct TimedBytes {
  Text row;
  bool is_matched = false;
};

namespace {

constexpr char kName[] = "interval join";
using Kind = StreamJoinKind;

StreamJoinSpec stream_spec(const IntervalJoinSpec& spec) {
  StreamJoinSpec stream;
  stream.kind = spec.kind;
  stream.left = spec.left;
  stream.right = spec.right;
  return stream;
}

// Entries of a side's map: time, then number of the row, both so that bytes are in their order.
void append_ordered(uint64_t number, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) { out += static_cast<char>(number >> shift); }
}
void append_time(int64_t time, std::string& out) {
  append_ordered(static_cast<uint64_t>(time) ^ (uint64_t{1} << 63), out);
}
int64_t time_of(const Text& key) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(number); ++i) {
    number = number << 8 | static_cast<unsigned char>(key[i]);
  }
  return static_cast<int64_t>(number ^ (uint64_t{1} << 63));
}

template <class K>
class IntervalJoin final : public OutputOperator<ColumnRow> {
 public:
  IntervalJoin(IntervalJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : spec_(std::move(spec)),
        has_filter_(filter != nullptr),
        pairs_(spec_.left.types, spec_.right.types, std::move(filter)),
        inputs_{Input(spec_.left, spec_.left_keys, spec_.left_time),
                Input(spec_.right, spec_.right_keys, spec_.right_time)},
        out_(spec_.left.types, spec_.right.types, interval_join_output(spec_).types, true),
        layout_("left " + schema_of_row(spec_.left).to_string() + ", right " +
                schema_of_row(spec_.right).to_string() + ", by " + inputs_[0].keys.describe()) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator::open(context));
    store_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(),
                   context.clock(), kName);
    if (keeps_changes()) { store_->keep_changes(); }
    using Rows = MapCell<Text, TimedBytes>;
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_[0], store_->template declare<Rows>("left rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_[1], store_->template declare<Rows>("right rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_, store_->template declare<ValueCell<uint64_t>>("next", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(timer_, store_->template declare<TimerCell>("first end", {}));
    timer_->set_domain(TimeDomain::kEvent);
    watermark_ = saved_watermark_.restored();
    return open_store(*store_, std::exchange(reader_, nullptr));
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      guard([&] { take(static_cast<size_t>(input), in, cursor, end); });
    }
    require(store_->status());
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (time_ms > watermark_) {
      watermark_ = time_ms;
      is_advancing_ = true;
    }
    while (is_advancing_) {
      if (!ready()) { return Progress::kBlocked; }
      guard([&] { is_advancing_ = drop_some(); });
    }
    require(store_->status());
    return Operator::on_watermark(time_ms);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    is_layout_written_ = false;
    saved_watermark_.start(watermark_);
    store_->begin_snapshot(start);
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    if (!std::exchange(is_layout_written_, true)) {
      write_layout(writer, layout_, context().subtask_index(), context().parallelism());
    }
    bool is_done = false;
    guard([&] { is_done = store_->write(writer); });
    return is_done ? Progress::kDone : snapshot_blocked(*store_, writer);
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override { store_->abort_snapshot(); }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    return check_layout(reader, layout_);
  }

 private:
  using Entry = MapEntry<Text, TimedBytes>;
  static constexpr uint32_t kChunk = 256;
  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent
  static constexpr uint32_t kNoRow = RowOutput::kNoRow;

  struct Input {
    Input(const RowType& type, const std::vector<int32_t>& columns, int32_t time_column)
        : keys(type.types, columns), bytes(type.types), time(static_cast<size_t>(time_column)) {}
    KeyReader keys;
    RowBytes bytes;
    size_t time;
  };

  template <class F>
  void guard(F f) {
    try {
      f();
    } catch (...) { rethrow_user_failure(context(), kName, ""); }
  }
  void require(const Status& status) {
    if (!status.ok()) [[unlikely]] { throw_user_failure(context(), kName, status, ""); }
  }
  bool pads(size_t side) const {
    return spec_.kind == Kind::kFull || spec_.kind == (side == 0 ? Kind::kLeft : Kind::kRight);
  }
  // When nothing that is on time can match a row any more.
  int64_t end_of(size_t side, int64_t time) const {
    return side == 0 ? saturating_subtract(time, spec_.lower_ms)
                     : saturating_add(time, spec_.upper_ms);
  }

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(size_t side, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    Input& input = inputs_[side];
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = input.keys.template keys<K>(in, begin, end);
    nulls_.resize(count);
    input.keys.find_nulls(in, begin, end, nulls_.data());
    numbers_.resize(count);
    std::iota(numbers_.begin(), numbers_.end(), begin);
    bytes_.resize(count);
    input.bytes.encode(in.views(), numbers_, *arena_, bytes_.data());
    const ColumnView& times = in.view(input.time);
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(side == 0);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      if (nulls_[i] != 0 || times.is_null(row)) {
        if (pads(side)) { out_.add(row, {}, {}, RowKind::kInsert); }
      } else {
        take_row(side, row, bytes_[i], times.at<int64_t>(row));
      }
      if (out_.size() >= kRowsMax) {
        out_.emit(output(), &in);
        if (!output().ready()) { return; }
      }
    }
    out_.emit(output(), &in);
  }
  void take_row(size_t side, uint32_t row, const Text& bytes, int64_t time) {
    find_matches(side, store_->current_row(), bytes, time);
    for (Entry* const match : found_) {
      out_.add(row, {}, match->value.value.row, RowKind::kInsert);
      if (pads(1 - side) && !match->value.value.is_matched) {
        match->value.value.is_matched = true;
        match->mark(Entry::kChanged);
      }
    }
    const bool is_matched = !found_.empty();
    const int64_t end = end_of(side, time);
    if (end <= watermark_) {
      if (pads(side) && !is_matched) { out_.add(row, {}, {}, RowKind::kInsert); }
      return;
    }
    std::byte* const state = store_->ensure_row();
    uint64_t& next = next_->open(state).value;
    key_.clear();
    append_time(time, key_);
    append_ordered(next++, key_);
    rows_[side]->open(state, Text(key_)).value.store(TimedBytes{bytes, is_matched}, store_->heap());
    const TimerCell::Times* const set = timer_->find(state);
    if (set == nullptr || end < set->target) { timer_->set(state, end); }
  }
  // The rows of the other side that a row matches, in found_.
  void find_matches(size_t side, std::byte* state, const Text& bytes, int64_t time) {
    found_.clear();
    auto& other = *rows_[1 - side];
    if (state == nullptr || !KeyedState::has(state, other.bit())) { return; }
    const int64_t first = side == 0 ? saturating_subtract(time, spec_.upper_ms)
                                    : saturating_add(time, spec_.lower_ms);
    const int64_t last = side == 0 ? saturating_subtract(time, spec_.lower_ms)
                                   : saturating_add(time, spec_.upper_ms);
    auto* const map = other.find(state);
    key_.clear();
    append_time(first, key_);
    for (auto at = map->lower_bound(Text(key_)); !(at == map->end()); at = map->next(at)) {
      Entry& entry = map->at(at);
      if (time_of(entry.key.value) > last) { break; }
      if (!other.is_gone(entry)) { found_.push_back(&entry); }
    }
    if (!has_filter_ || found_.empty()) { return; }
    own_.assign(found_.size(), bytes);
    others_.clear();
    for (const Entry* const entry : found_) { others_.push_back(entry->value.value.row); }
    const auto& keeps = side == 0 ? pairs_.evaluate(own_, others_) : pairs_.evaluate(others_, own_);
    size_t i = 0;
    std::erase_if(found_, [&](const Entry*) { return keeps[i++] == 0; });
  }

  // Drops rows of some keys that nothing can match any more; false when there is none left.
  bool drop_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    out_.begin(true);
    store_->begin_work();
    FiredTimer fired;
    bool more = true;
    for (uint32_t keys = 0; more && keys < kChunk && out_.size() < kRowsMax; ++keys) {
      more = store_->next_due(TimeDomain::kEvent, watermark_, fired);
      if (more && store_->current_row() != nullptr) { drop_ended(store_->current_row()); }
    }
    store_->clear_current();
    store_->end_work(0);
    out_.emit(output(), nullptr);
    return more;
  }
  void drop_ended(std::byte* state) {
    int64_t first_end = TimerCell::kCancelled;
    for (size_t side = 0; side < 2; ++side) {
      auto& rows = *rows_[side];
      if (!KeyedState::has(state, rows.bit())) { continue; }
      ended_.clear();
      auto* const map = rows.find(state);
      for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
        const Entry& entry = map->at(at);
        if (rows.is_gone(entry)) { continue; }
        const int64_t end = end_of(side, time_of(entry.key.value));
        if (end > watermark_) {
          first_end = std::min(first_end, end);
          break;
        }
        ended_.emplace_back(entry.key.value.str());
        if (!pads(side) || entry.value.value.is_matched) { continue; }
        const Text row = arena_->copy(entry.value.value.row.view());
        side == 0 ? out_.add(kNoRow, row, {}, RowKind::kInsert)
                  : out_.add(kNoRow, {}, row, RowKind::kInsert);
      }
      for (const std::string& key : ended_) { rows.erase(state, Text(key)); }
    }
    if (first_end != TimerCell::kCancelled) { return timer_->set(state, first_end); }
    for (const auto& cell : store_->cells()) {
      if (KeyedState::has(state, cell->bit())) { store_->clear_cell(state, *cell); }
    }
  }

  const IntervalJoinSpec spec_;
  const bool has_filter_;
  PairColumns pairs_;
  Input inputs_[2];
  RowOutput out_;
  const std::string layout_;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::optional<KeyedStore<K>> store_;
  MapCell<Text, TimedBytes>* rows_[2] = {};
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the key's next row
  TimerCell* timer_ = nullptr;           // when the first of its rows is to go
  int64_t watermark_ = kMinWatermark;
  bool is_advancing_ = false;
  bool is_layout_written_ = true;
  WatermarkState saved_watermark_;

  // Of the rows at work.
  ArenaRef arena_;
  std::vector<uint8_t> nulls_;
  std::vector<uint32_t> numbers_;
  std::vector<Text> bytes_;
  std::vector<Entry*> found_;
  std::vector<Text> own_;
  std::vector<Text> others_;
  std::string key_;
  std::vector<std::string> ended_;
};

}  // namespace

RowType interval_join_output(const IntervalJoinSpec& spec) {
  return stream_join_output(stream_spec(spec));
}

Result<std::unique_ptr<Operator>> make_interval_join(IntervalJoinSpec spec,
                                                     std::unique_ptr<PairFilter> filter) {
  if (spec.kind == Kind::kSemi || spec.kind == Kind::kAnti) {
    return invalid_argument(ErrorId::kSqlUnsupported,
                            "a join of near times is inner or outer, and not IN or EXISTS");
  }
  const KeyReader left(spec.left.types, spec.left_keys);
  const KeyReader right(spec.right.types, spec.right_keys);
  if (left.describe() != right.describe()) {
    return invalid_argument(ErrorId::kSqlType,
                            "the keys of a join have to be of the same types: {} and {}",
                            left.describe(), right.describe());
  }
  if (left.is_int()) {
    return std::unique_ptr<Operator>(
        std::make_unique<IntervalJoin<IntKey>>(std::move(spec), std::move(filter)));
  }
  return std::unique_ptr<Operator>(
      std::make_unique<IntervalJoin<Text>>(std::move(spec), std::move(filter)));
}

}  // namespace tidewheel::sql
