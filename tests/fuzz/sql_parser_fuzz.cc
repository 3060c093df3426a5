// Fuzzes the SQL parser: nothing ends the process, and what is parsed is printed so that parsing it
// again gives the same tree. The whole input is a script, and so is each line of it.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"

namespace {

void check(std::string_view text) {
  using namespace tidewheel;
  const auto script = sql::parse_script(text);
  if (!script.ok()) { return; }
  for (const sql::Statement& statement : *script) {
    const std::string printed = sql::to_sql(statement);
    const auto again = sql::parse_statement(printed);
    TIDEWHEEL_CHECK(again.ok(), "{}: {}", printed, again.status().to_string());
    TIDEWHEEL_CHECK(*again == statement, "{} became {}", printed, sql::to_sql(*again));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    check(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return 0;
}
