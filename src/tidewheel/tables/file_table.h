// A file as a table: FROM 'flights.csv.gz'.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/api/table.h"

namespace tidewheel {

class FileSystem;  // base/file_system.h

// By its ending a file is CSV with a header (.csv), JSON, an object a line (.json, .jsonl or
// .ndjson), or a container file of Avro (.avro); .gz and .zst may come behind; or Parquet
// (.parquet). Columns and their types are those of the file's schema, or are found by looking at
// the first rows; of a folder in its first such file: all its files with that ending are read.
// `tables` has the formats that come from plug-ins. Errors: kSqlOption, and those of reading.
Result<std::shared_ptr<const TableDefinition>> make_file_table(FileSystem& files,
                                                               const TableRegistry& tables,
                                                               const std::string& path);

}  // namespace tidewheel
