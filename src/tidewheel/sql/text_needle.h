// A string that many others are compared with, as a constant of a query is.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

#include "tidewheel/types/text.h"

namespace tidewheel::sql {

#if defined(__AVX512BW__) && defined(__AVX512VL__)

// Up to 16 bytes are compared at once, and none is read behind them. The bytes of a longer one have
// to outlive the needle.
class TextNeedle {
 public:
  explicit TextNeedle(const Text& text)
      : text_(text),
        is_long_(text.size() > sizeof(bytes_)),
        mask_(static_cast<__mmask16>((1U << (is_long_ ? 0 : text.size())) - 1)),
        bytes_(_mm_maskz_loadu_epi8(mask_, text.data())) {}

  bool equals(const Text& other) const {
    const bool is_as_long = other.size() == text_.size();
    if (is_long_) [[unlikely]] { return is_as_long && other == text_; }
    // Sizes differ at random: no jump depends on that.
    const auto mask = static_cast<__mmask16>(is_as_long ? mask_ : 0);
    const __m128i bytes = _mm_maskz_loadu_epi8(mask, other.data());
    return is_as_long & (_mm_mask_cmpneq_epi8_mask(mask, bytes, bytes_) == 0);
  }

 private:
  Text text_;
  bool is_long_;
  __mmask16 mask_;
  __m128i bytes_;
};

#else

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

#endif

}  // namespace tidewheel::sql
