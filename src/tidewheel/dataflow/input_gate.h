// The inputs of a task: takes elements from its channels in turn, and merges their event time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/watermark_valve.h"

namespace tidewheel {

// One thing for the head of the chain to take.
struct GateItem {
  static constexpr int32_t kAllInputs = -1;
  // Of rows, latency markers and kEndOfData: the input. Watermarks and idleness of all inputs
  // together have kAllInputs; a watermark of one of two inputs, which comes before, has that input.
  // A barrier has kAllInputs: those of all channels have come.
  int32_t input = kAllInputs;
  Element element;
};

// What the gate asks and tells about barriers.
class BarrierWatcher {
 public:
  // A checkpoint's first barrier has come. True: channels that have delivered theirs are blocked
  // until all have.
  virtual bool on_first_barrier(int64_t checkpoint) = 0;
  // The checkpoint will not be aligned here: a newer one's barrier has come first.
  virtual void on_barrier_subsumed(int64_t checkpoint) = 0;

 protected:
  ~BarrierWatcher() = default;
};

// Lives on its task's thread.
class InputGate {
 public:
  struct Source {
    Channel* channel;
    int32_t input;  // 0 or 1
  };
  explicit InputGate(const std::vector<Source>& sources);
  // See WatermarkValve.
  void take_all_for_idle() {
    for (Input& input : inputs_) { input.valve.take_all_for_idle(); }
  }

  // Without it barriers are counted, and block nothing. It outlives the gate's use.
  void set_watcher(BarrierWatcher& watcher) { watcher_ = &watcher; }

  // The next item; false when all channels are empty or blocked, or have ended.
  bool next(GateItem& item);
  // True when `next` may find something.
  bool has_data();
  // True when every channel has ended and all items were taken.
  bool ended() const { return open_.empty() && next_item_ == items_.size(); }
  // Gives up an alignment, if that is the one under way.
  void cancel_alignment(int64_t checkpoint);
  // Of the alignment under way; 0: there is none.
  int64_t aligning() const { return aligning_; }

 private:
  struct Lane {
    Channel* channel;
    size_t input;
    size_t index;         // in its input's valve
    int64_t barrier = 0;  // the newest that it has delivered
    bool at_end = false;  // it has delivered the end of data
  };
  struct Input {
    explicit Input(size_t channels) : valve(channels), live_channels(channels) {}
    WatermarkValve valve;
    size_t live_channels;  // those that have not delivered the end of data
  };

  void control(size_t position, const Element& element);
  void end_data(Lane& lane);
  void end(size_t position);
  void add_outcomes(size_t input);
  void on_barrier(size_t position, int64_t checkpoint);
  void begin_alignment(int64_t checkpoint);
  void finish_alignment_if_complete();
  void unblock() { readable_ = open_.size(); }

  // Channels that have not ended; those from `readable_` on are blocked.
  std::vector<Lane> open_;
  size_t readable_ = 0;
  size_t turn_ = 0;  // the channel to look at first
  std::vector<Input> inputs_;
  InputCombiner combiner_;
  std::vector<GateItem> items_;  // [next_item_, end) are to be given out before more is taken
  size_t next_item_ = 0;
  std::vector<Element> outcomes_;  // scratch
  std::vector<Element> combined_;  // scratch

  BarrierWatcher* watcher_ = nullptr;
  int64_t aligning_ = 0;      // the checkpoint; 0: none
  int64_t last_barrier_ = 0;  // aligned, or given up: older ones mean nothing any more
  size_t missing_ = 0;        // open channels that have not delivered it
  bool blocks_ = false;
};

}  // namespace tidewheel
