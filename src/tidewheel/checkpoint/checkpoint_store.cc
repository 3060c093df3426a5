#include "tidewheel/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/base/version.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/layers.h"
#include "tidewheel/checkpoint/new_files.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/checkpoint/task_snapshot_writer.h"
#include "tidewheel/checkpoint/worker_storage.h"

namespace tidewheel {
namespace {

constexpr std::string_view kSavepointPrefix = "savepoint-";
constexpr std::string_view kPassedOverPrefix = "passed-over-";

class FileCheckpointStore final : public CheckpointStore {
 public:
  FileCheckpointStore(World& world, CheckpointStoreOptions options)
      : world_(world),
        files_(world.files()),
        options_(std::move(options)),
        root_(checkpoint_root(options_)),
        shared_(join_path(root_, kSharedName)),
        random_(world.fork_random()) {}

  // Makes the job's folders, and looks at what they hold.
  Status start() {
    if (options_.directory.empty()) { return ok_status(); }
    if (options_.local.writes || options_.local.reads) {
      copies_ = std::make_shared<LocalCopies>(world_, options_.local, options_.job_id);
    }
    TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(root_));
    auto lock = files_.lock(join_path(root_, kLockName), fmt::format("job {}", options_.job_id));
    if (!lock.ok()) {
      return std::move(lock).status().with_context(
          "the job's checkpoints in {} belong to one process at a time", root_);
    }
    folder_lock_ = std::move(lock).value();
    TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(shared_));
    TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(join_path(root_, kTaskOwnedName)));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_.list(root_));
    bool all_known = true;
    for (const DirectoryEntry& entry : entries) {
      if (entry.name == kEndedName) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const EndedJob ended, read_ended(files_, root_));
        highest_found_ = std::max(highest_found_, ended.checkpoint);
      }
      if (entry.name == kStoppingName) {
        const Result<EndedJob> stopping = read_mark(files_, root_, kStoppingName);
        if (stopping.ok()) { highest_found_ = std::max(highest_found_, stopping->checkpoint); }
      }
      const int64_t number = checkpoint_of_name(entry.name);
      if (number == 0) { continue; }
      highest_found_ = std::max(highest_found_, number);
      const std::string path = join_path(root_, entry.name);
      const Result<std::string> bytes = read_all(files_, join_path(path, kMetadataName));
      if (!bytes.ok() && bytes.status().id() == ErrorId::kFileNotFound) { continue; }
      Result<Manifest> manifest = bytes.ok() ? decode_manifest(*bytes) : bytes.status();
      if (!manifest.ok()) {
        all_known = false;
        continue;
      }
      found_[number] = refer(path, std::move(manifest).value());
    }
    if (!all_known) { TIDEWHEEL_RETURN_IF_ERROR(pin_all_shared()); }
    return ok_status();
  }

  // ---- SnapshotStorage: any thread ----
  std::unique_ptr<TaskSnapshotWriter> write(const CheckpointPlan& plan, int32_t vertex,
                                            int32_t subtask) override {
    TaskFileOptions file = task_file_options(options_, plan);
    if (plan.kind != SnapshotKind::kSavepoint && copies_ != nullptr && copies_->writes()) {
      file.copies = copies_;
    }
    std::shared_ptr<NewFiles> new_files;
    {
      const std::lock_guard guard(lock_);
      file.name = fmt::format("{}-{}-{}-{:016x}", plan.id, vertex, subtask, random_.next());
      new_files = under_way(plan.id);
    }
    return make_task_snapshot_writer(files_, world_.executor(), std::move(new_files),
                                     std::move(file));
  }

  void note_written(const TaskSnapshot& snapshot) override {
    const std::lock_guard guard(lock_);
    const std::shared_ptr<NewFiles> files = under_way(snapshot.checkpoint);
    // Others have come with earlier checkpoints.
    const std::string beginning = fmt::format("shared/{}-", snapshot.checkpoint);
    const auto add = [&](const std::string& file) {
      if (file.starts_with(beginning)) { files->add(join_path(root_, file)); }
    };
    for (const OperatorSnapshot& op : snapshot.operators) {
      for (const SegmentRef& segment : op.segments) {
        add(segment.place.file);
        for (const SnapshotFile& file : segment.files) { add(file.path); }
      }
    }
  }

  // ---- the coordinator's calls, one at a time ----
  std::string directory_of(int64_t checkpoint) const override {
    return join_path(root_, fmt::format("chk-{}", checkpoint));
  }

  Result<std::string> prepare(int64_t checkpoint) override {
    if (options_.directory.empty()) {
      return invalid_argument(ErrorId::kBadOptionValue,
                              "checkpoints need a folder: execution.checkpointing.dir is not set");
    }
    const std::string directory = directory_of(checkpoint);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool complete,
                               files_.exists(join_path(directory, kMetadataName)));
    if (complete) {
      return already_exists(ErrorId::kFileExists,
                            "checkpoint {} exists already, another run of the job has made it: {}",
                            checkpoint, directory);
    }
    TIDEWHEEL_RETURN_IF_ERROR(files_.remove_all(directory));  // of a run that has died
    TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(directory));
    const std::lock_guard guard(lock_);
    under_way(checkpoint);
    return directory;
  }

  Result<std::string> prepare_savepoint(const std::string& target) override {
    uint64_t number = 0;
    {
      const std::lock_guard guard(lock_);
      number = random_.next() >> 16;
    }
    std::string directory = join_path(target, fmt::format("{}{}-{:012x}", kSavepointPrefix,
                                                          options_.job_id.substr(0, 6), number));
    TIDEWHEEL_RETURN_IF_ERROR(files_.make_directories(directory));
    return directory;
  }

  Result<CompletedSnapshot> complete(const CheckpointPlan& plan, Manifest manifest) override {
    retry_deletions();
    TIDEWHEEL_RETURN_IF_ERROR(link_layers(manifest));
    if (manifest.written_by.empty()) { manifest.written_by = kVersion; }
    if (manifest.complete_wall_ms == 0) { manifest.complete_wall_ms = world_.clock().wall_ms(); }
    CompletedSnapshot snapshot{directory_of_plan(plan), std::move(manifest)};
    const auto files = files_of(snapshot.manifest);
    const bool has_shared = std::any_of(files.begin(), files.end(), [](const auto& file) {
      return file.first.find('/') != std::string::npos;
    });
    if (plan.kind == SnapshotKind::kSavepoint && has_shared) {
      return data_loss(ErrorId::kSnapshotFormat,
                       "a savepoint would share files with a checkpoint: {}", snapshot.path);
    }
    TIDEWHEEL_RETURN_IF_ERROR(check_shared(plan, snapshot.path, files));
    // The names of the files, then that of _metadata: it never refers to a file that is not there.
    TIDEWHEEL_RETURN_IF_ERROR(files_.sync_directory(snapshot.path));
    if (has_shared) { TIDEWHEEL_RETURN_IF_ERROR(files_.sync_directory(shared_)); }
    TIDEWHEEL_RETURN_IF_ERROR(write_all_durably(files_, join_path(snapshot.path, kMetadataName),
                                                encode_manifest(snapshot.manifest)));
    if (plan.kind == SnapshotKind::kCheckpoint) {
      kept_[plan.id] = refer(snapshot.path, snapshot.manifest);
      if (copies_ != nullptr) { copies_->confirm(snapshot.manifest); }
    }
    remove_stray(plan, snapshot.path, files);
    sweep_now_and_then();
    return snapshot;
  }

  Status withdraw(const CheckpointPlan& plan) override {
    const std::string directory = directory_of_plan(plan);
    const Status removed = files_.remove(join_path(directory, kMetadataName));
    if (!removed.ok() && removed.id() != ErrorId::kFileNotFound) { return removed; }
    // Also when it was not there: it may have been removed by an attempt that failed after that.
    Status synced = files_.sync_directory(directory);
    if (!synced.ok() && synced.id() == ErrorId::kFileNotFound) { return ok_status(); }
    return synced;
  }

  void adopt(const CompletedSnapshot& snapshot) override {
    const int64_t number = snapshot.manifest.checkpoint;
    if (kept_.contains(number)) { return; }
    if (copies_ != nullptr) { copies_->adopt(snapshot.manifest); }
    const auto found = found_.find(number);
    if (found != found_.end() && is_same(found->second.path, snapshot.path)) {
      kept_[number] = std::move(found->second);
      found_.erase(found);
    } else {
      kept_[number] = refer(snapshot.path, snapshot.manifest);
    }
  }

  Status drop(int64_t checkpoint) override {
    retry_deletions();
    const auto kept = kept_.find(checkpoint);
    if (kept == kept_.end()) { return ok_status(); }
    const Kept dropped = std::move(kept->second);
    kept_.erase(kept);
    if (copies_ != nullptr) { copies_->drop(checkpoint); }
    Deletion deletion;
    deletion.directory = dropped.path;
    for (const std::string& file : dropped.shared) {
      const auto count = references_.find(file);
      TIDEWHEEL_CHECK(count != references_.end() && count->second > 0, "{} is not referred to",
                      file);
      if (--count->second == 0) { references_.erase(count); }
      const bool needed = references_.contains(file) || pinned_.contains(file);
      if (!needed || TIDEWHEEL_MUTANT("shared_file_deleted_too_early")) {
        deletion.files.push_back(file);
      } else {
        TIDEWHEEL_MARK("checkpoint.shared_file_outlives_checkpoint");
      }
    }
    return carry_out_or_retry(std::move(deletion));
  }

  void release(int64_t checkpoint) override {
    // Its files stay referred to, for as long as this store lives.
    kept_.erase(checkpoint);
  }

  Result<std::vector<std::string>> set_aside_newer(int64_t from) override {
    std::vector<std::string> set_aside;
    if (options_.directory.empty()) { return set_aside; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_.list(root_));
    for (const DirectoryEntry& entry : entries) {
      const int64_t number = checkpoint_of_name(entry.name);
      if (number <= from || kept_.contains(number)) { continue; }
      const std::string path = join_path(root_, entry.name);
      const Result<bool> complete = files_.exists(join_path(path, kMetadataName));
      if (complete.ok() && !*complete) { continue; }  // it was under way when the job ended
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string to, free_name(kPassedOverPrefix, entry.name));
      TIDEWHEEL_RETURN_IF_ERROR(files_.rename(path, to));
      TIDEWHEEL_MARK("checkpoint.passed_over");
      found_.erase(number);  // its shared files stay referred to, for as long as this store lives
      set_aside.push_back(std::move(to));
    }
    return set_aside;
  }

  Status discard(const CheckpointPlan& plan) override {
    TIDEWHEEL_CHECK(plan.kind == SnapshotKind::kSavepoint || !kept_.contains(plan.id),
                    "checkpoint {} is complete and can't be discarded", plan.id);
    Deletion deletion;
    std::vector<std::string> written = end_new_files(plan.id);
    if (copies_ != nullptr) { copies_->discard(written); }
    for (std::string& file : written) {
      if (!references_.contains(file) && !pinned_.contains(file)) {
        deletion.files.push_back(std::move(file));
      }
    }
    const std::string directory = directory_of_plan(plan);
    // Only a folder that was made by prepare_savepoint is known to be the savepoint's own.
    if (plan.kind == SnapshotKind::kCheckpoint ||
        file_name(directory).starts_with(kSavepointPrefix)) {
      deletion.directory = directory;
    }
    return carry_out_or_retry(std::move(deletion));
  }

  std::vector<int64_t> kept() const override {
    std::vector<int64_t> numbers;
    for (const auto& [number, snapshot] : kept_) { numbers.push_back(number); }
    return numbers;
  }

  Status note_end(const EndedJob& ended) override {
    if (options_.directory.empty()) { return ok_status(); }
    return write_all_durably(files_, join_path(root_, kEndedName), encode_ended(ended));
  }

  Status note_stopping(const EndedJob& stopping) override {
    if (options_.directory.empty()) { return ok_status(); }
    return write_all_durably(files_, join_path(root_, kStoppingName), encode_ended(stopping));
  }

  void close() override { folder_lock_ = nullptr; }

  int64_t highest_found() const override { return highest_found_; }
  const LocalCopies* local_copies() const override { return copies_.get(); }

  std::vector<CompletedSnapshot> found() const override {
    std::vector<CompletedSnapshot> snapshots;
    for (const auto& [number, found] : found_) {
      snapshots.push_back({found.path, found.manifest});
    }
    return snapshots;
  }

  Result<int64_t> sweep(int64_t age_ms) override {
    retry_deletions();
    const int64_t newest_ms = world_.clock().wall_ms() - age_ms;
    int64_t removed = 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto shared, files_.list(shared_));
    for (const DirectoryEntry& entry : shared) {
      const std::string path = join_path(shared_, entry.name);
      if (references_.contains(path) || pinned_.contains(path) || is_being_written(path) ||
          waits_for_deletion(path)) {
        continue;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, files_.info(path));
      if (info.modified_ms > newest_ms) { continue; }
      TIDEWHEEL_RETURN_IF_ERROR(files_.remove_all(path));
      TIDEWHEEL_MARK("checkpoint.orphan_swept");
      ++removed;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_.list(root_));
    for (const DirectoryEntry& entry : entries) {
      const int64_t number = checkpoint_of_name(entry.name);
      if (number == 0 || is_under_way(number)) { continue; }
      const std::string path = join_path(root_, entry.name);
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool complete,
                                 files_.exists(join_path(path, kMetadataName)));
      if (complete) { continue; }
      TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, files_.info(path));
      if (info.modified_ms > newest_ms) { continue; }
      TIDEWHEEL_RETURN_IF_ERROR(files_.remove_all(path));
      ++removed;
    }
    return removed;
  }

 private:
  struct Kept {
    std::string path;
    Manifest manifest;
    std::vector<std::string> shared;  // paths of files that others may need too
  };

  std::string directory_of_plan(const CheckpointPlan& plan) const {
    return plan.directory.empty() ? directory_of(plan.id) : plan.directory;
  }

  Result<std::string> free_name(std::string_view prefix, const std::string& name) {
    for (int32_t i = 1;; ++i) {
      const std::string suffix = i == 1 ? std::string() : fmt::format("-{}", i);
      std::string path = join_path(root_, fmt::format("{}{}{}", prefix, name, suffix));
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool taken, files_.exists(path));
      if (!taken) { return path; }
    }
  }

  // Whether two paths are of the same snapshot.
  bool is_same(const std::string& a, const std::string& b) {
    if (a == b) { return true; }
    const Result<FileInfo> left = files_.info(join_path(a, kMetadataName));
    const Result<FileInfo> right = files_.info(join_path(b, kMetadataName));
    return left.ok() && right.ok() && left->id == right->id;
  }

  // Counts the shared files of a snapshot as referred to.
  Kept refer(const std::string& path, Manifest manifest) {
    Kept kept{path, std::move(manifest), {}};
    for (const auto& [file, size] : files_of(kept.manifest)) {
      if (file.find('/') == std::string::npos) { continue; }
      kept.shared.push_back(path_of_file(path, file));
      ++references_[kept.shared.back()];
    }
    return kept;
  }

  // A checkpoint can't be read, so it may need any file that there is now.
  Status pin_all_shared() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files_.list(shared_));
    for (const DirectoryEntry& entry : entries) { pinned_.insert(join_path(shared_, entry.name)); }
    return ok_status();
  }

  Status link_layers(Manifest& manifest) {
    std::set<int64_t> bases;
    for (const ManifestOperator& op : manifest.operators) {
      for (const OperatorSnapshot& subtask : op.subtasks) {
        for (const SegmentRef& segment : subtask.segments) {
          if (segment.content == StateContent::kChanges) { bases.insert(segment.base_checkpoint); }
        }
      }
    }
    for (const int64_t base : bases) {
      const auto found = kept_.find(base);
      if (found == kept_.end()) {
        return data_loss(ErrorId::kSnapshotMissing,
                         "changes to checkpoint {} were written, which is not kept", base);
      }
      TIDEWHEEL_RETURN_IF_ERROR(put_on_base(found->second.manifest, manifest));
    }
    return ok_status();
  }

  // ---- files that are being written ----

  // Under lock_.
  std::shared_ptr<NewFiles> under_way(int64_t checkpoint) {
    std::shared_ptr<NewFiles>& found = under_way_[checkpoint];
    if (found == nullptr) { found = std::make_shared<NewFiles>(over_.contains(checkpoint)); }
    return found;
  }
  std::vector<std::string> end_new_files(int64_t checkpoint) {
    std::shared_ptr<NewFiles> ended;
    {
      const std::lock_guard guard(lock_);
      ended = under_way(checkpoint);
      under_way_.erase(checkpoint);
      over_.insert(checkpoint);
      while (over_.size() > kOverMax) { over_.erase(over_.begin()); }
    }
    return ended->end();
  }
  bool is_under_way(int64_t checkpoint) {
    const std::lock_guard guard(lock_);
    return under_way_.contains(checkpoint);
  }
  // Names begin with the number of their checkpoint.
  bool is_being_written(const std::string& path) {
    const std::string name = file_name(path);
    return is_under_way(checkpoint_of_name("chk-" + name.substr(0, name.find('-'))));
  }

  // A shared file was written for this checkpoint, or belongs to one that is kept: others may be
  // gone at any time.
  Status check_shared(const CheckpointPlan& plan, const std::string& path,
                      const std::map<std::string, uint64_t>& named) {
    std::shared_ptr<NewFiles> own;
    {
      const std::lock_guard guard(lock_);
      own = under_way(plan.id);
    }
    const std::vector<std::string> paths = own->paths();
    const std::set<std::string> written(paths.begin(), paths.end());
    for (const auto& [file, size] : named) {
      const std::string shared = path_of_file(path, file);
      if (file.find('/') != std::string::npos && !references_.contains(shared) &&
          !written.contains(shared)) {
        return data_loss(ErrorId::kSnapshotMissing,
                         "checkpoint {} needs a file that no checkpoint has kept: {}", plan.id,
                         shared);
      }
    }
    return ok_status();
  }

  // Files that were written for a checkpoint that does not need them: those of tasks that were
  // started again meanwhile.
  void remove_stray(const CheckpointPlan& plan, const std::string& path,
                    const std::map<std::string, uint64_t>& named) {
    std::set<std::string> needed;
    for (const auto& [file, size] : named) { needed.insert(path_of_file(path, file)); }
    Deletion stray;
    for (std::string& file : end_new_files(plan.id)) {
      if (!needed.contains(file)) { stray.files.push_back(std::move(file)); }
    }
    ignore(carry_out_or_retry(std::move(stray)), "tried again later");
  }

  // ---- deletion ----

  void sweep_now_and_then() {
    const int64_t now_ns = world_.clock().now_ns();
    if (options_.directory.empty() || now_ns < next_sweep_ns_) { return; }
    next_sweep_ns_ = now_ns + kSweepEachNs;
    ignore(sweep(kSweepAgeMs).status(), "it is done again");
  }

  Status carry_out_or_retry(Deletion deletion) {
    Status status = carry_out(files_, deletion);
    if (!status.ok()) {
      TIDEWHEEL_MARK("checkpoint.deletion_failed");
      deletions_.push_back(std::move(deletion));
    }
    return status;
  }
  void retry_deletions() {
    int32_t failures = 0;
    std::erase_if(deletions_, [&](const Deletion& deletion) {
      if (failures == kRetriesMax) { return false; }
      const bool done = carry_out(files_, deletion).ok();
      failures += done ? 0 : 1;
      return done;
    });
  }
  // Its _metadata may be there still, so the order matters.
  bool waits_for_deletion(const std::string& path) const {
    return std::any_of(deletions_.begin(), deletions_.end(), [&path](const Deletion& deletion) {
      return std::find(deletion.files.begin(), deletion.files.end(), path) != deletion.files.end();
    });
  }

  static constexpr size_t kOverMax = 1000;
  static constexpr int64_t kSweepEachNs = int64_t{600} * 1'000'000'000;
  static constexpr int64_t kSweepAgeMs = int64_t{3600} * 1'000;
  static constexpr int32_t kRetriesMax = 8;  // failed ones, at a time

  World& world_;
  FileSystem& files_;
  const CheckpointStoreOptions options_;
  const std::string root_;  // the job's folder
  const std::string shared_;
  std::unique_ptr<FileLock> folder_lock_;
  std::shared_ptr<LocalCopies> copies_;
  int64_t highest_found_ = 0;

  LeafLock lock_;  // guards the next three
  Random random_;
  std::map<int64_t, std::shared_ptr<NewFiles>> under_way_;  // by checkpoint
  std::set<int64_t> over_;  // the newest checkpoints that are not under way any more

  std::map<int64_t, Kept> kept_;
  // Complete checkpoints that the folder had at the start: they are the user's until they are
  // adopted, and keep their files.
  std::map<int64_t, Kept> found_;
  int64_t next_sweep_ns_ = INT64_MIN;
  std::map<std::string, int64_t> references_;  // shared files, by how many snapshots need them
  std::set<std::string> pinned_;               // shared files that may not be deleted in any case
  std::vector<Deletion> deletions_;            // that have failed; one a checkpoint at most
};

}  // namespace

Result<std::unique_ptr<CheckpointStore>> CheckpointStore::open(World& world,
                                                               CheckpointStoreOptions options) {
  if (options.directory.empty()) { options.incremental = false; }
  auto store = std::make_unique<FileCheckpointStore>(world, std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(store->start());
  return std::unique_ptr<CheckpointStore>(std::move(store));
}

}  // namespace tidewheel
