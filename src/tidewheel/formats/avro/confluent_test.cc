// The format avro-confluent, with a registry in a simulated network.
#include <gtest/gtest.h>

#include <string>

#include "tidewheel/formats/avro/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/registry_harness.h"

namespace tidewheel {
namespace {

using namespace test;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

class AvroConfluent : public ConfluentTest {
 protected:
  AvroConfluent() : ConfluentTest(avro_confluent_table_format(), json_table_format()) {}
};

const NamedTypes kOld = {{"id", LogicalType::of(TypeKind::kInt, false)},
                         {"name", LogicalType::string()}};
const NamedTypes kNew = {{"id", LogicalType::of(TypeKind::kBigint, false)},
                         {"price", LogicalType::decimal(10, 2)},
                         {"name", LogicalType::string()}};

TEST_F(AvroConfluent, schemas_are_registered_and_looked_up) {
  const Texts messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(messages[0].substr(0, 5), std::string("\0\0\0\0\1", 5));
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/orders-value/versions"});
  const auto reader = decoder(kOld);
  EXPECT_EQ(decode(*reader, kOld, messages), (Texts{"[1, a]", "[2, NULL]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
}

TEST_F(AvroConfluent, messages_of_several_versions_are_read_by_each_ones_schema) {
  const Texts old_messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n");
  const Texts new_messages = encode(kNew, {}, "{\"id\":2,\"price\":1.5,\"name\":\"b\"}\n");
  const auto reader = decoder(kNew);
  EXPECT_EQ(decode(*reader, kNew, {old_messages[0], new_messages[0], old_messages[0]}),
            (Texts{"[1, NULL, a]", "[2, 1.50, b]", "[1, NULL, a]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
  // What is known needs no registry.
  server_.reset();
  EXPECT_EQ(decode(*reader, kNew, new_messages), Texts{"[2, 1.50, b]"});
}

TEST_F(AvroConfluent, what_is_not_framed_or_names_no_schema_is_malformed) {
  const auto reader = decoder(kOld);
  for (const std::string& message :
       {std::string("\1\0\0\0\1\2", 6), std::string("\0\0\0", 3), std::string("{}")}) {
    EXPECT_EQ(decode(*reader, kOld, {message}), Texts());
    EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
    EXPECT_CONTAINS(status_.message(), "0 and the id of a schema");
  }
  EXPECT_EQ(decode(*reader, kOld, {std::string("\0\0\0\0\x63\2", 6)}), Texts());
  EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
  EXPECT_CONTAINS(status_.message(), "schema 99: the registry says: no such schema");
  status_ = {};
  EXPECT_EQ(decode(*reader, kOld, {""}), Texts());
  EXPECT_TRUE(status_.ok());
}

TEST_F(AvroConfluent, a_schema_that_does_not_fit_is_named_by_its_id) {
  const Texts messages = encode({{"id", LogicalType::string()}}, {}, "{\"id\":\"x\"}\n");
  const auto reader = decoder(kOld);
  decode(*reader, kOld, messages);
  EXPECT_EQ(status_.id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(status_.message(), "schema 1");
}

TEST_F(AvroConfluent, a_schema_and_a_subject_of_ones_own_are_used) {
  const Options options = {
      {"avro-confluent.schema",
       R"({"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"}]})"},
      {"avro-confluent.properties.value.subject.name.strategy", "RecordNameStrategy"}};
  encode({{"id", LogicalType::of(TypeKind::kBigint, false)}}, options, "{\"id\":1}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/shop.Order/versions"});
  EXPECT_CONTAINS(registry_.bodies[0], "shop.Order");
  // A single value, as keys often are.
  const NamedTypes key = {{"id", LogicalType::string(false)}};
  const Options plain = {{"avro-confluent.schema", "\"string\""}};
  const Texts messages = encode(key, plain, "{\"id\":\"k\"}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(messages[0].substr(5), "\2k");
  const auto reader = decoder(key, plain);
  EXPECT_EQ(decode(*reader, key, messages), Texts{"[k]"});
}

TEST_F(AvroConfluent, options_are_checked) {
  decoder(kOld, {{"avro-confluent.url", "registry"}});
  EXPECT_CONTAINS(status_.message(), "http://host:8081");
  decoder(kOld, {{"avro-confluent.ssl.keystore.location", "x"}});
  EXPECT_CONTAINS(status_.message(), "begins with https:");
  decoder(kOld, {{"avro-confluent.schema", "\"strin\""}});
  EXPECT_CONTAINS(status_.message(), "avro-confluent.schema");
}

}  // namespace
}  // namespace tidewheel
