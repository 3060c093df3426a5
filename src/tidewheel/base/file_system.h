// Files, as all code outside `base` sees them. Calls block; where that matters they are made on the
// executor's blocking pool. Errors name the path and the system's reason.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

struct FileInfo {
  int64_t size_bytes = 0;
  int64_t modified_ms = 0;  // wall clock
  bool is_directory = false;
  uint64_t id = 0;  // the same file has the same id under another name
};

struct DirectoryEntry {
  std::string name;  // without the directory
  bool is_directory = false;
};

// An open file to read. One thread at a time.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Fills `into` from `offset`; returns fewer bytes only at the end of the file, 0 there.
  virtual Result<int64_t> read_at(int64_t offset, std::span<char> into) = 0;
  // Reads on from where the last `read` ended. Works on pipes too; 0 at the end.
  virtual Result<int64_t> read(std::span<char> into) = 0;
  virtual Result<FileInfo> info() = 0;
};

// An open file to append to. One thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Appends all bytes, or fails; after a failure an unknown part of them is there.
  [[nodiscard]] virtual Status append(std::string_view bytes) = 0;
  // May run beside `append` on another thread, and covers what was appended before it was called.
  // When it returns OK, all of that survives a crash of the machine. After a failure the
  // file is not to be trusted: a later success says nothing about the bytes before.
  [[nodiscard]] virtual Status sync() = 0;
  // Once; without it the destructor closes, and drops the error. Does not sync.
  [[nodiscard]] virtual Status close() = 0;
  virtual int64_t size_bytes() const = 0;
};

// Paths of the process's own output and error stream, for open_write.
inline constexpr std::string_view kStandardOutput = "/dev/stdout";
inline constexpr std::string_view kStandardError = "/dev/stderr";

enum class WriteMode : uint8_t {
  kCreate,    // the file must not exist
  kTruncate,  // made, or emptied
  kAppend,    // made, or continued
};

// Keeps others away for as long as it lives, and no longer than the process does.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Any thread. Names survive a crash once the directory is synced; `rename` and `make_directories`
// do that by themselves.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                           WriteMode mode) = 0;
  // Atomically gives the file a new name, replacing what has it; then syncs the directories.
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Gives the file a second name, which must not be taken. Fails where a file system has no such
  // links, and between two of them.
  [[nodiscard]] virtual Status link(const std::string& from, const std::string& to) = 0;
  // A file or an empty directory.
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  // A file or a directory with all that is in it; OK when there is none.
  [[nodiscard]] virtual Status remove_all(const std::string& path) = 0;
  [[nodiscard]] virtual Status make_directories(const std::string& path) = 0;
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;
  // Sorted by name.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual Result<FileInfo> info(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // Takes a file, made for that, for the caller alone; `holder` says to others who that is. Never
  // waits. The file goes with the lock; when a process dies only the file stays, and is free.
  // Errors: kFileLocked, which names the holder.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                                 const std::string& holder) = 0;
};

Result<std::string> read_all(FileSystem& files, const std::string& path);
// Writes a new file beside `path`, syncs it, and renames it: after a crash there is the old content
// or the new one, never a part.
[[nodiscard]] Status write_all_durably(FileSystem& files, const std::string& path,
                                       std::string_view bytes);
// "a/b" and "c" make "a/b/c".
std::string join_path(std::string_view directory, std::string_view name);
// The part before the last '/', "." when there is none; and the part after it.
std::string parent_path(std::string_view path);
std::string file_name(std::string_view path);

}  // namespace tidewheel
