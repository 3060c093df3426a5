#include "tidewheel/formats/csv/table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/testing/format_harness.h"

namespace tidewheel {
namespace {

using test::FormatHarness;
using test::NamedTypes;
using Rows = std::vector<std::string>;
using Options = std::map<std::string, std::string>;

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }
const LogicalType kInt = of(TypeKind::kInt);
const LogicalType kString = LogicalType::string();

FormatHarness csv_of(const NamedTypes& columns, Options options = {},
                     std::vector<size_t> wanted = {}) {
  return FormatHarness(csv_table_format(), columns, std::move(options), std::move(wanted));
}
const NamedTypes kTwo = {{"a", kInt}, {"b", kString}};

TEST(CsvTable, reads_fields_by_position) {
  FormatHarness format = csv_of(kTwo);
  const std::string text = "1,x\r\n 2 ,\"y,\"\"z\"\"\n\"\n\n,\n-3,\"\"";
  const Rows expected = {"[1, x]", "[2, y,\"z\"\n]", "[NULL, ]", "[-3, ]"};
  EXPECT_EQ(format.read(text), expected);
  for (const size_t piece : {1, 4, 9}) { EXPECT_EQ(format.read(text, piece, 1), expected); }
}

TEST(CsvTable, reads_every_type) {
  const NamedTypes columns = {{"boolean", of(TypeKind::kBoolean)},
                              {"tinyint", of(TypeKind::kTinyint)},
                              {"bigint", of(TypeKind::kBigint)},
                              {"float", of(TypeKind::kFloat)},
                              {"double", of(TypeKind::kDouble)},
                              {"decimal", LogicalType::decimal(5, 2)},
                              {"large", LogicalType::decimal(38, 2)},
                              {"bytes", of(TypeKind::kVarbinary, LogicalType::kMaxLength)},
                              {"date", of(TypeKind::kDate)},
                              {"time", of(TypeKind::kTime)},
                              {"ms", of(TypeKind::kTimestamp, 3)},
                              {"ns", of(TypeKind::kTimestamp, 9)},
                              {"instant", of(TypeKind::kTimestampLtz, 6)},
                              {"array", LogicalType::array(kInt)},
                              {"row", LogicalType::row({"x", "y"}, {kInt, kString})}};
  const std::string line =
      "true,-128,9223372036854775807,0.1,1.0E10,-1.50,123456789012345678901234567890.00,QUJD,"
      "2020-02-29,10:00:00,2020-01-01 00:00:00.123,2020-01-01 00:00:00.123456789,1969-12-31 "
      "23:59:59.999999Z,1;;3,7;a b\n";
  FormatHarness format = csv_of(columns);
  EXPECT_EQ(format.read(line).at(0),
            "[TRUE, -128, 9223372036854775807, 0.1, 1.0E10, -1.50, "
            "123456789012345678901234567890.00, ABC, 2020-02-29, 10:00:00, 2020-01-01 "
            "00:00:00.123, 2020-01-01 00:00:00.123456789, 1969-12-31 23:59:59.999999, [1, NULL, "
            "3], (7, a b)]");
  EXPECT_EQ(format.round_trip(line), line);
  EXPECT_EQ(format.read(",,,,,,,,,,,,,,\n").at(0),
            "[NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
            "NULL]");
}

TEST(CsvTable, points_in_time_may_be_iso_8601) {
  FormatHarness format =
      csv_of({{"t", of(TypeKind::kTimestamp, 3)}, {"i", of(TypeKind::kTimestampLtz, 3)}});
  EXPECT_EQ(format.read("2013-01-01T10:00:00Z,2013-01-01T10:00:00+02:00"),
            (Rows{"[2013-01-01 10:00:00.000, 2013-01-01 08:00:00.000]"}));
}

TEST(CsvTable, makes_only_the_columns_asked_for) {
  FormatHarness format = csv_of({{"a", kInt}, {"b", kInt}, {"c", kString}}, {}, {2, 0});
  EXPECT_EQ(format.read("1,no number,x\n2,,y"), (Rows{"[x, 1]", "[y, 2]"}));
}

TEST(CsvTable, a_header_names_the_columns) {
  FormatHarness format = csv_of(kTwo, {{"csv.header", "true"}});
  EXPECT_EQ(format.read("b,c,a\nx,0,1\ny,0,2"), (Rows{"[1, x]", "[2, y]"}));
  EXPECT_EQ(format.read("b,c,a\nx,0,1\ny,0,2", 1, 1), (Rows{"[1, x]", "[2, y]"}));
  // All names are others: by position.
  EXPECT_EQ(format.read("one,two\n1,x"), (Rows{"[1, x]"}));
  EXPECT_EQ(format.read("a,c\n1,x"), Rows());
  EXPECT_NE(format.failure().message().find("there is no column b; the columns are a, c"),
            std::string::npos);
  EXPECT_EQ(format.read(""), Rows());
  EXPECT_EQ(format.decode({"1,x"}), (Rows{"[1, x]"}));
}

TEST(CsvTable, a_malformed_record_fails_with_its_place) {
  FormatHarness format = csv_of({{"a", kInt}, {"b", kInt.as_nullable(false)}});
  const auto failure = [&](const std::string& line) {
    EXPECT_EQ(format.read("1,1\n" + line), (Rows{"[1, 1]"})) << line;
    EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
    return format.failure().message();
  };
  EXPECT_EQ(failure("x,1"), "stream, line 2, column a: \"x\" is no INT");
  EXPECT_EQ(failure("1,"), "stream, line 2, column b: \"\" is no INT NOT NULL");
  EXPECT_EQ(failure("1"), "stream, line 2: the record has 1 fields, there are 2 columns");
  EXPECT_EQ(failure("1,2,3"), "stream, line 2: the record has 3 fields, there are 2 columns");
  EXPECT_NE(failure("1,\"2").find("a quoted field is not closed"), std::string::npos);
}

TEST(CsvTable, errors_can_be_ignored_by_value_and_by_record) {
  FormatHarness format =
      csv_of({{"a", kInt.as_nullable(false)}, {"b", LogicalType::array(kInt)}, {"c", kString}},
             {{"csv.ignore-parse-errors", "true"}});
  EXPECT_EQ(
      format.read("1,1;2,x\n2,3;y,z\nw,4,v\n3\n4,5,u,more\n5,\"6\"7,t\n6,7,s"),
      (Rows{"[1, [1, 2], x]", "[2, NULL, z]", "[3, NULL, NULL]", "[4, [5], u]", "[6, [7], s]"}));
  EXPECT_EQ(format.skipped(), 3);
}

TEST(CsvTable, a_literal_stands_for_null) {
  FormatHarness format = csv_of(kTwo, {{"csv.null-literal", "NA"}});
  EXPECT_EQ(format.read("NA,NA\n,\"NA\"\n1,"), (Rows{"[NULL, NULL]", "[NULL, NA]", "[1, ]"}));
  EXPECT_EQ(format.round_trip("NA,NA\n2,\"NA\"\n1,\n"), "NA,NA\n2,\"NA\"\n1,\n");
}

TEST(CsvTable, delimiters_quotes_escapes_and_comments_are_those_asked_for) {
  FormatHarness tabs = csv_of(kTwo, {{"csv.field-delimiter", "\\t"},
                                     {"csv.quote-character", "'"},
                                     {"csv.allow-comments", "true"}});
  EXPECT_EQ(tabs.read("#no\n1\t'a\tb'\n# no, \"\n2\t#c"), (Rows{"[1, a\tb]", "[2, #c]"}));
  EXPECT_EQ(tabs.read("#no\n1\t'a\tb'\n# no, \"\n2\t#c", 1), (Rows{"[1, a\tb]", "[2, #c]"}));
  FormatHarness none = csv_of(kTwo, {{"csv.disable-quote-character", "true"}});
  EXPECT_EQ(none.read("1,\"a\n2,b\""), (Rows{"[1, \"a]", "[2, b\"]"}));
  FormatHarness escapes = csv_of(kTwo, {{"csv.escape-character", "\\"}});
  const std::string text = "1,a\\,b\\\\\n2,\"x\\\"y\"\"z\\\n\"\n3,c\\";
  const Rows expected = {"[1, a,b\\]", "[2, x\"y\"z\n]", "[3, c\\]"};
  EXPECT_EQ(escapes.read(text), expected);
  for (const size_t piece : {1, 3}) { EXPECT_EQ(escapes.read(text, piece), expected); }
  EXPECT_EQ(escapes.read(escapes.round_trip(text)), expected);
  FormatHarness elements =
      csv_of({{"a", LogicalType::array(kString)}},
             {{"csv.array-element-delimiter", "|"}, {"csv.field-delimiter", "\\u003b"}});
  EXPECT_EQ(elements.read("x|y||z"), (Rows{"[[x, y, , z]]"}));
}

TEST(CsvTable, decimals_may_have_an_exponent) {
  const NamedTypes columns = {{"d", LogicalType::decimal(10, 9)}};
  EXPECT_EQ(csv_of(columns).round_trip("0.000000027\n2.5e-1\n"), "2.7E-8\n0.250000000\n");
  EXPECT_EQ(csv_of(columns, {{"csv.write-bigdecimal-in-scientific-notation", "false"}})
                .round_trip("0.000000027\n"),
            "0.000000027\n");
  EXPECT_EQ(csv_of(columns).read("100\nx"), (Rows{"[NULL]"}));
}

TEST(CsvTable, a_message_is_one_record) {
  FormatHarness format = csv_of(kTwo);
  EXPECT_EQ(format.decode({"1,x\n", "", "2,\"a\nb\""}), (Rows{"[1, x]", "[2, a\nb]"}));
  EXPECT_EQ(format.decode({"1,x\n2,y", "3,z"}), (Rows{"[3, z]"}));
  EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
  EXPECT_EQ(format.decode({"x,x", "3,z"}), (Rows{"[3, z]"}));
}

TEST(CsvTable, refuses_types_and_options_that_it_does_not_have) {
  EXPECT_EQ(csv_of({{"m", LogicalType::map(kString, kInt)}}).status().id(), ErrorId::kSqlType);
  EXPECT_EQ(csv_of({{"m", LogicalType::array(LogicalType::array(kInt))}}).status().id(),
            ErrorId::kSqlType);
  for (const auto& [key, value] : Options{{"csv.field-delimiter", ";;"},
                                          {"csv.field-delimiter", "\""},
                                          {"csv.header", "yes"},
                                          {"csv.headers", "true"}}) {
    EXPECT_EQ(csv_of(kTwo, {{key, value}}).status().id(), ErrorId::kSqlOption) << key;
  }
}

}  // namespace
}  // namespace tidewheel
