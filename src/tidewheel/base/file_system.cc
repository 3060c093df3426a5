#include "tidewheel/base/file_system.h"

#include <algorithm>

namespace tidewheel {

Result<std::string> read_all(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_read(path));
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
  std::string bytes;
  size_t filled = 0;
  // The size is a hint: pipes have none, and a file may grow while it is read.
  bytes.resize(static_cast<size_t>(std::max<int64_t>(info.size_bytes, 0)) + 1);
  while (true) {
    if (filled == bytes.size()) { bytes.resize(bytes.size() * 2); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, file->read(std::span(bytes).subspan(filled)));
    if (got == 0) { break; }
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Status write_all_durably(FileSystem& files, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  const auto write = [&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                               files.open_write(temporary, WriteMode::kTruncate));
    TIDEWHEEL_RETURN_IF_ERROR(file->append(bytes));
    TIDEWHEEL_RETURN_IF_ERROR(file->sync());
    TIDEWHEEL_RETURN_IF_ERROR(file->close());
    return files.rename(temporary, path);
  };
  Status status = write();
  if (!status.ok()) { ignore(files.remove(temporary), "it may not exist, and is only rubbish"); }
  return status;
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') { path += '/'; }
  path += name;
  return path;
}

std::string parent_path(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) { return "."; }
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string file_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace tidewheel
