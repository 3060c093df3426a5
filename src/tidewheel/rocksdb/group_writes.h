// Writes that are gathered by key group at a barrier, until they are sorted into files. They lie
// in pieces of a mapped file, whose pages are the system's cache and not the job's memory, or
// else in memory. For the files of this folder only.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tidewheel/state/state_backend.h"

namespace tidewheel {

class FileMemory;  // base/file_memory.h

// Pieces of powers of two. What comes back is kept for the next one who asks.
class Pieces {
 public:
  // Null: pieces are memory.
  explicit Pieces(std::shared_ptr<FileMemory> file) : file_(std::move(file)) {}
  ~Pieces();
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  bool are_in_file() const { return file_ != nullptr; }
  // Null when the file has no room.
  std::byte* take(size_t bytes);
  void give_back(std::byte* piece, size_t bytes);
  // Gives what memory has come back to the system. Room in the file stays taken until its end: to
  // give back a piece takes as long as the disk does.
  void trim();

 private:
  const std::shared_ptr<FileMemory> file_;
  std::array<std::vector<std::byte*>, 64> spare_;  // by the power
};

// One of the writes, as it lies in a piece: state, size of the key and whether it erases, size of
// the value (4 bytes each), key, value.
struct GroupWrite {
  StoreId state = 0;
  bool erases = false;
  std::string_view key;
  std::string_view value;

  static GroupWrite at(const std::byte* from);
  size_t stored_bytes() const { return kHeadBytes + key.size() + value.size(); }

  static constexpr size_t kHeadBytes = 3 * sizeof(uint32_t);
};

// Of one key group. Whoever has taken them gives the pieces back by `clear`.
class GroupWrites {
 public:
  // False when there was no room.
  bool add(Pieces& pieces, const GroupWrite& write);
  void clear(Pieces& pieces);
  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }  // of keys and values

  // Where a write is, and the beginning of its key as a number.
  struct Place {
    uint64_t order = 0;
    const std::byte* at = nullptr;
    uint32_t number = 0;  // in the order in which they came
    StoreId state = 0;
  };
  // Puts the places of all writes into `places`, which has room for `count`, by state and key; of
  // several writes of a key the last one counts.
  void sort_into(Place* places) const;
  // In the order in which they came.
  template <class F>
  void for_each(F&& take) const {
    for (const Piece& piece : pieces_) {
      for (const std::byte* at = piece.bytes; at < piece.bytes + piece.used;) {
        const GroupWrite write = GroupWrite::at(at);
        take(at, write);
        at += write.stored_bytes();
      }
    }
  }

 private:
  struct Piece {
    std::byte* bytes = nullptr;
    size_t size = 0;
    size_t used = 0;
  };
  std::vector<Piece> pieces_;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace tidewheel
