// Limits of memory that the kernel enforces, by control groups: of version 2 where the process's
// group is delegated to it (as systemd does with Delegate=yes, and containers may), and version 1
// where its memory hierarchy can be written.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel {

// A group with a limit, for one process and its children; removed with the object, when all of them
// have ended.
class MemoryGroup {
 public:
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  // To which a process writes "0" to move itself here.
  const std::string& processes_file() const { return processes_file_; }
  // Whether the kernel has ended a process of it because of the limit.
  bool has_ended_one() const;

 private:
  friend class MemoryGroups;
  MemoryGroup(std::string path, std::string events_file)
      : path_(std::move(path)),
        processes_file_(path_ + "/cgroup.procs"),
        events_file_(std::move(events_file)) {}
  const std::string path_;
  const std::string processes_file_;
  const std::string events_file_;  // has a line "oom_kill N"
};

// Processes that the kernel has killed because there was no memory: those of this process's control
// group where it counts them, else those of the machine. Any thread.
int64_t killed_for_memory();

// Where this process may make groups. One thread.
class MemoryGroups {
 public:
  // Looks for a place; with version 2 this moves the process into a group of its own in the one
  // that it is in.
  MemoryGroups();
  ~MemoryGroups();
  // Empty: limits can be set.
  const std::string& why_not() const { return why_not_; }
  Result<std::unique_ptr<MemoryGroup>> make(const std::string& name, int64_t bytes_max);

 private:
  std::string root_;
  bool is_unified_ = false;
  std::string why_not_;
};

}  // namespace tidewheel
