// SQL functions written in C++. A function's types are those of its C++ signature
// (api/function_values.h has the list); NULL arguments give NULL unless a parameter is an
// std::optional.
//
//   void tidewheel_functions(tw::FunctionLibrary& library) {
//     library.function("haversine", [](double a, double b, double c, double d) { return ..; });
//     library.function("parse_ua", [](std::string_view text) -> std::optional<Agent> { .. });
//     library.vectorized("twice", [](std::span<const double> x, std::span<double> out) { .. });
//     library.table_function("split", [](std::string_view text, tw::TableOut<std::string>& out) {
//       out("a");
//     });
//     library.aggregate("geo_mean", tw::SqlAggregate{.init = .., .add = .., ..});
//     library.async_function("country", [](std::string ip, tw::AsyncResult<std::string> r) {..});
//   }
//
// add_tidewheel_functions (cmake/TidewheelJob.cmake) builds a library of it for CREATE FUNCTION ..
// USING LIBRARY; a program gives a FunctionLibrary to its session. Functions are const, are called
// on several threads at once, and may throw: the job then fails with the function's name and the
// exception's text.
#pragma once
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/api/function_aggregate.h"
#include "tidewheel/api/function_async.h"
#include "tidewheel/api/function_values.h"

namespace tidewheel {

struct FunctionOptions {
  // Gives the same for the same arguments: may be computed once, and when a query is planned.
  bool deterministic = true;
};

// Where a table function puts the rows that it makes of one row: a struct has a column for each
// field, any other value is one column, f0.
template <class T>
class TableOut {
 public:
  explicit TableOut(abi::ValueSink* columns) : columns_(columns) {}
  template <class U = T>  // so that `out({..})` works
  void operator()(U&& value) {
    const T& row = value;
    if constexpr (udf::kIsStruct<T>) {
      kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
        udf::ensure(columns_[kIndex], rows_ + 1);
        udf::write_value<refl::FieldType<T, kIndex>>(columns_[kIndex], rows_,
                                                     refl::field<kIndex>(row));
      });
    } else {
      udf::ensure(columns_[0], rows_ + 1);
      udf::write_value<T>(columns_[0], rows_, row);
    }
    ++rows_;
  }
  void emit(const T& row) { (*this)(row); }
  uint32_t rows() const { return rows_; }

 private:
  abi::ValueSink* columns_;
  uint32_t rows_ = 0;
};

namespace udf {

// The parameters and the result of a function object, of a lambda or a function.
template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using Result = R;
  using Parameters = std::tuple<A...>;
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : Signature<R (*)(A...)> {
  static constexpr bool kNoexcept = true;
};
template <class F, class R, class... A>
struct Signature<R (F::*)(A...) const> : Signature<R (*)(A...)> {};
template <class F, class R, class... A>
struct Signature<R (F::*)(A...) const noexcept> : Signature<R (*)(A...) noexcept> {};

template <class S>
concept IsNoexcept = S::kNoexcept;

template <class T>
struct TableOutOf {
  static constexpr bool kIs = false;
};
template <class T>
struct TableOutOf<TableOut<T>&> {
  static constexpr bool kIs = true;
  using Row = T;
};

template <class F>
constexpr bool has_signature() {
  return std::is_pointer_v<F> || requires { &F::operator(); };
}

// What a parameter is read as: `const std::string&` is a std::string.
template <class T>
using ReadAs = std::remove_cvref_t<T>;

inline void report(void (*fail)(void*, const char*, size_t), void* engine) {
  try {
    throw;
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    fail(engine, text.data(), text.size());
  } catch (...) {
    constexpr std::string_view kText = "an exception that is no std::exception";
    fail(engine, kText.data(), kText.size());
  }
}

template <class F, class Parameters>
struct ScalarCall;

template <class F, class... A>
struct ScalarCall<F, std::tuple<A...>> {
  using R = std::remove_cvref_t<typename Signature<F>::Result>;
  // Then the loop has no branch, and may be made of vector instructions.
  static constexpr bool kNeverFails =
      IsNoexcept<Signature<F>> && kIsPlain<R> && (kIsPlain<ReadAs<A>> && ...);
  static constexpr bool kTakesNulls = (kinds::kOptional<ReadAs<A>> || ...);

  static int32_t call(const void* function, abi::CallFrame* frame) {
    try {
      run(*static_cast<const F*>(function), *frame, std::index_sequence_for<A...>());
      return abi::kOk;
    } catch (...) {
      report(frame->fail, frame->engine);
      return abi::kFailed;
    }
  }

  template <size_t... kIndex>
  static void run(const F& f, abi::CallFrame& frame, std::index_sequence<kIndex...>) {
    const std::tuple<Reader<ReadAs<A>>...> in{Reader<ReadAs<A>>(frame.arguments[kIndex])...};
    abi::ValueSink& out = *frame.result;
    if constexpr (kNeverFails) {
      R* const values = static_cast<R*>(out.values);
      for (uint32_t row = 0; row < frame.rows; ++row) {
        values[row] = f(std::get<kIndex>(in).at(row)...);
      }
      return;
    }
    for (uint32_t row = 0; row < frame.rows; ++row) {
      if (frame.active != nullptr && frame.active[row] == 0) {
        write_null<R>(out, row, false);
        continue;
      }
      if constexpr (kTakesNulls) {
        if ((std::get<kIndex>(in).is_missing(row) || ...)) {
          write_null<R>(out, row, true);
          continue;
        }
      }
      write_value<R>(out, row, f(std::get<kIndex>(in).at(row)...));
    }
  }
};

// A column of an argument, with all its rows.
template <class T>
class WholeColumn {
 public:
  WholeColumn(const ColumnView& view, uint32_t rows) : rows_(rows) {
    values_ = static_cast<const T*>(view.values);
    if (view.is_constant) {
      copy_ = std::make_unique<T[]>(rows);
      std::fill_n(copy_.get(), rows, values_[0]);
      values_ = copy_.get();
    }
  }
  std::span<const T> span() const { return {values_, rows_}; }

 private:
  const T* values_;
  uint32_t rows_;
  std::unique_ptr<T[]> copy_;  // no vector: one of bool is none of bools
};

template <class S>
struct SpanOf {
  static constexpr bool kIs = false;
};
template <class T>
struct SpanOf<std::span<T>> {
  static constexpr bool kIs = true;
  using Value = std::remove_const_t<T>;
};

template <class F, class Parameters>
struct VectorCall;

// The last parameter is the result.
template <class F, class... P>
struct VectorCall<F, std::tuple<P...>> {
  static constexpr size_t kArguments = sizeof...(P) - 1;
  template <size_t kIndex>
  using Value =
      typename SpanOf<std::remove_cvref_t<std::tuple_element_t<kIndex, std::tuple<P...>>>>::Value;
  using R = Value<kArguments>;

  static int32_t call(const void* function, abi::CallFrame* frame) {
    try {
      run(*static_cast<const F*>(function), *frame, std::make_index_sequence<kArguments>());
      return abi::kOk;
    } catch (...) {
      report(frame->fail, frame->engine);
      return abi::kFailed;
    }
  }
  template <size_t... kIndex>
  static void run(const F& f, abi::CallFrame& frame, std::index_sequence<kIndex...>) {
    const std::tuple<WholeColumn<Value<kIndex>>...> in{
        WholeColumn<Value<kIndex>>(frame.arguments[kIndex], frame.rows)...};
    f(std::get<kIndex>(in).span()...,
      std::span<R>(static_cast<R*>(frame.result->values), frame.rows));
  }
};

template <class F, class Parameters>
struct TableCall;

// The last parameter is the output.
template <class F, class... P>
struct TableCall<F, std::tuple<P...>> {
  static constexpr size_t kArguments = sizeof...(P) - 1;
  using Parameters = std::tuple<P...>;
  template <size_t kIndex>
  using Argument = ReadAs<std::tuple_element_t<kIndex, Parameters>>;
  using Row = typename TableOutOf<std::tuple_element_t<kArguments, Parameters>>::Row;

  static int32_t call(const void* function, abi::TableFrame* frame) {
    try {
      run(*static_cast<const F*>(function), *frame, std::make_index_sequence<kArguments>());
      return abi::kOk;
    } catch (...) {
      report(frame->fail, frame->engine);
      return abi::kFailed;
    }
  }
  template <size_t... kIndex>
  static void run(const F& f, abi::TableFrame& frame, std::index_sequence<kIndex...>) {
    const std::tuple<Reader<Argument<kIndex>>...> in{
        Reader<Argument<kIndex>>(frame.arguments[kIndex])...};
    TableOut<Row> out(frame.columns);
    while (frame.row < frame.end && out.rows() < frame.rows_max) {
      const uint32_t row = frame.row;
      const uint32_t before = out.rows();
      const bool is_missing = (std::get<kIndex>(in).is_missing(row) || ... || false);
      if (!is_missing) { f(std::get<kIndex>(in).at(row)..., out); }
      frame.made(frame.engine, row, out.rows() - before);
      ++frame.row;
    }
  }
};

// The type of a table's rows.
template <class Row>
std::string table_type_name() {
  if constexpr (kIsStruct<Row>) {
    return base_type_name<Row>();
  } else {
    return "ROW<f0 " + type_name<Row>() + ">";
  }
}

}  // namespace udf

// Functions by name, with what they need. The entries are valid as long as the library.
class FunctionLibrary {
 public:
  FunctionLibrary() = default;
  FunctionLibrary(const FunctionLibrary&) = delete;
  FunctionLibrary& operator=(const FunctionLibrary&) = delete;

  // A value for each row. A function of numbers that is noexcept is called for all rows of a batch
  // in one loop, those that nobody asks for too.
  template <class F>
  FunctionLibrary& function(std::string name, F f, FunctionOptions options = {}) {
    static_assert(udf::has_signature<F>(),
                  "a SQL function has one signature: a const lambda or function whose parameters' "
                  "types are written out, not auto");
    using Parameters = typename udf::Signature<F>::Parameters;
    using Call = udf::ScalarCall<F, Parameters>;
    abi::FunctionEntry& entry = add(std::move(name), std::move(f), options);
    if (Call::kNeverFails && !Call::kTakesNulls) { entry.flags |= abi::kNeverFails; }
    if (Call::kTakesNulls) { entry.flags |= abi::kTakesNulls; }
    set_types<Parameters>(entry, std::make_index_sequence<std::tuple_size_v<Parameters>>());
    entry.result_type = keep(udf::type_name<typename Call::R>());
    entry.call = &Call::call;
    return *this;
  }

  // The same for whole columns: spans of the arguments, and of the result, all of one size. Of
  // numbers, bool, and Text as an argument. A row with a NULL argument has any value, and gives
  // NULL.
  template <class F>
  FunctionLibrary& vectorized(std::string name, F f, FunctionOptions options = {}) {
    static_assert(udf::has_signature<F>(), "the types of the spans have to be written out");
    using Parameters = typename udf::Signature<F>::Parameters;
    using Call = udf::VectorCall<F, Parameters>;
    static_assert(udf::kIsPlain<typename Call::R>, "the result is a span of numbers or of bool");
    abi::FunctionEntry& entry = add(std::move(name), std::move(f), options);
    set_spans<Call>(entry, std::make_index_sequence<Call::kArguments>());
    entry.result_type = keep(udf::type_name<typename Call::R>());
    entry.call = &Call::call;
    return *this;
  }

  // A table for each row: LATERAL TABLE(name(..)). The last parameter is a TableOut<T>&.
  template <class F>
  FunctionLibrary& table_function(std::string name, F f, FunctionOptions options = {}) {
    static_assert(udf::has_signature<F>(), "the types of the parameters have to be written out");
    using Parameters = typename udf::Signature<F>::Parameters;
    constexpr size_t kCount = std::tuple_size_v<Parameters>;
    static_assert(kCount > 0, "the last parameter of a table function is a tw::TableOut<T>&");
    static_assert(udf::TableOutOf<std::tuple_element_t<kCount - 1, Parameters>>::kIs,
                  "the last parameter of a table function is a tw::TableOut<T>&");
    using Call = udf::TableCall<F, Parameters>;
    abi::FunctionEntry& entry = add(std::move(name), std::move(f), options);
    entry.kind = abi::FunctionKind::kTable;
    set_types<Parameters>(entry, std::make_index_sequence<kCount - 1>());
    entry.result_type = keep(udf::table_type_name<typename Call::Row>());
    entry.call_table = &Call::call;
    return *this;
  }

  // A value for each group of rows; `aggregate` is a SqlAggregate (api/function_aggregate.h).
  template <class F>
  FunctionLibrary& aggregate(std::string name, F aggregate) {
    static_assert(udf::has_signature<decltype(aggregate.add)>(),
                  "the types of the parameters of `add` have to be written out");
    using Parameters = typename udf::Signature<decltype(aggregate.add)>::Parameters;
    using Call = udf::AggregateCall<F, Parameters>;
    using Arguments = typename Call::Arguments;
    abi::FunctionEntry& entry = add(std::move(name), std::move(aggregate), {});
    entry.kind = abi::FunctionKind::kAggregate;
    if (Call::kTakesNulls) { entry.flags |= abi::kTakesNulls; }
    set_types<Arguments>(entry, std::make_index_sequence<std::tuple_size_v<Arguments>>());
    entry.result_type = keep(udf::type_name<typename Call::R>());
    abi::AggregateCalls& calls = aggregates_.emplace_back();
    calls.state_type = keep(udf::type_name<typename Call::Accumulator>());
    calls.state_bytes = Call::state_bytes();
    calls.has_retract = Call::kHasRetract;
    calls.accumulate = &Call::accumulate;
    calls.merge = &Call::merge;
    calls.init = &Call::init;
    calls.encode = &Call::encode;
    calls.decode = &Call::decode;
    entry.aggregate = &calls;
    return *this;
  }

  // A value for each row that comes later (api/function_async.h): the last parameter is a
  // tw::AsyncResult<T>.
  template <class F>
  FunctionLibrary& async_function(std::string name, F f, FunctionOptions options = {}) {
    static_assert(udf::has_signature<F>(), "the types of the parameters have to be written out");
    using Parameters = typename udf::Signature<F>::Parameters;
    constexpr size_t kCount = std::tuple_size_v<Parameters>;
    static_assert(kCount > 0, "the last parameter of an async function is a tw::AsyncResult<T>");
    static_assert(
        udf::AsyncResultOf<udf::ReadAs<std::tuple_element_t<kCount - 1, Parameters>>>::kIs,
        "the last parameter of an async function is a tw::AsyncResult<T>");
    using Call = udf::AsyncFunctionCall<F, Parameters>;
    abi::FunctionEntry& entry = add(std::move(name), std::move(f), options);
    entry.kind = abi::FunctionKind::kAsync;
    set_types<Parameters>(entry, std::make_index_sequence<kCount - 1>());
    entry.result_type = keep(udf::type_name<typename Call::R>());
    static constexpr abi::AsyncCalls kCalls{&Call::call, &Call::write};
    entry.async = &kCalls;
    return *this;
  }

  std::span<const abi::FunctionEntry> entries() const { return entries_; }

 private:
  template <class F>
  abi::FunctionEntry& add(std::string name, F f, const FunctionOptions& options) {
    auto kept = std::make_shared<const F>(std::move(f));
    abi::FunctionEntry entry;
    entry.name = keep(std::move(name));
    entry.function = kept.get();
    if (!options.deterministic) { entry.flags |= abi::kIsVolatile; }
    functions_.push_back(std::move(kept));
    entries_.push_back(entry);
    return entries_.back();
  }
  const char* keep(std::string text) { return texts_.emplace_back(std::move(text)).c_str(); }
  void set_arguments(abi::FunctionEntry& entry, std::vector<std::string> types) {
    std::vector<const char*>& list = argument_types_.emplace_back();
    for (std::string& type : types) { list.push_back(keep(std::move(type))); }
    entry.argument_types = list.data();
    entry.argument_count = static_cast<uint32_t>(list.size());
  }
  template <class Parameters, size_t... kIndex>
  void set_types(abi::FunctionEntry& entry, std::index_sequence<kIndex...>) {
    set_arguments(entry,
                  {udf::type_name<udf::ReadAs<std::tuple_element_t<kIndex, Parameters>>>()...});
  }
  template <class Call, size_t... kIndex>
  void set_spans(abi::FunctionEntry& entry, std::index_sequence<kIndex...>) {
    static_assert(((udf::kIsPlain<typename Call::template Value<kIndex>> ||
                    std::is_same_v<typename Call::template Value<kIndex>, Text>)&&...),
                  "an argument is a span of numbers, of bool or of tw::Text");
    set_arguments(entry, {udf::type_name<typename Call::template Value<kIndex>>()...});
  }

  std::vector<abi::FunctionEntry> entries_;
  std::deque<std::string> texts_;
  std::deque<std::vector<const char*>> argument_types_;
  std::deque<abi::AggregateCalls> aggregates_;
  std::vector<std::shared_ptr<const void>> functions_;
};

}  // namespace tidewheel
