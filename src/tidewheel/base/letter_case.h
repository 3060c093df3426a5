// Words that mean the same in capitals and in small letters: values of settings.
#pragma once
#include <algorithm>
#include <string_view>

namespace tidewheel {

// Compares letters of ASCII without their case.
inline bool same_word(std::string_view a, std::string_view b) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return small(x) == small(y); });
}

}  // namespace tidewheel
