#include "tidewheel/dataflow/channel_writer.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"

namespace tidewheel {

ChannelWriter::ChannelWriter(Mode mode, std::vector<Channel*> channels,
                             std::unique_ptr<Partitioner> partitioner, uint32_t batch_rows,
                             Random random)
    : mode_(mode), batch_rows_(batch_rows), partitioner_(std::move(partitioner)), random_(random) {
  TIDEWHEEL_CHECK(!channels.empty(), "an edge has a channel");
  TIDEWHEEL_CHECK((mode == Mode::kPartition) == (partitioner_ != nullptr),
                  "a partitioner splits batches by row");
  for (Channel* channel : channels) { lanes_.push_back({channel, {}}); }
  next_lane_ = static_cast<size_t>(random_.below(lanes_.size()));
}

bool ChannelWriter::offer(Element& element) {
  if (waiting_lanes_ > 0 && retry() == Progress::kBlocked && !overdraft_) { return false; }
  if (refuses_for_test()) { return false; }
  sent_gauges_.note(element);
  switch (element.kind) {
    case Element::Kind::kBatch:
      switch (mode_) {
        case Mode::kWhole: send(lanes_[0], std::move(element)); return true;
        case Mode::kBroadcast: send_to_all(element); return true;
        case Mode::kSpread:
        case Mode::kShuffle: spread(element); return true;
        case Mode::kPartition:
          // What is gathered goes on first: its batches come back when they were worked on.
          if (!partitioner_->has_memory()) {
            send_gathered(1);
            starved_ = !partitioner_->has_memory();
            if (starved_) { return false; }
          }
          partition(element);
          return true;
      }
      return true;
    case Element::Kind::kLatencyMarker:
      // To one channel only: markers would multiply with every edge.
      if (mode_ == Mode::kPartition) { send_gathered(1); }
      send(lanes_[static_cast<size_t>(random_.below(lanes_.size()))], std::move(element));
      return true;
    default:
      if (mode_ == Mode::kPartition) { send_gathered(1); }
      send_to_all(element);
      return true;
  }
}

void ChannelWriter::send_control(const Element& element) {
  if (mode_ == Mode::kPartition) { send_gathered(1); }
  send_to_all(element);
}

void ChannelWriter::send_barrier(int64_t checkpoint, bool announced) {
  if (mode_ == Mode::kPartition) { send_gathered(1); }
  if (announced) { announced_ = checkpoint; }
  for (Lane& lane : lanes_) {
    Element barrier = Element::control(Element::Kind::kBarrier, checkpoint);
    if (lane.waiting.empty()) {
      if (push_waiting(lane, barrier)) { continue; }
      ++waiting_lanes_;
    }
    lane.waiting.push_back(std::move(barrier));
  }
}

// A receiver learns of a barrier that is in its ring before it comes to it.
bool ChannelWriter::push_waiting(Lane& lane, Element& element) {
  const bool announces = element.kind == Element::Kind::kBarrier && element.value == announced_;
  const uint32_t position = lane.channel->next_position();
  if (!lane.channel->push(element)) { return false; }
  if (announces) { lane.channel->announce(announced_, position); }
  return true;
}

void ChannelWriter::overtake(int64_t checkpoint, std::vector<InFlightElement>& overtaken) {
  if (mode_ == Mode::kPartition) { send_gathered(1); }
  announced_ = checkpoint;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[i];
    Element barrier = Element::control(Element::Kind::kBarrier, checkpoint);
    if (lane.waiting.empty()) {
      if (push_waiting(lane, barrier)) { continue; }
      ++waiting_lanes_;
    }
    lane.waiting.push_back(std::move(barrier));
    push_to_front(lane, i, lane.waiting.size() - 1, checkpoint, overtaken);
  }
}

void ChannelWriter::overtake_late(int64_t checkpoint, std::vector<InFlightElement>& overtaken) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[i];
    for (size_t at = 0; at < lane.waiting.size(); ++at) {
      if (lane.waiting[at].kind != Element::Kind::kBarrier ||
          lane.waiting[at].value != checkpoint) {
        continue;
      }
      TIDEWHEEL_MARK("writer.barrier_overtakes_late");
      push_to_front(lane, i, at, checkpoint, overtaken);
      break;
    }
  }
}

// The ring is full, so that the barrier is the next to be pushed: its position is known. For the
// receiver, what it has overtaken comes behind it; a restore has that before anything else.
void ChannelWriter::push_to_front(Lane& lane, size_t index, size_t count, int64_t checkpoint,
                                  std::vector<InFlightElement>& overtaken) {
  if (count > 0) { TIDEWHEEL_MARK("writer.barrier_overtakes"); }
  for (size_t i = 0; i < count; ++i) {
    overtaken.push_back({.edge = edge_,
                         .where = InFlightElement::Where::kAtSender,
                         .sender = sender_,
                         .receiver = static_cast<int32_t>(index),
                         .element = lane.waiting[i]});
  }
  const auto barrier = lane.waiting.begin() + static_cast<std::ptrdiff_t>(count);
  std::rotate(lane.waiting.begin(), barrier, barrier + 1);
  lane.channel->announce(checkpoint, lane.channel->next_position());
}

bool ChannelWriter::has_waiting_barrier(int64_t checkpoint) const {
  if (waiting_lanes_ == 0) { return false; }
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) {
    return std::any_of(lane.waiting.begin(), lane.waiting.end(), [&](const Element& element) {
      return element.kind == Element::Kind::kBarrier && element.value == checkpoint;
    });
  });
}

void ChannelWriter::send(Lane& lane, Element element) {
  if (element.kind == Element::Kind::kBatch) {
    traffic_.add(row_size_.bytes_of(element, edge_ == nullptr ? nullptr : edge_->codec.get()));
  }
  if (lane.waiting.empty()) {
    if (lane.channel->push(element)) { return; }
    TIDEWHEEL_MARK("channel.full");
    ++waiting_lanes_;
  }
  lane.waiting.push_back(std::move(element));
}

void ChannelWriter::send_to_all(const Element& element) {
  for (Lane& lane : lanes_) { send(lane, element); }
}

// Cuts the rows into one slice a channel, or two for a shuffle. Slices share the batch.
void ChannelWriter::spread(const Element& rows) {
  const size_t lanes = lanes_.size();
  const size_t count = rows.end - rows.begin;
  const size_t slices = std::min(count, mode_ == Mode::kShuffle ? 2 * lanes : lanes);
  if (slices == 0) { return; }
  const size_t longer = count % slices;  // the first ones have a row more
  Element slice = rows;
  for (size_t i = 0; i < slices; ++i) {
    slice.end = slice.begin + static_cast<uint32_t>(count / slices + (i < longer ? 1 : 0));
    const size_t lane = mode_ == Mode::kShuffle ? static_cast<size_t>(random_.below(lanes))
                                                : (next_lane_ + i) % lanes;
    const uint32_t next = slice.end;
    send(lanes_[lane], slice);
    slice.begin = next;
  }
  // The next row's turn: after the last one that got a row more than the others.
  next_lane_ = (next_lane_ + (slices < lanes ? slices : longer)) % lanes;
}

void ChannelWriter::partition(Element& rows) {
  partitioner_->split(rows);
  rows.batch.reset();
  send_gathered(batch_rows_);
}

void ChannelWriter::send_gathered(uint32_t rows_min) {
  for (uint32_t i = 0; i < lanes_.size(); ++i) {
    if (partitioner_->gathered(i) < rows_min) { continue; }
    BatchRef batch = partitioner_->take(i);
    if (batch) { send(lanes_[i], Element::rows(std::move(batch))); }
  }
}

Progress ChannelWriter::flush() {
  if (mode_ == Mode::kPartition) { send_gathered(1); }
  return retry();
}

Progress ChannelWriter::retry() {
  if (starved_) { starved_ = !partitioner_->has_memory(); }
  if (waiting_lanes_ > 0) {
    for (Lane& lane : lanes_) {
      if (lane.waiting.empty()) { continue; }
      size_t sent = 0;
      while (sent < lane.waiting.size() && push_waiting(lane, lane.waiting[sent])) { ++sent; }
      lane.waiting.erase(lane.waiting.begin(),
                         lane.waiting.begin() + static_cast<std::ptrdiff_t>(sent));
      if (lane.waiting.empty()) { --waiting_lanes_; }
    }
  }
  return waiting_lanes_ == 0 && !starved_ ? Progress::kDone : Progress::kBlocked;
}

bool ChannelWriter::has_gathered_rows() const {
  if (mode_ != Mode::kPartition) { return false; }
  for (uint32_t i = 0; i < lanes_.size(); ++i) {
    if (partitioner_->gathered(i) > 0) { return true; }
  }
  return false;
}

// The lanes themselves are the same from the start.
QueueLength ChannelWriter::queued() const {
  QueueLength length;
  for (const Lane& lane : lanes_) { add_queue(*lane.channel, length); }
  return length;
}

bool ChannelWriter::has_room() {
  for (Lane& lane : lanes_) {
    if (!lane.waiting.empty() && lane.channel->has_room()) { return true; }
  }
  return false;
}

}  // namespace tidewheel
