#include "tidewheel/base/config_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

class ConfigDirectory : public ::testing::Test {
 protected:
  ConfigDirectory() { EXPECT_TRUE(world_->files().make_directories(folder_).ok()); }
  ~ConfigDirectory() override { world_->files().remove_all(folder_).ok(); }

  Result<DirectoryConfig> read(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_all_durably(world_->files(), join_path(folder_, name), text).ok());
    return read_config_directory(world_->files(), folder_);
  }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-conf-test-" + std::to_string(::getpid());
};

TEST_F(ConfigDirectory, nested_yaml_is_read) {
  const auto read_one =
      read("config.yaml", "jobmanager:\n  rpc:\n    port: 7000\nparallelism.default: 3\n");
  ASSERT_TRUE(read_one.ok()) << read_one.status().to_string();
  EXPECT_EQ(read_one->config.get(options::kJobManagerPort), 7000);
  EXPECT_EQ(read_one->config.get(options::kParallelism), 3);
  EXPECT_EQ(read_one->path, folder_ + "/config.yaml");
}

TEST_F(ConfigDirectory, the_older_file_is_lines_of_key_and_value) {
  const auto read_one = read("flink-conf.yaml",
                             "# a comment\n\njobmanager.rpc.port: 7001 # behind it\n"
                             "pipeline.name: a: b\n");
  ASSERT_TRUE(read_one.ok()) << read_one.status().to_string();
  EXPECT_EQ(read_one->config.get(options::kJobManagerPort), 7001);
  EXPECT_EQ(read_one->config.get(options::kPipelineName), "a: b");
}

TEST_F(ConfigDirectory, unknown_keys_are_warned_of_with_the_nearest_known_one) {
  const auto read_one = read("config.yaml", "jobmanager.rpc.prot: 7000\nenv.java.home: /usr\n");
  ASSERT_TRUE(read_one.ok()) << read_one.status().to_string();
  ASSERT_EQ(read_one->warnings.size(), 2U);
  EXPECT_NE(read_one->warnings[0].find("line 1"), std::string::npos) << read_one->warnings[0];
  EXPECT_NE(read_one->warnings[0].find("did you mean 'jobmanager.rpc.port'?"), std::string::npos)
      << read_one->warnings[0];
}

TEST_F(ConfigDirectory, a_wrong_value_is_an_error_that_names_the_line) {
  const auto read_one = read("config.yaml", "parallelism.default: 2\njobmanager.rpc.port: abc\n");
  ASSERT_FALSE(read_one.ok());
  EXPECT_EQ(read_one.status().id(), ErrorId::kBadOptionValue);
  EXPECT_NE(read_one.status().message().find("config.yaml, line 2"), std::string::npos);
}

TEST_F(ConfigDirectory, a_folder_without_a_file_is_the_defaults) {
  const auto read_one = read_config_directory(world_->files(), folder_);
  ASSERT_TRUE(read_one.ok());
  EXPECT_TRUE(read_one->path.empty());
  EXPECT_TRUE(read_one->config.values().empty());
}

}  // namespace
}  // namespace tidewheel
