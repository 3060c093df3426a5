#include "tidewheel/types/serde.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <unordered_map>

#include "tidewheel/types/print.h"

namespace tidewheel {

struct Uuid {
  explicit Uuid(uint64_t v) : value(v) {}
  Uuid() : Uuid(0) {}
  friend bool operator==(const Uuid&, const Uuid&) = default;
  uint64_t value;
};
template <>
struct serde<Uuid> : std::true_type {
  static constexpr auto logical = tidewheel::type::bytes(8);
  static void write(Writer& writer, const Uuid& uuid) { writer.fixed(uuid.value); }
  static Uuid read(Reader& reader) { return Uuid(reader.fixed<uint64_t>()); }
};
struct Blob {
  Blob() {}
  std::string bytes;
  friend bool operator==(const Blob&, const Blob&) = default;
};
template <>
struct serde<Blob> : std::true_type {
  static constexpr auto logical = tidewheel::type::string();
  static void write(Writer& writer, const Blob& blob) {
    writer.raw(blob.bytes.data(), blob.bytes.size());
  }
  static Blob read(Reader& reader) {
    Blob blob;
    blob.bytes.resize(reader.remaining());
    reader.raw(blob.bytes.data(), blob.bytes.size());
    return blob;
  }
};

namespace {

enum class Kind3 : uint16_t { kA = 1, kB = 300 };
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
struct Fixed {
  int64_t a = 0;
  int32_t b = 0;
  int16_t c = 0;
  int8_t d = 0;
  uint8_t e = 0;
  double f = 0;
  Timestamp g;
  friend bool operator==(const Fixed&, const Fixed&) = default;
};
struct Padded {
  int8_t a = 0;
  int64_t b = 0;
  friend bool operator==(const Padded&, const Padded&) = default;
};
struct Bid {
  int64_t auction = 0;
  Text channel;
  std::string url;
  friend bool operator==(const Bid&, const Bid&) = default;
};
struct Everything {
  bool flag = false;
  char letter = 'a';
  float single = 0;
  std::optional<int32_t> maybe;
  std::optional<std::vector<int>> maybe_list;
  std::vector<Bid> bids;
  std::vector<Fixed> fixed;
  std::vector<bool> bits;
  std::vector<Empty> empties;
  std::array<int16_t, 3> three{};
  std::array<std::string, 2> two;
  std::map<std::string, int> ordered;
  std::unordered_map<int, std::string> unordered;
  std::variant<Bid, int, Empty> either;
  Kind3 kind = Kind3::kA;
  std::pair<int, std::string> both;
  std::tuple<int, double, Text> triple;
  Padded padded;
  Bytes bytes;
  Decimal<10, 2> money;
  Decimal<30, 5> wide;
  Interval interval;
  std::chrono::milliseconds length{};
  Date date;
  Time time;
  LocalTimestamp local;
  Uuid uuid;
  Blob blob;
  std::vector<Blob> blobs;
  friend bool operator==(const Everything&, const Everything&) = default;
};

static_assert(detail::kIsBlock<Fixed> && !detail::kIsBlock<Padded> && !detail::kIsBlock<bool>);
static_assert(detail::kIsBlock<std::array<Fixed, 2>> && !detail::kIsBlock<Text>);

Everything make_everything() {
  Everything value;
  value.flag = true;
  value.letter = 'z';
  value.single = 1.5F;
  value.maybe = -7;
  value.maybe_list = {1, 2, 3};
  value.bids = {{1, "web", "http://x"}, {-2, "", ""}};
  value.fixed = {{1, 2, 3, 4, 5, 6.5, Timestamp(7)}, {}};
  value.bits = {true, false, true};
  value.empties.resize(3);
  value.three = {1, -2, 3};
  value.two = {"a", "bb"};
  value.ordered = {{"k", 1}, {"l", 2}};
  value.unordered = {{3, "c"}, {1, "a"}, {2, "b"}};
  value.either = 42;
  value.kind = Kind3::kB;
  value.both = {5, "five"};
  value.triple = {1, 2.5, "three"};
  value.padded = {1, 2};
  value.bytes = Bytes(std::string("\0\1\2", 3));
  value.money = Decimal<10, 2>::of_unscaled(-12345);
  value.wide = *Decimal<30, 5>::parse("-1234567890123456789012345.00001");
  value.interval = {14, -5};
  value.length = std::chrono::milliseconds(-9);
  value.date = Date(-1);
  value.time = Time(5);
  value.local = LocalTimestamp(INT64_MIN);
  value.uuid = Uuid(0x1122334455667788);
  value.blob.bytes = "blob";
  value.blobs.resize(2);
  value.blobs[1].bytes = std::string(300, 'x');
  return value;
}

TEST(serde, everything_comes_back) {
  const Everything value = make_everything();
  const std::string bytes = encode_to_string(value);
  const Result<Everything> back = decode_all<Everything>(bytes);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(*back, value) << printed(*back) << "\n" << printed(value);
  EXPECT_EQ(encode_to_string(*back), bytes);
  // Into a value that holds something else already.
  Everything reused = make_everything();
  Reader reader(bytes);
  decode(reader, reused);
  EXPECT_TRUE(reader.finish().ok());
  EXPECT_EQ(reused, value);
}

TEST(serde, the_bytes_are_the_documented_ones) {
  EXPECT_EQ(encode_to_string(Bid{258, "ab", "c"}), std::string("\x02\x01\0\0\0\0\0\0\x02"
                                                               "ab\x01"
                                                               "c",
                                                               13));
  EXPECT_EQ(encode_to_string(Padded{1, 2}), std::string("\x01\x02\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(encode_to_string(std::optional<int8_t>(5)), std::string("\x01\x05", 2));
  EXPECT_EQ(encode_to_string(std::vector<Empty>(2)), std::string("\x02\0\0", 3));
  EXPECT_EQ(encode_to_string(std::string(200, 'x')).substr(0, 2), "\xc8\x01");
  EXPECT_EQ(encode_to_string(Fixed{1, 2, 3, 4, 5, 0, Timestamp(6)}).size(), sizeof(Fixed));
}

TEST(serde, maps_are_written_in_the_order_of_keys) {
  std::unordered_map<std::string, int> forward;
  std::unordered_map<std::string, int> backward;
  std::map<std::string, int> ordered;
  for (int i = 0; i < 100; ++i) {
    forward[std::to_string(i)] = i;
    ordered[std::to_string(i)] = i;
    backward[std::to_string(99 - i)] = 99 - i;
  }
  EXPECT_EQ(encode_to_string(forward), encode_to_string(backward));
  EXPECT_EQ(encode_to_string(forward), encode_to_string(ordered));
}

TEST(serde, varints_of_every_length) {
  Writer writer;
  std::vector<uint64_t> values{0, 127, 128, UINT64_MAX};
  for (int bit = 0; bit < 64; ++bit) { values.push_back(uint64_t{1} << bit); }
  for (const uint64_t value : values) { writer.varint(value); }
  Reader reader(writer.view());
  for (const uint64_t value : values) { EXPECT_EQ(reader.varint(), value); }
  EXPECT_TRUE(reader.finish().ok());
  Reader endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
  EXPECT_EQ(endless.varint(), 0U);
  EXPECT_FALSE(endless.ok());
}

TEST(serde, text_points_to_the_input_or_the_arena) {
  const std::string bytes = encode_to_string(std::string("hello"));
  Reader direct(bytes);
  EXPECT_EQ(decode<Text>(direct).data(), bytes.data() + 1);
  ArenaRef arena = Arena::create();
  Reader copying(bytes, arena.get());
  const Text copied = decode<Text>(copying);
  EXPECT_EQ(copied, "hello");
  EXPECT_NE(copied.data(), bytes.data() + 1);
}

TEST(serde, every_truncation_is_found) {
  const std::string bytes = encode_to_string(make_everything());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto back = decode_all<Everything>(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(back.ok()) << size;
    ASSERT_EQ(back.status().id(), ErrorId::kSerializedData);
  }
  EXPECT_FALSE(decode_all<Everything>(bytes + "x").ok());
}

TEST(serde, lies_about_counts_do_not_take_memory) {
  Writer writer;
  writer.varint(uint64_t{1} << 60);
  EXPECT_FALSE(decode_all<std::vector<Bid>>(writer.view()).ok());
  EXPECT_FALSE(decode_all<std::vector<int64_t>>(writer.view()).ok());
  EXPECT_FALSE(decode_all<std::string>(writer.view()).ok());
  EXPECT_FALSE((decode_all<std::map<int, int>>(writer.view()).ok()));
}

TEST(serde, random_bytes_never_crash) {
  std::mt19937_64 random(11);
  const std::string good = encode_to_string(make_everything());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    if (i % 2 == 0) {
      bytes.resize(random() % 300);
      for (char& c : bytes) { c = static_cast<char>(random()); }
    } else {
      for (int flips = 0; flips < 3; ++flips) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
    }
    const auto back = decode_all<Everything>(bytes);
    if (back.ok()) {
      // What was accepted is a value like any other.
      const auto again = decode_all<Everything>(encode_to_string(*back));
      ASSERT_TRUE(again.ok());
    }
  }
}

struct Named {
  std::string symbol;
  int64_t cents = 0;
  std::optional<double> price;
  Timestamp at;
};

TEST(print, for_people_and_delimited) {
  const Named named{"A \"b\"\n", -5, 1.25, Timestamp(1357016400000)};
  EXPECT_EQ(printed(named),
            R"({symbol: "A \"b\"\n", cents: -5, price: 1.25, at: 2013-01-01 05:00:00.000})");
  EXPECT_EQ(printed_delimited(Named{"A", 5, {}, Timestamp(7)}), "A|5||1970-01-01 00:00:00.007");
  EXPECT_EQ(printed(std::pair<std::string, int>("word", 3)), "(word, 3)");
  EXPECT_EQ(printed(std::string("alone")), "alone");
  EXPECT_EQ(printed(std::vector<std::string>{"a", "b"}), R"(["a", "b"])");
  EXPECT_EQ(printed(std::map<std::string, int>{{"a", 1}}), R"({"a": 1})");
  EXPECT_EQ(printed(std::optional<int>()), "null");
  EXPECT_EQ(printed(0.1), "0.1");
  EXPECT_EQ(printed(true), "true");
  EXPECT_EQ(printed(Bytes(std::string("\xff\x01"))), "ff01");
  EXPECT_EQ(printed(std::variant<int, std::string>("x")), "x");
}

}  // namespace
}  // namespace tidewheel
