// The edges of a job that lead to another process, as a deployment of a part of its tasks sees
// them: channels whose other side is served by whoever moves their elements.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/edge_info.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h

// One channel, the same at both of its ends.
struct RemoteChannelSpec {
  uint32_t number = 0;  // of all channels of the job, counted through its edges
  TaskId sender;
  TaskId receiver;
  EdgeInfoRef edge;
  uint32_t credits = 0;
  // ---- Of the receiver's side: what batches are made of.
  uint32_t batch_rows = 1024;
  MemoryPool* memory = nullptr;
};

// One end. Destroyed with its task, once that is stepped no more: from then on nobody touches the
// task for the channel's sake.
class RemoteChannel {
 public:
  virtual ~RemoteChannel() = default;
  virtual Channel& channel() = 0;
};

// Any thread.
class RemoteEdges {
 public:
  virtual ~RemoteEdges() = default;
  virtual bool is_here(TaskId task) const = 0;
  // Of a task whose results are read after its end: this process reads its files, for receivers
  // here and elsewhere.
  virtual bool has_results_of(TaskId /*task*/) const { return false; }
  // `sender` or `receiver` is the task that is here, not yet stepped.
  virtual Result<std::unique_ptr<RemoteChannel>> make_outgoing(const RemoteChannelSpec& spec,
                                                               WakeTarget& sender) = 0;
  virtual Result<std::unique_ptr<RemoteChannel>> make_incoming(const RemoteChannelSpec& spec,
                                                               WakeTarget& receiver) = 0;
};

}  // namespace tidewheel
