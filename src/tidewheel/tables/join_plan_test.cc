// Which plans joins get: several on one key, those of inputs that end, and how long rows are kept.
#include <gtest/gtest.h>

#include "tidewheel/base/world.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

class JoinPlans : public ::testing::Test {
 protected:
  JoinPlans()
      : world_(make_real_world()),
        session_(*world_, {.tables = make_table_registry(), .config = {}, .file_table = nullptr}) {
    for (const std::string name : {"a", "b", "c", "d"}) {
      run("CREATE TABLE " + name + " (k INT, " + name + "v INT) WITH ('connector' = 'datagen')");
    }
    run("SET 'table.optimizer.multi-join.enabled' = 'true'");
    run("SET 'table.optimizer.join-reorder-enabled' = 'true'");
  }
  Result<sql::StatementResult> execute(const std::string& text) {
    const auto statement = sql::parse_statement(text);
    TIDEWHEEL_RETURN_IF_ERROR(statement.status());
    return session_.execute(text, *statement);
  }
  void run(const std::string& text) {
    const auto result = execute(text);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
  }
  // Of the plan that is run, and of the state that it keeps.
  std::string explained(const std::string& query) {
    const auto result = execute("EXPLAIN " + query);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    if (!result.ok()) { return ""; }
    std::string text;
    for (const auto& row : std::get<sql::Listing>(*result).rows) { text += row[0] + "\n"; }
    return text.substr(text.find("== Optimized Physical Plan"));
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  const std::unique_ptr<World> world_;
  sql::Session session_;
};

TEST_F(JoinPlans, joins_on_one_key_are_one_operator) {
  const std::string query =
      "SELECT av, bv, cv FROM a LEFT JOIN b ON a.k = b.k JOIN c ON b.k = c.k AND av < cv";
  const std::string text = explained(query);
  EXPECT_TRUE(has(text,
                  "MultiJoin(joinTypes=[LeftOuterJoin to 0, InnerJoin to 1], "
                  "on=[(k) = (k) = (k)], where=[2: (av < cv)])"))
      << text;
  EXPECT_TRUE(has(text,
                  "MultiJoin by (k): rows (k, av), and by (k): rows (k, bv), and by (k): rows "
                  "(k, cv), for ever"))
      << text;
  run("SET 'table.optimizer.multi-join.enabled' = 'false'");
  EXPECT_FALSE(has(explained(query), "MultiJoin"));
}

TEST_F(JoinPlans, a_table_that_is_joined_with_itself_is_kept_once) {
  const std::string text = explained("SELECT l.av, r.av FROM a AS l JOIN a AS r ON l.k = r.k");
  EXPECT_TRUE(has(text, "MultiJoin(joinTypes=[InnerJoin], on=[(k) = (k)], shared=[1 as 0])"))
      << text;
  EXPECT_TRUE(has(text, "MultiJoin by (k): rows (k, av), for ever")) << text;
  const std::string chain =
      explained("SELECT l.av, r.av, bv FROM a AS l JOIN b ON l.k = b.k JOIN a AS r ON l.k = r.k");
  EXPECT_TRUE(has(chain, "shared=[2 as 0]")) << chain;
  // Other columns, another key, rows that change, NULLs for rows.
  for (const char* const other :
       {"SELECT l.av FROM a AS l JOIN a AS r ON l.k = r.k",
        "SELECT l.av FROM a AS l JOIN a AS r ON l.k = r.av",
        "SELECT l.n, r.n FROM (SELECT k, COUNT(*) AS n FROM a GROUP BY k) AS l JOIN "
        "(SELECT k, COUNT(*) AS n FROM a GROUP BY k) AS r ON l.k = r.k",
        "SELECT l.av, r.av FROM a AS l LEFT JOIN a AS r ON l.k = r.k"}) {
    EXPECT_FALSE(has(explained(other), "shared")) << other;
  }
}

TEST_F(JoinPlans, joins_are_put_together_by_themselves_where_all_are_inner) {
  const std::string inner = "SELECT av, bv, cv FROM a JOIN b ON a.k = b.k JOIN c ON b.k = c.k";
  const std::string left = "SELECT av, bv, cv FROM a LEFT JOIN b ON a.k = b.k JOIN c ON a.k = c.k";
  EXPECT_TRUE(has(explained(left), "MultiJoin"));
  run("RESET 'table.optimizer.multi-join.enabled'");
  EXPECT_TRUE(has(explained(inner), "MultiJoin"));
  EXPECT_FALSE(has(explained(left), "MultiJoin"));
  EXPECT_TRUE(has(explained("SELECT l.av, r.av FROM a AS l JOIN a AS r ON l.k = r.k"), "shared"));
  run("SET 'table.optimizer.multi-join.enabled' = 'false'");
  EXPECT_FALSE(has(explained(inner), "MultiJoin"));
}

TEST_F(JoinPlans, a_join_on_another_key_ends_the_chain) {
  EXPECT_FALSE(has(explained("SELECT av FROM a JOIN b ON a.k = b.k JOIN c ON bv = c.k"), "Multi"));
  EXPECT_FALSE(has(
      explained("SELECT av FROM a JOIN b ON a.k = b.k JOIN c ON a.k = c.k AND av = cv"), "Multi"));
  const std::string text =
      explained("SELECT av FROM a JOIN b ON a.k = b.k JOIN c ON a.k = c.k LEFT JOIN d ON cv = d.k");
  EXPECT_TRUE(has(text, "Join(joinType=[LeftOuterJoin], on=[cv = k])")) << text;
  EXPECT_TRUE(has(text, "MultiJoin(joinTypes=[InnerJoin, InnerJoin]")) << text;
}

TEST_F(JoinPlans, other_kinds_of_joins_and_shared_ones_stay_as_they_are) {
  EXPECT_FALSE(
      has(explained("SELECT av FROM a JOIN b ON a.k = b.k FULL JOIN c ON a.k = c.k"), "Multi"));
  // Built once for both.
  EXPECT_FALSE(has(explained("WITH ab AS (SELECT a.k, av, bv FROM a JOIN b ON a.k = b.k) "
                             "SELECT ab.k + av + bv + cv FROM ab JOIN c ON ab.k = c.k UNION ALL "
                             "SELECT k + av + bv FROM ab"),
                   "Multi"));
}

TEST_F(JoinPlans, hints_say_how_long_the_rows_of_each_table_are_kept) {
  const std::string joined = explained(
      "SELECT /*+ STATE_TTL('b' = '1 s') */ av, bv, cv FROM a JOIN b ON a.k = b.k "
      "JOIN c ON a.k = c.k");
  EXPECT_TRUE(has(joined,
                  "by (k): rows (k, av) for ever, and by (k): rows (k, bv) for 1000 ms after its "
                  "last use, and by (k): rows (k, cv) for ever"))
      << joined;
  const std::string counted =
      explained("SELECT /*+ STATE_TTL('a' = '2 s') */ k, COUNT(*) FROM a GROUP BY k");
  EXPECT_TRUE(has(counted, "COUNT(*), for 2000 ms after its last use")) << counted;
}

TEST_F(JoinPlans, rows_wait_for_windows_that_are_still_to_come) {
  run("CREATE TABLE bid (price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) "
      "WITH ('connector' = 'datagen')");
  run("CREATE VIEW best AS SELECT MAX(price) AS price, window_end AS ends FROM TABLE(TUMBLE("
      "TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end");
  const auto kept = [&](const std::string& condition) {
    return explained("SELECT bid.price FROM bid JOIN best ON bid.price = best.price AND " +
                     condition);
  };
  const std::string wait =
      "the left ones in memory until event time has passed them by 10000 ms, the right ones for "
      "ever";
  const std::string between = "ts BETWEEN ends - INTERVAL '10' SECOND AND ends";
  EXPECT_TRUE(has(kept(between), wait)) << kept(between);
  EXPECT_TRUE(has(kept("ends - INTERVAL '12' SECOND < ts - INTERVAL '2' SECOND"), wait));
  // The other bound says nothing of windows to come; and too many windows end in a day.
  EXPECT_FALSE(has(kept("ts <= ends"), "until event time"));
  EXPECT_FALSE(has(kept("ts >= ends - INTERVAL '1' DAY"), "until event time"));
  // Rows that are updated, outer joins, and state that expires.
  const std::string outer = explained(
      "SELECT bid.price FROM bid LEFT JOIN best ON bid.price = best.price AND " + between);
  EXPECT_FALSE(has(outer, "until event time")) << outer;
  run("SET 'table.exec.state.ttl' = '1 h'");
  EXPECT_FALSE(has(kept(between), "until event time"));
}

TEST_F(JoinPlans, bounded_inputs_are_joined_by_size) {
  run("CREATE TABLE big (k INT, p INT) WITH ('connector' = 'datagen', 'number-of-rows' = '99999')");
  run("CREATE TABLE middle (k INT, q INT) WITH ('connector' = 'datagen', 'number-of-rows' = '99')");
  run("CREATE TABLE small (q INT, r INT) WITH ('connector' = 'datagen', 'number-of-rows' = '9')");
  const std::string query =
      "SELECT p, r FROM big JOIN middle ON big.k = middle.k JOIN small ON middle.q = small.q";
  const std::string by_size = explained(query);
  EXPECT_LT(by_size.find("Join(joinType=[InnerJoin], on=[k = k])"),
            by_size.find("Join(joinType=[InnerJoin], on=[q = q])"))
      << by_size;
  run("SET 'table.optimizer.join-reorder-enabled' = 'false'");
  const std::string as_written = explained(query);
  EXPECT_GT(as_written.find("Join(joinType=[InnerJoin], on=[k = k])"),
            as_written.find("Join(joinType=[InnerJoin], on=[q = q])"))
      << as_written;
}

}  // namespace
}  // namespace tidewheel
