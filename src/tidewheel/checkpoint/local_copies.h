// Copies of the files of a job's newest checkpoint on local disks, for a fast recovery:
//
//   <one of the directories>/<job id>/<name of the file>
//
// A copy has the name and the bytes of its file, and is never the truth: the manifest says which
// files there are, with sizes and checksums, and a copy that does not fit is not used. So copies
// are not synced, need no manifest of their own, and any of them may be deleted at any time.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/state/local_copy.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// The copies of a snapshot's files, by the names that its manifest gives them.
using LocalCopyMap = std::map<std::string, std::shared_ptr<const LocalCopy>>;

struct LocalCopyOptions {
  std::vector<std::string> directories;
  bool writes = false;  // execution.checkpointing.local-backup.enabled
  bool reads = false;   // execution.state-recovery.from-local
};
// Errors: kBadOptionValue.
Result<LocalCopyOptions> local_copy_options(const Config& config);

class LocalCopies {
 public:
  // Makes the job's folders, and removes those of jobs that nobody has used for a day. Blocks. No
  // failure stops a job: it is logged.
  LocalCopies(World& world, LocalCopyOptions options, std::string job_id);

  // ---- Any thread.
  bool writes() const { return options_.writes; }
  // Where the copy of a file goes: always the same place, while the directories are the same.
  std::string place_of(std::string_view file) const { return place_of(job_id_, file); }
  void note_failed_write(const std::string& path, const Status& why);
  const LocalCopyFigures& figures() const { return *figures_; }
  // The files were written for nothing. Blocks.
  void discard(const std::vector<std::string>& files);
  // The copies that there are of files that the manifest names. Blocks.
  LocalCopyMap find(const Manifest& manifest) const;

  // ---- One call at a time, on the blocking pool. What can't be removed is removed later.
  // The checkpoint is complete: copies that neither it nor a later one has are removed.
  void confirm(const Manifest& manifest);
  // The job goes on from this checkpoint, so its copies, if there are any, are the newest.
  void adopt(const Manifest& manifest);
  // The checkpoint is gone. When it was the newest so are all copies, and the job's folders.
  void drop(int64_t checkpoint);

 private:
  std::string place_of(const std::string& job_id, std::string_view file) const;
  void remove_abandoned_jobs();

  World& world_;
  const LocalCopyOptions options_;
  const std::string job_id_;
  const std::shared_ptr<LocalCopyFigures> figures_;
  std::atomic<bool> fails_{false};  // the last copy could not be written
  int64_t confirmed_ = 0;
};

}  // namespace tidewheel
