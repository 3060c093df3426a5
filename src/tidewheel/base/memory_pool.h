// Accounts for memory by owner: a tree of pools (process, job, operator). The bytes themselves come
// from the allocator; a pool knows how many are held, by whom, and says no beyond a limit.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tidewheel {

// One owner's account. Any thread. Children must not outlive their parent.
class MemoryPool {
 public:
  static constexpr int64_t kUnlimited = INT64_MAX;

  // A root: `limit_bytes` holds for it and all below it.
  MemoryPool(std::string name, int64_t limit_bytes);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  std::unique_ptr<MemoryPool> make_child(std::string name, int64_t limit_bytes = kUnlimited);

  // Takes `bytes` from this pool and all above it, or from none and returns false.
  [[nodiscard]] bool try_reserve(int64_t bytes);
  // Takes `bytes` even beyond the limit: for what exists already and can't be refused.
  void reserve(int64_t bytes);
  void release(int64_t bytes);

  const std::string& name() const { return name_; }
  int64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  int64_t peak_bytes() const { return peak_bytes_.load(std::memory_order_relaxed); }
  int64_t limit_bytes() const { return limit_bytes_; }
  // "job 812 MB of 1 GB: window 700 MB, join 80 MB, ..." largest first; for the one message that a
  // user sees when a job has reached its limit.
  std::string describe() const;

 private:
  MemoryPool(std::string name, int64_t limit_bytes, MemoryPool* parent);

  const std::string name_;
  const int64_t limit_bytes_;
  MemoryPool* const parent_;
  std::atomic<int64_t> used_bytes_{0};
  std::atomic<int64_t> peak_bytes_{0};
  mutable std::mutex children_mutex_;  // guards children_; a leaf lock
  std::vector<MemoryPool*> children_;
};

}  // namespace tidewheel
