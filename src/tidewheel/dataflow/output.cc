#include "tidewheel/dataflow/output.h"

namespace tidewheel {

Progress OutputPort::send(Element element) {
  static_cast<void>(flush());
  enqueue(std::move(element));
  return pending_.empty() ? Progress::kDone : Progress::kBlocked;
}

void OutputPort::enqueue(Element element) {
  if (element.kind == Element::Kind::kBatch) { rows_sent_ += element.end - element.begin; }
  Pending pending{std::move(element)};
  if (pending_.empty() && deliver(pending)) { return; }
  pending_.push_back(std::move(pending));
}

Progress OutputPort::retry_pending() {
  while (next_pending_ < pending_.size()) {
    if (!deliver(pending_[next_pending_])) { return Progress::kBlocked; }
    ++next_pending_;
  }
  pending_.clear();
  next_pending_ = 0;
  if (starved_) { starved_ = !pool_->has_memory(); }
  return starved_ ? Progress::kBlocked : Progress::kDone;
}

// Each sink gets its own copy of the element, the last one the element itself: so a receiver that
// is the only one can see that it is.
bool OutputPort::deliver(Pending& pending) {
  while (pending.next_sink < sinks_.size()) {
    ElementSink& sink = *sinks_[pending.next_sink];
    if (pending.next_sink + 1 == sinks_.size()) {
      if (!sink.offer(pending.element)) { return false; }
    } else {
      Element copy = pending.element;
      if (!sink.offer(copy)) { return false; }
    }
    ++pending.next_sink;
  }
  return true;
}

}  // namespace tidewheel
