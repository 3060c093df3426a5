// The inputs of a task: takes elements from its channels in turn, merges their event time, and
// aligns barriers or lets them overtake.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/edge_info.h"
#include "tidewheel/dataflow/task_figures.h"
#include "tidewheel/dataflow/watermark_valve.h"

namespace tidewheel {

// One thing for the head of the chain to take.
struct GateItem {
  static constexpr int32_t kAllInputs = -1;
  // Of rows, latency markers and kEndOfData: the input. Watermarks and idleness of all inputs
  // together have kAllInputs; a watermark of one of several, which comes before, has that input.
  int32_t input = kAllInputs;
  Element element;
};

// What the gate asks and tells about barriers.
class BarrierWatcher {
 public:
  // What becomes of channels that have delivered a barrier.
  enum class Alignment : uint8_t {
    kCount,     // nothing
    kBlock,     // they are blocked until all have
    kOvertake,  // the same, but only those are waited for whose barriers can't overtake
  };
  // The first that is heard of a checkpoint.
  virtual Alignment on_first_barrier(int64_t checkpoint) = 0;
  // The checkpoint will not be complete here: a newer one's barrier has come first.
  virtual void on_barrier_subsumed(int64_t checkpoint) = 0;
  // The barrier in hand has overtaken this.
  virtual void on_overtaken(InFlightElement element) = 0;

 protected:
  ~BarrierWatcher() = default;
};

// Lives on its task's thread.
//
// A barrier always comes in its channel's order. One that overtakes is announced beside the channel
// too, with its position, and the sender has put it before all that had no room in the ring. So the
// gate does not depend on when it sees the announcement: what is in the ring before the barrier is
// in flight, whether it was announced or is yet to come.
class InputGate {
 public:
  struct Source {
    Channel* channel;
    int32_t input;               // of the operator
    EdgeInfoRef edge = nullptr;  // null: its barriers do not overtake
    int32_t sender = 0;
    int32_t receiver = 0;
    bool is_remote = false;  // the sender is in another process
  };
  explicit InputGate(const std::vector<Source>& sources);
  // See WatermarkValve.
  void take_all_for_idle() {
    for (Input& input : inputs_) { input.valve.take_all_for_idle(); }
  }

  // Without it barriers are counted, and block nothing. It outlives the gate's use.
  void set_watcher(BarrierWatcher& watcher) { watcher_ = &watcher; }
  std::vector<Source> sources() const;  // those that have not ended
  // Comes before anything of the channels, in this order.
  void restore(std::deque<InFlightElement> elements) { restored_ = std::move(elements); }

  // The next item; false when all channels are empty or blocked, or have ended, or a barrier is
  // due.
  bool next(GateItem& item);
  // Items that were taken from the channels and are still to be given out.
  bool has_items() const { return next_item_ < items_.size(); }
  // True when `next` may find something.
  bool has_data();
  // True when every channel has ended and all items were taken.
  bool ended() const { return open_.empty() && !has_items() && restored_.empty(); }

  // ---- Barriers. The checkpoint whose barrier is to be taken before the next item; 0: none.
  int64_t due() const { return due_; }
  // It was taken: channels are unblocked. `capture`: what it has overtaken is told the watcher, at
  // once as far as it is here.
  void pass_barrier(bool capture);
  // The checkpoint of which more may come that was overtaken; 0: none.
  int64_t recording() const { return recording_; }
  // The checkpoint that is waited for; 0: none.
  int64_t aligning() const { return aligning_; }
  bool overtakes() const { return overtakes_; }
  // From now on the barrier that is waited for overtakes.
  void overtake();
  // Looks at what was announced beside the channels.
  void look_for_announcements();
  // Gives up what goes on for the checkpoint.
  void cancel(int64_t checkpoint);

  // ---- Any thread: what was taken from the channels, and what waits in them.
  const Traffic& local_traffic() const { return local_traffic_; }
  const Traffic& remote_traffic() const { return remote_traffic_; }
  QueueLength queued() const;

 private:
  struct Lane {
    Source source;
    size_t index = 0;     // in its input's valve
    int64_t barrier = 0;  // the newest that it has delivered
    bool at_end = false;  // it has delivered the end of data
    bool overtakes = false;
    bool recording = false;    // its barrier is still to come
    uint32_t recorded_to = 0;  // elements before this position are told
    Channel::Announcement announced;
    RowSize row_size;
  };
  struct Input {
    explicit Input(size_t channels) : valve(channels), live_channels(channels) {}
    WatermarkValve valve;
    size_t live_channels;  // those that have not delivered the end of data
  };

  bool take_restored(GateItem& item);
  void control(size_t position, const Element& element);
  void event_time(const Lane& lane, const Element& element);
  void end_data(Lane& lane);
  void end(size_t position);
  void add_outcomes(size_t input);
  void on_barrier(size_t position, int64_t checkpoint);
  void begin_alignment(int64_t checkpoint);
  void update_due();
  void unblock() { readable_ = open_.size(); }
  void capture(Lane& lane, int64_t checkpoint);
  void tell_overtaken(const Lane& lane, const Element& element);
  void record_until(Lane& lane, uint32_t position);
  void record_popped(Lane& lane, const Element& element);
  void end_recording(Lane& lane);
  void give_up_recording();
  void count(Lane& lane, const Element& rows);

  // Channels that have not ended; those from `readable_` on are blocked.
  std::vector<Lane> open_;
  size_t readable_ = 0;
  size_t turn_ = 0;  // the channel to look at first
  std::vector<Input> inputs_;
  InputCombiner combiner_{0};
  std::vector<GateItem> items_;  // [next_item_, end) are to be given out before more is taken
  size_t next_item_ = 0;
  std::vector<Element> outcomes_;  // scratch
  std::vector<Element> combined_;  // scratch
  std::deque<InFlightElement> restored_;

  BarrierWatcher* watcher_ = nullptr;
  int64_t due_ = 0;
  int64_t aligning_ = 0;
  int64_t last_barrier_ = 0;   // taken, or given up: older ones mean nothing any more
  size_t missing_ = 0;         // open channels that have not delivered it
  size_t missing_pinned_ = 0;  // those of them whose barriers do not overtake
  bool blocks_ = false;
  bool overtakes_ = false;
  int64_t recording_ = 0;
  size_t recording_lanes_ = 0;

  std::vector<const Channel*> channels_;  // all of them; never changed
  Traffic local_traffic_;
  Traffic remote_traffic_;
};

}  // namespace tidewheel
