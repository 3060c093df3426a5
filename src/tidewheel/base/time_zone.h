// Time zones: offsets from UTC, and the named zones of the system's time zone data with all their
// changes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

// Copyable. One thread.
class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // "UTC", "Z", an offset such as "+02:00" or "-0730", a name such as "Europe/Berlin", or "system":
  // the zone that the machine is set to, UTC when it is set to none. Errors: kBadParameter, with
  // the nearest name.
  static Result<TimeZone> find(std::string_view name);

  // What local clocks show at a time of UTC, minus that time.
  int64_t offset_ms(int64_t utc_ms) {
    if (utc_ms < first_ms_ || utc_ms > last_ms_) [[unlikely]] { look_up(utc_ms); }
    return offset_ms_;
  }

 private:
  void look_up(int64_t utc_ms);

  const void* zone_ = nullptr;  // of the system's data, which is loaded once for the process
  // The offset holds from the first to the last of these.
  int64_t first_ms_ = INT64_MIN;
  int64_t last_ms_ = INT64_MAX;
  int64_t offset_ms_ = 0;
};

}  // namespace tidewheel
