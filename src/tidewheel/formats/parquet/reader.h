// Reads rows of Parquet files into columns: the columns that are wanted, of the groups of rows of
// one split, without those that can't have what is asked for.
#pragma once
#include <memory>

#include "tidewheel/api/bulk_format.h"

namespace tidewheel::parquet_format {

struct ReadPlan {
  DecodedRow row;
  std::vector<BulkFilter> filters;
};

Result<std::unique_ptr<BulkReader>> open_reader(std::shared_ptr<const ReadPlan> plan,
                                                std::unique_ptr<ReadableFile> file,
                                                const BulkSplit& split);
// The columns of a file's schema.
Result<RowType> columns_of(std::unique_ptr<ReadableFile> file);

}  // namespace tidewheel::parquet_format
