// What was touched for the first time since a barrier, as it was before: copied at once, and
// encoded for the snapshot later, when there is time.
#pragma once
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
    piece_records_ = kPieceBytes / bytes;
    records_max_ = kBytesMax / bytes;
  }
  bool has_room() const { return added_ - taken_ < records_max_; }
  // Room for one more, aligned to 8; only with has_room().
  std::byte* add() {
    if (end_ == full_) [[unlikely]] { add_piece(); }
    ++added_;
    return std::exchange(end_, end_ + record_bytes_);
  }
  // The oldest; null when there is none. Valid until `pop`.
  const std::byte* front() {
    return taken_ == added_ ? nullptr : pieces_.front().get() + first_ * record_bytes_;
  }
  void pop() {
    ++taken_;
    if (++first_ == piece_records_) { drop_front(); }
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
    return static_cast<int64_t>((pieces_.size() + spare_.size()) * kPieceBytes);
  }

 private:
  using Piece = std::unique_ptr<std::byte[]>;
  static constexpr size_t kPieceBytes = size_t{256} << 10;
  static constexpr size_t kBytesMax = size_t{16} << 20;
  static constexpr size_t kSpareMax = (size_t{8} << 20) / kPieceBytes;

  void add_piece() {
    if (spare_.empty()) {
      pieces_.emplace_back(new std::byte[kPieceBytes]);  // not cleared
    } else {
      pieces_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    end_ = pieces_.back().get();
    full_ = end_ + piece_records_ * record_bytes_;
  }
  void drop_front() {
    if (pieces_.size() == 1) { end_ = full_ = nullptr; }
    if (spare_.size() < kSpareMax) { spare_.push_back(std::move(pieces_.front())); }
    pieces_.pop_front();
    first_ = 0;
  }

  size_t record_bytes_ = 0;
  size_t piece_records_ = 0;
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
