// Reads .slt files: statements and what they are to give.
//
//   # a comment
//   statement ok
//   CREATE TABLE t (a INT) WITH ('connector' = 'script')
//
//   statement error 'b'
//   SELECT b FROM t
//
//   query changelog
//   SELECT a, COUNT(*) FROM t GROUP BY a
//   feed t 1  2  1            rows for tables of the connector 'script', one after another
//   retract t 1               the same, taken back
//   watermark t 10:00:00      between the rows (of a table without a WATERMARK of its own)
//   ----
//   +I 1 1
//   +I 2 1
//   -U 1 1
//   +U 1 2
//
// A record ends with an empty line. `statement error TEXT`: the message has TEXT in it. `query`
// compares the rows there are at the end, in any order; `query ordered` in theirs; `query
// changelog` every change. In rows values are separated by single spaces; those with spaces are in
// single quotes, NULL is NULL. Fed rows are separated by two spaces or more, their values by
// commas. What SHOW, DESCRIBE and EXPLAIN give is compared line by line, in its order. {{folder}}
// anywhere is an empty folder that goes when the script has ended.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::slt {

struct Feed {
  enum class Kind : uint8_t { kRow, kRetraction, kWatermark };
  Kind kind = Kind::kRow;
  std::string table;
  std::string text;  // the values of a row, or a time
};

struct Record {
  enum class Kind : uint8_t { kStatement, kError, kTable, kOrdered, kChangelog };
  Kind kind = Kind::kStatement;
  int line = 0;  // where it begins, from 1
  std::string sql;
  std::string error;
  std::vector<Feed> feeds;
  std::vector<std::string> expected;
};

// Errors: kInvalidArgument with the line.
Result<std::vector<Record>> parse_script(std::string_view text, const std::string& name);

}  // namespace tidewheel::slt
