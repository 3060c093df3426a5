// Counts durations in buckets of at most 1.6 % width: one increment a value, and quantiles at the
// end.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tidewheel::bench {

class Histogram {
 public:
  void add(int64_t ns) { ++counts_[index_of(ns < 0 ? 0 : static_cast<uint64_t>(ns))]; }
  void merge(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) { counts_[i] += other.counts_[i]; }
  }
  uint64_t count() const {
    uint64_t sum = 0;
    for (const uint64_t count : counts_) { sum += count; }
    return sum;
  }
  // The upper bound of the bucket in which the share `q` of the values is reached.
  int64_t quantile(double q) const {
    const auto wanted = static_cast<double>(count()) * q;
    uint64_t sum = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      sum += counts_[i];
      if (counts_[i] > 0 && static_cast<double>(sum) >= wanted) { return upper_bound(i); }
    }
    return 0;
  }

 private:
  static constexpr int kBits = 6;
  static size_t index_of(uint64_t value) {
    if (value < (1U << kBits)) { return value; }
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBits;
    return (static_cast<size_t>(shift + 1) << kBits) + ((value >> shift) & ((1U << kBits) - 1));
  }
  static int64_t upper_bound(size_t index) {
    if (index < (1U << kBits)) { return static_cast<int64_t>(index); }
    const auto shift = (index >> kBits) - 1;
    const uint64_t base = (index & ((1U << kBits) - 1)) + (1U << kBits);
    return static_cast<int64_t>(((base + 1) << shift) - 1);
  }

  std::array<uint64_t, (64 - kBits + 1) << kBits> counts_{};
};

}  // namespace tidewheel::bench
