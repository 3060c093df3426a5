// What stands behind FROM: tables, joins, patterns of rows.
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

// t, u JOIN v ON ..
Result<TableReference> Parser::table_reference() {
  const Span begin = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(TableReference left, table_chain());
  while (accept(",")) {
    TIDEWHEEL_RETURN_IF_ERROR(check_height(++links_));
    TIDEWHEEL_ASSIGN_OR_RETURN(TableReference right, table_chain());
    Join both{Join::Kind::kComma, false, std::move(left), std::move(right), std::nullopt, {}};
    left = TableReference{std::move(both), std::nullopt, span_since(begin)};
  }
  return left;
}

Result<TableReference> Parser::table_chain() {
  TIDEWHEEL_ASSIGN_OR_RETURN(TableReference left, table_primary());
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, join(left));
    if (!more) { return left; }
  }
}

Result<bool> Parser::join(TableReference& left) {
  const Span begin = left.span;
  const bool natural = accept("NATURAL");
  Join::Kind kind = Join::Kind::kInner;
  if (const auto side = accept_one({"LEFT", "RIGHT", "FULL"})) {
    kind = side == "LEFT"    ? Join::Kind::kLeft
           : side == "RIGHT" ? Join::Kind::kRight
                             : Join::Kind::kFull;
    accept("OUTER");
    TIDEWHEEL_RETURN_IF_ERROR(expect("JOIN"));
  } else if (accept("CROSS")) {
    kind = Join::Kind::kCross;
    TIDEWHEEL_RETURN_IF_ERROR(expect("JOIN"));
  } else if (accept("INNER")) {
    TIDEWHEEL_RETURN_IF_ERROR(expect("JOIN"));
  } else if (!accept("JOIN")) {
    if (natural) { return unexpected(Words{"JOIN", "INNER", "LEFT", "RIGHT", "FULL"}); }
    return false;
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_height(++links_));
  TIDEWHEEL_ASSIGN_OR_RETURN(TableReference right, table_primary());
  Join node{kind, natural, std::move(left), std::move(right), std::nullopt, {}};
  if (kind != Join::Kind::kCross && !natural) {
    if (accept("USING")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(node.using_columns,
                                 identifiers_in_parentheses("the name of a column"));
    } else if (accept("ON")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(node.on, expression());
    } else {
      return unexpected(Words{"ON", "USING"});
    }
  }
  left = TableReference{std::move(node), std::nullopt, span_since(begin)};
  return true;
}

// A table with MATCH_RECOGNIZE and aliases behind it.
Result<TableReference> Parser::table_primary() {
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  const Span begin = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(TableReference table, table_node());
  if (!std::holds_alternative<Join>(table.node) && !table.alias.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.alias, alias());
  }
  if (accept("MATCH_RECOGNIZE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table, match_recognize(std::move(table)));
    TIDEWHEEL_ASSIGN_OR_RETURN(table.alias, alias());
  }
  table.span = span_since(begin);
  return table;
}

Result<std::optional<Alias>> Parser::alias() {
  const bool said = accept("AS");
  if (!said && !at_name()) { return std::optional<Alias>(); }
  if (!said) { implicit_alias_ = at_; }
  Alias alias;
  TIDEWHEEL_ASSIGN_OR_RETURN(alias.name, identifier("a name for the table"));
  if (at("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(alias.columns, identifiers_in_parentheses("the name of a column"));
  }
  return std::optional<Alias>(std::move(alias));
}

Result<TableReference> Parser::table_node() {
  const Span begin = peek().span;
  const bool lateral = accept("LATERAL");
  if (at("TABLE") && at("(", 1)) { return function_table(lateral); }
  if (at("(") && at_query(1)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query_in_parentheses());
    return TableReference{DerivedTable{lateral, std::move(of)}, std::nullopt, span_since(begin)};
  }
  if (lateral) { return unexpected(Words{"TABLE", "("}); }
  if (accept("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(TableReference inner, table_reference());
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    return inner;
  }
  if (accept("UNNEST")) {
    UnnestTable node;
    TIDEWHEEL_RETURN_IF_ERROR(expect("("));
    TIDEWHEEL_ASSIGN_OR_RETURN(node.values, expressions());
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
    node.with_ordinality = accept_all({"WITH", "ORDINALITY"});
    return TableReference{std::move(node), std::nullopt, span_since(begin)};
  }
  return named_table();
}

Result<TableReference> Parser::function_table(bool lateral) {
  const Span begin = peek().span;
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"TABLE", "("}));
  const Span place = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression call, expression());
  if (!std::holds_alternative<FunctionCall>(call.node)) {
    return error(span_since(place), "TABLE(..) takes a call of a table function");
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return TableReference{FunctionTable{lateral, std::move(call)}, std::nullopt, span_since(begin)};
}

Name Parser::file_name() {
  const Token& file = take();
  Name made;
  made.parts.push_back({file.text, file.span});
  return made;
}

Result<TableReference> Parser::named_table() {
  const Span begin = peek().span;
  NamedTable table;
  if (at_string()) {
    table.is_file = true;
    table.name = file_name();
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.name, name("the name of a table"));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(table.hints, hints());
  if (accept("FOR")) {
    TIDEWHEEL_RETURN_IF_ERROR(expect_all({"SYSTEM_TIME", "AS", "OF"}));
    TIDEWHEEL_ASSIGN_OR_RETURN(table.as_of, binary(Precedence::kSum));
  }
  return TableReference{std::move(table), std::nullopt, span_since(begin)};
}

// ---- MATCH_RECOGNIZE

Result<TableReference> Parser::match_recognize(TableReference input) {
  const Span begin = input.span;
  MatchRecognize match{std::move(input), {}, {}, {}, {}, {}, {}, {}, {}, {}};
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  if (accept_all({"PARTITION", "BY"})) {
    TIDEWHEEL_ASSIGN_OR_RETURN(match.partition_by, expressions());
  }
  if (accept_all({"ORDER", "BY"})) { TIDEWHEEL_ASSIGN_OR_RETURN(match.order_by, sort_keys()); }
  if (accept("MEASURES")) { TIDEWHEEL_RETURN_IF_ERROR(match_measures(match)); }
  if (accept_all({"ONE", "ROW", "PER", "MATCH"})) { match.all_rows = false; }
  if (accept_all({"ALL", "ROWS", "PER", "MATCH"})) { match.all_rows = true; }
  if (accept_all({"AFTER", "MATCH"})) { TIDEWHEEL_RETURN_IF_ERROR(match_skip(match)); }
  if (!accept("PATTERN")) {
    return unexpected(Words{"PARTITION", "ORDER", "MEASURES", "ONE", "AFTER", "PATTERN"});
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_ASSIGN_OR_RETURN(match.pattern, row_pattern());
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  if (accept("WITHIN")) { TIDEWHEEL_ASSIGN_OR_RETURN(match.within, interval_literal()); }
  TIDEWHEEL_RETURN_IF_ERROR(expect("DEFINE"));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    MatchRecognize::Definition each;
    TIDEWHEEL_ASSIGN_OR_RETURN(each.variable, identifier("the name of a pattern variable"));
    TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
    TIDEWHEEL_ASSIGN_OR_RETURN(each.condition, expression());
    match.definitions.push_back(std::move(each));
    return {};
  }));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return TableReference{std::move(match), std::nullopt, span_since(begin)};
}

Status Parser::match_measures(MatchRecognize& match) {
  return list([&]() -> Status {
    MatchRecognize::Measure each;
    TIDEWHEEL_ASSIGN_OR_RETURN(each.value, expression());
    TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
    TIDEWHEEL_ASSIGN_OR_RETURN(each.name, identifier("a name for the measure"));
    match.measures.push_back(std::move(each));
    return {};
  });
}

// SKIP PAST LAST ROW | SKIP TO NEXT ROW | SKIP TO FIRST v | SKIP TO [LAST] v
Status Parser::match_skip(MatchRecognize& match) {
  using Skip = MatchRecognize::Skip;
  TIDEWHEEL_RETURN_IF_ERROR(expect("SKIP"));
  if (accept_all({"PAST", "LAST", "ROW"})) {
    match.skip = Skip::kPastLastRow;
    return {};
  }
  if (!accept("TO")) { return unexpected(Words{"PAST", "TO"}); }
  if (accept_all({"NEXT", "ROW"})) {
    match.skip = Skip::kToNextRow;
    return {};
  }
  match.skip = accept("FIRST") ? Skip::kToFirst : Skip::kToLast;
  if (match.skip == Skip::kToLast) { accept("LAST"); }
  TIDEWHEEL_ASSIGN_OR_RETURN(match.skip_to, identifier("the name of a pattern variable"));
  return {};
}

// a b | c
Result<RowPattern> Parser::row_pattern() {
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  RowPattern either;
  either.kind = RowPattern::Kind::kOneOf;
  do {
    TIDEWHEEL_ASSIGN_OR_RETURN(RowPattern part, row_sequence());
    either.parts.push_back(std::move(part));
  } while (accept("|"));
  if (either.parts.size() > 1) { return either; }
  return std::move(either.parts[0]);
}

Result<RowPattern> Parser::row_sequence() {
  RowPattern sequence;
  sequence.kind = RowPattern::Kind::kSequence;
  do {
    TIDEWHEEL_ASSIGN_OR_RETURN(RowPattern part, row_factor());
    sequence.parts.push_back(std::move(part));
  } while (at_name() || at("(") || at("{-"));
  if (sequence.parts.size() > 1) { return sequence; }
  return std::move(sequence.parts[0]);
}

Result<RowPattern> Parser::row_factor() {
  RowPattern pattern;
  if (accept("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(pattern, row_pattern());
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  } else if (accept("{-")) {
    pattern.kind = RowPattern::Kind::kExclude;
    TIDEWHEEL_ASSIGN_OR_RETURN(RowPattern inner, row_pattern());
    pattern.parts.push_back(std::move(inner));
    TIDEWHEEL_RETURN_IF_ERROR(expect("-}"));
  } else if (at("PERMUTE") && at("(", 1)) {
    at_ += 2;
    pattern.kind = RowPattern::Kind::kPermute;
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      TIDEWHEEL_ASSIGN_OR_RETURN(RowPattern part, row_pattern());
      pattern.parts.push_back(std::move(part));
      return {};
    }));
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(pattern.variable, identifier("a pattern variable"));
  }
  const Span place = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(auto quantifier, row_quantifier());
  if (!quantifier.has_value()) { return pattern; }
  if (pattern.quantifier.has_value()) {  // (a+)*
    RowPattern outer;
    outer.kind = RowPattern::Kind::kSequence;
    outer.parts.push_back(std::move(pattern));
    pattern = std::move(outer);
  }
  pattern.quantifier = quantifier;
  if (quantifier->most.has_value() && *quantifier->most < quantifier->least) {
    return error(place, "the greatest number is less than the least");
  }
  return pattern;
}

// * + ? {n} {n,} {,m} {n,m}, and ? behind it: reluctant
Result<std::optional<RowPattern::Quantifier>> Parser::row_quantifier() {
  RowPattern::Quantifier found;
  if (accept("*")) {
    found = {0, std::nullopt, false};
  } else if (accept("+")) {
    found = {1, std::nullopt, false};
  } else if (accept("?")) {
    found = {0, 1, false};
  } else if (accept("{")) {
    found.least = 0;
    if (!at(",")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(found.least, integer("a number of rows"));
      found.most = found.least;
    }
    if (accept(",")) {
      found.most.reset();
      if (!at("}")) { TIDEWHEEL_ASSIGN_OR_RETURN(found.most, integer("a number of rows")); }
    }
    TIDEWHEEL_RETURN_IF_ERROR(expect("}"));
  } else {
    return std::optional<RowPattern::Quantifier>();
  }
  found.reluctant = accept("?");
  return std::optional<RowPattern::Quantifier>(found);
}

}  // namespace tidewheel::sql
