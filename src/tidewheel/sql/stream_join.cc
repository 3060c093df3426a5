#include "tidewheel/sql/stream_join.h"

#include <algorithm>
#include <bitset>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/operators/record_codec.h"
#include "tidewheel/sql/distinct_keys.h"
#include "tidewheel/sql/join_input.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_list_cell.h"
#include "tidewheel/sql/row_output.h"
#include "tidewheel/sql/shared_rows.h"
#include "tidewheel/state/keyed_rows.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

// What there is of rows that are equal in all columns. `matches`: how many rows of the other side
// they have; kept where NULLs stand for none.
struct JoinedRow {
  int64_t count = 0;
  int64_t matches = 0;
};
// The one row of a key.
struct OnlyRow {
  Text row;
  int64_t matches = 0;
};

namespace {

constexpr char kName[] = "join";
using Kind = StreamJoinKind;

bool counts_matches(Kind kind, bool left) {
  if (kind == Kind::kFull) { return true; }
  return left ? kind == Kind::kLeft || gives_left_only(kind) : kind == Kind::kRight;
}
// The rows of one side under the current key.
class JoinSide {
 public:
  // A row of the current key, and where its matches are counted.
  struct Found {
    Text row;
    int64_t count = 1;
    MapEntry<Text, JoinedRow>* entry = nullptr;
    OnlyRow* only = nullptr;

    int64_t* matches() const {
      return entry != nullptr  ? &entry->value.value.matches
             : only != nullptr ? &only->matches
                               : nullptr;
    }
    void add_matches(int64_t count_added) const {
      *matches() += count_added;
      if (entry != nullptr) { entry->mark(MapEntry<Text, JoinedRow>::kChanged); }
    }
  };

  Status declare(KeyedState& state, const std::string& name, bool is_unique, bool retracts,
                 bool counts, int64_t ttl_ms) {
    StateOptions options;
    options.ttl = Duration(ttl_ms);
    heap_ = &state.heap();
    if (is_unique) {
      TIDEWHEEL_ASSIGN_OR_RETURN(only_, state.declare<ValueCell<OnlyRow>>(name, options));
    } else if (retracts || counts) {
      TIDEWHEEL_ASSIGN_OR_RETURN(map_, (state.declare<MapCell<Text, JoinedRow>>(name, options)));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(list_, state.declare<RowListCell>(name, options));
    }
    return {};
  }
  bool is_unique() const { return only_ != nullptr; }
  // Rows are added, and that is all.
  bool only_adds() const { return list_ != nullptr; }
  RowListCell& list() { return *list_; }
  // Its rows are entries, which a backend has by the current key.
  bool has_entries() const { return map_ != nullptr; }

  // Has at hand what `for_each` will look at first.
  void prefetch(std::byte* row) const {
    if (list_ != nullptr) { list_->prefetch_begin(row); }
  }
  // Calls f(bytes, how often they are there) for what a key has. Valid until this side is changed.
  template <class F>
  void for_each(std::byte* row, F f) {
    if (list_ != nullptr) {
      return list_->for_each(row, [&](const Text& bytes) { f(bytes, int64_t{1}); });
    }
    if (only_ != nullptr) {
      if (auto* const item = only_->find(row)) { f(item->value.row, int64_t{1}); }
      return;
    }
    if (!KeyedState::has(row, map_->bit())) { return; }
    auto* const map = map_->find(row);
    for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
      auto& entry = map->at(place);
      if (!map_->is_gone(entry)) { f(entry.key.value, entry.value.value.count); }
    }
  }

  // Appends what the current key has; `row` may be null. Valid until this side is changed.
  void find(std::byte* row, std::vector<Found>& found) {
    if (row == nullptr) { return; }
    if (only_ != nullptr) {
      if (auto* const item = only_->find(row)) {
        found.push_back({item->value.row, 1, nullptr, &item->value});
      }
    } else if (map_ != nullptr) {
      if (!KeyedState::has(row, map_->bit())) { return; }
      auto* const map = map_->find(row);
      for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
        auto& entry = map->at(place);
        if (map_->is_gone(entry)) { continue; }
        found.push_back({entry.key.value, entry.value.value.count, &entry, nullptr});
      }
    } else {
      list_->for_each(row, [&](const Text& bytes) {
        found.push_back({bytes, 1, nullptr, nullptr});
      });
    }
  }
  void insert(std::byte* row, const Text& bytes, int64_t matches) {
    if (only_ != nullptr) {
      only_->open(row).store(OnlyRow{bytes, matches}, *heap_);
    } else if (map_ != nullptr) {
      JoinedRow& joined = map_->open(row, bytes).value.value;
      ++joined.count;
      joined.matches = matches;
    } else {
      list_->add(row, bytes);
    }
  }
  // Takes a row away; false when it was not there. Of a unique side: whatever the key has.
  bool erase(KeyedState& state, std::byte* row, const Text& bytes) {
    if (row == nullptr) { return false; }
    if (only_ != nullptr) {
      if (only_->find(row) == nullptr) { return false; }
      state.clear_cell(row, *only_);
      return true;
    }
    if (map_ == nullptr) { return false; }  // appended to only
    if (!KeyedState::has(row, map_->bit())) { return false; }
    auto* const entry = map_->find(row, bytes);
    if (entry == nullptr) { return false; }
    if (entry->value.value.count <= 1) { return map_->erase(row, bytes); }
    --map_->open(row, bytes).value.value.count;
    return true;
  }

 private:
  TextHeap* heap_ = nullptr;
  ValueCell<OnlyRow>* only_ = nullptr;
  MapCell<Text, JoinedRow>* map_ = nullptr;
  RowListCell* list_ = nullptr;
};

template <class K>
class StreamJoin final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  StreamJoin(StreamJoinSpec spec, std::unique_ptr<PairFilter> filter)
      : Base(kName),
        spec_(std::move(spec)),
        filter_(std::move(filter)),
        inputs_{JoinInput(spec_.left, spec_.left_keys), JoinInput(spec_.right, spec_.right_keys)},
        shared_{SharedRows(spec_.left.types), SharedRows(spec_.right.types)},
        out_(spec_.kind == Kind::kMark
                 ? RowOutput(spec_.left.types, stream_join_output(spec_).types, true)
                 : RowOutput(spec_.left.types, spec_.right.types, stream_join_output(spec_).types,
                             !gives_left_only(spec_.kind))) {
    this->set_layout(join_layout(spec_.left, spec_.right, inputs_[0]));
    if (filter_ != nullptr) {
      for (const LogicalType& type : spec_.left.types) { pair_columns_.emplace_back(type); }
      for (const LogicalType& type : spec_.right.types) { pair_columns_.emplace_back(type); }
      for (size_t c = 0; c < pair_columns_.size(); ++c) { is_needed_.push_back(filter_->uses(c)); }
    }
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    TIDEWHEEL_RETURN_IF_ERROR(
        sides_[0].declare(*store_, "left rows", spec_.left_is_unique, spec_.left_retracts,
                          counts_matches(spec_.kind, true), spec_.left_ttl_ms));
    TIDEWHEEL_RETURN_IF_ERROR(
        sides_[1].declare(*store_, "right rows", spec_.right_is_unique, spec_.right_retracts,
                          counts_matches(spec_.kind, false), spec_.right_ttl_ms));
    for (size_t side = 0; side < 2; ++side) {
      // What is compared stays bytes.
      if (!sides_[side].only_adds()) { continue; }
      inputs_[side].use_images();
      if (!inputs_[side].images) { continue; }
      leave_out_key(side);
      sides_[side].list().hold_images(*inputs_[side].images);
      out_.use_images(side == 0, *inputs_[side].images);
    }
    if (spec_.kind == Kind::kInner) { out_.leave_unread(spec_.is_read); }
    SnapshotReader* const reader = this->reader();
    TIDEWHEEL_RETURN_IF_ERROR(this->read_store());
    open_waiting();
    return reader == nullptr ? Status() : restore_waiting(*reader);
  }
  void begin_snapshot(const SnapshotStart& start) override {
    Base::begin_snapshot(start);
    if (waiting_) { waiting_->begin_snapshot(); }
  }
  void on_input_watermark(int32_t input, int64_t time_ms) override {
    if (waiting_ && static_cast<size_t>(input) != spec_.waits->side) { waiting_->advance(time_ms); }
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    return this->take_chunks(
        rows, cursor, kChunk,
        [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) { take(input, in, begin, end); });
  }

 protected:
  bool write_beside(SnapshotWriter& writer) override {
    if (!Base::write_beside(writer)) { return false; }
    if (!waiting_) { return true; }
    const size_t side = spec_.waits->side;
    return waiting_->write(writer, inputs_[side].bytes, waiting_name(side),
                           this->context().subtask_index(), this->context().parallelism());
  }
  void abort_beside() override {
    if (waiting_) { waiting_->abort_snapshot(); }
  }

 private:
  using Found = JoinSide::Found;
  static constexpr uint32_t kChunk = 1024;  // the same rows of the other side come in many pairs
  static constexpr uint32_t kAhead = 8;     // keys whose lists are fetched ahead
  static constexpr size_t kRowsMax = 4096;  // that are gathered before they are sent
  static constexpr size_t kMetBits = 16 * 1024;

  // A key of the rows that are added.
  struct KeyAtWork {
    std::byte* state = nullptr;  // its row; null: none is added
    RowListCell::Room room;      // of its list; none before the first of them
    uint32_t rows_to_come = 0;
    // What it has on the other side: others [others_begin, others_end) of out_.
    bool knows_others = false;
    uint32_t others_begin = 0;
    uint32_t others_end = 0;
  };
  // A pair of a row and one of the other side that the filter has kept.
  struct Kept {
    uint32_t row = 0;
    Text other;
  };

  // What is kept under a number does not have it once more: it comes from the row that is met,
  // without which no row of a list is given.
  void leave_out_key(size_t side) {
    if constexpr (std::is_same_v<K, IntKey>) {
      if (spec_.nulls_match || keys_of(side).empty() || gives_left_only(spec_.kind)) { return; }
      const auto column = static_cast<size_t>(keys_of(side)[0]);
      const auto same = static_cast<size_t>(keys_of(1 - side)[0]);
      if (inputs_[side].bytes.types()[column].physical() !=
          inputs_[1 - side].bytes.types()[same].physical()) {
        return;
      }
      inputs_[side].images->leave_out(column);
      out_.fill_left_out(side == 0, column, same);
      if (filter_ == nullptr || !filter_->uses(first_of(side) + column)) { return; }
      left_out_[side] = static_cast<int32_t>(column);
      is_needed_[first_of(1 - side) + same] = true;
    }
  }
  size_t first_of(size_t side) const { return side == 0 ? 0 : spec_.left.size(); }
  const std::vector<int32_t>& keys_of(size_t side) const {
    return side == 0 ? spec_.left_keys : spec_.right_keys;
  }

  // ---- Rows that wait.

  static std::string waiting_name(size_t side) {
    return side == 0 ? "left rows waiting" : "right rows waiting";
  }
  // In memory only: a backend has all rows by their keys.
  void open_waiting() {
    if (!spec_.waits || store_->has_backend()) { return; }
    const JoinInput& input = inputs_[spec_.waits->side];
    if (!sides_[0].only_adds() || !sides_[1].only_adds() || !input.images) { return; }
    waiting_.emplace(*spec_.waits, input.bytes.types(), store_->memory());
    store_->for_each_key([this](const K& key) { note_met(key); });
  }
  // Those of the snapshot. Where none wait, because another plan or a backend has been chosen
  // since, they are kept by their keys.
  Status restore_waiting(SnapshotReader& reader) {
    for (size_t side = 0; side < 2; ++side) {
      const std::string name = waiting_name(side);
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto all,
                                 read_saved_records<SavedWaitingRows>(reader, name));
      const bool fits =
          sides_[side].only_adds() && inputs_[side].images && inputs_[side].keys.is_int();
      if (!all.empty() && !fits) {
        return failed_precondition(ErrorId::kSchemaMismatch,
                                   "the state has {}, of a join whose rows are only added, and the "
                                   "query has another join",
                                   name);
      }
      for (const auto& saved : all) {
        TIDEWHEEL_RETURN_IF_ERROR(restore_waiting(side, name, saved.record.rows));
      }
    }
    return {};
  }
  Status restore_waiting(size_t side, const std::string& name,
                         const std::vector<std::string>& saved) {
    JoinInput& input = inputs_[side];
    std::vector<Text> rows;
    for (const std::string& row : saved) {
      TIDEWHEEL_RETURN_IF_ERROR(kept_bytes(&*input.images, Text(row), name).status());
      rows.emplace_back(row);
    }
    std::vector<Column> columns;
    std::vector<Column*> pointers;
    std::vector<ColumnView> views;
    for (const LogicalType& type : input.bytes.types()) { columns.emplace_back(type); }
    for (Column& column : columns) { pointers.push_back(&column); }
    input.bytes.decode(rows, pointers, 0);
    for (const Column& column : columns) { views.push_back(column.view()); }
    return keep_restored(side, views, static_cast<uint32_t>(rows.size()));
  }
  Status keep_restored(size_t side, std::span<const ColumnView> columns, uint32_t count) {
    std::vector<K> keys;
    std::vector<uint32_t> rows;
    if constexpr (std::is_same_v<K, IntKey>) {
      const auto key = static_cast<size_t>(inputs_[side].keys.columns()[0]);
      for (uint32_t row = 0; row < count; ++row) {
        const IntKey one = columns[key].template at<int64_t>(row);
        if (!this->context().key_groups().contains(store_->hash_of(one).group)) { continue; }
        keys.push_back(one);
        rows.push_back(row);
      }
    }
    if (waiting_ && spec_.waits->side == side) {
      waiting_->add(columns, rows);
      return {};
    }
    chunk_.renew_arena();
    std::vector<Text> made(rows.size());
    inputs_[side].images->encode(columns, rows, chunk_.arena(), made.data());
    const auto kept = static_cast<uint32_t>(rows.size());
    KeyedBatch batch(*store_, 0, kept, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < kept; ++i) {
      batch.select(i);
      sides_[side].list().add(store_->ensure_row(), made[i]);
    }
    return store_->status();
  }
  // Rows of the side that waits. Few of them match what is there: only those are looked up whose
  // key may be one that the other side has had.
  void let_wait(uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const std::span<const K> keys = chunk_.keys();
    JoinSide& other = sides_[1 - side_];
    numbers_.clear();
    for (uint32_t i = 0; i < end - begin; ++i) {
      if (!chunk_.has_null_key(i) && may_be_met(keys[i])) { numbers_.push_back(i); }
    }
    const auto count = static_cast<uint32_t>(numbers_.size());
    cursor = end;
    out_.begin(is_left_);
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[numbers_[i]]; });
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = begin + numbers_[i];
      if (out_.size() >= kRowsMax) {
        send_pairs();
        if (!output().ready()) {
          cursor = row;
          break;
        }
      }
      batch.select(i);
      if (store_->current_row() == nullptr) { continue; }
      other.for_each(store_->current_row(), [&](const Text& bytes, int64_t copies) {
        for (; copies > 0; --copies) { out_.add_pair(row, bytes); }
      });
    }
    waiting_rows_.clear();
    for (uint32_t row = begin; row < cursor; ++row) {
      if (!chunk_.has_null_key(row - begin)) { waiting_rows_.push_back(row); }
    }
    waiting_->see_tables(*in_);
    waiting_->add(in_->views(), waiting_rows_);
    send_pairs();
  }
  // The bit of a key in met_.
  static size_t met_bit(int64_t key) { return mix64(static_cast<uint64_t>(key)) % kMetBits; }
  bool may_be_met(const K& key) const {
    if constexpr (std::is_same_v<K, IntKey>) {
      return met_[met_bit(key.value_or(0))];
    } else {
      return true;
    }
  }
  void note_met(const K& key) {
    if constexpr (std::is_same_v<K, IntKey>) { met_.set(met_bit(key.value_or(0))); }
  }
  // Rows [begin, end) of the other side.
  void meet_waiting(uint32_t begin, uint32_t end) {
    if constexpr (std::is_same_v<K, IntKey>) {
      const std::span<const K> keys = chunk_.keys();
      waiting_keys_.clear();
      waiting_rows_.clear();
      for (uint32_t row = begin; row < end; ++row) {
        if (!keys[row - begin].has_value()) { continue; }
        note_met(keys[row - begin]);
        waiting_keys_.push_back(*keys[row - begin]);
        waiting_rows_.push_back(row);
      }
      const std::span<const WaitingRows::Match> found = waiting_->find(waiting_keys_);
      if (found.empty()) { return; }
      RowImages& images = *inputs_[1 - side_].images;
      numbers_.resize(found.size());
      std::iota(numbers_.begin(), numbers_.end(), 0);
      chunk_.renew_arena();
      pair_texts_.resize(found.size());
      images.encode(waiting_->decode(found), numbers_, chunk_.arena(), pair_texts_.data());
      for (size_t i = 0; i < found.size(); ++i) {
        out_.add_pair(waiting_rows_[found[i].key], pair_texts_[i]);
      }
    }
  }

  // Moves `cursor` past the rows that were taken: all, unless the output has enough.
  void take(int32_t input, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    const uint32_t begin = cursor;
    const uint32_t count = end - begin;
    begin_ = begin;
    side_ = static_cast<size_t>(input);
    is_left_ = input == 0;
    in_ = &in;
    if (inputs_[side_].images) { inputs_[side_].images->see_tables(in); }
    const bool finds_nulls = !spec_.nulls_match;
    if (spec_.kind == Kind::kInner && sides_[side_].only_adds() &&
        (in.kinds() == nullptr || waiting_)) {
      chunk_.read_keys(inputs_[side_], in, begin, end, finds_nulls);
      return waiting_ && spec_.waits->side == side_ ? let_wait(cursor, end) : append(cursor, end);
    }
    chunk_.read(inputs_[side_], in, begin, end, finds_nulls);
    const std::span<const K> keys = chunk_.keys();
    if (filter_ != nullptr) { choose_pairs(begin, keys); }
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    out_.begin(is_left_);
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      take_row(i, cursor++);
      if (out_.size() >= kRowsMax) {
        out_.emit(output(), &in);
        if (!output().ready()) { return; }
      }
    }
    out_.emit(output(), &in);
  }

  // Rows that come to a side of an inner join which takes nothing back. The other side stays as it
  // is meanwhile, so that what a key meets there is found once for all of its rows, and pairs point
  // into it until the filter has seen them together. The rows are written where they stay, column
  // by column when room has been made for all of them.
  void append(uint32_t& cursor, uint32_t end) {
    const std::span<const uint32_t> sizes = added_.begin(inputs_[side_], *in_, cursor, end);
    if (store_->has_backend() && sides_[1 - side_].has_entries()) {
      // The backend has the entries of the current key.
      distinct_[side_].take_all(chunk_.keys());
      const std::span<const K> keys = distinct_[side_].keys();
      KeyedBatch batch(*store_, 0, static_cast<uint32_t>(keys.size()),
                       [&](uint32_t i) -> const K& { return keys[i]; });
      states_.assign(keys.size(), nullptr);
      return append_rows(cursor, end, sizes, [&](uint32_t i) {
        batch.select(i);
        if (!chunk_.has_null_key(i)) { states_[i] = store_->ensure_row(); }
      });
    }
    distinct_[side_].find(chunk_.keys());
    states_.resize(distinct_[side_].keys().size());
    // All keys are looked up first, so that what their rows point to can be fetched ahead as well.
    KeyedBatch<K, std::span<const K>> batch(*store_, distinct_[side_].keys());
    batch.ensure_rows(states_.data(), [&](size_t key) {
      return !chunk_.has_null_key(distinct_[side_].first(key));
    });
    append_rows(cursor, end, sizes, [](uint32_t) {});
  }
  // look_up(key) sets states_[key], unless that was done before; keys come in turn.
  template <class LookUp>
  void append_rows(uint32_t& cursor, uint32_t end, std::span<const uint32_t> sizes,
                   LookUp look_up) {
    const uint32_t begin = cursor;
    const std::span<const uint32_t> numbers = distinct_[side_].numbers();
    out_.begin(is_left_);
    begin_keys();
    for (uint32_t next_key = 0; cursor < end; ++cursor) {
      if (out_.size() >= kRowsMax) {
        send_pairs();
        for (KeyAtWork& key : keys_at_work_) { key.knows_others = false; }
        if (!output().ready()) { break; }
      }
      const uint32_t number = numbers[cursor - begin];
      KeyAtWork& key = keys_at_work_[number];
      if (number == next_key) {
        look_up(number);
        key.state = states_[number];
        fetch_ahead(number + kAhead);
        ++next_key;
      }
      if (key.state == nullptr) { continue; }
      added_.add(cursor, make_room(key, sizes[cursor - begin]));
      if (!key.knows_others) { find_others(key); }
      out_.add_pairs(cursor, key.others_begin, key.others_end);
    }
    end_keys();
    added_.write(inputs_[side_], *in_);
    if (waiting_) { meet_waiting(begin, cursor); }
    send_pairs();
  }
  char* make_room(KeyAtWork& key, uint32_t size) {
    RowListCell& own = sides_[side_].list();
    // Else two of the keys may add to the same list.
    if (!distinct_[side_].is_each_once()) { return own.add(key.state, size); }
    if (key.room.at == nullptr) { key.room = own.begin_adding(key.state); }
    return own.add(key.state, key.room, size, key.rows_to_come--);
  }
  void begin_keys() {
    keys_at_work_.assign(states_.size(), KeyAtWork());
    for (const uint32_t number : distinct_[side_].numbers()) {
      ++keys_at_work_[number].rows_to_come;
    }
  }
  void end_keys() {
    for (const KeyAtWork& key : keys_at_work_) {
      if (key.room.at != nullptr) { sides_[side_].list().end_adding(key.state, key.room); }
    }
  }
  void fetch_ahead(size_t number) {
    if (number >= states_.size() || states_[number] == nullptr) { return; }
    sides_[side_].list().prefetch_end(states_[number]);
    sides_[1 - side_].prefetch(states_[number]);
  }
  void find_others(KeyAtWork& key) {
    key.knows_others = true;
    key.others_begin = out_.other_count();
    sides_[1 - side_].for_each(key.state, [&](const Text& bytes, int64_t copies) {
      for (; copies > 0; --copies) { out_.add_other(bytes); }
    });
    key.others_end = out_.other_count();
  }
  void send_pairs() {
    if (filter_ != nullptr && out_.size() > 0) {
      clear_pair_columns();
      const size_t own_first = first_of(side_);
      for (size_t c = 0; c < inputs_[side_].bytes.types().size(); ++c) {
        if (!is_needed_[own_first + c]) { continue; }
        gather(in_->view(c), out_.pair_rows(), pair_columns_[own_first + c], 0);
      }
      out_.decode_others(needed_columns(1 - side_));
      fill_left_out(1 - side_, static_cast<uint32_t>(out_.size()));
      out_.keep_pairs(evaluate(static_cast<uint32_t>(out_.size())).data());
    }
    out_.emit_pairs(output(), *in_);
  }

  // ---- One row.

  void take_row(uint32_t i, uint32_t row) {
    const RowKind kind = in_->kind(row);
    const bool retracts = is_retraction(kind);
    found_.clear();
    if (!chunk_.has_null_key(i)) { find_matches(i); }
    JoinSide& own = sides_[side_];
    if (chunk_.has_null_key(i)) { return put_row(row, {}, kind); }
    if (!retracts) {
      if (own.is_unique()) { take_back_former(i); }
      own.insert(store_->ensure_row(), chunk_.bytes(i), total_matches());
      return put_row(row, {}, kind);
    }
    Text former = chunk_.bytes(i);
    if (own.is_unique() && !copy_former(former)) { return; }
    if (!own.erase(*store_, store_->current_row(), chunk_.bytes(i))) { return; }
    own.is_unique() ? put_row(kNoRow, former, kind) : put_row(row, {}, kind);
  }
  // What the row, or its bytes, and its matches give.
  void put_row(uint32_t row, Text bytes, RowKind kind) {
    const bool retracts = is_retraction(kind);
    if (spec_.kind == Kind::kMark) { return put_marked(row, bytes, retracts); }
    if (gives_left_only(spec_.kind)) { return put_left_only(row, bytes, retracts); }
    const bool other_pads = pads(spec_.kind, !is_left_);
    if (found_.empty()) {
      if (pads(spec_.kind, is_left_)) { out_.add(row, bytes, {}, retracts ? kMinus : kPlus); }
      return;
    }
    const bool keeps_kind = spec_.kind == Kind::kInner;
    for (const Found& match : found_) {
      for (int64_t copy = 0; copy < match.count; ++copy) {
        if (other_pads && !retracts && *match.matches() == 0) {
          out_.add(kNoRow, {}, match.row, kMinus);
        }
        out_.add(row, bytes, match.row, keeps_kind ? kind : retracts ? kMinus : kPlus);
        if (other_pads && retracts && *match.matches() == 1) {
          out_.add(kNoRow, {}, match.row, kPlus);
        }
      }
      if (counts_matches(spec_.kind, !is_left_)) { match.add_matches(retracts ? -1 : 1); }
    }
  }
  void put_left_only(uint32_t row, Text bytes, bool retracts) {
    const bool wants_match = spec_.kind == Kind::kSemi;
    if (is_left_) {
      if (found_.empty() != wants_match) { out_.add(row, bytes, {}, retracts ? kMinus : kPlus); }
      return;
    }
    for (const Found& match : found_) {
      const bool turns = *match.matches() == (retracts ? 1 : 0);
      const bool comes = retracts != wants_match;
      for (int64_t copy = 0; turns && copy < match.count; ++copy) {
        out_.add(kNoRow, {}, match.row, comes ? kPlus : kMinus);
      }
      match.add_matches(retracts ? -1 : 1);
    }
  }
  void put_marked(uint32_t row, Text bytes, bool retracts) {
    if (is_left_) {
      return out_.add_numbered(row, bytes, found_.empty() ? 0 : 1, retracts ? kMinus : kPlus);
    }
    for (const Found& match : found_) {
      const bool turns = *match.matches() == (retracts ? 1 : 0);
      for (int64_t copy = 0; turns && copy < match.count; ++copy) {
        out_.add_other_numbered(match.row, retracts ? 1 : 0, kMinus);
        out_.add_other_numbered(match.row, retracts ? 0 : 1, kPlus);
      }
      match.add_matches(retracts ? -1 : 1);
    }
  }
  int64_t total_matches() const {
    int64_t total = 0;
    for (const Found& match : found_) { total += match.count; }
    return total;
  }
  // Of a unique side: the row that another takes the place of.
  void take_back_former(uint32_t i) {
    Text former;
    if (!copy_former(former)) { return; }
    if (filter_ != nullptr) {
      // Its matches may be others than those of the row that comes.
      std::swap(found_, kept_found_);
      found_.clear();
      sides_[1 - side_].find(store_->current_row(), found_);
      filter_found(former);
      put_row(kNoRow, former, RowKind::kUpdateBefore);
      std::swap(found_, kept_found_);
    } else {
      put_row(kNoRow, former, RowKind::kUpdateBefore);
    }
    sides_[side_].erase(*store_, store_->current_row(), chunk_.bytes(i));
  }
  bool copy_former(Text& former) {
    own_found_.clear();
    sides_[side_].find(store_->current_row(), own_found_);
    if (own_found_.empty()) { return false; }
    former = chunk_.arena().copy(own_found_[0].row.view());
    return true;
  }
  void find_matches(uint32_t i) {
    sides_[1 - side_].find(store_->current_row(), found_);
    if (filter_ == nullptr) { return; }
    if (is_retraction(in_->kind(begin_ + i)) && sides_[side_].is_unique()) {
      // What is taken back is what is there, whatever the row says.
      Text former;
      if (copy_former(former)) { filter_found(former); }
      return;
    }
    // Both are in the order in which the side gives its rows.
    while (next_kept_ < kept_.size() && kept_[next_kept_].row < i) { ++next_kept_; }
    std::erase_if(found_, [&](const Found& match) {
      const bool keeps = next_kept_ < kept_.size() && kept_[next_kept_].row == i &&
                         kept_[next_kept_].other == match.row;
      if (keeps) { ++next_kept_; }
      return !keeps;
    });
  }

  // ---- The filter.

  // Has it look at all pairs of a chunk; those that it keeps are then in kept_.
  void choose_pairs(uint32_t begin, std::span<const K> keys) {
    pairs_.clear();
    pair_rows_.clear();
    pair_texts_.clear();
    const auto count = static_cast<uint32_t>(keys.size());
    {
      KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
      for (uint32_t i = 0; i < count; ++i) {
        batch.select(i);
        if (chunk_.has_null_key(i)) { continue; }
        found_.clear();
        sides_[1 - side_].find(store_->current_row(), found_);
        for (const Found& match : found_) {
          pairs_.push_back({i, chunk_.arena().copy(match.row.view())});
          pair_rows_.push_back(begin + i);
          pair_texts_.push_back(pairs_.back().other);
        }
      }
    }
    clear_pair_columns();
    const size_t own_first = first_of(side_);
    for (size_t c = 0; c < inputs_[side_].bytes.types().size(); ++c) {
      gather(in_->view(c), pair_rows_, pair_columns_[own_first + c], 0);
    }
    decode_pairs(1 - side_, pair_texts_);
    const std::vector<uint8_t>& keeps = evaluate(static_cast<uint32_t>(pairs_.size()));
    kept_.clear();
    next_kept_ = 0;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (keeps[i] != 0) { kept_.push_back(pairs_[i]); }
    }
  }
  // Keeps of found_ what fits a row of this side.
  void filter_found(const Text& own) {
    pair_texts_.assign(found_.size(), own);
    clear_pair_columns();
    decode_pairs(side_, pair_texts_);
    pair_texts_.clear();
    for (const Found& match : found_) { pair_texts_.push_back(match.row); }
    decode_pairs(1 - side_, pair_texts_);
    const std::vector<uint8_t>& keeps = evaluate(static_cast<uint32_t>(found_.size()));
    size_t i = 0;
    std::erase_if(found_, [&](const Found&) { return keeps[i++] == 0; });
  }
  void clear_pair_columns() {
    for (Column& column : pair_columns_) { column.clear(); }
  }
  // Those of the side that is at work come first.
  void decode_pairs(size_t side, std::span<const Text> rows) {
    const std::span<Column* const> columns = needed_columns(side);
    inputs_[side].with_form(
        [&](auto& form) { shared_[side].decode(form, rows, columns, 0, nullptr); });
    fill_left_out(side, static_cast<uint32_t>(rows.size()));
  }
  // The pairs' columns of a side that the filter uses and rows in the state have; null: not so.
  std::span<Column* const> needed_columns(size_t side) {
    const size_t first = first_of(side);
    needed_.clear();
    for (size_t c = 0; c < inputs_[side].bytes.types().size(); ++c) {
      const bool is_left_out = inputs_[side].images && inputs_[side].images->leaves_out(c);
      needed_.push_back(is_needed_[first + c] && !is_left_out ? &pair_columns_[first + c]
                                                              : nullptr);
    }
    return needed_;
  }
  void fill_left_out(size_t side, uint32_t count) {
    if (left_out_[side] < 0) { return; }
    const auto same = static_cast<size_t>(keys_of(1 - side)[0]);
    copy_rows(pair_columns_[first_of(1 - side) + same].view(), 0, count,
              pair_columns_[first_of(side) + static_cast<size_t>(left_out_[side])], 0);
  }
  const std::vector<uint8_t>& evaluate(uint32_t count) {
    keeps_.assign(count, 0);
    if (count == 0) { return keeps_; }
    pair_views_.clear();
    for (const Column& column : pair_columns_) { pair_views_.push_back(column.view()); }
    filter_->evaluate(pair_views_, count, keeps_.data());
    return keeps_;
  }

  static constexpr uint32_t kNoRow = RowOutput::kNoRow;
  static constexpr RowKind kPlus = RowKind::kInsert;
  static constexpr RowKind kMinus = RowKind::kDelete;

  const StreamJoinSpec spec_;
  const std::unique_ptr<PairFilter> filter_;
  JoinInput inputs_[2];
  SharedRows shared_[2];
  RowOutput out_;
  JoinSide sides_[2];
  std::optional<WaitingRows> waiting_;  // of the side that waits
  std::bitset<kMetBits> met_;           // by hash: the other side has had such a key

  // Of the rows at work.
  size_t side_ = 0;  // that they come from
  bool is_left_ = true;
  const ColumnBatch* in_ = nullptr;
  uint32_t begin_ = 0;  // the first of them
  JoinChunk<K> chunk_;
  DistinctKeys<K> distinct_[2];     // its keys, by side
  std::vector<std::byte*> states_;  // of each of these, its row
  std::vector<KeyAtWork> keys_at_work_;
  AddedRows added_;
  std::vector<uint32_t> waiting_rows_;  // of the batch: those of one side or the other
  std::vector<int64_t> waiting_keys_;
  std::vector<uint32_t> numbers_;
  std::vector<Found> found_;  // what the row at work matches
  std::vector<Found> kept_found_;
  std::vector<Found> own_found_;
  std::vector<Kept> pairs_;
  std::vector<uint32_t> pair_rows_;
  std::vector<Text> pair_texts_;
  std::vector<Kept> kept_;
  size_t next_kept_ = 0;
  std::vector<uint8_t> keeps_;
  std::vector<Column> pair_columns_;  // left, then right
  std::vector<bool> is_needed_;       // of these, by the filter, or for a key that is left out
  std::vector<Column*> needed_;
  int32_t left_out_[2] = {-1, -1};  // columns that images lack and the filter uses
  std::vector<ColumnView> pair_views_;
};

}  // namespace

RowType stream_join_output(const StreamJoinSpec& spec) {
  RowType output;
  const auto add = [&](const RowType& side, bool nullable) {
    for (size_t i = 0; i < side.size(); ++i) {
      output.add(side.names[i], nullable ? side.types[i].as_nullable() : side.types[i]);
    }
  };
  add(spec.left, pads(spec.kind, false));
  if (!gives_left_only(spec.kind)) { add(spec.right, pads(spec.kind, true)); }
  if (spec.kind == StreamJoinKind::kMark) {
    output.add("$mark", LogicalType::of(TypeKind::kBigint, false));
  }
  return output;
}

Result<std::unique_ptr<Operator>> make_stream_join(StreamJoinSpec spec,
                                                   std::unique_ptr<PairFilter> filter) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const bool is_int, join_keys_are_int(spec.left, spec.left_keys, spec.right, spec.right_keys));
  return make_by_key<StreamJoin>(is_int, std::move(spec), std::move(filter));
}

}  // namespace tidewheel::sql
