// Kafka's topics in SQL, over brokers within the process or real ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/connectors/kafka/kafka_testing.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

struct Pair {
  int64_t a = 0;
  std::optional<std::string> b;
  friend auto operator<=>(const Pair&, const Pair&) = default;
};
struct Where {
  std::string topic;
  int32_t part = 0;
  int64_t at = 0;
  int64_t ms = 0;
  std::string kind;
  std::optional<int32_t> epoch;
  std::map<std::string, std::string> headers;
  friend bool operator==(const Where&, const Where&) = default;
};

class KafkaSql : public kafka::KafkaTest {
 protected:
  void send_json(const std::string& topic, const std::vector<std::string>& values) {
    write(topic, 0, values);
  }
  std::string with(const std::string& topic, const std::string& more = "") {
    return " WITH ('topic' = '" + topic + "', 'properties.bootstrap.servers' = '" + brokers() +
           "', 'scan.bounded.mode' = 'latest-offset'" + (more.empty() ? "" : ", " + more) + ")";
  }
  static constexpr char kJson[] =
      "'connector' = 'kafka', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset'";

  template <class T>
  std::vector<T> rows_of(const std::string& create, const std::string& query) {
    Env env(world(), Config());
    static_cast<void>(env.sql(create));
    auto rows = env.sql(query).as<T>().collect();
    const auto result = env.execute();
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    return rows.get();
  }
};

TEST_F(KafkaSql, values_are_rows) {
  const std::string name = topic("values", 2);
  write(name, 0, {R"({"a": 1, "b": "x"})", R"({"a": 2, "b": null})"});
  write(name, 1, {R"({"b": "y", "a": 3})"});
  auto rows = rows_of<Pair>("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" + with(name, kJson),
                            "SELECT * FROM t");
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(rows, (std::vector<Pair>{{1, "x"}, {2, std::nullopt}, {3, "y"}}));
  EXPECT_EQ(rows_of<int64_t>("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" + with(name, kJson),
                             "SELECT a FROM t WHERE b = 'y'"),
            std::vector<int64_t>{3});
}

TEST_F(KafkaSql, keys_are_columns) {
  const std::string name = topic("keys", 1);
  const auto writer = producer();
  send(*writer, name, {.key = "k1", .value = R"({"a": 1})", .partition = 0});
  send(*writer, name, {.value = R"({"a": 2})", .partition = 0});
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  const auto rows = rows_of<Pair>(
      "CREATE TABLE t (a BIGINT NOT NULL, k_b STRING)" +
          with(name, std::string(kJson) +
                         ", 'key.format' = 'raw', 'key.fields' = 'k_b', 'key.fields-prefix' = "
                         "'k_', 'value.fields-include' = 'EXCEPT_KEY'"),
      "SELECT a, k_b AS b FROM t");
  EXPECT_EQ(rows, (std::vector<Pair>{{1, "k1"}, {2, std::nullopt}}));
}

TEST_F(KafkaSql, metadata_are_columns) {
  const std::string name = topic("metadata", 1);
  const auto writer = producer();
  const std::vector<kafka::Header> headers = {{"h", "old"}, {"i", "2"}, {"h", "1"}};
  send(*writer, name,
       {.value = R"({"a": 1})", .partition = 0, .timestamp_ms = 77'000, .headers = headers});
  send(*writer, name, {.value = R"({"a": 1})", .partition = 0, .timestamp_ms = 78'000});
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  const auto rows = rows_of<Where>(
      "CREATE TABLE t (a BIGINT, topic STRING NOT NULL METADATA VIRTUAL, part INT NOT NULL "
      "METADATA FROM 'partition' VIRTUAL, at BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL, ms "
      "BIGINT NOT NULL METADATA FROM 'timestamp', kind STRING NOT NULL METADATA FROM "
      "'timestamp-type' VIRTUAL, epoch INT METADATA FROM 'leader-epoch' VIRTUAL, headers "
      "MAP<STRING NOT NULL, STRING NOT NULL> NOT NULL METADATA)" +
          with(name, kJson),
      "SELECT topic, part, at, ms, kind, epoch, headers FROM t");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0],
            (Where{name, 0, 0, 77'000, "CreateTime", std::nullopt, {{"h", "1"}, {"i", "2"}}}));
  EXPECT_EQ(rows[1], (Where{name, 0, 1, 78'000, "CreateTime", std::nullopt, {}}));
}

TEST_F(KafkaSql, the_last_message_of_a_key_is_its_row) {
  const std::string name = topic("upserts", 1);
  const auto writer = producer();
  const auto put = [&](const std::string& key, std::optional<std::string_view> value) {
    send(*writer, name, {.key = key, .value = value, .partition = 0});
  };
  put("1", R"({"a": 1, "b": "x"})");
  put("2", R"({"a": 2, "b": "y"})");
  put("1", R"({"a": 1, "b": "z"})");
  put("1", R"({"a": 1, "b": "z"})");
  put("2", std::nullopt);
  put("9", std::nullopt);
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  for (const char* include : {"ALL", "EXCEPT_KEY"}) {
    Env env(world(), Config());
    env.parallelism(2);
    static_cast<void>(
        env.sql("CREATE TABLE t (a BIGINT, b STRING, PRIMARY KEY (a) NOT ENFORCED)" +
                with(name,
                     "'connector' = 'upsert-kafka', 'key.format' = 'csv', 'value.format' = "
                     "'json', 'value.fields-include' = '" +
                         std::string(include) + "'")));
    auto rows = env.sql("SELECT * FROM t").as<Change<Pair>>().collect();
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    std::vector<std::string> seen;
    for (const auto& change : rows.get()) {
      seen.push_back(std::string(row_kind_text(change.kind)) + " " + std::to_string(change.row.a) +
                     change.row.b.value_or("-"));
    }
    std::stable_sort(seen.begin(), seen.end(),
                     [](const auto& x, const auto& y) { return x[3] < y[3]; });
    EXPECT_EQ(seen, (std::vector<std::string>{"+I 1x", "-U 1x", "+U 1z", "+I 2y", "-D 2y"}));

    // Without the key's columns, and as a count.
    Env counting(world(), Config());
    static_cast<void>(
        counting.sql("CREATE TABLE t (a BIGINT, b STRING, PRIMARY KEY (a) NOT ENFORCED)" +
                     with(name,
                          "'connector' = 'upsert-kafka', 'key.format' = 'csv', 'value.format' = "
                          "'json', 'value.fields-include' = '" +
                              std::string(include) + "'")));
    auto only = counting.sql("SELECT b FROM t").as<Change<std::optional<std::string>>>().collect();
    ASSERT_TRUE(counting.execute().ok());
    EXPECT_EQ(only.get().size(), 5U);
  }
}

TEST_F(KafkaSql, bad_records_are_counted_or_told) {
  const std::string name = topic("bad", 1);
  write(name, 0, {R"({"a": 1})", "nonsense", R"({"a": 2})"});
  const std::string create = "CREATE TABLE t (a BIGINT NOT NULL)";
  Env env(world(), Config());
  static_cast<void>(env.sql(create + with(name, kJson)));
  env.sql("SELECT a FROM t").as<int64_t>().collect();
  const auto failed = env.execute();
  EXPECT_EQ(failed.status().id(), ErrorId::kRecordMalformed) << failed.status().to_string();
  EXPECT_EQ(
      rows_of<int64_t>(create + with(name, std::string(kJson) + ", 'scan.bad-records' = 'skip'"),
                       "SELECT a FROM t"),
      (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(rows_of<int64_t>(
                create + with(name, std::string(kJson) + ", 'json.ignore-parse-errors' = 'true'"),
                "SELECT a FROM t"),
            (std::vector<int64_t>{1, 2}));
}

struct WindowCount {
  LocalTimestamp window_start;
  int64_t n = 0;
  friend auto operator<=>(const WindowCount&, const WindowCount&) = default;
};
constexpr char kByWindow[] =
    "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' "
    "SECOND)) GROUP BY window_start, window_end";
constexpr char kTimed[] =
    "CREATE TABLE t (a BIGINT, ts TIMESTAMP(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts - "
    "INTERVAL '1' SECOND)";

TEST_F(KafkaSql, a_partition_that_is_ahead_makes_nothing_late_in_others) {
  const std::string name = topic("ahead", 3);
  for (int32_t partition = 0; partition < 3; ++partition) {
    const auto writer = producer();
    for (int i = 0; i < 3'000; ++i) {
      send(*writer, name,
           {.value = R"({"a": 1})", .partition = partition, .timestamp_ms = 1'000 + i * 100});
    }
    ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  }
  for (const int64_t batch_rows : {16, 1024}) {
    Env env(world(), Config());
    env.batch_rows(batch_rows);
    static_cast<void>(env.sql(kTimed + with(name, kJson)));
    auto rows = env.sql(kByWindow).as<WindowCount>().collect();
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    int64_t all = 0;
    for (const WindowCount& window : rows.get()) { all += window.n; }
    EXPECT_EQ(all, 9'000) << batch_rows;
    EXPECT_EQ(rows.get().size(), 31U);
  }
}

TEST_F(KafkaSql, a_partition_without_messages_holds_windows_back_until_it_is_idle) {
  const std::string name = topic("idle", 2);
  write(name, 0, {R"({"a": 1})"}, /*first_time_ms=*/1'000);
  write(name, 0, {R"({"a": 1})"}, /*first_time_ms=*/60'000);
  Env env(world(), Config());
  static_cast<void>(env.sql(kTimed + std::string(" WITH ('topic' = '") + name +
                            "', 'properties.bootstrap.servers' = '" + brokers() + "', " + kJson +
                            ", 'scan.watermark.idle-timeout' = '100 ms')"));
  auto seen = std::make_shared<std::atomic<int>>(0);
  env.sql(kByWindow)
      .as<WindowCount>()
      .map([seen](const WindowCount&) { return ++*seen; })
      .collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  // No message comes any more: both are idle, and event time is where the one is that is ahead.
  EXPECT_TRUE(wait_for([&] { return seen->load() == 1; }));
  (*job)->cancel();
  static_cast<void>((*job)->result());
}

TEST_F(KafkaSql, a_table_that_is_ahead_waits_for_those_of_its_group) {
  const std::string ahead = topic("group-ahead", 1);
  const std::string behind = topic("group-behind", 1);
  constexpr int32_t kMessages = 60'000;
  write(behind, 0, {R"({"a": 0})"}, /*first_time_ms=*/1'000);
  const auto writer = producer();
  for (int32_t i = 0; i < kMessages; ++i) {
    send(*writer, ahead, {.value = R"({"a": 1})", .partition = 0, .timestamp_ms = 1'000 + i * 20});
  }
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  Env env(world(), Config());
  env.batch_rows(64);
  for (const auto& [table, name] : {std::pair("x", ahead), std::pair("y", behind)}) {
    static_cast<void>(
        env.sql("CREATE TABLE " + std::string(table) +
                " (a BIGINT NOT NULL, ts TIMESTAMP(3) METADATA FROM 'timestamp', WATERMARK FOR ts "
                "AS ts) WITH ('topic' = '" +
                name + "', 'properties.bootstrap.servers' = '" + brokers() + "', " + kJson +
                ", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = "
                "'5 s', 'scan.watermark.alignment.update-interval' = '10 ms')"));
  }
  // Until the group has answered for the first time nobody waits: rows are read slowly, so that
  // most of them are left then.
  const auto seen = std::make_shared<std::atomic<int64_t>>(0);
  const auto pause = world().executor().make_event();
  Clock* const clock = &world().clock();
  env.sql("SELECT a FROM x UNION ALL SELECT a FROM y")
      .as<int64_t>()
      .map([seen, clock, pause = pause.get()](int64_t a) {
        const int64_t count = *seen += a;
        if (count % 64 == 0) { static_cast<void>(pause->wait(clock->now_ns() + 1'000'000)); }
        return count;
      })
      .collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  int64_t last = 0;
  int32_t same = 0;
  EXPECT_TRUE(wait_for([&] {
    same = last > 0 && *seen == last ? same + 1 : 0;
    last = *seen;
    return same == 50;
  }));
  EXPECT_LT(last, kMessages / 2);
  write(behind, 0, {R"({"a": 0})"}, /*first_time_ms=*/40'000'000);
  EXPECT_TRUE(wait_for([&] { return *seen == kMessages; }));
  (*job)->cancel();
  static_cast<void>((*job)->result());
}

}  // namespace
}  // namespace tidewheel
