// EXPLAIN ANALYZE: the plan of a job that runs or has run, with what its operators did.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/plan.h"

namespace tidewheel {
class JobHandle;  // dataflow/local_job.h
}

namespace tidewheel::sql {

class JobAnalysis {
 public:
  // A query, or what is inserted into a table.
  struct Part {
    std::string sink;  // a line; empty: rows go to whoever asked for them
    PlanRef plan;
  };
  // `operators`: names of operators by the nodes that they were built for.
  JobAnalysis(std::vector<Part> parts, std::map<const Plan*, std::string> operators, bool is_json)
      : parts_(std::move(parts)), operators_(std::move(operators)), is_json_(is_json) {}

  // As of now. `job` is the one that was built of these plans.
  std::string text(const JobHandle& job) const;

 private:
  struct Figures {
    int64_t rows_in = 0;
    int64_t rows_out = 0;
    int64_t busy_ms = 0;
    int64_t memory_bytes = 0;  // at most, batches included
    int64_t late_rows = 0;
  };
  std::map<std::string, Figures> read(const JobHandle& job) const;
  // `shown`: the plans that are there already.
  void append_json(std::string& out, const Plan& plan,
                   const std::map<std::string, Figures>& figures,
                   std::set<const Plan*>& shown) const;

  const std::vector<Part> parts_;
  const std::map<const Plan*, std::string> operators_;
  const bool is_json_;
};

}  // namespace tidewheel::sql
