// The edge between two subtasks: a bounded queue of elements, which wakes either side when it can
// go on.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/wake_target.h"

namespace tidewheel {

// One sender, one receiver. `capacity` elements at most wait in it (its credits).
//
// It is a ring of its own rather than base/spsc_ring.h for three reasons: a push
// asks the receiver's scheduled flag (rarely written) instead of its index (written for each
// element); a sender that was refused is woken when half of the ring is free, not at each element,
// which would cost a system call a batch; and between tasks of one slot nothing has to be
// sequentially consistent.
class Channel {
 public:
  // `same_slot`: both sides run on one thread.
  Channel(uint32_t capacity, bool same_slot, WakeTarget& sender, WakeTarget& receiver)
      : capacity_(capacity == 0 ? 1 : capacity),
        mask_(std::bit_ceil(capacity_) - 1),
        same_slot_(same_slot),
        cells_(std::make_unique<Element[]>(size_t{mask_} + 1)),
        sender_(&sender),
        receiver_(&receiver),
        wake_at_(capacity_ / 2) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // ---- The sender's side.

  // Moves from `element` and wakes the receiver; or returns false, and will wake the sender.
  [[nodiscard]] bool push(Element& element) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ >= capacity_ && !find_room(tail)) [[unlikely]] { return false; }
    if (waits_) [[unlikely]] { set_waits(false); }
    cells_[tail & mask_] = std::move(element);
    if (same_slot_) {
      tail_.store(tail + 1, std::memory_order_release);
      receiver_->wake_from_own_slot();
    } else {
      tail_.store(tail + 1, std::memory_order_seq_cst);
      receiver_->wake();
    }
    return true;
  }
  bool has_room() {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ < capacity_) { return true; }
    head_seen_ = head_.load(std::memory_order_seq_cst);
    return tail - head_seen_ < capacity_;
  }

  // For a sender that counts room by itself (one in another process, by credits): it is woken when
  // no more than `waiting` elements wait, if that comes before its next push. To be followed by a
  // look at `popped`, for a pop that came before. Not to be used by a sender that lets pushes fail.
  void request_wake(uint32_t waiting) {
    wake_at_.store(waiting, std::memory_order_relaxed);
    set_waits(true);
  }
  uint32_t popped() const { return head_.load(std::memory_order_seq_cst); }

  // Elements pushed so far: the position of the next one.
  uint32_t next_position() const { return tail_.load(std::memory_order_relaxed); }
  // Says that the barrier of `checkpoint` is the element at `position`, or will be when there is
  // room, long before the receiver comes to it. A later checkpoint's takes its place.
  void announce(int64_t checkpoint, uint32_t position) {
    TIDEWHEEL_CHECK(checkpoint > 0 && checkpoint <= UINT32_MAX, "checkpoints are counted from 1");
    announced_.store(static_cast<uint64_t>(checkpoint) << 32 | position, std::memory_order_seq_cst);
    receiver_->alert();
  }

  // ---- The receiver's side.

  struct Announcement {
    int64_t checkpoint = 0;  // 0: none
    uint32_t position = 0;
  };
  Announcement announcement() const {
    const uint64_t packed = announced_.load(std::memory_order_seq_cst);
    return {static_cast<int64_t>(packed >> 32), static_cast<uint32_t>(packed)};
  }
  // Positions [first, last) wait. They stay as they are until they are popped: the sender writes a
  // cell only when the pop of what was in it has become visible. So the receiver may look at them.
  uint32_t first_position() const { return head_.load(std::memory_order_relaxed); }
  uint32_t last_position() const { return tail_.load(std::memory_order_acquire); }
  const Element& peek(uint32_t position) const { return cells_[position & mask_]; }

  bool empty() {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head != tail_seen_) { return false; }
    tail_seen_ = tail_.load(std::memory_order_seq_cst);
    return head == tail_seen_;
  }
  // Takes the oldest element; false when there is none.
  [[nodiscard]] bool pop(Element& element) {
    if (empty()) { return false; }
    const uint32_t head = head_.load(std::memory_order_relaxed);
    element = std::move(cells_[head & mask_]);
    if (same_slot_) {
      head_.store(head + 1, std::memory_order_release);
      if (sender_waits_.load(std::memory_order_relaxed)) { wake_sender(head + 1); }
    } else {
      head_.store(head + 1, std::memory_order_seq_cst);
      if (sender_waits_.load(std::memory_order_seq_cst)) { wake_sender(head + 1); }
    }
    return true;
  }

  uint32_t capacity() const { return capacity_; }
  // Any thread; exact only when neither side moves.
  uint32_t size() const {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }

 private:
  // A sender that finds the ring full says so and looks again, so that either it sees the room or
  // the receiver's next pop sees that it waits.
  bool find_room(uint32_t tail) {
    head_seen_ = head_.load(std::memory_order_seq_cst);
    if (tail - head_seen_ < capacity_) { return true; }
    if (!waits_) { set_waits(true); }
    head_seen_ = head_.load(std::memory_order_seq_cst);
    return tail - head_seen_ < capacity_;
  }
  void set_waits(bool waits) {
    waits_ = waits;
    sender_waits_.store(waits, std::memory_order_seq_cst);
  }
  // The receiver goes on until the ring is empty, so half empty is reached if anything is. Only the
  // sender takes back that it waits: the receiver could take back what was said after it had
  // looked.
  void wake_sender(uint32_t head) {
    const uint32_t waiting = tail_.load(std::memory_order_seq_cst) - head;
    if (waiting > wake_at_.load(std::memory_order_relaxed)) { return; }
    if (same_slot_) {
      sender_->wake_from_own_slot();
    } else {
      sender_->wake();
    }
  }

  const uint32_t capacity_;
  const uint32_t mask_;
  const bool same_slot_;
  const std::unique_ptr<Element[]> cells_;
  WakeTarget* const sender_;
  WakeTarget* const receiver_;
  alignas(64) std::atomic<uint32_t> tail_{0};  // the sender's: elements pushed so far
  uint32_t head_seen_ = 0;                     // its last sight of head_
  bool waits_ = false;                         // its copy of sender_waits_
  alignas(64) std::atomic<uint32_t> head_{0};  // the receiver's: elements popped so far
  uint32_t tail_seen_ = 0;                     // its last sight of tail_
  alignas(64) std::atomic<bool> sender_waits_{false};
  std::atomic<uint32_t> wake_at_;       // how many may wait when a sender is woken
  std::atomic<uint64_t> announced_{0};  // a checkpoint and its barrier's position; rarely used
};

}  // namespace tidewheel
