// Fuzzes what a registry of schemas answers, the frames of messages, and the URLs of registries.
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/registry/answers.h"
#include "tidewheel/registry/options.h"
#include "tidewheel/registry/table_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(registry::parse_id_answer(bytes));
  static_cast<void>(registry::refusal_text(500, bytes));
  const auto schema = registry::parse_schema_answer(bytes);
  if (schema.ok()) {
    const auto again =
        registry::parse_schema_answer(registry::schema_body(schema->type, schema->schema));
    TIDEWHEEL_CHECK(again.ok() && again->schema == schema->schema && again->type == schema->type);
  }
  static_cast<void>(registry::parse_servers(bytes));
  if (const auto framed = registry::unframed(bytes); framed.has_value()) {
    std::string message;
    registry::append_frame(message, framed->id);
    message += framed->value;
    TIDEWHEEL_CHECK(message == bytes);
  }
  return 0;
}
