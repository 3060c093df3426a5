// How many timers have come due, for the figures of whoever runs on this thread: queues of timers
// are deep inside of operators, and know nobody to tell.
#pragma once
#include <cstdint>

namespace tidewheel {

// Of all queues that were used on this thread, since it began. Goes up only.
int64_t due_timers_of_thread();

}  // namespace tidewheel
