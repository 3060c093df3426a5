// Formats with schemas, and of change logs, in SQL: files, and topics with a registry of schemas.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/connectors/kafka/kafka_testing.h"
#include "tidewheel/http/server.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

struct Pair {
  int64_t a = 0;
  std::optional<std::string> b;
  friend auto operator<=>(const Pair&, const Pair&) = default;
};
struct Triple {
  std::optional<int64_t> c;
  int64_t a = 0;
  std::optional<std::string> b;
  friend auto operator<=>(const Triple&, const Triple&) = default;
};

class FormatFiles : public ::testing::Test {
 protected:
  // Tests run beside each other, each in a process of its own.
  FormatFiles()
      : folder_(::testing::TempDir() + "tidewheel_format_files_" + std::to_string(::getpid())) {}
  ~FormatFiles() override { std::filesystem::remove_all(folder_); }
  std::string files(const std::string& name, const std::string& more) const {
    return " WITH ('connector' = 'filesystem', 'path' = '" + folder_ + "/" + name + "', " + more +
           "); ";
  }
  static void run(Env& env) {
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
  }
  template <class T>
  static std::vector<T> rows_of(const std::string& sql) {
    Env env;
    auto rows = env.sql(sql).as<T>().collect();
    run(env);
    return rows.sorted();
  }
  const std::string folder_;
};

TEST_F(FormatFiles, avro_is_written_by_folder_and_read_by_the_schema_in_the_files) {
  for (const int64_t batch_rows : {1, 1024}) {
    std::filesystem::remove_all(folder_);
    Env env;
    env.batch_rows(batch_rows);
    env.sql("CREATE TABLE t (a BIGINT NOT NULL, b STRING, day STRING) PARTITIONED BY (day)" +
            files("t", "'format' = 'avro'") +
            "INSERT INTO t VALUES (1, 'x', 'mo'), (2, CAST(NULL AS STRING), 'tu'), (3, 'z', 'mo')");
    run(env);
    EXPECT_EQ(rows_of<Pair>("SELECT a, b FROM '" + folder_ + "/t/day=mo'"),
              (std::vector<Pair>{{1, "x"}, {3, "z"}}));
    EXPECT_EQ(rows_of<Triple>("CREATE TABLE t (c BIGINT, a BIGINT NOT NULL, b STRING)" +
                              files("t/day=tu", "'format' = 'avro'") + "SELECT * FROM t"),
              (std::vector<Triple>{{std::nullopt, 2, std::nullopt}}));
  }
}

TEST_F(FormatFiles, changes_that_are_written_are_the_same_table_when_they_are_read) {
  const std::string table =
      "CREATE TABLE counts (a BIGINT, b STRING)" + files("counts", "'format' = 'debezium-json'");
  Env env;
  env.parallelism(1);
  env.sql(table +
          "INSERT INTO counts SELECT COUNT(*), word FROM (VALUES ('x'), ('y'), ('x'), ('x')) "
          "AS t(word) GROUP BY word");
  run(env);
  Env reading;
  auto sums = reading.sql(table + "SELECT SUM(a) AS a, MAX(b) AS b FROM counts")
                  .as<Change<std::pair<std::optional<int64_t>, std::optional<std::string>>>>()
                  .collect();
  run(reading);
  ASSERT_FALSE(sums.get().empty());
  EXPECT_EQ(sums.get().back().row.first, 4);
  EXPECT_EQ(sums.get().back().row.second, "y");
}

TEST_F(FormatFiles, messages_of_a_log_are_no_files) {
  Env env;
  env.sql("CREATE TABLE t (a BIGINT)" +
          files("t", "'format' = 'avro-confluent', 'avro-confluent.url' = 'http://a:1'") +
          "INSERT INTO t VALUES (1)");
  const auto result = env.execute();
  EXPECT_EQ(result.status().id(), ErrorId::kSqlOption);
  EXPECT_NE(result.status().message().find("not for files"), std::string::npos)
      << result.status().to_string();
}

// A registry that takes every schema: the n-th has the id n. Called on its server's thread.
class Registry final : public HttpService {
 public:
  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest&) override {
    return std::shared_ptr<HttpBodyTaker>();
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    HttpResponse response;
    constexpr std::string_view kIds = "/schemas/ids/";
    const std::lock_guard guard(lock_);
    if (request.method == "POST") {
      subjects_.push_back(request.target);
      const auto known = std::find(bodies_.begin(), bodies_.end(), request.body);
      const auto id = known - bodies_.begin() + 1;
      if (known == bodies_.end()) { bodies_.push_back(request.body); }
      response.body = "{\"id\":" + std::to_string(id) + "}";
    } else if (request.target.starts_with(kIds)) {
      const auto id = static_cast<size_t>(std::stoi(request.target.substr(kIds.size())));
      response.status = id > 0 && id <= bodies_.size() ? 200 : 404;
      if (response.status == 200) { response.body = bodies_[id - 1]; }
    }
    answer(std::move(response));
  }
  HttpResponse failure_response(int32_t status, const Status&) override {
    return {.status = status};
  }
  std::vector<std::string> subjects() {
    const std::lock_guard guard(lock_);
    return subjects_;
  }

 private:
  LeafLock lock_;
  std::vector<std::string> subjects_;
  std::vector<std::string> bodies_;
};

class RegistrySql : public kafka::KafkaTest {
 protected:
  void SetUp() override {
    HttpServerOptions options;
    options.address = {"127.0.0.1", 0};
    auto opened = HttpServer::open(world(), options, registry_);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    server_ = std::move(*opened);
  }
  std::string with(const std::string& topic, const std::string& more) {
    return " WITH ('connector' = 'kafka', 'topic' = '" + topic +
           "', 'properties.bootstrap.servers' = '" + brokers() +
           "', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', " +
           more + "); ";
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  std::string format(const std::string& name) const {
    return "'format' = '" + name + "', '" + name + ".url' = '" + url() + "'";
  }
  void run(Env& env) {
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
  }
  Registry registry_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(RegistrySql, messages_of_several_schemas_go_through_a_topic) {
  for (const char* name : {"avro-confluent", "json-registry"}) {
    const std::string log = topic(std::string("log-") + name, 2);
    {
      Env env(world(), Config());
      env.sql("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" + with(log, format(name)) +
              "INSERT INTO t VALUES (1, 'x'), (2, CAST(NULL AS STRING))");
      run(env);
    }
    {
      Env env(world(), Config());
      env.sql("CREATE TABLE t (c BIGINT, a BIGINT NOT NULL, b STRING)" + with(log, format(name)) +
              "INSERT INTO t VALUES (30, 3, 'z')");
      run(env);
    }
    Env env(world(), Config());
    auto rows = env.sql("CREATE TABLE t (c BIGINT, a BIGINT NOT NULL, b STRING)" +
                        with(log, format(name)) + "SELECT * FROM t")
                    .as<Triple>()
                    .collect();
    run(env);
    EXPECT_EQ(rows.sorted(),
              (std::vector<Triple>{
                  {std::nullopt, 1, "x"}, {std::nullopt, 2, std::nullopt}, {30, 3, "z"}}))
        << name;
    const std::vector<std::string> subjects = registry_.subjects();
    EXPECT_TRUE(std::any_of(subjects.begin(), subjects.end(), [&](const std::string& subject) {
      return subject == "/subjects/" + log + "-value/versions";
    })) << log;
  }
}

TEST_F(RegistrySql, keys_and_values_have_schemas_of_their_own) {
  const std::string log = topic("keyed", 1);
  const std::string both = "'key.format' = 'avro-confluent', 'key.avro-confluent.url' = '" + url() +
                           "', 'key.fields' = 'b', 'value.format' = 'avro-confluent', "
                           "'value.avro-confluent.url' = '" +
                           url() + "', 'value.fields-include' = 'EXCEPT_KEY'";
  Env env(world(), Config());
  env.sql("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" + with(log, both) +
          "INSERT INTO t VALUES (1, 'x'), (2, 'y')");
  run(env);
  Env reading(world(), Config());
  auto rows =
      reading
          .sql("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" + with(log, both) + "SELECT * FROM t")
          .as<Pair>()
          .collect();
  run(reading);
  EXPECT_EQ(rows.sorted(), (std::vector<Pair>{{1, "x"}, {2, "y"}}));
}

TEST_F(RegistrySql, a_registry_that_says_no_fails_the_job_with_its_words) {
  const std::string log = topic("log", 1);
  write(log, 0, {std::string("\0\0\0\0\x63\2", 6)});
  Env env(world(), Config());
  auto rows = env.sql("CREATE TABLE t (a BIGINT NOT NULL, b STRING)" +
                      with(log, format("avro-confluent")) + "SELECT * FROM t")
                  .as<Pair>()
                  .collect();
  const auto result = env.execute();
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("schema 99"), std::string::npos)
      << result.status().to_string();
}

TEST_F(RegistrySql, changes_of_a_database_say_where_they_are_from) {
  const std::string log = topic("changes", 1);
  write(log, 0,
        {R"({"before":null,"after":{"a":1,"b":"x"},"op":"c","source":{"db":"shop"}})",
         R"({"before":{"a":1,"b":"x"},"after":{"a":5,"b":"x"},"op":"u","source":{"db":"shop"}})"});
  Env env(world(), Config());
  auto rows = env.sql(
                     "CREATE TABLE t (a BIGINT, b STRING METADATA FROM 'value.source.database' "
                     "VIRTUAL)" +
                     with(log, "'format' = 'debezium-json'") + "SELECT a, b FROM t")
                  .as<Change<std::pair<std::optional<int64_t>, std::optional<std::string>>>>()
                  .collect();
  run(env);
  ASSERT_EQ(rows.get().size(), 3U);
  EXPECT_EQ(rows.get()[1].kind, RowKind::kUpdateBefore);
  EXPECT_EQ(rows.get()[2].kind, RowKind::kUpdateAfter);
  EXPECT_EQ(rows.get()[2].row.first, 5);
  EXPECT_EQ(rows.get()[2].row.second, "shop");
}

}  // namespace
}  // namespace tidewheel
