// What was looked up lately, by key: the partial cache of a lookup join.
#pragma once
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::sql {

// The rows of a key, in a batch that nobody changes; without a batch there are none.
struct LookupAnswer {
  BatchRef batch;
  std::vector<uint32_t> rows;
};

// Least recently used keys go first. One thread.
class LookupCache {
 public:
  explicit LookupCache(const LookupCaching& caching) : caching_(caching) {}

  // Null: not there, or expired. Valid until the next call that changes something.
  const LookupAnswer* find(std::string_view key, int64_t now_ms) {
    const auto it = by_key_.find(std::string(key));
    if (it == by_key_.end()) { return nullptr; }
    Entry& entry = *it->second;
    if (is_expired(entry, now_ms)) {
      drop(it->second);
      return nullptr;
    }
    entry.read_ms = now_ms;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &entry.answer;
  }
  void put(std::string_view key, LookupAnswer answer, int64_t now_ms) {
    if (caching_.kind != LookupCaching::Kind::kPartial) { return; }
    if (answer.rows.empty() && !caching_.keeps_misses) { return; }
    if (const auto it = by_key_.find(std::string(key)); it != by_key_.end()) { drop(it->second); }
    rows_ += weight(answer);
    entries_.push_front({std::string(key), std::move(answer), now_ms, now_ms});
    by_key_[entries_.front().key] = entries_.begin();
    while (caching_.rows_max > 0 && rows_ > caching_.rows_max && !entries_.empty()) {
      drop(std::prev(entries_.end()));
    }
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    LookupAnswer answer;
    int64_t written_ms = 0;
    int64_t read_ms = 0;
  };
  using Place = std::list<Entry>::iterator;

  // That there are none takes a place too.
  static int64_t weight(const LookupAnswer& answer) {
    return std::max<int64_t>(1, static_cast<int64_t>(answer.rows.size()));
  }
  bool is_expired(const Entry& entry, int64_t now_ms) const {
    const int64_t write_ms = to_ms(caching_.expire_after_write);
    const int64_t access_ms = to_ms(caching_.expire_after_access);
    return (write_ms > 0 && now_ms - entry.written_ms >= write_ms) ||
           (access_ms > 0 && now_ms - entry.read_ms >= access_ms);
  }
  void drop(Place place) {
    rows_ -= weight(place->answer);
    by_key_.erase(place->key);
    entries_.erase(place);
  }

  const LookupCaching caching_;
  std::list<Entry> entries_;  // the latest use first
  std::unordered_map<std::string, Place> by_key_;
  int64_t rows_ = 0;
};

}  // namespace tidewheel::sql
