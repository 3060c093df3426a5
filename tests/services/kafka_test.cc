// What only a real Kafka broker can do: looking for times, fencing, topics that do not exist.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/connectors/kafka/source_testing.h"

namespace tidewheel::kafka {
namespace {

using RealKafka = KafkaSourceTest;

TEST_F(RealKafka, a_time_is_turned_into_offsets) {
  const std::string name = topic("times", 1);
  write(name, 0, {"a", "b", "c"}, /*first_time_ms=*/5'000);
  const std::vector<TopicPartition> partitions = {{name, 0}};
  for (const auto& [time, offset] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {5'001, 1}, {9'000, kOffsetLatest}}) {
    const auto found = admin()->offsets_at(partitions, time);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_EQ((*found)[0].offset, offset) << time;
  }
}

TEST_F(RealKafka, another_producer_of_the_same_id_is_fenced) {
  const std::string name = topic("fenced", 1);
  const auto first = producer({{"transactional.id", named("one")}});
  ASSERT_TRUE(first->init_transactions(Duration(20'000)).ok());
  ASSERT_TRUE(first->begin_transaction().ok());
  send(*first, name, {.value = "a", .partition = 0});
  const auto second = producer({{"transactional.id", named("one")}});
  ASSERT_TRUE(second->init_transactions(Duration(20'000)).ok());
  const Status status = first->commit_transaction(Duration(20'000));
  EXPECT_EQ(status.id(), ErrorId::kKafkaFenced) << status.to_string();
}

TEST_F(RealKafka, reading_begins_and_ends_at_times) {
  const std::string name = topic("times", 1);
  write(name, 0, {"a", "b", "c", "d"}, /*first_time_ms=*/1'000);
  SourceOptions asked = options({name});
  asked.start = Start::at(Timestamp(1'001));
  EXPECT_EQ(values_of(asked), (Strings{"b", "c", "d"}));
  asked.stop = Stop::at(Timestamp(1'003));
  EXPECT_EQ(values_of(asked), (Strings{"b", "c"}));
  asked.start = Start::at(Timestamp(9'000));
  asked.stop = Stop::latest();
  EXPECT_EQ(values_of(asked), Strings());
}

TEST_F(RealKafka, a_topic_that_does_not_exist_is_named) {
  const Outcome outcome = run(options({named("missing")}));
  EXPECT_EQ(outcome.status.id(), ErrorId::kKafkaTopic) << outcome.status.to_string();
  EXPECT_NE(outcome.status.message().find(named("missing")), std::string::npos);
}

}  // namespace
}  // namespace tidewheel::kafka
