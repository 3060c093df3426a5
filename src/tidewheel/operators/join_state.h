// What joins have in snapshots: one entry for each row, the same whether rows are kept in memory or
// in a backend.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "tidewheel/operators/window_snapshot.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// Where a row is: its slice's number or, of an interval join, its time; and its own number within
// the slice or bucket. Rows of a key are in the order of their arrival by it.
struct JoinPlace {
  int64_t slot = 0;
  uint32_t number = 0;
};
template <class K, class T>
using JoinState = WindowState<K, JoinPlace, T>;

inline constexpr const char* kIntervalRowsForm = "rows by time and number";

// What a JoinState of this name and form is described as.
template <class K, class T>
StateMeta join_state_meta(std::string name, std::string form) {
  return {.name = std::move(name),
          .kind = StateKind::kKeyed,
          .form = std::move(form),
          .key_schema = encoded_schema<K>(),
          .namespace_schema = encoded_schema<JoinPlace>(),
          .value_schema = encoded_schema<T>(),
          .unit_has_namespace = true};
}

}  // namespace tidewheel
