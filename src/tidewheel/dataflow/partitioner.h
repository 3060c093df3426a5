// Splits a batch over the channels of an edge. Type-erased: the typed part knows the rows.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/dataflow/batch.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/element.h"

namespace tidewheel {

// One side of an edge in one subtask. Used by the channel writer on its task's thread.
class Partitioner {
 public:
  virtual ~Partitioner() = default;
  // Called once: the number of channels, the receiver's max parallelism, size and account of
  // batches.
  virtual void open(uint32_t channels, int32_t max_parallelism, uint32_t batch_rows,
                    MemoryPool* memory) = 0;
  // Appends the rows of `rows` to the gathered batch of their channel. A channel's gathered rows
  // are not bounded by batch_rows here; the writer takes full ones after each call. `rows` may be
  // consumed: when its reference is the only one to the batch, rows are moved out of it.
  virtual void split(Element& rows) = 0;
  // Rows gathered for a channel.
  virtual uint32_t gathered(uint32_t channel) const = 0;
  // Takes the gathered rows of a channel; null when there are none.
  virtual BatchRef take(uint32_t channel) = 0;
  // False when another batch would go over the memory limit.
  virtual bool has_memory() = 0;
};

}  // namespace tidewheel
