#include "tidewheel/formats/avro/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/avro/avro.h"
#include "tidewheel/formats/avro/column_encoder.h"
#include "tidewheel/formats/avro/row_reader.h"
#include "tidewheel/formats/avro/sql_schema.h"

namespace tidewheel {
namespace {

using namespace avro;

struct WritePlan {
  ColumnEncoder encoder;
  Codec codec = Codec::kNull;
  Marker marker{};
};

class AvroRowEncoder final : public RowEncoder {
 public:
  explicit AvroRowEncoder(std::shared_ptr<const WritePlan> plan) : plan_(std::move(plan)) {}

  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    return plan_->encoder.append(rows.views(), row, message);
  }
  bool writes_blocks() const override { return true; }
  Status encode_block(const ColumnBatch& rows, std::span<const uint32_t> indexes,
                      std::string& stream) override {
    values_.clear();
    for (const uint32_t row : indexes) {
      TIDEWHEEL_RETURN_IF_ERROR(plan_->encoder.append(rows.views(), row, values_));
    }
    return append_block(plan_->codec, plan_->marker, std::ssize(indexes), values_, stream);
  }

 private:
  const std::shared_ptr<const WritePlan> plan_;
  std::string values_;
};

class AvroTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return "avro"; }
  std::vector<TableOption> options() const override {
    return {{kCodec, false, "snappy", "null, deflate, snappy or zstandard: of files"},
            {kEncoding, false, "binary", "of messages; only binary"},
            {kLegacyTimestamps, false, "true",
             "TIMESTAMP is timestamp-millis; else local-timestamp-millis or -micros, and "
             "TIMESTAMP_LTZ has a form too"},
            {kSchema, false, "", "JSON, in place of the one that follows from the columns"}};
  }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<const Schema> schema,
                               schema_for(row.message, options));
    auto plan = std::make_shared<ReadPlan>();
    plan->row = row;
    plan->reader = schema;
    plan->writer = schema;
    // What does not fit is said now, and not by the first message.
    TIDEWHEEL_RETURN_IF_ERROR(ColumnDecoder::compile(*schema, *schema, row).status());
    return MakeDecoder(
        [plan = std::shared_ptr<const ReadPlan>(std::move(plan))]() -> std::unique_ptr<RowDecoder> {
          return std::make_unique<RowReader>(plan);
        });
  }

  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::shared_ptr<const Schema> schema,
                               schema_for(message, options));
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnEncoder made, ColumnEncoder::make(*schema, message, columns));
    auto plan = std::make_shared<const WritePlan>(
        WritePlan{std::move(made), codec_of(options), marker_of(schema->to_json())});
    return MakeEncoder(
        [plan]() -> std::unique_ptr<RowEncoder> { return std::make_unique<AvroRowEncoder>(plan); });
  }

  std::string file_head(const RowType& message, TableOptions& options) const override {
    const auto schema = schema_for(message, options);
    if (!schema.ok()) { return {}; }  // as `encoder` has said
    const std::string json = (*schema)->to_json();
    return make_head(json, codec_of(options), marker_of(json));
  }

 private:
  static constexpr char kCodec[] = "avro.codec";
  static constexpr char kEncoding[] = "avro.encoding";
  static constexpr char kLegacyTimestamps[] = "avro.timestamp_mapping.legacy";
  static constexpr char kSchema[] = "avro.schema";

  static Codec codec_of(TableOptions& options) {
    const size_t choice = options.choice(kCodec, {"null", "deflate", "snappy", "zstandard"},
                                         static_cast<size_t>(Codec::kSnappy));
    return static_cast<Codec>(choice);
  }
  static Result<std::shared_ptr<const Schema>> schema_for(const RowType& row,
                                                          TableOptions& options) {
    options.choice(kEncoding, {"binary"}, 0);
    static_cast<void>(codec_of(options));
    SqlSchemaOptions how;
    how.legacy_timestamps = options.flag(kLegacyTimestamps, true);
    const std::string text = options.text(kSchema);
    Result<Schema> schema = text.empty() ? schema_of(row, how) : Schema::parse(text);
    if (!schema.ok() && !text.empty()) {
      return std::move(schema).status().with_context("option '{}'", kSchema);
    }
    if (!schema.ok()) { return std::move(schema).status(); }
    return std::make_shared<const Schema>(std::move(*schema));
  }
};

}  // namespace

std::unique_ptr<TableFormat> avro_table_format() { return std::make_unique<AvroTableFormat>(); }

}  // namespace tidewheel
