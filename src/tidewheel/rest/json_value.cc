#include "tidewheel/rest/json_value.h"

#include <cmath>

#include "tidewheel/base/config.h"
#include "tidewheel/types/json_document.h"

namespace tidewheel {
namespace {

// Up to here a double has every integer.
constexpr double kExactMax = 9007199254740992;

}  // namespace

class JsonValue::Reader {
 public:
  bool parse(std::string_view text) { return document_.parse(text); }
  JsonValue read(uint32_t index) {
    const JsonNode& node = document_.node(index);
    JsonValue out;
    switch (node.kind) {
      case JsonKind::kNull: break;
      case JsonKind::kTrue:
      case JsonKind::kFalse:
        out.kind_ = Kind::kBool;
        out.text_ = node.kind == JsonKind::kTrue ? "true" : "false";
        break;
      case JsonKind::kNumber:
        out.kind_ = Kind::kNumber;
        out.text_ = node.text;
        break;
      case JsonKind::kString:
        out.kind_ = Kind::kText;
        out.text_ = text_of(node);
        break;
      case JsonKind::kArray: {
        out.kind_ = Kind::kArray;
        out.items_.reserve(node.size);
        uint32_t at = JsonDocument::first_of(index);
        for (uint32_t i = 0; i < node.size; ++i) {
          out.items_.push_back(read(at));
          at = document_.next_of(at);
        }
        break;
      }
      case JsonKind::kObject: {
        out.kind_ = Kind::kObject;
        out.members_.reserve(node.size);
        uint32_t at = JsonDocument::first_of(index);
        for (uint32_t i = 0; i < node.size; ++i) {
          out.members_.emplace_back(text_of(document_.node(at)), read(at + 1));
          at = document_.next_of(at + 1);
        }
        break;
      }
    }
    return out;
  }

 private:
  static std::string text_of(const JsonNode& node) {
    std::string buffer;
    return std::string(unescaped(node, buffer));
  }
  JsonDocument document_;
};

Result<JsonValue> JsonValue::parse(std::string_view text) {
  Reader reader;
  if (!reader.parse(text)) {
    return invalid_argument(ErrorId::kRestRequest, "not JSON, or nested too deeply: {}",
                            text.substr(0, 200));
  }
  return reader.read(0);
}

std::optional<int64_t> JsonValue::as_integer() const {
  if (kind_ != Kind::kNumber) { return std::nullopt; }
  const Result<int64_t> value = parse_int(text_);
  if (value.ok()) { return *value; }
  // 2.0 and 1e3 are integers too.
  const double number = parse_double(text_).value_or(0.5);
  if (std::abs(number) > kExactMax || number != std::trunc(number)) { return std::nullopt; }
  return static_cast<int64_t>(number);
}

double JsonValue::number() const {
  if (kind_ != Kind::kNumber) { return 0; }
  return parse_double(text_).value_or(0);
}

const JsonValue& JsonValue::operator[](std::string_view key) const {
  static const JsonValue kNothing;
  for (size_t i = members_.size(); i > 0; --i) {
    if (members_[i - 1].first == key) { return members_[i - 1].second; }
  }
  return kNothing;
}

}  // namespace tidewheel
