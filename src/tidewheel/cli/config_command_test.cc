#include "tidewheel/cli/config_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

class ConfigCommandLine : public ::testing::Test {
 protected:
  ConfigCommandLine() {
    EXPECT_TRUE(world_->files().make_directories(folder_).ok());
    EXPECT_TRUE(write_all_durably(world_->files(), folder_ + "/config.yaml",
                                  "jobmanager.rpc.port: 7000\nrest.port: 9000\n")
                    .ok());
    command_.config_directory = folder_;
  }
  ~ConfigCommandLine() override { world_->files().remove_all(folder_).ok(); }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-config-test-" + std::to_string(::getpid());
  ConfigCommand command_;
};

TEST_F(ConfigCommandLine, each_setting_says_where_it_comes_from) {
  command_.settings = {"rest.port=9001"};
  const Result<std::string> text = show_config(*world_, command_);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  const auto has = [&](const std::string& line) {
    return ("\n" + *text).find("\n" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has("jobmanager.rpc.port: 7000  # " + folder_ + "/config.yaml, the default is 6123"));
  EXPECT_TRUE(has("rest.port: 9001  # -D, the default is 8081"));
  EXPECT_TRUE(has("jobmanager.bind-host: localhost  # default"));
}

TEST_F(ConfigCommandLine, one_value_is_shown_alone) {
  command_.value_of = "jobmanager.rpc.port";
  EXPECT_EQ(*show_config(*world_, command_), "7000\n");
  command_.value_of = "heartbeat.interval";
  EXPECT_EQ(*show_config(*world_, command_), "10 s\n");
  command_.value_of = "jobmanager.rpc.prot";
  const Status status = show_config(*world_, command_).status();
  EXPECT_EQ(status.id(), ErrorId::kUnknownOption);
  EXPECT_NE(status.message().find("jobmanager.rpc.port"), std::string::npos);
}

TEST_F(ConfigCommandLine, a_setting_that_is_none_is_a_mistake_of_usage) {
  for (const std::string setting : {"rest.prt=1", "rest.port=many", "rest.port"}) {
    command_.settings = {setting};
    const Status status = show_config(*world_, command_).status();
    EXPECT_EQ(status.id(), ErrorId::kUsage) << setting;
    EXPECT_NE(status.message().find("-D" + setting), std::string::npos) << status.message();
  }
}

TEST_F(ConfigCommandLine, only_what_is_set_when_asked_so) {
  command_.set_only = true;
  const Result<std::string> text = show_config(*world_, command_);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), 2);
}

TEST_F(ConfigCommandLine, secrets_are_not_shown) {
  command_.settings = {"security.ssl.rest.keystore-password=hush"};
  command_.set_only = true;
  const Result<std::string> text = show_config(*world_, command_);
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  EXPECT_EQ(text->find("hush"), std::string::npos);
  EXPECT_NE(text->find("security.ssl.rest.keystore-password: ******"), std::string::npos);
  command_.settings = {"high-availability.zookeeper.client.authorization=digest:user:hush"};
  const Result<std::string> proof = show_config(*world_, command_);
  ASSERT_TRUE(proof.ok()) << proof.status().to_string();
  EXPECT_EQ(proof->find("hush"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
