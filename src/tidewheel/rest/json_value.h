// A JSON text as values in memory: bodies of requests, and answers as clients read them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

// What is missing is a null value, so that paths through a text can be followed without asking at
// each step.
class JsonValue {
 public:
  enum class Kind : uint8_t { kNull, kBool, kNumber, kText, kArray, kObject };

  // Errors: kRestRequest.
  static Result<JsonValue> parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }
  // Empty, 0 or false when it is of another kind. A number's text is as it was written.
  const std::string& text() const { return text_; }
  int64_t integer() const { return as_integer().value_or(0); }
  double number() const;
  bool boolean() const { return kind_ == Kind::kBool && text_ == "true"; }
  std::optional<int64_t> as_integer() const;  // none: it is no number without a fraction

  // The last member of that name.
  const JsonValue& operator[](std::string_view key) const;
  const std::vector<JsonValue>& items() const { return items_; }  // of an array
  const std::vector<std::pair<std::string, JsonValue>>& members() const { return members_; }

 private:
  class Reader;
  Kind kind_ = Kind::kNull;
  std::string text_;
  std::vector<JsonValue> items_;
  std::vector<std::pair<std::string, JsonValue>> members_;
};

}  // namespace tidewheel
