#include "tidewheel/checkpoint/worker_storage.h"

#include <mutex>
#include <utility>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/snapshot_files.h"

namespace tidewheel {
namespace {

constexpr size_t kOverCheckpointsMax = 256;

std::shared_ptr<LocalCopies> make_copies(World& world, const CheckpointStoreOptions& options) {
  const bool any = options.local.writes || options.local.reads;
  if (options.directory.empty() || !any) { return nullptr; }
  return std::make_shared<LocalCopies>(world, options.local, options.job_id);
}

}  // namespace

std::string checkpoint_root(const CheckpointStoreOptions& options) {
  return options.job_subdirectory ? join_path(options.directory, options.job_id)
                                  : options.directory;
}

TaskFileOptions task_file_options(const CheckpointStoreOptions& options,
                                  const CheckpointPlan& plan) {
  const std::string root = checkpoint_root(options);
  const bool savepoint = plan.kind == SnapshotKind::kSavepoint;
  const bool shared = !savepoint && options.incremental;
  TaskFileOptions file;
  file.prefix = shared ? "shared/" : "";
  if (shared) {
    file.directory = join_path(root, kSharedName);
  } else {
    file.directory =
        plan.directory.empty() ? join_path(root, fmt::format("chk-{}", plan.id)) : plan.directory;
  }
  file.base_checkpoint = plan.base_checkpoint;
  file.codec = options.compression;
  file.inline_bytes_max = options.inline_bytes_max;
  file.takes_files = savepoint ? plan.form == SavepointForm::kNative : options.incremental;
  return file;
}

WorkerStorage::WorkerStorage(World& world, CheckpointStoreOptions options)
    : world_(world),
      options_(std::move(options)),
      random_(world.fork_random()),
      copies_(make_copies(world, options_)),
      copy_jobs_(world.executor()) {}

std::unique_ptr<TaskSnapshotWriter> WorkerStorage::write(const CheckpointPlan& plan, int32_t vertex,
                                                         int32_t subtask) {
  TaskFileOptions file = task_file_options(options_, plan);
  if (plan.kind != SnapshotKind::kSavepoint && copies_ != nullptr && copies_->writes()) {
    file.copies = copies_;
  }
  std::shared_ptr<NewFiles> files;
  {
    const std::lock_guard guard(lock_);
    file.name = fmt::format("{}-{}-{}-{:016x}", plan.id, vertex, subtask, random_.next());
    std::shared_ptr<NewFiles>& found = under_way_[plan.id];
    if (found == nullptr) { found = std::make_shared<NewFiles>(over_.contains(plan.id)); }
    files = found;
  }
  return make_task_snapshot_writer(world_.files(), world_.executor(), std::move(files),
                                   std::move(file));
}

// The manifest says which copies are needed still.
void WorkerStorage::confirm_copies(int64_t checkpoint) {
  if (copies_ == nullptr || !copies_->writes()) { return; }
  copy_jobs_.run([this, checkpoint] {
    const std::string folder =
        join_path(checkpoint_root(options_), fmt::format("chk-{}", checkpoint));
    const Result<std::string> bytes = read_all(world_.files(), join_path(folder, kMetadataName));
    if (!bytes.ok()) { return; }  // a savepoint, or a newer one has taken its place
    const Result<Manifest> manifest = decode_manifest(*bytes);
    if (!manifest.ok()) { return; }  // the copies wait for the next checkpoint
    newest_copied_ = checkpoint;
    copies_->confirm(*manifest);
  });
}

LocalCopyMap WorkerStorage::find_copies(const Manifest& manifest) {
  return copies_ == nullptr ? LocalCopyMap() : copies_->find(manifest);
}

void WorkerStorage::drop_copies() {
  if (copies_ == nullptr) { return; }
  copy_jobs_.run([this] { copies_->drop(newest_copied_); });
}

void WorkerStorage::end(int64_t checkpoint, bool complete) {
  if (complete) { confirm_copies(checkpoint); }
  std::shared_ptr<NewFiles> ended;
  {
    const std::lock_guard guard(lock_);
    const auto found = under_way_.find(checkpoint);
    if (found != under_way_.end()) {
      ended = std::move(found->second);
      under_way_.erase(found);
    }
    over_.insert(checkpoint);
    while (over_.size() > kOverCheckpointsMax) { over_.erase(over_.begin()); }
  }
  if (ended == nullptr) { return; }
  std::vector<std::string> written = ended->end();
  if (complete || written.empty()) { return; }
  if (copies_ != nullptr) {
    copy_jobs_.run([this, written] { copies_->discard(written); });
  }
  world_.executor().run_blocking([&files = world_.files(), written = std::move(written)] {
    ignore(carry_out(files, {.directory = {}, .files = written}), "the master's sweep finds them");
  });
}

}  // namespace tidewheel
