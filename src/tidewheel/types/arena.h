// Arenas: memory for the bytes that a batch's Text points to, given back all at once.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/types/text.h"

namespace tidewheel {

class ArenaRef;

// A bump allocator. One thread writes; the references to it are counted, on any thread, and the
// last one frees it. Bytes that were handed out stay where they are until `reset` or the end of the
// arena.
class Arena {
 public:
  static constexpr size_t kFirstChunkBytes = 4096;
  static constexpr size_t kChunkBytesMax = 1024 * 1024;

  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  static ArenaRef create();
  // An arena that keeps `owner` alive: rows may then point into what it owns (a static table, a
  // mapped file, another library's buffer).
  static ArenaRef external(std::shared_ptr<const void> owner);

  // `size` bytes, unaligned.
  char* allocate(size_t size) {
    if (size > static_cast<size_t>(end_ - cursor_)) [[unlikely]] { add_chunk(size); }
    char* bytes = cursor_;
    cursor_ += size;
    return bytes;
  }
  // Gives back the end of the latest allocation, whose last used byte is before `end`.
  void shrink_to(char* end) { cursor_ = end; }
  Text copy(std::string_view bytes) {
    if (bytes.empty()) { return {}; }
    char* to = allocate(bytes.size());
    std::memcpy(to, bytes.data(), bytes.size());
    return Text(to, bytes.size());
  }

  // Forgets all bytes and external owners; keeps the memory, but for single allocations larger than
  // kChunkBytesMax. Only for a caller that holds the one reference.
  void reset();

  // States that nothing more is written, and that whoever keeps Text of this arena for long should
  // keep the arena itself instead of a copy (types/lasting_text.h): a table that lives as long as
  // the job. Not for what comes with a batch: one short value would then keep all of it. Before the
  // arena is shared.
  void mark_lasting() { is_lasting_ = true; }
  bool is_lasting() const { return is_lasting_; }
  // f(const char* bytes, size_t size) for the memory that it has of its own.
  template <class F>
  void for_each_chunk(F f) const {
    for (const Chunk& chunk : chunks_) { f(static_cast<const char*>(chunk.bytes), chunk.size); }
  }

  // Bytes of memory held (external owners not counted).
  int64_t memory_bytes() const { return memory_bytes_; }
  // Bytes handed out since the last reset, with what is lost at the ends of chunks.
  int64_t used_bytes() const;

  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }
  void add_ref() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) { delete this; }
  }

 private:
  struct Chunk {
    char* bytes;
    size_t size;
  };

  Arena() = default;
  ~Arena();
  void add_chunk(size_t size_min);
  void use_chunk(size_t index);

  char* cursor_ = nullptr;
  char* end_ = nullptr;
  std::vector<Chunk> chunks_;
  size_t next_chunk_ = 0;  // chunks before it are in use since the last reset
  int64_t memory_bytes_ = 0;
  std::shared_ptr<const void> owner_;
  bool is_lasting_ = false;
  mutable std::atomic<uint32_t> references_{0};
};

// An owning reference to an arena. Copying counts; moving does not.
class ArenaRef {
 public:
  ArenaRef() = default;
  explicit ArenaRef(Arena* arena) : arena_(arena) {
    if (arena_ != nullptr) { arena_->add_ref(); }
  }
  ArenaRef(const ArenaRef& other) : ArenaRef(other.arena_) {}
  ArenaRef(ArenaRef&& other) noexcept : arena_(std::exchange(other.arena_, nullptr)) {}
  ArenaRef& operator=(ArenaRef other) noexcept {
    std::swap(arena_, other.arena_);
    return *this;
  }
  ~ArenaRef() {
    if (arena_ != nullptr) { arena_->release(); }
  }

  explicit operator bool() const { return arena_ != nullptr; }
  Arena& operator*() const { return *arena_; }
  Arena* operator->() const { return arena_; }
  Arena* get() const { return arena_; }
  friend bool operator==(const ArenaRef& a, const ArenaRef& b) { return a.arena_ == b.arena_; }

  void reset() { *this = ArenaRef(); }
  // Makes ready for other bytes: resets the arena when nobody else holds it, else lets go of it.
  void recycle() {
    if (arena_ == nullptr) { return; }
    if (arena_->is_unique()) {
      arena_->reset();
    } else {
      reset();
    }
  }

 private:
  Arena* arena_ = nullptr;
};

}  // namespace tidewheel
