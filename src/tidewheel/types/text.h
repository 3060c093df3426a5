// Text: a view of characters that somebody else owns (a batch's arena, a state heap, a static
// table).
#pragma once
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace tidewheel {

// A string of at most 4 GB - 1 bytes that is passed by value and never frees anything. In a row of
// a batch it points into the batch's arena and is valid as long as the batch; state copies it when
// it keeps it. Trivially copyable, 16 bytes. Any bytes are allowed, UTF-8 is expected.
class Text {
 public:
  static constexpr size_t kSizeMax = UINT32_MAX;

  constexpr Text() = default;
  constexpr Text(const char* data, size_t size) : data_(data), size_(static_cast<uint32_t>(size)) {}
  constexpr Text(std::string_view view)
      : Text(view.data(), view.size()) {}  // NOLINT: as a string_view
  constexpr Text(const char* c_string) : Text(std::string_view(c_string)) {}  // NOLINT
  Text(const std::string& string) : Text(string.data(), string.size()) {}     // NOLINT
  // The bytes of a temporary string are gone at the end of the statement: name the string first.
  Text(std::string&&) = delete;
  Text(const std::string&&) = delete;

  constexpr const char* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr size_t length() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const char* begin() const { return data_; }
  constexpr const char* end() const { return data_ + size_; }
  constexpr char operator[](size_t index) const { return data_[index]; }
  constexpr char front() const { return data_[0]; }
  constexpr char back() const { return data_[size_ - 1]; }

  constexpr std::string_view view() const { return {data_, size_}; }
  constexpr operator std::string_view() const { return {data_, size_}; }  // NOLINT: it is a view
  std::string str() const { return std::string(data_, size_); }
  explicit operator std::string() const { return str(); }

  constexpr Text substr(size_t from, size_t count = std::string_view::npos) const {
    return Text(view().substr(from, count));
  }
  constexpr bool starts_with(std::string_view prefix) const { return view().starts_with(prefix); }
  constexpr bool ends_with(std::string_view suffix) const { return view().ends_with(suffix); }
  constexpr size_t find(std::string_view part, size_t from = 0) const {
    return view().find(part, from);
  }
  constexpr size_t find(char part, size_t from = 0) const { return view().find(part, from); }

  friend constexpr bool operator==(const Text& a, const Text& b) {
    return a.size_ == b.size_ && equal_bytes(a.data_, b.data_, a.size_);
  }
  friend constexpr std::strong_ordering operator<=>(const Text& a, const Text& b) {
    return a.view().compare(b.view()) <=> 0;
  }
  // With anything else that is a string. Templates, so that they are better matches than the
  // comparisons of std::string_view.
  template <class S>
  requires(!std::same_as<S, Text> &&
           std::convertible_to<const S&, std::string_view>) friend constexpr bool
  operator==(const Text& a, const S& b) {
    return a.view() == std::string_view(b);
  }
  template <class S>
  requires(!std::same_as<S, Text> &&
           std::convertible_to<const S&, std::string_view>) friend constexpr std::strong_ordering
  operator<=>(const Text& a, const S& b) {
    return a.view().compare(std::string_view(b)) <=> 0;
  }
  // For std::ostream, without including it.
  template <class Stream>
  friend auto operator<<(Stream& stream, const Text& text)
      -> decltype(stream.write(static_cast<const char*>(nullptr), std::ptrdiff_t{})) {
    return stream.write(text.data(), static_cast<std::ptrdiff_t>(text.size()));
  }

 private:
  static constexpr bool equal_bytes(const char* a, const char* b, size_t size) {
    return std::string_view(a, size) == std::string_view(b, size);
  }

  const char* data_ = "";
  uint32_t size_ = 0;
};
static_assert(sizeof(Text) == 16);

inline namespace literals {
constexpr Text operator""_text(const char* data, size_t size) { return Text(data, size); }
}  // namespace literals

}  // namespace tidewheel

template <>
struct std::hash<tidewheel::Text> {
  size_t operator()(const tidewheel::Text& text) const {
    return std::hash<std::string_view>()(text.view());
  }
};
