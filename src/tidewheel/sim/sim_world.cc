#include "tidewheel/sim/sim_world.h"

#include <cstdio>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

class SimWorld::SimClock final : public Clock {
 public:
  SimClock(Simulation& simulation, const SimHostOptions& options)
      : simulation_(simulation), options_(options), start_ns_(simulation.now_ns()) {}
  int64_t now_ns() const override {
    simulation_.tick();
    return simulation_.now_ns();
  }
  int64_t wall_ms() const override {
    simulation_.tick();
    const auto passed = static_cast<double>(simulation_.now_ns() - start_ns_);
    return options_.wall_start_ms + jumped_ms_ +
           static_cast<int64_t>(passed * (1 + options_.wall_drift) / 1e6);
  }
  void jump(int64_t by_ms) { jumped_ms_ += by_ms; }

 private:
  Simulation& simulation_;
  const SimHostOptions& options_;
  const int64_t start_ns_;
  int64_t jumped_ms_ = 0;
};

class SimWorld::SimEvent final : public Event {
 public:
  explicit SimEvent(Simulation& simulation) : simulation_(simulation) {}
  void set() override { set_ = true; }
  bool is_set() const override { return set_; }
  bool wait(int64_t deadline_ns) override {
    return simulation_.run_until([this] { return set_; }, deadline_ns);
  }

 private:
  Simulation& simulation_;
  bool set_ = false;
};

class SimWorld::SimExecutor final : public Executor {
 public:
  SimExecutor(Simulation& simulation, std::string host, int32_t cores)
      : simulation_(simulation), host_(std::move(host)), cores_(cores) {}
  ~SimExecutor() override {
    // As the real one: jobs that were accepted are run first.
    simulation_.run_until([this] { return *pending_ == 0; });
  }

  std::unique_ptr<Worker> start_worker(std::string name, Turnable& work) override {
    return simulation_.start_worker(host_ + "/" + name, work);
  }
  void run_blocking(std::function<void()> job) override {
    ++*pending_;
    simulation_.call_later(simulation_.draw(0, simulation_.options().blocking_ns_max),
                           [pending = pending_, job = std::move(job)] {
                             job();
                             --*pending;
                           });
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<SimEvent>(simulation_); }
  int32_t core_count() const override { return cores_; }

 private:
  Simulation& simulation_;
  const std::string host_;
  const int32_t cores_;
  const std::shared_ptr<int64_t> pending_ = std::make_shared<int64_t>(0);
};

class SimWorld::KeptLog final : public LogSink {
 public:
  explicit KeptLog(bool print) : print_(print) {}
  void write(LogLevel, int64_t wall_ms, std::string_view logger,
             std::string_view message) override {
    lines_.push_back(fmt::format("{}: {}", logger, message));
    if (print_) { fmt::print(stderr, "{} {}\n", wall_ms, lines_.back()); }
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  const bool print_;
  std::vector<std::string> lines_;
};

SimWorld::SimWorld(Simulation& simulation, SimNetworkFabric& fabric, std::string host,
                   const SimHostOptions& options)
    : options_(options),
      random_(simulation.random().fork()),
      clock_(std::make_unique<SimClock>(simulation, options_)),
      log_(std::make_unique<KeptLog>(options.print_log)),
      logger_(std::make_unique<Logger>(*log_, *clock_, options.log_level, host)),
      files_(simulation, *clock_),
      executor_(std::make_unique<SimExecutor>(simulation, host, options.cores)),
      network_(fabric.add_host(host)) {}

SimWorld::~SimWorld() = default;

Clock& SimWorld::clock() { return *clock_; }
Executor& SimWorld::executor() { return *executor_; }
Logger& SimWorld::logger() { return *logger_; }

std::optional<std::string> SimWorld::environment(const std::string& name) {
  const auto found = environment_.find(name);
  return found == environment_.end() ? std::nullopt : std::optional<std::string>(found->second);
}

void SimWorld::jump_wall_clock(int64_t by_ms) { clock_->jump(by_ms); }

void SimWorld::set_environment(const std::string& name, const std::string& value) {
  environment_[name] = value;
}

const std::vector<std::string>& SimWorld::log_lines() const { return log_->lines(); }

}  // namespace tidewheel
