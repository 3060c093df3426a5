// Folds: how the rows of a window become its result as they come, without keeping them.
//
// A fold of rows T under keys K is a struct with
//   using Accumulator = ...;  using Output = ...;        // records
//   static constexpr const char* kName                   // the user's call, for messages
//   Accumulator init() const;
//   void add(Accumulator&, const T&) const;
//   void merge(Accumulator& into, const Accumulator& from) const;
//   void finish(const K&, const TimeWindow&, const Accumulator&, auto& context) const;  //
//   context.emit(row)
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/operators/window.h"

namespace tidewheel {

// The key of windows over a whole stream (`window_all`).
struct Unkeyed {
  friend constexpr bool operator==(const Unkeyed&, const Unkeyed&) = default;
};

// What windows give when the job names no type of its own.
template <class K, class V>
struct WindowValue {
  K key{};
  TimeWindow window;
  V value{};
  friend bool operator==(const WindowValue&, const WindowValue&) = default;
};
// The same for windows over a whole stream.
template <class V>
struct WindowTotal {
  TimeWindow window;
  V value{};
  friend bool operator==(const WindowTotal&, const WindowTotal&) = default;
};
template <class K, class V>
using WindowResult =
    std::conditional_t<std::is_same_v<K, Unkeyed>, WindowTotal<V>, WindowValue<K, V>>;

template <class K, class V>
WindowResult<K, std::remove_cvref_t<V>> make_window_result(const K& key, const TimeWindow& window,
                                                           V&& value) {
  if constexpr (std::is_same_v<K, Unkeyed>) {
    static_cast<void>(key);
    return {window, std::forward<V>(value)};
  } else {
    return {key, window, std::forward<V>(value)};
  }
}

// The result of an aggregator that names none: its accumulator, with the key and the window.
struct WholeAccumulator {};

// Four functions that make an aggregate; lambdas that capture nothing, or constants:
//   tw::aggregator{.init = [] { return Sum{}; },
//                  .add = [](Sum& sum, const Trade& trade) { ... },
//                  .merge = [](Sum& sum, const Sum& other) { ... },
//                  .result = [](const K& key, const tw::TimeWindow& window, const Sum& sum) { ...
//                  }}
// `result` may also take (key, sum) or (sum) alone, or be left out. With `merge` the engine may
// share panes between windows that overlap, and join sessions.
template <class Init, class Add, class Merge, class Result = WholeAccumulator>
struct aggregator {
  Init init;
  Add add;
  Merge merge;
  Result result{};
};
template <class Init, class Add, class Merge>
aggregator(Init, Add, Merge) -> aggregator<Init, Add, Merge, WholeAccumulator>;
template <class Init, class Add, class Merge, class Result>
aggregator(Init, Add, Merge, Result) -> aggregator<Init, Add, Merge, Result>;

// The same for compilers that can't deduce it from named members.
template <class Init, class Add, class Merge, class Result = WholeAccumulator>
aggregator<Init, Add, Merge, Result> make_aggregator(Init init, Add add, Merge merge,
                                                     Result result = {}) {
  return {std::move(init), std::move(add), std::move(merge), std::move(result)};
}

namespace fold_detail {

// Calls `result` with as much of (key, window, value) as it takes.
template <class K, class V, class Result>
decltype(auto) call_result(const Result& result, const K& key, const TimeWindow& window,
                           const V& value) {
  if constexpr (std::is_same_v<Result, WholeAccumulator>) {
    return make_window_result(key, window, value);
  } else if constexpr (std::is_invocable_v<const Result&, const K&, const TimeWindow&, const V&>) {
    return std::invoke(result, key, window, value);
  } else if constexpr (std::is_invocable_v<const Result&, const TimeWindow&, const V&>) {
    return std::invoke(result, window, value);
  } else if constexpr (std::is_invocable_v<const Result&, const K&, const V&>) {
    return std::invoke(result, key, value);
  } else {
    static_assert(
        std::is_invocable_v<const Result&, const V&>,
        "an aggregator's result must take (const Key&, const tw::TimeWindow&, const Acc&), "
        "(const tw::TimeWindow&, const Acc&), (const Key&, const Acc&) or (const Acc&)");
    return std::invoke(result, value);
  }
}

template <class T, class Field>
using FieldOf = std::remove_cvref_t<std::invoke_result_t<const Field&, const T&>>;

// Sums are kept in the widest type of their kind.
template <class V>
using SumOf = std::conditional_t<std::is_integral_v<V>, int64_t,
                                 std::conditional_t<std::is_floating_point_v<V>, double, V>>;

}  // namespace fold_detail

// An aggregator of the user's.
template <class K, class T, class Init, class Add, class Merge, class Result>
struct AggregateFold {
  using Accumulator = std::remove_cvref_t<std::invoke_result_t<const Init&>>;
  static_assert(std::is_invocable_v<const Add&, Accumulator&, const T&>,
                "an aggregator's add must take (Acc&, const T&), where Acc is what init gives");
  static_assert(std::is_invocable_v<const Merge&, Accumulator&, const Accumulator&>,
                "an aggregator's merge must take (Acc&, const Acc&), where Acc is what init gives");
  using Output = std::remove_cvref_t<decltype(fold_detail::call_result(
      std::declval<const Result&>(), std::declval<const K&>(), std::declval<const TimeWindow&>(),
      std::declval<const Accumulator&>()))>;
  static constexpr const char* kName = "aggregate";

  aggregator<Init, Add, Merge, Result> functions;

  Accumulator init() const { return std::invoke(functions.init); }
  void add(Accumulator& into, const T& row) const { std::invoke(functions.add, into, row); }
  void merge(Accumulator& into, const Accumulator& from) const {
    std::invoke(functions.merge, into, from);
  }
  template <class Context>
  void finish(const K& key, const TimeWindow& window, const Accumulator& value,
              Context& context) const {
    context.emit(fold_detail::call_result(functions.result, key, window, value));
  }
};

template <class K, class T, class Init, class Add, class Merge, class Result>
AggregateFold<K, T, Init, Add, Merge, Result> make_fold(
    aggregator<Init, Add, Merge, Result> functions) {
  return {std::move(functions)};
}

// What the folds below share: the result is `value_of(accumulator)` with key and window.
template <class Self, class K, class V>
struct ValueFold {
  using Output = WindowResult<K, V>;
  template <class Accumulator, class Context>
  void finish(const K& key, const TimeWindow& window, const Accumulator& value,
              Context& context) const {
    context.emit(make_window_result(key, window, Self::value_of(value)));
  }
};

template <class K, class T>
struct CountFold : ValueFold<CountFold<K, T>, K, int64_t> {
  using Accumulator = int64_t;
  static constexpr const char* kName = "count";
  Accumulator init() const { return 0; }
  void add(Accumulator& into, const T&) const { ++into; }
  void merge(Accumulator& into, const Accumulator& from) const { into += from; }
  static int64_t value_of(Accumulator value) { return value; }
};

template <class K, class T, class Field>
struct SumFold
    : ValueFold<SumFold<K, T, Field>, K, fold_detail::SumOf<fold_detail::FieldOf<T, Field>>> {
  using Accumulator = fold_detail::SumOf<fold_detail::FieldOf<T, Field>>;
  static constexpr const char* kName = "sum";
  Field field;
  explicit SumFold(Field of) : field(std::move(of)) {}
  Accumulator init() const { return Accumulator{}; }
  void add(Accumulator& into, const T& row) const {
    into += static_cast<Accumulator>(std::invoke(field, row));
  }
  void merge(Accumulator& into, const Accumulator& from) const { into += from; }
  static const Accumulator& value_of(const Accumulator& value) { return value; }
};

// The least (or greatest) value of a field.
template <class K, class T, class Field, bool kGreatest>
struct ExtremeFold
    : ValueFold<ExtremeFold<K, T, Field, kGreatest>, K, fold_detail::FieldOf<T, Field>> {
  using Value = fold_detail::FieldOf<T, Field>;
  using Accumulator = std::optional<Value>;
  static constexpr const char* kName = kGreatest ? "max" : "min";
  Field field;
  explicit ExtremeFold(Field of) : field(std::move(of)) {}
  Accumulator init() const { return std::nullopt; }
  void add(Accumulator& into, const T& row) const {
    const Value& value = std::invoke(field, row);
    if (!into.has_value() || better(value, *into)) { into = value; }
  }
  void merge(Accumulator& into, const Accumulator& from) const {
    if (from.has_value() && (!into.has_value() || better(*from, *into))) { into = from; }
  }
  static const Value& value_of(const Accumulator& value) { return *value; }

 private:
  static bool better(const Value& a, const Value& b) { return kGreatest ? b < a : a < b; }
};

// The row with the least (or greatest) value of a field; of equal ones the first that came.
template <class K, class T, class Field, bool kGreatest>
struct ExtremeRowFold : ValueFold<ExtremeRowFold<K, T, Field, kGreatest>, K, T> {
  using Accumulator = std::optional<T>;
  static constexpr const char* kName = kGreatest ? "max_by" : "min_by";
  Field field;
  explicit ExtremeRowFold(Field of) : field(std::move(of)) {}
  Accumulator init() const { return std::nullopt; }
  void add(Accumulator& into, const T& row) const {
    if (!into.has_value() || better(row, *into)) { into = row; }
  }
  void merge(Accumulator& into, const Accumulator& from) const {
    if (from.has_value()) { add(into, *from); }
  }
  static const T& value_of(const Accumulator& value) { return *value; }

 private:
  bool better(const T& a, const T& b) const {
    return kGreatest ? std::invoke(field, b) < std::invoke(field, a)
                     : std::invoke(field, a) < std::invoke(field, b);
  }
};

// The mean of a field of numbers.
template <class K, class T, class Field>
struct AverageFold : ValueFold<AverageFold<K, T, Field>, K, double> {
  using Value = fold_detail::FieldOf<T, Field>;
  static_assert(std::is_arithmetic_v<Value>, "avg needs a member or function giving a number");
  struct Accumulator {
    fold_detail::SumOf<Value> sum = 0;
    int64_t count = 0;
  };
  static constexpr const char* kName = "avg";
  Field field;
  explicit AverageFold(Field of) : field(std::move(of)) {}
  Accumulator init() const { return {}; }
  void add(Accumulator& into, const T& row) const {
    into.sum += static_cast<fold_detail::SumOf<Value>>(std::invoke(field, row));
    ++into.count;
  }
  void merge(Accumulator& into, const Accumulator& from) const {
    into.sum += from.sum;
    into.count += from.count;
  }
  static double value_of(const Accumulator& value) {
    return static_cast<double>(value.sum) / static_cast<double>(value.count);
  }
};

// The `count` rows with the greatest field, greatest first; of equal ones those that came first.
template <class K, class T, class Field>
struct TopFold : ValueFold<TopFold<K, T, Field>, K, std::vector<T>> {
  using Accumulator = std::vector<T>;
  static constexpr const char* kName = "top";
  size_t count;
  Field field;
  TopFold(size_t rows, Field of) : count(rows), field(std::move(of)) {}
  Accumulator init() const { return {}; }
  void add(Accumulator& into, const T& row) const {
    if (into.size() >= count && (count == 0 || !greater(row, into.back()))) { return; }
    const auto place = std::upper_bound(into.begin(), into.end(), row,
                                        [this](const T& a, const T& b) { return greater(a, b); });
    into.insert(place, row);
    if (into.size() > count) { into.pop_back(); }
  }
  void merge(Accumulator& into, const Accumulator& from) const {
    for (const T& row : from) { add(into, row); }
  }
  static const Accumulator& value_of(const Accumulator& value) { return value; }

 private:
  bool greater(const T& a, const T& b) const {
    return std::invoke(field, b) < std::invoke(field, a);
  }
};

// `f(a, b)` gives one row for two; the result of a window is a row.
template <class K, class T, class F>
struct WindowReduceFold {
  static_assert(std::is_invocable_r_v<T, const F&, const T&, const T&>,
                "reduce needs a function T(const T&, const T&)");
  using Accumulator = std::optional<T>;
  using Output = T;
  static constexpr const char* kName = "reduce";
  F function;
  Accumulator init() const { return std::nullopt; }
  void add(Accumulator& into, const T& row) const {
    if (into.has_value()) {
      into = std::invoke(function, *into, row);
    } else {
      into = row;
    }
  }
  void merge(Accumulator& into, const Accumulator& from) const {
    if (from.has_value()) { add(into, *from); }
  }
  template <class Context>
  void finish(const K&, const TimeWindow&, const Accumulator& value, Context& context) const {
    context.emit(*value);
  }
};

// The state that a process function has for a window, or for a key, when it has none.
struct NoWindowState {};

namespace window_detail {
template <class P>
struct WindowStateOf {
  using type = NoWindowState;
};
template <class P>
requires requires { typename P::WindowState; }
struct WindowStateOf<P> {
  using type = typename P::WindowState;
};
template <class P>
struct GlobalStateOf {
  using type = NoWindowState;
};
template <class P>
requires requires { typename P::GlobalState; }
struct GlobalStateOf<P> {
  using type = typename P::GlobalState;
};
}  // namespace window_detail

// Folds rows with `Fold`, then hands its result to a process function: `process(key, value,
// context)`. Value is what the fold would have emitted.
template <class K, class Fold, class Process>
struct ProcessedFold {
  using Accumulator = typename Fold::Accumulator;
  using Output = typename Process::output;
  using WindowState = typename window_detail::WindowStateOf<Process>::type;
  using GlobalState = typename window_detail::GlobalStateOf<Process>::type;
  static constexpr const char* kName = "process";
  Fold fold;
  Process function;

  Accumulator init() const { return fold.init(); }
  template <class T>
  void add(Accumulator& into, const T& row) const {
    fold.add(into, row);
  }
  void merge(Accumulator& into, const Accumulator& from) const { fold.merge(into, from); }
  template <class Context>
  void finish(const K& key, const TimeWindow& window, const Accumulator& value, Context& context) {
    Caught caught;
    fold.finish(key, window, value, caught);
    function.process(key, *caught.row, context);
  }
  template <class Context>
  void clear(Context& context) {
    if constexpr (requires { function.clear(context); }) { function.clear(context); }
  }

 private:
  struct Caught {
    std::optional<typename Fold::Output> row;
    template <class Row>
    void emit(Row&& given) {
      row.emplace(std::forward<Row>(given));
    }
  };
};

}  // namespace tidewheel
