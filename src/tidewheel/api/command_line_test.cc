#include "tidewheel/api/command_line.h"

#include <gtest/gtest.h>

#include "tidewheel/api/job_args.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

Result<JobCommandLine> parse(std::vector<std::string> arguments) {
  return parse_job_command_line(arguments);
}

TEST(JobCommandLine, options_of_the_engine_are_taken_and_all_else_is_the_jobs) {
  const auto line = parse({"-p", "4", "--batch-rows=7", "-Dtaskmanager.network.credits=2",
                           "--brokers", "host:9", "--job", "hourly", "--", "--parallelism", "99"});
  ASSERT_TRUE(line.ok()) << line.status().to_string();
  EXPECT_EQ(line->config.get(options::kParallelism), 4);
  EXPECT_EQ(line->config.get(options::kBatchRows), 7);
  EXPECT_EQ(line->config.get(options::kCredits), 2);
  EXPECT_EQ(line->job, "hourly");
  EXPECT_EQ(line->arguments,
            (std::vector<std::string>{"--brokers", "host:9", "--parallelism", "99"}));
}

TEST(JobCommandLine, the_number_may_stick_to_the_letter) {
  const auto line = parse({"-p8"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->config.get(options::kParallelism), 8);
}

TEST(JobCommandLine, mistakes_are_named) {
  EXPECT_EQ(parse({"-p"}).status().id(), ErrorId::kUsage);
  EXPECT_EQ(parse({"-p", "many"}).status().id(), ErrorId::kBadOptionValue);
  EXPECT_EQ(parse({"--parallelism", "0"}).status().id(), ErrorId::kBadOptionValue);
  EXPECT_EQ(parse({"-Dno.such.key=1"}).status().id(), ErrorId::kUnknownOption);
}

TEST(JobCommandLine, checkpoints_have_short_forms) {
  const auto line =
      parse({"--checkpoint-interval", "1s", "--checkpoint-dir=/tmp/c", "--state-backend", "hashmap",
             "-s", "/tmp/s", "-n", "--claim-mode", "CLAIM", "--savepoint-on-interrupt", "/tmp/t",
             "--drain", "--rate", "5"});
  ASSERT_TRUE(line.ok()) << line.status().to_string();
  EXPECT_EQ(line->config.get(options::kCheckpointInterval), 1000);
  EXPECT_EQ(line->config.get(options::kCheckpointDirectory), "/tmp/c");
  EXPECT_EQ(line->config.get(options::kStateBackend), "hashmap");
  EXPECT_EQ(line->config.get(options::kRecoveryPath), "/tmp/s");
  EXPECT_TRUE(line->config.get(options::kIgnoreUnclaimedState));
  EXPECT_EQ(line->config.get(options::kClaimMode), "CLAIM");
  EXPECT_EQ(line->savepoint_on_interrupt, "/tmp/t");
  EXPECT_TRUE(line->drain);
  EXPECT_FALSE(line->resume);
  EXPECT_EQ(line->arguments, (std::vector<std::string>{"--rate", "5"}));
}

TEST(JobCommandLine, flags_that_contradict_each_other_are_refused) {
  EXPECT_TRUE(parse({"--resume", "--checkpoint-dir", "/tmp/c"}).value().resume);
  EXPECT_EQ(parse({"--resume", "-s", "/tmp/s"}).status().id(), ErrorId::kUsage);
  EXPECT_EQ(parse({"-n"}).status().id(), ErrorId::kUsage);
  EXPECT_EQ(parse({"--claim-mode", "CLAIM"}).status().id(), ErrorId::kUsage);
  EXPECT_EQ(parse({"--drain"}).status().id(), ErrorId::kUsage);
  EXPECT_EQ(parse({"--checkpoint-interval", "often"}).status().id(), ErrorId::kBadOptionValue);
}

TEST(JobCommandLine, help_lists_jobs_and_options) {
  const std::vector<std::string> jobs = {"daily", "hourly"};
  const std::string text = job_help("./prices", jobs);
  EXPECT_NE(text.find("hourly"), std::string::npos);
  EXPECT_NE(text.find("parallelism.default = 1"), std::string::npos);
}

TEST(JobArgs, values_are_read_as_their_types) {
  const std::vector<std::string> arguments = {
      "--rate", "2.5", "--topic=clicks", "--verbose", "--n", "-3", "--wait", "10 s", "input.csv"};
  const JobArgs args(arguments);
  EXPECT_EQ(args.get("rate", 1.0), 2.5);
  EXPECT_EQ(args.get("topic", "none"), "clicks");
  EXPECT_TRUE(args.get("verbose", false));
  EXPECT_EQ(args.get("n", int32_t{0}), -3);
  EXPECT_EQ(args.get("wait", Duration(0)), Duration(10'000));
  EXPECT_EQ(args.get("missing", int64_t{5}), 5);
  EXPECT_EQ(args.positional(), (std::vector<std::string>{"input.csv"}));
}

TEST(JobArgs, what_is_missing_or_malformed_is_named) {
  const std::vector<std::string> arguments = {"--n", "x", "--big", "300"};
  const JobArgs args(arguments);
  EXPECT_THROW(args.get("n", 0), BadArgument);
  EXPECT_THROW(args.get("big", int8_t{0}), BadArgument);
  try {
    args.require<std::string>("topic");
    FAIL() << "it must throw";
  } catch (const BadArgument& bad) {
    EXPECT_EQ(bad.status().id(), ErrorId::kBadParameter);
    EXPECT_NE(bad.status().message().find("--topic"), std::string::npos);
  }
}

}  // namespace
}  // namespace tidewheel
