#include "tidewheel/rocksdb/group_writes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tidewheel/base/file_memory.h"

namespace tidewheel {

namespace {

constexpr uint32_t kErases = uint32_t{1} << 31;
// The pieces of a group grow, since a job may have very many groups, or very few.
constexpr size_t kPieceMin = 1 << 10;
constexpr size_t kFilePieceMin = 4 << 10;
constexpr size_t kPieceMax = 64 << 10;

size_t power_of(size_t bytes) { return static_cast<size_t>(std::bit_width(bytes - 1)); }

}  // namespace

Pieces::~Pieces() { trim(); }

std::byte* Pieces::take(size_t bytes) {
  std::vector<std::byte*>& spare = spare_[power_of(bytes)];
  if (!spare.empty()) {
    std::byte* const piece = spare.back();
    spare.pop_back();
    return piece;
  }
  return file_ != nullptr ? file_->allocate(bytes) : new std::byte[bytes];
}

void Pieces::give_back(std::byte* piece, size_t bytes) { spare_[power_of(bytes)].push_back(piece); }

void Pieces::trim() {
  if (file_ != nullptr) { return; }
  for (std::vector<std::byte*>& pieces : spare_) {
    for (std::byte* const piece : pieces) { delete[] piece; }
    pieces.clear();
  }
}

GroupWrite GroupWrite::at(const std::byte* from) {
  uint32_t head[3];
  std::memcpy(head, from, sizeof(head));
  const char* const key = reinterpret_cast<const char*>(from) + kHeadBytes;
  GroupWrite write;
  write.state = head[0];
  write.erases = (head[1] & kErases) != 0;
  write.key = {key, head[1] & ~kErases};
  write.value = {key + write.key.size(), head[2]};
  return write;
}

bool GroupWrites::add(Pieces& pieces, const GroupWrite& write) {
  const size_t bytes = write.stored_bytes();
  if (pieces_.empty() || pieces_.back().size - pieces_.back().used < bytes) {
    const size_t least = pieces.are_in_file() ? kFilePieceMin : kPieceMin;
    const size_t next = std::clamp(pieces_.empty() ? 0 : 2 * pieces_.back().size, least, kPieceMax);
    Piece piece;
    piece.size = std::bit_ceil(std::max(bytes, next));
    piece.bytes = pieces.take(piece.size);
    if (piece.bytes == nullptr) { return false; }
    pieces_.push_back(piece);
  }
  Piece& piece = pieces_.back();
  const uint32_t head[3] = {write.state,
                            static_cast<uint32_t>(write.key.size()) | (write.erases ? kErases : 0),
                            static_cast<uint32_t>(write.value.size())};
  std::byte* const to = piece.bytes + piece.used;
  std::memcpy(to, head, sizeof(head));
  std::memcpy(to + GroupWrite::kHeadBytes, write.key.data(), write.key.size());
  if (!write.value.empty()) {
    std::memcpy(to + GroupWrite::kHeadBytes + write.key.size(), write.value.data(),
                write.value.size());
  }
  piece.used += bytes;
  bytes_ += bytes - GroupWrite::kHeadBytes;
  ++count_;
  return true;
}

void GroupWrites::clear(Pieces& pieces) {
  for (const Piece& piece : pieces_) { pieces.give_back(piece.bytes, piece.size); }
  pieces_.clear();
  count_ = 0;
  bytes_ = 0;
}

void GroupWrites::sort_into(Place* places) const {
  uint32_t number = 0;
  for_each([&](const std::byte* at, const GroupWrite& write) {
    places[number] = {key_order(write.key), at, number, write.state};
    ++number;
  });
  std::sort(places, places + number, [](const Place& a, const Place& b) {
    if (a.state != b.state) { return a.state < b.state; }
    if (a.order != b.order) { return a.order < b.order; }
    const int difference = GroupWrite::at(a.at).key.compare(GroupWrite::at(b.at).key);
    return difference != 0 ? difference < 0 : a.number < b.number;
  });
}

}  // namespace tidewheel
