// Types.
#include <limits>
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

struct TypeName {
  std::string_view name;
  DataType::Kind kind;
};
constexpr TypeName kSimple[] = {
    {"BOOLEAN", DataType::Kind::kBoolean},   {"TINYINT", DataType::Kind::kTinyint},
    {"SMALLINT", DataType::Kind::kSmallint}, {"INT", DataType::Kind::kInt},
    {"INTEGER", DataType::Kind::kInt},       {"BIGINT", DataType::Kind::kBigint},
    {"FLOAT", DataType::Kind::kFloat},       {"STRING", DataType::Kind::kString},
    {"BYTES", DataType::Kind::kBytes},       {"DATE", DataType::Kind::kDate},
};
constexpr TypeName kSized[] = {
    {"VARCHAR", DataType::Kind::kVarchar},
    {"BINARY", DataType::Kind::kBinary},
    {"VARBINARY", DataType::Kind::kVarbinary},
    {"TIMESTAMP_LTZ", DataType::Kind::kTimestampLtz},
};

}  // namespace

// A type, with what may stand behind it: ARRAY, MULTISET, [NOT] NULL.
Result<DataType> Parser::data_type() {
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  const Span begin = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(DataType type, plain_type());
  for (int32_t height = 1;; ++height) {
    TIDEWHEEL_RETURN_IF_ERROR(height > kNestingMax ? check_height(kTreeHeightMax + 1) : Status());
    if (accept_all({"NOT", "NULL"})) {
      type.not_null = true;
    } else if (!at_all({"NULL", "ON"})) {  // NULL ON EMPTY behind a type in JSON_VALUE
      accept("NULL");
    }
    const bool array = at("ARRAY");
    if (!array && !at("MULTISET")) { break; }
    ++at_;
    DataType outer;
    outer.kind = array ? DataType::Kind::kArray : DataType::Kind::kMultiset;
    outer.children.push_back(std::move(type));
    type = std::move(outer);
  }
  type.span = span_since(begin);
  return type;
}

Result<DataType> Parser::plain_type() {
  DataType type;
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_simple, simple_type(type));
  if (is_simple) { return type; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_sized, sized_type(type));
  if (is_sized) { return type; }
  if (at("TIME") || at("TIMESTAMP")) {
    TIDEWHEEL_RETURN_IF_ERROR(time_type(type));
  } else if (accept("INTERVAL")) {
    type.kind = DataType::Kind::kInterval;
    TIDEWHEEL_ASSIGN_OR_RETURN(type.units, interval_units());
  } else if (accept("ARRAY")) {
    type.kind = DataType::Kind::kArray;
    TIDEWHEEL_RETURN_IF_ERROR(type_parameters(type, 1));
  } else if (accept("MULTISET")) {
    type.kind = DataType::Kind::kMultiset;
    TIDEWHEEL_RETURN_IF_ERROR(type_parameters(type, 1));
  } else if (accept("MAP")) {
    type.kind = DataType::Kind::kMap;
    TIDEWHEEL_RETURN_IF_ERROR(type_parameters(type, 2));
  } else if (accept("ROW")) {
    TIDEWHEEL_RETURN_IF_ERROR(row_type(type));
  } else if (at("RAW") && at("(", 1)) {
    TIDEWHEEL_RETURN_IF_ERROR(raw_type(type));
  } else {
    type.kind = DataType::Kind::kNamed;
    TIDEWHEEL_ASSIGN_OR_RETURN(type.name, name("a type"));
  }
  return type;
}

Result<bool> Parser::simple_type(DataType& type) {
  if (accept("DOUBLE")) {
    accept("PRECISION");
    type.kind = DataType::Kind::kDouble;
    return true;
  }
  for (const TypeName& each : kSimple) {
    if (!accept(each.name)) { continue; }
    type.kind = each.kind;
    return true;
  }
  return false;
}

Result<bool> Parser::sized_type(DataType& type) {
  for (const TypeName& each : kSized) {
    if (!accept(each.name)) { continue; }
    type.kind = each.kind;
    TIDEWHEEL_ASSIGN_OR_RETURN(type.precision, optional_size());
    return true;
  }
  if (accept_one({"CHAR", "CHARACTER"}).has_value()) {
    type.kind = accept("VARYING") ? DataType::Kind::kVarchar : DataType::Kind::kChar;
    TIDEWHEEL_ASSIGN_OR_RETURN(type.precision, optional_size());
    return true;
  }
  if (accept_one({"DECIMAL", "DEC", "NUMERIC"}).has_value()) {
    type.kind = DataType::Kind::kDecimal;
    if (!accept("(")) { return true; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t precision, integer("a number of digits"));
    int64_t scale = 0;
    const bool has_scale = accept(",");
    if (has_scale) { TIDEWHEEL_ASSIGN_OR_RETURN(scale, integer("a number of digits")); }
    if (precision < 1 || precision > 38 || scale > precision) {
      return error(peek().span,
                   "DECIMAL has 1 to 38 digits, and at most as many of them behind "
                   "the point");
    }
    type.precision = static_cast<int32_t>(precision);
    if (has_scale) { type.scale = static_cast<int32_t>(scale); }
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    return true;
  }
  return false;
}

// TIME(p), TIMESTAMP(p), [WITHOUT TIME ZONE | WITH LOCAL TIME ZONE]
Status Parser::time_type(DataType& type) {
  const Token& word = take();
  const bool has_date = word.upper == "TIMESTAMP";
  type.kind = has_date ? DataType::Kind::kTimestamp : DataType::Kind::kTime;
  TIDEWHEEL_ASSIGN_OR_RETURN(type.precision, optional_size());
  if (type.precision.value_or(0) > 9) {
    return error(word.span, "fractions of a second have at most 9 digits");
  }
  if (accept_all({"WITHOUT", "TIME", "ZONE"})) { return {}; }
  if (has_date && accept_all({"WITH", "LOCAL", "TIME", "ZONE"})) {
    type.kind = DataType::Kind::kTimestampLtz;
    return {};
  }
  if (at_all({"WITH", "TIME", "ZONE"})) {
    return unsupported(word.span, "a time with a zone of its own; TIMESTAMP_LTZ is an instant,");
  }
  return {};
}

// ROW<a INT 'comment', ..> or ROW(a INT, ..)
Status Parser::row_type(DataType& type) {
  type.kind = DataType::Kind::kRow;
  if (accept("<>")) { return {}; }
  const bool angled = accept("<");
  if (!angled && !accept("(")) { return unexpected(Words{"<", "("}); }
  const std::string_view close = angled ? ">" : ")";
  if (accept(close)) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier field, identifier("the name of a field"));
    TIDEWHEEL_ASSIGN_OR_RETURN(DataType of, data_type());
    std::optional<std::string> comment;
    if (at_string()) { comment = take().text; }
    type.fields.push_back({std::move(field), std::move(of), std::move(comment)});
    return {};
  }));
  return expect(close);
}

// RAW('class', 'serializer')
Status Parser::raw_type(DataType& type) {
  type.kind = DataType::Kind::kRaw;
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"RAW", "("}));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string text, string("a text in quotes"));
    type.texts.push_back(std::move(text));
    return {};
  }));
  return expect(")");
}

Result<std::optional<int32_t>> Parser::optional_size() {
  if (!accept("(")) { return std::optional<int32_t>(); }
  const Span place = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t size, integer("a length"));
  if (size > std::numeric_limits<int32_t>::max()) {
    return error(place, fmt::format("a length is at most {}", std::numeric_limits<int32_t>::max()));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return std::optional<int32_t>(static_cast<int32_t>(size));
}

// <t> or <t, u>
Status Parser::type_parameters(DataType& type, size_t count) {
  TIDEWHEEL_RETURN_IF_ERROR(expect("<"));
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) { TIDEWHEEL_RETURN_IF_ERROR(expect(",")); }
    TIDEWHEEL_ASSIGN_OR_RETURN(DataType each, data_type());
    type.children.push_back(std::move(each));
  }
  return expect(">");
}

}  // namespace tidewheel::sql
