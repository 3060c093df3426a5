// A stream that is keyed: what follows runs for each key apart, with state of its own.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/api/stream.h"
#include "tidewheel/operators/keyed_fold.h"

namespace tidewheel {

// The 32-bit hash of a row's key, by which the row finds its subtask.
template <class T, class Select>
struct RowKeyHash {
  Select select;
  uint32_t operator()(const T& row) const { return hash32(std::invoke(select, row)); }
};

template <class L, class R>
struct IntervalJoinOptions;  // operators/join.h

// K: the key; T: the rows; Select: the member or function that gives a row's key.
template <class K, class T, class Select>
class Keyed {
 public:
  using key_type = K;
  using value_type = T;

  Keyed(const Stream<T>& stream, Select select)
      : select_(std::move(select)), input_(stream.spread(EdgeKind::kHash, [select = select_] {
          using Hash = RowKeyHash<T, Select>;
          return std::make_unique<HashPartitioner<T, Hash>>(Hash{select});
        })) {}

  // ---- One value a key, emitted each time that it changes ----

  // (key, value) after every row: `void f(Acc&, const T&)`, or `Acc f(Acc, const T&)`.
  template <class Acc, class F>
  requires CallableWith<const F, Acc&, const T&> Stream<std::pair<K, Acc>> running(Acc init,
                                                                                   F function)
  const {
    check_record<Acc>();
    return fold<Acc, std::pair<K, Acc>>(
        RunningFold<T, K, Acc, F>{std::move(init), std::move(function)});
  }
  // `T f(const T& so_far, const T& row)`.
  template <class F>
  requires CallableWith<F, const T&, const T&> Stream<T> reduce(F function)
  const {
    check_function_is_const<F, const T&, const T&>();
    static_assert(std::is_convertible_v<std::invoke_result_t<F&, const T&, const T&>, T>,
                  "reduce needs a function of two rows that returns a row");
    return fold<T, T>(ReduceFold<T, K, F>{std::move(function)});
  }
  template <class M, class Row>
  Stream<T> sum(M Row::*member) const {
    static_assert(
        requires(M value) { value + value; }, "sum needs a field that can be added");
    return pick<Pick::kSum>(member);
  }
  template <class M, class Row>
  Stream<T> min(M Row::*member) const {
    return pick<Pick::kMin>(member);
  }
  template <class M, class Row>
  Stream<T> max(M Row::*member) const {
    return pick<Pick::kMax>(member);
  }
  template <class M, class Row>
  Stream<T> min_by(M Row::*member) const {
    return pick<Pick::kMinBy>(member);
  }
  template <class M, class Row>
  Stream<T> max_by(M Row::*member) const {
    return pick<Pick::kMaxBy>(member);
  }

  // ---- Functions with state and timers ----

  // A keyed process function (operators/keyed_process.h).
  template <class P>
  auto process(P function) const;

  // ---- Windows and joins (api/windowed_stream.h) ----

  template <class Assigner>
  auto window(Assigner assigner) const;
  // Joins (api/joined_stream.h). `To f(const T&, const U&)` for each pair with
  // lower <= other.time - this.time <= upper.
  template <class U, class OtherSelect, class F>
  auto interval_join(const Keyed<K, U, OtherSelect>& other, Duration lower, Duration upper,
                     F function, IntervalJoinOptions<T, U> options = {}) const;
  template <class U, class OtherSelect>
  auto join(const Keyed<K, U, OtherSelect>& other) const;
  template <class U, class OtherSelect>
  auto co_group(const Keyed<K, U, OtherSelect>& other) const;

  // ---- Two inputs ----

  // Keyed alike, with one function that sees both and shares state: on_left, on_right.
  template <class U, class OtherSelect>
  Connected<Keyed, Keyed<K, U, OtherSelect>> connect(const Keyed<K, U, OtherSelect>& other) const;
  // With rows that every subtask gets: on_element, on_broadcast.
  template <class U>
  BroadcastConnected<Keyed, U> connect(const BroadcastStream<U>& rules) const;

  // ---- For operators defined elsewhere ----

  // The stream with its rows spread by key.
  const Stream<T>& input() const { return input_; }
  const Select& selector() const { return select_; }
  const std::shared_ptr<JobGraph>& graph() const { return input_.graph(); }

 private:
  template <class Acc, class To, class Fold>
  Stream<To> fold(Fold fold) const {
    return input_.template transform<To>(
        Fold::kName,
        [select = select_, fold = std::move(fold)](std::shared_ptr<const NodeLinks> links) {
          return std::make_unique<KeyedFoldOperator<T, K, Select, Acc, To, Fold>>(select, fold,
                                                                                  std::move(links));
        },
        /*stateful=*/true);
  }
  template <Pick kPick, class M, class Row>
  Stream<T> pick(M Row::*member) const {
    return fold<T, T>(FieldFold<T, K, M, kPick>{member});
  }

  Select select_;
  Stream<T> input_;
};

}  // namespace tidewheel
