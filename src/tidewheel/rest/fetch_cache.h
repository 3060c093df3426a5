// Keeps what was fetched lately, so that many requests cost the cluster one.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// By key, of one thread: the loop's. What is asked for while it is being fetched waits for that.
template <class T>
class FetchCache {
 public:
  using Done = std::function<void(Result<T>)>;
  using Fetch = std::function<void(Done)>;

  FetchCache(const Clock& clock, EventLoop::Poster poster, size_t entries_max)
      : clock_(clock), poster_(std::move(poster)), entries_max_(entries_max) {}

  // `lasts`: a value that will never change is not fetched again.
  void get(const std::string& key, int64_t age_ms_max, const Fetch& fetch, Done done) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.value.has_value() &&
        is_fresh(found->second, age_ms_max)) {
      done(*found->second.value);
      return;
    }
    Entry& entry = entries_[key];
    if (entry.is_outdated) {
      entry.late.push_back({fetch, std::move(done)});
      return;
    }
    entry.waiting.push_back(std::move(done));
    if (entry.waiting.size() == 1) { begin(key, fetch); }
  }
  void set_lasting(std::function<bool(const T&)> lasts) { lasts_ = std::move(lasts); }
  // Who asks from here on gets what is fetched from here on.
  void forget(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) { return; }
    if (found->second.waiting.empty()) {
      entries_.erase(found);
    } else {
      found->second.is_outdated = true;
      found->second.value.reset();
    }
  }
  // The same for a value that is, or may be about to be, another than is known elsewhere.
  void forget_unless(const std::string& key, const std::function<bool(const T&)>& is_right) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) { return; }
    const Entry& entry = found->second;
    if (entry.waiting.empty() && entry.value.has_value() && is_right(*entry.value)) { return; }
    forget(key);
  }

 private:
  struct Entry {
    std::optional<T> value;
    int64_t fetched_ns = 0;
    std::vector<Done> waiting;
    bool is_outdated = false;  // what is being fetched, for those who ask later
    std::vector<std::pair<Fetch, Done>> late;
  };

  void begin(const std::string& key, const Fetch& fetch) {
    fetch([poster = poster_, this, key](Result<T> value) {
      poster([this, key, value = std::move(value)] { arrived(key, value); });
    });
  }

  bool is_fresh(const Entry& entry, int64_t age_ms_max) const {
    return clock_.now_ns() - entry.fetched_ns < age_ms_max * 1'000'000 ||
           (lasts_ && lasts_(*entry.value));
  }
  void arrived(const std::string& key, const Result<T>& value) {
    Entry& entry = entries_[key];
    const std::vector<Done> waiting = std::exchange(entry.waiting, {});
    auto late = std::exchange(entry.late, {});
    if (std::exchange(entry.is_outdated, false)) {
      entries_.erase(key);
    } else if (value.ok()) {
      entry.value = *value;
      entry.fetched_ns = clock_.now_ns();
      make_room();
    } else {
      entries_.erase(key);
    }
    for (const Done& done : waiting) { done(value); }
    for (auto& [fetch, done] : late) { get(key, 0, fetch, std::move(done)); }
  }
  void make_room() {
    while (entries_.size() > entries_max_) {
      auto oldest = entries_.end();
      for (auto at = entries_.begin(); at != entries_.end(); ++at) {
        if (!at->second.waiting.empty()) { continue; }
        if (oldest == entries_.end() || at->second.fetched_ns < oldest->second.fetched_ns) {
          oldest = at;
        }
      }
      if (oldest == entries_.end()) { return; }
      entries_.erase(oldest);
    }
  }

  const Clock& clock_;
  const EventLoop::Poster poster_;
  const size_t entries_max_;
  std::function<bool(const T&)> lasts_;
  std::map<std::string, Entry> entries_;
};

}  // namespace tidewheel
