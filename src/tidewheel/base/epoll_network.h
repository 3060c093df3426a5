// TCP by the machine's sockets.
#pragma once
#include <memory>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/network.h"

namespace tidewheel {

// One thread, started at the first use, watches all sockets. Host names are resolved on
// `executor`'s blocking pool. Both outlive the network; the network outlives its connections and
// listeners.
std::unique_ptr<Network> make_epoll_network(const Clock& clock, Executor& executor);

}  // namespace tidewheel
