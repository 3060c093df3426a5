// SQL and streams in one job.
#include <gtest/gtest.h>

#include <filesystem>

#include "tidewheel/base/world.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/table_registry.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

enum class Side : uint8_t { kBuy, kSell };
struct Place {
  std::string city;
  std::optional<int32_t> zip;
  friend bool operator==(const Place&, const Place&) = default;
};
struct Everything {
  bool flag = false;
  int8_t tiny = 0;
  int16_t small = 0;
  int32_t whole = 0;
  int64_t big = 0;
  uint8_t u8 = 0;
  uint16_t u16 = 0;
  uint32_t u32 = 0;
  uint64_t u64 = 0;
  float single = 0;
  double real = 0;
  std::string name;
  Bytes bytes;
  Timestamp at;
  LocalTimestamp local;
  Date day;
  Time time;
  std::chrono::milliseconds length{0};
  std::chrono::hours hours{0};
  Decimal<10, 2> price;
  Decimal<30, 5> wide;
  Side side = Side::kBuy;
  std::vector<std::string> words;
  std::vector<bool> flags;
  std::array<int32_t, 2> pair{};
  std::map<std::string, int64_t> counts;
  Place place;
  std::optional<Place> other;
  std::optional<std::string> note;
  std::pair<int32_t, std::string> both;
  std::vector<std::vector<std::optional<int32_t>>> nested;
  friend bool operator==(const Everything&, const Everything&) = default;
};

std::vector<Everything> some_of_everything() {
  Everything a;
  a.flag = true;
  a.tiny = -128;
  a.small = -32768;
  a.whole = -5;
  a.big = INT64_MIN;
  a.u8 = 255;
  a.u16 = 65535;
  a.u32 = UINT32_MAX;
  a.u64 = UINT64_MAX;
  a.single = 0.5F;
  a.real = -1e300;
  a.name = "a name that is longer than what a string keeps inside";
  a.bytes = Bytes(std::string("\0\1", 2));
  a.at = Timestamp(1234);
  a.local = LocalTimestamp(-5);
  a.day = Date(18000);
  a.time = Time(3'600'001);
  a.length = 1500ms;
  a.hours = 3h;
  a.price = *Decimal<10, 2>::parse("12.34");
  a.wide = *Decimal<30, 5>::parse("-1234567890123456789.12345");
  a.side = Side::kSell;
  a.words = {"x", "", "a long word that does not fit into a small string"};
  a.flags = {true, false, true};
  a.pair = {7, 8};
  a.counts = {{"one", 1}, {"two", 2}};
  a.place = {"Ulm", 89073};
  a.other = Place{"Bonn", std::nullopt};
  a.note = "seen";
  a.both = {3, "three"};
  a.nested = {{1, std::nullopt}, {}, {2}};
  Everything b;
  b.name = "b";
  return {a, b, a};
}

void run(Env& env) {
  const auto result = env.execute("test");
  ASSERT_TRUE(result.ok()) << result.status().to_string();
}
// Why a job can't be run.
std::string failure_of(Env& env, ErrorId id) {
  const auto result = env.execute("test");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), id) << result.status().to_string();
  return std::string(result.status().message());
}
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

struct Trade {
  std::string symbol;
  int64_t cents = 0;
  std::optional<int32_t> venue;
  Timestamp at;
  friend bool operator==(const Trade&, const Trade&) = default;
};
struct SymbolCount {
  std::string symbol;
  int64_t n = 0;
  friend auto operator<=>(const SymbolCount&, const SymbolCount&) = default;
};
std::vector<Trade> trades() {
  return {{"A", 5, 1, 1s}, {"B", 7, std::nullopt, 2s}, {"A", 3, 2, 12s}};
}

TEST(EnvSql, rows_of_all_types_come_back_as_they_were) {
  for (const int64_t rows : {1, 2, 1024}) {
    Env env;
    env.batch_rows(rows);
    env.view("everything", env.from_collection(some_of_everything()));
    auto back = env.sql("SELECT * FROM everything").as<Everything>().collect();
    run(env);
    EXPECT_EQ(back.get(), some_of_everything());
  }
}

TEST(EnvSql, types_are_those_of_the_fields) {
  Env env;
  env.view("everything", env.from_collection(some_of_everything()));
  const auto type = env.table("everything").row_type();
  ASSERT_TRUE(type.ok()) << type.status().to_string();
  const auto of = [&](const char* name) { return type->types[type->find(name)].to_string(); };
  EXPECT_EQ(of("flag"), "BOOLEAN NOT NULL");
  EXPECT_EQ(of("u8"), "SMALLINT NOT NULL");
  EXPECT_EQ(of("u32"), "BIGINT NOT NULL");
  EXPECT_EQ(of("u64"), "DECIMAL(20, 0) NOT NULL");
  EXPECT_EQ(of("at"), "TIMESTAMP_LTZ(3) NOT NULL");
  EXPECT_EQ(of("local"), "TIMESTAMP(3) NOT NULL");
  EXPECT_EQ(of("price"), "DECIMAL(10, 2) NOT NULL");
  EXPECT_EQ(of("side"), "SMALLINT NOT NULL");
  EXPECT_EQ(of("note"), "STRING");
  EXPECT_EQ(of("words"), "ARRAY<STRING NOT NULL> NOT NULL");
  EXPECT_EQ(of("counts"), "MAP<STRING NOT NULL, BIGINT NOT NULL> NOT NULL");
  EXPECT_EQ(of("other"), "ROW<`city` STRING NOT NULL, `zip` INT>");
}

TEST(EnvSql, a_query_that_only_adds_rows_gives_a_stream_of_them) {
  Env env;
  env.view("trades", env.from_collection(trades()));
  auto found = env.sql("SELECT symbol, cents * 2 AS n FROM trades WHERE venue IS NOT NULL")
                   .as<SymbolCount>()
                   .collect();
  run(env);
  EXPECT_EQ(found.get(), (std::vector<SymbolCount>{{"A", 10}, {"A", 6}}));
}

TEST(EnvSql, columns_are_found_by_name_in_any_order_and_single_values_by_position) {
  Env env;
  env.view("trades", env.from_collection(trades()));
  auto found = env.sql("SELECT cents AS n, symbol FROM trades").as<SymbolCount>().collect();
  auto sums = env.sql("SELECT cents + 1 FROM trades").as<int64_t>().collect();
  auto pairs = env.sql("SELECT symbol, venue FROM trades")
                   .as<std::pair<std::string, std::optional<int64_t>>>()
                   .collect();
  run(env);
  EXPECT_EQ(found.get(), (std::vector<SymbolCount>{{"A", 5}, {"B", 7}, {"A", 3}}));
  EXPECT_EQ(sums.get(), (std::vector<int64_t>{6, 8, 4}));
  EXPECT_EQ(pairs.get(), (std::vector<std::pair<std::string, std::optional<int64_t>>>{
                             {"A", 1}, {"B", std::nullopt}, {"A", 2}}));
}

TEST(EnvSql, a_query_whose_rows_change_gives_changes) {
  Env env;
  env.view("trades", env.from_collection(trades()));
  auto changes = env.sql("SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol")
                     .as<Change<SymbolCount>>()
                     .collect();
  run(env);
  EXPECT_EQ(changes.get(), (std::vector<Change<SymbolCount>>{{RowKind::kInsert, {"A", 1}},
                                                             {RowKind::kInsert, {"B", 1}},
                                                             {RowKind::kUpdateBefore, {"A", 1}},
                                                             {RowKind::kUpdateAfter, {"A", 2}}}));
  EXPECT_EQ(printed(changes.get()[2]), "{kind: -U, row: {symbol: \"A\", n: 1}}");
}

TEST(EnvSql, a_stream_of_changes_is_a_table_that_is_updated) {
  Env env;
  env.parallelism(1);
  const std::vector<Change<SymbolCount>> changes = {{RowKind::kInsert, {"A", 1}},
                                                    {RowKind::kInsert, {"B", 5}},
                                                    {RowKind::kUpdateBefore, {"A", 1}},
                                                    {RowKind::kUpdateAfter, {"A", 3}},
                                                    {RowKind::kDelete, {"B", 5}}};
  env.view("counts", env.from_collection(changes));
  auto sums = env.sql("SELECT SUM(n) FROM counts").as<Change<std::optional<int64_t>>>().collect();
  run(env);
  ASSERT_FALSE(sums.get().empty());
  EXPECT_EQ(sums.get().back().row, 3);
}

struct Window {
  LocalTimestamp window_start;
  int64_t n = 0;
  friend bool operator==(const Window&, const Window&) = default;
};

TEST(EnvSql, the_streams_time_drives_windows_and_comes_out_again) {
  Env env;
  const auto timed = env.from_collection(trades()).event_time(&Trade::at, monotonous());
  env.view("by_field", timed, {.rowtime = "at"});
  env.view("by_stream", timed, {.rowtime = "seen", .proctime = "now"});
  const auto windows = [&](const std::string& table, const std::string& time) {
    return env
        .sql("SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE " + table +
             ", DESCRIPTOR(" + time + "), INTERVAL '10' SECOND)) GROUP BY window_start, window_end")
        .as<Window>()
        .collect();
  };
  auto by_field = windows("by_field", "`at`");
  auto by_stream = windows("by_stream", "seen");
  // Rows have their time again: a typed window works on them.
  auto typed = env.sql("SELECT symbol, cents AS n, `at` FROM by_field")
                   .as<std::tuple<std::string, int64_t, Timestamp>>()
                   .window_all(tumbling(10s))
                   .count()
                   .map([](const WindowResult<Unkeyed, int64_t>& window) { return window.value; })
                   .collect();
  run(env);
  const std::vector<Window> expected = {{LocalTimestamp(0), 2}, {LocalTimestamp(10'000), 1}};
  EXPECT_EQ(by_field.get(), expected);
  EXPECT_EQ(by_stream.get(), expected);
  EXPECT_EQ(typed.get(), (std::vector<int64_t>{2, 1}));
}

TEST(EnvSql, statements_define_what_follows_and_inserts_are_part_of_the_job) {
  const std::string folder = ::testing::TempDir() + "env_sql_insert";
  std::filesystem::remove_all(folder);
  Env env;
  env.parallelism(1);
  env.view("trades", env.from_collection(trades()));
  env.sql(
      "SET 'table.local-time-zone' = 'UTC';"
      "CREATE TABLE kept (symbol STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '" +
      folder +
      "', 'format' = 'csv');"
      "CREATE VIEW large AS SELECT symbol, cents FROM trades WHERE cents > 4;"
      "INSERT INTO kept SELECT symbol, cents FROM large");
  env.table("large").insert_into("kept");
  run(env);
  Env reading;
  auto rows = reading
                  .sql(
                      "CREATE TABLE kept (symbol STRING NOT NULL, n BIGINT NOT NULL) WITH "
                      "('connector' = 'filesystem', 'path' = '" +
                      folder + "', 'format' = 'csv'); SELECT * FROM kept")
                  .as<SymbolCount>()
                  .collect();
  run(reading);
  EXPECT_EQ(rows.sorted(), (std::vector<SymbolCount>{{"A", 5}, {"A", 5}, {"B", 7}, {"B", 7}}));
}

TEST(EnvSql, settings_of_the_engine_are_settings_of_the_job) {
  Env env;
  env.sql("SET 'parallelism.default' = '3'");
  EXPECT_EQ(env.parallelism(), 3);
}

TEST(EnvSql, results_do_not_depend_on_parallelism_or_batch_size) {
  std::vector<Trade> many;
  for (int i = 0; i < 3000; ++i) { many.push_back({std::string(1, char('a' + i % 7)), i, {}, {}}); }
  std::optional<std::vector<SymbolCount>> expected;
  for (const int32_t parallelism : {1, 3}) {
    for (const int64_t rows : {1, 7, 1024}) {
      Env env;
      env.parallelism(parallelism).batch_rows(rows);
      env.view("trades", env.from_collection(many));
      auto changes = env.sql("SELECT symbol, SUM(cents) AS n FROM trades GROUP BY symbol")
                         .as<Change<SymbolCount>>()
                         .collect();
      run(env);
      std::map<std::string, int64_t> table;
      for (const auto& change : changes.get()) {
        if (change.kind == RowKind::kUpdateBefore) {
          EXPECT_EQ(table[change.row.symbol], change.row.n);
        } else {
          table[change.row.symbol] = change.row.n;
        }
      }
      std::vector<SymbolCount> rows_at_end;
      for (const auto& [symbol, n] : table) { rows_at_end.push_back({symbol, n}); }
      if (!expected.has_value()) { expected = rows_at_end; }
      EXPECT_EQ(rows_at_end, *expected) << parallelism << " " << rows;
    }
  }
}

// ---- Mistakes

TEST(EnvSql, asking_for_rows_that_change_points_at_the_clause) {
  Env env;
  env.view("trades", env.from_collection(trades()));
  env.sql("SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol").as<SymbolCount>().collect();
  const std::string failure = failure_of(env, ErrorId::kSqlQuery);
  EXPECT_CONTAINS(failure, "env_sql_test.cc:");
  EXPECT_CONTAINS(failure, "as<tw::Change<");
  EXPECT_CONTAINS(failure,
                  "  SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol\n"
                  "                                           ^^^^^^^^^^^^^^^");
}

TEST(EnvSql, the_innermost_clause_that_changes_rows_is_meant) {
  const auto clause = [](const std::string& query) {
    Env env;
    env.view("trades", env.from_collection(trades()));
    env.sql("CREATE VIEW counts AS SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol");
    env.sql(query).as<SymbolCount>().collect();
    const std::string failure = failure_of(env, ErrorId::kSqlQuery);
    const size_t mark = failure.rfind('\n') + 1;
    const size_t line = failure.rfind('\n', mark - 2) + 1;
    const size_t begin = failure.find('^') - mark;
    return failure.substr(line + begin, failure.size() - mark - begin);
  };
  EXPECT_EQ(clause("SELECT symbol, n FROM (SELECT symbol, COUNT(*) AS n FROM trades GROUP BY "
                   "symbol) WHERE n > 1"),
            "GROUP BY symbol");
  EXPECT_EQ(clause("WITH c AS (SELECT symbol, MAX(cents) AS n FROM trades group by symbol) "
                   "SELECT * FROM c"),
            "group by symbol");
  EXPECT_EQ(clause("SELECT * FROM counts WHERE n > 1"), "counts");
  EXPECT_EQ(clause("SELECT a.symbol, COALESCE(b.cents, 0) AS n FROM trades a LEFT JOIN trades b ON "
                   "a.symbol = b.symbol"),
            "LEFT JOIN");
  EXPECT_EQ(clause("SELECT symbol, cents AS n FROM trades ORDER BY cents LIMIT 1"),
            "ORDER BY cents");
}

TEST(EnvSql, a_column_of_another_type_is_named_with_both_types) {
  struct Narrow {
    std::string symbol;
    int32_t cents = 0;
  };
  Env env;
  env.view("trades", env.from_collection(trades()));
  env.sql("SELECT symbol, cents FROM trades").as<Narrow>().collect();
  const std::string failure = failure_of(env, ErrorId::kSqlType);
  EXPECT_CONTAINS(failure, "the column 'cents' is BIGINT NOT NULL, and the field 'cents' of ");
  EXPECT_CONTAINS(failure, "Narrow is INT NOT NULL");
  EXPECT_CONTAINS(failure, "  SELECT symbol, cents FROM trades\n                 ^^^^^");
}

TEST(EnvSql, null_needs_an_optional) {
  struct Venue {
    int32_t venue = 0;
  };
  Env env;
  env.view("trades", env.from_collection(trades()));
  env.sql("SELECT venue FROM trades").as<Venue>().collect();
  EXPECT_CONTAINS(failure_of(env, ErrorId::kSqlType), "make it a std::optional");
}

TEST(EnvSql, columns_and_fields_without_each_other_are_named) {
  Env more;
  more.view("trades", more.from_collection(trades()));
  more.sql("SELECT symbol, cents AS n, `at` FROM trades").as<SymbolCount>().collect();
  EXPECT_CONTAINS(failure_of(more, ErrorId::kSqlName), "has no field for the column 'at'");
  Env less;
  less.view("trades", less.from_collection(trades()));
  less.sql("SELECT symbol, cents AS nn FROM trades").as<SymbolCount>().collect();
  const std::string failure = failure_of(less, ErrorId::kSqlName);
  EXPECT_CONTAINS(failure, "gives no column 'n'");
  EXPECT_CONTAINS(failure, "did you mean");
  Env position;
  position.view("trades", position.from_collection(trades()));
  position.sql("SELECT symbol, cents FROM trades").as<std::string>().collect();
  EXPECT_CONTAINS(failure_of(position, ErrorId::kSqlType), "the query gives 2 columns");
}

TEST(EnvSql, mistakes_in_sql_name_the_place_of_the_call) {
  Env env;
  env.view("trades", env.from_collection(trades()));
  env.sql("SELECT simbol FROM trades").as<std::string>().collect();
  const std::string failure = failure_of(env, ErrorId::kSqlName);
  EXPECT_CONTAINS(failure, "env_sql_test.cc:");
  EXPECT_CONTAINS(failure, "symbol");
}

TEST(EnvSql, statements_without_rows_have_none_to_ask_for) {
  Env env;
  env.sql("CREATE DATABASE d").as<int64_t>().collect();
  EXPECT_CONTAINS(failure_of(env, ErrorId::kSqlQuery), "there are no rows to ask for");
  Env shell;
  shell.sql("SHOW TABLES");
  EXPECT_CONTAINS(failure_of(shell, ErrorId::kSqlUnsupported), "is for the shell");
}

TEST(EnvSql, rowtime_has_to_be_a_time) {
  Env env;
  env.view("trades", env.from_collection(trades()), {.rowtime = "cents"});
  EXPECT_CONTAINS(failure_of(env, ErrorId::kSqlType), ".rowtime has to be a tw::Timestamp");
}

TEST(EnvSql, rows_without_a_time_fail_where_it_is_asked_for) {
  Env env;
  env.view("trades", env.from_collection(trades()), {.rowtime = "seen"});
  env.sql("SELECT seen FROM trades").as<Timestamp>().collect();
  const auto result = env.execute("test");
  ASSERT_FALSE(result.ok());
  EXPECT_CONTAINS(result.status().to_string(), "the row has no event time");
}

TEST(EnvSql, values_out_of_a_fields_range_fail_the_job) {
  struct Small {
    uint8_t n = 0;
  };
  Env env;
  env.sql("SELECT CAST(n AS SMALLINT) AS n FROM (VALUES (1), (300)) AS t (n)")
      .as<Small>()
      .collect();
  const auto result = env.execute("test");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kSqlValue) << result.status().to_string();
}

// ---- Lifetimes

TEST(EnvSql, a_running_query_outlives_its_session) {
  const std::unique_ptr<World> world = make_real_world();
  std::optional<sql::RunningQuery> running;
  {
    sql::Session session(*world, {.tables = make_table_registry(), .config = {}, .file_table = {}});
    const std::string text =
        "SELECT UPPER(x), CAST(y AS STRING) FROM (VALUES ('a', 1)) AS t (x, y)";
    const auto statement = sql::parse_statement(text);
    ASSERT_TRUE(statement.ok());
    auto result = session.execute(text, *statement);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    running = std::move(std::get<sql::RunningQuery>(*result));
  }
  ASSERT_TRUE(running->job->result().ok());
  const auto rows = running->rows->take_all();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].columns().view(0).at<Text>(rows[0].begin), "A");
}

TEST(EnvSql, a_job_is_given_up_with_its_environment) {
  std::weak_ptr<JobGraph> graph;
  {
    Env env;
    env.view("trades", env.from_collection(trades()));
    env.sql("SELECT symbol FROM trades").as<std::string>().collect();
    run(env);
    graph = env.graph();
  }
  EXPECT_TRUE(graph.expired());
}

}  // namespace
}  // namespace tidewheel
