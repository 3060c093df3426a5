#include "tidewheel/state/state_backend.h"

#include <algorithm>
#include <cstring>

#include "tidewheel/base/check.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

void StateBackend::begin_own_snapshot(const SnapshotStart&, std::function<void()>) {
  TIDEWHEEL_CHECK(false, "this backend has no snapshots of its own");
}

Result<bool> StateBackend::write_own_snapshot(SnapshotWriter&) {
  TIDEWHEEL_CHECK(false, "this backend has no snapshots of its own");
  return true;
}

namespace {

// Gives another reader's states.
class SameReader final : public SnapshotReader {
 public:
  explicit SameReader(SnapshotReader& reader) : reader_(reader) {}
  const std::vector<StateMeta>& states() const override { return reader_.states(); }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) override {
    return reader_.read(state);
  }

 private:
  SnapshotReader& reader_;
};

}  // namespace

Result<std::unique_ptr<SnapshotReader>> StateBackend::restore(SnapshotReader& reader) {
  TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(reader));
  return std::unique_ptr<SnapshotReader>(std::make_unique<SameReader>(reader));
}

Status check_readable_without_backend(const SnapshotReader& reader) {
  for (const StateMeta& meta : reader.states()) {
    if (meta.form == kRocksdbForm) {
      return failed_precondition(
          ErrorId::kStateBackend,
          "the snapshot has files of the state backend rocksdb, which only it can read: restore "
          "with state.backend.type: rocksdb, or take a savepoint, which every backend can read");
    }
  }
  return {};
}

namespace {

void append_group(std::string& out, int32_t group) {
  out.push_back(static_cast<char>(static_cast<uint32_t>(group) >> 8));
  out.push_back(static_cast<char>(group));
}

// As a varint.
void append_size(std::string& out, size_t size) {
  for (; size >= 0x80; size >>= 7) { out.push_back(static_cast<char>(size | 0x80)); }
  out.push_back(static_cast<char>(size));
}

// A size, as many bytes of the key, and the namespace.
bool split_sized_key(std::string_view bytes, std::string_view& key, std::string_view& name_space) {
  Reader reader(bytes);
  const uint64_t size = reader.varint();
  if (!reader.ok() || size > reader.remaining()) { return false; }
  key = bytes.substr(reader.position(), size);
  name_space = bytes.substr(reader.position() + size);
  return true;
}

}  // namespace

void make_store_key(std::string& out, int32_t group, std::string_view key) {
  out.clear();
  append_group(out, group);
  out.append(key);
}

void make_store_prefix(std::string& out, int32_t group, std::string_view key) {
  out.clear();
  append_group(out, group);
  append_size(out, key.size());
  out.append(key);
}

std::string store_group_begin(int32_t group) {
  std::string out;
  append_group(out, group);
  return out;
}

uint64_t key_order(std::string_view stored) {
  uint64_t order = 0;
  std::memcpy(&order, stored.data(), std::min(stored.size(), sizeof(order)));
  return __builtin_bswap64(order);
}

bool split_store_key(std::string_view stored, bool has_namespace, StateEntry& entry) {
  if (stored.size() < 2) { return false; }
  entry.group = static_cast<int32_t>((static_cast<unsigned char>(stored[0]) << 8) |
                                     static_cast<unsigned char>(stored[1]));
  stored.remove_prefix(2);
  if (!has_namespace) {
    entry.key = stored;
    entry.name_space = {};
    return true;
  }
  return split_sized_key(stored, entry.key, entry.name_space);
}

namespace {

constexpr size_t kTimerKeyBegin = 2 + sizeof(int64_t);
constexpr uint64_t kSignBit = uint64_t{1} << 63;

}  // namespace

void make_timer_begin(std::string& out, int32_t group, int64_t time) {
  const uint64_t rank = __builtin_bswap64(static_cast<uint64_t>(time) ^ kSignBit);
  char bytes[kTimerKeyBegin];
  bytes[0] = static_cast<char>(static_cast<uint32_t>(group) >> 8);
  bytes[1] = static_cast<char>(group);
  std::memcpy(bytes + 2, &rank, sizeof(rank));
  out.assign(bytes, sizeof(bytes));
}

void make_timer_key(std::string& out, bool has_namespace, const StoredTimer& timer) {
  make_timer_begin(out, timer.group, timer.time);
  if (has_namespace) {
    append_size(out, timer.key.size());
    out.append(timer.key);
    out.append(timer.name_space);
  } else {
    out.append(timer.key);
  }
}

bool split_timer_key(std::string_view stored, bool has_namespace, StoredTimer& timer) {
  if (stored.size() < kTimerKeyBegin) { return false; }
  StateEntry entry;
  split_store_key(stored.substr(0, 2), false, entry);
  timer.group = entry.group;
  uint64_t rank = 0;
  std::memcpy(&rank, stored.data() + 2, sizeof(rank));
  timer.time = static_cast<int64_t>(__builtin_bswap64(rank) ^ kSignBit);
  stored.remove_prefix(kTimerKeyBegin);
  if (!has_namespace) {
    timer.key = stored;
    timer.name_space = {};
    return true;
  }
  return split_sized_key(stored, timer.key, timer.name_space);
}

bool split_stored_entry(const StoreState& state, std::string_view stored, StateEntry& entry,
                        std::string& scratch) {
  if (state.meta.kind != StateKind::kTimers) {
    return split_store_key(stored, state.has_namespace, entry);
  }
  StoredTimer timer;
  if (!split_timer_key(stored, state.has_namespace, timer)) { return false; }
  // Snapshots have the time behind the namespace, as serde.h writes it.
  scratch.assign(timer.name_space);
  scratch.append(reinterpret_cast<const char*>(&timer.time), sizeof(timer.time));
  entry.group = timer.group;
  entry.key = timer.key;
  entry.name_space = scratch;
  return true;
}

Result<bool> write_store(const StoreState& state, StoreCursor& cursor, int64_t now_ms,
                         SnapshotWriter& writer) {
  if (!writer.ready()) { return false; }
  writer.begin_state(state.meta);
  for (; cursor.valid(); cursor.next()) {
    if (!writer.ready()) { return false; }
    StateEntry entry;
    entry.value = cursor.value();
    if (!split_store_key(cursor.key(), state.has_namespace, entry)) {
      return data_loss(ErrorId::kStateBackend, "a stored key of state {} is damaged",
                       state.meta.name);
    }
    if (state.ttl_ms > 0 && entry.value.size() >= sizeof(int64_t)) {
      int64_t used_at = 0;
      std::memcpy(&used_at, entry.value.data(), sizeof(used_at));
      if (now_ms - used_at >= state.ttl_ms) { continue; }
    }
    writer.add(entry);
  }
  TIDEWHEEL_RETURN_IF_ERROR(cursor.status());
  return true;
}

}  // namespace tidewheel
