// Certifies Kafka's sink, against a simulated cluster with the worst that a real one may do; how
// options are judged, of reading and writing. (Brokers that speak the protocol are in the
// connector's own tests: they live in real time.)
#include <memory>
#include <string>
#include <utility>

#include "tests/certification/kafka_options.h"
#include "tidewheel/api/env.h"
#include "tidewheel/connectors/kafka/cluster_testing.h"
#include "tidewheel/connectors/kafka/column_sink.h"
#include "tidewheel/connectors/kafka/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {
namespace {

using kafka::testing::kMs;
using kafka::testing::SimCluster;
using kafka::testing::SimRecord;

class KafkaSinkSubject : public SinkSubject {
 public:
  explicit KafkaSinkSubject(
      kafka::DeliveryGuarantee guarantee = kafka::DeliveryGuarantee::kExactlyOnce)
      : guarantee_(guarantee), connector_(kafka::table_connector()) {
    registry_.add(json_table_format());
  }
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  Promise promise() const override {
    return guarantee_ == kafka::DeliveryGuarantee::kExactlyOnce ? Promise::kExactlyOnce
                                                                : Promise::kAtLeastOnce;
  }
  TableDefinition table() const override {
    return numbered_table({{"connector", "kafka"},
                           {"topic", "numbers"},
                           {"properties.bootstrap.servers", "simulated:9092"},
                           {"scan.startup.mode", "earliest-offset"},
                           {"format", "json"}});
  }

  // A transaction that expires after later output was written fails the job.
  bool needs_restarts() const override { return true; }

  void start(SimMachine& machine) override {
    Simulation& simulation = machine.simulation;
    cluster_ = std::make_unique<SimCluster>(
        kafka::testing::SimTime{
            [&] { return simulation.now_ns(); },
            [&](int64_t low, int64_t high) { return simulation.draw(low, high); },
            [&](double chance) { return simulation.random().chance(chance); },
            [&](int64_t delay_ns, std::function<void()> action) {
              simulation.call_later(delay_ns, std::move(action));
            }},
        3);
    cluster_->faults.late_arrival = 0.5;
  }
  void start_process(SimProcess& process) override {
    link_ = {cluster_.get(), process.life(), &process.executor()};
    cluster_->calls_left = INT64_MAX;
    cluster_->on_last_call = [&process] { process.kill(); };
  }
  void kill_at_call(SimProcess&, int64_t calls) override { cluster_->calls_left = calls + 1; }
  bool set_peer(Peer peer) override {
    if (cluster_ == nullptr) { return true; }
    cluster_->faults.answer_ms_max = peer == Peer::kSlow ? 200 : 3;
    // Nobody takes requests, or nobody answers them.
    cluster_->faults.lost_request = peer == Peer::kDead ? 0.5 : 0;
    cluster_->faults.lost_answer = peer == Peer::kDead ? 0.5 : 0;
    return true;
  }

  Status write(Env&, Stream<ColumnRow> rows, SimProcess&) override {
    auto plan = std::make_shared<kafka::ColumnSinkPlan>();
    plan->options.brokers = "simulated:9092";
    plan->options.topic = "numbers";
    plan->options.guarantee = guarantee_;
    plan->options.transactional_id_prefix = "certified";
    plan->options.transaction_timeout = Duration(2'000);
    plan->options.request_timeout = Duration(5'000);
    kafka::testing::use_simulated(plan->options, link_);
    const TableDefinition definition = table();
    RowType message;
    for (const TableColumn& column : definition.columns) { message.add(column.name, column.type); }
    TableOptions options(definition, {});
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format, registry_.format("json"));
    TIDEWHEEL_ASSIGN_OR_RETURN(plan->make_value, format->encoder(message, {0, 1}, options));
    rows.to(kafka::ColumnSink(std::move(plan))).name("table").uid("table");
    return ok_status();
  }
  std::vector<int64_t> visible(SimWorld&) override {
    std::vector<int64_t> numbers;
    for (const auto& partition : cluster_->partitions()) {
      for (const SimRecord& record : partition) {
        if (record.state != SimRecord::State::kCommitted) { continue; }
        numbers.push_back(std::stoll(record.value.substr(record.value.find(':') + 1)));
      }
    }
    return numbers;
  }
  std::vector<std::string> free_options() const override { return kafka_free_options(); }

 private:
  const kafka::DeliveryGuarantee guarantee_;
  const std::unique_ptr<TableConnector> connector_;
  TableRegistry registry_;
  std::unique_ptr<SimCluster> cluster_;
  kafka::testing::SimLink link_;
};

class KafkaAtLeastOnceSubject final : public KafkaSinkSubject {
 public:
  KafkaAtLeastOnceSubject() : KafkaSinkSubject(kafka::DeliveryGuarantee::kAtLeastOnce) {}
  // It asks nothing of the cluster during a checkpoint.
  void kill_at_call(SimProcess& process, int64_t calls) override {
    process.kill_at_file_call(calls);
  }
};

INSTANTIATE_TEST_SUITE_P(kafka_exactly_once, SinkCertification, certified_sink<KafkaSinkSubject>());
INSTANTIATE_TEST_SUITE_P(kafka_at_least_once, SinkCertification,
                         certified_sink<KafkaAtLeastOnceSubject>());

}  // namespace
}  // namespace tidewheel::certification
