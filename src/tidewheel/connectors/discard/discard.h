// A sink that takes rows and forgets them: `stream.to(tw::discard())`.
#pragma once
#include <cstdint>
#include <span>

#include "tidewheel/operators/sink.h"

namespace tidewheel {

template <class T>
struct DiscardSink {
  using input = T;
  Status write_rows(std::span<const T>, std::span<const int64_t>) { return ok_status(); }
};

// For rows of any type.
struct Discard {
  template <class T>
  DiscardSink<T> bind() const {
    return {};
  }
};
inline Discard discard() { return {}; }

}  // namespace tidewheel
