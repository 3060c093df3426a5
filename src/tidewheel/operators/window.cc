// The arithmetic of window grids, and the checks of assigners.
#include "tidewheel/operators/window.h"

#include <algorithm>
#include <stdexcept>

#include "tidewheel/base/check.h"

namespace tidewheel {

namespace {

__extension__ using WideInt = __int128;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

int64_t clamp_to_int64(WideInt value) {
  if (value < WideInt{kMin}) { return kMin; }
  if (value > WideInt{kMax}) { return kMax; }
  return static_cast<int64_t>(value);
}

// Rounds down, also below zero; `divisor` is above 0.
template <class Int>
Int floor_divide(Int value, Int divisor) {
  const Int quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

// floor((time - offset) / step), by 64-bit division where that can't wrap: it is several times
// faster, and all real times are there.
int64_t cell_of(int64_t time, int64_t offset, int64_t step) {
  int64_t shifted = 0;
  if (!__builtin_sub_overflow(time, offset, &shifted)) [[likely]] {
    return floor_divide<int64_t>(shifted, step);
  }
  return static_cast<int64_t>(floor_divide<WideInt>(WideInt{time} - offset, step));
}

int64_t positive_remainder(int64_t value, int64_t divisor) {
  const int64_t rest = value % divisor;
  return rest < 0 ? rest + divisor : rest;
}

Status check_size(const char* what, int64_t ms) {
  if (ms > 0) { return {}; }
  return invalid_argument(ErrorId::kWindowOption,
                          "a window's {} must be at least 1 ms, but is {} ms", what, ms);
}

Status check_offset(int64_t offset, const char* what, int64_t limit) {
  if (offset > -limit && offset < limit) { return {}; }
  return invalid_argument(
      ErrorId::kWindowOption,
      "a window's offset must lie between minus and plus its {} of {} ms, but is {} ms", what,
      limit, offset);
}

}  // namespace

WindowGrid WindowGrid::sliding(int64_t size, int64_t slide, int64_t offset) {
  TIDEWHEEL_DCHECK(size > 0 && slide > 0);
  WindowGrid grid;
  grid.size_ = size;
  grid.slide_ = slide;
  grid.offset_ = positive_remainder(offset, slide);
  grid.rest_ = size % slide;
  return grid;
}

WindowGrid WindowGrid::cumulative(int64_t max, int64_t step, int64_t offset) {
  TIDEWHEEL_DCHECK(max > 0 && step > 0 && max % step == 0);
  WindowGrid grid = sliding(step, step, 0);
  grid.offset_ = positive_remainder(offset, max);
  grid.steps_per_max_ = max / step;
  return grid;
}

int64_t WindowGrid::slice_of(int64_t time) const {
  const int64_t cell = cell_of(time, offset_, slide_);
  // With a slide of 1 ms the last two milliseconds share a slice: the number of the last one is
  // kNone.
  if (rest_ == 0) { return std::min(cell, kNone - 1); }
  const WideInt start = WideInt{cell} * slide_ + offset_;
  return cell * 2 + (WideInt{time} - start < rest_ ? 0 : 1);
}

WindowGrid::Range WindowGrid::slice_times(int64_t slice) const {
  if (rest_ == 0) {
    const WideInt start = WideInt{slice} * slide_ + offset_;
    return {clamp_to_int64(start), slice == kNone - 1 ? kMax : clamp_to_int64(start + slide_ - 1)};
  }
  const WideInt start = WideInt{floor_divide<int64_t>(slice, 2)} * slide_ + offset_;
  if ((slice & 1) == 0) { return {clamp_to_int64(start), clamp_to_int64(start + rest_ - 1)}; }
  return {clamp_to_int64(start + rest_), clamp_to_int64(start + slide_ - 1)};
}

WindowGrid::Range WindowGrid::windows_of(int64_t slice) const {
  if (steps_per_max_ > 1) {
    const int64_t base = floor_divide<int64_t>(slice, steps_per_max_) * steps_per_max_;
    return {slice, base + steps_per_max_ - 1};
  }
  const int64_t whole = size_ / slide_;
  if (rest_ == 0) { return {saturating_subtract(slice, whole - 1), slice}; }
  const int64_t cell = floor_divide<int64_t>(slice, 2);
  return {saturating_subtract(cell, (slice & 1) == 0 ? whole : whole - 1), cell};
}

WindowGrid::Range WindowGrid::slices_of(int64_t window) const {
  if (steps_per_max_ > 1) {
    return {floor_divide<int64_t>(window, steps_per_max_) * steps_per_max_, window};
  }
  const int64_t whole = size_ / slide_;
  if (rest_ == 0) { return {window, saturating_add(window, whole - 1)}; }
  return {clamp_to_int64(WideInt{window} * 2), clamp_to_int64((WideInt{window} + whole) * 2)};
}

WindowGrid::Wide WindowGrid::window_start(int64_t number) const {
  if (steps_per_max_ > 1) {
    number = floor_divide<int64_t>(number, steps_per_max_) * steps_per_max_;
  }
  return Wide{number} * slide_ + offset_;
}

WindowGrid::Wide WindowGrid::window_end(int64_t number) const {
  return Wide{number} * slide_ + offset_ + size_;
}

TimeWindow WindowGrid::window(int64_t number) const {
  return {Timestamp(clamp_to_int64(window_start(number))),
          Timestamp(clamp_to_int64(window_end(number)))};
}

int64_t WindowGrid::max_timestamp(int64_t window_number) const {
  const Wide end = window_end(window_number);
  return end >= Wide{kMax} ? kMax : clamp_to_int64(end - 1);
}

int64_t WindowGrid::first_window_after(int64_t time) const {
  if (time == kMax) { return kNone; }
  // The window that ends exactly at the last millisecond counts as one without end.
  if (time == kMax - 1) { --time; }
  // The first j with offset + j * slide + size - 1 > time.
  const WideInt j = floor_divide<WideInt>(WideInt{time} + 1 - offset_ - size_, slide_) + 1;
  return clamp_to_int64(j);
}

std::string WindowGrid::describe() const {
  return fmt::format("slices of {}/{}+{}x{}", size_, slide_, offset_, steps_per_max_);
}

Status TumblingWindows::check() const {
  TIDEWHEEL_RETURN_IF_ERROR(check_size("size", size));
  return check_offset(offset, "size", size);
}

Status SlidingWindows::check() const {
  TIDEWHEEL_RETURN_IF_ERROR(check_size("size", size));
  TIDEWHEEL_RETURN_IF_ERROR(check_size("slide", slide));
  return check_offset(offset, "slide", slide);
}

Status CumulativeWindows::check() const {
  TIDEWHEEL_RETURN_IF_ERROR(check_size("largest size", max));
  TIDEWHEEL_RETURN_IF_ERROR(check_size("step", step));
  if (max % step != 0) {
    return invalid_argument(
        ErrorId::kWindowOption,
        "the largest size of cumulative windows must be a multiple of the step, but they are {} ms "
        "and {} ms",
        max, step);
  }
  return check_offset(offset, "largest size", max);
}

Status SessionWindows::check() const { return check_size("gap", gap); }

Status CountWindows::check() const {
  if (size > 0) { return {}; }
  return invalid_argument(ErrorId::kWindowOption,
                          "a count window must hold at least 1 row, but was given {}", size);
}

Status SlidingCountWindows::check() const {
  if (size > 0 && slide > 0) { return {}; }
  return invalid_argument(
      ErrorId::kWindowOption,
      "a sliding count window needs a size and a slide of at least 1 row, but was given {} and {}",
      size, slide);
}

void throw_bad_session_gap(int64_t gap_ms) {
  throw std::invalid_argument(
      fmt::format("a session's gap must be above 0, but a row's was {} ms", gap_ms));
}

}  // namespace tidewheel
