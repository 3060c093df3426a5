// Says, at compile time and in a sentence, what is wrong with a function that a job's author gave.
#pragma once
#include <concepts>
#include <functional>
#include <type_traits>

#include "tidewheel/types/hash.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

class RuntimeContext;  // operators/runtime_context.h

// A function object that is told of its subtask's begin and end; it may keep what it has opened.
template <class F>
concept RichFunction = requires(F& function, RuntimeContext& runtime) {
  function.open(runtime);
}
|| requires(F& function) { function.close(); };

// Can be called with these arguments, be it const or not.
template <class F, class... Args>
concept CallableWith = std::is_invocable_v<F&, Args...>;

// False, but only once F is known.
template <class F>
inline constexpr bool kNever = false;

template <class F, class... Args>
constexpr void check_function_is_const() {
  static_assert(std::is_copy_constructible_v<F>,
                "functions must be copyable: each parallel subtask has a copy");
  static_assert(RichFunction<F> || std::is_invocable_v<const F&, Args...>,
                "lambdas must be const: keep state in a process struct, where it is checkpointed");
}

// The message is the argument of a static_assert, so each check has its own function.
template <class R>
constexpr void check_map_result() {
  static_assert(Record<R>,
                "map must return a Record (aggregate of supported fields, or specialise "
                "tidewheel::serde<T>)");
}
template <class R>
constexpr void check_flat_map_result() {
  static_assert(Record<R>,
                "flat_map must emit a Record (aggregate of supported fields, or specialise "
                "tidewheel::serde<T>)");
}
template <class R>
constexpr void check_predicate_result() {
  static_assert(std::convertible_to<R, bool>, "filter needs a function that returns bool");
}

// What a member pointer or function gives for a row.
template <class F, class T>
using Selected = std::remove_cvref_t<std::invoke_result_t<const F&, const T&>>;

}  // namespace tidewheel
