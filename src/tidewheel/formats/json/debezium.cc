// The format `debezium-json`: change logs of databases, as Debezium writes them.
//
//   {"before": {row} or null, "after": {row} or null, "op": "c", "source": {..}, "ts_ms":
//   1589355606100}
//
// op: c (created), r (read by a snapshot), u (updated), d (deleted). With `schema-include` all that
// is the value of "payload", beside "schema".
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/column_encoder.h"
#include "tidewheel/formats/json/row_decoder.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/json/table_options.h"

namespace tidewheel {
namespace {

using json_detail::ColumnDecoder;
using json_detail::JsonCursor;
using json_detail::RowObjectEncoder;

constexpr char kDebezium[] = "debezium-json";
constexpr char kSchemaInclude[] = "debezium-json.schema-include";

// What a change says besides its rows, in the order of `metadata_columns`.
enum class Said : uint8_t {
  kSchema,
  kIngestionTime,
  kSourceTime,
  kSourceDatabase,
  kSourceSchema,
  kSourceTable,
  kSourceProperties,
};

RowType metadata_columns() {
  const LogicalType time = LogicalType::with(TypeKind::kTimestampLtz, 3);
  RowType type;
  type.add("schema", LogicalType::string());
  type.add("ingestion-timestamp", time);
  type.add("source.timestamp", time);
  type.add("source.database", LogicalType::string());
  type.add("source.schema", LogicalType::string());
  type.add("source.table", LogicalType::string());
  type.add("source.properties", LogicalType::map(LogicalType::string(), LogicalType::string()));
  return type;
}

// Where the parts of a change are; null: they are not there.
struct Parts {
  const uint32_t* before = nullptr;
  const uint32_t* after = nullptr;
  const uint32_t* op = nullptr;
  const uint32_t* source = nullptr;
  const uint32_t* time = nullptr;
  const uint32_t* schema = nullptr;
  const uint32_t* payload = nullptr;
  const uint32_t* end = nullptr;
};

struct DebeziumPlan {
  DecodedRow row;
  JsonOptions json;
  bool has_schema = false;
};

// Reads a value of the source's object, or another one that stands by itself, into a column.
class MetadataDecoder {
 public:
  MetadataDecoder(Said what, size_t column)
      : what_(what), column_(column), value_(value_type(what)) {
    if (what >= Said::kSourceTime && what <= Said::kSourceTable) {
      RowType object;
      object.add(key_in_source(what), value_type(what));
      in_source_.emplace_back(object, std::vector<size_t>{0});
    }
  }
  size_t column() const { return column_; }

  bool read(JsonCursor& cursor, const Parts& parts, Column& column, uint32_t row) {
    const uint32_t* const at = what_ == Said::kSchema          ? parts.schema
                               : what_ == Said::kIngestionTime ? parts.time
                                                               : parts.source;
    if (at == nullptr) {
      column.append_null(row);
      return true;
    }
    cursor.go_to(at);
    if (in_source_.empty()) { return value_.read(cursor, column, row); }
    if (cursor.is_null()) {
      column.append_null(row);
      return true;
    }
    Column* const to = &column;
    return in_source_[0].read_record(cursor, &to, row);
  }

 private:
  static LogicalType value_type(Said what) {
    switch (what) {
      case Said::kIngestionTime:
      case Said::kSourceTime: return LogicalType::of(TypeKind::kBigint);  // milliseconds
      case Said::kSourceProperties:
        return LogicalType::map(LogicalType::string(), LogicalType::string());
      default: return LogicalType::string();
    }
  }
  static std::string key_in_source(Said what) {
    switch (what) {
      case Said::kSourceTime: return "ts_ms";
      case Said::kSourceDatabase: return "db";
      case Said::kSourceSchema: return "schema";
      default: return "table";
    }
  }

  Said what_;
  size_t column_;
  ColumnDecoder value_;
  std::vector<ColumnDecoder> in_source_;  // one, or none
};

class DebeziumDecoder final : public json_detail::JsonRowsDecoder<DebeziumDecoder> {
 public:
  static constexpr uint32_t kRowsOfRecord = 2;  // an update

  explicit DebeziumDecoder(const DebeziumPlan& plan)
      : JsonRowsDecoder(plan.row, plan.json), has_schema_(plan.has_schema) {
    const RowType known = metadata_columns();
    for (const DecodedRow::WantedMetadata& wanted : plan.row.metadata) {
      metadata_.emplace_back(static_cast<Said>(known.find(wanted.key)), wanted.column);
    }
  }

  bool read_rows(ColumnBatch& rows, uint32_t& count) {
    const uint32_t* const begin = cursor_.at();
    Parts parts;
    if (!find_parts(parts)) { return false; }
    const uint32_t* const end = parts.end;
    if (has_schema_) {
      if (parts.payload == nullptr) {
        cursor_.go_to(begin);
        return cursor_.fault_here("there is no payload, as debezium-json.schema-include has it");
      }
      const uint32_t* const schema = parts.schema;
      cursor_.go_to(parts.payload);
      parts = Parts();
      if (!find_parts(parts)) { return false; }
      parts.schema = schema;
    } else {
      parts.schema = nullptr;
    }
    if (!read_parts(begin, parts, rows, count)) { return false; }
    cursor_.go_to(end);
    return true;
  }

 private:
  // The rows follow the operation, which may stand behind them: so all parts are found first.
  bool find_parts(Parts& parts) {
    const bool good = json_detail::read_entries(cursor_, [&](size_t) {
      std::string_view key;
      std::string_view raw;
      if (!cursor_.take_any_key(key, raw)) { return false; }
      if (const uint32_t** const part = part_of(key, parts)) {
        *part = cursor_.is_null() ? nullptr : cursor_.at();
      }
      return cursor_.skip_value();
    });
    parts.end = cursor_.at();
    return good;
  }
  static const uint32_t** part_of(std::string_view key, Parts& parts) {
    if (key == "before") { return &parts.before; }
    if (key == "after") { return &parts.after; }
    if (key == "op") { return &parts.op; }
    if (key == "source") { return &parts.source; }
    if (key == "ts_ms") { return &parts.time; }
    if (key == "schema") { return &parts.schema; }
    if (key == "payload") { return &parts.payload; }
    return nullptr;
  }

  bool read_parts(const uint32_t* begin, const Parts& parts, ColumnBatch& rows, uint32_t& count) {
    std::string_view op;
    cursor_.go_to(parts.op == nullptr ? begin : parts.op);
    if (parts.op == nullptr || !cursor_.raw_string(op) || op.size() != 1) {
      return cursor_.fault_here("a change needs 'op': c, r, u or d");
    }
    switch (op[0]) {
      case 'c':
      case 'r': return read_row(begin, parts, "after", parts.after, RowKind::kInsert, rows, count);
      case 'u':
        return read_row(begin, parts, "before", parts.before, RowKind::kUpdateBefore, rows,
                        count) &&
               read_row(begin, parts, "after", parts.after, RowKind::kUpdateAfter, rows, count);
      case 'd':
        return read_row(begin, parts, "before", parts.before, RowKind::kDelete, rows, count);
      default: break;
    }
    return cursor_.fault_here("'op' is c, r, u or d, and not " + std::string(op));
  }

  bool read_row(const uint32_t* begin, const Parts& parts, const char* name, const uint32_t* at,
                RowKind kind, ColumnBatch& rows, uint32_t& count) {
    if (at == nullptr) {
      cursor_.go_to(begin);
      std::string reason = std::string("'") + name + "' is missing";
      if (kind == RowKind::kUpdateBefore || kind == RowKind::kDelete) {
        reason += ": a table of PostgreSQL needs REPLICA IDENTITY FULL for it";
      }
      return cursor_.fault_here(std::move(reason));
    }
    const uint32_t row = rows.size() + count;
    cursor_.go_to(at);
    if (!read_fields(row)) {
      cursor_.add_field(name);
      return false;
    }
    for (MetadataDecoder& one : metadata_) {
      if (!one.read(cursor_, parts, rows.column(one.column()), row)) { return false; }
    }
    rows.make_kinds(row + 1)[row] = kind;
    ++count;
    return true;
  }

  const bool has_schema_;
  std::vector<MetadataDecoder> metadata_;
};

class DebeziumEncoder final : public RowEncoder {
 public:
  DebeziumEncoder(const RowType& type, std::vector<size_t> columns, const JsonOptions& options)
      : encoder_(type, std::move(columns), options) {}
  // An update is a deletion and an insertion.
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    const bool is_gone = is_retraction(rows.kind(row));
    message += is_gone ? "{\"before\":" : "{\"before\":null,\"after\":";
    TIDEWHEEL_RETURN_IF_ERROR(encoder_.append(rows, row, message));
    message += is_gone ? ",\"after\":null,\"op\":\"d\"}" : ",\"op\":\"c\"}";
    return {};
  }

 private:
  const RowObjectEncoder encoder_;
};

class DebeziumTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return kDebezium; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = json_detail::table_options(kDebezium, /*of_changes=*/true);
    options.push_back(
        {kSchemaInclude, false, "false", "messages have their schema beside them; reading only"});
    return options;
  }
  ChangelogKinds changelog() const override { return ChangelogKinds::kRetract; }
  RowType metadata() const override { return metadata_columns(); }
  bool messages_are_lines(const TableOptions&) const override { return true; }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    DebeziumPlan plan{row, json_detail::read_table_options(kDebezium, true, options),
                      options.flag(kSchemaInclude, false)};
    for (const DecodedRow::Wanted& wanted : row.wanted) {
      TIDEWHEEL_RETURN_IF_ERROR(
          ColumnDecoder::check(row.message.types[wanted.field], row.message.names[wanted.field]));
    }
    return MakeDecoder([plan = std::move(plan)]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<DebeziumDecoder>(plan);
    });
  }
  Result<MakeEncoder> encoder(const RowType& type, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    const JsonOptions parsed = json_detail::read_table_options(kDebezium, true, options);
    if (options.flag(kSchemaInclude, false)) {
      options.fail(kSchemaInclude, "can't be true for what is written");
    }
    for (size_t i = 0; i < type.size(); ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(ColumnDecoder::check(type.types[i], type.names[i]));
    }
    return MakeEncoder([type, columns, parsed]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<DebeziumEncoder>(type, columns, parsed);
    });
  }
};

}  // namespace

std::unique_ptr<TableFormat> debezium_json_table_format() {
  return std::make_unique<DebeziumTableFormat>();
}

}  // namespace tidewheel
