// Queries: WITH, set operations, SELECT.
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

// Whether a query begins here, behind any number of parentheses.
bool Parser::at_query(size_t ahead) const {
  // Beyond the limit of nesting it does not matter any more.
  for (int32_t level = 0; level <= kNestingMax && at("(", ahead); ++level) { ++ahead; }
  return at("SELECT", ahead) || at("VALUES", ahead) || at("WITH", ahead) ||
         (at("TABLE", ahead) && !at("(", ahead + 1));
}

Result<Query> Parser::query() {
  Nested level(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  const Span begin = peek().span;
  std::vector<CommonTable> with;
  if (accept("WITH")) {
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      TIDEWHEEL_ASSIGN_OR_RETURN(CommonTable each, common_table());
      with.push_back(std::move(each));
      return {};
    }));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(Query query, set_operations(false));
  const bool has_tail = at("ORDER") || at("LIMIT") || at("OFFSET") || at("FETCH");
  if ((has_tail || !with.empty()) && !query.is_plain()) {
    Query outer;
    outer.body = NestedQuery{std::move(query)};
    query = std::move(outer);
  }
  query.with = std::move(with);
  if (has_tail) { TIDEWHEEL_RETURN_IF_ERROR(query_tail(query)); }
  if (auto* const nested = std::get_if<NestedQuery>(&query.body);
      nested != nullptr && query.is_plain()) {
    Query inner = std::move(*nested->query);  // LIMIT ALL says nothing
    query = std::move(inner);
  }
  query.span = span_since(begin);
  return query;
}

Result<CommonTable> Parser::common_table() {
  CommonTable table{{}, {}, Query{}};
  TIDEWHEEL_ASSIGN_OR_RETURN(table.name, identifier("the name of a common table"));
  if (at("(")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.columns, identifiers_in_parentheses("the name of a column"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(*table.query, query_in_parentheses());
  return table;
}

Result<Query> Parser::query_in_parentheses() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_ASSIGN_OR_RETURN(Query of, query());
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return of;
}

// INTERSECT binds more tightly than UNION and EXCEPT.
Result<Query> Parser::set_operations(bool intersect) {
  const Span begin = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(Query left, intersect ? query_term() : set_operations(true));
  for (;;) {
    const auto word =
        intersect ? accept_one({"INTERSECT"}) : accept_one({"UNION", "EXCEPT", "MINUS"});
    if (!word.has_value()) { return left; }
    TIDEWHEEL_RETURN_IF_ERROR(check_height(++links_));
    const SetOperation::Kind kind = *word == "UNION"       ? SetOperation::Kind::kUnion
                                    : *word == "INTERSECT" ? SetOperation::Kind::kIntersect
                                                           : SetOperation::Kind::kExcept;
    const bool all = accept("ALL");
    if (!all) { accept("DISTINCT"); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Query right, intersect ? query_term() : set_operations(true));
    Query both;
    both.body = SetOperation{kind, all, std::move(left), std::move(right)};
    both.span = span_since(begin);
    left = std::move(both);
  }
}

Result<Query> Parser::query_term() {
  const Span begin = peek().span;
  if (at("(")) { return query_in_parentheses(); }
  Query query;
  if (at("SELECT")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(query.body, select());
  } else if (accept("VALUES")) {
    Values values;
    TIDEWHEEL_ASSIGN_OR_RETURN(values.rows, expressions());
    query.body = std::move(values);
  } else if (accept("TABLE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Name table, name("the name of a table"));
    query.body = TableQuery{std::move(table)};
  } else {
    return unexpected(Words{"SELECT", "VALUES", "TABLE", "WITH", "("});
  }
  query.span = span_since(begin);
  return query;
}

// ORDER BY, LIMIT, OFFSET, FETCH
Status Parser::query_tail(Query& query) {
  if (accept_all({"ORDER", "BY"})) { TIDEWHEEL_ASSIGN_OR_RETURN(query.order_by, sort_keys()); }
  for (;;) {
    if (at("LIMIT") && !query.limit.has_value()) {
      ++at_;
      if (!accept("ALL")) { TIDEWHEEL_ASSIGN_OR_RETURN(query.limit, expression()); }
    } else if (at("OFFSET") && !query.offset.has_value()) {
      ++at_;
      TIDEWHEEL_ASSIGN_OR_RETURN(query.offset, expression());
      static_cast<void>(accept("ROWS") || accept("ROW"));
    } else if (at("FETCH") && !query.limit.has_value()) {
      ++at_;
      if (!accept_one({"FIRST", "NEXT"}).has_value()) { return unexpected(Words{"FIRST", "NEXT"}); }
      TIDEWHEEL_ASSIGN_OR_RETURN(query.limit, expression());
      if (!accept_one({"ROWS", "ROW"}).has_value()) { return unexpected(Words{"ROWS", "ROW"}); }
      TIDEWHEEL_RETURN_IF_ERROR(expect("ONLY"));
    } else {
      return {};
    }
  }
}

// ---- SELECT

Result<Select> Parser::select() {
  TIDEWHEEL_RETURN_IF_ERROR(expect("SELECT"));
  Select select;
  TIDEWHEEL_ASSIGN_OR_RETURN(select.hints, hints());
  select.distinct = accept("DISTINCT");
  if (!select.distinct) { accept("ALL"); }
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(SelectItem item, select_item());
    select.items.push_back(std::move(item));
    return {};
  }));
  TIDEWHEEL_RETURN_IF_ERROR(select_tail(select));
  // Whatever the statement goes on with is checked where it does; a word that can't begin anything
  // is most likely a clause that was misspelt.
  if (peek().kind == TokenKind::kWord && !is_reserved(peek().upper) && !at("ON")) {
    return unexpected(Words{"FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "UNION",
                            "JOIN", "OFFSET", "FETCH", "EXCEPT", "INTERSECT", ",", ";"});
  }
  return select;
}

Result<SelectItem> Parser::select_item() {
  SelectItem item;
  if (at("*")) {
    item.value = Expression{Star{}, take().span};
    return item;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(item.value, expression());
  if (accept("AS")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(item.alias, identifier("the name of a column"));
  } else if (at_name()) {
    implicit_alias_ = at_;
    TIDEWHEEL_ASSIGN_OR_RETURN(item.alias, identifier("the name of a column"));
  }
  return item;
}

Status Parser::select_tail(Select& select) {
  if (accept("FROM")) { TIDEWHEEL_ASSIGN_OR_RETURN(select.from, table_reference()); }
  TIDEWHEEL_ASSIGN_OR_RETURN(select.where, optional_expression("WHERE"));
  if (accept("GROUP")) {
    TIDEWHEEL_RETURN_IF_ERROR(expect("BY"));
    select.group_by.emplace();
    TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
      TIDEWHEEL_ASSIGN_OR_RETURN(Expression element, grouping_element());
      select.group_by->push_back(std::move(element));
      return {};
    }));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(select.having, optional_expression("HAVING"));
  if (!accept("WINDOW")) { return {}; }
  return list([&]() -> Status {
    NamedWindow window;
    TIDEWHEEL_ASSIGN_OR_RETURN(window.name, identifier("the name of a window"));
    TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
    TIDEWHEEL_ASSIGN_OR_RETURN(window.window, window_spec());
    select.windows.push_back(std::move(window));
    return {};
  });
}

// An expression, (), GROUPING SETS (..), CUBE (..) or ROLLUP (..)
Result<Expression> Parser::grouping_element() {
  Nested nested(*this);
  TIDEWHEEL_RETURN_IF_ERROR(check_nesting());
  const Span begin = peek().span;
  if (accept_all({"(", ")"})) {
    return Expression{Constructor{Constructor::Kind::kRow, {}}, span_since(begin)};
  }
  std::optional<GroupingSets::Kind> kind;
  if (accept_all({"GROUPING", "SETS"})) {
    kind = GroupingSets::Kind::kSets;
  } else if ((at("CUBE") || at("ROLLUP")) && at("(", 1)) {
    kind = take().upper == "CUBE" ? GroupingSets::Kind::kCube : GroupingSets::Kind::kRollup;
  }
  if (!kind.has_value()) { return expression(); }
  GroupingSets node{*kind, {}};
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Expression element, grouping_element());
    node.elements.push_back(std::move(element));
    return {};
  }));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return Expression{std::move(node), span_since(begin)};
}

// ---- Hints

Result<std::vector<Hint>> Parser::hints() {
  std::vector<Hint> hints;
  if (peek().kind != TokenKind::kHintBegin) { return hints; }
  ++at_;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Hint each, hint());
    hints.push_back(std::move(each));
    accept(",");
    if (peek().kind == TokenKind::kHintEnd) { break; }
  }
  ++at_;
  return hints;
}

Result<Hint> Parser::hint() {
  Hint hint;
  TIDEWHEEL_ASSIGN_OR_RETURN(hint.name, identifier("the name of a hint"));
  if (!at("(")) { return hint; }
  if (at_string(1)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.options, options_in_parentheses());
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(hint.words,
                               identifiers_in_parentheses("a name, or 'key' = 'value'"));
  }
  return hint;
}

}  // namespace tidewheel::sql
