// Rows of one size, found by number. A row stays where it is until it is freed.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "tidewheel/state/state_memory.h"

namespace tidewheel {

// Each chunk of rows is as large as all before it, so that a row's address takes one look at a
// table of some pointers that are always in the cache, and large state lies in huge pages. One
// thread.
class StateRows {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  StateRows(MemoryPool* memory, std::string_view name) : memory_(memory, name) {}
  ~StateRows();
  StateRows(const StateRows&) = delete;
  StateRows& operator=(const StateRows&) = delete;

  // Once, before the first row. A multiple of 8.
  void set_row_bytes(size_t bytes) { row_bytes_ = bytes; }
  size_t row_bytes() const { return row_bytes_; }

  // The number of a new row, whose first 8 bytes are 0.
  uint32_t allocate();
  // The row's bytes have been destroyed by the owner, but for its first 8.
  void free(uint32_t row);

  std::byte* at(uint32_t row) const {
    const uint32_t shifted = row + kFirstRows;
    return bases_[static_cast<size_t>(31 - __builtin_clz(shifted))] + shifted * row_bytes_;
  }
  // Rows handed out at least once: numbers below it have an address.
  uint32_t used() const { return used_; }
  uint32_t size() const { return used_ - free_count_; }
  int64_t memory_bytes() const { return memory_.bytes(); }
  const Status& status() const { return memory_.status(); }

 private:
  static constexpr uint32_t kFirstRows = 32;  // of the first chunk; a power of two

  StateMemory memory_;
  size_t row_bytes_ = 8;
  uint32_t used_ = 0;  // rows handed out at least once
  uint32_t capacity_ = 0;
  uint32_t free_ = kNone;  // the first free row; its first 8 bytes number the next
  uint32_t free_count_ = 0;
  // Chunk k holds the shifted numbers [2^k, 2^(k+1)); the pointer is to where number 0 would be.
  std::array<std::byte*, 32> bases_{};
};

}  // namespace tidewheel
