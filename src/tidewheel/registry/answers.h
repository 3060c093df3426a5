// The registry's answers, which are JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::registry {

struct SchemaAnswer {
  struct Reference {
    std::string subject;
    int32_t version = 0;
    std::string name;  // as the schema calls it: of Protobuf the file that it imports
  };
  std::string type = "AVRO";
  std::string schema;
  std::vector<Reference> references;
};

// {"schema": "..", "schemaType": "..", "references": [{"name", "subject", "version"}]}
// Errors: kSchemaRegistry.
Result<SchemaAnswer> parse_schema_answer(std::string_view body);
// {"id": 7}. Errors: kSchemaRegistry.
Result<int32_t> parse_id_answer(std::string_view body);
// {"error_code": 42201, "message": ".."}, as "message (42201)"; the body's start when it is not so.
std::string refusal_text(int32_t status, std::string_view body);
// The body of a request that registers or looks for a schema.
std::string schema_body(std::string_view type, std::string_view schema);

}  // namespace tidewheel::registry
