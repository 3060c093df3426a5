// Top-N by RANK and DENSE_RANK. A change moves all that is behind it, so the rows in the ranks that
// are wanted are listed before and after it, and what differs is sent.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/top_n.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "top n";

template <class K>
class RankedTopN final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;
  using Rows = MapCell<Text, Text>;  // sort key, number of the row; the row

 public:
  explicit RankedTopN(TopNSpec spec)
      : Base(kName),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.partition_by),
        bytes_(spec_.input.types),
        order_(spec_.input.types, top_n_order(spec_)),
        out_(spec_.input.types, top_n_output(spec_).types, spec_.has_rank) {
    this->set_layout(top_n_layout(spec_, keys_));
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    StateOptions options;
    options.ttl = Duration(spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", options));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_,
                               store_->template declare<ValueCell<uint64_t>>("next", options));
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
  static constexpr size_t kNumberBytes = sizeof(uint64_t);

  struct Ranked {
    Text key;
    Text row;
    int64_t rank = 0;
  };

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    numbers_.resize(count);
    for (uint32_t i = 0; i < count; ++i) { numbers_[i] = begin + i; }
    encoded_.resize(count);
    bytes_.encode(in.views(), numbers_, *arena_, encoded_.data());
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      sort_key_.clear();
      order_.encode(in.views().data(), row, sort_key_);
      is_retraction(in.kind(row)) ? take_back(encoded_[i]) : insert(encoded_[i]);
      if (out_.size() >= kRowsMax) {
        out_.emit(output(), nullptr);
        if (!output().ready()) { return; }
      }
    }
    out_.emit(output(), nullptr);
  }

  void insert(const Text& row) {
    std::byte* const state = store_->ensure_row();
    list(state, before_);
    const bool is_in =
        before_.empty() || !is_full_ || order_of(before_.back().key.view()) >= sort_key_;
    if (!is_in && !spec_.input_retracts) { return; }
    append_ordered(next_->open(state).value++, sort_key_);
    rows_->open(state, Text(sort_key_)).value.store(row, store_->heap());
    if (!is_in) { return; }
    list(state, after_);
    if (!spec_.input_retracts) { drop_behind(state); }
    send();
  }
  void take_back(const Text& row) {
    std::byte* const state = store_->current_row();
    if (state == nullptr || !KeyedState::has(state, rows_->bit()) || !find(state, row)) { return; }
    list(state, before_);
    rows_->erase(state, Text(sort_key_));
    list(state, after_);
    send();
    if (!KeyedState::has(state, rows_->bit()) && spec_.ttl_ms == 0 &&
        KeyedState::has(state, next_->bit())) {
      store_->clear_cell(state, *next_);
    }
  }
  // The first entry with this row; its key is then sort_key_.
  bool find(std::byte* state, const Text& row) {
    auto* const map = rows_->find(state);
    for (auto at = map->lower_bound(Text(sort_key_)); !(at == map->end()); at = map->next(at)) {
      const auto& entry = map->at(at);
      const Text& key = entry.key.value;
      if (!key.starts_with(sort_key_) || key.size() != sort_key_.size() + kNumberBytes) {
        return false;
      }
      if (rows_->is_gone(entry) || entry.value.value != row) { continue; }
      sort_key_.assign(key.view());
      return true;
    }
    return false;
  }
  static std::string_view order_of(std::string_view key) {
    return key.substr(0, key.size() - kNumberBytes);
  }
  // The rows of the ranks up to the last that is wanted. is_full_: there are more rows, or more
  // would have a rank behind it.
  void list(std::byte* state, std::vector<Ranked>& ranked) {
    ranked.clear();
    is_full_ = false;
    if (!KeyedState::has(state, rows_->bit())) { return; }
    auto* const map = rows_->find(state);
    int64_t rank = 0;
    int64_t count = 0;
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const auto& entry = map->at(at);
      if (rows_->is_gone(entry)) { continue; }
      ++count;
      const bool is_peer =
          !ranked.empty() && order_of(ranked.back().key.view()) == order_of(entry.key.value.view());
      if (!is_peer) { rank = spec_.function == TopNFunction::kRank ? count : rank + 1; }
      if (rank > spec_.last) { break; }
      ranked.push_back(
          {arena_->copy(entry.key.value.view()), arena_->copy(entry.value.value.view()), rank});
    }
    is_full_ = spec_.function == TopNFunction::kRank ? count >= spec_.last : rank >= spec_.last;
  }
  // What has no rank among those that are wanted never gets one, when nothing is taken back.
  void drop_behind(std::byte* state) {
    auto* const map = rows_->find(state);
    gone_.clear();
    auto at = map->lower_bound(after_.back().key);
    for (at = map->next(at); !(at == map->end()); at = map->next(at)) {
      if (!rows_->is_gone(map->at(at))) { gone_.push_back(map->at(at).key.value.str()); }
    }
    for (const std::string& key : gone_) { rows_->erase(state, Text(key)); }
  }
  // Sends what differs between before_ and after_, which are both in the order of keys.
  void send() {
    size_t a = 0;
    size_t b = 0;
    while (a < before_.size() || b < after_.size()) {
      const bool has_old =
          a < before_.size() && (b == after_.size() || !(after_[b].key < before_[a].key));
      const bool has_new =
          b < after_.size() && (a == before_.size() || !(before_[a].key < after_[b].key));
      const Ranked* const old = has_old && before_[a].rank >= spec_.first ? &before_[a] : nullptr;
      const Ranked* const now = has_new && after_[b].rank >= spec_.first ? &after_[b] : nullptr;
      a += has_old ? 1 : 0;
      b += has_new ? 1 : 0;
      if (old != nullptr && now != nullptr) {
        if (old->rank == now->rank || !spec_.has_rank) { continue; }
        if (spec_.emits_before) { put(*old, RowKind::kUpdateBefore); }
        put(*now, RowKind::kUpdateAfter);
      } else if (old != nullptr) {
        put(*old, RowKind::kDelete);
      } else if (now != nullptr) {
        put(*now, RowKind::kInsert);
      }
    }
  }
  void put(const Ranked& ranked, RowKind kind) {
    if (spec_.has_rank) {
      out_.add_numbered(RowOutput::kNoRow, ranked.row, ranked.rank, kind);
    } else {
      out_.add(RowOutput::kNoRow, ranked.row, {}, kind);
    }
  }

  const TopNSpec spec_;
  KeyReader keys_;
  RowBytes bytes_;
  const SortKeyEncoder order_;
  RowOutput out_;
  Rows* rows_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the partition's next row

  // Of the rows at work.
  ArenaRef arena_;
  std::vector<uint32_t> numbers_;
  std::vector<Text> encoded_;
  std::string sort_key_;
  std::vector<Ranked> before_;
  std::vector<Ranked> after_;
  bool is_full_ = false;
  std::vector<std::string> gone_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_ranked_top_n(TopNSpec spec) {
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<RankedTopN>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
