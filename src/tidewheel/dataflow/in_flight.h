// Elements that barriers have overtaken, on their way into a snapshot and back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/edge_info.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h

// The state that an operator has for an edge: the receiver's side what was in the channels, the
// sender's what had no room in them. An entry is an element:
//   key    numbers: where, sender, receiver, senders, receivers, sequence
//   value  kind (one byte); of a batch: as the edge's codec has it; of a watermark: the time (8)
StateMeta in_flight_state(const EdgeInfo& edge);

// Writes elements as references are given up. One thread, one snapshot.
class InFlightWriter {
 public:
  // Returns the bytes written. `begin_state` was called by whoever knows the writer.
  uint64_t write(const InFlightElement& element, SnapshotWriter& writer);

 private:
  uint64_t sequence_ = 0;
  std::string value_;
};

// What the task at `receiver` of an edge has to take before anything of its channels, in order.
struct InFlightPlace {
  const EdgeInfoRef& edge;
  const std::string& receiver_uid;
  int32_t receiver = 0;
  uint32_t batch_rows = 1024;
  MemoryPool* memory = nullptr;
};
// Errors: those of reading, kStateNotRestored.
Status read_in_flight(const SnapshotSource& source, const InFlightPlace& place,
                      std::deque<InFlightElement>& out);

}  // namespace tidewheel
