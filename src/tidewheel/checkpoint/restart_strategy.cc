#include "tidewheel/checkpoint/restart_strategy.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

class NoRestart final : public RestartStrategy {
 public:
  std::optional<int64_t> on_failure(int64_t) override { return std::nullopt; }
  std::string describe() const override { return "no restart strategy"; }
};

class FixedDelay final : public RestartStrategy {
 public:
  FixedDelay(int64_t attempts, int64_t delay_ms) : attempts_(attempts), delay_ms_(delay_ms) {}
  std::optional<int64_t> on_failure(int64_t) override {
    if (restarts_ >= attempts_) { return std::nullopt; }
    ++restarts_;
    return delay_ms_ * kNsPerMs;
  }
  std::string describe() const override {
    return fmt::format("fixed delay of {}, {} attempt{}", format_duration_ms(delay_ms_), attempts_,
                       attempts_ == 1 ? "" : "s");
  }

 private:
  const int64_t attempts_;
  const int64_t delay_ms_;
  int64_t restarts_ = 0;
};

// The job fails by the failure that makes more than `failures_max` within one interval.
class FailureRate final : public RestartStrategy {
 public:
  FailureRate(int64_t failures_max, int64_t interval_ms, int64_t delay_ms)
      : failures_max_(failures_max), interval_ms_(interval_ms), delay_ms_(delay_ms) {}
  std::optional<int64_t> on_failure(int64_t now_ns) override {
    if (static_cast<int64_t>(times_ns_.size()) >= failures_max_) {
      if (now_ns - times_ns_.front() <= interval_ms_ * kNsPerMs) { return std::nullopt; }
      times_ns_.pop_front();
    }
    times_ns_.push_back(now_ns);
    return delay_ms_ * kNsPerMs;
  }
  std::string describe() const override {
    return fmt::format("failure rate of {} within {}, delay of {}", failures_max_,
                       format_duration_ms(interval_ms_), format_duration_ms(delay_ms_));
  }

 private:
  const int64_t failures_max_;
  const int64_t interval_ms_;
  const int64_t delay_ms_;
  std::deque<int64_t> times_ns_;  // of the last `failures_max_` failures
};

struct Backoff {
  int64_t initial_ms = 1000;
  int64_t max_ms = 60'000;
  int64_t reset_ms = 3'600'000;
  double multiplier = 1.5;
  double jitter = 0.1;
  int64_t attempts = -1;  // no limit
};

// Failures that come while a restart waits are part of the one that it waits for.
class ExponentialDelay final : public RestartStrategy {
 public:
  ExponentialDelay(Backoff backoff, Random random) : backoff_(backoff), random_(random) {}
  std::optional<int64_t> on_failure(int64_t now_ns) override {
    if (restarts_ > 0 && now_ns < restart_at_ns_) { return restart_at_ns_ - now_ns; }
    if (restarts_ > 0 && now_ns - restart_at_ns_ >= backoff_.reset_ms * kNsPerMs) {
      restarts_ = 0;
      next_ms_ = 0;
    }
    if (backoff_.attempts >= 0 && restarts_ >= backoff_.attempts) { return std::nullopt; }
    const auto limit = static_cast<double>(backoff_.max_ms);
    next_ms_ = restarts_ == 0 ? static_cast<double>(backoff_.initial_ms)
                              : std::min(limit, next_ms_ * backoff_.multiplier);
    ++restarts_;
    const double share = static_cast<double>(random_.below(2'000'001)) / 1e6 - 1;  // [-1, 1]
    const double delay_ms = std::clamp(next_ms_ * (1 + share * backoff_.jitter),
                                       static_cast<double>(backoff_.initial_ms), limit);
    const auto delay_ns = static_cast<int64_t>(delay_ms * static_cast<double>(kNsPerMs));
    restart_at_ns_ = now_ns + delay_ns;
    return delay_ns;
  }
  std::string describe() const override {
    std::string text = fmt::format("exponential delay from {} to {}, times {}",
                                   format_duration_ms(backoff_.initial_ms),
                                   format_duration_ms(backoff_.max_ms), backoff_.multiplier);
    if (backoff_.attempts >= 0) { text += fmt::format(", {} attempts", backoff_.attempts); }
    return text;
  }

 private:
  const Backoff backoff_;
  Random random_;
  int64_t restarts_ = 0;  // since the delay was the first one
  double next_ms_ = 0;
  int64_t restart_at_ns_ = 0;
};

Result<std::unique_ptr<RestartStrategy>> make_exponential(const Config& config, Random random) {
  Backoff backoff;
  backoff.initial_ms = config.get(options::kExponentialInitial);
  backoff.max_ms = config.get(options::kExponentialMax);
  backoff.reset_ms = config.get(options::kExponentialReset);
  backoff.multiplier = config.get(options::kExponentialMultiplier);
  backoff.jitter = config.get(options::kExponentialJitter);
  backoff.attempts = config.get(options::kExponentialAttempts);
  if (backoff.max_ms < backoff.initial_ms) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is {}, less than the {} of {}",
                            options::kExponentialMax.key, format_duration_ms(backoff.max_ms),
                            format_duration_ms(backoff.initial_ms),
                            options::kExponentialInitial.key);
  }
  if (!(backoff.multiplier >= 1.0)) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is {}; it must be 1 or more",
                            options::kExponentialMultiplier.key, backoff.multiplier);
  }
  if (!(backoff.jitter >= 0.0 && backoff.jitter <= 1.0)) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is {}; it must be from 0 to 1",
                            options::kExponentialJitter.key, backoff.jitter);
  }
  return std::unique_ptr<RestartStrategy>(std::make_unique<ExponentialDelay>(backoff, random));
}

}  // namespace

Result<std::unique_ptr<RestartStrategy>> make_restart_strategy(const Config& config,
                                                               bool checkpoints, Random random) {
  const std::string type = config.get(options::kRestartStrategy);
  using Made = std::unique_ptr<RestartStrategy>;
  if (type == "none" || type == "off" || type == "disable" || (type.empty() && !checkpoints)) {
    return Made(std::make_unique<NoRestart>());
  }
  if (type == "fixed-delay" || type == "fixeddelay") {
    return Made(std::make_unique<FixedDelay>(config.get(options::kFixedDelayAttempts),
                                             config.get(options::kFixedDelay)));
  }
  if (type == "failure-rate" || type == "failurerate") {
    return Made(std::make_unique<FailureRate>(config.get(options::kFailureRateMax),
                                              config.get(options::kFailureRateInterval),
                                              config.get(options::kFailureRateDelay)));
  }
  if (type.empty() || type == "exponential-delay" || type == "exponentialdelay") {
    return make_exponential(config, random);
  }
  return invalid_argument(
      ErrorId::kBadOptionValue,
      "{} is '{}'; none (or off, disable), fixed-delay, failure-rate and exponential-delay are "
      "possible",
      options::kRestartStrategy.key, type);
}

}  // namespace tidewheel
