// Keys of state with something beside them: a slice of time, a window, a session.
#pragma once
#include <cstdint>

#include "tidewheel/operators/window.h"
#include "tidewheel/sql/window_aggregate.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

// A key in a slice. It is in the group of its key.
template <class K>
struct SliceKey {
  K key{};
  int64_t slice = 0;

  uint64_t key_hash64() const {
    return detail::combine64(hash64(key), static_cast<uint64_t>(slice));
  }
  uint32_t key_hash32() const { return hash32(key); }
  friend bool operator==(const SliceKey&, const SliceKey&) = default;
};

// Of windows that are on a grid.
WindowGrid grid_of(const GridWindow& window);

inline int64_t property_of(const TimeWindow& window, WindowProperty property) {
  return property == WindowProperty::kStart ? window.start.ms()
         : property == WindowProperty::kEnd ? window.end.ms()
                                            : window.max_timestamp();
}

}  // namespace tidewheel::sql
