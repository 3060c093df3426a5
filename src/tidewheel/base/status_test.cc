#include "tidewheel/base/status.h"

#include <gtest/gtest.h>

#include <set>

#include "tidewheel/base/check.h"
#include "tidewheel/base/ids.h"

namespace tidewheel {
namespace {

Status fails() { return not_found(ErrorId::kFileNotFound, "no such file: {}", "/a/b"); }
Result<int> number(bool good) {
  if (!good) { return invalid_argument(ErrorId::kBadOptionValue, "not a number"); }
  return 7;
}
Result<std::string> text(bool good) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const int value, number(good));
  TIDEWHEEL_ASSIGN_OR_RETURN(const int again, number(good).with_context("again {}", 1));
  return std::to_string(value + again);
}
Status passes_on(bool good) {
  if (!good) { TIDEWHEEL_RETURN_IF_ERROR(fails()); }
  TIDEWHEEL_RETURN_IF_ERROR(ok_status());
  return {};
}

TEST(Status, an_ok_status_is_one_null_pointer) {
  static_assert(sizeof(Status) == sizeof(void*));
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status().to_string(), "ok");
  EXPECT_EQ(Status().code(), StatusCode::kOk);
}

TEST(Status, a_failure_shows_its_id_and_message) {
  const Status status = fails();
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.id(), ErrorId::kFileNotFound);
  EXPECT_EQ(status.to_string(), "error[TW1400]: no such file: /a/b");
}

TEST(Status, copies_are_independent_and_context_goes_in_front) {
  const Status status = fails();
  const Status more = status.with_context("opening part {}", 3);
  EXPECT_EQ(status.message(), "no such file: /a/b");
  EXPECT_EQ(more.message(), "opening part 3: no such file: /a/b");
  EXPECT_TRUE(Status().with_context("nothing").ok());
}

TEST(Status, macros_return_failures_and_unpack_values) {
  EXPECT_EQ(*text(true), "14");
  EXPECT_EQ(text(false).status().id(), ErrorId::kBadOptionValue);
  EXPECT_TRUE(passes_on(true).ok());
  EXPECT_FALSE(passes_on(false).ok());
}

TEST(Result, holds_values_that_only_move) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(**result, 5);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 5);
  Result<std::string> converted = "abc";
  EXPECT_EQ(converted->size(), 3U);
  EXPECT_EQ(Result<int>(fails()).value_or(4), 4);
}

TEST(ResultDeathTest, taking_the_value_of_a_failure_says_which) {
  Result<int> result = fails();
  EXPECT_DEATH(static_cast<void>(result.value()), "TW1400.*no such file");
}

TEST(CheckDeathTest, a_failed_check_names_place_condition_and_values) {
  const int two = 2;
  EXPECT_DEATH(TIDEWHEEL_CHECK(two == 3, "two is {}", two), "status_test.cc.*two == 3.*two is 2");
  TIDEWHEEL_CHECK(two == 2);
  TIDEWHEEL_DCHECK(two == 2, "never {}", 1);
}

TEST(ErrorIds, numbers_and_names_are_unique) {
  std::set<int> numbers;
  std::set<std::string> names;
  int count = 0;
#define TIDEWHEEL_ERROR(number, name, meaning) \
  numbers.insert(number);                      \
  names.insert(#name);                         \
  ++count;
#include "tidewheel/base/error_ids.inc"
#undef TIDEWHEEL_ERROR
  EXPECT_EQ(numbers.size(), static_cast<size_t>(count));
  EXPECT_EQ(names.size(), static_cast<size_t>(count));
  EXPECT_EQ(error_name(ErrorId::kMemoryLimit), "kMemoryLimit");
}

TEST(StrongId, orders_and_hashes_by_value) {
  using A = StrongId<struct ATag>;
  static_assert(!std::is_convertible_v<A, int64_t>);
  EXPECT_LT(A(1), A(2));
  EXPECT_EQ(std::hash<A>()(A(9)), std::hash<int64_t>()(9));
}

}  // namespace
}  // namespace tidewheel
