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
               std::shared_ptr<Pause> pause)
      : data_(std::make_shared<const Data>(Data{std::move(rows), std::move(types)})),
        pause_(std::move(pause)) {}

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>{Split{}}; }
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
    }
    return split.next == count && pause_ == nullptr ? ReadResult::end() : ReadResult::more();
  }

 private:
  struct Data {
    std::vector<ScriptRow> rows;
    std::vector<LogicalType> types;
  };
  std::shared_ptr<const Data> data_;
  std::shared_ptr<Pause> pause_;
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

class ScriptTableSource final : public TableSource {
 public:
  ScriptTableSource(TableDefinition table, const std::vector<Feed>* feeds,
                    std::shared_ptr<Pause> pause)
      : table_(std::move(table)), feeds_(feeds), pause_(std::move(pause)) {
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
        TIDEWHEEL_ASSIGN_OR_RETURN(ScriptRow row, make_row(feed));
        rows.push_back(std::move(row));
      }
    }
    if (pause_ != nullptr) { ++pause_->sources; }
    return env.add_source(name, ScriptSource(std::move(rows), std::move(types), pause_)).uid(uid);
  }

 private:
  Result<ScriptRow> make_row(const Feed& feed) const {
    ScriptRow row;
    if (feed.kind == Feed::Kind::kWatermark) {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          const sql::Datum time,
          parse_value(feed.text, LogicalType::with(TypeKind::kTimestamp, 3)));
      row.watermark_ms = time.integer();
      return row;
    }
    if (feed.kind == Feed::Kind::kRetraction) { row.kind = RowKind::kDelete; }
    const std::vector<std::string> values = split_values(feed.text);
    if (values.size() != table_.columns.size()) {
      return invalid_argument(ErrorId::kUsage, "a row of {} has {} values, not {}: {}", table_.path,
                              table_.columns.size(), values.size(), feed.text);
    }
    for (const size_t column : columns_) {
      TIDEWHEEL_ASSIGN_OR_RETURN(sql::Datum value,
                                 parse_value(values[column], table_.columns[column].type));
      row.values.push_back(std::move(value));
    }
    return row;
  }

  const TableDefinition table_;
  const std::vector<Feed>* feeds_;
  const std::shared_ptr<Pause> pause_;
  std::vector<size_t> columns_;
  bool retracts_ = false;
};

class ScriptConnector final : public TableConnector {
 public:
  explicit ScriptConnector(std::shared_ptr<const ScriptFeeds> feeds) : feeds_(std::move(feeds)) {}
  std::string_view name() const override { return "script"; }
  std::vector<TableOption> options() const override {
    return {{"changelog", false, "append", "append or retract"},
            {"bounded", false, "true", "false: planned as a table whose rows have no end"}};
  }
  bool can_write() const override { return false; }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    static_cast<void>(options.choice("changelog", {"append", "retract"}, 0));
    static_cast<void>(options.choice("bounded", {"true", "false"}, 0));
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    const std::string& path = context.table.path;
    const auto it = feeds_->by_table.find(path.substr(path.rfind('.') + 1));
    const std::vector<Feed>* const feeds = it == feeds_->by_table.end() ? nullptr : &it->second;
    return std::unique_ptr<TableSource>(
        std::make_unique<ScriptTableSource>(context.table, feeds, feeds_->pause));
  }

 private:
  const std::shared_ptr<const ScriptFeeds> feeds_;
};

}  // namespace

std::unique_ptr<TableConnector> make_script_connector(std::shared_ptr<const ScriptFeeds> feeds) {
  return std::make_unique<ScriptConnector>(std::move(feeds));
}

}  // namespace tidewheel::slt
