// What a piece of state holds from its operator's memory pool.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h

// An account of one table, queue or column. A refusal is remembered and not thrown at the row that
// happened to need the memory: state goes on for the rest of the batch (a little beyond the limit),
// and the operator asks `status` once a batch and fails the job. One thread.
class StateMemory {
 public:
  // `pool` may be null: nothing is accounted. `owner` is named in the error.
  StateMemory(MemoryPool* pool, std::string_view owner) : pool_(pool), owner_(owner) {}
  ~StateMemory() { release(bytes_); }
  StateMemory(const StateMemory&) = delete;
  StateMemory& operator=(const StateMemory&) = delete;

  // Takes `bytes`, or takes nothing, remembers the refusal and returns false.
  bool try_reserve(int64_t bytes);
  // Takes `bytes` beyond the limit too; remembers when it was beyond.
  void reserve(int64_t bytes);
  void release(int64_t bytes);
  // Makes what is held equal to `bytes`, for owners that learn their size afterwards.
  void set(int64_t bytes) {
    if (bytes > bytes_) {
      reserve(bytes - bytes_);
    } else {
      release(bytes_ - bytes);
    }
  }

  int64_t bytes() const { return bytes_; }
  MemoryPool* pool() const { return pool_; }
  const std::string& owner() const { return owner_; }
  // kMemoryLimit, with the list of holders, once something was refused.
  const Status& status() const { return status_; }
  // The same also when others have taken the pool over its limit.
  const Status& check();

 private:
  void note_refusal(int64_t bytes);

  MemoryPool* const pool_;
  const std::string owner_;
  int64_t bytes_ = 0;
  Status status_;
};

}  // namespace tidewheel
