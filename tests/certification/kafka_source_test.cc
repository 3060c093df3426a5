// Certifies Kafka's source, against logs in memory behind the interface of clients. (Brokers that
// speak the protocol are in the connector's own tests: they live in real time.)
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/certification/kafka_options.h"
#include "tidewheel/api/env.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/connectors/kafka/column_source.h"
#include "tidewheel/connectors/kafka/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {
namespace {

using kafka::ClientContext;
using kafka::PartitionOffset;
using kafka::Properties;
using kafka::TopicPartition;

constexpr int64_t kMs = 1'000'000;
constexpr size_t kPartitions = 3;

// The logs of a topic, outside of all processes.
struct Logs {
  std::vector<std::deque<std::string>> partitions{kPartitions};
  Peer peer = Peer::kWell;
  Simulation* simulation = nullptr;
  std::map<const void*, std::function<void()>> wakes;  // by consumer

  void wake_all() {
    for (const auto& [consumer, wake] : wakes) { wake(); }
  }
  Status answers() const {
    if (peer != Peer::kDead) { return ok_status(); }
    return unavailable(ErrorId::kKafkaBroker, "no broker answers");
  }
};
using LogsRef = std::shared_ptr<Logs>;

class LogReader final : public kafka::PartitionReader {
 public:
  LogReader(LogsRef logs, size_t partition, int64_t offset)
      : logs_(std::move(logs)), partition_(partition), next_(std::max<int64_t>(offset, 0)) {}
  kafka::Fetched fetch(uint32_t messages_max) override {
    messages_.clear();
    if (logs_->peer == Peer::kDead) { return {}; }
    if (logs_->peer == Peer::kSlow) {
      const int64_t now_ns = logs_->simulation->now_ns();
      if (now_ns < not_before_ns_) { return {}; }
      not_before_ns_ = now_ns + 20 * kMs;
      logs_->simulation->call_later(21 * kMs, [logs = logs_] { logs->wake_all(); });
      messages_max = 1;
    }
    const auto& log = logs_->partitions[partition_];
    while (next_ < std::ssize(log) && messages_.size() < messages_max) {
      kafka::Message& message = messages_.emplace_back();
      message.value = log[static_cast<size_t>(next_)];
      message.has_value = true;
      message.offset = next_++;
    }
    return {messages_, next_ == std::ssize(log) ? next_ : kafka::kNoOffset, ok_status()};
  }
  void headers(const kafka::Message&, std::vector<kafka::Header>&) override {}
  int64_t log_end() override { return std::ssize(logs_->partitions[partition_]); }

 private:
  const LogsRef logs_;
  const size_t partition_;
  int64_t next_;
  int64_t not_before_ns_ = 0;
  std::vector<kafka::Message> messages_;
};

class LogConsumer final : public kafka::Consumer {
 public:
  LogConsumer(LogsRef logs, std::function<void()> wake) : logs_(std::move(logs)) {
    logs_->wakes[this] = std::move(wake);
  }
  ~LogConsumer() override { logs_->wakes.erase(this); }
  Result<std::unique_ptr<kafka::PartitionReader>> open(const TopicPartition& partition,
                                                       int64_t offset) override {
    return std::unique_ptr<kafka::PartitionReader>(
        std::make_unique<LogReader>(logs_, static_cast<size_t>(partition.partition), offset));
  }
  void commit(std::span<const PartitionOffset>) override {}
  kafka::ClientNews news() override { return {}; }

 private:
  const LogsRef logs_;
};

class LogAdmin final : public kafka::Admin {
 public:
  explicit LogAdmin(LogsRef logs) : logs_(std::move(logs)) {}
  Result<std::vector<kafka::TopicInfo>> topics() override {
    TIDEWHEEL_ASSIGN_OR_RETURN(kafka::TopicInfo info, topic("numbers"));
    return std::vector<kafka::TopicInfo>{std::move(info)};
  }
  Result<kafka::TopicInfo> topic(const std::string& name) override {
    TIDEWHEEL_RETURN_IF_ERROR(logs_->answers());
    return kafka::TopicInfo{name, static_cast<int32_t>(kPartitions)};
  }
  Result<std::vector<PartitionOffset>> offsets_at(std::span<const TopicPartition> partitions,
                                                  int64_t) override {
    return all_at(partitions, kafka::kOffsetLatest);
  }
  Result<std::vector<kafka::Watermarks>> watermarks(
      std::span<const TopicPartition> partitions) override {
    TIDEWHEEL_RETURN_IF_ERROR(logs_->answers());
    std::vector<kafka::Watermarks> all;
    for (const TopicPartition& one : partitions) {
      all.push_back({0, std::ssize(logs_->partitions[static_cast<size_t>(one.partition)])});
    }
    return all;
  }
  Result<std::vector<PartitionOffset>> committed(
      std::span<const TopicPartition> partitions) override {
    return all_at(partitions, kafka::kNoOffset);
  }
  Status create_topic(const std::string&, int32_t, const Properties&) override {
    return ok_status();
  }
  Status delete_topic(const std::string&) override { return ok_status(); }

 private:
  Result<std::vector<PartitionOffset>> all_at(std::span<const TopicPartition> partitions,
                                              int64_t offset) {
    TIDEWHEEL_RETURN_IF_ERROR(logs_->answers());
    std::vector<PartitionOffset> all;
    for (const TopicPartition& one : partitions) { all.push_back({one, offset}); }
    return all;
  }
  const LogsRef logs_;
};

class LogClient final : public kafka::Client {
 public:
  explicit LogClient(LogsRef logs) : logs_(std::move(logs)) {}
  Result<std::unique_ptr<kafka::Consumer>> consumer(const Properties&,
                                                    const ClientContext& context) const override {
    return std::unique_ptr<kafka::Consumer>(std::make_unique<LogConsumer>(logs_, context.wake));
  }
  Result<std::unique_ptr<kafka::Producer>> producer(const Properties&,
                                                    const ClientContext&) const override {
    return unimplemented(ErrorId::kInternal, "these logs are only read");
  }
  Result<std::unique_ptr<kafka::Admin>> admin(const Properties&, Duration) const override {
    return std::unique_ptr<kafka::Admin>(std::make_unique<LogAdmin>(logs_));
  }

 private:
  const LogsRef logs_;
};

// Whole rows, as they are declared.
class LogTable final : public TableSource {
 public:
  LogTable(kafka::SourceOptions options, std::shared_ptr<const kafka::ColumnPlan> plan)
      : options_(std::move(options)), plan_(std::move(plan)) {}
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    return env.add_source(name, kafka::ColumnSource(options_, kafka::ColumnDecoder(plan_)))
        .uid(uid);
  }

 private:
  const kafka::SourceOptions options_;
  const std::shared_ptr<const kafka::ColumnPlan> plan_;
};

class KafkaSourceSubject final : public SourceSubject {
 public:
  KafkaSourceSubject() { registry_.add(json_table_format()); }
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  TableDefinition table() const override {
    return numbered_table({{"connector", "kafka"},
                           {"topic", "numbers"},
                           {"properties.bootstrap.servers", "simulated:9092"},
                           {"scan.startup.mode", "earliest-offset"},
                           {"format", "json"}});
  }
  std::vector<std::string> free_options() const override { return kafka_free_options(); }

  void start(SimMachine& machine) override { logs_->simulation = &machine.simulation; }
  void fill(SimWorld&, int64_t first, int64_t count) override {
    for (int64_t n = first; n < first + count; ++n) { append(json_lines(n, 1)); }
    logs_->wake_all();
  }
  bool put_bad_record(SimWorld&) override {
    append("{\"n\":1\n");
    return true;
  }
  std::pair<std::string, std::string> skip_option() const override {
    return {"json.ignore-parse-errors", "true"};
  }
  bool is_bounded() const override { return false; }
  bool set_peer(Peer peer) override {
    logs_->peer = peer;
    logs_->wake_all();
    return true;
  }

  Result<std::unique_ptr<TableSource>> source(const TableDefinition& table,
                                              SimProcess&) const override {
    kafka::SourceOptions options;
    options.brokers = "simulated:9092";
    options.topics = {"numbers"};
    options.start = kafka::Start::earliest();
    options.discovery_every = Duration(50);
    options.client = std::make_shared<LogClient>(logs_);
    RowType message;
    for (const TableColumn& column : table.columns) { message.add(column.name, column.type); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format, registry_.format("json"));
    TableOptions texts(table, format->options());
    auto plan = std::make_shared<kafka::ColumnPlan>();
    plan->types = message.types;
    plan->value_columns = {0, 1};
    TIDEWHEEL_ASSIGN_OR_RETURN(plan->make_value, format->decoder(DecodedRow::all(message), texts));
    return std::unique_ptr<TableSource>(
        std::make_unique<LogTable>(std::move(options), std::move(plan)));
  }

 private:
  void append(std::string line) {
    line.pop_back();
    logs_->partitions[static_cast<size_t>(appended_++) % kPartitions].push_back(std::move(line));
  }

  const std::unique_ptr<TableConnector> connector_ = kafka::table_connector();
  TableRegistry registry_;
  const LogsRef logs_ = std::make_shared<Logs>();
  int64_t appended_ = 0;
};

INSTANTIATE_TEST_SUITE_P(kafka, SourceCertification, certified_source<KafkaSourceSubject>());

}  // namespace
}  // namespace tidewheel::certification
