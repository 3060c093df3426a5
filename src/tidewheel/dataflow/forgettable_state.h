// States that a job may go on without: when their operator is gone, or is not found because it has
// no uid and the graph has changed, nobody is asked.
#pragma once
#include <string_view>

namespace tidewheel {

// As StateMeta::form: how far event time was in the middle of a job.
inline constexpr std::string_view kEventTimeForm = "event time";

inline bool is_forgettable(std::string_view form) { return form == kEventTimeForm; }

}  // namespace tidewheel
