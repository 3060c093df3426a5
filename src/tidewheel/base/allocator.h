// The memory allocator of the process.
#pragma once

namespace tidewheel {

// Has the allocator keep its memory in so many arenas at most, as far as they are not made yet:
// each keeps what its threads have freed to itself, megabytes where many threads allocate.
void limit_allocator_arenas(int count);

// Gives pages that are free in the midst of its arenas back to the system. Others wait meanwhile:
// some milliseconds where there are tens of megabytes.
void trim_allocator();

}  // namespace tidewheel
