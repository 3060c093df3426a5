// The hash of a key: what finds it in a table, and the key group that it belongs to. Taken once a
// record and handed to everything that looks the key up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "tidewheel/state/key_group.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {

struct KeyHash {
  uint64_t hash = 0;
  int32_t group = 0;
  friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

// Equal keys of different types (Text, std::string) have equal hashes.
template <class K>
KeyHash key_hash(const K& key, int32_t max_parallelism) {
  const uint64_t hash = hash64(key);
  if constexpr (detail::StringKey<K>) {
    // That is its hash32, and one pass over the bytes is enough.
    return {hash, key_group_of(fold32(hash), max_parallelism)};
  } else {
    return {hash, key_group_of(hash32(key), max_parallelism)};
  }
}

// Equality that agrees with it; `b` may be another kind of string.
template <class K, class Q>
bool same_key(const K& a, const Q& b) {
  if constexpr (std::is_same_v<K, Q>) {
    return keys_equal(a, b);
  } else {
    return a == b;
  }
}

// Hashes many keys; `hashes` has room for them.
template <class K>
void hash_keys(std::span<const K> keys, int32_t max_parallelism, KeyHash* hashes) {
  for (size_t i = 0; i < keys.size(); ++i) { hashes[i] = key_hash(keys[i], max_parallelism); }
}

}  // namespace tidewheel
