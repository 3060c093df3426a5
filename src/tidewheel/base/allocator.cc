#include "tidewheel/base/allocator.h"

#include <malloc.h>

namespace tidewheel {

void limit_allocator_arenas(int count) { static_cast<void>(mallopt(M_ARENA_MAX, count)); }

void trim_allocator() { static_cast<void>(malloc_trim(0)); }

}  // namespace tidewheel
