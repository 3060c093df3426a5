#include "tidewheel/formats/json/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/column_encoder.h"
#include "tidewheel/formats/json/row_decoder.h"
#include "tidewheel/formats/json/table_options.h"

namespace tidewheel {
namespace {

using json_detail::ColumnDecoder;
using json_detail::RowObjectEncoder;

class JsonRowDecoder final : public json_detail::JsonRowsDecoder<JsonRowDecoder> {
 public:
  static constexpr uint32_t kRowsOfRecord = 1;

  JsonRowDecoder(const DecodedRow& row, const JsonOptions& options)
      : JsonRowsDecoder(row, options) {}

  bool read_rows(ColumnBatch& rows, uint32_t& count) {
    count = 1;
    return read_fields(rows.size());
  }
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
