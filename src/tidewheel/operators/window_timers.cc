#include "tidewheel/operators/window_timers.h"

#include <algorithm>

namespace tidewheel {

DueQueue::DueQueue(int64_t quantum, MemoryPool* memory)
    : quantum_(std::max<int64_t>(quantum, 1)), memory_(memory, "window timers") {}

int64_t DueQueue::bucket_of(int64_t time) const {
  const int64_t quotient = time / quantum_;
  return time % quantum_ < 0 ? quotient - 1 : quotient;
}

void DueQueue::push(int64_t time, KeyHash hash) {
  const int64_t bucket = bucket_of(time);
  ++size_;
  if (bucket <= near_bucket_) {
    near_.push_back({time, hash});
    std::push_heap(near_.begin(), near_.end(), later);
    return;
  }
  if (last_used_ == nullptr || last_used_bucket_ != bucket) {
    last_used_ = &far_[bucket];
    last_used_bucket_ = bucket;
  }
  last_used_->push_back({time, hash});
}

bool DueQueue::pop(int64_t until, Entry& entry) {
  while (near_.empty() || near_.front().time > until) {
    if (!near_.empty() || !load_next(until)) { return false; }
  }
  std::pop_heap(near_.begin(), near_.end(), later);
  entry = near_.back();
  near_.pop_back();
  --size_;
  return true;
}

int64_t DueQueue::next_time() const {
  if (!near_.empty()) { return near_.front().time; }
  int64_t earliest = kNever;
  if (!far_.empty()) {
    for (const Entry& entry : far_.begin()->second) { earliest = std::min(earliest, entry.time); }
  }
  return earliest;
}

const Status& DueQueue::settle_memory() {
  const auto bytes = static_cast<int64_t>((size_ + near_.capacity()) * sizeof(Entry));
  if (bytes > memory_.bytes() || bytes < memory_.bytes() / 2) { memory_.set(bytes); }
  return memory_.check();
}

// Makes the first far bucket the near one, unless all its times are above `until`.
bool DueQueue::load_next(int64_t until) {
  if (far_.empty() || far_.begin()->first > bucket_of(until)) { return false; }
  const auto first = far_.begin();
  near_bucket_ = first->first;
  near_.swap(first->second);
  if (last_used_ == &first->second) { last_used_ = nullptr; }
  far_.erase(first);
  std::make_heap(near_.begin(), near_.end(), later);
  return true;
}

}  // namespace tidewheel
