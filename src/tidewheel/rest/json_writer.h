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
class JsonBuilder {
 public:
  JsonBuilder& begin_object();
  JsonBuilder& begin_object(std::string_view key) { return this->key(key).begin_object(); }
  JsonBuilder& end_object();
  JsonBuilder& begin_array();
  JsonBuilder& begin_array(std::string_view key) { return this->key(key).begin_array(); }
  JsonBuilder& end_array();

  JsonBuilder& key(std::string_view key);
  JsonBuilder& value(std::string_view text);
  JsonBuilder& value(const std::string& text) { return value(std::string_view(text)); }
  JsonBuilder& value(const char* text) { return value(std::string_view(text)); }
  JsonBuilder& value(double number);
  template <std::same_as<bool> B>
  JsonBuilder& value(B yes) {
    return raw(yes ? "true" : "false");
  }
  template <std::integral I>
  requires(!std::same_as<I, bool>) JsonBuilder& value(I number) {
    return raw(std::to_string(number));
  }
  JsonBuilder& null() { return raw("null"); }
  // What is JSON already.
  JsonBuilder& raw(std::string_view json);

  template <class T>
  JsonBuilder& member(std::string_view name, const T& what) {
    return key(name).value(what);
  }
  JsonBuilder& null_member(std::string_view name) { return key(name).null(); }
  // Null where the text is empty.
  JsonBuilder& member_or_null(std::string_view name, std::string_view text) {
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
