#include "tidewheel/connectors/kafka/mock_cluster.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <utility>

#include "tidewheel/connectors/kafka/native.h"

namespace tidewheel::kafka {

struct MockCluster::State {
  rd_kafka_t* handle = nullptr;  // whose threads run the brokers
  rd_kafka_mock_cluster_t* cluster = nullptr;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (cluster != nullptr) { rd_kafka_mock_cluster_destroy(cluster); }
    if (handle != nullptr) { rd_kafka_destroy(handle); }
  }
};

MockCluster::MockCluster(std::unique_ptr<State> state)
    : state_(std::move(state)),
      bootstrap_servers_(rd_kafka_mock_cluster_bootstraps(state_->cluster)) {}

MockCluster::~MockCluster() = default;

Result<std::unique_ptr<MockCluster>> MockCluster::open(int32_t brokers) {
  auto state = std::make_unique<State>();
  std::array<char, 512> text{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, nullptr);
  state->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text.data(), text.size());
  if (state->handle == nullptr) {
    rd_kafka_conf_destroy(conf);
    return unavailable(ErrorId::kKafkaBroker, "brokers within the process can't be made: {}",
                       text.data());
  }
  state->cluster = rd_kafka_mock_cluster_new(state->handle, brokers);
  if (state->cluster == nullptr) {
    return unavailable(ErrorId::kKafkaBroker, "brokers within the process can't be made");
  }
  return std::unique_ptr<MockCluster>(new MockCluster(std::move(state)));
}

Status MockCluster::create_topic(const std::string& name, int32_t partitions) {
  return status_of(rd_kafka_mock_topic_create(state_->cluster, name.c_str(), partitions, 1),
                   fmt::format("making topic '{}'", name));
}

void MockCluster::set_broker(int32_t broker, bool is_up) {
  if (is_up) {
    rd_kafka_mock_broker_set_up(state_->cluster, broker);
  } else {
    rd_kafka_mock_broker_set_down(state_->cluster, broker);
  }
}

Status MockCluster::set_leader(const std::string& topic, int32_t partition, int32_t broker) {
  return status_of(
      rd_kafka_mock_partition_set_leader(state_->cluster, topic.c_str(), partition, broker),
      fmt::format("moving topic '{}', partition {}", topic, partition));
}

void MockCluster::set_topic_error(const std::string& topic, int32_t code) {
  rd_kafka_mock_topic_set_error(state_->cluster, topic.c_str(),
                                static_cast<rd_kafka_resp_err_t>(code));
}

void MockCluster::fail_next(int32_t api_key, int32_t code) {
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  rd_kafka_mock_push_request_errors_array(state_->cluster, static_cast<int16_t>(api_key), 1,
                                          &error);
}

}  // namespace tidewheel::kafka
