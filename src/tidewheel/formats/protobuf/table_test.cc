#include "tidewheel/formats/protobuf/table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/protobuf/protobuf_testing.h"
#include "tidewheel/formats/protobuf/wire.h"
#include "tidewheel/testing/format_harness.h"

namespace tidewheel {
namespace {

using namespace test;
using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }
const LogicalType kInt = of(TypeKind::kInt);
const LogicalType kLong = of(TypeKind::kBigint);

// A table of the format, by hand; rows are given as lines of JSON.
class Table : public FormatHarness {
 public:
  explicit Table(const NamedTypes& columns, Options options = {})
      : FormatHarness(protobuf_table_format(), columns, completed(std::move(options))) {}
  // Of the options, or of what was done last.
  Status status() const {
    return FormatHarness::status().ok() ? failure() : FormatHarness::status();
  }
  Texts messages(std::string_view lines) {
    return FormatHarness::messages(json_table_format(), lines);
  }
  Texts round_trip(std::string_view lines) { return decode(messages(lines)); }

 private:
  static Options completed(Options options) {
    options.emplace("protobuf.message-class-name", "shop.Every");
    if (options.count("protobuf.descriptor-file") + options.count("protobuf.proto-file") == 0) {
      options.emplace("protobuf.schema", protobuf::kEveryKind3);
    }
    return options;
  }
};

// Bytes that a test writes by hand.
std::string varint_field(uint32_t number, uint64_t value) {
  std::string bytes;
  protobuf::append_varint(bytes, protobuf::make_tag(number, protobuf::kVarint));
  protobuf::append_varint(bytes, value);
  return bytes;
}
std::string sized_field(uint32_t number, const std::string& value) {
  std::string bytes;
  protobuf::append_varint(bytes, protobuf::make_tag(number, protobuf::kSized));
  protobuf::append_sized(bytes, value);
  return bytes;
}

TEST(ProtobufTable, numbers_lie_in_the_message_as_the_specification_has_them) {
  Table table({{"i32", kInt}, {"s64", kLong}, {"f32", kLong}, {"text", LogicalType::string()}});
  ASSERT_TRUE(table.status().ok()) << table.status().message();
  const std::string expected("\x08\x96\x01\x30\x03\x3d\x05\x00\x00\x00\x7a\x02hi", 14);
  EXPECT_EQ(table.messages(R"({"i32":150,"s64":-2,"f32":5,"text":"hi"})"), Texts{expected});
  EXPECT_EQ(table.decode({expected}), Texts{"[150, -2, 5, hi]"});
  EXPECT_EQ(table.decode({"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}), Texts{"[-1, 0, 0, ]"});
}

TEST(ProtobufTable, rows_lists_and_maps_come_back) {
  Table table({{"place", LogicalType::row({"zip", "city", "marks"}, {kInt, LogicalType::string(),
                                                                     LogicalType::array(kLong)})},
               {"numbers", LogicalType::array(kInt)},
               {"places", LogicalType::array(LogicalType::row({"city"}, {LogicalType::string()}))},
               {"names", LogicalType::map(LogicalType::string(), LogicalType::string())},
               {"state", LogicalType::string()},
               {"one_text", LogicalType::string()}});
  ASSERT_TRUE(table.status().ok()) << table.status().message();
  EXPECT_EQ(
      table.round_trip(R"({"place":{"zip":89073,"city":"Ulm","marks":[1,-2]},"numbers":[3,4],)"
                       R"("places":[{"city":"a"},{"city":""}],"names":{"k":"v"},)"
                       R"("state":"PAID","one_text":"x"})"
                       "\n{}\n"
                       R"({"place":{},"state":"7"})"
                       "\n"),
      (Texts{"[(89073, Ulm, [1, -2]), [3, 4], [(a), ()], {k=v}, PAID, x]",
             "[NULL, NULL, NULL, NULL, NEW, NULL]",
             "[(NULL, , NULL), NULL, NULL, NULL, 7, NULL]"}));
}

TEST(ProtobufTable, what_is_absent_is_null_or_the_schemas_default) {
  const NamedTypes columns = {{"number", kLong},
                              {"text", LogicalType::string()},
                              {"closed", LogicalType::string()},
                              {"many", LogicalType::array(LogicalType::string())},
                              {"inner", LogicalType::row({"x"}, {kInt})}};
  Options options = {{"protobuf.schema", protobuf::kEveryKind2}};
  EXPECT_EQ(Table(columns, options).decode({""}), Texts{"[NULL, NULL, NULL, NULL, NULL]"});
  options["protobuf.read-default-values"] = "true";
  EXPECT_EQ(Table(columns, options).decode({""}), Texts{"[-3, none, B, [], (7)]"});
}

TEST(ProtobufTable, numbers_that_a_closed_enum_does_not_have_are_as_if_absent) {
  Table table({{"closed", LogicalType::string()},
               {"packed_many", LogicalType::array(LogicalType::string())}},
              {{"protobuf.schema", protobuf::kEveryKind2}});
  EXPECT_EQ(table.decode({varint_field(7, 0), varint_field(7, 3),
                          varint_field(7, 1) + sized_field(9, std::string("\0\1\3\2", 4))}),
            (Texts{"[NULL, NULL]", "[NULL, NULL]", "[A, [A, B]]"}));
}

TEST(ProtobufTable, null_within_lists_is_what_the_option_says) {
  const NamedTypes columns = {
      {"texts", LogicalType::array(LogicalType::string())},
      {"numbers", LogicalType::array(kInt)},
      {"names", LogicalType::map(LogicalType::string(), LogicalType::string())}};
  const char* const line = R"({"texts":["a",null],"numbers":[null,1],"names":{"k":null}})";
  EXPECT_EQ(Table(columns).round_trip(line), Texts{"[[a, ], [0, 1], {k=}]"});
  EXPECT_EQ(Table(columns, {{"protobuf.write-null-string-literal", "nix"}}).round_trip(line),
            Texts{"[[a, nix], [0, 1], {k=nix}]"});
}

TEST(ProtobufTable, points_in_time_are_rows_or_timestamps) {
  const std::string at =
      sized_field(18, varint_field(1, static_cast<uint64_t>(-1)) + varint_field(2, 999'999'999));
  Table timestamps({{"at", of(TypeKind::kTimestampLtz, 6)}});
  EXPECT_EQ(timestamps.decode({at}), Texts{"[1969-12-31 23:59:59.999999]"});
  EXPECT_EQ(timestamps.round_trip("{\"at\":\"1969-12-31 23:59:59.25Z\"}"),
            Texts{"[1969-12-31 23:59:59.250000]"});
  Table rows({{"at", LogicalType::row({"seconds", "nanos"}, {kLong, kInt})}});
  EXPECT_EQ(rows.decode({at}), Texts{"[(-1, 999999999)]"});
  timestamps.decode({sized_field(18, varint_field(2, 1'000'000'000))});
  EXPECT_EQ(timestamps.status().id(), ErrorId::kRecordMalformed);
}

TEST(ProtobufTable, of_a_oneof_the_last_one_counts) {
  const NamedTypes columns = {{"one_number", kLong},
                              {"one_text", LogicalType::string()},
                              {"one_place", LogicalType::row({"zip"}, {kInt})}};
  Table table(columns);
  const std::string place = sized_field(52, varint_field(2, 5));
  EXPECT_EQ(table.decode({varint_field(50, 1) + sized_field(51, "x"), place + varint_field(50, 2),
                          varint_field(50, 2) + place}),
            (Texts{"[NULL, x, NULL]", "[2, NULL, NULL]", "[NULL, NULL, (5)]"}));
  EXPECT_EQ(table.messages(R"({"one_number":1,"one_text":"x"})"), Texts{sized_field(51, "x")});
}

TEST(ProtobufTable, messages_that_are_there_twice_are_merged) {
  Table table({{"place", LogicalType::row({"city", "zip", "marks"}, {LogicalType::string(), kInt,
                                                                     LogicalType::array(kLong)})},
               {"names", LogicalType::map(LogicalType::string(), LogicalType::string())}});
  const std::string first = sized_field(17, sized_field(1, "Ulm") + varint_field(3, 1));
  const std::string second = sized_field(17, varint_field(2, 9) + varint_field(3, 2));
  const auto entry = [](const std::string& value) {
    return sized_field(40, sized_field(1, "k") + sized_field(2, value));
  };
  EXPECT_EQ(table.decode({first + entry("a") + second + entry("b")}),
            Texts{"[(Ulm, 9, [1, 2]), {k=b}]"});
  // A key of another wire type is unknown, so that the entries' key is the default.
  Table fixed({{"by_fixed", LogicalType::map(kInt, of(TypeKind::kDouble))}});
  EXPECT_EQ(
      fixed.decode({sized_field(43, varint_field(1, 5)) + sized_field(43, varint_field(1, 6))}),
      Texts{"[{0=0.0}]"});
}

TEST(ProtobufTable, numbers_that_do_not_fit_are_never_cut) {
  Table table({{"i64", of(TypeKind::kSmallint)}});
  EXPECT_EQ(table.decode({varint_field(2, 40'000), varint_field(2, 4)}), Texts{"[4]"});
  EXPECT_EQ(table.status().id(), ErrorId::kRecordMalformed);
  EXPECT_CONTAINS(table.status().message(), "column 'i64': this is no SMALLINT: 40000");
  Table wide({{"i32", kLong}, {"single", of(TypeKind::kDouble)}});
  wide.messages("{\"i32\":3000000000}");
  EXPECT_CONTAINS(wide.status().message(), "column 'i32': there is the number 3000000000");
  wide.messages("{\"single\":0.1}");
  EXPECT_CONTAINS(wide.status().message(), "column 'single': there is a DOUBLE that is no float");
}

TEST(ProtobufTable, bad_messages_fail_or_are_counted) {
  const NamedTypes columns = {
      {"i32", kInt}, {"names", LogicalType::map(LogicalType::string(), LogicalType::string())}};
  const std::string good = varint_field(1, 1) + sized_field(40, sized_field(1, "k"));
  Texts messages;
  for (size_t size = 0; size < good.size(); ++size) { messages.push_back(good.substr(0, size)); }
  Table strict(columns);
  strict.decode(messages);
  EXPECT_EQ(strict.status().id(), ErrorId::kRecordMalformed);
  Table lenient(columns, {{"protobuf.ignore-parse-errors", "true"}});
  EXPECT_EQ(lenient.decode(messages), (Texts{"[0, NULL]", "[1, NULL]"}));
  EXPECT_TRUE(lenient.status().ok());
  EXPECT_EQ(lenient.skipped(), std::ssize(messages) - 2);
}

TEST(ProtobufTable, strings_of_proto3_are_utf_8) {
  Table table({{"text", LogicalType::string()}});
  for (const char* const good :
       {"", "\xc3\xa4", "\xe8\xaa\x9e", "\xf0\x9f\x98\x80 sixteen and more"}) {
    EXPECT_EQ(table.decode({sized_field(15, good)}), Texts{"[" + std::string(good) + "]"});
    EXPECT_TRUE(table.status().ok());
  }
  for (const char* const bad : {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "0123456789abcdef\xff"}) {
    EXPECT_EQ(table.decode({sized_field(15, bad)}), Texts());
    EXPECT_CONTAINS(table.status().message(), "column 'text': the text is not UTF-8");
  }
}

TEST(ProtobufTable, nesting_and_merging_have_limits) {
  LogicalType deep = LogicalType::row({"zip"}, {kInt});
  Table table({{"place", deep}});
  std::string many;
  for (int i = 0; i < 100'000; ++i) { many += sized_field(17, varint_field(2, 1)); }
  EXPECT_EQ(table.decode({many}), Texts{"[(1)]"});  // merged once
  std::string group;
  for (int i = 0; i < 1000; ++i) { group += "\x0b"; }  // field 1 begins a group
  table.decode({group});
  EXPECT_EQ(table.status().id(), ErrorId::kRecordMalformed);
}

TEST(ProtobufTable, columns_that_do_not_fit_the_message_are_refused) {
  const Table unknown({{"i33", kInt}});
  EXPECT_EQ(unknown.status().id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(unknown.status().message(), "i33: the message shop.Every has no such field");
  const Table misfit({{"place", LogicalType::row({"city"}, {kInt})}});
  EXPECT_CONTAINS(misfit.status().message(), "place.city: INT does not go with string");
  const Table list({{"numbers", kInt}});
  EXPECT_CONTAINS(list.status().message(), "numbers: INT does not go with repeated int32");
}

TEST(ProtobufTable, the_message_has_to_be_known_from_one_place) {
  const NamedTypes columns = {{"i32", kInt}};
  const Table none(columns, {{"protobuf.schema", ""}});
  EXPECT_CONTAINS(none.status().message(), "'protobuf.descriptor-file'");
  const Table wrong_name(columns, {{"protobuf.message-class-name", "shop.Order"}});
  EXPECT_CONTAINS(wrong_name.status().message(),
                  "there is no message 'shop.Order', only: shop.Place, shop.Every");
  const Table bad(columns,
                  {{"protobuf.schema", "syntax = \"proto3\";\nmessage A {\n int x = 1;\n}"},
                   {"protobuf.message-class-name", "A"}});
  EXPECT_EQ(bad.status().id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(bad.status().message(), "protobuf.schema:3:2: \"int\" is not defined");
  const Table gone(columns, {{"protobuf.descriptor-file", "/nowhere/x.desc"}});
  EXPECT_CONTAINS(gone.status().message(), "/nowhere/x.desc");
}

TEST(ProtobufTable, proto_files_import_others_from_their_folders) {
  const std::string folder = ::testing::TempDir();
  std::ofstream(folder + "/twp_inner.proto") << "syntax = \"proto3\"; message In { int32 x = 1; }";
  std::ofstream(folder + "/twp_outer.proto")
      << "syntax = \"proto3\"; import \"twp_inner.proto\"; message Out { In in = 1; }";
  const NamedTypes columns = {{"in", LogicalType::row({"x"}, {kInt})}};
  for (const char* const path : {"", "/nowhere:"}) {
    Options options = {{"protobuf.proto-file", folder + "/twp_outer.proto"},
                       {"protobuf.message-class-name", "Out"}};
    if (*path != '\0') { options["protobuf.proto-path"] = path + folder; }
    Table table(columns, options);
    ASSERT_TRUE(table.status().ok()) << table.status().message();
    EXPECT_EQ(table.round_trip(R"({"in":{"x":3}})"), Texts{"[(3)]"});
  }
  std::ofstream(folder + "/twp_inner.proto") << "syntax = \"proto3\"; message In { int33 x = 1; }";
  const Table bad(columns, {{"protobuf.proto-file", folder + "/twp_outer.proto"},
                            {"protobuf.message-class-name", "Out"}});
  EXPECT_CONTAINS(bad.status().message(), "twp_inner.proto:1:33");
}

}  // namespace
}  // namespace tidewheel
