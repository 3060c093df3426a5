#include "tidewheel/formats/json/column_encoder.h"

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/writer.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::json_detail {

ColumnEncoder::ColumnEncoder(const LogicalType& type, const JsonOptions& options)
    : type_(type), options_(options) {
  for (const LogicalType& child : type.children) { children_.emplace_back(child, options); }
  if (type.kind == TypeKind::kMultiset) {
    children_.emplace_back(LogicalType::of(TypeKind::kInt, false), options);
  }
  for (const std::string& name : type.names) { keys_.push_back(key_text(name)); }
}

std::string ColumnEncoder::key_text(const std::string& name) {
  std::string text;
  append_string(text, name);
  text += ':';
  return text;
}

bool ColumnEncoder::append(const ColumnView& column, uint32_t row, std::string& out) const {
  if (column.is_null(row)) {
    out += "null";
    return true;
  }
  switch (type_.kind) {
    case TypeKind::kNull: out += "null"; break;
    case TypeKind::kBoolean: out += column.at<uint8_t>(row) != 0 ? "true" : "false"; break;
    case TypeKind::kChar:
    case TypeKind::kVarchar: append_string(out, column.at<Text>(row)); break;
    case TypeKind::kBinary:
    case TypeKind::kVarbinary:
      out += '"';
      append_base64(out, column.at<Text>(row));
      out += '"';
      break;
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: append_time(column, row, out); break;
    case TypeKind::kArray: return append_array(column, row, out);
    case TypeKind::kMap:
    case TypeKind::kMultiset: return append_map(column, row, out);
    case TypeKind::kRow: return append_row(column, row, out);
    default: append_number(column, row, out); break;
  }
  return true;
}

void ColumnEncoder::append_number(const ColumnView& column, uint32_t row, std::string& out) const {
  with_physical(type_.physical(), [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>) {
      append_real(out, column.at<T>(row));
    } else if constexpr (!std::is_same_v<T, Text>) {
      const T value = column.at<T>(row);
      if (type_.kind == TypeKind::kDecimal) {
        append_decimal(out, tidewheel::detail::decimal_to_string(value, type_.scale),
                       options_.encode_decimal_as_plain_number);
      } else {
        append_integer(out, static_cast<int64_t>(value));
      }
    }
  });
}

void ColumnEncoder::append_time(const ColumnView& column, uint32_t row, std::string& out) const {
  char buffer[kScalarTextBytesMax];
  char* end = nullptr;
  if (type_.kind == TypeKind::kDate) {
    end = write_date_text(buffer, column.at<int32_t>(row));
  } else if (type_.kind == TypeKind::kTime) {
    end = write_time_text(buffer, column.at<int32_t>(row), 3);
  } else {
    end = write_timestamp_text(buffer, column.at<int64_t>(row), type_.precision);
    if (options_.timestamp_format == JsonTimestampFormat::kIso8601) {
      *std::find(buffer, end, ' ') = 'T';
    }
  }
  // A fraction without the zeros at its end.
  if (std::find(buffer, end, '.') != end) {
    while (end[-1] == '0') { --end; }
    if (end[-1] == '.') { --end; }
  }
  out += '"';
  out.append(buffer, end);
  out += type_.kind == TypeKind::kTimestampLtz ? "Z\"" : "\"";
}

bool ColumnEncoder::append_array(const ColumnView& column, uint32_t row, std::string& out) const {
  const uint32_t at = column.is_constant ? 0 : row;
  bool good = true;
  out += '[';
  for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
    if (i > column.offsets[at]) { out += ','; }
    good &= children_[0].append(column.children[0], i, out);
  }
  out += ']';
  return good;
}

bool ColumnEncoder::append_map(const ColumnView& column, uint32_t row, std::string& out) const {
  const uint32_t at = column.is_constant ? 0 : row;
  const ColumnView& keys = column.children[0];
  bool good = true;
  bool first = true;
  out += '{';
  for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
    const bool null = keys.is_null(i);
    if (null && options_.map_null_key_mode != JsonMapNullKey::kLiteral) {
      good &= options_.map_null_key_mode == JsonMapNullKey::kDrop;
      continue;
    }
    if (!std::exchange(first, false)) { out += ','; }
    if (null) {
      append_string(out, options_.map_null_key_literal);
    } else {
      append_string(out, keys.at<Text>(i));
    }
    out += ':';
    good &= children_[1].append(column.children[1], i, out);
  }
  out += '}';
  return good;
}

bool ColumnEncoder::append_row(const ColumnView& column, uint32_t row, std::string& out) const {
  bool good = true;
  bool first = true;
  out += '{';
  for (size_t i = 0; i < children_.size(); ++i) {
    ColumnView child = column.children[i];
    child.is_constant |= column.is_constant;
    if (children_[i].is_left_out(child, row)) { continue; }
    if (!std::exchange(first, false)) { out += ','; }
    out += keys_[i];
    good &= children_[i].append(child, row, out);
  }
  out += '}';
  return good;
}

RowObjectEncoder::RowObjectEncoder(const RowType& row, std::vector<size_t> columns,
                                   const JsonOptions& options)
    : columns_(std::move(columns)) {
  for (size_t i = 0; i < row.size(); ++i) {
    encoders_.emplace_back(row.types[i], options);
    keys_.push_back(ColumnEncoder::key_text(row.names[i]));
  }
}

Status RowObjectEncoder::append(const ColumnBatch& rows, uint32_t row, std::string& out) const {
  bool good = true;
  bool first = true;
  out += '{';
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ColumnView& column = rows.view(columns_[i]);
    if (encoders_[i].is_left_out(column, row)) { continue; }
    if (!std::exchange(first, false)) { out += ','; }
    out += keys_[i];
    good &= encoders_[i].append(column, row, out);
  }
  out += '}';
  if (good) { return {}; }
  return invalid_argument(ErrorId::kRecordMalformed,
                          "a map has a key that is NULL, which JSON can't express: set "
                          "json.map-null-key.mode to DROP or LITERAL");
}

}  // namespace tidewheel::json_detail
