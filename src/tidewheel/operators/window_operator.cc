#include "tidewheel/operators/window_operator.h"

namespace tidewheel {

Status check_lateness(int64_t allowed_lateness_ms, WindowTime time) {
  if (allowed_lateness_ms < 0) {
    return invalid_argument(ErrorId::kWindowOption,
                            "the allowed lateness of windows can't be negative, but is {} ms",
                            allowed_lateness_ms);
  }
  if (allowed_lateness_ms > 0 && time == WindowTime::kProcessing) {
    return invalid_argument(
        ErrorId::kWindowOption,
        "windows in processing time know no late rows: leave allow_late out, or "
        "use event time");
  }
  return {};
}

}  // namespace tidewheel
