#include "tidewheel/state/state_backend.h"

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

}  // namespace

void make_store_key(std::string& out, int32_t group, std::string_view key) {
  out.clear();
  append_group(out, group);
  out.append(key);
}

void make_store_prefix(std::string& out, int32_t group, std::string_view key) {
  out.clear();
  append_group(out, group);
  size_t size = key.size();
  for (; size >= 0x80; size >>= 7) { out.push_back(static_cast<char>(size | 0x80)); }
  out.push_back(static_cast<char>(size));
  out.append(key);
}

std::string store_group_begin(int32_t group) {
  std::string out;
  append_group(out, group);
  return out;
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
  Reader reader(stored);
  const uint64_t size = reader.varint();
  if (!reader.ok() || size > reader.remaining()) { return false; }
  entry.key = stored.substr(reader.position(), size);
  entry.name_space = stored.substr(reader.position() + size);
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
