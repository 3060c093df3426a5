#include "tidewheel/sql/aggregate_state.h"

#include <algorithm>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/shared_accumulators.h"
#include "tidewheel/sql/user_aggregate.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {
namespace {

constexpr char kRowCount[] = "(rows)";

void add_part(Schema& row, const std::string& name, Schema type) {
  row.names.push_back(name);
  row.children.push_back(std::move(type));
}

// Stands in the schema for values that are in a map: the map's bytes are void for another type. It
// is written as one byte, "none".
Schema elsewhere(const std::vector<LogicalType>& input, const std::vector<int32_t>& arguments) {
  std::vector<LogicalType> types;
  for (const int32_t column : arguments) { types.push_back(input[static_cast<size_t>(column)]); }
  return detail::parent_schema(Kind::kOptional, {schema_of_columns(types)});
}

Schema call_schema(const AggregateCall& call, const Accumulator* accumulator,
                   const std::vector<LogicalType>& input) {
  Schema schema;
  schema.kind = Kind::kRow;
  if (accumulator != nullptr) { accumulator->describe(schema); }
  if (accumulator == nullptr || call.distinct) {
    add_part(schema, "values", elsewhere(input, call.arguments));
  }
  return schema;
}

}  // namespace

// ---- AggregateSet

Result<AggregateSet> AggregateSet::make(const std::vector<LogicalType>& input,
                                        std::vector<AggregateCall> calls, bool retracts,
                                        bool counts_rows) {
  AggregateSet set;
  set.counts_rows_ = counts_rows;
  set.schema_.kind = Kind::kRow;
  if (counts_rows) {
    set.bytes_ = sizeof(int64_t);
    add_part(set.schema_, kRowCount, schema_of<int64_t>());
  }
  for (AggregateCall& call : calls) {
    // The greatest of some values is that of the same values without duplicates.
    const bool is_extreme =
        call.function == AggregateFunction::kMin || call.function == AggregateFunction::kMax;
    call.distinct = call.distinct && !is_extreme;
  }
  auto shared = make_shared_accumulators(calls, input, retracts);
  for (size_t i = 0; i < calls.size(); ++i) {
    AggregateCall& call = calls[i];
    if (call.name.empty()) { call.name = describe_call(call); }
    // A call that is there twice has its state twice.
    auto& names = set.schema_.names;
    while (std::find(names.begin(), names.end(), call.name) != names.end()) { call.name += "'"; }
    if (retracts && call.user != nullptr && !call.user->has_retract()) {
      return unimplemented(ErrorId::kSqlUnsupported, "{}", call.user->no_retract_text());
    }
    std::unique_ptr<Accumulator> accumulator = std::move(shared[i]);
    if (accumulator == nullptr && has_accumulator(call, retracts)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(accumulator, make_accumulator(call, input));
    }
    if (accumulator != nullptr) {
      accumulator->place(set.bytes_);
      set.bytes_ += accumulator->bytes();
    }
    add_part(set.schema_, call.name, call_schema(call, accumulator.get(), input));
    set.accumulators_.push_back(std::move(accumulator));
  }
  set.calls_ = std::move(calls);
  return set;
}

void AggregateSet::init(std::byte* cell) const {
  if (counts_rows_) { row_count(cell) = 0; }
  for (const auto& accumulator : accumulators_) {
    if (accumulator != nullptr) { accumulator->init(cell); }
  }
}

void AggregateSet::release(std::byte* cell, TextHeap& heap) const {
  for (const auto& accumulator : accumulators_) {
    if (accumulator != nullptr) { accumulator->release(cell, heap); }
  }
}

void AggregateSet::merge(std::byte* cell, const std::byte* from, TextHeap& heap) const {
  if (counts_rows_) { row_count(cell) += *reinterpret_cast<const int64_t*>(from); }
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Accumulator* const accumulator = accumulators_[i].get();
    if (accumulator != nullptr && !calls_[i].distinct) { accumulator->merge(cell, from, heap); }
  }
}

void AggregateSet::encode(const std::byte* cell, Writer& out) const {
  if (schema_.children.empty()) { out.fixed(uint8_t{0}); }
  if (counts_rows_) { out.raw(cell, sizeof(int64_t)); }
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Accumulator* const accumulator = accumulators_[i].get();
    if (accumulator != nullptr) { accumulator->encode(cell, out); }
    if (accumulator == nullptr || calls_[i].distinct) { out.fixed(uint8_t{0}); }
  }
}

Result<AggregateSet::Migration> AggregateSet::Migration::make(const AggregateSet& set,
                                                              std::string_view old_schema) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Schema old_row, Schema::parse(old_schema));
  Migration migration;
  migration.set_ = &set;
  std::vector<bool> found(set.schema_.names.size(), false);
  const auto first_call = static_cast<int32_t>(set.counts_rows_ ? 1 : 0);
  for (size_t i = 0; i < old_row.names.size(); ++i) {
    Part& part = migration.parts_.emplace_back(Part{old_row.children[i], kGone});
    const auto& names = set.schema_.names;
    const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), old_row.names[i]) -
                                        names.begin());
    if (at == names.size()) { continue; }
    if (!(old_row.children[i] == set.schema_.children[at])) {
      return failed_precondition(
          ErrorId::kSchemaMismatch, "the aggregate {} was kept as {} and is now {}",
          old_row.names[i], old_row.children[i].to_string(), set.schema_.children[at].to_string());
    }
    found[at] = true;
    part.call = at == 0 && set.counts_rows_ ? kRows : static_cast<int32_t>(at) - first_call;
  }
  const auto missing = std::find(found.begin(), found.end(), false);
  if (missing != found.end()) {
    return failed_precondition(
        ErrorId::kSchemaMismatch,
        "the aggregate {} is not in the state, which has {}: its result over rows that came before "
        "is not known (aggregates may be reordered or removed; to add one, begin without state)",
        set.schema_.names[static_cast<size_t>(missing - found.begin())], old_row.to_string());
  }
  return migration;
}

void AggregateSet::Migration::decode(Reader& in, std::byte* cell, TextHeap& heap) const {
  if (parts_.empty()) { in.skip(1); }
  for (const Part& part : parts_) {
    if (part.call == kRows) {
      row_count(cell) = in.fixed<int64_t>();
      continue;
    }
    if (part.call == kGone) {
      detail::skip_value(in, part.schema);
      continue;
    }
    const auto call = static_cast<size_t>(part.call);
    const Accumulator* const accumulator = set_->accumulators_[call].get();
    if (accumulator != nullptr) { accumulator->decode(in, cell, heap); }
    if (accumulator == nullptr || set_->calls_[call].distinct) { static_cast<void>(in.flag()); }
  }
}

void AggregateSet::decode(Reader& in, std::byte* cell, TextHeap& heap) const {
  if (schema_.children.empty()) { in.skip(1); }
  if (counts_rows_) { row_count(cell) = in.fixed<int64_t>(); }
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Accumulator* const accumulator = accumulators_[i].get();
    if (accumulator != nullptr) { accumulator->decode(in, cell, heap); }
    if (accumulator == nullptr || calls_[i].distinct) { static_cast<void>(in.flag()); }
  }
}

// ---- AggregateCell

Result<AggregateCell*> AggregateCell::declare(KeyedState& state, const std::string& name,
                                              const std::string& key_form,
                                              const StateOptions& options, const AggregateSet& set,
                                              bool has_mark) {
  const std::string form = "aggregate" + key_form;
  StateMeta meta = state_detail::with_value_schema(state_detail::cell_meta(name, form, options),
                                                   set.schema().encode());
  auto cell = std::make_unique<AggregateCell>(state, std::move(meta), options, set, form, has_mark);
  const size_t bytes = set.bytes() + (options.ttl.count() > 0 ? 8 : 0) + (has_mark ? 8 : 0);
  TIDEWHEEL_ASSIGN_OR_RETURN(KeyedCell* const adopted,
                             state.adopt(std::move(cell), std::max<size_t>(bytes, 8), 8));
  return static_cast<AggregateCell*>(adopted);
}

std::byte* AggregateCell::find(std::byte* row) {
  if (row == nullptr || !KeyedState::has(row, bit())) { return nullptr; }
  if (ttl_ms() > 0) {
    if (is_expired(stamp(row))) {
      state().clear_cell(row, *this);
      return nullptr;
    }
    stamp(row) = state().now_ms();
  }
  return cell(row);
}

void AggregateCell::renew(std::byte* row, bool& is_new) {
  if (ttl_ms() > 0 && !is_new && is_expired(stamp(row))) {
    set_.release(cell(row), state().heap());
    is_new = true;
  }
  if (is_new) {
    KeyedState::head_of(row) |= bit();
    set_.init(cell(row));
    if (has_mark_) { mark(cell(row)) = 0; }
  }
  if (ttl_ms() > 0) { stamp(row) = state().now_ms(); }
}

void AggregateCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  bytes_.clear();
  if (ttl_ms() > 0) {
    if (is_expired(stamp(row))) { return; }
    bytes_.fixed(stamp(row));
  }
  set_.encode(cell(row), bytes_);
  entry.value = bytes_.view();
  writer.add(entry);
}

Status AggregateCell::open_restore(const StateMeta& meta) {
  TIDEWHEEL_RETURN_IF_ERROR(check_form(meta, form_, has_stamps_));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto migration,
      AggregateSet::Migration::make(set_, meta.value_schema).with_context("state {}", name()));
  migration_ = std::make_unique<AggregateSet::Migration>(std::move(migration));
  return {};
}

Status AggregateCell::read(std::byte* row, bool is_new, const StateEntry& entry) {
  Reader reader(entry.value);
  const int64_t used_at = has_stamps_ ? reader.fixed<int64_t>() : state().now_ms();
  if (!is_new) { set_.release(cell(row), state().heap()); }
  KeyedState::head_of(row) |= bit();
  set_.init(cell(row));
  if (has_mark_) { mark(cell(row)) = 0; }
  migration_->decode(reader, cell(row), state().heap());
  if (ttl_ms() > 0) { stamp(row) = used_at; }
  return reader.finish();
}

// ---- Values in maps

namespace {

// The least value by the order of its sort key, with how often each is there.
class ExtremeCall final : public ValueCall {
 public:
  ExtremeCall(MapCell<Text, int64_t>& cell, SortKeyEncoder key)
      : cell_(cell), key_(std::move(key)) {}

  void add(std::byte* row, const ColumnBatch& batch, uint32_t index, int weight) override {
    bytes_.clear();
    key_.encode(batch.views().data(), index, bytes_);
    const Text key(bytes_);
    auto* const found = KeyedState::has(row, cell_.bit()) ? cell_.find(row, key) : nullptr;
    if (weight < 0) {
      if (found == nullptr) { return; }
      if (found->value.value <= 1) { return static_cast<void>(cell_.erase(row, key)); }
    }
    cell_.open(row, key).value.value += weight;
  }
  void result(std::byte* row, Column& results, uint32_t at, Arena& arena) override {
    results.ensure(at + 1);
    auto* const map = KeyedState::has(row, cell_.bit()) ? cell_.find(row) : nullptr;
    if (map != nullptr) {
      for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
        const auto& entry = map->at(place);
        if (!cell_.is_gone(entry)) {
          return key_.decode_first(entry.key.value, results, at, arena);
        }
      }
    }
    results.set_null(at);
  }

 private:
  MapCell<Text, int64_t>& cell_;
  const SortKeyEncoder key_;
  std::string bytes_;
};

// All values in the order in which they came. Entries are
//   0, number of the value (8 bytes, the greatest first when the last is wanted): the value
//   1, the value, its number: nothing; by it the first of equal values is found to be taken back
//   2: the next number
// A value is written as RowBytes writes a row of one column.
class OrderedCall final : public ValueCall {
 public:
  OrderedCall(MapCell<Text, Text>& cell, const AggregateCall& call, const LogicalType& argument)
      : cell_(cell), call_(call), values_({argument}) {}

  void add(std::byte* row, const ColumnBatch& batch, uint32_t index, int weight) override {
    if (!arena_) { arena_ = Arena::create(); }
    arena_->reset();
    const ColumnView& column = batch.view(static_cast<size_t>(call_.arguments[0]));
    Text value;
    values_.encode(std::span(&column, 1), std::span(&index, 1), *arena_, &value);
    weight > 0 ? put(row, value) : take_back(row, value);
  }
  void result(std::byte* row, Column& results, uint32_t at, Arena& arena) override {
    results.ensure(at + 1);
    found_.clear();
    if (KeyedState::has(row, cell_.bit())) {
      auto* const map = cell_.find(row);
      for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
        const auto& entry = map->at(place);
        if (cell_.is_gone(entry)) { continue; }
        if (entry.key.value[0] != kByNumber) { break; }
        found_.push_back(entry.value.value);
        if (is_one()) { break; }
      }
    }
    put_result(results, at, arena);
  }

 private:
  static constexpr char kByNumber = 0;
  static constexpr char kByValue = 1;
  static constexpr char kNext = 2;

  bool is_one() const {
    return call_.function == AggregateFunction::kFirstValue ||
           call_.function == AggregateFunction::kLastValue;
  }
  Text by_number(uint64_t number) {
    if (call_.function == AggregateFunction::kLastValue) { number = ~number; }
    number_key_ = kByNumber;
    append_number(number, number_key_);
    return Text(number_key_);
  }
  static void append_number(uint64_t number, std::string& out) {
    for (int shift = 56; shift >= 0; shift -= 8) { out += static_cast<char>(number >> shift); }
  }
  static uint64_t read_number(std::string_view bytes) {
    uint64_t number = 0;
    for (const char c : bytes) { number = number << 8 | static_cast<unsigned char>(c); }
    return number;
  }
  void put(std::byte* row, Text value) {
    static constexpr char kKey[] = {kNext};
    Stored<Text>& next = cell_.open(row, Text(kKey, 1)).value;
    const uint64_t number = next.value.empty() ? 0 : read_number(next.value);
    std::string after;
    append_number(number + 1, after);
    next.store(Text(after), cell_.heap());
    cell_.open(row, by_number(number)).value.store(value, cell_.heap());
    std::string key = value_key(value);
    append_number(number, key);
    cell_.open(row, Text(key));
  }
  static std::string value_key(Text value) {
    std::string key(1, kByValue);
    key += value.view();
    return key;
  }
  void take_back(std::byte* row, Text value) {
    if (!KeyedState::has(row, cell_.bit())) { return; }
    const std::string prefix = value_key(value);
    auto* const map = cell_.find(row);
    for (auto place = map->lower_bound(Text(prefix)); !(place == map->end());
         place = map->next(place)) {
      const auto& entry = map->at(place);
      const Text& key = entry.key.value;
      if (!key.starts_with(prefix)) { return; }
      if (cell_.is_gone(entry) || key.size() != prefix.size() + sizeof(uint64_t)) { continue; }
      const std::string found = key.str();
      cell_.erase(row, by_number(read_number(std::string_view(found).substr(prefix.size()))));
      cell_.erase(row, Text(found));
      return;
    }
  }
  void put_result(Column& results, uint32_t at, Arena& arena) {
    if (call_.function == AggregateFunction::kArrayAgg) {
      Column& child = results.child(0);
      const uint32_t first = results.child_rows();
      Column* const columns[] = {&child};
      values_.decode(found_, columns, first, &arena);
      const uint32_t last = first + static_cast<uint32_t>(found_.size());
      results.offsets()[at] = first;
      results.offsets()[at + 1] = last;
      results.set_child_rows(last);
      if (found_.empty()) { results.set_null(at); }
      return;
    }
    if (found_.empty()) { return results.set_null(at); }
    if (is_one()) {
      Column* const columns[] = {&results};
      return values_.decode(found_, columns, at, &arena);
    }
    std::string joined;
    for (const Text& bytes : found_) {
      if (!joined.empty() || &bytes != found_.data()) { joined += call_.separator; }
      Reader reader(bytes.view().substr(values_.types()[0].nullable ? 1 : 0));
      joined += reader.bytes_view();
    }
    results.values<Text>()[at] = arena.copy(joined);
  }

  MapCell<Text, Text>& cell_;
  const AggregateCall call_;
  RowBytes values_;
  ArenaRef arena_;
  std::string number_key_;
  std::vector<Text> found_;
};

// How often each value is there.
class CollectCall final : public ValueCall {
 public:
  CollectCall(MapCell<Text, int64_t>& cell, const AggregateCall& call, const LogicalType& argument)
      : cell_(cell),
        column_(static_cast<size_t>(call.arguments[0])),
        values_({argument}, RowBytes::Form::kCanonical) {}

  void add(std::byte* row, const ColumnBatch& batch, uint32_t index, int weight) override {
    if (!arena_) { arena_ = Arena::create(); }
    arena_->reset();
    Text value;
    values_.encode(std::span(&batch.view(column_), 1), std::span(&index, 1), *arena_, &value);
    int64_t& count = cell_.open(row, value).value.value;
    count += weight;
    if (count <= 0) { cell_.erase(row, value); }
  }
  void result(std::byte* row, Column& results, uint32_t at, Arena& arena) override {
    results.ensure(at + 1);
    const uint32_t first = results.child_rows();
    uint32_t next = first;
    if (KeyedState::has(row, cell_.bit())) {
      auto* const map = cell_.find(row);
      Column* const columns[] = {&results.child(0)};
      for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
        const auto& entry = map->at(place);
        if (cell_.is_gone(entry)) { continue; }
        values_.decode(std::span(&entry.key.value, 1), columns, next, &arena);
        results.child(1).ensure(next + 1);
        results.child(1).values<int32_t>()[next++] = static_cast<int32_t>(entry.value.value);
      }
    }
    results.offsets()[at] = first;
    results.offsets()[at + 1] = next;
    results.set_child_rows(next);
  }

 private:
  MapCell<Text, int64_t>& cell_;
  const size_t column_;
  RowBytes values_;
  ArenaRef arena_;
};

}  // namespace

Result<std::unique_ptr<ValueCall>> ValueCall::make(KeyedState& state, const AggregateCall& call,
                                                   const std::vector<LogicalType>& input,
                                                   const StateOptions& options) {
  const LogicalType& argument = input[static_cast<size_t>(call.arguments[0])];
  const std::string name = "values of " + call.name;
  switch (call.function) {
    case AggregateFunction::kMin:
    case AggregateFunction::kMax: {
      if (argument.physical() == Physical::kList || argument.physical() == Physical::kStruct) {
        return invalid_argument(ErrorId::kSqlUnsupported, "{} can't take a value of type {}",
                                describe_call(call), argument.to_string());
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(auto* const cell,
                                 (state.declare<MapCell<Text, int64_t>>(name, options)));
      const SortColumn order{call.arguments[0], call.function == AggregateFunction::kMax, true};
      return std::unique_ptr<ValueCall>(
          std::make_unique<ExtremeCall>(*cell, SortKeyEncoder(input, {order})));
    }
    case AggregateFunction::kCollect: {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto* const cell,
                                 (state.declare<MapCell<Text, int64_t>>(name, options)));
      return std::unique_ptr<ValueCall>(std::make_unique<CollectCall>(*cell, call, argument));
    }
    default: break;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(auto* const cell, (state.declare<MapCell<Text, Text>>(name, options)));
  return std::unique_ptr<ValueCall>(std::make_unique<OrderedCall>(*cell, call, argument));
}

std::string describe_distinct(const AggregateCall& call) {
  std::string name = call.scope + "distinct";
  for (const int32_t column : call.arguments) { name += " c" + std::to_string(column); }
  if (call.filter >= 0) { name += " filter c" + std::to_string(call.filter); }
  return name;
}

Result<std::unique_ptr<DistinctValues>> DistinctValues::make(KeyedState& state,
                                                             const AggregateCall& call,
                                                             const std::vector<LogicalType>& input,
                                                             const StateOptions& options,
                                                             bool retracts) {
  std::unique_ptr<DistinctValues> made(new DistinctValues(input, call.arguments, retracts));
  const std::string name = describe_distinct(call);
  if (made->reader_.is_int()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(made->ints_,
                               (state.declare<MapCell<int64_t, int64_t>>(name, options)));
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(made->texts_,
                               (state.declare<MapCell<Text, int64_t>>(name, options)));
  }
  return made;
}

void DistinctValues::read(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
  if (reader_.is_int()) {
    int_keys_ = reader_.int_keys(batch, begin, end);
  } else {
    text_keys_ = reader_.text_keys(batch, begin, end);
  }
}

int DistinctValues::change(std::byte* row, uint32_t index, int weight) {
  if (ints_ != nullptr) { return change_in(*ints_, row, *int_keys_[index], weight); }
  return change_in(*texts_, row, text_keys_[index], weight);
}

template <class K>
int DistinctValues::change_in(MapCell<K, int64_t>& cell, std::byte* row, const K& key, int weight) {
  if (weight > 0) {
    int64_t& count = cell.open(row, key).value.value;
    if (count == 0 || retracts_) {
      ++count;
    } else {
      return 0;
    }
    return count == 1 ? 1 : 0;
  }
  auto* const found = KeyedState::has(row, cell.bit()) ? cell.find(row, key) : nullptr;
  if (found == nullptr) { return 0; }
  if (found->value.value <= 1) {
    cell.erase(row, key);
    return -1;
  }
  cell.open(row, key).value.value -= 1;
  return 0;
}

template <class K, class F>
void DistinctValues::take_from(MapCell<K, int64_t>& cell, std::byte* row, F take_value) {
  auto* const map = cell.find(row);
  if (map == nullptr) { return; }
  for (auto place = map->begin(); !(place == map->end()); place = map->next(place)) {
    const auto& entry = map->at(place);
    if (cell.is_gone(entry)) { continue; }
    take_value(entry.key.value);
    taken_counts_.push_back(entry.value.value);
  }
}

void DistinctValues::take(std::byte* row) {
  taken_ints_.clear();
  taken_texts_.clear();
  taken_counts_.clear();
  arena_.recycle();
  if (!arena_) { arena_ = Arena::create(); }
  if (ints_ != nullptr) {
    return take_from(*ints_, row, [&](int64_t value) { taken_ints_.emplace_back(value); });
  }
  take_from(*texts_, row,
            [&](const Text& value) { taken_texts_.push_back(arena_->copy(value.view())); });
}

void DistinctValues::give(std::byte* row, std::vector<int8_t>& added) {
  added.resize(taken_counts_.size());
  for (size_t i = 0; i < taken_counts_.size(); ++i) {
    int64_t& count = ints_ != nullptr ? ints_->open(row, *taken_ints_[i]).value.value
                                      : texts_->open(row, taken_texts_[i]).value.value;
    added[i] = count == 0 ? 1 : 0;
    count += taken_counts_[i];
  }
}

void DistinctValues::put(ColumnBatch& batch) {
  std::vector<Column*> columns;
  for (const int32_t column : reader_.columns()) {
    columns.push_back(&batch.column(static_cast<size_t>(column)));
  }
  if (ints_ != nullptr) { return reader_.decode(taken_ints_, columns, 0, &batch.arena()); }
  reader_.decode(taken_texts_, columns, 0, &batch.arena());
}

}  // namespace tidewheel::sql
