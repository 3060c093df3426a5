// What both sides of an edge between tasks know of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

struct ChainedGraph;  // dataflow/chaining.h

// Immutable, shared by the subtasks on both sides.
struct EdgeInfo {
  // "<sender's uid>.<output> > <receiver's uid>.<input>": the same in every run of the job.
  std::string name;
  EdgeKind kind = EdgeKind::kForward;
  std::string sender_uid;
  int32_t sender_max_parallelism = 1;
  int32_t receiver_max_parallelism = 1;
  int32_t senders = 1;
  int32_t receivers = 1;
  std::function<std::unique_ptr<Partitioner>()> make_partitioner;
  std::shared_ptr<const RowCodec> codec;

  // Barriers may overtake what is on the edge. Not where a receiver has some of the senders only,
  // or all rows: what is in flight there could not be dealt out at another parallelism.
  bool overtakes = false;
};
using EdgeInfoRef = std::shared_ptr<const EdgeInfo>;

// `edge`: index in the graph.
EdgeInfoRef describe_edge(const ChainedGraph& chained, size_t edge);

// An element that a barrier has overtaken, and where it was.
struct InFlightElement {
  enum class Where : uint8_t {
    kRestored = 0,  // the receiver had it from a snapshot, and has not taken it yet
    kInChannel = 1,
    kAtSender = 2,  // there was no room in the channel
  };
  EdgeInfoRef edge;
  Where where = Where::kInChannel;
  int32_t sender = 0;
  int32_t receiver = 0;
  Element element;
};

}  // namespace tidewheel
