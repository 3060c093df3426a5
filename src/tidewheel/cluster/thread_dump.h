// What each thread of this process does, for people.
#pragma once
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

// Blocks for milliseconds.
std::vector<ThreadStack> dump_threads();

}  // namespace tidewheel
