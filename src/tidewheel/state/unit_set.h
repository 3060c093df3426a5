// The units of state (keys, or keys and namespaces) that newer layers of a snapshot have spoken of,
// for one key group.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/prefetch.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {

// Units that are noted are found only after `settle`, so that a layer does not void itself. A unit
// is looked for in two places, each of which may be a cache miss: a slot, and the unit's bytes. Who
// looks for several has them fetched, `fetch_slot` first.
class UnitSet {
 public:
  void clear() {
    words_.clear();
    count_ = settled_ = last_ = settled_words_ = 0;
    if (!slots_.empty()) { slots_.assign(slots_.size(), Slot{}); }
  }
  bool empty() const { return settled_ == 0; }

  static uint64_t hash_of(std::string_view key, std::string_view name_space) {
    const uint64_t hash = hash_bytes(key.data(), key.size());
    return name_space.empty()
               ? hash
               : mix64(hash ^ (hash_bytes(name_space.data(), name_space.size()) + key.size()));
  }
  // `hash` is always that of key and namespace.
  void note(std::string_view key, std::string_view name_space, uint64_t hash) {
    if (settled_ < count_ && is(last_, key, name_space)) { return; }
    last_ = words_.size();
    words_.resize(last_ + kHeadWords + words_of(key.size() + name_space.size()));
    const Head head{hash, static_cast<uint32_t>(key.size()),
                    static_cast<uint32_t>(name_space.size())};
    std::memcpy(&words_[last_], &head, sizeof(head));
    char* const bytes = bytes_of(last_);
    if (!key.empty()) { std::memcpy(bytes, key.data(), key.size()); }
    if (!name_space.empty()) {
      std::memcpy(bytes + key.size(), name_space.data(), name_space.size());
    }
    ++count_;
  }
  void settle() {
    TIDEWHEEL_CHECK(words_.size() < UINT32_MAX, "the keys of one key group take 32 GB");
    while (slots_.size() < 2 * count_) { grow(); }
    settled_words_ = insert_all(settled_words_, words_.size());
    settled_ = count_;
  }
  void fetch_slot(uint64_t hash) const {
    if (settled_ > 0) { prefetch_for_write(&slots_[hash & mask()]); }
  }
  void fetch_unit(uint64_t hash) const {
    if (settled_ == 0) { return; }
    const Slot& slot = slots_[hash & mask()];
    if (slot.unit != 0) { prefetch_for_write(&words_[slot.unit - 1]); }
  }
  bool contains(std::string_view key, std::string_view name_space, uint64_t hash) const {
    if (settled_ == 0) { return false; }
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot& slot = slots_[i];
      if (slot.unit == 0) { return false; }
      if (slot.tag == tag_of(hash) && is(slot.unit - 1, key, name_space)) { return true; }
    }
  }

 private:
  // In front of the bytes of a unit, which begin at a whole word.
  struct Head {
    uint64_t hash;
    uint32_t key_bytes;
    uint32_t name_space_bytes;
  };
  struct Slot {
    uint32_t tag = 0;
    uint32_t unit = 0;  // the word at which it begins, + 1; 0: the slot is free
  };
  static constexpr size_t kHeadWords = sizeof(Head) / sizeof(uint64_t);

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  static size_t words_of(size_t bytes) { return (bytes + 7) / 8; }
  size_t mask() const { return slots_.size() - 1; }
  Head head_of(size_t unit) const {
    Head head;
    std::memcpy(&head, &words_[unit], sizeof(head));
    return head;
  }
  char* bytes_of(size_t unit) { return reinterpret_cast<char*>(words_.data() + unit + kHeadWords); }
  const char* bytes_of(size_t unit) const {
    return reinterpret_cast<const char*>(words_.data() + unit + kHeadWords);
  }
  bool is(size_t unit, std::string_view key, std::string_view name_space) const {
    const Head head = head_of(unit);
    return head.key_bytes == key.size() && head.name_space_bytes == name_space.size() &&
           std::string_view(bytes_of(unit), key.size()) == key &&
           std::string_view(bytes_of(unit) + key.size(), name_space.size()) == name_space;
  }
  // The units in these words; the end.
  size_t insert_all(size_t from, size_t to) {
    for (size_t unit = from; unit < to;) {
      const Head head = head_of(unit);
      size_t i = head.hash & mask();
      while (slots_[i].unit != 0) { i = (i + 1) & mask(); }
      slots_[i] = {tag_of(head.hash), static_cast<uint32_t>(unit + 1)};
      unit += kHeadWords + words_of(size_t{head.key_bytes} + head.name_space_bytes);
    }
    return to;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, Slot{});
    insert_all(0, settled_words_);
  }

  std::vector<uint64_t> words_;  // units, one behind the other
  size_t count_ = 0;             // units
  size_t settled_ = 0;           // of these, in `slots_`
  size_t settled_words_ = 0;     // the words of these
  size_t last_ = 0;              // the unit that was noted last
  std::vector<Slot> slots_;
};

}  // namespace tidewheel
