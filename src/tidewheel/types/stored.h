// How values are kept in state: with a copy of all their Text in the state's own heap.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "tidewheel/types/lasting_text.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

class MemoryPool;  // base/memory_pool.h

// A block of a TextHeap. Plain data; the empty block needs not be freed.
struct TextBlock {
  uint32_t slot = 0;
  uint32_t size_class = 0;  // 0: no block
  explicit operator bool() const { return size_class != 0; }
};

// A heap for the bytes of Text in state. Sizes are rounded up to classes (at most a quarter more),
// each with a list of free blocks; blocks carry no header. Memory comes in chunks that are charged
// to a MemoryPool and given back by `clear` only; those of a heap that has become large come in
// pairs, each a huge page. One thread.
class TextHeap {
 public:
  static constexpr size_t kChunkBytesMax = 1 << 20;
  static constexpr size_t kSmallBytesMax = 64 * 1024;  // larger blocks are allocated one by one
  static constexpr uint32_t kUnitBytes = 8;            // blocks are aligned to it

  // `memory` (may be null) must outlive the heap. It is charged even beyond its limit: who puts
  // values into state looks at the pool once a batch.
  explicit TextHeap(MemoryPool* memory = nullptr) : memory_(memory) {}
  ~TextHeap() { clear(); }
  TextHeap(const TextHeap&) = delete;
  TextHeap& operator=(const TextHeap&) = delete;
  TextHeap(TextHeap&& other) noexcept { swap(other); }
  TextHeap& operator=(TextHeap&& other) noexcept {
    swap(other);
    return *this;
  }
  void swap(TextHeap& other) noexcept;

  // A block of at least `bytes`, which are more than 0.
  TextBlock allocate(size_t bytes) {
    const uint32_t size_class = class_of(bytes);
    if (size_class > kLastSmallClass) [[unlikely]] { return allocate_large(bytes); }
    const uint32_t slot = free_[size_class];
    if (slot == kNone) [[unlikely]] { return allocate_fresh(size_class); }
    free_[size_class] = next_free(slot);
    live_bytes_ += static_cast<int64_t>(class_bytes(size_class));
    return {slot, size_class};
  }
  // Gives a block back; does nothing for the empty block.
  void free(TextBlock block) {
    if (!block) { return; }
    if (block.size_class > kLastSmallClass) [[unlikely]] { return free_large(block); }
    live_bytes_ -= static_cast<int64_t>(class_bytes(block.size_class));
    set_next_free(block.slot, free_[block.size_class]);
    free_[block.size_class] = block.slot;
  }
  char* address(TextBlock block) const {
    if (block.size_class > kLastSmallClass) [[unlikely]] { return large_[block.slot].bytes; }
    return address_of(block.slot);
  }
  // How many bytes fit; 0 for the empty block.
  size_t capacity(TextBlock block) const {
    if (!block) { return 0; }
    if (block.size_class > kLastSmallClass) [[unlikely]] { return large_[block.slot].size; }
    return class_bytes(block.size_class);
  }
  // Whether `bytes` would get a block of the same class.
  bool fits(TextBlock block, size_t bytes) const {
    return block.size_class <= kLastSmallClass && class_of(bytes) == block.size_class;
  }
  // Frees everything at once.
  void clear();

  // Text that `lasting` holds is not copied. It outlives the heap; null: all Text is copied.
  void use_lasting(const LastingTexts* lasting) { lasting_ = lasting; }
  bool is_lasting(const Text& text) const { return lasting_ != nullptr && lasting_->holds(text); }

  int64_t memory_bytes() const { return memory_bytes_; }  // taken from the allocator
  int64_t live_bytes() const { return live_bytes_; }      // in blocks that are in use

 private:
  // Classes 1 to 16 are 8 to 128 bytes in steps of 8; from there each doubling has 4 classes.
  static constexpr uint32_t kLinearClasses = 16;
  static constexpr uint32_t kLastSmallClass = kLinearClasses + 4 * 9;  // 64 KB
  static constexpr uint32_t kChunkUnitsLog2 = 17;                      // 1 MB of 8 bytes
  static constexpr uint32_t kNone = UINT32_MAX;

  static uint32_t class_of(size_t bytes) {
    if (bytes <= 128) { return static_cast<uint32_t>((bytes + 7) / 8); }
    if (bytes > kSmallBytesMax) { return kLastSmallClass + 1; }
    const auto last = static_cast<uint32_t>(bytes - 1);
    const auto log2 = static_cast<uint32_t>(31 - __builtin_clz(last));  // at least 7
    return kLinearClasses + (log2 - 7) * 4 + ((last >> (log2 - 2)) & 3) + 1;
  }
  static size_t class_bytes(uint32_t size_class) {
    if (size_class <= kLinearClasses) { return size_t{size_class} * 8; }
    const uint32_t above = size_class - kLinearClasses - 1;
    return (size_t{5} + (above & 3)) << (above / 4 + 5);
  }
  char* address_of(uint32_t slot) const {
    return chunks_[slot >> kChunkUnitsLog2] +
           size_t{slot & ((1U << kChunkUnitsLog2) - 1)} * kUnitBytes;
  }
  uint32_t next_free(uint32_t slot) const {
    uint32_t next = 0;
    std::memcpy(&next, address_of(slot), sizeof(next));
    return next;
  }
  void set_next_free(uint32_t slot, uint32_t next) {
    std::memcpy(address_of(slot), &next, sizeof(next));
  }
  TextBlock allocate_fresh(uint32_t size_class);
  TextBlock allocate_large(size_t bytes);
  void free_large(TextBlock block);
  void add_chunk(size_t bytes_min);
  char* next_of_pairs();
  void charge(int64_t bytes);

  struct Large {
    char* bytes = nullptr;
    size_t size = 0;
  };
  static constexpr std::array<uint32_t, kLastSmallClass + 1> all_empty() {
    std::array<uint32_t, kLastSmallClass + 1> lists{};
    lists.fill(kNone);
    return lists;
  }

  MemoryPool* memory_ = nullptr;
  const LastingTexts* lasting_ = nullptr;
  std::array<uint32_t, kLastSmallClass + 1> free_ = all_empty();
  std::vector<char*> chunks_;
  size_t single_chunks_ = 0;  // the first ones; behind them are pairs
  char* second_ = nullptr;    // of the last pair, when it is not among the chunks yet
  uint32_t next_unit_ = 0;    // of the last chunk
  uint32_t last_chunk_units_ = 0;
  std::vector<Large> large_;
  std::vector<uint32_t> free_large_slots_;
  int64_t memory_bytes_ = 0;
  int64_t live_bytes_ = 0;
};

// A value in state. Without Text inside it is the value and nothing else, and the heap is not used.
// It has no destructor of its own: the table that holds it calls `release`, or clears the heap.
template <class T, bool kHasText = has_text_v<T>>
struct Stored {
  T value{};

  static constexpr bool kUsesHeap = false;
  void store(const T& from, TextHeap&) { value = from; }
  void store(T&& from, TextHeap&) { value = std::move(from); }
  void settle(TextHeap&) {}
  void release(TextHeap&) {}
};

// With Text: all of it lies in one block.
template <class T>
struct Stored<T, true> {
  T value{};
  TextBlock block{};

  static constexpr bool kUsesHeap = true;

  // Takes a copy of `from`, whose Text may point anywhere, into this very value's block too.
  void store(const T& from, TextHeap& heap) { take(from, heap); }
  void store(T&& from, TextHeap& heap) { take(std::move(from), heap); }
  // After the value was changed in place: takes copies of Text that is not in the block.
  void settle(TextHeap& heap) {
    const size_t bytes = text_bytes(value, Copied{&heap});
    if (bytes != 0 && all_in_block(heap)) { return; }
    move_texts(bytes, heap);
  }
  // Gives the block back. The value's Text is then dangling: overwrite or destroy it.
  void release(TextHeap& heap) {
    heap.free(block);
    block = TextBlock();
  }

 private:
  // The Text that is copied.
  struct Copied {
    const TextHeap* heap;
    bool operator()(const Text& text) const { return !heap->is_lasting(text); }
  };
  template <class U>
  void take(U&& from, TextHeap& heap) {
    const size_t bytes = text_bytes(from, Copied{&heap});
    // In place only when no byte of `from` can be in the block that is written.
    const bool in_place = bytes != 0 && heap.fits(block, bytes) && !points_into_block(from, heap);
    value = std::forward<U>(from);
    if (in_place) {
      relocate_texts(value, heap.address(block), Copied{&heap});
    } else {
      move_texts(bytes, heap);
    }
  }
  void move_texts(size_t bytes, TextHeap& heap) {
    const TextBlock fresh = bytes == 0 ? TextBlock() : heap.allocate(bytes);
    relocate_texts(value, bytes == 0 ? nullptr : heap.address(fresh), Copied{&heap});
    heap.free(block);
    block = fresh;
  }
  bool is_inside(const Text& text, const TextHeap& heap) const {
    const char* begin = heap.address(block);
    return !std::less<>()(text.data(), begin) &&
           std::less<>()(text.data(), begin + heap.capacity(block));
  }
  template <class U>
  bool points_into_block(const U& from, const TextHeap& heap) const {
    bool inside = false;
    for_each_text(from, [&](const Text& text) { inside |= is_inside(text, heap); });
    return inside;
  }
  bool all_in_block(const TextHeap& heap) const {
    bool inside = static_cast<bool>(block);
    for_each_text(value, [&](const Text& text) {
      inside = inside && (text.empty() || is_inside(text, heap) || heap.is_lasting(text));
    });
    return inside;
  }
};

}  // namespace tidewheel
