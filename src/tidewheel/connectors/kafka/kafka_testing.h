// For tests: a Kafka cluster with topics of the test's own. Brokers within the process, unless
// TIDEWHEEL_KAFKA_BOOTSTRAP names real ones.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/world.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/connectors/kafka/mock_cluster.h"

namespace tidewheel::kafka {

class KafkaTest : public ::testing::Test {
 protected:
  KafkaTest() {
    RealWorldOptions options;
    options.log_level = LogLevel::kOff;
    world_ = make_real_world(options);
    prefix_ = "tw" + std::to_string(world_->fork_random().next() % 1'000'000'000) + "-";
    if (const auto brokers = world_->environment("TIDEWHEEL_KAFKA_BOOTSTRAP")) {
      brokers_ = *brokers;
      return;
    }
    auto cluster = MockCluster::open(kBrokers);
    EXPECT_TRUE(cluster.ok()) << cluster.status().to_string();
    cluster_ = std::move(*cluster);
    brokers_ = cluster_->bootstrap_servers();
  }

  static constexpr int32_t kBrokers = 2;

  bool is_real() const { return cluster_ == nullptr; }
  World& world() { return *world_; }
  const std::string& brokers() const { return brokers_; }
  Properties properties() const { return {{"bootstrap.servers", brokers_}}; }

  // A topic that no other test has. Messages of tests are from 1970: nothing is too old.
  std::string topic(const std::string& name, int32_t partitions,
                    const Properties& config = {{"retention.ms", "-1"}}) {
    const std::string full = prefix_ + name;
    if (is_real()) {
      const Status status = admin()->create_topic(full, partitions, config);
      EXPECT_TRUE(status.ok()) << status.to_string();
      // It is there when every broker says so.
      EXPECT_TRUE(wait_for([&] {
        const auto info = admin()->topic(full);
        return info.ok() && info->partition_count == partitions;
      }));
    } else {
      EXPECT_TRUE(cluster_->create_topic(full, partitions).ok());
    }
    return full;
  }
  std::string named(const std::string& name) const { return prefix_ + name; }

  std::unique_ptr<Admin> admin(Properties more = {}) {
    more["bootstrap.servers"] = brokers_;
    auto made = real_client()->admin(more, Duration(10'000));
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(*made);
  }
  std::unique_ptr<Producer> producer(Properties more = {}) {
    more["bootstrap.servers"] = brokers_;
    more.emplace("linger.ms", "1");
    auto made = real_client()->producer(more, {&world_->executor(), [] {}});
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(*made);
  }
  void send(Producer& producer, const std::string& topic, const OutgoingMessage& message) {
    const auto sent = producer.produce(topic, message);
    ASSERT_TRUE(sent.ok()) << sent.status().to_string();
    ASSERT_TRUE(*sent);
  }
  // Writes values to a partition, and waits until they are there.
  void write(const std::string& topic, int32_t partition, const std::vector<std::string>& values,
             int64_t first_time_ms = 1'000) {
    const auto writer = producer();
    for (const std::string& value : values) {
      send(*writer, topic,
           {.value = value, .partition = partition, .timestamp_ms = first_time_ms++});
    }
    const Status status = writer->flush(Duration(20'000));
    ASSERT_TRUE(status.ok()) << status.to_string();
  }

  // Asks again and again; the bound is for a test that fails.
  bool wait_for(const std::function<bool()>& holds) {
    const auto event = world_->executor().make_event();
    for (int i = 0; i < 3000; ++i) {
      if (holds()) { return true; }
      static_cast<void>(event->wait(world_->clock().now_ns() + 10'000'000));
    }
    return false;
  }

  std::unique_ptr<World> world_;
  std::unique_ptr<MockCluster> cluster_;  // null: the brokers are real
  std::string brokers_;
  std::string prefix_;
};

}  // namespace tidewheel::kafka
