#include "tidewheel/formats/parquet/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/formats/parquet/reader.h"
#include "tidewheel/formats/parquet/writer.h"

namespace tidewheel {
namespace {

using namespace parquet_format;

class ParquetTableFormat final : public BulkTableFormat {
 public:
  std::string_view name() const override { return "parquet"; }
  std::vector<TableOption> options() const override {
    return {{kCompression, false, "SNAPPY",
             "UNCOMPRESSED, SNAPPY, GZIP, ZSTD, LZ4 or BROTLI: of files that are written"},
            {kUtc, false, "true", "points in time are those of UTC; only true"},
            {kInt64, false, "false",
             "points in time are written as whole numbers; else in the 12 bytes of INT96"},
            {kUnit, false, "micros", "millis, micros or nanos: of those whole numbers"}};
  }

  Result<MakeBulkReader> bulk_reader(const DecodedRow& row, const std::vector<BulkFilter>& filters,
                                     TableOptions& options) const override {
    static_cast<void>(read_options(options));
    auto plan = std::make_shared<const ReadPlan>(ReadPlan{row, filters});
    return MakeBulkReader([plan](std::unique_ptr<ReadableFile> file, const BulkSplit& split) {
      return open_reader(plan, std::move(file), split);
    });
  }
  Result<MakeBulkWriter> bulk_writer(const RowType& row, const std::vector<size_t>& columns,
                                     TableOptions& options) const override {
    TIDEWHEEL_RETURN_IF_ERROR(check_columns(row));
    WritePlan made = read_options(options);
    made.row = row;
    made.columns = columns;
    auto plan = std::make_shared<const WritePlan>(std::move(made));
    return MakeBulkWriter([plan] { return open_writer(plan); });
  }
  Result<RowType> columns_of(std::unique_ptr<ReadableFile> file) const override {
    return parquet_format::columns_of(std::move(file));
  }

 private:
  static constexpr char kCompression[] = "parquet.compression";
  static constexpr char kUtc[] = "parquet.utc-timezone";
  static constexpr char kInt64[] = "parquet.write.int64.timestamp";
  static constexpr char kUnit[] = "parquet.timestamp.time.unit";

  static WritePlan read_options(TableOptions& options) {
    WritePlan plan;
    plan.codec = static_cast<Codec>(
        options.choice(kCompression, {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4", "BROTLI"},
                       static_cast<size_t>(Codec::kSnappy)));
    if (!options.flag(kUtc, true)) {
      options.fail(kUtc, "must be true: points in time are never moved by a zone of the machine");
    }
    plan.int64_timestamps = options.flag(kInt64, false);
    plan.unit = static_cast<TimeUnit>(options.choice(kUnit, {"millis", "micros", "nanos"},
                                                     static_cast<size_t>(TimeUnit::kMicros)));
    return plan;
  }
};

}  // namespace

std::unique_ptr<TableFormat> parquet_table_format() {
  return std::make_unique<ParquetTableFormat>();
}

}  // namespace tidewheel
