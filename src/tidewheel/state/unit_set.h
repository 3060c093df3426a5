// The units of state (keys, or keys and namespaces) that newer layers of a snapshot have spoken of,
// for one key group.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/types/hash.h"

namespace tidewheel {

// Units that are noted are found only after `settle`, so that a layer does not void itself.
class UnitSet {
 public:
  void clear() {
    units_.clear();
    bytes_.clear();
    settled_ = 0;
    if (!slots_.empty()) { slots_.assign(slots_.size(), Slot{}); }
  }
  bool empty() const { return settled_ == 0; }

  void note(std::string_view key, std::string_view name_space) {
    if (settled_ < units_.size() && is(units_.back(), key, name_space)) { return; }
    units_.push_back({bytes_.size(), hash_of(key, name_space), static_cast<uint32_t>(key.size()),
                      static_cast<uint32_t>(name_space.size())});
    bytes_ += key;
    bytes_ += name_space;
  }
  void settle() {
    while (slots_.size() < 2 * units_.size()) { grow(); }
    for (; settled_ < units_.size(); ++settled_) { insert(settled_); }
  }
  bool contains(std::string_view key, std::string_view name_space) const {
    if (settled_ == 0) { return false; }
    const uint64_t hash = hash_of(key, name_space);
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot& slot = slots_[i];
      if (slot.unit == 0) { return false; }
      if (slot.tag == tag_of(hash) && is(units_[slot.unit - 1], key, name_space)) { return true; }
    }
  }

 private:
  struct Unit {
    size_t offset = 0;
    uint64_t hash = 0;
    uint32_t key_bytes = 0;
    uint32_t name_space_bytes = 0;
  };
  struct Slot {
    uint32_t tag = 0;
    uint32_t unit = 0;  // its index + 1; 0: the slot is free
  };

  static uint64_t hash_of(std::string_view key, std::string_view name_space) {
    const uint64_t hash = hash_bytes(key.data(), key.size());
    return name_space.empty()
               ? hash
               : mix64(hash ^ (hash_bytes(name_space.data(), name_space.size()) + key.size()));
  }
  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  size_t mask() const { return slots_.size() - 1; }
  bool is(const Unit& unit, std::string_view key, std::string_view name_space) const {
    return unit.key_bytes == key.size() && unit.name_space_bytes == name_space.size() &&
           std::string_view(bytes_).substr(unit.offset, key.size()) == key &&
           std::string_view(bytes_).substr(unit.offset + key.size(), name_space.size()) ==
               name_space;
  }
  void insert(size_t unit) {
    const uint64_t hash = units_[unit].hash;
    size_t i = hash & mask();
    while (slots_[i].unit != 0) { i = (i + 1) & mask(); }
    slots_[i] = {tag_of(hash), static_cast<uint32_t>(unit + 1)};
  }
  void grow() {
    slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, Slot{});
    for (size_t i = 0; i < settled_; ++i) { insert(i); }
  }

  std::vector<Unit> units_;
  std::string bytes_;
  size_t settled_ = 0;  // units in `slots_`
  std::vector<Slot> slots_;
};

}  // namespace tidewheel
