// Which Tidewheel this is.
#pragma once
#include <cstdint>
#include <string_view>

namespace tidewheel {

// The same as in CMakeLists.txt, which checks it.
inline constexpr std::string_view kVersion = "0.1.0";

// What the program `tidewheel` and a job's library agree on: the entry point's name and its command
// line (api/job_main.h). Counted up whenever an older library could be misunderstood.
inline constexpr int32_t kPluginAbi = 1;

}  // namespace tidewheel
