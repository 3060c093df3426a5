// What a plan is expected to cost: how many rows its nodes give, and what their operators keep,
// from what is known before it runs. For EXPLAIN: rules of thumb, no statistics of values.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "tidewheel/api/table.h"
#include "tidewheel/sql/plan.h"

namespace tidewheel {
class FileSystem;  // base/file_system.h
}

namespace tidewheel::sql {

struct NodeEstimate {
  double rows = -1;         // -1: the input does not end, or nothing is known
  double state_bytes = -1;  // when all rows have come; -1: not known; 0: nothing is kept
};

class PlanEstimates {
 public:
  PlanEstimates(const TableRegistry& tables, FileSystem& files) : tables_(tables), files_(files) {}
  const NodeEstimate& of(const Plan& plan);
  // "rows=[1.2E6], state=[3.4 MB]"
  std::string text(const Plan& plan);

 private:
  struct Rules;
  const TableRegistry& tables_;
  FileSystem& files_;
  std::map<const Plan*, NodeEstimate> known_;
};

// What the operator of a node keeps, of which columns, by which key, and for how long; empty when
// it keeps nothing.
std::string state_text(const Plan& plan, int64_t ttl_ms);

// "12.3 MB"
std::string bytes_text(double bytes);
// "950", "1.2E6"
std::string count_text(double count);

}  // namespace tidewheel::sql
