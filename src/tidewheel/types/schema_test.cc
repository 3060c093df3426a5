#include "tidewheel/types/schema.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tidewheel {
namespace {

struct Inner {
  int32_t x = 0;
  std::string note;
};
struct V1 {
  std::string symbol;
  int32_t price_cents = 0;
  float weight = 0;
  std::string removed;
  std::vector<Inner> inner;
  std::map<std::string, int32_t> counts;
  std::variant<int32_t, std::string> either;
  int8_t level = 0;
};
struct InnerV2 {
  std::string note;
  int64_t x = 0;
  int64_t added = 77;
};
struct V2 {
  int64_t cents = 0;
  std::optional<std::string> symbol;
  double weight = 0;
  std::vector<InnerV2> inner;
  std::map<std::string, int64_t> counts;
  std::variant<int32_t, std::string, bool> either;
  std::optional<int64_t> level;
  std::string currency = "USD";
};

}  // namespace

template <>
struct renames<V2> {
  static constexpr auto value = rename_list{{"price_cents", "cents"}, {"unused", "currency"}};
};

namespace {

TEST(schema, text_and_fingerprint) {
  EXPECT_EQ(schema_of<V1>().to_string(),
            "{symbol:string,price_cents:int32,weight:float,removed:string,"
            "inner:array<{x:int32,note:string}>,counts:map<string,int32>,"
            "either:union<int32,string>,level:int8}");
  EXPECT_EQ((schema_of<std::pair<int, Text>>().to_string()), "{f0:int32,f1:string}");
  EXPECT_EQ((schema_of<std::array<Decimal<10, 2>, 3>>().to_string()), "array<decimal(10,2),3>");
  EXPECT_NE(schema_of<V1>().fingerprint(), schema_of<V2>().fingerprint());
  EXPECT_EQ(schema_of<Text>().fingerprint(), schema_of<std::string>().fingerprint());
}

TEST(schema, comes_back_from_its_bytes) {
  const Schema& schema = schema_of<V1>();
  const auto back = Schema::parse(schema.encode());
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(*back, schema);
  const std::string bytes = schema.encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Schema::parse(std::string_view(bytes).substr(0, size)).ok());
  }
}

TEST(schema, old_values_are_migrated) {
  V1 old;
  old.symbol = "A";
  old.price_cents = -5;
  old.weight = 1.5F;
  old.removed = "gone";
  old.inner = {{1, "one"}, {2, "two"}};
  old.counts = {{"a", 1}, {"b", -2}};
  old.either = std::string("text");
  old.level = -3;
  const std::string bytes = encode_to_string(old);

  EXPECT_EQ(compare_schemas(schema_of<V1>(), schema_of<V2>()).kind, SchemaChange::Kind::kMigrated);
  const auto decoder = SchemaDecoder<V2>::open(schema_of<V1>());
  ASSERT_TRUE(decoder.ok()) << decoder.status().message();
  EXPECT_FALSE(decoder->is_same());
  Reader reader(bytes);
  V2 now;
  decoder->read(reader, now);
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(now.cents, -5);
  EXPECT_EQ(now.symbol, "A");
  EXPECT_EQ(now.weight, 1.5);
  ASSERT_EQ(now.inner.size(), 2U);
  EXPECT_EQ(now.inner[1].x, 2);
  EXPECT_EQ(now.inner[1].note, "two");
  EXPECT_EQ(now.inner[1].added, 77);
  EXPECT_EQ(now.counts["b"], -2);
  EXPECT_EQ(std::get<1>(now.either), "text");
  EXPECT_EQ(now.level, -3);
  EXPECT_EQ(now.currency, "USD");
}

TEST(schema, the_same_is_read_as_it_is) {
  const auto decoder = SchemaDecoder<V1>::open(schema_of<V1>());
  ASSERT_TRUE(decoder.ok());
  EXPECT_TRUE(decoder->is_same());
}

template <class From, class To>
std::string reason_of() {
  const SchemaChange change = compare_schemas(schema_of<From>(), schema_of<To>());
  EXPECT_EQ(change.kind == SchemaChange::Kind::kRefused, !change.reason.empty());
  return change.reason;
}

struct Narrow {
  int64_t x = 0;
  std::string note;
};
struct WithInner {
  Inner inner;
};
struct WithNarrow {
  struct {
    std::string x;
    std::string note;
  } inner;
};
struct Stranger {
  int64_t something = 0;
};

TEST(schema, what_would_lose_values_is_refused_by_name) {
  EXPECT_EQ((reason_of<Narrow, Inner>()), "x: was int64 and is now int32");
  EXPECT_EQ((reason_of<WithInner, WithNarrow>()), "inner.x: was int32 and is now string");
  EXPECT_NE((reason_of<std::optional<int>, int>()), "");
  EXPECT_NE((reason_of<uint32_t, int32_t>()), "");
  EXPECT_EQ((reason_of<uint32_t, int64_t>()), "");
  EXPECT_NE((reason_of<double, float>()), "");
  EXPECT_NE((reason_of<Inner, Stranger>()), "");
  EXPECT_NE((reason_of<std::map<int32_t, int>, std::map<int64_t, int>>()), "");
  EXPECT_NE((reason_of<std::variant<int, bool>, std::variant<int>>()), "");
  EXPECT_NE((reason_of<std::array<int, 2>, std::array<int, 3>>()), "");
  EXPECT_NE((reason_of<Decimal<10, 2>, Decimal<10, 3>>()), "");
  EXPECT_NE((reason_of<Timestamp, int64_t>()), "");
  const Status status = check_schema_change(schema_of<Narrow>(), schema_of<Inner>());
  EXPECT_EQ(status.id(), ErrorId::kSchemaMismatch);
}

TEST(schema, random_bytes_never_crash) {
  std::mt19937_64 random(5);
  const std::string good = schema_of<V1>().encode();
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = good;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 30);
    }
    const auto schema = Schema::parse(bytes);
    if (!schema.ok()) { continue; }
    std::string value(random() % 200, '\0');
    for (char& c : value) { c = static_cast<char>(random() % 4); }
    Reader reader(value);
    detail::skip_value(reader, *schema);
    const auto decoder = SchemaDecoder<V2>::open(*schema);
    if (decoder.ok()) {
      Reader again(value);
      V2 out;
      decoder->read(again, out);
    }
  }
}

}  // namespace
}  // namespace tidewheel
