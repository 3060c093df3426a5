// SQL in a job: what Env's calls of it do. Here, and not with Env, because it knows all connectors:
// nothing else refers to SQL, so that a linker can leave it out.
#pragma once
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/sql/row_mapping.h"
#include "tidewheel/sql/stream_table.h"
#include "tidewheel/sql/table.h"
#include "tidewheel/sql/typed_rows.h"

namespace tidewheel {

class FunctionLibrary;  // api/function_library.h

// Has the SQL of a job know functions of C++, as temporary system functions:
//   auto library = std::make_shared<tw::FunctionLibrary>();
//   library->function("twice", [](int64_t x) { return 2 * x; });
//   tw::add_functions(env, library);
void add_functions(Env& env, std::shared_ptr<const FunctionLibrary> library,
                   std::source_location where = std::source_location::current());

namespace sql {
void add_view(Env& env, const std::string& name, const RowShape& shape, const ViewOptions& options,
              StreamTable stream, std::source_location where);

// An operator behind a stream that makes columns of its rows; a column that is no field is the
// stream's time. Does not keep the graph.
template <class T>
auto columns_of(const Stream<T>& stream, const RowShape& shape) {
  return [graph = std::weak_ptr<JobGraph>(stream.graph()), ends = stream.ends(),
          types = shape.type.types](const std::vector<size_t>& columns) {
    std::vector<size_t> fields;
    std::vector<LogicalType> chosen;
    for (const size_t column : columns) {
      const bool is_field = column < types.size();
      fields.push_back(is_field ? column : kStreamTime);
      chosen.push_back(is_field ? types[column]
                                : LogicalType::with(TypeKind::kTimestampLtz, 3, 0, false));
    }
    const Stream<T> rows(graph.lock(), ends);
    GraphNode node;
    node.name = "rows to columns";
    if constexpr (RowOf<T>::kIsChange) {
      // Changes of a row must not overtake each other.
      const GraphNode& from = rows.graph()->node(rows.node_id());
      if (from.parallelism == 1 || from.fixed_parallelism == 1) { node.parallelism = 1; }
    }
    return rows.template add_node<ColumnRow>(
        std::move(node), [fields, chosen](std::shared_ptr<const NodeLinks> links) {
          return std::make_unique<RowsToColumns<T>>(fields, chosen, std::move(links));
        });
  };
}
}  // namespace sql

template <class T>
void Env::view(const std::string& name, const Stream<T>& stream, const ViewOptions& options,
               std::source_location where) {
  const sql::RowShape shape = sql::row_shape<T>();
  sql::StreamTable table;
  table.changelog = shape.is_change ? ChangelogKinds::kRetract : ChangelogKinds::kAppend;
  table.make = sql::columns_of(stream, shape);
  sql::add_view(*this, name, shape, options, std::move(table), where);
}

}  // namespace tidewheel
