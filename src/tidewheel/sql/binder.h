// Gives the names in a query their meaning and its expressions their types: trees of the parser
// become plans. Errors name line and column, underline the place and suggest the near miss:
// kSqlName, kSqlType, kSqlQuery.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// What a query is bound against; all of it outlives the binding.
struct BinderEnvironment {
  const Catalog& catalog;
  const FunctionRegistry& functions;
  const TableRegistry& tables;
  // The table behind FROM 'file'; null: files can't be named.
  std::function<Result<std::shared_ptr<const TableDefinition>>(const std::string& path)> file_table;
  std::string time_zone = "UTC";
  // Told of every table and view that a query names: where, which, and how many views deep (of 0
  // the place is one in the query's own text).
  std::function<void(Span place, const ObjectPath& object, int32_t depth)> on_object = nullptr;
};

// `text` is what the query's places refer to.
Result<PlanRef> bind_query(const BinderEnvironment& environment, std::string_view text,
                           const Query& query);

// Whether the connector has the metadata that columns name; those of formats it answers for itself.
// Errors: kSqlOption, with the keys that it has.
Status check_metadata(const TableConnector& connector, const TableDefinition& table);

// A table as connectors see it, with the options of hints on top of its own.
Result<std::shared_ptr<const TableDefinition>> define_table(const BinderEnvironment& environment,
                                                            const CatalogObject& table,
                                                            const std::vector<Option>& hints);
// The columns that a query sees, computed ones included.
Result<RowType> table_columns(const BinderEnvironment& environment, const CatalogObject& table);

// A type as it was written. Errors: kSqlType.
Result<LogicalType> bind_type(std::string_view text, const DataType& type);

// Fits a query to the columns of a sink: their number, and their types by implicit casts. The
// columns of `partition` have its values, and the query gives the others.
Result<PlanRef> fit_to_sink(const BinderEnvironment& environment, std::string_view text,
                            const Query& query, PlanRef plan, const TableDefinition& sink,
                            const std::vector<Identifier>& columns,
                            const std::vector<Insert::Partition>& partition = {});

}  // namespace tidewheel::sql
