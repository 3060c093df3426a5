#include "tidewheel/connectors/file/table.h"

#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/connectors/file/column_reader.h"
#include "tidewheel/connectors/file/column_sink.h"

namespace tidewheel::file {
namespace {

constexpr std::string_view kStandardInput = "/dev/stdin";
constexpr int64_t kParallelismMax = 32768;

// "file:///tmp/x" is "/tmp/x".
std::string plain_path(std::string path) {
  for (const std::string_view scheme : {"file://", "file:"}) {
    if (path.starts_with(scheme)) { return path.substr(scheme.size()); }
  }
  return path;
}

bool is_partition(const TableDefinition& table, const std::string& name) {
  return std::find(table.partitioned_by.begin(), table.partitioned_by.end(), name) !=
         table.partitioned_by.end();
}

RowType metadata_columns() {
  RowType type;
  type.add("file.path", LogicalType::string(false));
  type.add("file.name", LogicalType::string(false));
  type.add("file.size", LogicalType::of(TypeKind::kBigint, false));
  type.add("file.modification-time", LogicalType::with(TypeKind::kTimestampLtz, 3, 0, false));
  return type;
}

Status check_partitions(const TableDefinition& table) {
  for (const TableColumn& column : table.columns) {
    if (!is_partition(table, column.name)) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(check_partition_type(column.type, column.name));
  }
  return {};
}

// The columns that are in the files.
RowType stored_columns(const TableDefinition& table) {
  RowType type;
  for (const TableColumn& column : table.columns) {
    if (column.metadata_key.empty() && !is_partition(table, column.name)) {
      type.add(column.name, column.type);
    }
  }
  return type;
}

// Errors: kSqlOption for a format whose messages can't follow each other in a file. `of_files`: of
// whole files, and not of a stream.
Status check_streams(const TableFormat& format, const TableDefinition& table, bool of_files) {
  if (format.has_streams() || (of_files && as_bulk(format) != nullptr)) { return {}; }
  if (as_bulk(format) != nullptr) {
    return invalid_argument(ErrorId::kSqlOption,
                            "the format '{}' is for whole files, and not for a stream: {}",
                            format.name(), table.path);
  }
  return invalid_argument(ErrorId::kSqlOption,
                          "the format '{}' is for messages of a log, and not for files: {}",
                          format.name(), table.path);
}

bool is_hidden(const std::string& name) { return name.starts_with('.') || name.starts_with('_'); }

// Of a file, or of all files in a folder; -1: it can't be read.
int64_t bytes_below(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.info(path);
  if (!info.ok()) { return -1; }
  if (!info->is_directory) { return info->size_bytes; }
  const Result<std::vector<DirectoryEntry>> entries = files.list(path);
  if (!entries.ok()) { return -1; }
  int64_t bytes = 0;
  for (const DirectoryEntry& entry : *entries) {
    if (is_hidden(entry.name)) { continue; }
    const int64_t below = bytes_below(files, join_path(path, entry.name));
    if (below < 0) { return -1; }
    bytes += below;
  }
  return bytes;
}

// The folders `column=value`, one level for each of `columns` from number `level` on.
Status add_partition_folders(FileSystem& files, const std::string& folder,
                             const std::vector<std::string>& columns, size_t level,
                             const std::string& before, std::vector<std::string>& found) {
  if (level == columns.size()) {
    found.push_back(before);
    return ok_status();
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list(folder));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || !entry.name.starts_with(columns[level] + "=")) { continue; }
    TIDEWHEEL_RETURN_IF_ERROR(
        add_partition_folders(files, join_path(folder, entry.name), columns, level + 1,
                              before.empty() ? entry.name : before + "/" + entry.name, found));
  }
  return ok_status();
}

class FileTable final : public TableSource {
 public:
  FileTable(TableDefinition table, TableOptions options, const TableFormat& format, ColumnPlan plan,
            int64_t parallelism)
      : table_(std::move(table)),
        options_(std::move(options)),
        format_(format),
        plan_(std::move(plan)),
        bad_records_(read_bad_record_policy(options_, table_)),
        parallelism_(parallelism) {
    for (size_t i = 0; i < table_.columns.size(); ++i) { columns_.push_back(i); }
  }

  // Errors: kSqlType.
  Status prepare() {
    plan_.types.clear();
    plan_.file_columns.clear();
    DecodedRow row{stored_columns(table_), {}};
    for (size_t i = 0; i < columns_.size(); ++i) {
      const TableColumn& column = table_.columns[columns_[i]];
      plan_.types.push_back(column.type);
      if (!column.metadata_key.empty()) {
        TIDEWHEEL_RETURN_IF_ERROR(check_metadata(column));
        plan_.file_columns.push_back({i, metadata_of(column.metadata_key), column.type});
      } else if (is_partition(table_, column.name)) {
        plan_.file_columns.push_back({i, FileColumn::What::kPartition, column.type, column.name});
      } else {
        row.wanted.push_back({row.message.find(column.name), i});
      }
    }
    if (const BulkTableFormat* const bulk = as_bulk(format_); bulk != nullptr) {
      if (bad_records_ != BadRecordPolicy::kFail) { return cannot_pass(); }
      plan_.options.compression = Compression::kNone;  // whatever a file's name says
      TIDEWHEEL_ASSIGN_OR_RETURN(plan_.make_bulk_reader,
                                 bulk->bulk_reader(row, filters_of(row.message), options_));
      return {};
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(plan_.make_decoder, format_.decoder(row, options_));
    plan_.messages_are_lines = format_.messages_are_lines(options_);
    return bad_records_ == BadRecordPolicy::kFail ? Status() : follow_policy();
  }
  Status finish() const { return options_.finish(); }
  std::shared_ptr<const ColumnPlan> plan() const {
    return std::make_shared<const ColumnPlan>(plan_);
  }

  ChangelogKinds changelog() const override { return format_.changelog(); }
  bool is_bounded() const override { return plan_.options.is_bounded(); }
  TableEstimate estimate(FileSystem& files) const override {
    if (plan_.paths.front() == kStandardInput) { return {}; }
    return {.bytes = bytes_below(files, plan_.paths.front())};
  }
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  // Files are not looked into row by row: others come too.
  bool keep_only(size_t column, const std::vector<int64_t>& values) override {
    filters_.emplace_back(column, values);
    return false;
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    TIDEWHEEL_RETURN_IF_ERROR(prepare());
    const auto rows =
        env.add_source(name, ColumnSource(std::make_shared<const ColumnPlan>(plan_))).uid(uid);
    return parallelism_ > 0 ? rows.parallelism(static_cast<int32_t>(parallelism_)) : rows;
  }

 private:
  Status cannot_pass() const {
    return invalid_argument(ErrorId::kSqlOption,
                            "'{}' must be fail: what stands behind a record that can't be read "
                            "can't be found with the format '{}': {}",
                            kBadRecordsOption, format_.name(), table_.path);
  }
  Status follow_policy() {
    if (!can_pass_bad_records(format_, plan_.make_decoder, options_)) { return cannot_pass(); }
    plan_.make_decoder = [make = std::move(plan_.make_decoder), policy = bad_records_,
                          columns = plan_.types.size()]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<BadRecordDecoder>(make(), policy, columns);
    };
    if (bad_records_ != BadRecordPolicy::kDeadLetter) { return {}; }
    for (const LogicalType& type : dead_letter_columns().types) { plan_.types.push_back(type); }
    return {};
  }
  // Values are written to columns of their own types only.
  static Status check_metadata(const TableColumn& column) {
    const RowType known = metadata_columns();
    const size_t at = known.find(column.metadata_key);
    if (at == known.size()) {
      return invalid_argument(ErrorId::kSqlOption,
                              "column '{}': files have no metadata '{}'; they have {}", column.name,
                              column.metadata_key, fmt::join(known.names, ", "));
    }
    const LogicalType& type = known.types[at];
    const bool is_same = type.as_nullable() == column.type.as_nullable();
    const bool are_times = type.is_timestamp() && column.type.is_timestamp();
    if (is_same || (are_times && type.precision == column.type.precision)) { return {}; }
    return invalid_argument(ErrorId::kSqlType, "column '{}' is {}, and the metadata '{}' are {}",
                            column.name, column.type.to_string(), column.metadata_key,
                            type.to_string());
  }
  static FileColumn::What metadata_of(const std::string& key) {
    if (key == "file.path") { return FileColumn::What::kPath; }
    if (key == "file.name") { return FileColumn::What::kName; }
    return key == "file.size" ? FileColumn::What::kSize : FileColumn::What::kModified;
  }

  std::vector<BulkFilter> filters_of(const RowType& stored) const {
    std::vector<BulkFilter> filters;
    for (const auto& [column, values] : filters_) {
      const size_t field = stored.find(table_.columns[column].name);
      if (field < stored.size()) { filters.push_back({field, values}); }
    }
    return filters;
  }

  const TableDefinition table_;
  TableOptions options_;
  const TableFormat& format_;  // of the registry, which outlives the planner
  ColumnPlan plan_;
  const BadRecordPolicy bad_records_;
  std::vector<std::pair<size_t, std::vector<int64_t>>> filters_;  // by the table's column
  std::vector<size_t> columns_;  // of the table, those that are read
  int64_t parallelism_;
};

// Reads the files anew, each time.
class FileRows final : public RowLookup {
 public:
  FileRows(FileSystem& files, std::shared_ptr<const ColumnPlan> plan)
      : files_(files), plan_(std::move(plan)) {}

  Status load(ColumnBatch& rows) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<FileSplit> splits,
                               plan_splits(files_, *plan_, /*first=*/true));
    for (const FileSplit& split : splits) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<SplitReader> reader,
                                 SplitReader::open(files_, split, plan_, rows));
      SplitReader::Next next = SplitReader::Next::kMore;
      while (next == SplitReader::Next::kMore) {
        next = reader->read(rows, rows.size() + kStepRows);
      }
      if (next == SplitReader::Next::kFailed) { return reader->status(); }
    }
    return {};
  }

 private:
  static constexpr uint32_t kStepRows = 4096;  // for which room is made at a time

  FileSystem& files_;
  const std::shared_ptr<const ColumnPlan> plan_;
};

class FileLookup final : public TableLookup {
 public:
  FileLookup(std::unique_ptr<FileTable> table, LookupCaching caching)
      : table_(std::move(table)), caching_(caching) {}
  LookupCaching caching() const override { return caching_; }
  Result<std::function<Result<std::unique_ptr<RowLookup>>(FileSystem&)>> reader(
      const std::vector<size_t>&, const std::vector<size_t>& columns) override {
    static_cast<void>(table_->project(columns));
    TIDEWHEEL_RETURN_IF_ERROR(table_->prepare());
    return std::function<Result<std::unique_ptr<RowLookup>>(FileSystem&)>(
        [plan = table_->plan()](FileSystem& files) -> Result<std::unique_ptr<RowLookup>> {
          return std::make_unique<FileRows>(files, plan);
        });
  }

 private:
  const std::unique_ptr<FileTable> table_;
  const LookupCaching caching_;
};

class FileTableSink final : public TableSink {
 public:
  FileTableSink(ColumnSinkPlan plan, ChangelogKinds changelog, int64_t parallelism)
      : plan_(std::move(plan)), changelog_(changelog), parallelism_(parallelism) {}
  ChangelogKinds changelog() const override { return changelog_; }
  Status add_to(Env&, Stream<ColumnRow> rows, const std::string& name,
                const std::string& uid) override {
    const SinkEnd end =
        rows.to(ColumnFileSink(std::make_shared<const ColumnSinkPlan>(plan_))).name(name).uid(uid);
    if (plan_.commit_partitions.has_value()) {
      end.parallelism(1);
    } else if (parallelism_ > 0) {
      end.parallelism(static_cast<int32_t>(parallelism_));
    }
    return ok_status();
  }

 private:
  ColumnSinkPlan plan_;
  ChangelogKinds changelog_;
  int64_t parallelism_;
};

class FilesystemConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "filesystem"; }
  RowType metadata() const override { return metadata_columns(); }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = lookup_options(kCaches);
    for (const std::vector<TableOption>& own : {bad_record_options(), own_options()}) {
      options.insert(options.begin(), own.begin(), own.end());
    }
    return options;
  }

  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    LookupCaching caching;
    TIDEWHEEL_ASSIGN_OR_RETURN(auto table, file_table(context, caching));
    return std::unique_ptr<TableSource>(std::move(table));
  }
  Result<std::unique_ptr<TableLookup>> lookup(const TableContext& context) const override {
    LookupCaching caching;
    TIDEWHEEL_ASSIGN_OR_RETURN(auto table, file_table(context, caching));
    if (!table->is_bounded()) {
      return invalid_argument(ErrorId::kSqlOption,
                              "a table that is looked up is read as a whole, without "
                              "'source.monitor-interval': {}",
                              context.table.path);
    }
    if (has_dead_letters(context.table)) {
      return invalid_argument(ErrorId::kSqlOption,
                              "a table that is looked up is read anew each time, and writes no "
                              "dead letters: '{}' must be fail or skip: {}",
                              kBadRecordsOption, context.table.path);
    }
    return std::unique_ptr<TableLookup>(std::make_unique<FileLookup>(std::move(table), caching));
  }

  Result<std::vector<std::string>> partitions(FileSystem& files,
                                              const TableContext& context) const override {
    if (context.table.partitioned_by.empty()) {
      return invalid_argument(ErrorId::kSqlQuery, "the table is not partitioned: {}",
                              context.table.path);
    }
    const std::string folder =
        plain_path(TableOptions(context.table, this->options()).text("path"));
    std::vector<std::string> found;
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files.exists(folder));
    if (!exists) { return found; }  // nothing was written yet
    TIDEWHEEL_RETURN_IF_ERROR(
        add_partition_folders(files, folder, context.table.partitioned_by, 0, "", found));
    return found;
  }

  Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format,
                               context.registry.format_of(options));
    TIDEWHEEL_RETURN_IF_ERROR(check_streams(*format, context.table, true));
    TIDEWHEEL_RETURN_IF_ERROR(check_partitions(context.table));
    ColumnSinkPlan plan = read_sink_options(options);
    static_cast<void>(read_lookup_caching(options, kCaches));
    plan.folder = plain_path(options.text("path"));
    plan.default_partition = options.text("partition.default-name", kDefaultPartition);
    plan.options.suffix = "." + std::string(format->name());
    const int64_t parallelism = options.number("sink.parallelism", 0, 1, kParallelismMax);
    // The rows have the columns that are not virtual, in order.
    RowType message;
    std::vector<size_t> columns;
    size_t index = 0;
    for (const TableColumn& column : context.table.columns) {
      if (column.is_virtual) { continue; }
      if (!column.metadata_key.empty()) {
        return invalid_argument(ErrorId::kSqlType,
                                "column '{}' can't be written: '{}' is only read; make it VIRTUAL",
                                column.name, column.metadata_key);
      }
      if (!is_partition(context.table, column.name)) {
        message.add(column.name, column.type);
        columns.push_back(index);
      }
      ++index;
    }
    add_partitions(context.table, plan);
    read_commit_options(context.table, options, parallelism, plan);
    if (const BulkTableFormat* const bulk = as_bulk(*format); bulk != nullptr) {
      plan.options.roll_on_checkpoint = true;
      if (plan.options.merge_parts > 0) {
        options.fail("auto-compaction", "can't be used with the format '" +
                                            std::string(format->name()) +
                                            "', whose files are not parts of others");
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(plan.make_bulk_writer,
                                 bulk->bulk_writer(message, columns, options));
    } else {
      TIDEWHEEL_ASSIGN_OR_RETURN(plan.make_encoder, format->encoder(message, columns, options));
      plan.head = format->file_head(message, options);
    }
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::make_unique<FileTableSink>(std::move(plan), format->changelog(), parallelism);
  }

 private:
  static std::vector<TableOption> own_options() {
    return {{"path", true, "", "a file, or a folder of files"},
            {"source.monitor-interval", false, "", "look for new files so often, and never end"},
            {"source.path.regex-pattern", false, "", "files whose whole path matches are read"},
            {"scan.parallelism", false, "", "how many subtasks read"},
            {"sink.parallelism", false, "", "how many subtasks write"},
            {"partition.default-name", false, kDefaultPartition, "stands for NULL in paths"},
            {"sink.rolling-policy.file-size", false, "128 MB", "a larger file is closed"},
            {"sink.rolling-policy.rollover-interval", false, "30 min", "so is an older one"},
            {"sink.rolling-policy.inactivity-interval", false, "30 min",
             "and one that got no row for so long"},
            {"sink.rolling-policy.check-interval", false, "1 min", "how often times are looked at"},
            {"sink.partition-commit.policy.kind", false, "",
             "success-file: a partition that is complete gets a file that says so"},
            {"sink.partition-commit.trigger", false, "process-time",
             "complete is a partition a while after its first row (process-time), or when event "
             "time has passed it (partition-time)"},
            {"sink.partition-commit.delay", false, "0 s",
             "how long after its first row, or after its time"},
            {"sink.partition-commit.success-file.name", false, "_SUCCESS", "the file's name"},
            {"sink.partition-commit.watermark-time-zone", false, "UTC",
             "where the time of a partition is meant"},
            {"partition.time-extractor.timestamp-pattern", false, "",
             "the time of a partition, '$day $hour:00:00'; else the value of its first column"},
            {"auto-compaction", false, "false", "small files become one before they are seen"},
            {"compaction.file-size", false, "", "how large files become by that"}};
  }

  Result<std::unique_ptr<FileTable>> file_table(const TableContext& context,
                                                LookupCaching& caching) const {
    TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format,
                               context.registry.format_of(options));
    TIDEWHEEL_RETURN_IF_ERROR(check_streams(*format, context.table, true));
    TIDEWHEEL_RETURN_IF_ERROR(check_partitions(context.table));
    ColumnSinkPlan sink = read_sink_options(options);
    read_commit_options(context.table, options, /*parallelism=*/1, sink);
    caching = read_lookup_caching(options, kCaches);
    ColumnPlan plan;
    plan.paths = {plain_path(options.text("path"))};
    plan.options.watch_every = options.duration("source.monitor-interval", Duration(0));
    plan.path_pattern = options.text("source.path.regex-pattern");
    if (const re2::RE2 pattern(plan.path_pattern, re2::RE2::Quiet); !pattern.ok()) {
      options.fail("source.path.regex-pattern", "must be a regular expression: " + pattern.error());
    }
    plan.default_partition = options.text("partition.default-name", kDefaultPartition);
    const int64_t parallelism = options.number("scan.parallelism", 0, 1, kParallelismMax);
    auto source = std::make_unique<FileTable>(context.table, std::move(options), *format,
                                              std::move(plan), parallelism);
    TIDEWHEEL_RETURN_IF_ERROR(source->prepare());
    TIDEWHEEL_RETURN_IF_ERROR(source->finish());
    return source;
  }

  static constexpr char kDefaultPartition[] = "__DEFAULT_PARTITION__";
  static inline const std::vector<LookupCaching::Kind> kCaches{LookupCaching::Kind::kFull};

  // In the order of PARTITIONED BY.
  static void add_partitions(const TableDefinition& table, ColumnSinkPlan& plan) {
    for (const std::string& name : table.partitioned_by) {
      size_t index = 0;
      for (const TableColumn& column : table.columns) {
        if (column.is_virtual) { continue; }
        if (column.name == name) { plan.partitions.push_back({name, index, column.type}); }
        ++index;
      }
    }
  }
  static void read_commit_options(const TableDefinition& table, TableOptions& options,
                                  int64_t parallelism, ColumnSinkPlan& plan) {
    PartitionCommitOptions commit;
    const std::string policy = options.text("sink.partition-commit.policy.kind");
    const std::string trigger = options.text("sink.partition-commit.trigger", "process-time");
    commit.by_event_time = trigger == "partition-time";
    commit.delay_ms = options.duration("sink.partition-commit.delay", Duration(0)).count();
    commit.file_name = options.text("sink.partition-commit.success-file.name", "_SUCCESS");
    commit.zone = options.text("sink.partition-commit.watermark-time-zone", "UTC");
    commit.time_pattern = options.text("partition.time-extractor.timestamp-pattern");
    if (!commit.by_event_time && trigger != "process-time") {
      options.fail("sink.partition-commit.trigger", "must be process-time or partition-time");
    }
    if (!TimeZone::find(commit.zone).ok()) {
      options.fail("sink.partition-commit.watermark-time-zone", "must be a time zone");
    }
    // Others would be read as rows.
    const char first = commit.file_name.empty() ? ' ' : commit.file_name[0];
    if ((first != '_' && first != '.') || commit.file_name.find('/') != std::string::npos) {
      options.fail("sink.partition-commit.success-file.name",
                   "must be a file's name that begins with '_' or '.'");
    }
    const auto is_in_pattern = [&](const std::string& name) {
      return commit.time_pattern.find("$" + name) != std::string::npos;
    };
    if (!commit.time_pattern.empty() &&
        std::none_of(table.partitioned_by.begin(), table.partitioned_by.end(), is_in_pattern)) {
      options.fail("partition.time-extractor.timestamp-pattern",
                   "must name columns of PARTITIONED BY, such as '$day $hour:00:00'");
    }
    if (policy.empty()) { return; }
    if (policy != "success-file") {
      options.fail("sink.partition-commit.policy.kind", "must be success-file");
    }
    if (table.partitioned_by.empty()) {
      options.fail("sink.partition-commit.policy.kind", "is for tables with PARTITIONED BY");
    }
    if (parallelism > 1) {
      options.fail("sink.parallelism",
                   "must be 1 where partitions are announced: one subtask knows of all their rows");
    }
    plan.commit_partitions = std::move(commit);
  }
  static ColumnSinkPlan read_sink_options(TableOptions& options) {
    constexpr int64_t kMinuteMs = 60'000;
    ColumnSinkPlan plan;
    WriteOptions& parts = plan.options;
    parts.part_bytes_max = options.bytes("sink.rolling-policy.file-size", int64_t{128} << 20);
    parts.part_time_max =
        options.duration("sink.rolling-policy.rollover-interval", Duration(30 * kMinuteMs));
    parts.idle_time_max =
        options.duration("sink.rolling-policy.inactivity-interval", Duration(30 * kMinuteMs));
    plan.check_interval_ms =
        options.duration("sink.rolling-policy.check-interval", Duration(kMinuteMs)).count();
    const int64_t merged = options.bytes("compaction.file-size", parts.part_bytes_max);
    if (options.flag("auto-compaction", false)) {
      constexpr int32_t kMergedParts = 16;
      parts.merge_parts = kMergedParts;
      parts.merge_bytes = merged;
    }
    const Status valid = parts.validate();
    if (!valid.ok()) { options.fail("sink.rolling-policy.file-size", valid.message()); }
    return plan;
  }
};

// ---- The process's standard streams

class StdinConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "stdin"; }
  bool can_write() const override { return false; }
  std::vector<TableOption> options() const override { return bad_record_options(); }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format,
                               context.registry.format_of(options));
    TIDEWHEEL_RETURN_IF_ERROR(check_streams(*format, context.table, false));
    ColumnPlan plan;
    plan.paths = {std::string(kStandardInput)};
    plan.options.split_bytes = 0;
    plan.options.compression = Compression::kNone;
    auto source = std::make_unique<FileTable>(context.table, std::move(options), *format,
                                              std::move(plan), /*parallelism=*/1);
    TIDEWHEEL_RETURN_IF_ERROR(source->prepare());
    TIDEWHEEL_RETURN_IF_ERROR(source->finish());
    return source;
  }
};

class StdoutTable final : public TableSink {
 public:
  StdoutTable(MakeEncoder make_encoder, std::string head, ChangelogKinds changelog)
      : make_encoder_(std::move(make_encoder)), head_(std::move(head)), changelog_(changelog) {}
  ChangelogKinds changelog() const override { return changelog_; }
  Status add_to(Env&, Stream<ColumnRow> rows, const std::string& name,
                const std::string& uid) override {
    static_cast<void>(rows.to(ColumnStreamSink(std::string(kStandardOutput), make_encoder_, head_))
                          .name(name)
                          .uid(uid)
                          .parallelism(1));
    return ok_status();
  }

 private:
  MakeEncoder make_encoder_;
  std::string head_;
  ChangelogKinds changelog_;
};

class StdoutConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "stdout"; }
  bool can_read() const override { return false; }
  std::vector<TableOption> options() const override { return {}; }
  Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const override {
    TableOptions options(context.table, {});
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format,
                               context.registry.format_of(options));
    TIDEWHEEL_RETURN_IF_ERROR(check_streams(*format, context.table, false));
    RowType message;
    std::vector<size_t> columns;
    for (const TableColumn& column : context.table.columns) {
      if (column.is_virtual) { continue; }
      columns.push_back(message.size());
      message.add(column.name, column.type);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(MakeEncoder make_encoder,
                               format->encoder(message, columns, options));
    std::string head = format->file_head(message, options);
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::make_unique<StdoutTable>(std::move(make_encoder), std::move(head),
                                         format->changelog());
  }
};

}  // namespace

std::unique_ptr<TableConnector> filesystem_table_connector() {
  return std::make_unique<FilesystemConnector>();
}
std::unique_ptr<TableConnector> stdin_table_connector() {
  return std::make_unique<StdinConnector>();
}
std::unique_ptr<TableConnector> stdout_table_connector() {
  return std::make_unique<StdoutConnector>();
}

}  // namespace tidewheel::file
