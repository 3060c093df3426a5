#include "tidewheel/sql/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/sql/print.h"

namespace tidewheel::sql {
namespace {

// What a statement is printed as; printing that and parsing it again must change nothing.
std::string printed(std::string_view text) {
  const Result<Statement> parsed = parse_statement(text);
  if (!parsed.ok()) { return parsed.status().message(); }
  const std::string once = to_sql(*parsed);
  const Result<Statement> again = parse_statement(once);
  if (!again.ok()) { return once + "\n does not parse: " + again.status().message(); }
  EXPECT_TRUE(*again == *parsed) << once;
  EXPECT_EQ(to_sql(*again), once);
  return once;
}
std::string expression(std::string_view text) {
  const Result<Expression> parsed = parse_expression(text);
  if (!parsed.ok()) { return parsed.status().message(); }
  const std::string once = to_sql(*parsed);
  const Result<Expression> again = parse_expression(once);
  EXPECT_TRUE(again.ok() && *again == *parsed) << once;
  return once;
}
std::string type(std::string_view text) {
  const Result<DataType> parsed = parse_data_type(text);
  if (!parsed.ok()) { return parsed.status().message(); }
  const std::string once = to_sql(*parsed);
  const Result<DataType> again = parse_data_type(once);
  EXPECT_TRUE(again.ok() && *again == *parsed) << once;
  return once;
}
std::string failure(std::string_view text) {
  const Result<Statement> parsed = parse_statement(text);
  return parsed.ok() ? "parsed: " + to_sql(*parsed) : parsed.status().message();
}

// Statements that are printed as they were written.
class Unchanged : public testing::TestWithParam<const char*> {};
TEST_P(Unchanged, is_printed_as_it_was_written) { EXPECT_EQ(printed(GetParam()), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Queries, Unchanged,
    testing::Values(
        "SELECT 1", "SELECT *", "SELECT a, t.*, b AS c FROM t", "SELECT DISTINCT a FROM c.d.t AS x",
        "SELECT a FROM t AS x (p, q) WHERE a > 1 GROUP BY a HAVING COUNT(*) > 2",
        "SELECT a FROM t ORDER BY a DESC NULLS LAST, b LIMIT 10 OFFSET 5",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), a, ()), CUBE (a, b), ROLLUP ((a, b), c)",
        "SELECT a FROM t GROUP BY ()", "VALUES (1, 'a'), (2, 'b')", "TABLE t",
        "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4",
        "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3", "SELECT 1 UNION (SELECT 2 UNION SELECT 3)",
        "(SELECT 1 LIMIT 2) UNION SELECT 3 LIMIT 1", "(SELECT 1 LIMIT 2) LIMIT 1",
        "WITH a (x) AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b",
        "SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING (x, y) CROSS JOIN d",
        "SELECT * FROM a, b NATURAL JOIN c", "SELECT * FROM (a, b) JOIN c ON TRUE",
        "SELECT * FROM a JOIN (b FULL JOIN c ON TRUE) ON FALSE",
        "SELECT * FROM (SELECT 1) AS t, LATERAL (SELECT 2) AS u",
        "SELECT * FROM t LEFT JOIN LATERAL TABLE(f(t.x)) AS u (a, b) ON TRUE",
        "SELECT * FROM t CROSS JOIN UNNEST(t.tags) WITH ORDINALITY AS u (tag, n)",
        "SELECT * FROM o JOIN r /*+ OPTIONS('a' = 'b') */ FOR SYSTEM_TIME AS OF o.ts AS r ON "
        "o.k = r.k",
        "SELECT /*+ STATE_TTL('o' = '1d'), BROADCAST(r) */ * FROM o",
        "SELECT origin, COUNT(*) FROM 'flights.csv.gz' GROUP BY origin",
        "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
        "SELECT * FROM TABLE(SESSION(TABLE bid PARTITION BY (a, b), DESCRIPTOR(ts), GAP => "
        "INTERVAL '1' "
        "MINUTE))",
        "SELECT * FROM TABLE(HOP(DATA => TABLE bid, TIMECOL => DESCRIPTOR(ts), `OFFSET` => x))",
        "SELECT SUM(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR "
        "PRECEDING AND "
        "CURRENT ROW), RANK() OVER w FROM t WINDOW w AS (ORDER BY a ROWS 3 PRECEDING)",
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES FIRST(a.x, 1) AS x, "
        "MATCH_ROWTIME() AS y ONE ROW PER MATCH AFTER MATCH SKIP TO LAST b PATTERN (a b{1,}? (c "
        "| d){0,1} "
        "{- e -}) WITHIN INTERVAL '1' HOUR DEFINE b AS b.x > a.x, c AS TRUE) AS m"));

INSTANTIATE_TEST_SUITE_P(
    Definitions, Unchanged,
    testing::Values(
        "CREATE TABLE t (a INT, b STRING NOT NULL COMMENT 'it''s b', c AS a + 1 COMMENT 'c', "
        "d TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, e BIGINT PRIMARY KEY NOT ENFORCED, "
        "WATERMARK FOR d AS d - INTERVAL '5' SECOND) COMMENT 'x' PARTITIONED BY (a, b) "
        "WITH ('connector' = 'kafka', 'topic' = 'x')",
        "CREATE TEMPORARY TABLE IF NOT EXISTS a.b.t (x INT, CONSTRAINT pk PRIMARY KEY (x) NOT "
        "ENFORCED)",
        "CREATE TABLE t WITH ('a' = 'b') LIKE s (EXCLUDING ALL, INCLUDING WATERMARKS, OVERWRITING "
        "OPTIONS)",
        "CREATE TABLE t (b, a) WITH ('a' = 'b') AS SELECT a, b FROM s",
        "CREATE OR REPLACE TABLE t AS SELECT 1", "REPLACE TABLE t AS SELECT 1",
        "CREATE TABLE t (a INT) DISTRIBUTED BY HASH (a) INTO 4 BUCKETS",
        "CREATE TABLE t (a INT) DISTRIBUTED INTO 4 BUCKETS",
        "CREATE TEMPORARY VIEW IF NOT EXISTS v (a, b) COMMENT 'c' AS SELECT 1, 2",
        "CREATE CATALOG c COMMENT 'x' WITH ('type' = 'file')", "CREATE DATABASE IF NOT EXISTS c.d",
        "CREATE TEMPORARY SYSTEM FUNCTION f AS 'symbol' LANGUAGE cpp USING LIBRARY 'libf.so'",
        "DROP TABLE IF EXISTS a.b", "DROP TEMPORARY SYSTEM FUNCTION f", "DROP DATABASE d CASCADE",
        "ALTER TABLE t RENAME TO u", "ALTER TABLE t SET ('a' = 'b', 'c' = 'd')",
        "ALTER TABLE t RESET ('a', 'b')", "ALTER TABLE IF EXISTS t DROP (a, b)",
        "ALTER TABLE t ADD (a INT FIRST, b AS a + 1 AFTER a, WATERMARK FOR ts AS ts, PRIMARY "
        "KEY (a) NOT "
        "ENFORCED)",
        "ALTER TABLE t MODIFY (a BIGINT)", "ALTER TABLE t DROP WATERMARK",
        "ALTER TABLE t RENAME a TO b", "ALTER TABLE t DROP CONSTRAINT pk",
        "ALTER VIEW v AS SELECT 1", "ALTER VIEW v RENAME TO w",
        "ALTER DATABASE d SET ('a' = 'b')"));

INSTANTIATE_TEST_SUITE_P(
    Others, Unchanged,
    testing::Values(
        "INSERT INTO t SELECT * FROM s", "INSERT INTO t (a, b) VALUES (1, 2)",
        "INSERT OVERWRITE t PARTITION (d = '2020', h = 1) (a) SELECT 1",
        "INSERT INTO t /*+ OPTIONS('a' = 'b') */ SELECT 1",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
        "EXPLAIN SELECT 1", "EXPLAIN CHANGELOG_MODE, ESTIMATED_COST INSERT INTO t SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END", "USE d", "USE CATALOG c",
        "SHOW TABLES", "SHOW TABLES FROM d NOT LIKE 'a%'", "SHOW COLUMNS FROM t ILIKE 'x'",
        "SHOW CREATE TABLE t", "SHOW CURRENT DATABASE", "SHOW USER FUNCTIONS", "SHOW JOBS",
        "SHOW PARTITIONS t PARTITION (d = '2020', h = '1')", "DESCRIBE t", "DESCRIBE EXTENDED t",
        "DESCRIBE 'a.csv'", "DESCRIBE EXTENDED 'a.csv'", "SHOW CREATE TABLE 'a.csv'",
        "DESCRIBE JOB 'x'", "SET", "SET 'a' = 'b'", "RESET", "RESET 'a'",
        "STOP JOB 'x' WITH SAVEPOINT WITH DRAIN"));

TEST(Parser, short_forms_are_printed_in_full) {
  EXPECT_EQ(printed("select a b from t x where a<>1 and b!=2;"),
            "SELECT a AS b FROM t AS x WHERE a <> 1 AND b <> 2");
  EXPECT_EQ(printed("select all a from t inner join u on true fetch first 3 rows only"),
            "SELECT a FROM t JOIN u ON TRUE LIMIT 3");
  EXPECT_EQ(printed("begin statement set; insert into a select 1; end;"),
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END");
  EXPECT_EQ(printed("((select 1))"), "SELECT 1");
  EXPECT_EQ(printed("(select 1 limit 2) limit all"), "SELECT 1 LIMIT 2");
  EXPECT_EQ(printed("explain plan for select 1"), "EXPLAIN SELECT 1");
  EXPECT_EQ(printed("desc t"), "DESCRIBE t");
  EXPECT_EQ(printed("SELECT `order`, `a``b`, `plain` FROM `t`"),
            "SELECT `order`, `a``b`, plain FROM t");
}

TEST(Parser, operators_bind_as_in_calcite) {
  EXPECT_EQ(expression("1 + 2 * 3"), "1 + 2 * 3");
  EXPECT_EQ(expression("(1 + 2) * 3"), "(1 + 2) * 3");
  EXPECT_EQ(expression("a - (b - c) - d"), "a - (b - c) - d");
  EXPECT_EQ(expression("((a - b) - c)"), "a - b - c");
  EXPECT_EQ(expression("a || b || c"), "a || b || c");
  EXPECT_EQ(expression("not a = b and c or d"), "NOT a = b AND c OR d");
  EXPECT_EQ(expression("not (a and b)"), "NOT (a AND b)");
  EXPECT_EQ(expression("(a or b) and c"), "(a OR b) AND c");
  EXPECT_EQ(expression("(a and b) and c"), "(a AND b) AND c");
  EXPECT_EQ(expression("a between 1 and 2 and b"), "a BETWEEN 1 AND 2 AND b");
  EXPECT_EQ(expression("a not between symmetric b + 1 and c"),
            "a NOT BETWEEN SYMMETRIC b + 1 AND c");
  EXPECT_EQ(expression("a = b is null"), "a = b IS NULL");
  EXPECT_EQ(expression("a = (b is null)"), "a = (b IS NULL)");
  EXPECT_EQ(expression("- - 1"), "- -1");
  EXPECT_EQ(expression("-a[1].b"), "-a[1].b");
  EXPECT_EQ(expression("(a).b"), "(a).b");
  EXPECT_EQ(expression("a is not distinct from b"), "a IS NOT DISTINCT FROM b");
  EXPECT_EQ(expression("a not in (1, 2)"), "a NOT IN (1, 2)");
  EXPECT_EQ(expression("a in (select 1)"), "a IN (SELECT 1)");
  EXPECT_EQ(expression("a like 'x%' escape '!'"), "a LIKE 'x%' ESCAPE '!'");
  EXPECT_EQ(expression("a > some (select 1)"), "a > ANY (SELECT 1)");
  EXPECT_EQ(expression("exists (select 1)"), "EXISTS (SELECT 1)");
}

TEST(Parser, calls_and_values) {
  EXPECT_EQ(expression("count(distinct a)"), "count(DISTINCT a)");
  EXPECT_EQ(expression("sum(a) filter (where b > 1)"), "sum(a) FILTER (WHERE b > 1)");
  EXPECT_EQ(expression("lag(a, 1) ignore nulls over (order by t)"),
            "lag(a, 1) IGNORE NULLS OVER (ORDER BY t)");
  EXPECT_EQ(expression("extract(year from ts)"), "EXTRACT(YEAR FROM ts)");
  EXPECT_EQ(expression("floor(ts to hour)"), "FLOOR(ts TO HOUR)");
  EXPECT_EQ(expression("floor(1.5)"), "floor(1.5)");
  EXPECT_EQ(expression("ceil((interval '1' day) to hour)"), "CEIL((INTERVAL '1' DAY) TO HOUR)");
  EXPECT_EQ(expression("substring(a from 2 for 3)"), "SUBSTRING(a FROM 2 FOR 3)");
  EXPECT_EQ(expression("substring(a, 2, 3)"), "substring(a, 2, 3)");
  EXPECT_EQ(expression("trim(leading 'x' from a)"), "TRIM(LEADING 'x' FROM a)");
  EXPECT_EQ(expression("trim(`both`)"), "TRIM((both))");
  EXPECT_EQ(expression("position('a' in b)"), "POSITION('a' IN b)");
  EXPECT_EQ(expression("overlay(a placing b from 1 for 2)"), "OVERLAY(a PLACING b FROM 1 FOR 2)");
  EXPECT_EQ(expression("timestampadd(day, 1, ts)"), "TIMESTAMPADD(DAY, 1, ts)");
  EXPECT_EQ(expression("left('abc', 2)"), "`left`('abc', 2)");
  EXPECT_EQ(expression("current_date"), "CURRENT_DATE");
  EXPECT_EQ(expression("array[1, 2][1]"), "ARRAY[1, 2][1]");
  EXPECT_EQ(expression("map['a', 1, 'b', 2]"), "MAP['a', 1, 'b', 2]");
  EXPECT_EQ(expression("row(1)"), "ROW(1)");
  EXPECT_EQ(expression("row(1, 2)"), "(1, 2)");
  EXPECT_EQ(expression("x'00fF'"), "X'00FF'");
  EXPECT_EQ(expression("U&'\\263A'"), "'\xe2\x98\xba'");
  EXPECT_EQ(expression("date '2020-01-31' + interval '1 10' day(3) to second(2)"),
            "DATE '2020-01-31' + INTERVAL '1 10' DAY(3) TO SECOND(2)");
  EXPECT_EQ(expression("cast(a as decimal(10, 2))"), "CAST(a AS DECIMAL(10, 2))");
  EXPECT_EQ(expression("try_cast(a as row<x int, y array<string>>)"),
            "TRY_CAST(a AS ROW<x INT, y ARRAY<STRING>>)");
  EXPECT_EQ(expression("case when a then 1 else 2 end"), "CASE WHEN a THEN 1 ELSE 2 END");
  EXPECT_EQ(expression("json_value(a, '$.b' returning int null on empty error on error)"),
            "JSON_VALUE(a, '$.b' RETURNING INT NULL ON EMPTY ERROR ON ERROR)");
  EXPECT_EQ(expression("json_query(a, '$' with conditional array wrapper empty array on error)"),
            "JSON_QUERY(a, '$' WITH CONDITIONAL WRAPPER EMPTY ARRAY ON ERROR)");
  EXPECT_EQ(expression("json_object('a' value 1, key 'b' value 2 absent on null)"),
            "JSON_OBJECT(KEY ('a') VALUE 1, KEY ('b') VALUE 2 ABSENT ON NULL)");
  EXPECT_EQ(expression("a is not json object"), "a IS NOT JSON OBJECT");
}

TEST(Parser, a_difference_with_units_behind_it_is_an_interval) {
  EXPECT_EQ(expression("(a - b) day to second"), "CAST(a - b AS INTERVAL DAY TO SECOND)");
  EXPECT_EQ(expression("(a - b) hour > c"), "CAST(a - b AS INTERVAL HOUR) > c");
  const auto select = parse_statement("SELECT (a + b) minute FROM t");  // a name
  ASSERT_TRUE(select.ok());
}

TEST(Parser, types) {
  for (const char* text : {"BOOLEAN",
                           "INT NOT NULL",
                           "DECIMAL",
                           "DECIMAL(38)",
                           "DECIMAL(10, 0)",
                           "CHAR(3)",
                           "VARCHAR",
                           "STRING",
                           "BINARY(2)",
                           "BYTES",
                           "DATE",
                           "TIME(0)",
                           "TIMESTAMP(9)",
                           "TIMESTAMP_LTZ(3)",
                           "INTERVAL YEAR TO MONTH",
                           "INTERVAL DAY(3) TO SECOND(6)",
                           "ARRAY<INT NOT NULL>",
                           "MAP<STRING, MULTISET<DATE>>",
                           "ROW<a INT 'x', `order` ROW<>>",
                           "RAW('a', 'b')"}) {
    EXPECT_EQ(type(text), text);
  }
  EXPECT_EQ(type("int array not null"), "ARRAY<INT> NOT NULL");
  EXPECT_EQ(type("timestamp(3) with local time zone"), "TIMESTAMP_LTZ(3)");
  EXPECT_EQ(type("row(a numeric(3,1), b character varying(5))"),
            "ROW<a DECIMAL(3, 1), b VARCHAR(5)>");
  EXPECT_NE(type("decimal(39)").find("1 to 38 digits"), std::string::npos);
  EXPECT_NE(type("timestamp(3) with time zone").find("not supported"), std::string::npos);
}

TEST(Parser, errors_show_the_place_and_the_near_miss) {
  EXPECT_EQ(
      failure("SELECT a\n  FORM t"),
      "line 2, column 3: expected FROM, WHERE, GROUP, HAVING, WINDOW, ORDER, LIMIT, UNION ..., "
      "found 't'; did you mean FROM where 'FORM' is?\n"
      "    FORM t\n"
      "    ^^^^");
  EXPECT_EQ(
      failure("SELEC 1"),
      "line 1, column 1: expected SELECT, INSERT, CREATE, WITH, SET, SHOW, EXPLAIN, DROP ..., "
      "found 'SELEC'; did you mean SELECT where 'SELEC' is?\n"
      "  SELEC 1\n"
      "  ^^^^^");
  EXPECT_EQ(
      failure("SELECT order FROM t"),
      "line 1, column 8: expected an expression, found 'order'; a name like this keyword stands "
      "in back-ticks: `order`\n"
      "  SELECT order FROM t\n"
      "         ^^^^^");
  EXPECT_EQ(failure("SELECT 'abc"),
            "line 1, column 8: this string has no closing '\n"
            "  SELECT 'abc\n"
            "         ^");
  EXPECT_EQ(failure("SELECT (1 + "),
            "line 1, column 13: expected an expression, found the end of the text\n"
            "  SELECT (1 + \n"
            "              ^");
  EXPECT_NE(failure("SELECT \"a\"").find("back-ticks"), std::string::npos);
  EXPECT_NE(failure("SELECT 1a").find("neither a number nor a name"), std::string::npos);
  EXPECT_NE(failure("CREATE TABLE t (a INT, a INT)").find("two columns 'a'"), std::string::npos);
  EXPECT_NE(failure("CREATE TABLE t (a INT PRIMARY KEY)").find("NOT ENFORCED"), std::string::npos);
  EXPECT_NE(failure("SELECT 1 WHERE a JOIN b").find("expected the end"), std::string::npos);
  EXPECT_NE(failure("SET a = b").find("expected the key of an option"), std::string::npos);
}

TEST(Parser, unsupported_statements_say_so) {
  const Result<Statement> parsed = parse_statement("UPDATE t SET a = 1");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().id(), ErrorId::kSqlUnsupported);
}

TEST(Parser, a_script_is_cut_at_semicolons) {
  const auto parsed = parse_script(";; SELECT 1; -- a comment; with one\n SELECT ';' /* ; */;");
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ(to_sql((*parsed)[1]), "SELECT ';'");
  EXPECT_FALSE(parse_script("SELECT 1 SELECT 2").ok());
  EXPECT_EQ(parse_script("\xef\xbb\xbfSELECT 1").value().size(), 1U);  // behind a byte order mark
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) { out += text; }
  return out;
}

// Neither the parser nor what walks its trees may run out of stack.
TEST(Parser, depth_and_length_have_limits) {
  EXPECT_TRUE(parse_expression(repeated("(", 150) + "1" + repeated(")", 150)).ok());
  for (const char* open :
       {"(", "- ", "NOT ", "f(", "CEIL(", "CASE WHEN ", "ARRAY[", "a[", "(SELECT "}) {
    const auto parsed = parse_expression(repeated(open, 20'000) + "1");
    ASSERT_FALSE(parsed.ok());
    EXPECT_NE(parsed.status().message().find("nested deeper"), std::string::npos) << open;
  }
  EXPECT_TRUE(parse_expression("1" + repeated(" + 1", 1'000)).ok());
  EXPECT_TRUE(parse_expression("1" + repeated(" AND 1", 20'000)).ok());
  EXPECT_TRUE(parse_expression("x IN (1" + repeated(", -1", 20'000) + ")").ok());
  for (const char* link : {" + 1", " IS NULL", "[1]", ".a", " = 1", " IN (1)", " LIKE 'a'"}) {
    EXPECT_FALSE(parse_expression("(f(x))" + repeated(link, 20'000)).ok()) << link;
  }
  // A chain within a chain counts as well.
  std::string chains = "1";
  for (int i = 0; i < 20; ++i) { chains = "(" + chains + repeated(" + 1", 100) + ")"; }
  EXPECT_FALSE(parse_expression(chains).ok());
  EXPECT_FALSE(parse_statement("SELECT 1" + repeated(" UNION SELECT 1", 20'000)).ok());
  EXPECT_FALSE(parse_statement("SELECT 1 FROM a" + repeated(", a", 20'000)).ok());
  EXPECT_FALSE(parse_data_type(repeated("ARRAY<", 20'000)).ok());
  EXPECT_FALSE(parse_data_type("INT" + repeated(" ARRAY", 20'000)).ok());
}

}  // namespace
}  // namespace tidewheel::sql
