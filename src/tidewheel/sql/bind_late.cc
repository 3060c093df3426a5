// Rows that go elsewhere than the query's result: those that come too late (the hint LATE_TABLE),
// and records that can't be read ('scan.dead-letter.table').
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query_binder.h"

namespace tidewheel::sql {
namespace {

const Hint* late_hint(const std::vector<Hint>& hints) {
  const auto it = std::find_if(hints.begin(), hints.end(), [](const Hint& hint) {
    return in_capitals(hint.name.name) == "LATE_TABLE";
  });
  return it == hints.end() ? nullptr : &*it;
}

// LATE_TABLE(t), LATE_TABLE('table' = 'd.t')
std::string table_of(const Hint& hint) {
  if (hint.words.size() == 1 && hint.options.empty()) { return hint.words[0].name; }
  if (hint.options.size() == 1 && hint.options[0].key == "table") { return hint.options[0].value; }
  return {};
}

Name name_of(const std::string& path) {
  Name name;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    name.parts.push_back({path.substr(begin, end - begin), {}});
    begin = end + 1;
  }
  return name;
}

Bound cast_of(Bound value, const LogicalType& type) {
  Bound cast;
  cast.kind = Bound::Kind::kCast;
  cast.type = type.as_nullable(value.type.nullable);
  cast.arguments.push_back(std::move(value));
  return cast;
}

}  // namespace

Result<std::shared_ptr<const TableDefinition>> QueryBinder::written_table(const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const CatalogObject* const object,
                             environment_.catalog.find(name_of(path)));
  // Named by a hint, and in no place of the text that a name could stand in.
  if (environment_.on_object) { environment_.on_object({}, object->path, depth_ + 1); }
  if (object->table() == nullptr) {
    return invalid_argument(ErrorId::kSqlCatalog, "nothing can be inserted into a view: {}", path);
  }
  return define_table(environment_, *object, {});
}

Result<std::vector<Bound>> QueryBinder::by_name(const TableDefinition& table, const Scope& scope,
                                                std::string_view of_what) {
  ExpressionBinder binder(text_, scope, environment_.functions);
  std::vector<Bound> values;
  for (const TableColumn& column : table.columns) {
    if (column.is_virtual) { continue; }
    const auto& names = scope.columns.names;
    const auto count = std::count(names.begin(), names.end(), column.name);
    if (count != 1) {
      return invalid_argument(ErrorId::kSqlName,
                              "{} {} column '{}', which the table {} has; there are {}", of_what,
                              count == 0 ? "have no" : "have more than one", column.name,
                              table.path, fmt::join(names, ", "));
    }
    const auto index =
        static_cast<size_t>(std::find(names.begin(), names.end(), column.name) - names.begin());
    const LogicalType& type = scope.columns.types[index];
    Bound found = Bound::of_column(static_cast<int32_t>(index), type);
    // Records are bytes, of which most are text.
    if (type.kind == TypeKind::kVarbinary && column.type.is_character()) {
      found = cast_of(std::move(found), column.type);
    }
    Result<Bound> value = binder.coerce(std::move(found), column.type, {});
    if (!value.ok()) {
      return invalid_argument(ErrorId::kSqlType, "column '{}' is {} in {}, and {} in the table {}",
                              column.name, type.to_string(), of_what, column.type.to_string(),
                              table.path);
    }
    values.push_back(std::move(*value));
  }
  return values;
}

Result<std::optional<SideTableNode>> QueryBinder::late_table(const std::vector<Hint>& hints,
                                                             const Scope& scope,
                                                             const Plan& input) {
  const Hint* const hint = late_hint(hints);
  // What comes out of an operator that goes by event time is not late for the next one.
  if (hint == nullptr ||
      std::find(used_late_.begin(), used_late_.end(), hint) != used_late_.end()) {
    return std::optional<SideTableNode>();
  }
  const Span place = hint->name.span;
  const std::string path = table_of(*hint);
  if (path.empty()) {
    return error(place, ErrorId::kSqlOption, "LATE_TABLE('table' = 't') names one table");
  }
  if (!outers_.empty()) {
    return error(place, ErrorId::kSqlUnsupported,
                 "a query within an expression can't have LATE_TABLE; use a query in FROM");
  }
  if (input.updates) {
    return error(place, ErrorId::kSqlUnsupported,
                 "the rows of this FROM change, so that late ones have no meaning by themselves: "
                 "LATE_TABLE is for rows that are only added");
  }
  const auto at_hint = [&](const Status& status) {
    return error(place, status.id(), std::string(status.message()));
  };
  SideTableNode late;
  const Result<std::shared_ptr<const TableDefinition>> table = written_table(path);
  if (!table.ok()) { return at_hint(table.status()); }
  late.table = *table;
  Result<std::vector<Bound>> values = by_name(*late.table, scope, "late rows");
  if (!values.ok()) { return at_hint(values.status()); }
  late.values = std::move(*values);
  used_late_.push_back(hint);
  return std::optional<SideTableNode>(std::move(late));
}

Status QueryBinder::check_late_used(const std::vector<Hint>& hints) const {
  const Hint* const hint = late_hint(hints);
  if (hint == nullptr ||
      std::find(used_late_.begin(), used_late_.end(), hint) != used_late_.end()) {
    return ok_status();
  }
  return error(hint->name.span, ErrorId::kSqlQuery,
               "no row comes too late for this SELECT: LATE_TABLE is for GROUP BY of windows "
               "(without GROUPING SETS), OVER, MATCH_RECOGNIZE and ORDER BY by event time");
}

Result<PlanRef> QueryBinder::with_dead_letters(PlanRef scan) {
  const TableDefinition& table = *std::get<ScanNode>(scan->node).table;
  if (!has_dead_letters(table)) { return scan; }
  SideTableNode letters;
  Scope scope = Scope::of(dead_letter_columns(), "");
  // When it was read.
  scope.columns.add("time", LogicalType::with(TypeKind::kTimestampLtz, 3, 0, false));
  const Result<std::shared_ptr<const TableDefinition>> target =
      written_table(table.options.at(kDeadLetterTableOption));
  if (!target.ok()) {
    return target.status().with_context("'{}' of {}", kDeadLetterTableOption, table.path);
  }
  letters.table = *target;
  ExpressionBinder binder(text_, scope, environment_.functions);
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound now, binder.call("CURRENT_ROW_TIMESTAMP", {}, {}));
  TIDEWHEEL_ASSIGN_OR_RETURN(letters.values, by_name(*letters.table, scope, "dead letters"));
  const auto behind = static_cast<int32_t>(table.columns.size());
  const auto place = [&](Bound& value, const auto& self) -> void {
    if (value.kind == Bound::Kind::kColumn) {
      if (value.column < static_cast<int32_t>(kDeadLetterColumns)) {
        value.column += behind;
      } else {
        value = now;
      }
      return;
    }
    for (Bound& argument : value.arguments) { self(argument, self); }
  };
  for (Bound& value : letters.values) { place(value, place); }
  const auto error = Bound::of_column(behind + static_cast<int32_t>(kDeadLetterError),
                                      dead_letter_columns().types[kDeadLetterError]);
  TIDEWHEEL_ASSIGN_OR_RETURN(letters.goes, binder.call("IS NOT NULL", {error}, {}));
  TIDEWHEEL_ASSIGN_OR_RETURN(letters.stays, binder.call("IS NULL", {error}, {}));
  auto made = std::make_shared<Plan>(*scan);
  made->side = std::move(letters);
  return PlanRef(std::move(made));
}

}  // namespace tidewheel::sql
