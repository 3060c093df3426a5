#include "tidewheel/registry/known.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace tidewheel::registry {
namespace {

TEST(Known, keeps_what_was_looked_for_last) {
  Known<int, std::unique_ptr<std::string>> known(2);
  EXPECT_EQ(known.find(1), nullptr);
  EXPECT_EQ(**known.add(1, std::make_unique<std::string>("one")), "one");
  known.add(2, std::make_unique<std::string>("two"));
  ASSERT_NE(known.find(1), nullptr);
  known.add(3, std::make_unique<std::string>("three"));
  EXPECT_EQ(known.find(2), nullptr);
  ASSERT_NE(known.find(1), nullptr);
  EXPECT_EQ(**known.find(1), "one");
  EXPECT_EQ(**known.find(3), "three");
  EXPECT_EQ(known.size(), 2U);
}

}  // namespace
}  // namespace tidewheel::registry
