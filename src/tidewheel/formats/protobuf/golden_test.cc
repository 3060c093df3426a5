// Messages that Google's Python library has written (tests/protobuf/golden.py).
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "tidewheel/formats/protobuf/table.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

using namespace test;

std::string unhexed(const std::string& line) {
  std::string bytes;
  for (size_t i = 0; i + 1 < line.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

NamedTypes order_columns() {
  const LogicalType number = LogicalType::of(TypeKind::kBigint);
  const LogicalType text = LogicalType::string();
  return {{"id", number},
          {"state", text},
          {"weight", LogicalType::of(TypeKind::kDouble)},
          {"good", LogicalType::of(TypeKind::kBoolean)},
          {"zigzag", number},
          {"fixed", LogicalType::decimal(20, 0)},
          {"hash", LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength)},
          {"note", text},
          {"numbers", LogicalType::array(LogicalType::of(TypeKind::kInt))},
          {"tags", LogicalType::array(text)},
          {"counts", LogicalType::map(text, number)},
          {"place", LogicalType::row({"city", "zip"}, {text, LogicalType::of(TypeKind::kInt)})},
          {"at", LogicalType::with(TypeKind::kTimestampLtz, 3)},
          {"card", text},
          {"cash", number}};
}

TEST(ProtobufGolden, messages_of_the_python_library_are_read) {
  const std::string folder = TIDEWHEEL_TEST_DATA "/protobuf/";
  const NamedTypes columns = order_columns();
  const RowType row = row_of(columns);
  for (const char* const option : {"protobuf.proto-file", "protobuf.descriptor-file"}) {
    const bool is_proto = std::string(option) == "protobuf.proto-file";
    const auto format = protobuf_table_format();
    TableOptions options(
        table_of(columns, {{"connector", "test"},
                           {"protobuf.message-class-name", "shop.Order"},
                           {option, folder + (is_proto ? "order.proto" : "order.desc")}}),
        format->options());
    const auto make = format->decoder(DecodedRow::all(row), options);
    ASSERT_TRUE(make.ok()) << make.status().message();
    const auto decoder = (*make)();
    std::ifstream messages(folder + "messages.hex");
    std::ifstream texts(folder + "rows.txt");
    std::string line;
    std::string expected;
    size_t count = 0;
    while (std::getline(messages, line) && std::getline(texts, expected)) {
      ColumnRows rows(row);
      const std::string bytes = unhexed(line);
      const auto done = decoder->decode(Text(bytes), rows.batch());
      ASSERT_TRUE(done.ok()) << done.status().message();
      EXPECT_EQ(rows.texts()[0], expected);
      ++count;
    }
    EXPECT_EQ(count, 100U);
  }
}

}  // namespace
}  // namespace tidewheel
