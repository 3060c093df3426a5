// Writes rows of columns as Parquet files.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/api/bulk_format.h"

namespace tidewheel::parquet_format {

enum class Codec : uint8_t { kUncompressed, kSnappy, kGzip, kZstd, kLz4, kBrotli };
enum class TimeUnit : uint8_t { kMillis, kMicros, kNanos };

struct WritePlan {
  RowType row;
  std::vector<size_t> columns;
  Codec codec = Codec::kSnappy;
  bool int64_timestamps = false;      // else 12 bytes, as Hive and Impala once had them
  TimeUnit unit = TimeUnit::kMicros;  // of those
};

// Errors: kSqlType for a column that Parquet has no form for.
Status check_columns(const RowType& row);
Result<std::unique_ptr<BulkWriter>> open_writer(std::shared_ptr<const WritePlan> plan);

}  // namespace tidewheel::parquet_format
