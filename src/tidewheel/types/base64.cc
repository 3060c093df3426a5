#include "tidewheel/types/base64.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tidewheel {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<uint8_t, 256> make_base64_values() {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) { value = 255; }
  for (size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<uint8_t>(i);
  }
  return values;
}
constexpr std::array<uint8_t, 256> kBase64Values = make_base64_values();

}  // namespace

bool parse_base64(std::string_view text, std::string& bytes) {
  bytes.clear();
  if (text.size() % 4 != 0) { return false; }
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const size_t count = text.size() - padding;
  bytes.reserve(count * 3 / 4);
  uint32_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t value = kBase64Values[static_cast<unsigned char>(text[i])];
    if (value == 255) { return false; }
    bits = bits << 6 | value;
    if (i % 4 != 0) { bytes += static_cast<char>(bits >> (6 - 2 * (i % 4)) & 255); }
  }
  // The bits that belong to no byte are 0.
  return padding == 0 || (bits & (padding == 2 ? 15 : 3)) == 0;
}

void append_base64(std::string& out, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t index) {
      return index < bytes.size() ? uint32_t{static_cast<unsigned char>(bytes[index])} : 0;
    };
    const uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kBase64[bits >> 18];
    out += kBase64[bits >> 12 & 63];
    out += i + 1 < bytes.size() ? kBase64[bits >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kBase64[bits & 63] : '=';
  }
}

}  // namespace tidewheel
