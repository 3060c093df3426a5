// A lock for a few loads and stores that several threads share: nothing is called and no other lock
// taken while it is held.
#pragma once
#include <mutex>

namespace tidewheel {

// For std::lock_guard.
class LeafLock {
 public:
  void lock();
  void unlock();

 private:
  std::mutex mutex_;
};

}  // namespace tidewheel
