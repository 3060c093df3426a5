// The keys of a chunk of rows, each once: of most streams a few dozen keys have most rows, and what
// is looked up for one of them is there for all of its rows.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "tidewheel/sql/recent_rows.h"

namespace tidewheel::sql {

// Numbers keys in the order in which they come first. Where they do not come again it soon takes
// each row's for another one, but for a look now and then. One thread.
template <class K>
class DistinctKeys {
 public:
  // At most kKeysMax of them, which stay where they are as long as the result is used.
  static constexpr size_t kKeysMax = 1024;
  void find(std::span<const K> keys) {
    if (pause_ > 0) {
      --pause_;
      return take_all(keys);
    }
    begin(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) { numbers_[i] = number_of(keys[i], i); }
    distinct_ = keys_;
    judge(keys.size());
  }
  // Each key has its own number.
  void take_all(std::span<const K> keys) {
    numbers_.resize(keys.size());
    std::iota(numbers_.begin(), numbers_.end(), 0U);
    firsts_ = numbers_;
    distinct_ = keys;
    is_each_once_ = false;
  }

  std::span<const K> keys() const { return distinct_; }
  // Else some of them may be equal.
  bool is_each_once() const { return is_each_once_; }
  // Of the key with a number, where it comes first.
  uint32_t first(size_t number) const { return firsts_[number]; }
  // By row.
  std::span<const uint32_t> numbers() const { return numbers_; }

 private:
  using Packed = std::conditional_t<std::is_same_v<K, IntKey>, RecentIntKey, RecentTextKey>;
  static constexpr size_t kSlots = 2 * kKeysMax;
  static constexpr int kSpreadShift = 64 - 11;
  static_assert(size_t{1} << (64 - kSpreadShift) == kSlots);
  static constexpr uint32_t kPause = 30;   // calls
  static constexpr size_t kSavedPart = 4;  // of the keys of a call: a quarter is worth it

  struct Slot {
    Packed key;
    uint32_t round = 0;  // of another one it is empty
    uint32_t number = 0;
  };

  void begin(size_t count) {
    numbers_.resize(count);
    keys_.clear();
    firsts_.clear();
    is_each_once_ = true;
    if (++round_ == 0) {
      slots_.fill({});
      round_ = 1;
    }
  }
  uint32_t number_of(const K& key, size_t index) {
    Packed packed;
    if (!packed.take(key)) {
      is_each_once_ = false;
      return add(key, index);
    }
    size_t place = packed.spread() >> kSpreadShift;
    for (; slots_[place].round == round_; place = (place + 1) % kSlots) {
      if (slots_[place].key == packed) { return slots_[place].number; }
    }
    const uint32_t number = add(key, index);
    slots_[place] = {packed, round_, number};
    return number;
  }
  uint32_t add(const K& key, size_t index) {
    keys_.push_back(key);
    firsts_.push_back(static_cast<uint32_t>(index));
    return static_cast<uint32_t>(keys_.size() - 1);
  }
  void judge(size_t count) {
    if ((count - keys_.size()) * kSavedPart < count) { pause_ = kPause; }
  }

  std::array<Slot, kSlots> slots_{};
  uint32_t round_ = 0;
  uint32_t pause_ = 0;  // calls in which nothing is looked for
  std::vector<K> keys_;
  std::vector<uint32_t> firsts_;
  std::vector<uint32_t> numbers_;
  std::span<const K> distinct_;
  bool is_each_once_ = true;
};

}  // namespace tidewheel::sql
