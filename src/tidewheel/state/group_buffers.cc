#include "tidewheel/state/group_buffers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/state/byte_cursor.h"

namespace tidewheel {
namespace {

// In front of the bytes of each entry.
struct Sizes {
  uint32_t key = 0;
  uint32_t name_space = 0;
  uint32_t value = 0;
};

}  // namespace

void EntryBuffer::add(const StateEntry& entry) {
  const Sizes sizes{static_cast<uint32_t>(entry.key.size()),
                    static_cast<uint32_t>(entry.name_space.size()),
                    static_cast<uint32_t>(entry.value.size())};
  const size_t bytes =
      sizeof(sizes) + entry.key.size() + entry.name_space.size() + entry.value.size();
  if (pieces_.empty() || pieces_.back().capacity - pieces_.back().size < bytes) [[unlikely]] {
    add_piece(bytes);
  }
  Piece& to = pieces_.back();
  char* at = to.bytes.get() + to.size;
  std::memcpy(at, &sizes, sizeof(sizes));
  at = put_bytes(at + sizeof(sizes), entry.key);
  at = put_bytes(at, entry.name_space);
  put_bytes(at, entry.value);
  to.size += bytes;
  bytes_ += static_cast<int64_t>(bytes);
}

void EntryBuffer::add_piece(size_t bytes_min) {
  const size_t doubled = pieces_.empty() ? kPieceBytesMin : pieces_.back().capacity * 2;
  Piece piece;
  piece.capacity = std::max(std::min(doubled, kPieceBytesMax), bytes_min);
  piece.bytes.reset(new char[piece.capacity]);  // not cleared
  pieces_.push_back(std::move(piece));
}

bool EntryBuffer::next(StateEntry& entry) {
  if (piece_ < pieces_.size() && offset_ == pieces_[piece_].size) {
    bytes_ -= static_cast<int64_t>(offset_);
    pieces_[piece_++] = Piece();
    offset_ = 0;
  }
  if (piece_ == pieces_.size()) {
    pieces_.clear();
    piece_ = 0;
    return false;
  }
  const char* const from = pieces_[piece_].bytes.get() + offset_;
  Sizes sizes;
  std::memcpy(&sizes, from, sizeof(sizes));
  const char* at = from + sizeof(sizes);
  entry.key = {at, sizes.key};
  entry.name_space = {at + sizes.key, sizes.name_space};
  entry.value = {at + sizes.key + sizes.name_space, sizes.value};
  offset_ += sizeof(sizes) + sizes.key + sizes.name_space + sizes.value;
  return true;
}

GroupBuffers::GroupBuffers(KeyGroupRange groups)
    : first_(groups.first), groups_(static_cast<size_t>(std::max(groups.count(), 0))) {}

GroupBuffers::Group& GroupBuffers::at(int32_t group) {
  auto& found = groups_[static_cast<size_t>(group - first_)];
  if (found == nullptr) { found = std::make_unique<Group>(); }
  return *found;
}

void GroupBuffers::erase(int32_t group, std::string_view key, std::string_view name_space) {
  EntryBuffer& to = at(group).erased;
  bytes_ -= to.bytes();
  to.add({.group = group, .key = key, .name_space = name_space, .value = {}});
  bytes_ += to.bytes();
}

void GroupBuffers::add(const StateEntry& entry) {
  ++added_;
  EntryBuffer& to = at(entry.group).entries;
  bytes_ -= to.bytes();
  to.add(entry);
  bytes_ += to.bytes();
}

bool GroupBuffers::write_erased(int32_t group, SnapshotWriter& writer) {
  Group* const from = find(group);
  if (from == nullptr) { return true; }
  bytes_ -= from->erased.bytes();
  bool is_done = false;
  StateEntry unit;
  while (writer.ready()) {
    if (!from->erased.next(unit)) {
      is_done = true;
      break;
    }
    writer.erase(group, unit.key, unit.name_space);
  }
  bytes_ += from->erased.bytes();
  return is_done;
}

bool GroupBuffers::write_entries(int32_t group, SnapshotWriter& writer) {
  Group* const from = find(group);
  if (from == nullptr) { return true; }
  bytes_ -= from->entries.bytes();
  bool is_done = false;
  StateEntry entry;
  while (writer.ready()) {
    if (!from->entries.next(entry)) {
      is_done = true;
      break;
    }
    entry.group = group;
    writer.add(entry);
  }
  bytes_ += from->entries.bytes();
  return is_done;
}

void GroupBuffers::drop(int32_t group) {
  auto& found = groups_[static_cast<size_t>(group - first_)];
  if (found == nullptr) { return; }
  bytes_ -= found->erased.bytes() + found->entries.bytes();
  found.reset();
}

void GroupBuffers::clear() {
  for (auto& group : groups_) { group.reset(); }
  added_ = 0;
  bytes_ = 0;
}

void SnapshotRecording::begin_state(const StateMeta& meta) {
  if (states_.empty() || states_.back().meta.name != meta.name) { states_.push_back({meta, {}}); }
}

void SnapshotRecording::add(const StateEntry& entry) { states_.back().entries.add(entry); }

bool SnapshotRecording::write(SnapshotWriter& writer) {
  StateEntry entry;
  while (!states_.empty()) {
    writer.begin_state(states_.front().meta);
    for (;;) {
      if (!writer.ready()) { return false; }
      if (!states_.front().entries.next(entry)) { break; }
      entry.group = 0;
      writer.add(entry);
    }
    states_.erase(states_.begin());
  }
  return true;
}

void GroupBuffers::swap(GroupBuffers& other) noexcept {
  std::swap(first_, other.first_);
  std::swap(groups_, other.groups_);
  std::swap(added_, other.added_);
  std::swap(bytes_, other.bytes_);
}

}  // namespace tidewheel
