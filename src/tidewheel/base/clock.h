// Time, as all code outside `base` sees it.
#pragma once
#include <cstdint>
#include <limits>

namespace tidewheel {

// A monotonic and a wall clock. Any thread may ask. The two are not related: the wall clock may
// jump in either direction, so durations are always taken from the monotonic one.
class Clock {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  virtual ~Clock() = default;
  // Nanoseconds since an arbitrary origin; never goes back.
  virtual int64_t now_ns() const = 0;
  // Milliseconds since 1970-01-01T00:00:00Z.
  virtual int64_t wall_ms() const = 0;
};

}  // namespace tidewheel
