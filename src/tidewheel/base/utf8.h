// The characters of UTF-8.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidewheel {

struct Utf8Character {
  size_t bytes = 0;  // 0: it is none
  uint32_t code = 0;
};

// The character at the beginning of a text that is not empty. What is cut short, longer than it
// needs to be, half of a pair, or beyond U+10FFFF is none (RFC 3629).
Utf8Character first_character(std::string_view text);

}  // namespace tidewheel
