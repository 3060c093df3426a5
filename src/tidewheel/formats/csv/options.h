// What CSV looks like, for readers and writers.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::csv {

// What becomes of a record that can't be read.
enum class OnMalformed : uint8_t {
  kFail,    // the job fails, with a message that names file, line, column and value
  kSkip,    // it is counted and left out
  kReject,  // it is handed on as a Reject, for a dead-letter output
};

struct Options {
  char delimiter = ',';
  char quote = '"';  // doubled inside a quoted field; '\0': quotes mean nothing
  // Takes the meaning of the character behind it, in quotes or not; '\0': there is none.
  char escape = '\0';
  bool comments = false;  // lines that begin with '#' are no records
  // Whether the first record names the columns. Without it, or when it names as many others,
  // `columns` does, or else the struct's own fields, in their order.
  bool header = true;
  std::vector<std::string> columns{};
  // Columns whose names are not those of the fields: {field, column}.
  std::vector<std::pair<std::string, std::string>> column_of_field{};
  // Fields that mean "no value", when not in quotes. The first one is what a writer writes.
  std::vector<std::string> null_literals{""};
  // A pattern as of TimePattern for Timestamp and LocalTimestamp, such as "dd/MM/yyyy HH:mm";
  // empty: ISO 8601.
  std::string time_format{};
  bool trim = false;  // spaces and tabs around a field without quotes are no part of it
  bool allow_missing_fields = false;  // a record may end early: the rest has no value
  bool allow_extra_fields = false;    // what is beyond the last column is ignored
  OnMalformed on_malformed = OnMalformed::kFail;
  int64_t record_bytes_max = int64_t{16} << 20;  // at most 2 GB
  bool quote_all = false;                        // writers quote every string
};

// Errors: kConnectorOption, naming the option.
Status check(const Options& options);

// A record that could not be read.
struct Reject {
  std::string place;   // the file
  int64_t line = 0;    // where it begins, from 1
  std::string column;  // empty when it is about the whole record
  std::string reason;
  std::string record;  // its bytes, at most kRejectBytesMax of them
};
inline constexpr size_t kRejectBytesMax = 64 * 1024;

}  // namespace tidewheel::csv
