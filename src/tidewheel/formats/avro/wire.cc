#include "tidewheel/formats/avro/wire.h"

namespace tidewheel::avro {

bool parse_unscaled(std::string_view bytes, Int128& value) {
  if (bytes.empty()) {
    value = 0;
    return true;
  }
  const bool negative = (static_cast<uint8_t>(bytes[0]) & 0x80) != 0;
  const char sign = negative ? '\xff' : '\0';
  while (bytes.size() > 16) {
    if (bytes[0] != sign || ((bytes[1] ^ sign) & 0x80) != 0) { return false; }
    bytes.remove_prefix(1);
  }
  auto bits = static_cast<UInt128>(negative ? Int128{-1} : Int128{0});
  for (const char byte : bytes) { bits = (bits << 8) | static_cast<uint8_t>(byte); }
  value = static_cast<Int128>(bits);
  return true;
}

bool append_unscaled(Int128 value, size_t size, bool is_fixed, std::string& out) {
  char bytes[16];
  auto bits = static_cast<UInt128>(value);
  for (size_t i = 16; i > 0; --i, bits >>= 8) { bytes[i - 1] = static_cast<char>(bits); }
  const char sign = value < 0 ? '\xff' : '\0';
  size_t begin = 0;
  while (begin < 15 && bytes[begin] == sign && ((bytes[begin + 1] ^ sign) & 0x80) == 0) { ++begin; }
  const std::string_view shortest(bytes + begin, 16 - begin);
  if (!is_fixed) {
    append_bytes(out, shortest);
    return true;
  }
  if (shortest.size() > size) { return false; }
  out.append(size - shortest.size(), sign);
  out += shortest;
  return true;
}

}  // namespace tidewheel::avro
