#include "tidewheel/base/memory_group.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace tidewheel {
namespace {

constexpr const char* kUnifiedRoot = "/sys/fs/cgroup";
constexpr const char* kMemoryRoot = "/sys/fs/cgroup/memory";

// Files of the kernel: small, and there at once.
std::string read_small(const std::string& path) {
  std::string text(16384, '\0');
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) { return {}; }
  const ssize_t bytes = ::read(file, text.data(), text.size());
  ::close(file);
  text.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return text;
}

// 0, or errno.
int write_small(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) { return errno; }
  const ssize_t bytes = ::write(file, text.data(), text.size());
  const int error = bytes < 0 ? errno : 0;
  ::close(file);
  return error;
}

// The group of this process in the hierarchy whose line of /proc/self/cgroup holds `controllers`.
std::optional<std::string> own_group(std::string_view controllers) {
  const std::string text = read_small("/proc/self/cgroup");
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) { continue; }
    if (line.substr(first + 1, second - first - 1) == controllers) {
      return std::string(line.substr(second + 1));
    }
  }
  return std::nullopt;
}

bool has_word(std::string_view text, std::string_view word) {
  size_t at = 0;
  while ((at = text.find(word, at)) != text.npos) {
    const bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n';
    const size_t end = at + word.size();
    if (begins && (end == text.size() || text[end] == ' ' || text[end] == '\n')) { return true; }
    at = end;
  }
  return false;
}

// The number behind a word; nothing if the text has none.
std::optional<int64_t> number_behind(std::string_view text, std::string_view word) {
  const size_t at = text.find(word);
  if (at == text.npos) { return std::nullopt; }
  int64_t number = 0;
  std::from_chars(text.data() + at + word.size(), text.data() + text.size(), number);
  return number;
}

constexpr std::string_view kKilled = "oom_kill ";

}  // namespace

int64_t killed_for_memory() {
  const std::string unified = kUnifiedRoot + own_group("").value_or("") + "/memory.events";
  const std::string memory = kMemoryRoot + own_group("memory").value_or("") + "/memory.oom_control";
  // In a container the root may be the process's group.
  const std::string paths[] = {unified, memory, std::string(kUnifiedRoot) + "/memory.events",
                               std::string(kMemoryRoot) + "/memory.oom_control"};
  for (const std::string& path : paths) {
    if (const auto count = number_behind(read_small(path), kKilled)) { return *count; }
  }
  return number_behind(read_small("/proc/vmstat"), kKilled).value_or(0);
}

MemoryGroup::~MemoryGroup() { ::rmdir(path_.c_str()); }

bool MemoryGroup::has_ended_one() const {
  return number_behind(read_small(events_file_), kKilled).value_or(0) > 0;
}

MemoryGroups::MemoryGroups() {
  if (const std::optional<std::string> group = own_group("memory")) {
    // The path is as seen from the hierarchy's root; in a container the root may be the group.
    root_ = kMemoryRoot + *group;
    if (::access((root_ + "/cgroup.procs").c_str(), W_OK) != 0) { root_ = kMemoryRoot; }
    if (::access((root_ + "/cgroup.procs").c_str(), W_OK) != 0) {
      why_not_ = "the control group of this process can't be written";
    }
    return;
  }
  const std::optional<std::string> group = own_group("");
  root_ = kUnifiedRoot + group.value_or("");
  is_unified_ = true;
  if (!has_word(read_small(root_ + "/cgroup.controllers"), "memory")) {
    why_not_ = "there is no control group with a memory controller for this process";
    return;
  }
  if (has_word(read_small(root_ + "/cgroup.subtree_control"), "memory")) { return; }
  // Controllers are handed on by groups without processes only: this one moves out of the way.
  const std::string own = root_ + "/tidewheel-" + std::to_string(::getpid());
  if (::mkdir(own.c_str(), 0755) != 0 || write_small(own + "/cgroup.procs", "0") != 0 ||
      write_small(root_ + "/cgroup.subtree_control", "+memory") != 0) {
    why_not_ = "the control group of this process is not delegated to it";
    write_small(root_ + "/cgroup.procs", "0");
    ::rmdir(own.c_str());
  }
}

MemoryGroups::~MemoryGroups() = default;

Result<std::unique_ptr<MemoryGroup>> MemoryGroups::make(const std::string& name,
                                                        int64_t bytes_max) {
  if (!why_not_.empty()) {
    return failed_precondition(ErrorId::kProcessStart, "memory can't be limited here: {}",
                               why_not_);
  }
  const std::string path = root_ + "/" + name;
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return unavailable(ErrorId::kProcessStart, "no control group can be made: {}: {}", path,
                       std::strerror(errno));
  }
  std::unique_ptr<MemoryGroup> group(
      new MemoryGroup(path, path + (is_unified_ ? "/memory.events" : "/memory.oom_control")));
  const std::string bytes = std::to_string(bytes_max);
  const int error =
      write_small(path + (is_unified_ ? "/memory.max" : "/memory.limit_in_bytes"), bytes);
  if (error != 0) {
    return unavailable(ErrorId::kProcessStart, "a control group's limit can't be set: {}: {}", path,
                       std::strerror(error));
  }
  // Where there is swap the limit would only move memory there.
  write_small(path + (is_unified_ ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes"),
              is_unified_ ? "0" : bytes);
  return group;
}

}  // namespace tidewheel
