#include "tidewheel/sql/row_bytes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/types/serde.h"

namespace tidewheel::sql {
namespace {

Schema plain_schema(const LogicalType& type) {
  using detail::leaf_schema;
  switch (type.kind) {
    case TypeKind::kNull:
    case TypeKind::kBoolean: return leaf_schema(Kind::kBool);
    case TypeKind::kTinyint: return leaf_schema(Kind::kInt8);
    case TypeKind::kSmallint: return leaf_schema(Kind::kInt16);
    case TypeKind::kInt:
    case TypeKind::kIntervalMonth: return leaf_schema(Kind::kInt32);
    case TypeKind::kBigint:
    case TypeKind::kIntervalSecond: return leaf_schema(Kind::kInt64);
    case TypeKind::kFloat: return leaf_schema(Kind::kFloat);
    case TypeKind::kDouble: return leaf_schema(Kind::kDouble);
    case TypeKind::kDecimal: return leaf_schema(Kind::kDecimal, type.precision, type.scale);
    case TypeKind::kChar:
    case TypeKind::kVarchar: return leaf_schema(Kind::kString);
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return leaf_schema(Kind::kBytes);
    case TypeKind::kDate: return leaf_schema(Kind::kDate);
    case TypeKind::kTime: return leaf_schema(Kind::kTime);
    case TypeKind::kTimestamp:
      return leaf_schema(type.precision <= 3 ? Kind::kLocalTimestamp : Kind::kInt64);
    case TypeKind::kTimestampLtz:
      return leaf_schema(type.precision <= 3 ? Kind::kTimestamp : Kind::kInt64);
    case TypeKind::kArray:
      return detail::parent_schema(Kind::kArray, {schema_of_type(type.children[0])}, -1);
    case TypeKind::kMultiset:
      return detail::parent_schema(
          Kind::kMap, {schema_of_type(type.children[0]), detail::leaf_schema(Kind::kInt32)});
    case TypeKind::kMap:
      return detail::parent_schema(
          Kind::kMap, {schema_of_type(type.children[0]), schema_of_type(type.children[1])});
    case TypeKind::kRow: break;
  }
  return schema_of_row({type.names, type.children});
}

bool may_be_null(const LogicalType& type) { return type.nullable || type.kind == TypeKind::kNull; }

const LogicalType& count_type() {
  static const LogicalType type = LogicalType::of(TypeKind::kInt, false);
  return type;
}
// Of the elements of a list: those of child `index`.
const LogicalType& child_type(const LogicalType& type, size_t index) {
  return type.kind == TypeKind::kMultiset && index == 1 ? count_type() : type.children[index];
}
size_t list_children(const LogicalType& type) { return type.kind == TypeKind::kArray ? 1 : 2; }

// ---- Writing. Sizes first, so that bytes are written where they stay.

size_t varint_bytes(uint64_t value) {
  return (static_cast<size_t>(64 - std::countl_zero(value | 1)) + 6) / 7;
}
char* put_varint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
template <class T>
char* put_fixed(char* to, T value) {
  std::memcpy(to, &value, sizeof(T));
  return to + sizeof(T);
}
template <class T>
T canonical(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (value == T(0)) { return T(0); }
    if (value != value) { return std::numeric_limits<T>::quiet_NaN(); }
  }
  return value;
}

void append_value(const LogicalType& type, const ColumnView& column, uint32_t row,
                  RowBytes::Form form, std::string& out);

void append_list(const LogicalType& type, const ColumnView& column, uint32_t row,
                 RowBytes::Form form, std::string& out) {
  const uint32_t begin = column.offsets[row];
  const uint32_t end = column.offsets[row + 1];
  char size[10];
  out.append(size, static_cast<size_t>(put_varint(size, end - begin) - size));
  std::vector<std::string> entries;
  const bool sorts = form == RowBytes::Form::kCanonical && type.kind != TypeKind::kArray;
  for (uint32_t e = begin; e < end; ++e) {
    std::string& to = sorts ? entries.emplace_back() : out;
    for (size_t c = 0; c < list_children(type); ++c) {
      append_value(child_type(type, c), column.children[c], e, form, to);
    }
  }
  std::sort(entries.begin(), entries.end());
  for (const std::string& entry : entries) { out += entry; }
}

// Of any type; for nested ones, which are not written column by column.
void append_value(const LogicalType& type, const ColumnView& column, uint32_t row,
                  RowBytes::Form form, std::string& out) {
  const uint32_t at = column.is_constant ? 0 : row;
  if (may_be_null(type)) {
    const bool is_null = column.is_null(row);
    out += is_null ? '\0' : '\1';
    if (is_null) { return; }
  }
  const Physical physical = type.physical();
  if (physical == Physical::kList) { return append_list(type, column, at, form, out); }
  if (physical == Physical::kStruct) {
    for (size_t c = 0; c < type.children.size(); ++c) {
      append_value(type.children[c], column.children[c], at, form, out);
    }
    if (type.children.empty()) { out += '\0'; }
    return;
  }
  with_physical(physical, [&]<class T>() {
    if constexpr (std::is_same_v<T, Text>) {
      const Text& text = column.as<Text>()[at];
      char size[10];
      out.append(size, static_cast<size_t>(put_varint(size, text.size()) - size));
      out.append(text.data(), text.size());
    } else {
      const T value =
          form == RowBytes::Form::kCanonical ? canonical(column.as<T>()[at]) : column.as<T>()[at];
      out.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
  });
}

bool is_nested(Physical physical) {
  return physical == Physical::kList || physical == Physical::kStruct;
}

void add_sizes(const LogicalType& type, const ColumnView& column, std::span<const uint32_t> rows,
               RowBytes::Form form, uint32_t* sizes) {
  const Physical physical = type.physical();
  const bool nullable = may_be_null(type);
  if (is_nested(physical)) {
    std::string bytes;
    for (size_t i = 0; i < rows.size(); ++i) {
      bytes.clear();
      append_value(type, column, rows[i], form, bytes);
      sizes[i] += static_cast<uint32_t>(bytes.size());
    }
    return;
  }
  if (nullable) {
    for (size_t i = 0; i < rows.size(); ++i) { ++sizes[i]; }
  }
  with_physical(physical, [&]<class T>() {
    const bool looks = nullable && column.validity != nullptr;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (looks && column.is_null(rows[i])) { continue; }
      if constexpr (std::is_same_v<T, Text>) {
        const size_t size = column.at<Text>(rows[i]).size();
        sizes[i] += static_cast<uint32_t>(size + varint_bytes(size));
      } else {
        sizes[i] += static_cast<uint32_t>(sizeof(T));
      }
    }
  });
}

void put_column(const LogicalType& type, const ColumnView& column, std::span<const uint32_t> rows,
                RowBytes::Form form, char** cursors) {
  const Physical physical = type.physical();
  const bool nullable = may_be_null(type);
  if (is_nested(physical)) {
    std::string bytes;
    for (size_t i = 0; i < rows.size(); ++i) {
      bytes.clear();
      append_value(type, column, rows[i], form, bytes);
      std::memcpy(cursors[i], bytes.data(), bytes.size());
      cursors[i] += bytes.size();
    }
    return;
  }
  with_physical(physical, [&]<class T>() {
    for (size_t i = 0; i < rows.size(); ++i) {
      char* to = cursors[i];
      if (nullable) {
        const bool is_null = column.is_null(rows[i]);
        *to++ = is_null ? '\0' : '\1';
        if (is_null) {
          cursors[i] = to;
          continue;
        }
      }
      const T& value = column.at<T>(rows[i]);
      if constexpr (std::is_same_v<T, Text>) {
        to = put_varint(to, value.size());
        std::memcpy(to, value.data(), value.size());
        cursors[i] = to + value.size();
      } else {
        cursors[i] = put_fixed(to, form == RowBytes::Form::kCanonical ? canonical(value) : value);
      }
    }
  });
}

// ---- Reading

uint64_t get_varint(const char*& from) {
  uint64_t value = 0;
  for (uint32_t shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) { return value; }
  }
}
template <class T>
T get_fixed(const char*& from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  from += sizeof(T);
  return value;
}
Text get_text(const char*& from, Arena* arena) {
  const uint64_t size = get_varint(from);
  const Text text(from, size);
  from += size;
  return arena == nullptr ? text : arena->copy(text.view());
}

void get_value(const LogicalType& type, const char*& from, Column& to, uint32_t at, Arena* arena);

void get_list(const LogicalType& type, const char*& from, Column& to, uint32_t at, Arena* arena) {
  const auto count = static_cast<uint32_t>(get_varint(from));
  const uint32_t first = to.child_rows();
  for (uint32_t e = 0; e < count; ++e) {
    for (size_t c = 0; c < list_children(type); ++c) {
      get_value(child_type(type, c), from, to.child(c), first + e, arena);
    }
  }
  to.offsets()[at] = first;
  to.offsets()[at + 1] = first + count;
  to.set_child_rows(first + count);
}

void get_value(const LogicalType& type, const char*& from, Column& to, uint32_t at, Arena* arena) {
  to.ensure(at + 1);
  if (may_be_null(type) && *from++ == 0) {
    to.set_null(at);
    if (to.physical() == Physical::kList) {
      to.offsets()[at] = to.offsets()[at + 1] = to.child_rows();
    }
    return;
  }
  if (to.physical() == Physical::kList) { return get_list(type, from, to, at, arena); }
  if (to.physical() == Physical::kStruct) {
    for (size_t c = 0; c < type.children.size(); ++c) {
      get_value(type.children[c], from, to.child(c), at, arena);
    }
    if (type.children.empty()) { ++from; }
    return;
  }
  with_physical(to.physical(), [&]<class T>() {
    if constexpr (std::is_same_v<T, Text>) {
      to.values<Text>()[at] = get_text(from, arena);
    } else {
      to.values<T>()[at] = get_fixed<T>(from);
    }
  });
}

// place_of(i): where row i goes.
template <class PlaceOf>
void get_flat_column(const LogicalType& type, size_t count, const char** readers, Column& to,
                     Arena* arena, PlaceOf place_of) {
  const bool nullable = may_be_null(type);
  with_physical(to.physical(), [&]<class T>() {
    T* const values = to.values<T>();
    for (size_t i = 0; i < count; ++i) {
      const char*& from = readers[i];
      if (nullable && *from++ == 0) {
        to.set_null(place_of(i));
        continue;
      }
      if constexpr (std::is_same_v<T, Text>) {
        values[place_of(i)] = get_text(from, arena);
      } else {
        values[place_of(i)] = get_fixed<T>(from);
      }
    }
  });
}

void get_column(const LogicalType& type, size_t count, const char** readers, Column& to,
                uint32_t at, Arena* arena) {
  to.ensure(at + static_cast<uint32_t>(count));
  if (is_nested(to.physical())) {
    for (size_t i = 0; i < count; ++i) {
      get_value(type, readers[i], to, at + static_cast<uint32_t>(i), arena);
    }
    return;
  }
  get_flat_column(type, count, readers, to, arena,
                  [at](size_t i) { return at + static_cast<uint32_t>(i); });
}

void skip_value(const LogicalType& type, const char*& from) {
  if (may_be_null(type) && *from++ == 0) { return; }
  const Physical physical = type.physical();
  if (physical == Physical::kList) {
    for (uint64_t count = get_varint(from); count > 0; --count) {
      for (size_t c = 0; c < list_children(type); ++c) { skip_value(child_type(type, c), from); }
    }
  } else if (physical == Physical::kStruct) {
    for (const LogicalType& child : type.children) { skip_value(child, from); }
    if (type.children.empty()) { ++from; }
  } else if (physical == Physical::kText) {
    static_cast<void>(get_text(from, nullptr));
  } else {
    from += physical_bytes(physical);
  }
}

void skip_column(const LogicalType& type, size_t count, const char** readers) {
  const Physical physical = type.physical();
  if (is_nested(physical) || physical == Physical::kText) {
    for (size_t i = 0; i < count; ++i) { skip_value(type, readers[i]); }
    return;
  }
  const size_t bytes = physical_bytes(physical);
  const bool nullable = may_be_null(type);
  for (size_t i = 0; i < count; ++i) {
    const char*& from = readers[i];
    if (nullable && *from++ == 0) { continue; }
    from += bytes;
  }
}

LogicalType all_nullable(LogicalType type) {
  type.nullable = true;
  type.time = TimeAttribute::kNone;
  for (LogicalType& child : type.children) { child = all_nullable(std::move(child)); }
  return type;
}

bool fits_int_key(Physical physical) {
  return physical == Physical::kBool ||
         (physical >= Physical::kInt8 && physical <= Physical::kInt64);
}

std::vector<LogicalType> key_types(const std::vector<LogicalType>& input,
                                   const std::vector<int32_t>& columns) {
  std::vector<LogicalType> types;
  for (const int32_t column : columns) {
    types.push_back(all_nullable(input[static_cast<size_t>(column)]));
  }
  return types;
}

}  // namespace

Schema schema_of_type(const LogicalType& type) {
  Schema schema = plain_schema(type);
  if (!may_be_null(type)) { return schema; }
  return detail::parent_schema(Kind::kOptional, {std::move(schema)});
}

Schema schema_of_row(const RowType& row) {
  Schema schema;
  schema.kind = Kind::kRow;
  schema.names = row.names;
  for (const LogicalType& type : row.types) { schema.children.push_back(schema_of_type(type)); }
  return schema;
}

Schema schema_of_columns(const std::vector<LogicalType>& types) {
  RowType row;
  for (size_t i = 0; i < types.size(); ++i) { row.add("c" + std::to_string(i), types[i]); }
  return schema_of_row(row);
}

Status check_value(const Schema& schema, std::string_view bytes) {
  Reader reader(bytes);
  detail::skip_value(reader, schema);
  return reader.finish();
}

size_t key_bytes_max(const std::vector<LogicalType>& types, std::span<const int32_t> columns) {
  size_t bytes = 0;
  for (const int32_t column : columns) {
    const Physical physical = types[static_cast<size_t>(column)].physical();
    if (physical == Physical::kText || physical == Physical::kList ||
        physical == Physical::kStruct) {
      return SIZE_MAX;
    }
    bytes += 1 + physical_bytes(physical);
  }
  return bytes;
}

void pick_columns(const ColumnBatch& batch, std::span<const int32_t> indexes,
                  std::vector<ColumnView>& columns) {
  columns.clear();
  for (const int32_t index : indexes) { columns.push_back(batch.view(static_cast<size_t>(index))); }
}

// ---- RowBytes

RowBytes::RowBytes(std::vector<LogicalType> types, Form form)
    : types_(std::move(types)), form_(form) {
  for (const LogicalType& type : types_) {
    const Physical physical = type.physical();
    if (is_nested(physical) || physical == Physical::kText) {
      fixed_bytes_ = 0;
      break;
    }
    fixed_bytes_ += physical_bytes(physical) + (may_be_null(type) ? 1 : 0);
  }
}

namespace {

// Whether all rows have the same string, at one place in memory: then it is known by a look.
bool is_one_text(const ColumnView& column, std::span<const uint32_t> rows) {
  const Text& first = column.at<Text>(rows[0]);
  return std::all_of(rows.begin(), rows.end(), [&](uint32_t row) {
    const Text& text = column.at<Text>(row);
    return text.data() == first.data() && text.size() == first.size();
  });
}

// The same bytes to `count` places, `stride` bytes apart.
void put_everywhere(std::string_view bytes, char* to, size_t stride, size_t count) {
  if (bytes.size() < 8 || bytes.size() > 16) {
    for (size_t i = 0; i < count; ++i, to += stride) {
      std::memcpy(to, bytes.data(), bytes.size());
    }
    return;
  }
  uint64_t words[2];
  std::memcpy(&words[0], bytes.data(), 8);
  std::memcpy(&words[1], bytes.data() + bytes.size() - 8, 8);
  for (size_t i = 0; i < count; ++i, to += stride) {
    std::memcpy(to, &words[0], 8);
    std::memcpy(to + bytes.size() - 8, &words[1], 8);
  }
}

// How many bytes each row without NULLs has; 0: they differ, or may.
size_t common_bytes(const std::vector<LogicalType>& types, std::span<const ColumnView> columns,
                    std::span<const uint32_t> rows) {
  size_t bytes = 0;
  for (size_t c = 0; c < types.size(); ++c) {
    const Physical physical = types[c].physical();
    bytes += may_be_null(types[c]) ? 1 : 0;
    if (physical == Physical::kText) {
      if (!is_one_text(columns[c], rows)) { return 0; }
      const size_t size = columns[c].at<Text>(rows[0]).size();
      bytes += varint_bytes(size) + size;
    } else if (is_nested(physical)) {
      return 0;
    } else {
      bytes += physical_bytes(physical);
    }
  }
  return bytes;
}

}  // namespace

bool RowBytes::encode_fixed(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                            Arena& arena, Text* out) {
  if (rows.empty()) { return false; }
  for (const ColumnView& column : columns) {
    if (column.validity != nullptr) { return false; }
  }
  const size_t row_bytes = fixed_bytes_ != 0 ? fixed_bytes_ : common_bytes(types_, columns, rows);
  if (row_bytes == 0) { return false; }
  char* const bytes = arena.allocate(row_bytes * rows.size());
  for (size_t i = 0; i < rows.size(); ++i) { out[i] = Text(bytes + i * row_bytes, row_bytes); }
  size_t at = 0;
  for (size_t c = 0; c < types_.size(); ++c) {
    const size_t flag = may_be_null(types_[c]) ? 1 : 0;
    with_physical(types_[c].physical(), [&]<class T>() {
      if constexpr (std::is_same_v<T, Text>) {
        const Text& text = columns[c].at<Text>(rows[0]);
        std::string part(flag, '\1');
        char size[10];
        part.append(size, static_cast<size_t>(put_varint(size, text.size()) - size));
        part.append(text.data(), text.size());
        put_everywhere(part, bytes + at, row_bytes, rows.size());
        at += part.size();
      } else {
        char* to = bytes + at;
        for (size_t i = 0; i < rows.size(); ++i, to += row_bytes) {
          if (flag != 0) { *to = '\1'; }
          const T& value = columns[c].at<T>(rows[i]);
          put_fixed(to + flag, form_ == Form::kCanonical ? canonical(value) : value);
        }
        at += flag + sizeof(T);
      }
    });
  }
  return true;
}

void RowBytes::encode(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                      Arena& arena, Text* out) {
  if (encode_fixed(columns, rows, arena, out)) { return; }
  static_cast<void>(sizes(columns, rows));
  const size_t total = std::accumulate(sizes_.begin(), sizes_.end(), size_t{0});
  char* at = arena.allocate(total);
  cursors_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    out[i] = Text(at, sizes_[i]);
    cursors_[i] = at;
    at += sizes_[i];
  }
  write(columns, rows, cursors_.data());
}

std::span<const uint32_t> RowBytes::sizes(std::span<const ColumnView> columns,
                                          std::span<const uint32_t> rows) {
  TIDEWHEEL_DCHECK(columns.size() == types_.size());
  sizes_.assign(rows.size(), types_.empty() ? 1 : 0);
  for (size_t c = 0; c < types_.size(); ++c) {
    add_sizes(types_[c], columns[c], rows, form_, sizes_.data());
  }
  return sizes_;
}

void RowBytes::write(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                     char** to) {
  for (size_t c = 0; c < types_.size(); ++c) { put_column(types_[c], columns[c], rows, form_, to); }
  if (types_.empty()) {
    for (size_t i = 0; i < rows.size(); ++i) { *to[i]++ = '\0'; }
  }
}

void RowBytes::decode(std::span<const Text> rows, std::span<Column* const> columns, uint32_t at,
                      Arena* arena) {
  TIDEWHEEL_DCHECK(columns.size() == types_.size());
  readers_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) { readers_[i] = rows[i].data(); }
  size_t wanted = types_.size();  // the columns behind the last that is wanted are not looked at
  while (wanted > 0 && columns[wanted - 1] == nullptr) { --wanted; }
  for (size_t c = 0; c < wanted; ++c) {
    if (columns[c] != nullptr) {
      get_column(types_[c], rows.size(), readers_.data(), *columns[c], at, arena);
    } else {
      skip_column(types_[c], rows.size(), readers_.data());
    }
  }
}

void RowBytes::decode_to(std::span<const Text> rows, std::span<Column* const> columns,
                         const uint32_t* places, Arena* arena) {
  TIDEWHEEL_DCHECK(columns.size() == types_.size());
  readers_.resize(rows.size());
  uint32_t end = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    readers_[i] = rows[i].data();
    end = std::max(end, places[i] + 1);
  }
  for (size_t c = 0; c < types_.size(); ++c) {
    columns[c]->ensure(end);
    get_flat_column(types_[c], rows.size(), readers_.data(), *columns[c], arena,
                    [places](size_t i) { return places[i]; });
  }
}

// ---- KeyReader

KeyReader::KeyReader(const std::vector<LogicalType>& input, std::vector<int32_t> columns)
    : columns_(std::move(columns)),
      types_(key_types(input, columns_)),
      is_int_(types_.empty() || (types_.size() == 1 && fits_int_key(types_[0].physical()))),
      bytes_(types_, RowBytes::Form::kCanonical) {}

std::string KeyReader::describe() const {
  return columns_.empty() ? "()" : schema_of_columns(types_).to_string();
}

std::span<const IntKey> KeyReader::int_keys(const ColumnBatch& batch, uint32_t begin,
                                            uint32_t end) {
  TIDEWHEEL_DCHECK(is_int_);
  int_keys_.resize(end - begin);
  if (columns_.empty()) {
    std::fill(int_keys_.begin(), int_keys_.end(), IntKey(0));
    return int_keys_;
  }
  const ColumnView& column = batch.view(static_cast<size_t>(columns_[0]));
  with_physical(types_[0].physical(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (uint32_t row = begin; row < end; ++row) {
        IntKey& key = int_keys_[row - begin];
        key = static_cast<int64_t>(column.at<T>(row));
        if (column.validity != nullptr && column.is_null(row)) { key.reset(); }
      }
    }
  });
  return int_keys_;
}

std::span<const Text> KeyReader::text_keys(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
  if (!arena_) { arena_ = Arena::create(); }
  arena_->reset();
  rows_.resize(end - begin);
  std::iota(rows_.begin(), rows_.end(), begin);
  text_keys_.resize(rows_.size());
  pick_columns(batch, columns_, views_);
  bytes_.encode(views_, rows_, *arena_, text_keys_.data());
  return text_keys_;
}

void KeyReader::hash32(const ColumnBatch& batch, uint32_t begin, uint32_t end, uint32_t* hashes) {
  if (is_int_) {
    for (const IntKey& key : int_keys(batch, begin, end)) { *hashes++ = tidewheel::hash32(key); }
    return;
  }
  for (const Text& key : text_keys(batch, begin, end)) { *hashes++ = tidewheel::hash32(key); }
}

void KeyReader::find_nulls(const ColumnBatch& batch, uint32_t begin, uint32_t end, uint8_t* out) {
  std::fill(out, out + (end - begin), uint8_t{0});
  for (const int32_t index : columns_) {
    const ColumnView& column = batch.view(static_cast<size_t>(index));
    if (column.validity == nullptr) { continue; }
    for (uint32_t row = begin; row < end; ++row) {
      if (column.is_null(row)) { out[row - begin] = 1; }
    }
  }
}

void KeyReader::decode(std::span<const IntKey> keys, std::span<Column* const> columns, uint32_t at,
                       Arena*) {
  if (columns_.empty()) { return; }
  Column& to = *columns[0];
  to.ensure(at + static_cast<uint32_t>(keys.size()));
  with_physical(types_[0].physical(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (size_t i = 0; i < keys.size(); ++i) {
        const auto row = at + static_cast<uint32_t>(i);
        if (keys[i].has_value()) {
          to.values<T>()[row] = static_cast<T>(*keys[i]);
        } else {
          to.set_null(row);
        }
      }
    }
  });
}

void KeyReader::decode(std::span<const Text> keys, std::span<Column* const> columns, uint32_t at,
                       Arena* arena) {
  bytes_.decode(keys, columns, at, arena);
}

// ---- SortKeyEncoder

namespace {

constexpr char kNullFirst = 0;
constexpr char kValue = 1;
constexpr char kNullLast = 2;

// An unsigned number whose order is that of the value.
template <class T>
auto ordered_bits(T value) {
  if constexpr (std::is_same_v<T, Int128>) {
    return static_cast<UInt128>(value) ^ (UInt128{1} << 127);
  } else if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    constexpr Bits kSign = Bits{1} << (sizeof(T) * 8 - 1);
    const Bits bits = std::bit_cast<Bits>(canonical(value));
    return (bits & kSign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kSign);
  } else {
    using Bits = std::make_unsigned_t<T>;
    constexpr Bits kSign =
        std::is_signed_v<T> ? static_cast<Bits>(Bits{1} << (sizeof(T) * 8 - 1)) : Bits{0};
    return static_cast<Bits>(static_cast<Bits>(value) ^ kSign);
  }
}
template <class T, class Bits>
T value_of_bits(Bits bits) {
  if constexpr (std::is_same_v<T, Int128>) {
    return static_cast<Int128>(bits ^ (UInt128{1} << 127));
  } else if constexpr (std::is_floating_point_v<T>) {
    constexpr Bits kSign = Bits{1} << (sizeof(T) * 8 - 1);
    return std::bit_cast<T>((bits & kSign) != 0 ? static_cast<Bits>(bits ^ kSign)
                                                : static_cast<Bits>(~bits));
  } else {
    constexpr Bits kSign =
        std::is_signed_v<T> ? static_cast<Bits>(Bits{1} << (sizeof(T) * 8 - 1)) : Bits{0};
    return static_cast<T>(static_cast<Bits>(bits ^ kSign));
  }
}

template <class Bits>
void append_big_endian(Bits bits, std::string& out) {
  for (size_t i = sizeof(Bits); i-- > 0;) { out += static_cast<char>(bits >> (8 * i)); }
}

// 0 is followed by 255, and 0 0 ends the string: a prefix comes before what is longer.
void append_escaped(Text text, std::string& out) {
  for (const char c : text) {
    out += c;
    if (c == '\0') { out += '\xff'; }
  }
  out.append(2, '\0');
}

}  // namespace

SortKeyEncoder::SortKeyEncoder(const std::vector<LogicalType>& input,
                               std::vector<SortColumn> columns)
    : columns_(std::move(columns)) {
  for (const SortColumn& column : columns_) {
    physicals_.push_back(input[static_cast<size_t>(column.column)].physical());
    TIDEWHEEL_CHECK(!is_nested(physicals_.back()), "a column without an order is sorted by");
  }
  for (const Physical physical : physicals_) {
    if (physical == Physical::kText) {
      fixed_bytes_ = 0;
      break;
    }
    fixed_bytes_ += 1 + physical_bytes(physical);
  }
}

void SortKeyEncoder::encode(const ColumnView* all_columns, uint32_t begin, uint32_t end,
                            Arena& arena, Text* out) const {
  const bool has_nulls = std::any_of(columns_.begin(), columns_.end(), [&](const SortColumn& sort) {
    return all_columns[sort.column].validity != nullptr;
  });
  if (fixed_bytes_ == 0 || has_nulls) {
    std::string key;
    for (uint32_t row = begin; row < end; ++row) {
      key.clear();
      encode(all_columns, row, key);
      *out++ = arena.copy(key);
    }
    return;
  }
  char* const bytes = arena.allocate(fixed_bytes_ * (end - begin));
  for (uint32_t i = 0; i < end - begin; ++i) {
    out[i] = Text(bytes + i * fixed_bytes_, fixed_bytes_);
  }
  size_t at = 0;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const ColumnView& column = all_columns[columns_[c].column];
    with_physical(physicals_[c], [&]<class T>() {
      if constexpr (!std::is_same_v<T, Text>) {
        for (uint32_t row = begin; row < end; ++row) {
          char* to = bytes + (row - begin) * fixed_bytes_ + at;
          auto bits = ordered_bits(column.at<T>(row));
          if (columns_[c].descending) { bits = static_cast<decltype(bits)>(~bits); }
          *to++ = kValue;
          for (size_t i = sizeof(T); i-- > 0;) { *to++ = static_cast<char>(bits >> (8 * i)); }
        }
        at += 1 + sizeof(T);
      }
    });
  }
}

void SortKeyEncoder::encode(const ColumnView* all_columns, uint32_t row, std::string& out) const {
  for (size_t i = 0; i < columns_.size(); ++i) {
    const SortColumn& sort = columns_[i];
    const ColumnView& column = all_columns[sort.column];
    if (column.is_null(row)) {
      out += sort.nulls_first ? kNullFirst : kNullLast;
      continue;
    }
    out += kValue;
    const size_t begin = out.size();
    with_physical(physicals_[i], [&]<class T>() {
      if constexpr (std::is_same_v<T, Text>) {
        append_escaped(column.at<Text>(row), out);
      } else {
        append_big_endian(ordered_bits(column.at<T>(row)), out);
      }
    });
    if (sort.descending) {
      for (size_t b = begin; b < out.size(); ++b) { out[b] = static_cast<char>(~out[b]); }
    }
  }
}

void SortKeyEncoder::decode_first(Text key, Column& to, uint32_t at, Arena& arena) const {
  to.ensure(at + 1);
  if (key[0] != kValue) { return to.set_null(at); }
  const char flip = columns_[0].descending ? '\xff' : '\0';
  size_t next = 1;
  with_physical(physicals_[0], [&]<class T>() {
    if constexpr (std::is_same_v<T, Text>) {
      char* const bytes = arena.allocate(key.size());
      size_t size = 0;
      for (;; ++next) {
        const auto c = static_cast<char>(key[next] ^ flip);
        if (c == '\0' && static_cast<char>(key[++next] ^ flip) == '\0') { break; }
        bytes[size++] = c;
      }
      arena.shrink_to(bytes + size);
      to.values<Text>()[at] = Text(bytes, size);
    } else {
      decltype(ordered_bits(T{})) bits = 0;
      for (size_t i = 0; i < sizeof(T); ++i) {
        bits = static_cast<decltype(bits)>((bits << 8) |
                                           static_cast<unsigned char>(key[next++] ^ flip));
      }
      to.values<T>()[at] = value_of_bits<T>(bits);
    }
  });
}

}  // namespace tidewheel::sql
