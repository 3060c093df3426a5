// Fuzzes the format debezium-json: any bytes are changes or records that were left out, whatever
// pieces they come in.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/format_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  if (size == 0) { return 0; }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  test::FormatHarness format(
      debezium_json_table_format(),
      {{"a", LogicalType::of(TypeKind::kInt, false)},
       {"b", LogicalType::string()},
       {"c", LogicalType::array(LogicalType::row({"x"}, {LogicalType::of(TypeKind::kBigint)}))}},
      {{"debezium-json.ignore-parse-errors", "true"}});
  const std::vector<std::string> rows = format.read(text);
  TIDEWHEEL_CHECK(format.failure().ok(), "{}", format.failure().message());
  const uint32_t batch_rows = 1 + data[0] % 4U;
  TIDEWHEEL_CHECK(format.read(text, 1 + data[0] / 16U, batch_rows) == rows);
  const std::string written = format.round_trip(text);
  TIDEWHEEL_CHECK(format.skipped() >= 0 && format.failure().ok());
  TIDEWHEEL_CHECK(format.read(written) == rows);
  return 0;
}
