#include "tidewheel/base/log_output.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

constexpr int64_t kNoonMs = 1'700'000'000'007;

std::string line(LogFormat format, std::string_view message, const LogProcess& process = {}) {
  return log_line(format, process, 42, LogContext::present(), LogLevel::kWarning, kNoonMs, "rpc",
                  message);
}

TEST(LogLine, text_is_for_people) {
  EXPECT_EQ(line(LogFormat::kText, "all is well"),
            "2023-11-14 22:13:20.007 WARN  rpc: all is well\n");
  EXPECT_EQ(line(LogFormat::kText, "two\nlines"),
            "2023-11-14 22:13:20.007 WARN  rpc: two\nlines\n");
}

TEST(LogLine, text_tells_what_it_is_about_once) {
  const LogProcess worker{.role = "worker", .id = "w1", .job = "5f2c"};
  EXPECT_EQ(line(LogFormat::kText, "oh", worker),
            "2023-11-14 22:13:20.007 WARN  rpc [job 5f2c]: oh\n");
  EXPECT_EQ(line(LogFormat::kText, "job 5f2c has ended", worker),
            "2023-11-14 22:13:20.007 WARN  rpc: job 5f2c has ended\n");
  const LogContext task({.task = "map", .subtask = 3, .attempt = 0});
  EXPECT_EQ(line(LogFormat::kText, "oh", worker),
            "2023-11-14 22:13:20.007 WARN  rpc [job 5f2c, task map, subtask 3, attempt 0]: oh\n");
}

TEST(LogLine, json_is_one_line_whatever_the_message) {
  EXPECT_EQ(line(LogFormat::kJson, "a \"b\"\n\\ \t\x01\xff"),
            "{\"time\":\"2023-11-14T22:13:20.007Z\",\"level\":\"WARN\",\"logger\":\"rpc\","
            "\"message\":\"a \\\"b\\\"\\n\\\\ \\t\\u0001\xEF\xBF\xBD\",\"pid\":42}\n");
  EXPECT_NE(line(LogFormat::kJson, "").find("\"message\":\"\""), std::string::npos);
}

TEST(LogLine, json_tells_all_that_is_known) {
  const LogContext job({.job = "7777"});
  const LogContext task({.task = "source -> \"map\"", .subtask = 0, .attempt = 12});
  EXPECT_EQ(line(LogFormat::kJson, "oh", {.role = "worker", .id = "w1", .job = "5f2c"}),
            "{\"time\":\"2023-11-14T22:13:20.007Z\",\"level\":\"WARN\",\"logger\":\"rpc\","
            "\"message\":\"oh\",\"process\":\"worker\",\"pid\":42,\"id\":\"w1\",\"job\":\"7777\","
            "\"task\":\"source -> \\\"map\\\"\",\"subtask\":0,\"attempt\":12}\n");
}

TEST(LogContext, ends_with_its_block) {
  {
    const LogContext outer({.job = "a", .task = "t", .subtask = 1});
    const LogContext inner({.job = "b"});
    EXPECT_EQ(LogContext::present().job, "b");
    EXPECT_EQ(LogContext::present().task, "t");
    EXPECT_EQ(LogContext::present().subtask, 1);
  }
  EXPECT_EQ(LogContext::present().job, "");
  EXPECT_EQ(LogContext::present().subtask, -1);
}

TEST(LogOutput, values_that_can_not_be_are_refused_with_those_that_can) {
  const auto world = make_real_world();
  Config config;
  ASSERT_TRUE(config.set("env.log.format", "xml").ok());
  const Status format = set_log_output(*world, config, {});
  EXPECT_EQ(format.id(), ErrorId::kBadOptionValue);
  EXPECT_NE(format.message().find("env.log.format is 'xml'; text and json"), std::string::npos);
  ASSERT_TRUE(config.set("env.log.format", "JSON").ok());
  ASSERT_TRUE(config.set("env.log.level", "LOUD").ok());
  const Status level = set_log_output(*world, config, {});
  EXPECT_EQ(level.id(), ErrorId::kBadOptionValue);
  EXPECT_NE(level.message().find("WARN"), std::string::npos);
  EXPECT_EQ(config.set("env.log.max", "0").id(), ErrorId::kBadOptionValue);
  EXPECT_EQ(config.set("env.log.max-file-size", "much").id(), ErrorId::kBadOptionValue);
}

TEST(LogOutput, the_level_is_taken_from_the_configuration) {
  const auto world = make_real_world();
  Config config;
  ASSERT_TRUE(config.set("env.log.level", "error").ok());
  ASSERT_TRUE(config.set("env.log.max-file-size", "0").ok());
  ASSERT_TRUE(set_log_output(*world, config, {}).ok());
  EXPECT_FALSE(world->logger().named("x").logs(LogLevel::kWarning));
  EXPECT_TRUE(world->logger().named("x").logs(LogLevel::kError));
}

}  // namespace
}  // namespace tidewheel
