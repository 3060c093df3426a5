// What ZooKeeper is asked for, by the configuration.
#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/zookeeper/zookeeper_high_availability.h"

namespace tidewheel {
namespace {

Result<ZooKeeperOptions> options_of(const std::vector<std::string>& settings) {
  Config config;
  for (const std::string& setting : settings) { EXPECT_TRUE(config.set_assignment(setting).ok()); }
  return zookeeper_options(config);
}

TEST(ZooKeeperOptions, clusters_are_told_apart_by_their_ids) {
  const auto options =
      options_of({"high-availability.zookeeper.quorum=a:1,b:2",
                  "high-availability.storageDir=/shared", "high-availability.cluster-id=/blue"});
  ASSERT_TRUE(options.ok()) << options.status().to_string();
  EXPECT_EQ(options->path, "/tidewheel/blue");
  EXPECT_EQ(options->directory, "/shared/blue");
  EXPECT_EQ(options->session_timeout_ms, 60'000);
}

TEST(ZooKeeperOptions, what_is_missing_is_named) {
  EXPECT_NE(options_of({}).status().message().find("high-availability.zookeeper.quorum"),
            std::string::npos);
  EXPECT_NE(options_of({"high-availability.zookeeper.quorum=a:1"})
                .status()
                .message()
                .find("high-availability.storageDir"),
            std::string::npos);
}

TEST(ZooKeeperOptions, nodes_of_a_creator_need_a_proof) {
  std::vector<std::string> settings = {"high-availability.zookeeper.quorum=a:1",
                                       "high-availability.storageDir=/shared",
                                       "high-availability.zookeeper.client.acl=creator"};
  EXPECT_EQ(options_of(settings).status().id(), ErrorId::kBadOptionValue);
  settings.emplace_back("high-availability.zookeeper.client.authorization=digest:me:secret");
  ASSERT_TRUE(options_of(settings).ok());
  EXPECT_TRUE(options_of(settings)->only_creator);
}

}  // namespace
}  // namespace tidewheel
