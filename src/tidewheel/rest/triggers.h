// Operations that take longer than a request: they are started by one, and others ask what became
// of them.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Clock;  // base/clock.h

// The API's thread, but for `owed_count`.
class RestTriggers {
 public:
  // Where an operation belongs: a job's savepoints, say. An id means something there only.
  struct Key {
    std::string scope;
    std::string id;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // Outcomes are kept for `store_ms` after the end.
  RestTriggers(const Clock& clock, int64_t store_ms) : clock_(clock), store_ms_(store_ms) {}

  // False: there is one of this key already, and nothing new is to be started.
  bool begin(const Key& key);
  // `operation`: its outcome as JSON.
  void complete(const Key& key, std::string operation);
  // The answer's body; none: no such operation, or not any more.
  std::optional<std::string> outcome_json(const Key& key);
  // Operations that run, and outcomes that were not asked for yet. Any thread.
  int64_t owed_count() const { return owed_.load(std::memory_order_acquire); }
  void forget_old();

 private:
  struct Operation {
    std::optional<std::string> outcome;
    int64_t ended_ns = 0;
    bool was_fetched = false;
  };
  const Clock& clock_;
  const int64_t store_ms_;
  std::map<Key, Operation> operations_;
  std::atomic<int64_t> owed_{0};
};

// {"class": .., "stack-trace": .., "serialized-throwable": ..}, as clients of Flink's read it.
std::string failure_cause_json(const Status& status);

}  // namespace tidewheel
