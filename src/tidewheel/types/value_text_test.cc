#include "tidewheel/types/value_text.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/types/decimal.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
namespace {

struct Position {
  std::string path;
  int64_t offset = 0;
  bool done = false;
};
struct Everything {
  std::vector<Position> list;
  std::map<std::string, int32_t> map;
  std::optional<double> some;
  std::optional<double> none;
  std::variant<int8_t, std::string> either;
  Timestamp at;
  Decimal<10, 2> price;
};

template <class T>
std::string text_of(const T& value) {
  Writer writer;
  encode(writer, value);
  return value_text(schema_of<T>().encode(), writer.view());
}

TEST(ValueText, follows_the_schema) {
  EXPECT_EQ(text_of(int32_t{-5}), "-5");
  EXPECT_EQ(text_of(std::string("a\"b")), "\"a\\\"b\"");
  EXPECT_EQ(text_of(Position{"a.csv", 12, true}), "{path: \"a.csv\", offset: 12, done: true}");
  Everything all;
  all.list = {{"x", 1, false}, {"y", 2, true}};
  all.map = {{"k", 7}};
  all.some = 0.5;
  all.either = std::string("s");
  all.at = Timestamp(0);
  EXPECT_EQ(text_of(all),
            "{list: [{path: \"x\", offset: 1, done: false}, {path: \"y\", offset: 2, done: true}], "
            "map: {\"k\": 7}, some: 0.5, none: null, either: \"s\", at: " +
                to_string(Timestamp(0)) + ", price: 0.00}");
}

TEST(ValueText, other_bytes_are_hexadecimal) {
  EXPECT_EQ(value_text(schema_of<int32_t>(), "abc"), value_text(std::string_view(), "abc"));
  EXPECT_EQ(value_text(std::string_view("nonsense"), "abc"), value_text(std::string_view(), "abc"));
  EXPECT_NE(value_text(std::string_view(), "abc").find("616263"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
