// The rows of state of the keys that come again and again: of most streams a few hundred keys have
// most rows, and what finds them anew needs the key's group, its hash and two lines of cache.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "tidewheel/sql/inline_text.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// Keys as they are compared here. False: such a key is not remembered.
struct RecentIntKey {
  uint64_t number = 0;

  bool take(const IntKey& key) {
    number = static_cast<uint64_t>(key.value_or(0));
    return key.has_value();
  }
  // Of which the upper bits are mixed best.
  uint64_t spread() const { return number * 0x9e3779b97f4a7c15ULL; }
  bool operator==(const RecentIntKey&) const = default;
};
struct RecentTextKey {
  std::array<uint64_t, 3> words{};

  bool take(const InlineText& key) {
    std::memcpy(words.data(), &key, sizeof(words));
    return !key.is_long();
  }
  bool take(const Text& key) {
    return key.size() <= InlineText::kBytesMost && take(InlineText(key));
  }
  uint64_t spread() const {
    const uint64_t second = words[1] * 0xd6e8feb86659fd93ULL;
    const uint64_t third = words[2] * 0xb492b66fbe98f273ULL;
    return (words[0] ^ (second >> 32) ^ (third >> 29)) * 0x9e3779b97f4a7c15ULL + second + third;
  }
  bool operator==(const RecentTextKey& other) const {
    return ((words[0] ^ other.words[0]) | (words[1] ^ other.words[1]) |
            (words[2] ^ other.words[2])) == 0;
  }
};

// Finds rows by keys of which they are known to be, in a table so small that it stays in the
// nearest cache; what is asked for next takes the place of what was asked for long ago. Rows are
// those of a KeyedStore, which stay where they are until they are freed: whoever frees one, or
// begins a snapshot, after which a row is touched in the store first, clears this. Where keys do
// not come again it soon does nothing, but for a look now and then. One thread.
template <class K>
class RecentRows {
 public:
  // Sets rows[i] to the row of keys[i], or to null. The numbers of those, in order, are the result;
  // valid until the next call. Whoever finds their rows gives them to `put`.
  std::span<const uint32_t> find(std::span<const K> keys, std::byte** rows) {
    missing_.resize(keys.size());
    is_looking_ = pause_ == 0;
    size_t missing = 0;
    if (!is_looking_) {
      --pause_;
      for (; missing < keys.size(); ++missing) {
        missing_[missing] = static_cast<uint32_t>(missing);
        rows[missing] = nullptr;
      }
      return missing_;
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      rows[i] = row_of(keys[i]);
      missing_[missing] = static_cast<uint32_t>(i);
      missing += static_cast<size_t>(rows[i] == nullptr);
    }
    judge(keys.size(), missing);
    return std::span<const uint32_t>(missing_).first(missing);
  }
  void put(const K& key, std::byte* row) {
    Packed packed;
    if (!is_looking_ || !packed.take(key)) { return; }
    Bucket& bucket = buckets_[packed.spread() >> kSpreadShift];
    if (bucket[0].key == packed && bucket[0].row != nullptr) { return; }
    bucket[1] = bucket[0];
    bucket[0] = {packed, row};
    is_empty_ = false;
  }
  void clear() {
    if (is_empty_) { return; }
    buckets_.fill({});
    is_empty_ = true;
    trials_ = kTrialCalls;
  }

 private:
  using Packed = std::conditional_t<std::is_same_v<K, IntKey>, RecentIntKey, RecentTextKey>;
  static constexpr size_t kBuckets = 256;
  static constexpr int kSpreadShift = 56;
  static constexpr uint32_t kPause = 30;      // calls
  static constexpr uint32_t kTrialCalls = 2;  // for the table to fill
  static constexpr size_t kKnownPart = 4;     // of the keys of a call: a quarter is worth it

  struct Entry {
    Packed key;
    std::byte* row = nullptr;  // null: there is nothing
  };
  using Bucket = std::array<Entry, 2>;  // the one that came last is the first

  // Without jumps, which keys at random would have guessed wrong.
  std::byte* row_of(const K& key) const {
    Packed packed;
    const bool is_known = packed.take(key);
    const Bucket& bucket = buckets_[packed.spread() >> kSpreadShift];
    std::byte* const first = bucket[0].key == packed ? bucket[0].row : nullptr;
    std::byte* const second = bucket[1].key == packed ? bucket[1].row : nullptr;
    std::byte* const found = first != nullptr ? first : second;
    return is_known ? found : nullptr;
  }
  void judge(size_t count, size_t missing) {
    if ((count - missing) * kKnownPart >= count) {
      trials_ = kTrialCalls;
    } else if (--trials_ == 0) {
      trials_ = kTrialCalls;
      pause_ = kPause;
    }
  }

  alignas(64) std::array<Bucket, kBuckets> buckets_{};
  bool is_empty_ = true;
  bool is_looking_ = true;
  uint32_t pause_ = 0;  // calls in which nothing is looked for
  uint32_t trials_ = kTrialCalls;
  std::vector<uint32_t> missing_;
};

}  // namespace tidewheel::sql
