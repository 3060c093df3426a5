// Windows over a keyed stream, or over a whole one:
//
//   trades.key_by(&Trade::symbol)
//       .window(tw::sliding(5min, 30s))
//       .allow_late(1min)
//       .late_to(late)
//       .aggregate(tw::aggregator{.init = ..., .add = ..., .merge = ..., .result = ...});
//
// The functions that fold rows as they come (count, sum, reduce, aggregate, ...) keep one
// accumulator for each key and window; collect and process keep all rows. A trigger of one's own
// replaces the default one.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/api/keyed.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/operators/generic_window.h"
#include "tidewheel/operators/session_window.h"
#include "tidewheel/operators/slicing_window.h"

namespace tidewheel {

// The key of a stream that has none.
template <class T>
struct NoKeySelect {
  Unkeyed operator()(const T&) const { return {}; }
};

namespace window_detail {

// "No trigger (or evictor) was given."
struct Default {};

template <class Trigger, class T>
auto bind_trigger(const Trigger& trigger) {
  if constexpr (requires { trigger.template bind<T>(); }) {
    return trigger.template bind<T>();
  } else {
    return trigger;
  }
}

// Whether a function keeps state of its own beside a window's rows.
template <class Function>
inline constexpr bool kHasState =
    !std::is_same_v<typename WindowStateOf<Function>::type, NoWindowState> ||
    !std::is_same_v<typename GlobalStateOf<Function>::type, NoWindowState>;

template <class F>
constexpr void check_process_function() {
  static_assert(
      requires { typename F::output; },
      "a window's process function needs `using output = ...;`, the type of its results");
}

}  // namespace window_detail

// Windows that still need a function. K is Unkeyed for windows over a whole stream.
template <class K, class T, class Select, class Assigner, class Trigger = window_detail::Default,
          class Evictor = window_detail::Default>
class Windowed {
  static_assert(
      WindowAssigner<Assigner>,
      "window needs tumbling(...), sliding(...), cumulative(...), session(...), global(), "
      "count(...), one of these in processing_time(...), or an assigner of your own");

 public:
  Windowed(Stream<T> input, Select select, Assigner assigner, Trigger chosen_trigger = {},
           Evictor evictor = {})
      : input_(std::move(input)),
        select_(std::move(select)),
        assigner_(std::move(assigner)),
        trigger_(std::move(chosen_trigger)),
        evictor_(std::move(evictor)) {
    settings_.time = Assigner::kTime;
    input_.graph()->note(assigner_.check());
  }

  // ---- Settings ----

  // Rows may come this much behind the watermark; each fires its window again at once.
  Windowed allow_late(Duration lateness) const {
    Windowed changed = *this;
    changed.settings_.allowed_lateness_ms = lateness.count();
    input_.graph()->note(check_lateness(lateness.count(), Assigner::kTime));
    return changed;
  }
  // Rows that come too late go to a side output: `result.side(tag)`.
  Windowed late_to(const OutputTag<T>& tag) const {
    Windowed changed = *this;
    changed.settings_.late = tag;
    return changed;
  }
  // Replaces the trigger (operators/trigger.h).
  template <class New>
  auto trigger(const New& chosen) const {
    auto bound = window_detail::bind_trigger<New, T>(chosen);
    return with(std::move(bound), evictor_);
  }
  // Interim results each `interval` of the clock, besides those at the end of the window.
  auto early_every(Duration interval) const {
    if (interval.count() <= 0) {
      input_.graph()->fail(
          invalid_argument(ErrorId::kWindowOption,
                           "early_every needs an interval of at least 1 ms, but was "
                           "given {} ms",
                           interval.count()));
    }
    return with(EarlyTrigger{interval.count()}, evictor_);
  }
  // Drops rows before (or after) the function is run; such windows keep all their rows.
  template <class New>
  auto evict(New chosen) const {
    return with(trigger_, std::move(chosen));
  }

  // ---- Folds ----

  Stream<WindowResult<K, int64_t>> count() const { return fold(CountFold<K, T>()); }
  // Of a member, or a function of the row; int64_t for integers, double for float and double.
  template <class Field>
  auto sum(Field field) const {
    return fold(SumFold<K, T, Field>(std::move(field)));
  }
  template <class Field>
  auto min(Field field) const {
    return fold(ExtremeFold<K, T, Field, false>(std::move(field)));
  }
  template <class Field>
  auto max(Field field) const {
    return fold(ExtremeFold<K, T, Field, true>(std::move(field)));
  }
  // The whole row that has the least (greatest) value.
  template <class Field>
  auto min_by(Field field) const {
    return fold(ExtremeRowFold<K, T, Field, false>(std::move(field)));
  }
  template <class Field>
  auto max_by(Field field) const {
    return fold(ExtremeRowFold<K, T, Field, true>(std::move(field)));
  }
  template <class Field>
  auto avg(Field field) const {
    return fold(AverageFold<K, T, Field>(std::move(field)));
  }
  // The `count` rows with the greatest `field`, greatest first.
  template <class Field>
  auto top(size_t count, Field field) const {
    return fold(TopFold<K, T, Field>(count, std::move(field)));
  }
  // `T f(const T&, const T&)`; the result is a row.
  template <class F>
  Stream<T> reduce(F function) const {
    return fold(WindowReduceFold<K, T, F>{std::move(function)});
  }
  template <class Init, class Add, class Merge, class Result>
  auto aggregate(aggregator<Init, Add, Merge, Result> functions) const {
    return fold(make_fold<K, T>(std::move(functions)));
  }
  // Folds as rows come, then hands the result to `process(key, result, context)`.
  template <class F, class P>
  auto reduce(F function, P process) const {
    return processed(WindowReduceFold<K, T, F>{std::move(function)}, std::move(process));
  }
  template <class Init, class Add, class Merge, class Result, class P>
  auto aggregate(aggregator<Init, Add, Merge, Result> functions, P process) const {
    return processed(make_fold<K, T>(std::move(functions)), std::move(process));
  }

  // ---- Functions of all rows ----

  // `To f(const K& key, const TimeWindow&, std::span<const T> rows)`; without the key for a whole
  // stream.
  template <class F>
  auto collect(F function) const {
    return generic(CollectFunction<K, T, F>{std::move(function)});
  }
  // A process function (operators/window_rows.h).
  template <class P>
  auto process(P function) const {
    window_detail::check_process_function<P>();
    return generic(ProcessFunction<K, T, P>{std::move(function)});
  }

 private:
  template <class, class, class, class, class, class>
  friend class Windowed;
  static constexpr bool kPlain = std::is_same_v<Trigger, window_detail::Default> &&
                                 std::is_same_v<Evictor, window_detail::Default>;

  template <class NewTrigger, class NewEvictor>
  auto with(NewTrigger trigger, NewEvictor evictor) const {
    Windowed<K, T, Select, Assigner, NewTrigger, NewEvictor> changed(
        input_, select_, assigner_, std::move(trigger), std::move(evictor));
    changed.settings_ = settings_;
    return changed;
  }
  template <class Fold, class P>
  auto processed(Fold fold_function, P process) const {
    window_detail::check_process_function<P>();
    return fold(ProcessedFold<K, Fold, P>{std::move(fold_function), std::move(process)});
  }
  template <class Fold>
  Stream<typename Fold::Output> fold(Fold function) const {
    check_record<typename Fold::Accumulator>();
    if constexpr (kPlain && GridAssigner<Assigner> && !window_detail::kHasState<Fold>) {
      return add<typename Fold::Output>(
          Fold::kName, [grid_of = assigner_, select = select_, function,
                        settings = settings_](std::shared_ptr<const NodeLinks> links) {
            return std::make_unique<SlicingWindowOperator<K, T, Select, Fold>>(
                grid_of.grid(), select, function, settings, std::move(links));
          });
    } else if constexpr (kPlain && SessionAssigner<Assigner> && !window_detail::kHasState<Fold>) {
      return add<typename Fold::Output>(
          Fold::kName, [assigner = assigner_, select = select_, function,
                        settings = settings_](std::shared_ptr<const NodeLinks> links) {
            return std::make_unique<SessionWindowOperator<K, T, Select, Assigner, Fold>>(
                assigner, select, function, settings, std::move(links));
          });
    } else {
      return generic(std::move(function));
    }
  }
  template <class Function>
  Stream<typename Function::Output> generic(Function function) const {
    auto chosen_trigger = choose<DefaultTrigger<Assigner>>(trigger_);
    auto chosen_evictor = choose<DefaultEvictor<Assigner>>(evictor_);
    constexpr bool kEvicts = !std::is_same_v<decltype(chosen_evictor), NoEvictor>;
    if constexpr (kEvicts && WindowFoldFunction<Function>) {
      return generic(FoldedRows<K, T, Function>{std::move(function)});
    } else {
      return add_generic(std::move(chosen_trigger), std::move(chosen_evictor), std::move(function));
    }
  }
  template <class ChosenTrigger, class ChosenEvictor, class Function>
  Stream<typename Function::Output> add_generic(ChosenTrigger chosen_trigger,
                                                ChosenEvictor chosen_evictor,
                                                Function function) const {
    using Operator_ = GenericWindowOperator<K, T, Select, Assigner, decltype(chosen_trigger),
                                            decltype(chosen_evictor), Function>;
    return add<typename Function::Output>(
        Function::kName, [assigner = assigner_, chosen_trigger, chosen_evictor, select = select_,
                          function, settings = settings_](std::shared_ptr<const NodeLinks> links) {
          return std::make_unique<Operator_>(assigner, chosen_trigger, chosen_evictor, select,
                                             function, settings, std::move(links));
        });
  }
  template <class DefaultOf, class Chosen>
  auto choose(const Chosen& chosen) const {
    if constexpr (std::is_same_v<Chosen, window_detail::Default>) {
      return DefaultOf::make(assigner_);
    } else {
      return chosen;
    }
  }
  template <class To, class Make>
  Stream<To> add(const char* function, Make make) const {
    check_record<To>();
    GraphNode node;
    node.name = std::string("window ") + function;
    node.stateful = true;
    if constexpr (std::is_same_v<K, Unkeyed>) { node.fixed_parallelism = 1; }
    return input_.template add_node<To>(std::move(node), std::move(make));
  }

  Stream<T> input_;
  Select select_;
  Assigner assigner_;
  Trigger trigger_;
  Evictor evictor_;
  WindowSettings<T> settings_;
};

template <class K, class T, class Select>
template <class Assigner>
auto Keyed<K, T, Select>::window(Assigner assigner) const {
  return Windowed<K, T, Select, Assigner>(input_, select_, std::move(assigner));
}

template <class T>
template <class Assigner>
auto Stream<T>::window_all(Assigner assigner) const {
  return Windowed<Unkeyed, T, NoKeySelect<T>, Assigner>(global(), NoKeySelect<T>(),
                                                        std::move(assigner));
}

}  // namespace tidewheel
