#include "tidewheel/sql/window_join.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/sql/row_list_cell.h"
#include "tidewheel/sql/timed_join.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "window join";
using Kind = StreamJoinKind;

template <class K>
class WindowJoin final : public TimedJoin<K, WindowJoinSpec> {
  using Base = TimedJoin<K, WindowJoinSpec>;
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
  WindowJoin(const WindowJoinSpec& spec, std::unique_ptr<PairFilter> filter)
      : Base(kName, spec, std::move(filter), window_join_output(spec).types) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    late_dropped_ = &context.metrics().counter("numLateRecordsDropped");
    TIDEWHEEL_ASSIGN_OR_RETURN(lists_[0], store_->template declare<RowListCell>("left rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(lists_[1], store_->template declare<RowListCell>("right rows", {}));
    watermark_ = this->restored_watermark();
    return this->read_store();
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               take(static_cast<size_t>(input), in, begin, end);
                               begin = end;
                             });
  }

 private:
  static constexpr size_t kPairsMax = 4096;  // looked at together, but for those of one key

  // The rows of one key and window, in rows_[0] and rows_[1].
  struct Group {
    size_t begin[2];
    size_t end[2];
  };

  void take(size_t side, const ColumnBatch& in, uint32_t begin, uint32_t end) {
    const uint32_t count = end - begin;
    chunk_.read_keys(inputs_[side], in, begin, end, /*finds_nulls=*/true);
    const std::span<const K> keys = chunk_.keys();
    const std::span<const uint32_t> sizes = added_.begin(inputs_[side], in, begin, end);
    const ColumnView& ends =
        in.view(static_cast<size_t>(side == 0 ? spec_.left_window_end : spec_.right_window_end));
    // Rows of one window, which come one after another, are looked up once where it is all the key.
    const bool has_one_key =
        std::all_of(keys.begin() + 1, keys.end(), [&](const K& key) { return key == keys[0]; });
    if (has_one_key && !chunk_.has_null_key(0)) {
      take_window(side, in, begin, sizes, ends.at<int64_t>(begin) - 1);
      return;
    }
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(side == 0);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      if (chunk_.has_null_key(i)) {
        // Such a row has no match, whatever comes.
        if (pads_side(side) || (side == 0 && spec_.kind == Kind::kAnti)) {
          out_.add(begin + i, {}, {}, RowKind::kInsert);
        }
        continue;
      }
      const int64_t last = ends.at<int64_t>(begin + i) - 1;
      if (last <= watermark_) {
        late_dropped_->add();
        continue;
      }
      std::byte* const row = store_->ensure_row();
      if (KeyedState::mask_of(row) == 0) { store_->add_timer(TimeDomain::kEvent, last); }
      added_.add(begin + i, lists_[side]->add(row, sizes[i]));
    }
    added_.write(inputs_[side], in);
    out_.emit(output(), &in);
  }

  // Rows [begin, begin + sizes.size()), all of the first key of the chunk, whose window has the
  // last time `last`.
  void take_window(size_t side, const ColumnBatch& in, uint32_t begin,
                   std::span<const uint32_t> sizes, int64_t last) {
    const auto count = static_cast<uint32_t>(sizes.size());
    if (last <= watermark_) { return late_dropped_->add(count); }
    KeyedBatch batch(*store_, 0, 1, [&](uint32_t) -> const K& { return chunk_.keys()[0]; });
    batch.select(0);
    std::byte* const row = store_->ensure_row();
    if (KeyedState::mask_of(row) == 0) { store_->add_timer(TimeDomain::kEvent, last); }
    places_.resize(count);
    lists_[side]->add_all(row, sizes, places_.data());
    for (uint32_t i = 0; i < count; ++i) { added_.add(begin + i, places_[i]); }
    added_.write(inputs_[side], in);
  }
  // Joins some windows that have ended; false when there is none left.
  bool advance_some() override {
    chunk_.renew_arena();
    groups_.clear();
    rows_[0].clear();
    rows_[1].clear();
    store_->begin_work();
    FiredTimer fired;
    bool more = true;
    for (size_t pairs = 0; more && pairs < kPairsMax && groups_.size() < kChunk;) {
      more = store_->next_due(TimeDomain::kEvent, watermark_, fired);
      if (!more || store_->current_row() == nullptr) { continue; }
      Group& group = groups_.emplace_back();
      for (size_t side = 0; side < 2; ++side) { take_list(side, group); }
      pairs += (group.end[0] - group.begin[0]) * (group.end[1] - group.begin[1]);
    }
    store_->clear_current();
    store_->end_work(0);
    join_groups();
    return more;
  }
  void take_list(size_t side, Group& group) {
    group.begin[side] = rows_[side].size();
    std::byte* const row = store_->current_row();
    if (KeyedState::has(row, lists_[side]->bit())) {
      lists_[side]->for_each(row, [&](const Text& bytes) {
        rows_[side].push_back(chunk_.arena().copy(bytes.view()));
      });
      store_->clear_cell(row, *lists_[side]);
    }
    group.end[side] = rows_[side].size();
  }
  void join_groups() {
    lefts_.clear();
    rights_.clear();
    for (const Group& group : groups_) {
      for (size_t l = group.begin[0]; l < group.end[0]; ++l) {
        for (size_t r = group.begin[1]; r < group.end[1]; ++r) {
          lefts_.push_back(rows_[0][l]);
          rights_.push_back(rows_[1][r]);
        }
      }
    }
    const std::vector<uint8_t>& keeps = pairs_.evaluate(lefts_, rights_);
    out_.begin(true);
    size_t pair = 0;
    for (const Group& group : groups_) { put_group(group, keeps, pair); }
    out_.emit(output(), nullptr);
  }
  void put_group(const Group& group, const std::vector<uint8_t>& keeps, size_t& pair) {
    const bool gives_pairs = spec_.kind != Kind::kSemi && spec_.kind != Kind::kAnti;
    matched_.assign(group.end[1] - group.begin[1], 0);
    for (size_t l = group.begin[0]; l < group.end[0]; ++l) {
      bool is_matched = false;
      for (size_t r = group.begin[1]; r < group.end[1]; ++r) {
        if (keeps[pair++] == 0) { continue; }
        is_matched = true;
        matched_[r - group.begin[1]] = 1;
        if (gives_pairs) { out_.add(kNoRow, rows_[0][l], rows_[1][r], RowKind::kInsert); }
      }
      const bool gives_alone =
          is_matched ? spec_.kind == Kind::kSemi : spec_.kind == Kind::kAnti || pads_side(0);
      if (gives_alone) { out_.add(kNoRow, rows_[0][l], {}, RowKind::kInsert); }
    }
    for (size_t r = group.begin[1]; pads_side(1) && r < group.end[1]; ++r) {
      if (matched_[r - group.begin[1]] == 0) {
        out_.add(kNoRow, {}, rows_[1][r], RowKind::kInsert);
      }
    }
  }

  Counter* late_dropped_ = nullptr;
  RowListCell* lists_[2] = {};
  AddedRows added_;
  std::vector<char*> places_;  // of rows in a list

  // Of the windows at work.
  std::vector<Group> groups_;
  std::vector<Text> rows_[2];
  std::vector<Text> lefts_;
  std::vector<Text> rights_;
  std::vector<uint8_t> matched_;
};

}  // namespace

RowType window_join_output(const WindowJoinSpec& spec) { return timed_join_output(spec); }

Result<std::unique_ptr<Operator>> make_window_join(WindowJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const bool is_int, join_keys_are_int(spec.left, spec.left_keys, spec.right, spec.right_keys));
  return make_by_key<WindowJoin>(is_int, std::move(spec), std::move(filter));
}

}  // namespace tidewheel::sql
