// The logical graph of a job, as the front ends build it: operators and the edges between them. It
// is turned into chains (dataflow/chaining.h), then into tasks (dataflow/execution.h).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/partitioner.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel {

enum class ChainingStrategy : uint8_t {
  kAlways,  // may be chained to its input, and have others chained to it
  kHead,    // starts a chain
  kNever,   // stands alone
};

// One operator of the job. Nodes are numbered in the order in which they were added.
struct GraphNode {
  int32_t id = -1;
  std::string name;
  std::string uid;       // empty: an id is derived from the topology
  std::string uid_hash;  // 32 hex digits; overrides uid
  std::string description;
  int32_t parallelism = 0;         // 0: the job's default
  int32_t max_parallelism = 0;     // 0: the job's, or derived
  std::string slot_sharing_group;  // empty: that of the inputs when they agree, else "default"
  ChainingStrategy chaining = ChainingStrategy::kAlways;
  int64_t buffer_timeout_ms = -1;  // -1: the job's
  bool stateful = false;           // warns when it has no uid
  bool is_source = false;
  bool is_sink = false;
  int32_t fixed_parallelism = 0;  // an operator that can only run at this one (0: any)
  // Makes one subtask's operator. Called on the thread that deploys the job.
  std::function<Result<std::unique_ptr<Operator>>()> make;
  // Makes the operator's coordinator, one for all subtasks; empty: it needs none.
  std::function<Result<std::unique_ptr<OperatorCoordinator>>()> make_coordinator;
};

enum class EdgeKind : uint8_t {
  kForward,    // subtask i to subtask i; equal parallelism; chainable
  kHash,       // by key group
  kRebalance,  // round robin over all
  kRescale,    // round robin within a group of neighbours
  kShuffle,    // at random
  kBroadcast,  // every row to all
  kGlobal,     // all to subtask 0
  kCustom,     // the user's function
};

struct GraphEdge {
  int32_t from = -1;
  int32_t from_output = 0;  // port of `from`
  int32_t to = -1;
  int32_t to_input = 0;  // of most operators 0 or 1; less than 64
  EdgeKind kind = EdgeKind::kForward;
  bool kind_chosen = false;  // false: kForward becomes kRebalance when the parallelisms differ
  // Splits batches by row, for kHash and kCustom (dataflow/row_partitioner.h). Not needed for the
  // other kinds, which hand on whole batches or slices of them.
  std::function<std::unique_ptr<Partitioner>()> make_partitioner = nullptr;
  // Brings the edge's rows into a snapshot and back, when a barrier overtakes them. Null: the
  // edge's barriers do not overtake.
  std::shared_ptr<const RowCodec> row_codec = nullptr;
};

struct LogicalGraph {
  std::string job_name = "tidewheel job";
  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  // What the nodes' factories and operators refer to; given up after all of them.
  std::vector<std::shared_ptr<const void>> keeps;
};

}  // namespace tidewheel
