// The parts of CAST, by what is cast. For cast*.cc.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "tidewheel/sql/kernel.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// Numbers and truth values.
std::unique_ptr<Kernel> make_number_cast(const LogicalType& from, const LogicalType& to);
// Everything to strings and bytes.
std::unique_ptr<Kernel> make_cast_to_text(const LogicalType& from, const LogicalType& to,
                                          const EvalOptions& options);
// Strings to everything else.
std::unique_ptr<Kernel> make_cast_from_text(const LogicalType& to, bool is_try,
                                            const EvalOptions& options);
// `is_try`: NULL for what is out of range.
std::unique_ptr<Kernel> make_time_cast(const LogicalType& from, const LogicalType& to, bool is_try,
                                       const EvalOptions& options);
// Whether some value of one type is out of range of the other, both dates or times.
bool may_leave_range(const LogicalType& from, const LogicalType& to);

// A decimal number with or without an exponent, rounded half up; nothing when it has too many
// digits.
enum class NumberText : uint8_t { kBad, kTooLarge, kGood };
NumberText parse_decimal_text(std::string_view text, int32_t precision, int32_t scale,
                              Int128& unscaled);
// The number of the double's shortest text; nothing for what is no number, or has too many digits.
std::optional<Int128> decimal_of_real(double value, int32_t precision, int32_t scale);
std::optional<Int128> decimal_of_real(float value, int32_t precision, int32_t scale);
double real_of_decimal(Int128 unscaled, int32_t scale);

// The same text with at most `length` characters; all that a CHAR lacks is blanks behind it.
std::string_view first_characters(std::string_view text, int64_t count);
int64_t count_characters(std::string_view text);

}  // namespace tidewheel::sql
