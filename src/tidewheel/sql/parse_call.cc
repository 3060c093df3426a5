// Calls of functions, and those with a syntax of their own.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

struct JsonName {
  std::string_view name;
  JsonCall::Kind kind;
};
constexpr JsonName kJson[] = {
    {"JSON_VALUE", JsonCall::Kind::kValue},       {"JSON_QUERY", JsonCall::Kind::kQuery},
    {"JSON_EXISTS", JsonCall::Kind::kExists},     {"JSON_OBJECT", JsonCall::Kind::kObject},
    {"JSON_ARRAY", JsonCall::Kind::kArray},       {"JSON_OBJECTAGG", JsonCall::Kind::kObjectAgg},
    {"JSON_ARRAYAGG", JsonCall::Kind::kArrayAgg},
};
constexpr std::string_view kSpecial[] = {"EXTRACT", "TIMESTAMPADD", "TIMESTAMPDIFF", "POSITION",
                                         "TRIM",    "OVERLAY",      "DESCRIPTOR"};

}  // namespace

bool is_special_function(std::string_view upper) {
  return std::find(std::begin(kSpecial), std::end(kSpecial), upper) != std::end(kSpecial) ||
         std::any_of(std::begin(kJson), std::end(kJson),
                     [upper](const JsonName& each) { return each.name == upper; });
}

bool Parser::at_special_call() const {
  if (peek().kind != TokenKind::kWord || !at("(", 1)) { return false; }
  return is_special_function(peek().upper) || at("CEIL") || at("CEILING") || at("FLOOR") ||
         at("SUBSTRING");
}

Result<Expression> Parser::special_call() {
  const Token& word = take();
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  for (const JsonName& each : kJson) {
    if (each.name != word.upper) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression node, json_call(each.kind));
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    node.span = span_since(word.span);
    return node;
  }
  if (word.upper == "EXTRACT") { return extract_call(word.span); }
  if (word.upper == "TIMESTAMPADD") {
    return timestamp_call(word.span, SpecialCall::Kind::kTimestampAdd);
  }
  if (word.upper == "TIMESTAMPDIFF") {
    return timestamp_call(word.span, SpecialCall::Kind::kTimestampDiff);
  }
  if (word.upper == "POSITION") { return position_call(word.span); }
  if (word.upper == "TRIM") { return trim_call(word.span); }
  if (word.upper == "OVERLAY") { return overlay_call(word.span); }
  if (word.upper == "DESCRIPTOR") { return descriptor_call(word.span); }
  return call_with_word(word);
}

Result<Expression> Parser::extract_call(Span begin) {
  SpecialCall node{SpecialCall::Kind::kExtract, {}, {}, {}};
  TIDEWHEEL_ASSIGN_OR_RETURN(node.unit, time_unit());
  TIDEWHEEL_RETURN_IF_ERROR(expect("FROM"));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression of, expression());
  node.arguments.push_back(std::move(of));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

Result<Expression> Parser::timestamp_call(Span begin, SpecialCall::Kind kind) {
  SpecialCall node{kind, {}, {}, {}};
  TIDEWHEEL_ASSIGN_OR_RETURN(node.unit, time_unit());
  TIDEWHEEL_RETURN_IF_ERROR(expect(","));
  TIDEWHEEL_ASSIGN_OR_RETURN(node.arguments, expressions());
  if (node.arguments.size() != 2) {
    return error(span_since(begin), "a unit and two values are expected here");
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

// What is looked for binds more tightly than IN.
Result<Expression> Parser::position_call(Span begin) {
  SpecialCall node{SpecialCall::Kind::kPosition, {}, {}, {}};
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression what, binary(Precedence::kSum));
  tallest_ = std::max(tallest_, height_);
  TIDEWHEEL_RETURN_IF_ERROR(expect("IN"));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression in, expression());
  node.arguments.push_back(std::move(what));
  node.arguments.push_back(std::move(in));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

// TRIM(x), TRIM(BOTH FROM x), TRIM(LEADING y FROM x), TRIM(y FROM x)
Result<Expression> Parser::trim_call(Span begin) {
  SpecialCall node{SpecialCall::Kind::kTrim, {}, {}, {}};
  const auto side = accept_one({"BOTH", "LEADING", "TRAILING"});
  if (side == "LEADING") { node.side = SpecialCall::Side::kLeading; }
  if (side == "TRAILING") { node.side = SpecialCall::Side::kTrailing; }
  std::optional<Expression> cut;
  if (!side.has_value() || !at("FROM")) { TIDEWHEEL_ASSIGN_OR_RETURN(cut, expression()); }
  if (accept("FROM")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression text, expression());
    node.arguments.push_back(std::move(text));
  } else if (side.has_value()) {
    return unexpected(Words{"FROM"});
  }
  if (cut.has_value()) { node.arguments.push_back(*std::move(cut)); }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

Result<Expression> Parser::overlay_call(Span begin) {
  SpecialCall node{SpecialCall::Kind::kOverlay, {}, {}, {}};
  for (const std::string_view before : {"", "PLACING", "FROM", "FOR"}) {
    if (before == "FOR" && !at("FOR")) { break; }
    if (!before.empty()) { TIDEWHEEL_RETURN_IF_ERROR(expect(before)); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression each, expression());
    node.arguments.push_back(std::move(each));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

Result<Expression> Parser::call_with_word(const Token& word) {
  Name function{{{word.text, word.span}}};
  if (at(")") || at("*") || at("DISTINCT") || at("ALL")) {
    --at_;
    return call(std::move(function), std::nullopt);
  }
  const bool is_substring = word.upper == "SUBSTRING";
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression of, expression());
  if (!at(is_substring ? "FROM" : "TO")) { return call(std::move(function), std::move(of)); }
  ++at_;
  SpecialCall node;
  node.arguments.push_back(std::move(of));
  if (is_substring) {
    node.kind = SpecialCall::Kind::kSubstring;
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression from, expression());
    node.arguments.push_back(std::move(from));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<Expression> count, optional_expression("FOR"));
    if (count.has_value()) { node.arguments.push_back(*std::move(count)); }
  } else {
    node.kind = word.upper == "FLOOR" ? SpecialCall::Kind::kFloor : SpecialCall::Kind::kCeil;
    TIDEWHEEL_ASSIGN_OR_RETURN(node.unit, time_unit());
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(word.span)};
}

Result<Expression> Parser::descriptor_call(Span begin) {
  --at_;
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Identifier> columns,
                             identifiers_in_parentheses("the name of a column"));
  return Expression{Descriptor{std::move(columns)}, span_since(begin)};
}

// ---- Ordinary calls

// With `first`, what stands before the second argument has been taken.
Result<Expression> Parser::call(Name function, std::optional<Expression> first) {
  const Span begin = function.span();
  FunctionCall node;
  node.name = std::move(function);
  if (first.has_value()) {
    node.arguments.push_back({std::nullopt, *std::move(first)});
  } else {
    TIDEWHEEL_RETURN_IF_ERROR(expect("("));
    node.distinct = accept("DISTINCT");
    if (!node.distinct) { accept("ALL"); }
  }
  if (node.arguments.empty() ? !at(")") : accept(",")) {
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      FunctionCall::Argument each{std::nullopt, Expression{}};
      if (at_name() && at("=>", 1)) {
        TIDEWHEEL_ASSIGN_OR_RETURN(each.name, identifier("the name of an argument"));
        TIDEWHEEL_RETURN_IF_ERROR(expect("=>"));
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(*each.value, argument());
      node.arguments.push_back(std::move(each));
      return {};
    }));
  }
  if (!accept(")")) { return unexpected(Words{",", ")"}); }
  TIDEWHEEL_RETURN_IF_ERROR(call_suffixes(node));
  return Expression{std::move(node), span_since(begin)};
}

Result<Expression> Parser::argument() {
  const Span begin = peek().span;
  if (accept("*")) { return Expression{Star{}, begin}; }
  if (at("TABLE") && !at("(", 1)) { return table_argument(); }
  return expression();
}

// TABLE t [PARTITION BY a | (a, b)] [ORDER BY a | (a, b)]: a comma ends the argument.
Result<Expression> Parser::table_argument() {
  const Span begin = peek().span;
  TIDEWHEEL_RETURN_IF_ERROR(expect("TABLE"));
  TableArgument node;
  TIDEWHEEL_ASSIGN_OR_RETURN(node.table, name("the name of a table"));
  if (accept_all({"PARTITION", "BY"})) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression by, expression());
    auto* const row = std::get_if<Constructor>(&by.node);
    if (row != nullptr && row->kind == Constructor::Kind::kRow && !row->values.empty()) {
      node.partition_by = std::move(row->values);
    } else {
      node.partition_by.push_back(std::move(by));
    }
  }
  if (accept_all({"ORDER", "BY"})) {
    const bool several = accept("(");
    if (several) {
      TIDEWHEEL_ASSIGN_OR_RETURN(node.order_by, sort_keys());
      TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(SortKey key, sort_key());
      node.order_by.push_back(std::move(key));
    }
  }
  return Expression{std::move(node), span_since(begin)};
}

Status Parser::call_suffixes(FunctionCall& call) {
  if (accept_all({"IGNORE", "NULLS"})) { call.nulls = FunctionCall::Nulls::kIgnore; }
  if (accept_all({"RESPECT", "NULLS"})) { call.nulls = FunctionCall::Nulls::kRespect; }
  if (accept_all({"WITHIN", "GROUP"})) {
    TIDEWHEEL_RETURN_IF_ERROR(expect_all({"(", "ORDER", "BY"}));
    TIDEWHEEL_ASSIGN_OR_RETURN(call.within_group, sort_keys());
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  if (accept_all({"FILTER", "("})) {
    TIDEWHEEL_RETURN_IF_ERROR(expect("WHERE"));
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression filter, expression());
    call.filter = std::move(filter);
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  if (!accept("OVER")) { return {}; }
  if (at("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(call.over, window_spec());
    return {};
  }
  call.over.emplace();
  call.over->name_only = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(call.over->base, identifier("'(' or the name of a window"));
  return {};
}

// ( [name] [PARTITION BY ..] [ORDER BY ..] [ROWS|RANGE ..] )
Result<WindowSpec> Parser::window_spec() {
  WindowSpec window;
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  if (at_name() && !at("ROWS") && !at("RANGE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(window.base, identifier("the name of a window"));
  }
  if (accept_all({"PARTITION", "BY"})) {
    TIDEWHEEL_ASSIGN_OR_RETURN(window.partition_by, expressions());
  }
  if (accept_all({"ORDER", "BY"})) { TIDEWHEEL_ASSIGN_OR_RETURN(window.order_by, sort_keys()); }
  if (at("ROWS") || at("RANGE")) { TIDEWHEEL_ASSIGN_OR_RETURN(window.frame, frame()); }
  if (!accept(")")) { return unexpected(Words{"PARTITION", "ORDER", "ROWS", "RANGE", ")"}); }
  return window;
}

Result<Frame> Parser::frame() {
  Frame frame;
  frame.by_rows = take().upper == "ROWS";
  if (!accept("BETWEEN")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(frame.start, frame_bound());
    return frame;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(frame.start, frame_bound());
  TIDEWHEEL_RETURN_IF_ERROR(expect("AND"));
  TIDEWHEEL_ASSIGN_OR_RETURN(frame.end, frame_bound());
  return frame;
}

Result<FrameBound> Parser::frame_bound() {
  using Kind = FrameBound::Kind;
  if (accept_all({"CURRENT", "ROW"})) { return FrameBound{Kind::kCurrentRow, std::nullopt}; }
  if (accept_all({"UNBOUNDED", "PRECEDING"})) {
    return FrameBound{Kind::kUnboundedPreceding, std::nullopt};
  }
  if (accept_all({"UNBOUNDED", "FOLLOWING"})) {
    return FrameBound{Kind::kUnboundedFollowing, std::nullopt};
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression offset, binary(Precedence::kSum));
  tallest_ = std::max(tallest_, height_);
  const auto side = accept_one({"PRECEDING", "FOLLOWING"});
  if (!side.has_value()) { return unexpected(Words{"PRECEDING", "FOLLOWING"}); }
  return FrameBound{side == "PRECEDING" ? Kind::kPreceding : Kind::kFollowing, std::move(offset)};
}

Result<std::vector<SortKey>> Parser::sort_keys() {
  std::vector<SortKey> keys;
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(SortKey key, sort_key());
    keys.push_back(std::move(key));
    return {};
  }));
  return keys;
}

Result<SortKey> Parser::sort_key() {
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression value, expression());
  SortKey key{std::move(value), false, std::nullopt};
  key.descending = accept("DESC");
  if (!key.descending) { accept("ASC"); }
  if (accept("NULLS")) {
    const auto place = accept_one({"FIRST", "LAST"});
    if (!place.has_value()) { return unexpected(Words{"FIRST", "LAST"}); }
    key.nulls_first = place == "FIRST";
  }
  return key;
}

// ---- JSON

Result<Expression> Parser::json_call(JsonCall::Kind kind) {
  using Kind = JsonCall::Kind;
  JsonCall node;
  node.kind = kind;
  const bool makes_object = kind == Kind::kObject || kind == Kind::kObjectAgg;
  const bool has_none = at(")") || at_all({"NULL", "ON"}) || at_all({"ABSENT", "ON"});
  if (!has_none && makes_object) {
    TIDEWHEEL_RETURN_IF_ERROR(json_members(node));
  } else if (!has_none) {
    TIDEWHEEL_ASSIGN_OR_RETURN(node.arguments, expressions());
  }
  const bool reads = kind == Kind::kValue || kind == Kind::kQuery || kind == Kind::kExists;
  if (reads && node.arguments.size() != 2) {
    return error(peek().span, "a JSON text and a path are expected here");
  }
  if (kind == Kind::kArrayAgg && node.arguments.size() != 1) {
    return error(peek().span, "one value is expected here");
  }
  TIDEWHEEL_RETURN_IF_ERROR(json_clauses(node));
  return Expression{std::move(node), {}};
}

// [KEY] k VALUE v, or k : v
Status Parser::json_members(JsonCall& call) {
  return list([&]() -> Status {
    // KEY may be the name of a column as well.
    if (at("KEY") && !at("VALUE", 1) && !at(":", 1) && !at(".", 1)) { ++at_; }
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression key, expression());
    if (!accept("VALUE") && !accept(":")) { return unexpected(Words{"VALUE", ":"}); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression value, expression());
    call.arguments.push_back(std::move(key));
    call.arguments.push_back(std::move(value));
    return {};
  });
}

Status Parser::json_clauses(JsonCall& call) {
  using Kind = JsonCall::Kind;
  const Kind kind = call.kind;
  const bool is_value = kind == Kind::kValue;
  const bool is_query = kind == Kind::kQuery;
  if (!is_value && !is_query && kind != Kind::kExists) {
    if (accept_all({"NULL", "ON", "NULL"})) { call.null_on_null = true; }
    if (accept_all({"ABSENT", "ON", "NULL"})) { call.null_on_null = false; }
    return {};
  }
  if ((is_value || is_query) && accept("RETURNING")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(call.returning, data_type());
  }
  if (is_query && accept("WITHOUT")) {
    call.wrapper = JsonCall::Wrapper::kWithout;
    accept("ARRAY");
    TIDEWHEEL_RETURN_IF_ERROR(expect("WRAPPER"));
  } else if (is_query && accept("WITH")) {
    const bool conditional = accept("CONDITIONAL");
    if (!conditional) { accept("UNCONDITIONAL"); }
    call.wrapper =
        conditional ? JsonCall::Wrapper::kConditional : JsonCall::Wrapper::kUnconditional;
    accept("ARRAY");
    TIDEWHEEL_RETURN_IF_ERROR(expect("WRAPPER"));
  }
  while (!at(")")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonCall::Handler handler, json_handler());
    TIDEWHEEL_RETURN_IF_ERROR(expect("ON"));
    const auto event = accept_one({"EMPTY", "ERROR"});
    if (!event.has_value() || (event == "EMPTY" && kind == Kind::kExists)) {
      return unexpected(Words{"EMPTY", "ERROR"});
    }
    auto& place = event == "EMPTY" ? call.on_empty : call.on_error;
    if (place.has_value()) { return error(peek().span, "this is said twice"); }
    place = std::move(handler);
  }
  return {};
}

Result<JsonCall::Handler> Parser::json_handler() {
  using Instead = JsonCall::Instead;
  if (accept("NULL")) { return JsonCall::Handler{Instead::kNull, std::nullopt}; }
  if (accept("ERROR")) { return JsonCall::Handler{Instead::kError, std::nullopt}; }
  if (accept("TRUE")) { return JsonCall::Handler{Instead::kTrue, std::nullopt}; }
  if (accept("FALSE")) { return JsonCall::Handler{Instead::kFalse, std::nullopt}; }
  if (accept("UNKNOWN")) { return JsonCall::Handler{Instead::kUnknown, std::nullopt}; }
  if (accept("EMPTY")) {
    if (accept("OBJECT")) { return JsonCall::Handler{Instead::kEmptyObject, std::nullopt}; }
    TIDEWHEEL_RETURN_IF_ERROR(expect("ARRAY"));
    return JsonCall::Handler{Instead::kEmptyArray, std::nullopt};
  }
  if (accept("DEFAULT")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression value, expression());
    return JsonCall::Handler{Instead::kDefault, std::move(value)};
  }
  return unexpected(Words{"NULL", "ERROR", "DEFAULT", "EMPTY", "TRUE", "FALSE", "UNKNOWN", ")"});
}

}  // namespace tidewheel::sql
