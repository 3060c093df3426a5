// Aggregate functions of SQL that users write in C++; api/function_library.h registers them.
//
//   struct Logs { double sum = 0; int64_t count = 0; };
//
//   library.aggregate("geo_mean", tw::SqlAggregate{
//     .init = [] { return Logs{}; },
//     .add = [](Logs& logs, double x) { logs.sum += std::log(x); ++logs.count; },
//     .merge = [](Logs& logs, const Logs& later) { .. },
//     .result = [](const Logs& logs) -> std::optional<double> { .. },
//     .retract = [](Logs& logs, double x) { .. }});
//
// The accumulator is a struct (or another value of api/function_values.h) that owns what it holds.
// One of plain memory lies in the engine's state as it is; others are kept there as bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/api/function_state.h"
#include "tidewheel/api/function_values.h"

namespace tidewheel {

struct NotGiven {};

// init() -> A: the accumulator of no rows.
// add(A&, arguments..): takes a row.
// merge(A&, const A& later): takes what another has, whose rows came later.
// result(const A&) -> the value.
// retract(A&, arguments..): takes a row back; without it a query whose rows are taken back is
//   refused.
// add_rows(span<A* const>, span<const argument>..): the same as `add` for many rows, where no
//   result is wanted between them; for accumulators of plain memory and arguments that lie in
//   columns as they are. Row i goes to accumulator i; several may be the same.
template <class Init, class Add, class Merge, class Result, class Retract = NotGiven,
          class AddRows = NotGiven>
struct SqlAggregate {
  Init init;
  Add add;
  Merge merge;
  Result result;
  Retract retract{};
  AddRows add_rows{};
};

namespace udf {

inline void report(void (*fail)(void*, const char*, size_t), void* engine);

template <class F, class Parameters>
struct AggregateCall;

// The first parameter of `add` is the accumulator.
template <class F, class State, class... A>
struct AggregateCall<F, std::tuple<State&, A...>> {
  using Accumulator = State;
  using R =
      std::remove_cvref_t<decltype(std::declval<const F&>().result(std::declval<const State&>()))>;
  using Arguments = std::tuple<A...>;
  template <class T>
  static constexpr bool kGiven = !std::is_same_v<std::remove_cvref_t<T>, NotGiven>;
  static constexpr bool kHasRetract = kGiven<decltype(std::declval<F&>().retract)>;
  static constexpr bool kHasAddRows = kGiven<decltype(std::declval<F&>().add_rows)>;
  static constexpr bool kTakesNulls = (kinds::kOptional<std::remove_cvref_t<A>> || ...);
  static constexpr bool kInPlace =
      std::is_trivially_copyable_v<State> && alignof(State) <= alignof(uint64_t);
  static_assert(
      std::is_same_v<std::remove_cvref_t<decltype(std::declval<const F&>().init())>, State>,
      "`init` gives what `add` takes as its first parameter");
  static_assert(!kHasAddRows || kInPlace,
                "`add_rows` is for accumulators of plain memory: no strings, vectors or maps");
  static_assert(!kHasAddRows || ((kIsPlain<std::remove_cvref_t<A>> ||
                                  std::is_same_v<std::remove_cvref_t<A>, Text>)&&...),
                "`add_rows` is for arguments that are numbers, bool or tw::Text");

  static constexpr uint32_t state_bytes() {
    return kInPlace ? static_cast<uint32_t>((sizeof(State) + 7) / 8 * 8) : 0;
  }

  template <class Frame, class Body>
  static int32_t guarded(Frame* frame, Body body) {
    try {
      body();
      return abi::kOk;
    } catch (...) {
      report(frame->fail, frame->engine);
      return abi::kFailed;
    }
  }

  static int32_t accumulate(const void* function, abi::AggregateFrame* frame) {
    return guarded(frame, [&] {
      run(*static_cast<const F*>(function), *frame, std::index_sequence_for<A...>());
    });
  }

  // The accumulator of a row that is at hand: one that is no plain memory is read once for rows
  // that follow each other, and written when another one's turn comes.
  class Current {
   public:
    Current(const F& f, abi::AggregateFrame& frame) : f_(f), frame_(frame) {}
    State& at(uint32_t i) {
      std::byte* const cell = frame_.cells[i] + frame_.offset;
      if constexpr (kInPlace) {
        return *reinterpret_cast<State*>(cell);
      } else {
        if (cell == cell_) { return *state_; }
        write();
        size_t bytes = 0;
        const char* const from = frame_.load(frame_.engine, i, &bytes);
        state_.emplace(bytes == 0 ? f_.init() : state_of_bytes<State>({from, bytes}));
        cell_ = cell;
        row_ = i;
        return *state_;
      }
    }
    void set_changed() { changed_ = true; }
    void write() {
      if constexpr (!kInPlace) {
        if (!std::exchange(changed_, false)) { return; }
        bytes_.clear();
        append_state(bytes_, *state_);
        frame_.store(frame_.engine, row_, bytes_.data(), bytes_.size());
      }
    }

   private:
    const F& f_;
    abi::AggregateFrame& frame_;
    std::optional<State> state_;
    const std::byte* cell_ = nullptr;
    uint32_t row_ = 0;
    bool changed_ = false;
    std::string bytes_;
  };

  template <size_t... kIndex>
  static void run(const F& f, abi::AggregateFrame& frame, std::index_sequence<kIndex...> indices) {
    if constexpr (kHasAddRows) {
      if (run_columns(f, frame, indices)) { return; }
    }
    const std::tuple<Reader<std::remove_cvref_t<A>>...> in{
        Reader<std::remove_cvref_t<A>>(frame.adds ? frame.arguments[kIndex] : ColumnView{})...};
    Current current(f, frame);
    for (uint32_t i = 0; i < frame.rows; ++i) {
      State& state = current.at(i);
      uint32_t to = frame.result_at + frame.result_stride * i;
      if (frame.wanted == abi::kResultsAround) {
        write_value<R>(*frame.results, to++, f.result(state));
      }
      int weight = !frame.adds ? 0 : frame.weights == nullptr ? 1 : frame.weights[i];
      if constexpr (kTakesNulls) {
        const uint32_t row = weight == 0 ? 0 : frame.row_numbers[i];
        if (weight != 0 && (std::get<kIndex>(in).is_missing(row) || ... || false)) { weight = 0; }
      }
      if (weight != 0) {
        [[maybe_unused]] const uint32_t row = frame.row_numbers[i];
        if (weight > 0) {
          f.add(state, std::get<kIndex>(in).at(row)...);
        } else if constexpr (kHasRetract) {
          f.retract(state, std::get<kIndex>(in).at(row)...);
        }
        current.set_changed();
      }
      if (frame.wanted != abi::kNoResults) { write_value<R>(*frame.results, to, f.result(state)); }
      if (frame.resets != nullptr && frame.resets[i] != 0) {
        state = f.init();
        current.set_changed();
      }
    }
    current.write();
  }

  // With `add_rows`, where it does: false when it does not.
  template <size_t... kIndex>
  static bool run_columns(const F& f, abi::AggregateFrame& frame, std::index_sequence<kIndex...>) {
    if (frame.wanted != abi::kNoResults || frame.resets != nullptr || !frame.adds) { return false; }
    std::vector<State*> states;
    std::vector<uint32_t> rows;
    states.reserve(frame.rows);
    rows.reserve(frame.rows);
    for (uint32_t i = 0; i < frame.rows; ++i) {
      const int weight = frame.weights == nullptr ? 1 : frame.weights[i];
      if (weight < 0) { return false; }
      if (weight == 0) { continue; }
      states.push_back(reinterpret_cast<State*>(frame.cells[i] + frame.offset));
      rows.push_back(frame.row_numbers[i]);
    }
    if (rows.empty()) { return true; }
    const bool is_dense = frame.is_ascending && rows.back() - rows.front() + 1 == rows.size();
    const std::tuple<Gathered<std::remove_cvref_t<A>>...> in{
        Gathered<std::remove_cvref_t<A>>(frame.arguments[kIndex], rows, is_dense)...};
    f.add_rows(std::span<State* const>(states), std::get<kIndex>(in).span()...);
    return true;
  }

  // Some rows of a column, side by side.
  template <class T>
  class Gathered {
   public:
    Gathered(const ColumnView& view, const std::vector<uint32_t>& rows, bool is_dense)
        : count_(rows.size()), values_(static_cast<const T*>(view.values)) {
      if (is_dense && !view.is_constant) {
        values_ += rows.front();
        return;
      }
      copy_ = std::make_unique<T[]>(count_);
      for (size_t i = 0; i < count_; ++i) { copy_[i] = values_[view.is_constant ? 0 : rows[i]]; }
      values_ = copy_.get();
    }
    std::span<const T> span() const { return {values_, count_}; }

   private:
    size_t count_;
    const T* values_;
    std::unique_ptr<T[]> copy_;
  };

  static State& in_place(char* state) { return *reinterpret_cast<State*>(state); }
  static State of(const F& f, const char* state, size_t bytes) {
    return bytes == 0 ? f.init() : state_of_bytes<State>({state, bytes});
  }

  static int32_t init(const void* function, abi::StateFrame* frame) {
    return guarded(frame, [&] {
      if constexpr (kInPlace) { new (frame->state) State(static_cast<const F*>(function)->init()); }
    });
  }
  static int32_t merge(const void* function, abi::StateFrame* frame) {
    return guarded(frame, [&] {
      const F& f = *static_cast<const F*>(function);
      if constexpr (kInPlace) {
        f.merge(in_place(frame->state), *reinterpret_cast<const State*>(frame->other));
      } else {
        State state = of(f, frame->state, frame->state_bytes);
        f.merge(state, of(f, frame->other, frame->other_bytes));
        give(*frame, state);
      }
    });
  }
  static int32_t encode(const void*, abi::StateFrame* frame) {
    return guarded(frame, [&] {
      if constexpr (kInPlace) { give(*frame, in_place(frame->state)); }
    });
  }
  static int32_t decode(const void* function, abi::StateFrame* frame) {
    return guarded(frame, [&] {
      if constexpr (kInPlace) {
        in_place(frame->state) =
            of(*static_cast<const F*>(function), frame->other, frame->other_bytes);
      }
    });
  }
  static void give(abi::StateFrame& frame, const State& state) {
    std::string bytes;
    append_state(bytes, state);
    frame.store(frame.engine, bytes.data(), bytes.size());
  }
};

}  // namespace udf
}  // namespace tidewheel
