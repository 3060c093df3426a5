// What a job author says about a state besides its name, and how a wrong use of state is told.
#pragma once
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// What makes state younger.
enum class TtlOn : uint8_t {
  write,
  read_write,
};

struct StateOptions {
  // After this long without use a value, or an entry of a list or map, is gone: it is never given
  // back, and its memory is freed little by little. Processing time; 0: never.
  Duration ttl{0};
  TtlOn ttl_on = TtlOn::write;
};

// Thrown by a state handle that is used where it can't be, or whose value was asked for and does
// not exist. The operator turns it into the failure of the job.
class StateError final : public std::runtime_error {
 public:
  explicit StateError(Status status)
      : std::runtime_error(status.message()), status_(std::move(status)) {}
  const Status& status() const { return status_; }

 private:
  Status status_;
};

}  // namespace tidewheel
