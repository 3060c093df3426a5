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
  // Of rows, latency markers and kEndOfInput: the input. Watermarks and idleness of all inputs
  // together have kAllInputs; a watermark of one of two inputs, which comes before, has that input.
  int32_t input = kAllInputs;
  Element element;
};

// Lives on its task's thread.
class InputGate {
 public:
  struct Source {
    Channel* channel;
    int32_t input;  // 0 or 1
  };
  explicit InputGate(const std::vector<Source>& sources);

  // The next item; false when all channels are empty, or have ended.
  bool next(GateItem& item);
  // True when `next` may find something.
  bool has_data();
  // True when every channel has ended and all items were taken.
  bool ended() const { return open_.empty() && next_item_ == items_.size(); }

 private:
  struct Lane {
    Channel* channel;
    size_t input;
    size_t index;  // in its input's valve
  };
  struct Input {
    explicit Input(size_t channels) : valve(channels), open_channels(channels) {}
    WatermarkValve valve;
    size_t open_channels;
  };

  void control(const Lane& lane, const Element& element);
  void end(size_t position);
  void add_outcomes(size_t input);

  std::vector<Lane> open_;  // channels that have not ended
  size_t turn_ = 0;         // the channel to look at first
  std::vector<Input> inputs_;
  InputCombiner combiner_;
  std::vector<GateItem> items_;  // [next_item_, end) are to be given out before more is taken
  size_t next_item_ = 0;
  std::vector<Element> outcomes_;  // scratch
  std::vector<Element> combined_;  // scratch
};

}  // namespace tidewheel
