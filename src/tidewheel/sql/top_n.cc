#include "tidewheel/sql/top_n.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/sql/best_order_cell.h"
#include "tidewheel/sql/best_row_cell.h"
#include "tidewheel/sql/inline_text.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_image.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/top_rows_cell.h"
#include "tidewheel/state/keyed_rows.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "top n";

uint64_t load_big_endian(const char* from) {
  uint64_t word = 0;
  std::memcpy(&word, from, sizeof(word));
  return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
}
// As their bytes compare; those of one number, which most are, as two words that overlap.
std::strong_ordering compare_orders(const Text& a, const Text& b) {
  constexpr size_t kWord = sizeof(uint64_t);
  const size_t size = a.size();
  if (size != b.size() || size < kWord || size > 2 * kWord) { return a <=> b; }
  const uint64_t first = load_big_endian(a.data());
  const uint64_t other = load_big_endian(b.data());
  if (first != other) { return first <=> other; }
  return load_big_endian(a.data() + size - kWord) <=> load_big_endian(b.data() + size - kWord);
}

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
        order_(spec_.input.types, top_n_order(spec_)),
        newest_first_(puts_newest_first(spec_)),
        keeps_order_(spec_.last == 1 && !spec_.input_retracts && !spec_.emits_before),
        keeps_best_(spec_.last == 1 && !spec_.input_retracts && spec_.emits_before),
        keeps_few_(spec_.last > 1 && spec_.last <= kFewRows && !spec_.input_retracts),
        out_(spec_.input.types, top_n_output(spec_).types, spec_.has_rank) {
    const std::string layout = top_n_layout(spec_, keys_);
    if (keeps_order_) {
      this->set_layout(layout + ", the order alone", layout);
    } else {
      this->set_layout(layout);
    }
    if ((keeps_best_ || keeps_few_) && RowImages::can_hold(spec_.input.types)) {
      images_.emplace(spec_.input.types);
      out_.use_images(true, *images_);
    }
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    if (keeps_order_) {
      TIDEWHEEL_ASSIGN_OR_RETURN(best_order_,
                                 store_->template declare<BestOrderCell>("row", options));
      best_order_->hold_at_most(order_bytes_max());
    } else if (keeps_best_) {
      TIDEWHEEL_ASSIGN_OR_RETURN(best_, store_->template declare<BestRowCell>("row", options));
      if (images_) { best_->hold_images(*images_); }
    } else if (keeps_few_) {
      TIDEWHEEL_ASSIGN_OR_RETURN(top_, store_->template declare<TopRowsCell>("rows", options));
      if (images_) { top_->hold_images(*images_); }
      top_->hold_at_most(static_cast<uint32_t>(spec_.last));
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
        rows, cursor, keeps_order_ ? kOrdersChunk : kChunk,
        [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) { take(in, begin, end); });
  }

 private:
  static constexpr uint32_t kChunk = 256;
  // Of rows of which few are sent: of a whole batch these are enough for it to be kept as it is, in
  // place of copies of their strings.
  static constexpr uint32_t kOrdersChunk = 1024;
  static constexpr int64_t kFewRows = 64;
  static constexpr uint32_t kAhead = 8;     // rows whose best ones are fetched ahead
  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent
  static constexpr uint32_t kNoRow = RowOutput::kNoRow;
  static constexpr size_t kNumberBytes = sizeof(uint64_t);

  // How long sort keys get.
  size_t order_bytes_max() const {
    std::vector<int32_t> columns;
    for (const SortColumn& sort : top_n_order(spec_)) { columns.push_back(sort.column); }
    return key_bytes_max(spec_.input.types, columns);
  }

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    in_ = &in;
    if (images_) { images_->see_tables(in); }
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    orders_.resize(count);
    order_.encode(in.views().data(), begin, end, *arena_, orders_.data());
    if (keeps_order_) { return take_orders(keys, cursor); }
    rows_.resize(count);
    std::iota(rows_.begin(), rows_.end(), begin);
    if (keeps_best_) { return take_best(keys, cursor); }
    if (keeps_few_) { return take_few(keys, cursor); }
    // Most rows are kept where all are.
    encoded_.clear();
    if (spec_.input_retracts) {
      encoded_.resize(count);
      bytes_.encode(in.views(), rows_, *arena_, encoded_.data());
    }
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      sort_key_.assign(orders_[i].view());
      if (is_retraction(in.kind(row))) {
        take_back(i);
      } else {
        insert(i, row);
      }
      if (out_.size() >= kRowsMax) {
        send();
        if (!output().ready()) { return; }
      }
    }
    send();
  }
  // `shares_bytes`: rows that are bytes are in the arena, which goes with them; else their strings
  // are copied.
  void send(bool shares_bytes = true) {
    if (shares_bytes) { out_.share_bytes(arena_); }
    out_.emit(output(), in_);
  }
  Text bytes_of(uint32_t i, uint32_t row) {
    if (!encoded_.empty()) { return encoded_[i]; }
    Text bytes;
    bytes_.encode(in_->views(), std::span(&row, 1), *arena_, &bytes);
    return bytes;
  }
  // A row of the input, or, kNoRow, bytes that stay where they are until the rows are sent.
  void put(uint32_t row, Text bytes, int64_t rank, RowKind kind) {
    if (spec_.has_rank) {
      out_.add_numbered(row, bytes, rank, kind);
    } else {
      out_.add(row, bytes, {}, kind);
    }
  }
  // The same of bytes that may go before.
  void put_copy(Text bytes, int64_t rank, RowKind kind) {
    put(kNoRow, arena_->copy(bytes.view()), rank, kind);
  }

  // How many bytes each of rows_ has where it is kept, and these bytes, at cursors_.
  std::span<const uint32_t> sizes_of_rows() {
    return images_ ? images_->sizes(in_->views(), rows_) : bytes_.sizes(in_->views(), rows_);
  }
  void write_rows() {
    if (images_) { return images_->write(in_->views(), rows_, cursors_.data()); }
    bytes_.write(in_->views(), rows_, cursors_.data());
  }

  // ---- One row a partition, of which only the order is kept: what was sent is never asked for.

  void take_orders(std::span<const K> keys, uint32_t& cursor) {
    const uint32_t begin = cursor;
    const auto count = static_cast<uint32_t>(keys.size());
    KeyedBatch<K, std::span<const K>> batch(*store_, keys);
    look_up(batch, count);
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i, ++cursor) {
      std::byte* const state = states_[i];
      const InlineText* const found = best_order_->find(state);
      if (found != nullptr) {
        const auto order = compare_orders(orders_[i], found->text());
        if (order > 0 || (order == 0 && !newest_first_)) { continue; }
      }
      put(begin + i, {}, 1, found == nullptr ? RowKind::kInsert : RowKind::kUpdateAfter);
      best_order_->put(state, orders_[i]);
    }
    send();
  }

  // ---- One row a partition.

  // Only those rows are encoded that are the best of their partition when all have been seen, and
  // straight into the state.
  void take_best(std::span<const K> keys, uint32_t& cursor) {
    const uint32_t begin = cursor;
    const auto count = static_cast<uint32_t>(keys.size());
    const std::span<const uint32_t> sizes = sizes_of_rows();
    KeyedBatch<K, std::span<const K>> batch(*store_, keys);
    look_up(batch, count);
    out_.begin(true);
    won_.clear();
    for (uint32_t i = 0; i < count && (out_.size() < kRowsMax); ++i, ++cursor) {
      if (i + kAhead < count) { best_->prefetch(states_[i + kAhead]); }
      const BestRowCell::Best* const found = best_->find(states_[i]);
      if (found != nullptr) {
        const auto order = compare_orders(orders_[i], best_->order_of(*found));
        if (order > 0 || (order == 0 && !newest_first_)) { continue; }
        if (spec_.emits_before) { put_former(*found, begin); }
      }
      put(begin + i, {}, 1, found == nullptr ? RowKind::kInsert : RowKind::kUpdateAfter);
      best_->put(states_[i], orders_[i], sizes[i]).mark = i + 1;
      won_.push_back(i);
    }
    write_best(begin);
    send();
  }
  // All keys are looked up first, so that what their rows point to can be fetched ahead as well.
  template <class Batch>
  void look_up(Batch& batch, uint32_t count) {
    states_.resize(count);
    batch.ensure_rows(states_.data(), [](size_t) { return true; });
  }
  void put_former(const BestRowCell::Best& best, uint32_t begin) {
    if (best.mark != 0) { return put(begin + best.mark - 1, {}, 1, RowKind::kUpdateBefore); }
    put_copy(best_->row_of(best), 1, RowKind::kUpdateBefore);
  }
  // The rows that have stayed the best of those that have won.
  void write_best(uint32_t begin) {
    rows_.clear();
    cursors_.clear();
    for (const uint32_t i : won_) {
      BestRowCell::Best& best = *best_->find(states_[i]);
      if (best.mark != i + 1) { continue; }
      best.mark = 0;
      rows_.push_back(begin + i);
      cursors_.push_back(const_cast<char*>(best_->row_of(best).data()));
    }
    write_rows();
  }

  // ---- A few rows a partition, none of which is taken back.

  void take_few(std::span<const K> keys, uint32_t& cursor) {
    const uint32_t begin = cursor;
    const auto count = static_cast<uint32_t>(keys.size());
    const std::span<const uint32_t> sizes = sizes_of_rows();
    KeyedBatch<K, std::span<const K>> batch(*store_, keys);
    look_up(batch, count);
    out_.begin(true);
    won_.clear();
    fresh_.assign(count, nullptr);
    for (uint32_t i = 0; i < count && out_.size() < kRowsMax; ++i, ++cursor) {
      if (i + kAhead < count) { top_->prefetch(states_[i + kAhead]); }
      std::span<TopRowsCell::Entry> entries = top_->entries(states_[i]);
      const size_t place = top_->place_of(entries, orders_[i], newest_first_);
      if (place >= static_cast<size_t>(spec_.last)) { continue; }
      put_inserted(place, begin + i, entries.size(), [&](size_t at, int64_t rank, RowKind kind) {
        put_entry(entries[at], begin, rank, kind);
      });
      if (entries.size() >= static_cast<size_t>(spec_.last)) {
        if (entries.back().mark != 0) { fresh_[entries.back().mark - 1] = nullptr; }
        gone_.push_back(top_->take_last(states_[i]));
      }
      TopRowsCell::Entry& made = top_->insert(states_[i], place, orders_[i], sizes[i]);
      made.mark = i + 1;
      fresh_[i] = const_cast<char*>(top_->row_of(made).data());
      won_.push_back(i);
    }
    write_fresh(begin);
    send(copies_rows());
    for (const TextBlock block : gone_) { store_->heap().free(block); }
    gone_.clear();
  }
  // What expires goes at once, else rows stay until those of the chunk have been sent.
  bool copies_rows() const { return spec_.ttl_ms > 0; }
  void put_entry(const TopRowsCell::Entry& entry, uint32_t begin, int64_t rank, RowKind kind) {
    if (entry.mark != 0) { return put(begin + entry.mark - 1, {}, rank, kind); }
    const Text row = top_->row_of(entry);
    copies_rows() ? put_copy(row, rank, kind) : put(kNoRow, row, rank, kind);
  }
  // The rows that have come into the state, and are still there.
  void write_fresh(uint32_t begin) {
    rows_.clear();
    cursors_.clear();
    for (const uint32_t i : won_) {
      for (TopRowsCell::Entry& entry : top_->entries(states_[i])) { entry.mark = 0; }
      if (fresh_[i] == nullptr) { continue; }
      rows_.push_back(begin + i);
      cursors_.push_back(fresh_[i]);
    }
    write_rows();
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
    if (place < last) {
      put_inserted(place, row, front_.size(), [&](size_t at, int64_t rank, RowKind kind) {
        put_copy(front_[at], rank, kind);
      });
    }
    if (!spec_.input_retracts && front_.size() >= last) { drop_last(state); }
    map_->open(state, Text(sort_key_)).value.store(bytes_of(i, row), store_->heap());
  }
  // The row has come to `place` (from 0) of `count` rows, at least as many as there are ranks, or
  // all. `put_one(at, rank, kind)` gives what was at a place.
  template <class PutOne>
  void put_inserted(size_t place, uint32_t row, size_t count, PutOne put_one) {
    const auto first = static_cast<size_t>(spec_.first - 1);
    const auto last = static_cast<size_t>(spec_.last);
    const size_t size = std::min(count, last);
    if (!spec_.has_rank) {
      if (count >= last) { put_one(last - 1, 0, RowKind::kDelete); }
      if (place >= first) {
        put(row, {}, 0, RowKind::kInsert);
      } else if (size >= first) {
        put_one(first - 1, 0, RowKind::kInsert);
      }
      return;
    }
    for (size_t at = std::max(place, first); at < std::min(size + 1, last); ++at) {
      const auto rank = static_cast<int64_t>(at + 1);
      const bool is_new_rank = at >= size;
      if (!is_new_rank && spec_.emits_before) { put_one(at, rank, RowKind::kUpdateBefore); }
      const RowKind kind = is_new_rank ? RowKind::kInsert : RowKind::kUpdateAfter;
      if (at == place) {
        put(row, {}, rank, kind);
      } else {
        put_one(at - 1, rank, kind);
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
      if (leaves < front_.size()) { put_copy(front_[leaves], 0, RowKind::kDelete); }
      if (front_.size() > last) { put_copy(front_[last], 0, RowKind::kInsert); }
      return;
    }
    for (size_t at = std::max(place, first); at < std::min(front_.size(), last); ++at) {
      const auto rank = static_cast<int64_t>(at + 1);
      const bool is_last = at + 1 >= front_.size();
      if (is_last) {
        put_copy(front_[at], rank, RowKind::kDelete);
        continue;
      }
      if (spec_.emits_before) { put_copy(front_[at], rank, RowKind::kUpdateBefore); }
      put_copy(front_[at + 1], rank, RowKind::kUpdateAfter);
    }
  }

  const TopNSpec spec_;
  KeyReaderOf<K> keys_;
  RowBytes bytes_;
  std::optional<RowImages> images_;  // where none is taken back: what rows are in the state
  const SortKeyEncoder order_;
  const bool newest_first_;
  // Where none is taken back:
  const bool keeps_order_;  // one row a partition, and nobody asks what was before
  const bool keeps_best_;   // one row a partition
  const bool keeps_few_;    // a few
  RowOutput out_;
  BestOrderCell* best_order_ = nullptr;
  BestRowCell* best_ = nullptr;
  TopRowsCell* top_ = nullptr;
  MapCell<Text, Text>* map_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the partition's next row

  // Of the rows at work.
  const ColumnBatch* in_ = nullptr;
  ArenaRef arena_;
  std::vector<uint32_t> rows_;
  std::vector<Text> orders_;   // the sort keys
  std::vector<Text> encoded_;  // empty: rows are encoded when they are kept
  std::vector<std::byte*> states_;
  std::vector<uint32_t> won_;
  std::vector<char*> cursors_;
  std::vector<TextBlock> gone_;  // of rows that may be among those that are sent
  std::vector<char*> fresh_;     // where the rows that have come are to be written; null: nowhere
  std::string sort_key_;
  std::vector<Text> front_;
};

}  // namespace

namespace {

bool is_processing_time(const TopNSpec& spec, const SortColumn& sort) {
  return spec.input.types[static_cast<size_t>(sort.column)].time == TimeAttribute::kProcessing;
}

}  // namespace

std::vector<SortColumn> top_n_order(const TopNSpec& spec) {
  std::vector<SortColumn> order;
  for (const SortColumn& sort : spec.order_by) {
    if (is_processing_time(spec, sort)) { break; }
    order.push_back(sort);
  }
  return order;
}

bool puts_newest_first(const TopNSpec& spec) {
  if (spec.newest) { return true; }
  for (const SortColumn& sort : spec.order_by) {
    if (is_processing_time(spec, sort)) { return sort.descending; }
  }
  return spec.order_by.size() == 1 && spec.order_by[0].descending &&
         spec.input.types[static_cast<size_t>(spec.order_by[0].column)].time ==
             TimeAttribute::kEvent;
}

std::string top_n_layout(const TopNSpec& spec, const KeyReader& keys) {
  static constexpr const char* kNames[] = {"", ", by rank", ", by dense rank"};
  std::string text =
      schema_of_row(spec.input).to_string() + ", by " + keys.describe() + ", in the order of";
  if (spec.newest) { text += " coming, newest first"; }
  for (const SortColumn& sort : spec.order_by) {
    text += " " + spec.input.names[static_cast<size_t>(sort.column)];
    text += sort.descending ? " desc" : " asc";
    text += sort.nulls_first ? " nulls first" : " nulls last";
  }
  text += kNames[static_cast<size_t>(spec.function)];
  return spec.window_end < 0 ? text : text + ", of windows";
}

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
  if (spec.window_end >= 0) { return make_window_top_n(std::move(spec)); }
  if (spec.function != TopNFunction::kRowNumber) { return make_ranked_top_n(std::move(spec)); }
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_inline_key<TopN, Operator>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
