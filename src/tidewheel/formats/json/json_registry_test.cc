// The format json-registry; what the registry itself does is tested with its client.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/formats/json/json_schema.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/format_harness.h"
#include "tidewheel/types/json_document.h"

namespace tidewheel {
namespace {

using Texts = std::vector<std::string>;

test::FormatHarness harness(std::map<std::string, std::string> options = {}) {
  options["json-registry.url"] = "http://registry:8081";
  options["json-registry.subject"] = "s";
  return test::FormatHarness(json_registry_table_format(),
                             {{"a", LogicalType::of(TypeKind::kInt)}, {"b", LogicalType::string()}},
                             std::move(options));
}
std::string framed(const std::string& value) { return std::string("\0\0\0\0\7", 5) + value; }

TEST(JsonRegistry, messages_are_read_behind_their_id) {
  auto format = harness();
  ASSERT_TRUE(format.status().ok()) << format.status().to_string();
  EXPECT_EQ(format.decode({framed("{\"a\":1,\"b\":\"x\"}"), "", framed("{}")}),
            (Texts{"[1, x]", "[NULL, NULL]"}));
  EXPECT_TRUE(format.failure().ok());
}

TEST(JsonRegistry, messages_without_an_id_are_malformed) {
  auto format = harness();
  EXPECT_EQ(format.decode({"{\"a\":1}"}), Texts());
  EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
  auto lenient = harness({{"json-registry.ignore-parse-errors", "true"}});
  EXPECT_EQ(lenient.decode({"{\"a\":1}", framed("{"), framed("{\"a\":2}")}), Texts{"[2, NULL]"});
  EXPECT_EQ(lenient.skipped(), 2);
}

TEST(JsonRegistry, the_schema_says_what_is_written) {
  RowType row;
  row.add("id", LogicalType::of(TypeKind::kBigint, false));
  row.add("tags", LogicalType::array(LogicalType::string(false)));
  row.add("place", LogicalType::row({"zip"}, {LogicalType::of(TypeKind::kInt)}, false));
  row.add("counts", LogicalType::map(LogicalType::string(), LogicalType::of(TypeKind::kDouble)));
  const std::string schema = json_detail::json_schema_of(row);
  JsonDocument document;
  ASSERT_TRUE(document.parse(schema)) << schema;
  EXPECT_EQ(
      schema,
      R"({"$schema":"http://json-schema.org/draft-07/schema#","title":"Record","type":"object",)"
      R"("properties":{"id":{"connect.index":0,"type":"integer","connect.type":"int64"},)"
      R"("tags":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"array",)"
      R"("items":{"type":"string"}}]},"place":{"connect.index":2,"type":"object",)"
      R"("properties":{"zip":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"integer",)"
      R"("connect.type":"int32"}]}}},"counts":{"connect.index":3,"oneOf":[{"type":"null"},)"
      R"({"type":"object","connect.type":"map","additionalProperties":{"oneOf":[{"type":"null"},)"
      R"({"type":"number","connect.type":"float64"}]}}]}},"required":["id","place"]})");
}

}  // namespace
}  // namespace tidewheel
