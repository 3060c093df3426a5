// Fuzzes the calendar: what is accepted must survive being written and read again.
#include <cstdint>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/types/time.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto when = parse_timestamp(text)) {
    const std::string written = to_string(*when);
    TIDEWHEEL_CHECK(parse_timestamp(written) == when, "{}", written);
  }
  if (const auto when = parse_local_timestamp(text)) {
    const std::string written = to_string(*when);
    TIDEWHEEL_CHECK(parse_local_timestamp(written) == when, "{}", written);
  }
  if (const auto date = parse_date(text)) {
    const std::string written = to_string(*date);
    TIDEWHEEL_CHECK(parse_date(written) == date, "{}", written);
  }
  if (const auto time = parse_time(text)) {
    const std::string written = to_string(*time);
    TIDEWHEEL_CHECK(parse_time(written) == time, "{}", written);
  }
  return 0;
}
