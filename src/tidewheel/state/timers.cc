#include "tidewheel/state/timers.h"

namespace tidewheel {

std::string near_timers_name(std::string_view name) { return std::string(name) + " near"; }

}  // namespace tidewheel
