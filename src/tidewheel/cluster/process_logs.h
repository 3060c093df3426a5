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
// Its size, which is where a process that is started now begins to write; 0: it is not there.
int64_t log_end(FileSystem& files, const std::string& path);
// The last lines of a file, of `bytes_max` at most; empty when it can't be read. Nothing in front
// of `from` is among them, unless the file has become shorter: then it is another one.
std::string last_lines(FileSystem& files, const std::string& path, int64_t bytes_max,
                       int64_t from = 0);
// "was killed by signal 11 (..)", and what the process wrote last on standard error (as above).
std::string end_with_words(const std::string& end, const std::string& words);

}  // namespace tidewheel
