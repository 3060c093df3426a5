// What is kept of schemas that records have named: bounded, because whoever writes records chooses
// their ids.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace tidewheel::registry {

// Schemas that are known at a time, of one reader.
inline constexpr size_t kKnownMax = 10'000;

// Values by key. When it is full the one goes that was looked for longest ago. Looking costs a
// search in a map: whoever reads records asks when the key changes, not for each.
template <class Key, class Value>
class Known {
 public:
  explicit Known(size_t size_max = kKnownMax) : size_max_(size_max) {}

  // Null: it is not known. Valid until the next `add`.
  Value* find(const Key& key) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) { return nullptr; }
    it->second.used = ++uses_;
    return &it->second.value;
  }
  // Under a key that is not known. Valid until the next `add`.
  Value* add(const Key& key, Value value) {
    if (entries_.size() >= size_max_) { drop_oldest(); }
    return &entries_.insert_or_assign(key, Entry{std::move(value), ++uses_}).first->second.value;
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Value value;
    uint64_t used = 0;  // the larger, the later
  };
  void drop_oldest() {
    auto oldest = entries_.begin();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.used < oldest->second.used) { oldest = it; }
    }
    if (oldest != entries_.end()) { entries_.erase(oldest); }
  }

  const size_t size_max_;
  uint64_t uses_ = 0;
  std::map<Key, Entry> entries_;
};

}  // namespace tidewheel::registry
