// Windows in time, and the assigners that say which windows a row belongs to.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// The times [start, end). An end of Timestamp::max() means "no end": such a window also holds the
// last millisecond, and closes with the final watermark.
struct TimeWindow {
  Timestamp start;
  Timestamp end;

  constexpr int64_t max_timestamp() const {
    return end.ms() == std::numeric_limits<int64_t>::max() ? end.ms() : end.ms() - 1;
  }
  // Whether the two overlap or touch: sessions that do are one session.
  constexpr bool touches(const TimeWindow& other) const {
    return start <= other.end && other.start <= end;
  }
  constexpr TimeWindow cover(const TimeWindow& other) const {
    return {start < other.start ? start : other.start, end < other.end ? other.end : end};
  }
  friend constexpr bool operator==(const TimeWindow&, const TimeWindow&) = default;
  friend constexpr auto operator<=>(const TimeWindow&, const TimeWindow&) = default;
};

// The window of a global() or count() assigner: all of time.
inline constexpr TimeWindow kAllTime{Timestamp::min(), Timestamp::max()};

// Windows that lie on a grid, the same for all keys: tumbling, sliding and cumulative ones. Time is
// cut into slices such that every window is a run of whole slices; windows and slices are numbered,
// and their bounds are computed beyond 64 bits and then clamped, so that nothing wraps at the
// borders.
class WindowGrid {
 public:
  // First and last, both included; empty when last < first.
  struct Range {
    int64_t first = 0;
    int64_t last = -1;
    bool empty() const { return last < first; }
    friend bool operator==(const Range&, const Range&) = default;
  };
  // "No such window": larger than every number of one.
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  // Windows [offset + j * slide, + size) for every whole j. `size` and `slide` are above 0.
  static WindowGrid sliding(int64_t size, int64_t slide, int64_t offset);
  // Windows that start at each multiple of `max` and end at each multiple of `step`; step divides
  // max.
  static WindowGrid cumulative(int64_t max, int64_t step, int64_t offset);

  int64_t slice_of(int64_t time) const;
  // The times of a slice, clamped: [first, last], both included.
  Range slice_times(int64_t slice) const;
  // The windows that a slice is part of, in the order of their ends.
  Range windows_of(int64_t slice) const;
  Range slices_of(int64_t window) const;
  TimeWindow window(int64_t number) const;
  int64_t max_timestamp(int64_t window_number) const;
  // The first window whose max_timestamp is above `time`; kNone when none is.
  int64_t first_window_after(int64_t time) const;
  bool is_cumulative() const { return steps_per_max_ > 1; }
  // Whether every window is one slice.
  bool is_tumbling() const { return steps_per_max_ == 1 && size_ == slide_; }
  // The numbers of slices mean the same in grids of one description: part of the snapshot's format.
  std::string describe() const;

 private:
  __extension__ using Wide = __int128;
  Wide window_start(int64_t number) const;
  Wide window_end(int64_t number) const;

  int64_t size_ = 1;
  int64_t slide_ = 1;          // of a cumulative grid: the step
  int64_t offset_ = 0;         // in [0, slide), or in [0, max) when cumulative
  int64_t steps_per_max_ = 1;  // above 1: cumulative
  int64_t rest_ = 0;           // size % slide: where a slide is cut in two; 0: it is not
};

// The windows' kind of time, for the operators that run them.
enum class WindowTime : uint8_t { kEvent, kProcessing };

// Every assigner has: kTime; kMerging (windows of one key that touch become one); `check()`, which
// says what is wrong with its numbers; and `assign(row, time, each)`, which calls each(TimeWindow).
// Those on a grid also have `grid()`.
struct TumblingWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = false;
  int64_t size = 0;
  int64_t offset = 0;

  Status check() const;
  WindowGrid grid() const { return WindowGrid::sliding(size, size, offset); }
  template <class T, class Each>
  void assign(const T& /*row*/, int64_t time, Each&& each) const {
    const WindowGrid cells = grid();
    each(cells.window(cells.slice_of(time)));
  }
};

struct SlidingWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = false;
  int64_t size = 0;
  int64_t slide = 0;
  int64_t offset = 0;

  Status check() const;
  WindowGrid grid() const { return WindowGrid::sliding(size, slide, offset); }
  template <class T, class Each>
  void assign(const T& /*row*/, int64_t time, Each&& each) const {
    const WindowGrid cells = grid();
    const WindowGrid::Range windows = cells.windows_of(cells.slice_of(time));
    for (int64_t j = windows.last; j >= windows.first; --j) { each(cells.window(j)); }
  }
};

struct CumulativeWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = false;
  int64_t max = 0;
  int64_t step = 0;
  int64_t offset = 0;

  Status check() const;
  WindowGrid grid() const { return WindowGrid::cumulative(max, step, offset); }
  template <class T, class Each>
  void assign(const T& /*row*/, int64_t time, Each&& each) const {
    const WindowGrid cells = grid();
    const WindowGrid::Range windows = cells.windows_of(cells.slice_of(time));
    for (int64_t j = windows.first; j <= windows.last; ++j) { each(cells.window(j)); }
  }
};

// A session lasts until no row has come for `gap`.
struct SessionWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = true;
  int64_t gap = 0;

  Status check() const;
  template <class T>
  int64_t gap_of(const T& /*row*/) const {
    return gap;
  }
  template <class T, class Each>
  void assign(const T& /*row*/, int64_t time, Each&& each) const {
    each(TimeWindow{Timestamp(time), Timestamp(saturating_add(time, gap))});
  }
};

// Thrown when a row's gap is not above 0; the task that runs the operator reports it.
[[noreturn]] void throw_bad_session_gap(int64_t gap_ms);

// Sessions whose gap each row chooses; two touch when the later one's row lies within the earlier
// one's gap.
template <class Gap>
struct DynamicSessionWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = true;
  Gap gap;

  Status check() const { return {}; }
  template <class T>
  int64_t gap_of(const T& row) const {
    const int64_t ms = to_ms(gap(row));
    if (ms <= 0) [[unlikely]] { throw_bad_session_gap(ms); }
    return ms;
  }
  template <class T, class Each>
  void assign(const T& row, int64_t time, Each&& each) const {
    each(TimeWindow{Timestamp(time), Timestamp(saturating_add(time, gap_of(row)))});
  }
};

// One window for all of time. Without a trigger it never fires.
struct GlobalWindows {
  static constexpr WindowTime kTime = WindowTime::kEvent;
  static constexpr bool kMerging = false;
  Status check() const { return {}; }
  template <class T, class Each>
  void assign(const T& /*row*/, int64_t /*time*/, Each&& each) const {
    each(kAllTime);
  }
};

// Each `size` rows of a key are a window.
struct CountWindows : GlobalWindows {
  int64_t size = 0;
  Status check() const;
};
// The last `size` rows of a key, after each `slide` of them.
struct SlidingCountWindows : GlobalWindows {
  int64_t size = 0;
  int64_t slide = 0;
  Status check() const;
};

// The same windows by the clock at a row's arrival.
template <class Assigner>
struct ProcessingTimeWindows : Assigner {
  static constexpr WindowTime kTime = WindowTime::kProcessing;
};

template <class A>
concept GridAssigner = requires(const A& assigner) {
  { assigner.grid() } -> std::same_as<WindowGrid>;
};
template <class A>
concept SessionAssigner = requires(const A& assigner) {
  assigner.gap;
}
&&A::kMerging;
template <class A>
concept GlobalAssigner = std::derived_from<A, GlobalWindows>;
template <class A>
concept WindowAssigner = requires(const A& assigner) {
  { A::kTime } -> std::convertible_to<WindowTime>;
  { A::kMerging } -> std::convertible_to<bool>;
  { assigner.check() } -> std::same_as<Status>;
};

// What a job writes: `.window(tumbling(1min))`.
inline TumblingWindows tumbling(Duration size, Duration offset = Duration(0)) {
  return {size.count(), offset.count()};
}
inline SlidingWindows sliding(Duration size, Duration slide, Duration offset = Duration(0)) {
  return {size.count(), slide.count(), offset.count()};
}
inline CumulativeWindows cumulative(Duration max, Duration step, Duration offset = Duration(0)) {
  return {max.count(), step.count(), offset.count()};
}
inline SessionWindows session(Duration gap) { return {gap.count()}; }
// `gap(row)` gives the Duration after `row` at which its session ends; it must be above 0.
template <class Gap>
requires(!std::convertible_to<Gap, Duration>) DynamicSessionWindows<Gap> session(Gap gap) {
  return {std::move(gap)};
}
inline GlobalWindows global() { return {}; }
inline CountWindows count(int64_t size) { return {{}, size}; }
inline SlidingCountWindows count(int64_t size, int64_t slide) { return {{}, size, slide}; }
template <WindowAssigner Assigner>
ProcessingTimeWindows<Assigner> processing_time(Assigner assigner) {
  return {std::move(assigner)};
}

}  // namespace tidewheel
