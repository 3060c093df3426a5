// Fuzzes the format json of tables: any bytes are rows or records that were left out, whatever
// pieces they come in, and rows survive being written and read again.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/format_harness.h"

namespace {

using namespace tidewheel;

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }

test::NamedTypes columns() {
  return {{"a", of(TypeKind::kInt)},
          {"b", LogicalType::string()},
          {"c", LogicalType::array(LogicalType::row({"x"}, {of(TypeKind::kBigint)}))},
          {"d", LogicalType::map(LogicalType::string(), of(TypeKind::kDouble))},
          {"e", LogicalType::row({"y", "z"}, {LogicalType::decimal(10, 2),
                                              LogicalType::array(LogicalType::string())})},
          {"f", of(TypeKind::kTimestamp, 9)},
          {"g", of(TypeKind::kVarbinary, LogicalType::kMaxLength)}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  test::FormatHarness format(json_table_format(), columns(),
                             {{"json.ignore-parse-errors", "true"}});
  const std::vector<std::string> rows = format.read(text);
  TIDEWHEEL_CHECK(format.failure().ok(), "{}", format.failure().message());
  const uint32_t batch_rows = 1 + data[0] % 4U;
  TIDEWHEEL_CHECK(format.read(text, 1 + data[0] / 16U, batch_rows) == rows);
  const std::string written = format.round_trip(text);
  TIDEWHEEL_CHECK(format.read(written) == rows);
  TIDEWHEEL_CHECK(format.skipped() == 0);
  static_cast<void>(format.decode({std::string(text), written}));
  return 0;
}
