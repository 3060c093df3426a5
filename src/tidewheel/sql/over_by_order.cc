// A key's map has its rows in their order, each with the results that were sent for it. A change
// touches the rows whose frames have the changed place: these are read together with what their
// frames need, and the frames move over them once.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "tidewheel/sql/encoded_rows.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/ordered_bytes.h"
#include "tidewheel/sql/over.h"
#include "tidewheel/sql/over_frames.h"
#include "tidewheel/sql/row_output.h"

namespace tidewheel::sql {

// A row, and the results that were sent with it; none yet: empty.
struct OverRow {
  Text row;
  Text results;
};

namespace {

constexpr char kName[] = "over";

std::vector<LogicalType> result_types(const OverSpec& spec) {
  std::vector<LogicalType> types;
  for (const OverCall& call : spec.calls) { types.push_back(call.call.result); }
  return types;
}

// How far a change is felt, and what has to be looked at to compute results: rows before and
// behind; kAll: to the end of the partition.
struct OverReach {
  static constexpr int64_t kAll = INT64_MAX;
  int64_t felt_before = 0;
  int64_t felt_behind = 0;
  int64_t looks_before = 0;
  int64_t looks_behind = 0;
  bool has_peers = false;  // rows that are equal in the order are felt, and looked at, too

  static OverReach of(const OverSpec& spec) {
    OverReach reach;
    for (const OverCall& call : spec.calls) { reach.take(call); }
    return reach;
  }

 private:
  static void raise(int64_t& value, int64_t to) { value = std::max(value, to); }
  void take(const OverCall& call) {
    int64_t before = kAll;  // what the result of a row depends on
    int64_t behind = 0;
    switch (call.kind) {
      case OverCall::Kind::kAggregate:
        before = call.frame.preceding;
        behind = call.frame.following;
        if (!call.frame.by_rows) {
          has_peers = true;
          before = before == 0 ? 0 : kAll;
          behind = behind == 0 ? 0 : kAll;
        }
        break;
      case OverCall::Kind::kShift:
        before = call.offset;
        behind = -call.offset;
        break;
      case OverCall::Kind::kRowNumber: break;
      case OverCall::Kind::kRank:
      case OverCall::Kind::kDenseRank: has_peers = true; break;
      default: behind = kAll;
    }
    raise(looks_before, before);
    raise(felt_behind, before);
    raise(looks_behind, behind);
    raise(felt_before, behind);
  }
};

template <class K>
class OverByOrder final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::guard;
  using Base::output;
  using Base::ready;
  using Base::store_;
  using Rows = MapCell<Text, OverRow>;
  using Entry = MapEntry<Text, OverRow>;

 public:
  OverByOrder(OverSpec spec, std::unique_ptr<OverFrames> frames)
      : Base(kName),
        spec_(std::move(spec)),
        keys_(spec_.input.types, spec_.partition_by),
        encoder_(spec_.input.types),
        order_(spec_.input.types, value_order(spec_)),
        reach_(OverReach::of(spec_)),
        frames_(std::move(frames)),
        work_(spec_.input.types),
        result_bytes_(result_types(spec_)),
        out_(spec_.input.types, result_types(spec_), over_output(spec_).types, true) {
    this->set_layout(schema_of_row(spec_.input).to_string() + ", by " + keys_.describe() + ", " +
                     describe_over(spec_) + (spec_.at_end ? ", at the end" : ""));
  }
  ~OverByOrder() override {
    this->drop_store();
    scratch_.reset();
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    work_.open(context.memory());
    pool_ = BatchPool::create_for<ColumnRow>(256, &context.memory());
    StateOptions options;
    options.ttl = Duration(spec_.at_end ? 0 : spec_.ttl_ms);
    TIDEWHEEL_ASSIGN_OR_RETURN(rows_, store_->template declare<Rows>("rows", options));
    TIDEWHEEL_ASSIGN_OR_RETURN(next_,
                               store_->template declare<ValueCell<uint64_t>>("next", options));
    // Frames are moved over rows from their first on, and forgotten.
    scratch_.emplace(KeyGroupRange{0, 0}, 1, &context.memory(), context.clock(), "frames");
    TIDEWHEEL_RETURN_IF_ERROR(frames_->declare(*scratch_, "()"));
    return this->read_store();
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(
        rows, cursor, spec_.mini_batch || spec_.at_end ? kMiniBatchRows : kChunk,
        [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) { take(in, begin, end); });
  }
  Progress on_end_of_input(int32_t) override {
    if (!spec_.at_end) { return Progress::kDone; }
    for (bool more = true; more;) {
      if (!ready()) { return Progress::kBlocked; }
      guard([&] { more = give_some(); });
    }
    this->require(store_->status());
    return Progress::kDone;
  }

 private:
  static constexpr uint32_t kChunk = 256;
  static constexpr uint32_t kMiniBatchRows = 1 << 16;  // at most
  static constexpr size_t kRowsMax = 4096;             // that are gathered before they are sent
  static constexpr uint32_t kKeysMax = 64;             // that are given at once at the end
  static constexpr size_t kNumberBytes = sizeof(uint64_t);
  static constexpr int64_t kAtEnd = 0;  // of the timer by which keys are found at the end

  // What has changed in a key's rows: keys of the map.
  struct Change {
    K key{};
    std::string first;
    std::string last;
    std::vector<std::pair<Text, Text>> removed;  // rows with their results
  };

  // By processing time rows are in the order in which they come.
  static std::vector<SortColumn> value_order(const OverSpec& spec) {
    std::vector<SortColumn> order;
    for (const SortColumn& sort : spec.order_by) {
      if (spec.input.types[static_cast<size_t>(sort.column)].time == TimeAttribute::kProcessing) {
        break;
      }
      order.push_back(sort);
    }
    return order;
  }

  // ---- Rows come and go.

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const std::span<const K> keys = keys_.template keys<K>(in, begin, end);
    const std::span<const Text> encoded = encoder_.read(in, begin, end);
    changes_.clear();
    change_of_.clear();
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(true);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      const uint32_t row = cursor++;
      sort_key_.clear();
      order_.encode(in.views().data(), row, sort_key_);
      if (!spec_.mini_batch) { changes_.clear(); }
      const bool has_changed = is_retraction(in.kind(row)) ? take_back(keys[i], encoded[i])
                                                           : insert(keys[i], encoded[i]);
      if (!has_changed || spec_.at_end || spec_.mini_batch) { continue; }
      settle(changes_.back(), store_->current_row());
      if (out_.size() >= kRowsMax) {
        out_.emit(output(), nullptr);
        if (!output().ready()) { return; }
      }
    }
    if (spec_.mini_batch && !spec_.at_end) {
      for (const Change& change : changes_) {
        store_->set_current(change.key);
        settle(change, store_->current_row());
      }
    }
    out_.emit(output(), nullptr);
  }
  bool insert(const K& key, const Text& row) {
    std::byte* const state = store_->ensure_row();
    uint64_t& next = next_->open(state).value;
    if (spec_.at_end && next == 0) { store_->add_timer(TimeDomain::kEvent, kAtEnd); }
    append_ordered(next++, sort_key_);
    rows_->open(state, Text(sort_key_)).value.store(OverRow{row, {}}, store_->heap());
    if (!spec_.at_end) { note(key); }
    return true;
  }
  // False when the row is not there.
  bool take_back(const K& key, const Text& row) {
    std::byte* const state = store_->current_row();
    if (state == nullptr || !KeyedState::has(state, rows_->bit())) { return false; }
    auto* const map = rows_->find(state);
    for (auto at = map->lower_bound(Text(sort_key_)); !(at == map->end()); at = map->next(at)) {
      const Entry& entry = map->at(at);
      const Text& found = entry.key.value;
      if (!found.starts_with(sort_key_) || found.size() != sort_key_.size() + kNumberBytes) {
        return false;
      }
      if (rows_->is_gone(entry) || entry.value.value.row != row) { continue; }
      sort_key_.assign(found.view());
      if (!spec_.at_end) {
        Change& change = note(key);
        if (!entry.value.value.results.empty()) {
          change.removed.emplace_back(row, arena_->copy(entry.value.value.results.view()));
        }
      }
      rows_->erase(state, Text(sort_key_));
      return true;
    }
    return false;
  }
  // The place sort_key_ of a key has changed.
  Change& note(const K& key) {
    if (!spec_.mini_batch) {
      changes_.push_back({key, sort_key_, sort_key_, {}});
      return changes_.back();
    }
    const auto [it, is_new] = change_of_.emplace(key, changes_.size());
    if (is_new) { changes_.push_back({key, sort_key_, sort_key_, {}}); }
    Change& change = changes_[it->second];
    change.first = std::min(change.first, sort_key_);
    change.last = std::max(change.last, sort_key_);
    return change;
  }

  // ---- Results are computed anew.

  void put(const Text& row, const Text& results, RowKind kind) {
    out_.add(RowOutput::kNoRow, row, results, kind);
  }
  void settle(const Change& change, std::byte* state) {
    for (const auto& [row, results] : change.removed) { put(row, results, RowKind::kDelete); }
    if (state == nullptr || !KeyedState::has(state, rows_->bit())) {
      if (state != nullptr && spec_.ttl_ms == 0 && KeyedState::has(state, next_->bit())) {
        store_->clear_cell(state, *next_);
      }
      return;
    }
    load(change, state);
    if (first_out_ >= end_out_) { return; }
    compute();
    send(state);
  }

  using Map = typename Rows::Blocks;
  using Place = typename Map::Place;

  static std::string_view order_of(std::string_view key) {
    return key.substr(0, key.size() - kNumberBytes);
  }
  // `count` rows before a place.
  Place step_back(const Map& map, Place place, int64_t count) const {
    if (count == OverReach::kAll) { return map.begin(); }
    while (count > 0 && !(place == map.begin())) {
      if (place.index > 0) {
        --place.index;
      } else {
        // The last of the block before.
        Place last{place.block - 1, 0};
        for (Place next = map.next(last); !(next == place); next = map.next(next)) { last = next; }
        place = last;
      }
      if (!rows_->is_gone(map.at(place))) { --count; }
    }
    return place;
  }
  // Reads the rows whose results may have changed, [first_out_, end_out_) of what is read, and
  // those that their frames look at.
  void load(const Change& change, std::byte* state) {
    const Map& map = *rows_->find(state);
    const std::string_view from =
        reach_.has_peers ? order_of(change.first) : std::string_view(change.first);
    const Place out =
        step_back(map, map.lower_bound(Text(from.data(), from.size())), reach_.felt_before);
    Place at = out;
    if (reach_.has_peers && !(out == map.end())) {
      const std::string_view order = order_of(map.at(out).key.value.view());
      at = map.lower_bound(Text(order.data(), order.size()));
    }
    at = step_back(map, at, reach_.looks_before);
    begin_load();
    int64_t behind = 0;  // rows behind the change
    bool is_out = false;
    std::string_view last_out;
    for (; !(at == map.end()); at = map.next(at)) {
      const Entry& entry = map.at(at);
      is_out = is_out || at == out;
      if (rows_->is_gone(entry)) { continue; }
      const std::string_view key = entry.key.value.view();
      if (is_out && first_out_ == SIZE_MAX) { first_out_ = loaded_.size(); }
      if (end_out_ == SIZE_MAX && key > change.last) {
        const bool is_peer = reach_.has_peers && order_of(key) == order_of(change.last);
        if (!is_peer && reach_.felt_behind != OverReach::kAll && behind >= reach_.felt_behind) {
          end_out_ = loaded_.size();
          if (end_out_ <= first_out_) { break; }
          last_out = loaded_.back()->key.value.view();
        }
        ++behind;
      }
      if (end_out_ != SIZE_MAX && reach_.looks_behind != OverReach::kAll) {
        const bool is_peer = reach_.has_peers && order_of(key) == order_of(last_out);
        const auto looked = static_cast<int64_t>(loaded_.size() - end_out_);
        if (!is_peer && looked >= reach_.looks_behind) { break; }
      }
      push(entry);
    }
    end_load();
  }
  void load_all(std::byte* state) {
    const Map& map = *rows_->find(state);
    begin_load();
    first_out_ = 0;
    for (Place at = map.begin(); !(at == map.end()); at = map.next(at)) {
      if (!rows_->is_gone(map.at(at))) { push(map.at(at)); }
    }
    end_load();
  }
  void begin_load() {
    work_.clear();
    loaded_.clear();
    first_out_ = end_out_ = SIZE_MAX;
  }
  void push(const Entry& entry) {
    loaded_.push_back(&entry);
    work_.add(entry.value.value.row);
  }
  void end_load() {
    first_out_ = std::min(first_out_, loaded_.size());
    end_out_ = std::min(end_out_, loaded_.size());
    peer_begin_.resize(loaded_.size());
    peer_end_.resize(loaded_.size());
    for (size_t begin = 0; begin < loaded_.size();) {
      const std::string_view order = order_of(loaded_[begin]->key.value.view());
      size_t end = begin + 1;
      while (end < loaded_.size() && order_of(loaded_[end]->key.value.view()) == order) { ++end; }
      std::fill(peer_begin_.begin() + static_cast<ptrdiff_t>(begin),
                peer_begin_.begin() + static_cast<ptrdiff_t>(end), static_cast<uint32_t>(begin));
      std::fill(peer_end_.begin() + static_cast<ptrdiff_t>(begin),
                peer_end_.begin() + static_cast<ptrdiff_t>(end), static_cast<uint32_t>(end));
      begin = end;
    }
  }

  // The results of rows [first_out_, end_out_), as columns and as bytes.
  void compute() {
    const ColumnBatch& rows = work_.decode();
    frames_->clear();
    marks_.resize(frames_->size());
    scratch_->begin_work();
    scratch_->set_current(scratch_key_);
    std::byte* const scratch = scratch_->ensure_row();
    for (size_t f = 0; f < frames_->size(); ++f) { move_frame(f, scratch, rows); }
    frames_->run(rows, scratch_->heap(), [&](uint32_t) { return scratch; });
    for (const auto& cell : scratch_->cells()) {
      if (KeyedState::has(scratch, cell->bit())) { scratch_->clear_cell(scratch, *cell); }
    }
    put_results(rows);
    scratch_->clear_current();
    scratch_->end_work(1);
  }
  void move_frame(size_t f, std::byte* scratch, const ColumnBatch& rows) {
    const OverFrame& frame = frames_->frame(f);
    std::byte* const cell = frames_->open(f, scratch);
    frames_->step(f, 0, 0, cell, 0);
    marks_[f].clear();
    const bool by_value =
        !frame.by_rows && (looks_up(frame.preceding) || looks_up(frame.following));
    if (by_value) { read_values(rows); }
    size_t begin = start_of(frame, first_out_);
    size_t end = begin;
    for (size_t i = first_out_; i < end_out_; ++i) {
      const size_t to_begin = start_of(frame, i);
      const size_t to_end = std::max(end_of(frame, i), to_begin);
      const auto leave = [&](size_t until) {
        for (; begin < until; ++begin) {
          frames_->step(f, static_cast<uint32_t>(begin), -1, cell, 0);
        }
      };
      if (to_begin >= end) {
        leave(end);
        begin = end = to_begin;
      }
      for (; end < to_end; ++end) { frames_->step(f, static_cast<uint32_t>(end), 1, cell, 0); }
      leave(to_begin);
      marks_[f].push_back(2 * frames_->mark(f) + 1);
    }
  }
  static bool looks_up(int64_t bound) { return bound != 0 && bound != OverFrame::kUnbounded; }
  // Where the frame of a row begins, and ends.
  size_t start_of(const OverFrame& frame, size_t row) const {
    if (frame.preceding == OverFrame::kUnbounded) { return 0; }
    if (frame.by_rows) { return clamped(saturating_subtract(int64_t(row), frame.preceding)); }
    if (frame.preceding == 0) { return peer_begin_[row]; }
    return bound_by_value(row, -frame.preceding, /*is_end=*/false);
  }
  size_t end_of(const OverFrame& frame, size_t row) const {
    if (frame.following == OverFrame::kUnbounded) { return loaded_.size(); }
    if (frame.by_rows) { return clamped(saturating_add(int64_t(row), frame.following) + 1); }
    if (frame.following == 0) { return peer_end_[row]; }
    return bound_by_value(row, frame.following, /*is_end=*/true);
  }
  size_t clamped(int64_t row) const {
    return static_cast<size_t>(std::clamp<int64_t>(row, 0, int64_t(loaded_.size())));
  }

  // ---- Ranges of values.

  // What the rows are ordered by, so that it ascends.
  void read_values(const ColumnBatch& rows) {
    const SortColumn& sort = spec_.order_by[0];
    const ColumnView& view = rows.view(static_cast<size_t>(sort.column));
    const Physical physical = spec_.input.types[static_cast<size_t>(sort.column)].physical();
    is_real_ = physical == Physical::kDouble || physical == Physical::kFloat;
    values_.resize(rows.size());
    reals_.resize(is_real_ ? rows.size() : 0);
    is_null_.resize(rows.size());
    with_physical(physical, [&]<class T>() {
      if constexpr (std::is_arithmetic_v<T>) {
        for (uint32_t i = 0; i < rows.size(); ++i) {
          is_null_[i] = view.is_null(i) ? 1 : 0;
          if (is_null_[i] != 0) { continue; }
          if constexpr (std::is_floating_point_v<T>) {
            reals_[i] = sort.descending ? -view.at<T>(i) : view.at<T>(i);
          } else {
            const auto value = static_cast<int64_t>(view.at<T>(i));
            values_[i] = sort.descending ? ~value : value;
          }
        }
      }
    });
  }
  // The first row whose value is at least, or, at the end, more than, that of `row` + `distance`.
  // Rows without a value stay among themselves.
  size_t bound_by_value(size_t row, int64_t distance, bool is_end) const {
    if (is_null_[row] != 0) { return is_end ? peer_end_[row] : peer_begin_[row]; }
    const auto find = [&](const auto& values, auto limit) {
      size_t low = 0;
      size_t high = loaded_.size();
      while (low < high) {
        const size_t middle = (low + high) / 2;
        const bool is_before = is_null_[middle] != 0
                                   ? middle < row
                                   : (is_end ? !(limit < values[middle]) : values[middle] < limit);
        if (is_before) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    };
    if (is_real_) { return find(reals_, reals_[row] + static_cast<double>(distance)); }
    return find(values_, saturating_add(values_[row], distance));
  }

  // ---- Results.

  void put_results(const ColumnBatch& rows) {
    const auto count = static_cast<uint32_t>(end_out_ - first_out_);
    Batch* const made = pool_->acquire();
    const BatchRef held = BatchRef::adopt(made);
    auto& results = static_cast<ColumnBatch&>(*made);
    results.set_types(result_bytes_.types());
    results.ensure_room(count);
    for (size_t c = 0; c < spec_.calls.size(); ++c) {
      put_result(c, rows, results.column(c), results.arena());
    }
    results.set_size(count);
    results.seal();
    out_rows_.resize(count);
    for (uint32_t i = 0; i < count; ++i) { out_rows_[i] = i; }
    results_.resize(count);
    result_bytes_.encode(results.views(), out_rows_, *arena_, results_.data());
  }
  void put_result(size_t index, const ColumnBatch& rows, Column& to, Arena& arena) {
    const OverCall& call = spec_.calls[index];
    if (call.kind == OverCall::Kind::kAggregate) {
      return gather(frames_->column(index).view(), marks_[frames_->frame_of(index)], to, 0);
    }
    if (call.kind == OverCall::Kind::kShift) {
      sources_.clear();
      shifted_.clear();
      for (size_t i = first_out_; i < end_out_; ++i) {
        const int64_t source = saturating_subtract(int64_t(i), call.offset);
        const bool is_there = source >= 0 && source < int64_t(loaded_.size());
        sources_.push_back(is_there ? static_cast<uint32_t>(source) : kNoSource);
        shifted_.push_back(static_cast<uint32_t>(i));
      }
      return put_shifted(call, rows, sources_, shifted_, to, 0, arena);
    }
    to.ensure(static_cast<uint32_t>(end_out_ - first_out_));
    int64_t groups = 0;
    const size_t size = loaded_.size();
    for (size_t i = 0; i < end_out_; ++i) {
      groups += peer_begin_[i] == i ? 1 : 0;
      if (i < first_out_) { continue; }
      const size_t at = i - first_out_;
      const auto rank = static_cast<int64_t>(peer_begin_[i]) + 1;
      switch (call.kind) {
        case OverCall::Kind::kRowNumber: to.values<int64_t>()[at] = int64_t(i) + 1; break;
        case OverCall::Kind::kRank: to.values<int64_t>()[at] = rank; break;
        case OverCall::Kind::kDenseRank: to.values<int64_t>()[at] = groups; break;
        case OverCall::Kind::kPercentRank:
          to.values<double>()[at] =
              size < 2 ? 0.0 : static_cast<double>(rank - 1) / static_cast<double>(size - 1);
          break;
        case OverCall::Kind::kCumeDist:
          to.values<double>()[at] = static_cast<double>(peer_end_[i]) / static_cast<double>(size);
          break;
        default: to.values<int64_t>()[at] = part_of(i, size, call.offset);
      }
    }
  }
  // NTILE: the first parts have one row more where the number of rows can't be divided.
  static int64_t part_of(size_t row, size_t size, int64_t parts) {
    const auto count = static_cast<int64_t>(size);
    const auto index = static_cast<int64_t>(row);
    const int64_t small = count / parts;
    const int64_t larger = count % parts;  // parts of small + 1 rows
    if (index < larger * (small + 1)) { return index / (small + 1) + 1; }
    return larger + (index - larger * (small + 1)) / small + 1;
  }

  // Sends the results that are new.
  void send(std::byte* state) {
    for (size_t i = first_out_; i < end_out_; ++i) {
      const OverRow& kept = loaded_[i]->value.value;
      const Text& results = results_[i - first_out_];
      if (kept.results == results) { continue; }
      const Text row = arena_->copy(kept.row.view());
      const bool is_new = kept.results.empty();
      if (!is_new && spec_.emits_before) {
        put(row, arena_->copy(kept.results.view()), RowKind::kUpdateBefore);
      }
      put(row, results, is_new ? RowKind::kInsert : RowKind::kUpdateAfter);
      if (spec_.at_end) { continue; }
      const std::string key = loaded_[i]->key.value.str();
      rows_->open(state, Text(key)).value.store(OverRow{row, results}, store_->heap());
    }
  }

  // ---- At the end: all rows of some keys; false when there is none left.
  bool give_some() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    due_keys_.clear();
    store_->begin_work();
    store_->take_due(TimeDomain::kEvent, kAtEnd, kKeysMax, [&](const K& key, KeyHash, int64_t) {
      if constexpr (std::is_same_v<K, Text>) {
        due_keys_.push_back(arena_->copy(key.view()));
      } else {
        due_keys_.push_back(key);
      }
    });
    out_.begin(true);
    for (const K& key : due_keys_) {
      store_->set_current(key);
      std::byte* const state = store_->current_row();
      if (state == nullptr) { continue; }
      if (KeyedState::has(state, rows_->bit())) {
        load_all(state);
        if (!loaded_.empty()) {
          compute();
          send(state);
        }
      }
      this->clear_cells(state);
    }
    store_->clear_current();
    store_->end_work(0);
    out_.emit(output(), nullptr);
    return !due_keys_.empty();
  }

  const OverSpec spec_;
  KeyReader keys_;
  EncodedRows encoder_;
  const SortKeyEncoder order_;
  const OverReach reach_;
  const std::unique_ptr<OverFrames> frames_;
  std::optional<KeyedStore<IntKey>> scratch_;
  const IntKey scratch_key_ = 0;
  OverRows work_;
  RowBytes result_bytes_;
  RowOutput out_;
  std::shared_ptr<BatchPool> pool_;
  Rows* rows_ = nullptr;
  ValueCell<uint64_t>* next_ = nullptr;  // the number of the partition's next row

  // Of the rows at work.
  ArenaRef arena_;
  std::string sort_key_;
  std::vector<Change> changes_;
  std::map<K, size_t> change_of_;  // of a mini-batch
  std::vector<K> due_keys_;

  // Of the partition at work.
  std::vector<const Entry*> loaded_;
  size_t first_out_ = 0;
  size_t end_out_ = 0;
  std::vector<uint32_t> peer_begin_;
  std::vector<uint32_t> peer_end_;
  bool is_real_ = false;
  std::vector<int64_t> values_;
  std::vector<double> reals_;
  std::vector<uint8_t> is_null_;
  std::vector<std::vector<uint32_t>> marks_;  // by frame: rows of the column of results
  std::vector<uint32_t> sources_;
  std::vector<uint32_t> shifted_;
  std::vector<uint32_t> out_rows_;
  std::vector<Text> results_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_over_by_order(OverSpec spec) {
  for (const SortColumn& sort : spec.order_by) {
    const LogicalType& type = spec.input.types[static_cast<size_t>(sort.column)];
    if (type.physical() == Physical::kList || type.physical() == Physical::kStruct) {
      return invalid_argument(ErrorId::kSqlUnsupported, "a value of type {} has no order: {}",
                              type.to_string(), spec.input.names[static_cast<size_t>(sort.column)]);
    }
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<OverFrames> frames, OverFrames::make(spec));
  const bool is_int = KeyReader(spec.input.types, spec.partition_by).is_int();
  return make_by_key<OverByOrder>(is_int, std::move(spec), std::move(frames));
}

}  // namespace tidewheel::sql
