// A bounded queue between two threads: one pushes, one pops, neither waits.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

// T is default-constructible and movable; a popped slot keeps a moved-from T.
//
// Wake-ups. A push says whether the ring was empty before it, and a pop whether it was full, so
// that the one who may have gone to sleep is woken exactly then. Neither is missed: each side
// stores its own index and then loads the other's, all four sequentially consistent. Take a
// consumer that saw the ring empty: its load of `tail_` did not see a push, so it stands before
// that push's store in the single order; its own last store of `head_` stands earlier still; so the
// push's later load of `head_` sees it, finds head == old tail, and answers kWasEmpty. The same
// holds for a producer that saw it full.
template <class T>
class SpscRing {
 public:
  enum class Push : uint8_t { kFull, kPushed, kWasEmpty };

  explicit SpscRing(uint32_t capacity)
      : capacity_(capacity),
        mask_(std::bit_ceil(capacity) - 1),
        slots_(std::make_unique<T[]>(static_cast<size_t>(mask_) + 1)) {
    TIDEWHEEL_CHECK(capacity > 0, "a ring holds at least one item");
  }

  // Producer. Moves from `value` unless the ring is full.
  [[nodiscard]] Push try_push(T&& value) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - cached_head_ >= capacity_) {
      cached_head_ = head_.load(std::memory_order_seq_cst);
      if (tail - cached_head_ >= capacity_) { return Push::kFull; }
    }
    slots_[tail & mask_] = std::move(value);
    tail_.store(tail + 1, std::memory_order_seq_cst);
    cached_head_ = head_.load(std::memory_order_seq_cst);
    return cached_head_ == tail ? Push::kWasEmpty : Push::kPushed;
  }
  // Producer: false may be out of date at once, true stays true until the next push.
  [[nodiscard]] bool has_room() {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - cached_head_ < capacity_) { return true; }
    cached_head_ = head_.load(std::memory_order_seq_cst);
    return tail - cached_head_ < capacity_;
  }

  // Consumer: the oldest item, or null. It stays valid until pop().
  [[nodiscard]] T* front() {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == cached_tail_) {
      cached_tail_ = tail_.load(std::memory_order_seq_cst);
      if (head == cached_tail_) { return nullptr; }
    }
    return &slots_[head & mask_];
  }
  // Consumer: gives back the slot of front(), from which the caller has moved. Returns true when
  // the ring was full, so that the producer may wait for this.
  bool pop() {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    head_.store(head + 1, std::memory_order_seq_cst);
    cached_tail_ = tail_.load(std::memory_order_seq_cst);
    return cached_tail_ - head >= capacity_;
  }

  // Any thread; exact only when neither side moves.
  uint32_t size() const {
    const uint64_t head = head_.load(std::memory_order_acquire);
    const uint64_t tail = tail_.load(std::memory_order_acquire);
    return tail > head ? static_cast<uint32_t>(tail - head) : 0;
  }
  uint32_t capacity() const { return capacity_; }

 private:
  const uint32_t capacity_;
  const uint64_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<uint64_t> tail_{0};  // producer's: items pushed so far
  uint64_t cached_head_ = 0;                   // producer's last sight of head_
  alignas(64) std::atomic<uint64_t> head_{0};  // consumer's: items popped so far
  uint64_t cached_tail_ = 0;                   // consumer's last sight of tail_
};

}  // namespace tidewheel
