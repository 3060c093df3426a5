// Fuzzes container files of Avro: any bytes are rows and then a failure or the end, whatever pieces
// they come in.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/avro/table.h"
#include "tidewheel/testing/format_harness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  if (size == 0) { return 0; }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  test::FormatHarness format(avro_table_format(),
                             {{"a", LogicalType::of(TypeKind::kInt)},
                              {"b", LogicalType::string()},
                              {"c", LogicalType::array(LogicalType::string())}});
  const std::vector<std::string> rows = format.read(bytes);
  const bool good = format.failure().ok();
  const uint32_t batch_rows = 1 + data[0] % 4U;
  TIDEWHEEL_CHECK(format.read(bytes, 1 + data[0] / 8U, batch_rows) == rows);
  TIDEWHEEL_CHECK(format.failure().ok() == good);
  static_cast<void>(format.decode({std::string(bytes)}));
  return 0;
}
