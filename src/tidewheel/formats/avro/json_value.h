// Values of Avro written as JSON, as defaults are in schemas.
#pragma once
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/types/json_document.h"

namespace tidewheel::avro {

// Appends the value at `index` of the document, encoded by a type of the schema. Of a union it is
// the first branch that the value fits. Errors: kFormatSchema, naming the value and the type.
Status append_default(const Schema& schema, NodeIndex type, const JsonDocument& document,
                      uint32_t index, std::string& bytes);

}  // namespace tidewheel::avro
