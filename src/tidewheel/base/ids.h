// Ids as types, so that one kind can't be passed for another:
// `using CheckpointId = StrongId<struct CheckpointIdTag>;`
#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace tidewheel {

template <class Tag, class Number = int64_t>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(Number value) : value_(value) {}
  constexpr Number value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  Number value_ = 0;
};

}  // namespace tidewheel

template <class Tag, class Number>
struct std::hash<tidewheel::StrongId<Tag, Number>> {
  size_t operator()(tidewheel::StrongId<Tag, Number> id) const {
    return std::hash<Number>()(id.value());
  }
};
