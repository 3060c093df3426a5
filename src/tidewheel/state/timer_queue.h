// A queue of times: a radix heap (Ahuja, Mehlhorn, Orlin, Tarjan: Faster algorithms for the
// shortest path problem). Pushing appends to a bucket, and an entry moves to a lower bucket a few
// times at most before it is taken, always in runs of memory: no misses of a binary heap.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tidewheel/state/state_memory.h"

namespace tidewheel {

// Entries come out by ascending time; the order of equal times is fixed by the order of the calls.
// One thread. Entries before the last time that was taken are allowed; they come out next.
class TimerQueue {
 public:
  struct Entry {
    int64_t time = 0;
    uint64_t tag = 0;  // the owner's
  };
  static constexpr int64_t kNoTime = INT64_MAX;

  // `memory` outlives the queue.
  explicit TimerQueue(StateMemory& memory) : memory_(&memory) {}
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  void push(Entry entry);
  // The earliest time; kNoTime when empty.
  int64_t min_time() const;
  // Takes the earliest entry, if its time is not after `limit`.
  bool pop_until(int64_t limit, Entry& entry);
  // The entry that comes `distance` pops later, if that is known by now; for fetching ahead.
  const Entry* peek(size_t distance) const {
    return ready_.size() > distance ? &ready_[ready_.size() - 1 - distance] : nullptr;
  }
  void clear();

  size_t size() const { return size_; }
  int64_t memory_bytes() const;

 private:
  // Times as unsigned numbers of the same order.
  using Rank = uint64_t;
  static Rank rank_of(int64_t time) { return static_cast<Rank>(time) ^ (Rank{1} << 63); }

  static constexpr size_t kBlockEntries = 127;
  struct Block {
    Block* next = nullptr;
    size_t count = 0;
    Entry entries[kBlockEntries];
  };
  struct Bucket {
    Block* head = nullptr;  // the block that is filled; full ones follow
    int64_t min_time = kNoTime;
    size_t size = 0;
  };
  // A bucket of at most so many entries is sorted and no longer spread.
  static constexpr size_t kSortedMax = 2048;

  // Bucket 0 has the entries at `last_`; bucket b > 0 those whose rank differs from it in bit b - 1
  // first.
  size_t bucket_of(Rank rank) const {
    return rank == last_ ? 0 : static_cast<size_t>(64 - __builtin_clzll(rank ^ last_));
  }
  void append(Bucket& bucket, Entry entry);
  void push_past(Entry entry);
  void pop_past(Entry& entry);
  void pop_current(Entry& entry);
  // Moves `last_` into bucket `index`, the lowest, which has an entry that is not after `limit`:
  // its entries become ready or go to lower buckets.
  void descend(size_t index, int64_t limit);
  void note_ready_memory();
  Block* take_block();
  void free_block(Block* block);

  StateMemory* const memory_;
  Rank last_ = 0;
  size_t size_ = 0;
  uint64_t filled_ = 0;  // bit b - 1: bucket b has entries
  std::array<Bucket, 65> buckets_;
  std::vector<Entry> ready_;  // not after `last_`, by descending time
  std::vector<Entry> past_;   // pushed when they were before `last_`: a binary heap
  int64_t vector_bytes_ = 0;  // of the two, as accounted
  Block* free_blocks_ = nullptr;
  size_t free_count_ = 0;
  size_t block_count_ = 0;
};

}  // namespace tidewheel
