// The class behind bind_query; its .cc files are by subject (bind_table, bind_from, bind_select,
// bind_aggregate).
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/scope.h"
#include "tidewheel/sql/statement.h"
#include "tidewheel/sql/table_uses.h"

namespace tidewheel::sql {

class AsyncCalls;  // bind_async.h
class Grouping;    // bind_aggregate.cc
class OverBinder;  // over_binder.h
class QueryJoins;  // bind_subquery.h

struct Planned {
  PlanRef plan;
  Scope scope;
};

class QueryBinder {
 public:
  static constexpr int32_t kViewDepthMax = 64;
  // Of queries of WITH and views that name each other.
  static constexpr int32_t kNamedDepthMax = 256;

  QueryBinder(const BinderEnvironment& environment, std::string_view text)
      : environment_(environment), text_(text) {}

  Result<PlanRef> query(const Query& query);

  // ---- bind_table.cc
  Result<PlanRef> table(const CatalogObject& object, const std::vector<Option>& hints);
  Result<PlanRef> scan_definition(std::shared_ptr<const TableDefinition> definition);
  Result<PlanRef> with_computed_columns(const CatalogObject& object, PlanRef plan);
  Result<PlanRef> with_watermark(const CatalogObject& object, PlanRef plan);

  // ---- bind_subquery.cc
  // A query within an expression that `around` binds, whose names it may use. Columns of `around`
  // are then Bound::Kind::kOuter of level outer_level().
  Result<PlanRef> inner_query(const Query& query, ExpressionBinder& around);
  int32_t outer_level() const { return static_cast<int32_t>(outers_.size()); }
  const FunctionRegistry& functions() const { return environment_.functions; }

 private:
  // ---- bind_query.cc
  // The sort keys of a query are bound with its SELECT, whose input they may name.
  struct Sorted {
    PlanRef plan;
    size_t visible = 0;  // columns; those behind are for sorting
    std::vector<SortKeyNode> keys;
  };
  Result<Sorted> body(const Query& query);
  Result<PlanRef> set_operation(const SetOperation& operation);
  Result<PlanRef> values(const Values& values);
  Result<PlanRef> ordered(const Query& query, Sorted sorted);
  Result<std::optional<int64_t>> row_count(const std::optional<Expression>& expression);
  Result<PlanRef> coerced(PlanRef plan, const std::vector<LogicalType>& types, Span span);
  Result<Sorted> sort_by_outputs(PlanRef plan, const std::vector<SortKey>& keys);

  // ---- bind_from.cc
  Result<Planned> from(const TableReference& reference);
  Result<Planned> from_node(const NamedTable& table, const TableReference& reference);
  Result<Planned> from_node(const DerivedTable& table, const TableReference& reference);
  Result<Planned> from_node(const FunctionTable& table, const TableReference& reference);
  Result<Planned> from_node(const UnnestTable& table, const TableReference& reference);
  Result<Planned> from_node(const Join& join, const TableReference& reference);
  Result<Planned> from_node(const MatchRecognize& match, const TableReference& reference);
  Result<Planned> aliased(PlanRef plan, const std::optional<Alias>& alias, std::string name);
  bool is_common(const Name& name) const;  // a query of WITH
  Result<PlanRef> named(const NamedTable& table);
  Result<PlanRef> expand_view(const CatalogObject& view);
  Result<PlanRef> window_table(const FunctionCall& call, Span span);
  // A column that both sides of a join have, by USING or NATURAL; `right` counts behind the left.
  struct CommonColumn {
    Bound left;
    Bound right;
    Span span;
  };
  using CommonColumns = std::vector<CommonColumn>;
  Result<CommonColumns> common_columns(const Join& join, const Scope& left,
                                       const Scope& right) const;
  // Has simple names and `*` know one of each two common columns, which `*` puts first.
  Result<Planned> with_common(Planned joined, JoinKind kind, const CommonColumns& common);

  // ---- bind_async.cc
  // Has the sides of a join have the values of the asynchronous functions of its condition, each
  // of the side whose columns it is of. What is left is of both, and is looked at behind the join.
  Result<Planned> async_join(const Join& join, JoinKind kind, Planned left, Planned right);
  // ON has queries: they are joined behind.
  Result<Planned> query_join(const Join& join, JoinKind kind, Planned left, Planned right);
  bool has_async_call(const Expression& expression) const;
  // Of the aggregates and keys of a SELECT, below what puts it into groups.
  Status take_async_below(const Select& select, const std::vector<SortKey>& order_by,
                          AsyncCalls& calls, PlanRef& plan);
  // Errors: kSqlUnsupported for calls that can't be made over groups.
  Status check_async_above(const Select& select, const std::vector<SortKey>& order_by);
  // The calls in some expressions that are made over groups.
  std::vector<const Expression*> async_above(const std::vector<const Expression*>& expressions,
                                             const Select& select) const;

  // ---- bind_temporal.cc
  // A join with a table FOR SYSTEM_TIME AS OF the time of the left row.
  Result<Planned> temporal_join(const Join& join, const TableReference& reference, Planned left);
  struct TemporalSides;
  Result<PlanRef> versioned_join(TemporalSides& sides, const NamedTable& table);
  Result<PlanRef> lookup_join(TemporalSides& sides, const NamedTable& table);
  Result<LookupHintNode> lookup_hint(const std::string& table);
  // Of a SELECT whose FROM is bound.
  Status check_hints(const std::vector<Hint>& hints) const;
  // A table of FROM, as the hint STATE_TTL has it.
  Result<PlanRef> with_state_ttl(PlanRef plan, const std::string& name);

  // ---- bind_late.cc
  // What the hint LATE_TABLE of a SELECT, if it has one, has become of late rows with the columns
  // of a scope.
  Result<std::optional<SideTableNode>> late_table(const std::vector<Hint>& hints,
                                                  const Scope& scope, const Plan& input);
  Status check_late_used(const std::vector<Hint>& hints) const;
  // A scan, with what becomes of records that can't be read.
  Result<PlanRef> with_dead_letters(PlanRef scan);
  // By its path, "database.table"; something is to be written into it.
  Result<std::shared_ptr<const TableDefinition>> written_table(const std::string& path);
  // What goes into each column of the table: the column of the scope that has its name.
  Result<std::vector<Bound>> by_name(const TableDefinition& table, const Scope& scope,
                                     std::string_view of_what);

  // ---- bind_lateral.cc
  // `right` is made of each row of `left`, by a function or a query.
  Result<Planned> lateral(Planned left, const TableReference& right, const Join* join);
  // `plan` has the columns of `left`, then `made`, which are those of `right`.
  Result<Planned> beside(Planned left, PlanRef plan, RowType made, const TableReference& right,
                         const Join* join);

  // ---- bind_select.cc
  Result<Sorted> select(const Select& select, const std::vector<SortKey>& order_by);
  Result<Sorted> select_rows(Planned input, const Select& select,
                             const std::vector<SortKey>& order_by);
  Status take_async_of_rows(const Select& select, const std::vector<SortKey>& order_by,
                            AsyncCalls& asyncs, PlanRef& plan);
  Result<Planned> from_with_hints(const Select& select);
  // The items of SELECT with `*` expanded: expressions, or columns of the input.
  struct Item {
    const Expression* expression = nullptr;  // null: `column`
    int32_t column = -1;
    std::string name;
  };
  Result<std::vector<Item>> expand_items(const Select& select, const Scope& scope);
  // Queries among the items may add to `plan` while they are bound.
  Result<Sorted> project(PlanRef& plan, ExpressionBinder& binder, const std::vector<Item>& items,
                         const std::vector<SortKey>& order_by);

  // ---- bind_aggregate.cc
  Result<Sorted> aggregate(Planned input, const Select& select,
                           const std::vector<SortKey>& order_by);
  Status read_group_by(const Expressions& group_by, const Planned& input, Grouping& grouping,
                       const std::optional<std::string>& old_window);
  Status bind_group_items(const Select& select, const std::vector<Item>& items,
                          const std::vector<SortKey>& order_by, OverBinder& overs,
                          ExpressionBinder& behind);
  // The rows of groups: keys, results, then what GROUPING gives.
  Result<PlanRef> grouped(const PlanRef& input, Grouping& grouping, bool has_old_window, Span span);
  // The numbers of the keys of an element of GROUP BY, which are added to the grouping.
  Result<std::vector<size_t>> group_keys(const Expression& expression, const Planned& input,
                                         Grouping& grouping,
                                         const std::optional<std::string>& old_window,
                                         std::vector<std::pair<std::string, size_t>>& properties);
  Result<std::optional<std::string>> old_group_window(Planned& input, const Expressions& group_by);

  // ---- bind_subquery.cc
  // A binder of expressions over a scope, that knows the names of the queries around too.
  ExpressionBinder expressions(const Scope& scope);
  Result<Bound> outer_column(size_t outer, const ColumnName& column, Span span);
  // Rows for which a condition is true; queries within it are joined.
  // `known`: may have bound queries of it before.
  Result<PlanRef> filtered(PlanRef plan, ExpressionBinder& binder, const Expression& condition,
                           const QueryJoins* known = nullptr);

  Status error(Span span, ErrorId id, std::string message) const {
    return error_at(text_, span, id, std::move(message));
  }

  // What a statement's query and the views in it have in common.
  struct Named {
    TableUses uses;
    std::map<ObjectPath, PlanRef> views = {};  // that have been bound
    int32_t depth = 0;                         // of queries that are named
  };
  QueryBinder(const BinderEnvironment& environment, std::string_view text, int32_t depth,
              std::shared_ptr<Named> named)
      : environment_(environment), text_(text), depth_(depth), named_(std::move(named)) {}
  Result<PlanRef> common_table(size_t index);
  Result<PlanRef> bind_common(size_t index);
  Result<PlanRef> bind_view(const CatalogObject& view);

  const BinderEnvironment& environment_;
  const std::string_view text_;
  const int32_t depth_ = 0;       // of views
  std::shared_ptr<Named> named_;  // from the first query on
  // Of WITH, the innermost last, and how many queries were around each.
  struct Common {
    const CommonTable* table = nullptr;
    size_t outers = 0;
    std::shared_ptr<PlanRef> bound = std::make_shared<PlanRef>();  // null: not yet
  };
  std::vector<Common> common_;
  std::vector<ExpressionBinder*> outers_;  // what binds in the queries around, the innermost last
  const std::vector<Hint>* hints_ = nullptr;  // of the SELECT whose FROM is being bound
  std::vector<std::string> used_hints_;       // the tables of it that were named there
  std::vector<const Hint*> used_late_;        // hints LATE_TABLE that say something
};

// A scan of all columns of a table.
PlanRef make_scan(std::shared_ptr<const TableDefinition> table, bool is_bounded, bool updates);

// Adds the results of calls over partitions, in the way that the input allows.
PlanRef make_over(PlanRef input, OverNode node);

// Puts rows into windows.
PlanRef make_window(PlanRef input, WindowNode node);

// Joins with a condition over the columns of both, whose parts go where they are cheapest: to one
// side, to the keys, to the bounds of an interval, or into the join.
PlanRef make_join(PlanRef left, PlanRef right, JoinKind kind, std::vector<Bound> conditions,
                  const FunctionRegistry& functions);
// A filter, whose parts go into the inner joins below it.
PlanRef make_pushed_filter(PlanRef plan, std::vector<Bound> conditions,
                           const FunctionRegistry& functions);

// Whether what stands in FROM is made of the columns to its left: UNNEST, TABLE(f(..)).
bool is_lateral(const TableReference& reference);

// Splits alternatives into what all of them ask for and the rest, and adds what they ask of one
// relation (first column and count) alone: that can be looked at before relations are joined.
void add_implied(std::vector<Bound>& conditions,
                 const std::vector<std::pair<size_t, size_t>>& relations);
// What a regular join was made of: conditions over the columns of both sides.
std::vector<Bound> join_conditions(const Plan& join, const FunctionRegistry& functions);
// All rows of plans with the same columns.
PlanRef make_union(std::vector<PlanRef> inputs);
// Different rows.
PlanRef make_distinct(PlanRef plan);

// Whether an aggregate is called in an expression, outside of queries inside of it.
bool has_aggregate(const Expression& expression, const FunctionRegistry& functions);
// Whether a query stands in an expression.
bool has_query(const Expression& expression);
// The calls of asynchronous functions in an expression, likewise; those in arguments of others come
// first.
void collect_async_calls(const Expression& expression, const FunctionRegistry& functions,
                         std::vector<const Expression*>& calls);
// Those within aggregates, and those that are not, nor within an expression of `keys`; and those in
// PARTITION BY and ORDER BY of OVER.
void collect_async_calls_below(const Expression& expression, const FunctionRegistry& functions,
                               std::vector<const Expression*>& calls);
void collect_async_calls_above(const Expression& expression, const FunctionRegistry& functions,
                               const Expressions& keys, std::vector<const Expression*>& calls);
void collect_async_calls_of_over(const Expression& expression, const FunctionRegistry& functions,
                                 std::vector<const Expression*>& calls);
// The names in an expression, likewise.
void collect_names(const Expression& expression, std::vector<const Name*>& names);
// The calls with OVER in an expression, likewise.
void collect_over_calls(const Expression& expression, std::vector<const Expression*>& calls);
// What an aggregate that is built in gives. Errors: kSqlType.
Result<LogicalType> aggregate_call_type(const std::string& name,
                                        const std::vector<LogicalType>& types, bool may_be_empty);
// Fills in a call of an aggregate of users, and casts its arguments. `text` is what places refer
// to.
Status bind_user_aggregate(std::string_view text, const UserAggregates& functions,
                           const FunctionCall& call, Span span, ExpressionBinder& binder,
                           AggregateCallNode& node, std::vector<Bound>& arguments);

}  // namespace tidewheel::sql
