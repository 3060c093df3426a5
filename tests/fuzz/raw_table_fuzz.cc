// Fuzzes the format raw of tables: a message is a value of its column or malformed, lines are the
// same rows whatever pieces they come in, and values survive being written and read again.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/raw/table.h"
#include "tidewheel/testing/format_harness.h"

namespace {

using namespace tidewheel;

constexpr std::array<TypeKind, 9> kKinds = {
    TypeKind::kVarchar, TypeKind::kVarbinary, TypeKind::kBoolean,
    TypeKind::kTinyint, TypeKind::kSmallint,  TypeKind::kInt,
    TypeKind::kBigint,  TypeKind::kFloat,     TypeKind::kDouble};

LogicalType type_of(TypeKind kind) {
  if (kind == TypeKind::kVarchar) { return LogicalType::string(); }
  if (kind == TypeKind::kVarbinary) { return LogicalType::with(kind, LogicalType::kMaxLength); }
  return LogicalType::of(kind);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const TypeKind kind = kKinds[data[0] % kKinds.size()];
  std::map<std::string, std::string> options;
  if (data[0] % 2 == 1) { options["raw.endianness"] = "little-endian"; }
  test::FormatHarness format(raw_table_format(), {{"v", type_of(kind)}}, options);
  TIDEWHEEL_CHECK(format.status().ok(), "{}", format.status().message());

  const std::vector<std::string> whole = format.decode({text});
  TIDEWHEEL_CHECK(whole.size() == (format.failure().ok() ? 1 : 0));
  TIDEWHEEL_CHECK(format.failure().ok() || format.failure().id() == ErrorId::kRecordMalformed,
                  "another error: {}", format.failure().to_string());

  const std::vector<std::string> rows = format.read(text);
  const bool all_read = format.failure().ok();
  const std::vector<std::string> again = format.read(text, 1 + data[0] / 16U, 1 + data[0] % 4U);
  TIDEWHEEL_CHECK(again == rows && format.failure().ok() == all_read);
  const std::string written = format.round_trip(text);
  TIDEWHEEL_CHECK(format.failure().ok() == all_read);
  // A byte of a number, and the last one of a text, may be what ends a line.
  const bool is_text = kind == TypeKind::kVarchar || kind == TypeKind::kVarbinary;
  if (is_text && text.find('\r') == std::string::npos) {
    TIDEWHEEL_CHECK(format.read(written) == rows, "written: {}", written);
  }
  return 0;
}
