// Joins of two keyed streams:
//
//   orders.key_by(&Order::id)
//       .interval_join(payments.key_by(&Payment::order), -5min, 1h, pair_up);
//   persons.key_by(&Person::id)
//       .join(auctions.key_by(&Auction::seller))
//       .window(tw::tumbling(10s))
//       .apply(pair_up);
//   left.co_group(right)
//       .window(tw::session(1min))
//       .apply<To>([](const K&, std::span<const L>, std::span<const R>, auto& out) { ... });
#pragma once
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "tidewheel/api/keyed.h"
#include "tidewheel/api/windowed_stream.h"
#include "tidewheel/operators/co_group.h"
#include "tidewheel/operators/join.h"

namespace tidewheel {

namespace join_detail {

// Adds an operator that reads both.
template <class To, class Left, class Right, class Make>
Stream<To> add_two_input(const Left& left, const Right& right, std::string name, Make make) {
  check_record<To>();
  GraphNode node;
  node.name = std::move(name);
  node.stateful = true;
  const std::shared_ptr<JobGraph>& graph = left.graph();
  const int32_t id =
      graph->add_node(std::move(node),
                      [make = std::move(make)](std::shared_ptr<const NodeLinks> links)
                          -> Result<std::unique_ptr<Operator>> { return make(std::move(links)); });
  graph->connect(left.input().ends(), id, 0);
  graph->connect(right.input().ends(), id, 1);
  return Stream<To>(graph, {{.node = id}});
}

}  // namespace join_detail

// Two keyed streams with windows, that need a function. kInner: a join, else a co_group.
template <bool kInner, class Left, class Right, class Assigner,
          class Trigger = window_detail::Default, class Evictor = window_detail::Default>
class JoinedWindows {
  using K = typename Left::key_type;
  using L = typename Left::value_type;
  using R = typename Right::value_type;
  using Either = std::variant<L, R>;

 public:
  JoinedWindows(Left left, Right right, Assigner assigner, Trigger chosen_trigger = {},
                Evictor evictor = {})
      : left_(std::move(left)),
        right_(std::move(right)),
        assigner_(std::move(assigner)),
        trigger_(std::move(chosen_trigger)),
        evictor_(std::move(evictor)) {
    left_.graph()->note(assigner_.check());
  }

  // Rows may come this much behind the watermark; each fires its windows again at once.
  JoinedWindows allow_late(Duration lateness) const {
    JoinedWindows changed = *this;
    changed.lateness_ms_ = lateness.count();
    left_.graph()->note(check_lateness(lateness.count(), Assigner::kTime));
    return changed;
  }
  // Of rows `std::variant<L, R>`.
  template <class New>
  auto trigger(const New& chosen) const {
    return with(window_detail::bind_trigger<New, Either>(chosen), evictor_);
  }
  template <class New>
  auto evict(New chosen) const {
    return with(trigger_, std::move(chosen));
  }

  // Joins: `To f(const L&, const R&)` for each pair of a key and window.
  template <class F>
  requires kInner auto apply(F function) const {
    static_assert(std::is_invocable_v<F&, const L&, const R&>,
                  "a join needs a function (const Left&, const Right&) that gives one row");
    return add(JoinFunction<K, L, R, F>{std::move(function)});
  }
  // co_group: `void f(const K&, std::span<const L>, std::span<const R>, tw::WindowContext<To>&)`.
  template <class To, class F>
  requires(!kInner) Stream<To> apply(F function)
  const { return add(CoGroupFunction<K, L, R, To, F>{std::move(function)}); }

 private:
  template <bool, class, class, class, class, class>
  friend class JoinedWindows;

  template <class NewTrigger, class NewEvictor>
  auto with(NewTrigger trigger, NewEvictor evictor) const {
    JoinedWindows<kInner, Left, Right, Assigner, NewTrigger, NewEvictor> changed(
        left_, right_, assigner_, std::move(trigger), std::move(evictor));
    changed.lateness_ms_ = lateness_ms_;
    return changed;
  }
  template <class Function>
  Stream<typename Function::Output> add(Function function) const {
    using LeftKey = std::remove_cvref_t<decltype(left_.selector())>;
    using RightKey = std::remove_cvref_t<decltype(right_.selector())>;
    const std::string name = std::string("window ") + Function::kName;
    constexpr bool kPlain = std::is_same_v<Trigger, window_detail::Default> &&
                            std::is_same_v<Evictor, window_detail::Default>;
    if constexpr (kPlain && GridAssigner<Assigner>) {
      WindowSettings<L> settings;
      settings.time = Assigner::kTime;
      settings.allowed_lateness_ms = lateness_ms_;
      return join_detail::add_two_input<typename Function::Output>(
          left_, right_, name,
          [assigner = assigner_, left = left_.selector(), right = right_.selector(), function,
           settings](std::shared_ptr<const NodeLinks> links) {
            return std::make_unique<SlicingCoGroupOperator<K, L, R, LeftKey, RightKey, Function>>(
                assigner.grid(), left, right, function, settings, std::move(links));
          });
    } else {
      return add_generic<LeftKey, RightKey>(name, std::move(function));
    }
  }
  template <class LeftKey, class RightKey, class Function>
  Stream<typename Function::Output> add_generic(const std::string& name, Function function) const {
    auto chosen_trigger = choose<DefaultTrigger<Assigner>>(trigger_);
    auto chosen_evictor = choose<DefaultEvictor<Assigner>>(evictor_);
    WindowSettings<Either> settings;
    settings.time = Assigner::kTime;
    settings.allowed_lateness_ms = lateness_ms_;
    using Generic =
        GenericCoGroupOperator<K, L, R, LeftKey, RightKey, Assigner, decltype(chosen_trigger),
                               decltype(chosen_evictor), Function>;
    return join_detail::add_two_input<typename Function::Output>(
        left_, right_, name,
        [assigner = assigner_, chosen_trigger, chosen_evictor, left = left_.selector(),
         right = right_.selector(), function, settings](std::shared_ptr<const NodeLinks> links) {
          return std::make_unique<Generic>(assigner, chosen_trigger, chosen_evictor, left, right,
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

  Left left_;
  Right right_;
  Assigner assigner_;
  Trigger trigger_;
  Evictor evictor_;
  int64_t lateness_ms_ = 0;
};

// Two keyed streams that need windows.
template <bool kInner, class Left, class Right>
class Joined {
 public:
  Joined(Left left, Right right) : left_(std::move(left)), right_(std::move(right)) {}
  template <class Assigner>
  JoinedWindows<kInner, Left, Right, Assigner> window(Assigner assigner) const {
    static_assert(WindowAssigner<Assigner>,
                  "window needs tumbling(...), sliding(...), cumulative(...), session(...), "
                  "global(), count(...), or an assigner of your own");
    return {left_, right_, std::move(assigner)};
  }

 private:
  Left left_;
  Right right_;
};

template <class K, class T, class Select>
template <class U, class OtherSelect, class F>
auto Keyed<K, T, Select>::interval_join(const Keyed<K, U, OtherSelect>& other, Duration lower,
                                        Duration upper, F function,
                                        IntervalJoinOptions<T, U> options) const {
  static_assert(std::is_invocable_v<F&, const T&, const U&>,
                "interval_join needs a function (const Left&, const Right&) that gives one row");
  using To = std::remove_cvref_t<std::invoke_result_t<F&, const T&, const U&>>;
  const Result<IntervalBounds> bounds =
      make_interval(lower.count(), upper.count(), options.lower_exclusive, options.upper_exclusive);
  if (!bounds.ok()) { graph()->fail(bounds.status()); }
  return join_detail::add_two_input<To>(
      *this, other, "interval join",
      [interval = bounds.ok() ? *bounds : IntervalBounds(), left = select_,
       right = other.selector(), function = std::move(function),
       options = std::move(options)](std::shared_ptr<const NodeLinks> links) {
        return std::make_unique<IntervalJoinOperator<K, T, U, Select, OtherSelect, F>>(
            interval, left, right, function, options, std::move(links));
      });
}

template <class K, class T, class Select>
template <class U, class OtherSelect>
auto Keyed<K, T, Select>::join(const Keyed<K, U, OtherSelect>& other) const {
  return Joined<true, Keyed, Keyed<K, U, OtherSelect>>(*this, other);
}

template <class K, class T, class Select>
template <class U, class OtherSelect>
auto Keyed<K, T, Select>::co_group(const Keyed<K, U, OtherSelect>& other) const {
  return Joined<false, Keyed, Keyed<K, U, OtherSelect>>(*this, other);
}

}  // namespace tidewheel
