#include "tidewheel/formats/protobuf/utf8.h"

#include <cstdint>
#include <cstring>

namespace tidewheel::protobuf {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080U;

// The first byte that is not ASCII.
const char* skip_ascii(const char* at, const char* end) {
  while (end - at >= 16) {
    uint64_t first = 0;
    uint64_t second = 0;
    std::memcpy(&first, at, sizeof first);
    std::memcpy(&second, at + 8, sizeof second);
    if (((first | second) & kHighBits) != 0) { break; }
    at += 16;
  }
  while (at != end && (static_cast<uint8_t>(*at) & 0x80) == 0) { ++at; }
  return at;
}

// How many bytes the code point at `at` has, the first of which is not ASCII; 0: it is none.
size_t code_point_bytes(const char* at, const char* end) {
  const auto byte = [&](size_t index) { return static_cast<uint8_t>(at[index]); };
  const auto follows = [&](size_t index) { return (byte(index) & 0xc0) == 0x80; };
  const auto left = static_cast<size_t>(end - at);
  const uint8_t first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) { return left >= 2 && follows(1) ? 2 : 0; }
  if (first >= 0xe0 && first <= 0xef) {
    if (left < 3 || !follows(1) || !follows(2)) { return 0; }
    const bool is_long = first == 0xe0 && byte(1) < 0xa0;
    const bool is_surrogate = first == 0xed && byte(1) >= 0xa0;
    return is_long || is_surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (left < 4 || !follows(1) || !follows(2) || !follows(3)) { return 0; }
    const bool is_long = first == 0xf0 && byte(1) < 0x90;
    const bool is_beyond = first == 0xf4 && byte(1) >= 0x90;
    return is_long || is_beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while ((at = skip_ascii(at, end)) != end) {
    const size_t bytes = code_point_bytes(at, end);
    if (bytes == 0) { return false; }
    at += bytes;
  }
  return true;
}

}  // namespace tidewheel::protobuf
