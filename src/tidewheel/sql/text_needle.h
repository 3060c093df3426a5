// A string that many others are compared with, as a constant of a query is.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// Up to 16 bytes are compared as two words, which overlap. The bytes of a longer one have to
// outlive the needle.
class TextNeedle {
 public:
  explicit TextNeedle(const Text& text)
      : text_(text), form_(form_of(text.size())), words_(words_of(text.data(), text.size())) {}

  bool equals(const Text& other) const {
    const bool is_as_long = other.size() == text_.size();
    if (form_ == Form::kLong) [[unlikely]] { return is_as_long && other == text_; }
    // Sizes differ at random: no jump depends on that.
    const Words words = words_of(is_as_long ? other.data() : text_.data(), text_.size());
    return is_as_long & (((words[0] ^ words_[0]) | (words[1] ^ words_[1])) == 0);
  }

 private:
  enum class Form : uint8_t { kEmpty, kFew, kFour, kEight, kLong };
  using Words = std::array<uint64_t, 2>;

  static Form form_of(size_t size) {
    return size == 0   ? Form::kEmpty
           : size < 4  ? Form::kFew
           : size < 8  ? Form::kFour
           : size < 17 ? Form::kEight
                       : Form::kLong;
  }
  template <class T>
  static uint64_t load(const char* from) {
    T word = 0;
    std::memcpy(&word, from, sizeof(word));
    return word;
  }
  Words words_of(const char* from, size_t size) const {
    const char* const end = from + size;
    switch (form_) {
      case Form::kFew:
        return {load<uint8_t>(from) << 8 | load<uint8_t>(end - 1), load<uint8_t>(from + size / 2)};
      case Form::kFour: return {load<uint32_t>(from), load<uint32_t>(end - 4)};
      case Form::kEight: return {load<uint64_t>(from), load<uint64_t>(end - 8)};
      case Form::kEmpty:
      case Form::kLong: break;
    }
    return {};
  }

  Text text_;
  Form form_;
  Words words_;
};

}  // namespace tidewheel::sql
