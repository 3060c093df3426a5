#include "tidewheel/registry/answers.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tidewheel/types/json_document.h"

namespace tidewheel::registry {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

class Answer {
 public:
  explicit Answer(std::string_view body)
      : good_(document_.parse(body) && document_.node(0).kind == JsonKind::kObject) {}

  bool good() const { return good_; }
  const JsonDocument& document() const { return document_; }
  std::optional<std::string> text(uint32_t object, std::string_view key) {
    const uint32_t index = document_.member(object, key);
    if (index == kNone || document_.node(index).kind != JsonKind::kString) { return std::nullopt; }
    return std::string(unescaped(document_.node(index), buffer_));
  }
  std::optional<int32_t> number(uint32_t object, std::string_view key) const {
    const uint32_t index = document_.member(object, key);
    if (index == kNone || document_.node(index).kind != JsonKind::kNumber) { return std::nullopt; }
    const std::string_view text = document_.node(index).text;
    int32_t value = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || at != text.data() + text.size()) { return std::nullopt; }
    return value;
  }

 private:
  JsonDocument document_;
  std::string buffer_;
  bool good_;
};

Status not_understood(const char* what, std::string_view body) {
  constexpr size_t kShownBytes = 200;
  return unavailable(ErrorId::kSchemaRegistry, "an answer of the registry is no {}: {}", what,
                     body.substr(0, kShownBytes));
}

}  // namespace

Result<SchemaAnswer> parse_schema_answer(std::string_view body) {
  Answer answer(body);
  if (!answer.good()) { return not_understood("schema", body); }
  SchemaAnswer found;
  const auto schema = answer.text(0, "schema");
  if (!schema.has_value()) { return not_understood("schema", body); }
  found.schema = *schema;
  found.type = answer.text(0, "schemaType").value_or("AVRO");
  const JsonDocument& document = answer.document();
  const uint32_t list = document.member(0, "references");
  if (list == kNone || document.node(list).kind != JsonKind::kArray) { return found; }
  for (uint32_t item = JsonDocument::first_of(list); item < document.node(list).next;
       item = document.next_of(item)) {
    if (document.node(item).kind != JsonKind::kObject) { return not_understood("schema", body); }
    const auto subject = answer.text(item, "subject");
    const auto version = answer.number(item, "version");
    if (!subject.has_value() || !version.has_value()) { return not_understood("schema", body); }
    found.references.push_back({*subject, *version, answer.text(item, "name").value_or("")});
  }
  return found;
}

Result<int32_t> parse_id_answer(std::string_view body) {
  Answer answer(body);
  const auto id = answer.good() ? answer.number(0, "id") : std::nullopt;
  if (!id.has_value() || *id < 0) { return not_understood("id", body); }
  return *id;
}

std::string refusal_text(int32_t status, std::string_view body) {
  constexpr size_t kShownBytes = 500;
  Answer answer(body);
  if (answer.good()) {
    const auto message = answer.text(0, "message");
    const auto code = answer.number(0, "error_code");
    if (message.has_value()) {
      return *message + " (" + std::to_string(code.value_or(status)) + ")";
    }
  }
  return "status " + std::to_string(status) + (body.empty() ? "" : ": ") +
         std::string(body.substr(0, kShownBytes));
}

std::string schema_body(std::string_view type, std::string_view schema) {
  std::string body = "{\"schema\":";
  append_json_string(body, schema);
  if (type != "AVRO") {
    body += ",\"schemaType\":";
    append_json_string(body, type);
  }
  return body + "}";
}

}  // namespace tidewheel::registry
