// A key has its rows, sorted by time, and a list of its open sessions, few, with one timer for the
// first that ends. Sessions of a key never overlap: where one begins and ends says which rows it
// has, so that rows need not move when two become one.
#include "tidewheel/sql/session_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/over_frames.h"

namespace tidewheel::sql {

// The times [start, end) of a session.
struct OpenSession {
  int64_t start = 0;
  int64_t end = 0;
};

namespace {

constexpr char kName[] = "session";

template <class K>
class SessionTable final : public TimedKeyedOperator<K> {
  using Base = TimedKeyedOperator<K>;
  using Base::output;
  using Base::store_;
  using Base::watermark_;
  using Rows = MapCell<Text, Text>;

 public:
  explicit SessionTable(SessionTableSpec spec)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.partition_by),
        encoder_(spec_.input.types),
        given_(spec_.input.types),
        output_types_(spec_.input.types) {
    this->set_layout(schema_of_row(spec_.input).to_string() + ", by " + keys_.describe() +
                     ", sessions");
    const LogicalType bound = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
    LogicalType last = output_types_[static_cast<size_t>(spec_.time)];
    last.nullable = false;
    output_types_.insert(output_types_.end(), {bound, bound, last});
  }
  ~SessionTable() override { this->drop_store(); }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    without_time_ = &context.metrics().counter("numNullRowTimeRecordsDropped");
    given_.open(context.memory());
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_, store_->template declare<ValueCell<uint64_t>>("next", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(sessions_,
                               store_->template declare<ListCell<OpenSession>>("sessions", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(timer_, store_->template declare<TimerCell>("end", {}));
    timer_->set_domain(TimeDomain::kEvent);
    watermark_ = this->restored_watermark();
    return this->read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(in, begin, end);
                               begin = end;
                             });
  }
  Progress on_watermark(int64_t time_ms) override {
    return this->advance(time_ms, [&] { return fire_some(); });
  }

 private:
  static constexpr uint32_t kChunk = 256;

  // ---- Rows come.

  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const ColumnView& times = in.view(static_cast<size_t>(spec_.time));
    KeyedBatch batch(*store_, 0, end - begin, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < end - begin; ++i) {
      batch.select(i);  // of each row, whatever becomes of it
      if (times.is_null(begin + i)) {
        without_time_->add();
        continue;
      }
      const int64_t time = times.at<int64_t>(begin + i);
      if (!open_session(time)) {
        late_.add(begin + i);
        continue;
      }
      std::byte* const state = store_->current_row();
      const uint64_t number = next_->open(state).value++;
      rows_->open(state, row_key(time, number)).value.store(encoded[i], store_->heap());
    }
    late_.give(in, spec_.input.types);
  }
  Text row_key(int64_t time, uint64_t number) {
    key_.clear();
    append_ordered_time(time, key_);
    append_ordered(number, key_);
    return Text(key_);
  }
  // The session of a row of the current key grows to hold it, or is made, or becomes one with
  // others. False when it would be over already.
  bool open_session(int64_t time) {
    OpenSession made{time, saturating_add(time, spec_.gap_ms)};
    std::byte* const known = store_->current_row();
    auto* const list = known == nullptr ? nullptr : sessions_->find(known);
    const uint32_t size = list == nullptr ? 0 : list->size;
    const auto touches = [&](const OpenSession& session) {
      return time <= session.end && made.end >= session.start;
    };
    OpenSession whole = made;
    for (uint32_t s = 0; s < size; ++s) {
      const OpenSession& session = list->items[s];
      if (!touches(session)) { continue; }
      whole.start = std::min(whole.start, session.start);
      whole.end = std::max(whole.end, session.end);
    }
    if (whole.end - 1 <= watermark_) { return false; }
    uint32_t kept = 0;
    for (uint32_t s = 0; s < size; ++s) {
      if (!touches(list->items[s])) { list->items[kept++] = list->items[s]; }
    }
    if (list != nullptr) { list->size = kept; }
    std::byte* const state = store_->ensure_row();
    sessions_->add(state, whole);
    set_timer(state);
    return true;
  }
  // For the first session that ends.
  void set_timer(std::byte* state) {
    const auto& list = sessions_->open(state);
    int64_t first = list.items[0].end;
    for (uint32_t s = 1; s < list.size; ++s) { first = std::min(first, list.items[s].end); }
    timer_->set(state, first - 1);
  }

  // ---- Sessions end.

  // Gives some rows of sessions that are over; false when there is none left.
  bool fire_some() {
    given_.clear();
    starts_.clear();
    ends_.clear();
    store_->begin_work();
    FiredTimer fired;
    bool more = true;
    while (more && given_.size() < kChunk) {
      more = store_->next_due(TimeDomain::kEvent, watermark_, fired);
      if (more) { give_rows(store_->current_row()); }
    }
    store_->clear_current();
    store_->end_work(0);
    emit();
    return more;
  }
  // Of the session of a key that ends first: rows that were given are gone, so that a session may
  // be given in parts, with snapshots between them.
  void give_rows(std::byte* state) {
    auto& list = sessions_->open(state);
    auto* const end_of_list = list.items + list.size;
    auto* const first =
        std::min_element(list.items, end_of_list,
                         [](const OpenSession& a, const OpenSession& b) { return a.end < b.end; });
    const OpenSession session = *first;
    if (give_rows_of(session, state)) {
      *first = *(end_of_list - 1);
      --list.size;
    }
    list.size == 0 ? this->clear_cells(state) : set_timer(state);
  }
  // True when it has no rows any more.
  bool give_rows_of(const OpenSession& session, std::byte* state) {
    gone_.clear();
    bool is_whole = true;
    auto* const map = rows_->find(state);
    for (auto at = map->lower_bound(row_key(session.start, 0)); !(at == map->end());
         at = map->next(at)) {
      const auto& entry = map->at(at);
      if (rows_->is_gone(entry)) { continue; }
      if (ordered_time_at(entry.key.value, 0) >= session.end) { break; }
      if (given_.size() == kChunk) {
        is_whole = false;
        break;
      }
      given_.add(entry.value.value);
      starts_.push_back(session.start);
      ends_.push_back(session.end);
      gone_.push_back(entry.key.value.str());
    }
    for (const std::string& key : gone_) { rows_->erase(state, Text(key)); }
    return is_whole;
  }
  void emit() {
    if (given_.size() == 0) { return; }
    const ColumnBatch& rows = given_.decode();
    const size_t columns = spec_.input.size();
    emit_columns(output(), output_types_, given_.size(),
                 [&](ColumnBatch& out, size_t begin, size_t end) {
                   const uint32_t at = out.size();
                   numbers_.resize(end - begin);
                   for (size_t i = begin; i < end; ++i) {
                     numbers_[i - begin] = static_cast<uint32_t>(i);
                   }
                   for (size_t c = 0; c < columns; ++c) {
                     gather(rows.view(c), numbers_, out.column(c), at, &out.arena());
                   }
                   put_times(out.column(columns), at, starts_, begin, end, 0);
                   put_times(out.column(columns + 1), at, ends_, begin, end, 0);
                   put_times(out.column(columns + 2), at, ends_, begin, end, -1);
                 });
  }
  static void put_times(Column& column, uint32_t at, const std::vector<int64_t>& times,
                        size_t begin, size_t end, int64_t added) {
    column.ensure(at + static_cast<uint32_t>(end - begin));
    for (size_t i = begin; i < end; ++i) {
      column.values<int64_t>()[at + i - begin] = times[i] + added;
    }
  }

  const SessionTableSpec spec_;
  KeyReader keys_;
  EncodedRows encoder_;
  OverRows given_;
  std::vector<LogicalType> output_types_;

  LateRows late_;
  Counter* without_time_ = nullptr;
  Rows* rows_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the key's next row
  ListCell<OpenSession>* sessions_ = nullptr;
  TimerCell* timer_ = nullptr;

  // Of the rows at work.
  std::vector<uint32_t> numbers_;
  std::string key_;
  std::vector<int64_t> starts_;
  std::vector<int64_t> ends_;
  std::vector<std::string> gone_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_session_table(SessionTableSpec spec) {
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<SessionTable>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
