#include "tidewheel/base/large_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tidewheel/base/check.h"

namespace tidewheel {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kPageBytes = 4096;
constexpr size_t kAlignment = 64;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Whole huge pages, where at least half of the last one is wanted: small ones take three times as
// long for each byte.
size_t mapped_bytes_of(size_t bytes) {
  const bool fills_last = bytes % kHugePageBytes >= kHugePageBytes / 2;
  return round_up(bytes, fills_last ? kHugePageBytes : kPageBytes);
}

// Pages whose start is aligned to a huge page: maps more and cuts the ends off.
void* map_aligned(size_t bytes) {
  const size_t mapped_bytes = bytes + kHugePageBytes;
  void* const mapped =
      mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TIDEWHEEL_CHECK(mapped != MAP_FAILED, "the machine has no {} bytes of memory", mapped_bytes);
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = round_up(start, kHugePageBytes);
  if (aligned > start) { munmap(mapped, aligned - start); }
  const uintptr_t end = aligned + bytes;
  munmap(reinterpret_cast<void*>(end), start + mapped_bytes - end);
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

void* allocate_zeroed(size_t bytes) {
  if (bytes >= kLargeMemoryBytes) { return map_aligned(mapped_bytes_of(bytes)); }
  const size_t rounded = round_up(bytes, kAlignment);
  void* const memory = std::aligned_alloc(kAlignment, rounded);
  TIDEWHEEL_CHECK(memory != nullptr, "the machine has no {} bytes of memory", rounded);
  std::memset(memory, 0, rounded);
  return memory;
}

void discard_pages(void* memory, size_t bytes, size_t from, size_t to) {
  if (bytes < kLargeMemoryBytes) { return; }
  from = round_up(from, kHugePageBytes);
  to = to / kHugePageBytes * kHugePageBytes;
  if (from < to) { madvise(static_cast<char*>(memory) + from, to - from, MADV_DONTNEED); }
}

void free_zeroed(void* memory, size_t bytes) {
  if (memory == nullptr) { return; }
  if (bytes >= kLargeMemoryBytes) {
    munmap(memory, mapped_bytes_of(bytes));
  } else {
    std::free(memory);
  }
}

}  // namespace tidewheel
