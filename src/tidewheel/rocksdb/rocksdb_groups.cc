// What is written at a barrier group by group: each group that is over is sorted and goes into new
// files on the blocking pool, while the next ones are gathered.
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/rocksdb/rocksdb_backend.h"
#include "tidewheel/rocksdb/rocksdb_new_files.h"

namespace tidewheel {

namespace {

// Less is not worth a file.
constexpr uint64_t kGroupBytesMin = 256 << 10;
constexpr uint64_t kGroupBytesMax = 128 << 20;
constexpr uint64_t kGroupBytesUnmanaged = 32 << 20;

}  // namespace

// In a file, as much as entries have there. In memory, as write buffers stay empty meanwhile:
// what is gathered takes up to two of these parts, and what is written a third one.
uint64_t RocksdbBackend::group_bytes_of(const RocksdbShared& shared) {
  if (shared.file_bytes > 0) {
    return std::max<uint64_t>(static_cast<uint64_t>(shared.file_bytes), kGroupBytesMin);
  }
  if (shared.memory.total_bytes <= 0) { return kGroupBytesUnmanaged; }
  const uint64_t bytes = static_cast<uint64_t>(shared.memory.write_buffer_bytes) / 4;
  return bytes < kGroupBytesMin ? 0 : std::min(bytes, kGroupBytesMax);
}

bool RocksdbBackend::begin_groups() {
  if (groups_.is_open) { return false; }  // after a failure
  const auto live =
      static_cast<uint64_t>(std::max(shared_.live.load(std::memory_order_relaxed), 1));
  // In a file the writes have heads, and pieces are not full.
  groups_.bytes_max = group_bytes_max_ / live / (gathers_groups() ? 4 : 1);
  if (groups_.bytes_max < kGroupBytesMin && !gathers_groups()) { return false; }
  if (behind_written_) {
    settle_written();
    pieces_->trim();
  }
  groups_.is_open = true;
  groups_.next = 0;
  groups_.open.resize(static_cast<size_t>(place_.key_groups.last - place_.key_groups.first + 1));
  return true;
}

void RocksdbBackend::add_in_group(StoreId state, bool erases, std::string_view key,
                                  std::string_view value) {
  // Where one group has very much, or all come at once.
  if (groups_.open_bytes + groups_.ended_bytes >= 2 * groups_.bytes_max) {
    return add_write(gathered_, state, erases, key, value);
  }
  StateEntry entry;
  TIDEWHEEL_CHECK(split_store_key(key, false, entry), "a key without a group");
  const auto index = static_cast<size_t>(entry.group - place_.key_groups.first);
  TIDEWHEEL_CHECK(index >= groups_.next && index < groups_.open.size(), "a group that is over");
  if (!groups_.open[index].add(*pieces_, {state, erases, key, value})) {
    return add_write(gathered_, state, erases, key, value);
  }
  groups_.open_bytes += key.size() + value.size();
}

void RocksdbBackend::put_in_group(StoreId state, std::string_view key, std::string_view value) {
  add_in_group(state, false, key, value);
}

void RocksdbBackend::erase_in_group(StoreId state, std::string_view key) {
  add_in_group(state, true, key, {});
}

// Those before `index` are over.
void RocksdbBackend::end_until(size_t index) {
  for (; groups_.next < index; ++groups_.next) {
    GroupWrites& group = groups_.open[groups_.next];
    if (group.empty()) { continue; }
    groups_.open_bytes -= group.bytes();
    groups_.ended_bytes += group.bytes();
    groups_.ended.push_back(std::exchange(group, {}));
  }
}

Result<bool> RocksdbBackend::end_group(int32_t group) {
  if (!groups_.is_open) { return true; }
  end_until(static_cast<size_t>(group - place_.key_groups.first + 1));
  if (groups_.ended.empty()) { return true; }
  if (!behind_written_) {
    if (groups_.ended_bytes < groups_.bytes_max) { return true; }
    if (!can_commit_behind()) { return false; }
  }
  TIDEWHEEL_RETURN_IF_ERROR(write_ended(false));
  return true;
}

Result<bool> RocksdbBackend::end_groups() {
  if (!groups_.is_open) { return true; }
  end_until(groups_.open.size());
  if (!can_commit_behind()) { return false; }
  TIDEWHEEL_RETURN_IF_ERROR(write_ended(true));
  groups_.is_open = false;
  return true;
}

// Of the job before this one, which is over.
void RocksdbBackend::settle_written() {
  for (GroupWrites& written : groups_.writing) { written.clear(*pieces_); }
  groups_.writing.clear();
  if (groups_.places == nullptr) { return; }
  pieces_->give_back(reinterpret_cast<std::byte*>(groups_.places), groups_.places_bytes);
  groups_.places = nullptr;
}

// The job has what is ended to itself until the event is set.
Status RocksdbBackend::write_ended(bool is_last) {
  TIDEWHEEL_RETURN_IF_ERROR(wait_behind());
  TIDEWHEEL_DCHECK(is_cut());
  settle_written();
  groups_.writing = std::exchange(groups_.ended, {});
  groups_.ended_bytes = 0;
  groups_.files.resize(stores_.size());
  size_t count = 1;
  for (const GroupWrites& group : groups_.writing) { count = std::max(count, group.count()); }
  groups_.places_bytes = std::bit_ceil(count * sizeof(GroupWrites::Place));
  groups_.places = reinterpret_cast<GroupWrites::Place*>(pieces_->take(groups_.places_bytes));
  run_behind([this, is_last] {
    Status status;
    for (const GroupWrites& group : groups_.writing) {
      if (!status.ok()) { break; }
      status = groups_.places != nullptr ? write_group(group) : write_unsorted(group);
    }
    if (status.ok()) { status = failure(write_batch(*behind_batch_)); }
    if (!is_last) { return status; }
    for (size_t state = 0; state < groups_.files.size(); ++state) {
      GroupFiles& files = groups_.files[state];
      if (files.made == nullptr || !status.ok()) { continue; }
      if (gathers_groups()) { merges_->make_room(stores_[state].family); }
      status = failure(files.made->hand_over());
      if (gathers_groups()) { merges_->consider(stores_[state].family); }
    }
    groups_.files.clear();
    return status;
  });
  return {};
}

Status RocksdbBackend::write_group(const GroupWrites& group) {
  group.sort_into(groups_.places);
  for (size_t i = 0; i < group.count(); ++i) {
    const GroupWrite write = GroupWrite::at(groups_.places[i].at);
    NewTableFiles* const files = files_of(write.state);
    if (files == nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(write_buffered(write));
      continue;
    }
    // Files have a key once.
    if (i + 1 < group.count() && groups_.places[i + 1].order == groups_.places[i].order) {
      const GroupWrite next = GroupWrite::at(groups_.places[i + 1].at);
      if (next.state == write.state && next.key == write.key) { continue; }
    }
    TIDEWHEEL_RETURN_IF_ERROR(
        failure(write.erases ? files->erase(write.key) : files->put(write.key, write.value)));
  }
  return {};
}

// Without room to sort it, a group goes through the write buffer; where it is the disk that has no
// room, RocksDB says so.
Status RocksdbBackend::write_unsorted(const GroupWrites& group) {
  Status status;
  group.for_each([&](const std::byte*, const GroupWrite& write) {
    if (status.ok()) { status = write_buffered(write); }
  });
  return status;
}

Status RocksdbBackend::write_buffered(const GroupWrite& write) {
  add_to_batch(*behind_batch_, write);
  if (behind_batch_->GetDataSize() < write_batch_bytes_) { return {}; }
  return failure(write_batch(*behind_batch_));
}

// Null: what there is goes through the write buffer.
NewTableFiles* RocksdbBackend::files_of(StoreId state) {
  GroupFiles& files = groups_.files[state];
  if (!std::exchange(files.is_decided, true)) {
    const Store& store = stores_[state];
    if (gathers_groups() || NewTableFiles::are_welcome(*database_, store.family)) {
      files.made = std::make_unique<NewTableFiles>(
          *database_, store.family,
          ::rocksdb::Options(database_options(shared_.config, shared_.memory), options_of(store)),
          fmt::format("{}/new-{}-", directory_, ++groups_.files_made));
    }
  }
  return files.made.get();
}

}  // namespace tidewheel
