#include "tidewheel/formats/raw/table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/testing/format_harness.h"

namespace tidewheel {
namespace {

using test::FormatHarness;
using Rows = std::vector<std::string>;

FormatHarness raw(const LogicalType& type, std::map<std::string, std::string> options = {}) {
  return FormatHarness(raw_table_format(), {{"value", type}}, std::move(options));
}

TEST(RawTable, each_line_is_a_string) {
  FormatHarness format = raw(LogicalType::string());
  EXPECT_EQ(format.read("to be\r\nor not\n\nlast"), (Rows{"[to be]", "[or not]", "[]", "[last]"}));
  EXPECT_EQ(format.read("to be\r\nor not\n\nlast", 1, 1),
            (Rows{"[to be]", "[or not]", "[]", "[last]"}));
  EXPECT_EQ(format.round_trip("a\nb\n"), "a\nb\n");
}

TEST(RawTable, numbers_are_bytes_in_the_order_asked_for) {
  const std::string bytes("\x00\x00\x01\x02", 4);
  EXPECT_EQ(raw(LogicalType::of(TypeKind::kInt)).decode({bytes}), (Rows{"[258]"}));
  EXPECT_EQ(
      raw(LogicalType::of(TypeKind::kInt), {{"raw.endianness", "little-endian"}}).decode({bytes}),
      (Rows{"[33619968]"}));
  FormatHarness format = raw(LogicalType::of(TypeKind::kBigint));
  EXPECT_EQ(format.decode({bytes}), Rows());
  EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
  const std::string lines("\x40\x09\x21\xfb\x54\x44\x2d\x18\n", 9);
  EXPECT_EQ(raw(LogicalType::of(TypeKind::kDouble)).round_trip(lines), lines);
}

TEST(RawTable, is_for_one_column_of_a_simple_type) {
  EXPECT_EQ(raw(LogicalType::of(TypeKind::kDate)).status().id(), ErrorId::kSqlType);
  EXPECT_EQ(FormatHarness(raw_table_format(), {}).status().id(), ErrorId::kSqlType);
  EXPECT_EQ(raw(LogicalType::string(), {{"raw.charset", "UTF-16"}}).status().id(),
            ErrorId::kSqlOption);
}

}  // namespace
}  // namespace tidewheel
