#include "tidewheel/operators/byte_chunks.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tidewheel {

std::span<char> ByteChunks::room() {
  if (begin_ == end_ && chunk_ && chunk_->is_unique()) { begin_ = end_ = 0; }
  if (end_ == capacity_) {
    const size_t rest = end_ - begin_;
    // A record that fills more than half of a chunk is moved seldom: the size doubles.
    move_to_chunk(rest * 2 <= chunk_bytes_ ? chunk_bytes_ : rest * 2);
  }
  return {data_ + end_, capacity_ - end_};
}

void ByteChunks::move_to_chunk(size_t size) {
  ArenaRef fresh;
  if (size == chunk_bytes_) {
    const auto unused = std::find_if(spares_.begin(), spares_.end(),
                                     [](const ArenaRef& spare) { return spare->is_unique(); });
    if (unused != spares_.end()) {
      fresh = std::move(*unused);
      spares_.erase(unused);
      fresh->reset();
    }
  }
  if (!fresh) { fresh = Arena::create(); }
  char* const data = fresh->allocate(size);
  const size_t rest = end_ - begin_;
  if (rest > 0) { std::memcpy(data, data_ + begin_, rest); }
  if (capacity_ == chunk_bytes_ && spares_.size() < kSpareChunksMax) {
    spares_.push_back(std::move(chunk_));
  }
  chunk_ = std::move(fresh);
  data_ = data;
  capacity_ = size;
  begin_ = 0;
  end_ = rest;
}

void ByteChunks::restart(int64_t offset) {
  begin_ = end_;
  offset_ = offset;
}

LineCutter::Next LineCutter::next(std::string_view& line) {
  const std::string_view bytes = chunks_.bytes();
  const void* const found =
      searched_ == bytes.size()
          ? nullptr
          : std::memchr(bytes.data() + searched_, options_.delimiter, bytes.size() - searched_);
  if (found == nullptr) {
    searched_ = bytes.size();
    return static_cast<int64_t>(searched_) > options_.bytes_max ? Next::kTooLong
                                                                : Next::kNeedsBytes;
  }
  const auto size = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
  if (static_cast<int64_t>(size) > options_.bytes_max) { return Next::kTooLong; }
  line = without_return(bytes.substr(0, size));
  chunks_.take(size + 1);
  searched_ = 0;
  return Next::kLine;
}

bool LineCutter::take_rest(std::string_view& line) {
  const std::string_view bytes = chunks_.bytes();
  if (bytes.empty()) { return false; }
  line = without_return(bytes);
  chunks_.take(bytes.size());
  searched_ = 0;
  return true;
}

std::string_view LineCutter::without_return(std::string_view line) const {
  if (options_.cut_carriage_return && line.ends_with('\r')) { line.remove_suffix(1); }
  return line;
}

}  // namespace tidewheel
