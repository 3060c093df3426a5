#include "tidewheel/types/schema.h"

#include <algorithm>
#include <array>

namespace tidewheel {

namespace {

constexpr int kDepthMax = 64;
constexpr std::array<std::string_view, 26> kKindNames{
    "",         "bool",    "int8",      "int16",           "int32",  "int64",  "uint8",
    "uint16",   "uint32",  "uint64",    "float",           "double", "string", "bytes",
    "bytes",    "decimal", "timestamp", "local_timestamp", "date",   "time",   "interval",
    "optional", "array",   "map",       "union",           "row"};

void append_children(const Schema& schema, std::string& out);

void append_schema(const Schema& schema, std::string& out) {
  if (schema.custom) { out += "custom "; }
  if (schema.kind == Kind::kRow) {
    out += '{';
    for (size_t i = 0; i < schema.children.size(); ++i) {
      if (i != 0) { out += ','; }
      out += schema.names[i];
      out += ':';
      append_schema(schema.children[i], out);
    }
    out += '}';
    return;
  }
  out += kKindNames[static_cast<size_t>(schema.kind)];
  if (schema.kind == Kind::kDecimal) {
    out += '(' + std::to_string(schema.a) + ',' + std::to_string(schema.b) + ')';
  } else if (schema.kind == Kind::kFixedBytes) {
    out += '(' + std::to_string(schema.a) + ')';
  } else if (!schema.children.empty()) {
    append_children(schema, out);
  }
}

void append_children(const Schema& schema, std::string& out) {
  out += '<';
  for (size_t i = 0; i < schema.children.size(); ++i) {
    if (i != 0) { out += ','; }
    append_schema(schema.children[i], out);
  }
  if (schema.kind == Kind::kArray && schema.a >= 0) { out += ',' + std::to_string(schema.a); }
  out += '>';
}

bool is_parent(Kind kind) { return kind >= Kind::kOptional; }

// byte kind | byte custom | varint a + 1 | varint b | varint children | (text name when a row |
// child)...
void write_schema(Writer& writer, const Schema& schema) {
  writer.fixed(schema.kind);
  writer.fixed(static_cast<uint8_t>(schema.custom ? 1 : 0));
  writer.varint(static_cast<uint64_t>(schema.a + 1));
  writer.varint(static_cast<uint64_t>(schema.b));
  writer.varint(schema.children.size());
  for (size_t i = 0; i < schema.children.size(); ++i) {
    if (schema.kind == Kind::kRow) { writer.text(schema.names[i]); }
    write_schema(writer, schema.children[i]);
  }
}

// Every value takes at least a byte: so what a schema makes one read is bounded by the bytes there
// are.
bool is_sound(const Schema& schema, size_t count) {
  switch (schema.kind) {
    case Kind::kFixedBytes: return count == 0 && schema.a >= 1;
    case Kind::kDecimal: return count == 0 && schema.a >= 1 && schema.a <= 38;
    case Kind::kOptional:
    case Kind::kArray: return count == 1;
    case Kind::kMap: return count == 2;
    case Kind::kUnion:
    case Kind::kRow: return true;
    default: return count == 0;
  }
}

void read_schema(Reader& reader, Schema& schema, int depth) {
  const auto kind = reader.fixed<uint8_t>();
  if (kind < static_cast<uint8_t>(Kind::kBool) || kind > static_cast<uint8_t>(Kind::kRow) ||
      depth > kDepthMax) {
    reader.fail("a schema has an unknown kind of type, or is nested too deeply");
    return;
  }
  schema.kind = static_cast<Kind>(kind);
  schema.custom = reader.flag();
  const uint64_t a = reader.varint();
  const uint64_t b = reader.varint();
  const size_t count = reader.count();
  if (a > INT32_MAX || b > INT32_MAX) {
    reader.fail("a schema has a parameter that is too large");
    return;
  }
  schema.a = static_cast<int32_t>(a) - 1;
  schema.b = static_cast<int32_t>(b);
  if (!is_sound(schema, count)) {
    reader.fail("a schema has parameters that its kind can't have");
    return;
  }
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    if (schema.kind == Kind::kRow) { schema.names.emplace_back(reader.bytes_view()); }
    read_schema(reader, schema.children.emplace_back(), depth + 1);
  }
}

}  // namespace

std::string Schema::to_string() const {
  std::string text;
  append_schema(*this, text);
  return text;
}

uint64_t Schema::fingerprint() const {
  const std::string text = to_string();
  return hash_bytes(text.data(), text.size());
}

std::string Schema::encode() const {
  Writer writer;
  write_schema(writer, *this);
  return writer.str();
}

Result<Schema> Schema::parse(std::string_view bytes) {
  Reader reader(bytes);
  Schema schema;
  read_schema(reader, schema, 0);
  Status status = reader.finish();
  if (!status.ok()) { return std::move(status).with_context("reading a schema"); }
  return schema;
}

// ---- Changes ----

namespace {

bool is_integer(Kind kind) { return kind >= Kind::kInt8 && kind <= Kind::kUint64; }
bool is_signed(Kind kind) { return kind <= Kind::kInt64; }
int integer_log2_bytes(Kind kind) {
  return static_cast<int>(kind) - static_cast<int>(is_signed(kind) ? Kind::kInt8 : Kind::kUint8);
}
// Whether all numbers of `from` are numbers of `to`.
bool is_wider(Kind from, Kind to) {
  if (from == Kind::kFloat) { return to == Kind::kDouble; }
  if (!is_integer(from) || !is_integer(to)) { return false; }
  if (is_signed(from) == is_signed(to)) {
    return integer_log2_bytes(to) > integer_log2_bytes(from);
  }
  return is_signed(to) && integer_log2_bytes(to) > integer_log2_bytes(from);
}

using Change = SchemaChange::Kind;

SchemaChange refused(const std::string& path, std::string reason) {
  return {Change::kRefused, path.empty() ? std::move(reason) : path + ": " + std::move(reason)};
}
SchemaChange refused_types(const std::string& path, const Schema& old_schema,
                           const Schema& new_schema) {
  return refused(path, "was " + old_schema.to_string() + " and is now " + new_schema.to_string());
}
SchemaChange worse(SchemaChange a, SchemaChange b) { return a.kind >= b.kind ? a : b; }

SchemaChange compare_at(const std::string& path, const Schema& old_schema,
                        const Schema& new_schema);

SchemaChange compare_rows(const std::string& path, const Schema& old_row, const Schema& new_row) {
  SchemaChange change;
  if (old_row.names != new_row.names) { change.kind = Change::kMigrated; }
  std::vector<bool> taken(new_row.names.size(), false);
  size_t common = 0;
  for (size_t i = 0; i < old_row.names.size(); ++i) {
    const size_t target = detail::find_field(new_row, old_row.names[i]);
    if (target == new_row.names.size()) { continue; }
    const std::string child_path =
        path.empty() ? new_row.names[target] : path + "." + new_row.names[target];
    if (taken[target]) { return refused(child_path, "two old fields would become this one"); }
    taken[target] = true;
    ++common;
    if (target != i) { change.kind = Change::kMigrated; }
    change = worse(std::move(change),
                   compare_at(child_path, old_row.children[i], new_row.children[target]));
    if (change.kind == Change::kRefused) { return change; }
  }
  if (common == 0 && !old_row.names.empty()) {
    return refused(path, "no field of " + old_row.to_string() + " is left in " +
                             new_row.to_string() +
                             "; declare tidewheel::renames if they were renamed");
  }
  return change;
}

SchemaChange compare_children(const std::string& path, const Schema& old_schema,
                              const Schema& new_schema) {
  SchemaChange change;
  for (size_t i = 0; i < old_schema.children.size(); ++i) {
    const std::string child_path = path + "[" + std::to_string(i) + "]";
    change = worse(std::move(change),
                   compare_at(old_schema.kind == Kind::kUnion ? child_path : path + "[]",
                              old_schema.children[i], new_schema.children[i]));
    // A migrated key could become equal to another, or change its order.
    if (old_schema.kind == Kind::kMap && i == 0 && change.kind == Change::kMigrated) {
      return refused_types(path + "[key]", old_schema.children[0], new_schema.children[0]);
    }
  }
  return change;
}

SchemaChange compare_at(const std::string& path, const Schema& old_schema,
                        const Schema& new_schema) {
  if (old_schema.custom || new_schema.custom) {
    return old_schema == new_schema ? SchemaChange{} : refused_types(path, old_schema, new_schema);
  }
  if (new_schema.kind == Kind::kOptional && old_schema.kind != Kind::kOptional) {
    return worse({Change::kMigrated, {}}, compare_at(path, old_schema, new_schema.children[0]));
  }
  if (old_schema.kind != new_schema.kind) {
    if (is_wider(old_schema.kind, new_schema.kind)) { return {Change::kMigrated, {}}; }
    return refused_types(path, old_schema, new_schema);
  }
  if (old_schema.kind == Kind::kRow) { return compare_rows(path, old_schema, new_schema); }
  if (old_schema.a != new_schema.a || old_schema.b != new_schema.b) {
    return refused_types(path, old_schema, new_schema);
  }
  if (old_schema.kind == Kind::kUnion && old_schema.children.size() > new_schema.children.size()) {
    return refused(path, "a union has lost alternatives: was " + old_schema.to_string() +
                             " and is now " + new_schema.to_string());
  }
  // More alternatives change nothing: the bytes of the old ones are what they were.
  return compare_children(path, old_schema, new_schema);
}

}  // namespace

SchemaChange compare_schemas(const Schema& old_schema, const Schema& new_schema) {
  return compare_at("", old_schema, new_schema);
}

Status check_schema_change(const Schema& old_schema, const Schema& new_schema) {
  const SchemaChange change = compare_schemas(old_schema, new_schema);
  if (change.kind != Change::kRefused) { return {}; }
  return failed_precondition(
      ErrorId::kSchemaMismatch,
      "the stored schema can't become the job's: {} (fields may be added, removed, reordered, "
      "renamed with tidewheel::renames, widened, or made optional)",
      change.reason);
}

namespace detail {

Schema leaf_schema(Kind kind, int32_t a, int32_t b) {
  Schema schema;
  schema.kind = kind;
  schema.a = a;
  schema.b = b;
  return schema;
}

Schema parent_schema(Kind kind, std::vector<Schema> children, int32_t a) {
  Schema schema;
  schema.kind = kind;
  schema.a = a;
  schema.children = std::move(children);
  return schema;
}

size_t find_field(const Schema& row, std::string_view old_name) {
  for (const Schema::Former& former : row.formers) {
    if (former.name != old_name) { continue; }
    const auto found = std::find(row.names.begin(), row.names.end(), former.field);
    if (found != row.names.end()) { return static_cast<size_t>(found - row.names.begin()); }
  }
  const auto found = std::find(row.names.begin(), row.names.end(), old_name);
  return static_cast<size_t>(found - row.names.begin());
}

namespace {

size_t fixed_bytes(const Schema& schema) {
  switch (schema.kind) {
    case Kind::kBool:
    case Kind::kInt8:
    case Kind::kUint8: return 1;
    case Kind::kInt16:
    case Kind::kUint16: return 2;
    case Kind::kInt32:
    case Kind::kUint32:
    case Kind::kFloat:
    case Kind::kDate:
    case Kind::kTime: return 4;
    case Kind::kFixedBytes: return static_cast<size_t>(schema.a);
    case Kind::kDecimal: return schema.a <= 18 ? 8 : 16;
    case Kind::kInterval: return 16;
    default: return 8;
  }
}

void skip_parent(Reader& reader, const Schema& schema) {
  if (schema.kind == Kind::kOptional) {
    if (reader.flag()) { skip_value(reader, schema.children[0]); }
  } else if (schema.kind == Kind::kUnion) {
    const uint64_t index = reader.varint();
    if (index >= schema.children.size()) {
      return reader.fail("a union has an alternative that does not exist");
    }
    skip_value(reader, schema.children[index]);
  } else if (schema.kind == Kind::kRow) {
    if (schema.children.empty()) { reader.skip(1); }
    for (const Schema& child : schema.children) { skip_value(reader, child); }
  } else {
    const bool fixed = schema.kind == Kind::kArray && schema.a >= 0;
    const size_t count = fixed ? static_cast<size_t>(schema.a) : reader.count();
    if (fixed && count == 0) { reader.skip(1); }
    for (size_t i = 0; i < count && reader.ok(); ++i) {
      for (const Schema& child : schema.children) { skip_value(reader, child); }
    }
  }
}

}  // namespace

void skip_value(Reader& reader, const Schema& schema) {
  if (schema.custom && schema.kind != Kind::kFixedBytes) {
    reader.skip(reader.fixed<uint32_t>());
  } else if (is_parent(schema.kind)) {
    skip_parent(reader, schema);
  } else if (schema.kind == Kind::kString || schema.kind == Kind::kBytes) {
    static_cast<void>(reader.bytes_view());
  } else {
    reader.skip(fixed_bytes(schema));
  }
}

}  // namespace detail

}  // namespace tidewheel
