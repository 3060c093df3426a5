#include "tidewheel/dataflow/input_gate.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

InputGate::InputGate(const std::vector<Source>& sources) {
  std::vector<size_t> counts;
  for (const Source& source : sources) {
    const auto input = static_cast<size_t>(source.input);
    if (counts.size() <= input) { counts.resize(input + 1); }
    open_.push_back({source.channel, input, counts[input]++});
  }
  for (const size_t count : counts) { inputs_.emplace_back(count); }
}

bool InputGate::next(GateItem& item) {
  for (;;) {
    if (next_item_ < items_.size()) {
      item = std::move(items_[next_item_++]);
      if (next_item_ == items_.size()) {
        items_.clear();
        next_item_ = 0;
      }
      return true;
    }
    size_t tried = 0;
    for (; tried < open_.size(); ++tried) {
      if (turn_ >= open_.size()) { turn_ = 0; }
      const size_t position = turn_++;
      const Lane lane = open_[position];
      if (!lane.channel->pop(item.element)) { continue; }
      if (item.element.kind == Element::Kind::kBatch ||
          item.element.kind == Element::Kind::kLatencyMarker) {
        item.input = static_cast<int32_t>(lane.input);
        return true;
      }
      if (item.element.kind == Element::Kind::kEndOfInput) {
        end(position);
      } else {
        control(lane, item.element);
      }
      break;
    }
    if (tried == open_.size() && items_.empty()) { return false; }
  }
}

bool InputGate::has_data() {
  return next_item_ < items_.size() ||
         std::any_of(open_.begin(), open_.end(),
                     [](const Lane& lane) { return !lane.channel->empty(); });
}

void InputGate::control(const Lane& lane, const Element& element) {
  WatermarkValve& valve = inputs_[lane.input].valve;
  switch (element.kind) {
    case Element::Kind::kWatermark: valve.on_watermark(lane.index, element.value, outcomes_); break;
    case Element::Kind::kIdle: valve.on_idle(lane.index, outcomes_); break;
    case Element::Kind::kActive: valve.on_active(lane.index, outcomes_); break;
    default: return;
  }
  add_outcomes(lane.input);
}

void InputGate::end(size_t position) {
  const Lane lane = open_[position];
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(position));
  Input& input = inputs_[lane.input];
  input.valve.on_end(lane.index, outcomes_);
  add_outcomes(lane.input);
  if (--input.open_channels == 0) {
    items_.push_back(
        {static_cast<int32_t>(lane.input), Element::control(Element::Kind::kEndOfInput)});
  }
}

// With one input the valve's outcome is that of the task; with two they are combined.
void InputGate::add_outcomes(size_t input) {
  for (Element& outcome : outcomes_) {
    if (inputs_.size() == 1) {
      items_.push_back({GateItem::kAllInputs, std::move(outcome)});
      continue;
    }
    combined_.clear();
    if (outcome.kind == Element::Kind::kWatermark) {
      combiner_.on_watermark(input, outcome.value, combined_);
      items_.push_back({static_cast<int32_t>(input), std::move(outcome)});
    } else {
      combiner_.on_idle(input, outcome.kind == Element::Kind::kIdle, combined_);
    }
    for (Element& element : combined_) {
      items_.push_back({GateItem::kAllInputs, std::move(element)});
    }
  }
  outcomes_.clear();
}

}  // namespace tidewheel
