#include "tidewheel/formats/avro/schema.h"

#include <gtest/gtest.h>

#include "tidewheel/formats/avro/sql_schema.h"

namespace tidewheel::avro {
namespace {

Schema parsed(std::string_view text) {
  auto schema = Schema::parse(text);
  EXPECT_TRUE(schema.ok()) << schema.status().to_string();
  return schema.ok() ? std::move(*schema) : Schema();
}
std::string fault_of(std::string_view text) {
  const auto schema = Schema::parse(text);
  EXPECT_FALSE(schema.ok()) << text;
  if (schema.ok()) { return ""; }
  EXPECT_EQ(schema.status().id(), ErrorId::kFormatSchema);
  return schema.status().message();
}
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

constexpr char kOrder[] =
    R"({"type":"record","name":"Order","namespace":"shop","doc":"One \"order\"",
 "aliases":["Purchase"],"fields":[
 {"name":"id","type":"long","doc":"d","order":"ascending"},
 {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"],"default":"NEW"},
  "default":"PAID"},
 {"name":"hash","type":{"type":"fixed","name":"other.Md5","size":16}},
 {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"tags","type":{"type":"array","items":"string"},"default":["a"]},
 {"name":"counts","type":{"type":"map","values":["null","int"]}},
 {"name":"next","type":["null","Order"],"default":null},
 {"name":"last","type":["State","null"],"aliases":["end"]}]})";

TEST(AvroSchema, what_is_printed_means_the_same) {
  const Schema schema = parsed(kOrder);
  const Node& root = schema.node(schema.root());
  EXPECT_EQ(root.name, "shop.Order");
  EXPECT_EQ(root.aliases, std::vector<std::string>{"shop.Purchase"});
  ASSERT_EQ(root.fields.size(), 9U);
  EXPECT_EQ(root.fields[1].default_bytes, "\2");
  EXPECT_EQ(root.fields[5].default_bytes, std::string("\2\2a\0", 4));
  EXPECT_EQ(schema.node(root.fields[3].type).scale, 2);
  EXPECT_EQ(schema.node(root.fields[4].type).logical, Logical::kTimestampMicros);
  const std::string text = schema.to_json();
  EXPECT_EQ(parsed(text).to_json(), text);
  EXPECT_EQ(parsed(text).canonical(), schema.canonical());
  EXPECT_EQ(parsed(text).node(0).name, "shop.Order");
}

TEST(AvroSchema, the_canonical_form_and_its_fingerprint_are_those_of_the_specification) {
  // Of Avro's own tests (share/test/data/schema-tests.txt), the fingerprints as signed numbers.
  EXPECT_EQ(parsed("\"null\"").canonical(), "\"null\"");
  EXPECT_EQ(static_cast<int64_t>(parsed("\"null\"").fingerprint()), 7195948357588979594);
  EXPECT_EQ(static_cast<int64_t>(parsed("{\"type\":\"boolean\"}").fingerprint()),
            -6970731678124411036);
  EXPECT_EQ(static_cast<int64_t>(parsed("\"int\"").fingerprint()), 8247732601305521295);
  EXPECT_EQ(
      parsed(R"({"type":"fixed","name":"foo","doc":"x","namespace":"a.b","size":15})").canonical(),
      R"({"name":"a.b.foo","type":"fixed","size":15})");
}

TEST(AvroSchema, names_are_looked_for_in_the_namespace_around_and_then_without_one) {
  const Schema schema = parsed(
      R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"n.In",
      "fields":[{"name":"f","type":{"type":"fixed","name":"F","size":2}},{"name":"g","type":"F"},
      {"name":"h","type":["null","R"]},{"name":"x","type":{"type":"enum","name":"E","namespace":"",
      "symbols":["A"]}}]}}]})");
  const Node& inner = schema.node(schema.node(schema.root()).fields[0].type);
  EXPECT_EQ(schema.node(inner.fields[0].type).name, "n.F");
  EXPECT_EQ(inner.fields[1].type, inner.fields[0].type);
  EXPECT_EQ(schema.node(inner.fields[3].type).name, "E");
  EXPECT_EQ(parsed(schema.to_json()).canonical(), schema.canonical());
}

TEST(AvroSchema, types_of_other_texts_can_be_referred_to) {
  const std::vector<std::string> texts = {
      R"({"type":"record","name":"a.Item","fields":[{"name":"n","type":"int"}]})",
      R"({"type":"record","name":"a.Order","fields":[
        {"name":"items","type":{"type":"array","items":"Item"}}]})"};
  const auto schema = Schema::parse(texts);
  ASSERT_TRUE(schema.ok()) << schema.status().to_string();
  EXPECT_EQ(schema->node(schema->root()).name, "a.Order");
}

TEST(AvroSchema, logical_types_that_do_not_fit_are_ignored) {
  const auto logical = [](std::string_view text) {
    const Schema schema = parsed(text);
    return schema.node(schema.root()).logical;
  };
  EXPECT_EQ(logical(R"({"type":"int","logicalType":"date"})"), Logical::kDate);
  EXPECT_EQ(logical(R"({"type":"string","logicalType":"uuid"})"), Logical::kUuid);
  EXPECT_EQ(logical(R"({"type":"string","logicalType":"date"})"), Logical::kNone);
  EXPECT_EQ(logical(R"({"type":"int","logicalType":"of-mine"})"), Logical::kNone);
  EXPECT_EQ(logical(R"({"type":"bytes","logicalType":"decimal"})"), Logical::kNone);
  EXPECT_EQ(logical(R"({"type":"bytes","logicalType":"decimal","precision":3,"scale":4})"),
            Logical::kNone);
}

TEST(AvroSchema, mistakes_are_named_with_their_place) {
  EXPECT_CONTAINS(fault_of("{"), "no JSON");
  EXPECT_CONTAINS(fault_of("\"strin\""), "no type 'strin'");
  EXPECT_CONTAINS(fault_of(R"({"type":"record","name":"R","fields":[{"name":"a","type":"B"}]})"),
                  "$.fields[0].type: there is no type 'B'; named types so far: R");
  EXPECT_CONTAINS(fault_of(R"(["int",["null"]])"), "a union can't be in a union");
  EXPECT_CONTAINS(fault_of(R"(["int","int"])"), "int twice");
  EXPECT_CONTAINS(fault_of(R"({"type":"enum","name":"E","symbols":["A","A"]})"),
                  "'A' is there twice");
  EXPECT_CONTAINS(fault_of(R"({"type":"enum","name":"E","symbols":["A"],"default":"B"})"), "'B'");
  EXPECT_CONTAINS(fault_of(R"({"type":"fixed","name":"F"})"), "'size'");
  EXPECT_CONTAINS(fault_of(R"({"type":"fixed","name":"a-b","size":1})"), "'a-b' is no name");
  EXPECT_CONTAINS(fault_of(R"({"type":"record","name":"R","fields":[
      {"name":"a","type":"int","default":"x"}]})"),
                  "field 'a' of R: the default \"x\" is no int");
  EXPECT_CONTAINS(fault_of(R"({"type":"array"})"), "'items'");
  EXPECT_CONTAINS(fault_of(R"({"name":"R"})"), "no 'type'");
}

TEST(AvroSchema, columns_have_the_schemas_that_flink_gives_them) {
  RowType row;
  row.add("a", LogicalType::of(TypeKind::kInt, false));
  row.add("b", LogicalType::string());
  row.add("c", LogicalType::row({"d"}, {LogicalType::with(TypeKind::kTimestamp, 3)}, false));
  const auto legacy = schema_of(row, {});
  ASSERT_TRUE(legacy.ok()) << legacy.status().to_string();
  EXPECT_EQ(
      legacy->to_json(),
      R"({"type":"record","name":"org.apache.flink.avro.generated.record","fields":[)"
      R"({"name":"a","type":"int"},{"name":"b","type":["null","string"],"default":null},)"
      R"({"name":"c","type":{"type":"record","name":"org.apache.flink.avro.generated.record_c",)"
      R"("fields":[{"name":"d","type":["null",{"type":"long","logicalType":"timestamp-millis"}],)"
      R"("default":null}]}}]})");
  const auto local = schema_of(row, {.legacy_timestamps = false});
  EXPECT_CONTAINS(local->to_json(), "local-timestamp-millis");
  // And back.
  const auto back = row_type_of(*local);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(*back, row);
}

TEST(AvroSchema, columns_without_a_form_are_named) {
  const auto message = [](const LogicalType& type, bool legacy) {
    RowType row;
    row.add("x", type);
    const auto schema = schema_of(row, {.legacy_timestamps = legacy});
    EXPECT_FALSE(schema.ok());
    if (schema.ok()) { return std::string(); }
    EXPECT_EQ(schema.status().id(), ErrorId::kSqlType);
    return schema.status().message();
  };
  EXPECT_CONTAINS(message(LogicalType::with(TypeKind::kTimestamp, 6), true),
                  "column 'x' of type TIMESTAMP(6)");
  EXPECT_CONTAINS(message(LogicalType::with(TypeKind::kTimestampLtz, 3), true), "legacy");
  EXPECT_CONTAINS(message(LogicalType::with(TypeKind::kTimestamp, 9), false), "microseconds");
  EXPECT_CONTAINS(message(LogicalType::with(TypeKind::kTime, 6), false), "TIME(3)");
  EXPECT_CONTAINS(message(LogicalType::of(TypeKind::kIntervalMonth), false), "no form");
  EXPECT_CONTAINS(
      message(LogicalType::map(LogicalType::of(TypeKind::kInt), LogicalType::string()), false),
      "keys of maps");
}

}  // namespace
}  // namespace tidewheel::avro
