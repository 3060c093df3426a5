// Kafka's topics as tables that are written, over brokers within the process or real ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/connectors/kafka/kafka_testing.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

struct Written {
  std::string key;
  std::string value;  // "<none>": a tombstone
  int64_t ms = 0;
  std::string headers;
  friend bool operator==(const Written&, const Written&) = default;
};

class KafkaSqlSink : public kafka::KafkaTest {
 protected:
  std::string with(const std::string& topic, const std::string& more) {
    return " WITH ('topic' = '" + topic + "', 'properties.bootstrap.servers' = '" + brokers() +
           "', " + more + ")";
  }
  Status run(const std::vector<std::string>& statements) {
    Env env(world(), Config());
    for (const std::string& statement : statements) { static_cast<void>(env.sql(statement)); }
    return env.execute().status();
  }
  // All messages, in the order of partition 0.
  std::vector<Written> read(const std::string& topic) {
    std::vector<Written> all;
    const auto consumer = kafka::real_client()->consumer(
        {{"bootstrap.servers", brokers()}, {"enable.partition.eof", "true"}},
        {&world().executor(), [] {}});
    EXPECT_TRUE(consumer.ok());
    const auto reader = (*consumer)->open({topic, 0}, kafka::kOffsetEarliest);
    EXPECT_TRUE(reader.ok());
    EXPECT_TRUE(wait_for([&] {
      const kafka::Fetched fetched = (*reader)->fetch(100);
      for (const kafka::Message& message : fetched.messages) {
        Written one;
        one.key = message.has_key ? message.key : "<none>";
        one.value = message.has_value ? message.value : "<none>";
        one.ms = message.timestamp_ms;
        std::vector<kafka::Header> headers;
        (*reader)->headers(message, headers);
        for (const kafka::Header& header : headers) {
          one.headers +=
              std::string(header.name) + "=" + std::string(header.value.value_or("<none>")) + ";";
        }
        all.push_back(std::move(one));
      }
      return fetched.reached != kafka::kNoOffset;
    }));
    return all;
  }
  Status refused(const std::string& create) {
    return run({create, "INSERT INTO t SELECT * FROM (VALUES (1, 'x')) AS v(a, b)"});
  }
};

TEST_F(KafkaSqlSink, rows_become_messages_with_keys_times_and_headers) {
  const std::string name = topic("rows", 1);
  const Status status = run(
      {"CREATE TABLE t (a BIGINT, b STRING, ts TIMESTAMP(3) METADATA FROM 'timestamp', h "
       "MAP<STRING, STRING> METADATA FROM 'headers', p INT METADATA FROM 'partition' VIRTUAL)" +
           with(name,
                "'connector' = 'kafka', 'format' = 'json', 'key.format' = 'raw', "
                "'key.fields' = 'b', 'value.fields-include' = 'EXCEPT_KEY'"),
       "INSERT INTO t SELECT a, b, TIMESTAMP '1970-01-01 00:00:01', MAP['k', b] FROM (VALUES (1, "
       "'x'), (2, 'y')) AS v(a, b)"});
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(read(name), (std::vector<Written>{{"x", R"({"a":1})", 1'000, "k=x;"},
                                              {"y", R"({"a":2})", 1'000, "k=y;"}}));
}

TEST_F(KafkaSqlSink, upserts_are_messages_of_their_key_and_deletions_tombstones) {
  const std::string source = topic("changes", 1);
  write(source, 0, {R"({"a": 1, "b": "x"})", R"({"a": 2, "b": "y"})", R"({"a": 3, "b": "x"})"});
  const std::string name = topic("upserts", 1);
  const std::string in =
      "CREATE TABLE s (a BIGINT, b STRING)" + with(source,
                                                   "'connector' = 'kafka', 'format' = 'json', "
                                                   "'scan.startup.mode' = 'earliest-offset', "
                                                   "'scan.bounded.mode' = 'latest-offset'");
  const std::string create = "CREATE TABLE t (b STRING, n BIGINT, PRIMARY KEY (b) NOT ENFORCED)";
  const std::string options =
      "'connector' = 'upsert-kafka', 'key.format' = 'raw', 'value.format' = 'json'";
  // One of the groups goes as soon as it has two rows.
  const std::string insert =
      "INSERT INTO t SELECT b, COUNT(*) FROM s GROUP BY b HAVING COUNT(*) < 2";
  const Status status = run({in, create + with(name, options), insert});
  ASSERT_TRUE(status.ok()) << status.to_string();
  std::vector<std::string> texts;
  for (const Written& one : read(name)) { texts.push_back(one.key + " " + one.value); }
  EXPECT_EQ(texts,
            (std::vector<std::string>{R"(x {"b":"x","n":1})", R"(y {"b":"y","n":1})", "x <none>"}));
  // What waits for the last of its key is one message for each.
  const std::string waiting = topic("waiting", 1);
  const Status second =
      run({in,
           create + with(waiting, options + ", 'sink.buffer-flush.max-rows' = '100', "
                                            "'sink.buffer-flush.interval' = '1 h'"),
           insert});
  ASSERT_TRUE(second.ok()) << second.to_string();
  texts.clear();
  for (const Written& one : read(waiting)) { texts.push_back(one.key + " " + one.value); }
  EXPECT_EQ(texts, (std::vector<std::string>{"x <none>", R"(y {"b":"y","n":1})"}));
}

TEST_F(KafkaSqlSink, options_that_do_not_fit_are_named) {
  const std::string name = named("none");
  const std::string columns = "CREATE TABLE t (a INT, b STRING)";
  const std::string kafka = "'connector' = 'kafka', 'format' = 'json'";
  const auto expect = [&](const std::string& create, const char* word) {
    const Status status = refused(create);
    EXPECT_FALSE(status.ok()) << word;
    EXPECT_NE(status.to_string().find(word), std::string::npos) << status.to_string();
  };
  expect(columns + with(name, kafka + ", 'sink.delivery-guarantee' = 'exactly-once'"),
         "sink.transactional-id-prefix");
  expect(columns + with(name, kafka + ", 'sink.delivery-guarantee' = 'twice'"), "at-least-once");
  expect(columns + with(name, kafka + ", 'sink.semantic' = 'exactly-once'"),
         "sink.delivery-guarantee");
  expect(columns + with(name, kafka + ", 'sink.partitioner' = 'com.example.Mine'"), "round-robin");
  expect(columns + with(name, kafka + ", 'sink.partitioner' = 'round-robin', 'key.format' = 'raw', "
                                      "'key.fields' = 'b'"),
         "key.fields");
  expect(columns + with(name + ";other", kafka), "one topic");
  expect(columns + with(name, kafka + ", 'properties.security.protocol' = 'HTTPS', "
                                      "'sink.delivery-guarantee' = 'exactly-once', "
                                      "'sink.transactional-id-prefix' = 'p'"),
         "security.protocol");
  expect("CREATE TABLE t (a INT, b STRING METADATA FROM 'topic')" + with(name, kafka), "VIRTUAL");
  const std::string upserts =
      "'connector' = 'upsert-kafka', 'key.format' = 'raw', 'value.format' = 'json'";
  expect(columns + with(name, upserts), "PRIMARY KEY");
  expect("CREATE TABLE t (a INT, b STRING, PRIMARY KEY (b) NOT ENFORCED)" +
             with(name, upserts + ", 'sink.buffer-flush.max-rows' = '5'"),
         "sink.buffer-flush.interval");
}

}  // namespace
}  // namespace tidewheel
