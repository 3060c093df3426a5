// Brokers that go away and come back, which only those within the process can be told to do.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "tidewheel/connectors/kafka/source_testing.h"

namespace tidewheel::kafka {
namespace {

using BrokerLoss = KafkaSourceTest;

TEST_F(BrokerLoss, reading_goes_on_when_a_broker_was_away) {
  const std::string name = topic("away", 2);
  for (int32_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(cluster_->set_leader(name, i, 1).ok());
    write(name, i, {"before"});
  }
  SourceOptions asked = options({name});
  asked.stop = Stop::never();
  Env env(world(), Config());
  auto seen = std::make_shared<std::atomic<int>>(0);
  env.from("messages", records(asked)).map([seen](const Record&) { return ++*seen; }).collect();
  auto job = env.execute_async();
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(wait_for([&] { return seen->load() == 2; }));
  cluster_->set_broker(1, false);
  ASSERT_TRUE(cluster_->set_leader(name, 0, 2).ok());  // one has moved, one waits
  write(name, 0, {"meanwhile"});
  EXPECT_TRUE(wait_for([&] { return seen->load() == 3; }));
  cluster_->set_broker(1, true);
  write(name, 1, {"after"});
  EXPECT_TRUE(wait_for([&] { return seen->load() == 4; }));
  (*job)->stop();
  EXPECT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
}

}  // namespace
}  // namespace tidewheel::kafka
