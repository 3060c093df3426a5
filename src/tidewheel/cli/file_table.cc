#include "tidewheel/cli/file_table.h"

namespace tidewheel {

Result<std::shared_ptr<const TableDefinition>> make_file_table(FileSystem&,
                                                               const std::string& path) {
  return invalid_argument(ErrorId::kSqlOption, "no format is known for this file: {}", path);
}

}  // namespace tidewheel
