// A host of a simulated world.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/world.h"
#include "tidewheel/sim/sim_file_system.h"
#include "tidewheel/sim/sim_network.h"
#include "tidewheel/sim/simulation.h"

namespace tidewheel {

struct SimHostOptions {
  int32_t cores = 4;
  int64_t memory_bytes = int64_t{8} << 30;
  int64_t wall_start_ms = 1'600'000'000'000;
  double wall_drift = 0;  // the wall clock runs so much faster (0.01 is 1 %)
  LogLevel log_level = LogLevel::kWarning;
  bool print_log = false;  // to standard error; lines are kept anyway
};

// What one host's programs see. Lives within its Simulation.
class SimWorld final : public World {
 public:
  SimWorld(Simulation& simulation, SimNetworkFabric& fabric, std::string host,
           const SimHostOptions& options = {});
  ~SimWorld() override;

  Clock& clock() override;
  Executor& executor() override;
  FileSystem& files() override { return files_; }
  Network& network() override { return *network_; }
  Logger& logger() override;
  Random fork_random() override { return random_.fork(); }
  std::optional<std::string> environment(const std::string& name) override;
  int64_t memory_bytes() const override { return options_.memory_bytes; }

  SimFileSystem& sim_files() { return files_; }
  const SimFileSystem& sim_files() const { return files_; }
  // The wall clock jumps; the monotonic one does not notice.
  void jump_wall_clock(int64_t by_ms);
  void set_environment(const std::string& name, const std::string& value);
  const std::vector<std::string>& log_lines() const;

 private:
  class SimClock;
  class SimExecutor;
  class SimEvent;
  class KeptLog;

  const SimHostOptions options_;
  Random random_;
  const std::unique_ptr<SimClock> clock_;
  const std::unique_ptr<KeptLog> log_;
  std::unique_ptr<Logger> logger_;
  SimFileSystem files_;
  const std::unique_ptr<SimExecutor> executor_;
  const std::unique_ptr<Network> network_;
  std::map<std::string, std::string> environment_;
};

// A simulation of a single host: what most tests need.
struct SimMachine {
  explicit SimMachine(const SimulationOptions& options, const SimHostOptions& host = {})
      : simulation(options), fabric(simulation), world(simulation, fabric, "host", host) {}
  Simulation simulation;
  SimNetworkFabric fabric;
  SimWorld world;
};

}  // namespace tidewheel
