#include "tidewheel/sql/type_text.h"

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/parser.h"

namespace tidewheel::sql {

Result<LogicalType> parse_logical_type(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const DataType type, parse_data_type(text));
  return bind_type(text, type);
}

}  // namespace tidewheel::sql
