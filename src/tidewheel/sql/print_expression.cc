// How expressions and types are written.
#include <utility>

#include "tidewheel/sql/print.h"
#include "tidewheel/sql/printer.h"

namespace tidewheel::sql {

namespace {

Precedence precedence_of(Binary::Op op) {
  switch (op) {
    case Binary::Op::kAdd:
    case Binary::Op::kSubtract: return Precedence::kSum;
    case Binary::Op::kMultiply:
    case Binary::Op::kDivide:
    case Binary::Op::kModulo:
    case Binary::Op::kConcat: return Precedence::kProduct;
    case Binary::Op::kOverlaps: return Precedence::kBetween;
    default: return Precedence::kComparison;
  }
}

struct PrecedenceOf {
  Precedence operator()(const Logical& node) const {
    return node.is_and ? Precedence::kAnd : Precedence::kOr;
  }
  Precedence operator()(const Unary& node) const {
    return node.op == Unary::Op::kNot ? Precedence::kNot : Precedence::kSign;
  }
  Precedence operator()(const Binary& node) const { return precedence_of(node.op); }
  Precedence operator()(const Is&) const { return Precedence::kIs; }
  Precedence operator()(const Quantified&) const { return Precedence::kComparison; }
  Precedence operator()(const Between&) const { return Precedence::kBetween; }
  Precedence operator()(const Like&) const { return Precedence::kBetween; }
  Precedence operator()(const In&) const { return Precedence::kBetween; }
  template <class Other>
  Precedence operator()(const Other&) const {
    return above(Precedence::kPostfix);
  }
};

std::string_view text_of(Binary::Op op) {
  switch (op) {
    case Binary::Op::kAdd: return " + ";
    case Binary::Op::kSubtract: return " - ";
    case Binary::Op::kMultiply: return " * ";
    case Binary::Op::kDivide: return " / ";
    case Binary::Op::kModulo: return " % ";
    case Binary::Op::kConcat: return " || ";
    case Binary::Op::kEqual: return " = ";
    case Binary::Op::kNotEqual: return " <> ";
    case Binary::Op::kLess: return " < ";
    case Binary::Op::kLessEqual: return " <= ";
    case Binary::Op::kGreater: return " > ";
    case Binary::Op::kGreaterEqual: return " >= ";
    case Binary::Op::kDistinctFrom: return " IS DISTINCT FROM ";
    case Binary::Op::kNotDistinctFrom: return " IS NOT DISTINCT FROM ";
    case Binary::Op::kOverlaps: return " OVERLAPS ";
  }
  return "";
}

std::string_view text_of(Is::Test test) {
  switch (test) {
    case Is::Test::kNull: return "NULL";
    case Is::Test::kTrue: return "TRUE";
    case Is::Test::kFalse: return "FALSE";
    case Is::Test::kUnknown: return "UNKNOWN";
    case Is::Test::kJson: return "JSON";
    case Is::Test::kJsonValue: return "JSON VALUE";
    case Is::Test::kJsonObject: return "JSON OBJECT";
    case Is::Test::kJsonArray: return "JSON ARRAY";
    case Is::Test::kJsonScalar: return "JSON SCALAR";
  }
  return "";
}

std::string_view text_of(JsonCall::Kind kind) {
  switch (kind) {
    case JsonCall::Kind::kValue: return "JSON_VALUE";
    case JsonCall::Kind::kQuery: return "JSON_QUERY";
    case JsonCall::Kind::kExists: return "JSON_EXISTS";
    case JsonCall::Kind::kObject: return "JSON_OBJECT";
    case JsonCall::Kind::kArray: return "JSON_ARRAY";
    case JsonCall::Kind::kObjectAgg: return "JSON_OBJECTAGG";
    case JsonCall::Kind::kArrayAgg: return "JSON_ARRAYAGG";
  }
  return "";
}

std::string_view text_of(JsonCall::Instead instead) {
  switch (instead) {
    case JsonCall::Instead::kNull: return "NULL";
    case JsonCall::Instead::kError: return "ERROR";
    case JsonCall::Instead::kDefault: return "DEFAULT ";
    case JsonCall::Instead::kEmptyArray: return "EMPTY ARRAY";
    case JsonCall::Instead::kEmptyObject: return "EMPTY OBJECT";
    case JsonCall::Instead::kTrue: return "TRUE";
    case JsonCall::Instead::kFalse: return "FALSE";
    case JsonCall::Instead::kUnknown: return "UNKNOWN";
  }
  return "";
}

}  // namespace

std::string to_sql(const Expression& expression) {
  Printer printer;
  printer.print(expression);
  return printer.take();
}
std::string to_sql(const DataType& type) {
  Printer printer;
  printer.print(type);
  return printer.take();
}

// ---- Names and small things

void Printer::name(const Name& name) {
  for (size_t i = 0; i < name.parts.size(); ++i) {
    if (i > 0) { text("."); }
    text(quoted_name(name.parts[i].name));
  }
}

void Printer::name_unlike(const Identifier& identifier,
                          std::initializer_list<std::string_view> words) {
  if (std::find(words.begin(), words.end(), in_capitals(identifier.name)) != words.end()) {
    in_back_ticks(identifier);
  } else {
    name(identifier);
  }
}

void Printer::name_unlike(const Name& whole, std::initializer_list<std::string_view> words) {
  name_unlike(whole.parts.front(), words);
  for (size_t i = 1; i < whole.parts.size(); ++i) {
    text(".");
    name(whole.parts[i]);
  }
}

void Printer::names(const std::vector<Identifier>& names) {
  text("(");
  list(names, [this](const Identifier& each) { name(each); });
  text(")");
}

void Printer::options(const std::vector<Option>& options) {
  text("(");
  list(options, [this](const Option& each) {
    string(each.key);
    text(" = ");
    string(each.value);
  });
  text(")");
}

void Printer::wrapped(const Expression& expression) {
  const bool bare = std::holds_alternative<Literal>(expression.node) ||
                    std::holds_alternative<ColumnName>(expression.node);
  if (!bare) { text("("); }
  print(expression);
  if (!bare) { text(")"); }
}

void Printer::in_parentheses(const Query& query) {
  text("(");
  print(query);
  text(")");
}

// ---- Types

void Printer::units(const IntervalUnits& units) {
  text(time_unit_name(units.from));
  if (units.precision.has_value()) {
    text("(");
    number(*units.precision);
    if (!units.to.has_value() && units.fraction.has_value()) {
      text(", ");
      number(*units.fraction);
    }
    text(")");
  }
  if (!units.to.has_value()) { return; }
  text(" TO ");
  text(time_unit_name(*units.to));
  if (units.fraction.has_value()) {
    text("(");
    number(*units.fraction);
    text(")");
  }
}

void Printer::type_size(const DataType& type) {
  if (!type.precision.has_value()) { return; }
  text("(");
  number(*type.precision);
  if (type.scale.has_value()) {
    text(", ");
    number(*type.scale);
  }
  text(")");
}

void Printer::print(const DataType& type) {
  using Kind = DataType::Kind;
  constexpr std::string_view kNames[] = {
      "BOOLEAN",   "TINYINT", "SMALLINT",  "INT",     "BIGINT",    "FLOAT",
      "DOUBLE",    "DECIMAL", "CHAR",      "VARCHAR", "STRING",    "BINARY",
      "VARBINARY", "BYTES",   "DATE",      "TIME",    "TIMESTAMP", "TIMESTAMP_LTZ",
      "INTERVAL ", "ARRAY<",  "MULTISET<", "MAP<",    "ROW<",      "RAW("};
  if (type.kind == Kind::kNamed) {
    list(type.name.parts, [this](const Identifier& each) { in_back_ticks(each); });
  } else {
    text(kNames[static_cast<size_t>(type.kind)]);
  }
  type_size(type);
  if (type.kind == Kind::kInterval) { units(type.units); }
  list(type.children, [this](const DataType& each) { print(each); });
  list(type.fields, [this](const DataType::Field& each) {
    name(each.name);
    text(" ");
    print(*each.type);
    if (each.comment.has_value()) {
      text(" ");
      string(*each.comment);
    }
  });
  list(type.texts, [this](const std::string& each) { string(each); });
  if (type.kind >= Kind::kArray && type.kind <= Kind::kRow) { text(">"); }
  if (type.kind == Kind::kRaw) { text(")"); }
  if (type.not_null) { text(" NOT NULL"); }
}

// ---- Operators

void Printer::print(const Expression& expression, Precedence least) {
  const bool parentheses = std::visit(PrecedenceOf(), expression.node) < least;
  if (parentheses) { text("("); }
  std::visit([this](const auto& each) { node(each); }, expression.node);
  if (parentheses) { text(")"); }
}

void Printer::node(const Unary& unary) {
  if (unary.op == Unary::Op::kNot) {
    text("NOT ");
    return print(*unary.operand, Precedence::kNot);
  }
  text(unary.op == Unary::Op::kMinus ? "-" : "+");
  const size_t begin = out_.size();
  print(*unary.operand, Precedence::kSign);
  if (out_[begin] == '-') { out_.insert(begin, " "); }  // `--` would be a comment
}

void Printer::node(const Binary& binary) {
  const Precedence precedence = precedence_of(binary.op);
  print(*binary.left, precedence);
  text(text_of(binary.op));
  print(*binary.right, above(precedence));
}

void Printer::node(const Logical& logical) {
  const Precedence operand = above(logical.is_and ? Precedence::kAnd : Precedence::kOr);
  for (size_t i = 0; i < logical.operands.size(); ++i) {
    if (i > 0) { text(logical.is_and ? " AND " : " OR "); }
    print(logical.operands[i], operand);
  }
}

void Printer::node(const Is& is) {
  print(*is.operand, Precedence::kIs);
  text(is.negated ? " IS NOT " : " IS ");
  text(text_of(is.test));
}

void Printer::node(const Between& between) {
  print(*between.operand, Precedence::kBetween);
  text(between.negated ? " NOT BETWEEN " : " BETWEEN ");
  if (between.symmetric) { text("SYMMETRIC "); }
  print(*between.low, Precedence::kSum);
  text(" AND ");
  print(*between.high, Precedence::kSum);
}

void Printer::node(const Like& like) {
  print(*like.operand, Precedence::kBetween);
  if (like.negated) { text(" NOT"); }
  text(like.similar ? " SIMILAR TO " : " LIKE ");
  print(*like.pattern, Precedence::kSum);
  if (!like.escape.has_value()) { return; }
  text(" ESCAPE ");
  print(**like.escape, Precedence::kSum);
}

void Printer::node(const In& in) {
  print(*in.operand, Precedence::kBetween);
  text(in.negated ? " NOT IN " : " IN ");
  if (in.query.has_value()) { return in_parentheses(**in.query); }
  text("(");
  list(in.list);
  text(")");
}

void Printer::node(const Quantified& quantified) {
  print(*quantified.operand, Precedence::kComparison);
  text(text_of(quantified.op));
  text(quantified.all ? "ALL " : "ANY ");
  in_parentheses(*quantified.query);
}

void Printer::node(const Subquery& subquery) {
  if (subquery.exists) { text("EXISTS "); }
  in_parentheses(*subquery.query);
}

// ---- Values

void Printer::node(const Literal& literal) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  switch (literal.kind) {
    case Literal::Kind::kNull: return text("NULL");
    case Literal::Kind::kTrue: return text("TRUE");
    case Literal::Kind::kFalse: return text("FALSE");
    case Literal::Kind::kUnknown: return text("UNKNOWN");
    case Literal::Kind::kInteger:
    case Literal::Kind::kDecimal:
    case Literal::Kind::kDouble: return text(literal.text);
    case Literal::Kind::kBytes:
      text("X'");
      for (const char c : literal.text) {
        out_ += kDigits[static_cast<unsigned char>(c) >> 4];
        out_ += kDigits[static_cast<unsigned char>(c) & 15];
      }
      return text("'");
    case Literal::Kind::kDate: text("DATE "); break;
    case Literal::Kind::kTime: text("TIME "); break;
    case Literal::Kind::kTimestamp: text("TIMESTAMP "); break;
    case Literal::Kind::kString: break;
  }
  string(literal.text);
}

void Printer::node(const IntervalLiteral& interval) {
  text(interval.negative ? "INTERVAL -" : "INTERVAL ");
  string(interval.text);
  text(" ");
  units(interval.units);
}

void Printer::node(const ColumnName& column) { name(column.name); }

void Printer::node(const Star& star) {
  if (star.of.has_value()) {
    name(*star.of);
    text(".");
  }
  text("*");
}

void Printer::node(const Case& node) {
  text("CASE");
  if (node.operand.has_value()) {
    text(" ");
    print(**node.operand);
  }
  for (const Case::Branch& each : node.branches) {
    text(" WHEN ");
    print(*each.when);
    text(" THEN ");
    print(*each.then);
  }
  if (node.otherwise.has_value()) {
    text(" ELSE ");
    print(**node.otherwise);
  }
  text(" END");
}

void Printer::node(const Cast& cast) {
  text(cast.is_try ? "TRY_CAST(" : "CAST(");
  print(*cast.operand);
  text(" AS ");
  print(cast.type);
  text(")");
}

void Printer::node(const Constructor& constructor) {
  constexpr std::string_view kOpen[] = {"ROW(", "ARRAY[", "MAP[", "MULTISET["};
  const bool is_row = constructor.kind == Constructor::Kind::kRow;
  const bool is_bare = is_row && constructor.values.size() > 1;
  text(is_bare ? "(" : kOpen[static_cast<size_t>(constructor.kind)]);
  list(constructor.values);
  text(is_row ? ")" : "]");
}

void Printer::node(const Subscript& subscript) {
  print(*subscript.of, Precedence::kPostfix);
  text("[");
  print(*subscript.index);
  text("]");
}

void Printer::node(const FieldAccess& access) {
  // A name in front would take the field for a part of it, a number the point for its own.
  const auto& of = access.of->node;
  const bool parentheses = std::holds_alternative<ColumnName>(of) ||
                           std::holds_alternative<Literal>(of) ||
                           std::holds_alternative<IntervalLiteral>(of);
  if (parentheses) { text("("); }
  print(*access.of, Precedence::kPostfix);
  text(parentheses ? ")." : ".");
  name(access.field);
}

// ---- Calls

void Printer::node(const FunctionCall& call) {
  if (!call.has_parentheses) { return text(call.name.parts.front().name); }
  const std::string upper = in_capitals(call.name.parts.front().name);
  const bool is_special = is_special_function(upper) || upper == "CUBE" || upper == "ROLLUP";
  if (call.name.parts.size() == 1 && is_special) {
    in_back_ticks(call.name.parts.front());
  } else {
    name(call.name);
  }
  text(call.distinct ? "(DISTINCT " : "(");
  list(call.arguments, [this](const FunctionCall::Argument& each) {
    if (each.name.has_value()) {
      name(*each.name);
      text(" => ");
    }
    print(*each.value);
  });
  text(")");
  call_suffixes(call);
}

void Printer::call_suffixes(const FunctionCall& call) {
  if (call.nulls == FunctionCall::Nulls::kIgnore) { text(" IGNORE NULLS"); }
  if (call.nulls == FunctionCall::Nulls::kRespect) { text(" RESPECT NULLS"); }
  if (!call.within_group.empty()) {
    text(" WITHIN GROUP (ORDER BY ");
    sort_keys(call.within_group);
    text(")");
  }
  if (call.filter.has_value()) {
    text(" FILTER (WHERE ");
    print(**call.filter);
    text(")");
  }
  if (call.over.has_value()) {
    text(" OVER ");
    window(*call.over);
  }
}

void Printer::node(const SpecialCall& call) {
  using Kind = SpecialCall::Kind;
  const auto argument = [&](size_t index, std::string_view before) {
    if (index >= call.arguments.size()) { return; }
    text(before);
    print(call.arguments[index]);
  };
  switch (call.kind) {
    case Kind::kExtract:
      text("EXTRACT(");
      text(time_unit_name(call.unit));
      argument(0, " FROM ");
      break;
    case Kind::kCeil:
    case Kind::kFloor:
      text(call.kind == Kind::kCeil ? "CEIL(" : "FLOOR(");
      wrapped(call.arguments[0]);
      text(" TO ");
      text(time_unit_name(call.unit));
      break;
    case Kind::kTimestampAdd:
    case Kind::kTimestampDiff:
      text(call.kind == Kind::kTimestampAdd ? "TIMESTAMPADD(" : "TIMESTAMPDIFF(");
      text(time_unit_name(call.unit));
      argument(0, ", ");
      argument(1, ", ");
      break;
    case Kind::kPosition:
      text("POSITION(");
      print(call.arguments[0], Precedence::kSum);
      argument(1, " IN ");
      break;
    case Kind::kTrim: return trim(call);
    case Kind::kSubstring:
      argument(0, "SUBSTRING(");
      argument(1, " FROM ");
      argument(2, " FOR ");
      break;
    case Kind::kOverlay:
      argument(0, "OVERLAY(");
      argument(1, " PLACING ");
      argument(2, " FROM ");
      argument(3, " FOR ");
      break;
  }
  text(")");
}

void Printer::trim(const SpecialCall& call) {
  constexpr std::string_view kSides[] = {"BOTH", "LEADING", "TRAILING"};
  text("TRIM(");
  const bool has_cut = call.arguments.size() > 1;
  if (has_cut || call.side != SpecialCall::Side::kBoth) {
    text(kSides[static_cast<size_t>(call.side)]);
    if (has_cut) {
      text(" ");
      print(call.arguments[1]);
    }
    text(" FROM ");
    print(call.arguments[0]);
  } else {
    // A column of the name BOTH in front would be taken for the side.
    const bool bare = std::holds_alternative<Literal>(call.arguments[0].node);
    if (!bare) { text("("); }
    print(call.arguments[0]);
    if (!bare) { text(")"); }
  }
  text(")");
}

void Printer::node(const JsonCall& call) {
  text(text_of(call.kind));
  text("(");
  if (call.kind == JsonCall::Kind::kObject || call.kind == JsonCall::Kind::kObjectAgg) {
    for (size_t i = 0; i + 1 < call.arguments.size(); i += 2) {
      // Nothing of the key may be taken for a keyword.
      text(i > 0 ? ", KEY (" : "KEY (");
      print(call.arguments[i]);
      text(") VALUE ");
      print(call.arguments[i + 1]);
    }
  } else {
    list(call.arguments);
  }
  json_clauses(call);
  text(")");
}

void Printer::json_clauses(const JsonCall& call) {
  if (call.null_on_null.has_value()) {
    if (!call.arguments.empty()) { text(" "); }
    text(*call.null_on_null ? "NULL ON NULL" : "ABSENT ON NULL");
  }
  if (call.returning.has_value()) {
    text(" RETURNING ");
    print(*call.returning);
  }
  if (call.wrapper == JsonCall::Wrapper::kWithout) { text(" WITHOUT WRAPPER"); }
  if (call.wrapper == JsonCall::Wrapper::kConditional) { text(" WITH CONDITIONAL WRAPPER"); }
  if (call.wrapper == JsonCall::Wrapper::kUnconditional) { text(" WITH WRAPPER"); }
  if (call.on_empty.has_value()) { json_handler(*call.on_empty, " ON EMPTY"); }
  if (call.on_error.has_value()) { json_handler(*call.on_error, " ON ERROR"); }
}

void Printer::json_handler(const JsonCall::Handler& handler, std::string_view event) {
  text(" ");
  text(text_of(handler.instead));
  if (handler.value.has_value()) { print(**handler.value); }
  text(event);
}

// ---- What calls and queries have in them

void Printer::sort_keys(const std::vector<SortKey>& keys) {
  list(keys, [this](const SortKey& each) {
    print(*each.value);
    if (each.descending) { text(" DESC"); }
    if (each.nulls_first.has_value()) { text(*each.nulls_first ? " NULLS FIRST" : " NULLS LAST"); }
  });
}

void Printer::window(const WindowSpec& window) {
  if (window.name_only) { return name(*window.base); }
  std::string_view space;
  const auto part = [&](std::string_view word) {
    text(std::exchange(space, " "));
    text(word);
  };
  text("(");
  if (window.base.has_value()) {
    part("");
    name_unlike(*window.base, {"ROWS", "RANGE"});
  }
  if (!window.partition_by.empty()) {
    part("PARTITION BY ");
    list(window.partition_by);
  }
  if (!window.order_by.empty()) {
    part("ORDER BY ");
    sort_keys(window.order_by);
  }
  if (window.frame.has_value()) {
    part(window.frame->by_rows ? "ROWS " : "RANGE ");
    if (window.frame->end.has_value()) { text("BETWEEN "); }
    frame_bound(window.frame->start);
    if (window.frame->end.has_value()) {
      text(" AND ");
      frame_bound(*window.frame->end);
    }
  }
  text(")");
}

void Printer::frame_bound(const FrameBound& bound) {
  constexpr std::string_view kKinds[] = {"UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW",
                                         " FOLLOWING", "UNBOUNDED FOLLOWING"};
  if (bound.offset.has_value()) {
    // A column of the name UNBOUNDED would be taken for the keyword.
    const bool is_name = std::holds_alternative<ColumnName>((*bound.offset)->node);
    if (is_name) { text("("); }
    print(**bound.offset, Precedence::kSum);
    if (is_name) { text(")"); }
  }
  text(kKinds[static_cast<size_t>(bound.kind)]);
}

void Printer::node(const TableArgument& argument) {
  text("TABLE ");
  name(argument.table);
  if (!argument.partition_by.empty()) {
    text(" PARTITION BY (");
    list(argument.partition_by);
    text(")");
  }
  if (!argument.order_by.empty()) {
    text(" ORDER BY (");
    sort_keys(argument.order_by);
    text(")");
  }
}

void Printer::node(const Descriptor& descriptor) {
  text("DESCRIPTOR");
  names(descriptor.columns);
}

void Printer::node(const GroupingSets& sets) {
  constexpr std::string_view kKinds[] = {"GROUPING SETS (", "CUBE (", "ROLLUP ("};
  text(kKinds[static_cast<size_t>(sets.kind)]);
  list(sets.elements, [this](const Expression& each) { grouping_element(each); });
  text(")");
}

void Printer::grouping_element(const Expression& element) {
  const auto* const row = std::get_if<Constructor>(&element.node);
  if (row != nullptr && row->kind == Constructor::Kind::kRow && row->values.empty()) {
    return text("()");
  }
  print(element);
}

}  // namespace tidewheel::sql
