// The end of a chain: takes the elements of one output for one edge and deals them out to channels.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/edge_info.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/dataflow/partitioner.h"
#include "tidewheel/dataflow/task_figures.h"

namespace tidewheel {

// Lives on its task's thread. An element that was taken but did not fit into a ring waits here, at
// most the parts of one (and barriers); meanwhile the next one is refused.
class ChannelWriter final : public ElementSink {
 public:
  enum class Mode : uint8_t {
    kWhole,      // batches as they are to the first channel
    kBroadcast,  // batches as they are to every channel
    kSpread,     // slices of batches to all channels in turn
    kShuffle,    // slices of batches to channels drawn at random
    kPartition,  // rows by a Partitioner
  };

  // `partitioner` is for kPartition only, and has been opened. Control elements go to every
  // channel.
  ChannelWriter(Mode mode, std::vector<Channel*> channels, std::unique_ptr<Partitioner> partitioner,
                uint32_t batch_rows, Random random);

  [[nodiscard]] bool offer(Element& element) override;
  // Takes an element whatever waits for room: the end of input, for instance, to all channels,
  // behind the gathered rows.
  void send_control(const Element& element);

  // ---- Barriers. `edge` and this side's subtask, before the first row.
  void set_edge(EdgeInfoRef edge, int32_t sender) {
    edge_ = std::move(edge);
    sender_ = sender;
  }
  const EdgeInfo* edge() const { return edge_.get(); }
  // Told what the operator before it sends.
  void set_sent_gauges(const SentGauges& gauges) { sent_gauges_ = gauges; }
  // Any thread.
  const Traffic& traffic() const { return traffic_; }
  QueueLength queued() const;
  // Like send_control. `announced`: receivers are told before they come to it.
  void send_barrier(int64_t checkpoint, bool announced);
  // The barrier goes before all that waits for room, which is added to `overtaken`.
  void overtake(int64_t checkpoint, std::vector<InFlightElement>& overtaken);
  // The same for a barrier that was sent, but waits for room itself.
  void overtake_late(int64_t checkpoint, std::vector<InFlightElement>& overtaken);
  bool has_waiting_barrier(int64_t checkpoint) const;
  // While set, elements are taken whatever waits for room.
  void set_overdraft(bool overdraft) { overdraft_ = overdraft; }
  // Sends the rows that wait for their batch to fill. kBlocked when a channel has not taken all.
  Progress flush();
  // Tries again what waits for room. kDone when nothing does.
  Progress retry();
  bool has_gathered_rows() const;
  // True when an element waits for room in a ring, whose receiver will wake the task.
  bool waits_for_room() const { return waiting_lanes_ > 0; }
  // True when it refuses for want of memory alone: nothing will wake the task.
  bool waits_for_memory() const { return starved_; }
  // True when a retry would get on.
  bool has_room();

 private:
  struct Lane {
    Channel* channel;
    std::vector<Element> waiting;  // in order; empty most of the time
  };

  void send(Lane& lane, Element element);
  void send_to_all(const Element& element);
  void spread(const Element& rows);
  void partition(Element& rows);
  void send_gathered(uint32_t rows_min);
  void push_to_front(Lane& lane, size_t index, size_t count, int64_t checkpoint,
                     std::vector<InFlightElement>& overtaken);
  bool push_waiting(Lane& lane, Element& element);

  const Mode mode_;
  const uint32_t batch_rows_;
  std::vector<Lane> lanes_;
  std::unique_ptr<Partitioner> partitioner_;
  Random random_;
  size_t waiting_lanes_ = 0;
  size_t next_lane_;  // for kSpread
  bool starved_ = false;
  bool overdraft_ = false;
  int64_t announced_ = 0;  // the newest barrier that is announced when it is pushed
  EdgeInfoRef edge_;       // null in tests that need none
  int32_t sender_ = 0;
  SentGauges sent_gauges_;
  RowSize row_size_;
  Traffic traffic_;
};

}  // namespace tidewheel
