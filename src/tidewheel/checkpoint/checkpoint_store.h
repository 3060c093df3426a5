// The checkpoints and savepoints of one job on a FileSystem: the coordinator's side of storage.
//
//   <directory>/<job id>/chk-<n>/_metadata    written last; until then there is no checkpoint n
//   <directory>/<job id>/chk-<n>/<file>       segments that only this checkpoint has
//   <directory>/<job id>/shared/<file>        segments that later checkpoints may refer to
//   <directory>/<job id>/taskowned/
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/ended_job.h"
#include "tidewheel/checkpoint/local_copies.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/checkpoint/snapshot_storage.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// `execution.checkpointing.snapshot-compression`. Errors: kBadOptionValue.
Result<BlockCodec> parse_snapshot_compression(std::string_view text);

struct CheckpointStoreOptions {
  std::string directory;  // of all jobs
  std::string job_id;
  bool job_subdirectory = true;  // execution.checkpointing.create-subdir
  uint64_t inline_bytes_max = 20 * 1024;
  BlockCodec compression = BlockCodec::kNone;
  bool incremental = false;  // later checkpoints may refer to what is written: it goes to shared/
  LocalCopyOptions local;
};

// From the configuration; `directory` may be empty. Errors: kBadOptionValue.
Result<CheckpointStoreOptions> checkpoint_store_options(const Config& config, std::string job_id);

// A snapshot that is complete on disk.
struct CompletedSnapshot {
  std::string path;  // the folder that has its _metadata
  Manifest manifest;
};

// From `open` to `close` the job's folder is this store's alone: another process that works on it
// is refused.
// Calls block, and come one at a time (the coordinator makes them on the blocking pool), but for
// those of SnapshotStorage, which any task makes. Nothing is deleted that a snapshot refers to
// which is kept here.
class CheckpointStore : public SnapshotStorage {
 public:
  // Without a directory it takes savepoints only. Errors: kFileLocked when another process works on
  // the job's folder.
  static Result<std::unique_ptr<CheckpointStore>> open(World& world,
                                                       CheckpointStoreOptions options);

  // Another process has written this for a checkpoint that is under way here, and has the files
  // named that it has put into shared/. Any thread.
  virtual void note_written(const TaskSnapshot& /*snapshot*/) {}
  // Where the files of a checkpoint will be; for CheckpointPlan::directory.
  virtual std::string directory_of(int64_t checkpoint) const = 0;
  // Makes the folder. For a savepoint: <target>/savepoint-<6 of job id>-<12 hex>, which it returns.
  virtual Result<std::string> prepare(int64_t checkpoint) = 0;
  virtual Result<std::string> prepare_savepoint(const std::string& target) = 0;

  // Writes _metadata, durably; from then on the snapshot exists, and a checkpoint is kept. The
  // segments of `manifest` that hold changes are put behind those of their base, which is kept
  // still.
  virtual Result<CompletedSnapshot> complete(const CheckpointPlan& plan, Manifest manifest) = 0;
  // After an error of `complete`: its _metadata may be there all the same, and whoever finds it
  // goes on from it. Removes it, durably; before that has succeeded nobody may be told that the
  // snapshot was given up.
  virtual Status withdraw(const CheckpointPlan& plan) = 0;
  // A checkpoint that was restored, or found, is kept from now on as if it had been completed here.
  virtual void adopt(const CompletedSnapshot& snapshot) = 0;
  // Deletes a kept checkpoint, and the shared files that no other refers to.
  virtual Status drop(int64_t checkpoint) = 0;
  // Forgets a checkpoint without deleting anything: it belongs to the user now.
  virtual void release(int64_t checkpoint) = 0;
  // The job goes on from checkpoint `from`, so those with higher numbers that the folder has, which
  // could not be used, are not to be taken for the newest one later: their folders are renamed to
  // passed-over-chk-<n>, and nobody deletes them. Gives the new paths.
  virtual Result<std::vector<std::string>> set_aside_newer(int64_t from) = 0;
  // What was written for a checkpoint that will not be complete.
  virtual Status discard(const CheckpointPlan& plan) = 0;
  // The highest number of a checkpoint that the folder had when the store was opened, complete or
  // not, 0 when there was none. New ones are numbered above it.
  virtual int64_t highest_found() const { return 0; }
  // The complete checkpoints that the folder had then and that nobody has adopted, the oldest
  // first. They are not deleted, nor what they refer to.
  virtual std::vector<CompletedSnapshot> found() const { return {}; }
  // Null: there are none, and nobody asks for them.
  virtual const LocalCopies* local_copies() const { return nullptr; }
  // Those kept, the oldest first.
  virtual std::vector<int64_t> kept() const = 0;
  // Deletes what dead processes have left: files in shared/ that nothing refers to, and checkpoints
  // that never became complete, if they are older than `age_ms`. Returns how many. `complete` does
  // so by itself now and then, with an age of an hour.
  virtual Result<int64_t> sweep(int64_t age_ms) = 0;
  // The job has come to its end, durably: no checkpoint of it is gone on from any more.
  virtual Status note_end(const EndedJob& ended) = 0;
  // A savepoint that the job is stopped with is about to be completed.
  virtual Status note_stopping(const EndedJob& stopping) = 0;
  // The last call: the job has ended, and others may work on its folder.
  virtual void close() = 0;
};

// Reads the _metadata at `path` (the folder, or the file), and checks that every file that it needs
// is there. Errors name what is missing or damaged.
Result<CompletedSnapshot> load_snapshot(World& world, const std::string& path);
// The newest snapshot below <directory> (of `job_id`, or of any job with this name when it is
// empty) that can be loaded; those that can't are named in `warnings`, unless they are of another
// job. When the newest run was stopped with a savepoint, it is that. Errors: kFileNotFound when
// there is none; kJobFinished when the newest run has come to its end; kNoUsableCheckpoint when
// there are some, but none that can be loaded, and what has been committed for them is not to be
// done again by mistake.
Result<CompletedSnapshot> find_newest_snapshot(World& world, const std::string& directory,
                                               const std::string& job_id,
                                               const std::string& job_name,
                                               std::vector<std::string>& warnings);
// Whether a run that has completed no checkpoint has left its traces below <directory> (in the
// folder of `job_id`, or in any when it is empty): it was killed, or is alive still.
Result<bool> has_run_without_end(World& world, const std::string& directory,
                                 const std::string& job_id);
// Reads all that it has of the operators that are wanted (null: of all), and compares it with its
// checksums: of what has a copy that, while it is as it should be. Errors: kSnapshotChecksum, and
// kSnapshotMissing for a file that is not there or may not be read; they name the file, and the
// operator and state that it belongs to.
Status verify_snapshot(World& world, const CompletedSnapshot& snapshot,
                       const std::function<bool(const std::string& uid)>& is_wanted,
                       const LocalCopyMap& copies = {});
// Makes sure that a snapshot that was found outlives a crash: the process that has written it may
// have died just before. To be called before anything is committed that only it holds.
Status make_durable(World& world, const CompletedSnapshot& snapshot);
// Readers for restoring it. Segments are read when they are asked for; from their copies where
// there are such.
Result<std::unique_ptr<SnapshotSource>> open_snapshot(World& world,
                                                      const CompletedSnapshot& snapshot,
                                                      const LocalCopyMap& copies = {});
// Deletes a savepoint that nobody needs any more.
Status dispose_savepoint(World& world, const std::string& path);

}  // namespace tidewheel
