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

// Gives the pages of a part of such memory back to the system, little by little before all of it is
// freed, which would take long at once. Does nothing to memory without pages of its own, and keeps
// pages that are not in the part as a whole. What was there is lost.
void discard_pages(void* memory, size_t bytes, size_t from, size_t to);

inline constexpr size_t kLargeMemoryBytes = size_t{1} << 20;

}  // namespace tidewheel
