#include "tidewheel/state/timer_queue.h"

#include <algorithm>

#include "tidewheel/state/due_timers.h"

namespace tidewheel {
namespace {

constexpr size_t kFreeBlocksMax = 64;  // kept for reuse; more are given back

thread_local int64_t due_timers = 0;

bool later(const TimerQueue::Entry& a, const TimerQueue::Entry& b) { return a.time > b.time; }

}  // namespace

int64_t due_timers_of_thread() { return due_timers; }

TimerQueue::~TimerQueue() { clear(); }

void TimerQueue::push(Entry entry) {
  ++size_;
  const Rank rank = rank_of(entry.time);
  if (rank < last_) [[unlikely]] { return push_past(entry); }
  const size_t index = bucket_of(rank);
  if (index > 0) { filled_ |= uint64_t{1} << (index - 1); }
  append(buckets_[index], entry);
}

int64_t TimerQueue::min_time() const {
  int64_t time = past_.empty() ? kNoTime : past_.front().time;
  if (!ready_.empty()) { return std::min(time, ready_.back().time); }
  if (buckets_[0].head != nullptr) { return std::min(time, buckets_[0].min_time); }
  if (time != kNoTime || filled_ == 0) { return time; }
  return buckets_[static_cast<size_t>(__builtin_ctzll(filled_)) + 1].min_time;
}

bool TimerQueue::pop_until(int64_t limit, Entry& entry) {
  if (size_ == 0 || min_time() > limit) { return false; }
  --size_;
  ++due_timers;
  for (;;) {
    const bool past_is_first =
        !past_.empty() && (ready_.empty() || past_.front().time < ready_.back().time);
    if (past_is_first) [[unlikely]] {
      pop_past(entry);
      return true;
    }
    if (!ready_.empty()) {
      entry = ready_.back();
      ready_.pop_back();
      return true;
    }
    if (buckets_[0].head != nullptr) {
      pop_current(entry);
      return true;
    }
    descend(static_cast<size_t>(__builtin_ctzll(filled_)) + 1, limit);
  }
}

void TimerQueue::append(Bucket& bucket, Entry entry) {
  Block* block = bucket.head;
  if (block == nullptr || block->count == kBlockEntries) {
    Block* const fresh = take_block();
    fresh->next = block;
    bucket.head = block = fresh;
  }
  block->entries[block->count++] = entry;
  ++bucket.size;
  bucket.min_time = std::min(bucket.min_time, entry.time);
}

void TimerQueue::push_past(Entry entry) {
  past_.push_back(entry);
  std::push_heap(past_.begin(), past_.end(), later);
  note_ready_memory();
}

void TimerQueue::note_ready_memory() {
  const auto bytes = static_cast<int64_t>((past_.capacity() + ready_.capacity()) * sizeof(Entry));
  if (bytes != vector_bytes_) {
    memory_->reserve(bytes - vector_bytes_);
    vector_bytes_ = bytes;
  }
}

void TimerQueue::pop_past(Entry& entry) {
  std::pop_heap(past_.begin(), past_.end(), later);
  entry = past_.back();
  past_.pop_back();
}

void TimerQueue::pop_current(Entry& entry) {
  Bucket& bucket = buckets_[0];
  Block* const block = bucket.head;
  entry = block->entries[--block->count];
  --bucket.size;
  if (block->count == 0) {
    bucket.head = block->next;
    free_block(block);
    if (bucket.head == nullptr) { bucket.min_time = kNoTime; }
  }
}

void TimerQueue::descend(size_t index, int64_t limit) {
  Bucket& bucket = buckets_[index];
  Block* block = bucket.head;
  const bool sorts = bucket.size <= kSortedMax;
  // Sorting: to the limit, or to the end of the bucket. Spreading: to the earliest entry.
  const Rank end = last_ | (index == 64 ? ~Rank{0} : (Rank{1} << index) - 1);
  last_ = sorts ? std::min(rank_of(limit), end) : rank_of(bucket.min_time);
  bucket = Bucket();
  filled_ &= ~(uint64_t{1} << (index - 1));
  while (block != nullptr) {
    for (size_t i = 0; i < block->count; ++i) {
      const Entry entry = block->entries[i];
      const Rank rank = rank_of(entry.time);
      if (sorts && rank <= last_) {
        ready_.push_back(entry);
        continue;
      }
      const size_t lower = bucket_of(rank);
      if (lower > 0) { filled_ |= uint64_t{1} << (lower - 1); }
      append(buckets_[lower], entry);
    }
    Block* const next = block->next;
    free_block(block);
    block = next;
  }
  std::sort(ready_.begin(), ready_.end(), later);
  note_ready_memory();
}

TimerQueue::Block* TimerQueue::take_block() {
  if (free_blocks_ != nullptr) {
    Block* const block = free_blocks_;
    free_blocks_ = block->next;
    --free_count_;
    block->count = 0;
    return block;
  }
  memory_->reserve(static_cast<int64_t>(sizeof(Block)));
  ++block_count_;
  return new Block;
}

void TimerQueue::free_block(Block* block) {
  if (free_count_ < kFreeBlocksMax) {
    block->next = free_blocks_;
    free_blocks_ = block;
    ++free_count_;
    return;
  }
  delete block;
  --block_count_;
  memory_->release(static_cast<int64_t>(sizeof(Block)));
}

void TimerQueue::clear() {
  const auto free_all = [this](Block* block) {
    while (block != nullptr) {
      Block* const next = block->next;
      delete block;
      memory_->release(static_cast<int64_t>(sizeof(Block)));
      block = next;
    }
  };
  for (Bucket& bucket : buckets_) {
    free_all(bucket.head);
    bucket = Bucket();
  }
  free_all(free_blocks_);
  free_blocks_ = nullptr;
  free_count_ = block_count_ = 0;
  filled_ = 0;
  size_ = 0;
  past_ = {};
  ready_ = {};
  memory_->release(vector_bytes_);
  vector_bytes_ = 0;
}

int64_t TimerQueue::memory_bytes() const {
  return static_cast<int64_t>(block_count_ * sizeof(Block)) + vector_bytes_;
}

}  // namespace tidewheel
