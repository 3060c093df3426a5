// Values kept in state: Text in them is copied into the state's own heap, and freed with it.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

namespace tidewheel {

// The heap of state whose types have no Text.
struct NoKeptHeap {
  void clear() {}
  int64_t memory_bytes() const { return 0; }
};
template <class... Ts>
using KeptHeap = NoKeptHeap;

// A T to keep, made of `from`.
template <class T, class From>
T kept_copy(NoKeptHeap&, const From& from) {
  return static_cast<T>(from);
}
template <class T>
void kept_assign(NoKeptHeap&, T& to, const T& from) {
  to = from;
}
template <class T>
void kept_drop(NoKeptHeap&, T&) {}

}  // namespace tidewheel
