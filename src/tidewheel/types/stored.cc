#include "tidewheel/types/stored.h"

#include <algorithm>

#include "tidewheel/base/check.h"
#include "tidewheel/base/large_memory.h"
#include "tidewheel/base/memory_pool.h"

namespace tidewheel {

namespace {
constexpr size_t kFirstChunkBytes = 4096;
// From here on a huge page more is little beside the heap. Faults of 4 KiB pages cost three times
// as much for each byte.
constexpr int64_t kPairsFromBytes = 4 << 20;
constexpr size_t kPairBytes = 2 * TextHeap::kChunkBytesMax;

// Blocks that are allocated one by one: hash tables among them, so that pages are huge where they
// can be.
char* allocate_block(size_t bytes) {
  if (bytes >= kLargeMemoryBytes) { return static_cast<char*>(allocate_zeroed(bytes)); }
  return static_cast<char*>(::operator new(bytes));
}
void free_block(char* block, size_t bytes) {
  if (bytes >= kLargeMemoryBytes) { return free_zeroed(block, bytes); }
  ::operator delete(block);
}
}  // namespace

void TextHeap::swap(TextHeap& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(lasting_, other.lasting_);
  std::swap(free_, other.free_);
  std::swap(chunks_, other.chunks_);
  std::swap(single_chunks_, other.single_chunks_);
  std::swap(second_, other.second_);
  std::swap(next_unit_, other.next_unit_);
  std::swap(last_chunk_units_, other.last_chunk_units_);
  std::swap(large_, other.large_);
  std::swap(free_large_slots_, other.free_large_slots_);
  std::swap(memory_bytes_, other.memory_bytes_);
  std::swap(live_bytes_, other.live_bytes_);
}

void TextHeap::charge(int64_t bytes) {
  memory_bytes_ += bytes;
  if (memory_ == nullptr) { return; }
  if (bytes >= 0) {
    memory_->reserve(bytes);
  } else {
    memory_->release(-bytes);
  }
}

void TextHeap::add_chunk(size_t bytes_min) {
  TIDEWHEEL_CHECK(chunks_.size() < (size_t{1} << (32 - kChunkUnitsLog2)) - 1,
                  "a heap for state has reached 32 GB of text");
  if (chunks_.size() > single_chunks_ || memory_bytes_ >= kPairsFromBytes) {
    chunks_.push_back(next_of_pairs());
    next_unit_ = 0;
    last_chunk_units_ = kChunkBytesMax / kUnitBytes;
    return;
  }
  const size_t doubled = std::max(kFirstChunkBytes, static_cast<size_t>(memory_bytes_));
  size_t bytes = std::max(bytes_min, std::min(doubled, kChunkBytesMax));
  bytes = (bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
  chunks_.push_back(static_cast<char*>(::operator new(bytes)));
  single_chunks_ = chunks_.size();
  charge(static_cast<int64_t>(bytes));
  next_unit_ = 0;
  last_chunk_units_ = static_cast<uint32_t>(bytes / kUnitBytes);
}

char* TextHeap::next_of_pairs() {
  if (second_ != nullptr) { return std::exchange(second_, nullptr); }
  char* const pair = static_cast<char*>(allocate_zeroed(kPairBytes));
  charge(static_cast<int64_t>(kPairBytes));
  second_ = pair + kChunkBytesMax;
  return pair;
}

TextBlock TextHeap::allocate_fresh(uint32_t size_class) {
  const size_t bytes = class_bytes(size_class);
  const auto units = static_cast<uint32_t>(bytes / kUnitBytes);
  // What is left of the last chunk is lost: at most a block's size in a megabyte.
  if (last_chunk_units_ - next_unit_ < units) { add_chunk(bytes); }
  const auto chunk = static_cast<uint32_t>(chunks_.size() - 1);
  const uint32_t slot = (chunk << kChunkUnitsLog2) + next_unit_;
  next_unit_ += units;
  live_bytes_ += static_cast<int64_t>(bytes);
  return {slot, size_class};
}

TextBlock TextHeap::allocate_large(size_t bytes) {
  auto slot = static_cast<uint32_t>(large_.size());
  if (!free_large_slots_.empty()) {
    slot = free_large_slots_.back();
    free_large_slots_.pop_back();
  } else {
    large_.emplace_back();
  }
  large_[slot] = {allocate_block(bytes), bytes};
  charge(static_cast<int64_t>(bytes));
  live_bytes_ += static_cast<int64_t>(bytes);
  return {slot, kLastSmallClass + 1};
}

void TextHeap::free_large(TextBlock block) {
  Large& large = large_[block.slot];
  free_block(large.bytes, large.size);
  charge(-static_cast<int64_t>(large.size));
  live_bytes_ -= static_cast<int64_t>(large.size);
  large = {};
  free_large_slots_.push_back(block.slot);
}

void TextHeap::clear() {
  for (size_t i = 0; i < single_chunks_; ++i) { ::operator delete(chunks_[i]); }
  for (size_t i = single_chunks_; i < chunks_.size(); i += 2) {
    free_zeroed(chunks_[i], kPairBytes);
  }
  for (const Large& large : large_) { free_block(large.bytes, large.size); }
  chunks_.clear();
  single_chunks_ = 0;
  second_ = nullptr;
  large_.clear();
  free_large_slots_.clear();
  free_ = all_empty();
  next_unit_ = 0;
  last_chunk_units_ = 0;
  live_bytes_ = 0;
  charge(-memory_bytes_);
}

}  // namespace tidewheel
