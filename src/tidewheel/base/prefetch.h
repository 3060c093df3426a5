// Fetching memory ahead of its use.
#pragma once

namespace tidewheel {

// Starts to bring the cache line at `address` in, to be written. The empty assembler statement is
// what keeps it: GCC takes a function that only prefetches for one without effects, and drops calls
// of it.
inline void prefetch_for_write(const void* address) {
  __builtin_prefetch(address, 1);
  asm volatile("" : : "r"(address));
}

}  // namespace tidewheel
