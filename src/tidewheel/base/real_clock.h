// The machine's clocks.
#pragma once
#include <memory>

#include "tidewheel/base/clock.h"

namespace tidewheel {

std::unique_ptr<Clock> make_real_clock();

}  // namespace tidewheel
