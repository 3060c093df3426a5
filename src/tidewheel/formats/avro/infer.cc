#include "tidewheel/formats/avro/infer.h"

#include <optional>
#include <utility>

#include "tidewheel/formats/avro/container.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/formats/avro/sql_schema.h"

namespace tidewheel::avro {

Result<Inferred> infer(std::string_view sample) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::optional<ContainerHead> head, read_head(sample));
  if (!head.has_value()) {
    return invalid_argument(ErrorId::kRecordMalformed, "an Avro file is cut short in its head");
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const Schema schema, Schema::parse(head->schema));
  Inferred found;
  TIDEWHEEL_ASSIGN_OR_RETURN(found.type, row_type_of(schema));
  found.schema = std::move(head->schema);
  return found;
}

}  // namespace tidewheel::avro
