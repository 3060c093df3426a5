#include "tidewheel/formats/json/table.h"

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

FormatHarness json(const NamedTypes& columns, Options options = {},
                   std::vector<size_t> wanted = {}) {
  return FormatHarness(json_table_format(), columns, std::move(options), std::move(wanted));
}
const NamedTypes kTwo = {{"a", kInt}, {"b", kString}};

TEST(JsonTable, reads_objects_into_columns) {
  FormatHarness format = json(kTwo);
  const std::string text =
      "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\\n\",\"a\":2}\r\n\n{\"c\":[1,{}],\"b\":3.50}\n"
      "{\"a\":null,\"b\":{\"k\":1}}";
  const Rows expected = {"[1, x]", "[2, y\n]", "[NULL, 3.50]", "[NULL, {\"k\":1}]"};
  EXPECT_EQ(format.read(text), expected);
  for (const size_t piece : {1, 7, 30}) { EXPECT_EQ(format.read(text, piece, 2), expected); }
}

TEST(JsonTable, reads_every_type) {
  LogicalType multiset = LogicalType::array(kString);
  multiset.kind = TypeKind::kMultiset;
  const NamedTypes columns = {
      {"boolean", of(TypeKind::kBoolean)},
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
      {"array", LogicalType::array(LogicalType::array(kInt))},
      {"map", LogicalType::map(kString, LogicalType::array(kInt))},
      {"multiset", multiset},
      {"row", LogicalType::row({"x", "y"}, {kInt, LogicalType::array(kString)})}};
  const std::string line =
      "{\"boolean\":true,\"tinyint\":-128,\"bigint\":9223372036854775807,\"float\":0.1,"
      "\"double\":1.0E10,\"decimal\":-1.50,\"large\":123456789012345678901234567890.00,"
      "\"bytes\":\"QUJD\",\"date\":\"2020-02-29\",\"time\":\"10:00:01\",\"ms\":\"2020-01-01 "
      "00:00:00.123\",\"ns\":\"2020-01-01 00:00:00.123456789\",\"instant\":\"1969-12-31 "
      "23:59:59.999999Z\",\"array\":[[1,null],[],null],\"map\":{\"k\":[1],\"l\":null},"
      "\"multiset\":{\"e\":2},\"row\":{\"x\":null,\"y\":[\"a\",\"b\"]}}\n";
  FormatHarness format = json(columns);
  EXPECT_EQ(format.read(line).at(0),
            "[TRUE, -128, 9223372036854775807, 0.1, 1.0E10, -1.50, "
            "123456789012345678901234567890.00, ABC, 2020-02-29, 10:00:01, 2020-01-01 "
            "00:00:00.123, 2020-01-01 00:00:00.123456789, 1969-12-31 23:59:59.999999, [[1, NULL], "
            "[], NULL], {k=[1], l=NULL}, {e=2}, (NULL, [a, b])]");
  // Of what is written, numbers may look otherwise.
  const std::string once = format.round_trip(line);
  EXPECT_EQ(format.round_trip(once), once);
  EXPECT_EQ(format.read(once), format.read(line));
  const std::string nulls = format.round_trip("{}\n");
  EXPECT_EQ(nulls.substr(0, 32), "{\"boolean\":null,\"tinyint\":null,\"");
}

TEST(JsonTable, makes_only_the_columns_asked_for) {
  FormatHarness format = json({{"a", kInt}, {"b", kString}, {"c", kInt}}, {}, {2, 0});
  EXPECT_EQ(format.read("{\"a\":1,\"b\":7,\"c\":3}\n{\"c\":4}"), (Rows{"[3, 1]", "[4, NULL]"}));
}

TEST(JsonTable, of_two_values_with_one_key_the_last_one_counts) {
  FormatHarness format = json({{"a", LogicalType::array(kInt)}, {"b", kInt}});
  EXPECT_EQ(format.read("{\"a\":[1,2],\"b\":null,\"a\":[3],\"b\":4}\n{\"a\":[5]}"),
            (Rows{"[[3], 4]", "[[5], NULL]"}));
}

TEST(JsonTable, a_malformed_record_fails_with_its_place) {
  FormatHarness format = json(kTwo);
  const auto failure = [&](const std::string& line) {
    EXPECT_EQ(format.read("{\"a\":1}\n" + line), (Rows{"[1, NULL]"})) << line;
    EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
    return format.failure().message();
  };
  EXPECT_EQ(failure("{\"a\":\"x\"}"), "stream, line 2, column 6, $.a: \"x\" is no INT (int32)");
  EXPECT_NE(failure("{\"a\":1} {\"a\":2}").find("line 2, column 9: there is more"),
            std::string::npos);
  EXPECT_NE(failure("{\"a\":1,").find("line 2"), std::string::npos);
  EXPECT_NE(failure("[1]").find("line 2, column 1: an array is no object"), std::string::npos);
  EXPECT_NE(failure("{\"a\":3000000000}").find("$.a"), std::string::npos);
}

TEST(JsonTable, errors_can_be_ignored_by_value_and_by_record) {
  FormatHarness format =
      json({{"a", kInt}, {"b", LogicalType::array(kInt)}, {"c", kInt.as_nullable(false)}},
           {{"json.ignore-parse-errors", "true"}});
  EXPECT_EQ(format.read("{\"a\":1,\"b\":[1,2],\"c\":1}\n"
                        "{\"a\":\"x\",\"b\":[1,\"y\",3],\"c\":2}\n"
                        "{\"a\":null,\"b\":[7],\"c\":\"z\"}\n"
                        "{\"a\":3,\"b\":[8],\"c\":3\n"
                        "no json\n"
                        "{\"a\":4,\"c\":4}\n"
                        "{\"a\":5,\"b\":7,\"c\":5}"),
            (Rows{"[1, [1, 2], 1]", "[NULL, [1, NULL, 3], 2]", "[4, NULL, 4]", "[5, NULL, 5]"}));
  EXPECT_EQ(format.skipped(), 5);
}

TEST(JsonTable, missing_fields_can_be_errors) {
  FormatHarness format = json(kTwo, {{"json.fail-on-missing-field", "true"}});
  EXPECT_EQ(format.read("{\"a\":1,\"b\":null}"), (Rows{"[1, NULL]"}));
  EXPECT_EQ(format.read("{\"a\":1}"), Rows());
  EXPECT_NE(format.failure().message().find("there is no key b"), std::string::npos);
  FormatHarness strict = json({{"a", kInt.as_nullable(false)}});
  EXPECT_EQ(strict.read("{}"), Rows());
  EXPECT_NE(strict.failure().message().find("there is no key a"), std::string::npos);
  EXPECT_EQ(strict.read("{\"a\":null}"), Rows());
  EXPECT_NE(strict.failure().message().find("NOT NULL"), std::string::npos);
}

TEST(JsonTable, points_in_time_have_the_form_asked_for) {
  const NamedTypes columns = {{"t", of(TypeKind::kTimestamp, 3)},
                              {"i", of(TypeKind::kTimestampLtz, 3)}};
  FormatHarness iso = json(columns, {{"json.timestamp-format.standard", "ISO-8601"}});
  const std::string line = "{\"t\":\"2020-01-01T10:00:00.5\",\"i\":\"2020-01-01T10:00:00Z\"}\n";
  EXPECT_EQ(iso.read(line), (Rows{"[2020-01-01 10:00:00.500, 2020-01-01 10:00:00.000]"}));
  EXPECT_EQ(iso.round_trip(line), line);
  FormatHarness sql = json(columns);
  EXPECT_EQ(sql.read(line), Rows());
  EXPECT_NE(sql.failure().message().find("json.timestamp-format.standard"), std::string::npos);
}

TEST(JsonTable, a_message_may_have_line_ends_inside) {
  FormatHarness format = json(kTwo);
  EXPECT_EQ(format.decode({"{\"a\":\n 1,\n\"b\":\"x\"\n}\n", "", " \n", "{\"a\":2}"}),
            (Rows{"[1, x]", "[2, NULL]"}));
  EXPECT_TRUE(format.failure().ok());
  EXPECT_EQ(format.decode({"{\"a\":1}\n{\"a\":2}"}), Rows());
  EXPECT_EQ(format.failure().id(), ErrorId::kRecordMalformed);
  EXPECT_EQ(format.decode({"{\"a\":", "{\"a\":3}"}), (Rows{"[3, NULL]"}));
}

TEST(JsonTable, a_key_that_is_there_twice_makes_no_map) {
  FormatHarness format = json({{"m", LogicalType::map(kString, kInt)}});
  std::string many = "{\"m\":{";
  for (int i = 0; i < 100; ++i) { many += "\"k" + std::to_string(i) + "\":1,"; }
  EXPECT_EQ(format.read(many + "\"k5\":2}}"), Rows());
  EXPECT_NE(format.failure().message().find("the key is there twice: k5"), std::string::npos);
  EXPECT_EQ(format.read(many + "\"x\":2}}").size(), 1U);
}

TEST(JsonTable, writes_as_its_options_say) {
  const NamedTypes columns = {{"d", LogicalType::decimal(20, 9)}, {"s", kString}};
  const std::string line = "{\"d\":0.000000027,\"s\":null}\n";
  EXPECT_EQ(json(columns).round_trip(line), "{\"d\":2.7E-8,\"s\":null}\n");
  EXPECT_EQ(json(columns, {{"json.encode.decimal-as-plain-number", "true"},
                           {"json.encode.ignore-null-fields", "true"}})
                .round_trip(line),
            "{\"d\":0.000000027}\n");
}

TEST(JsonTable, refuses_types_and_options_that_it_does_not_have) {
  EXPECT_EQ(json({{"m", LogicalType::map(kInt, kInt)}}).status().id(), ErrorId::kSqlType);
  EXPECT_EQ(json(kTwo, {{"json.timestamp-format.standard", "RFC"}}).status().id(),
            ErrorId::kSqlOption);
  EXPECT_EQ(
      json(kTwo, {{"json.ignore-parse-errors", "true"}, {"json.fail-on-missing-field", "true"}})
          .status()
          .id(),
      ErrorId::kSqlOption);
  EXPECT_EQ(json(kTwo, {{"json.ignore-errors", "true"}}).status().id(), ErrorId::kSqlOption);
}

}  // namespace
}  // namespace tidewheel
