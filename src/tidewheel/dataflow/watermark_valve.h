// Event time over several channels or inputs: the watermark of all of them together.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidewheel/dataflow/element.h"

namespace tidewheel {

// Merges the watermarks of the channels of one input: the minimum over those that are active and
// aligned, only when it grows. A channel that turns active again is not aligned until it has caught
// up with what was given out, so that it holds nothing back. Outcomes (kWatermark, kIdle, kActive)
// are appended to `out` in order. One thread.
class WatermarkValve {
 public:
  explicit WatermarkValve(size_t channels) : channels_(channels) {}
  // A known bug (base/mutant.h): after a restore, channels that have not spoken hold nothing back.
  void take_all_for_idle() {
    for (Channel& channel : channels_) { channel.active = channel.aligned = false; }
  }

  // On an idle channel it also says that the channel is active.
  void on_watermark(size_t channel, int64_t time_ms, std::vector<Element>& out);
  void on_idle(size_t channel, std::vector<Element>& out);
  void on_active(size_t channel, std::vector<Element>& out);
  // The channel has ended: it holds nothing back any more.
  void on_end(size_t channel, std::vector<Element>& out) {
    on_watermark(channel, kMaxWatermark, out);
  }

 private:
  struct Channel {
    int64_t watermark = kMinWatermark;
    bool active = true;
    bool aligned = true;
  };
  void give_minimum(std::vector<Element>& out);
  void give_maximum(std::vector<Element>& out);

  std::vector<Channel> channels_;
  int64_t given_ = kMinWatermark;  // the last watermark given out
  bool idle_ = false;
};

// Combines the inputs of an operator: the minimum over those that are not idle. Unlike the
// valve it lets an input that turns active again hold time back (never move it back).
class InputCombiner {
 public:
  explicit InputCombiner(size_t inputs) : inputs_(inputs) {}

  void on_watermark(size_t input, int64_t time_ms, std::vector<Element>& out);
  void on_idle(size_t input, bool idle, std::vector<Element>& out);

 private:
  struct Input {
    int64_t watermark = kMinWatermark;
    bool idle = false;
  };
  bool is_idle() const;  // all of them
  void give(std::vector<Element>& out);

  std::vector<Input> inputs_;
  int64_t given_ = kMinWatermark;
};

}  // namespace tidewheel
