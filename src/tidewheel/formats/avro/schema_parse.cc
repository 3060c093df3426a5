// Schemas from JSON: the specification's "Schema Declaration".
#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "tidewheel/formats/avro/json_value.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/types/json_document.h"

namespace tidewheel::avro {
namespace {

constexpr int32_t kDepthMax = 200;
constexpr int32_t kPrimitiveCount = 8;  // the first types
constexpr uint32_t kNone = UINT32_MAX;

// The last name is the one that is read; a name with dots has a namespace of its own.
std::string full_name(const std::string& name, const std::string& name_space) {
  if (name.find('.') != std::string::npos || name_space.empty()) { return name; }
  return name_space + "." + name;
}
std::string namespace_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

class Parser {
 public:
  explicit Parser(Schema& schema) : schema_(schema) {}

  Result<NodeIndex> parse(std::string_view text) {
    if (text.size() > Schema::kTextBytesMax) {
      return fail("the schema has more than " + std::to_string(Schema::kTextBytesMax) + " bytes");
    }
    if (!document_.parse(text)) {
      // The name of a primitive type may stand without quotes, as registries give it.
      const auto primitive = primitive_of(text);
      if (!primitive.has_value()) { return fail("it is no JSON"); }
      return schema_.add(Node{.type = *primitive});
    }
    defaults_.clear();
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex root, type_at(0, "", 0));
    TIDEWHEEL_RETURN_IF_ERROR(encode_defaults());
    return root;
  }

 private:
  struct Default {
    NodeIndex record;
    size_t field;
    uint32_t value;  // in the document
  };

  Status fail(const std::string& why) const {
    return invalid_argument(ErrorId::kFormatSchema, "schema of Avro, at ${}: {}", path_, why);
  }
  static std::optional<Type> primitive_of(std::string_view name) {
    for (int32_t i = 0; i < kPrimitiveCount; ++i) {
      if (type_name(static_cast<Type>(i)) == name) { return static_cast<Type>(i); }
    }
    return std::nullopt;
  }
  uint32_t member(uint32_t object, std::string_view key) const {
    return document_.member(object, key);
  }
  // A member that is a string; nothing when it is not there.
  Result<std::optional<std::string>> text_of(uint32_t object, std::string_view key) {
    const uint32_t index = member(object, key);
    if (index == kNone) { return std::optional<std::string>(); }
    const JsonNode& node = document_.node(index);
    if (node.kind != JsonKind::kString) {
      return fail("'" + std::string(key) + "' must be a string");
    }
    return std::optional<std::string>(std::string(unescaped(node, buffer_)));
  }
  Result<std::vector<std::string>> texts_of(uint32_t object, std::string_view key) {
    std::vector<std::string> texts;
    const uint32_t index = member(object, key);
    if (index == kNone) { return texts; }
    const JsonNode& list = document_.node(index);
    bool good = list.kind == JsonKind::kArray;
    for (uint32_t item = JsonDocument::first_of(index); good && item < list.next;
         item = document_.next_of(item)) {
      good = document_.node(item).kind == JsonKind::kString;
      if (good) { texts.emplace_back(unescaped(document_.node(item), buffer_)); }
    }
    if (!good) { return fail("'" + std::string(key) + "' must be an array of strings"); }
    return texts;
  }
  // A whole number from 0 to INT32_MAX; -1 when it is none, or not there.
  int32_t number_of(uint32_t object, std::string_view key) const {
    const uint32_t index = member(object, key);
    if (index == kNone || document_.node(index).kind != JsonKind::kNumber) { return -1; }
    const std::string_view text = document_.node(index).text;
    int32_t number = -1;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && at == text.data() + text.size() && number >= 0 ? number : -1;
  }

  Result<NodeIndex> type_at(uint32_t index, const std::string& name_space, int32_t depth) {
    if (depth > kDepthMax) { return fail("types are nested too deeply"); }
    if (schema_.size() >= Schema::kNodesMax) { return fail("there are too many types"); }
    const JsonNode& node = document_.node(index);
    switch (node.kind) {
      case JsonKind::kString: return named(std::string(unescaped(node, buffer_)), name_space);
      case JsonKind::kArray: return union_at(index, name_space, depth);
      case JsonKind::kObject: return object_at(index, name_space, depth);
      default: return fail("a type is a name, an object, or an array of types (a union)");
    }
  }

  Result<NodeIndex> named(const std::string& name, const std::string& name_space) {
    if (const auto primitive = primitive_of(name); primitive.has_value()) {
      return schema_.add(Node{.type = *primitive});
    }
    auto it = names_.find(full_name(name, name_space));
    if (it == names_.end()) { it = names_.find(name); }
    if (it == names_.end()) {
      std::string known;
      for (const auto& [one, index] : names_) { known += (known.empty() ? "" : ", ") + one; }
      return fail("there is no type '" + name + "'" +
                  (known.empty() ? std::string() : "; named types so far: " + known));
    }
    return it->second;
  }

  Result<NodeIndex> union_at(uint32_t index, const std::string& name_space, int32_t depth) {
    Node node{.type = Type::kUnion};
    const JsonNode& list = document_.node(index);
    std::set<std::string> kinds;
    size_t number = 0;
    for (uint32_t item = JsonDocument::first_of(index); item < list.next;
         item = document_.next_of(item)) {
      const size_t size = push("[" + std::to_string(number++) + "]");
      TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex branch, type_at(item, name_space, depth + 1));
      const Node& type = schema_.node(branch);
      if (type.type == Type::kUnion) { return fail("a union can't be in a union"); }
      const std::string kind = type.is_named() ? type.name : std::string(type_name(type.type));
      if (!kinds.insert(kind).second) { return fail("the union has " + kind + " twice"); }
      node.children.push_back(branch);
      path_.resize(size);
    }
    return schema_.add(std::move(node));
  }

  Result<NodeIndex> object_at(uint32_t index, const std::string& name_space, int32_t depth) {
    const uint32_t type = member(index, "type");
    if (type == kNone) { return fail("there is no 'type'"); }
    if (document_.node(type).kind != JsonKind::kString) {
      // {"type": {"type": ..}} is that type.
      return type_at(type, name_space, depth + 1);
    }
    const std::string name(unescaped(document_.node(type), buffer_));
    if (name == "record" || name == "error") { return record_at(index, name_space, depth); }
    if (name == "enum") { return enum_at(index, name_space); }
    if (name == "fixed") { return fixed_at(index, name_space); }
    if (name == "array" || name == "map") {
      const char* const key = name == "array" ? "items" : "values";
      const uint32_t inner = member(index, key);
      if (inner == kNone) { return fail("there is no '" + std::string(key) + "'"); }
      const size_t size = push("." + std::string(key));
      TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex child, type_at(inner, name_space, depth + 1));
      path_.resize(size);
      return schema_.add(
          Node{.type = name == "array" ? Type::kArray : Type::kMap, .children = {child}});
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex made, named(name, name_space));
    if (schema_.node(made).type < Type::kRecord) { read_logical(index, made); }
    return made;
  }

  // Makes the node of a named type, which may from then on be referred to.
  Result<NodeIndex> begin_named(uint32_t index, Type type, const std::string& name_space) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto name, text_of(index, "name"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto own_space, text_of(index, "namespace"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto doc, text_of(index, "doc"));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> aliases, texts_of(index, "aliases"));
    if (!name.has_value()) { return fail(std::string(type_name(type)) + " without 'name'"); }
    Node node{.type = type};
    node.name = full_name(*name, own_space.value_or(name_space));
    if (node.name.starts_with('.')) { node.name.erase(0, 1); }
    for (size_t begin = 0; begin <= node.name.size();) {
      const size_t dot = std::min(node.name.find('.', begin), node.name.size());
      if (!is_name(std::string_view(node.name).substr(begin, dot - begin))) {
        return fail("'" + node.name + "' is no name: it must have letters, digits and _ only");
      }
      begin = dot + 1;
    }
    if (primitive_of(node.name).has_value()) {
      return fail("'" + node.name + "' is the name of a primitive type");
    }
    node.doc = doc.value_or("");
    for (std::string& alias : aliases) {
      node.aliases.push_back(full_name(alias, namespace_of(node.name)));
    }
    const std::string known = node.name;
    const NodeIndex made = schema_.add(std::move(node));
    if (!names_.emplace(known, made).second) { return fail("'" + known + "' is there twice"); }
    return made;
  }

  Result<NodeIndex> record_at(uint32_t index, const std::string& name_space, int32_t depth) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex made, begin_named(index, Type::kRecord, name_space));
    const std::string inner_space = namespace_of(schema_.node(made).name);
    const uint32_t list = member(index, "fields");
    if (list == kNone || document_.node(list).kind != JsonKind::kArray) {
      return fail("'fields' must be an array");
    }
    std::vector<Field> fields;
    std::set<std::string> names;
    for (uint32_t item = JsonDocument::first_of(list); item < document_.node(list).next;
         item = document_.next_of(item)) {
      const size_t size = push(".fields[" + std::to_string(fields.size()) + "]");
      if (document_.node(item).kind != JsonKind::kObject) { return fail("a field is an object"); }
      TIDEWHEEL_ASSIGN_OR_RETURN(Field field, field_at(item, inner_space, depth));
      if (!names.insert(field.name).second) { return fail("'" + field.name + "' is there twice"); }
      if (const uint32_t value = member(item, "default"); value != kNone) {
        field.has_default = true;
        append_json(field.default_json, document_, value);
        defaults_.push_back({made, fields.size(), value});
      }
      fields.push_back(std::move(field));
      path_.resize(size);
    }
    schema_.mutable_node(made).fields = std::move(fields);
    return made;
  }

  Result<Field> field_at(uint32_t index, const std::string& name_space, int32_t depth) {
    Field field;
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto name, text_of(index, "name"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto doc, text_of(index, "doc"));
    TIDEWHEEL_ASSIGN_OR_RETURN(field.aliases, texts_of(index, "aliases"));
    if (!name.has_value() || !is_name(*name)) {
      return fail("a field's 'name' must have letters, digits and _ only");
    }
    field.name = *name;
    field.doc = doc.value_or("");
    const uint32_t type = member(index, "type");
    if (type == kNone) { return fail("the field '" + field.name + "' has no 'type'"); }
    const size_t size = push(".type");
    TIDEWHEEL_ASSIGN_OR_RETURN(field.type, type_at(type, name_space, depth + 1));
    path_.resize(size);
    return field;
  }

  Result<NodeIndex> enum_at(uint32_t index, const std::string& name_space) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex made, begin_named(index, Type::kEnum, name_space));
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<std::string> symbols, texts_of(index, "symbols"));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto default_symbol, text_of(index, "default"));
    if (symbols.empty()) { return fail("an enum needs 'symbols'"); }
    std::set<std::string> known;
    for (const std::string& symbol : symbols) {
      if (!is_name(symbol)) { return fail("'" + symbol + "' is no symbol"); }
      if (!known.insert(symbol).second) { return fail("'" + symbol + "' is there twice"); }
    }
    if (default_symbol.has_value() && known.count(*default_symbol) == 0) {
      return fail("the default '" + *default_symbol + "' is none of the symbols");
    }
    Node& node = schema_.mutable_node(made);
    node.symbols = std::move(symbols);
    node.default_symbol = std::move(default_symbol);
    return made;
  }

  Result<NodeIndex> fixed_at(uint32_t index, const std::string& name_space) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex made, begin_named(index, Type::kFixed, name_space));
    const int32_t size = number_of(index, "size");
    if (size < 0) { return fail("'size' must be a whole number"); }
    schema_.mutable_node(made).size = static_cast<uint32_t>(size);
    read_logical(index, made);
    return made;
  }

  void read_logical(uint32_t index, NodeIndex made) {
    const uint32_t member = document_.member(index, "logicalType");
    if (member == kNone || document_.node(member).kind != JsonKind::kString) { return; }
    const std::string_view name = unescaped(document_.node(member), buffer_);
    Node& node = schema_.mutable_node(made);
    for (auto logical = Logical::kDecimal; logical <= Logical::kDuration;
         logical = static_cast<Logical>(static_cast<int>(logical) + 1)) {
      if (logical_name(logical) != name || !fits(logical, node)) { continue; }
      if (logical == Logical::kDecimal) {
        const int32_t precision = number_of(index, "precision");
        const bool has_scale = document_.member(index, "scale") != kNone;
        const int32_t scale = has_scale ? number_of(index, "scale") : 0;
        if (precision < 1 || scale < 0 || scale > precision) { return; }
        node.precision = precision;
        node.scale = scale;
      }
      node.logical = logical;
    }
  }
  static bool fits(Logical logical, const Node& node) {
    switch (logical) {
      case Logical::kNone: return false;
      case Logical::kDecimal: return node.type == Type::kBytes || node.type == Type::kFixed;
      case Logical::kUuid:
        return node.type == Type::kString || (node.type == Type::kFixed && node.size == 16);
      case Logical::kDate:
      case Logical::kTimeMillis: return node.type == Type::kInt;
      case Logical::kDuration: return node.type == Type::kFixed && node.size == 12;
      default: return node.type == Type::kLong;
    }
  }

  // Last, since a default may be of a type that was defined after its field.
  Status encode_defaults() {
    for (const Default& one : defaults_) {
      std::string bytes;
      const Node& record = schema_.node(one.record);
      const Field& field = record.fields[one.field];
      TIDEWHEEL_RETURN_IF_ERROR(
          append_default(schema_, field.type, document_, one.value, bytes)
              .with_context("schema of Avro, field '{}' of {}", field.name, record.name));
      schema_.mutable_node(one.record).fields[one.field].default_bytes = std::move(bytes);
    }
    return {};
  }

  size_t push(const std::string& part) {
    const size_t size = path_.size();
    path_ += part;
    return size;
  }

  Schema& schema_;
  JsonDocument document_;
  std::map<std::string, NodeIndex> names_;
  std::vector<Default> defaults_;
  std::string path_;
  std::string buffer_;
};

}  // namespace

Result<Schema> Schema::parse(std::string_view json) {
  Schema schema;
  Parser parser(schema);
  TIDEWHEEL_ASSIGN_OR_RETURN(schema.root_, parser.parse(json));
  return schema;
}

Result<Schema> Schema::parse(std::span<const std::string> texts) {
  Schema schema;
  Parser parser(schema);
  for (const std::string& text : texts) {
    TIDEWHEEL_ASSIGN_OR_RETURN(schema.root_, parser.parse(text));
  }
  return schema;
}

}  // namespace tidewheel::avro
