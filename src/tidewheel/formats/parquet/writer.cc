#include "tidewheel/formats/parquet/writer.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/parquet/arrow_file.h"
#include "tidewheel/formats/parquet/columns.h"

namespace tidewheel::parquet_format {
namespace {

// Rows of a group: what is kept in memory until it is written, and what readers can leave out.
constexpr int64_t kGroupRows = 131'072;

parquet::Compression::type compression_of(Codec codec) {
  switch (codec) {
    case Codec::kUncompressed: return parquet::Compression::UNCOMPRESSED;
    case Codec::kSnappy: return parquet::Compression::SNAPPY;
    case Codec::kGzip: return parquet::Compression::GZIP;
    case Codec::kZstd: return parquet::Compression::ZSTD;
    case Codec::kLz4: return parquet::Compression::LZ4;
    case Codec::kBrotli: return parquet::Compression::BROTLI;
  }
  return parquet::Compression::UNCOMPRESSED;
}

arrow::TimeUnit::type unit_of(TimeUnit unit) {
  return unit == TimeUnit::kMillis   ? arrow::TimeUnit::MILLI
         : unit == TimeUnit::kMicros ? arrow::TimeUnit::MICRO
                                     : arrow::TimeUnit::NANO;
}

Result<std::shared_ptr<arrow::Schema>> schema_of(const RowType& row) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < row.size(); ++i) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto field, field_of(row.names[i], row.types[i], row.names[i]));
    fields.push_back(std::move(field));
  }
  return arrow::schema(std::move(fields));
}

class Writer final : public BulkWriter {
 public:
  Writer(std::shared_ptr<const WritePlan> plan, std::shared_ptr<arrow::Schema> schema)
      : plan_(std::move(plan)),
        schema_(std::move(schema)),
        collected_(std::make_shared<Collected>()) {}

  Status open() {
    const auto properties = parquet::WriterProperties::Builder()
                                .compression(compression_of(plan_->codec))
                                ->max_row_group_length(kGroupRows)
                                ->created_by("tidewheel")
                                ->build();
    parquet::ArrowWriterProperties::Builder arrow_properties;
    if (plan_->int64_timestamps) {
      arrow_properties.coerce_timestamps(unit_of(plan_->unit));
      arrow_properties.allow_truncated_timestamps();
    } else {
      arrow_properties.enable_deprecated_int96_timestamps();
    }
    auto writer = parquet::arrow::FileWriter::Open(
        *schema_, arrow::default_memory_pool(), collected_, properties, arrow_properties.build());
    if (!writer.ok()) { return status_of(writer.status()); }
    writer_ = std::move(*writer);
    return {};
  }

  Status write(const ColumnBatch& rows, std::span<const uint32_t> indexes,
               std::string& file) override {
    return caught([&]() -> Status {
      std::vector<std::shared_ptr<arrow::Array>> arrays;
      for (size_t i = 0; i < plan_->row.size(); ++i) {
        TIDEWHEEL_ASSIGN_OR_RETURN(
            auto array, array_of(plan_->row.types[i], rows.view(plan_->columns[i]), indexes,
                                 plan_->row.names[i]));
        arrays.push_back(std::move(array));
      }
      const auto batch = arrow::RecordBatch::Make(schema_, std::ssize(indexes), std::move(arrays));
      if (const arrow::Status status = writer_->WriteRecordBatch(*batch); !status.ok()) {
        return status_of(status);
      }
      collected_->move_to(file);
      return {};
    });
  }
  Status finish(std::string& file) override {
    return caught([&]() -> Status {
      if (const arrow::Status status = writer_->Close(); !status.ok()) { return status_of(status); }
      collected_->move_to(file);
      return {};
    });
  }

 private:
  const std::shared_ptr<const WritePlan> plan_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<Collected> collected_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

Status check_columns(const RowType& row) { return schema_of(row).status(); }

Result<std::unique_ptr<BulkWriter>> open_writer(std::shared_ptr<const WritePlan> plan) {
  return caught([&]() -> Result<std::unique_ptr<BulkWriter>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto schema, schema_of(plan->row));
    auto writer = std::make_unique<Writer>(std::move(plan), std::move(schema));
    TIDEWHEEL_RETURN_IF_ERROR(writer->open());
    return std::unique_ptr<BulkWriter>(std::move(writer));
  });
}

}  // namespace tidewheel::parquet_format
