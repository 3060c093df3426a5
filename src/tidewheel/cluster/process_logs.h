// The log files of a process, as they are shown to clients: only what is listed can be read, so
// that no path of theirs reaches the file system.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

class FileSystem;  // base/file_system.h

struct ProcessLogs {
  std::string directory;  // empty: the process has none
  // The beginning of its files' names.
  std::string prefix;
  // The files that kLogOfProcess and kStdoutOfProcess mean; empty: there is none.
  std::string log;
  std::string output;
};

// Calls block.
Result<std::vector<LogFileInfo>> list_logs(FileSystem& files, const ProcessLogs& logs);
// Errors: kFileNotFound.
Result<LogPiece> read_log_piece(FileSystem& files, const ProcessLogs& logs, const std::string& name,
                                int64_t offset, int64_t bytes_max);
// The last lines of a file, of `bytes_max` at most; empty when it can't be read.
std::string last_lines(FileSystem& files, const std::string& path, int64_t bytes_max);

}  // namespace tidewheel
