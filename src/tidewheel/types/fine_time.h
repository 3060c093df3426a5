// Points in time in units finer than milliseconds, from text.
#pragma once
#include <cstdint>
#include <string_view>

namespace tidewheel {

// `text` is a point in time of which `ms` milliseconds were read. Gives it in units of which
// `units_per_second` (1,000 or more, a power of ten) make a second, with the digits of the text's
// fraction beyond milliseconds. False when that is beyond 64 bits.
bool refine_timestamp(std::string_view text, int64_t ms, int64_t units_per_second, int64_t& units);

}  // namespace tidewheel
