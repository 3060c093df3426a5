#include "tidewheel/types/column_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

#include "tidewheel/base/time_zone.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kMsPerDay = 86'400'000;

int64_t floor_of(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}

char* write_digits(char* out, uint64_t value, int count) {
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + count;
}

char* write_unsigned(char* out, uint64_t value) {
  return std::to_chars(out, out + kScalarTextBytesMax, value).ptr;
}

uint64_t magnitude_of(int64_t value) {
  return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

// Digits without the point, and the exponent of the first: 1.25e3 is "125" and 3.
struct Digits {
  std::array<char, 24> text;
  int count = 0;
  int exponent = 0;
};

template <class T>
Digits shortest_digits(T magnitude) {
  std::array<char, 40> buffer;
  const char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude,
                                        std::chars_format::scientific)
                              .ptr;
  Digits digits;
  const char* at = buffer.data();
  for (; at != end && *at != 'e'; ++at) {
    if (*at != '.') { digits.text[static_cast<size_t>(digits.count++)] = *at; }
  }
  ++at;
  if (*at == '+') { ++at; }
  std::from_chars(at, end, digits.exponent);
  return digits;
}

template <class T>
char* write_real(char* out, T value) {
  const auto literal = [&](std::string_view text) {
    return std::copy(text.begin(), text.end(), out);
  };
  if (value != value) { return literal("NaN"); }
  if (std::signbit(value)) {
    *out++ = '-';
    value = -value;
  }
  if (value == std::numeric_limits<T>::infinity()) { return literal("Infinity"); }
  if (value == 0) { return literal("0.0"); }
  const Digits digits = shortest_digits(value);
  const char* const first = digits.text.data();
  const char* const last = first + digits.count;
  if (value >= T(1e-3) && value < T(1e7)) {
    if (digits.exponent < 0) {
      out = literal("0.");
      out = std::fill_n(out, -digits.exponent - 1, '0');
      return std::copy(first, last, out);
    }
    const int whole = digits.exponent + 1;
    out = std::copy(first, first + std::min(whole, digits.count), out);
    out = std::fill_n(out, std::max(0, whole - digits.count), '0');
    *out++ = '.';
    if (whole >= digits.count) {
      *out++ = '0';
      return out;
    }
    return std::copy(first + whole, last, out);
  }
  *out++ = *first;
  *out++ = '.';
  if (digits.count == 1) {
    *out++ = '0';
  } else {
    out = std::copy(first + 1, last, out);
  }
  *out++ = 'E';
  return std::to_chars(out, out + 8, digits.exponent).ptr;
}

char* write_uint128(char* out, UInt128 value, int digits_min) {
  constexpr uint64_t kPart = 1'000'000'000'000'000'000ULL;  // 18 digits
  std::array<char, 48> text;
  char* const end = text.data() + text.size();
  char* at = end;
  do {
    auto part = static_cast<uint64_t>(value % kPart);
    value /= kPart;
    for (int i = 0; i < 18 && (part != 0 || value != 0); ++i) {
      *--at = static_cast<char>('0' + part % 10);
      part /= 10;
    }
  } while (value != 0);
  while (end - at < digits_min) { *--at = '0'; }
  return std::copy(at, end, out);
}

// ---- Java's texts

// Of ISO 8601 as java.time has it: seconds only when they are not 0 or `seconds` asks for them, and
// 0, 3, 6 or 9 digits of a second.
char* write_iso_time(char* out, int64_t ns_of_day, bool seconds) {
  const int64_t second_of_day = ns_of_day / 1'000'000'000;
  const auto ns = static_cast<uint64_t>(ns_of_day % 1'000'000'000);
  out = write_digits(out, static_cast<uint64_t>(second_of_day / 3600), 2);
  *out++ = ':';
  out = write_digits(out, static_cast<uint64_t>(second_of_day / 60 % 60), 2);
  if (second_of_day % 60 == 0 && ns == 0 && !seconds) { return out; }
  *out++ = ':';
  out = write_digits(out, static_cast<uint64_t>(second_of_day % 60), 2);
  if (ns == 0) { return out; }
  *out++ = '.';
  if (ns % 1'000'000 == 0) { return write_digits(out, ns / 1'000'000, 3); }
  if (ns % 1000 == 0) { return write_digits(out, ns / 1000, 6); }
  return write_digits(out, ns, 9);
}

char* write_iso_timestamp(char* out, int64_t value, const LogicalType& type) {
  const int64_t units = type.units_per_second();
  const int64_t days = floor_of(value, units * 86'400);
  out = write_date(out, days);
  *out++ = 'T';
  const bool is_instant = type.kind == TypeKind::kTimestampLtz;
  out = write_iso_time(out, (value - days * 86'400 * units) * (1'000'000'000 / units), is_instant);
  if (is_instant) { *out++ = 'Z'; }
  return out;
}

char* write_iso_period(char* out, int32_t months) {
  *out++ = 'P';
  if (months == 0) {
    *out++ = '0';
    *out++ = 'D';
    return out;
  }
  if (months / 12 != 0) {
    out = write_integer_text(out, months / 12);
    *out++ = 'Y';
  }
  if (months % 12 != 0) {
    out = write_integer_text(out, months % 12);
    *out++ = 'M';
  }
  return out;
}

char* write_iso_duration(char* out, int64_t ms) {
  *out++ = 'P';
  *out++ = 'T';
  const int64_t seconds = ms / kMsPerSecond;
  const int64_t rest_ms = ms % kMsPerSecond;
  if (seconds / 3600 != 0) {
    out = write_integer_text(out, seconds / 3600);
    *out++ = 'H';
  }
  if (seconds / 60 % 60 != 0) {
    out = write_integer_text(out, seconds / 60 % 60);
    *out++ = 'M';
  }
  if (seconds % 60 == 0 && rest_ms == 0 && ms != 0) { return out; }
  if (seconds % 60 == 0 && rest_ms < 0) { *out++ = '-'; }
  out = write_integer_text(out, seconds % 60);
  if (rest_ms != 0) {
    *out++ = '.';
    out = write_digits(out, magnitude_of(rest_ms), 3);
    while (out[-1] == '0') { --out; }
  }
  *out++ = 'S';
  return out;
}

// As BigDecimal.toString: with an exponent when there are more than six 0 behind the point.
char* write_big_decimal(char* out, Int128 unscaled, int32_t scale) {
  std::array<char, kScalarTextBytesMax> digits;
  const char* first = digits.data();
  const char* const last = write_decimal_text(digits.data(), unscaled, 0);
  if (*first == '-') { ++first; }
  const auto adjusted = static_cast<int32_t>(last - first) - 1 - scale;
  if (scale == 0 || adjusted >= -6) { return write_decimal_text(out, unscaled, scale); }
  if (unscaled < 0) { *out++ = '-'; }
  *out++ = *first++;
  if (first != last) {
    *out++ = '.';
    out = std::copy(first, last, out);
  }
  *out++ = 'E';
  return write_integer_text(out, adjusted);
}

// ---- All types

class ValueWriter {
 public:
  ValueWriter(std::string& out, const ColumnTextOptions& options) : out_(out), options_(options) {
    is_sql_ = options.style == TextStyle::kSql;
  }

  void append(const LogicalType& type, const ColumnView& column, uint32_t row) {
    if (column.is_null(row) || type.kind == TypeKind::kNull) {
      out_ += options_.null_text != nullptr ? options_.null_text : is_sql_ ? "NULL" : "null";
      return;
    }
    switch (type.kind) {
      case TypeKind::kChar:
      case TypeKind::kVarchar: out_ += column.at<Text>(row).view(); return;
      case TypeKind::kBinary:
      case TypeKind::kVarbinary: return append_bytes(column.at<Text>(row).view());
      case TypeKind::kArray: return append_list(type, column, row, '[', ']');
      case TypeKind::kMultiset:
      case TypeKind::kMap: return append_list(type, column, row, '{', '}');
      case TypeKind::kRow: return append_row(type, column, row);
      default: break;
    }
    std::array<char, kScalarTextBytesMax> buffer;
    out_.append(buffer.data(), write_scalar(buffer.data(), type, column, row));
  }

 private:
  char* write_scalar(char* out, const LogicalType& type, const ColumnView& column, uint32_t row) {
    switch (type.kind) {
      case TypeKind::kBoolean: {
        const bool truth = column.at<uint8_t>(row) != 0;
        const std::string_view text =
            is_sql_ ? (truth ? "TRUE" : "FALSE") : (truth ? "true" : "false");
        return std::copy(text.begin(), text.end(), out);
      }
      case TypeKind::kTinyint: return write_integer_text(out, column.at<int8_t>(row));
      case TypeKind::kSmallint: return write_integer_text(out, column.at<int16_t>(row));
      case TypeKind::kInt: return write_integer_text(out, column.at<int32_t>(row));
      case TypeKind::kBigint: return write_integer_text(out, column.at<int64_t>(row));
      case TypeKind::kFloat: return write_real_text(out, column.at<float>(row));
      case TypeKind::kDouble: return write_real_text(out, column.at<double>(row));
      case TypeKind::kDecimal: {
        const Int128 unscaled =
            type.physical() == Physical::kInt64 ? column.at<int64_t>(row) : column.at<Int128>(row);
        return is_sql_ ? write_decimal_text(out, unscaled, type.scale)
                       : write_big_decimal(out, unscaled, type.scale);
      }
      default: return write_temporal(out, type, column, row);
    }
  }

  char* write_temporal(char* out, const LogicalType& type, const ColumnView& column, uint32_t row) {
    switch (type.kind) {
      case TypeKind::kDate: return write_date_text(out, column.at<int32_t>(row));
      case TypeKind::kTime: {
        const int32_t ms = column.at<int32_t>(row);
        return is_sql_ ? write_time_text(out, ms, type.precision)
                       : write_iso_time(out, int64_t{ms} * 1'000'000, false);
      }
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz: {
        const int64_t value = column.at<int64_t>(row);
        if (!is_sql_) { return write_iso_timestamp(out, value, type); }
        return write_timestamp_text(out, local(value, type), type.precision);
      }
      case TypeKind::kIntervalMonth: {
        const int32_t months = column.at<int32_t>(row);
        return is_sql_ ? write_month_interval_text(out, months) : write_iso_period(out, months);
      }
      case TypeKind::kIntervalSecond: {
        const int64_t ms = column.at<int64_t>(row);
        return is_sql_ ? write_second_interval_text(out, ms) : write_iso_duration(out, ms);
      }
      default: return out;
    }
  }

  int64_t local(int64_t value, const LogicalType& type) {
    if (type.kind != TypeKind::kTimestampLtz || options_.zone == nullptr) { return value; }
    const int64_t units_per_ms = type.units_per_second() / kMsPerSecond;
    const int64_t offset_ms = options_.zone->offset_ms(floor_of(value, units_per_ms));
    return saturating_add(value, offset_ms * units_per_ms);
  }

  void append_bytes(std::string_view bytes) {
    if (is_sql_) {
      out_ += bytes;
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i > 0) { out_ += ", "; }
      std::array<char, 8> buffer;
      out_.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                               static_cast<int>(static_cast<int8_t>(bytes[i])))
                                     .ptr);
    }
    out_ += ']';
  }

  void append_list(const LogicalType& type, const ColumnView& column, uint32_t row, char open,
                   char close) {
    const uint32_t at = column.is_constant ? 0 : row;
    out_ += open;
    for (uint32_t e = column.offsets[at]; e < column.offsets[at + 1]; ++e) {
      if (e > column.offsets[at]) { out_ += ", "; }
      append(type.children[0], column.children[0], e);
      if (type.kind == TypeKind::kArray) { continue; }
      out_ += '=';
      static const LogicalType kCount = LogicalType::of(TypeKind::kInt, false);
      append(type.kind == TypeKind::kMap ? type.children[1] : kCount, column.children[1], e);
    }
    out_ += close;
  }

  void append_row(const LogicalType& type, const ColumnView& column, uint32_t row) {
    out_ += is_sql_ ? "(" : "+I[";
    const uint32_t at = column.is_constant ? 0 : row;
    for (size_t i = 0; i < type.children.size(); ++i) {
      if (i > 0) { out_ += ", "; }
      append(type.children[i], column.children[i], at);
    }
    out_ += is_sql_ ? ')' : ']';
  }

  std::string& out_;
  const ColumnTextOptions& options_;
  bool is_sql_;
};

}  // namespace

char* write_integer_text(char* out, int64_t value) {
  return std::to_chars(out, out + kScalarTextBytesMax, value).ptr;
}
char* write_real_text(char* out, double value) { return write_real(out, value); }
char* write_real_text(char* out, float value) { return write_real(out, value); }

char* write_decimal_text(char* out, Int128 unscaled, int32_t scale) {
  UInt128 magnitude = static_cast<UInt128>(unscaled);
  if (unscaled < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  out = write_uint128(out, magnitude, scale + 1);
  if (scale == 0) { return out; }
  std::copy_backward(out - scale, out, out + 1);
  out[-scale] = '.';
  return out + 1;
}

char* write_timestamp_text(char* out, int64_t value, int32_t precision) {
  const int64_t units = LogicalType::with(TypeKind::kTimestamp, precision).units_per_second();
  const int64_t days = floor_of(value, units * 86'400);
  out = write_date(out, days);
  *out++ = ' ';
  const auto rest = static_cast<uint64_t>(value - days * 86'400 * units);
  const uint64_t second = rest / static_cast<uint64_t>(units);
  out = write_digits(out, second / 3600, 2);
  *out++ = ':';
  out = write_digits(out, second / 60 % 60, 2);
  *out++ = ':';
  out = write_digits(out, second % 60, 2);
  if (precision <= 0) { return out; }
  *out++ = '.';
  const uint64_t ns =
      rest % static_cast<uint64_t>(units) * (1'000'000'000 / static_cast<uint64_t>(units));
  write_digits(out, ns, 9);
  return out + precision;
}

char* write_date_text(char* out, int32_t days) { return write_date(out, days); }

char* write_time_text(char* out, int32_t ms, int32_t precision) {
  out = write_time_of_day(out, ms);
  return precision <= 0 ? out - 4 : out - 3 + std::min(precision, 3);
}

char* write_month_interval_text(char* out, int32_t months) {
  *out++ = months < 0 ? '-' : '+';
  const uint64_t magnitude = magnitude_of(months);
  out = write_unsigned(out, magnitude / 12);
  *out++ = '-';
  return write_digits(out, magnitude % 12, 2);
}

char* write_second_interval_text(char* out, int64_t ms) {
  *out++ = ms < 0 ? '-' : '+';
  const uint64_t magnitude = magnitude_of(ms);
  out = write_unsigned(out, magnitude / static_cast<uint64_t>(kMsPerDay));
  *out++ = ' ';
  return write_time_of_day(out, static_cast<int64_t>(magnitude % static_cast<uint64_t>(kMsPerDay)));
}

void append_value_text(std::string& out, const LogicalType& type, const ColumnView& column,
                       uint32_t row, const ColumnTextOptions& options) {
  ValueWriter(out, options).append(type, column, row);
}

std::string value_to_text(const LogicalType& type, const ColumnView& column, uint32_t row,
                          const ColumnTextOptions& options) {
  std::string out;
  append_value_text(out, type, column, row, options);
  return out;
}

}  // namespace tidewheel
