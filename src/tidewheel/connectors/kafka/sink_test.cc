#include "tidewheel/connectors/kafka/sink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/collection/collection.h"
#include "tidewheel/connectors/kafka/kafka_testing.h"
#include "tidewheel/formats/json/json.h"

namespace tidewheel::kafka {
namespace {

struct Reading {
  std::string sensor;
  int64_t value = 0;
};

struct Seen {
  int32_t partition = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t timestamp_ms = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
};

class KafkaSinkTest : public KafkaTest {
 protected:
  SinkOptions options(const std::string& topic) {
    SinkOptions made;
    made.brokers = brokers();
    made.topic = topic;
    made.request_timeout = Duration(20'000);
    return made;
  }
  static std::vector<Reading> readings(int64_t count, int64_t sensors) {
    std::vector<Reading> rows;
    for (int64_t i = 0; i < count; ++i) {
      rows.push_back({"sensor " + std::to_string(i % sensors), i});
    }
    return rows;
  }
  static void write_reading(const Reading& row, MessageBuilder& message) {
    message.key().append(row.sensor);
    message.value().append(std::to_string(row.value));
  }
  template <class T, class SinkMaker>
  Status run(std::vector<T> rows, const SinkMaker& maker, int32_t parallelism = 1,
             const std::string& folder = "") {
    Env env(world(), Config());
    env.parallelism(parallelism);
    if (!folder.empty()) { env.checkpoints({.every = Duration(20), .directory = folder}); }
    env.from("rows", collection<T>(std::move(rows))).to(maker).uid("sink");
    return env.execute().status();
  }
  // What readers of committed messages see, by partition.
  std::vector<Seen> read_all(const std::string& topic, int32_t partitions) {
    std::vector<Seen> all;
    auto consumer = real_client()->consumer(
        {{"bootstrap.servers", brokers()}, {"enable.partition.eof", "true"}},
        {&world().executor(), [] {}});
    EXPECT_TRUE(consumer.ok());
    for (int32_t partition = 0; partition < partitions; ++partition) {
      auto reader = (*consumer)->open({topic, partition}, kOffsetEarliest);
      EXPECT_TRUE(reader.ok());
      EXPECT_TRUE(wait_for([&] {
        const Fetched fetched = (*reader)->fetch(1'000);
        for (const Message& message : fetched.messages) {
          all.push_back(seen(**reader, message, partition));
        }
        return fetched.reached != kNoOffset;
      }));
    }
    return all;
  }

  std::string new_folder() {
    folders_.push_back(::testing::TempDir() + named("sink-") + std::to_string(folders_.size()));
    return folders_.back();
  }
  ~KafkaSinkTest() override {
    for (const std::string& folder : folders_) {
      ignore(world().files().remove_all(folder), "left for a look");
    }
  }

 private:
  std::vector<std::string> folders_;

  static Seen seen(PartitionReader& reader, const Message& message, int32_t partition) {
    Seen one;
    one.partition = partition;
    if (message.has_key) { one.key = std::string(message.key); }
    if (message.has_value) { one.value = std::string(message.value); }
    one.timestamp_ms = message.timestamp_ms;
    std::vector<Header> headers;
    reader.headers(message, headers);
    for (const Header& header : headers) {
      one.headers.emplace_back(std::string(header.name), std::nullopt);
      if (header.value.has_value()) { one.headers.back().second = std::string(*header.value); }
    }
    return one;
  }
};

TEST_F(KafkaSinkTest, a_function_says_all_that_a_message_has) {
  const std::string name = topic("all", 2);
  const auto write = [](const Reading& row, MessageBuilder& message) -> Status {
    message.key().append(row.sensor);
    if (row.value == 0) {
      message.tombstone();
    } else {
      message.value().append(std::to_string(row.value));
      message.header("unit", "volt");
      message.header("none", std::nullopt);
      message.timestamp_ms(1'000 + row.value);
    }
    message.partition(static_cast<int32_t>(row.value % message.partition_count()));
    return ok_status();
  };
  const Status status = run<Reading>({{"a", 0}, {"b", 1}, {"c", 3}}, sink(options(name), write));
  ASSERT_TRUE(status.ok()) << status.to_string();
  const std::vector<Seen> all = read_all(name, 2);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].key, "a");
  EXPECT_FALSE(all[0].value.has_value());
  EXPECT_EQ(all[0].partition, 0);
  EXPECT_TRUE(all[0].headers.empty());
  EXPECT_EQ(all[1].value, "1");
  EXPECT_EQ(all[1].timestamp_ms, 1'001);
  ASSERT_EQ(all[1].headers.size(), 2U);
  EXPECT_EQ(all[1].headers[0].second, "volt");
  EXPECT_FALSE(all[1].headers[1].second.has_value());
  EXPECT_EQ(all[2].partition, 1);
}

TEST_F(KafkaSinkTest, text_and_formats_are_values_without_a_key) {
  const std::string name = topic("values", 1);
  ASSERT_TRUE(run<std::string>({"one", "two"}, sink(options(name))).ok());
  const Status status = run<Reading>({{"a", 7}}, sink(options(name), json()));
  ASSERT_TRUE(status.ok()) << status.to_string();
  const std::vector<Seen> all = read_all(name, 1);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].value, "one");
  EXPECT_FALSE(all[0].key.has_value());
  EXPECT_EQ(all[2].value, R"({"sensor":"a","value":7})");
}

TEST_F(KafkaSinkTest, messages_of_a_key_stay_in_one_partition_and_in_order) {
  const std::string name = topic("keyed", 4);
  const std::string folder = new_folder();
  const Status status = run(readings(20'000, 37), sink(options(name), write_reading), 1, folder);
  ASSERT_TRUE(status.ok()) << status.to_string();
  std::map<std::string, int32_t> partition_of;
  std::map<std::string, int64_t> last;
  const std::vector<Seen> all = read_all(name, 4);
  EXPECT_EQ(all.size(), 20'000U);
  for (const Seen& one : all) {
    const auto found = partition_of.emplace(*one.key, one.partition).first;
    ASSERT_EQ(found->second, one.partition) << *one.key;
    const int64_t value = std::stoll(*one.value);
    ASSERT_TRUE(!last.contains(*one.key) || last[*one.key] < value) << *one.key;
    last[*one.key] = value;
  }
  // Where Kafka's own client puts it: murmur2 of the bytes, positive, mod the partitions.
  std::set<int32_t> used;
  for (const auto& [key, partition] : partition_of) { used.insert(partition); }
  EXPECT_EQ(used.size(), 4U);
}

TEST_F(KafkaSinkTest, partitioners_take_one_partition_a_subtask_or_all_in_turn) {
  const std::string fixed = topic("fixed", 3);
  SinkOptions asked = options(fixed);
  asked.partitioner = Partitioner::kFixed;
  ASSERT_TRUE(run(readings(30, 30), sink(asked, write_reading)).ok());
  for (const Seen& one : read_all(fixed, 3)) { EXPECT_EQ(one.partition, 0); }
  asked.topic = topic("in-turn", 3);
  asked.partitioner = Partitioner::kRoundRobin;
  ASSERT_TRUE(run(readings(30, 1), sink(asked, write_reading)).ok());
  std::map<int32_t, int32_t> counts;
  for (const Seen& one : read_all(asked.topic, 3)) { ++counts[one.partition]; }
  EXPECT_EQ(counts, (std::map<int32_t, int32_t>{{0, 10}, {1, 10}, {2, 10}}));
}

TEST_F(KafkaSinkTest, a_small_queue_holds_rows_back_and_loses_none) {
  const std::string name = topic("narrow", 2);
  SinkOptions asked = options(name);
  asked.properties = {{"queue.buffering.max.messages", "50"}, {"linger.ms", "0"}};
  for (const DeliveryGuarantee guarantee :
       {DeliveryGuarantee::kAtLeastOnce, DeliveryGuarantee::kNone}) {
    asked.guarantee = guarantee;
    const Status status = run(readings(5'000, 11), sink(asked, write_reading), 2);
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  EXPECT_EQ(read_all(name, 2).size(), 10'000U);
}

TEST_F(KafkaSinkTest, a_message_that_brokers_refuse_fails_the_job) {
  const std::string name = topic("large", 1);
  SinkOptions asked = options(name);
  asked.properties = {{"message.max.bytes", "2000"}};
  const Status status = run<std::string>({std::string(100'000, 'x')}, sink(asked));
  EXPECT_EQ(status.id(), ErrorId::kKafkaMessage) << status.to_string();
}

TEST_F(KafkaSinkTest, exactly_once_needs_brokers_that_describe_transactions) {
  const std::string name = topic("once", 2);
  SinkOptions asked = options(name);
  asked.guarantee = DeliveryGuarantee::kExactlyOnce;
  asked.transactional_id_prefix = named("once");
  const Status status = run(readings(2'000, 7), sink(asked, write_reading), 2, new_folder());
  if (!is_real()) {
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << status.to_string();
    return;
  }
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(read_all(name, 2).size(), 2'000U);
}

TEST(KafkaSinkOptions, are_checked_before_the_job_runs) {
  const SinkOptions right = {.brokers = "host:9092", .topic = "t"};
  EXPECT_TRUE(right.validate().ok());
  const auto refused = [&](auto change, const char* word) {
    SinkOptions options = right;
    change(options);
    const Status status = options.validate();
    EXPECT_EQ(status.id(), ErrorId::kConnectorOption) << word;
    EXPECT_NE(status.message().find(word), std::string::npos) << status.to_string();
  };
  refused([](SinkOptions& o) { o.topic = "a b"; }, "'a b'");
  refused([](SinkOptions& o) { o.topic = ""; }, "topic");
  refused([](SinkOptions& o) { o.brokers = ""; }, "brokers");
  refused([](SinkOptions& o) { o.properties["transactional.id"] = "x"; }, "transactional.id");
  refused([](SinkOptions& o) { o.kept_bytes_max = 0; }, "kept_bytes_max");
  refused([](SinkOptions& o) { o.guarantee = DeliveryGuarantee::kExactlyOnce; },
          "transactional_id_prefix");
  const auto once = [](SinkOptions& o) {
    o.guarantee = DeliveryGuarantee::kExactlyOnce;
    o.transactional_id_prefix = "p";
  };
  refused(
      [&](SinkOptions& o) {
        once(o);
        o.properties["security.protocol"] = "HTTPS";
      },
      "security.protocol");
  refused(
      [&](SinkOptions& o) {
        once(o);
        o.properties["enable.idempotence"] = "false";
      },
      "enable.idempotence");
}

TEST(TransactionNames, tell_operators_subtasks_and_attempts_apart) {
  const TransactionNames names("shop", "uid-1", 3, 0xab);
  EXPECT_TRUE(names.id(0).starts_with("shop-"));
  const auto parsed = names.parse(names.id(12));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->subtask, 3);
  EXPECT_EQ(parsed->number, 12);
  EXPECT_FALSE(TransactionNames("shop", "uid-2", 3, 0xab).parse(names.id(0)).has_value());
  EXPECT_FALSE(TransactionNames("shop2", "uid-1", 3, 0xab).parse(names.id(0)).has_value());
  for (const char* other : {"", "x", "3", "3-", "3-1x", "-1", "3-12345678901"}) {
    EXPECT_FALSE(names.parse(names.common() + other).has_value()) << other;
  }
  EXPECT_NE(names.marker_group(), TransactionNames("shop", "uid-1", 3, 0xac).marker_group());
}

}  // namespace
}  // namespace tidewheel::kafka
