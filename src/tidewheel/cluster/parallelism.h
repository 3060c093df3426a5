// Jobs at another parallelism than their programs say: bounds for each vertex, and what is chosen
// within them by the slots that there are.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

class Config;  // base/config.h

// By the vertices' ids (that of the operator at a chain's head).
using ParallelismByVertex = std::map<std::string, int32_t>;

std::string vertex_id_of(const ChainedGraph& chained, int32_t vertex);

// The graph with the vertices at this parallelism; those that are not named stay as they are.
// Errors: kRescale for a vertex that the job does not have, those of `chain_graph`.
Result<LogicalGraph> graph_at(const LogicalGraph& graph, const Config& config,
                              const ParallelismByVertex& parallelism);
Result<ChainedGraph> chain_graph_at(const LogicalGraph& graph, const Config& config,
                                    const ParallelismByVertex& parallelism);

// What the vertices of a job may run at.
class ParallelismRange {
 public:
  enum class Kind : uint8_t {
    kFixed,     // as in `chained`
    kAdaptive,  // fewer will do
    kReactive,  // fewer will do, and as many as can be are wanted
  };
  ParallelismRange(const ChainedGraph& chained, Kind kind);

  std::vector<ParallelismBounds> bounds() const;
  // Errors: kRescale, when a vertex is not named or not known, or bounds are not 1 <= lower <=
  // upper <= the vertex's max parallelism.
  Status set_bounds(const std::vector<ParallelismBounds>& bounds);
  // Slots for all vertices at their upper, or lower, bounds.
  int32_t slots_max() const { return slots_at(INT32_MAX); }
  int32_t slots_min() const { return slots_at(1); }
  // The most that `slots` are enough for; empty: they are not enough for the lower bounds.
  ParallelismByVertex choose(int32_t slots) const;

 private:
  struct Vertex {
    std::string id;
    std::string group;  // of slot sharing
    int32_t lower = 1;
    int32_t upper = 1;
    int32_t max = 1;
  };
  static int32_t at(const Vertex& vertex, int32_t limit);
  int32_t slots_at(int32_t limit) const;

  std::vector<Vertex> vertices_;
};

}  // namespace tidewheel
