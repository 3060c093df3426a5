#include "tidewheel/formats/json/column_decoder.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tidewheel/types/decimal.h"

namespace tidewheel::json_detail {
namespace {

template <class T>
std::string expected_of(const LogicalType& type) {
  return type.as_nullable().to_string() + " (" + describe<T>(JsonTimestampFormat::kSql) + ")";
}

// The keys of one map: few are compared one by one.
class DistinctKeys {
 public:
  // Whether `key` is none of those in [first, key), which were added before.
  bool add(const Text* first, const Text* key) {
    constexpr std::ptrdiff_t kFew = 32;
    if (key - first < kFew) { return std::find(first, key, *key) == key; }
    if (many_.empty()) { many_.insert(first, key); }
    return many_.insert(key->view()).second;
  }

 private:
  std::unordered_set<std::string_view> many_;
};

}  // namespace

Status ColumnDecoder::check(const LogicalType& type, const std::string& name) {
  const bool is_map = type.kind == TypeKind::kMap || type.kind == TypeKind::kMultiset;
  if (type.kind == TypeKind::kNull || (is_map && !type.children[0].is_character())) {
    return invalid_argument(ErrorId::kSqlType,
                            "the format json has no form for column '{}' of type {}{}", name,
                            type.to_string(), is_map ? ": keys must be strings" : "");
  }
  for (size_t i = 0; i < type.children.size(); ++i) {
    TIDEWHEEL_RETURN_IF_ERROR(check(type.children[i], name));
  }
  return {};
}

ColumnDecoder::ColumnDecoder(const LogicalType& type) : type_(type), read_(read_of(type)) {
  for (const LogicalType& child : type.children) { children_.emplace_back(child); }
  if (type.kind == TypeKind::kMultiset) {
    children_.emplace_back(LogicalType::of(TypeKind::kInt, false));
  }
  if (type.kind == TypeKind::kRow) { use_names(type.names); }
}

ColumnDecoder::ColumnDecoder(const RowType& record, const std::vector<size_t>& fields) {
  std::vector<std::string> names;
  for (const size_t field : fields) {
    children_.emplace_back(record.types[field]);
    names.push_back(record.names[field]);
  }
  use_names(std::move(names));
}

void ColumnDecoder::use_names(std::vector<std::string> names) {
  names_ = std::move(names);
  seen_.assign(names_.size(), 0);
  columns_.resize(names_.size());
}

ColumnDecoder::Read ColumnDecoder::read_of(const LogicalType& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return &ColumnDecoder::read_bool;
    case TypeKind::kTinyint: return &ColumnDecoder::read_scalar<int8_t>;
    case TypeKind::kSmallint: return &ColumnDecoder::read_scalar<int16_t>;
    case TypeKind::kInt:
    case TypeKind::kIntervalMonth: return &ColumnDecoder::read_scalar<int32_t>;
    case TypeKind::kBigint:
    case TypeKind::kIntervalSecond: return &ColumnDecoder::read_scalar<int64_t>;
    case TypeKind::kFloat: return &ColumnDecoder::read_scalar<float>;
    case TypeKind::kDouble: return &ColumnDecoder::read_scalar<double>;
    case TypeKind::kDecimal:
      return type.physical() == Physical::kInt64 ? &ColumnDecoder::read_decimal<int64_t>
                                                 : &ColumnDecoder::read_decimal<Int128>;
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return &ColumnDecoder::read_bytes;
    case TypeKind::kDate:
    case TypeKind::kTime: return &ColumnDecoder::read_time;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: return &ColumnDecoder::read_timestamp;
    case TypeKind::kArray: return &ColumnDecoder::read_array;
    case TypeKind::kMap:
    case TypeKind::kMultiset: return &ColumnDecoder::read_map;
    case TypeKind::kRow: return &ColumnDecoder::read_row;
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kNull: break;
  }
  return &ColumnDecoder::read_text;
}

bool ColumnDecoder::read(JsonCursor& cursor, Column& column, uint32_t row) {
  if (cursor.peek() == 'n' && cursor.is_null()) {
    if (!put_null(cursor, column, row)) { return false; }
    cursor.advance();
    return true;
  }
  const uint32_t* const begin = cursor.at();
  if ((this->*read_)(cursor, column, row)) [[likely]] { return true; }
  return leave_out(cursor, begin, column, row);
}

bool ColumnDecoder::put_null(JsonCursor& cursor, Column& column, uint32_t row) {
  if (!type_.nullable) { return cursor.fault_here("there is NULL for what is NOT NULL"); }
  column.append_null(row);
  return true;
}

// A value that can't be read is NULL, if errors are to be ignored, and it may be.
bool ColumnDecoder::leave_out(JsonCursor& cursor, const uint32_t* begin, Column& column,
                              uint32_t row) {
  if (!cursor.rules().ignore_parse_errors || !type_.nullable) { return false; }
  // Only what is no JSON at all spoils more than this value.
  cursor.go_to(begin);
  if (!cursor.skip_value()) { return false; }
  cursor.note_ignored();
  column.drop_rows(row);
  column.append_null(row);
  return true;
}

template <class T>
bool ColumnDecoder::read_scalar(JsonCursor& cursor, Column& column, uint32_t row) {
  T& value = column.values<T>()[row];
  if (parse_word(cursor.token(), value)) [[likely]] {
    cursor.advance();
    return true;
  }
  std::string_view raw;
  if (cursor.raw_string(raw)) {
    std::string_view text;
    if (!cursor.unescaped(raw, text)) { return false; }
    if (parse_string(text, cursor.rules().timestamp_format, value)) {
      cursor.advance();
      return true;
    }
  }
  return cursor.no(expected_of<T>(type_));
}

bool ColumnDecoder::read_bool(JsonCursor& cursor, Column& column, uint32_t row) {
  std::string_view text = cursor.token();
  cursor.raw_string(text);
  if (text != "true" && text != "false") { return cursor.no(expected_of<bool>(type_)); }
  column.values<uint8_t>()[row] = text == "true" ? 1 : 0;
  cursor.advance();
  return true;
}

// A number, or a string that is one. What is beyond the precision is NULL.
template <class T>
bool ColumnDecoder::read_decimal(JsonCursor& cursor, Column& column, uint32_t row) {
  std::string_view text = cursor.token();
  if (std::string_view raw; cursor.raw_string(raw)) { text = trimmed(raw); }
  if (!is_number(text)) { return cursor.no(type_.as_nullable().to_string()); }
  if (text.find_first_of("eE") != std::string_view::npos) {
    if (!expand_exponent(text, scratch_)) { scratch_.assign(100, '9'); }
    text = scratch_;
  }
  const auto value = tidewheel::detail::parse_decimal(text, type_.precision, type_.scale);
  if (value.has_value()) [[likely]] {
    column.values<T>()[row] = static_cast<T>(*value);
  } else if (!put_null(cursor, column, row)) {
    return false;
  }
  cursor.advance();
  return true;
}

bool ColumnDecoder::read_text(JsonCursor& cursor, Column& column, uint32_t row) {
  return cursor.take_text(column.values<Text>()[row]);
}

bool ColumnDecoder::read_bytes(JsonCursor& cursor, Column& column, uint32_t row) {
  std::string_view raw;
  std::string_view text;
  if (!cursor.raw_string(raw)) { return cursor.no("string of base64"); }
  if (!cursor.unescaped(raw, text)) { return false; }
  if (!parse_base64(text, scratch_)) { return cursor.no("string of base64"); }
  column.values<Text>()[row] = cursor.arena().copy(scratch_);
  cursor.advance();
  return true;
}

// A date, or a time of day.
bool ColumnDecoder::read_time(JsonCursor& cursor, Column& column, uint32_t row) {
  std::string_view text;
  const bool is_string = cursor.raw_string(text);
  int32_t& value = column.values<int32_t>()[row];
  if (type_.kind == TypeKind::kDate) {
    const auto date = is_string ? parse_date(text) : std::nullopt;
    if (!date.has_value()) { return cursor.no(expected_of<Date>(type_)); }
    value = date->days();
  } else {
    const auto time = is_string ? tidewheel::parse_time(text) : std::nullopt;
    if (!time.has_value()) { return cursor.no(expected_of<Time>(type_)); }
    value = time->ms();
  }
  cursor.advance();
  return true;
}

bool ColumnDecoder::read_timestamp(JsonCursor& cursor, Column& column, uint32_t row) {
  std::string_view text;
  const bool has_zone = type_.kind == TypeKind::kTimestampLtz;
  const JsonTimestampFormat format = cursor.rules().timestamp_format;
  int64_t& value = column.values<int64_t>()[row];
  const bool good = cursor.raw_string(text) &&
                    (type_.precision <= 3 ? parse_timestamp_ms(text, format, has_zone, value)
                                          : parse_timestamp(text, format, has_zone,
                                                            type_.units_per_second(), value));
  if (!good) {
    std::string like = "2013-01-31 05:00:00.123";
    if (format == JsonTimestampFormat::kIso8601) { like[10] = 'T'; }
    return cursor.no(type_.as_nullable().to_string() + " like \"" + like +
                     (has_zone ? "Z\"" : "\"") +
                     " (the option json.timestamp-format.standard says how points in time are "
                     "written: SQL or ISO-8601)");
  }
  cursor.advance();
  return true;
}

bool ColumnDecoder::read_array(JsonCursor& cursor, Column& column, uint32_t row) {
  Column& elements = column.child(0);
  const bool good = read_elements(cursor, [&](size_t) {
    const uint32_t element = column.child_rows();
    elements.ensure(element + 1);
    if (!children_[0].read(cursor, elements, element)) { return false; }
    column.set_child_rows(element + 1);
    return true;
  });
  column.offsets()[row + 1] = column.child_rows();
  return good;
}

bool ColumnDecoder::read_map(JsonCursor& cursor, Column& column, uint32_t row) {
  const uint32_t first = column.child_rows();
  DistinctKeys known;
  const bool good = read_entries(cursor, [&](size_t) {
    const uint32_t entry = column.child_rows();
    column.child(0).ensure(entry + 1);
    column.child(1).ensure(entry + 1);
    if (cursor.peek() != '"') { return cursor.no("key in quotes"); }
    const uint32_t* const at = cursor.at();
    Text* const keys = column.child(0).values<Text>();
    if (!cursor.take_text(keys[entry])) { return false; }
    if (!known.add(keys + first, keys + entry)) {
      cursor.go_to(at);
      return cursor.fault_here("the key is there twice: " + keys[entry].str());
    }
    if (!cursor.take(':')) { return cursor.no("colon, which follows a key"); }
    if (!children_[1].read(cursor, column.child(1), entry)) {
      cursor.add_field(keys[entry]);
      return false;
    }
    column.set_child_rows(entry + 1);
    return true;
  });
  column.offsets()[row + 1] = column.child_rows();
  return good;
}

bool ColumnDecoder::read_row(JsonCursor& cursor, Column& column, uint32_t row) {
  for (size_t i = 0; i < columns_.size(); ++i) { columns_[i] = &column.child(i); }
  return read_record(cursor, columns_.data(), row);
}

bool ColumnDecoder::read_record(JsonCursor& cursor, Column* const* columns, uint32_t row) {
  // Views of strings that may have moved with the decoder.
  if (views_.size() != names_.size()) { views_.assign(names_.begin(), names_.end()); }
  ++record_;
  size_t count = 0;
  const uint32_t* const begin = cursor.at();
  const bool good = read_entries(cursor, [&](size_t position) {
    const int32_t index = order_.take(cursor, position, views_.data(), views_.size());
    if (index < 0) { return index == KeyOrder::kUnknown && cursor.skip_value(); }
    const auto field = static_cast<size_t>(index);
    if (seen_[field] != record_) [[likely]] {
      seen_[field] = record_;
      ++count;
    } else {
      columns[field]->drop_rows(row);  // of two with one key the last one counts
    }
    if (children_[field].read(cursor, *columns[field], row)) [[likely]] { return true; }
    cursor.add_field(names_[field]);
    return false;
  });
  return good && (count == names_.size() || complete(cursor, begin, columns, row));
}

// Fields that did not come.
bool ColumnDecoder::complete(JsonCursor& cursor, const uint32_t* begin, Column* const* columns,
                             uint32_t row) {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (seen_[i] == record_) { continue; }
    if (cursor.rules().fail_on_missing_field || !children_[i].type_.nullable) {
      cursor.go_to(begin);
      return cursor.fault_here("there is no key " + names_[i]);
    }
    columns[i]->append_null(row);
  }
  return true;
}

}  // namespace tidewheel::json_detail
