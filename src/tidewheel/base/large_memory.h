// Memory for tables that may be large: zeroed, and in huge pages when it is worth them, because a
// random access to a table of 4 KiB pages costs a second miss, that of the page table.
#pragma once
#include <cstddef>

namespace tidewheel {

// At least `bytes` zeroed bytes, aligned to 64. Ends the process when the machine has none: what
// may be held is decided before, by a MemoryPool. From kLargeMemoryBytes on they are pages of their
// own.
void* allocate_zeroed(size_t bytes);
// Gives back what allocate_zeroed(bytes) returned; null is fine.
void free_zeroed(void* memory, size_t bytes);

inline constexpr size_t kLargeMemoryBytes = size_t{1} << 20;

}  // namespace tidewheel
