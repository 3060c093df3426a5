#include "tidewheel/base/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tidewheel {
namespace {

// Calls until it is not interrupted.
template <class Call>
auto uninterrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) { return result; }
  }
}

Status failed(std::string_view doing, const std::string& path) {
  return status_of_errno(errno, doing, path);
}

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) { ::close(fd_); }
  }
  int get() const { return fd_; }
  // The descriptor is gone even when close fails (Linux), so it is never tried again.
  int close() { return ::close(std::exchange(fd_, -1)); }
  int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

FileInfo info_of(const struct stat& found) {
  FileInfo info;
  info.size_bytes = found.st_size;
  info.modified_ms = found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / 1'000'000;
  info.is_directory = S_ISDIR(found.st_mode);
  info.id = found.st_ino;
  return info;
}

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    size_t filled = 0;
    while (filled < into.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(fd_.get(), into.data() + filled, into.size() - filled,
                       offset + static_cast<int64_t>(filled));
      });
      if (got < 0) { return failed("reading", path_); }
      if (got == 0) { break; }
      filled += static_cast<size_t>(got);
    }
    return static_cast<int64_t>(filled);
  }

  Result<int64_t> read(std::span<char> into) override {
    const ssize_t got = uninterrupted([&] { return ::read(fd_.get(), into.data(), into.size()); });
    if (got < 0) { return failed("reading", path_); }
    return static_cast<int64_t>(got);
  }

  Result<FileInfo> info() override {
    struct stat found {};
    if (::fstat(fd_.get(), &found) != 0) { return failed("reading the size of", path_); }
    return info_of(found);
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class PosixWritableFile final : public WritableFile {
 public:
  // `is_stream`: it is the process's own, and stays open.
  PosixWritableFile(int fd, std::string path, bool is_stream)
      : fd_(fd), path_(std::move(path)), is_stream_(is_stream) {}
  ~PosixWritableFile() override {
    if (is_stream_) { static_cast<void>(fd_.take()); }
  }

  Status read_size() {
    struct stat found {};
    if (::fstat(fd_.get(), &found) != 0) { return failed("reading the size of", path_); }
    size_bytes_ = found.st_size;
    return {};
  }

  Status append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put =
          uninterrupted([&] { return ::write(fd_.get(), bytes.data(), bytes.size()); });
      if (put < 0) { return failed("writing", path_); }
      bytes.remove_prefix(static_cast<size_t>(put));
      size_bytes_ += put;
    }
    return {};
  }

  Status sync() override {
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return failed("syncing", path_);
    }
    return {};
  }

  Status close() override {
    if (is_stream_) { return {}; }
    if (fd_.close() != 0 && errno != EINTR) { return failed("closing", path_); }
    return {};
  }

  int64_t size_bytes() const override { return size_bytes_; }

 private:
  Descriptor fd_;
  int64_t size_bytes_ = 0;
  const std::string path_;
  const bool is_stream_;
};

std::string start_of(int fd) {
  char text[512];
  const ssize_t got = uninterrupted([&] { return ::pread(fd, text, sizeof text, 0); });
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

// For people alone, so a full disk is no obstacle.
void write_holder(int fd, const std::string& holder) {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) { host[0] = '\0'; }
  const std::string text = holder + " (process " + std::to_string(::getpid()) +
                           (host[0] == '\0' ? std::string() : std::string(" on ") + host) + ")\n";
  if (::ftruncate(fd, 0) != 0) { return; }
  static_cast<void>(uninterrupted([&] { return ::pwrite(fd, text.data(), text.size(), 0); }));
}

// The kernel lets go of it when the last descriptor is closed, so at the latest when the process
// is gone; children do not inherit it.
class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  // The name goes while the lock is held: whoever has opened the file meanwhile sees, once he has
  // the lock, that it has no name any more.
  ~PosixFileLock() override { ::unlink(path_.c_str()); }

 private:
  const Descriptor fd_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    if (fd < 0) { return failed("opening", path); }
    auto file = std::make_unique<PosixReadableFile>(fd, path);
    TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
    if (info.is_directory) { return status_of_errno(EISDIR, "opening", path); }
    return std::unique_ptr<ReadableFile>(std::move(file));
  }

  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override {
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND;
    if (mode == WriteMode::kCreate) { flags |= O_EXCL; }
    if (mode == WriteMode::kTruncate) { flags |= O_TRUNC; }
    // The process's own streams are shared with whoever else writes to them. Opened by name, a file
    // behind them would get a second position, and the writers would overwrite each other. Nor is
    // the stream copied: it may be another file's from some time on (base/stream_files.h).
    const int stream = path == kStandardOutput  ? STDOUT_FILENO
                       : path == kStandardError ? STDERR_FILENO
                                                : -1;
    const int fd =
        stream >= 0 ? stream : uninterrupted([&] { return ::open(path.c_str(), flags, 0666); });
    if (fd < 0) { return failed("opening for writing", path); }
    auto file = std::make_unique<PosixWritableFile>(fd, path, stream >= 0);
    TIDEWHEEL_RETURN_IF_ERROR(file->read_size());
    return std::unique_ptr<WritableFile>(std::move(file));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) { return failed("renaming to " + to + ":", from); }
    // The new name first: after a crash between the two the file has two names, not none.
    TIDEWHEEL_RETURN_IF_ERROR(sync_directory(parent_path(to)));
    if (parent_path(from) != parent_path(to)) { return sync_directory(parent_path(from)); }
    return {};
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) { return {}; }
    return failed("linking to " + to + ":", from);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) { return {}; }
    if (errno == EISDIR || errno == EPERM) {
      if (::rmdir(path.c_str()) == 0) { return {}; }
    }
    return failed("removing", path);
  }

  Status remove_all(const std::string& path) override {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) {
      return errno == ENOENT ? Status() : failed("removing", path);
    }
    if (S_ISDIR(found.st_mode)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list(path));
      for (const DirectoryEntry& entry : entries) {
        TIDEWHEEL_RETURN_IF_ERROR(remove_all(join_path(path, entry.name)));
      }
    }
    return remove(path);
  }

  Status make_directories(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) { return sync_directory(parent_path(path)); }
    if (errno == EEXIST) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo found, info(path));
      return found.is_directory ? Status() : status_of_errno(ENOTDIR, "making a folder at", path);
    }
    if (errno != ENOENT || parent_path(path) == path) { return failed("making the folder", path); }
    TIDEWHEEL_RETURN_IF_ERROR(make_directories(parent_path(path)));
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return failed("making the folder", path);
    }
    return sync_directory(parent_path(path));
  }

  Status sync_directory(const std::string& path) override {
    const int fd =
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) { return failed("opening", path); }
    const Descriptor directory(fd);
    // Some file systems have nothing to sync for directories and say EINVAL.
    if (uninterrupted([&] { return ::fsync(directory.get()); }) != 0 && errno != EINVAL) {
      return failed("syncing", path);
    }
    return {};
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) { return failed("listing", path); }
    std::vector<DirectoryEntry> entries;
    while (true) {
      errno = 0;
      const dirent* const entry = ::readdir(directory);
      if (entry == nullptr) { break; }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") { continue; }
      bool is_directory = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
        struct stat found {};
        is_directory =
            ::fstatat(::dirfd(directory), entry->d_name, &found, 0) == 0 && S_ISDIR(found.st_mode);
      }
      entries.push_back({std::string(name), is_directory});
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) { return status_of_errno(error, "listing", path); }
    std::sort(entries.begin(), entries.end(),
              [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
    return entries;
  }

  Result<FileInfo> info(const std::string& path) override {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) { return failed("looking at", path); }
    return info_of(found);
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                         const std::string& holder) override {
    while (true) {
      Descriptor file(
          uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); }));
      if (file.get() < 0) { return failed("opening", path); }
      if (uninterrupted([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0) {
        if (errno != EWOULDBLOCK) { return failed("locking", path); }
        return locked_by(path, start_of(file.get()));
      }
      // Whoever had it before may have taken the name away meanwhile.
      struct stat locked {};
      struct stat named {};
      if (::fstat(file.get(), &locked) != 0) { return failed("looking at", path); }
      if (::stat(path.c_str(), &named) != 0 || named.st_ino != locked.st_ino ||
          named.st_dev != locked.st_dev) {
        continue;
      }
      write_holder(file.get(), holder);
      return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(file.take(), path));
    }
  }

  Result<bool> exists(const std::string& path) override {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) { return true; }
    if (errno == ENOENT || errno == ENOTDIR) { return false; }
    return failed("looking at", path);
  }
};

}  // namespace

Status status_of_errno(int error, std::string_view doing, std::string_view place) {
  char buffer[128];
  const char* const reason = ::strerror_r(error, buffer, sizeof buffer);
  switch (error) {
    case ENOENT: return not_found(ErrorId::kFileNotFound, "{} {}: {}", doing, place, reason);
    case EEXIST:
    case ENOTEMPTY: return already_exists(ErrorId::kFileExists, "{} {}: {}", doing, place, reason);
    case EACCES:
    case EPERM:
    case EROFS:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
      return failed_precondition(ErrorId::kFileAccess, "{} {}: {}", doing, place, reason);
    case ENOSPC:
    case EDQUOT:
      return resource_exhausted(ErrorId::kFileNoSpace, "{} {}: {}", doing, place, reason);
    default: return unavailable(ErrorId::kFileIo, "{} {}: {}", doing, place, reason);
  }
}

Status locked_by(const std::string& path, std::string_view holder) {
  while (holder.ends_with('\n')) { holder.remove_suffix(1); }
  return failed_precondition(ErrorId::kFileLocked, "{} is in use by {}", path,
                             holder.empty() ? "another process" : holder);
}

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

}  // namespace tidewheel
