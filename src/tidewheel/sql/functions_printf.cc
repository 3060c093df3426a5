// PRINTF(format, ...): texts by a format, as Java's String.format has it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_ops.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

constexpr int32_t kWidthMax = 10'000;

// %[argument$][flags][width][.precision]conversion
struct Directive {
  int32_t argument = -1;  // from 0; -1: the next one
  bool left = false;
  bool zeros = false;
  bool plus = false;
  bool blank = false;
  bool grouped = false;
  int32_t width = 0;
  int32_t precision = -1;
  char conversion = 's';
};

int32_t take_number(std::string_view& text) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) { return -1; }
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// Behind the %; nothing when it is none.
std::optional<Directive> take_directive(std::string_view& text) {
  Directive directive;
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits != std::string_view::npos && digits > 0 && text[digits] == '$') {
    directive.argument = take_number(text) - 1;
    text.remove_prefix(1);
    if (directive.argument < 0) { return std::nullopt; }
  }
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text.front();
    if (c == '-') {
      directive.left = true;
    } else if (c == '0') {
      directive.zeros = true;
    } else if (c == '+') {
      directive.plus = true;
    } else if (c == ' ') {
      directive.blank = true;
    } else if (c == ',') {
      directive.grouped = true;
    } else {
      break;
    }
  }
  if (!text.empty() && text.front() >= '1' && text.front() <= '9') {
    directive.width = take_number(text);
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    directive.precision = take_number(text);
    if (directive.precision < 0) { return std::nullopt; }
  }
  if (text.empty() || directive.width < 0 || directive.width > kWidthMax ||
      directive.precision > kWidthMax) {
    return std::nullopt;
  }
  directive.conversion = text.front();
  text.remove_prefix(1);
  constexpr std::string_view kKnown = "sSdxXofeEgbc%n";
  if (kKnown.find(directive.conversion) == std::string_view::npos) { return std::nullopt; }
  return directive;
}

// With commas between thousands.
std::string grouped(std::string digits) {
  const size_t end = std::min(digits.find('.'), digits.size());
  for (size_t at = end; at > 3; at -= 3) { digits.insert(at - 3, ","); }
  return digits;
}

// A number's digits with its sign, and zeros up to the width.
std::string finished_number(const Directive& directive, bool negative, std::string digits) {
  if (directive.grouped) { digits = grouped(std::move(digits)); }
  const std::string sign = negative ? "-" : directive.plus ? "+" : directive.blank ? " " : "";
  const auto width = static_cast<size_t>(directive.width);
  if (directive.zeros && !directive.left && digits.size() + sign.size() < width) {
    digits.insert(0, width - digits.size() - sign.size(), '0');
  }
  return sign + digits;
}

class PrintfKernel final : public Kernel {
 public:
  explicit PrintfKernel(std::span<const LogicalType> types) : types_(types.begin(), types.end()) {}

  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      if (call.arguments[0].is_null(row)) {
        call.result->set_null(row);
        continue;
      }
      const Text format = call.arguments[0].at<Text>(row);
      made_.clear();
      if (!print(call, row, format.view())) {
        return invalid_argument(ErrorId::kSqlValue,
                                "'{}' does not fit what is printed: it may have %s, %d, %x, %o, "
                                "%f, %e, %b, %c, %n and %% with flags, width and precision",
                                format.view());
      }
      out[row] = call.arena->copy(made_);
    }
    return {};
  }

 private:
  bool print(const KernelCall& call, uint32_t row, std::string_view format) {
    size_t next = 1;
    while (!format.empty()) {
      const size_t percent = std::min(format.find('%'), format.size());
      made_ += format.substr(0, percent);
      format.remove_prefix(percent);
      if (format.empty()) { break; }
      format.remove_prefix(1);
      const auto directive = take_directive(format);
      if (!directive) { return false; }
      if (directive->conversion == 'n' || directive->conversion == '%') {
        made_ += directive->conversion == 'n' ? '\n' : '%';
        continue;
      }
      const size_t argument =
          directive->argument >= 0 ? static_cast<size_t>(directive->argument) + 1 : next++;
      if (argument >= call.arguments.size()) { return false; }
      const auto text = converted(*directive, types_[argument], call.arguments[argument], row);
      if (!text) { return false; }
      const auto length = character_count(*text);
      const auto padding = static_cast<size_t>(std::max<int64_t>(directive->width - length, 0));
      if (!directive->left) { made_.append(padding, ' '); }
      made_ += *text;
      if (directive->left) { made_.append(padding, ' '); }
    }
    return true;
  }

  static std::optional<std::string> converted(const Directive& directive, const LogicalType& type,
                                              const ColumnView& column, uint32_t row) {
    const bool is_null = type.kind == TypeKind::kNull || column.is_null(row);
    switch (directive.conversion) {
      case 'b':
        return std::string(!is_null &&
                                   (type.kind != TypeKind::kBoolean || column.at<uint8_t>(row) != 0)
                               ? "true"
                               : "false");
      case 's':
      case 'S': {
        std::string text = value_to_text(type, column, row, {.style = TextStyle::kExternal});
        if (directive.precision >= 0) { text = substring(text, 1, directive.precision); }
        if (directive.conversion == 's') { return text; }
        std::string upper;
        append_upper(upper, text);
        return upper;
      }
      default: break;
    }
    if (is_null) { return "null"; }
    switch (directive.conversion) {
      case 'd':
      case 'x':
      case 'X':
      case 'o':
      case 'c': return type.is_integer() ? whole(directive, type, column, row) : std::nullopt;
      default: return real(directive, type, column, row);
    }
  }

  static std::optional<std::string> whole(const Directive& directive, const LogicalType& type,
                                          const ColumnView& column, uint32_t row) {
    const auto [value, bits] = [&]() -> std::pair<int64_t, int> {
      switch (type.kind) {
        case TypeKind::kTinyint: return {column.at<int8_t>(row), 8};
        case TypeKind::kSmallint: return {column.at<int16_t>(row), 16};
        case TypeKind::kInt: return {column.at<int32_t>(row), 32};
        default: return {column.at<int64_t>(row), 64};
      }
    }();
    std::string text;
    if (directive.conversion == 'c') {
      append_character(text, static_cast<uint32_t>(value));
      return text;
    }
    std::array<char, 72> buffer;
    if (directive.conversion == 'd') {
      const bool negative = value < 0;
      const uint64_t magnitude =
          negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude).ptr;
      return finished_number(directive, negative, std::string(buffer.data(), end));
    }
    // Two's complement in the type's own width.
    const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                      static_cast<uint64_t>(value) & mask, directive.conversion == 'o' ? 8 : 16)
            .ptr;
    const std::string_view digits(buffer.data(), static_cast<size_t>(end - buffer.data()));
    if (directive.conversion == 'X') {
      append_upper(text, digits);
    } else {
      text = digits;
    }
    return finished_number(directive, false, std::move(text));
  }

  static std::optional<std::string> real(const Directive& directive, const LogicalType& type,
                                         const ColumnView& column, uint32_t row) {
    const int32_t precision = directive.precision < 0 ? 6 : std::min(directive.precision, 300);
    if (type.kind == TypeKind::kDecimal && directive.conversion == 'f') {
      const Int128 unscaled =
          type.physical() == Physical::kInt64 ? column.at<int64_t>(row) : column.at<Int128>(row);
      const auto shown =
          detail::rescale_decimal(unscaled, type.scale, std::min(precision, type.scale), 38);
      if (!shown) { return std::nullopt; }
      std::string digits =
          detail::decimal_to_string(*shown < 0 ? -*shown : *shown, std::min(precision, type.scale));
      if (precision > type.scale) {
        if (type.scale == 0) { digits += '.'; }
        digits.append(static_cast<size_t>(precision - type.scale), '0');
      }
      return finished_number(directive, *shown < 0, std::move(digits));
    }
    if (!type.is_approximate()) { return std::nullopt; }
    const double value = type.kind == TypeKind::kFloat ? static_cast<double>(column.at<float>(row))
                                                       : column.at<double>(row);
    if (!std::isfinite(value)) {
      return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    }
    std::array<char, 700> buffer;
    const auto form = directive.conversion == 'f'   ? std::chars_format::fixed
                      : directive.conversion == 'g' ? std::chars_format::general
                                                    : std::chars_format::scientific;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value),
                                   form, precision)
                         .ptr;
    std::string digits(buffer.data(), end);
    if (directive.conversion == 'E') {
      std::string upper;
      append_upper(upper, digits);
      digits = std::move(upper);
    }
    return finished_number(directive, std::signbit(value), std::move(digits));
  }

  std::vector<LogicalType> types_;
  std::string made_;
};

}  // namespace

void add_printf(FunctionTable& table) {
  table.define("PRINTF", kCarefulNullAware, {"string, any* -> string"},
               {[](const KernelSetup& setup) -> Result<std::unique_ptr<Kernel>> {
                 return std::unique_ptr<Kernel>(std::make_unique<PrintfKernel>(setup.arguments));
               }});
}

}  // namespace tidewheel::sql
