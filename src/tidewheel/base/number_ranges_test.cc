// Tests of lists of numbers and ranges.
#include "tidewheel/base/number_ranges.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;

TEST(NumberRanges, are_read_in_the_order_of_the_text) {
  EXPECT_EQ(parse_number_ranges("1,3,5-9,2"), (Ranges{{1, 1}, {3, 3}, {5, 9}, {2, 2}}));
  EXPECT_EQ(parse_number_ranges(""), Ranges{});
}

TEST(NumberRanges, what_is_no_list_is_refused) {
  for (const char* text : {"a", "-1", "3-1", "1,,2", "1-", "1-2-3", "1 ;2"}) {
    EXPECT_FALSE(parse_number_ranges(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tidewheel
