// Structs as values of Avro.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/connectors/file/records.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/formats/avro/avro.h"

namespace tidewheel {

enum class Side : uint8_t { kBuy, kSell };
template <>
struct enum_names<Side> {
  static constexpr std::pair<Side, std::string_view> value[] = {{Side::kBuy, "BUY"},
                                                                {Side::kSell, "SELL"}};
};
struct Place {
  std::string city;
  std::optional<int32_t> zip;
  friend bool operator==(const Place&, const Place&) = default;
};
template <>
struct avro_name<Place> {
  static constexpr std::string_view value = "shop.Place";
};

namespace {

struct Everything {
  bool flag = false;
  int8_t tiny = 0;
  uint16_t small = 0;
  int32_t whole = 0;
  uint32_t large = 0;
  int64_t big = 0;
  float single = 0;
  double real = 0;
  std::string name;
  Bytes bytes;
  Timestamp at;
  LocalTimestamp local;
  Date day;
  Time time;
  std::chrono::milliseconds length{0};
  Decimal<10, 2> price;
  Decimal<30, 5> wide;
  Side side = Side::kBuy;
  std::vector<std::string> words;
  std::vector<bool> flags;
  std::array<int32_t, 2> pair{};
  std::map<std::string, int64_t> counts;
  Place place;
  std::optional<Place> other;
  std::pair<int32_t, std::string> both;
  std::variant<std::monostate, int64_t, Place, std::string> either;
  friend bool operator==(const Everything&, const Everything&) = default;
};

Everything something() {
  Everything one;
  one.flag = true;
  one.tiny = -128;
  one.small = 65535;
  one.whole = INT32_MIN;
  one.large = UINT32_MAX;
  one.big = INT64_MIN;
  one.single = 0.5F;
  one.real = -1e300;
  one.name = "n";
  one.bytes = Bytes(std::string("\0\1", 2));
  one.at = Timestamp(-1);
  one.local = LocalTimestamp(1);
  one.day = Date(-3);
  one.time = Time(3'600'001);
  one.length = std::chrono::milliseconds(-5);
  one.price = *Decimal<10, 2>::parse("-12.34");
  one.wide = *Decimal<30, 5>::parse("1234567890123456789.12345");
  one.side = Side::kSell;
  one.words = {"a", ""};
  one.flags = {true, false};
  one.pair = {7, -8};
  one.counts = {{"x", 1}};
  one.place = {"Ulm", 89073};
  one.other = Place{"Bonn", std::nullopt};
  one.both = {3, "three"};
  one.either = Place{"Rom", 1};
  return one;
}

template <class T>
std::string message_of(const T& value) {
  std::string message;
  avro::append_value(message, value);
  return message;
}
template <class T>
T parsed(const std::string& message, const avro::StructOptions& options = {}) {
  auto parser = avro::MessageParser<T>::open(options);
  EXPECT_TRUE(parser.ok()) << parser.status().to_string();
  T row{};
  const Status status = parser->parse(message, row);
  EXPECT_TRUE(status.ok()) << status.to_string();
  return row;
}
template <class T>
Status open_status(const std::string& schema) {
  return avro::MessageParser<T>::open({.writer_schema = schema}).status();
}

TEST(AvroStruct, values_of_every_type_are_what_they_were) {
  const std::string schema = avro::schema_for<Everything>().to_json();
  ASSERT_TRUE(avro::Schema::parse(schema).ok()) << schema;
  EXPECT_NE(schema.find("\"name\":\"shop.Place\""), std::string::npos);
  for (const Everything& one : {Everything(), something()}) {
    EXPECT_EQ(parsed<Everything>(message_of(one)), one);
    EXPECT_EQ(parsed<Everything>(message_of(one), {.writer_schema = schema}), one);
  }
  for (const auto& either : {decltype(Everything::either)("s"), decltype(Everything::either)(5)}) {
    Everything one;
    one.either = either;
    EXPECT_EQ(parsed<Everything>(message_of(one)).either, either);
  }
}

TEST(AvroStruct, a_message_that_is_cut_short_is_malformed_at_every_byte) {
  const std::string message = message_of(something());
  auto parser = avro::MessageParser<Everything>::open();
  Everything row;
  for (size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(parser->parse(message.substr(0, size), row).id(), ErrorId::kRecordMalformed);
  }
  EXPECT_FALSE(parser->parse(message + "x", row).ok());
  EXPECT_TRUE(parser->parse(message, row).ok());
}

struct Old {
  int32_t id = 0;
  std::vector<Place> gone;
  std::string name;
  std::map<std::string, std::vector<double>> dropped;
};
struct New {
  std::optional<std::string> name;
  int64_t id = 0;
  std::optional<double> added;
  friend bool operator==(const New&, const New&) = default;
};
struct WithDefault {
  double id = 0;
  int32_t level = 5;
};

TEST(AvroStruct, fields_are_found_by_name_in_what_another_schema_has_written) {
  const std::string schema = avro::schema_for<Old>().to_json();
  const std::string message =
      message_of(Old{7, {{"a", 1}, {"b", {}}}, "n", {{"k", {1, 2}}, {"l", {}}}});
  EXPECT_EQ(parsed<New>(message, {.writer_schema = schema}), (New{"n", 7, std::nullopt}));
  const Status missing = open_status<WithDefault>(schema);
  EXPECT_EQ(missing.id(), ErrorId::kFormatSchema);
  EXPECT_NE(missing.message().find("$.level"), std::string::npos) << missing.message();
  const auto filled =
      parsed<WithDefault>(message, {.writer_schema = schema, .allow_missing_fields = true});
  EXPECT_EQ(filled.id, 7);
  EXPECT_EQ(filled.level, 5);
  struct Other {
    std::string id;
  };
  EXPECT_NE(open_status<Other>(schema).message().find("$.id: the field is for string"),
            std::string::npos);
}

struct Narrow {
  int8_t n = 0;
};
TEST(AvroStruct, a_number_that_does_not_fit_is_malformed) {
  auto parser = avro::MessageParser<Narrow>::open();
  Narrow row;
  std::string message;
  avro::append_long(message, 128);
  const Status status = parser->parse(message, row);
  EXPECT_NE(status.message().find("$.n: this number does not fit: 128"), std::string::npos)
      << status.to_string();
}

struct Named {
  Text name;
  int64_t number = 0;
  Side side = Side::kBuy;
};

static_assert(file::RecordFormat<avro::StructRows<Named>>);

std::string file_of(const std::vector<Named>& rows, avro::Codec codec, size_t block_rows) {
  const auto writer = avro::files<Named>(codec).open();
  EXPECT_TRUE(writer.ok());
  std::string file;
  writer->append_header(file);
  for (size_t begin = 0; begin < rows.size(); begin += block_rows) {
    const size_t count = std::min(block_rows, rows.size() - begin);
    EXPECT_TRUE(writer->append_rows(file, std::span(rows).subspan(begin, count)).ok());
  }
  return file;
}

TEST(AvroStruct, files_are_read_in_any_pieces_and_from_the_middle_of_a_block) {
  std::vector<Named> rows;
  for (int64_t i = 0; i < 7; ++i) { rows.push_back({i % 2 ? "odd" : "even", i, Side::kSell}); }
  for (const avro::Codec codec : {avro::Codec::kNull, avro::Codec::kSnappy}) {
    const std::string file = file_of(rows, codec, 3);
    for (size_t stop = 0; stop <= rows.size(); ++stop) {
      auto reader = avro::FileReader<Named>::open({}, "f");
      size_t at = 0;
      size_t given = 0;  // what was given and not taken is given again
      int64_t line = 1;
      const ArenaRef arena = Arena::create();
      for (size_t i = 0; i <= rows.size(); ++i) {
        if (i == stop) {
          // As a restored reader does.
          line = reader->line();
          reader = avro::FileReader<Named>::open({}, "f");
          Named ignored;
          size_t taken = 0;
          ASSERT_EQ(reader->next(file, true, taken, ignored, arena.get()), avro::FileNext::kRow);
          reader->set_line(line);
          if (i == 0) { at = taken; }
        }
        Named row;
        size_t taken = 0;
        auto next = avro::FileNext::kNeedsBytes;
        while (true) {
          next = reader->next(std::string_view(file).substr(at, given), at + given == file.size(),
                              taken, row, arena.get());
          at += taken;
          given -= taken;
          if (next != avro::FileNext::kNeedsBytes) { break; }
          given = std::min(given + 5, file.size() - at);
        }
        if (i == rows.size()) {
          EXPECT_EQ(next, avro::FileNext::kEnd);
          break;
        }
        ASSERT_EQ(next, avro::FileNext::kRow) << reader->status().to_string();
        EXPECT_EQ(row.number, static_cast<int64_t>(i));
        EXPECT_EQ(row.name, i % 2 != 0 ? "odd" : "even");
        EXPECT_EQ(row.side, Side::kSell);
      }
    }
  }
}

}  // namespace
}  // namespace tidewheel
