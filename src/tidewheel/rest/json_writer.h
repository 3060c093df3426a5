// Writes JSON as it comes: objects and arrays that are begun and ended, members in the order of the
// calls.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace tidewheel {

// Text need not be UTF-8: bytes that are none become U+FFFD. A number that JSON has no form for (a
// NaN, an infinity) becomes the text "NaN", "Infinity" or "-Infinity". One thread.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& begin_object(std::string_view key) { return this->key(key).begin_object(); }
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& begin_array(std::string_view key) { return this->key(key).begin_array(); }
  JsonWriter& end_array();

  JsonWriter& key(std::string_view key);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  template <std::same_as<bool> B>
  JsonWriter& value(B yes) {
    return raw(yes ? "true" : "false");
  }
  template <std::integral I>
  requires(!std::same_as<I, bool>) JsonWriter& value(I number) {
    return raw(std::to_string(number));
  }
  JsonWriter& null() { return raw("null"); }
  // What is JSON already.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& member(std::string_view name, const T& what) {
    return key(name).value(what);
  }
  JsonWriter& null_member(std::string_view name) { return key(name).null(); }
  // Null where the text is empty.
  JsonWriter& member_or_null(std::string_view name, std::string_view text) {
    return text.empty() ? null_member(name) : member(name, text);
  }

  std::string take() { return std::move(out_); }
  const std::string& text() const { return out_; }

 private:
  void separate();

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace tidewheel
