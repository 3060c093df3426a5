// How the state members of a process function get their state: the operator copies the prototype
// within a BindingScope, and the copy constructor of each handle finds the scope and declares
// itself.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/state/keyed_state.h"
#include "tidewheel/state/operator_state.h"

namespace tidewheel {

// Lives on the stack around the copy, which must be made in place: handles may be known by address.
//
//   BindingScope scope(&store, &operator_state);
//   function_.emplace(prototype);
//   TIDEWHEEL_RETURN_IF_ERROR(scope.status());
class BindingScope {
 public:
  // `keyed` is null where the input is not keyed.
  BindingScope(KeyedState* keyed, OperatorState* operator_state)
      : keyed_(keyed), operator_state_(operator_state), outer_(current_) {
    current_ = this;
  }
  ~BindingScope() { current_ = outer_; }
  BindingScope(const BindingScope&) = delete;
  BindingScope& operator=(const BindingScope&) = delete;

  // The innermost scope of this thread, or null.
  static BindingScope* current() { return current_; }

  // The state of a keyed handle, or null when that failed.
  template <class Cell>
  Cell* bind_keyed(const std::string& name, const StateOptions& options) {
    if (keyed_ == nullptr) {
      note_not_keyed(name);
      return nullptr;
    }
    return take(keyed_->declare<Cell>(name, options));
  }
  template <class Cell>
  Cell* bind_operator(const StateMeta& meta) {
    return take(operator_state_->declare<Cell>(meta));
  }
  KeyedState* keyed() { return keyed_; }

  // The first failure.
  const Status& status() const { return status_; }

 private:
  template <class Cell>
  Cell* take(Result<Cell*> cell) {
    if (cell.ok()) { return *cell; }
    if (status_.ok()) { status_ = cell.status(); }
    return nullptr;
  }
  void note_not_keyed(const std::string& name);

  KeyedState* const keyed_;
  OperatorState* const operator_state_;
  BindingScope* const outer_;
  Status status_;
  static thread_local BindingScope* current_;
};

}  // namespace tidewheel
