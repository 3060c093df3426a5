#include "tidewheel/connectors/kafka/topic_watch.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"

namespace tidewheel::kafka {
namespace {

// A broker that has just come up, or a topic that is made anew, may be missing for a moment.
constexpr int32_t kMissesMax = 3;
constexpr int64_t kAskAgainMs = 1'000;

// Which of `partitions` are not there. Blocks. Errors: nobody knows.
Result<std::set<TopicPartition>> missing_of(const SourceOptions& options,
                                            const std::set<TopicPartition>& partitions) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::unique_ptr<Admin> admin,
      options.client_or_real()->admin(options.client_properties(), options.request_timeout));
  std::map<std::string, int32_t> counts;  // of partitions, by topic
  for (const TopicPartition& one : partitions) {
    if (counts.contains(one.topic)) { continue; }
    const Result<TopicInfo> info = admin->topic(one.topic);
    if (!info.ok() && info.status().id() != ErrorId::kKafkaTopic) { return info.status(); }
    counts[one.topic] = info.ok() ? info->partition_count : 0;
  }
  std::set<TopicPartition> missing;
  for (const TopicPartition& one : partitions) {
    if (one.partition >= counts[one.topic]) { missing.insert(one); }
  }
  return missing;
}

}  // namespace

struct TopicWatch::Outcome {
  Result<std::set<TopicPartition>> missing = std::set<TopicPartition>();
  std::atomic<bool> is_done{false};
};

TopicWatch::TopicWatch(SourceContext& context, std::shared_ptr<const SourceOptions> options)
    : context_(context), options_(std::move(options)) {
  const int64_t every_ms = to_ms(options_->discovery_every);
  next_wall_ms_ = every_ms == 0 ? Clock::kNever : context_.clock().wall_ms() + every_ms;
}

bool TopicWatch::is_gone(const TopicPartition& partition) {
  if (outcome_ != nullptr) {
    take_outcome();
  } else if (context_.clock().wall_ms() >= next_wall_ms_) {
    ask();
  }
  return gone_.contains(partition);
}

void TopicWatch::ask() {
  // Until it has answered nothing is to be done: it wakes the subtask.
  next_wall_ms_ = Clock::kNever;
  outcome_ = std::make_shared<Outcome>();
  context_.executor().run_blocking([options = options_, watched = watched_, outcome = outcome_,
                                    gate = gate_, waker = context_]() mutable {
    outcome->missing = missing_of(*options, watched);
    outcome->is_done.store(true, std::memory_order_release);
    if (!gate->enter()) { return; }
    waker.wake();
    gate->leave();
  });
}

void TopicWatch::take_outcome() {
  if (!outcome_->is_done.load(std::memory_order_acquire)) { return; }
  const Result<std::set<TopicPartition>> missing = std::move(outcome_->missing);
  outcome_ = nullptr;
  int64_t pause_ms = to_ms(options_->discovery_every);
  if (missing.ok()) {
    std::set<TopicPartition> still;
    for (const TopicPartition& one : *missing) {
      if (misses_ == 0 || missed_.contains(one)) { still.insert(one); }
    }
    misses_ = still.empty() ? 0 : misses_ + 1;
    missed_ = std::move(still);
    if (misses_ == kMissesMax) {
      gone_.insert(missed_.begin(), missed_.end());
      misses_ = 0;
    } else if (!missing->empty()) {
      pause_ms = std::min(pause_ms, kAskAgainMs);
    }
  }
  next_wall_ms_ = context_.clock().wall_ms() + pause_ms;
}

}  // namespace tidewheel::kafka
