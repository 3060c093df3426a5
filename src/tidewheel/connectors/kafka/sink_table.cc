#include "tidewheel/connectors/kafka/sink_table.h"

#include <string>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/kafka/column_sink.h"
#include "tidewheel/connectors/kafka/metadata_columns.h"
#include "tidewheel/connectors/kafka/table_layout.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kParallelismMax = 32768;
constexpr char kPartitioner[] = "sink.partitioner";
constexpr char kGuarantee[] = "sink.delivery-guarantee";
constexpr char kPrefix[] = "sink.transactional-id-prefix";
constexpr char kParallelism[] = "sink.parallelism";
constexpr char kWaitingRows[] = "sink.buffer-flush.max-rows";
constexpr char kWaitingTime[] = "sink.buffer-flush.interval";
constexpr char kTransactionTimeout[] = "sink.transaction-timeout";
constexpr char kKeptBytes[] = "sink.kept-output.max-bytes";
constexpr char kLostMarker[] = "sink.on-lost-marker";

struct SinkSettings {
  SinkOptions options;
  int64_t parallelism = 0;  // 0: the job's
  int64_t waiting_rows_max = 0;
  int64_t waiting_ms_max = 0;
};

void read_guarantee(TableOptions& options, SinkOptions& made) {
  constexpr DeliveryGuarantee kGuarantees[] = {
      DeliveryGuarantee::kAtLeastOnce, DeliveryGuarantee::kExactlyOnce, DeliveryGuarantee::kNone};
  made.guarantee =
      kGuarantees[options.choice(kGuarantee, {"at-least-once", "exactly-once", "none"}, 0)];
  made.transactional_id_prefix = options.text(kPrefix);
  made.transaction_timeout = options.duration(kTransactionTimeout, made.transaction_timeout);
  made.kept_bytes_max = options.bytes(kKeptBytes, made.kept_bytes_max);
  constexpr LostMarker kLost[] = {LostMarker::kFail, LostMarker::kSendAgain, LostMarker::kDrop};
  made.on_lost_marker = kLost[options.choice(kLostMarker, {"fail", "send-again", "drop"}, 0)];
  if (made.guarantee != DeliveryGuarantee::kExactlyOnce) { return; }
  if (made.transactional_id_prefix.empty()) {
    options.fail(kPrefix, fmt::format("is needed with '{}' = 'exactly-once': no other job that "
                                      "runs at the same time may have the same",
                                      kGuarantee));
  }
}

void read_waiting(TableOptions& options, SinkSettings& settings) {
  settings.waiting_rows_max = options.number(kWaitingRows, 0, 0);
  settings.waiting_ms_max = to_ms(options.duration(kWaitingTime, Duration(0)));
  if ((settings.waiting_rows_max > 0) != (settings.waiting_ms_max > 0)) {
    options.fail(settings.waiting_rows_max > 0 ? kWaitingTime : kWaitingRows,
                 "is needed beside the other: rows wait when both are above 0");
  }
}

SinkSettings read_settings(TableOptions& options, bool upserts) {
  SinkSettings settings;
  SinkOptions& made = settings.options;
  made.properties = options.with_prefix("properties.");
  if (!made.properties.contains("bootstrap.servers")) {
    options.fail("properties.bootstrap.servers", "must name the brokers, as in 'host:9092'");
  }
  // Of sources.
  made.properties.erase("group.id");
  made.properties.erase("auto.offset.reset");
  made.properties.erase("isolation.level");
  made.topic = options.text("topic");
  if (made.topic.find(';') != std::string::npos || made.topic.empty()) {
    options.fail("topic", "must name one topic to write to");
  }
  read_guarantee(options, made);
  settings.parallelism = options.number(kParallelism, 0, 1, kParallelismMax);
  if (upserts) {
    read_waiting(options, settings);
    return settings;
  }
  constexpr Partitioner kPartitioners[] = {Partitioner::kDefault, Partitioner::kFixed,
                                           Partitioner::kRoundRobin};
  made.partitioner =
      kPartitioners[options.choice(kPartitioner, {"default", "fixed", "round-robin"}, 0)];
  if (made.partitioner == Partitioner::kRoundRobin && options.has("key.fields")) {
    options.fail(kPartitioner,
                 "can't be 'round-robin' with 'key.fields': messages of a key would "
                 "be in several partitions");
  }
  return settings;
}

class KafkaTableSink final : public TableSink {
 public:
  KafkaTableSink(std::shared_ptr<const ColumnSinkPlan> plan, ChangelogKinds kinds,
                 int64_t parallelism)
      : plan_(std::move(plan)), kinds_(kinds), parallelism_(parallelism) {}

  ChangelogKinds changelog() const override { return kinds_; }
  Status add_to(Env&, Stream<ColumnRow> rows, const std::string& name,
                const std::string& uid) override {
    auto end = rows.to(ColumnSink(plan_)).name(name).uid(uid);
    if (parallelism_ > 0) { end.parallelism(static_cast<int32_t>(parallelism_)); }
    return ok_status();
  }

 private:
  const std::shared_ptr<const ColumnSinkPlan> plan_;
  const ChangelogKinds kinds_;
  const int64_t parallelism_;
};

// Where the columns of the definition are in the rows, which do not have those that are virtual.
Result<std::vector<size_t>> place_columns(const TableDefinition& table, ColumnSinkPlan& plan) {
  std::vector<size_t> places(table.columns.size(), 0);
  size_t next = 0;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const TableColumn& column = table.columns[i];
    if (column.is_virtual) { continue; }
    places[i] = next++;
    if (column.metadata_key.empty()) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const MetadataColumn made, metadata_column(column, places[i]));
    if (made.what == MetadataColumn::What::kTimestamp) {
      plan.timestamp = {places[i], column.type};
    } else if (made.what == MetadataColumn::What::kHeaders) {
      plan.headers = {places[i], column.type};
    } else {
      return invalid_argument(ErrorId::kSqlType,
                              "column '{}' can't be written: '{}' is only read; make it VIRTUAL "
                              "(those that are written are 'timestamp' and 'headers')",
                              column.name, column.metadata_key);
    }
  }
  return places;
}

std::vector<size_t> places_of(const std::vector<size_t>& columns,
                              const std::vector<size_t>& places) {
  std::vector<size_t> found;
  found.reserve(columns.size());
  for (const size_t column : columns) { found.push_back(places[column]); }
  return found;
}

}  // namespace

std::vector<TableOption> sink_table_options(bool upserts) {
  std::vector<TableOption> options = {
      {kGuarantee, false, "at-least-once", "at-least-once, exactly-once or none"},
      {kPrefix, false, "", "of this job alone; needed for exactly-once"},
      {kTransactionTimeout, false, "15 min", "how long a transaction may be open"},
      {kKeptBytes, false, "1 GB", "output that is kept until it is committed, by each subtask"},
      {kLostMarker, false, "fail",
       "fail, send-again or drop: output of which nobody knows whether it was committed"},
      {kParallelism, false, "", "how many subtasks write"}};
  if (upserts) {
    options.push_back({kWaitingRows, false, "0", "the last row of each key waits for so many"});
    options.push_back({kWaitingTime, false, "0", "or for so long; both or none"});
  } else {
    options.push_back({kPartitioner, false, "default", "default, fixed or round-robin"});
  }
  return options;
}

Result<std::unique_ptr<TableSink>> make_sink_table(const TableContext& context,
                                                   TableOptions options, bool upserts) {
  if (context.table.options.contains("sink.semantic")) {
    options.fail("sink.semantic", "is now 'sink.delivery-guarantee'");
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(TableLayout layout, lay_out(context, options, upserts));
  SinkSettings settings = read_settings(options, upserts);
  TIDEWHEEL_RETURN_IF_ERROR(options.finish());
  TIDEWHEEL_RETURN_IF_ERROR(
      settings.options.validate().with_context("table {}", context.table.path));
  auto plan = std::make_shared<ColumnSinkPlan>();
  plan->upserts = upserts;
  plan->waiting_rows_max = settings.waiting_rows_max;
  plan->waiting_ms_max = settings.waiting_ms_max;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<size_t> places, place_columns(context.table, *plan));
  layout.name_topic(settings.options.topic);
  const TableFormat& value = layout.value.format();
  if (upserts && value.changelog() != ChangelogKinds::kAppend) {
    return invalid_argument(ErrorId::kSqlOption,
                            "a table of 'upsert-kafka' needs a format of rows, and '{}' is one of "
                            "change logs: {}",
                            value.name(), context.table.path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      plan->make_value, value.encoder(layout.value_message, places_of(layout.value_columns, places),
                                      layout.value.options()));
  plan->needs_world = value.needs_world();
  if (layout.key.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        plan->make_key,
        layout.key->format().encoder(layout.key_message, places_of(layout.key_columns, places),
                                     layout.key->options()));
    plan->needs_world = plan->needs_world || layout.key->format().needs_world();
  }
  TIDEWHEEL_RETURN_IF_ERROR(layout.finish());
  plan->options = std::move(settings.options);
  const ChangelogKinds kinds = upserts ? ChangelogKinds::kUpsert : value.changelog();
  return std::unique_ptr<TableSink>(
      std::make_unique<KafkaTableSink>(std::move(plan), kinds, settings.parallelism));
}

}  // namespace tidewheel::kafka
