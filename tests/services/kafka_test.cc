// What only a real Kafka broker can do: looking for times, fencing, topics that do not exist, grow,
// are compacted or deleted, messages that retention has deleted, transactions that it ends by
// itself.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
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

// What a cluster's administrator does to topics while jobs read them.
class Administrator {
 public:
  explicit Administrator(const std::string& brokers) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), text_.data(), text_.size());
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text_.data(), text_.size());
    EXPECT_NE(client_, nullptr) << text_.data();
    answers_ = rd_kafka_queue_new(client_);
  }
  ~Administrator() {
    rd_kafka_queue_destroy(answers_);
    rd_kafka_destroy(client_);
  }
  Administrator(const Administrator&) = delete;
  Administrator& operator=(const Administrator&) = delete;

  void add_partitions(const std::string& topic, size_t until) {
    rd_kafka_NewPartitions_t* asked =
        rd_kafka_NewPartitions_new(topic.c_str(), until, text_.data(), text_.size());
    ASSERT_NE(asked, nullptr) << text_.data();
    rd_kafka_CreatePartitions(client_, &asked, 1, nullptr, answers_);
    rd_kafka_NewPartitions_destroy(asked);
    expect_done();
  }
  // Of partition 0, as retention does it.
  void delete_records_before(const std::string& topic, int64_t offset) {
    auto* const offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic.c_str(), 0)->offset = offset;
    rd_kafka_DeleteRecords_t* asked = rd_kafka_DeleteRecords_new(offsets);
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_DeleteRecords(client_, &asked, 1, nullptr, answers_);
    rd_kafka_DeleteRecords_destroy(asked);
    expect_done();
  }

 private:
  void expect_done() {
    rd_kafka_event_t* const answer = rd_kafka_queue_poll(answers_, 20'000);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(rd_kafka_event_error(answer), RD_KAFKA_RESP_ERR_NO_ERROR)
        << rd_kafka_event_error_string(answer);
    rd_kafka_event_destroy(answer);
  }
  std::array<char, 512> text_{};
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* answers_ = nullptr;
};

using RealKafka = KafkaSourceTest;

TEST_F(RealKafka, partitions_that_are_added_are_read_from_their_beginning) {
  const std::string name = topic("grows", 1);
  write(name, 0, {"old"});
  SourceOptions asked = options({name});
  asked.start = Start::latest();
  asked.stop = Stop::never();
  asked.discovery_every = Duration(50);
  Env env(world(), Config());
  env.parallelism(2);
  const auto first = std::make_shared<std::atomic<int>>(0);
  const auto added = std::make_shared<std::atomic<int>>(0);
  env.from("messages", records(asked))
      .map([first, added](const Record& record) {
        return ++*(record.partition == 0 ? first : added);
      })
      .collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  EXPECT_TRUE(wait_for([&] {
    write(name, 0, {"new"});
    return *first > 0;
  }));
  Administrator(brokers()).add_partitions(name, 3);
  ASSERT_TRUE(wait_for([&] {
    const auto info = admin()->topic(name);
    return info.ok() && info->partition_count == 3;
  }));
  write(name, 1, {"a"});
  write(name, 2, {"b", "c"});
  EXPECT_TRUE(wait_for([&] { return *added == 3; }));
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
}

TEST_F(RealKafka, messages_that_retention_has_deleted_follow_the_policy) {
  const std::string name = topic("retention", 1);
  write(name, 0, {"a", "b", "c", "d", "e", "f"});
  Administrator(brokers()).delete_records_before(name, 4);
  SourceOptions asked = options({name});
  EXPECT_EQ(values_of(asked), (Strings{"e", "f"}));
  asked.start = Start::at_offsets({{{name, 0}, 1}});
  const Outcome failed = run(asked);
  EXPECT_EQ(failed.status.id(), ErrorId::kKafkaOffset) << failed.status.to_string();
  asked.out_of_range = OutOfRange::kEarliest;
  EXPECT_EQ(values_of(asked), (Strings{"e", "f"}));
  asked.out_of_range = OutOfRange::kLatest;
  EXPECT_EQ(values_of(asked), Strings());
}

TEST_F(RealKafka, a_message_that_is_larger_than_a_fetch_is_read) {
  const std::string name = topic("large", 1);
  const std::string large(900'000, 'x');
  write(name, 0, {"a", large, "b"});
  SourceOptions asked = options({name});
  asked.properties["max.partition.fetch.bytes"] = "1000";
  asked.properties["fetch.max.bytes"] = "1000000";
  EXPECT_EQ(values_of(asked), (Strings{"a", "b", large}));
}

TEST_F(RealKafka, a_message_that_its_topic_does_not_take_fails_the_job) {
  const std::string name = topic("narrow", 1, {{"max.message.bytes", "1000"}});
  SinkOptions asked;
  asked.brokers = brokers();
  asked.topic = name;
  Env env(world(), Config());
  env.from("rows", collection<std::string>({"small", std::string(2'000, 'x')})).to(sink(asked));
  const Status status = env.execute().status();
  EXPECT_EQ(status.id(), ErrorId::kKafkaMessage) << status.to_string();
  EXPECT_NE(status.message().find(name), std::string::npos) << status.to_string();
}

TEST_F(RealKafka, a_sink_whose_topic_does_not_exist_names_it) {
  SinkOptions asked;
  asked.brokers = brokers();
  asked.topic = named("nowhere");
  asked.transactional_id_prefix = named("nowhere");
  for (const DeliveryGuarantee guarantee :
       {DeliveryGuarantee::kAtLeastOnce, DeliveryGuarantee::kExactlyOnce}) {
    asked.guarantee = guarantee;
    Env env(world(), Config());
    env.from("rows", collection<std::string>({"row"})).to(sink(asked));
    const Status status = env.execute().status();
    EXPECT_EQ(status.id(), ErrorId::kKafkaTopic) << status.to_string();
    EXPECT_NE(status.message().find(asked.topic), std::string::npos) << status.to_string();
  }
}

TEST_F(RealKafka, a_compacted_topic_is_read_across_its_holes) {
  const std::string name = topic("compacted", 1,
                                 {{"cleanup.policy", "compact"},
                                  {"min.cleanable.dirty.ratio", "0.01"},
                                  {"segment.ms", "100"},
                                  {"segment.bytes", "1048576"}});
  const auto writer = producer();
  const auto put = [&](const std::string& key, const std::string& value, int64_t time_ms) {
    send(*writer, name, {.key = key, .value = value, .partition = 0, .timestamp_ms = time_ms});
  };
  for (int i = 0; i < 900; ++i) { put(std::to_string(i % 3), std::to_string(i), 1'000 + i); }
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  // The segment that is written to is not compacted: this one begins another.
  put("other", "last", world().clock().wall_ms());
  ASSERT_TRUE(writer->flush(Duration(20'000)).ok());
  Strings left;
  EXPECT_TRUE(wait_for([&] {
    left = values_of(options({name}));
    return left.size() < 100;
  }));
  for (const char* value : {"897", "898", "899"}) {
    EXPECT_EQ(std::count(left.begin(), left.end(), value), 1) << value;
  }
  // Offset 300 is not there any more: what comes behind it is.
  SourceOptions asked = options({name});
  asked.start = Start::at_offsets({{{name, 0}, 300}});
  EXPECT_EQ(values_of(asked), left);
}

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
