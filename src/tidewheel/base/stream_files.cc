#include "tidewheel/base/stream_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>

#include "tidewheel/base/process.h"

namespace tidewheel {
namespace {

constexpr int kStreams[] = {STDOUT_FILENO, STDERR_FILENO};

struct Limited {
  std::mutex mutex;  // guards the rest; held while files are renamed
  StreamFileLimits limits;
  std::string path[2];  // of kStreams; empty: it goes to no file
};

// Never destroyed: threads may log while the process ends.
Limited& limited() {
  static Limited* const all = new Limited;
  return *all;
}
std::atomic<bool> is_limited{false};

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// All streams that go to the file now go to the one that has its name.
void go_over(const Limited& all, const struct stat& from, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) { return; }
  for (int i = 0; i < 2; ++i) {
    struct stat now {};
    if (all.path[i] == path && ::fstat(kStreams[i], &now) == 0 && is_same(now, from)) {
      ::dup2(file, kStreams[i]);
    }
  }
  ::close(file);
}

// The new file is there, under another name, before the old one is renamed: what can't be made
// leaves all as it was.
void put_away(const std::string& path, mode_t mode, int32_t files_max) {
  const std::string next = path + ".new";
  const int file = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode & 0777);
  if (file < 0) { return; }
  ::close(file);
  for (int32_t number = files_max - 1; number >= 1; --number) {
    // Most are not there.
    static_cast<void>(std::rename(fmt::format("{}.{}", path, number).c_str(),
                                  fmt::format("{}.{}", path, number + 1).c_str()));
  }
  // The name is never without a file: whoever opens it meanwhile gets the old one or the new one.
  const std::string older = path + ".1";
  if ((::link(path.c_str(), older.c_str()) != 0 && std::rename(path.c_str(), older.c_str()) != 0) ||
      std::rename(next.c_str(), path.c_str()) != 0) {
    ::unlink(next.c_str());
  }
}

void look_after(const Limited& all, int index) {
  const std::string& path = all.path[index];
  struct stat own {};
  struct stat named {};
  if (path.empty() || ::fstat(kStreams[index], &own) != 0 || ::stat(path.c_str(), &named) != 0) {
    return;
  }
  if (is_same(own, named)) {
    if (own.st_size <= all.limits.bytes_max) { return; }
    // Whoever else has the file waits for the lock, and finds that the name is another file's.
    const int lock = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (lock < 0) { return; }
    const bool is_ours =
        ::flock(lock, LOCK_EX) == 0 && ::stat(path.c_str(), &named) == 0 && is_same(own, named);
    if (is_ours) { put_away(path, own.st_mode, all.limits.files_max); }
    ::close(lock);
  }
  go_over(all, own, path);
}

}  // namespace

void limit_stream_files(const StreamFileLimits& limits) {
  Limited& all = limited();
  const std::lock_guard guard(all.mutex);
  all.limits = limits;
  for (int i = 0; i < 2; ++i) { all.path[i] = file_of_stream(kStreams[i]); }
  is_limited.store(limits.bytes_max > 0, std::memory_order_release);
}

void look_after_stream_files() {
  if (!is_limited.load(std::memory_order_acquire)) { return; }
  Limited& all = limited();
  const std::lock_guard guard(all.mutex);
  for (int i = 0; i < 2; ++i) { look_after(all, i); }
}

}  // namespace tidewheel
