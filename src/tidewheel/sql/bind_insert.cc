// Queries are fitted to the tables that they are inserted into.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/source_text.h"

namespace tidewheel::sql {
namespace {

class SinkFitter {
 public:
  SinkFitter(const BinderEnvironment& environment, std::string_view text, const Query& query,
             PlanRef plan, const TableDefinition& sink)
      : text_(text),
        query_(query),
        plan_(std::move(plan)),
        sink_(sink),
        functions_(environment.functions),
        scope_(Scope::of(plan_->type, "")),
        binder_(text, scope_, functions_) {
    for (const TableColumn& column : sink.columns) {
      if (!column.is_virtual) { written_.push_back(&column); }
    }
    from_.assign(written_.size(), kNull);
    fixed_.resize(written_.size());
  }

  Result<PlanRef> fit(const std::vector<Identifier>& columns,
                      const std::vector<Insert::Partition>& partition) {
    TIDEWHEEL_RETURN_IF_ERROR(fix(partition));
    TIDEWHEEL_RETURN_IF_ERROR(choose(columns));
    std::vector<Bound> outputs;
    std::vector<std::string> names;
    bool same = plan_->type.size() == written_.size();
    for (size_t i = 0; i < written_.size(); ++i) {
      names.push_back(written_[i]->name);
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, value_of(i));
      same = same && value.kind == Bound::Kind::kColumn && value.column == static_cast<int32_t>(i);
      outputs.push_back(std::move(value));
    }
    if (same) { return plan_; }
    return make_calc(std::move(plan_), std::nullopt, std::move(outputs), std::move(names));
  }

 private:
  static constexpr int32_t kNull = -1;
  static constexpr int32_t kFixed = -2;  // by PARTITION

  Status wrong(Span place, ErrorId id, std::string message) const {
    return error_at(text_, place, id, std::move(message));
  }
  Result<size_t> find(const Identifier& column) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < written_.size(); ++i) {
      if (written_[i]->name == column.name) { return i; }
      names.push_back(written_[i]->name);
    }
    return wrong(column.span, ErrorId::kSqlName,
                 fmt::format("the table {} has no column '{}'{}", sink_.path, column.name,
                             near_miss(column.name, names)));
  }

  Status fix(const std::vector<Insert::Partition>& partition) {
    for (const Insert::Partition& one : partition) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const size_t index, find(one.column));
      const auto& parts = sink_.partitioned_by;
      if (std::find(parts.begin(), parts.end(), one.column.name) == parts.end()) {
        return wrong(
            one.column.span, ErrorId::kSqlName,
            fmt::format("the table {} is not partitioned by '{}'", sink_.path, one.column.name));
      }
      if (from_[index] == kFixed) {
        return wrong(one.column.span, ErrorId::kSqlName, "this column has a value already");
      }
      const Scope nothing;
      ExpressionBinder binder(text_, nothing, functions_);
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(one.value));
      // As a string, which is how it is written in the name of a folder, it may be of any type.
      if (value.type.is_character() && !written_[index]->type.is_character()) {
        Bound cast;
        cast.kind = Bound::Kind::kCast;
        cast.type = written_[index]->type.as_nullable();
        cast.span = value.span;
        cast.arguments.push_back(std::move(value));
        value = std::move(cast);
      }
      Result<Bound> fitting =
          binder.coerce(std::move(value), written_[index]->type, one.value.span);
      if (!fitting.ok()) { return fitting.status(); }
      fixed_[index] = std::move(*fitting);
      from_[index] = kFixed;
    }
    return ok_status();
  }

  // Which column of the query goes where.
  Status choose(const std::vector<Identifier>& columns) {
    size_t expected = columns.size();
    if (columns.empty()) {
      for (int32_t& from : from_) {
        if (from != kFixed) { from = static_cast<int32_t>(expected++); }
      }
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const size_t index, find(columns[i]));
      if (from_[index] != kNull) {
        return wrong(columns[i].span, ErrorId::kSqlName,
                     from_[index] == kFixed ? "PARTITION has given this column a value"
                                            : "this column is named twice");
      }
      from_[index] = static_cast<int32_t>(i);
    }
    if (plan_->type.size() == expected) { return ok_status(); }
    return wrong(query_.span, ErrorId::kSqlType,
                 fmt::format("the query gives {} columns, and the table {} takes {}",
                             plan_->type.size(), sink_.path, expected));
  }

  Result<Bound> value_of(size_t i) {
    if (from_[i] == kFixed) { return fixed_[i]; }
    if (from_[i] == kNull) {
      if (written_[i]->type.nullable) { return Bound::of_literal({}, written_[i]->type); }
      return wrong(query_.span, ErrorId::kSqlNotNull,
                   fmt::format("the column '{}' can't be NULL, and nothing is inserted into it",
                               written_[i]->name));
    }
    const auto index = static_cast<size_t>(from_[i]);
    Result<Bound> value = binder_.coerce(Bound::of_column(from_[i], plan_->type.types[index]),
                                         written_[i]->type, query_.span);
    if (value.ok()) { return value; }
    return wrong(query_.span, ErrorId::kSqlType,
                 fmt::format("column '{}' of the query is of type {}, and '{}' of the table {} of "
                             "type {}; use CAST",
                             plan_->type.names[index], plan_->type.types[index].to_string(),
                             written_[i]->name, sink_.path, written_[i]->type.to_string()));
  }

  const std::string_view text_;
  const Query& query_;
  PlanRef plan_;
  const TableDefinition& sink_;
  const FunctionRegistry& functions_;
  const Scope scope_;
  ExpressionBinder binder_;
  std::vector<const TableColumn*> written_;
  std::vector<int32_t> from_;  // columns of the query
  std::vector<Bound> fixed_;
};

}  // namespace

Result<PlanRef> fit_to_sink(const BinderEnvironment& environment, std::string_view text,
                            const Query& query, PlanRef plan, const TableDefinition& sink,
                            const std::vector<Identifier>& columns,
                            const std::vector<Insert::Partition>& partition) {
  return SinkFitter(environment, text, query, std::move(plan), sink).fit(columns, partition);
}

}  // namespace tidewheel::sql
