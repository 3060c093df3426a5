#include "tidewheel/dataflow/watermark_valve.h"

#include <algorithm>

#include "tidewheel/base/fault.h"

namespace tidewheel {

void WatermarkValve::on_watermark(size_t index, int64_t time_ms, std::vector<Element>& out) {
  Channel& channel = channels_[index];
  if (!channel.active) { on_active(index, out); }
  if (time_ms <= channel.watermark) { return; }
  // A channel that was ahead of what is given out was not the one that held it back.
  const bool was_ahead = channel.aligned && channel.watermark > given_;
  channel.watermark = time_ms;
  if (!channel.aligned && time_ms >= given_) { channel.aligned = true; }
  if (!was_ahead) { give_minimum(out); }
}

void WatermarkValve::on_idle(size_t index, std::vector<Element>& out) {
  Channel& channel = channels_[index];
  if (!channel.active) { return; }
  channel.active = false;
  channel.aligned = false;
  const bool any_active =
      std::any_of(channels_.begin(), channels_.end(), [](const Channel& c) { return c.active; });
  if (!any_active) {
    // The last one to become idle held the others back: give out what they had reached.
    if (channel.watermark == given_) { give_maximum(out); }
    TIDEWHEEL_MARK("valve.all_idle");
    idle_ = true;
    out.push_back(Element::control(Element::Kind::kIdle));
  } else if (channel.watermark == given_) {
    TIDEWHEEL_MARK("valve.idle_channel_releases_others");
    give_minimum(out);
  }
}

void WatermarkValve::on_active(size_t index, std::vector<Element>& out) {
  Channel& channel = channels_[index];
  if (channel.active) { return; }
  channel.active = true;
  channel.aligned = channel.watermark >= given_;
  if (!channel.aligned) { TIDEWHEEL_MARK("valve.active_channel_is_behind"); }
  if (idle_) {
    idle_ = false;
    out.push_back(Element::control(Element::Kind::kActive));
  }
}

void WatermarkValve::give_minimum(std::vector<Element>& out) {
  int64_t minimum = kMaxWatermark;
  bool found = false;
  for (const Channel& channel : channels_) {
    if (channel.aligned) {
      minimum = std::min(minimum, channel.watermark);
      found = true;
    }
  }
  if (found && minimum > given_) {
    given_ = minimum;
    out.push_back(Element::watermark(minimum));
  }
}

void WatermarkValve::give_maximum(std::vector<Element>& out) {
  int64_t maximum = kMinWatermark;
  for (const Channel& channel : channels_) { maximum = std::max(maximum, channel.watermark); }
  if (maximum > given_) {
    given_ = maximum;
    out.push_back(Element::watermark(maximum));
  }
}

void InputCombiner::on_watermark(size_t input, int64_t time_ms, std::vector<Element>& out) {
  int64_t& watermark = inputs_[input].watermark;
  watermark = std::max(watermark, time_ms);
  give(out);
}

void InputCombiner::on_idle(size_t input, bool idle, std::vector<Element>& out) {
  const bool was_idle = is_idle();
  inputs_[input].idle = idle;
  give(out);
  if (was_idle != is_idle()) {
    out.push_back(Element::control(was_idle ? Element::Kind::kActive : Element::Kind::kIdle));
  }
}

bool InputCombiner::is_idle() const {
  return std::all_of(inputs_.begin(), inputs_.end(), [](const Input& one) { return one.idle; });
}

void InputCombiner::give(std::vector<Element>& out) {
  if (is_idle()) { return; }
  int64_t minimum = kMaxWatermark;
  for (const Input& input : inputs_) {
    if (!input.idle) { minimum = std::min(minimum, input.watermark); }
  }
  if (minimum > given_) {
    given_ = minimum;
    out.push_back(Element::watermark(minimum));
  }
}

}  // namespace tidewheel
