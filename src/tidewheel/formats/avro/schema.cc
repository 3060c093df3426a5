#include "tidewheel/formats/avro/schema.h"

#include <array>

#include "tidewheel/types/json_document.h"

namespace tidewheel::avro {
namespace {

constexpr std::array<std::string_view, 14> kTypeNames = {
    "null",   "boolean", "int",  "long",  "float", "double", "bytes",
    "string", "record",  "enum", "fixed", "array", "map",    "union"};
constexpr std::array<std::string_view, 13> kLogicalNames = {"",
                                                            "decimal",
                                                            "uuid",
                                                            "date",
                                                            "time-millis",
                                                            "time-micros",
                                                            "timestamp-millis",
                                                            "timestamp-micros",
                                                            "timestamp-nanos",
                                                            "local-timestamp-millis",
                                                            "local-timestamp-micros",
                                                            "local-timestamp-nanos",
                                                            "duration"};

void append_list(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) { out += ','; }
    append_json_string(out, texts[i]);
  }
  out += ']';
}

// Prints a schema. A named type is written out where it comes first.
class Printer {
 public:
  Printer(const Schema& schema, bool canonical)
      : schema_(schema), canonical_(canonical), written_(schema.size()) {}

  std::string print() {
    append(schema_.root());
    return std::move(out_);
  }

 private:
  void key(std::string_view name) {
    out_ += ",\"";
    out_ += name;
    out_ += "\":";
  }
  void append(NodeIndex index) {
    const Node& node = schema_.node(index);
    if (node.is_named()) { return append_named(index); }
    if (node.type == Type::kUnion) { return append_union(node); }
    const bool is_plain = node.type < Type::kRecord;
    const bool has_logical = node.logical != Logical::kNone && !canonical_;
    if (is_plain && !has_logical) { return append_json_string(out_, type_name(node.type)); }
    out_ += "{\"type\":\"";
    out_ += type_name(node.type);
    out_ += '"';
    if (!is_plain) {
      key(node.type == Type::kArray ? "items" : "values");
      append(node.children[0]);
    }
    append_logical(node);
    out_ += '}';
  }
  void append_union(const Node& node) {
    out_ += '[';
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) { out_ += ','; }
      append(node.children[i]);
    }
    out_ += ']';
  }
  void append_logical(const Node& node) {
    if (canonical_ || node.logical == Logical::kNone) { return; }
    key("logicalType");
    append_json_string(out_, logical_name(node.logical));
    if (node.logical != Logical::kDecimal) { return; }
    key("precision");
    out_ += std::to_string(node.precision);
    key("scale");
    out_ += std::to_string(node.scale);
  }
  void append_named(NodeIndex index) {
    const Node& node = schema_.node(index);
    if (written_[index]) { return append_json_string(out_, node.name); }
    written_[index] = true;
    // The canonical form has the name first.
    out_ += canonical_ ? "{\"name\":" : "{\"type\":";
    append_json_string(out_, canonical_ ? node.name : type_name(node.type));
    key(canonical_ ? "type" : "name");
    append_json_string(out_, canonical_ ? type_name(node.type) : std::string_view(node.name));
    const std::string around = namespace_;
    const size_t dot = node.name.rfind('.');
    namespace_ = dot == std::string::npos ? "" : node.name.substr(0, dot);
    if (!canonical_) {
      // Without one it would be in that of the record around it.
      if (namespace_.empty() && !around.empty()) {
        key("namespace");
        out_ += "\"\"";
      }
      append_notes(node.doc, node.aliases);
    }
    if (node.type == Type::kRecord) { append_fields(node); }
    if (node.type == Type::kEnum) {
      key("symbols");
      append_list(out_, node.symbols);
      if (node.default_symbol.has_value() && !canonical_) {
        key("default");
        append_json_string(out_, *node.default_symbol);
      }
    }
    if (node.type == Type::kFixed) {
      key("size");
      out_ += std::to_string(node.size);
    }
    append_logical(node);
    out_ += '}';
    namespace_ = around;
  }
  void append_notes(const std::string& doc, const std::vector<std::string>& aliases) {
    if (!doc.empty()) {
      key("doc");
      append_json_string(out_, doc);
    }
    if (!aliases.empty()) {
      key("aliases");
      append_list(out_, aliases);
    }
  }
  void append_fields(const Node& node) {
    key("fields");
    out_ += '[';
    for (size_t i = 0; i < node.fields.size(); ++i) {
      const Field& field = node.fields[i];
      out_ += i > 0 ? ",{\"name\":" : "{\"name\":";
      append_json_string(out_, field.name);
      key("type");
      append(field.type);
      if (!canonical_) {
        append_notes(field.doc, field.aliases);
        if (field.has_default) {
          key("default");
          out_ += field.default_json;
        }
      }
      out_ += '}';
    }
    out_ += ']';
  }

  const Schema& schema_;
  const bool canonical_;
  std::vector<bool> written_;
  std::string namespace_;  // of the named type around
  std::string out_;
};

}  // namespace

std::string_view type_name(Type type) { return kTypeNames[static_cast<size_t>(type)]; }
std::string_view logical_name(Logical logical) {
  return kLogicalNames[static_cast<size_t>(logical)];
}

std::string_view short_name(std::string_view full_name) {
  return full_name.substr(full_name.rfind('.') + 1);
}

bool is_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name[0])) { return false; }
  for (const char c : name) {
    if (!is_letter(c) && (c < '0' || c > '9')) { return false; }
  }
  return true;
}

std::string Schema::to_json() const { return Printer(*this, false).print(); }
std::string Schema::canonical() const { return Printer(*this, true).print(); }

// The 64-bit Rabin fingerprint of the specification, "Schema Fingerprints".
uint64_t Schema::fingerprint() const {
  constexpr uint64_t kEmpty = 0xc15d213aa4d7a795;
  static constexpr auto kTable = [] {
    std::array<uint64_t, 256> table{};
    for (size_t i = 0; i < table.size(); ++i) {
      uint64_t value = i;
      for (int bit = 0; bit < 8; ++bit) { value = (value >> 1) ^ (kEmpty & (0 - (value & 1))); }
      table[i] = value;
    }
    return table;
  }();
  uint64_t hash = kEmpty;
  for (const char c : canonical()) {
    hash = (hash >> 8) ^ kTable[(hash ^ static_cast<uint8_t>(c)) & 0xff];
  }
  return hash;
}

}  // namespace tidewheel::avro
