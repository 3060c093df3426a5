// Files that fastavro has written (tests/avro/run.py --golden) are read as it has them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tidewheel/formats/avro/infer.h"
#include "tidewheel/formats/avro/table.h"
#include "tidewheel/testing/format_harness.h"

namespace tidewheel {
namespace {

std::string content_of(const std::string& name) {
  std::ifstream file(std::string(TIDEWHEEL_TEST_DATA) + "/avro/" + name, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

TEST(AvroGolden, files_of_another_implementation_are_read_as_it_has_them) {
  std::vector<std::string> expected;
  std::istringstream lines(content_of("rows.txt"));
  for (std::string line; std::getline(lines, line);) { expected.push_back(line); }
  ASSERT_EQ(expected.size(), 100U);
  for (const char* codec : {"null", "deflate", "snappy", "zstandard"}) {
    const std::string file = content_of(std::string(codec) + ".avro");
    const auto found = avro::infer(file);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    test::NamedTypes columns;
    for (size_t i = 0; i < found->type.size(); ++i) {
      columns.emplace_back(found->type.names[i], found->type.types[i]);
    }
    test::FormatHarness format(avro_table_format(), columns, {{"avro.schema", found->schema}});
    ASSERT_TRUE(format.status().ok()) << format.status().to_string();
    for (const size_t piece : {size_t{100}, SIZE_MAX}) {
      EXPECT_EQ(format.read(file, piece, 7), expected) << codec;
      EXPECT_TRUE(format.failure().ok()) << format.failure().to_string();
    }
  }
}

}  // namespace
}  // namespace tidewheel
