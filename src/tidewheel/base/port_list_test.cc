#include "tidewheel/base/port_list.h"

#include <gtest/gtest.h>

#include "tidewheel/base/network.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

TEST(PortList, advice_comes_with_a_port_that_is_taken_whatever_the_text_says) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kError});
  const auto first = world->network().listen({"127.0.0.1", 0}, [] {});
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  const auto second = world->network().listen({"127.0.0.1", (*first)->port()}, [] {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().id(), ErrorId::kNetworkAddress);
  EXPECT_EQ(second.status().code(), StatusCode::kAlreadyExists);
  const Status refused = no_free_port(second.status(), "rest.port", "8081", "give it another");
  EXPECT_EQ(refused.id(), ErrorId::kNetworkAddress);
  EXPECT_NE(refused.message().find("stop what listens there, or give it another"),
            std::string::npos)
      << refused.message();
}

TEST(PortList, of_another_failure_it_says_whose_port_it_is) {
  const Status failure =
      unavailable(ErrorId::kNetworkAddress, "nowhere: the host's name is already in use elsewhere");
  const Status refused = no_free_port(failure, "rest.port", "8081", "give it another");
  EXPECT_NE(refused.message().find("rest.port is 8081"), std::string::npos) << refused.message();
  EXPECT_EQ(refused.message().find("give it another"), std::string::npos) << refused.message();
}

}  // namespace
}  // namespace tidewheel
