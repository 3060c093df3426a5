// What COMPILE PLAN writes and EXECUTE PLAN reads: a statement with all that it was compiled with.
// JSON, so that it can be looked at and compared:
//
//   {
//     "tidewheelPlan": 1,             the form of this file
//     "version": "0.1.0",             of the engine that wrote it
//     "catalog": "..", "database": "..",
//     "statement": "INSERT INTO ..",  names in it are those of the catalog and database above
//     "settings": {"table.exec.state.ttl": "0 ms", ..},
//     "objects": [{"catalog": "..", "database": "..", "name": "..", "statement": "CREATE .."}, ..],
//     "functions": ["CREATE FUNCTION ..", ..],
//     "operators": [{"name": "..", "uid": "..", "inputs": [[operator, output, port], ..]}, ..]
//   }
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/sql/catalog_store.h"

namespace tidewheel::sql {

struct SavedPlan {
  static constexpr int32_t kForm = 1;

  // A table or view that the statement reads or writes, directly or through views.
  struct Object {
    ObjectPath path;
    std::string statement;
    friend bool operator==(const Object&, const Object&) = default;
  };
  // An operator of the job: what it is called, what its state is found by, and where its rows come
  // from.
  struct Operator {
    using Input = std::array<int32_t, 3>;  // the operator before it, its output, the input here
    std::string name;
    std::string uid;
    std::vector<Input> inputs;
    friend bool operator==(const Operator&, const Operator&) = default;
  };

  std::string version;
  std::string catalog;
  std::string database;
  std::string statement;
  std::map<std::string, std::string> settings;
  std::vector<Object> objects;
  std::vector<std::string> functions;
  std::vector<Operator> operators;
  friend bool operator==(const SavedPlan&, const SavedPlan&) = default;
};

// A member a line.
std::string to_json(const SavedPlan& plan);
// Errors: kSqlQuery when it is no plan, or one of a form that this version does not know.
Result<SavedPlan> parse_saved_plan(std::string_view text);

std::vector<SavedPlan::Operator> operators_of(const LogicalGraph& graph);
// Whether a job that was made anew has the operators of a plan, in their places: then what was in
// each of them belongs into the one of the same number. Errors: kSqlQuery, naming the first one
// that differs.
Status check_operators(const SavedPlan& plan, const std::vector<SavedPlan::Operator>& made);

}  // namespace tidewheel::sql
