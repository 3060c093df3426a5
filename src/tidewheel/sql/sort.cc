#include "tidewheel/sql/sort.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {

// A row with its sort key; `weight` is -1 for what takes a row back.
struct SortEntry {
  Text order;
  Text row;
  int64_t weight = 1;
};
// How many entries there are, and how many rows were given at the end.
struct SortProgress {
  int64_t entries = 0;
  int64_t given = 0;
};

namespace {

constexpr char kName[] = "sort";

std::string sort_layout(const SortSpec& spec) {
  std::string text = schema_of_row(spec.input).to_string() + ", sorted by";
  for (const SortColumn& sort : spec.order_by) {
    text += " " + spec.input.names[static_cast<size_t>(sort.column)];
    text += sort.descending ? " desc" : " asc";
    text += sort.nulls_first ? " nulls first" : " nulls last";
  }
  return text;
}

// What both have of the rows that come.
class SortInput {
 public:
  SortInput(const SortSpec& spec, std::vector<SortColumn> order)
      : encoder_(spec.input.types), order_(spec.input.types, std::move(order)) {}

  void read(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    in_ = &in;
    begin_ = begin;
    rows_ = encoder_.read(in, begin, end);
  }
  const Text& row(uint32_t i) const { return rows_[i]; }
  void append_order(uint32_t i, std::string& out) const {
    order_.encode(in_->views().data(), begin_ + i, out);
  }

 private:
  EncodedRows encoder_;
  const SortKeyEncoder order_;
  const ColumnBatch* in_ = nullptr;
  uint32_t begin_ = 0;
  std::span<const Text> rows_;
};

// Rows are only noted as they come, in lists of some thousands each, and sorted at the end. That is
// done anew after a restore: how many were given is in the state.
class FullSort final : public KeyedOperator<IntKey> {
 public:
  explicit FullSort(SortSpec spec)
      : KeyedOperator<IntKey>(kName),
        input_(spec, spec.order_by),
        out_(spec.input.types, spec.input.types, false) {
    set_layout(sort_layout(spec));
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(make_store(context));
    TIDEWHEEL_ASSIGN_OR_RETURN(entries_, store_->declare<ListCell<SortEntry>>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(progress_, store_->declare<ValueCell<SortProgress>>("count", {}));
    return read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return take_chunks(rows, cursor, kChunk,
                       [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                         keep(in, begin, end);
                         begin = end;
                       });
  }
  Progress on_end_of_input(int32_t) override {
    if (!is_sorted_) {
      guard([&] { sort(); });
    }
    while (next_ < sorted_.size()) {
      if (!ready()) { return Progress::kBlocked; }
      guard([&] { give_some(); });
    }
    require(store_->status());
    return Progress::kDone;
  }

 private:
  static constexpr uint32_t kChunk = 1024;
  static constexpr int64_t kListEntries = 4096;
  static constexpr size_t kGivenAtOnce = 1024;
  static constexpr int64_t kCounts = -1;  // the key of the counts; lists have numbers from 0

  std::byte* select(int64_t key) {
    key_ = key;
    store_->set_current(key_);
    return store_->ensure_row();
  }
  SortProgress progress() { return progress_->open(select(kCounts)).value; }

  void keep(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    input_.read(in, begin, end);
    store_->begin_work();
    SortProgress now = progress();
    std::string order;
    int64_t selected = -1;
    for (uint32_t i = 0; i < end - begin; ++i) {
      const int64_t list = now.entries++ / kListEntries;
      if (list != selected) { select(selected = list); }
      order.clear();
      input_.append_order(i, order);
      const int64_t weight = is_retraction(in.kind(begin + i)) ? -1 : 1;
      entries_->add(store_->current_row(), {Text(order), input_.row(i), weight});
    }
    progress_->open(select(kCounts)).value = now;
    store_->clear_current();
    store_->end_work(end - begin);
  }

  void sort() {
    arena_ = Arena::create();
    store_->begin_work();
    const SortProgress now = progress();
    bool takes_back = false;
    for (int64_t list = 0; list * kListEntries < now.entries; ++list) {
      auto* const entries = entries_->find(select(list));
      for (uint32_t i = 0; entries != nullptr && i < entries->size; ++i) {
        const SortEntry& entry = ListCell<SortEntry>::value_of(entries->items[i]);
        sorted_.push_back(
            {arena_->copy(entry.order.view()), arena_->copy(entry.row.view()), entry.weight});
        takes_back = takes_back || entry.weight < 0;
      }
    }
    store_->clear_current();
    store_->end_work(0);
    if (takes_back) { drop_taken_back(); }
    std::stable_sort(sorted_.begin(), sorted_.end(), [](const SortEntry& a, const SortEntry& b) {
      return a.order.view() < b.order.view();
    });
    next_ = static_cast<size_t>(now.given);
    is_sorted_ = true;
  }
  void drop_taken_back() {
    std::unordered_map<std::string_view, int64_t> taken;
    for (const SortEntry& entry : sorted_) {
      if (entry.weight < 0) { ++taken[entry.row.view()]; }
    }
    std::erase_if(sorted_, [&](const SortEntry& entry) {
      if (entry.weight < 0) { return true; }
      const auto found = taken.find(entry.row.view());
      return found != taken.end() && found->second-- > 0;
    });
  }
  void give_some() {
    const size_t end = std::min(sorted_.size(), next_ + kGivenAtOnce);
    out_.begin(true);
    for (; next_ < end; ++next_) {
      out_.add(RowOutput::kNoRow, sorted_[next_].row, {}, RowKind::kInsert);
    }
    store_->begin_work();
    progress_->open(select(kCounts)).value.given = static_cast<int64_t>(next_);
    store_->clear_current();
    store_->end_work(0);
    out_.emit(output(), nullptr);
  }

  SortInput input_;
  RowOutput out_;
  ListCell<SortEntry>* entries_ = nullptr;
  ValueCell<SortProgress>* progress_ = nullptr;
  IntKey key_;
  // At the end.
  bool is_sorted_ = false;
  ArenaRef arena_;
  std::vector<SortEntry> sorted_;
  size_t next_ = 0;
};

// Rows wait in a map by time, then by the other columns.
class TimeSort final : public TimedKeyedOperator<IntKey> {
  using Rows = MapCell<Text, Text>;

 public:
  explicit TimeSort(SortSpec spec)
      : TimedKeyedOperator<IntKey>(kName, spec.links),
        types_(spec.input.types),
        time_(static_cast<size_t>(spec.order_by[0].column)),
        input_(spec, {spec.order_by.begin() + 1, spec.order_by.end()}),
        out_(spec.input.types, spec.input.types, false) {
    set_layout(sort_layout(spec));
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(make_store(context));
    late_.open(context, this->sides());
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->declare<Rows>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_, store_->declare<ValueCell<uint64_t>>("next", {}));
    watermark_ = restored_watermark();
    return read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return take_chunks(rows, cursor, kChunk,
                       [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                         keep(in, begin, end);
                         begin = end;
                       });
  }
  Progress on_watermark(int64_t time_ms) override {
    return this->advance(time_ms, [&] { return give_some(); });
  }

 private:
  static constexpr uint32_t kChunk = 1024;
  static constexpr size_t kGivenAtOnce = 1024;

  void keep(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    input_.read(in, begin, end);
    const ColumnView& times = in.view(time_);
    store_->begin_work();
    store_->set_current(key_);
    std::byte* const state = store_->ensure_row();
    for (uint32_t i = 0; i < end - begin; ++i) {
      // A row without a time is before all that has one.
      const int64_t time = times.is_null(begin + i) ? INT64_MIN : times.at<int64_t>(begin + i);
      if (time <= watermark_) {
        late_.add(begin + i);
        continue;
      }
      order_.clear();
      append_ordered_time(time, order_);
      input_.append_order(i, order_);
      append_ordered(next_->open(state).value++, order_);
      rows_->open(state, Text(order_)).value.store(input_.row(i), store_->heap());
    }
    store_->clear_current();
    store_->end_work(end - begin);
    late_.give(in, types_);
  }
  // Gives some of what is due; false when nothing is left.
  bool give_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    given_.clear();
    bool more = false;
    store_->begin_work();
    store_->set_current(key_);
    std::byte* const state = store_->current_row();
    if (state != nullptr && KeyedState::has(state, rows_->bit())) {
      out_.begin(true);
      auto* const map = rows_->find(state);
      for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
        const auto& entry = map->at(at);
        if (rows_->is_gone(entry)) { continue; }
        if (ordered_time_at(entry.key.value, 0) > watermark_) { break; }
        more = given_.size() == kGivenAtOnce;
        if (more) { break; }
        given_.push_back(entry.key.value.str());
        out_.add(RowOutput::kNoRow, arena_->copy(entry.value.value.view()), {}, RowKind::kInsert);
      }
      for (const std::string& key : given_) { rows_->erase(state, Text(key)); }
    }
    store_->clear_current();
    store_->end_work(0);
    out_.emit(output(), nullptr);
    return more;
  }

  const std::vector<LogicalType> types_;
  const size_t time_;
  SortInput input_;
  RowOutput out_;
  LateRows late_;
  Rows* rows_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;
  const IntKey key_ = 0;
  std::string order_;
  ArenaRef arena_;
  std::vector<std::string> given_;
};

Status check_order(const SortSpec& spec) {
  for (const SortColumn& sort : spec.order_by) {
    const LogicalType& type = spec.input.types[static_cast<size_t>(sort.column)];
    if (type.physical() == Physical::kList || type.physical() == Physical::kStruct) {
      return invalid_argument(ErrorId::kSqlUnsupported, "a value of type {} has no order: {}",
                              type.to_string(), spec.input.names[static_cast<size_t>(sort.column)]);
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Operator>> make_full_sort(SortSpec spec) {
  TIDEWHEEL_RETURN_IF_ERROR(check_order(spec));
  return std::unique_ptr<Operator>(std::make_unique<FullSort>(std::move(spec)));
}

Result<std::unique_ptr<Operator>> make_time_sort(SortSpec spec) {
  TIDEWHEEL_RETURN_IF_ERROR(check_order(spec));
  return std::unique_ptr<Operator>(std::make_unique<TimeSort>(std::move(spec)));
}

}  // namespace tidewheel::sql
