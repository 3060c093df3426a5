#include "tidewheel/types/hash.h"

// GCC 12 takes the "undefined" value of its own AVX-512 intrinsics for a mistake.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tidewheel {

uint64_t hash_bytes(const void* bytes, size_t size) { return XXH3_64bits(bytes, size); }

}  // namespace tidewheel
