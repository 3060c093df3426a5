// What can be woken: a task, as channels, timers and mail see it.
#pragma once
#include <atomic>

namespace tidewheel {

// Scheduled at most once at a time. Why no wake is lost: who makes work visible stores it (an index
// of a ring, a flag, mail), sequentially consistent, and then loads `scheduled_`; who goes to rest
// stores `scheduled_` = false and then looks at all those places. In the single order of these
// operations one of the two comes second, and sees what the other has stored.
class WakeTarget {
 public:
  // Any thread, after the work was made visible.
  void wake() {
    if (!scheduled_.load(std::memory_order_seq_cst) &&
        !scheduled_.exchange(true, std::memory_order_seq_cst)) {
      on_scheduled(false);
    }
  }
  // The same on the thread of the target's own slot.
  void wake_from_own_slot() {
    if (!scheduled_.load(std::memory_order_relaxed) &&
        !scheduled_.exchange(true, std::memory_order_seq_cst)) {
      on_scheduled(true);
    }
  }
  // Before anybody else knows the target: it counts as scheduled, so that wakes do nothing until it
  // has run once.
  void hold() { scheduled_.store(true, std::memory_order_seq_cst); }
  // The same for news beside the data (a barrier that overtakes it). Any thread.
  virtual void alert() { wake(); }

 protected:
  WakeTarget() = default;
  virtual ~WakeTarget() = default;
  // Called once for each change to scheduled, on the waker's thread.
  virtual void on_scheduled(bool from_own_slot) = 0;
  // Owner: from here on wakes count again. To be followed by a look at all that could have woken
  // it.
  void rest() { scheduled_.store(false, std::memory_order_seq_cst); }

 private:
  std::atomic<bool> scheduled_{false};
};

}  // namespace tidewheel
