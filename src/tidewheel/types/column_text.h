// Values of columns as text: what CAST to a string gives, what results and print sinks show.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidewheel/types/column.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {

class TimeZone;  // base/time_zone.h

enum class TextStyle : uint8_t {
  // What CAST to STRING gives, and what a shell shows: TRUE, 2020-01-01 10:00:00.000, (1, a),
  // [1, NULL], {a=1}.
  kSql,
  // The texts of Java's values, which Flink's print sink writes: true, 2020-01-01T10:00, +I[1, a],
  // [1, null], {a=1}, bytes as [65, 66].
  kExternal,
};

struct ColumnTextOptions {
  TextStyle style = TextStyle::kSql;
  // Where TIMESTAMP_LTZ is shown in kSql; null: UTC. In kExternal it is always UTC, with a Z.
  TimeZone* zone = nullptr;
  // What stands for NULL; null: "NULL" in kSql, "null" in kExternal.
  const char* null_text = nullptr;
};

// Appends the value of row `row` to `out`.
void append_value_text(std::string& out, const LogicalType& type, const ColumnView& column,
                       uint32_t row, const ColumnTextOptions& options = {});
std::string value_to_text(const LogicalType& type, const ColumnView& column, uint32_t row,
                          const ColumnTextOptions& options = {});

// ---- The texts of single values, in TextStyle::kSql. Each writes to a buffer of at least
// kScalarTextBytesMax and returns the end.
inline constexpr size_t kScalarTextBytesMax = 64;

char* write_integer_text(char* out, int64_t value);
// The shortest text that gives the same number when it is read, in Java's form: "1.0", "1.0E10",
// "1.5E-5" outside of [0.001, 10,000,000), "NaN", "-Infinity".
char* write_real_text(char* out, double value);
char* write_real_text(char* out, float value);
// All digits of the scale: "-1.50".
char* write_decimal_text(char* out, Int128 unscaled, int32_t scale);
// "2020-01-31 10:00:00.123456": with `precision` digits of a second, of a number of the units in
// which timestamps of this precision are kept.
char* write_timestamp_text(char* out, int64_t value, int32_t precision);
char* write_date_text(char* out, int32_t days);
// "10:00:00", with `precision` digits of a second, at most 3.
char* write_time_text(char* out, int32_t ms, int32_t precision);
char* write_month_interval_text(char* out, int32_t months);  // "+1-02"
char* write_second_interval_text(char* out, int64_t ms);     // "+0 01:00:00.000"

}  // namespace tidewheel
