#include "tidewheel/sql/multi_join.h"

#include <algorithm>
#include <span>
#include <utility>

#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/join_input.h"
#include "tidewheel/sql/keyed_operator.h"
#include "tidewheel/sql/row_list_cell.h"
#include "tidewheel/sql/shared_rows.h"

namespace tidewheel::sql {
namespace {

constexpr char kMultiJoinName[] = "multi-way join";

// The rows that one input has under the current key.
class InputRows {
 public:
  Status declare(KeyedState& state, const std::string& name, const MultiJoinInput& input) {
    StateOptions options;
    options.ttl = Duration(input.ttl_ms);
    heap_ = &state.heap();
    has_ttl_ = input.ttl_ms > 0;
    if (input.is_unique) {
      TIDEWHEEL_ASSIGN_OR_RETURN(only_, state.declare<ValueCell<Text>>(name, options));
    } else if (input.retracts) {
      TIDEWHEEL_ASSIGN_OR_RETURN(map_, (state.declare<MapCell<Text, int64_t>>(name, options)));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(list_, state.declare<RowListCell>(name, options));
    }
    return {};
  }
  bool is_unique() const { return only_ != nullptr; }

  // Calls f(bytes) for each row; of those that may be taken back while it answers true. `row` may
  // be null.
  template <class F>
  void for_each(std::byte* row, F f) const {
    if (row == nullptr) { return; }
    if (only_ != nullptr) {
      if (auto* const item = only_->find(row)) { f(item->value); }
    } else if (list_ != nullptr) {
      list_->for_each(row, [&](const Text& bytes) { f(bytes); });
    } else if (KeyedState::has(row, map_->bit())) {
      auto* const map = map_->find(row);
      for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
        auto& entry = map->at(place);
        if (map_->is_gone(entry)) { continue; }
        for (int64_t copies = entry.value.value; copies > 0; --copies) {
          if (!f(entry.key.value)) { return; }
        }
      }
    }
  }
  bool is_empty(std::byte* row) const {
    if (list_ != nullptr) {
      if (row == nullptr || !KeyedState::has(row, list_->bit())) { return true; }
      return has_ttl_ && list_->expire(row);
    }
    bool any = false;
    for_each(row, [&](const Text&) {
      any = true;
      return false;
    });
    return !any;
  }
  void insert(std::byte* row, const Text& bytes) {
    if (only_ != nullptr) {
      only_->open(row).store(bytes, *heap_);
    } else if (map_ != nullptr) {
      ++map_->open(row, bytes).value.value;
    } else {
      list_->add(row, bytes);
    }
  }
  // Takes a row away; false when it was not there. Of a unique input: whatever the key has.
  bool erase(KeyedState& state, std::byte* row, const Text& bytes) {
    if (row == nullptr) { return false; }
    if (only_ != nullptr) {
      if (only_->find(row) == nullptr) { return false; }
      state.clear_cell(row, *only_);
      return true;
    }
    if (map_ == nullptr || !KeyedState::has(row, map_->bit())) { return false; }
    auto* const entry = map_->find(row, bytes);
    if (entry == nullptr) { return false; }
    if (entry->value.value <= 1) { return map_->erase(row, bytes); }
    --map_->open(row, bytes).value.value;
    return true;
  }

 private:
  TextHeap* heap_ = nullptr;
  bool has_ttl_ = false;
  ValueCell<Text>* only_ = nullptr;
  MapCell<Text, int64_t>* map_ = nullptr;
  RowListCell* list_ = nullptr;
};

// What a changed row of input `i` changes of the result: the rows of the inputs before `i` that fit
// together (a prefix), with the row, with what the inputs behind `i` have for these. Rows of
// columns are gathered for many changes at once, input by input, so that conditions and output are
// loops over columns.
template <class K>
class MultiJoin final : public KeyedOperator<K> {
  using Base = KeyedOperator<K>;
  using Base::output;
  using Base::store_;

 public:
  MultiJoin(MultiJoinSpec spec, std::vector<std::unique_ptr<PairFilter>> filters)
      : Base(kMultiJoinName),
        spec_(std::move(spec)),
        filters_(std::move(filters)),
        output_(multi_join_output(spec_)),
        rows_(spec_.inputs.size()),
        candidates_(spec_.inputs.size()),
        blocks_(spec_.inputs.size()),
        levels_(spec_.inputs.size()) {
    std::string layout;
    sharers_.assign(spec_.inputs.size(), kNobody);
    for (const MultiJoinInput& input : spec_.inputs) {
      const size_t number = inputs_.size();
      if (input.same_as < 0) {
        ports_.push_back(number);
      } else {
        sharers_[static_cast<size_t>(input.same_as)] = number;
        layout += "the same, ";
      }
      first_columns_.push_back(column_count_);
      column_count_ += input.type.size();
      inputs_.emplace_back(input.type, input.keys);
      shared_.emplace_back(input.type.types);
      is_flat_.push_back(
          std::none_of(input.type.types.begin(), input.type.types.end(), [](const auto& type) {
            return type.physical() == Physical::kList || type.physical() == Physical::kStruct;
          }));
      layout += schema_of_row(input.type).to_string() + ", ";
    }
    this->set_layout(layout + "by " + inputs_[0].keys.describe());
    for (size_t i = 1; i < spec_.inputs.size(); ++i) {
      if (filters_[i] == nullptr) { continue; }
      const size_t end = first_columns_[i] + spec_.inputs[i].type.size();
      for (size_t c = 0; c < end; ++c) { levels_[i].columns.emplace_back(output_.types[c]); }
    }
  }

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(this->make_store(context));
    for (size_t i = 0; i < rows_.size(); ++i) {
      const MultiJoinInput& input = spec_.inputs[i];
      if (input.same_as >= 0) {
        rows_[i] = rows_[static_cast<size_t>(input.same_as)];
        continue;
      }
      TIDEWHEEL_RETURN_IF_ERROR(
          rows_[i].declare(*store_, "rows of input " + std::to_string(i), input));
    }
    return this->read_store();
  }

  Progress on_rows(int32_t port, const Element& rows, uint32_t& cursor) override {
    const size_t input = ports_[static_cast<size_t>(port)];
    return this->take_chunks(rows, cursor, kChunk,
                             [&](const ColumnBatch& in, uint32_t& begin, uint32_t end) {
                               sharers_[input] == kNobody ? take(input, in, begin, end)
                                                          : take_shared(input, in, begin, end);
                             });
  }

 private:
  static constexpr uint32_t kChunk = 512;
  static constexpr size_t kCandidatesMax = 1 << 16;  // that are gathered before they are joined
  static constexpr size_t kBlockRows = 4096;         // that are joined with the next input at once
  static constexpr uint32_t kNoGroup = UINT32_MAX;
  static constexpr size_t kNobody = SIZE_MAX;
  static constexpr RowKind kPlus = RowKind::kInsert;
  static constexpr RowKind kMinus = RowKind::kDelete;

  // A row that has come or gone. `is_edge`: it is the first of its key, or was the last.
  struct Change {
    Text bytes;
    uint32_t group = kNoGroup;
    RowKind kind = kPlus;
    bool is_edge = false;
  };
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  // Rows of several inputs that fit together, by number: refs[number * inputs + input]; Text
  // without data: NULLs stand for a row, or the input's turn has not come.
  struct Block {
    std::vector<Text> refs;
    std::vector<uint32_t> changes;
    std::vector<RowKind> kinds;

    size_t size() const { return kinds.size(); }
    void clear() {
      refs.clear();
      changes.clear();
      kinds.clear();
    }
  };
  // What an input's turn needs.
  struct Level {
    std::vector<Column> columns;  // of pairs, for the filter
    std::vector<uint32_t> pair_parts;
    std::vector<Text> pair_rows;
    std::vector<uint8_t> keeps;
  };

  size_t input_count() const { return spec_.inputs.size(); }
  bool pads(size_t input) const { return spec_.inputs[input].pads; }
  // Whether changes of the input at work have to know which other rows of it fit as well.
  bool looks_at_own() const {
    return pads(own_) && filters_[own_] != nullptr && !rows_[own_].is_unique();
  }

  // ---- State: what has changed, and what it may join with.

  void take(size_t input, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    own_ = input;
    chunk_.read(inputs_[own_], in, cursor, end, true);
    const std::span<const K> keys = chunk_.keys();
    KeyedBatch batch(*store_, 0, end - cursor, [&](uint32_t i) -> const K& { return keys[i]; });
    clear_changes();
    for (uint32_t i = 0; cursor < end; ++i) {
      batch.select(i);
      take_row(i, in.kind(cursor++));
      if (candidate_count_ < kCandidatesMax) { continue; }
      join();
      clear_changes();
      if (!output().ready()) { return; }
    }
    join();
  }
  // Rows of two inputs: as rows of the first they meet what the second has had so far; then both
  // have them, and as rows of the second they meet each other as well.
  void take_shared(size_t input, const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    own_ = input;
    chunk_.read(inputs_[own_], in, cursor, end, true);
    const uint32_t count = end - cursor;
    join_chunk(count);
    clear_changes();
    for_each_key(count, [&](uint32_t i) {
      store_->ensure_row();
      rows_[input].insert(store_->current_row(), chunk_.bytes(i));
    });
    own_ = sharers_[input];
    join_chunk(count);
    cursor = end;
  }
  // Joins the chunk's rows with what there is, without having them among it.
  void join_chunk(uint32_t count) {
    clear_changes();
    for_each_key(count, [&](uint32_t i) {
      change(chunk_.bytes(i), kPlus, false);
      if (candidate_count_ < kCandidatesMax) { return; }
      join();
      clear_changes();
    });
  }
  // f(index) for the chunk's rows that have a key, which is current then; what is gathered is
  // joined at the end.
  template <class F>
  void for_each_key(uint32_t count, F f) {
    const std::span<const K> keys = chunk_.keys();
    KeyedBatch batch(*store_, 0, count, [&](uint32_t i) -> const K& { return keys[i]; });
    for (uint32_t i = 0; i < count; ++i) {
      batch.select(i);
      if (!chunk_.has_null_key(i)) { f(i); }
    }
    join();
  }
  void clear_changes() {
    changes_.clear();
    ranges_.clear();
    candidate_count_ = 0;
    last_state_ = nullptr;
    for (std::vector<Text>& rows : candidates_) { rows.clear(); }
  }
  void take_row(uint32_t i, RowKind kind) {
    if (chunk_.has_null_key(i)) {
      // It joins with nothing, so that it is not kept either.
      if (own_ == 0) { changes_.push_back({chunk_.bytes(i), kNoGroup, kind, false}); }
      return;
    }
    InputRows& own = rows_[own_];
    const bool needs_edges = pads(own_);
    if (is_retraction(kind)) {
      Text bytes = chunk_.bytes(i);
      if (own.is_unique() && !copy_former(bytes)) { return; }
      if (!own.erase(*store_, store_->current_row(), bytes)) { return; }
      const bool is_last = needs_edges && own.is_empty(store_->current_row());
      return change(bytes, kind, is_last);
    }
    Text former;
    const bool replaces = own.is_unique() && copy_former(former);
    if (replaces) { change(former, RowKind::kUpdateBefore, false); }
    std::byte* const state = store_->ensure_row();
    const bool is_first = needs_edges && !replaces && own.is_empty(state);
    own.insert(state, chunk_.bytes(i));
    change(chunk_.bytes(i), kind, is_first);
  }
  // Of a unique input: the row that the key has.
  bool copy_former(Text& former) {
    bool found = false;
    rows_[own_].for_each(store_->current_row(), [&](const Text& bytes) {
      former = chunk_.arena().copy(bytes.view());
      return found = true;
    });
    return found;
  }
  void change(const Text& bytes, RowKind kind, bool is_edge) {
    std::byte* const state = store_->current_row();
    if (lacks_inner(state)) { return; }
    changes_.push_back({bytes, group_of(state), kind, is_edge});
  }
  // Whether an input has no row of the key without which there is no result.
  bool lacks_inner(std::byte* state) const {
    for (size_t i = 0; i < input_count(); ++i) {
      if (i != own_ && !pads(i) && rows_[i].is_empty(state)) { return true; }
    }
    return false;
  }
  // Gathers the rows of the current key. The other inputs stay as they are while a chunk of this
  // one is at work, so that a key that comes again has the same ones.
  uint32_t group_of(std::byte* state) {
    const bool looks = looks_at_own();
    const auto group = static_cast<uint32_t>(ranges_.size() / input_count());
    if (state != nullptr && state == last_state_ && !looks) { return group - 1; }
    last_state_ = state;
    for (size_t i = 0; i < input_count(); ++i) {
      std::vector<Text>& rows = candidates_[i];
      const auto begin = static_cast<uint32_t>(rows.size());
      if (i != own_) {
        rows_[i].for_each(state, [&](const Text& bytes) {
          rows.push_back(bytes);
          return true;
        });
      } else if (looks) {
        // These may go while the chunk is at work.
        rows_[i].for_each(state, [&](const Text& bytes) {
          rows.push_back(chunk_.arena().copy(bytes.view()));
          return true;
        });
      }
      const auto end = static_cast<uint32_t>(rows.size());
      ranges_.push_back({begin, end});
      candidate_count_ += end - begin;
    }
    return group;
  }
  std::span<const Text> candidates(const Change& change, size_t input) const {
    if (change.group == kNoGroup) { return {}; }
    const Range range = ranges_[change.group * input_count() + input];
    return std::span(candidates_[input]).subspan(range.begin, range.end - range.begin);
  }

  // ---- Joining.

  void join() {
    if (changes_.empty()) { return; }
    Block& first = blocks_[0];
    first.clear();
    for (uint32_t i = 0; i < changes_.size(); ++i) {
      if (own_ == 0) {
        start(first, i, changes_[i].bytes);
        continue;
      }
      for (const Text& row : candidates(changes_[i], 0)) { start(first, i, row); }
    }
    join_with(1);
  }
  void start(Block& block, uint32_t number, const Text& row) {
    block.refs.resize(block.refs.size() + input_count());
    block.refs[block.refs.size() - input_count()] = row;
    block.changes.push_back(number);
    block.kinds.push_back(changes_[number].kind);
    if (block.size() < kBlockRows) { return; }
    join_with(1);
    block.clear();
  }
  // Joins the block of the inputs before `input` with its rows, and so on to the last input.
  void join_with(size_t input) {
    Block& parts = blocks_[input - 1];
    Level& level = levels_[input];
    blocks_[input].clear();
    for (uint32_t begin = 0; begin < parts.size();) {
      level.pair_parts.clear();
      level.pair_rows.clear();
      uint32_t end = begin;
      for (; end < parts.size() && level.pair_rows.size() < kBlockRows; ++end) {
        append_pairs(input, parts, end);
      }
      choose(input, parts);
      size_t pair = 0;
      for (uint32_t part = begin; part < end; ++part) {
        input == own_ ? put_own(input, parts, part, pair) : put_joined(input, parts, part, pair);
        if (blocks_[input].size() >= kBlockRows) { pass_on(input); }
      }
      begin = end;
    }
    pass_on(input);
  }
  void pass_on(size_t input) {
    Block& block = blocks_[input];
    if (block.size() == 0) { return; }
    input + 1 < input_count() ? join_with(input + 1) : emit(block);
    block.clear();
  }
  // The rows of `input` that may fit a part. Of the input at work: the changed row, then, where it
  // matters, those that there are.
  void append_pairs(size_t input, const Block& parts, uint32_t part) {
    Level& level = levels_[input];
    const Text* const refs = parts.refs.data() + part * input_count();
    for (const int32_t anchor : spec_.inputs[input].anchors) {
      if (refs[anchor].empty()) { return; }
    }
    const Change& change = changes_[parts.changes[part]];
    if (change.group == kNoGroup) { return; }
    const auto add = [&](const Text& row) {
      level.pair_parts.push_back(part);
      level.pair_rows.push_back(row);
    };
    if (input == own_) { add(change.bytes); }
    for (const Text& row : candidates(change, input)) { add(row); }
  }
  // Which of the pairs the condition keeps.
  void choose(size_t input, const Block& parts) {
    Level& level = levels_[input];
    PairFilter* const filter = filters_[input].get();
    level.keeps.assign(level.pair_rows.size(), filter == nullptr ? 1 : 0);
    if (filter == nullptr || level.pair_rows.empty()) { return; }
    for (Column& column : level.columns) { column.clear(); }
    for (size_t i = 0; i <= input; ++i) {
      const size_t first = first_columns_[i];
      const size_t count = spec_.inputs[i].type.size();
      columns_.clear();
      bool is_used = false;
      for (size_t c = first; c < first + count; ++c) {
        columns_.push_back(&level.columns[c]);
        is_used = is_used || filter->uses(c);
      }
      if (!is_used) { continue; }
      texts_.clear();
      for (size_t pair = 0; pair < level.pair_rows.size(); ++pair) {
        texts_.push_back(i == input ? level.pair_rows[pair]
                                    : parts.refs[level.pair_parts[pair] * input_count() + i]);
      }
      decode(i, texts_, 0, nullptr);
    }
    views_.clear();
    for (const Column& column : level.columns) { views_.push_back(column.view()); }
    filter->evaluate(views_, static_cast<uint32_t>(level.pair_rows.size()), level.keeps.data());
  }
  void put_joined(size_t input, const Block& parts, uint32_t part, size_t& pair) {
    const Level& level = levels_[input];
    bool any = false;
    for (; pair < level.pair_parts.size() && level.pair_parts[pair] == part; ++pair) {
      if (level.keeps[pair] == 0) { continue; }
      any = true;
      put(input, parts, part, level.pair_rows[pair], parts.kinds[part]);
    }
    if (!any && pads(input)) { put(input, parts, part, {}, parts.kinds[part]); }
  }
  // Only what the changed row changes. The first row that fits takes the place of NULLs, and they
  // come back when the last one has gone.
  void put_own(size_t input, const Block& parts, uint32_t part, size_t& pair) {
    const Level& level = levels_[input];
    if (pair >= level.pair_parts.size() || level.pair_parts[pair] != part) { return; }
    const bool fits = level.keeps[pair] != 0;
    const Text row = level.pair_rows[pair++];
    int64_t fitting = 0;  // rows that there are now
    for (; pair < level.pair_parts.size() && level.pair_parts[pair] == part; ++pair) {
      fitting += level.keeps[pair];
    }
    if (!fits) { return; }
    const RowKind kind = parts.kinds[part];
    const bool goes = is_retraction(kind);
    const bool is_only = looks_at_own()              ? fitting == (goes ? 0 : 1)
                         : filters_[own_] != nullptr ? true  // it is unique
                                                     : changes_[parts.changes[part]].is_edge;
    if (!pads(input) || !is_only) { return put(input, parts, part, row, kind); }
    if (!goes) { put(input, parts, part, {}, kMinus); }
    put(input, parts, part, row, goes ? kMinus : kPlus);
    if (goes) { put(input, parts, part, {}, kPlus); }
  }
  void put(size_t input, const Block& parts, uint32_t part, const Text& row, RowKind kind) {
    Block& block = blocks_[input];
    const Text* const refs = parts.refs.data() + part * input_count();
    block.refs.insert(block.refs.end(), refs, refs + input_count());
    block.refs[block.refs.size() - input_count() + input] = row;
    block.changes.push_back(parts.changes[part]);
    block.kinds.push_back(kind);
  }

  // ---- Columns.

  void emit(const Block& block) {
    emit_columns(
        output(), output_.types, block.size(), [&](ColumnBatch& out, size_t begin, size_t end) {
          const auto kinds = std::span(block.kinds).subspan(begin, end - begin);
          const bool adds_only =
              std::all_of(kinds.begin(), kinds.end(), [](RowKind kind) { return kind == kPlus; });
          if (!adds_only || out.kinds() != nullptr) { put_kinds(out, kinds); }
          for (size_t i = 0; i < input_count(); ++i) {
            texts_.clear();
            for (size_t row = begin; row < end; ++row) {
              texts_.push_back(block.refs[row * input_count() + i]);
            }
            columns_.clear();
            for (size_t c = 0; c < spec_.inputs[i].type.size(); ++c) {
              columns_.push_back(&out.column(first_columns_[i] + c));
            }
            decode(i, texts_, out.size(), &out.arena());
          }
        });
  }
  // Puts rows of an input, NULLs for those without data, into columns_ from row `at` on.
  void decode(size_t input, std::span<const Text> rows, uint32_t at, Arena* arena) {
    const auto is_null = [](const Text& row) { return row.empty(); };
    if (std::none_of(rows.begin(), rows.end(), is_null)) {
      return shared_[input].decode(inputs_[input].bytes, rows, columns_, at, arena);
    }
    if (is_flat_[input]) { return decode_flat(input, rows, at, arena); }
    for (size_t begin = 0; begin < rows.size();) {
      const bool nulls = is_null(rows[begin]);
      size_t end = begin + 1;
      while (end < rows.size() && is_null(rows[end]) == nulls) { ++end; }
      const uint32_t place = at + static_cast<uint32_t>(begin);
      if (nulls) {
        for (Column* const column : columns_) { put_nulls(*column, place, end - begin); }
      } else {
        shared_[input].decode(inputs_[input].bytes, rows.subspan(begin, end - begin), columns_,
                              place, arena);
      }
      begin = end;
    }
  }
  void decode_flat(size_t input, std::span<const Text> rows, uint32_t at, Arena* arena) {
    places_.clear();
    present_.clear();
    for (Column* const column : columns_) {
      column->ensure(at + static_cast<uint32_t>(rows.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const uint32_t place = at + static_cast<uint32_t>(i);
      if (rows[i].empty()) {
        for (Column* const column : columns_) { column->set_null(place); }
      } else {
        places_.push_back(place);
        present_.push_back(rows[i]);
      }
    }
    if (present_.empty()) { return; }
    inputs_[input].bytes.decode_to(present_, columns_, places_.data(), arena);
  }
  static void put_nulls(Column& column, uint32_t at, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      column.set_null(at + static_cast<uint32_t>(i));
      if (column.physical() == Physical::kList) {
        uint32_t* const offsets = column.offsets();
        offsets[at + i] = offsets[at + i + 1] = column.child_rows();
      }
    }
  }

  const MultiJoinSpec spec_;
  const std::vector<std::unique_ptr<PairFilter>> filters_;
  const RowType output_;
  std::vector<size_t> first_columns_;  // of each input in the output
  size_t column_count_ = 0;
  std::vector<JoinInput> inputs_;
  std::vector<SharedRows> shared_;
  std::vector<bool> is_flat_;  // no column of the input is nested
  std::vector<InputRows> rows_;
  std::vector<size_t> ports_;    // the input that is behind each of the operator's
  std::vector<size_t> sharers_;  // by input: the later one that has its rows too

  // Of the rows at work.
  size_t own_ = 0;  // the input that they come from
  JoinChunk<K> chunk_;
  std::vector<Change> changes_;
  std::vector<Range> ranges_;  // of a group's rows in candidates_, by input
  std::vector<std::vector<Text>> candidates_;
  size_t candidate_count_ = 0;
  std::byte* last_state_ = nullptr;  // of the last group
  std::vector<Block> blocks_;        // by the last input that they have rows of
  std::vector<Level> levels_;
  std::vector<Column*> columns_;
  std::vector<Text> texts_;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> places_;
  std::vector<Text> present_;
};

}  // namespace

std::vector<RowType> MultiJoinSpec::ports() const {
  std::vector<RowType> types;
  for (const MultiJoinInput& input : inputs) {
    if (input.same_as < 0) { types.push_back(input.type); }
  }
  return types;
}

RowType multi_join_output(const MultiJoinSpec& spec) {
  RowType output;
  for (const MultiJoinInput& input : spec.inputs) {
    for (size_t i = 0; i < input.type.size(); ++i) {
      const LogicalType& type = input.type.types[i];
      output.add(input.type.names[i], input.pads ? type.as_nullable() : type);
    }
  }
  return output;
}

Result<std::unique_ptr<Operator>> make_multi_join(
    MultiJoinSpec spec, std::vector<std::unique_ptr<PairFilter>> filters) {
  bool is_int = false;
  for (size_t i = 1; i < spec.inputs.size(); ++i) {
    TIDEWHEEL_ASSIGN_OR_RETURN(is_int, join_keys_are_int(spec.inputs[0].type, spec.inputs[0].keys,
                                                         spec.inputs[i].type, spec.inputs[i].keys));
  }
  filters.resize(spec.inputs.size());
  return make_by_key<MultiJoin>(is_int, std::move(spec), std::move(filters));
}

}  // namespace tidewheel::sql
