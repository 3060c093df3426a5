// The outside world in one handful: what a program gets from the machine, or a test from the
// simulator.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/log.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/random.h"

namespace tidewheel {

// Handed down from main. All parts outlive whatever was given the world.
class World {
 public:
  virtual ~World() = default;
  virtual Clock& clock() = 0;
  virtual Executor& executor() = 0;
  virtual FileSystem& files() = 0;
  virtual Network& network() = 0;
  virtual Logger& logger() = 0;
  // A new stream of random numbers, for one owner. Any thread.
  virtual Random fork_random() = 0;
  virtual std::optional<std::string> environment(const std::string& name) = 0;
  // What this process may use of the machine's memory.
  virtual int64_t memory_bytes() const = 0;
};

struct RealWorldOptions {
  LogLevel log_level = LogLevel::kInfo;
  uint64_t seed = 0;  // 0: from the system
  int32_t blocking_threads_max = 16;
  // Whether calls that may refuse do so at random (base/fault.h); null option: in debug builds.
  std::optional<bool> refuse_at_random = std::nullopt;
};
std::unique_ptr<World> make_real_world(const RealWorldOptions& options = {});

}  // namespace tidewheel
