#include "tidewheel/formats/json/table_options.h"

namespace tidewheel::json_detail {
namespace {

constexpr char kFailOnMissing[] = ".fail-on-missing-field";
constexpr char kIgnoreErrors[] = ".ignore-parse-errors";
constexpr char kTimestamps[] = ".timestamp-format.standard";
constexpr char kNullKeys[] = ".map-null-key.mode";
constexpr char kNullKeyLiteral[] = ".map-null-key.literal";
constexpr char kPlainDecimals[] = ".encode.decimal-as-plain-number";
constexpr char kIgnoreNulls[] = ".encode.ignore-null-fields";

}  // namespace

std::vector<TableOption> table_options(const std::string& format, bool of_changes) {
  std::vector<TableOption> options = {
      {format + kIgnoreErrors, false, "false",
       "values that can't be read are NULL, records that can't be read are left out"},
      {format + kTimestamps, false, "SQL", "SQL or ISO-8601: how points in time are written"},
      {format + kNullKeys, false, "FAIL",
       "FAIL, DROP or LITERAL: what becomes of keys that are NULL"},
      {format + kNullKeyLiteral, false, "null", "the key that stands for NULL"},
      {format + kPlainDecimals, false, "false", "decimals are written without an exponent"},
      {format + kIgnoreNulls, false, "false", "fields that are NULL are not written"}};
  if (!of_changes) {
    options.insert(options.begin(), {format + kFailOnMissing, false, "false",
                                     "a field that is not there is an error, and not NULL"});
  }
  return options;
}

JsonOptions read_table_options(const std::string& format, bool of_changes, TableOptions& options) {
  JsonOptions parsed;
  parsed.ignore_parse_errors = options.flag(format + kIgnoreErrors, false);
  if (!of_changes) {
    parsed.fail_on_missing_field = options.flag(format + kFailOnMissing, false);
    if (parsed.fail_on_missing_field && parsed.ignore_parse_errors) {
      options.fail(format + kIgnoreErrors,
                   "can't be true together with " + format + kFailOnMissing);
    }
  }
  parsed.timestamp_format = static_cast<JsonTimestampFormat>(
      options.choice(format + kTimestamps, {"SQL", "ISO-8601"}, 0));
  parsed.map_null_key_mode = static_cast<JsonMapNullKey>(
      options.choice(format + kNullKeys, {"FAIL", "DROP", "LITERAL"}, 0));
  parsed.map_null_key_literal = options.text(format + kNullKeyLiteral, "null");
  parsed.encode_decimal_as_plain_number = options.flag(format + kPlainDecimals, false);
  parsed.encode_ignore_null_fields = options.flag(format + kIgnoreNulls, false);
  return parsed;
}

}  // namespace tidewheel::json_detail
