// What was touched for the first time since a barrier, as it was before: copied at once, and
// encoded for the snapshot later, when there is time.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"

namespace tidewheel {

// Records of one size, first in, first out, in pieces that stay where they are. Behind a barrier
// many come within some milliseconds, so some pieces are kept for the next one: fresh memory costs
// more than all the rest. One thread.
class TouchLog {
 public:
  // Once, before the first record; a multiple of 8.
  void set_record_bytes(size_t bytes) {
    TIDEWHEEL_CHECK(record_bytes_ == 0 && bytes % 8 == 0 && bytes <= kPieceBytes,
                    "records of {} bytes", bytes);
    record_bytes_ = bytes;
    piece_shift_ = static_cast<uint32_t>(std::bit_width(kPieceBytes / bytes)) - 1;
    records_max_ = kBytesMax / bytes;
  }
  bool has_room() const { return added_ - taken_ < records_max_; }
  // Room for one more, aligned to 8; only with has_room().
  std::byte* add() {
    if (end_ == full_) [[unlikely]] { add_piece(); }
    ++added_;
    return std::exchange(end_, end_ + record_bytes_);
  }
  // One that was added and not taken, by how many were added before it.
  std::byte* at(uint64_t number) const {
    const uint64_t place = number - taken_ + first_;
    return pieces_[place >> piece_shift_].get() + (place & (piece_records() - 1)) * record_bytes_;
  }
  // Takes the oldest one.
  void pop() {
    ++taken_;
    if (++first_ == piece_records()) { drop_front(); }
  }
  // How many were ever added, and taken since `clear`.
  uint64_t added() const { return added_; }
  uint64_t taken() const { return taken_; }
  // Forgets all.
  void clear() {
    while (!pieces_.empty()) { drop_front(); }
    end_ = full_ = nullptr;
    added_ = taken_ = 0;
  }
  int64_t memory_bytes() const {
    return static_cast<int64_t>((pieces_.size() + spare_.size()) * piece_bytes());
  }

 private:
  using Piece = std::unique_ptr<std::byte[]>;
  static constexpr size_t kPieceBytes = size_t{256} << 10;
  static constexpr size_t kBytesMax = size_t{16} << 20;
  static constexpr size_t kSpareMax = (size_t{8} << 20) / kPieceBytes;

  size_t piece_records() const { return size_t{1} << piece_shift_; }
  size_t piece_bytes() const { return piece_records() * record_bytes_; }
  void add_piece() {
    if (spare_.empty()) {
      pieces_.emplace_back(new std::byte[piece_bytes()]);  // not cleared
    } else {
      pieces_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    end_ = pieces_.back().get();
    full_ = end_ + piece_bytes();
  }
  void drop_front() {
    if (pieces_.size() == 1) { end_ = full_ = nullptr; }
    if (spare_.size() < kSpareMax) { spare_.push_back(std::move(pieces_.front())); }
    pieces_.pop_front();
    first_ = 0;
  }

  size_t record_bytes_ = 0;
  uint32_t piece_shift_ = 0;  // of the number of records in a piece
  size_t records_max_ = 0;
  std::byte* end_ = nullptr;   // where the next record goes
  std::byte* full_ = nullptr;  // the end of the last piece
  size_t first_ = 0;           // in the first piece, the oldest record
  uint64_t added_ = 0;
  uint64_t taken_ = 0;
  std::deque<Piece> pieces_;
  std::vector<Piece> spare_;
};

}  // namespace tidewheel
