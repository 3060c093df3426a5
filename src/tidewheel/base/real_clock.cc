#include "tidewheel/base/real_clock.h"

#include <ctime>

namespace tidewheel {
namespace {

class RealClock final : public Clock {
 public:
  int64_t now_ns() const override {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);  // the origin that the executor's sleeps use, too
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
  }
  int64_t wall_ms() const override {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
  }
};

}  // namespace

std::unique_ptr<Clock> make_real_clock() { return std::make_unique<RealClock>(); }

}  // namespace tidewheel
