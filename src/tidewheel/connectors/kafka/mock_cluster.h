// Kafka brokers within the process: those of librdkafka's tests, which speak the real protocol over
// the loopback interface and keep their logs in memory. For tests, benchmarks and examples; what
// they can't do is said where it is used (no retention, no look-up by time, no topics made by
// requests).
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel::kafka {

class MockCluster {
 public:
  static Result<std::unique_ptr<MockCluster>> open(int32_t brokers);
  ~MockCluster();
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  const std::string& bootstrap_servers() const { return bootstrap_servers_; }
  Status create_topic(const std::string& name, int32_t partitions);
  // Of broker `broker`, from 1: its connections are lost and refused, or it is there again.
  void set_broker(int32_t broker, bool is_up);
  // The broker that leads a partition from now on.
  Status set_leader(const std::string& topic, int32_t partition, int32_t broker);
  // What metadata say of a topic: an error code of the protocol, 0 for none.
  void set_topic_error(const std::string& topic, int32_t code);
  // The next request of this kind (an API key of the protocol) is answered with this error code.
  void fail_next(int32_t api_key, int32_t code);

 private:
  struct State;
  explicit MockCluster(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
  std::string bootstrap_servers_;
};

}  // namespace tidewheel::kafka
