// Keys, key groups and the subtasks that own them; the arithmetic is Flink's, so that state moves
// between parallelisms in contiguous ranges of groups.
#pragma once
#include <cstdint>

namespace tidewheel {

// The groups [first, last], both included; empty when last < first.
struct KeyGroupRange {
  int32_t first = 0;
  int32_t last = -1;

  int32_t count() const { return last - first + 1; }
  bool contains(int32_t group) const { return group >= first && group <= last; }
  friend bool operator==(const KeyGroupRange&, const KeyGroupRange&) = default;
};

inline constexpr int32_t kMaxParallelismLimit = 32768;

// MurmurHash3's mixing of one 32-bit word, made non-negative.
inline uint32_t mix_key_hash(uint32_t hash) {
  hash *= 0xcc9e2d51U;
  hash = (hash << 15) | (hash >> 17);
  hash *= 0x1b873593U;
  hash = (hash << 13) | (hash >> 19);
  hash = hash * 5 + 0xe6546b64U;
  hash ^= 4U;
  hash ^= hash >> 16;
  hash *= 0x85ebca6bU;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35U;
  hash ^= hash >> 16;
  // The absolute value, and 0 for the one that has none. Without a branch, which would be guessed
  // wrong every other time, and would keep loops over keys from being vectorized.
  const uint32_t sign = 0U - (hash >> 31);
  return ((hash ^ sign) - sign) & 0x7fffffffU;
}

// The group of a key with the 32-bit hash `hash` (types/hash.h).
inline int32_t key_group_of(uint32_t hash, int32_t max_parallelism) {
  const uint32_t mixed = mix_key_hash(hash);
  const auto max = static_cast<uint32_t>(max_parallelism);
  // Nearly always a power of two: a well predicted branch is cheaper than the division.
  return static_cast<int32_t>((max & (max - 1)) == 0 ? mixed & (max - 1) : mixed % max);
}

// The subtask that owns a group.
inline int32_t subtask_of(int32_t key_group, int32_t parallelism, int32_t max_parallelism) {
  return static_cast<int32_t>(static_cast<int64_t>(key_group) * parallelism / max_parallelism);
}

// The groups that a subtask owns.
inline KeyGroupRange key_groups_of(int32_t subtask, int32_t parallelism, int32_t max_parallelism) {
  const int64_t max = max_parallelism;
  return {static_cast<int32_t>((subtask * max + parallelism - 1) / parallelism),
          static_cast<int32_t>(((subtask + 1) * max - 1) / parallelism)};
}

// The max parallelism of an operator whose user gave none: room to grow by half, as a power of two.
int32_t default_max_parallelism(int32_t parallelism);

}  // namespace tidewheel
