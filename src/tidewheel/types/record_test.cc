#include "tidewheel/types/record.h"

#include <gtest/gtest.h>

#include <map>
#include <unordered_map>

namespace tidewheel {
namespace {

struct Click {
  std::string user;
  std::string url;
  Timestamp at;
};
struct Trade {
  std::string symbol;
  int64_t cents = 0;
  int32_t qty = 0;
  Timestamp at;
};
struct Rich {
  Trade trade;
  std::string tier;
};
enum class Kind : uint8_t { kBid, kAsk };
struct Everything {
  bool flag = false;
  char letter = 'a';
  int8_t tiny = 0;
  uint64_t big = 0;
  float single = 0;
  double real = 0;
  std::optional<int32_t> maybe;
  std::optional<std::string> maybe_text;
  std::optional<std::vector<int>> maybe_list;
  std::vector<Trade> trades;
  std::array<int16_t, 3> three{};
  std::map<std::string, int> ordered;
  std::unordered_map<int, std::string> unordered;
  std::variant<Trade, Click> either;
  Kind kind = Kind::kBid;
  std::pair<int, std::string> both;
  std::tuple<int, double, Text> triple;
  Rich rich;
  Bytes bytes;
  Decimal<10, 2> money;
  Interval interval;
  std::chrono::milliseconds length{};
};
struct Empty {};
struct One {
  int x;
};
struct OneNested {
  One one;
};

static_assert(Record<Trade> && Record<Rich> && Record<Everything> && Record<Click>);
static_assert(Record<int> && Record<std::string> && Record<std::pair<std::string, int64_t>>);
static_assert(Record<Empty> && Record<One> && Record<OneNested>);
static_assert(!Record<int*> && !Record<int&> && !Record<std::string_view>);
static_assert(refl::count<Trade>() == 4);
static_assert(refl::count<Everything>() == 22);
static_assert(refl::count<Empty>() == 0);
static_assert(refl::count<One>() == 1);
static_assert(refl::count<OneNested>() == 1);
static_assert(refl::field_name<Trade, 1>() == "cents");
static_assert(refl::field_name<OneNested, 0>() == "one");
static_assert(std::is_same_v<refl::FieldType<Trade, 2>, int32_t>);
static_assert(refl::index_of(&One::x) == 0);

struct WithArray {
  int before;
  int values[3];
};
struct OnlyArray {
  int values[2];
};
struct Base {
  int x;
};
struct Derived : Base {
  int y;
};
struct EmptyBase {};
struct DerivedOfEmpty : EmptyBase {
  int y;
};
struct WithReference {
  int& reference;
};
struct WithPointer {
  int* pointer;
};
struct WithView {
  std::string_view view;
};
class Private {
  int x_ = 0;
};
struct Sixty4 {
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
      c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5,
      e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3;
};
struct Sixty5 {
  Sixty4 unused;
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2,
      c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5,
      e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3;
};
static_assert(refl::kShape<WithArray> == refl::Shape::kHasCArray);
static_assert(refl::kShape<OnlyArray> == refl::Shape::kHasCArray);
static_assert(refl::kShape<Derived> == refl::Shape::kHasBase);
static_assert(refl::kShape<DerivedOfEmpty> == refl::Shape::kHasBase);
static_assert(refl::kShape<WithReference> == refl::Shape::kNoDefault);
static_assert(refl::kShape<Private> == refl::Shape::kNotAggregate);
static_assert(refl::kShape<Sixty5> == refl::Shape::kTooManyFields);
static_assert(refl::count<Sixty4>() == 64);
static_assert(refl::field_name<Sixty4, 63>() == "g3");
static_assert(!Record<WithArray> && !Record<Derived> && !Record<WithReference> && !Record<Private>);
static_assert(!Record<WithPointer> && !Record<WithView> && !Record<Sixty5>);
static_assert(!Record<std::vector<WithPointer>> && !Record<std::optional<int*>>);

struct Bid {
  int64_t auction = 0;
  Text channel;
  Text url;
  friend bool operator==(const Bid&, const Bid&) = default;
};
struct Nest {
  Bid bid;
  std::optional<Text> note;
  std::vector<Text> tags;
  std::array<Text, 2> two;
  std::variant<int, Text> either;
  std::map<Text, Text> map;
  std::unordered_map<Text, int> counts;
  std::pair<int, Text> pair;
};
static_assert(has_text_v<Bid> && has_text_v<Nest> && has_text_v<Text> && !has_text_v<Trade>);
static_assert(has_text_v<std::vector<Bid>> && !has_text_v<std::string>);
static_assert(std::is_trivially_copyable_v<Bid>);

TEST(record, names_and_values_of_fields) {
  const Trade trade{"A", 5, 7, Timestamp(9)};
  std::string names;
  refl::for_each_named_field(trade, [&](std::string_view name, const auto&) {
    names += name;
    names += ',';
  });
  EXPECT_EQ(names, "symbol,cents,qty,at,");
  EXPECT_EQ(refl::field<1>(trade), 5);
  Trade other = trade;
  refl::field<1>(other) = 8;
  EXPECT_EQ(other.cents, 8);
  EXPECT_EQ(refl::index_of(&Trade::cents), 1U);
  EXPECT_EQ(refl::index_of(&Trade::at), 3U);
  EXPECT_EQ(refl::field_names<Everything>()[10], "three");
}

Nest make_nest() {
  return Nest{{1, "web", "http://a"}, "note",     {"x", "yy", ""},
              {"one", "two"},         "either",   {{"k1", "v1"}, {"k2", "v2"}},
              {{"count", 3}},         {4, "pair"}};
}

TEST(record, relocates_every_text) {
  Nest nest = make_nest();
  const size_t bytes = text_bytes(nest);
  EXPECT_EQ(bytes, 3U + 8 + 4 + 3 + 6 + 6 + 8 + 5 + 4);
  std::vector<char> memory(bytes);
  EXPECT_EQ(relocate_texts(nest, memory.data()), memory.data() + bytes);
  size_t count = 0;
  for_each_text(nest, [&](const Text& text) {
    if (!text.empty()) {
      EXPECT_GE(text.data(), memory.data());
      EXPECT_LE(text.end(), memory.data() + bytes);
      ++count;
    }
  });
  EXPECT_EQ(count, 14U);
  const Nest same = make_nest();
  EXPECT_EQ(nest.bid, same.bid);
  EXPECT_EQ(nest.note, same.note);
  EXPECT_EQ(nest.tags, same.tags);
  EXPECT_EQ(nest.two, same.two);
  EXPECT_EQ(nest.either, same.either);
  EXPECT_EQ(nest.map, same.map);
  EXPECT_EQ(nest.counts, same.counts);
  EXPECT_EQ(nest.pair, same.pair);
}

TEST(record, relocates_into_an_arena) {
  ArenaRef arena = Arena::create();
  std::string owner = "gone soon";
  Bid bid{1, Text(owner), Text()};
  relocate_texts_into(bid, *arena);
  owner.assign("overwritten");
  EXPECT_EQ(bid.channel, "gone soon");
  EXPECT_TRUE(bid.url.empty());
}

}  // namespace
}  // namespace tidewheel
