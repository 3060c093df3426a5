// What travels on an edge: an immutable batch of rows. Batches are counted by reference and
// recycled by the pool that made them, because fresh memory costs three times reused memory.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/types/arena.h"

namespace tidewheel {

class BatchPool;  // dataflow/batch_pool.h

// "This row has no event time." Event-time operators refuse such rows.
inline constexpr int64_t kNoTimestamp = INT64_MIN;

// The part of a batch that does not depend on the row's type. Built by one thread, then shared:
// once it has been sent nobody changes it. The last BatchRef, on any thread, gives it back to its
// pool.
class Batch {
 public:
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  // Event time of each row in milliseconds since the epoch, or kNoTimestamp.
  const int64_t* timestamps() const { return timestamps_; }
  int64_t* timestamps() { return timestamps_; }

  // The arena for bytes of this batch's own rows (made at first use).
  Arena& arena();
  // Keeps alive what `other`'s rows point into, because rows of this batch were made from them.
  void share_arenas(const Batch& other);
  const std::vector<ArenaRef>& shared_arenas() const { return shared_arenas_; }
  // Keeps `arena` alive for as long as this batch.
  void share_arena(const ArenaRef& arena);

  void add_ref() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    // The only holder needs no read-modify-write: nobody else can take a reference.
    if (is_unique() || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) { give_back(); }
  }
  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }

  // Destroys the rows; keeps the memory.
  virtual void clear() = 0;
  // Bytes of memory it holds, arenas of its own included.
  virtual int64_t memory_bytes() const = 0;

 protected:
  explicit Batch(BatchPool& pool) : pool_(&pool) {}
  virtual ~Batch() = default;
  void clear_arenas();
  int64_t arena_bytes() const { return own_arena_ ? own_arena_->memory_bytes() : 0; }

  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  int64_t* timestamps_ = nullptr;

 private:
  friend class BatchPool;
  void give_back() const;

  BatchPool* const pool_;
  mutable std::atomic<uint32_t> references_{0};
  Batch* next_free_ = nullptr;  // used by the pool only
  int64_t charged_bytes_ = 0;   // used by the pool's owner only
  ArenaRef own_arena_;
  std::vector<ArenaRef> shared_arenas_;
};

// An owning reference to a batch. Copying counts; moving does not.
class BatchRef {
 public:
  BatchRef() = default;
  explicit BatchRef(const Batch* batch) : batch_(const_cast<Batch*>(batch)) {
    if (batch_ != nullptr) { batch_->add_ref(); }
  }
  // Takes over a reference that the caller holds.
  static BatchRef adopt(Batch* batch) {
    BatchRef reference;
    reference.batch_ = batch;
    return reference;
  }
  BatchRef(const BatchRef& other) : BatchRef(other.batch_) {}
  BatchRef(BatchRef&& other) noexcept : batch_(std::exchange(other.batch_, nullptr)) {}
  BatchRef& operator=(BatchRef other) noexcept {
    std::swap(batch_, other.batch_);
    return *this;
  }
  ~BatchRef() {
    if (batch_ != nullptr) { batch_->release(); }
  }
  explicit operator bool() const { return batch_ != nullptr; }
  const Batch& operator*() const { return *batch_; }
  const Batch* operator->() const { return batch_; }
  const Batch* get() const { return batch_; }
  void reset() { *this = BatchRef(); }

 private:
  Batch* batch_ = nullptr;
};

// Rows of one C++ type, contiguous, with their timestamps beside them.
template <class T>
class RowBatch final : public Batch {
 public:
  RowBatch(BatchPool& pool, uint32_t capacity) : Batch(pool) { grow(capacity); }
  ~RowBatch() override {
    clear();
    deallocate(rows_);
    delete[] timestamps_;
  }

  static const RowBatch& of(const Batch& batch) { return static_cast<const RowBatch&>(batch); }

  const T* rows() const { return rows_; }
  T* rows() { return rows_; }
  const T& row(uint32_t index) const { return rows_[index]; }

  template <class U>
  T& append(U&& row, int64_t timestamp) {
    if (size_ == capacity_) [[unlikely]] { grow(capacity_ * 2); }
    T* slot = new (rows_ + size_) T(std::forward<U>(row));
    timestamps_[size_] = timestamp;
    ++size_;
    return *slot;
  }
  // Room for `count` more rows whatever the capacity was; rows are constructed by the caller at
  // rows() + size(), then counted by `set_size`.
  void ensure_room(uint32_t count) {
    if (size_ + count > capacity_) { grow(std::max(size_ + count, capacity_ * 2)); }
  }
  void set_size(uint32_t size) { size_ = size; }

  void clear() override {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      for (uint32_t i = 0; i < size_; ++i) { rows_[i].~T(); }
    }
    size_ = 0;
    clear_arenas();
  }
  int64_t memory_bytes() const override {
    return static_cast<int64_t>(capacity_) * static_cast<int64_t>(sizeof(T) + sizeof(int64_t)) +
           arena_bytes();
  }

 private:
  static T* allocate(uint32_t capacity) {
    return static_cast<T*>(::operator new (capacity * sizeof(T), std::align_val_t{alignof(T)}));
  }
  static void deallocate(T* rows) { ::operator delete (rows, std::align_val_t{alignof(T)}); }
  void grow(uint32_t capacity) {
    T* rows = allocate(capacity);
    auto* timestamps = new int64_t[capacity];
    for (uint32_t i = 0; i < size_; ++i) {
      new (rows + i) T(std::move(rows_[i]));
      rows_[i].~T();
      timestamps[i] = timestamps_[i];
    }
    deallocate(rows_);
    delete[] timestamps_;
    rows_ = rows;
    timestamps_ = timestamps;
    capacity_ = capacity;
  }

  T* rows_ = nullptr;
};

// Called when the rows of a batch are there, before it is sent: batches that have something to do
// then have a `seal`.
template <class T>
void seal_batch(RowBatch<T>& batch) {
  if constexpr (requires { batch.seal(); }) { batch.seal(); }
}

}  // namespace tidewheel
