#include "tidewheel/connectors/kafka/source_table.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/env.h"
#include "tidewheel/connectors/kafka/column_source.h"
#include "tidewheel/connectors/kafka/row_time_clock.h"
#include "tidewheel/connectors/kafka/table_layout.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kParallelismMax = 32768;
constexpr char kStartup[] = "scan.startup.mode";
constexpr char kStartOffsets[] = "scan.startup.specific-offsets";
constexpr char kStartTime[] = "scan.startup.timestamp-millis";
constexpr char kBounded[] = "scan.bounded.mode";
constexpr char kStopOffsets[] = "scan.bounded.specific-offsets";
constexpr char kStopTime[] = "scan.bounded.timestamp-millis";
constexpr char kDiscovery[] = "scan.topic-partition-discovery.interval";
constexpr auto& kBadRecords = kBadRecordsOption;
constexpr char kDeadLetters[] = "scan.dead-letter.topic";
constexpr char kDeleted[] = "scan.deleted-topic";
constexpr char kParallelism[] = "scan.parallelism";
constexpr char kIdle[] = "scan.watermark.idle-timeout";
constexpr char kAlignGroup[] = "scan.watermark.alignment.group";
constexpr char kAlignDrift[] = "scan.watermark.alignment.max-drift";
constexpr char kAlignInterval[] = "scan.watermark.alignment.update-interval";

std::vector<std::string> split_text(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<int64_t> number_behind(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) { return std::nullopt; }
  text.remove_prefix(name.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

// "partition:0,offset:42;partition:1,offset:300"
std::map<TopicPartition, int64_t> read_offsets(TableOptions& options, const std::string& key,
                                               const std::vector<std::string>& topics) {
  constexpr char kForm[] = "must look like 'partition:0,offset:42;partition:1,offset:300'";
  std::map<TopicPartition, int64_t> offsets;
  if (topics.size() != 1) {
    options.fail(key, "is for one topic");
    return offsets;
  }
  for (const std::string& one : split_text(options.text(key), ';')) {
    const size_t comma = one.find(',');
    const auto partition = number_behind(std::string_view(one).substr(0, comma), "partition:");
    const auto offset = comma == std::string::npos
                            ? std::nullopt
                            : number_behind(std::string_view(one).substr(comma + 1), "offset:");
    if (!partition.has_value() || !offset.has_value() || *partition > INT32_MAX) {
      options.fail(key, kForm);
      return offsets;
    }
    offsets[{topics.front(), static_cast<int32_t>(*partition)}] = *offset;
  }
  if (offsets.empty()) { options.fail(key, kForm); }
  return offsets;
}

// An option that belongs to one mode only.
void check_goes_with(TableOptions& options, const char* key, const char* mode_key, const char* mode,
                     bool is_mode) {
  if (options.has(key) && !is_mode) {
    options.fail(key, fmt::format("goes with '{}' = '{}' only", mode_key, mode));
  }
  if (!options.has(key) && is_mode) {
    options.fail(key, fmt::format("is needed with '{}' = '{}'", mode_key, mode));
  }
}

Start read_start(TableOptions& options, const std::vector<std::string>& topics) {
  const size_t mode = options.choice(
      kStartup,
      {"group-offsets", "earliest-offset", "latest-offset", "timestamp", "specific-offsets"}, 0);
  check_goes_with(options, kStartTime, kStartup, "timestamp", mode == 3);
  check_goes_with(options, kStartOffsets, kStartup, "specific-offsets", mode == 4);
  switch (mode) {
    case 1: return Start::earliest();
    case 2: return Start::latest();
    case 3: return Start::at(Timestamp(options.number(kStartTime, 0, 0)));
    case 4: return Start::at_offsets(read_offsets(options, kStartOffsets, topics));
    default: return Start::group_offsets();
  }
}

Stop read_stop(TableOptions& options, const std::vector<std::string>& topics) {
  const size_t mode = options.choice(
      kBounded, {"unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"},
      0);
  check_goes_with(options, kStopTime, kBounded, "timestamp", mode == 3);
  check_goes_with(options, kStopOffsets, kBounded, "specific-offsets", mode == 4);
  switch (mode) {
    case 1: return Stop::latest();
    case 2: return Stop::group_offsets();
    case 3: return Stop::at(Timestamp(options.number(kStopTime, 0, 0)));
    case 4: return Stop::at_offsets(read_offsets(options, kStopOffsets, topics));
    default: return Stop::never();
  }
}

BadRecords read_bad_records(TableOptions& options) {
  const size_t mode = options.choice(kBadRecords, {"fail", "skip", "dead-letter"}, 0);
  if (options.has(kDeadLetterTableOption)) {
    if (options.has(kDeadLetters)) {
      options.fail(kDeadLetters,
                   fmt::format("and '{}' exclude each other", kDeadLetterTableOption));
    }
    static_cast<void>(options.text(kDeadLetterTableOption));
    check_goes_with(options, kDeadLetterTableOption, kBadRecords, "dead-letter", mode == 2);
    return BadRecords::fail();  // what gets here is no record
  }
  check_goes_with(options, kDeadLetters, kBadRecords, "dead-letter", mode == 2);
  return mode == 0   ? BadRecords::fail()
         : mode == 1 ? BadRecords::skip()
                     : BadRecords::dead_letter(options.text(kDeadLetters));
}

SourceOptions read_source_options(TableOptions& options, bool upserts) {
  SourceOptions made;
  made.properties = options.with_prefix("properties.");
  if (!made.properties.contains("bootstrap.servers")) {
    options.fail("properties.bootstrap.servers", "must name the brokers, as in 'host:9092'");
  }
  made.brokers = made.properties["bootstrap.servers"];
  made.topics = split_text(options.text("topic"), ';');
  made.topic_pattern = options.text("topic-pattern");
  if (made.topics.empty() == made.topic_pattern.empty()) {
    options.fail(options.has("topic-pattern") ? "topic-pattern" : "topic",
                 upserts ? "must name the topic"
                         : "must name the topics, unless 'topic-pattern' does: one of both");
  }
  made.start = upserts ? Start::earliest() : read_start(options, made.topics);
  made.stop = read_stop(options, made.topics);
  const bool needs_group =
      made.start.kind == Start::Kind::kGroupOffsets || made.stop.kind == Stop::Kind::kGroupOffsets;
  if (needs_group && !made.properties.contains("group.id")) {
    options.fail("properties.group.id",
                 made.start.kind == Start::Kind::kGroupOffsets
                     ? "must name the group, or 'scan.startup.mode' another place to begin at "
                       "(earliest-offset, latest-offset, timestamp, specific-offsets)"
                     : "must name the group");
  }
  made.discovery_every = options.duration(kDiscovery, made.discovery_every);
  made.bad_records = read_bad_records(options);
  made.deleted_topic =
      options.choice(kDeleted, {"fail", "end"}, 0) == 1 ? DeletedTopic::kEnd : DeletedTopic::kFail;
  return made;
}

WatermarkOptions read_watermark_options(TableOptions& options) {
  WatermarkOptions made;
  made.idle_after_ms = to_ms(options.duration(kIdle, Duration(0)));
  made.alignment_group = options.text(kAlignGroup);
  made.alignment_drift_ms = to_ms(options.duration(kAlignDrift, Duration(0)));
  made.alignment_interval_ms = to_ms(options.duration(kAlignInterval, Duration(1000)));
  if (made.alignment_group.empty() == options.has(kAlignDrift)) {
    options.fail(options.has(kAlignDrift) ? kAlignGroup : kAlignDrift,
                 "is needed beside the other: a group and how far its members may drift apart");
  }
  if (made.alignment_group.empty() && options.has(kAlignInterval)) {
    options.fail(kAlignInterval, fmt::format("goes with '{}' only", kAlignGroup));
  }
  return made;
}

// The node of a source with a clock for each of its splits.
Stream<ColumnRow> add_with_clock(Env& env, const std::string& name, ColumnSource source,
                                 WatermarkOptions watermarks) {
  const std::shared_ptr<JobGraph>& graph = env.graph();
  GraphNode node;
  node.name = name;
  node.is_source = true;
  node.stateful = true;
  // The graph owns the nodes, so they hold it weakly.
  const std::weak_ptr<JobGraph> owner = graph;
  auto id = std::make_shared<int32_t>(-1);
  node.make_coordinator = [source, name, watermarks, owner,
                           id]() -> Result<std::unique_ptr<OperatorCoordinator>> {
    EnumeratorOptions options{.name = name, .source_id = *id};
    if (!watermarks.alignment_group.empty()) {
      if (const auto held = owner.lock()) {
        options.alignment = held->alignment_group(watermarks.alignment_group);
      }
      options.alignment_drift_ms = watermarks.alignment_drift_ms;
    }
    return make_enumerator(source, std::move(options));
  };
  *id = graph->add_node(
      std::move(node),
      [source = std::move(source), watermarks = std::move(watermarks)](
          const std::shared_ptr<const NodeLinks>&) -> Result<std::unique_ptr<Operator>> {
        return std::make_unique<SourceReader<ColumnSource>>(
            source, std::make_unique<RowTimeClock>(watermarks));
      });
  return Stream<ColumnRow>(graph, {{.node = *id}});
}

class KafkaTable final : public TableSource, public SplitWatermarkSource {
 public:
  KafkaTable(TableDefinition table, TableLayout layout, SourceOptions options,
             WatermarkOptions watermarks, bool upserts, int64_t parallelism)
      : table_(std::move(table)),
        layout_(std::move(layout)),
        options_(std::move(options)),
        watermarks_(std::move(watermarks)),
        upserts_(upserts),
        parallelism_(parallelism) {
    for (size_t i = 0; i < table_.columns.size(); ++i) { columns_.push_back(i); }
  }

  ChangelogKinds changelog() const override {
    return upserts_ ? ChangelogKinds::kUpsert : layout_.value.format().changelog();
  }
  bool is_bounded() const override { return options_.is_bounded(); }
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnPlan plan, plan_columns());
    if (!make_watermarks_ &&
        (watermarks_.idle_after_ms > 0 || !watermarks_.alignment_group.empty())) {
      return invalid_argument(ErrorId::kSqlOption,
                              "'scan.watermark.*' need a WATERMARK of columns that are stored or "
                              "metadata, so that the source follows it: {}",
                              table_.path);
    }
    plan.make_watermarks = make_watermarks_;
    ColumnSource source(options_,
                        ColumnDecoder(std::make_shared<const ColumnPlan>(std::move(plan))));
    const Stream<ColumnRow> rows =
        (make_watermarks_ ? add_with_clock(env, name, std::move(source), watermarks_)
                          : env.add_source(name, std::move(source)))
            .uid(uid);
    return parallelism_ > 0 ? rows.parallelism(static_cast<int32_t>(parallelism_)) : rows;
  }
  void follow_watermarks(MakeRowWatermarks make, bool per_record) override {
    make_watermarks_ = std::move(make);
    watermarks_.per_record = per_record;
  }

  // Errors: kSqlOption, kSqlType.
  Result<ColumnPlan> plan_columns() {
    ColumnPlan plan;
    plan.upserts = upserts_;
    DecodedRow value{layout_.value_message, {}};
    DecodedRow key{layout_.key_message, {}};
    for (size_t i = 0; i < columns_.size(); ++i) {
      const TableColumn& column = table_.columns[columns_[i]];
      plan.types.push_back(column.type);
      TIDEWHEEL_RETURN_IF_ERROR(place_column(column, i, plan, value, key));
    }
    plan.key_is_in_value =
        std::all_of(plan.key_columns.begin(), plan.key_columns.end(), [&](size_t column) {
          return std::find(plan.value_columns.begin(), plan.value_columns.end(), column) !=
                 plan.value_columns.end();
        });
    plan.gives_letters = has_dead_letters(table_);
    if (plan.gives_letters) {
      for (const LogicalType& type : dead_letter_columns().types) { plan.types.push_back(type); }
    }
    const bool wants_key = layout_.key.has_value() && !plan.key_columns.empty();
    if (wants_key) {
      TIDEWHEEL_ASSIGN_OR_RETURN(plan.make_key,
                                 layout_.key->format().decoder(key, layout_.key->options()));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(plan.make_value,
                               layout_.value.format().decoder(value, layout_.value.options()));
    plan.needs_world =
        layout_.value.format().needs_world() || (wants_key && layout_.key->format().needs_world());
    TIDEWHEEL_RETURN_IF_ERROR(layout_.finish());
    return plan;
  }

 private:
  static constexpr std::string_view kValuePrefix = "value.";

  Status place_column(const TableColumn& column, size_t index, ColumnPlan& plan, DecodedRow& value,
                      DecodedRow& key) const {
    if (column.metadata_key.starts_with(kValuePrefix)) {
      const std::string name = column.metadata_key.substr(kValuePrefix.size());
      const RowType known = layout_.value.format().metadata();
      if (known.find(name) == known.size()) {
        return invalid_argument(ErrorId::kSqlOption,
                                "column '{}': messages of the format '{}' have no metadata '{}'",
                                column.name, layout_.value.format().name(), name);
      }
      value.metadata.push_back({name, index});
      plan.value_columns.push_back(index);
      return {};
    }
    if (!column.metadata_key.empty()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(MetadataColumn made, metadata_column(column, index));
      plan.metadata.push_back(std::move(made));
      return {};
    }
    const std::optional<size_t> in_value = layout_.value_field(columns_[index]);
    const std::optional<size_t> in_key = layout_.key_field(columns_[index]);
    if (in_value.has_value()) {
      value.wanted.push_back({*in_value, index});
      plan.value_columns.push_back(index);
    }
    // The key of an upsert says which row is deleted; elsewhere the value goes before.
    if (in_key.has_value() && (upserts_ || !in_value.has_value())) {
      key.wanted.push_back({*in_key, index});
      plan.key_columns.push_back(index);
    }
    return {};
  }

  const TableDefinition table_;
  TableLayout layout_;
  const SourceOptions options_;
  WatermarkOptions watermarks_;
  MakeRowWatermarks make_watermarks_;  // null: the source does not follow them
  const bool upserts_;
  const int64_t parallelism_;
  std::vector<size_t> columns_;  // of the definition, those that are read
};

}  // namespace

std::vector<TableOption> source_table_options(bool upserts) {
  std::vector<TableOption> options = {
      {"topic", false, "", upserts ? "the topic" : "the topics, as in 'a;b'"},
      {"properties.bootstrap.servers", true, "", "the brokers, as in 'host:9092,other:9092'"},
      {"properties.group.id", false, "", "the group, whose offsets say how far the job is"},
      {kBounded, false, "unbounded",
       "unbounded, latest-offset, group-offsets, timestamp or specific-offsets: where it ends"},
      {kStopOffsets, false, "", "'partition:0,offset:42;partition:1,offset:300'"},
      {kStopTime, false, "", "milliseconds since 1970"},
      {kDiscovery, false, "5 min", "how often new partitions are looked for; 0: never"},
      {kBadRecords, false, "fail", "fail, skip or dead-letter: records that can't be read"},
      {kDeadLetters, false, "", "the topic that they are written to"},
      {kDeadLetterTableOption, false, "", "or the table"},
      {kDeleted, false, "fail", "fail or end: when a topic is deleted that is being read"},
      {kParallelism, false, "", "how many subtasks read"},
      {kIdle, false, "0", "a partition without messages for so long holds no watermark back"},
      {kAlignGroup, false, "", "sources of the same group keep together in event time"},
      {kAlignDrift, false, "", "how far one may be ahead of the slowest"},
      {kAlignInterval, false, "1 s", "how often they tell each other"}};
  if (upserts) { return options; }
  options.push_back({"topic-pattern", false, "", "a regular expression for whole names of topics"});
  options.push_back({kStartup, false, "group-offsets",
                     "group-offsets, earliest-offset, latest-offset, timestamp or "
                     "specific-offsets: where reading begins"});
  options.push_back({kStartOffsets, false, "", "'partition:0,offset:42;partition:1,offset:300'"});
  options.push_back({kStartTime, false, "", "milliseconds since 1970"});
  return options;
}

Result<std::unique_ptr<TableSource>> make_source_table(const TableContext& context,
                                                       TableOptions options, bool upserts) {
  TIDEWHEEL_ASSIGN_OR_RETURN(TableLayout layout, lay_out(context, options, upserts));
  SourceOptions source = read_source_options(options, upserts);
  WatermarkOptions watermarks = read_watermark_options(options);
  const int64_t parallelism = options.number(kParallelism, 0, 1, kParallelismMax);
  TIDEWHEEL_RETURN_IF_ERROR(options.finish());
  TIDEWHEEL_RETURN_IF_ERROR(source.validate());
  layout.name_topic(source.topics.size() == 1 ? source.topics.front() : "");
  auto table = std::make_unique<KafkaTable>(context.table, std::move(layout), std::move(source),
                                            std::move(watermarks), upserts, parallelism);
  TIDEWHEEL_ASSIGN_OR_RETURN(const ColumnPlan plan, table->plan_columns());
  static_cast<void>(plan);
  return std::unique_ptr<TableSource>(std::move(table));
}

}  // namespace tidewheel::kafka
