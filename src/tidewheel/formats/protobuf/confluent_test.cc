// The format protobuf-confluent, with a registry in a simulated network.
#include <gtest/gtest.h>

#include <string>

#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/protobuf/table.h"
#include "tidewheel/testing/registry_harness.h"

namespace tidewheel {
namespace {

using namespace test;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

class ProtobufConfluent : public ConfluentTest {
 protected:
  ProtobufConfluent() : ConfluentTest(protobuf_confluent_table_format(), json_table_format()) {}
};

const NamedTypes kOld = {{"id", LogicalType::of(TypeKind::kInt, false)},
                         {"name", LogicalType::string()}};
const NamedTypes kNew = {{"id", LogicalType::of(TypeKind::kBigint, false)},
                         {"price", LogicalType::of(TypeKind::kDouble)},
                         {"name", LogicalType::string()}};

TEST_F(ProtobufConfluent, schemas_are_registered_and_looked_up) {
  const Texts messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(messages[0].substr(0, 6), std::string("\0\0\0\0\1\0", 6));
  EXPECT_CONTAINS(registry_.bodies[0], "\"schemaType\":\"PROTOBUF\"");
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/orders-value/versions"});
  const auto reader = decoder(kOld);
  EXPECT_EQ(decode(*reader, kOld, messages), (Texts{"[1, a]", "[2, NULL]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
}

TEST_F(ProtobufConfluent, messages_of_several_versions_are_read_by_each_ones_schema) {
  const Texts old_messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n");
  const Texts new_messages = encode(kNew, {}, "{\"id\":2,\"price\":1.5,\"name\":\"b\"}\n");
  const auto reader = decoder(kNew);
  EXPECT_EQ(decode(*reader, kNew, {old_messages[0], new_messages[0], old_messages[0]}),
            (Texts{"[1, NULL, a]", "[2, 1.5, b]", "[1, NULL, a]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
  // What is known needs no registry.
  server_.reset();
  EXPECT_EQ(decode(*reader, kNew, new_messages), Texts{"[2, 1.5, b]"});
}

TEST_F(ProtobufConfluent, what_is_not_framed_or_names_no_schema_is_malformed) {
  const auto reader = decoder(kOld);
  for (const std::string& message :
       {std::string("\1\0\0\0\1\2", 6), std::string("\0\0\0", 3), std::string("{}")}) {
    EXPECT_EQ(decode(*reader, kOld, {message}), Texts());
    EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
    EXPECT_CONTAINS(status_.message(), "0, the id of a schema and the indexes");
  }
  EXPECT_EQ(decode(*reader, kOld, {std::string("\0\0\0\0\x63\0", 6)}), Texts());
  EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
  EXPECT_CONTAINS(status_.message(), "schema 99: the registry says: no such schema");
  status_ = {};
  EXPECT_EQ(decode(*reader, kOld, {""}), Texts());
  EXPECT_TRUE(status_.ok());
}

TEST_F(ProtobufConfluent, a_schema_that_does_not_fit_is_named_by_its_id) {
  const Texts messages = encode({{"id", LogicalType::string()}}, {}, "{\"id\":\"x\"}\n");
  const auto reader = decoder(kOld);
  decode(*reader, kOld, messages);
  EXPECT_EQ(status_.id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(status_.message(), "schema 1");
}

TEST_F(ProtobufConfluent, a_schema_and_a_subject_of_ones_own_are_used) {
  const Options options = {
      {"protobuf-confluent.schema",
       "syntax = \"proto3\"; package shop; message Order { fixed64 id = 3; }"},
      {"protobuf-confluent.properties.value.subject.name.strategy", "RecordNameStrategy"}};
  const NamedTypes columns = {{"id", LogicalType::of(TypeKind::kBigint, false)}};
  const Texts messages = encode(columns, options, "{\"id\":1}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/shop.Order/versions"});
  EXPECT_EQ(messages[0].substr(6), std::string("\x19\1\0\0\0\0\0\0\0", 9));
  const auto reader = decoder(columns);
  EXPECT_EQ(decode(*reader, columns, messages), Texts{"[1]"});
}

TEST_F(ProtobufConfluent, messages_are_found_by_their_indexes_and_imports_by_their_names) {
  registry_.bodies = {R"({"schemaType":"PROTOBUF","schema":"import \"in.proto\"; )"
                      R"(message A { message B { optional In in = 1; } }",)"
                      R"("references":[{"name":"in.proto","subject":"in","version":1}]})"};
  registry_.versions["/subjects/in/versions/1"] =
      R"({"schemaType":"PROTOBUF","schema":"syntax = \"proto3\"; message In { int32 x = 1; }"})";
  const NamedTypes columns = {{"in", LogicalType::row({"x"}, {LogicalType::of(TypeKind::kInt)})}};
  const auto reader = decoder(columns);
  // Message 0, and within it message 0: two zigzag indexes.
  const std::string message("\0\0\0\0\1\4\0\0\x0a\2\x08\7", 12);
  EXPECT_EQ(decode(*reader, columns, {message}), Texts{"[(7)]"});
  EXPECT_TRUE(status_.ok()) << status_.to_string();
  const std::string other("\0\0\0\0\1\4\0\2", 8);
  decode(*reader, columns, {other});
  EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
  EXPECT_CONTAINS(status_.message(), "schema 1: A has no message number 1");
}

TEST_F(ProtobufConfluent, options_are_checked) {
  decoder(kOld, {{"protobuf-confluent.url", "registry"}});
  EXPECT_CONTAINS(status_.message(), "http://host:8081");
  encode(kOld, {{"protobuf-confluent.schema", "messag A {}"}}, "");
  EXPECT_CONTAINS(status_.message(), "protobuf-confluent.schema:1:1");
  encode({{"price", LogicalType::decimal(10, 2)}}, {}, "");
  EXPECT_CONTAINS(status_.message(), "Protobuf has no form for column 'price'");
}

}  // namespace
}  // namespace tidewheel
