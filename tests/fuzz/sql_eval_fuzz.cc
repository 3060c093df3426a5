// Fuzzes the evaluator of SQL expressions. The input chooses a tree over columns of many types,
// nested calls of all functions whose arguments fit, and values of rows. Nothing ends the process,
// and rows computed together are what they are by themselves.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/typing.h"

namespace {

using namespace tidewheel;
using namespace tidewheel::sql;

constexpr uint32_t kRows = 5;
constexpr size_t kCallsMax = 24;

class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  bool done() const { return data_ == end_; }
  uint32_t byte() { return done() ? 0 : *data_++; }
  uint32_t below(size_t bound) {
    const uint32_t two = byte() | byte() << 8;
    return two % static_cast<uint32_t>(bound);
  }
  std::string text() {
    std::string out;
    for (uint32_t size = byte() % 24; size > 0 && !done(); --size) {
      out += static_cast<char>(byte());
    }
    return out;
  }
  int64_t number() {
    int64_t value = static_cast<int8_t>(byte());
    for (uint32_t i = byte() % 8; i > 0; --i) { value = value * 256 + byte(); }
    return value;
  }

 private:
  const uint8_t* data_;
  const uint8_t* end_;
};

const FunctionRegistry& functions() {
  static const FunctionRegistry registry = builtin_functions();
  return registry;
}

const std::vector<std::string>& all_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = functions().names();
    for (const char* name : {"+",
                             "-",
                             "*",
                             "/",
                             "%",
                             "=",
                             "<>",
                             "<",
                             "<=",
                             ">",
                             ">=",
                             "||",
                             "NOT",
                             "IS NULL",
                             "IS NOT NULL",
                             "IS TRUE",
                             "IS DISTINCT FROM",
                             "LIKE",
                             "SIMILAR TO",
                             "[]"}) {
      list.emplace_back(name);
    }
    return list;
  }();
  return names;
}

std::vector<LogicalType> column_types() {
  using L = LogicalType;
  return {L::of(TypeKind::kBoolean),
          L::of(TypeKind::kInt),
          L::of(TypeKind::kBigint),
          L::of(TypeKind::kDouble),
          L::decimal(12, 3),
          L::decimal(38, 10),
          L::string(),
          L::with(TypeKind::kVarbinary, L::kMaxLength),
          L::of(TypeKind::kDate),
          L::with(TypeKind::kTime, 0),
          L::with(TypeKind::kTimestamp, 3),
          L::with(TypeKind::kTimestampLtz, 6),
          L::of(TypeKind::kIntervalMonth),
          L::of(TypeKind::kIntervalSecond)};
}

Datum value_of(Choices& choices, const LogicalType& type) {
  if (choices.byte() % 5 == 0) { return {}; }
  switch (type.kind) {
    case TypeKind::kBoolean: return {static_cast<int64_t>(choices.byte() % 2)};
    case TypeKind::kDouble: return {static_cast<double>(choices.number()) / 8};
    case TypeKind::kDecimal: return {Int128{choices.number() % 1'000'000'000'000}};
    case TypeKind::kVarchar:
    case TypeKind::kVarbinary: return {choices.text()};
    case TypeKind::kTime: return {static_cast<int64_t>(choices.below(86'400) * 1000)};
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kIntervalMonth:
      return {static_cast<int64_t>(static_cast<int32_t>(choices.number()))};
    default: return {choices.number()};
  }
}

// Grows a list of expressions, each made from those before.
std::vector<Bound> make_expressions(Choices& choices, const std::vector<LogicalType>& types) {
  std::vector<Bound> made;
  for (size_t i = 0; i < types.size(); ++i) {
    made.push_back(Bound::of_column(static_cast<int32_t>(i), types[i]));
  }
  for (const char* unit : {"DAY", "MONTH", "yyyy-MM-dd HH:mm", "(a|b)+", "%a_"}) {
    made.push_back(Bound::of_literal({std::string(unit)}, LogicalType::string(false)));
  }
  for (size_t i = 0; i < kCallsMax && !choices.done(); ++i) {
    const std::string& name = all_names()[choices.below(all_names().size())];
    std::vector<Argument> arguments;
    std::vector<Bound> values;
    for (uint32_t count = choices.byte() % 4; count > 0; --count) {
      values.push_back(made[choices.below(made.size())]);
    }
    for (const Bound& value : values) {
      arguments.push_back({value.type, value.is_literal() ? &value.literal : nullptr});
    }
    const auto resolved = functions().resolve(name, arguments);
    if (!resolved.ok() || !resolved->function->is_deterministic()) { continue; }
    Bound call;
    call.kind = Bound::Kind::kCall;
    call.function = resolved->function;
    call.type = resolved->result;
    for (size_t a = 0; a < values.size(); ++a) {
      const LogicalType& wanted = resolved->argument_types[a];
      if (!values[a].type.same_type(wanted)) {
        TIDEWHEEL_CHECK(can_cast(values[a].type, wanted), "{} asks for what can't be", name);
        Bound cast;
        cast.kind = Bound::Kind::kCast;
        cast.type = wanted;
        cast.arguments.push_back(std::move(values[a]));
        values[a] = std::move(cast);
      }
      call.arguments.push_back(std::move(values[a]));
    }
    made.push_back(std::move(call));
  }
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const std::vector<LogicalType> types = column_types();
  const ArenaRef arena = Arena::create();
  std::vector<tidewheel::Column> columns;
  std::vector<ColumnView> views;
  for (const LogicalType& type : types) {
    columns.emplace_back(type);
    for (uint32_t row = 0; row < kRows; ++row) {
      put_datum(value_of(choices, type), columns.back(), row, *arena);
    }
  }
  for (const auto& column : columns) { views.push_back(column.view()); }
  for (const Bound& bound : make_expressions(choices, types)) {
    const auto evaluator = Evaluator::compile({bound}, types, {});
    if (!evaluator.ok()) { continue; }
    Evaluated all;
    if (!(*evaluator)->run(views, 0, kRows, {}, *arena, std::span(&all, 1)).ok()) { continue; }
    std::vector<Datum> values;
    for (uint32_t row = 0; row < kRows; ++row) {
      values.push_back(datum_at(bound.type, all.view, row));
    }
    for (uint32_t row = 0; row < kRows; ++row) {
      Evaluated one;
      const Status status = (*evaluator)->run(views, row, row + 1, {}, *arena, std::span(&one, 1));
      TIDEWHEEL_CHECK(status.ok(), "a row fails by itself: {}", status.to_string());
      const Datum value = datum_at(bound.type, one.view, one.input_column < 0 ? 0 : row);
      TIDEWHEEL_CHECK(datum_to_text(value, bound.type) == datum_to_text(values[row], bound.type),
                      "a row by itself is {} and not {}", datum_to_text(value, bound.type),
                      datum_to_text(values[row], bound.type));
    }
  }
  return 0;
}
