// A key's map has the rows that wait for their time, and behind them those that some frame still
// has: bounded frames remember their first row, and take it back when it leaves. What is due is
// taken by key and time; the steps of many keys are then one loop for each call.
#include <algorithm>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/over.h"
#include "tidewheel/sql/over_frames.h"

namespace tidewheel::sql {

// Of a key: the number of its next row, and what has been given so far.
struct OverProgress {
  uint64_t next = 0;
  int64_t rows = 0;
  int64_t groups = 0;  // of rows with equal times
  int64_t last_time = INT64_MIN;
};
// The first row of a bounded frame, and how many rows the frame has.
struct OverStart {
  int64_t time = 0;
  uint64_t number = 0;
  int64_t count = 0;
};

namespace {

constexpr char kName[] = "over";

template <class K>
class OverByTime final : public TimedKeyedOperator<K> {
  using Base = TimedKeyedOperator<K>;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::require;
  using Base::store_;
  using Base::watermark_;
  using Rows = MapCell<Text, Text>;

 public:
  OverByTime(OverSpec spec, std::unique_ptr<OverFrames> frames)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        time_(spec_.order_by[0].column),
        is_event_time_(spec_.input.types[static_cast<size_t>(time_)].time == TimeAttribute::kEvent),
        keys_(spec_.input.types, spec_.partition_by),
        encoder_(spec_.input.types),
        frames_(std::move(frames)),
        work_(spec_.input.types),
        output_types_(over_output(spec_).types) {
    this->set_layout(schema_of_row(spec_.input).to_string() + ", by " + keys_.describe() + ", " +
                     describe_over(spec_));
    list_ends();
  }
  ~OverByTime() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    work_.open(context.memory());
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(progress_,
                               store_->template declare<ValueCell<OverProgress>>("progress", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(starts_,
                               store_->template declare<ListCell<OverStart>>("frames", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(idle_, store_->template declare<TimerCell>("idle", {}));
    idle_->set_domain(TimeDomain::kProcessing);
    TIDEWHEEL_ASSIGN_OR_RETURN(empty_, store_->template declare<TimerCell>("empty", {}));
    empty_->set_domain(TimeDomain::kEvent);
    TIDEWHEEL_RETURN_IF_ERROR(frames_->declare(*store_, keys_.describe()));
    watermark_ = this->restored_watermark();
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    wake_for_idle();
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const Progress progress = this->take_chunks(
        rows, cursor, kChunk, [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
          is_event_time_ ? keep(in, begin, end) : take_now(in, begin, end);
          begin = end;
        });
    if (spec_.ttl_ms > 0) { wake_for_idle(); }
    return progress;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (!is_event_time_) { return Operator::on_watermark(time_ms); }
    return this->advance(time_ms, [&] { return fire_some(); });
  }
  // State of keys for which nothing has come for as long as the TTL goes, unless rows wait.
  Progress on_processing_time(int64_t now_ms) override {
    if (spec_.ttl_ms == 0) { return Progress::kDone; }
    store_->begin_work();
    FiredTimer fired;
    while (store_->next_due(TimeDomain::kProcessing, now_ms, fired)) {
      std::byte* const state = store_->current_row();
      if (state == nullptr) { continue; }
      if (has_waiting(state)) {
        idle_->set(state, now_ms + spec_.ttl_ms);
      } else {
        this->clear_cells(state);
      }
    }
    store_->clear_current();
    store_->end_work(0);
    wake_for_idle();
    return Progress::kDone;
  }

 private:
  static constexpr uint32_t kChunk = 256;
  using Entry = MapEntry<Text, Text>;

  // Where frames and shifts end behind the current row. Each has a row in the list of starts.
  struct End {
    int64_t preceding = 0;
    bool by_rows = true;
    size_t frame = SIZE_MAX;  // SIZE_MAX: of LAG only
  };
  // A row of the key at work.
  struct Current {
    uint64_t number = 0;
    uint32_t row = 0;  // of work_
  };

  void list_ends() {
    for (size_t i = 0; i < frames_->size(); ++i) {
      const OverFrame& frame = frames_->frame(i);
      if (frame.preceding == OverFrame::kUnbounded) { continue; }
      ends_.push_back({frame.preceding, frame.by_rows, i});
    }
    for (const OverCall& call : spec_.calls) {
      if (call.kind != OverCall::Kind::kShift) {
        lag_of_.push_back(SIZE_MAX);
        continue;
      }
      const auto found = std::find_if(ends_.begin(), ends_.end(), [&](const End& end) {
        return end.frame == SIZE_MAX && end.preceding == call.offset;
      });
      lag_of_.push_back(static_cast<size_t>(found - ends_.begin()));
      if (found == ends_.end()) { ends_.push_back({call.offset, true, SIZE_MAX}); }
    }
    lags_.resize(ends_.size());
    marks_.resize(frames_->size());
    // Without anything that goes back without a limit, a key whose frames are empty is gone.
    becomes_empty_ = !spec_.calls.empty() && is_event_time_;
    for (const OverCall& call : spec_.calls) {
      const bool is_range = call.kind == OverCall::Kind::kAggregate && !call.frame.by_rows &&
                            call.frame.preceding != OverFrame::kUnbounded;
      becomes_empty_ = becomes_empty_ && is_range;
      if (is_range) { longest_ = std::max(longest_, call.frame.preceding); }
    }
  }

  void wake_for_idle() {
    const int64_t time = store_->next_time(TimeDomain::kProcessing);
    if (time != TimerQueue::kNoTime) { this->context().wake_at_wall_ms(time); }
  }
  bool has_waiting(std::byte* state) {
    if (!is_event_time_ || !KeyedState::has(state, rows_->bit())) { return false; }
    auto* const map = rows_->find(state);
    key_.clear();
    append_ordered_time(saturating_add(watermark_, int64_t{1}), key_);
    for (auto at = map->lower_bound(Text(key_)); !(at == map->end()); at = map->next(at)) {
      if (!rows_->is_gone(map->at(at))) { return true; }
    }
    return false;
  }

  // ---- Rows come.

  Text map_key(int64_t time, uint64_t number) {
    key_.clear();
    append_ordered_time(time, key_);
    append_ordered(number, key_);
    return Text(key_);
  }
  void note_use(std::byte* state) {
    if (spec_.ttl_ms > 0) { idle_->set(state, store_->now_ms() + spec_.ttl_ms); }
  }

  // By event time: rows wait until the watermark has passed their time.
  void keep(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const ColumnView& times = in.view(static_cast<size_t>(time_));
    KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < end - begin; ++i) {
      batch.select(i);
      if (times.is_null(begin + i)) [[unlikely]] {
        throw_user_failure(
            this->context(), kName,
            invalid_argument(ErrorId::kSqlValue, "the time that rows are ordered by is NULL: {}",
                             spec_.input.names[static_cast<size_t>(time_)]),
            "");
      }
      const int64_t time = times.at<int64_t>(begin + i);
      if (time <= watermark_) {
        late_.add(begin + i);
        continue;
      }
      std::byte* const state = store_->ensure_row();
      const uint64_t number = progress_->open(state).value.next++;
      rows_->open(state, map_key(time, number)).value.store(encoded[i], store_->heap());
      store_->add_timer(TimeDomain::kEvent, time);
      note_use(state);
    }
    late_.give(in, spec_.input.types);
  }

  // By the clock: each row is given at once.
  void take_now(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const int64_t now = this->context().clock().wall_ms();
    begin_run();
    {
      KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
      for (uint32_t i = 0; i < end - begin; ++i) {
        batch.select(i);
        std::byte* const state = store_->ensure_row();
        OverProgress& progress = progress_->open(state).value;
        const int64_t time = std::max(now, progress.last_time);
        const uint64_t number = progress.next++;
        group_.assign(1, Current{number, work_.add(encoded[i])});
        if (!ends_.empty()) {
          rows_->open(state, map_key(time, number)).value.store(encoded[i], store_->heap());
        }
        note_use(state);
        take_group(i, state, time);
      }
      finish_run([&](uint32_t segment) -> const K& { return keys[segment]; });
    }
    emit();
  }

  // ---- Rows are due.

  // Takes some keys and times that the watermark has passed; false when there is nothing left.
  bool fire_some() {
    due_arena_.recycle();
    if (!due_arena_) { due_arena_ = Arena::create(); }
    due_keys_.clear();
    due_times_.clear();
    store_->begin_work();
    store_->take_due(TimeDomain::kEvent, watermark_, kChunk,
                     [&](const K& key, KeyHash, int64_t time) {
                       if constexpr (std::is_same_v<K, Text>) {
                         due_keys_.push_back(due_arena_->copy(key.view()));
                       } else {
                         due_keys_.push_back(key);
                       }
                       due_times_.push_back(time);
                     });
    if (due_keys_.empty()) {
      const bool more = drop_empty();
      store_->end_work(0);
      return more;
    }
    store_->end_work(0);
    begin_run();
    {
      const auto count = static_cast<uint32_t>(due_keys_.size());
      KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return due_keys_[i]; });
      for (uint32_t i = 0; i < count; ++i) {
        batch.select(i);
        if (store_->current_row() != nullptr) { take_due(i, due_times_[i]); }
      }
      finish_run([&](uint32_t segment) -> const K& { return due_keys_[segment]; });
    }
    emit();
    return true;
  }
  // The rows of the current key at a time.
  void take_due(uint32_t segment, int64_t time) {
    std::byte* const state = store_->current_row();
    if (!KeyedState::has(state, rows_->bit())) { return; }
    auto* const map = rows_->find(state);
    group_.clear();
    for (auto at = map->lower_bound(map_key(time, 0)); !(at == map->end()); at = map->next(at)) {
      const Entry& entry = map->at(at);
      if (ordered_time_at(entry.key.value, 0) != time) { break; }
      if (rows_->is_gone(entry)) { continue; }
      group_.push_back({ordered_at(entry.key.value, kTimeBytes), work_.add(entry.value.value)});
    }
    if (group_.empty()) { return; }
    take_group(segment, state, time);
    if (becomes_empty_) { empty_->set(state, saturating_add(time, longest_ + 1)); }
  }
  // Keys whose frames are empty by now; false when there is none left.
  bool drop_empty() {
    FiredTimer fired;
    for (uint32_t i = 0; i < kChunk; ++i) {
      if (!store_->next_due(TimeDomain::kEvent, watermark_, fired)) {
        store_->clear_current();
        return false;
      }
      std::byte* const state = store_->current_row();
      if (state != nullptr && !has_waiting(state)) { this->clear_cells(state); }
    }
    store_->clear_current();
    return true;
  }

  // ---- Steps.

  void begin_run() {
    work_.clear();
    frames_->clear();
    given_.clear();
    for (auto& marks : marks_) { marks.clear(); }
    for (auto& lags : lags_) { lags.clear(); }
    row_numbers_.clear();
    ranks_.clear();
    dense_ranks_.clear();
  }

  // The rows in group_, of one time, are the current key's next.
  void take_group(uint32_t segment, std::byte* state, int64_t time) {
    OverProgress& progress = progress_->open(state).value;
    progress.last_time = time;
    ++progress.groups;
    for (size_t i = 0; i < group_.size(); ++i) {
      given_.push_back(group_[i].row);
      row_numbers_.push_back(progress.rows + static_cast<int64_t>(i) + 1);
      ranks_.push_back(progress.rows + 1);
      dense_ranks_.push_back(progress.groups);
    }
    progress.rows += static_cast<int64_t>(group_.size());
    for (size_t f = 0; f < frames_->size(); ++f) {
      if (frames_->frame(f).preceding == OverFrame::kUnbounded) { grow(segment, f, state); }
    }
    if (ends_.empty()) {
      if (is_event_time_) { erase_group(state, time); }
      return;
    }
    auto& starts = starts_->open(state);
    while (starts.size < ends_.size()) { starts_->add(state, OverStart()); }
    first_ = {time, group_.front().number, 0};
    for (size_t e = 0; e < ends_.size(); ++e) {
      move_on(segment, ends_[e], e, starts_->open(state).items[e], state, time);
    }
    erase_before(state);
  }
  // A frame from the first row on.
  void grow(uint32_t segment, size_t f, std::byte* state) {
    std::byte* const cell = frames_->open(f, state);
    for (const Current& row : group_) {
      frames_->step(f, row.row, 1, cell, segment);
      if (frames_->frame(f).by_rows) { marks_[f].push_back(frames_->mark(f)); }
    }
    if (frames_->frame(f).by_rows) { return; }
    marks_[f].insert(marks_[f].end(), group_.size(), frames_->mark(f));
  }
  // A frame of a length: rows come, and those that are too old leave.
  void move_on(uint32_t segment, const End& end, size_t index, OverStart& start, std::byte* state,
               int64_t time) {
    std::byte* const cell = end.frame == SIZE_MAX ? nullptr : frames_->open(end.frame, state);
    auto* const map = rows_->find(state);
    if (start.count == 0) { start = {time, group_.front().number, 0}; }
    auto at = map->lower_bound(map_key(start.time, start.number));
    const auto leave = [&] {
      if (cell != nullptr) {
        frames_->step(end.frame, work_.add(map->at(at).value.value), -1, cell, segment);
      }
      do { at = map->next(at); } while (!(at == map->end()) && rows_->is_gone(map->at(at)));
      --start.count;
      if (at == map->end()) { return; }
      start.time = ordered_time_at(map->at(at).key.value, 0);
      start.number = ordered_at(map->at(at).key.value, kTimeBytes);
    };
    for (const Current& row : group_) {
      ++start.count;
      if (cell != nullptr) { frames_->step(end.frame, row.row, 1, cell, segment); }
      if (!end.by_rows) { continue; }
      while (start.count > end.preceding + 1) { leave(); }
      if (cell != nullptr) {
        marks_[end.frame].push_back(frames_->mark(end.frame));
      } else {
        lags_[index].push_back(start.count == end.preceding + 1 ? work_.add(map->at(at).value.value)
                                                                : kNoSource);
      }
    }
    if (!end.by_rows) {
      while (start.time < saturating_subtract(time, end.preceding)) { leave(); }
      auto& marks = marks_[end.frame];
      marks.insert(marks.end(), group_.size(), frames_->mark(end.frame));
    }
    const std::pair first(start.time, start.number);
    if (first < std::pair(first_.time, first_.number)) { first_ = start; }
  }
  void erase_group(std::byte* state, int64_t time) {
    for (const Current& row : group_) { rows_->erase(state, map_key(time, row.number)); }
  }
  // Rows that no frame has any more.
  void erase_before(std::byte* state) {
    auto* const map = rows_->find(state);
    gone_.clear();
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const Text& key = map->at(at).key.value;
      const std::pair place(ordered_time_at(key, 0), ordered_at(key, kTimeBytes));
      if (!(place < std::pair(first_.time, first_.number))) { break; }
      if (!rows_->is_gone(map->at(at))) { gone_.push_back(key.str()); }
    }
    for (const std::string& key : gone_) { rows_->erase(state, Text(key)); }
  }

  // Computes what was gathered; the keys' rows of state are at hand.
  template <class KeyOf>
  void finish_run(KeyOf key_of) {
    const ColumnBatch& rows = work_.decode();
    frames_->run(rows, store_->heap(), [&](uint32_t segment) {
      store_->set_current(key_of(segment));
      return store_->current_row();
    });
  }

  void emit() {
    const size_t columns = spec_.input.size();
    emit_columns(output(), output_types_, given_.size(),
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   const auto rows = std::span<const uint32_t>(given_).subspan(begin, end - begin);
                   for (size_t c = 0; c < columns; ++c) {
                     gather(work_.batch().view(c), rows, out.column(c), at, &out.arena());
                   }
                   for (size_t call = 0; call < spec_.calls.size(); ++call) {
                     put_result(call, begin, end, out.column(columns + call), at, out.arena());
                   }
                   frames_->share(out);
                 });
  }
  void put_result(size_t index, size_t begin, size_t end, Column& to, uint32_t at, Arena& arena) {
    const OverCall& call = spec_.calls[index];
    const auto put_numbers = [&](const std::vector<int64_t>& numbers) {
      to.ensure(at + static_cast<uint32_t>(end - begin));
      std::copy(numbers.data() + begin, numbers.data() + end, to.values<int64_t>() + at);
    };
    switch (call.kind) {
      case OverCall::Kind::kAggregate: {
        const std::vector<uint32_t>& marks = marks_[frames_->frame_of(index)];
        results_.clear();
        for (size_t i = begin; i < end; ++i) { results_.push_back(2 * marks[i] + 1); }
        return gather(frames_->column(index).view(), results_, to, at);
      }
      case OverCall::Kind::kShift:
        return put_shifted(
            call, work_.batch(),
            std::span<const uint32_t>(lags_[lag_of_[index]]).subspan(begin, end - begin),
            std::span<const uint32_t>(given_).subspan(begin, end - begin), to, at, arena);
      case OverCall::Kind::kRowNumber: return put_numbers(row_numbers_);
      case OverCall::Kind::kRank: return put_numbers(ranks_);
      default: return put_numbers(dense_ranks_);
    }
  }

  const OverSpec spec_;
  const int32_t time_;
  const bool is_event_time_;
  KeyReader keys_;
  EncodedRows encoder_;
  const std::unique_ptr<OverFrames> frames_;
  OverRows work_;
  const std::vector<LogicalType> output_types_;
  std::vector<End> ends_;
  std::vector<size_t> lag_of_;  // by call: which of ends_
  bool becomes_empty_ = false;
  int64_t longest_ = 0;

  LateRows late_;
  Rows* rows_ = nullptr;
  ValueCell<OverProgress>* progress_ = nullptr;
  ListCell<OverStart>* starts_ = nullptr;
  TimerCell* idle_ = nullptr;
  TimerCell* empty_ = nullptr;

  // Of the rows at work.
  std::string key_;
  ArenaRef due_arena_;
  std::vector<K> due_keys_;
  std::vector<int64_t> due_times_;
  std::vector<Current> group_;
  OverStart first_;
  std::vector<std::string> gone_;
  std::vector<uint32_t> given_;               // rows of work_ that are given
  std::vector<std::vector<uint32_t>> marks_;  // by frame: the result of each row
  std::vector<std::vector<uint32_t>> lags_;   // by end: the row before, or kNoSource
  std::vector<int64_t> row_numbers_;
  std::vector<int64_t> ranks_;
  std::vector<int64_t> dense_ranks_;
  std::vector<uint32_t> results_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_over_by_time(OverSpec spec) {
  for (const OverCall& call : spec.calls) {
    const bool is_possible = call.kind == OverCall::Kind::kAggregate
                                 ? call.frame.following == 0 && call.frame.preceding >= 0
                             : call.kind == OverCall::Kind::kShift
                                 ? call.offset >= 0
                                 : call.kind <= OverCall::Kind::kDenseRank;
    if (!is_possible) {
      return invalid_argument(ErrorId::kSqlUnsupported,
                              "rows that come later are needed, which are not there yet when a row "
                              "is given: {}",
                              describe_over(spec));
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<OverFrames> frames, OverFrames::make(spec));
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<OverByTime>(is_int, std::move(spec), std::move(frames));
}

}  // namespace tidewheel::sql
