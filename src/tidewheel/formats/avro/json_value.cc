#include "tidewheel/formats/avro/json_value.h"

#include <algorithm>
#include <charconv>

#include "tidewheel/formats/avro/wire.h"

namespace tidewheel::avro {
namespace {

constexpr int32_t kDepthMax = 64;

class DefaultEncoder {
 public:
  DefaultEncoder(const Schema& schema, const JsonDocument& document, std::string& bytes)
      : schema_(schema), document_(document), bytes_(bytes) {}

  // False: the value does not fit the type, and `bytes` has what was appended before.
  bool append(NodeIndex type, uint32_t index, int32_t depth) {
    if (depth > kDepthMax) { return false; }
    const Node& node = schema_.node(type);
    const JsonNode& value = document_.node(index);
    switch (node.type) {
      case Type::kNull: return value.kind == JsonKind::kNull;
      case Type::kBoolean:
        if (value.kind != JsonKind::kTrue && value.kind != JsonKind::kFalse) { return false; }
        bytes_ += value.kind == JsonKind::kTrue ? '\1' : '\0';
        return true;
      case Type::kInt:
      case Type::kLong: return append_whole(node.type, value);
      case Type::kFloat:
      case Type::kDouble: return append_real(node.type, value);
      case Type::kBytes:
      case Type::kFixed: return append_binary(node, value);
      case Type::kString:
        if (value.kind != JsonKind::kString) { return false; }
        append_bytes(bytes_, unescaped(value, buffer_));
        return true;
      case Type::kEnum: return append_symbol(node, value);
      case Type::kArray: return append_array(node, index, depth);
      case Type::kMap: return append_map(node, index, depth);
      case Type::kRecord: return append_record(node, index, depth);
      case Type::kUnion: return append_union(node, index, depth);
    }
    return false;
  }

 private:
  bool append_whole(Type type, const JsonNode& value) {
    if (value.kind != JsonKind::kNumber) { return false; }
    int64_t number = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto [at, error] = std::from_chars(value.text.data(), end, number);
    if (error != std::errc() || at != end) { return false; }
    if (type == Type::kInt && number != static_cast<int32_t>(number)) { return false; }
    append_long(bytes_, number);
    return true;
  }
  bool append_real(Type type, const JsonNode& value) {
    double number = 0;
    if (value.kind == JsonKind::kString) {
      // JSON has no other way to say it.
      if (value.text == "NaN") {
        number = __builtin_nan("");
      } else if (value.text == "Infinity" || value.text == "INF") {
        number = __builtin_inf();
      } else if (value.text == "-Infinity" || value.text == "-INF") {
        number = -__builtin_inf();
      } else {
        return false;
      }
    } else if (value.kind == JsonKind::kNumber) {
      std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    } else {
      return false;
    }
    if (type == Type::kFloat) {
      append_fixed(bytes_, static_cast<float>(number));
    } else {
      append_fixed(bytes_, number);
    }
    return true;
  }
  // Each character up to U+00FF stands for a byte.
  bool append_binary(const Node& node, const JsonNode& value) {
    if (value.kind != JsonKind::kString) { return false; }
    const std::string_view text = unescaped(value, buffer_);
    std::string binary;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<uint8_t>(text[i]);
      if (byte < 0x80) {
        binary += text[i];
      } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
        binary += static_cast<char>((byte << 6) | (static_cast<uint8_t>(text[++i]) & 0x3f));
      } else {
        return false;
      }
    }
    if (node.type == Type::kBytes) {
      append_bytes(bytes_, binary);
      return true;
    }
    bytes_ += binary;
    return binary.size() == node.size;
  }
  bool append_symbol(const Node& node, const JsonNode& value) {
    if (value.kind != JsonKind::kString) { return false; }
    const auto it = std::find(node.symbols.begin(), node.symbols.end(), unescaped(value, buffer_));
    if (it == node.symbols.end()) { return false; }
    append_long(bytes_, it - node.symbols.begin());
    return true;
  }
  bool append_array(const Node& node, uint32_t index, int32_t depth) {
    const JsonNode& value = document_.node(index);
    if (value.kind != JsonKind::kArray) { return false; }
    if (value.size > 0) { append_long(bytes_, value.size); }
    for (uint32_t item = JsonDocument::first_of(index); item < value.next;
         item = document_.next_of(item)) {
      if (!append(node.children[0], item, depth + 1)) { return false; }
    }
    append_long(bytes_, 0);
    return true;
  }
  bool append_map(const Node& node, uint32_t index, int32_t depth) {
    const JsonNode& value = document_.node(index);
    if (value.kind != JsonKind::kObject) { return false; }
    if (value.size > 0) { append_long(bytes_, value.size); }
    for (uint32_t key = JsonDocument::first_of(index); key < value.next;) {
      append_bytes(bytes_, unescaped(document_.node(key), buffer_));
      const uint32_t mapped = document_.next_of(key);
      if (!append(node.children[0], mapped, depth + 1)) { return false; }
      key = document_.next_of(mapped);
    }
    append_long(bytes_, 0);
    return true;
  }
  bool append_record(const Node& node, uint32_t index, int32_t depth) {
    if (document_.node(index).kind != JsonKind::kObject) { return false; }
    for (const Field& field : node.fields) {
      const uint32_t member = document_.member(index, field.name);
      if (member != UINT32_MAX) {
        if (!append(field.type, member, depth + 1)) { return false; }
      } else if (field.has_default) {
        bytes_ += field.default_bytes;
      } else {
        return false;
      }
    }
    return true;
  }
  bool append_union(const Node& node, uint32_t index, int32_t depth) {
    const size_t size = bytes_.size();
    for (size_t branch = 0; branch < node.children.size(); ++branch) {
      append_long(bytes_, static_cast<int64_t>(branch));
      if (append(node.children[branch], index, depth + 1)) { return true; }
      bytes_.resize(size);
    }
    return false;
  }

  const Schema& schema_;
  const JsonDocument& document_;
  std::string& bytes_;
  std::string buffer_;
};

}  // namespace

Status append_default(const Schema& schema, NodeIndex type, const JsonDocument& document,
                      uint32_t index, std::string& bytes) {
  const size_t size = bytes.size();
  if (DefaultEncoder(schema, document, bytes).append(type, index, 0)) { return {}; }
  bytes.resize(size);
  std::string value;
  append_json(value, document, index);
  return invalid_argument(ErrorId::kFormatSchema, "the default {} is no {}", value,
                          type_name(schema.node(type).type));
}

}  // namespace tidewheel::avro
