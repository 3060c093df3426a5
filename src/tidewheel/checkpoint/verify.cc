// Reads all of a snapshot, as it is stored.
// GCC takes some of its own AVX-512 intrinsics for uninitialized when they are inlined here.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/file_segment.h"
#include "tidewheel/checkpoint/snapshot_files.h"

namespace tidewheel {
namespace {

constexpr size_t kReadBytes = 1 << 20;

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

using Copy = std::shared_ptr<const LocalCopy>;

Status verify_segment(FileSystem& files, const std::string& path, const SegmentPlace& place,
                      Copy copy) {
  const auto bytes = open_file_segment(files, path, place, std::move(copy));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto index, bytes->index());
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto blocks, bytes->open(index));
  for (size_t i = 0; i < index->blocks.size(); ++i) {
    TIDEWHEEL_RETURN_IF_ERROR(blocks->read(i).status());
  }
  return {};
}

// A file that a state backend has brought, as it is.
Status verify_file(FileSystem& files, const std::string& path, uint64_t checksum) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files.open_read(path));
  const std::unique_ptr<XXH3_state_t, FreeHash> hash(XXH3_createState());
  XXH3_64bits_reset(hash.get());
  std::string buffer(kReadBytes, '\0');
  for (int64_t offset = 0;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t size, file->read_at(offset, std::span<char>(buffer)));
    if (size == 0) { break; }
    XXH3_64bits_update(hash.get(), buffer.data(), static_cast<size_t>(size));
    offset += size;
  }
  if (XXH3_64bits_digest(hash.get()) == checksum) { return {}; }
  return data_loss(ErrorId::kSnapshotChecksum, "it is damaged, its checksum does not match");
}

Status verify_file_or_copy(FileSystem& files, const std::string& path, uint64_t checksum,
                           const Copy& copy) {
  if (copy != nullptr && copy->usable()) {
    const Status status = verify_file(files, copy->path(), checksum);
    if (status.ok()) { return status; }
    copy->give_up(status, path);
  }
  return verify_file(files, path, checksum);
}

Status as_damage(Status status) {
  if (status.ok()) { return status; }
  if (status.id() != ErrorId::kFileNotFound && status.id() != ErrorId::kFileAccess) {
    return status;
  }
  return not_found(ErrorId::kSnapshotMissing, "a file of the snapshot can't be read: {}",
                   status.message());
}

}  // namespace

Status verify_snapshot(World& world, const CompletedSnapshot& snapshot,
                       const std::function<bool(const std::string& uid)>& is_wanted,
                       const LocalCopyMap& copies) {
  FileSystem& files = world.files();
  const auto copy_of = [&copies](const std::string& file) {
    const auto found = copies.find(file);
    return found == copies.end() ? nullptr : found->second;
  };
  std::set<std::string> read;  // layers and subtasks share files
  for (const ManifestOperator& op : snapshot.manifest.operators) {
    if (is_wanted && !is_wanted(op.uid)) { continue; }
    for (const OperatorSnapshot& subtask : op.subtasks) {
      for (const SegmentRef& segment : subtask.segments) {
        if (!segment.place.file.empty()) {
          const std::string path = path_of_file(snapshot.path, segment.place.file);
          TIDEWHEEL_RETURN_IF_ERROR(
              as_damage(verify_segment(files, path, segment.place, copy_of(segment.place.file)))
                  .with_context("{}: operator {}, state {} of subtask {}", path, op.uid,
                                segment.meta.name, subtask.subtask));
        }
        for (const SnapshotFile& file : segment.files) {
          const std::string path = path_of_file(snapshot.path, file.path);
          if (file.checksum == 0 || !read.insert(path).second) { continue; }
          TIDEWHEEL_RETURN_IF_ERROR(
              as_damage(verify_file_or_copy(files, path, file.checksum, copy_of(file.path)))
                  .with_context("{}: operator {}, a file of the state backend of subtask {}", path,
                                op.uid, subtask.subtask));
        }
      }
    }
  }
  return {};
}

}  // namespace tidewheel
