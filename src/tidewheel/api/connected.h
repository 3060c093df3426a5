// Process functions in the API: over a stream, a keyed stream, two connected streams, or a stream
// and broadcast rows.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "tidewheel/api/keyed.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/operators/process.h"

namespace tidewheel {

namespace process_detail {

template <class P>
constexpr void check_function() {
  static_assert(
      requires { typename P::output; }, "a process struct says what it emits: using output = T;");
  static_assert(std::is_copy_constructible_v<P>,
                "a process struct must be copyable: each parallel subtask has a copy");
}

// Where an input comes from, and how its key is found.
template <class T>
struct InputOf;
template <class T>
struct InputOf<Stream<T>> {
  using Row = T;
  using Key = NoKey;
  using Select = NoKey;
  static const Stream<T>& stream(const Stream<T>& input) { return input; }
  static NoKey select(const Stream<T>&) { return {}; }
};
template <class K, class T, class S>
struct InputOf<Keyed<K, T, S>> {
  using Row = T;
  using Key = K;
  using Select = S;
  static const Stream<T>& stream(const Keyed<K, T, S>& input) { return input.input(); }
  static const S& select(const Keyed<K, T, S>& input) { return input.selector(); }
};

template <ProcessKind kKind, class P, class Inputs, class T>
Stream<typename P::output> add(const Stream<T>& first, const P& function, Inputs inputs) {
  return first.template transform<typename P::output>(
      "process",
      [function, inputs = std::move(inputs)](std::shared_ptr<const NodeLinks> links) {
        return std::make_unique<ProcessOperator<kKind, Inputs, P>>(function, inputs,
                                                                   std::move(links));
      },
      /*stateful=*/true);
}

}  // namespace process_detail

template <class T>
template <class P>
auto Stream<T>::process(P function) const {
  process_detail::check_function<P>();
  static_assert(
      requires(ElementContext<typename P::output> & ctx, const T& row) {
        function.on_element(row, ctx);
      },
      "a process struct needs on_element(const T&, auto& ctx) for the rows of its stream");
  using Inputs = ProcessInputs<NoKey, T, NoKey, NoRow, NoKey>;
  return process_detail::add<ProcessKind::kOneInput>(*this, function, Inputs{});
}

template <class K, class T, class Select>
template <class P>
auto Keyed<K, T, Select>::process(P function) const {
  process_detail::check_function<P>();
  static_assert(
      requires(KeyedContext<K, typename P::output> & ctx, const T& row) {
        function.on_element(row, ctx);
      },
      "a process struct needs on_element(const T&, auto& ctx) for the rows of its stream");
  using Inputs = ProcessInputs<K, T, Select, NoRow, NoKey>;
  return process_detail::add<ProcessKind::kOneInput>(input_, function, Inputs{select_, {}});
}

// Two streams, or two streams keyed alike, read by one operator.
template <class A, class B>
class Connected {
 public:
  Connected(A left, B right) : left_(std::move(left)), right_(std::move(right)) {}

  // on_left(const A&, auto& ctx) and on_right(const B&, auto& ctx).
  template <class P>
  Stream<typename P::output> process(P function) const {
    process_detail::check_function<P>();
    using Left = process_detail::InputOf<A>;
    using Right = process_detail::InputOf<B>;
    using Inputs = ProcessInputs<typename Left::Key, typename Left::Row, typename Left::Select,
                                 typename Right::Row, typename Right::Select>;
    using Context = typename ProcessOperator<ProcessKind::kTwoInputs, Inputs, P>::Context;
    static_assert(
        requires(Context & ctx, const typename Left::Row& row) { function.on_left(row, ctx); },
        "a process struct of two streams needs on_left(const A&, auto& ctx)");
    static_assert(
        requires(Context & ctx, const typename Right::Row& row) { function.on_right(row, ctx); },
        "a process struct of two streams needs on_right(const B&, auto& ctx)");
    auto result = process_detail::add<ProcessKind::kTwoInputs>(
        Left::stream(left_), function, Inputs{Left::select(left_), Right::select(right_)});
    result.graph()->connect(Right::stream(right_).ends(), result.node_id(), 1);
    return result.name("co_process");
  }
  const A& left() const { return left_; }
  const B& right() const { return right_; }

 private:
  A left_;
  B right_;
};

// A stream, keyed or not, and rows that every subtask gets.
template <class A, class U>
class BroadcastConnected {
 public:
  BroadcastConnected(A input, Stream<U> rules)
      : input_(std::move(input)), rules_(std::move(rules)) {}

  // on_element(const T&, auto& ctx), and on_broadcast(const U&, auto& ctx), which may change
  // tw::Broadcast state with edit(ctx).
  template <class P>
  Stream<typename P::output> process(P function) const {
    process_detail::check_function<P>();
    using Left = process_detail::InputOf<A>;
    using Inputs =
        ProcessInputs<typename Left::Key, typename Left::Row, typename Left::Select, U, NoKey>;
    using Op = ProcessOperator<ProcessKind::kBroadcast, Inputs, P>;
    static_assert(
        requires(typename Op::Context & ctx, const typename Left::Row& row) {
          function.on_element(row, ctx);
        },
        "a process struct with broadcast rows needs on_element(const T&, auto& ctx)");
    static_assert(
        requires(typename Op::RuleContext & ctx, const U& row) { function.on_broadcast(row, ctx); },
        "a process struct with broadcast rows needs on_broadcast(const U&, auto& ctx)");
    auto result = process_detail::add<ProcessKind::kBroadcast>(Left::stream(input_), function,
                                                               Inputs{Left::select(input_), {}});
    result.graph()->connect(rules_.ends(), result.node_id(), 1);
    return result.name("broadcast_process");
  }

 private:
  A input_;
  Stream<U> rules_;
};

template <class T>
template <class U>
Connected<Stream<T>, Stream<U>> Stream<T>::connect(const Stream<U>& other) const {
  return {*this, other};
}
template <class T>
template <class U>
BroadcastConnected<Stream<T>, U> Stream<T>::connect(const BroadcastStream<U>& rules) const {
  return {*this, rules.stream()};
}
template <class K, class T, class Select>
template <class U, class OtherSelect>
Connected<Keyed<K, T, Select>, Keyed<K, U, OtherSelect>> Keyed<K, T, Select>::connect(
    const Keyed<K, U, OtherSelect>& other) const {
  return {*this, other};
}
template <class K, class T, class Select>
template <class U>
BroadcastConnected<Keyed<K, T, Select>, U> Keyed<K, T, Select>::connect(
    const BroadcastStream<U>& rules) const {
  return {*this, rules.stream()};
}

}  // namespace tidewheel
