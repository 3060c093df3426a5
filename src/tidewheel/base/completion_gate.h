// Lets calls that complete on other threads (the blocking pool) reach an operator or coordinator
// for as long as it is open, and no longer.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

namespace tidewheel {

// Shared by the owner and the jobs it has put on other threads. A job enters before it touches what
// the owner's context offers (wake, post), and leaves after; between is a few instructions. `close`
// waits for those inside, so it may spin for about as long as a wake takes.
class CompletionGate {
 public:
  static std::shared_ptr<CompletionGate> create() { return std::make_shared<CompletionGate>(); }

  // Any thread. False when the owner has closed: then do not touch it.
  [[nodiscard]] bool enter() {
    if ((inside_.fetch_add(1, std::memory_order_acq_rel) & kClosed) == 0) { return true; }
    inside_.fetch_sub(1, std::memory_order_release);
    return false;
  }
  void leave() { inside_.fetch_sub(1, std::memory_order_release); }

  // Owner. Nobody is inside, or gets in, once this has returned. Does nothing the second time.
  void close() {
    inside_.fetch_or(kClosed, std::memory_order_acq_rel);
    while (inside_.load(std::memory_order_acquire) != kClosed) {}
  }

 private:
  static constexpr uint32_t kClosed = 1U << 31;
  std::atomic<uint32_t> inside_{0};
};

}  // namespace tidewheel
