// The last thing before a table with columns that can't be NULL: rows that have NULL there fail the
// job, or are left out.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tidewheel {
class Operator;  // dataflow/operator.h
}

namespace tidewheel::sql {

struct NotNullSpec {
  std::string table;             // for messages
  std::vector<int32_t> columns;  // of the rows, those that are looked at
  std::vector<std::string> names;
  bool drops = false;  // such rows are left out and counted: accumulator "rows with NULL"
};

std::unique_ptr<Operator> make_not_null_operator(NotNullSpec spec);

}  // namespace tidewheel::sql
