// The calls that make one Table of another: each adds a clause to the query, or puts another query
// around it, prints the tree and binds what was printed. So errors show SQL, as those of texts do.
#include <fmt/format.h>

#include <utility>

#include "tidewheel/sql/expr_node.h"
#include "tidewheel/sql/job_sql.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/table.h"

namespace tidewheel {

namespace sql {
namespace {

Expression star() { return Expression{Star{}, {}}; }

Select select_all(TableReference from) {
  Select select;
  select.items.push_back({star(), std::nullopt});
  select.from = std::move(from);
  return select;
}

Query query_of(Select select) {
  Query query;
  query.body = std::move(select);
  return query;
}

// SELECT * FROM .. [WHERE ..]: a clause can still be added. Null otherwise.
const Select* bare_select(const Query& query) {
  const auto* select = std::get_if<Select>(&query.body);
  const bool is_bare =
      query.is_plain() && select != nullptr && select->from.has_value() &&
      select->items.size() == 1 && std::holds_alternative<Star>(select->items[0].value.node) &&
      !std::get<Star>(select->items[0].value.node).of.has_value() && !select->distinct &&
      !select->group_by.has_value() && !select->having.has_value() && select->windows.empty();
  return is_bare ? select : nullptr;
}

// What the columns of a table can be qualified with.
std::optional<Identifier> qualifier(const TableReference& from) {
  if (from.alias.has_value()) { return from.alias->name; }
  const auto* named = std::get_if<NamedTable>(&from.node);
  if (named == nullptr || named->is_file) { return std::nullopt; }
  return named->name.parts.back();
}

// A query as what stands behind FROM. Its columns keep the name of their table.
TableReference as_table(const Query& query) {
  const Select* const bare = bare_select(query);
  if (bare != nullptr && !bare->where.has_value()) { return *bare->from; }
  TableReference made;
  made.node = DerivedTable{false, query};
  if (bare != nullptr) {
    if (auto name = qualifier(*bare->from)) { made.alias = Alias{std::move(*name), {}}; }
  }
  return made;
}

// A SELECT to which clauses can be added.
Select open_select(const Query& query) {
  const Select* const bare = bare_select(query);
  return bare != nullptr ? *bare : select_all(as_table(query));
}

SelectItem select_item(const Expr& expression) {
  SelectItem item{expression.node().tree, std::nullopt};
  if (expression.node().alias.has_value()) {
    item.alias = Identifier{*expression.node().alias, {}};
  }
  return item;
}

// One side of a set operation: what is more than a body stands in a query of its own.
Query as_side(const Query& query) {
  return query.is_plain() ? query : query_of(select_all(as_table(query)));
}

FunctionCall::Argument positional(Expression value) { return {std::nullopt, std::move(value)}; }

// A query as the data of a window function.
Expression window_data(const Query& query, const std::vector<std::string>& partition_by) {
  const Select* const bare = bare_select(query);
  const auto* named = bare == nullptr || bare->where.has_value()
                          ? nullptr
                          : std::get_if<NamedTable>(&bare->from->node);
  if (named == nullptr || named->is_file || named->as_of.has_value() || !named->hints.empty()) {
    return Expression{Subquery{false, query}, {}};
  }
  TableArgument argument{named->name, {}, {}};
  for (const std::string& column : partition_by) {
    argument.partition_by.push_back(Expression{ColumnName{name_of(column)}, {}});
  }
  return Expression{std::move(argument), {}};
}

Query window_query(const Query& query, const char* function, const std::string& on,
                   const std::vector<Duration>& lengths, Duration offset,
                   const std::vector<std::string>& partition_by = {}) {
  FunctionCall call;
  call.name = name_of(function);
  call.arguments.push_back(positional(window_data(query, partition_by)));
  call.arguments.push_back(
      positional(Expression{Descriptor{{Identifier{name_of(on).parts.back().name, {}}}}, {}}));
  for (const Duration length : lengths) {
    call.arguments.push_back(positional(interval_literal(length.count())));
  }
  if (offset.count() != 0) {
    call.arguments.push_back(positional(interval_literal(offset.count())));
  }
  TableReference table;
  table.node = FunctionTable{false, Expression{std::move(call), {}}};
  if (const Select* bare = bare_select(query)) {
    if (auto name = qualifier(*bare->from)) { table.alias = Alias{std::move(*name), {}}; }
  }
  return query_of(select_all(std::move(table)));
}

// The call that makes a table, for messages.
struct Call {
  const QueryDraft& draft;
  std::source_location where;
  const char* name;
  bool may_be_limited = false;  // by the next call

  // `change(query)` gives the next query; of a table that was wrong already nothing is made.
  template <class F>
  Table make(F change, Status error = {}) const {
    if (!draft.query.has_value()) {
      Status none;
      if (!draft.nothing.empty()) {
        none = invalid_argument(ErrorId::kSqlQuery, "there is no table: {} gives no rows",
                                draft.nothing);
      }
      return draft.sql->failed(std::move(none), where, name);
    }
    if (!error.ok()) { return draft.sql->failed(std::move(error), where, name); }
    std::string text = to_sql(change(*draft.query));
    Result<Statement> parsed = parse_statement(text);
    if (!parsed.ok()) { return draft.sql->failed(parsed.status(), where, name); }
    return draft.sql->draft(std::move(text), std::move(std::get<Query>(parsed->node)), where, name,
                            may_be_limited);
  }
};

Status first_error(const std::vector<Item>& items) {
  for (const Item& item : items) {
    if (!item.expression().node().error.ok()) { return item.expression().node().error; }
  }
  return ok_status();
}

Query with_set(const Query& left, const Query& right, SetOperation::Kind kind, bool all) {
  Query query;
  query.body = SetOperation{kind, all, as_side(left), as_side(right)};
  return query;
}

}  // namespace
}  // namespace sql

using sql::Call;
using sql::Query;

Table Table::named(std::string_view name, std::source_location where) const {
  return Call{*draft_, where, "named"}.make([&](const Query& query) {
    sql::TableReference table = sql::as_table(query);
    table.alias = sql::Alias{{std::string(name), {}}, {}};
    return sql::query_of(sql::select_all(std::move(table)));
  });
}

Table Table::select_items(const std::vector<Item>& items, std::source_location where,
                          bool keeps_all) const {
  return Call{*draft_, where, keeps_all ? "add_columns" : "select"}.make(
      [&](const Query& query) {
        sql::Select select = sql::open_select(query);
        if (!keeps_all) { select.items.clear(); }
        for (const Item& item : items) {
          select.items.push_back(sql::select_item(item.expression()));
        }
        return sql::query_of(std::move(select));
      },
      sql::first_error(items));
}

Table Table::where(const Expr& condition, std::source_location where) const {
  return Call{*draft_, where, "where"}.make(
      [&](const Query& query) {
        sql::Select select = sql::open_select(query);
        select.where = select.where.has_value()
                           ? (sql_condition(*select.where) && condition).node().tree
                           : condition.node().tree;
        return sql::query_of(std::move(select));
      },
      condition.node().error);
}

Expr Table::sql_condition(const sql::Expression& tree) {
  return Expr(std::make_shared<const sql::ExprNode>(sql::ExprNode{tree}));
}

Table Table::join_with(const Table& other, const Expr* on, JoinType type,
                       std::source_location where) const {
  static constexpr const char* kNames[] = {"join", "left_join", "right_join", "full_join",
                                           "cross_join"};
  using JoinKind = sql::Join::Kind;
  static constexpr JoinKind kKinds[] = {JoinKind::kInner, JoinKind::kLeft, JoinKind::kRight,
                                        JoinKind::kFull, JoinKind::kCross};
  const auto index = static_cast<size_t>(type);
  const Call call{*draft_, where, kNames[index]};
  if (!other.draft_->query.has_value()) {
    return Call{*other.draft_, where, kNames[index]}.make([](const Query& query) { return query; });
  }
  return call.make(
      [&](const Query& query) {
        sql::Join join{kKinds[index],        false,
                       sql::as_table(query), sql::as_table(*other.draft_->query),
                       std::nullopt,         {}};
        if (on != nullptr) { join.on = on->node().tree; }
        sql::TableReference table;
        table.node = std::move(join);
        return sql::query_of(sql::select_all(std::move(table)));
      },
      on == nullptr ? Status() : on->node().error);
}

Table Table::combined(const Table& other, SetType type, bool all,
                      std::source_location where) const {
  static constexpr const char* kNames[] = {"union", "intersect", "except"};
  const auto index = static_cast<size_t>(type);
  if (!other.draft_->query.has_value()) {
    return Call{*other.draft_, where, kNames[index]}.make([](const Query& query) { return query; });
  }
  return Call{*draft_, where, kNames[index]}.make([&](const Query& query) {
    return sql::with_set(query, *other.draft_->query, static_cast<sql::SetOperation::Kind>(index),
                         all);
  });
}

Table Table::distinct(std::source_location where) const {
  return Call{*draft_, where, "distinct"}.make([&](const Query& query) {
    Query made = query;
    auto* select = std::get_if<sql::Select>(&made.body);
    if (select == nullptr || !made.is_plain() || select->distinct) {
      made = sql::query_of(sql::select_all(sql::as_table(query)));
      select = &std::get<sql::Select>(made.body);
    }
    select->distinct = true;
    return made;
  });
}

Table Table::order_by_keys(const std::vector<SortBy>& keys, std::source_location where) const {
  Status error;
  for (const SortBy& key : keys) {
    if (error.ok()) { error = key.value().node().error; }
  }
  return Call{*draft_, where, "order_by", true}.make(
      [&](const Query& query) {
        Query made = query.order_by.empty() && !query.limit.has_value() && !query.offset.has_value()
                         ? query
                         : sql::query_of(sql::select_all(sql::as_table(query)));
        for (const SortBy& key : keys) {
          made.order_by.push_back(
              {key.value().node().tree, key.is_descending(), key.are_nulls_first()});
        }
        return made;
      },
      error);
}

Table Table::limit(int64_t rows, int64_t offset, std::source_location where) const {
  Status error;
  if (rows < 0 || offset < 0) {
    error = invalid_argument(ErrorId::kSqlQuery, "a limit can't be negative: {}, {}", rows, offset);
  }
  return Call{*draft_, where, "limit"}.make(
      [&](const Query& query) {
        Query made = query.limit.has_value() || query.offset.has_value()
                         ? sql::query_of(sql::select_all(sql::as_table(query)))
                         : query;
        made.limit = Expr(rows).node().tree;
        if (offset > 0) { made.offset = Expr(offset).node().tree; }
        return made;
      },
      error);
}

Table Table::window(const Tumble& window, std::source_location where) const {
  return Call{*draft_, where, "window"}.make([&](const Query& query) {
    return sql::window_query(query, "TUMBLE", window.on, {window.size}, window.offset);
  });
}
Table Table::window(const Hop& window, std::source_location where) const {
  return Call{*draft_, where, "window"}.make([&](const Query& query) {
    return sql::window_query(query, "HOP", window.on, {window.slide, window.size}, window.offset);
  });
}
Table Table::window(const Cumulate& window, std::source_location where) const {
  return Call{*draft_, where, "window"}.make([&](const Query& query) {
    return sql::window_query(query, "CUMULATE", window.on, {window.step, window.size},
                             window.offset);
  });
}
Table Table::window(const SessionWindow& window, std::source_location where) const {
  return Call{*draft_, where, "window"}.make([&](const Query& query) {
    const auto* bare = sql::bare_select(query);
    const bool is_named = bare != nullptr && !bare->where.has_value() &&
                          std::holds_alternative<sql::NamedTable>(bare->from->node);
    if (is_named || window.partition_by.empty()) {
      return sql::window_query(query, "SESSION", window.on, {window.gap}, Duration(0),
                               window.partition_by);
    }
    // PARTITION BY stands behind the name of a table only.
    const sql::Identifier name{"sessions of", {}};
    sql::TableReference table;
    table.node = sql::NamedTable{sql::Name{{name}}, false, {}, std::nullopt};
    Query made = sql::window_query(sql::query_of(sql::select_all(std::move(table))), "SESSION",
                                   window.on, {window.gap}, Duration(0), window.partition_by);
    made.with.push_back(sql::CommonTable{name, {}, query});
    return made;
  });
}

// ---- Groups

GroupedTable::GroupedTable(Table table, std::vector<Item> keys)
    : table_(std::move(table)), keys_(std::move(keys)) {}

GroupedTable GroupedTable::having(const Expr& condition) const {
  GroupedTable made = *this;
  made.having_ = condition;
  return made;
}

Table GroupedTable::select_items(const std::vector<Item>& items, std::source_location where) const {
  Status error = sql::first_error(keys_);
  if (error.ok()) { error = sql::first_error(items); }
  if (error.ok() && having_.has_value()) { error = having_->node().error; }
  return Call{*table_.draft_, where, "group_by(..).select"}.make(
      [&](const Query& query) {
        sql::Select select = sql::open_select(query);
        select.items.clear();
        for (const Item& item : items) {
          select.items.push_back(sql::select_item(item.expression()));
        }
        if (!keys_.empty()) { select.group_by.emplace(); }
        for (const Item& key : keys_) { select.group_by->push_back(key.expression().node().tree); }
        if (having_.has_value()) { select.having = having_->node().tree; }
        return sql::query_of(std::move(select));
      },
      error);
}

Expr Expr::in(const Table& table) const {
  const auto& query = table.draft_->query;
  if (!query.has_value()) { return *this; }
  return Expr(std::make_shared<const sql::ExprNode>(
      sql::ExprNode{{sql::In{false, node_->tree, {}, *query}, {}}, node_->error}));
}

}  // namespace tidewheel
