#include "tidewheel/formats/csv/table.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/csv/column_parser.h"
#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"

namespace tidewheel {
namespace {

using csv::ColumnOptions;
using csv::ColumnParser;

// What the decoders of a table share.
struct CsvPlan {
  DecodedRow row;
  ColumnOptions options;
};

class CsvRowDecoder final : public RowDecoder,
                            public ResumableDecoder,
                            private csv::detail::ReaderBase {
 public:
  explicit CsvRowDecoder(std::shared_ptr<const CsvPlan> plan)
      : ReaderBase(plan->options.csv, "message", fields_of(*plan)), plan_(std::move(plan)) {
    RowDecoder::status_ = ReaderBase::open();
    for (const DecodedRow::Wanted& wanted : plan_->row.wanted) {
      parsers_.emplace_back(plan_->row.message.types[wanted.field], plan_->options);
    }
    columns_of_batch_.resize(parsers_.size());
  }

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    TIDEWHEEL_RETURN_IF_ERROR(RowDecoder::status_);
    if (ReaderBase::needs_header()) { TIDEWHEEL_RETURN_IF_ERROR(use_declared_columns()); }
    const uint32_t size = rows.size();
    size_t taken = 0;
    set_line(1);
    const Next next = read(message, /*ended=*/true, taken, rows, size + 1);
    if (next == Next::kFailed) {
      forget_failure();
      return std::exchange(RowDecoder::status_, Status());
    }
    if (taken < message.size() && rows.size() > size) {
      drop_row(size, rows);
      rows.set_size(size);
      return invalid_argument(ErrorId::kRecordMalformed, "a message holds more than one record");
    }
    return rows.size() > size;
  }

  void name_stream(std::string place) override { ReaderBase::place_ = std::move(place); }
  void go_on(int64_t line) override {
    set_line(line);
    at_start_ = false;
  }
  bool needs_header() const override { return ReaderBase::needs_header(); }
  int64_t line() const override { return ReaderBase::line(); }
  Failed pass_failed() override {
    forget_failure();
    RowDecoder::status_ = Status();
    return {failed_, record_line_};
  }

  Next read(std::string_view bytes, bool ended, size_t& taken, ColumnBatch& rows,
            uint32_t rows_max) override {
    taken = 0;
    if (!RowDecoder::status_.ok()) { return Next::kFailed; }
    if (ReaderBase::needs_header()) {
      const csv::Next header = read_header(bytes, ended, taken);
      if (header != csv::Next::kRow) { return answer_of(header); }
    }
    if (rows.size() < rows_max) { rows.ensure_room(rows_max - rows.size()); }
    for (size_t i = 0; i < columns_of_batch_.size(); ++i) {
      columns_of_batch_[i] = &rows.column(plan_->row.wanted[i].column);
    }
    while (rows.size() < rows_max) {
      size_t took = 0;
      std::string_view record;
      csv::Next next = next_record(bytes.substr(taken), ended, took, record);
      taken += took;
      failed_ = record;
      if (next == csv::Next::kRow) {
        if (convert(record, rows.size(), rows.arena(), next)) [[likely]] {
          rows.set_size(rows.size() + 1);
          continue;
        }
        drop_row(rows.size(), rows);
      }
      if (next != csv::Next::kReject) { return answer_of(next); }
    }
    skipped_ = malformed_count();
    return Next::kFull;
  }

 private:
  static std::vector<FieldInfo> fields_of(const CsvPlan& plan) {
    std::vector<FieldInfo> fields;
    for (const DecodedRow::Wanted& wanted : plan.row.wanted) {
      fields.push_back({plan.row.message.names[wanted.field], true});
    }
    return fields;
  }

  Next answer_of(csv::Next next) {
    skipped_ = malformed_count();
    if (next == csv::Next::kNeedsBytes) { return Next::kNeedsBytes; }
    if (next == csv::Next::kEnd) { return Next::kEnd; }
    RowDecoder::status_ = ReaderBase::status();
    return Next::kFailed;
  }

  // Writes row `row`. False: `answer` says what becomes of it.
  bool convert(std::string_view record, uint32_t row, Arena& arena, csv::Next& answer) {
    bool has_ignored = false;
    for (size_t i = 0; i < parsers_.size(); ++i) {
      if (convert_field(record, i, row, arena)) [[likely]] { continue; }
      if (!plan_->options.ignore_errors || !parsers_[i].type().nullable) {
        answer = fail_field(record, i);
        return false;
      }
      columns_of_batch_[i]->drop_rows(row);
      columns_of_batch_[i]->append_null(row);
      has_ignored = true;
    }
    if (has_ignored) { count_malformed(); }
    return true;
  }

  bool convert_field(std::string_view record, size_t index, uint32_t row, Arena& arena) {
    const ColumnParser& parser = parsers_[index];
    const uint32_t at = column_of_[index];
    std::string_view text;
    bool is_lasting = true;
    bool is_null_field = at >= tokenizer_.fields().size();
    if (!is_null_field) [[likely]] {
      const csv::Field& field = tokenizer_.fields()[at];
      text = field.in(record);
      is_null_field = (text.empty() && !parser.takes_empty()) || (!field.quoted && is_null(text));
      if (field.escaped) [[unlikely]] {
        text = unescape(text, field.quoted);
        is_lasting = false;
      }
    }
    if (!is_null_field) {
      return parser.parse(text, is_lasting, *columns_of_batch_[index], row, arena);
    }
    if (!parser.type().nullable) { return false; }
    columns_of_batch_[index]->append_null(row);
    return true;
  }

  csv::Next fail_field(std::string_view record, size_t index) {
    const uint32_t at = column_of_[index];
    const LogicalType& type = parsers_[index].type();
    std::string_view text;
    if (at < tokenizer_.fields().size()) { text = tokenizer_.fields()[at].in(record); }
    return fail_value(index, record, text, type.to_string());
  }

  void drop_row(uint32_t row, ColumnBatch& rows) {
    for (const DecodedRow::Wanted& wanted : plan_->row.wanted) {
      rows.column(wanted.column).drop_rows(row);
    }
  }

  const std::shared_ptr<const CsvPlan> plan_;
  std::vector<ColumnParser> parsers_;
  std::vector<Column*> columns_of_batch_;
  std::string_view failed_;  // the record at hand
};

class CsvRowEncoder final : public RowEncoder {
 public:
  CsvRowEncoder(const RowType& type, std::vector<size_t> columns, const ColumnOptions& options)
      : delimiter_(options.csv.delimiter), columns_(std::move(columns)) {
    for (const LogicalType& column : type.types) { writers_.emplace_back(column, options); }
  }
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) { message += delimiter_; }
      writers_[i].append(rows.view(columns_[i]), row, message);
    }
    return {};
  }

 private:
  const char delimiter_;
  const std::vector<size_t> columns_;  // of the batch
  std::vector<csv::ColumnWriter> writers_;
};

// One character, as SQL writes it: itself, or "\t", "\u0001" and the like.
std::optional<char> one_character(const std::string& text) {
  if (text.size() == 1) { return text[0]; }
  if (text == "\\t") { return '\t'; }
  if (text == "\\\\") { return '\\'; }
  if (text.size() == 6 && text.starts_with("\\u00")) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    const int value =
        digit(text[4]) < 0 || digit(text[5]) < 0 ? 0 : digit(text[4]) * 16 + digit(text[5]);
    if (value > 0 && value < 128) { return static_cast<char>(value); }
  }
  return std::nullopt;
}

class CsvTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return "csv"; }
  std::vector<TableOption> options() const override {
    return {
        {kHeader, false, "false",
         "the first line of a file names the columns: they are found by name, or by position "
         "when all names are others; files that are written get one"},
        {kDelimiter, false, ",", "between fields; also \\t or \\u0001"},
        {kNoQuotes, false, "false", "quotes are characters like others"},
        {kQuote, false, "\"", "around fields that need it"},
        {kComments, false, "false", "lines that begin with # are left out"},
        {kIgnoreErrors, false, "false",
         "values that can't be read are NULL, records that can't be read are left out"},
        {kElements, false, ";", "between the elements of an array or row"},
        {kEscape, false, "", "takes the meaning of the next character"},
        {kNull, false, "", "stands for NULL; without it, only empty fields that are no strings do"},
        {kScientific, false, "true", "decimals may be written with an exponent"}};
  }
  std::string file_head(const RowType& type, TableOptions& options) const override {
    const ColumnOptions parsed = parse(type, options);
    std::string head;
    if (!parsed.csv.header) { return head; }
    for (const std::string& name : type.names) {
      if (&name != type.names.data()) { head += parsed.csv.delimiter; }
      csv::detail::append_text(head, name, parsed.csv);
    }
    return head + '\n';
  }
  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    TIDEWHEEL_RETURN_IF_ERROR(check_types(row.message));
    const auto plan = std::make_shared<const CsvPlan>(CsvPlan{row, parse(row.message, options)});
    return MakeDecoder(
        [plan]() -> std::unique_ptr<RowDecoder> { return std::make_unique<CsvRowDecoder>(plan); });
  }
  Result<MakeEncoder> encoder(const RowType& type, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    TIDEWHEEL_RETURN_IF_ERROR(check_types(type));
    return MakeEncoder(
        [type, columns, parsed = parse(type, options)]() -> std::unique_ptr<RowEncoder> {
          return std::make_unique<CsvRowEncoder>(type, columns, parsed);
        });
  }

 private:
  static constexpr char kHeader[] = "csv.header";
  static constexpr char kDelimiter[] = "csv.field-delimiter";
  static constexpr char kNoQuotes[] = "csv.disable-quote-character";
  static constexpr char kQuote[] = "csv.quote-character";
  static constexpr char kComments[] = "csv.allow-comments";
  static constexpr char kIgnoreErrors[] = "csv.ignore-parse-errors";
  static constexpr char kElements[] = "csv.array-element-delimiter";
  static constexpr char kEscape[] = "csv.escape-character";
  static constexpr char kNull[] = "csv.null-literal";
  static constexpr char kScientific[] = "csv.write-bigdecimal-in-scientific-notation";

  static Status check_types(const RowType& type) {
    for (size_t i = 0; i < type.size(); ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(csv::check_type(type.types[i], type.names[i]));
    }
    return {};
  }

  static char character(TableOptions& options, const char* key, char fallback) {
    if (!options.has(key)) { return fallback; }
    const std::optional<char> one = one_character(options.text(key));
    if (!one.has_value()) {
      options.fail(key, "must be one character, or \\t, or \\u0001 and the like up to \\u007f");
    }
    return one.value_or(fallback);
  }

  static ColumnOptions parse(const RowType& type, TableOptions& options) {
    ColumnOptions parsed;
    csv::Options& csv = parsed.csv;
    csv.header = options.flag(kHeader, false);
    csv.delimiter = character(options, kDelimiter, ',');
    csv.quote = character(options, kQuote, '"');
    if (options.flag(kNoQuotes, false)) {
      if (options.has(kQuote)) {
        options.fail(kQuote, "there are no quotes, says csv.disable-quote-character");
      }
      csv.quote = '\0';
    }
    csv.escape = character(options, kEscape, '\0');
    csv.comments = options.flag(kComments, false);
    csv.columns = type.names;
    csv.null_literals.clear();
    if (options.has(kNull)) { csv.null_literals.push_back(options.text(kNull)); }
    parsed.ignore_errors = options.flag(kIgnoreErrors, false);
    parsed.element_delimiter = character(options, kElements, ';');
    parsed.scientific_decimals = options.flag(kScientific, true);
    csv.allow_missing_fields = parsed.ignore_errors;
    csv.allow_extra_fields = parsed.ignore_errors;
    csv.on_malformed = parsed.ignore_errors ? csv::OnMalformed::kSkip : csv::OnMalformed::kFail;
    const Status valid = csv::check(csv);
    if (!valid.ok()) { options.fail(kDelimiter, valid.message()); }
    return parsed;
  }
};

}  // namespace

std::unique_ptr<TableFormat> csv_table_format() { return std::make_unique<CsvTableFormat>(); }

}  // namespace tidewheel
