#include "tidewheel/state/state_rows.h"

#include <cstring>

#include "tidewheel/base/check.h"
#include "tidewheel/base/large_memory.h"

namespace tidewheel {

StateRows::~StateRows() {
  for (uint32_t first = kFirstRows; first - kFirstRows < capacity_; first *= 2) {
    std::byte* const base = bases_[static_cast<size_t>(31 - __builtin_clz(first))];
    free_zeroed(base + first * row_bytes_, first * row_bytes_);
  }
}

uint32_t StateRows::allocate() {
  if (free_ != kNone) {
    const uint32_t row = free_;
    uint64_t next = 0;
    std::memcpy(&next, at(row), sizeof(next));
    free_ = static_cast<uint32_t>(next);
    --free_count_;
    std::memset(at(row), 0, sizeof(uint64_t));
    return row;
  }
  if (used_ == capacity_) {
    const uint32_t first = capacity_ + kFirstRows;
    TIDEWHEEL_CHECK(first <= uint32_t{1} << 30, "more than a billion keys in one subtask");
    const size_t bytes = first * row_bytes_;
    memory_.reserve(static_cast<int64_t>(bytes));
    auto* const chunk = static_cast<std::byte*>(allocate_zeroed(bytes));
    bases_[static_cast<size_t>(31 - __builtin_clz(first))] = chunk - bytes;
    capacity_ += first;
  }
  return used_++;
}

void StateRows::free(uint32_t row) {
  const uint64_t next = free_;
  std::memcpy(at(row), &next, sizeof(next));
  free_ = row;
  ++free_count_;
}

}  // namespace tidewheel
