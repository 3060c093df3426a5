#include "tidewheel/types/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace tidewheel {
namespace {

struct Inner {
  int32_t x = 0;
  double weight = 0;
};
struct Outer {
  std::string name;
  Inner inner;
  std::optional<int> maybe;
  std::vector<Inner> list;
  std::map<std::string, int> map;
  std::variant<int, std::string> either;
  std::pair<int, Text> pair;
};

TEST(compare, says_where_records_without_operators_differ) {
  const Outer left{"a", {1, 2}, 5, {{1, 1}, {2, 2}}, {{"k", 1}, {"l", 2}}, 7, {1, "x"}};
  EXPECT_EQ(difference(left, left), "");
  EXPECT_TRUE(equal_records(left, left));
  Outer right = left;
  right.name = "b";
  right.inner.x = 9;
  EXPECT_EQ(difference(left, right), "name: a is not b; inner.x: 1 is not 9");
  right = left;
  right.maybe.reset();
  right.list[1].weight = 3;
  right.map.erase("k");
  right.map["m"] = 3;
  right.either = "text";
  right.pair.second = "y";
  EXPECT_EQ(difference(left, right),
            "maybe: 5 is not null; list[1].weight: 2 is not 3; map[k]: is on the left only; "
            "map[m]: is on the right only; either: 7 is not text; pair.1: x is not y");
  right = left;
  right.list.pop_back();
  EXPECT_EQ(difference(left, right), "list: 2 elements, not 1");
  EXPECT_EQ(difference(std::vector<int>{1, 2}, std::vector<int>{1, 3}), "[1]: 2 is not 3");
  EXPECT_TRUE(equal_records(std::nan(""), std::nan("")));
}

}  // namespace
}  // namespace tidewheel
