// `tidewheel sql`: statements from the command line, from files, from standard input, or typed in.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

enum class SqlOutput : uint8_t {
  kChosen,     // a box for people, CSV when the output goes to a file or a pipe
  kBox,        // the rows there are at the end, in a box
  kCsv,        // with a header; the rows at the end, or as they come when none is changed
  kJson,       // the same, an object a line
  kChangelog,  // every change, with its kind
};

struct SqlCommand {
  std::vector<std::string> texts;  // -e, in order
  std::vector<std::string> files;  // -f
  std::string init_file;           // -i: before all else; "" : none
  std::vector<std::string> settings;
  std::string catalog;  // a folder, which keeps the default catalog; "": in memory
  SqlOutput output = SqlOutput::kChosen;
  bool timing = false;
  bool resume = false;  // INSERTs go on from their newest checkpoints
};

// Returns the process's exit status. Errors are printed, and end the script.
Result<int> run_sql_command(const SqlCommand& command);

}  // namespace tidewheel
