// How async_map treats its calls.
#pragma once
#include <cstdint>

#include "tidewheel/types/time.h"

namespace tidewheel {

// When a call that threw is made again.
struct Backoff {
  int32_t attempts = 0;  // besides the first
  Duration first{100};   // before the second call
  double factor = 2.0;   // each wait is so many times the one before
  Duration max{60'000};
};

struct AsyncOptions {
  int32_t capacity = 100;  // rows in flight in each subtask; more wait
  Duration timeout{0};     // of a row, retries included; 0: none
  bool ordered = true;     // results in the order of their rows; else as they come, but never
                           // across a watermark
  Backoff retry = {};
};

// A call without a fallback: a timeout fails the job.
struct NoTimeoutFallback {};

}  // namespace tidewheel
