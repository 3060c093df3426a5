// Evictors drop rows of a window right before, or right after, its function is run. They need all
// rows: a window with an evictor keeps them and can't aggregate as they come.
//
// An evictor is a struct with `void evict(WindowRows<T>& rows, const TimeWindow& window, int64_t
// watermark)` and, when it works after the function, `static constexpr bool kAfter = true`.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/operators/window.h"

namespace tidewheel {

// The rows of one window in the order of their arrival, as an evictor sees them.
template <class T>
class WindowRows {
 public:
  WindowRows(std::span<const T> rows, std::span<const int64_t> times)
      : rows_(rows), times_(times), dropped_(rows.size(), false) {}

  size_t size() const { return rows_.size(); }
  const T& row(size_t index) const { return rows_[index]; }
  int64_t time(size_t index) const { return times_[index]; }
  bool is_dropped(size_t index) const { return dropped_[index]; }
  void drop(size_t index) {
    if (!dropped_[index]) {
      dropped_[index] = true;
      ++dropped_count_;
    }
  }
  // Drops the oldest `count` rows.
  void drop_first(size_t count) {
    for (size_t i = 0; i < count && i < size(); ++i) { drop(i); }
  }
  size_t dropped_count() const { return dropped_count_; }

 private:
  std::span<const T> rows_;
  std::span<const int64_t> times_;
  std::vector<bool> dropped_;
  size_t dropped_count_ = 0;
};

// For windows without one.
struct NoEvictor {};

// Keeps the last `count` rows.
template <bool kAfterFunction>
struct CountEvictor {
  static constexpr bool kAfter = kAfterFunction;
  int64_t count = 0;

  CountEvictor<true> after() const { return {count}; }
  template <class T>
  void evict(WindowRows<T>& rows, const TimeWindow&, int64_t) const {
    const auto size = static_cast<int64_t>(rows.size());
    if (size > count) { rows.drop_first(static_cast<size_t>(size - count)); }
  }
};

// Keeps the rows whose time is above that of the newest row minus `keep_ms`.
template <bool kAfterFunction>
struct TimeEvictor {
  static constexpr bool kAfter = kAfterFunction;
  int64_t keep_ms = 0;

  TimeEvictor<true> after() const { return {keep_ms}; }
  template <class T>
  void evict(WindowRows<T>& rows, const TimeWindow&, int64_t) const {
    int64_t newest = std::numeric_limits<int64_t>::min();
    for (size_t i = 0; i < rows.size(); ++i) { newest = std::max(newest, rows.time(i)); }
    const int64_t border = saturating_subtract(newest, keep_ms);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows.time(i) <= border) { rows.drop(i); }
    }
  }
};

// Drops the rows whose measure differs from that of the newest row by `threshold` or more: the
// measure of the last row minus that of the row, as `measure` gives them.
template <bool kAfterFunction, class Measure>
struct DeltaEvictor {
  static constexpr bool kAfter = kAfterFunction;
  double threshold = 0;
  Measure measure;

  DeltaEvictor<true, Measure> after() const { return {threshold, measure}; }
  template <class T>
  void evict(WindowRows<T>& rows, const TimeWindow&, int64_t) const {
    if (rows.size() == 0) { return; }
    const auto last = static_cast<double>(measure(rows.row(rows.size() - 1)));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (last - static_cast<double>(measure(rows.row(i))) >= threshold) { rows.drop(i); }
    }
  }
};

// What a job writes: `.evict(evictor::count(100))`, `.evict(evictor::time(1min).after())`.
namespace evictor {
inline CountEvictor<false> count(int64_t rows) { return {rows}; }
inline TimeEvictor<false> time(Duration keep) { return {keep.count()}; }
template <class Measure>
DeltaEvictor<false, Measure> delta(double threshold, Measure measure) {
  return {threshold, std::move(measure)};
}
}  // namespace evictor

// The evictor that windows of an assigner have when the job gives none.
template <class Assigner>
struct DefaultEvictor {
  static auto make(const Assigner& assigner) {
    static_cast<void>(assigner);
    if constexpr (std::derived_from<Assigner, SlidingCountWindows>) {
      return CountEvictor<false>{assigner.size};
    } else {
      return NoEvictor();
    }
  }
};

}  // namespace tidewheel
