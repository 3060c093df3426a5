#include "tidewheel/state/group_buffers.h"

#include <algorithm>
#include <cstring>
#include <utility>

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
  if (pieces_.empty() || pieces_.back().size() >= kPieceBytes) { pieces_.emplace_back(); }
  std::string& to = pieces_.back();
  const size_t before = to.size();
  to.append(reinterpret_cast<const char*>(&sizes), sizeof(sizes));
  to.append(entry.key);
  to.append(entry.name_space);
  to.append(entry.value);
  bytes_ += static_cast<int64_t>(to.size() - before);
}

bool EntryBuffer::next(StateEntry& entry) {
  if (piece_ < pieces_.size() && offset_ == pieces_[piece_].size()) {
    bytes_ -= static_cast<int64_t>(offset_);
    pieces_[piece_++] = std::string();
    offset_ = 0;
  }
  if (piece_ == pieces_.size()) {
    pieces_.clear();
    piece_ = 0;
    return false;
  }
  const std::string& from = pieces_[piece_];
  Sizes sizes;
  std::memcpy(&sizes, from.data() + offset_, sizeof(sizes));
  const char* at = from.data() + offset_ + sizeof(sizes);
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
