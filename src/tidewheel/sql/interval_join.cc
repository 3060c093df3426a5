#include "tidewheel/sql/interval_join.h"

#include <algorithm>
#include <utility>

#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/timed_join.h"

namespace tidewheel::sql {

// A row that is kept, and whether there was a match for it.
struct TimedBytes {
  Text row;
  bool is_matched = false;
};

namespace {

constexpr char kName[] = "interval join";
using Kind = StreamJoinKind;

// Entries of a side's map: time, then number of the row, both so that bytes are in their order.
int64_t time_of(const Text& key) { return ordered_time_at(key, 0); }

template <class K>
class IntervalJoin final : public TimedJoin<K, IntervalJoinSpec> {
  using Base = TimedJoin<K, IntervalJoinSpec>;
  using Base::chunk_;
  using Base::inputs_;
  using Base::kChunk;
  using Base::kNoRow;
  using Base::out_;
  using Base::output;
  using Base::pads_side;
  using Base::pairs_;
  using Base::spec_;
  using Base::store_;
  using Base::watermark_;

 public:
  IntervalJoin(const IntervalJoinSpec& spec, std::unique_ptr<PairFilter> filter)
      : Base(kName, spec, std::move(filter), interval_join_output(spec).types) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    using Rows = MapCell<Text, TimedBytes>;
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_[0], store_->template declare<Rows>("left rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_[1], store_->template declare<Rows>("right rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_, store_->template declare<ValueCell<uint64_t>>("next", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(timer_, store_->template declare<TimerCell>("first end", {}));
    timer_->set_domain(TimeDomain::kEvent);
    watermark_ = this->restored_watermark();
    return this->read_store();
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(static_cast<size_t>(input), in, begin, end);
                             });
  }

 private:
  using Entry = MapEntry<Text, TimedBytes>;

  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent

  // When nothing that is on time can match a row any more.
  int64_t end_of(size_t side, int64_t time) const {
    return side == 0 ? saturating_subtract(time, spec_.lower_ms)
                     : saturating_add(time, spec_.upper_ms);
  }

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(size_t side, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    chunk_.read(inputs_[side], in, begin, end, /*finds_nulls=*/true);
    const std::span<const K> keys = chunk_.keys();
    const ColumnView& times =
        in.view(static_cast<size_t>(side == 0 ? spec_.left_time : spec_.right_time));
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(side == 0);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      if (chunk_.has_null_key(i) || times.is_null(row)) {
        if (pads_side(side)) { out_.add(row, {}, {}, RowKind::kInsert); }
      } else {
        take_row(side, row, chunk_.bytes(i), times.at<int64_t>(row));
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
      if (pads_side(1 - side) && !match->value.value.is_matched) {
        match->value.value.is_matched = true;
        match->mark(Entry::kChanged);
      }
    }
    const bool is_matched = !found_.empty();
    const int64_t end = end_of(side, time);
    if (end <= watermark_) {
      if (pads_side(side) && !is_matched) { out_.add(row, {}, {}, RowKind::kInsert); }
      return;
    }
    std::byte* const state = store_->ensure_row();
    uint64_t& next = next_->open(state).value;
    key_.clear();
    append_ordered_time(time, key_);
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
    append_ordered_time(first, key_);
    for (auto at = map->lower_bound(Text(key_)); !(at == map->end()); at = map->next(at)) {
      Entry& entry = map->at(at);
      if (time_of(entry.key.value) > last) { break; }
      if (!other.is_gone(entry)) { found_.push_back(&entry); }
    }
    if (!pairs_.has_filter() || found_.empty()) { return; }
    own_.assign(found_.size(), bytes);
    others_.clear();
    for (const Entry* const entry : found_) { others_.push_back(entry->value.value.row); }
    const auto& keeps = side == 0 ? pairs_.evaluate(own_, others_) : pairs_.evaluate(others_, own_);
    size_t i = 0;
    std::erase_if(found_, [&](const Entry*) { return keeps[i++] == 0; });
  }

  // Drops rows of some keys that nothing can match any more; false when there is none left.
  bool advance_some() override {
    chunk_.renew_arena();
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
        if (!pads_side(side) || entry.value.value.is_matched) { continue; }
        const Text row = chunk_.arena().copy(entry.value.value.row.view());
        side == 0 ? out_.add(kNoRow, row, {}, RowKind::kInsert)
                  : out_.add(kNoRow, {}, row, RowKind::kInsert);
      }
      for (const std::string& key : ended_) { rows.erase(state, Text(key)); }
    }
    if (first_end != TimerCell::kCancelled) { return timer_->set(state, first_end); }
    this->clear_cells(state);
  }

  MapCell<Text, TimedBytes>* rows_[2] = {};
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the key's next row
  TimerCell* timer_ = nullptr;           // when the first of its rows is to go

  // Of the rows at work.
  std::vector<Entry*> found_;
  std::vector<Text> own_;
  std::vector<Text> others_;
  std::string key_;
  std::vector<std::string> ended_;
};

}  // namespace

RowType interval_join_output(const IntervalJoinSpec& spec) { return timed_join_output(spec); }

Result<std::unique_ptr<Operator>> make_interval_join(IntervalJoinSpec spec,
                                                     std::unique_ptr<PairFilter> filter) {
  if (spec.kind == Kind::kSemi || spec.kind == Kind::kAnti) {
    return invalid_argument(ErrorId::kSqlUnsupported,
                            "a join of near times is inner or outer, and not IN or EXISTS");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const bool is_int, join_keys_are_int(spec.left, spec.left_keys, spec.right, spec.right_keys));
  return make_by_key<IntervalJoin>(is_int, std::move(spec), std::move(filter));
}

}  // namespace tidewheel::sql
