#include "tidewheel/checkpoint/ended_job.h"

#include <algorithm>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {
namespace {

constexpr std::string_view kMagic = "TWENDED1";

// 0: there is none.
uint64_t metadata_id(FileSystem& files, const std::string& snapshot) {
  const Result<FileInfo> info = files.info(join_path(snapshot, kMetadataName));
  return info.ok() ? info->id : 0;
}

Status remove_what_is_left(FileSystem& files, const std::string& folder, const EndedJob& ended,
                           uint64_t start_id) {
  const auto lock = files.lock(join_path(folder, kLockName), "a new run of the job");
  if (!lock.ok() && lock.status().id() == ErrorId::kFileLocked) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(lock.status());
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files.list(folder));
  for (const DirectoryEntry& entry : entries) {
    const int64_t number = checkpoint_of_name(entry.name);
    if (number > ended.checkpoint) { return {}; }  // it has gone on
    if (number > 0 && metadata_id(files, join_path(folder, entry.name)) == start_id &&
        start_id != 0) {
      return {};
    }
  }
  for (const DirectoryEntry& entry : entries) {
    if (checkpoint_of_name(entry.name) == 0) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(carry_out(files, {join_path(folder, entry.name), {}}));
  }
  TIDEWHEEL_RETURN_IF_ERROR(files.remove_all(join_path(folder, kSharedName)));
  const Status stopping = files.remove(join_path(folder, kStoppingName));
  if (!stopping.ok() && stopping.id() != ErrorId::kFileNotFound) { return stopping; }
  TIDEWHEEL_RETURN_IF_ERROR(files.remove(join_path(folder, kEndedName)));
  return files.sync_directory(folder);
}

}  // namespace

std::string encode_ended(const EndedJob& ended) {
  Writer body;
  body.varint(static_cast<uint64_t>(ended.wall_ms));
  body.varint(static_cast<uint64_t>(ended.checkpoint));
  for (const std::string* const text : {&ended.job_id, &ended.job_name, &ended.savepoint}) {
    body.text(*text);
  }
  const std::string bytes = body.str();
  Writer out;
  out.raw(kMagic.data(), kMagic.size());
  out.fixed(hash_bytes(bytes.data(), bytes.size()));
  out.raw(bytes.data(), bytes.size());
  return out.str();
}

Result<EndedJob> decode_ended(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return data_loss(ErrorId::kSnapshotFormat, "it does not begin as the mark of a job's end does");
  }
  Reader head(bytes.substr(kMagic.size()));
  const auto checksum = head.fixed<uint64_t>();
  const std::string_view body =
      bytes.substr(std::min(bytes.size(), kMagic.size() + sizeof checksum));
  if (!head.ok() || hash_bytes(body.data(), body.size()) != checksum) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the mark of a job's end is damaged, its checksum does not match");
  }
  Reader in(body);
  EndedJob ended;
  ended.wall_ms = static_cast<int64_t>(in.varint());
  ended.checkpoint = static_cast<int64_t>(in.varint());
  for (std::string* const text : {&ended.job_id, &ended.job_name, &ended.savepoint}) {
    *text = in.bytes_view();
  }
  TIDEWHEEL_RETURN_IF_ERROR(in.finish());
  return ended;
}

Status forget_ended_jobs(World& world, const std::string& directory, const std::string& job_name,
                         const std::string& starts_from) {
  FileSystem& files = world.files();
  const uint64_t start_id = starts_from.empty() ? 0 : metadata_id(files, starts_from);
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_there, files.exists(directory));
  if (!is_there) { return {}; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files.list(directory));
  std::vector<std::string> folders = {directory};
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory) { folders.push_back(join_path(directory, entry.name)); }
  }
  for (const std::string& folder : folders) {
    const Result<std::string> bytes = read_all(files, join_path(folder, kEndedName));
    if (!bytes.ok()) {
      // A disk that does not answer says nothing about what it has.
      if (bytes.status().id() == ErrorId::kFileIo) { return bytes.status(); }
      continue;  // there is none, or it is somebody else's folder
    }
    const Result<EndedJob> ended = decode_ended(*bytes);
    if (!ended.ok() || ended->job_name != job_name) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(
        remove_what_is_left(files, folder, *ended, start_id)
            .with_context("removing what the job's earlier run has left in {}", folder));
  }
  return {};
}

}  // namespace tidewheel
