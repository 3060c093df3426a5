#include "tidewheel/types/arena.h"

#include <algorithm>

namespace tidewheel {

ArenaRef Arena::create() { return ArenaRef(new Arena()); }

ArenaRef Arena::external(std::shared_ptr<const void> owner) {
  ArenaRef arena = create();
  arena->owner_ = std::move(owner);
  return arena;
}

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) { ::operator delete(chunk.bytes); }
}

void Arena::use_chunk(size_t index) {
  std::swap(chunks_[index], chunks_[next_chunk_]);
  cursor_ = chunks_[next_chunk_].bytes;
  end_ = cursor_ + chunks_[next_chunk_].size;
  ++next_chunk_;
}

void Arena::add_chunk(size_t size_min) {
  for (size_t i = next_chunk_; i < chunks_.size(); ++i) {
    if (chunks_[i].size >= size_min) {
      use_chunk(i);
      return;
    }
  }
  // Chunks double, so that small batches stay small and large ones need few calls.
  const size_t doubled = std::max(kFirstChunkBytes, static_cast<size_t>(memory_bytes_));
  const size_t size = std::max(size_min, std::min(doubled, kChunkBytesMax));
  chunks_.reserve(chunks_.size() + 1);
  chunks_.push_back({static_cast<char*>(::operator new(size)), size});
  memory_bytes_ += static_cast<int64_t>(size);
  use_chunk(chunks_.size() - 1);
}

void Arena::reset() {
  std::erase_if(chunks_, [this](const Chunk& chunk) {
    if (chunk.size <= kChunkBytesMax) { return false; }
    memory_bytes_ -= static_cast<int64_t>(chunk.size);
    ::operator delete(chunk.bytes);
    return true;
  });
  // The largest first: a batch like the last one then needs the fewest chunks.
  std::sort(chunks_.begin(), chunks_.end(),
            [](const Chunk& a, const Chunk& b) { return a.size > b.size; });
  next_chunk_ = 0;
  cursor_ = nullptr;
  end_ = nullptr;
  owner_.reset();
}

int64_t Arena::used_bytes() const {
  int64_t used = 0;
  for (size_t i = 0; i < next_chunk_; ++i) { used += static_cast<int64_t>(chunks_[i].size); }
  return used - (end_ - cursor_);
}

}  // namespace tidewheel
