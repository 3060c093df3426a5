// Unit tests of reading and writing JSON.
#include "tidewheel/formats/json/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <unordered_map>

namespace tidewheel {

namespace {
enum class JsonSide : uint8_t { kBuy, kSell };
enum class JsonLevel : int8_t { kLow = -1, kHigh = 7 };
struct Cancel {
  int64_t order = 0;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};
}  // namespace
template <>
struct enum_names<JsonSide> {
  static constexpr std::pair<JsonSide, std::string_view> value[] = {{JsonSide::kBuy, "buy"},
                                                                    {JsonSide::kSell, "sell"}};
};
template <>
struct json_name<Cancel> {
  static constexpr std::string_view value = "cancel";
};

namespace {

struct Bid {
  int64_t auction = 0;
  std::optional<double> price;
  std::string channel;
  Timestamp at;
  friend bool operator==(const Bid&, const Bid&) = default;
};
struct Pair {
  std::string a;
  std::optional<int32_t> b;
  friend bool operator==(const Pair&, const Pair&) = default;
};

template <class T>
struct ReadRows {
  std::vector<T> rows;
  std::vector<JsonReject> rejects;
  Status status;
  int64_t malformed = 0;
};

// Reads `text` in pieces of `piece` bytes, keeping what was not taken as a source does.
template <class T>
ReadRows<T> read_all(const std::string& text, const JsonOptions& options = {},
                     size_t piece = SIZE_MAX) {
  ReadRows<T> result;
  Result<JsonReader<T>> reader = JsonReader<T>::open(options, "test.jsonl");
  if (!reader.ok()) {
    result.status = reader.status();
    return result;
  }
  ArenaRef arena = Arena::create();
  std::string kept;
  size_t at = 0;
  while (true) {
    size_t taken = 0;
    T row{};
    const bool ended = at == text.size();
    const JsonNext next = reader->next(kept, ended, taken, row, arena.get());
    if (next == JsonNext::kRow) { result.rows.push_back(row); }
    kept.erase(0, taken);
    if (next == JsonNext::kReject) { result.rejects.push_back(reader->reject()); }
    if (next == JsonNext::kEnd || next == JsonNext::kFailed) {
      result.status = reader->status();
      result.malformed = reader->malformed_count();
      return result;
    }
    if (next == JsonNext::kNeedsBytes) {
      EXPECT_FALSE(ended);
      const size_t count = std::min(piece, text.size() - at);
      kept.append(text, at, count);
      at += count;
    }
  }
}

template <class T>
T read_one(const std::string& text, const JsonOptions& options = {}) {
  const auto read = read_all<T>(text, options);
  EXPECT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.rows.size(), 1U) << text;
  return read.rows.empty() ? T{} : read.rows[0];
}

template <class T>
std::string failure(const std::string& text, const JsonOptions& options = {}) {
  const auto read = read_all<T>(text, options);
  EXPECT_EQ(read.status.ok() ? ErrorId{} : read.status.id(), ErrorId::kRecordMalformed) << text;
  return read.status.message();
}

template <class T>
std::string written(const T& row, const JsonOptions& options = {}) {
  const auto writer = JsonWriter::open(options);
  EXPECT_TRUE(writer.ok());
  std::string text;
  writer->append_row(text, row);
  return text;
}

const std::string kBids =
    "\xef\xbb\xbf{\"auction\":1,\"price\":2.5,\"channel\":\"a\","
    "\"at\":\"2013-01-01 10:00:00Z\"}\r\n"
    "\n  \t\r\n"
    " { \"at\" : \"2013-01-01 10:00:00.5\" , \"extra\" : [ {} , { \"x\" : [ 1 , null ] } ] ,"
    " \"channel\" : \"N \\\"24\\\",\\n\\u00e9\\ud83d\\ude00/\\/\" ,"
    " \"auction\" : -9223372036854775808 }\n"
    "{\"channel\":\"\",\"auction\":3,\"auction\":4,\"price\":null,\"at\":\"1970-01-01 00:00:00Z\"}";

std::vector<Bid> expected_bids() {
  return {
      {1, 2.5, "a", Timestamp(1357034400000)},
      {INT64_MIN, std::nullopt, "N \"24\",\n\xc3\xa9\xf0\x9f\x98\x80//", Timestamp(1357034400500)},
      {4, std::nullopt, "", Timestamp(0)}};
}

TEST(Json, reads_by_key_whatever_the_pieces) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{64}, SIZE_MAX}) {
    const auto read = read_all<Bid>(kBids, {}, piece);
    EXPECT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_EQ(read.rows, expected_bids()) << piece;
  }
}

TEST(Json, an_input_that_is_cut_short_at_any_byte_has_the_rows_before) {
  const std::vector<Bid> all = expected_bids();
  size_t most = 0;
  for (size_t size = 0; size <= kBids.size(); ++size) {
    // Exactly so many bytes, so that a sanitizer sees what is read beyond them.
    const auto bytes = std::make_unique<char[]>(size);
    std::memcpy(bytes.get(), kBids.data(), size);
    auto reader = JsonReader<Bid>::open({.on_malformed = JsonOnMalformed::kReject}, "cut").value();
    std::string_view rest(bytes.get(), size);
    size_t rows = 0;
    int64_t rejects = 0;
    while (true) {
      Bid row;
      size_t taken = 0;
      const JsonNext next = reader.next(rest, /*ended=*/true, taken, row);
      rest.remove_prefix(taken);
      if (next == JsonNext::kEnd) { break; }
      rejects += next == JsonNext::kReject ? 1 : 0;
      if (next != JsonNext::kRow) { continue; }
      ASSERT_LT(rows, all.size());
      EXPECT_EQ(row, all[rows++]) << size;
    }
    EXPECT_LE(rejects, 1) << size;  // the last one
    EXPECT_GE(rows, most);
    most = rows;
  }
  EXPECT_EQ(most, all.size());
}

TEST(Json, text_points_into_the_input_unless_escapes_were_undone) {
  struct Views {
    Text a;
    Text b;
  };
  auto reader = JsonReader<Views>::open({}, "x");
  ASSERT_TRUE(reader.ok());
  const std::string text = "{\"a\":\"plain\",\"b\":\"say \\\"hi\\\"\"}\n";
  ArenaRef arena = Arena::create();
  Views row;
  size_t taken = 0;
  ASSERT_EQ(reader->next(text, false, taken, row, arena.get()), JsonNext::kRow);
  EXPECT_EQ(taken, text.size());
  EXPECT_EQ(row.a.data(), text.data() + 6);
  EXPECT_EQ(row.b, "say \"hi\"");
}

TEST(Json, keys_in_any_order_unknown_and_escaped_ones) {
  const auto read = read_all<Pair>(
      "{\"a\":\"1\",\"b\":1}\n{\"b\":2,\"a\":\"2\"}\n{\"x\":0,\"b\":3,\"y\":\"\\\"\",\"a\":\"3\"}\n"
      "{\"\\u0061\":\"4\",\"\\u0062\":4}\n{\"a\":\"5\",\"b\":5}\n{\"a \":\"\",\"a\":\"6\"}\n");
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.rows, (std::vector<Pair>{
                           {"1", 1}, {"2", 2}, {"3", 3}, {"4", 4}, {"5", 5}, {"6", std::nullopt}}));
}

TEST(Json, errors_name_file_line_column_path_value_and_what_was_expected) {
  const std::string good = "{\"a\":\"x\",\"b\":1}\n";
  EXPECT_EQ(failure<Pair>(good + "\n{\"a\":\"x\",\"b\":1.5}\n"),
            "test.jsonl, line 3, column 14, $.b: 1.5 is no int32");
  EXPECT_EQ(failure<Pair>(good + "{\"a\":\"x\",\"b\":3000000000}"),
            "test.jsonl, line 2, column 14, $.b: 3000000000 is no int32");
  EXPECT_EQ(failure<Pair>("{\"a\":null}"),
            "test.jsonl, line 1, column 6, $.a: null is no string; make the field std::optional "
            "if it may be null");
  EXPECT_EQ(failure<Pair>("{\"b\":1}"),
            "test.jsonl, line 1, column 1: there is no key a; make the field std::optional if it "
            "may be missing");
  EXPECT_EQ(failure<Pair>("[1]"), "test.jsonl, line 1, column 1: an array is no object");
  EXPECT_EQ(failure<Pair>("{\"a\":\"x\" \"b\":1}"),
            "test.jsonl, line 1, column 10: \"b\" is no comma or }");
  EXPECT_EQ(failure<Pair>("{\"a\":\"x\",}"),
            "test.jsonl, line 1, column 10: } is no key in quotes");
  EXPECT_EQ(failure<Pair>("{\"a\":\"x\"\n,\"b\":1}\n"),
            "test.jsonl, line 1, column 9: the line ends within the record: each line is one "
            "record of JSON");
  EXPECT_EQ(failure<Pair>("{\"a\":\"x\"}{\"a\":\"y\"}"),
            "test.jsonl, line 1, column 10: there is more behind the record: each line is one "
            "record of JSON");
  EXPECT_EQ(failure<Pair>("{\"a\":\"\\x\"}"),
            "test.jsonl, line 1, column 7, $.a: \\x\" is no escape of JSON; half a surrogate pair "
            "is none either");
  EXPECT_EQ(failure<Pair>(good + "{\"a\":\"\xff\"}"),
            "test.jsonl, line 2: the record is no valid UTF-8");
  EXPECT_EQ(failure<Pair>(good + "{\"a\":\"x}\n" + good),
            "test.jsonl, line 2: a string is not closed");
  struct Nested {
    std::vector<std::map<std::string, std::vector<Pair>>> deep;
  };
  EXPECT_EQ(failure<Nested>("{\"deep\":[{},{\"k\":[{\"a\":\"\"},{\"a\":\"\",\"b\":true}]}]}"),
            "test.jsonl, line 1, column 40, $.deep[1].k[1].b: true is no int32");
}

TEST(Json, malformed_records_are_skipped_and_counted_or_handed_on) {
  const std::string text =
      "{\"a\":\"1\"}\nbad\n{\"a\":\"\x80\"}\n{\"a\":\"open}\n{\"a\":\"3\"} x\n{\"a\":\"4\"}\n{";
  for (const size_t piece : {size_t{1}, size_t{5}, SIZE_MAX}) {
    const auto skipped = read_all<Pair>(text, {.on_malformed = JsonOnMalformed::kSkip}, piece);
    EXPECT_TRUE(skipped.status.ok());
    EXPECT_EQ(skipped.rows, (std::vector<Pair>{{"1", {}}, {"4", {}}})) << piece;
    EXPECT_EQ(skipped.malformed, 5);
    const auto rejected = read_all<Pair>(text, {.on_malformed = JsonOnMalformed::kReject}, piece);
    ASSERT_EQ(rejected.rejects.size(), 5U);
    EXPECT_EQ(rejected.rejects[1].record, "{\"a\":\"\x80\"}");
    EXPECT_EQ(rejected.rejects[1].line, 3);
    EXPECT_EQ(rejected.rejects[3].column, 11);
    EXPECT_EQ(rejected.rejects[4].place, "test.jsonl");
  }
}

TEST(Json, rejects_can_come_in_the_stream) {
  auto reader = json().rows<std::variant<Pair, JsonReject>>().open("f");
  ASSERT_TRUE(reader.ok());
  const std::string text = "{\"a\":\"x\"}\n{\"a\":\"y\",\"b\":\"z\"}\n";
  std::variant<Pair, JsonReject> row;
  size_t taken = 0;
  ASSERT_EQ(reader->next(text, true, taken, row), JsonNext::kRow);
  EXPECT_EQ(std::get<Pair>(row).a, "x");
  size_t more = 0;
  ASSERT_EQ(reader->next(std::string_view(text).substr(taken), true, more, row), JsonNext::kRow);
  EXPECT_EQ(std::get<JsonReject>(row).path, "$.b");
  EXPECT_EQ(std::get<JsonReject>(row).record, "{\"a\":\"y\",\"b\":\"z\"}");
  static_assert(Record<std::variant<Pair, JsonReject>>);
}

TEST(Json, missing_fields_are_empty_default_or_refused) {
  struct Row {
    int64_t count = 7;
    std::optional<int64_t> maybe = 8;
  };
  EXPECT_EQ(read_one<Row>("{\"count\":1}").maybe, std::nullopt);
  EXPECT_EQ(read_one<Row>("{}", {.allow_missing_fields = true}).count, 7);
  EXPECT_EQ(read_one<Row>("{\"count\":null}", {.allow_missing_fields = true}).count, 7);
  EXPECT_EQ(failure<Row>("{\"count\":1}", {.fail_on_missing_field = true}),
            "test.jsonl, line 1, column 1: there is no key maybe");
  EXPECT_TRUE(
      read_all<Row>("{\"count\":1,\"maybe\":null}", {.fail_on_missing_field = true}).status.ok());
}

TEST(Json, ignored_errors_leave_optional_values_empty_and_drop_the_record_else) {
  struct Inner {
    int32_t x = 0;
    std::optional<int32_t> y;
  };
  struct Row {
    std::optional<Inner> inner;
    std::optional<int64_t> b;
    int32_t c = 0;
  };
  const auto read = read_all<Row>(
      "{\"inner\":{\"x\":1,\"y\":[2]},\"b\":\"no\",\"c\":1}\n"
      "{\"inner\":{\"x\":true,\"y\":2},\"b\":3,\"c\":2}\n"
      "{\"inner\":null,\"b\":3,\"c\":[]}\n{\"c\":3,\"b\":tru}\n{\"c\":4}\n",
      {.ignore_parse_errors = true});
  ASSERT_TRUE(read.status.ok());
  ASSERT_EQ(read.rows.size(), 3U);
  EXPECT_EQ(read.rows[0].inner->x, 1);
  EXPECT_EQ(read.rows[0].inner->y, std::nullopt);
  EXPECT_EQ(read.rows[0].b, std::nullopt);
  EXPECT_FALSE(read.rows[1].inner.has_value());
  EXPECT_EQ(read.rows[1].b, 3);
  EXPECT_EQ(read.rows[2].c, 4);
  EXPECT_EQ(read.malformed, 4);
}

TEST(Json, whole_numbers_are_exact) {
  struct Row {
    std::optional<int64_t> i;
    std::optional<uint64_t> u;
    std::optional<int8_t> tiny;
  };
  EXPECT_EQ(read_one<Row>("{\"i\":-9223372036854775808}").i, INT64_MIN);
  EXPECT_EQ(read_one<Row>("{\"i\":9223372036854775807}").i, INT64_MAX);
  EXPECT_EQ(read_one<Row>("{\"u\":18446744073709551615}").u, UINT64_MAX);
  EXPECT_EQ(read_one<Row>("{\"i\":\" 12 \",\"tiny\":-0}").i, 12);
  EXPECT_EQ(read_one<Row>("{\"tiny\":-128}").tiny, -128);
  for (const char* text : {"{\"i\":9223372036854775808}", "{\"u\":18446744073709551616}",
                           "{\"u\":-1}", "{\"tiny\":128}", "{\"i\":1.0}", "{\"i\":1e3}",
                           "{\"i\":01}", "{\"i\":+1}", "{\"i\":-}", "{\"i\":0x1}", "{\"i\":1\"2\"}",
                           "{\"i\":true}", "{\"i\":\"\"}", "{\"i\":1 2}", "{\"i\":--1}"}) {
    failure<Row>(text);
  }
}

TEST(Json, digits_are_read_in_groups_as_they_are_one_by_one) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 100'000; ++i) {
    std::string text = std::to_string(random() >> (random() % 64));
    if (random() % 4 == 0) { text[random() % text.size()] = static_cast<char>(random()); }
    uint64_t expected = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), expected);
    const bool good = error == std::errc() && end == text.data() + text.size() &&
                      (text[0] != '0' || text.size() == 1);
    uint64_t value = 0;
    ASSERT_EQ(json_detail::parse_whole(text, value), good) << text;
    if (good) { ASSERT_EQ(value, expected); }
  }
}

TEST(Json, real_numbers_are_read_as_the_standard_library_reads_them) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 30'000; ++i) {
    std::string text = std::to_string(random() >> (random() % 64));
    if (random() % 4 != 0) { text += '.' + std::to_string(random() >> (random() % 64)); }
    if (random() % 3 == 0) { text.insert(0, "-"); }
    if (random() % 2 == 0) { text += "e" + std::to_string(static_cast<int>(random() % 80) - 40); }
    double value = 0;
    ASSERT_TRUE(json_detail::parse_real(text, value)) << text;
    ASSERT_EQ(value, std::strtod(text.c_str(), nullptr)) << text;
    float single = 0;
    if (json_detail::parse_real(text, single)) {
      ASSERT_EQ(single, std::strtof(text.c_str(), nullptr)) << text;
    }
  }
  double value = 1;
  EXPECT_TRUE(json_detail::parse_real("1e-999", value));
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(json_detail::parse_real("-0.000000000000000000000001e-999", value));
  EXPECT_TRUE(std::signbit(value));
  EXPECT_TRUE(json_detail::parse_real("5e-324", value));
  EXPECT_EQ(value, std::numeric_limits<double>::denorm_min());
  const std::string digits(400, '9');
  EXPECT_TRUE(json_detail::parse_real(digits + "e-200", value));
  EXPECT_EQ(value, 1e200);
  for (const std::string& text :
       {std::string("1e999"), digits, digits + "e-1", std::string(".5"), std::string("1."),
        std::string("NaN"), std::string("inf"), std::string("1e"), std::string("1e+"),
        std::string("00"), std::string("-"), std::string("")}) {
    EXPECT_FALSE(json_detail::parse_real(text, value)) << text;
  }
  struct Row {
    double x = 0;
  };
  EXPECT_TRUE(std::isnan(read_one<Row>("{\"x\":\"NaN\"}").x));
  EXPECT_EQ(read_one<Row>("{\"x\":\"-Infinity\"}").x, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(read_one<Row>("{\"x\":\"1.5\"}").x, 1.5);
}

TEST(Json, decimals_are_exact_and_written_as_java_writes_them) {
  using Money = Decimal<10, 9>;
  struct Row {
    Money m;
    Decimal<38, 2> wide;
  };
  const Row row = read_one<Row>("{\"m\":2.7E-8,\"wide\":123456789012345678901234567890123456.78}");
  EXPECT_EQ(row.m, *Money::parse("0.000000027"));
  EXPECT_EQ(row.wide.to_string(), "123456789012345678901234567890123456.78");
  EXPECT_EQ(written(row), "{\"m\":2.7E-8,\"wide\":123456789012345678901234567890123456.78}\n");
  EXPECT_EQ(written(row, {.encode_decimal_as_plain_number = true}),
            "{\"m\":0.000000027,\"wide\":123456789012345678901234567890123456.78}\n");
  EXPECT_EQ(written(Row{*Money::parse("0.000001"), {}}), "{\"m\":0.000001000,\"wide\":0.00}\n");
  EXPECT_EQ(written(Row{Money(), {}}), "{\"m\":0E-9,\"wide\":0.00}\n");
  EXPECT_EQ(read_one<Row>("{\"m\":\"-1.5\",\"wide\":12e1}").wide.to_string(), "120.00");
  for (const char* text : {"{\"m\":10,\"wide\":0}", "{\"m\":1e99999999999,\"wide\":0}",
                           "{\"m\":.5,\"wide\":0}", "{\"m\":true,\"wide\":0}"}) {
    failure<Row>(text);
  }
}

TEST(Json, times_are_in_the_form_that_was_asked_for) {
  struct Row {
    std::optional<Timestamp> at;
    std::optional<LocalTimestamp> local;
    std::optional<Date> date;
    std::optional<Time> time;
  };
  const Row row{Timestamp(1357034400120), LocalTimestamp(1357034400000), Date(15706),
                Time(3'600'050)};
  const std::string sql =
      "{\"at\":\"2013-01-01 10:00:00.12Z\",\"local\":\"2013-01-01 10:00:00\","
      "\"date\":\"2013-01-01\",\"time\":\"01:00:00.05\"}\n";
  std::string iso = sql;
  iso[iso.find(' ')] = 'T';
  iso[iso.find(' ')] = 'T';
  EXPECT_EQ(written(row), sql);
  EXPECT_EQ(written(row, {.timestamp_format = JsonTimestampFormat::kIso8601}), iso);
  EXPECT_EQ(read_one<Row>(sql).at, row.at);
  const Row back = read_one<Row>(iso, {.timestamp_format = JsonTimestampFormat::kIso8601});
  EXPECT_EQ(back.at, row.at);
  EXPECT_EQ(back.local, row.local);
  EXPECT_EQ(back.date, row.date);
  EXPECT_EQ(back.time, row.time);
  EXPECT_EQ(read_one<Row>("{\"at\":\"2013-01-01 10:00:00+02:00\"}").at, Timestamp(1357027200000));
  EXPECT_EQ(read_one<Row>("{\"at\":\"2012-02-29 00:00:00.123456\"}").at, Timestamp(1330473600123));
  for (const char* text :
       {"{\"at\":\"2013-01-01T10:00:00Z\"}", "{\"at\":1357034400000}", "{\"at\":\"2013-01-01\"}",
        "{\"at\":\"2013-02-29 10:00:00\"}", "{\"at\":\"2013-01-01 24:00:00\"}",
        "{\"local\":\"2013-01-01 10:00:00Z\"}", "{\"at\":\"2013-01-01 10:00:00.\"}",
        "{\"at\":\"2013-1-01 10:00:00\"}"}) {
    failure<Row>(text);
  }
}

TEST(Json, numbers_and_objects_become_text_where_text_is_asked_for) {
  struct Row {
    Text a;
    std::string b;
    std::optional<std::string> c;
  };
  const std::string line = "{\"a\":1.50,\"b\":{ \"x\" : [1, \"\\n\"] } ,\"c\":null}";
  Row row;
  ASSERT_TRUE(JsonLineParser<Row>::open()->parse(line, row).ok());
  EXPECT_EQ(row.a, "1.50");
  EXPECT_EQ(row.b, "{ \"x\" : [1, \"\\n\"] }");
  EXPECT_EQ(row.c, std::nullopt);
  failure<Row>("{\"a\":1,\"b\":{\"x\":[1}}");
  failure<Row>("{\"a\":tru,\"b\":1}");
}

TEST(Json, a_struct_without_fields_is_an_empty_object) {
  struct Nothing {};
  struct Row {
    Nothing nothing;
    std::optional<Nothing> maybe;
  };
  EXPECT_EQ(written(Row{}), "{\"nothing\":{},\"maybe\":null}\n");
  EXPECT_TRUE(read_one<Row>("{\"nothing\":{\"x\":1},\"maybe\":{}}").maybe.has_value());
  failure<Row>("{\"nothing\":[]}");
}

TEST(Json, enums_are_names_or_else_numbers) {
  struct Row {
    JsonSide side = JsonSide::kBuy;
    JsonLevel level = JsonLevel::kLow;
  };
  EXPECT_EQ(written(Row{JsonSide::kSell, JsonLevel::kHigh}), "{\"side\":\"sell\",\"level\":7}\n");
  const std::string unnamed = written(Row{static_cast<JsonSide>(9), JsonLevel::kLow});
  EXPECT_EQ(unnamed, "{\"side\":\"9\",\"level\":-1}\n");
  EXPECT_EQ(static_cast<int>(read_one<Row>(unnamed).side), 9);
  EXPECT_EQ(failure<Row>("{\"side\":\"swap\",\"level\":1}"),
            "test.jsonl, line 1, column 9, $.side: \"swap\" is no one of buy sell");
  failure<Row>("{\"side\":1,\"level\":1}");
  failure<Row>("{\"side\":\"buy\",\"level\":128}");
}

TEST(Json, maps_and_their_keys) {
  struct Row {
    std::map<int32_t, bool> numbers;
    std::unordered_map<std::string, std::vector<int64_t>> lists;
    std::map<Text, std::optional<Text>> texts;
    std::map<JsonSide, double> sides;
  };
  const std::string line =
      "{\"numbers\":{\"1\":true,\"-2\":false,\"1\":false},\"lists\":{\"a\":[1,2],\"\":[]},"
      "\"texts\":{\"k\\n\":\"v\\t\",\"n\":null},\"sides\":{\"sell\":1}}";
  const ArenaRef arena = Arena::create();
  Row row;
  ASSERT_TRUE(JsonLineParser<Row>::open()->parse(line, row, arena.get()).ok());
  EXPECT_EQ(row.numbers, (std::map<int32_t, bool>{{1, false}, {-2, false}}));
  EXPECT_EQ(row.lists.at("a"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(row.texts.at("k\n"), "v\t"_text);
  EXPECT_EQ(row.texts.at("n"), std::nullopt);
  EXPECT_EQ(row.sides.at(JsonSide::kSell), 1);
  EXPECT_EQ(failure<Row>("{\"numbers\":{\"x\":true}}"),
            "test.jsonl, line 1, column 13, $.numbers: \"x\" is no key: int32");
}

TEST(Json, keys_without_a_value_are_refused_dropped_or_named) {
  struct Row {
    std::map<std::optional<std::string>, int32_t> map;
  };
  const Row row{{{std::nullopt, 1}, {"a", 2}}};
  const auto failing = JsonWriter::open({});
  std::string text;
  EXPECT_EQ(failing->append_row(text, row).id(), ErrorId::kRecordMalformed);
  EXPECT_TRUE(failing->append_row(text, Row{}).ok());
  const auto with = [&](const JsonOptions& options) {
    std::string out;
    EXPECT_TRUE(JsonWriter::open(options)->append_row(out, row).ok());
    return out;
  };
  EXPECT_EQ(with({.map_null_key_mode = JsonMapNullKey::kDrop}), "{\"map\":{\"a\":2}}\n");
  EXPECT_EQ(with({.map_null_key_mode = JsonMapNullKey::kLiteral, .map_null_key_literal = "no\"ne"}),
            "{\"map\":{\"no\\\"ne\":1,\"a\":2}}\n");
}

TEST(Json, fields_without_a_value_can_be_left_out) {
  const JsonOptions options{.encode_ignore_null_fields = true};
  struct Row {
    std::optional<int32_t> a;
    int32_t b = 1;
    std::optional<int32_t> c;
  };
  EXPECT_EQ(written(Row{}), "{\"a\":null,\"b\":1,\"c\":null}\n");
  EXPECT_EQ(written(Row{}, options), "{\"b\":1}\n");
}

using Event = std::variant<Bid, Cancel, std::string, std::vector<int64_t>>;

TEST(Json, alternatives_are_told_by_their_names) {
  struct Row {
    Event event;
  };
  EXPECT_EQ(written(Row{Cancel{5}}), "{\"event\":{\"cancel\":{\"order\":5}}}\n");
  EXPECT_EQ(std::get<Cancel>(read_one<Row>("{\"event\":{\"cancel\":{\"order\":5}}}").event).order,
            5);
  EXPECT_EQ(std::get<std::string>(read_one<Event>("{\"string\":\"x\"}")), "x");
  EXPECT_EQ(std::get<Bid>(read_one<Event>(written(Event(expected_bids()[0])))), expected_bids()[0]);
  EXPECT_EQ(failure<Row>("{\"event\":{\"x\":1}}"),
            "test.jsonl, line 1, column 10, $.event: an object is no object with one key, of Bid "
            "cancel string array");
  failure<Event>("{\"string\":\"x\",\"cancel\":{\"order\":5}}");
  failure<Event>("{}");
  EXPECT_EQ(failure<Event>("{\"array\":[1,true]}"),
            "test.jsonl, line 1, column 13, $.array[1]: true is no int64");
}

struct Everything {
  bool flag = false;
  int8_t tiny = 0;
  uint64_t big = 0;
  float single = 0;
  double real = 0;
  char letter = 'x';
  JsonSide side = JsonSide::kBuy;
  JsonLevel level = JsonLevel::kLow;
  Decimal<10, 2> money;
  Date date;
  Time time;
  LocalTimestamp local;
  Timestamp at;
  Bytes bytes;
  std::string text;
  std::optional<std::string> note;
  std::chrono::milliseconds length{};
  std::vector<std::optional<Pair>> pairs;
  std::array<int32_t, 2> two{};
  std::map<std::string, std::vector<bool>> map;
  std::pair<int64_t, std::string> pair;
  std::variant<int64_t, double, Cancel> any;
  friend bool operator==(const Everything&, const Everything&) = default;
};

class RandomRows {
 public:
  explicit RandomRows(uint64_t seed) : random_(seed) {}
  uint64_t number() { return random_() >> (random_() % 64); }
  std::string text() {
    static const std::vector<std::string> kPieces{"a",
                                                  "bcdefgh",
                                                  "\"",
                                                  "\\",
                                                  "\n",
                                                  std::string(1, '\0'),
                                                  "\x1f",
                                                  "\xc3\xa9",
                                                  "\xe2\x82\xac",
                                                  "\xf0\x9f\x98\x80",
                                                  "/",
                                                  "\x7f",
                                                  "{}[]:,",
                                                  "        "};
    std::string text;
    for (uint64_t i = random_() % 6; i > 0; --i) { text += kPieces[random_() % kPieces.size()]; }
    return text;
  }
  double real() {
    double value = 0;
    const uint64_t bits = random_();
    std::memcpy(&value, &bits, sizeof value);
    return std::isnan(value) ? 0.1 : value;
  }
  Everything row() {
    Everything row;
    row.flag = flip();
    row.tiny = static_cast<int8_t>(random_());
    row.big = number();
    row.single = static_cast<float>(real());
    row.real = real();
    row.letter = static_cast<char>(random_());
    row.side = flip() ? JsonSide::kBuy : JsonSide::kSell;
    row.level = flip() ? JsonLevel::kLow : JsonLevel::kHigh;
    row.money = Decimal<10, 2>::of_unscaled(static_cast<int64_t>(random_() % 10'000'000'000) -
                                            5'000'000'000);
    row.date = Date(static_cast<int32_t>(number() % 4'000'000) - 2'000'000);
    row.time = Time(static_cast<int32_t>(random_() % 86'400'000));
    row.local = LocalTimestamp(static_cast<int64_t>(number()));
    row.at = Timestamp(static_cast<int64_t>(random_()));
    row.bytes = Bytes(text() + static_cast<char>(0x80 + random_() % 128));
    row.text = text();
    if (flip()) { row.note = text(); }
    row.length = std::chrono::milliseconds(static_cast<int64_t>(random_()));
    for (uint64_t i = random_() % 4; i > 0; --i) {
      if (flip()) {
        row.pairs.emplace_back(Pair{text(), static_cast<int32_t>(random_())});
      } else {
        row.pairs.emplace_back();
      }
    }
    row.two = {static_cast<int32_t>(random_()), 0};
    for (uint64_t i = random_() % 3; i > 0; --i) { row.map[text()] = {flip(), flip()}; }
    row.pair = {static_cast<int64_t>(random_()), text()};
    switch (random_() % 3) {
      case 0: row.any = static_cast<int64_t>(random_()); break;
      case 1: row.any = real(); break;
      default: row.any = Cancel{static_cast<int64_t>(random_())};
    }
    return row;
  }

 private:
  bool flip() { return random_() % 2 == 0; }
  std::mt19937_64 random_;
};

TEST(Json, what_is_written_is_read_back) {
  for (const JsonOptions& options :
       {JsonOptions{}, JsonOptions{.timestamp_format = JsonTimestampFormat::kIso8601,
                       .encode_decimal_as_plain_number = true,
                       .encode_ignore_null_fields = true}}) {
    RandomRows random(11);
    std::vector<Everything> rows;
    std::string text;
    const auto writer = JsonWriter::open(options);
    for (int i = 0; i < 400; ++i) {
      rows.push_back(random.row());
      writer->append_row(text, rows.back());
    }
    const auto read = read_all<Everything>(text, options, 777);
    ASSERT_TRUE(read.status.ok()) << read.status.message();
    ASSERT_EQ(read.rows.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(read.rows[i], rows[i]) << written(rows[i]) << written(read.rows[i]);
    }
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), std::ssize(rows));
  }
}

TEST(Json, the_written_form) {
  Everything row{true,
                 -128,
                 UINT64_MAX,
                 1.5F,
                 0.1,
                 '"',
                 JsonSide::kSell,
                 JsonLevel::kHigh,
                 *Decimal<10, 2>::parse("-1.05"),
                 Date(-1),
                 Time(5),
                 LocalTimestamp(-1),
                 Timestamp(0),
                 Bytes("a\xff"),
                 "\x01\b\xc3\xa9",
                 std::nullopt,
                 std::chrono::milliseconds(-3),
                 {Pair{"", 1}, std::nullopt},
                 {1, 2},
                 {{"k", {true}}},
                 {1, "b"},
                 2.0};
  EXPECT_EQ(
      written(row),
      "{\"flag\":true,\"tiny\":-128,\"big\":18446744073709551615,\"single\":1.5,\"real\":0.1,"
      "\"letter\":\"\\\"\",\"side\":\"sell\",\"level\":7,\"money\":-1.05,"
      "\"date\":\"1969-12-31\",\"time\":\"00:00:00.005\",\"local\":\"1969-12-31 23:59:59.999\","
      "\"at\":\"1970-01-01 00:00:00Z\",\"bytes\":\"Yf8=\",\"text\":\"\\u0001\\b\xc3\xa9\","
      "\"note\":null,\"length\":-3,\"pairs\":[{\"a\":\"\",\"b\":1},null],\"two\":[1,2],"
      "\"map\":{\"k\":[true]},\"pair\":{\"f0\":1,\"f1\":\"b\"},\"any\":{\"double\":2.0}}\n");
  row.real = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(written(row).find("\"real\":\"NaN\""), std::string::npos);
  EXPECT_EQ(written(std::string("a\xff\"\xe2\x82")),
            "\"a\xef\xbf\xbd\\\"\xef\xbf\xbd\xef\xbf\xbd\"\n");
}

TEST(Json, long_records_are_read_up_to_the_limit) {
  const std::string value(3'000'000, 'v');
  const std::string text = "{\"a\":\"" + value + "\"}\n{\"a\":\"short\"}\n";
  const auto read = read_all<Pair>(text, {}, 100'000);
  ASSERT_EQ(read.rows.size(), 2U);
  EXPECT_EQ(read.rows[0].a, value);
  for (const size_t piece : {size_t{10'000}, SIZE_MAX}) {
    const auto failed = read_all<Pair>(text, {.record_bytes_max = 1'000'000}, piece);
    EXPECT_EQ(failed.status.id(), ErrorId::kRecordMalformed);
    const auto skipped = read_all<Pair>(
        text, {.on_malformed = JsonOnMalformed::kSkip, .record_bytes_max = 1'000'000}, piece);
    EXPECT_EQ(skipped.rows, (std::vector<Pair>{{"short", {}}}));
    EXPECT_EQ(skipped.malformed, 1);
  }
}

TEST(Json, deep_nesting_is_limited) {
  const auto nested = [](size_t depth) {
    return "{\"x\":" + std::string(depth, '[') + std::string(depth, ']') + ",\"a\":\"y\"}";
  };
  EXPECT_EQ(read_one<Pair>(nested(json_detail::kDepthMax)).a, "y");
  failure<Pair>(nested(json_detail::kDepthMax + 1));
  failure<Pair>("{\"x\":" + std::string(2'000'000, '['));
}

TEST(Json, lines_can_be_parsed_alone) {
  auto parser = JsonLineParser<Pair>::open({});
  ASSERT_TRUE(parser.ok());
  Pair row;
  EXPECT_TRUE(parser->parse("{\"a\":\"x\"}", row).ok());
  EXPECT_EQ(row, (Pair{"x", {}}));
  EXPECT_FALSE(parser->parse("{\"a\":", row).ok());
  EXPECT_FALSE(parser->parse("", row).ok());
  EXPECT_FALSE(parser->parse("{\"a\":\"x\"}\n{\"a\":\"y\"}", row).ok());
  EXPECT_TRUE(parser->parse("{\"a\":\"z\"}\n", row).ok());
  EXPECT_EQ(row.a, "z");
}

TEST(Json, options_that_make_no_sense_are_refused) {
  EXPECT_EQ(JsonOptions{.record_bytes_max = 0}.validate().id(), ErrorId::kConnectorOption);
  const JsonOptions both{.fail_on_missing_field = true, .allow_missing_fields = true};
  EXPECT_EQ(both.validate().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(json(both).open().status().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(json(both).rows<Pair>().open("x").status().id(), ErrorId::kConnectorOption);
}

TEST(Json, empty_inputs_have_no_rows) {
  for (const char* text : {"", "\n", " \r\n\n", "\xef\xbb\xbf"}) {
    EXPECT_TRUE(read_all<Pair>(text).status.ok());
    EXPECT_TRUE(read_all<Pair>(text).rows.empty());
  }
}

// Any bytes in any pieces: no crash, and the pieces make no difference.
TEST(Json, random_bytes_are_read_the_same_in_all_pieces) {
  std::mt19937_64 random(3);
  const std::vector<std::string> words{"{",
                                       "}",
                                       "\"a\"",
                                       "\"b\"",
                                       ":",
                                       ",",
                                       "1",
                                       "\"x\"",
                                       "\n",
                                       "\n",
                                       "null",
                                       "\\",
                                       "\xff",
                                       "\x0c",
                                       "[",
                                       "]",
                                       " ",
                                       "\"",
                                       "{\"a\":\"1\"}",
                                       "{\"a\":\"\\n\",\"b\":2}\n"};
  for (int i = 0; i < 4'000; ++i) {
    std::string text;
    for (uint64_t count = random() % 60; count > 0; --count) {
      text += words[random() % words.size()];
    }
    const JsonOptions options{.ignore_parse_errors = random() % 2 == 0,
                              .on_malformed = JsonOnMalformed::kReject,
                              .record_bytes_max = random() % 2 == 0 ? 20 : 1000};
    const auto whole = read_all<Pair>(text, options);
    const auto pieces = read_all<Pair>(text, options, 1 + random() % 9);
    ASSERT_EQ(whole.rows, pieces.rows) << text;
    ASSERT_EQ(whole.malformed, pieces.malformed) << text;
    ASSERT_TRUE(whole.status.ok());
  }
}

}  // namespace
}  // namespace tidewheel
