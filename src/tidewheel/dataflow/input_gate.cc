#include "tidewheel/dataflow/input_gate.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/mutant.h"

namespace tidewheel {

InputGate::InputGate(const std::vector<Source>& sources) {
  std::vector<size_t> counts;
  for (const Source& source : sources) {
    const auto input = static_cast<size_t>(source.input);
    if (counts.size() <= input) { counts.resize(input + 1); }
    Lane lane;
    lane.source = source;
    lane.index = counts[input]++;
    lane.overtakes = source.edge != nullptr && source.edge->overtakes;
    channels_.push_back(source.channel);
    open_.push_back(std::move(lane));
  }
  readable_ = open_.size();
  for (const size_t count : counts) { inputs_.emplace_back(count); }
  combiner_ = InputCombiner(counts.size());
}

std::vector<InputGate::Source> InputGate::sources() const {
  std::vector<Source> sources;
  for (const Lane& lane : open_) { sources.push_back(lane.source); }
  return sources;
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
    if (due_ != 0) [[unlikely]] { return false; }
    if (!restored_.empty()) [[unlikely]] {
      if (take_restored(item)) { return true; }
      continue;
    }
    size_t tried = 0;
    for (; tried < readable_; ++tried) {
      if (turn_ >= readable_) { turn_ = 0; }
      const size_t position = turn_++;
      Lane& lane = open_[position];
      if (!lane.source.channel->pop(item.element)) { continue; }
      if (recording_lanes_ > 0) [[unlikely]] { record_popped(lane, item.element); }
      if (item.element.kind == Element::Kind::kBatch ||
          item.element.kind == Element::Kind::kLatencyMarker) {
        item.input = lane.source.input;
        if (item.element.kind == Element::Kind::kBatch) { count(lane, item.element); }
        return true;
      }
      control(position, item.element);
      break;
    }
    if (tried >= readable_ && items_.empty()) { return false; }
  }
}

void InputGate::count(Lane& lane, const Element& rows) {
  const EdgeInfo* const edge = lane.source.edge.get();
  Traffic& traffic = lane.source.is_remote ? remote_traffic_ : local_traffic_;
  traffic.add(lane.row_size.bytes_of(rows, edge == nullptr ? nullptr : edge->codec.get()));
}

QueueLength InputGate::queued() const {
  QueueLength length;
  for (const Channel* channel : channels_) { add_queue(*channel, length); }
  return length;
}

// Rows are an item; the rest changes the event time of its channel. False: no item.
bool InputGate::take_restored(GateItem& item) {
  InFlightElement restored = std::move(restored_.front());
  restored_.pop_front();
  const auto lane = std::find_if(open_.begin(), open_.end(), [&](const Lane& one) {
    return one.source.edge == restored.edge && one.source.sender == restored.sender;
  });
  if (restored.element.kind == Element::Kind::kBatch) {
    const auto of_edge = std::find_if(open_.begin(), open_.end(), [&](const Lane& one) {
      return one.source.edge == restored.edge;
    });
    TIDEWHEEL_CHECK(of_edge != open_.end(), "channels end behind what was restored");
    item.input = of_edge->source.input;
    item.element = std::move(restored.element);
    return true;
  }
  if (lane != open_.end()) { event_time(*lane, restored.element); }
  return false;
}

bool InputGate::has_data() {
  return has_items() || due_ != 0 || !restored_.empty() ||
         std::any_of(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(readable_),
                     [](const Lane& lane) { return !lane.source.channel->empty(); });
}

void InputGate::control(size_t position, const Element& element) {
  switch (element.kind) {
    case Element::Kind::kEndOfData: end_data(open_[position]); return;
    case Element::Kind::kEndOfInput: end(position); return;
    case Element::Kind::kBarrier: on_barrier(position, element.value); return;
    default: event_time(open_[position], element); return;
  }
}

void InputGate::event_time(const Lane& lane, const Element& element) {
  const auto input = static_cast<size_t>(lane.source.input);
  WatermarkValve& valve = inputs_[input].valve;
  switch (element.kind) {
    case Element::Kind::kWatermark: valve.on_watermark(lane.index, element.value, outcomes_); break;
    case Element::Kind::kIdle: valve.on_idle(lane.index, outcomes_); break;
    case Element::Kind::kActive: valve.on_active(lane.index, outcomes_); break;
    default: return;
  }
  add_outcomes(input);
}

void InputGate::end_data(Lane& lane) {
  lane.at_end = true;
  const auto index = static_cast<size_t>(lane.source.input);
  Input& input = inputs_[index];
  input.valve.on_end(lane.index, outcomes_);
  add_outcomes(index);
  if (--input.live_channels == 0) {
    items_.push_back({lane.source.input, Element::control(Element::Kind::kEndOfData)});
  }
}

// A channel that ends without an end of data, because its sender was suspended, says nothing about
// event time. It counts as having delivered the barrier that is waited for.
void InputGate::end(size_t position) {
  end_recording(open_[position]);
  const bool missing = aligning_ != 0 && open_[position].barrier < aligning_;
  if (missing) {
    TIDEWHEEL_MARK("gate.channel_ends_during_alignment");
    --missing_;
    if (!open_[position].overtakes) { --missing_pinned_; }
  }
  std::swap(open_[position], open_[readable_ - 1]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(readable_ - 1));
  --readable_;
  update_due();
}

// ---- Barriers

void InputGate::on_barrier(size_t position, int64_t checkpoint) {
  Lane& lane = open_[position];
  if (lane.recording) {
    if (checkpoint > recording_) {
      give_up_recording();
    } else if (checkpoint == recording_) {
      end_recording(lane);
    }
  }
  if (checkpoint <= last_barrier_ || checkpoint < aligning_) {
    TIDEWHEEL_MARK("gate.old_barrier");
    return;
  }
  if (checkpoint > aligning_) { begin_alignment(checkpoint); }
  TIDEWHEEL_CHECK(lane.barrier < checkpoint, "a channel delivers a barrier once");
  lane.barrier = checkpoint;
  --missing_;
  if (!lane.overtakes) { --missing_pinned_; }
  if (blocks_) {
    std::swap(lane, open_[readable_ - 1]);
    --readable_;
  }
  update_due();
}

void InputGate::begin_alignment(int64_t checkpoint) {
  if (aligning_ != 0) {
    TIDEWHEEL_MARK("gate.alignment_subsumed");
    last_barrier_ = std::exchange(aligning_, 0);
    unblock();
    if (watcher_ != nullptr) { watcher_->on_barrier_subsumed(last_barrier_); }
  }
  aligning_ = checkpoint;
  missing_ = open_.size();
  missing_pinned_ = static_cast<size_t>(
      std::count_if(open_.begin(), open_.end(), [](const Lane& lane) { return !lane.overtakes; }));
  using Alignment = BarrierWatcher::Alignment;
  const Alignment alignment =
      watcher_ == nullptr ? Alignment::kCount : watcher_->on_first_barrier(checkpoint);
  blocks_ = alignment != Alignment::kCount;
  overtakes_ = alignment == Alignment::kOvertake;
}

void InputGate::update_due() {
  if (aligning_ != 0 && (missing_ == 0 || (overtakes_ && missing_pinned_ == 0))) {
    due_ = aligning_;
  }
}

void InputGate::overtake() {
  if (aligning_ == 0 || overtakes_ || !blocks_) { return; }
  TIDEWHEEL_MARK("gate.barrier_overtakes_late");
  overtakes_ = true;
  update_due();
}

void InputGate::cancel(int64_t checkpoint) {
  if (recording_ == checkpoint && checkpoint != 0) {
    TIDEWHEEL_MARK("gate.recording_aborted");
    for (Lane& lane : open_) { lane.recording = false; }
    recording_ = 0;
    recording_lanes_ = 0;
  }
  if (aligning_ != checkpoint || checkpoint == 0) { return; }
  TIDEWHEEL_MARK("gate.alignment_aborted");
  last_barrier_ = std::exchange(aligning_, 0);
  due_ = 0;
  overtakes_ = false;
  unblock();
}

// What was announced while a barrier was in hand is looked at when that has passed.
void InputGate::look_for_announcements() {
  if (due_ != 0) { return; }
  for (Lane& lane : open_) {
    const Channel::Announcement announced = lane.source.channel->announcement();
    if (announced.checkpoint <= lane.announced.checkpoint) { continue; }
    lane.announced = announced;
    if (lane.recording && announced.checkpoint == recording_) {
      record_until(lane, announced.position);
      end_recording(lane);
    }
    if (announced.checkpoint > last_barrier_ && announced.checkpoint > aligning_) {
      begin_alignment(announced.checkpoint);
    }
  }
  update_due();
}

void InputGate::pass_barrier(bool capture_overtaken) {
  if (due_ == 0) { return; }
  if (recording_ != 0) { give_up_recording(); }
  const int64_t checkpoint = std::exchange(due_, 0);
  if (capture_overtaken) {
    for (const InFlightElement& restored : restored_) { watcher_->on_overtaken(restored); }
    for (Lane& lane : open_) {
      if (lane.barrier < checkpoint) { capture(lane, checkpoint); }
    }
    recording_ = recording_lanes_ > 0 ? checkpoint : 0;
  }
  last_barrier_ = checkpoint;
  aligning_ = 0;
  overtakes_ = false;
  unblock();
  look_for_announcements();
}

// ---- What barriers have overtaken

// The barrier is in the ring, or its place is known, or all that comes before it is recorded.
void InputGate::capture(Lane& lane, int64_t checkpoint) {
  lane.announced = lane.source.channel->announcement();
  const Channel& channel = *lane.source.channel;
  lane.recorded_to = channel.first_position();
  if (lane.announced.checkpoint == checkpoint) {
    record_until(lane, lane.announced.position);
    return;
  }
  const uint32_t last = channel.last_position();
  for (uint32_t at = lane.recorded_to; at != last; ++at) {
    const Element& element = channel.peek(at);
    if (element.kind == Element::Kind::kEndOfInput) { return; }
    if (element.kind == Element::Kind::kBarrier && element.value == checkpoint) { return; }
    tell_overtaken(lane, element);
  }
  TIDEWHEEL_MARK("gate.recording");
  lane.recorded_to = last;
  lane.recording = true;
  ++recording_lanes_;
}

void InputGate::tell_overtaken(const Lane& lane, const Element& element) {
  switch (element.kind) {
    case Element::Kind::kBatch:
    case Element::Kind::kWatermark:
    case Element::Kind::kIdle:
    case Element::Kind::kActive: break;
    default: return;  // ends are sent again after a restore
  }
  watcher_->on_overtaken({.edge = lane.source.edge,
                          .where = InFlightElement::Where::kInChannel,
                          .sender = lane.source.sender,
                          .receiver = lane.source.receiver,
                          .element = element});
}

void InputGate::record_until(Lane& lane, uint32_t position) {
  const Channel& channel = *lane.source.channel;
  const uint32_t first = channel.first_position();
  if (static_cast<int32_t>(first - lane.recorded_to) > 0) { lane.recorded_to = first; }
  for (; static_cast<int32_t>(position - lane.recorded_to) > 0; ++lane.recorded_to) {
    tell_overtaken(lane, channel.peek(lane.recorded_to));
  }
}

void InputGate::record_popped(Lane& lane, const Element& element) {
  if (!lane.recording) { return; }
  const uint32_t position = lane.source.channel->first_position() - 1;
  if (static_cast<int32_t>(position - lane.recorded_to) < 0) { return; }
  lane.recorded_to = position + 1;
  if (!TIDEWHEEL_MUTANT("overtaken_batch_left_out")) { tell_overtaken(lane, element); }
}

void InputGate::end_recording(Lane& lane) {
  if (!lane.recording) { return; }
  lane.recording = false;
  if (--recording_lanes_ == 0) { recording_ = 0; }
}

// A newer barrier has come on a channel that owes this one.
void InputGate::give_up_recording() {
  if (recording_ == 0) { return; }
  TIDEWHEEL_MARK("gate.recording_subsumed");
  const int64_t checkpoint = recording_;
  cancel(checkpoint);
  watcher_->on_barrier_subsumed(checkpoint);
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
