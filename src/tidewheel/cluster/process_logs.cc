#include "tidewheel/cluster/process_logs.h"

#include <algorithm>

#include "tidewheel/base/file_system.h"

namespace tidewheel {
namespace {
constexpr int64_t kPieceBytesMax = 1 << 20;
}  // namespace

Result<std::vector<LogFileInfo>> list_logs(FileSystem& files, const ProcessLogs& logs) {
  std::vector<LogFileInfo> out;
  if (logs.directory.empty()) { return out; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files.list(logs.directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory || !entry.name.starts_with(logs.prefix)) { continue; }
    const Result<FileInfo> info = files.info(join_path(logs.directory, entry.name));
    if (!info.ok()) { continue; }  // it was rotated away meanwhile
    out.push_back({entry.name, info->size_bytes, info->modified_ms});
  }
  return out;
}

Result<LogPiece> read_log_piece(FileSystem& files, const ProcessLogs& logs, const std::string& name,
                                int64_t offset, int64_t bytes_max) {
  std::string wanted = name;
  if (name == kLogOfProcess) { wanted = logs.log; }
  if (name == kStdoutOfProcess) { wanted = logs.output; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<LogFileInfo> all, list_logs(files, logs));
  const bool is_there = std::any_of(all.begin(), all.end(),
                                    [&](const LogFileInfo& file) { return file.name == wanted; });
  if (!is_there || wanted.empty()) {
    return not_found(ErrorId::kFileNotFound, "the process has no log file '{}'", name);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files.open_read(join_path(logs.directory, wanted)));
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
  LogPiece piece;
  piece.total_bytes = info.size_bytes;
  piece.bytes.resize(static_cast<size_t>(std::clamp<int64_t>(bytes_max, 0, kPieceBytesMax)));
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t bytes,
                             file->read_at(std::max<int64_t>(offset, 0), piece.bytes));
  piece.bytes.resize(static_cast<size_t>(bytes));
  return piece;
}

int64_t log_end(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.info(path);
  return info.ok() ? info->size_bytes : 0;
}

std::string end_with_words(const std::string& end, const std::string& words) {
  return words.empty() ? end + ", and has written nothing on standard error"
                       : fmt::format("{}; its last lines on standard error:\n{}", end, words);
}

std::string last_lines(FileSystem& files, const std::string& path, int64_t bytes_max,
                       int64_t begin) {
  const auto file = files.open_read(path);
  if (!file.ok()) { return {}; }
  const Result<FileInfo> info = (*file)->info();
  if (!info.ok()) { return {}; }
  if (begin > info->size_bytes) { begin = 0; }
  const int64_t from = std::max(begin, info->size_bytes - bytes_max);
  std::string text(static_cast<size_t>(info->size_bytes - from), '\0');
  const Result<int64_t> bytes = (*file)->read_at(from, text);
  text.resize(bytes.ok() ? static_cast<size_t>(*bytes) : 0);
  if (from > begin) { text.erase(0, text.find('\n') == text.npos ? 0 : text.find('\n') + 1); }
  while (text.ends_with('\n')) { text.pop_back(); }
  return text;
}

}  // namespace tidewheel
