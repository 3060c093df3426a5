#include "tidewheel/formats/json/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/column_encoder.h"
#include "tidewheel/formats/json/reader.h"
#include "tidewheel/formats/json/table_options.h"

namespace tidewheel {
namespace {

using json_detail::ColumnDecoder;
using json_detail::RowObjectEncoder;

std::vector<size_t> fields_of(const DecodedRow& row) {
  std::vector<size_t> fields;
  for (const DecodedRow::Wanted& wanted : row.wanted) { fields.push_back(wanted.field); }
  return fields;
}

class JsonRowDecoder final : public RowDecoder,
                             public ResumableDecoder,
                             private json_detail::JsonReaderBase {
 public:
  JsonRowDecoder(const DecodedRow& row, const JsonOptions& options)
      : JsonReaderBase(options, "message"), decoder_(row.message, fields_of(row)) {
    for (const DecodedRow::Wanted& wanted : row.wanted) { targets_.push_back(wanted.column); }
    columns_.resize(targets_.size());
  }

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    begin_place("message");
    take_all_as_one();
    size_t taken = 0;
    const uint32_t size = rows.size();
    const Next next = read(message, /*ended=*/true, taken, rows, size + 1);
    if (next == Next::kFailed) { return std::exchange(RowDecoder::status_, Status()); }
    return rows.size() > size;
  }

  void name_stream(std::string place) override { begin_place(std::move(place)); }
  void go_on(int64_t line) override { set_line(line); }
  int64_t line() const override { return JsonReaderBase::line(); }
  Failed pass_failed() override {
    static_cast<void>(take_status());
    RowDecoder::status_ = Status();
    // Blank lines before it were taken with it.
    std::string_view record = failed_;
    if (record.ends_with('\n')) { record.remove_suffix(1); }
    record.remove_prefix(record.rfind('\n') + 1);
    return {record, JsonReaderBase::line() - 1};
  }

  Next read(std::string_view bytes, bool ended, size_t& taken, ColumnBatch& rows,
            uint32_t rows_max) override {
    taken = 0;
    cursor_.set_arena(&rows.arena());
    if (rows.size() < rows_max) { rows.ensure_room(rows_max - rows.size()); }
    for (size_t i = 0; i < targets_.size(); ++i) { columns_[i] = &rows.column(targets_[i]); }
    while (rows.size() < rows_max) {
      size_t took = 0;
      JsonNext next = begin_record(bytes.substr(taken), ended, took);
      failed_ = bytes.substr(taken, took);
      taken += took;
      if (next == JsonNext::kRow) {
        next = end_record(decoder_.read_record(cursor_, columns_.data(), rows.size()));
        if (next == JsonNext::kRow) [[likely]] {
          rows.set_size(rows.size() + 1);
          continue;
        }
        drop_row(rows.size(), rows);
      }
      if (next == JsonNext::kReject) { continue; }
      skipped_ = malformed_count();
      if (next == JsonNext::kNeedsBytes) { return Next::kNeedsBytes; }
      if (next == JsonNext::kEnd) { return Next::kEnd; }
      RowDecoder::status_ = JsonReaderBase::status();
      return Next::kFailed;
    }
    skipped_ = malformed_count();
    return Next::kFull;
  }

 private:
  void drop_row(uint32_t row, ColumnBatch& rows) {
    for (const size_t target : targets_) { rows.column(target).drop_rows(row); }
  }

  ColumnDecoder decoder_;
  std::vector<size_t> targets_;
  std::vector<Column*> columns_;  // of the batch at hand
  std::string_view failed_;       // what was taken last
};

class JsonRowEncoder final : public RowEncoder {
 public:
  JsonRowEncoder(const RowType& type, std::vector<size_t> columns, const JsonOptions& options)
      : encoder_(type, std::move(columns), options) {}
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    return encoder_.append(rows, row, message);
  }

 private:
  const RowObjectEncoder encoder_;
};

class JsonTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return "json"; }
  std::vector<TableOption> options() const override {
    return json_detail::table_options(kJson, /*of_changes=*/false);
  }
  bool messages_are_lines(const TableOptions&) const override { return true; }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    for (const DecodedRow::Wanted& wanted : row.wanted) {
      TIDEWHEEL_RETURN_IF_ERROR(
          ColumnDecoder::check(row.message.types[wanted.field], row.message.names[wanted.field]));
    }
    return MakeDecoder([row, parsed = json_detail::read_table_options(
                                 kJson, false, options)]() -> std::unique_ptr<RowDecoder> {
      return json_detail::make_row_decoder(row, parsed);
    });
  }
  Result<MakeEncoder> encoder(const RowType& type, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    for (size_t i = 0; i < type.size(); ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(ColumnDecoder::check(type.types[i], type.names[i]));
    }
    return MakeEncoder([type, columns,
                        parsed = json_detail::read_table_options(
                            kJson, false, options)]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<JsonRowEncoder>(type, columns, parsed);
    });
  }

 private:
  static constexpr char kJson[] = "json";
};

}  // namespace

std::unique_ptr<RowDecoder> json_detail::make_row_decoder(const DecodedRow& row,
                                                          const JsonOptions& options) {
  return std::make_unique<JsonRowDecoder>(row, options);
}

std::unique_ptr<TableFormat> json_table_format() { return std::make_unique<JsonTableFormat>(); }

}  // namespace tidewheel
