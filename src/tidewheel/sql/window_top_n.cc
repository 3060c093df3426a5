// Top-N of windows: the rows of a window are kept in their order until the watermark has passed its
// end, no more of them than can be among those that are wanted.
#include <algorithm>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/late_rows.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/top_n.h"

namespace tidewheel::sql {

// Of a window of a key: the number of the next row, and how many rows are kept.
struct WindowTopNProgress {
  uint64_t next = 0;
  int64_t count = 0;
};

namespace {

constexpr char kName[] = "window top n";

template <class K>
class WindowTopN final : public TimedKeyedOperator<K> {
  using Base = TimedKeyedOperator<K>;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::require;
  using Base::store_;
  using Base::watermark_;
  using Rows = MapCell<Text, Text>;  // sort key, number of the row; the row

 public:
  explicit WindowTopN(TopNSpec spec)
      : Base(kName, spec.links),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.partition_by),
        encoder_(spec_.input.types),
        order_(spec_.input.types, top_n_order(spec_)),
        newest_first_(is_by_latest(spec_)),
        prunes_(spec_.function == TopNFunction::kRowNumber && !spec_.input_retracts),
        out_(spec_.input.types, top_n_output(spec_).types, spec_.has_rank) {
    this->set_layout(top_n_layout(spec_, keys_));
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_.open(context, this->sides());
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        progress_, store_->template declare<ValueCell<WindowTopNProgress>>("progress", {}));
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
  static constexpr size_t kNumberBytes = sizeof(uint64_t);

  // What was the time attribute before rows were put into windows is a time without a watermark
  // behind it.
  static bool is_by_latest(const TopNSpec& spec) {
    if (puts_newest_first(spec)) { return true; }
    return spec.order_by.size() == 1 && spec.order_by[0].descending &&
           spec.input.types[static_cast<size_t>(spec.order_by[0].column)].is_timestamp();
  }
  void take(const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const uint32_t count = end - begin;
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    const ColumnView& ends = in.view(static_cast<size_t>(spec_.window_end));
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = begin + i;
      const int64_t last_moment = saturating_subtract(ends.at<int64_t>(row), int64_t{1});
      if (ends.is_null(row) || last_moment <= watermark_) {
        late_.add(row);
        continue;
      }
      sort_key_.clear();
      order_.encode(in.views().data(), row, sort_key_);
      if (is_retraction(in.kind(row))) {
        take_back(encoded[i]);
      } else {
        insert(encoded[i], last_moment);
      }
    }
    late_.give(in, spec_.input.types);
  }
  void insert(const Text& row, int64_t last_moment) {
    std::byte* const state = store_->ensure_row();
    WindowTopNProgress& progress = progress_->open(state).value;
    if (progress.next == 0) { store_->add_timer(TimeDomain::kEvent, last_moment); }
    const uint64_t number = progress.next++;
    append_ordered(newest_first_ ? ~number : number, sort_key_);
    if (prunes_ && progress.count >= spec_.last) {
      const std::string last = last_key(state);
      if (sort_key_ >= last) { return; }
      rows_->erase(state, Text(last));
      --progress.count;
    }
    rows_->open(state, Text(sort_key_)).value.store(row, store_->heap());
    ++progress.count;
  }
  std::string last_key(std::byte* state) const {
    auto* const map = rows_->find(state);
    std::string key;
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      if (!rows_->is_gone(map->at(at))) { key.assign(map->at(at).key.value.view()); }
    }
    return key;
  }
  void take_back(const Text& row) {
    std::byte* const state = store_->current_row();
    if (state == nullptr || !KeyedState::has(state, rows_->bit())) { return; }
    auto* const map = rows_->find(state);
    for (auto at = map->lower_bound(Text(sort_key_)); !(at == map->end()); at = map->next(at)) {
      const auto& entry = map->at(at);
      const Text& key = entry.key.value;
      if (!key.starts_with(sort_key_) || key.size() != sort_key_.size() + kNumberBytes) { return; }
      if (rows_->is_gone(entry) || entry.value.value != row) { continue; }
      const std::string found = key.str();
      rows_->erase(state, Text(found));
      --progress_->open(state).value.count;
      return;
    }
  }

  // Gives the rows of some windows that are over; false when there is none left.
  bool fire_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    due_keys_.clear();
    store_->begin_work();
    store_->take_due(TimeDomain::kEvent, watermark_, kChunk, [&](const K& key, KeyHash, int64_t) {
      if constexpr (std::is_same_v<K, Text>) {
        due_keys_.push_back(arena_->copy(key.view()));
      } else {
        due_keys_.push_back(key);
      }
    });
    store_->end_work(0);
    const auto count = static_cast<uint32_t>(due_keys_.size());
    {
      KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return due_keys_[i]; });
      out_.begin(true);
      for (uint32_t i = 0; i < count; ++i) {
        batch.select(i);
        std::byte* const state = store_->current_row();
        if (state == nullptr) { continue; }
        if (KeyedState::has(state, rows_->bit())) { give(state); }
        this->clear_cells(state);
      }
    }
    out_.emit(output(), nullptr);
    return count > 0;
  }
  void give(std::byte* state) {
    auto* const map = rows_->find(state);
    int64_t rank = 0;
    int64_t count = 0;
    std::string_view order;
    for (auto at = map->begin(); !(at == map->end()); at = map->next(at)) {
      const auto& entry = map->at(at);
      if (rows_->is_gone(entry)) { continue; }
      const std::string_view key = entry.key.value.view();
      const std::string_view its_order = key.substr(0, key.size() - kNumberBytes);
      const bool is_peer = count > 0 && its_order == order;
      ++count;
      switch (spec_.function) {
        case TopNFunction::kRowNumber: rank = count; break;
        case TopNFunction::kRank: rank = is_peer ? rank : count; break;
        case TopNFunction::kDenseRank: rank += is_peer ? 0 : 1; break;
      }
      order = its_order;
      if (rank > spec_.last) { return; }
      if (rank < spec_.first) { continue; }
      const Text row = arena_->copy(entry.value.value.view());
      if (spec_.has_rank) {
        out_.add_numbered(RowOutput::kNoRow, row, rank, RowKind::kInsert);
      } else {
        out_.add(RowOutput::kNoRow, row, {}, RowKind::kInsert);
      }
    }
  }

  const TopNSpec spec_;
  KeyReader keys_;
  EncodedRows encoder_;
  const SortKeyEncoder order_;
  const bool newest_first_;
  const bool prunes_;
  RowOutput out_;
  LateRows late_;
  Rows* rows_ = nullptr;
  ValueCell<WindowTopNProgress>* progress_ = nullptr;

  // Of the rows at work.
  ArenaRef arena_;
  std::string sort_key_;
  std::vector<K> due_keys_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_window_top_n(TopNSpec spec) {
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<WindowTopN>(is_int, std::move(spec));
}

}  // namespace tidewheel::sql
