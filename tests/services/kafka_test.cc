// What only a real Kafka broker can do: looking for times, fencing, topics that do not exist or are
// deleted, transactions that it ends by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/base/options.h"
#include "tidewheel/connectors/collection/collection.h"
#include "tidewheel/connectors/kafka/sink.h"
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

// Reads two topics, of which one is deleted meanwhile.
class DeletedTopics : public RealKafka {
 protected:
  // Whether a message that came to the other one afterwards was read.
  bool goes_on_without_one() {
    const std::string gone = topic("gone", 2);
    const std::string stays = topic("stays", 1);
    write(gone, 0, {"a"});
    write(stays, 0, {"b"});
    SourceOptions asked = options({gone, stays});
    asked.stop = Stop::never();
    asked.deleted_topic = DeletedTopic::kEnd;
    asked.properties["topic.metadata.refresh.interval.ms"] = "200";
    const auto seen = std::make_shared<std::atomic<int>>(0);
    Env env(world(), Config());
    env.from("messages", records(asked)).map([seen](const Record&) { return ++*seen; }).collect();
    auto job = env.execute_async();
    EXPECT_TRUE(job.ok()) << job.status().to_string();
    EXPECT_TRUE(wait_for([&] { return *seen == 2; }));
    EXPECT_TRUE(admin()->delete_topic(gone).ok());
    // Long after the client has heard of it.
    EXPECT_FALSE(holds_within(2'000, [&] { return is_final((*job)->state()); }));
    write(stays, 0, {"c"});
    const bool went_on = wait_for([&] { return *seen == 3; });
    (*job)->cancel();
    static_cast<void>((*job)->result());
    return went_on;
  }

 private:
  bool holds_within(int64_t ms, const std::function<bool()>& holds) {
    const int64_t end_ns = world().clock().now_ns() + ms * 1'000'000;
    const auto event = world().executor().make_event();
    while (world().clock().now_ns() < end_ns) {
      if (holds()) { return true; }
      static_cast<void>(event->wait(world().clock().now_ns() + 10'000'000));
    }
    return false;
  }
};

TEST_F(DeletedTopics, end_while_others_go_on) { EXPECT_TRUE(goes_on_without_one()); }

// Waits before its first commit until Kafka has ended the transaction.
class LateTransactions final : public Transactions {
 public:
  LateTransactions(std::unique_ptr<Transactions> real, WireWorld world,
                   std::shared_ptr<std::atomic<int>> late)
      : real_(std::move(real)), world_(world), late_(std::move(late)) {}

  Result<ProducerIdentity> identify(const std::string& id) override { return real_->identify(id); }
  Status mark(const std::string& id, const ProducerIdentity& producer, const MarkerPlace& place,
              int64_t value) override {
    return real_->mark(id, producer, place, value);
  }
  Result<bool> commit(const std::string& id, const ProducerIdentity& producer) override {
    while (late_->load() == 0) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const ProducerIdentity now, real_->identify(id));
      if (now != producer) { late_->store(1); }  // whose epoch has been raised
      static_cast<void>(world_.executor->make_event()->wait(world_.clock->now_ns() + 50'000'000));
    }
    return real_->commit(id, producer);
  }
  Status set_marker(const MarkerPlace& place, int64_t value) override {
    return real_->set_marker(place, value);
  }
  Result<Marker> marker(const MarkerPlace& place) override { return real_->marker(place); }
  Result<std::vector<std::string>> list(std::string_view prefix) override {
    return real_->list(prefix);
  }
  Status fence(const std::string& id) override { return real_->fence(id); }

 private:
  const std::unique_ptr<Transactions> real_;
  const WireWorld world_;
  const std::shared_ptr<std::atomic<int>> late_;
};

TEST_F(RealKafka, output_whose_transaction_has_expired_before_its_commit_is_sent_again_once) {
  const std::string name = topic("expired", 1);
  const std::string folder = ::testing::TempDir() + named("expired");
  const auto late = std::make_shared<std::atomic<int>>(0);
  SinkOptions asked;
  asked.brokers = brokers();
  asked.topic = name;
  asked.guarantee = DeliveryGuarantee::kExactlyOnce;
  asked.transactional_id_prefix = named("expired");
  asked.transaction_timeout = Duration(1'000);
  asked.make_transactions = [late](const WireWorld& world, const Properties& properties,
                                   Duration timeout,
                                   GiveUp give_up) -> Result<std::unique_ptr<Transactions>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto real,
                               wire_transactions(world, properties, timeout, std::move(give_up)));
    return std::unique_ptr<Transactions>(
        std::make_unique<LateTransactions>(std::move(real), world, late));
  };
  std::vector<std::string> rows;
  for (int i = 0; i < 100; ++i) { rows.push_back(std::to_string(i)); }
  Config config;
  config.set(options::kRestartStrategy, std::string("fixed-delay"));
  config.set(options::kFixedDelayAttempts, int64_t{3});
  config.set(options::kFixedDelay, int64_t{10});
  Env env(world(), config);
  env.checkpoints({.every = Duration(50), .directory = folder});
  env.from("rows", collection<std::string>(rows)).uid("rows").to(sink(asked)).uid("sink");
  const Result<JobResult> result = env.execute();
  ignore(world().files().remove_all(folder), "left for a look");
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_EQ(late->load(), 1);
  EXPECT_EQ(result->restarts, 1);
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(values_of(options({name})), rows);
}

}  // namespace
}  // namespace tidewheel::kafka
