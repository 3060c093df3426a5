// Schemas of Avro 1.11: what the bytes of a value mean. Parsed from JSON, and printed as such.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::avro {

enum class Type : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,  // named, as are enums and fixed
  kEnum,
  kFixed,
  kArray,  // children[0]
  kMap,    // children[0]; keys are strings
  kUnion,  // children
};
std::string_view type_name(Type type);

// What a value stands for beyond its type. One that is unknown, or does not fit, is ignored, as the
// specification has it.
enum class Logical : uint8_t {
  kNone,
  kDecimal,  // of bytes and fixed
  kUuid,
  kDate,
  kTimeMillis,
  kTimeMicros,
  kTimestampMillis,
  kTimestampMicros,
  kTimestampNanos,
  kLocalTimestampMillis,
  kLocalTimestampMicros,
  kLocalTimestampNanos,
  kDuration,  // of fixed(12)
};
std::string_view logical_name(Logical logical);

using NodeIndex = uint32_t;

struct Field {
  std::string name;
  std::vector<std::string> aliases = {};
  std::string doc = {};
  NodeIndex type = 0;
  bool has_default = false;
  std::string default_json = {};   // as it is printed
  std::string default_bytes = {};  // the value, encoded by the field's type
};

struct Node {
  Type type = Type::kNull;
  Logical logical = Logical::kNone;
  int32_t precision = 0;  // of kDecimal
  int32_t scale = 0;
  uint32_t size = 0;                      // of fixed
  std::string name = {};                  // of named types, with the namespace
  std::vector<std::string> aliases = {};  // with the namespace
  std::string doc = {};
  std::vector<Field> fields = {};                  // of records
  std::vector<std::string> symbols = {};           // of enums
  std::optional<std::string> default_symbol = {};  // of enums
  std::vector<NodeIndex> children = {};

  bool is_named() const {
    return type == Type::kRecord || type == Type::kEnum || type == Type::kFixed;
  }
};

// Types that refer to each other; a record may hold itself. Immutable once it is built.
class Schema {
 public:
  static constexpr size_t kTextBytesMax = size_t{4} << 20;
  static constexpr size_t kNodesMax = 100'000;

  // Errors: kFormatSchema, naming the place in the text.
  static Result<Schema> parse(std::string_view json);
  // The last text is the schema; the others define named types that it refers to, in an order in
  // which each knows those before it.
  static Result<Schema> parse(std::span<const std::string> texts);

  NodeIndex root() const { return root_; }
  const Node& node(NodeIndex index) const { return nodes_[index]; }
  size_t size() const { return nodes_.size(); }

  // With documentation, aliases and defaults, but without attributes that mean nothing to Avro.
  std::string to_json() const;
  // The "parsing canonical form": equal for schemas that are read alike.
  std::string canonical() const;
  // CRC-64-AVRO of the canonical form.
  uint64_t fingerprint() const;

  // ---- Building, in any order.
  NodeIndex add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<NodeIndex>(nodes_.size() - 1);
  }
  Node& mutable_node(NodeIndex index) { return nodes_[index]; }
  void set_root(NodeIndex root) { root_ = root; }

 private:
  std::vector<Node> nodes_;
  NodeIndex root_ = 0;
};

// The name without its namespace.
std::string_view short_name(std::string_view full_name);
// Whether a type may have this name: letters, digits and underscores.
bool is_name(std::string_view name);

}  // namespace tidewheel::avro
