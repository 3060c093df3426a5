// async_map in the API.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "tidewheel/api/stream.h"
#include "tidewheel/operators/async_map.h"

namespace tidewheel {

namespace async_detail {
template <class R>
inline constexpr bool kIsAsync = false;
template <class T>
inline constexpr bool kIsAsync<Async<T>> = true;
}  // namespace async_detail

template <class T>
template <class F, class Fallback>
auto Stream<T>::async_map(F function, AsyncOptions options, Fallback fallback) const {
  static_assert(std::is_invocable_v<F&, T>,
                "async_map needs a coroutine that takes a row by value: tw::Async<To> f(T row)");
  check_function_is_const<F, T>();
  using Call = std::invoke_result_t<F&, T>;
  static_assert(async_detail::kIsAsync<Call>,
                "async_map needs a coroutine that returns tw::Async<To>");
  using To = typename Call::value_type;
  if (options.capacity < 1) {
    graph_->fail(invalid_argument(
        ErrorId::kGraphEdge, "async_map needs a capacity of at least 1, not {}", options.capacity));
  }
  return transform<To>(
      "async_map",
      [function, fallback, options](std::shared_ptr<const NodeLinks> links) {
        return std::make_unique<AsyncMapOperator<T, To, F, Fallback>>(function, fallback, options,
                                                                      std::move(links));
      },
      /*stateful=*/true);
}

}  // namespace tidewheel
