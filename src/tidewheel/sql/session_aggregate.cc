// A key has a list of its sessions, few, and each session a row of state of its own: accumulators,
// and a timer that is moved as the session grows. Rows of a chunk find their sessions first, then
// the accumulators of all of them are looked up together.
#include "tidewheel/sql/session_aggregate.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/aggregate_calls.h"
#include "tidewheel/sql/aggregate_state.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/slice_key.h"

namespace tidewheel::sql {

// The times [start, end) of a session, and by what its row of state is found: the time of its first
// row, whatever came before that later.
struct SessionTimes {
  int64_t start = 0;
  int64_t end = 0;
  int64_t id = 0;
};

namespace {

constexpr char kName[] = "session aggregate";

template <class K>
class SessionAggregate final : public TimedKeyedOperator<SliceKey<K>> {
  using Base = TimedKeyedOperator<SliceKey<K>>;
  using Base::clear_cells;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::require;
  using Base::store_;
  using Base::watermark_;

 public:
  SessionAggregate(WindowAggregateSpec spec, AggregateSet set)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        gap_(spec_.window.size_ms),
        set_(std::move(set)),
        keys_(spec_.input.types, spec_.keys),
        output_types_(window_aggregate_output(spec_).types) {}

  ~SessionAggregate() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    const std::string form = keys_.describe() + " sessions";
    TIDEWHEEL_ASSIGN_OR_RETURN(
        cell_, AggregateCell::declare(*store_, "accumulators", form, {}, set_, false));
    TIDEWHEEL_ASSIGN_OR_RETURN(sessions_,
                               store_->template declare<ListCell<SessionTimes>>("sessions", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(timer_, store_->template declare<TimerCell>("end", {}));
    timer_->set_domain(domain());
    TIDEWHEEL_ASSIGN_OR_RETURN(
        calls_, AggregateCalls::make(*store_, set_, spec_.input.types, {}, spec_.input_retracts));
    watermark_ = this->restored_watermark();
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    if (!store_->has_backend()) { calls_->defer_distinct(); }
    wake_for_next_session();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      guard([&] { take(in, cursor, end); });
      cursor = end;
    }
    wake_for_next_session();
    require(store_->status());
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (is_event_time() && advance(time_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    return Operator::on_watermark(time_ms);
  }
  Progress on_processing_time(int64_t now_ms) override {
    if (is_event_time()) { return Progress::kDone; }
    if (advance(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
    wake_for_next_session();
    return Progress::kDone;
  }
  Progress on_end_of_input(int32_t) override {
    return is_event_time() ? Progress::kDone : advance(kMaxWatermark);
  }

 private:
  using Key = SliceKey<K>;
  static constexpr uint32_t kChunk = 256;
  // Beside a key, where its list of sessions is.
  static constexpr int64_t kList = std::numeric_limits<int64_t>::min();

  bool is_event_time() const { return spec_.time >= 0; }
  TimeDomain domain() const {
    return is_event_time() ? TimeDomain::kEvent : TimeDomain::kProcessing;
  }

  // ---- Rows.

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    calls_->begin(in, begin, end);
    first_row_ = begin;
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    times_.resize(end - begin);
    read_times(in, begin, end);
    list_keys_.clear();
    for (const K& key : keys) { list_keys_.push_back({key, kList}); }
    for (uint32_t i = 0; i < end - begin;) {
      rows_.clear();
      session_keys_.clear();
      ends_.clear();
      const uint32_t found = find_sessions(begin, i, end - begin);
      add_rows(in);
      i = found;
      if (i < end - begin) { join_sessions(i); }
    }
    late_.give(in, spec_.input.types);
  }
  void read_times(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    if (!is_event_time()) {
      const int64_t now =
          std::max(this->context().clock().wall_ms(), saturating_add(watermark_, int64_t{1}));
      return std::fill(times_.begin(), times_.end(), now);
    }
    const ColumnView& times = in.view(static_cast<size_t>(spec_.time));
    for (uint32_t row = begin; row < end; ++row) {
      if (times.validity != nullptr && times.is_null(row)) [[unlikely]] {
        throw_user_failure(
            this->context(), kName,
            invalid_argument(ErrorId::kSqlValue, "the time of a row of a session is NULL: {}",
                             spec_.input.names[static_cast<size_t>(spec_.time)]),
            "");
      }
      times_[row - begin] = times.at<int64_t>(row);
    }
  }
  // The session of each row, which grows to hold it, or is made. Stops at a row that makes one of
  // several sessions; returns its index, or `end`.
  uint32_t find_sessions(uint32_t first_row, uint32_t begin, uint32_t end) {
    KeyedBatch batch(*store_, begin, end, [&](uint32_t i) -> const Key& { return list_keys_[i]; });
    for (uint32_t i = begin; i < end; ++i) {
      batch.select(i);
      const int64_t time = times_[i];
      const int64_t row_end = saturating_add(time, gap_);
      SessionTimes* found = nullptr;
      if (auto* const list = current_list()) {
        for (uint32_t s = 0; s < list->size; ++s) {
          SessionTimes& session = list->items[s];
          if (time > session.end || row_end < session.start) { continue; }
          if (found != nullptr) { return i; }
          found = &session;
        }
      }
      if (found == nullptr) {
        if (row_end - 1 <= watermark_) {
          late_.add(first_row + i);
          continue;
        }
        const SessionTimes made{time, row_end, time};
        sessions_->add(store_->ensure_row(), made);
        put_row(first_row + i, i, made);
        continue;
      }
      found->start = std::min(found->start, time);
      found->end = std::max(found->end, row_end);
      put_row(first_row + i, i, *found);
    }
    return end;
  }
  typename ListCell<SessionTimes>::List* current_list() {
    std::byte* const row = store_->current_row();
    return row == nullptr ? nullptr : sessions_->find(row);
  }
  void put_row(uint32_t row, uint32_t index, const SessionTimes& session) {
    rows_.push_back(row);
    session_keys_.push_back({list_keys_[index].key, session.id});
    ends_.push_back(session.end);
  }
  void add_rows(const ColumnBatch& in) {
    const auto count = static_cast<uint32_t>(rows_.size());
    calls_->begin_chunk();
    chunk_.clear(count);
    const RowKind* const kinds = spec_.input_retracts ? in.kinds() : nullptr;
    chunk_.has_signs = kinds != nullptr;
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const Key& { return session_keys_[i]; });
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      bool is_new = false;
      std::byte* const row = store_->ensure_row();
      std::byte* const cell = cell_->open(row, is_new);
      timer_->set(row, ends_[i] - 1);
      const bool retracts = kinds != nullptr && is_retraction(kinds[rows_[i]]);
      if (set_.counts_rows()) { AggregateSet::row_count(cell) += retracts ? -1 : 1; }
      chunk_.rows[i] = rows_[i];
      chunk_.cells[i] = cell;
      chunk_.states[i] = row;
      chunk_.signs[i] = retracts ? -1 : 1;
      chunk_.count = i + 1;
      if (calls_->has_values()) {
        calls_->add_values(row, rows_[i] - first_row_, chunk_, AggregateCalls::Wanted::kNone);
      }
    }
    calls_->add(chunk_, store_->heap());
  }
  // Makes one of the sessions that a row touches, in the first of them; the row is taken
  // afterwards.
  void join_sessions(uint32_t i) {
    const int64_t time = times_[i];
    const int64_t row_end = saturating_add(time, gap_);
    store_->begin_work();
    store_->set_current(list_keys_[i]);
    auto* const list = current_list();
    std::vector<SessionTimes> kept;
    std::vector<SessionTimes> joined;
    for (uint32_t s = 0; s < list->size; ++s) {
      const SessionTimes& session = list->items[s];
      const bool touches = time <= session.end && row_end >= session.start;
      (touches ? joined : kept).push_back(session);
    }
    SessionTimes one = joined.front();
    for (const SessionTimes& session : joined) {
      one.start = std::min(one.start, session.start);
      one.end = std::max(one.end, session.end);
    }
    kept.push_back(one);
    sessions_->empty(*list);
    for (const SessionTimes& session : kept) { sessions_->add(store_->current_row(), session); }
    std::vector<uint64_t> words(set_.bytes() / sizeof(uint64_t) + 1);
    auto* const copy = reinterpret_cast<std::byte*>(words.data());
    for (size_t s = 1; s < joined.size(); ++s) {
      const Key from{list_keys_[i].key, joined[s].id};
      set_.init(copy);
      store_->set_current(from);
      set_.merge(copy, cell_->find(store_->current_row()), store_->heap());
      calls_->take_distinct(store_->current_row());
      clear_cells(store_->current_row());
      const Key to{list_keys_[i].key, one.id};
      store_->set_current(to);
      std::byte* const cell = cell_->find(store_->current_row());
      set_.merge(cell, copy, store_->heap());
      calls_->give_distinct(store_->current_row(), cell, store_->heap());
      timer_->set(store_->current_row(), one.end - 1);
      set_.release(copy, store_->heap());
    }
    store_->clear_current();
    store_->end_work(0);
  }

  // ---- Firing.

  // Fires all sessions that end by `time`.
  Progress advance(int64_t time) {
    if (time <= watermark_ && !is_advancing_) { return Progress::kDone; }
    watermark_ = std::max(watermark_, time);
    is_advancing_ = true;
    for (bool more = true; more;) {
      if (!ready()) { return Progress::kBlocked; }
      guard([&] { more = fire_some(time); });
    }
    is_advancing_ = false;
    require(store_->status());
    return Progress::kDone;
  }
  // False when there is nothing left.
  bool fire_some(int64_t time) {
    calls_->clear_results();
    fired_keys_.clear();
    fired_times_.clear();
    fired_arena_.recycle();
    if (!fired_arena_) { fired_arena_ = Arena::create(); }
    store_->begin_work();
    FiredTimer fired;
    bool more = true;
    for (uint32_t i = 0; i < kChunk && more; ++i) {
      more = store_->next_due(domain(), time, fired);
      if (more) { take_fired(); }
    }
    store_->clear_current();
    store_->end_work(0);
    emit();
    return more;
  }
  // The current key's session, which is over.
  void take_fired() {
    Key key = store_->current_key();
    if constexpr (std::is_same_v<K, Text>) { key.key = fired_arena_->copy(key.key.view()); }
    std::byte* cell = cell_->find(store_->current_row());
    const bool is_emitted =
        cell != nullptr && (!set_.counts_rows() || AggregateSet::row_count(cell) > 0);
    if (is_emitted) {
      calls_->results(std::span(&cell, 1), static_cast<uint32_t>(fired_keys_.size()), 1);
      fired_keys_.push_back(key.key);
      fired_times_.emplace_back();
    }
    clear_cells(store_->current_row());
    const Key list_key{key.key, kList};
    store_->set_current(list_key);
    auto* const list = current_list();
    TIDEWHEEL_CHECK(list != nullptr, "a session is in no list");
    uint32_t kept = 0;
    for (uint32_t s = 0; s < list->size; ++s) {
      const SessionTimes session = list->items[s];
      if (session.id != key.slice) {
        list->items[kept++] = session;
      } else if (is_emitted) {
        fired_times_.back() = {Timestamp(session.start), Timestamp(session.end)};
      }
    }
    list->size = kept;
    if (kept == 0) { clear_cells(store_->current_row()); }
    store_->clear_current();
  }
  void emit() {
    emit_columns(output(), output_types_, fired_keys_.size(),
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   std::vector<Column*> columns;
                   for (size_t c = 0; c < spec_.keys.size(); ++c) {
                     columns.push_back(&out.column(c));
                   }
                   keys_.decode(std::span<const K>(fired_keys_).subspan(begin, end - begin),
                                columns, at, &out.arena());
                   size_t c = spec_.keys.size();
                   for (size_t call = 0; call < set_.size(); ++call) {
                     copy_rows(calls_->column(call).view(), static_cast<uint32_t>(begin),
                               static_cast<uint32_t>(end), out.column(c++), at);
                   }
                   for (const WindowProperty property : spec_.properties) {
                     Column& column = out.column(c++);
                     column.ensure(at + static_cast<uint32_t>(end - begin));
                     for (size_t i = begin; i < end; ++i) {
                       column.values<int64_t>()[at + i - begin] =
                           property_of(fired_times_[i], property);
                     }
                   }
                   out.share_arena(calls_->arena());
                 });
  }
  void wake_for_next_session() {
    if (is_event_time()) { return; }
    const int64_t time = store_->next_time(domain());
    if (time != TimerQueue::kNoTime) { this->context().wake_at_wall_ms(time); }
  }

  const WindowAggregateSpec spec_;
  const int64_t gap_;
  const AggregateSet set_;
  KeyReader keys_;
  const std::vector<LogicalType> output_types_;
  LateRows late_;
  AggregateCell* cell_ = nullptr;
  ListCell<SessionTimes>* sessions_ = nullptr;
  TimerCell* timer_ = nullptr;
  std::unique_ptr<AggregateCalls> calls_;
  bool is_advancing_ = false;

  // Of the rows at work.
  AggregateChunk chunk_;
  uint32_t first_row_ = 0;
  std::vector<int64_t> times_;
  std::vector<Key> list_keys_;
  std::vector<uint32_t> rows_;
  std::vector<Key> session_keys_;
  std::vector<int64_t> ends_;  // of the sessions, so far

  // What has fired.
  std::vector<K> fired_keys_;
  std::vector<TimeWindow> fired_times_;
  ArenaRef fired_arena_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_session_aggregate(WindowAggregateSpec spec) {
  // The first of some values is that of the same values without duplicates.
  for (AggregateCall& call : spec.calls) {
    if (call.function == AggregateFunction::kFirstValue) { call.distinct = false; }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto set,
      AggregateSet::make(spec.input.types, spec.calls, spec.input_retracts, spec.input_retracts));
  for (size_t i = 0; i < set.size(); ++i) {
    // Which value came last is not known of a set.
    const bool is_last_of_set =
        set.calls()[i].distinct && set.calls()[i].function == AggregateFunction::kLastValue;
    if (set.accumulator(i) == nullptr || is_last_of_set) {
      return invalid_argument(ErrorId::kSqlUnsupported,
                              "over sessions, {} can't be computed: two sessions may become one, "
                              "and its values can't be joined",
                              describe_call(set.calls()[i]));
    }
  }
  const bool is_int = KeyReader(spec.input.types, spec.keys).is_int();
  return make_by_key<SessionAggregate>(is_int, std::move(spec), std::move(set));
}

}  // namespace tidewheel::sql
