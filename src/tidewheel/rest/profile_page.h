// A profile as a page that needs nothing else: a flame graph that can be searched and zoomed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

// `interval_ms`: how much of a thread's time a sample stands for.
std::string profile_page(const std::string& title, const std::vector<SampledStack>& stacks,
                         int64_t interval_ms);

}  // namespace tidewheel
