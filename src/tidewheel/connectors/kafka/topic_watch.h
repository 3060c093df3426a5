// Asks brokers now and then whether what a subtask reads is still there: a client whose topic was
// deleted says nothing, and gets nothing.
#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/options.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::kafka {

// On the subtask's thread; the brokers are asked on the blocking pool, which wakes the subtask when
// something is gone.
class TopicWatch {
 public:
  // Asks every `options.discovery_every`, and at once again after an answer that misses something.
  TopicWatch(SourceContext& context, std::shared_ptr<const SourceOptions> options);
  ~TopicWatch() { gate_->close(); }
  TopicWatch(const TopicWatch&) = delete;
  TopicWatch& operator=(const TopicWatch&) = delete;

  // Partitions that are read from now on, or not any more.
  void add(const TopicPartition& partition) { watched_.insert(partition); }
  void remove(const TopicPartition& partition) { watched_.erase(partition); }
  // Asks when it is time. Whether the partition was missing in so many answers in a row that it is
  // gone. Brokers that do not answer say nothing.
  bool is_gone(const TopicPartition& partition);
  // When `is_gone` is to be called again (Clock::kNever: not for the sake of this).
  int64_t next_wall_ms() const { return next_wall_ms_; }

 private:
  struct Outcome;
  void ask();
  void take_outcome();

  SourceContext context_;
  const std::shared_ptr<const SourceOptions> options_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::set<TopicPartition> watched_;
  std::set<TopicPartition> gone_;
  std::set<TopicPartition> missed_;   // in all of the last answers
  int32_t misses_ = 0;                // how many those are
  std::shared_ptr<Outcome> outcome_;  // of the call under way
  int64_t next_wall_ms_ = 0;
};

}  // namespace tidewheel::kafka
