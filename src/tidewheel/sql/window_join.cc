#include "tidewheel/sql/window_join.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/sql/pair_columns.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/saved_layout.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel::sql {
namespace {

constexpr char kName[] = "window join";
using Kind = StreamJoinKind;

StreamJoinSpec stream_spec(const WindowJoinSpec& spec) {
  StreamJoinSpec stream;
  stream.kind = spec.kind;
  stream.left = spec.left;
  stream.right = spec.right;
  return stream;
}

template <class K>
class WindowJoin final : public OutputOperator<ColumnRow> {
 public:
  WindowJoin(WindowJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : spec_(std::move(spec)),
        pairs_(spec_.left.types, spec_.right.types, std::move(filter)),
        inputs_{Input(spec_.left, spec_.left_keys, spec_.left_window_end),
                Input(spec_.right, spec_.right_keys, spec_.right_window_end)},
        out_(spec_.left.types, spec_.right.types, window_join_output(spec_).types,
             spec_.kind != Kind::kSemi && spec_.kind != Kind::kAnti),
        layout_("left " + schema_of_row(spec_.left).to_string() + ", right " +
                schema_of_row(spec_.right).to_string() + ", by " + inputs_[0].keys.describe()) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator::open(context));
    late_dropped_ = &context.metrics().counter("numLateRecordsDropped");
    store_.emplace(context.key_groups(), context.max_parallelism(), &context.memory(),
                   context.clock(), kName);
    if (keeps_changes()) { store_->keep_changes(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(lists_[0],
                               store_->template declare<ListCell<Text>>("left rows", {}));
    TIDEWHEEL_ASSIGN_OR_RETURN(lists_[1],
                               store_->template declare<ListCell<Text>>("right rows", {}));
    watermark_ = saved_watermark_.restored();
    return open_store(*store_, std::exchange(reader_, nullptr));
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!ready()) { return Progress::kBlocked; }
      const uint32_t end = std::min(rows.end, cursor + kChunk);
      guard([&] { take(static_cast<size_t>(input), in, cursor, end); });
      cursor = end;
    }
    require(store_->status());
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (time_ms > watermark_) {
      watermark_ = time_ms;
      is_advancing_ = true;
    }
    while (is_advancing_) {
      if (!ready()) { return Progress::kBlocked; }
      guard([&] { is_advancing_ = fire_some(); });
    }
    require(store_->status());
    return Operator::on_watermark(time_ms);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    is_layout_written_ = false;
    saved_watermark_.start(watermark_);
    store_->begin_snapshot(start);
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    if (!std::exchange(is_layout_written_, true)) {
      write_layout(writer, layout_, context().subtask_index(), context().parallelism());
    }
    bool is_done = false;
    guard([&] { is_done = store_->write(writer); });
    return is_done ? Progress::kDone : snapshot_blocked(*store_, writer);
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override { store_->abort_snapshot(); }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    return check_layout(reader, layout_);
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr size_t kPairsMax = 4096;  // looked at together, but for those of one key
  static constexpr uint32_t kNoRow = RowOutput::kNoRow;

  struct Input {
    Input(const RowType& type, const std::vector<int32_t>& columns, int32_t end)
        : keys(type.types, columns), bytes(type.types), window_end(static_cast<size_t>(end)) {}
    KeyReader keys;
    RowBytes bytes;
    size_t window_end;
  };
  // The rows of one key and window, in rows_[0] and rows_[1].
  struct Group {
    size_t begin[2];
    size_t end[2];
  };

  template <class F>
  void guard(F f) {
    try {
      f();
    } catch (...) { rethrow_user_failure(context(), kName, ""); }
  }
  void require(const Status& status) {
    if (!status.ok()) [[unlikely]] { throw_user_failure(context(), kName, status, ""); }
  }
  bool pads(size_t side) const {
    return spec_.kind == Kind::kFull || spec_.kind == (side == 0 ? Kind::kLeft : Kind::kRight);
  }

  void take(size_t side, const ColumnBatch& in, uint32_t begin, uint32_t end) {
    Input& input = inputs_[side];
    const uint32_t count = end - begin;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = input.keys.template keys<K>(in, begin, end);
    nulls_.resize(count);
    input.keys.find_nulls(in, begin, end, nulls_.data());
    numbers_.resize(count);
    std::iota(numbers_.begin(), numbers_.end(), begin);
    bytes_.resize(count);
    input.bytes.encode(in.views(), numbers_, *arena_, bytes_.data());
    const ColumnView& ends = in.view(input.window_end);
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(side == 0);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      if (nulls_[i] != 0) {
        // Such a row has no match, whatever comes.
        if (pads(side) || (side == 0 && spec_.kind == Kind::kAnti)) {
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
      lists_[side]->add(row, bytes_[i]);
    }
    out_.emit(output(), &in);
  }

  // Joins some windows that have ended; false when there is none left.
  bool fire_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
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
    if (auto* const list = lists_[side]->find(row)) {
      for (uint32_t i = 0; i < list->size; ++i) {
        rows_[side].push_back(arena_->copy(ListCell<Text>::value_of(list->items[i]).view()));
      }
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
          is_matched ? spec_.kind == Kind::kSemi : spec_.kind == Kind::kAnti || pads(0);
      if (gives_alone) { out_.add(kNoRow, rows_[0][l], {}, RowKind::kInsert); }
    }
    for (size_t r = group.begin[1]; pads(1) && r < group.end[1]; ++r) {
      if (matched_[r - group.begin[1]] == 0) {
        out_.add(kNoRow, {}, rows_[1][r], RowKind::kInsert);
      }
    }
  }

  const WindowJoinSpec spec_;
  PairColumns pairs_;
  Input inputs_[2];
  RowOutput out_;
  const std::string layout_;
  Counter* late_dropped_ = nullptr;
  SnapshotReader* reader_ = nullptr;  // until `open`
  std::optional<KeyedStore<K>> store_;
  ListCell<Text>* lists_[2] = {};
  int64_t watermark_ = kMinWatermark;
  bool is_advancing_ = false;
  bool is_layout_written_ = true;
  WatermarkState saved_watermark_;

  // Of the rows at work.
  ArenaRef arena_;
  std::vector<uint8_t> nulls_;
  std::vector<uint32_t> numbers_;
  std::vector<Text> bytes_;

  // Of the windows at work.
  std::vector<Group> groups_;
  std::vector<Text> rows_[2];
  std::vector<Text> lefts_;
  std::vector<Text> rights_;
  std::vector<uint8_t> matched_;
};

}  // namespace

RowType window_join_output(const WindowJoinSpec& spec) {
  return stream_join_output(stream_spec(spec));
}

Result<std::unique_ptr<Operator>> make_window_join(WindowJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter) {
  const KeyReader left(spec.left.types, spec.left_keys);
  const KeyReader right(spec.right.types, spec.right_keys);
  if (left.describe() != right.describe()) {
    return invalid_argument(ErrorId::kSqlType,
                            "the keys of a join have to be of the same types: {} and {}",
                            left.describe(), right.describe());
  }
  if (left.is_int()) {
    return std::unique_ptr<Operator>(
        std::make_unique<WindowJoin<IntKey>>(std::move(spec), std::move(filter)));
  }
  return std::unique_ptr<Operator>(
      std::make_unique<WindowJoin<Text>>(std::move(spec), std::move(filter)));
}

}  // namespace tidewheel::sql
