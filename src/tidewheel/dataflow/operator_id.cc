// Ids of operators: the hash of a uid, and how an id is written.
#include <bit>
#include <cstring>

#include "tidewheel/base/hex.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {
namespace {

uint64_t load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;  // the machines we build for are little-endian, as the algorithm is
}

uint64_t finish64(uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ (k >> 33);
}

constexpr uint64_t kFirst = 0x87c37b91114253d5ULL;
constexpr uint64_t kSecond = 0x4cf5ad432745937fULL;
uint64_t mix_first(uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; }
uint64_t mix_second(uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; }

}  // namespace

// MurmurHash3_x64_128 (Austin Appleby, public domain) with seed 0; the two words in little-endian
// order.
OperatorId operator_id_of_uid(std::string_view uid) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(uid.data());
  const size_t size = uid.size();
  uint64_t h1 = 0;
  uint64_t h2 = 0;
  for (size_t block = 0; block + 16 <= size; block += 16) {
    h1 ^= mix_first(load64(bytes + block));
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= mix_second(load64(bytes + block + 8));
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  uint8_t tail[16] = {};
  std::memcpy(tail, bytes + (size & ~size_t{15}), size & 15);
  h1 ^= mix_first(load64(tail));
  h2 ^= mix_second(load64(tail + 8));
  h1 ^= size;
  h2 ^= size;
  h1 += h2;
  h2 += h1;
  h1 = finish64(h1);
  h2 = finish64(h2);
  h1 += h2;
  h2 += h1;
  OperatorId id;
  std::memcpy(id.data(), &h1, 8);
  std::memcpy(id.data() + 8, &h2, 8);
  return id;
}

std::string to_hex(const OperatorId& id) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(id.data()), id.size()));
}

}  // namespace tidewheel
