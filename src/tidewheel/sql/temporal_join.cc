#include "tidewheel/sql/temporal_join.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/timed_join.h"

namespace tidewheel::sql {

// A left row that waits.
struct WaitingRow {
  Text row;
  uint8_t kind = 0;
};
// From its time on; `is_end`: there is no row from then on.
struct RowVersion {
  Text row;
  bool is_end = false;
};

namespace {

constexpr char kName[] = "temporal join";
using Kind = StreamJoinKind;

int64_t time_of(const Text& key) { return ordered_time_at(key, 0); }

// Under each key: left rows by time and number, versions by time, and a timer at the time at which
// the first left row can be joined or the first version dropped, or before.
template <class K>
class TemporalJoin final : public TimedJoin<K, TemporalJoinSpec> {
  using Base = TimedJoin<K, TemporalJoinSpec>;
  using Base::chunk_;
  using Base::inputs_;
  using Base::kChunk;
  using Base::kNoRow;
  using Base::out_;
  using Base::output;
  using Base::pairs_;
  using Base::spec_;
  using Base::store_;
  using Base::watermark_;

 public:
  TemporalJoin(const TemporalJoinSpec& spec, std::unique_ptr<PairFilter> filter)
      : Base(kName, spec, std::move(filter), temporal_join_output(spec).types) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    using Rows = MapCell<Text, WaitingRow>;
    using Versions = MapCell<Text, RowVersion>;
    StateOptions kept;
    kept.ttl = Duration(spec_.right_ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(waiting_, store_->template declare<Rows>("left rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(versions_, store_->template declare<Versions>("versions", kept));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_, store_->template declare<ValueCell<uint64_t>>("next", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(timer_, store_->template declare<TimerCell>("due", {}));
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
  using Waiting = MapEntry<Text, WaitingRow>;
  using Version = MapEntry<Text, RowVersion>;

  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent

  bool pads() const { return spec_.kind == Kind::kLeft; }

  void take(size_t side, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    chunk_.read(inputs_[side], in, begin, end, /*finds_nulls=*/true);
    const std::span<const K> keys = chunk_.keys();
    const ColumnView& times =
        in.view(static_cast<size_t>(side == 0 ? spec_.left_time : spec_.right_time));
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      const RowKind kind = in.kind(row);
      if (chunk_.has_null_key(i) || times.is_null(row)) {
        if (side == 0 && pads()) { out_.add(row, {}, {}, kind); }
      } else if (side == 0) {
        keep_waiting(chunk_.bytes(i), times.at<int64_t>(row), kind);
      } else if (kind != RowKind::kUpdateBefore) {
        keep_version(chunk_.bytes(i), times.at<int64_t>(row), kind == RowKind::kDelete);
      }
    }
    out_.emit(output(), &in);
  }
  void keep_waiting(const Text& bytes, int64_t time, RowKind kind) {
    std::byte* const state = store_->ensure_row();
    uint64_t& next = next_->open(state).value;
    key_.clear();
    append_ordered_time(time, key_);
    append_ordered(next++, key_);
    waiting_->open(state, Text(key_))
        .value.store(WaitingRow{bytes, static_cast<uint8_t>(kind)}, store_->heap());
    wake_at(state, time);
  }
  void keep_version(const Text& bytes, int64_t time, bool is_end) {
    std::byte* const state = store_->ensure_row();
    // The only version of a key is not looked at before another comes.
    const bool is_first = !KeyedState::has(state, versions_->bit());
    key_.clear();
    append_ordered_time(time, key_);
    versions_->open(state, Text(key_))
        .value.store(RowVersion{is_end ? Text() : bytes, is_end}, store_->heap());
    if (!is_first || is_end) { wake_at(state, time); }
  }
  void wake_at(std::byte* state, int64_t time) {
    const TimerCell::Times* const set = timer_->find(state);
    if (set == nullptr || time < set->target) { timer_->set(state, time); }
  }

  bool advance_some() override {
    chunk_.renew_arena();
    out_.begin(true);
    store_->begin_work();
    FiredTimer fired;
    bool more = true;
    for (uint32_t keys = 0; more && keys < kChunk && out_.size() < kRowsMax; ++keys) {
      more = store_->next_due(TimeDomain::kEvent, watermark_, fired);
      if (more && store_->current_row() != nullptr) { advance_key(store_->current_row()); }
    }
    store_->clear_current();
    store_->end_work(0);
    out_.emit(output(), nullptr);
    return more;
  }
  void advance_key(std::byte* state) {
    found_.clear();
    if (KeyedState::has(state, versions_->bit())) {
      auto* const map = versions_->find(state);
      for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
        if (!versions_->is_gone(map->at(at))) { found_.push_back(&map->at(at)); }
      }
    }
    const int64_t next_row = join_waiting(state);
    if (next_row == TimerCell::kCancelled && KeyedState::has(state, next_->bit())) {
      store_->clear_cell(state, *next_);
    }
    const int64_t next_end = drop_versions(state);
    const int64_t next = std::min(next_row, next_end);
    if (next != TimerCell::kCancelled) { return timer_->set(state, next); }
    if (!KeyedState::has(state, versions_->bit())) { this->clear_cells(state); }
  }

  // Joins the rows whose time has come; when the next of them does.
  int64_t join_waiting(std::byte* state) {
    lefts_.clear();
    rights_.clear();
    kinds_.clear();
    int64_t next = TimerCell::kCancelled;
    if (!KeyedState::has(state, waiting_->bit())) { return next; }
    size_t version = 0;  // one behind the version at hand
    auto* const map = waiting_->find(state);
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const Waiting& entry = map->at(at);
      if (waiting_->is_gone(entry)) { continue; }
      const int64_t time = time_of(entry.key.value);
      if (time > watermark_) {
        next = time;
        break;
      }
      while (version < found_.size() && time_of(found_[version]->key.value) <= time) { ++version; }
      const RowVersion* const row = version == 0 ? nullptr : &found_[version - 1]->value.value;
      lefts_.push_back(chunk_.arena().copy(entry.value.value.row.view()));
      rights_.push_back(row == nullptr || row->is_end ? Text()
                                                      : chunk_.arena().copy(row->row.view()));
      kinds_.push_back(static_cast<RowKind>(entry.value.value.kind));
    }
    put_joined();
    waiting_->erase_if(
        state, [this](const Text& key, const WaitingRow&) { return time_of(key) <= watermark_; });
    return next;
  }
  void put_joined() {
    filter_pairs();
    for (size_t i = 0; i < lefts_.size(); ++i) {
      if (rights_[i].empty() && !pads()) { continue; }
      out_.add(kNoRow, lefts_[i], rights_[i], kinds_[i]);
    }
  }
  // Takes versions away that the condition does not want.
  void filter_pairs() {
    if (!pairs_.has_filter()) { return; }
    pair_lefts_.clear();
    pair_rights_.clear();
    for (size_t i = 0; i < lefts_.size(); ++i) {
      if (rights_[i].empty()) { continue; }
      pair_lefts_.push_back(lefts_[i]);
      pair_rights_.push_back(rights_[i]);
    }
    const std::vector<uint8_t>& keeps = pairs_.evaluate(pair_lefts_, pair_rights_);
    size_t pair = 0;
    for (Text& right : rights_) {
      if (!right.empty() && keeps[pair++] == 0) { right = Text(); }
    }
  }
  // Drops what no row that is on time can ask for; when there is more to drop.
  int64_t drop_versions(std::byte* state) {
    // The version of the moment.
    size_t current = found_.size();
    for (size_t i = 0; i < found_.size(); ++i) {
      if (time_of(found_[i]->key.value) > watermark_) { break; }
      current = i;
    }
    size_t first = current == found_.size() ? 0 : current;
    if (current < found_.size() && found_[current]->value.value.is_end) { ++first; }
    const auto time_at = [&](size_t i) { return time_of(found_[i]->key.value); };
    int64_t next = TimerCell::kCancelled;
    if (first < found_.size() && found_[first]->value.value.is_end) {
      next = time_at(first);
    } else if (first + 1 < found_.size()) {
      next = time_at(first + 1);
    }
    if (first == 0) { return next; }
    if (first == found_.size()) {
      store_->clear_cell(state, *versions_);
      return next;
    }
    const int64_t from = time_at(first);
    versions_->erase_if(state,
                        [&](const Text& key, const RowVersion&) { return time_of(key) < from; });
    return next;
  }

  MapCell<Text, WaitingRow>* waiting_ = nullptr;
  MapCell<Text, RowVersion>* versions_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the key's next left row
  TimerCell* timer_ = nullptr;

  // Of the key at work.
  std::vector<Version*> found_;
  std::vector<Text> lefts_;
  std::vector<Text> rights_;
  std::vector<RowKind> kinds_;
  std::vector<Text> pair_lefts_;
  std::vector<Text> pair_rights_;
  std::string key_;
};

}  // namespace

RowType temporal_join_output(const TemporalJoinSpec& spec) { return timed_join_output(spec); }

Result<std::unique_ptr<Operator>> make_temporal_join(TemporalJoinSpec spec,
                                                     std::unique_ptr<PairFilter> filter) {
  if (spec.kind != Kind::kInner && spec.kind != Kind::kLeft) {
    return invalid_argument(ErrorId::kSqlUnsupported, "a temporal join is inner or left");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const bool is_int, join_keys_are_int(spec.left, spec.left_keys, spec.right, spec.right_keys));
  return make_by_key<TemporalJoin>(is_int, std::move(spec), std::move(filter));
}

}  // namespace tidewheel::sql
