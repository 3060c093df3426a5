#include "tidewheel/connectors/kafka/table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/formats/csv/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/raw/table.h"

namespace tidewheel::kafka {
namespace {

class KafkaTableTest : public ::testing::Test {
 protected:
  using Options = std::map<std::string, std::string>;
  KafkaTableTest() {
    registry_.add(json_table_format());
    registry_.add(csv_table_format());
    registry_.add(raw_table_format());
  }
  static TableDefinition definition(bool upserts, const Options& changes) {
    TableDefinition table;
    table.path = "c.d.t";
    table.columns = {{"id", LogicalType::of(TypeKind::kBigint, false), "", false},
                     {"k_name", LogicalType::string(), "", false},
                     {"v", LogicalType::string(), "", false}};
    table.options = {{"connector", upserts ? "upsert-kafka" : "kafka"},
                     {"topic", "t"},
                     {"properties.bootstrap.servers", "127.0.0.1:1"},
                     {"properties.group.id", "g"}};
    if (upserts) {
      table.primary_key = {"id"};
      table.options["key.format"] = "raw";
      table.options["value.format"] = "json";
    } else {
      table.options["format"] = "json";
    }
    for (const auto& [key, value] : changes) {
      if (value.empty()) {
        table.options.erase(key);
      } else {
        table.options[key] = value;
      }
    }
    return table;
  }
  Status status_of(const TableDefinition& table) {
    const auto connector =
        table.options.at("connector") == "kafka" ? table_connector() : upsert_table_connector();
    return connector->source({table, registry_}).status();
  }
  // An empty value takes an option away.
  Status status_of(const Options& changes, bool upserts = false) {
    return status_of(definition(upserts, changes));
  }
  void expect_wrong(const Options& changes, const std::string& told, bool upserts = false) {
    const Status status = status_of(changes, upserts);
    EXPECT_EQ(status.id(), ErrorId::kSqlOption) << told << ": " << status.to_string();
    EXPECT_NE(status.message().find(told), std::string::npos) << status.to_string();
  }

  TableRegistry registry_;
};

TEST_F(KafkaTableTest, tables_are_made_with_the_options_of_flink) {
  const Options good[] = {
      {},
      {{"topic", "a;b"}},
      {{"topic", ""}, {"topic-pattern", "a.*"}},
      {{"format", ""}, {"value.format", "json"}, {"value.json.ignore-parse-errors", "true"}},
      {{"json.ignore-parse-errors", "true"}},
      {{"key.format", "csv"}, {"key.fields", "id;k_name"}, {"key.csv.field-delimiter", "|"}},
      {{"key.format", "raw"},
       {"key.fields", "k_name"},
       {"key.fields-prefix", "k_"},
       {"value.fields-include", "EXCEPT_KEY"}},
      {{"scan.startup.mode", "earliest-offset"}, {"properties.group.id", ""}},
      {{"scan.startup.mode", "timestamp"}, {"scan.startup.timestamp-millis", "1000"}},
      {{"scan.startup.mode", "specific-offsets"},
       {"scan.startup.specific-offsets", "partition:0,offset:42;partition:1,offset:300"}},
      {{"scan.bounded.mode", "latest-offset"}},
      {{"scan.bounded.mode", "specific-offsets"},
       {"scan.bounded.specific-offsets", "partition:0,offset:42"}},
      {{"scan.topic-partition-discovery.interval", "0 ms"}},
      {{"scan.bad-records", "dead-letter"}, {"scan.dead-letter.topic", "dead"}},
      {{"properties.auto.offset.reset", "earliest"}, {"scan.parallelism", "3"}},
  };
  for (const Options& options : good) {
    const Status status = status_of(options);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
  EXPECT_TRUE(status_of({}, /*upserts=*/true).ok()) << status_of({}, true).to_string();
}

TEST_F(KafkaTableTest, mistakes_in_options_are_named) {
  expect_wrong({{"no.such.option", "1"}}, "scan.startup.mode");
  expect_wrong({{"topic", ""}}, "'topic'");
  expect_wrong({{"topic-pattern", "a"}}, "one of both");
  expect_wrong({{"properties.bootstrap.servers", ""}}, "properties.bootstrap.servers");
  expect_wrong({{"properties.group.id", ""}}, "scan.startup.mode");
  expect_wrong({{"format", ""}}, "value.format");
  expect_wrong({{"format", "jsn"}}, "did you mean 'json'?");
  expect_wrong({{"value.format", "json"}}, "'format'");
  expect_wrong({{"json.no-such", "1"}}, "json.no-such");
  expect_wrong({{"key.format", "raw"}}, "key.fields");
  expect_wrong({{"key.fields", "id"}}, "key.format");
  expect_wrong({{"key.format", "raw"}, {"key.fields", "nobody"}}, "'nobody'");
  expect_wrong({{"key.format", "raw"}, {"key.fields", "id"}, {"key.fields-prefix", "k_"}},
               "key.fields-prefix");
  expect_wrong({{"value.fields-include", "EXCEPT_KEY"}}, "key.fields");
  expect_wrong({{"scan.startup.mode", "late"}}, "earliest-offset");
  expect_wrong({{"scan.startup.mode", "timestamp"}}, "scan.startup.timestamp-millis");
  expect_wrong({{"scan.startup.timestamp-millis", "1"}}, "'scan.startup.mode' = 'timestamp' only");
  for (const char* offsets :
       {"x", "partition:0", "partition:a,offset:1", "partition:0,offset:-1"}) {
    expect_wrong(
        {{"scan.startup.mode", "specific-offsets"}, {"scan.startup.specific-offsets", offsets}},
        "partition:0,offset:42");
  }
  expect_wrong({{"topic", "a;b"},
                {"scan.startup.mode", "specific-offsets"},
                {"scan.startup.specific-offsets", "partition:0,offset:1"}},
               "one topic");
  expect_wrong({{"scan.bad-records", "dead-letter"}}, "scan.dead-letter.topic");
  expect_wrong({{"scan.dead-letter.topic", "x"}}, "scan.bad-records");
  expect_wrong({{"scan.watermark.alignment.group", "g"}}, "alignment.max-drift");
  expect_wrong({{"scan.watermark.alignment.max-drift", "1 s"}}, "alignment.group");
  expect_wrong({{"scan.watermark.alignment.update-interval", "1 s"}}, "alignment.group");
  expect_wrong({{"key.format", ""}}, "key.format", /*upserts=*/true);
  expect_wrong({{"key.fields", "id"}}, "PRIMARY KEY", /*upserts=*/true);
  expect_wrong({{"scan.startup.mode", "latest-offset"}}, "not known", /*upserts=*/true);
  TableDefinition without_key = definition(true, {});
  without_key.primary_key.clear();
  EXPECT_EQ(status_of(without_key).id(), ErrorId::kSqlOption);
}

TEST_F(KafkaTableTest, metadata_have_types) {
  const auto with = [&](const std::string& key, const LogicalType& type) {
    TableDefinition table = definition(false, {});
    table.columns.push_back({"m", type, key, true});
    return status_of(table);
  };
  const RowType known = table_connector()->metadata();
  for (size_t i = 0; i < known.size(); ++i) {
    EXPECT_TRUE(with(known.names[i], known.types[i]).ok()) << known.names[i];
    EXPECT_EQ(with(known.names[i], LogicalType::of(TypeKind::kDouble)).id(), ErrorId::kSqlType);
  }
  EXPECT_TRUE(with("timestamp", LogicalType::with(TypeKind::kTimestamp, 3)).ok());
  EXPECT_TRUE(with("headers", LogicalType::map(LogicalType::string(), LogicalType::string())).ok());
  const Status unknown = with("offsets", LogicalType::of(TypeKind::kBigint));
  EXPECT_EQ(unknown.id(), ErrorId::kSqlOption);
  EXPECT_NE(unknown.message().find("timestamp-type"), std::string::npos) << unknown.to_string();
  EXPECT_EQ(with("value.source", LogicalType::string()).id(), ErrorId::kSqlOption);
}

}  // namespace
}  // namespace tidewheel::kafka
