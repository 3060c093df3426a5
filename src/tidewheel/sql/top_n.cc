#include "tidewheel/sql/top_n.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {

// The row of a partition that comes first, with its sort key.
struct BestRow {
  Text order;
  Text row;
};

namespace {

constexpr char kName[] = "top n";

template <class K>
class TopN final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  explicit TopN(TopNSpec spec)
      : Base(kName),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.partition_by),
        bytes_(spec_.input.types),
        order_(spec_.input.types, value_order(spec_)),
        newest_first_(spec_.newest || puts_newest_first(spec_)),
        keeps_best_(spec_.last == 1 && !spec_.input_retracts),
        out_(spec_.input.types, top_n_output(spec_).types, spec_.has_rank) {
    this->set_layout(schema_of_row(spec_.input).to_string() + ", by " + keys_.describe() +
                     ", in the order of" + describe_order(spec_));
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    if (keeps_best_) {
      TIDEWHEEL_ASSIGN_OR_RETURN(best_,
                                 store_->template declare<ValueCell<BestRow>>("row", options));
    } else {
      using Rows = MapCell<Text, Text>;
      TIDEWHEEL_ASSIGN_OR_RETURN(map_, store_->template declare<Rows>("rows", options));
      TIDEWHEEL_ASSIGN_OR_RETURN(next_,
                                 store_->template declare<ValueCell<uint64_t>>("next", options));
    }
    return this->read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(
        rows, cursor, kChunk,
        [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) { take(in, begin, end); });
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent
  static constexpr uint32_t kNoRow = RowOutput::kNoRow;
  static constexpr size_t kNumberBytes = sizeof(uint64_t);

  static bool is_processing_time(const TopNSpec& spec, const SortColumn& sort) {
    return spec.input.types[static_cast<size_t>(sort.column)].time == TimeAttribute::kProcessing;
  }
  static std::vector<SortColumn> value_order(const TopNSpec& spec) {
    std::vector<SortColumn> order;
    for (const SortColumn& sort : spec.order_by) {
      if (is_processing_time(spec, sort)) { break; }
      order.push_back(sort);
    }
    return order;
  }
  static bool puts_newest_first(const TopNSpec& spec) {
    for (const SortColumn& sort : spec.order_by) {
      if (is_processing_time(spec, sort)) { return sort.descending; }
    }
    return spec.order_by.size() == 1 && spec.order_by[0].descending &&
           spec.input.types[static_cast<size_t>(spec.order_by[0].column)].time ==
               TimeAttribute::kEvent;
  }
  static std::string describe_order(const TopNSpec& spec) {
    std::string text = spec.newest ? " coming, newest first" : "";
    for (const SortColumn& sort : spec.order_by) {
      text += " " + spec.input.names[static_cast<size_t>(sort.column)];
      text += sort.descending ? " desc" : " asc";
      text += sort.nulls_first ? " nulls first" : " nulls last";
    }
    return text;
  }

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    in_ = &in;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    // Most rows are kept where there is one row a partition, or where all are kept.
    encoded_.clear();
    if (keeps_best_ || spec_.input_retracts) {
      rows_.resize(count);
      std::iota(rows_.begin(), rows_.end(), begin);
      encoded_.resize(count);
      bytes_.encode(in.views(), rows_, *arena_, encoded_.data());
    }
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      sort_key_.clear();
      order_.encode(in.views().data(), row, sort_key_);
      if (keeps_best_) {
        take_best(i, row);
      } else if (is_retraction(in.kind(row))) {
        take_back(i);
      } else {
        insert(i, row);
      }
      if (out_.size() >= kRowsMax) {
        out_.emit(output(), &in);
        if (!output().ready()) { return; }
      }
    }
    out_.emit(output(), &in);
  }
  Text bytes_of(uint32_t i, uint32_t row) {
    if (!encoded_.empty()) { return encoded_[i]; }
    Text bytes;
    bytes_.encode(in_->views(), std::span(&row, 1), *arena_, &bytes);
    return bytes;
  }
  void put(uint32_t row, const Text& bytes, int64_t rank, RowKind kind) {
    const Text kept = row == kNoRow ? arena_->copy(bytes.view()) : Text();
    if (spec_.has_rank) {
      out_.add_numbered(row, kept, rank, kind);
    } else {
      out_.add(row, kept, {}, kind);
    }
  }

  // ---- One row a partition.

  void take_best(uint32_t i, uint32_t row) {
    std::byte* const state = store_->ensure_row();
    auto* const found = best_->find(state);
    if (found != nullptr) {
      const auto order = Text(sort_key_) <=> found->value.order;
      if (order > 0 || (order == 0 && !newest_first_)) { return; }
      if (spec_.emits_before) { put(kNoRow, found->value.row, 1, RowKind::kUpdateBefore); }
    }
    put(row, {}, 1, found == nullptr ? RowKind::kInsert : RowKind::kUpdateAfter);
    best_->open(state).store(BestRow{Text(sort_key_), bytes_of(i, row)}, store_->heap());
  }

  // ---- Several. Entries of the map: sort key, number of the row; the row.

  using Entry = MapEntry<Text, Text>;

  // Up to last + 1 entries from the front, and where `place` of them the key belongs.
  void list_front(std::byte* state, std::string_view key, size_t& place) {
    front_.clear();
    place = SIZE_MAX;
    if (!KeyedState::has(state, map_->bit())) {
      place = 0;
      return;
    }
    auto* const map = map_->find(state);
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const Entry& entry = map->at(at);
      if (map_->is_gone(entry)) { continue; }
      if (place == SIZE_MAX && !(entry.key.value.view() < key)) { place = front_.size(); }
      if (front_.size() > static_cast<size_t>(spec_.last)) { return; }
      front_.push_back(entry.value.value);
    }
    if (place == SIZE_MAX) { place = front_.size(); }
  }
  void append_number(uint64_t number) {
    if (newest_first_) { number = ~number; }
    for (int shift = 56; shift >= 0; shift -= 8) {
      sort_key_ += static_cast<char>(number >> shift);
    }
  }

  void insert(uint32_t i, uint32_t row) {
    std::byte* const state = store_->ensure_row();
    uint64_t& next = next_->open(state).value;
    append_number(next++);
    size_t place = 0;
    list_front(state, sort_key_, place);
    const auto last = static_cast<size_t>(spec_.last);
    if (place >= last && !spec_.input_retracts) { return; }
    if (place < last) { put_inserted(place, row); }
    if (!spec_.input_retracts && front_.size() >= last) { drop_last(state); }
    map_->open(state, Text(sort_key_)).value.store(bytes_of(i, row), store_->heap());
  }
  // The row has come to `place` of front_ (from 0).
  void put_inserted(size_t place, uint32_t row) {
    const auto first = static_cast<size_t>(spec_.first - 1);
    const auto last = static_cast<size_t>(spec_.last);
    const size_t size = std::min(front_.size(), last);
    if (!spec_.has_rank) {
      if (front_.size() >= last) { put(kNoRow, front_[last - 1], 0, RowKind::kDelete); }
      if (place >= first) {
        put(row, {}, 0, RowKind::kInsert);
      } else if (size >= first) {
        put(kNoRow, front_[first - 1], 0, RowKind::kInsert);
      }
      return;
    }
    for (size_t at = std::max(place, first); at < std::min(size + 1, last); ++at) {
      const auto rank = static_cast<int64_t>(at + 1);
      const bool is_new_rank = at >= size;
      if (!is_new_rank && spec_.emits_before) {
        put(kNoRow, front_[at], rank, RowKind::kUpdateBefore);
      }
      const RowKind kind = is_new_rank ? RowKind::kInsert : RowKind::kUpdateAfter;
      if (at == place) {
        put(row, {}, rank, kind);
      } else {
        put(kNoRow, front_[at - 1], rank, kind);
      }
    }
  }
  // The entry that is last of `last` ones, of a map that has no more.
  void drop_last(std::byte* state) {
    auto* const map = map_->find(state);
    std::string key;
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const Entry& entry = map->at(at);
      if (!map_->is_gone(entry)) { key.assign(entry.key.value.view()); }
    }
    map_->erase(state, Text(key));
  }

  void take_back(uint32_t i) {
    std::byte* const state = store_->current_row();
    if (state == nullptr || !KeyedState::has(state, map_->bit())) { return; }
    if (!find_row(state, encoded_[i])) { return; }
    size_t place = 0;
    list_front(state, sort_key_, place);
    if (place < static_cast<size_t>(spec_.last)) { put_removed(place); }
    map_->erase(state, Text(sort_key_));
    if (front_.size() == 1 && spec_.ttl_ms == 0) {
      if (KeyedState::has(state, next_->bit())) { store_->clear_cell(state, *next_); }
    }
  }
  // The first entry with this row; its key is then sort_key_.
  bool find_row(std::byte* state, const Text& row) {
    auto* const map = map_->find(state);
    for (auto at = map->lower_bound(Text(sort_key_)); !(at == map->end()); at = map->next(at)) {
      const Entry& entry = map->at(at);
      const Text& key = entry.key.value;
      if (!key.starts_with(sort_key_) || key.size() != sort_key_.size() + kNumberBytes) {
        return false;
      }
      if (map_->is_gone(entry) || entry.value.value != row) { continue; }
      sort_key_.assign(key.view());
      return true;
    }
    return false;
  }
  // The row at `place` of front_ goes.
  void put_removed(size_t place) {
    const auto first = static_cast<size_t>(spec_.first - 1);
    const auto last = static_cast<size_t>(spec_.last);
    if (!spec_.has_rank) {
      const size_t leaves = std::max(place, first);
      if (leaves < front_.size()) { put(kNoRow, front_[leaves], 0, RowKind::kDelete); }
      if (front_.size() > last) { put(kNoRow, front_[last], 0, RowKind::kInsert); }
      return;
    }
    for (size_t at = std::max(place, first); at < std::min(front_.size(), last); ++at) {
      const auto rank = static_cast<int64_t>(at + 1);
      const bool is_last = at + 1 >= front_.size();
      if (is_last) {
        put(kNoRow, front_[at], rank, RowKind::kDelete);
        continue;
      }
      if (spec_.emits_before) { put(kNoRow, front_[at], rank, RowKind::kUpdateBefore); }
      put(kNoRow, front_[at + 1], rank, RowKind::kUpdateAfter);
    }
  }

  const TopNSpec spec_;
  KeyReader keys_;
  RowBytes bytes_;
  const SortKey order_;
  const bool newest_first_;
  const bool keeps_best_;  // one row a partition, and none is taken back
  RowOutput out_;
  ValueCell<BestRow>* best_ = nullptr;
  MapCell<Text, Text>* map_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the partition's next row

  // Of the rows at work.
  const ColumnBatch* in_ = nullptr;
  ArenaRef arena_;
  std::vector<uint32_t> rows_;
  std::vector<Text> encoded_;  // empty: rows are encoded when they are kept
  std::string sort_key_;
  std::vector<Text> front_;
};

}  // namespace

RowType top_n_output(const TopNSpec& spec) {
  RowType output = spec.input;
  if (spec.has_rank) { output.add("rank", LogicalType::of(TypeKind::kBigint, false)); }
  return output;
}

Result<std::unique_ptr<Operator>> make_top_n(TopNSpec spec) {
  if (spec.first < 1 || spec.last < spec.first) {
    return invalid_argument(ErrorId::kSqlQuery,
                            "ranks begin at 1, and the last is not before the first: {} to {}",
                            spec.first, spec.last);
  }
  for (const SortColumn& sort : spec.order_by) {
    const LogicalType& type = spec.input.types[static_cast<size_t>(sort.column)];
    if (type.physical() == Physical::kList || type.physical() == Physical::kStruct) {
      return invalid_argument(ErrorId::kSqlUnsupported, "a value of type {} has no order: {}",
                              type.to_string(), spec.input.names[static_cast<size_t>(sort.column)]);
    }
  }
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<TopN>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
