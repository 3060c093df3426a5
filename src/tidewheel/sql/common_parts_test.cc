#include "tidewheel/sql/common_parts.h"

#include <gtest/gtest.h>

#include "tidewheel/sql/test_binder.h"

namespace tidewheel::sql {
namespace {

// How many parts a condition has in common with one output over a string `s` and a number `n`.
size_t common_parts(std::string_view condition, std::string_view output) {
  RowType input;
  input.add("s", LogicalType::with(TypeKind::kVarchar, LogicalType::kMaxLength));
  input.add("n", LogicalType::of(TypeKind::kBigint));
  TestBinder binder(input);
  std::vector<Bound> outputs{*binder.bind(output)};
  const std::vector<Bound> parts = find_common_parts(*binder.bind(condition), outputs);
  read_parts(parts, 2, outputs);
  EXPECT_TRUE(find_common_parts(*binder.bind(condition), outputs).empty());
  return parts.size();
}

TEST(CommonParts, what_a_condition_computes_for_all_rows_is_read_from_there) {
  EXPECT_EQ(common_parts("LOWER(s) = 'a'", "LOWER(s)"), 1u);
  EXPECT_EQ(common_parts("LOWER(s) = 'a' OR n > 1", "CASE WHEN n > 1 THEN LOWER(s) END"), 1u);
  EXPECT_EQ(common_parts("LOWER(s) = UPPER(s)", "LOWER(s) || UPPER(s)"), 2u);
  // The whole is one, and its parts are not asked for.
  EXPECT_EQ(common_parts("UPPER(LOWER(s)) = 'A'", "UPPER(LOWER(s))"), 1u);
}

TEST(CommonParts, what_it_computes_for_some_rows_is_not) {
  EXPECT_EQ(common_parts("n > 1 AND LOWER(s) = 'a'", "LOWER(s)"), 0u);
  EXPECT_EQ(common_parts("n > 1 OR LOWER(s) = 'a'", "LOWER(s)"), 0u);
  EXPECT_EQ(common_parts("CASE WHEN n > 1 THEN LOWER(s) = 'a' ELSE FALSE END", "LOWER(s)"), 0u);
}

TEST(CommonParts, what_is_cheap_or_differs_by_call_is_computed_again) {
  EXPECT_EQ(common_parts("n + 1 > 2", "n + 1"), 0u);
  EXPECT_EQ(common_parts("UUID() <> s", "UUID()"), 0u);
  EXPECT_EQ(common_parts("LOWER(s) = 'a'", "UPPER(s)"), 0u);
}

}  // namespace
}  // namespace tidewheel::sql
