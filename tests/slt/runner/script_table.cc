#include "tests/slt/runner/script_table.h"

#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/sql/cast.h"
#include "tidewheel/sql/datum_column.h"

namespace tidewheel::slt {
namespace {

struct ScriptRow {
  std::vector<sql::Datum> values;
  RowKind kind = RowKind::kInsert;
  int64_t watermark_ms = kMinWatermark;  // then it is no row
};

class ScriptSource {
 public:
  using output = ColumnRow;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;

  ScriptSource(std::vector<ScriptRow> rows, std::vector<LogicalType> types,
               std::shared_ptr<sql::SourcePause> pause, bool is_slow)
      : data_(std::make_shared<const Data>(Data{std::move(rows), std::move(types)})),
        pause_(std::move(pause)),
        slow_rows_(is_slow ? kSlowRows : 0) {}

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>{Split{}}; }
  Status open(SourceContext& context) {
    clock_ = &context.clock();
    return {};
  }
  // A watermark takes effect behind the rows of a call, so it ends one.
  ReadResult read(Split& split, SourceOut<ColumnRow>& out) {
    ColumnBatch& batch = out.batch();
    if (batch.size() == 0) { batch.set_types(data_->types); }
    const auto count = static_cast<int64_t>(data_->rows.size());
    const int64_t end = pause_ == nullptr ? count : count / 2;
    if (pause_ != nullptr && split.next == end) {
      if (!std::exchange(is_waiting_, true)) { ++pause_->waiting; }
      return ReadResult::wait();
    }
    while (split.next < end && out.room() > 0) {
      const ScriptRow& row = data_->rows[static_cast<size_t>(split.next++)];
      if (row.watermark_ms != kMinWatermark) {
        out.watermark(row.watermark_ms);
        break;
      }
      const uint32_t at = batch.size();
      batch.ensure_room(1);
      for (size_t i = 0; i < row.values.size(); ++i) {
        sql::put_datum(row.values[i], batch.column(i), at, batch.arena());
      }
      if (row.kind != RowKind::kInsert || batch.kinds() != nullptr) {
        batch.make_kinds(at + 1)[at] = row.kind;
      }
      batch.set_size(at + 1);
      if (slow_rows_ > 0 && split.next < end) {
        --slow_rows_;
        return ReadResult::wait_until(clock_->wall_ms() + 1);
      }
    }
    return split.next == count && pause_ == nullptr ? ReadResult::end() : ReadResult::more();
  }

 private:
  static constexpr int32_t kSlowRows = 8;
  struct Data {
    std::vector<ScriptRow> rows;
    std::vector<LogicalType> types;
  };
  std::shared_ptr<const Data> data_;
  std::shared_ptr<sql::SourcePause> pause_;
  int32_t slow_rows_ = 0;  // that are to come slowly
  Clock* clock_ = nullptr;
  bool is_waiting_ = false;
};

std::vector<std::string> split_values(const std::string& text) {
  std::vector<std::string> values{""};
  bool quoted = false;
  for (const char c : text) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
  return values;
}

// "10:00:05" alone is a time of 1970-01-01.
std::string with_date(const std::string& text) {
  return text.size() > 2 && text[2] == ':' ? "1970-01-01 " + text : text;
}

Result<sql::Datum> parse_value(const std::string& text, const LogicalType& type) {
  if (text == "NULL") { return sql::Datum{}; }
  const std::string value = type.is_timestamp() ? with_date(text) : text;
  return sql::cast_datum(sql::Datum{value}, LogicalType::string(), type);
}

Result<ScriptRow> make_row(const TableDefinition& table, const std::vector<size_t>& columns,
                           const Feed& feed) {
  ScriptRow row;
  if (feed.kind == Feed::Kind::kWatermark) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const sql::Datum time,
                               parse_value(feed.text, LogicalType::with(TypeKind::kTimestamp, 3)));
    row.watermark_ms = time.integer();
    return row;
  }
  if (feed.kind == Feed::Kind::kRetraction) { row.kind = RowKind::kDelete; }
  const std::vector<std::string> values = split_values(feed.text);
  if (values.size() != table.columns.size()) {
    return invalid_argument(ErrorId::kUsage, "a row of {} has {} values, not {}: {}", table.path,
                            table.columns.size(), values.size(), feed.text);
  }
  for (const size_t column : columns) {
    TIDEWHEEL_ASSIGN_OR_RETURN(sql::Datum value,
                               parse_value(values[column], table.columns[column].type));
    row.values.push_back(std::move(value));
  }
  return row;
}

class ScriptTableSource final : public TableSource {
 public:
  ScriptTableSource(TableDefinition table, const std::vector<Feed>* feeds,
                    std::shared_ptr<sql::SourcePause> pause, bool is_slow)
      : table_(std::move(table)), feeds_(feeds), pause_(std::move(pause)), is_slow_(is_slow) {
    if (feeds_ == nullptr) { return; }
    retracts_ = std::any_of(feeds_->begin(), feeds_->end(),
                            [](const Feed& feed) { return feed.kind == Feed::Kind::kRetraction; });
  }
  ChangelogKinds changelog() const override {
    const auto it = table_.options.find("changelog");
    const bool declared = it != table_.options.end() && it->second == "retract";
    return retracts_ || declared ? ChangelogKinds::kRetract : ChangelogKinds::kAppend;
  }
  bool is_bounded() const override {
    const auto it = table_.options.find("bounded");
    return it == table_.options.end() || it->second != "false";
  }
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    std::vector<LogicalType> types;
    for (const size_t column : columns_) { types.push_back(table_.columns[column].type); }
    std::vector<ScriptRow> rows;
    if (feeds_ != nullptr) {
      for (const Feed& feed : *feeds_) {
        TIDEWHEEL_ASSIGN_OR_RETURN(ScriptRow row, make_row(table_, columns_, feed));
        rows.push_back(std::move(row));
      }
    }
    if (pause_ != nullptr) { ++pause_->sources; }
    return env.add_source(name, ScriptSource(std::move(rows), std::move(types), pause_, is_slow_))
        .uid(uid);
  }

 private:
  const TableDefinition table_;
  const std::vector<Feed>* feeds_;
  const std::shared_ptr<sql::SourcePause> pause_;
  const bool is_slow_;
  std::vector<size_t> columns_;
  bool retracts_ = false;
};

// The rows of a table's feed, looked up one by one: 'lookup' = 'true'.
class ScriptRows final : public RowLookup {
 public:
  struct Table {
    std::vector<ScriptRow> rows;  // with all columns
    std::vector<LogicalType> types;
    std::vector<size_t> keys;
    std::vector<size_t> columns;
  };
  explicit ScriptRows(std::shared_ptr<const Table> table) : table_(std::move(table)) {}

  Status find(std::span<const ColumnView> keys, uint32_t count, LookedUpRows& found) override {
    for (uint32_t key = 0; key < count; ++key) {
      for (const ScriptRow& row : table_->rows) {
        if (!matches(keys, key, row)) { continue; }
        ColumnBatch& out = *found.rows;
        out.ensure_room(1);
        for (size_t c = 0; c < table_->columns.size(); ++c) {
          sql::put_datum(row.values[table_->columns[c]], out.column(c), out.size(), out.arena());
        }
        out.set_size(out.size() + 1);
        found.keys.push_back(key);
      }
    }
    return {};
  }

 private:
  bool matches(std::span<const ColumnView> keys, uint32_t key, const ScriptRow& row) const {
    for (size_t i = 0; i < keys.size(); ++i) {
      const size_t column = table_->keys[i];
      const sql::Datum value = sql::datum_at(table_->types[column], keys[i], key);
      if (!(value == row.values[column])) { return false; }
    }
    return true;
  }
  const std::shared_ptr<const Table> table_;
};

class ScriptLookup final : public TableLookup {
 public:
  ScriptLookup(ScriptRows::Table table, LookupCaching caching)
      : table_(std::move(table)), caching_(caching) {}
  LookupCaching caching() const override { return caching_; }
  bool is_concurrent() const override { return true; }
  Result<std::function<Result<std::unique_ptr<RowLookup>>(FileSystem&)>> reader(
      const std::vector<size_t>& keys, const std::vector<size_t>& columns) override {
    auto table = std::make_shared<ScriptRows::Table>(table_);
    table->keys = keys;
    table->columns = columns;
    return std::function<Result<std::unique_ptr<RowLookup>>(FileSystem&)>(
        [table](FileSystem&) -> Result<std::unique_ptr<RowLookup>> {
          return std::make_unique<ScriptRows>(table);
        });
  }

 private:
  const ScriptRows::Table table_;
  const LookupCaching caching_;
};

class ScriptConnector final : public TableConnector {
 public:
  explicit ScriptConnector(std::shared_ptr<const ScriptFeeds> feeds) : feeds_(std::move(feeds)) {}
  std::string_view name() const override { return "script"; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = lookup_options(kCaches);
    options.push_back({"changelog", false, "append", "append or retract"});
    options.push_back({"lookup", false, "false", "whether rows can be looked up"});
    options.push_back({"bounded", false, "true", "false: planned as a table without an end"});
    return options;
  }
  bool can_write() const override { return false; }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    LookupCaching caching;
    bool has_lookup = false;
    TIDEWHEEL_RETURN_IF_ERROR(read_options(context.table, caching, has_lookup));
    return std::unique_ptr<TableSource>(std::make_unique<ScriptTableSource>(
        context.table, feeds_of(context.table), feeds_->pause, feeds_->is_slow));
  }
  Result<std::unique_ptr<TableLookup>> lookup(const TableContext& context) const override {
    LookupCaching caching;
    bool has_lookup = false;
    TIDEWHEEL_RETURN_IF_ERROR(read_options(context.table, caching, has_lookup));
    if (!has_lookup) { return std::unique_ptr<TableLookup>(); }
    ScriptRows::Table table;
    std::vector<size_t> all;
    for (const TableColumn& column : context.table.columns) {
      all.push_back(all.size());
      table.types.push_back(column.type);
    }
    if (const std::vector<Feed>* const feeds = feeds_of(context.table)) {
      for (const Feed& feed : *feeds) {
        TIDEWHEEL_ASSIGN_OR_RETURN(ScriptRow row, make_row(context.table, all, feed));
        table.rows.push_back(std::move(row));
      }
    }
    return std::unique_ptr<TableLookup>(std::make_unique<ScriptLookup>(std::move(table), caching));
  }

 private:
  static inline const std::vector<LookupCaching::Kind> kCaches{LookupCaching::Kind::kNone,
                                                               LookupCaching::Kind::kPartial};

  Status read_options(const TableDefinition& table, LookupCaching& caching,
                      bool& has_lookup) const {
    TableOptions options(table, this->options());
    static_cast<void>(options.choice("changelog", {"append", "retract"}, 0));
    static_cast<void>(options.choice("bounded", {"true", "false"}, 0));
    has_lookup = options.flag("lookup", false);
    caching = read_lookup_caching(options, kCaches);
    return options.finish();
  }
  // Null: it has none.
  const std::vector<Feed>* feeds_of(const TableDefinition& table) const {
    const auto it = feeds_->by_table.find(table.path.substr(table.path.rfind('.') + 1));
    return it == feeds_->by_table.end() ? nullptr : &it->second;
  }

  const std::shared_ptr<const ScriptFeeds> feeds_;
};

}  // namespace

std::unique_ptr<TableConnector> make_script_connector(std::shared_ptr<const ScriptFeeds> feeds) {
  return std::make_unique<ScriptConnector>(std::move(feeds));
}

}  // namespace tidewheel::slt
