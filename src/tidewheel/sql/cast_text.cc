// Casts to strings and from them.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>

#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/row_kernel_inl.h"
#include "tidewheel/sql/time_text.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {

// ---- Characters

std::string_view first_characters(std::string_view text, int64_t count) {
  if (static_cast<int64_t>(text.size()) <= count) { return text; }
  size_t at = 0;
  while (at < text.size()) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts && count-- == 0) { break; }
    ++at;
  }
  return text.substr(0, at);
}

int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) { count += (static_cast<unsigned char>(c) & 0xc0) != 0x80; }
  return count;
}

// ---- To text

namespace {

// Cuts and pads to what a type holds.
class Fitter {
 public:
  explicit Fitter(const LogicalType& type)
      : length_(type.precision),
        pad_(type.kind == TypeKind::kChar || type.kind == TypeKind::kBinary),
        is_bytes_(type.is_bytes()) {}

  Text fit(Text text, Arena& arena) const {
    if (length_ == LogicalType::kMaxLength) { return text; }
    const std::string_view view = text.view();
    const std::string_view cut =
        is_bytes_ ? view.substr(0, static_cast<size_t>(length_)) : first_characters(view, length_);
    const int64_t size = is_bytes_ ? static_cast<int64_t>(cut.size()) : count_characters(cut);
    if (!pad_ || size >= length_) { return Text(cut); }
    const size_t bytes = cut.size() + static_cast<size_t>(length_ - size);
    char* const out = arena.allocate(bytes);
    std::copy(cut.begin(), cut.end(), out);
    std::fill(out + cut.size(), out + bytes, is_bytes_ ? '\0' : ' ');
    return Text(out, bytes);
  }

 private:
  int64_t length_;
  bool pad_;
  bool is_bytes_;
};

// write(char* out, value) -> end
template <class A, class Write>
std::unique_ptr<Kernel> written(const LogicalType& to, Write write) {
  return row_kernel([fitter = Fitter(to), write](Out<Text>& out, const A& value) mutable {
    char* const text = out.arena().allocate(kScalarTextBytesMax);
    char* const end = write(text, value);
    out.arena().shrink_to(end);
    out.set(fitter.fit(Text(text, static_cast<size_t>(end - text)), out.arena()));
  });
}

char* write_truth(char* out, bool truth) {
  const std::string_view text = truth ? "TRUE" : "FALSE";
  return std::copy(text.begin(), text.end(), out);
}

class NestedToText final : public Kernel {
 public:
  NestedToText(const LogicalType& from, const LogicalType& to, const TimeZone& zone)
      : from_(from), fitter_(to), zone_(zone) {}
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      text_.clear();
      append_value_text(text_, from_, call.arguments[0], row, {.zone = &zone_});
      out[row] = fitter_.fit(call.arena->copy(text_), *call.arena);
    }
    return {};
  }

 private:
  LogicalType from_;
  Fitter fitter_;
  TimeZone zone_;
  std::string text_;
};

template <class A>
std::unique_ptr<Kernel> integer_to_text(const LogicalType& to) {
  return written<A>(to, [](char* out, A value) { return write_integer_text(out, value); });
}
template <class A>
std::unique_ptr<Kernel> decimal_to_text(const LogicalType& to, int32_t scale) {
  return written<A>(
      to, [scale](char* out, const A& value) { return write_decimal_text(out, value, scale); });
}

}  // namespace

std::unique_ptr<Kernel> make_cast_to_text(const LogicalType& from, const LogicalType& to,
                                          const EvalOptions& options) {
  const int32_t precision = from.precision;
  switch (from.kind) {
    case TypeKind::kBoolean:
      return written<uint8_t>(to,
                              [](char* o, uint8_t value) { return write_truth(o, value != 0); });
    case TypeKind::kTinyint: return integer_to_text<int8_t>(to);
    case TypeKind::kSmallint: return integer_to_text<int16_t>(to);
    case TypeKind::kInt: return integer_to_text<int32_t>(to);
    case TypeKind::kBigint: return integer_to_text<int64_t>(to);
    case TypeKind::kFloat:
      return written<float>(to, [](char* out, float value) { return write_real_text(out, value); });
    case TypeKind::kDouble:
      return written<double>(to, [](char* o, double value) { return write_real_text(o, value); });
    case TypeKind::kDecimal:
      return from.physical() == Physical::kInt64 ? decimal_to_text<int64_t>(to, from.scale)
                                                 : decimal_to_text<Int128>(to, from.scale);
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
    case TypeKind::kVarbinary:
      return row_kernel([fitter = Fitter(to)](Out<Text>& out, Text text) {
        out.set(fitter.fit(text, out.arena()));
      });
    case TypeKind::kDate:
      return written<int32_t>(to,
                              [](char* out, int32_t days) { return write_date_text(out, days); });
    case TypeKind::kTime:
      return written<int32_t>(
          to, [precision](char* out, int32_t ms) { return write_time_text(out, ms, precision); });
    case TypeKind::kTimestamp:
      return written<int64_t>(to, [precision](char* out, int64_t value) {
        return write_timestamp_text(out, value, precision);
      });
    case TypeKind::kTimestampLtz:
      return written<int64_t>(
          to, [precision, zone = options.zone](char* out, int64_t value) mutable {
            const int64_t per_ms = units_of(precision) / 1000;
            const int64_t offset = zone.offset_ms(floor_div(value, per_ms)) * per_ms;
            return write_timestamp_text(out, wrapping_add(value, offset), precision);
          });
    case TypeKind::kIntervalMonth:
      return written<int32_t>(
          to, [](char* out, int32_t months) { return write_month_interval_text(out, months); });
    case TypeKind::kIntervalSecond:
      return written<int64_t>(
          to, [](char* out, int64_t ms) { return write_second_interval_text(out, ms); });
    default: return std::make_unique<NestedToText>(from, to, options.zone);
  }
}

// ---- From text

namespace {

template <class R>
void refuse(Out<R>& out, bool is_try, std::string_view text, const std::string& type) {
  if (is_try) { return out.set_null(); }
  constexpr size_t kShown = 100;
  out.fail("'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "..." : "") +
           "' is no " + type + "; TRY_CAST gives NULL for such values");
}

// read(text) -> optional<R>
template <class R, class Read>
std::unique_ptr<Kernel> parsed(const LogicalType& to, bool is_try, Read read) {
  return row_kernel(
      [type = to.as_nullable().to_string(), is_try, read](Out<R>& out, Text text) mutable {
        const auto value = read(text.view());
        if (!value) [[unlikely]] { return refuse(out, is_try, text, type); }
        out.set(static_cast<R>(*value));
      });
}

std::optional<uint8_t> read_truth(std::string_view text) {
  text = without_blanks(text);
  std::array<char, 8> lower{};
  if (text.size() >= lower.size()) { return std::nullopt; }
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  const std::string_view word(lower.data(), text.size());
  for (const std::string_view yes : {"t", "true", "y", "yes", "1"}) {
    if (word == yes) { return uint8_t{1}; }
  }
  for (const std::string_view no : {"f", "false", "n", "no", "0"}) {
    if (word == no) { return uint8_t{0}; }
  }
  return std::nullopt;
}

// Digits; those behind a point are dropped.
template <class T>
std::optional<T> read_integer(std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') { text.remove_prefix(1); }
  const size_t point = text.find('.');
  if (point != std::string_view::npos) {
    const std::string_view fraction = text.substr(point + 1);
    const bool digits =
        std::all_of(fraction.begin(), fraction.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || text.size() == 1) { return std::nullopt; }
    text = text.substr(0, point);
    if (text.empty()) { return T{0}; }
  }
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) { return std::nullopt; }
  return value;
}

template <class T>
std::optional<T> read_real(std::string_view text) {
  text = without_blanks(text);
  const bool negative = text.starts_with('-');
  std::string_view number = text;
  if (negative || text.starts_with('+')) { number.remove_prefix(1); }
  const T sign = negative ? T{-1} : T{1};
  if (number == "NaN") { return std::numeric_limits<T>::quiet_NaN(); }
  if (number == "Infinity") { return sign * std::numeric_limits<T>::infinity(); }
  if (number.empty() || !(number[0] == '.' || (number[0] >= '0' && number[0] <= '9'))) {
    return std::nullopt;
  }
  T value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (end != number.data() + number.size()) { return std::nullopt; }
  if (error == std::errc::result_out_of_range) {
    const bool small = number.find("e-") != std::string_view::npos ||
                       number.find("E-") != std::string_view::npos || number[0] == '0' ||
                       number[0] == '.';
    return sign * (small ? T{0} : std::numeric_limits<T>::infinity());
  }
  return error == std::errc() ? std::optional<T>(sign * value) : std::nullopt;
}

template <class R>
std::unique_ptr<Kernel> decimal_from_text(const LogicalType& to, bool is_try) {
  return row_kernel([type = to.as_nullable().to_string(), is_try, precision = to.precision,
                     scale = to.scale](Out<R>& out, Text text) {
    Int128 unscaled = 0;
    switch (parse_decimal_text(without_blanks(text.view()), precision, scale, unscaled)) {
      case NumberText::kGood: return out.set(static_cast<R>(unscaled));
      case NumberText::kTooLarge: return out.set_null();
      case NumberText::kBad: return refuse(out, is_try, text, type);
    }
  });
}

}  // namespace

std::unique_ptr<Kernel> make_cast_from_text(const LogicalType& to, bool is_try,
                                            const EvalOptions& options) {
  const int32_t precision = to.precision;
  switch (to.kind) {
    case TypeKind::kBoolean: return parsed<uint8_t>(to, is_try, read_truth);
    case TypeKind::kTinyint: return parsed<int8_t>(to, is_try, read_integer<int8_t>);
    case TypeKind::kSmallint: return parsed<int16_t>(to, is_try, read_integer<int16_t>);
    case TypeKind::kInt: return parsed<int32_t>(to, is_try, read_integer<int32_t>);
    case TypeKind::kBigint: return parsed<int64_t>(to, is_try, read_integer<int64_t>);
    case TypeKind::kFloat: return parsed<float>(to, is_try, read_real<float>);
    case TypeKind::kDouble: return parsed<double>(to, is_try, read_real<double>);
    case TypeKind::kDecimal:
      return to.physical() == Physical::kInt64 ? decimal_from_text<int64_t>(to, is_try)
                                               : decimal_from_text<Int128>(to, is_try);
    case TypeKind::kDate: return parsed<int32_t>(to, is_try, parse_date_text);
    case TypeKind::kTime: return parsed<int32_t>(to, is_try, parse_time_text);
    case TypeKind::kTimestamp:
      return parsed<int64_t>(to, is_try, [precision](std::string_view text) {
        return parse_timestamp_text(text, precision);
      });
    case TypeKind::kTimestampLtz:
      return parsed<int64_t>(
          to, is_try,
          [precision,
           zone = options.zone](std::string_view text) mutable -> std::optional<int64_t> {
            const auto local = parse_timestamp_text(text, precision);
            if (!local) { return std::nullopt; }
            const int64_t per_ms = units_of(precision) / 1000;
            const int64_t local_ms = floor_div(*local, per_ms);
            int64_t value = 0;
            const bool is_over = __builtin_add_overflow(
                *local, (utc_of_local_ms(zone, local_ms) - local_ms) * per_ms, &value);
            return is_over ? std::nullopt : std::optional(value);
          });
    default: return nullptr;
  }
}

}  // namespace tidewheel::sql
