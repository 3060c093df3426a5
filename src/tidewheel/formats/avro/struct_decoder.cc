#include "tidewheel/formats/avro/struct_decoder.h"

namespace tidewheel::avro {

namespace struct_detail {
namespace {

constexpr int32_t kDepthMax = 256;

bool skip_list(const Schema& schema, const Node& node, WireReader& in, int64_t& empty_left,
               int32_t depth) {
  const bool is_map = node.type == Type::kMap;
  const bool is_empty = !is_map && takes_no_bytes(schema, node.children[0]);
  while (true) {
    int64_t count = 0;
    std::string_view key;
    if (!read_block(in, is_empty, empty_left, count)) { return false; }
    if (count == 0) { return true; }
    for (int64_t i = 0; i < count && !is_empty; ++i) {
      if (is_map && !in.read_bytes(key)) { return false; }
      if (!skip_value(schema, node.children[0], in, empty_left, depth + 1)) { return false; }
    }
  }
}

bool is_empty_at(const Schema& schema, NodeIndex type, int32_t depth) {
  const Node& node = schema.node(type);
  if (node.type == Type::kNull) { return true; }
  if (node.type == Type::kFixed) { return node.size == 0; }
  if (node.type != Type::kRecord) { return false; }
  if (depth > kDepthMax) { return true; }
  for (const Field& field : node.fields) {
    if (!is_empty_at(schema, field.type, depth + 1)) { return false; }
  }
  return true;
}

}  // namespace

bool skip_value(const Schema& schema, NodeIndex type, WireReader& in, int64_t& empty_left,
                int32_t depth) {
  const Node& node = schema.node(type);
  int64_t number = 0;
  std::string_view bytes;
  if (depth > kDepthMax) { return false; }
  switch (node.type) {
    case Type::kNull: return true;
    case Type::kBoolean: return in.skip(1);
    case Type::kInt:
    case Type::kLong:
    case Type::kEnum: return in.read_long(number);
    case Type::kFloat: return in.skip(sizeof(float));
    case Type::kDouble: return in.skip(sizeof(double));
    case Type::kFixed: return in.skip(node.size);
    case Type::kBytes:
    case Type::kString: return in.read_bytes(bytes);
    case Type::kArray:
    case Type::kMap: return skip_list(schema, node, in, empty_left, depth);
    case Type::kUnion:
      return in.read_long(number) && number >= 0 && number < std::ssize(node.children) &&
             skip_value(schema, node.children[static_cast<size_t>(number)], in, empty_left,
                        depth + 1);
    case Type::kRecord: break;
  }
  for (const Field& field : node.fields) {
    if (!skip_value(schema, field.type, in, empty_left, depth + 1)) { return false; }
  }
  return true;
}

Status misfit(const CompileContext& context, NodeIndex type, const std::string& path,
              std::string_view wanted) {
  const Node& node = context.writer.node(type);
  return invalid_argument(
      ErrorId::kFormatSchema, "schema of Avro: {}: the field is for {}, and the writer has {}",
      path, wanted, node.is_named() ? std::string_view(node.name) : type_name(node.type));
}

bool read_block(WireReader& in, bool is_empty, int64_t& empty_left, int64_t& count) {
  int64_t bytes = 0;
  if (!in.read_long(count) || count == INT64_MIN) { return false; }
  if (count < 0) {
    count = -count;
    if (!in.read_long(bytes) || bytes < 0) { return false; }
  }
  if (!is_empty) { return static_cast<uint64_t>(count) <= in.left(); }
  if (count > empty_left) { return false; }
  empty_left -= count;
  return true;
}

bool takes_no_bytes(const Schema& schema, NodeIndex type) { return is_empty_at(schema, type, 0); }

bool read_unscaled(WireReader& in, const Node& node, Int128& value) {
  if (node.type == Type::kInt || node.type == Type::kLong) {
    int64_t whole = 0;
    if (!in.read_long(whole)) { return false; }
    value = whole;
    return true;
  }
  std::string_view bytes;
  if (node.type == Type::kBytes) {
    if (!in.read_bytes(bytes)) { return false; }
  } else {
    bytes = {in.at(), node.size};
    if (!in.skip(node.size)) { return false; }
  }
  return parse_unscaled(bytes, value);
}

int64_t units_per_ms(Logical logical) {
  switch (logical) {
    case Logical::kTimestampMicros:
    case Logical::kLocalTimestampMicros: return 1'000;
    case Logical::kTimestampNanos:
    case Logical::kLocalTimestampNanos: return 1'000'000;
    default: return 1;
  }
}

}  // namespace struct_detail
}  // namespace tidewheel::avro
