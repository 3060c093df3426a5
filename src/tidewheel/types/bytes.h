// Bytes: a record's field of binary data.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel {

// Owns bytes that are no text. Distinct from std::string so that schemas and formats can tell.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  explicit Bytes(const char* bytes) : bytes_(bytes) {}

  const char* data() const { return bytes_.data(); }
  char* data() { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  std::string_view view() const { return bytes_; }
  std::string& storage() { return bytes_; }

  uint64_t key_hash64() const { return hash_bytes(bytes_.data(), bytes_.size()); }
  uint32_t key_hash32() const { return fold32(key_hash64()); }
  friend bool operator==(const Bytes&, const Bytes&) = default;
  friend std::strong_ordering operator<=>(const Bytes&, const Bytes&) = default;

 private:
  std::string bytes_;
};

}  // namespace tidewheel
