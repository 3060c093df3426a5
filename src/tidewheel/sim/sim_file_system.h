// Files in memory that behave as disks do when things go wrong.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/sim/simulation.h"

namespace tidewheel {

// Chances of what may go wrong, by call.
struct SimDiskFaults {
  double read_error = 0;
  double write_error = 0;  // an unknown part of the bytes is written
  double sync_error = 0;   // the bytes since the last sync are never made durable by a later one
  double sync_lost = 0;    // a sync says that it is done, and has done nothing
  double rename_error = 0;
  double remove_error = 0;
  double bit_flip = 0;    // a read returns one bit wrong
  double short_read = 0;  // `read` returns fewer bytes than there are
  int64_t delay_ns_max = 0;
};

// One host's disks: each folder of the root is one, so there are no links between them. What was
// written survives crash() as far as it was synced: of what comes after, a drawn part is there,
// possibly torn. The same holds for names in directories that were not synced.
class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem(Simulation& simulation, const Clock& clock);
  ~SimFileSystem() override;

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_all(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                         const std::string& holder) override;

  // The process that has one of this disk's locks is dead: the file is free, and stays.
  static void let_go(FileLock& lock);

  void set_faults(const SimDiskFaults& faults) { faults_ = faults; }
  // The disk holds so many bytes; more is "no space left".
  void set_capacity(int64_t bytes) { capacity_bytes_ = bytes; }
  int64_t used_bytes() const;
  // The way to a folder is cut: what is below it can't be opened to be read. Empty: to none.
  void set_unreachable(std::string folder) { unreachable_ = std::move(folder); }
  int64_t reads_refused() const { return reads_refused_; }  // for that reason
  // The host loses its power: open files fail from here on, and the disk is as it may be found
  // after.
  void crash();
  // What a crash would leave of the file for sure, faults or not; nothing when the file, or a name
  // on the way to it, need not be there.
  std::optional<std::string> durable_content(const std::string& path) const;
  // The same without a copy, null when there is nothing; until the next call that is not const.
  const std::string* durable_bytes(const std::string& path) const;
  // All files below `path`, without faults, time or decisions.
  std::vector<std::string> files_below(const std::string& path) const;
  // One bit of the file's bytes on disk turns.
  Status flip_bit(const std::string& path);
  // A part of the file's end is gone.
  Status cut_short(const std::string& path);

 private:
  struct Node;
  class OpenRead;
  class OpenWrite;
  class Lock;
  using NodeRef = std::shared_ptr<Node>;

  Result<NodeRef> find(std::string_view doing, const std::string& path);
  Result<NodeRef> find_parent(std::string_view doing, const std::string& path, std::string& name);
  NodeRef new_node(bool is_directory);
  void take_time();
  bool happens(double chance);
  void crash_node(const NodeRef& node);

  Simulation& simulation_;
  const Clock& clock_;
  Random random_;
  SimDiskFaults faults_;
  int64_t capacity_bytes_ = Clock::kNever;
  std::string unreachable_;
  int64_t reads_refused_ = 0;
  uint64_t next_id_ = 1;
  uint64_t epoch_ = 0;  // counts crashes; files opened before one fail after it
  NodeRef root_;
};

}  // namespace tidewheel
