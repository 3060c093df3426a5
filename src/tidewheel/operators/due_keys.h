// The keys of a KeyedStore whose timers are due, some at a time, so that their rows are read from
// the backend together.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tidewheel/state/keyed_store.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

// Timers without a name: a key may have several, and who handles one looks at all that the key has.
// One thread.
template <class K>
class DueKeys {
 public:
  DueKeys(KeyedStore<K>& store, TimeDomain domain, MemoryPool* memory)
      : store_(store), domain_(domain), heap_(memory) {}

  // Makes the key of the next timer that is not after `until` current; false when there is none.
  // The rows of keys that come next are at hand.
  bool next(int64_t until) {
    if (at_ == due_.size() && !take(until)) { return false; }
    const Due& due = due_[at_++];
    current_.store(due.key.value, heap_);
    hash_ = due.hash;
    time_ = due.time;
    store_.set_current(current_.value, hash_);
    return true;
  }
  // Of the timer that next() has come to.
  const K& key() const { return current_.value; }
  KeyHash hash() const { return hash_; }
  int64_t time() const { return time_; }
  // Sets a timer for the current key. The order of times holds, though some were taken already:
  // while there are such, the current key is that of next().
  void set(int64_t time) {
    if (at_ == due_.size() || time >= due_.back().time) {
      store_.add_timer(domain_, time);
      return;
    }
    Due again;
    again.time = time;
    again.hash = hash_;
    again.key.store(current_.value, heap_);
    const auto place = std::upper_bound(due_.begin() + static_cast<std::ptrdiff_t>(at_), due_.end(),
                                        time, [](int64_t a, const Due& b) { return a < b.time; });
    due_.insert(place, std::move(again));
  }

 private:
  struct Due {
    int64_t time = 0;
    KeyHash hash;
    Stored<K> key;
  };
  static constexpr size_t kAhead = 256;

  bool take(int64_t until) {
    for (Due& due : due_) { due.key.release(heap_); }
    due_.clear();
    at_ = 0;
    static_cast<void>(
        store_.take_due(domain_, until, kAhead, [this](const K& key, KeyHash hash, int64_t time) {
          Due& due = due_.emplace_back();
          due.time = time;
          due.hash = hash;
          due.key.store(key, heap_);
        }));
    const auto key_at = [this](uint32_t i) -> const K& { return due_[i].key.value; };
    store_.fetch(0, static_cast<uint32_t>(due_.size()), key_at);
    return !due_.empty();
  }

  KeyedStore<K>& store_;
  const TimeDomain domain_;
  TextHeap heap_;
  std::vector<Due> due_;
  size_t at_ = 0;
  Stored<K> current_;
  KeyHash hash_;
  int64_t time_ = 0;
};

}  // namespace tidewheel
