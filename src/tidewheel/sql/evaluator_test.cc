#include "tidewheel/sql/evaluator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/sql/test_binder.h"

namespace tidewheel::sql {
namespace {

struct Table {
  RowType type;
  std::vector<tidewheel::Column> columns;
  ArenaRef arena = Arena::create();
  uint32_t rows = 0;

  void add(const std::string& name, std::string_view type_text, const std::vector<Datum>& values) {
    type.add(name, TestBinder::type_of(type_text));
    tidewheel::Column column(type.types.back());
    for (uint32_t i = 0; i < values.size(); ++i) { put_datum(values[i], column, i, *arena); }
    columns.push_back(std::move(column));
    rows = static_cast<uint32_t>(values.size());
  }
  std::vector<ColumnView> views() const {
    std::vector<ColumnView> views;
    for (const tidewheel::Column& column : columns) { views.push_back(column.view()); }
    return views;
  }
};

Datum number(int64_t value) { return {value}; }
Datum word(std::string value) { return {std::move(value)}; }
const Datum kNull;

Table sample(uint32_t rows = 8) {
  Table table;
  std::vector<Datum> a;
  std::vector<Datum> b;
  std::vector<Datum> s;
  for (uint32_t i = 0; i < rows; ++i) {
    a.push_back(number(i));
    b.push_back(i % 3 == 2 ? kNull : number(int64_t{i} * 10));
    s.push_back(i % 4 == 3 ? kNull : word("w" + std::to_string(i)));
  }
  table.add("a", "BIGINT NOT NULL", a);
  table.add("b", "INT", b);
  table.add("s", "STRING", s);
  return table;
}

std::unique_ptr<Evaluator> compiled(const Table& table, const std::vector<std::string>& texts,
                                    std::vector<LogicalType>* types = nullptr) {
  static std::vector<std::unique_ptr<TestBinder>> binders;  // functions outlive evaluators
  binders.push_back(std::make_unique<TestBinder>(table.type));
  std::vector<Bound> bound;
  for (const std::string& text : texts) {
    bound.push_back(binders.back()->bind(text).value());
    if (types != nullptr) { types->push_back(bound.back().type); }
  }
  EvalOptions options;
  options.column_names = table.type.names;
  return std::move(Evaluator::compile(bound, table.type.types, options)).value();
}

// The values of one expression for rows [begin, end), with ";" between.
std::string values(const Table& table, const std::string& text, uint32_t begin, uint32_t end) {
  std::vector<LogicalType> types;
  const auto evaluator = compiled(table, {text}, &types);
  const ArenaRef arena = Arena::create();
  Evaluated result;
  const Status status =
      evaluator->run(table.views(), begin, end, {}, *arena, std::span(&result, 1));
  if (!status.ok()) { return "error: " + status.message(); }
  std::string out;
  for (uint32_t i = 0; i < end - begin; ++i) {
    if (i > 0) { out += ';'; }
    out += value_to_text(types[0], result.view, result.input_column < 0 ? i : begin + i);
  }
  return out;
}
std::string values(const Table& table, const std::string& text) {
  return values(table, text, 0, table.rows);
}

TEST(evaluator, computes_with_columns_and_constants) {
  const Table table = sample();
  EXPECT_EQ(values(table, "a + 1"), "1;2;3;4;5;6;7;8");
  EXPECT_EQ(values(table, "10 - a"), "10;9;8;7;6;5;4;3");
  EXPECT_EQ(values(table, "a * a"), "0;1;4;9;16;25;36;49");
  EXPECT_EQ(values(table, "a + b"), "0;11;NULL;33;44;NULL;66;77");
  EXPECT_EQ(values(table, "b"), "0;10;NULL;30;40;NULL;60;70");
  EXPECT_EQ(values(table, "1 + 2"), "3;3;3;3;3;3;3;3");
  EXPECT_EQ(values(table, "b > 35"), "FALSE;FALSE;NULL;FALSE;TRUE;NULL;TRUE;TRUE");
  EXPECT_EQ(values(table, "s"), "w0;w1;w2;NULL;w4;w5;w6;NULL");
  EXPECT_EQ(values(table, "s = 'w4'"), "FALSE;FALSE;FALSE;NULL;TRUE;FALSE;FALSE;NULL");
}

TEST(evaluator, begins_at_any_row) {
  const Table table = sample(300);
  for (const std::string text : {"a + b", "b", "s", "b IS NULL", "s > 'w2'", "b + 1"}) {
    const std::string all = values(table, text);
    std::string parts;
    for (const auto& [begin, end] : std::vector<std::pair<uint32_t, uint32_t>>{
             {0, 1}, {1, 64}, {64, 64}, {64, 130}, {130, 131}, {131, 300}}) {
      const std::string part = values(table, text, begin, end);
      if (begin == end) {
        EXPECT_EQ(part, "");
        continue;
      }
      parts += (parts.empty() ? "" : ";") + part;
    }
    EXPECT_EQ(parts, all) << text;
  }
}

TEST(evaluator, logic_has_three_values) {
  Table table;
  table.add(
      "x", "BOOLEAN",
      {number(1), number(1), number(1), number(0), number(0), number(0), kNull, kNull, kNull});
  table.add(
      "y", "BOOLEAN",
      {number(1), number(0), kNull, number(1), number(0), kNull, number(1), number(0), kNull});
  EXPECT_EQ(values(table, "x AND y"), "TRUE;FALSE;NULL;FALSE;FALSE;FALSE;NULL;FALSE;NULL");
  EXPECT_EQ(values(table, "x OR y"), "TRUE;TRUE;TRUE;TRUE;FALSE;NULL;TRUE;NULL;NULL");
  EXPECT_EQ(values(table, "NOT x"), "FALSE;FALSE;FALSE;TRUE;TRUE;TRUE;NULL;NULL;NULL");
  EXPECT_EQ(values(table, "x IS TRUE"), "TRUE;TRUE;TRUE;FALSE;FALSE;FALSE;FALSE;FALSE;FALSE");
  EXPECT_EQ(values(table, "x IS NOT FALSE"), "TRUE;TRUE;TRUE;FALSE;FALSE;FALSE;TRUE;TRUE;TRUE");
  EXPECT_EQ(values(table, "x IS NOT DISTINCT FROM y"),
            "TRUE;FALSE;FALSE;FALSE;TRUE;FALSE;FALSE;FALSE;TRUE");
  EXPECT_EQ(values(table, "x AND NULL"), "NULL;NULL;NULL;FALSE;FALSE;FALSE;NULL;NULL;NULL");
}

TEST(evaluator, what_no_row_asks_for_does_not_fail) {
  const Table table = sample();
  EXPECT_EQ(values(table, "CASE WHEN a <> 0 THEN 10 / a ELSE -1 END"), "-1;10;5;3;2;2;1;1");
  EXPECT_EQ(values(table, "a <> 0 AND 10 / a > 3"),
            "FALSE;TRUE;TRUE;FALSE;FALSE;FALSE;FALSE;FALSE");
  EXPECT_EQ(values(table, "a = 0 OR 10 / a > 3"), "TRUE;TRUE;TRUE;FALSE;FALSE;FALSE;FALSE;FALSE");
  EXPECT_EQ(values(table, "COALESCE(b, 100 / (a - 4))"), "0;10;-50;30;40;100;60;70");
  EXPECT_EQ(values(table, "CASE WHEN a < 0 THEN 1 / 0 WHEN a < 100 THEN a ELSE 1 / 0 END"),
            "0;1;2;3;4;5;6;7");
  EXPECT_EQ(values(table, "CASE WHEN a < 2 THEN CAST(a AS STRING) WHEN a < 4 THEN s END"),
            "0;1;w2;NULL;NULL;NULL;NULL;NULL");
  EXPECT_EQ(values(table, "10 / a"), "error: (10 / a): division of 10 by zero");
  EXPECT_EQ(values(table, "CAST(s AS INT)", 0, 1),
            "error: CAST(s AS INT): 'w0' is no INT; TRY_CAST gives NULL for such values");
  EXPECT_EQ(values(table, "TRY_CAST(s AS INT)", 2, 4), "NULL;NULL");
  // Shared by a place that is asked for and one that is not.
  EXPECT_EQ(values(table, "CASE WHEN a > 0 THEN 10 / a END IS NULL AND a > 0"),
            "FALSE;FALSE;FALSE;FALSE;FALSE;FALSE;FALSE;FALSE");
}

TEST(evaluator, filters_take_what_is_true) {
  const Table table = sample(200);
  const auto rows = [&](const std::string& text, uint32_t begin, uint32_t end) {
    const auto evaluator = compiled(table, {text});
    const ArenaRef arena = Arena::create();
    std::vector<uint32_t> out{7};
    EXPECT_TRUE(evaluator->run_filter(table.views(), begin, end, *arena, out).ok());
    EXPECT_EQ(out[0], 7U);
    out.erase(out.begin());
    return out;
  };
  EXPECT_EQ(rows("a < 3", 0, 200), (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(rows("b >= 10", 0, 8), (std::vector<uint32_t>{1, 3, 4, 6, 7}));
  EXPECT_EQ(rows("b >= 10", 100, 104), (std::vector<uint32_t>{100, 102, 103}));
  EXPECT_EQ(rows("TRUE", 5, 8), (std::vector<uint32_t>{5, 6, 7}));
  EXPECT_EQ(rows("CAST(NULL AS BOOLEAN)", 5, 8), std::vector<uint32_t>{});
  EXPECT_EQ(rows("a = 1", 5, 5), std::vector<uint32_t>{});
}

TEST(evaluator, plain_columns_are_passed_on) {
  const Table table = sample();
  const auto evaluator = compiled(table, {"b", "a + 1", "b", "'x'", "a + 1"});
  tidewheel::Column targets[] = {
      tidewheel::Column(table.type.types[1]), tidewheel::Column(table.type.types[0]),
      tidewheel::Column(table.type.types[1]), tidewheel::Column(LogicalType::string()),
      tidewheel::Column(table.type.types[0])};
  std::vector<tidewheel::Column*> pointers;
  for (tidewheel::Column& target : targets) { pointers.push_back(&target); }
  const ArenaRef arena = Arena::create();
  std::vector<Evaluated> results(5);
  const auto views = table.views();
  ASSERT_TRUE(evaluator->run(views, 2, 8, pointers, *arena, results).ok());
  EXPECT_EQ(results[0].input_column, 1);
  EXPECT_EQ(results[0].view.values, views[1].values);
  EXPECT_EQ(results[1].input_column, -1);
  EXPECT_EQ(results[1].view.at<int64_t>(0), 3);
  EXPECT_EQ(results[1].view.values, targets[1].view().values);
  EXPECT_EQ(results[3].view.at<Text>(5), "x");
  EXPECT_EQ(results[4].view.at<int64_t>(5), 8);
  EXPECT_EQ(results[4].view.values, targets[4].view().values);
  EXPECT_FALSE(evaluator->borrows_input(0));
  EXPECT_EQ(evaluator->input_columns().size(), 2U);

  const std::vector<uint32_t> rows{7, 1, 2};
  ASSERT_TRUE(evaluator->run_selected(views, rows, pointers, *arena, results).ok());
  EXPECT_EQ(results[0].input_column, -1);
  EXPECT_EQ(results[0].view.at<int32_t>(0), 70);
  EXPECT_TRUE(results[2].view.is_null(2));
  EXPECT_EQ(results[4].view.at<int64_t>(1), 2);
}

TEST(evaluator, one_row_is_no_constant) {
  const Table table = sample();
  const auto evaluator = compiled(table, {"a + 1", "2 + 3"});
  tidewheel::Column targets[] = {tidewheel::Column(table.type.types[0]),
                                 tidewheel::Column(LogicalType::of(TypeKind::kInt))};
  std::vector<tidewheel::Column*> pointers{&targets[0], &targets[1]};
  const ArenaRef arena = Arena::create();
  std::vector<Evaluated> results(2);
  ASSERT_TRUE(evaluator->run(table.views(), 4, 5, pointers, *arena, results).ok());
  EXPECT_EQ(results[0].view.at<int64_t>(0), 5);
  EXPECT_EQ(results[1].view.at<int32_t>(0), 5);
}

TEST(fold, computes_what_is_constant) {
  TestBinder binder(sample().type);
  const auto folded = [&](const std::string& text) {
    return fold(binder.bind(text).value(), EvalOptions{});
  };
  EXPECT_EQ(folded("1 + 2 * 3").literal.integer(), 7);
  EXPECT_EQ(folded("a > 1 AND TRUE").kind, Bound::Kind::kCall);
  EXPECT_TRUE(folded("FALSE AND a > 1").is_literal());
  EXPECT_TRUE(folded("TRUE OR a > 1").literal.truth());
  EXPECT_EQ(folded("CASE WHEN 1 = 2 THEN 1 WHEN TRUE THEN 2 ELSE 3 END").literal.integer(), 2);
  EXPECT_EQ(folded("1 / 0").kind, Bound::Kind::kCall);
  EXPECT_EQ(folded("COALESCE(NULL, a)").kind, Bound::Kind::kColumn);
  EXPECT_TRUE(folded("NULL = NULL").is_null_literal());
}

using Cases = std::vector<std::pair<const char*, const char*>>;

void expect_values(const Cases& cases) {
  TestBinder binder;
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(evaluated(binder, text), expected) << text;
  }
}

TEST(expressions, integers_wrap_and_divide_towards_zero) {
  expect_values({
      {"2147483647 + 1", "-2147483648"},
      {"CAST(127 AS TINYINT) + CAST(1 AS TINYINT)", "-128"},
      {"9223372036854775807 + 1", "-9223372036854775808"},
      {"7 / 2", "3"},
      {"-7 / 2", "-3"},
      {"7 % -3", "1"},
      {"-7 % 3", "-1"},
      {"100 / 7", "14"},
      {"-100 / 7", "-14"},
      {"CAST(-2147483648 AS INT) / -1", "-2147483648"},
      {"1 / 0", "error: (1 / 0): division of 1 by zero"},
      {"1e0 / 0", "Infinity"},
      {"-1e0 / 0", "-Infinity"},
  });
}

TEST(expressions, decimals_have_the_digits_of_their_types) {
  expect_values({
      {"1.5 + 2.25", "3.75"},
      {"1.50 * 2", "3.00"},
      {"1.5 - 2.25", "-0.75"},
      {"10.0 / 4", "2.500000000000"},
      {"1.0 / 3", "0.333333333333"},
      {"7.5 % 2", "1.5"},
      {"1.0 / 0", "error: (1.0 / 0): division of 1.0 by zero"},
      {"0.908 * 1000000", "908000.000"},
      {"CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0)) + 1", "NULL"},
  });
}

TEST(expressions, comparisons_find_a_common_type) {
  expect_values({
      {"1 < 2.5", "TRUE"},
      {"2 = 2e0", "TRUE"},
      {"'a' = 'a '", "FALSE"},
      {"CAST('a' AS CHAR(3)) = 'a'", "FALSE"},
      {"'a' < 'b'", "TRUE"},
      {"NULL = NULL", "NULL"},
      {"NULL IS NOT DISTINCT FROM NULL", "TRUE"},
      {"CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE)", "TRUE"},
      {"CAST('NaN' AS DOUBLE) > CAST('Infinity' AS DOUBLE)", "TRUE"},
      {"DATE '2020-01-31' < TIMESTAMP '2020-01-31 00:00:01'", "TRUE"},
      {"'1' = 1", "error: CHAR(1) can't be compared with INT by =: CAST one"},
      {"NULL OR TRUE", "TRUE"},
      {"NULL AND FALSE", "FALSE"},
  });
}

TEST(expressions, choices_have_a_common_type) {
  expect_values({
      {"CASE WHEN FALSE THEN 1 ELSE 2.5 END", "2.5"},
      {"CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "two"},
      {"COALESCE(NULL, 3)", "3"},
  });
}

TEST(expressions, casts_are_as_flink_has_them) {
  expect_values({
      {"CAST(' 12 ' AS INT)", "12"},
      {"CAST('1.9' AS INT)", "1"},
      {"CAST('abc' AS INT)",
       "error: CAST('abc' AS INT): 'abc' is no INT; TRY_CAST gives NULL for such values"},
      {"TRY_CAST('abc' AS INT)", "NULL"},
      {"TRY_CAST('3000000000' AS INT)", "NULL"},
      {"CAST(300 AS TINYINT)", "44"},
      {"CAST(2147483648 AS INT)", "-2147483648"},
      {"CAST(3.99e0 AS INT)", "3"},
      {"CAST(-3.99e0 AS INT)", "-3"},
      {"CAST(1e20 AS INT)", "2147483647"},
      {"CAST(CAST('NaN' AS DOUBLE) AS INT)", "0"},
      {"CAST(12345 AS DECIMAL(4, 0))", "NULL"},
      {"CAST(1.25 AS DECIMAL(3, 1))", "1.3"},
      {"CAST(-1.25 AS DECIMAL(3, 1))", "-1.3"},
      {"CAST('1.25' AS DECIMAL(3, 1))", "1.3"},
      {"CAST('1e2' AS DECIMAL(5, 1))", "100.0"},
      {"CAST('12345' AS DECIMAL(3, 1))", "NULL"},
      {"CAST(0.1e0 AS DECIMAL(5, 3))", "0.100"},
      {"CAST(1.9 AS INT)", "1"},
      {"CAST(1.25 AS DOUBLE)", "1.25"},
      {"CAST('hello' AS CHAR(3))", "hel"},
      {"CAST('hi' AS CHAR(5))", "hi   "},
      {"CAST('hello' AS VARCHAR(2))", "he"},
      {"CAST(TRUE AS STRING)", "TRUE"},
      {"CAST(1 AS BOOLEAN)", "TRUE"},
      {"CAST('yes' AS BOOLEAN)", "TRUE"},
      {"CAST('F' AS BOOLEAN)", "FALSE"},
      {"TRY_CAST('maybe' AS BOOLEAN)", "NULL"},
      {"CAST(TRUE AS INT)", "1"},
      {"CAST(1e10 AS STRING)", "1.0E10"},
      {"CAST(CAST(0.1 AS FLOAT) AS STRING)", "0.1"},
      {"CAST(1.50 AS STRING)", "1.50"},
      {"CAST('1e400' AS DOUBLE)", "Infinity"},
      {"CAST('.5' AS DOUBLE)", "0.5"},
      {"CAST(TIMESTAMP '2020-01-01 00:00:00.123456' AS STRING)", "2020-01-01 00:00:00.123456"},
      {"CAST('2020-01-01 10:00:00.5' AS TIMESTAMP(3))", "2020-01-01 10:00:00.500"},
      {"CAST('2020-01-01' AS TIMESTAMP(0))", "2020-01-01 00:00:00"},
      {"TRY_CAST('2020-01-01T10:00:00Z' AS TIMESTAMP(3))", "NULL"},
      {"TRY_CAST('2020-02-30' AS DATE)", "NULL"},
      {"CAST('2020-2-3' AS DATE)", "2020-02-03"},
      {"CAST(TIMESTAMP '2020-01-01 10:11:12.9' AS TIMESTAMP(0))", "2020-01-01 10:11:12"},
      {"CAST(TIMESTAMP '1960-01-01 10:11:12.9' AS DATE)", "1960-01-01"},
      {"CAST(TIMESTAMP '2020-01-01 10:11:12.9' AS TIME)", "10:11:12"},
      {"CAST(DATE '2020-01-01' AS TIMESTAMP(3))", "2020-01-01 00:00:00.000"},
      {"CAST(X'4142' AS STRING)", "AB"},
      {"CAST('AB' AS BYTES)", "AB"},
  });
}

TEST(expressions, times_and_intervals_add_up) {
  expect_values({
      {"TIMESTAMP '2020-01-31 10:00:00' + INTERVAL '1' MONTH", "2020-02-29 10:00:00"},
      {"TIMESTAMP '2020-01-31 10:00:00.5' - INTERVAL '2' DAY", "2020-01-29 10:00:00.5"},
      {"DATE '2020-03-31' - INTERVAL '1' MONTH", "2020-02-29"},
      {"DATE '2020-03-31' + INTERVAL '1' DAY", "2020-04-01"},
      {"DATE '2020-03-31' + INTERVAL '1' HOUR", "2020-03-31 01:00:00.000"},
      {"TIME '23:30:00' + INTERVAL '1' HOUR", "00:30:00"},
      {"TIME '2:55:00'", "02:55:00"},
      {"TIMESTAMP '2020-01-01 00:00:00.123456789'", "2020-01-01 00:00:00.123456789"},
      {"ROUND(1234.567, -2)", "1200"},
      {"INTERVAL '1' DAY + INTERVAL '2' HOUR", "+1 02:00:00.000"},
      {"INTERVAL '1' DAY * 2", "+2 00:00:00.000"},
      {"-INTERVAL '14' MONTH", "-1-02"},
      {"TIMESTAMP '2020-01-02 00:00:00' - TIMESTAMP '2020-01-01 23:59:58.5'", "+0 00:00:01.500"},
      {"ABS(-5)", "5"},
      {"ABS(-2.5)", "2.5"},
      {"SIGN(-2.5)", "-1.0"},
      {"-(1.5)", "-1.5"},
      {"ABS('x')", "error: ABS takes no (CHAR(1)): it may be ABS(NUMERIC)"},
      {"ABZ(1)", "error: there is no function ABZ; did you mean ABS?"},
  });
}

}  // namespace
}  // namespace tidewheel::sql
