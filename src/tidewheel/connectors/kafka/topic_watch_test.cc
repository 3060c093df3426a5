#include "tidewheel/connectors/kafka/topic_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "tidewheel/connectors/kafka/source_testing.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int32_t kUnknownTopic = 3;  // of the protocol
constexpr int32_t kNoAnswer = -1;

// What brokers answer, one after the other, when they are asked how many partitions a topic has.
// The last answer holds.
using Answers = std::deque<int32_t>;

class ScriptedAdmin final : public Admin {
 public:
  explicit ScriptedAdmin(Answers* answers) : answers_(answers) {}
  Result<TopicInfo> topic(const std::string& name) override {
    const int32_t partitions = answers_->front();
    if (answers_->size() > 1) { answers_->pop_front(); }
    if (partitions == kNoAnswer) { return unavailable(ErrorId::kKafkaBroker, "no broker answers"); }
    if (partitions == 0) { return not_found(ErrorId::kKafkaTopic, "there is no topic {}", name); }
    return TopicInfo{name, partitions};
  }
  Result<std::vector<TopicInfo>> topics() override { return not_asked(); }
  Result<std::vector<PartitionOffset>> offsets_at(std::span<const TopicPartition>,
                                                  int64_t) override {
    return not_asked();
  }
  Result<std::vector<Watermarks>> watermarks(std::span<const TopicPartition>) override {
    return not_asked();
  }
  Result<std::vector<PartitionOffset>> committed(std::span<const TopicPartition>) override {
    return not_asked();
  }
  Status create_topic(const std::string&, int32_t, const Properties&) override {
    return not_asked();
  }
  Status delete_topic(const std::string&) override { return not_asked(); }

 private:
  static Status not_asked() { return unimplemented(ErrorId::kInternal, "nobody asks this"); }
  Answers* const answers_;
};

class ScriptedClient final : public Client {
 public:
  explicit ScriptedClient(Answers* answers) : answers_(answers) {}
  Result<std::unique_ptr<Consumer>> consumer(const Properties&,
                                             const ClientContext&) const override {
    return unimplemented(ErrorId::kInternal, "nothing is read");
  }
  Result<std::unique_ptr<Producer>> producer(const Properties&,
                                             const ClientContext&) const override {
    return unimplemented(ErrorId::kInternal, "nothing is written");
  }
  Result<std::unique_ptr<Admin>> admin(const Properties&, Duration) const override {
    return std::unique_ptr<Admin>(std::make_unique<ScriptedAdmin>(answers_));
  }

 private:
  Answers* const answers_;
};

class TopicWatchTest : public ::testing::Test {
 protected:
  // Which of the partitions 0 and 1 are gone after so many questions, one a minute.
  std::vector<int32_t> gone_after(Answers answers, int32_t questions) {
    SimMachine machine({.seed = 1});
    testing::ConnectorTestContext operator_context(machine.world, {});
    SourceContext context(operator_context);
    auto options = std::make_shared<SourceOptions>();
    options->discovery_every = Duration(60'000);
    options->client = std::make_shared<ScriptedClient>(&answers);
    TopicWatch watch(context, options);
    for (const int32_t i : {0, 1}) { watch.add({"trades", i}); }
    EXPECT_FALSE(watch.is_gone({"trades", 0}));
    for (int32_t i = 0; i < questions; ++i) {
      machine.simulation.run_for(60'001 * kMs);
      EXPECT_FALSE(watch.is_gone({"trades", 0}));  // it asks
      machine.simulation.run_for(500 * kMs);
      static_cast<void>(watch.is_gone({"trades", 0}));  // it hears
      EXPECT_NE(watch.next_wall_ms(), Clock::kNever);
    }
    std::vector<int32_t> gone;
    for (const int32_t i : {0, 1}) {
      if (watch.is_gone({"trades", i})) { gone.push_back(i); }
    }
    return gone;
  }
};
using Partitions = std::vector<int32_t>;

TEST_F(TopicWatchTest, what_is_missing_in_three_answers_in_a_row_is_gone) {
  EXPECT_EQ(gone_after({2}, 5), Partitions());
  EXPECT_EQ(gone_after({0}, 2), Partitions());
  EXPECT_EQ(gone_after({0}, 3), Partitions({0, 1}));
  EXPECT_EQ(gone_after({0, 0, 2, 0, 0, 2}, 6), Partitions());
  // The topic was made anew, with fewer.
  EXPECT_EQ(gone_after({2, 1}, 4), Partitions({1}));
  EXPECT_EQ(gone_after({0, 1, 0}, 3), Partitions({1}));
}

TEST_F(TopicWatchTest, brokers_that_do_not_answer_say_nothing) {
  EXPECT_EQ(gone_after({kNoAnswer}, 5), Partitions());
  EXPECT_EQ(gone_after({0, 0, kNoAnswer, 0}, 3), Partitions());
  EXPECT_EQ(gone_after({0, 0, kNoAnswer, 0}, 4), Partitions({0, 1}));
}

// The client itself asks every five minutes, and says nothing of it.
class DeletedTopicTest : public KafkaSourceTest {
 protected:
  SourceOptions options_of(const std::string& name, DeletedTopic policy) {
    SourceOptions asked = options({name});
    asked.stop = Stop::never();
    asked.discovery_every = Duration(20);
    asked.deleted_topic = policy;
    return asked;
  }
  void remove(const std::string& name) {
    if (is_real()) {
      EXPECT_TRUE(admin()->delete_topic(name).ok());
    } else {
      cluster_->set_topic_error(name, kUnknownTopic);
    }
  }
};

TEST_F(DeletedTopicTest, fails_the_job_and_is_named) {
  const std::string name = topic("gone", 1);
  write(name, 0, {"a"});
  const auto seen = std::make_shared<std::atomic<int>>(0);
  Env env(world(), Config());
  env.from("messages", records(options_of(name, DeletedTopic::kFail)))
      .map([seen](const Record&) { return ++*seen; })
      .collect();
  const auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  ASSERT_TRUE(wait_for([&] { return seen->load() == 1; }));
  remove(name);
  ASSERT_TRUE(wait_for([&] { return is_final((*job)->state()); }));
  const Status status = (*job)->result();
  EXPECT_EQ(status.id(), ErrorId::kKafkaTopic) << status.to_string();
  EXPECT_NE(status.message().find(name), std::string::npos) << status.to_string();
}

TEST_F(DeletedTopicTest, ends_its_partitions_when_that_is_wanted) {
  const std::string name = topic("gone", 1);
  write(name, 0, {"a"});
  testing::SourceHarness harness(world(), records(options_of(name, DeletedTopic::kEnd)));
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok()) << splits.status().to_string();
  ASSERT_EQ(splits->size(), 1U);
  PartitionSplit& split = splits->front();
  ASSERT_TRUE(harness.open().ok());
  ASSERT_TRUE(harness.open_split(split).ok());
  const auto next = [&] { return harness.read(split).result.next(); };
  ASSERT_TRUE(wait_for([&] { return next() != ReadResult::Next::kEnd && split.offset == 1; }));
  remove(name);
  EXPECT_TRUE(wait_for([&] { return next() == ReadResult::Next::kEnd; }));
}

}  // namespace
}  // namespace tidewheel::kafka
