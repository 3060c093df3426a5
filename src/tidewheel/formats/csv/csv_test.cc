// Unit tests of reading and writing CSV.
#include <gtest/gtest.h>

#include <random>

#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"

namespace tidewheel {

namespace {
enum class Side : uint8_t { kBuy, kSell };
}
template <>
struct enum_names<Side> {
  static constexpr std::pair<Side, std::string_view> value[] = {{Side::kBuy, "buy"},
                                                                {Side::kSell, "sell"}};
};

namespace csv {
namespace {

struct Flight {
  int32_t year = 0;
  std::optional<double> dep_delay;
  std::string tailnum;
  Timestamp time_hour;
  friend bool operator==(const Flight&, const Flight&) = default;
};
struct Pair {
  std::string a;
  std::optional<std::string> b;
  friend bool operator==(const Pair&, const Pair&) = default;
};
struct Views {
  Text a;
  Text b;
};

template <class T>
struct Read {
  std::vector<T> rows;
  std::vector<Reject> rejects;
  Status status;
  int64_t malformed = 0;
};

// Reads `text` in pieces of `piece` bytes, keeping what was not taken as a source does.
template <class T>
Read<T> read_all(const std::string& text, const Options& options, size_t piece = SIZE_MAX) {
  Read<T> result;
  Result<Reader<T>> reader = Reader<T>::open(options, "test.csv");
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
    const Next next = reader->next(kept, ended, taken, row, arena.get());
    if (next == Next::kRow) { result.rows.push_back(row); }
    kept.erase(0, taken);
    if (next == Next::kReject) { result.rejects.push_back(reader->reject()); }
    if (next == Next::kEnd || next == Next::kFailed) {
      result.status = reader->status();
      result.malformed = reader->malformed_count();
      return result;
    }
    if (next == Next::kNeedsBytes) {
      EXPECT_FALSE(ended);
      const size_t count = std::min(piece, text.size() - at);
      kept.append(text, at, count);
      at += count;
    }
  }
}

const std::string kFlights =
    "\xef\xbb\xbfyear,month,dep_delay,tailnum,time_hour\r\n"
    "2013,1,2.5,N14228,2013-01-01T10:00:00Z\r\n"
    "2013,1,NA,\"N \"\"24\"\",\n211\",2013-01-01T10:00:00Z\r\n"
    "\r\n"
    "2014,1,-4,,2013-01-01T11:00:00.5Z";

std::vector<Flight> expected_flights() {
  return {{2013, 2.5, "N14228", Timestamp(1357034400000)},
          {2013, std::nullopt, "N \"24\",\n211", Timestamp(1357034400000)},
          {2014, -4.0, "", Timestamp(1357038000500)}};
}

TEST(csv, reads_by_name_whatever_the_pieces) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{64}, SIZE_MAX}) {
    const auto read = read_all<Flight>(kFlights, {.null_literals = {"NA"}}, piece);
    EXPECT_TRUE(read.status.ok()) << read.status.message();
    EXPECT_EQ(read.rows, expected_flights()) << piece;
  }
}

TEST(csv, reads_by_position) {
  const auto read = read_all<Pair>("x,1\ny,\n", {.header = false});
  EXPECT_EQ(read.rows, (std::vector<Pair>{{"x", "1"}, {"y", std::nullopt}}));
  const auto named = read_all<Pair>("1,skip,x\n", {.header = false, .columns = {"b", "no", "a"}});
  EXPECT_EQ(named.rows, (std::vector<Pair>{{"x", "1"}}));
}

TEST(csv, columns_can_have_other_names) {
  const auto read = read_all<Pair>(
      "Name;B col\nx;y\n", {.delimiter = ';', .column_of_field = {{"a", "Name"}, {"b", "B col"}}});
  ASSERT_TRUE(read.status.ok()) << read.status.message();
  EXPECT_EQ(read.rows, (std::vector<Pair>{{"x", "y"}}));
}

TEST(csv, null_is_only_what_is_not_quoted) {
  const auto read = read_all<Pair>("a,b\nNA,NA\n\"NA\",\"NA\"\n,\n", {.null_literals = {"NA", ""}});
  EXPECT_EQ(read.rows, (std::vector<Pair>{{"NA", std::nullopt}, {"NA", "NA"}, {"", std::nullopt}}));
}

TEST(csv, text_points_into_the_input_unless_quotes_were_undone) {
  auto reader = Reader<Views>::open({}, "x");
  ASSERT_TRUE(reader.ok());
  const std::string text = "a,b\nplain,\"say \"\"hi\"\"\"\n";
  ArenaRef arena = Arena::create();
  Views row;
  size_t taken = 0;
  ASSERT_EQ(reader->next(text, false, taken, row, arena.get()), Next::kRow);
  EXPECT_EQ(taken, text.size());
  EXPECT_EQ(row.a.data(), text.data() + 4);
  EXPECT_EQ(row.b, "say \"hi\"");
}

template <class T>
std::string failure(const std::string& text, const Options& options = {}) {
  const auto read = read_all<T>(text, options);
  EXPECT_FALSE(read.status.ok());
  return read.status.message();
}

TEST(csv, errors_name_file_line_column_value_and_type) {
  const std::string header = "year,dep_delay,tailnum,time_hour\n";
  EXPECT_EQ(failure<Flight>(header + "2013,1,x,2013-01-01\nabc,1,x,2013-01-01\n"),
            "test.csv, line 3, column year: \"abc\" is no int32");
  EXPECT_EQ(failure<Flight>(header + "\"a\n\",1,x,2013-01-01\n"),
            "test.csv, line 2, column year: \"a\n\" is no int32");
  EXPECT_EQ(failure<Flight>(header + "99999999999,1,x,2013-01-01\n"),
            "test.csv, line 2, column year: \"99999999999\" is no int32");
  EXPECT_EQ(
      failure<Flight>(header + ",1,x,2013-01-01\n"),
      "test.csv, line 2, column year: \"\" is no int32; make the field std::optional if it may "
      "be missing");
  EXPECT_EQ(failure<Flight>(header + "1,1,x,2013-02-30\n"),
            "test.csv, line 2, column time_hour: \"2013-02-30\" is no timestamp like "
            "2013-01-31T05:00:00Z");
  EXPECT_EQ(failure<Flight>(header + "1,1\n"),
            "test.csv, line 2: the record has 2 fields, there are 4 columns");
  EXPECT_EQ(failure<Flight>(header + "1,1,x,2013-01-01,5\n"),
            "test.csv, line 2: the record has 5 fields, there are 4 columns");
  EXPECT_EQ(failure<Flight>(header + "\"1\"x,1,x,2013-01-01\n"),
            "test.csv, line 2: there is text between the closing quote of a field and the next "
            "delimiter");
  EXPECT_EQ(failure<Flight>(header + "\"1,1,x,2013-01-01\n"),
            "test.csv, line 2: a quoted field is not closed");
  EXPECT_EQ(failure<Flight>("year,tailnum\n1,x\n"),
            "test.csv: there is no column dep_delay; the columns are year, tailnum");
  EXPECT_EQ(failure<Pair>("a,a,b\n"), "test.csv: there are two columns a");
}

TEST(csv, malformed_records_are_skipped_and_counted) {
  const std::string text = "a,b\n1,2\nbad\n\"x\"y,2\nz\n3,4\n\"open\n";
  const auto skipped = read_all<Pair>(text, {.on_malformed = OnMalformed::kSkip}, 3);
  EXPECT_TRUE(skipped.status.ok());
  EXPECT_EQ(skipped.rows, (std::vector<Pair>{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(skipped.malformed, 4);
  const auto rejected = read_all<Pair>(text, {.on_malformed = OnMalformed::kReject});
  ASSERT_EQ(rejected.rejects.size(), 4U);
  EXPECT_EQ(rejected.rejects[1].record, "\"x\"y,2\n");
  EXPECT_EQ(rejected.rejects[1].line, 4);
  EXPECT_EQ(rejected.rejects[1].place, "test.csv");
}

TEST(csv, rejects_can_come_in_the_stream) {
  auto reader = rows_and_rejects<Flight>({.header = false}).open("f");
  ASSERT_TRUE(reader.ok());
  std::string text = "1,2,x,2013-01-01\nbad,2,x,2013-01-01\n";
  std::variant<Flight, Reject> row;
  size_t taken = 0;
  ASSERT_EQ(reader->next(text, true, taken, row), Next::kRow);
  EXPECT_EQ(std::get<Flight>(row).year, 1);
  text.erase(0, taken);
  ASSERT_EQ(reader->next(text, true, taken, row), Next::kRow);
  EXPECT_EQ(std::get<Reject>(row).column, "year");
  EXPECT_EQ(std::get<Reject>(row).record, "bad,2,x,2013-01-01\n");
  static_assert(Record<std::variant<Flight, Reject>>);
}

TEST(csv, missing_and_extra_fields_by_choice) {
  const auto read = read_all<Pair>("a,b\nx\ny,z,more\n",
                                   {.allow_missing_fields = true, .allow_extra_fields = true});
  EXPECT_EQ(read.rows, (std::vector<Pair>{{"x", std::nullopt}, {"y", "z"}}));
}

TEST(csv, long_records_are_read_up_to_the_limit) {
  const std::string value(3'000'000, 'v');
  const std::string text = "a,b\n" + value + ",1\nshort,2\n";
  const auto read = read_all<Pair>(text, {}, 100'000);
  ASSERT_EQ(read.rows.size(), 2U);
  EXPECT_EQ(read.rows[0].a, value);
  for (const size_t piece : {size_t{1000}, SIZE_MAX}) {
    const auto failed = read_all<Pair>(text, {.record_bytes_max = 1'000'000}, piece);
    EXPECT_EQ(failed.status.id(), ErrorId::kRecordMalformed);
    const auto skipped = read_all<Pair>(
        text, {.on_malformed = OnMalformed::kSkip, .record_bytes_max = 1'000'000}, piece);
    EXPECT_EQ(skipped.rows, (std::vector<Pair>{{"short", "2"}}));
    EXPECT_EQ(skipped.malformed, 1);
  }
  const auto unclosed = read_all<Pair>("a,b\n\"" + value, {.record_bytes_max = 1'000'000}, 50'000);
  EXPECT_EQ(unclosed.status.id(), ErrorId::kRecordMalformed);
}

struct Everything {
  bool flag = false;
  int8_t tiny = 0;
  uint64_t big = 0;
  float single = 0;
  double real = 0;
  char letter = 'x';
  Side side = Side::kBuy;
  Decimal<10, 2> money;
  Date date;
  Time time;
  LocalTimestamp local;
  Timestamp at;
  Bytes bytes;
  std::optional<int64_t> maybe;
  std::optional<std::string> note;
  std::chrono::milliseconds length{};
  friend bool operator==(const Everything&, const Everything&) = default;
};

TEST(csv, numbers_are_read_as_the_standard_library_reads_them) {
  std::mt19937_64 random(5);
  const auto expect_same = [](const std::string& text) {
    double expected = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), expected);
    const bool valid = error == std::errc() && end == text.data() + text.size();
    double value = 0;
    ASSERT_EQ(detail::parse_number(text, value), valid) << text;
    if (valid) { ASSERT_EQ(value, expected) << text; }
  };
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t digits = random() >> (random() % 64);
    std::string text = std::to_string(digits);
    if (random() % 4 != 0) { text.insert(random() % (text.size() + 1), "."); }
    if (random() % 3 == 0) { text.insert(0, "-"); }
    expect_same(text);
  }
  for (const char* text : {"", "-", ".", "-.", "1e5", "inf", "1.", ".5", "1..2", "0.1", "--1"}) {
    expect_same(text);
  }
  int8_t tiny = 0;
  EXPECT_TRUE(detail::parse_number(std::string_view("-128"), tiny));
  EXPECT_FALSE(detail::parse_number(std::string_view("128"), tiny));
  EXPECT_FALSE(detail::parse_number(std::string_view("1.0"), tiny));
  uint64_t big = 0;
  EXPECT_TRUE(detail::parse_number(std::string_view("18446744073709551615"), big));
  EXPECT_FALSE(detail::parse_number(std::string_view("18446744073709551616"), big));
  EXPECT_FALSE(detail::parse_number(std::string_view("-1"), big));
}

TEST(csv, what_is_written_is_read_back) {
  Everything value{true,
                   -128,
                   UINT64_MAX,
                   1.5F,
                   0.1,
                   ',',
                   Side::kSell,
                   *Decimal<10, 2>::parse("-1.05"),
                   Date(-1),
                   Time(5),
                   LocalTimestamp(-1),
                   Timestamp(INT64_MAX),
                   Bytes("a\"b"),
                   std::nullopt,
                   "",
                   std::chrono::milliseconds(-3)};
  for (const Options& options : {Options{}, Options{.delimiter = ';', .null_literals = {"NA"}},
                                 Options{.quote_all = true}}) {
    const auto writer = Writer<Everything>::open(options);
    ASSERT_TRUE(writer.ok());
    std::string text;
    writer->append_header(text);
    writer->append_row(text, value);
    value.note = "NA";
    writer->append_row(text, value);
    value.note = " padded\r\n";
    writer->append_row(text, value);
    const auto read = read_all<Everything>(text, options, 11);
    ASSERT_TRUE(read.status.ok()) << read.status.message() << text;
    ASSERT_EQ(read.rows.size(), 3U);
    EXPECT_EQ(read.rows[2], value) << text;
    EXPECT_EQ(read.rows[1].note, "NA");
    EXPECT_EQ(read.rows[0].note, "");
    value.note = "";
  }
}

TEST(csv, the_written_form) {
  const auto writer = Writer<Flight>::open({.null_literals = {"NA"}});
  ASSERT_TRUE(writer.ok());
  std::string text;
  writer->append_header(text);
  writer->append_row(text, {2013, std::nullopt, "N,1", Timestamp(1357034400000)});
  EXPECT_EQ(text, "year,dep_delay,tailnum,time_hour\n2013,NA,\"N,1\",2013-01-01T10:00:00.000Z\n");
}

TEST(csv, times_by_a_pattern) {
  struct Row {
    Timestamp at;
  };
  const Options options{.time_format = "dd/MM/yyyy HH:mm"};
  const auto read = read_all<Row>("at\n01/02/2013 03:04\n", options);
  ASSERT_EQ(read.rows.size(), 1U);
  EXPECT_EQ(read.rows[0].at, *parse_timestamp("2013-02-01T03:04"));
  const auto writer = Writer<Row>::open(options);
  std::string text;
  writer->append_row(text, read.rows[0]);
  EXPECT_EQ(text, "01/02/2013 03:04\n");
  EXPECT_EQ(failure<Row>("at\n2013-01-01\n", options),
            "test.csv, line 2, column at: \"2013-01-01\" is no timestamp like dd/MM/yyyy HH:mm");
}

TEST(csv, options_that_make_no_sense_are_refused) {
  EXPECT_EQ(check({.delimiter = '\n'}).id(), ErrorId::kConnectorOption);
  EXPECT_EQ(check({.quote = ','}).id(), ErrorId::kConnectorOption);
  EXPECT_EQ(check({.time_format = "QQQ"}).id(), ErrorId::kConnectorOption);
  EXPECT_EQ(check({.record_bytes_max = 0}).id(), ErrorId::kConnectorOption);
  EXPECT_TRUE(check({}).ok());
}

TEST(csv, empty_inputs_have_no_rows) {
  EXPECT_TRUE(read_all<Pair>("", {}).status.ok());
  EXPECT_TRUE(read_all<Pair>("a,b", {}).rows.empty());
  EXPECT_TRUE(read_all<Pair>("a,b\n\n\r\n", {}).rows.empty());
  EXPECT_TRUE(read_all<Pair>("\xef\xbb", {.header = false}, 1).rows.empty());
}

TEST(csv, lines_can_be_parsed_alone) {
  auto parser = LineParser<Pair>::open({});
  ASSERT_TRUE(parser.ok());
  Pair row;
  EXPECT_TRUE(parser->parse("x,\"y\"", row).ok());
  EXPECT_EQ(row, (Pair{"x", "y"}));
  EXPECT_FALSE(parser->parse("x", row).ok());
  EXPECT_FALSE(parser->parse("", row).ok());
  EXPECT_FALSE(parser->parse("x,y\nz,a", row).ok());
}

// Any bytes in any pieces: no crash, and the pieces make no difference.
TEST(csv, random_bytes_are_read_the_same_in_all_pieces) {
  std::mt19937_64 random(3);
  const std::string alphabet = "ab,,\"\"\n\r1\xef\xbb\xbf ";
  for (int i = 0; i < 3'000; ++i) {
    std::string text(random() % 200, '\0');
    for (char& c : text) { c = alphabet[random() % alphabet.size()]; }
    const Options options{.header = random() % 2 == 0 && false,
                          .on_malformed = OnMalformed::kReject,
                          .record_bytes_max = random() % 2 == 0 ? 20 : 1000};
    const auto whole = read_all<Pair>(text, options);
    const auto pieces = read_all<Pair>(text, options, 1 + random() % 5);
    ASSERT_EQ(whole.rows, pieces.rows) << text;
    ASSERT_EQ(whole.malformed, pieces.malformed) << text;
    ASSERT_TRUE(whole.status.ok());
  }
}

}  // namespace
}  // namespace csv
}  // namespace tidewheel
