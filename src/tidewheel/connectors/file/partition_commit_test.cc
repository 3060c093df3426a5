#include "tidewheel/connectors/file/partition_commit.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::file {
namespace {

using Names = std::vector<std::string>;
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;

PartitionCommits made(const PartitionCommitOptions& options) {
  Result<PartitionCommits> commits = PartitionCommits::make(options);
  EXPECT_TRUE(commits.ok());
  return std::move(*commits);
}

TEST(PartitionCommit, by_the_clock_a_partition_is_complete_a_while_after_its_first_row) {
  PartitionCommitOptions options;
  options.delay_ms = 1000;
  PartitionCommits commits = made(options);
  ASSERT_TRUE(commits.note("a=1", 100).ok());
  ASSERT_TRUE(commits.note("a=2", 600).ok());
  ASSERT_TRUE(commits.note("a=1", 900).ok());
  EXPECT_EQ(commits.take_due(1099, false), Names());
  EXPECT_EQ(commits.take_due(1100, false), Names{"a=1"});
  EXPECT_EQ(commits.take_due(1100, false), Names());
  // A row that comes later has it announced once more.
  ASSERT_TRUE(commits.note("a=1", 1200).ok());
  EXPECT_EQ(commits.take_due(9000, false), (Names{"a=1", "a=2"}));
}

TEST(PartitionCommit, event_time_has_to_be_behind_the_partitions_time_and_the_delay) {
  PartitionCommitOptions options;
  options.by_event_time = true;
  options.delay_ms = kHourMs;
  options.time_pattern = "$day $hour:00:00";
  PartitionCommits commits = made(options);
  ASSERT_TRUE(commits.note("day=1970-01-02/hour=03", 5).ok());
  commits.advance(kDayMs + 4 * kHourMs);
  EXPECT_EQ(commits.take_due(0, false), Names());
  commits.advance(kDayMs + 4 * kHourMs + 1);
  EXPECT_EQ(commits.take_due(0, false), Names{"day=1970-01-02/hour=03"});
}

TEST(PartitionCommit, a_partitions_time_is_meant_in_a_zone_and_its_values_are_unescaped) {
  PartitionCommitOptions options;
  options.by_event_time = true;
  options.zone = "+02:00";
  PartitionCommits commits = made(options);
  ASSERT_TRUE(commits.note("ts=1970-01-02 03%3A00%3A00/x=1", 0).ok());
  commits.advance(kDayMs + kHourMs);
  EXPECT_EQ(commits.take_due(0, false), Names());
  commits.advance(kDayMs + kHourMs + 1);
  EXPECT_EQ(commits.take_due(0, false).size(), 1U);
}

TEST(PartitionCommit, a_time_that_can_not_be_read_is_an_error) {
  PartitionCommitOptions options;
  options.by_event_time = true;
  EXPECT_EQ(made(options).note("day=today", 0).id(), ErrorId::kConnectorOption);
  options.by_event_time = false;
  EXPECT_TRUE(made(options).note("day=today", 0).ok());
}

TEST(PartitionCommit, what_is_not_announced_is_known_and_all_is_due_at_the_end) {
  PartitionCommitOptions options;
  options.delay_ms = kDayMs;
  PartitionCommits commits = made(options);
  ASSERT_TRUE(commits.note("a=1", 7).ok());
  ASSERT_EQ(commits.open().size(), 1U);
  EXPECT_EQ(commits.open()[0].partition, "a=1");
  EXPECT_EQ(commits.open()[0].begun_ms, 7);
  EXPECT_EQ(commits.take_due(8, true), Names{"a=1"});
  EXPECT_TRUE(commits.open().empty());
}

}  // namespace
}  // namespace tidewheel::file
