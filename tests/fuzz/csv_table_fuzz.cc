// Fuzzes the format csv of tables: any bytes are rows or records that were left out, whatever
// pieces they come in, and rows survive being written and read again.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/testing/format_harness.h"

namespace {

using namespace tidewheel;

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }

test::NamedTypes columns() {
  return {{"a", of(TypeKind::kInt)},
          {"b", LogicalType::string()},
          {"c", LogicalType::array(LogicalType::string())},
          {"d", of(TypeKind::kDouble)},
          {"e", of(TypeKind::kTimestamp, 6)}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Without a literal a string that is NULL is written as an empty one.
  std::map<std::string, std::string> options = {
      {"csv.ignore-parse-errors", "true"}, {"csv.null-literal", (data[0] & 4) != 0 ? "N" : "-/-"}};
  if ((data[0] & 1) != 0) { options["csv.escape-character"] = "\\"; }
  if ((data[0] & 2) != 0) { options["csv.allow-comments"] = "true"; }
  test::FormatHarness format(csv_table_format(), columns(), options);
  const std::vector<std::string> rows = format.read(text);
  TIDEWHEEL_CHECK(format.failure().ok(), "{}", format.failure().message());
  const uint32_t batch_rows = 1 + data[0] % 4U;
  TIDEWHEEL_CHECK(format.read(text, 1 + data[0] / 16U, batch_rows) == rows);
  const std::string written = format.round_trip(text);
  TIDEWHEEL_CHECK(format.read(written) == rows, "written: {}", written);
  TIDEWHEEL_CHECK(format.skipped() == 0);
  static_cast<void>(format.decode({std::string(text), written}));
  return 0;
}
