// A program on a simulated host, which can be killed.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/world.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {

// What one program sees of its host. When it is killed, nothing that it does reaches the disk any
// more, in the middle of a call of the file system if need be: what is left of it in memory then
// runs against files that all fail, and can be cancelled and destroyed. Whoever stands for a
// service outside the program asks `alive` before it takes anything from it. (The network is the
// host's; its connections are not cut.)
class SimProcess final : public World {
 public:
  SimProcess(Simulation& simulation, SimWorld& host, std::string name);
  ~SimProcess()
      override;  // after everything that was given it; runs the blocking jobs that are left

  Clock& clock() override { return host_.clock(); }
  Executor& executor() override;
  FileSystem& files() override;
  Network& network() override { return host_.network(); }
  Logger& logger() override { return host_.logger(); }
  Random fork_random() override { return random_.fork(); }
  std::optional<std::string> environment(const std::string& name) override {
    return host_.environment(name);
  }
  int64_t memory_bytes() const override { return host_.memory_bytes(); }

  bool alive() const { return *alive_; }
  // Says the same, and may be kept for longer than the process.
  std::shared_ptr<const bool> life() const { return alive_; }
  void kill();
  // Dies in the call of the file system that comes after `calls` others. A write may get part of
  // its bytes to the disk then.
  void kill_at_file_call(int64_t calls) { calls_left_ = calls; }
  int64_t file_calls() const { return file_calls_; }

 private:
  class Files;
  class ProcessExecutor;

  Simulation& simulation_;
  SimWorld& host_;
  Random random_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  int64_t calls_left_ = INT64_MAX;
  int64_t file_calls_ = 0;
  const std::unique_ptr<Files> files_;
  const std::unique_ptr<ProcessExecutor> executor_;
};

}  // namespace tidewheel
