#include "tidewheel/formats/csv/column_parser.h"

#include <algorithm>

#include "tidewheel/formats/csv/values.h"
#include "tidewheel/formats/csv/writer.h"
#include "tidewheel/types/base64.h"
#include "tidewheel/types/column_text.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/fine_time.h"
#include "tidewheel/types/time.h"

namespace tidewheel::csv {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) { text.remove_prefix(1); }
  while (!text.empty() && is_blank(text.back())) { text.remove_suffix(1); }
  return text;
}
bool has_blanks(std::string_view text) {
  return !text.empty() && (is_blank(text.front()) || is_blank(text.back()));
}

// Calls f(part) for the parts of `text` between delimiters; false as soon as it says so.
template <class F>
bool for_each_part(std::string_view text, char delimiter, F&& f) {
  while (true) {
    const size_t end = text.find(delimiter);
    if (!f(text.substr(0, end))) { return false; }
    if (end == std::string_view::npos) { return true; }
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Status check_type(const LogicalType& type, const std::string& name) {
  const auto is_nested = [](const LogicalType& one) { return !one.children.empty(); };
  const bool is_map = type.kind == TypeKind::kMap || type.kind == TypeKind::kMultiset;
  if (type.kind == TypeKind::kNull || is_map ||
      std::any_of(type.children.begin(), type.children.end(), is_nested)) {
    return invalid_argument(ErrorId::kSqlType,
                            "the format csv has no form for column '{}' of type {}: it has arrays "
                            "and rows of values that are not nested themselves",
                            name, type.to_string());
  }
  return {};
}

ColumnParser::ColumnParser(const LogicalType& type, const ColumnOptions& options)
    : type_(type),
      parse_(parse_of(type)),
      element_delimiter_(options.element_delimiter),
      null_literals_(options.csv.null_literals) {
  for (const LogicalType& child : type.children) { children_.emplace_back(child, options); }
}

ColumnParser::Parse ColumnParser::parse_of(const LogicalType& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return &ColumnParser::parse_boolean;
    case TypeKind::kTinyint: return &ColumnParser::parse_number<int8_t>;
    case TypeKind::kSmallint: return &ColumnParser::parse_number<int16_t>;
    case TypeKind::kInt:
    case TypeKind::kIntervalMonth: return &ColumnParser::parse_number<int32_t>;
    case TypeKind::kBigint:
    case TypeKind::kIntervalSecond: return &ColumnParser::parse_number<int64_t>;
    case TypeKind::kFloat: return &ColumnParser::parse_number<float>;
    case TypeKind::kDouble: return &ColumnParser::parse_number<double>;
    case TypeKind::kDecimal:
      return type.physical() == Physical::kInt64 ? &ColumnParser::parse_decimal<int64_t>
                                                 : &ColumnParser::parse_decimal<Int128>;
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return &ColumnParser::parse_bytes;
    case TypeKind::kDate:
    case TypeKind::kTime: return &ColumnParser::parse_date_or_time;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: return &ColumnParser::parse_point_in_time;
    case TypeKind::kArray: return &ColumnParser::parse_array;
    case TypeKind::kRow: return &ColumnParser::parse_row;
    default: break;
  }
  return &ColumnParser::parse_string;
}

template <class T>
bool ColumnParser::parse_number(std::string_view text, bool, Column& column, uint32_t row,
                                Arena&) const {
  T& value = column.values<T>()[row];
  if (detail::parse_number(text, value)) [[likely]] { return true; }
  return has_blanks(text) && detail::parse_number(without_blanks(text), value);
}

bool ColumnParser::parse_boolean(std::string_view text, bool, Column& column, uint32_t row,
                                 Arena&) const {
  bool value = false;
  if (!detail::parse_bool(without_blanks(text), value)) { return false; }
  column.values<uint8_t>()[row] = value ? 1 : 0;
  return true;
}

// What is beyond the precision is NULL.
template <class T>
bool ColumnParser::parse_decimal(std::string_view text, bool, Column& column, uint32_t row,
                                 Arena&) const {
  text = without_blanks(text);
  const auto value = tidewheel::detail::parse_decimal(text, type_.precision, type_.scale);
  if (value.has_value()) [[likely]] {
    column.values<T>()[row] = static_cast<T>(*value);
    return true;
  }
  // With an exponent, or too large: by way of a double, which tells them apart.
  double real = 0;
  if (!detail::parse_number(text, real)) { return false; }
  const std::string plain = fmt::format("{:.{}f}", real, type_.scale);
  const auto again = tidewheel::detail::parse_decimal(plain, type_.precision, type_.scale);
  const bool has_exponent = text.find_first_of("eE") != std::string_view::npos;
  if (has_exponent && again.has_value()) {
    column.values<T>()[row] = static_cast<T>(*again);
    return true;
  }
  if (!type_.nullable) { return false; }
  column.append_null(row);
  return true;
}

bool ColumnParser::parse_string(std::string_view text, bool is_lasting, Column& column,
                                uint32_t row, Arena& arena) const {
  column.values<Text>()[row] = is_lasting ? Text(text) : arena.copy(text);
  return true;
}

bool ColumnParser::parse_bytes(std::string_view text, bool, Column& column, uint32_t row,
                               Arena& arena) const {
  std::string bytes;
  if (!parse_base64(text, bytes)) { return false; }
  column.values<Text>()[row] = arena.copy(bytes);
  return true;
}

bool ColumnParser::parse_date_or_time(std::string_view text, bool, Column& column, uint32_t row,
                                      Arena&) const {
  text = without_blanks(text);
  if (type_.kind == TypeKind::kDate) {
    const auto date = parse_date(text);
    if (date.has_value()) { column.values<int32_t>()[row] = date->days(); }
    return date.has_value();
  }
  const auto time = tidewheel::parse_time(text);
  if (time.has_value()) { column.values<int32_t>()[row] = time->ms(); }
  return time.has_value();
}

// A zone is that of an instant; of a point in time without a zone it is no part.
bool ColumnParser::parse_point_in_time(std::string_view text, bool, Column& column, uint32_t row,
                                       Arena&) const {
  text = without_blanks(text);
  if (type_.kind == TypeKind::kTimestamp && text.ends_with('Z')) { text.remove_suffix(1); }
  const auto ms = tidewheel::parse_timestamp(text);
  int64_t& value = column.values<int64_t>()[row];
  if (!ms.has_value()) { return false; }
  if (type_.precision <= 3) {
    value = ms->ms();
    return true;
  }
  return refine_timestamp(text, ms->ms(), type_.units_per_second(), value);
}

bool ColumnParser::parse_element(size_t child, std::string_view text, bool is_lasting,
                                 Column& column, uint32_t row, Arena& arena) const {
  const ColumnParser& parser = children_[child];
  const bool null =
      (text.empty() && !parser.takes_empty()) ||
      std::find(null_literals_.begin(), null_literals_.end(), text) != null_literals_.end();
  if (!null) { return parser.parse(text, is_lasting, column, row, arena); }
  if (!parser.type().nullable) { return false; }
  column.append_null(row);
  return true;
}

bool ColumnParser::parse_array(std::string_view text, bool is_lasting, Column& column, uint32_t row,
                               Arena& arena) const {
  const bool good = for_each_part(text, element_delimiter_, [&](std::string_view part) {
    const uint32_t element = column.child_rows();
    column.child(0).ensure(element + 1);
    if (!parse_element(0, part, is_lasting, column.child(0), element, arena)) { return false; }
    column.set_child_rows(element + 1);
    return true;
  });
  column.offsets()[row + 1] = column.child_rows();
  return good;
}

bool ColumnParser::parse_row(std::string_view text, bool is_lasting, Column& column, uint32_t row,
                             Arena& arena) const {
  size_t field = 0;
  const bool good = for_each_part(text, element_delimiter_, [&](std::string_view part) {
    if (field == children_.size()) { return false; }
    const size_t at = field++;
    return parse_element(at, part, is_lasting, column.child(at), row, arena);
  });
  return good && field == children_.size();
}

void ColumnWriter::append(const ColumnView& column, uint32_t row, std::string& out) const {
  if (column.is_null(row)) { return detail::append_null(out, options_.csv); }
  if (type_.children.empty() && !type_.is_character()) {
    return append_bare(type_, column, row, out);
  }
  std::string text;
  if (type_.is_character()) {
    return detail::append_text(out, column.at<Text>(row), options_.csv, type_.nullable);
  }
  const auto append_part = [&](bool first, const LogicalType& type, const ColumnView& part,
                               uint32_t at) {
    if (!first) { text += options_.element_delimiter; }
    if (part.is_null(at)) { return detail::append_null(text, options_.csv); }
    append_bare(type, part, at, text);
  };
  if (type_.kind == TypeKind::kArray) {
    const uint32_t at = column.is_constant ? 0 : row;
    for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
      append_part(i == column.offsets[at], type_.children[0], column.children[0], i);
    }
  } else {
    for (size_t i = 0; i < type_.children.size(); ++i) {
      ColumnView child = column.children[i];
      child.is_constant |= column.is_constant;
      append_part(i == 0, type_.children[i], child, row);
    }
  }
  detail::append_text(out, text, options_.csv, false);
}

// Without quotes.
void ColumnWriter::append_bare(const LogicalType& type, const ColumnView& column, uint32_t row,
                               std::string& out) const {
  switch (type.kind) {
    case TypeKind::kBoolean: out += column.at<uint8_t>(row) != 0 ? "true" : "false"; return;
    case TypeKind::kChar:
    case TypeKind::kVarchar: out += column.at<Text>(row).view(); return;
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: append_base64(out, column.at<Text>(row)); return;
    case TypeKind::kIntervalMonth:
    case TypeKind::kIntervalSecond: {
      const LogicalType number = LogicalType::of(
          type.kind == TypeKind::kIntervalMonth ? TypeKind::kInt : TypeKind::kBigint);
      return append_value_text(out, number, column, row);
    }
    case TypeKind::kDecimal:
      return append_value_text(
          out, type, column, row,
          {.style = options_.scientific_decimals ? TextStyle::kExternal : TextStyle::kSql});
    default: append_value_text(out, type, column, row); break;
  }
  if (type.kind == TypeKind::kTimestampLtz) { out += 'Z'; }
}

}  // namespace tidewheel::csv
