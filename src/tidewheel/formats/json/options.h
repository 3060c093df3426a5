// What JSON looks like, for readers and writers. The names and defaults are those of Flink's format
// `json`, without the prefix.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

// What becomes of a record that can't be read.
enum class JsonOnMalformed : uint8_t {
  kFail,    // the job fails, with a message that names file, line, column and path
  kSkip,    // it is counted and left out
  kReject,  // it is handed on as a JsonReject: for rows of std::variant<T, JsonReject>
};

// How points in time are written, and have to be when they are read.
enum class JsonTimestampFormat : uint8_t {
  kSql,      // "2013-01-31 05:00:00.123Z"
  kIso8601,  // "2013-01-31T05:00:00.123Z"
};

// What is written for a key of a map that is an empty optional.
enum class JsonMapNullKey : uint8_t {
  kFail,     // the job fails
  kDrop,     // the entry is left out
  kLiteral,  // map_null_key_literal is the key
};

struct JsonOptions {
  JsonTimestampFormat timestamp_format = JsonTimestampFormat::kSql;

  // Reading. A key that is not there is an empty std::optional; any other field must be there.
  bool fail_on_missing_field = false;  // optional fields must be there too (they may be null)
  bool allow_missing_fields = false;  // fields that are not there, or null, get their default value
  // An optional value that can't be read is empty; a record that can't be read all the same is left
  // out, unless it is handed on. Both are counted.
  bool ignore_parse_errors = false;
  JsonOnMalformed on_malformed = JsonOnMalformed::kFail;
  int64_t record_bytes_max = int64_t{16} << 20;  // at most 2 GB

  // Writing.
  JsonMapNullKey map_null_key_mode = JsonMapNullKey::kFail;
  std::string map_null_key_literal = "null";
  bool encode_decimal_as_plain_number = false;  // 0.000000027 instead of 2.7E-8
  bool encode_ignore_null_fields = false;       // fields without a value are left out

  // Errors: kConnectorOption, naming the option.
  [[nodiscard]] Status validate() const;
};

// A record that could not be read.
struct JsonReject {
  std::string place;   // the file
  int64_t line = 0;    // from 1
  int64_t column = 0;  // in bytes, from 1
  std::string path;    // of the value, such as "$.bid.price"
  std::string reason;
  std::string record;  // its bytes, at most kJsonRejectBytesMax of them
};
inline constexpr size_t kJsonRejectBytesMax = 64 * 1024;

// The name of an alternative of a std::variant, by which it is told from the others:
// {"Bid":{"price":5}}. Without it a struct has its own name, other types those of schemas.
//   template <> struct tidewheel::json_name<Bid> { static constexpr std::string_view value = "bid";
//   };
template <class T>
struct json_name {};

}  // namespace tidewheel
