// When keys are due: one queue for the operators that keep their timers with the windows.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/state_memory.h"

namespace tidewheel {

// A queue of (time, hash of a key). An entry is only a hint to look at the key again: the truth is
// in the key's own state, so an entry is never moved or removed when a window grows or goes. It
// holds no key, because the hash and the time together find the state that waits for it.
//
// Times of the near future lie in a heap, later ones unsorted in buckets of `quantum` milliseconds:
// most entries are touched three times, whatever their number.
class DueQueue {
 public:
  struct Entry {
    int64_t time = 0;
    KeyHash hash;
  };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  DueQueue(int64_t quantum, MemoryPool* memory);

  void push(int64_t time, KeyHash hash);
  // Takes the earliest entry, if its time has come.
  bool pop(int64_t until, Entry& entry);
  // The time of the earliest entry, or kNever.
  int64_t next_time() const;
  size_t size() const { return size_; }
  // Call once a batch: the account follows the queue.
  const Status& settle_memory();

 private:
  static bool later(const Entry& a, const Entry& b) { return a.time > b.time; }
  int64_t bucket_of(int64_t time) const;
  bool load_next(int64_t until);

  const int64_t quantum_;
  std::vector<Entry> near_;  // a heap, earliest first: all of buckets up to near_bucket_
  int64_t near_bucket_ = std::numeric_limits<int64_t>::min();
  std::map<int64_t, std::vector<Entry>> far_;
  std::vector<Entry>* last_used_ = nullptr;  // of far_
  int64_t last_used_bucket_ = 0;
  size_t size_ = 0;
  StateMemory memory_;
};

}  // namespace tidewheel
