// Cuts a stream of bytes into records, such as lines, without copying them: bytes are read into
// large chunks, rows point into the chunks, and only a record that crosses the end of a chunk is
// moved.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tidewheel/types/arena.h"

namespace tidewheel {

// The bytes of a stream that were read and not yet taken, in one piece. One thread.
class ByteChunks {
 public:
  explicit ByteChunks(size_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  // Room for more bytes behind those not taken yet, never empty. May move to another chunk: then
  // chunk() changes, and what points into the old one needs a reference to it.
  std::span<char> room();
  // `count` bytes were written to the start of room().
  void add(size_t count) { end_ += count; }

  // The bytes not taken yet.
  std::string_view bytes() const { return {data_ + begin_, end_ - begin_}; }
  // Takes the first `count` of them. They stay where they are as long as somebody holds chunk().
  void take(size_t count) {
    begin_ += count;
    offset_ += static_cast<int64_t>(count);
  }
  // Where in the stream the first byte not taken is.
  int64_t offset() const { return offset_; }
  // Drops all bytes: the stream goes on from `offset`.
  void restart(int64_t offset);
  // Holds bytes().
  const ArenaRef& chunk() const { return chunk_; }

 private:
  static constexpr size_t kSpareChunksMax = 8;
  void move_to_chunk(size_t size);

  const size_t chunk_bytes_;
  ArenaRef chunk_;
  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t offset_ = 0;
  std::vector<ArenaRef> spares_;  // of chunk_bytes_, maybe still in use by batches
};

struct LineOptions {
  char delimiter = '\n';
  bool cut_carriage_return = true;  // a '\r' before the delimiter is not part of the line
  int64_t bytes_max = int64_t{16} << 20;
};

// Lines of a stream.
class LineCutter {
 public:
  enum class Next : uint8_t {
    kLine,
    kNeedsBytes,  // no whole line is there: add bytes to chunks()
    kTooLong,     // a line is longer than bytes_max
  };
  LineCutter(const LineOptions& options, size_t chunk_bytes)
      : options_(options), chunks_(chunk_bytes) {}

  ByteChunks& chunks() { return chunks_; }
  const ByteChunks& chunks() const { return chunks_; }
  // Takes the next line, without its delimiter.
  Next next(std::string_view& line);
  // When the stream has ended: takes what is behind the last delimiter. False when nothing is.
  bool take_rest(std::string_view& line);
  void restart(int64_t offset) {
    chunks_.restart(offset);
    searched_ = 0;
  }

 private:
  std::string_view without_return(std::string_view line) const;

  const LineOptions options_;
  ByteChunks chunks_;
  size_t searched_ = 0;  // so many bytes of chunks_.bytes() hold no delimiter
};

}  // namespace tidewheel
