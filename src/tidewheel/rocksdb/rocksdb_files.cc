// The files of a database as parts of a snapshot. What one subtask writes:
//   NNNNNN.sst                     shared between snapshots
//   MANIFEST-*, CURRENT, OPTIONS-* of RocksDB
//   STATES                         which states are in which column families, by decode_states:
//     version (varint, 1), count (varint), then each state: name, kind (varint), form, schemas of
//     key, namespace and value, whether a unit has a namespace, name of the family, whether it has
//     a namespace, ttl in ms (varint); texts are a size (varint) and bytes, flags one byte.
// GCC takes some of its own AVX-512 intrinsics for uninitialized when they are inlined here.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <memory>
#include <span>
#include <utility>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backend.h"
#include "tidewheel/state/local_copy.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

namespace {

constexpr uint64_t kStatesVersion = 1;
constexpr size_t kCopyBytes = 128 << 10;

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Reads a file to its end; copies it when `to` is not null.
Result<uint64_t> read_through(ReadableFile& from, WritableFile* to) {
  const std::unique_ptr<XXH3_state_t, FreeHash> hash(XXH3_createState());
  XXH3_64bits_reset(hash.get());
  std::string buffer(kCopyBytes, '\0');
  for (int64_t offset = 0;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t size, from.read_at(offset, std::span<char>(buffer)));
    if (size == 0) { return XXH3_64bits_digest(hash.get()); }
    const std::string_view bytes(buffer.data(), static_cast<size_t>(size));
    XXH3_64bits_update(hash.get(), bytes.data(), bytes.size());
    if (to != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(to->append(bytes)); }
    offset += size;
  }
}

}  // namespace

std::string encode_states(const std::vector<StoredState>& states) {
  Writer out;
  out.varint(kStatesVersion);
  out.varint(states.size());
  for (const StoredState& stored : states) {
    const StateMeta& meta = stored.state.meta;
    out.text(meta.name);
    out.varint(static_cast<uint64_t>(meta.kind));
    out.text(meta.form);
    out.text(meta.key_schema);
    out.text(meta.namespace_schema);
    out.text(meta.value_schema);
    out.fixed(static_cast<uint8_t>(meta.unit_has_namespace));
    out.text(stored.family);
    out.fixed(static_cast<uint8_t>(stored.state.has_namespace));
    out.varint(static_cast<uint64_t>(stored.state.ttl_ms));
  }
  return out.str();
}

Result<std::vector<StoredState>> decode_states(std::string_view bytes) {
  Reader in(bytes);
  const uint64_t version = in.varint();
  if (in.ok() && version != kStatesVersion) {
    return failed_precondition(ErrorId::kSnapshotFormat,
                               "the file {} of a snapshot has version {}; this engine reads {}",
                               kStatesFile, version, kStatesVersion);
  }
  std::vector<StoredState> states(in.count());
  for (StoredState& stored : states) {
    StateMeta& meta = stored.state.meta;
    meta.name = in.bytes_view();
    meta.kind = static_cast<StateKind>(in.varint());
    meta.form = in.bytes_view();
    meta.key_schema = in.bytes_view();
    meta.namespace_schema = in.bytes_view();
    meta.value_schema = in.bytes_view();
    meta.unit_has_namespace = in.flag();
    stored.family = in.bytes_view();
    stored.state.has_namespace = in.flag();
    stored.state.ttl_ms = static_cast<int64_t>(in.varint());
  }
  TIDEWHEEL_RETURN_IF_ERROR(in.finish().with_context("the file {} of a snapshot", kStatesFile));
  return states;
}

Result<uint64_t> link_or_copy(World& world, const std::string& from, const std::string& to,
                              bool may_link) {
  FileSystem& files = world.files();
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, files.open_read(from));
  // Fails where the two are on different disks, or where there are no links.
  if (may_link && files.link(from, to).ok()) {
    // The database does not sync its files.
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto linked, files.open_write(to, WriteMode::kAppend));
    TIDEWHEEL_RETURN_IF_ERROR(linked->sync());
    TIDEWHEEL_RETURN_IF_ERROR(linked->close());
    TIDEWHEEL_RETURN_IF_ERROR(files.sync_directory(parent_path(to)));
    return read_through(*source, nullptr);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto target, files.open_write(to, WriteMode::kTruncate));
  TIDEWHEEL_ASSIGN_OR_RETURN(const uint64_t checksum, read_through(*source, target.get()));
  TIDEWHEEL_RETURN_IF_ERROR(target->sync());
  TIDEWHEEL_RETURN_IF_ERROR(target->close());
  TIDEWHEEL_RETURN_IF_ERROR(files.sync_directory(parent_path(to)));
  return checksum;
}

void leave_copy(World& world, const std::string& from, const std::string& to, bool may_link) {
  FileSystem& files = world.files();
  if (may_link && files.link(from, to).ok()) { return; }
  const auto copied = [&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, files.open_read(from));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto target, files.open_write(to, WriteMode::kTruncate));
    TIDEWHEEL_RETURN_IF_ERROR(read_through(*source, target.get()).status());
    return target->close();
  }();
  if (!copied.ok()) { ignore(files.remove(to), "its checksum will not fit"); }
}

namespace {

Status fetch(World& world, const SnapshotFile& file, const std::string& from,
             const std::string& to) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const uint64_t checksum,
                             link_or_copy(world, from, to, file.name.ends_with(".sst")));
  if (file.checksum == 0 || checksum == file.checksum) { return {}; }
  return data_loss(ErrorId::kSnapshotChecksum,
                   "a file of the snapshot is damaged, restore an older one: {}", from);
}

// Whether the copy could be taken.
bool fetch_copy(World& world, const SnapshotFile& file, const std::string& to) {
  if (file.copy == nullptr || !file.copy->usable() || file.checksum == 0) { return false; }
  const Status fetched = fetch(world, file, file.copy->path(), to);
  if (fetched.ok()) {
    file.copy->note_use();
    return true;
  }
  file.copy->give_up(fetched, file.path);
  ignore(world.files().remove(to), "it is made anew, if it was made");
  return false;
}

}  // namespace

Status fetch_files(World& world, const std::vector<SnapshotFile>& files,
                   const std::string& directory) {
  TIDEWHEEL_RETURN_IF_ERROR(world.files().make_directories(directory));
  for (const SnapshotFile& file : files) {
    if (file.name.find('/') != std::string::npos) {
      return data_loss(ErrorId::kSnapshotFormat, "a file of a snapshot has a bad name: {}",
                       file.name);
    }
    const std::string to = join_path(directory, file.name);
    if (fetch_copy(world, file, to)) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(fetch(world, file, file.path, to));
  }
  return {};
}

}  // namespace tidewheel
