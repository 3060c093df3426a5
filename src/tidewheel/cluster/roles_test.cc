#include "tidewheel/cluster/roles.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

ProcessRole some_role(ProcessRole::Kind kind) {
  ProcessRole role;
  role.kind = kind;
  role.job_id = "0123456789abcdef0123456789abcdef";
  role.epoch = UINT64_MAX;
  role.program = "/tmp/a b/libjob.so";
  role.entry = "hourly";
  role.arguments = {"--rows", "10", "--", ""};
  role.config_file = "/tmp/job=1.yaml";
  role.working_directory = "/tmp/w";
  role.listen_at = {"::1", 0};
  role.host = "::1";
  if (kind == ProcessRole::Kind::kJobMaster) {
    role.manager = {"127.0.0.1", 6123};
    role.manager_fence = 7;
  } else {
    role.worker_id = "w-1";
    role.task_manager_id = "host:1-abc";
    role.master = {"127.0.0.1", 50'000};
    role.memory_bytes = int64_t{1} << 40;
    role.results_directory = "/tmp/results";
  }
  return role;
}

TEST(ProcessRoles, what_is_written_is_read_again) {
  for (const auto kind : {ProcessRole::Kind::kJobMaster, ProcessRole::Kind::kWorker}) {
    const ProcessRole role = some_role(kind);
    const std::vector<std::string> arguments = role_arguments(role);
    ASSERT_TRUE(is_role(arguments));
    const auto parsed = parse_role(arguments);
    ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
    EXPECT_EQ(role_arguments(*parsed), arguments);
    EXPECT_EQ(parsed->epoch, role.epoch);
    EXPECT_EQ(parsed->arguments, role.arguments);
    EXPECT_EQ(parsed->memory_bytes, role.memory_bytes);
    EXPECT_EQ(parsed->results_directory, role.results_directory);
  }
}

TEST(ProcessRoles, each_option_is_needed_and_no_other_is_taken) {
  for (const auto kind : {ProcessRole::Kind::kJobMaster, ProcessRole::Kind::kWorker}) {
    const std::vector<std::string> arguments = role_arguments(some_role(kind));
    for (size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
      std::vector<std::string> fewer = arguments;
      fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
      const bool optional =
          arguments[i].starts_with("--entry=") || arguments[i].starts_with("--results-directory=");
      const auto parsed = parse_role(fewer);
      EXPECT_EQ(parsed.ok(), optional) << arguments[i];
      if (!optional) { EXPECT_EQ(parsed.status().id(), ErrorId::kUsage); }
    }
    std::vector<std::string> more = arguments;
    more.insert(more.begin() + 1, "--colour=red");
    EXPECT_EQ(parse_role(more).status().id(), ErrorId::kUsage);
  }
  EXPECT_FALSE(is_role(std::vector<std::string>{"worker", "bees"}));
  EXPECT_EQ(parse_role(std::vector<std::string>{"queen"}).status().id(), ErrorId::kUsage);
}

TEST(ProcessRoles, numbers_and_addresses_are_checked) {
  std::vector<std::string> arguments = role_arguments(some_role(ProcessRole::Kind::kWorker));
  for (const char* const wrong :
       {"--epoch=-1", "--epoch=", "--epoch=18446744073709551616", "--memory=9223372036854775808",
        "--master=nowhere", "--job-id=0123", "--listen=1.2.3.4:99999"}) {
    std::vector<std::string> changed = arguments;
    const std::string name = std::string(wrong).substr(0, std::string(wrong).find('=') + 1);
    for (std::string& argument : changed) {
      if (argument.starts_with(name)) { argument = wrong; }
    }
    EXPECT_EQ(parse_role(changed).status().id(), ErrorId::kUsage) << wrong;
  }
}

TEST(ProcessRoles, a_configuration_is_written_so_that_it_reads_the_same) {
  Config config;
  config.set(options::kPipelineName, "a \"job\":\n\\ # of 'all'");
  config.set(options::kParallelism, 3);
  Config read;
  ASSERT_TRUE(read.load_yaml(role_config_text(config), "test").ok());
  EXPECT_EQ(read.values(), config.values());
}

}  // namespace
}  // namespace tidewheel
