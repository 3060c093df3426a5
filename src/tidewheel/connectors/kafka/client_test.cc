#include "tidewheel/connectors/kafka/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tidewheel/connectors/kafka/kafka_testing.h"

namespace tidewheel::kafka {
namespace {

class KafkaClient : public KafkaTest {
 protected:
  struct Seen {
    std::vector<std::string> values;
    int64_t reached = kNoOffset;
    Status status;
  };

  std::unique_ptr<Consumer> consumer(Properties more = {}) {
    more["bootstrap.servers"] = brokers();
    more["enable.partition.eof"] = "true";
    auto made = real_client()->consumer(more, {&world().executor(), [this] { ++wakes_; }});
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(*made);
  }
  // Reads until the end of the log, or an error.
  Seen read_all(PartitionReader& reader) {
    Seen seen;
    EXPECT_TRUE(wait_for([&] {
      const Fetched fetched = reader.fetch(100);
      for (const Message& message : fetched.messages) {
        seen.values.emplace_back(message.has_value ? message.value : "<none>");
      }
      seen.reached = fetched.reached;
      seen.status = fetched.status;
      return seen.reached != kNoOffset || !seen.status.ok();
    }));
    return seen;
  }

  std::atomic<int64_t> wakes_{0};
};

TEST_F(KafkaClient, messages_come_with_key_headers_and_time) {
  const std::string name = topic("all", 2);
  const auto writer = producer();
  const std::vector<Header> headers = {{"a", "1"}, {"b", std::nullopt}, {"a", ""}};
  send(*writer, name,
       {.key = "k", .value = "v", .partition = 1, .timestamp_ms = 12'345, .headers = headers});
  send(*writer, name, {.key = "k", .value = std::nullopt, .partition = 1});
  send(*writer, name, {.key = std::nullopt, .value = "", .partition = 1});
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  EXPECT_EQ(writer->deliveries().delivered, 3);

  const auto reader_client = consumer();
  auto reader = reader_client->open({name, 1}, kOffsetEarliest);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  std::vector<int64_t> offsets;
  EXPECT_TRUE(wait_for([&] {
    const Fetched fetched = (*reader)->fetch(100);
    for (const Message& message : fetched.messages) {
      offsets.push_back(message.offset);
      std::vector<Header> found;
      (*reader)->headers(message, found);
      if (message.offset == 0) {
        EXPECT_EQ(message.key, "k");
        EXPECT_EQ(message.value, "v");
        EXPECT_EQ(message.timestamp_ms, 12'345);
        EXPECT_EQ(message.timestamp_type, TimestampType::kCreateTime);
        EXPECT_EQ(found.size(), 3U);
        if (found.size() != 3) { return true; }
        EXPECT_EQ(found[0].name, "a");
        EXPECT_EQ(found[0].value, "1");
        EXPECT_FALSE(found[1].value.has_value());
        EXPECT_EQ(found[2].value, "");
      } else if (message.offset == 1) {
        EXPECT_TRUE(message.has_key);
        EXPECT_FALSE(message.has_value);
        EXPECT_TRUE(found.empty());
      } else {
        EXPECT_FALSE(message.has_key);
        EXPECT_TRUE(message.has_value);
        EXPECT_EQ(message.value, "");
      }
    }
    return offsets.size() == 3;
  }));
  EXPECT_EQ(offsets, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ((*reader)->log_end(), 3);
  EXPECT_GT(wakes_.load(), 0);
}

TEST_F(KafkaClient, a_partition_is_read_from_any_offset_to_its_end) {
  const std::string name = topic("from", 1);
  write(name, 0, {"a", "b", "c", "d"});
  const auto reader_client = consumer();
  for (const int64_t from : {int64_t{0}, int64_t{2}, int64_t{4}, kOffsetLatest}) {
    const auto reader = reader_client->open({name, 0}, from);
    ASSERT_TRUE(reader.ok());
    const Seen seen = read_all(**reader);
    EXPECT_EQ(seen.reached, 4) << seen.status.to_string();
    EXPECT_EQ(seen.values.size(), from < 0 ? 0U : static_cast<size_t>(4 - from)) << from;
  }
}

TEST_F(KafkaClient, an_offset_that_is_not_there_is_told) {
  const std::string name = topic("beyond", 1);
  write(name, 0, {"a"});
  const auto reader_client = consumer();
  const auto reader = reader_client->open({name, 0}, 1000);
  ASSERT_TRUE(reader.ok());
  const Seen seen = read_all(**reader);
  EXPECT_EQ(seen.status.id(), ErrorId::kKafkaOffset) << seen.status.to_string();
  EXPECT_NE(seen.status.message().find(name), std::string::npos) << seen.status.to_string();
}

TEST_F(KafkaClient, offsets_of_a_group_are_written_and_found) {
  const std::string name = topic("group", 3);
  const std::string group = named("group");
  for (int32_t i = 0; i < 3; ++i) { write(name, i, {"a", "b"}); }
  const std::vector<TopicPartition> partitions = {{name, 0}, {name, 1}, {name, 2}};
  const auto asker = admin({{"group.id", group}});
  auto none = asker->committed(partitions);
  ASSERT_TRUE(none.ok()) << none.status().to_string();
  for (const PartitionOffset& one : *none) { EXPECT_EQ(one.offset, kNoOffset); }

  const auto reader_client = consumer({{"group.id", group}});
  const std::vector<PartitionOffset> offsets = {{{name, 0}, 1}, {{name, 2}, 2}};
  reader_client->commit(offsets);
  int64_t commits = 0;
  EXPECT_TRUE(wait_for([&] {
    const ClientNews news = reader_client->news();
    commits += news.commits;
    EXPECT_EQ(news.failed_commits, 0) << news.last_failure;
    return commits == 1;
  }));
  const auto found = asker->committed(partitions);
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ((*found)[0].offset, 1);
  EXPECT_EQ((*found)[1].offset, kNoOffset);
  EXPECT_EQ((*found)[2].offset, 2);
}

TEST_F(KafkaClient, topics_and_the_ends_of_their_logs_are_told) {
  const std::string name = topic("told", 3);
  write(name, 1, {"a", "b", "c"});
  const auto asker = admin();
  const auto topics = asker->topics();
  ASSERT_TRUE(topics.ok()) << topics.status().to_string();
  const auto found = std::find_if(topics->begin(), topics->end(),
                                  [&](const TopicInfo& info) { return info.name == name; });
  ASSERT_NE(found, topics->end());
  EXPECT_EQ(found->partition_count, 3);
  const std::vector<TopicPartition> partitions = {{name, 0}, {name, 1}};
  const auto marks = asker->watermarks(partitions);
  ASSERT_TRUE(marks.ok()) << marks.status().to_string();
  EXPECT_EQ((*marks)[0].end, 0);
  EXPECT_EQ((*marks)[1].begin, 0);
  EXPECT_EQ((*marks)[1].end, 3);
}

TEST_F(KafkaClient, a_transaction_is_seen_when_it_is_committed) {
  const std::string name = topic("transaction", 1);
  const auto writer = producer({{"transactional.id", named("id")}});
  ASSERT_TRUE(writer->init_transactions(Duration(20'000)).ok());
  ASSERT_TRUE(writer->begin_transaction().ok());
  send(*writer, name, {.value = "a", .partition = 0});
  ASSERT_TRUE(writer->commit_transaction(Duration(20'000)).ok());
  ASSERT_TRUE(writer->begin_transaction().ok());
  send(*writer, name, {.value = "b", .partition = 0});
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  ASSERT_TRUE(writer->abort_transaction(Duration(20'000)).ok());
  if (!is_real()) { return; }  // the others hand out what was aborted
  const auto reader_client = consumer();
  const auto reader = reader_client->open({name, 0}, kOffsetEarliest);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(read_all(**reader).values, (std::vector<std::string>{"a"}));
}

TEST_F(KafkaClient, a_message_that_is_too_large_is_refused) {
  const std::string name = topic("large", 1);
  const auto writer = producer();
  const std::string large(2'000'000, 'x');
  const auto sent = writer->produce(name, {.value = large, .partition = 0});
  EXPECT_EQ(sent.status().id(), ErrorId::kKafkaMessage) << sent.status().to_string();
}

TEST_F(KafkaClient, a_full_queue_takes_no_more) {
  const std::string name = topic("full", 1);
  const auto writer = producer({{"queue.buffering.max.messages", "10"}, {"linger.ms", "5000"}});
  int64_t taken = 0;
  for (; taken < 100; ++taken) {
    const auto sent = writer->produce(name, {.value = "x", .partition = 0});
    ASSERT_TRUE(sent.ok()) << sent.status().to_string();
    if (!*sent) { break; }
  }
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(writer->in_flight(), 10);
  EXPECT_TRUE(writer->flush(Duration(20'000)).ok());
  EXPECT_EQ(writer->in_flight(), 0);
}

TEST_F(KafkaClient, brokers_that_are_not_there_are_named) {
  auto asker = real_client()->admin({{"bootstrap.servers", "127.0.0.1:1"}}, Duration(500));
  ASSERT_TRUE(asker.ok());
  const auto topics = (*asker)->topics();
  EXPECT_EQ(topics.status().id(), ErrorId::kKafkaBroker);
  EXPECT_NE(topics.status().message().find("127.0.0.1:1"), std::string::npos)
      << topics.status().to_string();
}

TEST_F(KafkaClient, brokers_that_are_not_there_are_waited_for_as_long_as_is_said) {
  const auto asker = real_client()->admin({{"bootstrap.servers", "127.0.0.1:1"}}, Duration(1'000));
  ASSERT_TRUE(asker.ok());
  const int64_t began_ns = world().clock().now_ns();
  EXPECT_EQ((*asker)->topic("t").status().id(), ErrorId::kKafkaBroker);
  const std::vector<TopicPartition> partitions = {{"t", 0}};
  EXPECT_EQ((*asker)->offsets_at(partitions, 1).status().id(), ErrorId::kKafkaBroker);
  EXPECT_LT(world().clock().now_ns() - began_ns, int64_t{6} * 1'000'000'000);
}

TEST(KafkaProperties, mistakes_are_refused_with_what_to_use_instead) {
  const struct {
    Properties properties;
    std::string told;
  } cases[] = {
      {{}, "bootstrap.servers"},
      {{{"bootstrap.servers", "a:1"}, {"no.such.property", "1"}}, "no.such.property"},
      {{{"bootstrap.servers", "a:1"}, {"fetch.min.bytes", "many"}}, "fetch.min.bytes"},
      {{{"bootstrap.servers", "a:1"}, {"value.deserializer", "x"}}, "value.format"},
      {{{"bootstrap.servers", "a:1"}, {"ssl.truststore.location", "/x.jks"}}, "PEM"},
      {{{"bootstrap.servers", "a:1"}, {"sasl.jaas.config", "x.Other required;"}}, "PlainLogin"},
      {{{"bootstrap.servers", "a:1"},
        {"sasl.jaas.config", "a.PlainLoginModule required username=\"x\";"}},
       "password"},
  };
  for (const auto& one : cases) {
    const auto made = real_client()->admin(one.properties, Duration(100));
    EXPECT_EQ(made.status().id(), ErrorId::kConnectorOption) << one.told;
    EXPECT_NE(made.status().message().find(one.told), std::string::npos)
        << made.status().to_string();
  }
}

TEST(KafkaProperties, those_of_the_java_client_are_taken) {
  const Properties properties = {
      {"bootstrap.servers", "127.0.0.1:1"},
      {"security.protocol", "SASL_PLAINTEXT"},
      {"sasl.mechanism", "PLAIN"},
      {"sasl.jaas.config",
       "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a b\" "
       "password=\"c\\\"d\";"},
      {"fetch.max.wait.ms", "100"},
      {"max.partition.fetch.bytes", "65536"},
      {"auto.offset.reset", "earliest"},
      {"ssl.endpoint.identification.algorithm", ""}};
  const auto made = real_client()->admin(properties, Duration(100));
  EXPECT_TRUE(made.ok()) << made.status().to_string();
}

}  // namespace
}  // namespace tidewheel::kafka
