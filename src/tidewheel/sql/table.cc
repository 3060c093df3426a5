#include "tidewheel/sql/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/changelog.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/job_sql.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/updating_clause.h"

namespace tidewheel::sql {
namespace {

// Why there are no rows; OK when that was said.
Status check_rows(const QueryDraft& draft) {
  if (draft.query.has_value() || draft.nothing.empty()) { return ok_status(); }
  return invalid_argument(ErrorId::kSqlQuery, "there are no rows to ask for: {} gives none",
                          draft.nothing);
}

// Whether NULL, at any depth, has a place.
bool takes_nulls(const LogicalType& from, const LogicalType& to) {
  if (from.nullable && !to.nullable) { return false; }
  for (size_t i = 0; i < std::min(from.children.size(), to.children.size()); ++i) {
    if (!takes_nulls(from.children[i], to.children[i])) { return false; }
  }
  return true;
}

// Where a column of a query is made.
Span column_span(const Query& query, size_t column, size_t columns) {
  const auto* select = std::get_if<Select>(&query.body);
  if (select == nullptr || select->items.size() != columns) { return query.span; }
  for (const SelectItem& item : select->items) {
    if (std::holds_alternative<Star>(item.value.node)) { return query.span; }
  }
  const SelectItem& item = select->items[column];
  return item.alias.has_value() ? span_over(item.value.span, item.alias->span) : item.value.span;
}

// Makes the columns of a plan those of a C++ type.
class ShapeFitter {
 public:
  ShapeFitter(const QueryDraft& draft, const RowShape& shape, const PlanRef& plan)
      : draft_(draft), shape_(shape), plan_(plan), taken_(plan->type.size(), false) {}

  Result<PlanRef> fit(const BinderEnvironment& environment) {
    const Scope scope = Scope::of(plan_->type, "");
    ExpressionBinder binder(draft_.text, scope, environment.functions);
    std::vector<Bound> outputs;
    for (size_t field = 0; field < shape_.type.size(); ++field) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const size_t column, column_of(field));
      taken_[column] = true;
      TIDEWHEEL_RETURN_IF_ERROR(check(column, field));
      LogicalType type = shape_.type.types[field];
      type.time = plan_->type.types[column].time;
      TIDEWHEEL_ASSIGN_OR_RETURN(
          Bound value,
          binder.coerce(Bound::of_column(static_cast<int32_t>(column), plan_->type.types[column]),
                        type, span(column)));
      outputs.push_back(std::move(value));
    }
    for (size_t column = 0; column < taken_.size(); ++column) {
      if (!taken_[column]) { return no_field(column); }
    }
    return make_calc(plan_, std::nullopt, std::move(outputs), shape_.type.names);
  }

 private:
  Span span(size_t column) const { return column_span(*draft_.query, column, plan_->type.size()); }
  Status error(Span span, ErrorId id, std::string message) const {
    return error_at(draft_.text, span, id, std::move(message));
  }

  Result<size_t> column_of(size_t field) const {
    if (shape_.by_position) {
      if (field < plan_->type.size()) { return field; }
      return error(draft_.query->span, ErrorId::kSqlType,
                   fmt::format("the query gives {} columns, and {} takes {}", plan_->type.size(),
                               shape_.name, shape_.type.size()));
    }
    const std::string& name = shape_.type.names[field];
    const size_t column = plan_->type.find(name);
    if (column < plan_->type.size()) { return column; }
    return error(draft_.query->span, ErrorId::kSqlName,
                 fmt::format("the query gives no column '{}' for the field of that name of {}{}",
                             name, shape_.name, near_miss(name, plan_->type.names)));
  }

  Status no_field(size_t column) const {
    const std::string& name = plan_->type.names[column];
    if (shape_.by_position) {
      return error(span(column), ErrorId::kSqlType,
                   fmt::format("the query gives {} columns, and {} takes {}", plan_->type.size(),
                               shape_.name, shape_.type.size()));
    }
    return error(
        span(column), ErrorId::kSqlName,
        fmt::format("{} has no field for the column '{}' of type {}{}", shape_.name, name,
                    plan_->type.types[column].to_string(), near_miss(name, shape_.type.names)));
  }

  Status check(size_t column, size_t field) const {
    const LogicalType& from = plan_->type.types[column];
    const LogicalType& to = shape_.type.types[field];
    const std::string both = fmt::format("the column '{}' is {}, and the field '{}' of {} is {}",
                                         plan_->type.names[column], from.to_string(),
                                         shape_.type.names[field], shape_.name, to.to_string());
    if (!can_cast_implicitly(from, to)) {
      return error(span(column), ErrorId::kSqlType,
                   both + ": change the field, or CAST the column in the query");
    }
    if (!takes_nulls(from, to)) {
      return error(span(column), ErrorId::kSqlType,
                   both +
                       ": make it a std::optional, or give a value in the place of NULL with "
                       "COALESCE");
    }
    return ok_status();
  }

  const QueryDraft& draft_;
  const RowShape& shape_;
  const PlanRef plan_;
  std::vector<bool> taken_;
};

// The first column by which the rows of a plan go through event time.
RowsTime time_of(const RowType& type) {
  for (size_t i = 0; i < type.size(); ++i) {
    if (type.types[i].time == TimeAttribute::kEvent) {
      return {static_cast<int32_t>(i), type.types[i].units_per_second() / 1000};
    }
  }
  return {};
}

Result<TypedRows> make_typed_rows(const QueryDraft& draft, const RowShape& shape) {
  TIDEWHEEL_RETURN_IF_ERROR(check_rows(draft));
  TypedRows typed{Stream<ColumnRow>(nullptr, {}), {}, shape.type.names, 0};
  if (!draft.query.has_value()) { return typed; }
  JobSql& sql = *draft.sql;
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, sql.plan(draft.text, *draft.query));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, ShapeFitter(draft, shape, plan).fit(sql.binder_environment()));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, sql.optimized(std::move(plan)));
  plan = infer_changelog(plan, /*needs_before=*/true);
  if (plan->updates && !shape.is_change) {
    const UpdatingClause clause =
        find_updating_clause(sql.binder_environment(), draft.text, *draft.query);
    return error_at(draft.text, clause.span, ErrorId::kSqlQuery,
                    fmt::format("rows of this query change after they were given, so that they are "
                                "no {}: {}; take as<tw::Change<{}>>()",
                                shape.name, clause.why, shape.name));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(typed.rows, sql.build(*plan));
  typed.time = time_of(plan->type);
  if (plan->updates) {
    const auto& ends = typed.rows.ends();
    const bool single = std::all_of(ends.begin(), ends.end(), [&](const StreamEnd& end) {
      return sql.graph()->node(end.node).parallelism == 1;
    });
    typed.parallelism = single ? 1 : 0;
  }
  return typed;
}

}  // namespace

TypedRows typed_rows(const QueryDraft& draft, const RowShape& shape, std::source_location where) {
  Result<TypedRows> typed = make_typed_rows(draft, shape);
  if (typed.ok() && typed->rows.graph() != nullptr) { return std::move(*typed); }
  draft.sql->note(typed.status(), where, "as");
  return {Stream<ColumnRow>(draft.sql->graph(), {}), {}, shape.type.names, 0};
}

}  // namespace tidewheel::sql

namespace tidewheel {

Table::Table(std::shared_ptr<const sql::QueryDraft> draft) : draft_(std::move(draft)) {}
Table::~Table() = default;
Table::Table(const Table&) = default;
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(const Table&) = default;
Table& Table::operator=(Table&&) noexcept = default;

namespace {

Status insert_rows(const sql::QueryDraft& draft, std::string_view name) {
  TIDEWHEEL_RETURN_IF_ERROR(sql::check_rows(draft));
  if (!draft.query.has_value()) { return ok_status(); }
  const std::string text = "INSERT INTO " + std::string(name) + "\n" + sql::to_sql(*draft.query);
  TIDEWHEEL_ASSIGN_OR_RETURN(const sql::Statement statement, sql::parse_statement(text));
  const auto* insert = std::get_if<sql::Insert>(&statement.node);
  if (insert == nullptr) {
    return invalid_argument(ErrorId::kSqlName, "'{}' is not the name of a table", name);
  }
  return draft.sql->insert(text, {*insert});
}

Result<sql::PlanRef> plan_of(const sql::QueryDraft& draft) {
  TIDEWHEEL_RETURN_IF_ERROR(sql::check_rows(draft));
  if (!draft.query.has_value()) {
    return invalid_argument(ErrorId::kSqlQuery, "the query of this table is wrong");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(sql::PlanRef plan, draft.sql->plan(draft.text, *draft.query));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, draft.sql->optimized(std::move(plan)));
  return sql::infer_changelog(plan, /*needs_before=*/true);
}

Status print_rows(const sql::QueryDraft& draft, std::string_view prefix) {
  TIDEWHEEL_RETURN_IF_ERROR(sql::check_rows(draft));
  if (!draft.query.has_value()) { return ok_status(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const sql::PlanRef plan, plan_of(draft));
  TableDefinition table;
  table.path = "print";
  for (size_t i = 0; i < plan->type.size(); ++i) {
    table.columns.push_back({plan->type.names[i], plan->type.types[i], "", false});
  }
  table.options["connector"] = "print";
  if (!prefix.empty()) { table.options["print-identifier"] = prefix; }
  return draft.sql->insert(*plan, table);
}

}  // namespace

void Table::insert_into(std::string_view name, std::source_location where) const {
  draft_->sql->note(insert_rows(*draft_, name), where, "insert_into");
}

void Table::print(std::source_location where) const { print({}, where); }
void Table::print(std::string_view prefix, std::source_location where) const {
  draft_->sql->note(print_rows(*draft_, prefix), where, "print");
}

std::string Table::to_sql() const {
  return draft_->query.has_value() ? sql::to_sql(*draft_->query) : "";
}

Result<RowType> Table::row_type() const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const sql::PlanRef plan, plan_of(*draft_));
  return plan->type;
}

Result<std::string> Table::explain() const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const sql::PlanRef plan, plan_of(*draft_));
  return sql::plan_text(*plan, true);
}

}  // namespace tidewheel
