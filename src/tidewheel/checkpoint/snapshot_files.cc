#include "tidewheel/checkpoint/snapshot_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/file_segment.h"
#include "tidewheel/checkpoint/local_copies.h"

namespace tidewheel {
namespace {

Status removed(Status status) {
  return !status.ok() && status.id() == ErrorId::kFileNotFound ? ok_status() : status;
}

// Everything that there is below a folder that may not be there.
Result<std::vector<DirectoryEntry>> list_if_there(FileSystem& files, const std::string& path) {
  Result<std::vector<DirectoryEntry>> entries = files.list(path);
  if (!entries.ok() && entries.status().id() == ErrorId::kFileNotFound) {
    return std::vector<DirectoryEntry>();
  }
  return entries;
}

// Segments of a snapshot on disk.
class StoredSnapshot final : public SnapshotSource {
 public:
  static Result<std::unique_ptr<SnapshotSource>> open(FileSystem& files,
                                                      const CompletedSnapshot& snapshot,
                                                      const LocalCopyMap& copies) {
    auto opened = std::make_unique<StoredSnapshot>();
    for (const ManifestOperator& op : snapshot.manifest.operators) {
      for (const OperatorSnapshot& subtask : op.subtasks) {
        for (const SegmentRef& ref : subtask.segments) {
          TIDEWHEEL_ASSIGN_OR_RETURN(auto segment,
                                     segment_of(files, snapshot.path, subtask, ref, copies));
          opened->by_operator_[op.uid].push_back(std::move(segment));
        }
      }
    }
    return std::unique_ptr<SnapshotSource>(std::move(opened));
  }

  Result<std::unique_ptr<SnapshotReader>> reader(const SnapshotPlace& place) const override {
    const auto found = by_operator_.find(place.operator_uid);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        auto reader,
        SegmentReader::open(place, found == by_operator_.end() ? std::vector<SnapshotSegmentRef>()
                                                               : found->second));
    return std::unique_ptr<SnapshotReader>(std::move(reader));
  }

 private:
  static std::shared_ptr<const LocalCopy> copy_of(const std::string& file,
                                                  const LocalCopyMap& copies) {
    const auto found = copies.find(file);
    return found == copies.end() ? nullptr : found->second;
  }
  static Result<SnapshotSegmentRef> segment_of(FileSystem& files, const std::string& path,
                                               const OperatorSnapshot& subtask,
                                               const SegmentRef& ref, const LocalCopyMap& copies) {
    auto segment = std::make_shared<SnapshotSegment>();
    segment->operator_uid = subtask.uid;
    segment->meta = ref.meta;
    segment->content = ref.content;
    segment->subtask = subtask.subtask;
    segment->parallelism = subtask.parallelism;
    segment->max_parallelism = subtask.max_parallelism;
    segment->groups = ref.groups;
    segment->entries = ref.entries;
    segment->erased = ref.erased;
    segment->size_bytes = ref.raw_bytes;
    for (const SnapshotFile& file : ref.files) {
      segment->files.push_back({file.name, path_of_file(path, file.path), file.bytes, file.checksum,
                                copy_of(file.path, copies)});
    }
    if (!ref.place.file.empty()) {
      segment->bytes = open_file_segment(files, path_of_file(path, ref.place.file), ref.place,
                                         copy_of(ref.place.file, copies));
      return SnapshotSegmentRef(std::move(segment));
    }
    SegmentImage image{ref.place.inline_bytes, ref.place.index_offset, ref.place.checksum};
    auto bytes = open_image(std::move(image), "file " + join_path(path, kMetadataName));
    if (!bytes.ok()) {
      return std::move(bytes).status().with_context("operator {}, state {} of subtask {}",
                                                    subtask.uid, ref.meta.name, subtask.subtask);
    }
    segment->bytes = std::move(bytes).value();
    return SnapshotSegmentRef(std::move(segment));
  }

  std::map<std::string, std::vector<SnapshotSegmentRef>> by_operator_;
};

// Folders that may hold checkpoints of one job: <directory>/<job id>, or <directory> itself.
Result<std::vector<std::string>> job_folders(FileSystem& files, const std::string& directory,
                                             const std::string& job_id) {
  std::vector<std::string> folders = {directory};
  if (!job_id.empty()) {
    folders.push_back(join_path(directory, job_id));
    return folders;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, list_if_there(files, directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory && checkpoint_of_name(entry.name) == 0) {
      folders.push_back(join_path(directory, entry.name));
    }
  }
  return folders;
}

Result<CompletedSnapshot> load_manifest(FileSystem& files, const std::string& path) {
  CompletedSnapshot snapshot;
  snapshot.path = file_name(path) == kMetadataName ? parent_path(path) : path;
  while (snapshot.path.size() > 1 && snapshot.path.back() == '/') { snapshot.path.pop_back(); }
  const std::string metadata = join_path(snapshot.path, kMetadataName);
  const Result<std::string> bytes = read_all(files, metadata);
  if (!bytes.ok()) {
    if (bytes.status().id() != ErrorId::kFileNotFound &&
        bytes.status().id() != ErrorId::kFileAccess) {
      return bytes.status();
    }
    return not_found(ErrorId::kSnapshotMissing,
                     "there is no complete snapshot at {}: the folder of a checkpoint (chk-<n>) or "
                     "savepoint is needed, with the file {} in it ({})",
                     path, kMetadataName, bytes.status().message());
  }
  Result<Manifest> manifest = decode_manifest(*bytes);
  if (!manifest.ok()) { return std::move(manifest).status().with_context("{}", metadata); }
  snapshot.manifest = std::move(manifest).value();
  return snapshot;
}

// Whether the files are there, with the sizes that they should have.
Status check_files(FileSystem& files, const CompletedSnapshot& snapshot) {
  for (const auto& [file, size] : files_of(snapshot.manifest)) {
    const std::string place = path_of_file(snapshot.path, file);
    const Result<FileInfo> info = files.info(place);
    if (!info.ok() && info.status().id() == ErrorId::kFileNotFound) {
      return not_found(ErrorId::kSnapshotMissing,
                       "the snapshot at {} needs a file that is gone: {}", snapshot.path, place);
    }
    if (!info.ok()) { return info.status(); }
    if (info->is_directory || static_cast<uint64_t>(info->size_bytes) != size) {
      return data_loss(ErrorId::kSnapshotChecksum,
                       "a file of the snapshot at {} has {} bytes and should have {}: {}",
                       snapshot.path, info->size_bytes, size, place);
    }
  }
  return {};
}

using IsWanted = std::function<bool(const std::string& job_id, const std::string& job_name)>;

// What a folder that may be the job's has to go on from.
struct JobFolder {
  std::optional<EndedJob> ended;
  std::optional<CompletedSnapshot> newest;
  std::vector<std::string> unusable;  // newer ones, and why they can't be used
};

// The savepoint that the job was being stopped with. `numbers`: of its checkpoints, the newest
// first.
Result<std::optional<CompletedSnapshot>> find_stopping(FileSystem& files, const std::string& folder,
                                                       const JobFolder& found,
                                                       const std::vector<int64_t>& numbers,
                                                       const IsWanted& is_wanted) {
  std::optional<CompletedSnapshot> none;
  const Result<EndedJob> stopping = read_mark(files, folder, kStoppingName);
  if (!stopping.ok()) {
    // One that is cut was not whole before the savepoint was.
    return stopping.status().id() == ErrorId::kFileIo ? stopping.status() : Result(std::move(none));
  }
  const bool is_newest = (!found.ended || found.ended->checkpoint < stopping->checkpoint) &&
                         is_wanted(stopping->job_id, stopping->job_name);
  if (!is_newest) { return none; }
  for (const int64_t number : numbers) {
    if (number <= stopping->checkpoint) { break; }
    const std::string path = join_path(folder, fmt::format("chk-{}", number));
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool complete, files.exists(join_path(path, kMetadataName)));
    if (complete) { return none; }  // it has gone on
  }
  Result<CompletedSnapshot> savepoint = load_manifest(files, stopping->savepoint);
  if (savepoint.ok()) {
    TIDEWHEEL_RETURN_IF_ERROR(check_files(files, *savepoint));
    return std::optional(std::move(savepoint).value());
  }
  // It was not completed, so nothing has been committed for it.
  if (savepoint.status().id() == ErrorId::kSnapshotMissing) { return none; }
  return std::move(savepoint).status();
}

Result<JobFolder> look_through(FileSystem& files, const std::string& folder,
                               const IsWanted& is_wanted) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, list_if_there(files, folder));
  std::vector<int64_t> numbers;
  for (const DirectoryEntry& entry : entries) {
    const int64_t number = checkpoint_of_name(entry.name);
    if (number > 0 && entry.is_directory) { numbers.push_back(number); }
  }
  std::sort(numbers.rbegin(), numbers.rend());
  JobFolder found;
  if (std::any_of(entries.begin(), entries.end(),
                  [](const DirectoryEntry& entry) { return entry.name == kEndedName; })) {
    TIDEWHEEL_ASSIGN_OR_RETURN(found.ended, read_ended(files, folder));
    if (!is_wanted(found.ended->job_id, found.ended->job_name)) { return JobFolder(); }
    // The others are being deleted; newer ones were taken since it went on from its savepoint.
    std::erase_if(numbers, [&](int64_t number) { return number <= found.ended->checkpoint; });
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(found.newest, find_stopping(files, folder, found, numbers, is_wanted));
  if (found.newest) {
    found.ended.reset();
    return found;
  }
  bool has_others = false;
  for (const int64_t number : numbers) {
    const std::string path = join_path(folder, fmt::format("chk-{}", number));
    const Result<bool> complete = files.exists(join_path(path, kMetadataName));
    if (complete.ok() && !*complete) { continue; }  // it was under way when the job ended
    Result<CompletedSnapshot> snapshot = load_manifest(files, path);
    if (snapshot.ok() && !is_wanted(snapshot->manifest.job_id, snapshot->manifest.job_name)) {
      has_others = true;
      continue;
    }
    const Status status = snapshot.ok() ? check_files(files, *snapshot) : snapshot.status();
    if (status.ok()) {
      found.newest = std::move(snapshot).value();
      found.ended.reset();
      break;
    }
    // A disk that does not answer says nothing about what it has.
    if (status.id() == ErrorId::kFileIo) { return status; }
    TIDEWHEEL_MARK("checkpoint.damaged_one_passed_over");
    found.unusable.push_back(
        fmt::format("the checkpoint at {} can't be used: {}", path, status.message()));
  }
  // All that a folder has is of one job, then.
  if (has_others && !found.newest) { found.unusable.clear(); }
  return found;
}

// A run that was stopped with a savepoint goes on from that; any other has nothing left to do.
Result<CompletedSnapshot> go_on_from_end(World& world, const EndedJob& ended) {
  if (ended.savepoint.empty()) {
    return failed_precondition(ErrorId::kJobFinished,
                               "job '{}' has finished already: there is nothing to go on with. To "
                               "run it once more, start without --resume",
                               ended.job_name);
  }
  return load_snapshot(world, ended.savepoint)
      .with_context("job '{}' was stopped with a savepoint", ended.job_name);
}

}  // namespace

std::string path_of_file(const std::string& snapshot, const std::string& file) {
  const bool beside = file.find('/') == std::string::npos;
  return join_path(beside ? snapshot : parent_path(snapshot), file);
}

Result<EndedJob> read_ended(FileSystem& files, const std::string& folder) {
  return read_mark(files, folder, kEndedName);
}

Result<EndedJob> read_mark(FileSystem& files, const std::string& folder, std::string_view name) {
  const std::string path = join_path(folder, name);
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string bytes, read_all(files, path));
  return decode_ended(bytes).with_context("{}", path);
}

std::map<std::string, uint64_t> files_of(const Manifest& manifest) {
  std::map<std::string, uint64_t> files;
  for (const ManifestOperator& op : manifest.operators) {
    for (const OperatorSnapshot& subtask : op.subtasks) {
      for (const SegmentRef& segment : subtask.segments) {
        if (!segment.place.file.empty()) { files[segment.place.file] = segment.place.file_bytes; }
        for (const SnapshotFile& file : segment.files) { files[file.path] = file.bytes; }
      }
    }
  }
  return files;
}

int64_t checkpoint_of_name(std::string_view name) {
  constexpr std::string_view kPrefix = "chk-";
  if (!name.starts_with(kPrefix) || name.size() > kPrefix.size() + 18) { return 0; }
  int64_t number = 0;
  for (const char digit : name.substr(kPrefix.size())) {
    if (digit < '0' || digit > '9') { return 0; }
    number = number * 10 + (digit - '0');
  }
  return number;
}

Status carry_out(FileSystem& files, const Deletion& deletion) {
  if (!deletion.directory.empty()) {
    const std::string metadata = join_path(deletion.directory, kMetadataName);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files.exists(metadata));
    if (exists) {
      TIDEWHEEL_RETURN_IF_ERROR(removed(files.remove(metadata)));
      TIDEWHEEL_RETURN_IF_ERROR(files.sync_directory(deletion.directory));
    }
  }
  Status first;
  for (const std::string& file : deletion.files) {
    Status status = removed(files.remove(file));
    if (first.ok()) { first = std::move(status); }
  }
  if (!deletion.directory.empty()) {
    Status status = removed(files.remove_all(deletion.directory));
    if (first.ok()) { first = std::move(status); }
  }
  return first;
}

Result<BlockCodec> parse_snapshot_compression(std::string_view text) {
  if (text == "false" || text == "none" || text.empty()) { return BlockCodec::kNone; }
  if (text == "true" || text == "snappy") { return BlockCodec::kSnappy; }
  if (text == "lz4") { return BlockCodec::kLz4; }
  if (text == "zstd") { return BlockCodec::kZstd; }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} takes false, none, true, snappy, lz4 or zstd, not `{}`",
                          options::kSnapshotCompression.key, text);
}

Result<CheckpointStoreOptions> checkpoint_store_options(const Config& config, std::string job_id) {
  CheckpointStoreOptions store;
  store.directory = config.get(options::kCheckpointDirectory);
  store.job_id = std::move(job_id);
  store.job_subdirectory = config.get(options::kCheckpointSubdirectory);
  store.inline_bytes_max = static_cast<uint64_t>(config.get(options::kInlineThreshold));
  store.incremental = config.get(options::kIncrementalCheckpoints);
  TIDEWHEEL_ASSIGN_OR_RETURN(store.local, local_copy_options(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(store.compression,
                             parse_snapshot_compression(config.get(options::kSnapshotCompression)));
  return store;
}

Result<CompletedSnapshot> load_snapshot(World& world, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(CompletedSnapshot snapshot, load_manifest(world.files(), path));
  TIDEWHEEL_RETURN_IF_ERROR(check_files(world.files(), snapshot));
  return snapshot;
}

Status make_durable(World& world, const CompletedSnapshot& snapshot) {
  // All that it names was durable before its _metadata got that name.
  return world.files()
      .sync_directory(snapshot.path)
      .with_context("making {} durable", snapshot.path);
}

Result<CompletedSnapshot> find_newest_snapshot(World& world, const std::string& directory,
                                               const std::string& job_id,
                                               const std::string& job_name,
                                               std::vector<std::string>& warnings) {
  FileSystem& files = world.files();
  const auto is_wanted = [&](const std::string& id, const std::string& name) {
    return job_id.empty() ? job_name.empty() || name == job_name : id == job_id;
  };
  std::optional<CompletedSnapshot> newest;
  std::optional<EndedJob> ended;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto folders, job_folders(files, directory, job_id));
  for (const std::string& folder : folders) {
    TIDEWHEEL_ASSIGN_OR_RETURN(JobFolder found, look_through(files, folder, is_wanted));
    warnings.insert(warnings.end(), std::make_move_iterator(found.unusable.begin()),
                    std::make_move_iterator(found.unusable.end()));
    if (found.ended && (!ended || found.ended->wall_ms > ended->wall_ms)) {
      ended = std::move(found.ended);
    }
    if (!found.newest) { continue; }
    const auto age = [](const CompletedSnapshot& of) {
      return std::pair(of.manifest.complete_wall_ms, of.manifest.checkpoint);
    };
    // Within a job's folder numbers say which is newer: clocks may jump.
    if (!newest.has_value() || age(*found.newest) > age(*newest)) {
      newest = std::move(found.newest);
    }
  }
  if (ended && (!newest || ended->wall_ms > newest->manifest.complete_wall_ms)) {
    return go_on_from_end(world, *ended);
  }
  if (newest.has_value()) { return *std::move(newest); }
  const std::string of_job = job_name.empty() ? "" : " of job '" + job_name + "'";
  if (!warnings.empty()) {
    return data_loss(ErrorId::kNoUsableCheckpoint,
                     "no checkpoint{} below {} can be used:\n  {}\nTo begin anew, start without "
                     "--resume, or give another folder; output that was committed comes again then",
                     of_job, directory, fmt::join(warnings, "\n  "));
  }
  return not_found(ErrorId::kFileNotFound, "there is no complete checkpoint{} below {}", of_job,
                   directory);
}

Result<bool> has_run_without_end(World& world, const std::string& directory,
                                 const std::string& job_id) {
  FileSystem& files = world.files();
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto folders, list_if_there(files, directory));
  for (const DirectoryEntry& folder : folders) {
    if (!folder.is_directory || (!job_id.empty() && folder.name != job_id)) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries,
                               list_if_there(files, join_path(directory, folder.name)));
    const auto has = [&](std::string_view name) {
      return std::any_of(entries.begin(), entries.end(),
                         [&](const DirectoryEntry& entry) { return entry.name == name; });
    };
    if (has(kLockName) && !has(kEndedName)) { return true; }
  }
  return false;
}

Result<std::unique_ptr<SnapshotSource>> open_snapshot(World& world,
                                                      const CompletedSnapshot& snapshot,
                                                      const LocalCopyMap& copies) {
  return StoredSnapshot::open(world.files(), snapshot, copies);
}

Status dispose_savepoint(World& world, const std::string& path) {
  FileSystem& files = world.files();
  Deletion deletion;
  std::string directory = file_name(path) == kMetadataName ? parent_path(path) : path;
  while (directory.size() > 1 && directory.back() == '/') { directory.pop_back(); }
  const std::string metadata = join_path(directory, kMetadataName);
  const Result<std::string> bytes = read_all(files, metadata);
  if (!bytes.ok()) {
    return not_found(
        ErrorId::kSnapshotMissing,
        "there is no savepoint at {}: its folder is needed, with the file {} in it ({})", path,
        kMetadataName, bytes.status().message());
  }
  Result<Manifest> manifest = decode_manifest(*bytes);
  if (!manifest.ok()) { return std::move(manifest).status().with_context("{}", metadata); }
  if (manifest->kind != SnapshotKind::kSavepoint) {
    return failed_precondition(
        ErrorId::kSnapshotFormat,
        "this is a checkpoint, which its job deletes; only savepoints can be "
        "disposed of: {}",
        directory);
  }
  TIDEWHEEL_RETURN_IF_ERROR(files.remove(metadata));
  TIDEWHEEL_RETURN_IF_ERROR(files.sync_directory(directory));
  for (const auto& [file, size] : files_of(*manifest)) {
    TIDEWHEEL_RETURN_IF_ERROR(removed(files.remove(path_of_file(directory, file))));
  }
  // Whatever else somebody has put there stays.
  ignore(files.remove(directory), "it may not be empty");
  return ok_status();
}

}  // namespace tidewheel
