#include "tidewheel/dataflow/input_gate.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"

namespace tidewheel {

InputGate::InputGate(const std::vector<Source>& sources) {
  std::vector<size_t> counts;
  for (const Source& source : sources) {
    const auto input = static_cast<size_t>(source.input);
    if (counts.size() <= input) { counts.resize(input + 1); }
    open_.push_back({.channel = source.channel, .input = input, .index = counts[input]++});
  }
  readable_ = open_.size();
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
    for (; tried < readable_; ++tried) {
      if (turn_ >= readable_) { turn_ = 0; }
      const size_t position = turn_++;
      const Lane& lane = open_[position];
      if (!lane.channel->pop(item.element)) { continue; }
      if (item.element.kind == Element::Kind::kBatch ||
          item.element.kind == Element::Kind::kLatencyMarker) {
        item.input = static_cast<int32_t>(lane.input);
        return true;
      }
      control(position, item.element);
      break;
    }
    // What was popped may have blocked the last channel, or unblocked others: then look again.
    if (tried >= readable_ && items_.empty()) { return false; }
  }
}

bool InputGate::has_data() {
  return next_item_ < items_.size() ||
         std::any_of(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(readable_),
                     [](const Lane& lane) { return !lane.channel->empty(); });
}

void InputGate::control(size_t position, const Element& element) {
  Lane& lane = open_[position];
  WatermarkValve& valve = inputs_[lane.input].valve;
  switch (element.kind) {
    case Element::Kind::kWatermark: valve.on_watermark(lane.index, element.value, outcomes_); break;
    case Element::Kind::kIdle: valve.on_idle(lane.index, outcomes_); break;
    case Element::Kind::kActive: valve.on_active(lane.index, outcomes_); break;
    case Element::Kind::kEndOfData: end_data(lane); return;
    case Element::Kind::kEndOfInput: end(position); return;
    case Element::Kind::kBarrier: on_barrier(position, element.value); return;
    case Element::Kind::kBatch:
    case Element::Kind::kLatencyMarker: return;
  }
  add_outcomes(lane.input);
}

void InputGate::end_data(Lane& lane) {
  lane.at_end = true;
  Input& input = inputs_[lane.input];
  input.valve.on_end(lane.index, outcomes_);
  add_outcomes(lane.input);
  if (--input.live_channels == 0) {
    items_.push_back(
        {static_cast<int32_t>(lane.input), Element::control(Element::Kind::kEndOfData)});
  }
}

// A channel that ends without an end of data, because its sender was suspended, says nothing about
// event time. It counts as having delivered the barrier that is waited for.
void InputGate::end(size_t position) {
  const bool missing = aligning_ != 0 && open_[position].barrier < aligning_;
  std::swap(open_[position], open_[readable_ - 1]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(readable_ - 1));
  --readable_;
  if (missing) {
    TIDEWHEEL_MARK("gate.channel_ends_during_alignment");
    --missing_;
    finish_alignment_if_complete();
  }
}

void InputGate::on_barrier(size_t position, int64_t checkpoint) {
  if (checkpoint <= last_barrier_) {
    TIDEWHEEL_MARK("gate.old_barrier");
    return;
  }
  if (checkpoint < aligning_) { return; }
  if (checkpoint > aligning_) { begin_alignment(checkpoint); }
  Lane& lane = open_[position];
  TIDEWHEEL_CHECK(lane.barrier < checkpoint, "a channel delivers a barrier once");
  lane.barrier = checkpoint;
  --missing_;
  if (blocks_ && missing_ > 0) {
    std::swap(lane, open_[readable_ - 1]);
    --readable_;
  }
  finish_alignment_if_complete();
}

void InputGate::begin_alignment(int64_t checkpoint) {
  if (aligning_ != 0) {
    TIDEWHEEL_MARK("gate.alignment_subsumed");
    const int64_t older = std::exchange(aligning_, 0);
    unblock();
    last_barrier_ = older;
    if (watcher_ != nullptr) { watcher_->on_barrier_subsumed(older); }
  }
  aligning_ = checkpoint;
  missing_ = open_.size();
  blocks_ = watcher_ != nullptr && watcher_->on_first_barrier(checkpoint);
}

void InputGate::finish_alignment_if_complete() {
  if (aligning_ == 0 || missing_ > 0) { return; }
  last_barrier_ = std::exchange(aligning_, 0);
  unblock();
  items_.push_back(
      {GateItem::kAllInputs, Element::control(Element::Kind::kBarrier, last_barrier_)});
}

void InputGate::cancel_alignment(int64_t checkpoint) {
  if (aligning_ != checkpoint || checkpoint == 0) { return; }
  TIDEWHEEL_MARK("gate.alignment_aborted");
  last_barrier_ = std::exchange(aligning_, 0);
  unblock();
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
