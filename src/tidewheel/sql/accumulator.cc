#include "tidewheel/sql/accumulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/accumulator_values.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/user_aggregate.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/stored.h"

namespace tidewheel::sql {
namespace {

struct NamedAggregate {
  std::string_view name;
  AggregateFunction function;
};
using F = AggregateFunction;
constexpr std::array<NamedAggregate, 20> kFunctions{{
    {"COUNT(*)", F::kCountStar},
    {"COUNT", F::kCount},
    {"SUM", F::kSum},
    {"$SUM0", F::kSum0},
    {"AVG", F::kAvg},
    {"MIN", F::kMin},
    {"MAX", F::kMax},
    {"FIRST_VALUE", F::kFirstValue},
    {"LAST_VALUE", F::kLastValue},
    {"STDDEV_POP", F::kStddevPop},
    {"STDDEV_SAMP", F::kStddevSamp},
    {"VAR_POP", F::kVarPop},
    {"VAR_SAMP", F::kVarSamp},
    {"LISTAGG", F::kListagg},
    {"COLLECT", F::kCollect},
    {"ARRAY_AGG", F::kArrayAgg},
    {"STDDEV", F::kStddevSamp},
    {"VARIANCE", F::kVarSamp},
    {"SINGLE_VALUE", F::kFirstValue},
    {"ANY_VALUE", F::kFirstValue},
}};

constexpr int kDecimalDigits = 38;

// ---- States. `add` takes a value with its weight; `get` is false for NULL.

// Int128 with the alignment of the rest.
struct Wide128 {
  uint64_t low = 0;
  uint64_t high = 0;
  Int128 get() const { return static_cast<Int128>((static_cast<UInt128>(high) << 64) | low); }
  void set(Int128 value) {
    low = static_cast<uint64_t>(static_cast<UInt128>(value));
    high = static_cast<uint64_t>(static_cast<UInt128>(value) >> 64);
  }
};
template <class W>
struct Kept {
  W value{};
  W get() const { return value; }
  void set(W to) { value = to; }
};
template <>
struct Kept<Int128> : Wide128 {};

template <class W>
Schema number_schema() {
  if constexpr (std::is_same_v<W, Int128>) {
    return detail::leaf_schema(Kind::kDecimal, kDecimalDigits, 0);
  } else {
    return schema_of<W>();
  }
}
// What the results of a call depend on besides the state.
struct CallInfo {
  Physical argument = Physical::kBool;
  int argument_scale = 0;
  int result_scale = 0;
};

struct CountState {
  using Wide = int64_t;
  int64_t count = 0;

  void add(int64_t, int64_t weight) { count += weight; }
  void merge(const CountState& from) { count += from.count; }
  bool get(const CallInfo&, int64_t& result) const {
    result = count;
    return true;
  }
  static void describe(Schema& row) { add_field(row, "count", schema_of<int64_t>()); }
};

bool is_decimal_overflow(Int128 value) {
  static constexpr Int128 kLimit = detail::power_of_ten(kDecimalDigits);
  return value >= kLimit || value <= -kLimit;
}

// sum / count with `digits` more digits, rounded half away from zero.
bool divide_decimal(Int128 sum, int64_t count, int digits, Int128& result) {
  const bool negative = sum < 0;
  const UInt128 magnitude =
      negative ? UInt128{0} - static_cast<UInt128>(sum) : static_cast<UInt128>(sum);
  const auto divisor = static_cast<UInt128>(count);
  UInt128 quotient = magnitude / divisor;
  UInt128 rest = magnitude % divisor;
  for (int i = 0; i < digits; ++i) {
    rest *= 10;
    quotient = quotient * 10 + rest / divisor;
    rest %= divisor;
    if (is_decimal_overflow(static_cast<Int128>(quotient))) { return false; }
  }
  if (rest * 2 >= divisor) { ++quotient; }
  result = negative ? -static_cast<Int128>(quotient) : static_cast<Int128>(quotient);
  return !is_decimal_overflow(result);
}

// A sum that wraps around.
template <class W>
struct Total {
  Kept<W> sum;

  void add(W value) { sum.set(wrapping_add(sum.get(), value)); }
  void merge(const Total& from) { add(from.sum.get()); }
  bool is_exact() const { return true; }
  static void describe(Schema& row) { add_field(row, "sum", number_schema<W>()); }
};
// One that knows how often it has, so that it is right again when enough is taken back.
template <>
struct Total<Int128> {
  Kept<Int128> sum;
  int64_t wraps = 0;

  void add(Int128 value) {
    Int128 next = 0;
    if (__builtin_add_overflow(sum.get(), value, &next)) { wraps += value > 0 ? 1 : -1; }
    sum.set(next);
  }
  void merge(const Total& from) {
    add(from.sum.get());
    wraps += from.wraps;
  }
  bool is_exact() const { return wraps == 0; }
  static void describe(Schema& row) {
    add_field(row, "sum", number_schema<Int128>());
    add_field(row, "wraps", schema_of<int64_t>());
  }
};

// SUM, $SUM0 and AVG. Integers wrap around; a decimal sum that has too many digits is NULL until
// enough is taken back.
template <class W, AggregateFunction kFunction>
struct SumState {
  using Wide = W;
  Total<W> total;
  int64_t count = 0;

  void add(W value, int64_t weight) {
    total.add(signed_by(value, weight));
    count += weight;
  }
  void merge(const SumState& from) {
    total.merge(from.total);
    count += from.count;
  }
  bool get(const CallInfo& info, W& result) const {
    if (count <= 0) {
      result = W{};
      return kFunction == F::kSum0;
    }
    if constexpr (kFunction != F::kAvg) {
      result = total.sum.get();
      if constexpr (std::is_same_v<W, Int128>) {
        return total.is_exact() && !is_decimal_overflow(result);
      }
      return true;
    } else if constexpr (std::is_same_v<W, Int128>) {
      result = 0;
      return total.is_exact() && divide_decimal(total.sum.get(), count,
                                                info.result_scale - info.argument_scale, result);
    } else {
      result = total.sum.get() / static_cast<W>(count);
      return true;
    }
  }
  static void describe(Schema& row) {
    Total<W>::describe(row);
    add_field(row, "count", schema_of<int64_t>());
  }
};

template <class W, AggregateFunction kFunction>
struct PickState {
  using Wide = W;
  Kept<W> picked;
  int64_t count = 0;

  bool takes(W value) const {
    if (count == 0) { return true; }
    if constexpr (kFunction == F::kMin) { return is_less(value, picked.get()); }
    if constexpr (kFunction == F::kMax) { return is_less(picked.get(), value); }
    return kFunction == F::kLastValue;
  }
  void add(W value, int64_t) {
    if (takes(value)) { picked.set(value); }
    ++count;
  }
  void merge(const PickState& from) {
    if (from.count == 0) { return; }
    if (takes(from.picked.get())) { picked.set(from.picked.get()); }
    count += from.count;
  }
  bool get(const CallInfo&, W& result) const {
    result = picked.get();
    return count > 0;
  }
  static void describe(Schema& row) {
    add_field(row, "value", number_schema<W>());
    add_field(row, "count", schema_of<int64_t>());
  }
};

// By Welford, also backwards.
template <AggregateFunction kFunction>
struct VarianceState {
  using Wide = double;
  int64_t count = 0;
  double mean = 0;
  double squares = 0;  // sum of squared distances from the mean

  void add(double value, int64_t weight) {
    if (weight > 0) {
      ++count;
      const double distance = value - mean;
      mean += distance / static_cast<double>(count);
      squares += distance * (value - mean);
      return;
    }
    if (--count <= 0) {
      *this = VarianceState();
      return;
    }
    const double before = mean;
    mean = before + (before - value) / static_cast<double>(count);
    squares = std::max(0.0, squares - (value - before) * (value - mean));
  }
  void merge(const VarianceState& from) {
    if (from.count == 0) { return; }
    const auto a = static_cast<double>(count);
    const auto b = static_cast<double>(from.count);
    const double distance = from.mean - mean;
    mean += distance * b / (a + b);
    squares += from.squares + distance * distance * a * b / (a + b);
    count += from.count;
  }
  bool get(const CallInfo& info, double& result) const {
    constexpr bool kSample = kFunction == F::kStddevSamp || kFunction == F::kVarSamp;
    constexpr bool kRoot = kFunction == F::kStddevPop || kFunction == F::kStddevSamp;
    result = 0;
    const int64_t divisor = kSample ? count - 1 : count;
    if (divisor <= 0) { return false; }
    result = squares / static_cast<double>(divisor);
    if (kRoot) { result = std::sqrt(result); }
    // Decimals are taken, and given, as their unscaled numbers.
    const int scale = kRoot ? info.argument_scale : 2 * info.argument_scale;
    if (scale != info.result_scale) { result *= std::pow(10.0, info.result_scale - scale); }
    if (info.result_scale > 0) { result = std::round(result); }
    return true;
  }
  static void describe(Schema& row) {
    add_field(row, "count", schema_of<int64_t>());
    add_field(row, "mean", schema_of<double>());
    add_field(row, "squares", schema_of<double>());
  }
};

// A state's bytes are its fields: no padding between numbers of 8 bytes.
template <class State>
class NumberAccumulator final : public Accumulator {
  using W = typename State::Wide;
  static_assert(std::is_trivially_copyable_v<State> && sizeof(State) % 8 == 0);

 public:
  NumberAccumulator(int32_t argument, CallInfo info)
      : Accumulator(sizeof(State)), argument_(argument), info_(info) {}

  void describe(Schema& row) const override { State::describe(row); }
  void init(std::byte* cell) const override { new (cell + offset()) State(); }
  void add(const AccumulatorInput& input) override {
    const W* const values = arguments(input);
    if (input.weights == nullptr && input.resets == nullptr) {
      return for_each(input, [&](State& to, size_t i) { to.add(value_at(values, i), 1); });
    }
    for_each(input, [&](State& to, size_t i) { add_row(input, values, i, to); });
  }
  void fold(const AccumulatorInput& input, Column& column, Arena&) override {
    const W* const values = arguments(input);
    WideResults<W> results(column, 0, 1, input.rows.size() * 2);
    W* const to = results.values();
    for_each(input, [&](State& accumulated, size_t i) {
      if (!accumulated.get(info_, to[2 * i])) { results.set_null(2 * i); }
      const int64_t weight = input.weights == nullptr ? 1 : input.weights[i];
      if (weight != 0) { accumulated.add(value_at(values, i), weight); }
      if (!accumulated.get(info_, to[2 * i + 1])) { results.set_null(2 * i + 1); }
      if (input.resets != nullptr && input.resets[i] != 0) { accumulated = State(); }
    });
    results.finish();
  }
  void fold_after(const AccumulatorInput& input, Column& column, Arena&) override {
    const W* const values = arguments(input);
    WideResults<W> results(column, 0, 1, input.rows.size());
    W* const to = results.values();
    if constexpr (std::is_same_v<State, CountState>) {
      if (input.resets == nullptr) {
        count_after(input, to);
        return results.finish();
      }
    }
    for_each(input, [&](State& accumulated, size_t i) {
      const int64_t weight = input.weights == nullptr ? 1 : input.weights[i];
      if (weight != 0) { accumulated.add(value_at(values, i), weight); }
      if (!accumulated.get(info_, to[i])) { results.set_null(i); }
      if (input.resets != nullptr && input.resets[i] != 0) { accumulated = State(); }
    });
    results.finish();
  }
  void results(std::span<std::byte* const> cells, Column& column, uint32_t at, uint32_t stride,
               Arena&) override {
    WideResults<W> results(column, at, stride, cells.size());
    W* const to = results.values();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (!state(cells[i]).get(info_, to[i * stride])) { results.set_null(i * stride); }
    }
    results.finish();
  }
  void merge(std::byte* cell, const std::byte* from, TextHeap&) const override {
    state(cell).merge(*reinterpret_cast<const State*>(from + offset()));
  }
  void encode(const std::byte* cell, Writer& out) const override {
    out.raw(cell + offset(), sizeof(State));
  }
  void decode(Reader& in, std::byte* cell, TextHeap&) const override {
    in.raw(cell + offset(), sizeof(State));
  }

 private:
  State& state(std::byte* cell) const { return *reinterpret_cast<State*>(cell + offset()); }
  static W value_at(const W* values, size_t i) { return values == nullptr ? W{} : values[i]; }
  // Calls f(state, i) for each row in turn. One state for all is worked on in registers: in the
  // cell, each row would wait until what the one before has written can be read.
  template <class F>
  void for_each(const AccumulatorInput& input, F f) const {
    const size_t count = input.rows.size();
    if (input.has_one_cell && count > 0) {
      State one = state(input.cells[0]);
      for (size_t i = 0; i < count; ++i) { f(one, i); }
      state(input.cells[0]) = one;
      return;
    }
    for (size_t i = 0; i < count; ++i) { f(state(input.cells[i]), i); }
  }
  void count_after(const AccumulatorInput& input, int64_t* to) const {
    const int8_t* const weights = input.weights;
    if (weights == nullptr) {
      return for_each(input, [&](CountState& state, size_t i) { to[i] = ++state.count; });
    }
    for_each(input, [&](CountState& state, size_t i) { to[i] = state.count += weights[i]; });
  }
  void add_row(const AccumulatorInput& input, const W* values, size_t i, State& accumulated) {
    const int64_t weight = input.weights == nullptr ? 1 : input.weights[i];
    if (weight != 0) { accumulated.add(value_at(values, i), weight); }
    if (input.resets != nullptr && input.resets[i] != 0) { accumulated = State(); }
  }
  // Null for calls that look at no value.
  const W* arguments(const AccumulatorInput& input) {
    if (argument_ < 0) { return nullptr; }
    return wide_values<W>(input.batch->view(static_cast<size_t>(argument_)), info_.argument, input,
                          values_);
  }

  const int32_t argument_;
  const CallInfo info_;
  std::vector<W> values_;
};

// Strings: MIN, MAX, FIRST_VALUE, LAST_VALUE and LISTAGG.
template <AggregateFunction kFunction>
class TextAccumulator final : public Accumulator {
  struct State {
    Stored<Text> text;
    int64_t count = 0;
  };

 public:
  TextAccumulator(int32_t argument, std::string separator)
      : Accumulator(sizeof(State)), argument_(argument), separator_(std::move(separator)) {}

  void describe(Schema& row) const override {
    add_field(row, "value", schema_of<Text>());
    add_field(row, "count", schema_of<int64_t>());
  }
  void init(std::byte* cell) const override { new (cell + offset()) State(); }
  void release(std::byte* cell, TextHeap& heap) const override { state(cell).text.release(heap); }
  void add(const AccumulatorInput& input) override {
    const ColumnView& column = input.batch->view(static_cast<size_t>(argument_));
    for (size_t i = 0; i < input.rows.size(); ++i) { add_row(input, column, i); }
  }
  void fold(const AccumulatorInput& input, Column& column, Arena& arena) override {
    const ColumnView& values = input.batch->view(static_cast<size_t>(argument_));
    column.ensure(static_cast<uint32_t>(input.rows.size() * 2));
    for (size_t i = 0; i < input.rows.size(); ++i) {
      put(input.cells[i], column, static_cast<uint32_t>(2 * i), arena);
      add_row(input, values, i,
              [&] { put(input.cells[i], column, static_cast<uint32_t>(2 * i + 1), arena); });
    }
  }
  void fold_after(const AccumulatorInput& input, Column& column, Arena& arena) override {
    const ColumnView& values = input.batch->view(static_cast<size_t>(argument_));
    column.ensure(static_cast<uint32_t>(input.rows.size()));
    for (size_t i = 0; i < input.rows.size(); ++i) {
      add_row(input, values, i,
              [&] { put(input.cells[i], column, static_cast<uint32_t>(i), arena); });
    }
  }
  void results(std::span<std::byte* const> cells, Column& column, uint32_t at, uint32_t stride,
               Arena& arena) override {
    column.ensure(at + static_cast<uint32_t>(cells.size()) * stride);
    for (size_t i = 0; i < cells.size(); ++i) {
      put(cells[i], column, at + static_cast<uint32_t>(i) * stride, arena);
    }
  }
  void merge(std::byte* cell, const std::byte* from, TextHeap& heap) const override {
    const State& other = *reinterpret_cast<const State*>(from + offset());
    if (other.count == 0) { return; }
    take(state(cell), other.text.value, heap);
    state(cell).count += other.count - 1;
  }
  void encode(const std::byte* cell, Writer& out) const override {
    const State& from = *reinterpret_cast<const State*>(cell + offset());
    out.text(from.text.value);
    out.fixed(from.count);
  }
  void decode(Reader& in, std::byte* cell, TextHeap& heap) const override {
    State& to = state(cell);
    to.text.store(Text(in.bytes_view()), heap);
    to.count = in.fixed<int64_t>();
  }

 private:
  State& state(std::byte* cell) const { return *reinterpret_cast<State*>(cell + offset()); }
  void put(std::byte* cell, Column& column, uint32_t row, Arena& arena) const {
    const State& from = state(cell);
    if (from.count <= 0) { return column.set_null(row); }
    column.values<Text>()[row] = arena.copy(from.text.value.view());
  }
  void take(State& to, const Text& text, TextHeap& heap) const {
    ++to.count;
    if (to.count == 1) { return to.text.store(text, heap); }
    if constexpr (kFunction == F::kListagg) {
      std::string joined = to.text.value.str();
      joined += separator_;
      joined += text.view();
      return to.text.store(Text(joined), heap);
    }
    const bool takes = kFunction == F::kLastValue ||
                       (kFunction == F::kMin && text < to.text.value) ||
                       (kFunction == F::kMax && to.text.value < text);
    if (takes) { to.text.store(text, heap); }
  }
  void add_row(const AccumulatorInput& input, const ColumnView& column, size_t i) {
    add_row(input, column, i, [] {});
  }
  template <class F>
  void add_row(const AccumulatorInput& input, const ColumnView& column, size_t i, F between) {
    State& to = state(input.cells[i]);
    const int64_t weight = input.weights == nullptr ? 1 : input.weights[i];
    if (weight > 0) { take(to, column.at<Text>(input.rows[i]), *input.heap); }
    between();
    if (input.resets != nullptr && input.resets[i] != 0) {
      to.text.release(*input.heap);
      to = State();
    }
  }

  const int32_t argument_;
  const std::string separator_;
};

// ---- The choice

enum class WideKind : uint8_t { kInt, kDecimal, kReal, kText, kNone };

WideKind wide_kind(Physical physical) {
  switch (physical) {
    case Physical::kInt128: return WideKind::kDecimal;
    case Physical::kFloat:
    case Physical::kDouble: return WideKind::kReal;
    case Physical::kText: return WideKind::kText;
    case Physical::kList:
    case Physical::kStruct: return WideKind::kNone;
    default: return WideKind::kInt;
  }
}

using Made = std::unique_ptr<Accumulator>;

template <class State>
Made number(const AggregateCall& call, const CallInfo& info) {
  const bool has_value = call.function != F::kCount && call.function != F::kCountStar;
  return std::make_unique<NumberAccumulator<State>>(has_value ? call.arguments[0] : -1, info);
}

template <template <class, AggregateFunction> class State, AggregateFunction kFunction>
Made numeric(const AggregateCall& call, const CallInfo& info, WideKind kind) {
  switch (kind) {
    case WideKind::kInt: return number<State<int64_t, kFunction>>(call, info);
    case WideKind::kDecimal: return number<State<Int128, kFunction>>(call, info);
    case WideKind::kReal: return number<State<double, kFunction>>(call, info);
    default: return nullptr;
  }
}
template <AggregateFunction kFunction>
Made picking(const AggregateCall& call, const CallInfo& info, WideKind kind) {
  if (kind == WideKind::kText) {
    return std::make_unique<TextAccumulator<kFunction>>(call.arguments[0], call.separator);
  }
  return numeric<PickState, kFunction>(call, info, kind);
}
template <AggregateFunction kFunction>
Made summing(const AggregateCall& call, const CallInfo& info, WideKind kind) {
  const bool is_decimal = call.result.kind == TypeKind::kDecimal;
  return numeric<SumState, kFunction>(call, info, is_decimal ? WideKind::kDecimal : kind);
}
template <AggregateFunction kFunction>
Made variance(const AggregateCall& call, const CallInfo& info, WideKind kind) {
  if (kind == WideKind::kText || kind == WideKind::kNone) { return nullptr; }
  return number<VarianceState<kFunction>>(call, info);
}

Made choose(const AggregateCall& call, const CallInfo& info) {
  const WideKind kind = wide_kind(info.argument);
  switch (call.function) {
    case F::kCountStar:
    case F::kCount: return number<CountState>(call, info);
    case F::kSum: return summing<F::kSum>(call, info, kind);
    case F::kSum0: return summing<F::kSum0>(call, info, kind);
    case F::kAvg: return summing<F::kAvg>(call, info, kind);
    case F::kMin: return picking<F::kMin>(call, info, kind);
    case F::kMax: return picking<F::kMax>(call, info, kind);
    case F::kFirstValue: return picking<F::kFirstValue>(call, info, kind);
    case F::kLastValue: return picking<F::kLastValue>(call, info, kind);
    case F::kStddevPop: return variance<F::kStddevPop>(call, info, kind);
    case F::kStddevSamp: return variance<F::kStddevSamp>(call, info, kind);
    case F::kVarPop: return variance<F::kVarPop>(call, info, kind);
    case F::kVarSamp: return variance<F::kVarSamp>(call, info, kind);
    case F::kListagg:
      if (kind != WideKind::kText) { return nullptr; }
      return std::make_unique<TextAccumulator<F::kListagg>>(call.arguments[0], call.separator);
    case F::kUser: return make_user_accumulator(call);
    case F::kCollect:
    case F::kArrayAgg: break;
  }
  return nullptr;
}

}  // namespace

bool find_aggregate_function(std::string_view name, AggregateFunction& function) {
  const auto* const found = std::find_if(kFunctions.begin(), kFunctions.end(),
                                         [&](const auto& one) { return one.name == name; });
  if (found == kFunctions.end()) { return false; }
  function = found->function;
  return true;
}

std::string describe_call(const AggregateCall& call) {
  const auto* const found =
      std::find_if(kFunctions.begin(), kFunctions.end(),
                   [&](const auto& one) { return one.function == call.function; });
  std::string text(call.user != nullptr ? std::string_view(call.user->name()) : found->name);
  if (call.function == F::kCountStar) {
    if (call.filter >= 0) { text += " FILTER c" + std::to_string(call.filter); }
    return text;
  }
  text += call.distinct ? "(DISTINCT " : "(";
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    text += (i == 0 ? "c" : ", c") + std::to_string(call.arguments[i]);
  }
  text += ")";
  if (call.filter >= 0) { text += " FILTER c" + std::to_string(call.filter); }
  return text;
}

RowType keys_and_results(const RowType& input, const std::vector<int32_t>& keys,
                         const std::vector<AggregateCall>& calls) {
  RowType output;
  for (const int32_t key : keys) {
    output.add(input.names[static_cast<size_t>(key)], input.types[static_cast<size_t>(key)]);
  }
  for (const AggregateCall& call : calls) {
    output.add(call.name.empty() ? describe_call(call) : call.name, call.result);
  }
  return output;
}

Result<LogicalType> aggregate_result_type(AggregateFunction function,
                                          const std::vector<LogicalType>& arguments) {
  if (function == F::kCountStar || function == F::kCount) {
    return LogicalType::of(TypeKind::kBigint, false);
  }
  if (arguments.empty()) {
    return invalid_argument(ErrorId::kSqlType, "an aggregate function needs an argument");
  }
  LogicalType type = arguments[0].as_nullable();
  type.time = TimeAttribute::kNone;
  switch (function) {
    case F::kSum:
    case F::kSum0:
    case F::kAvg:
    case F::kStddevPop:
    case F::kStddevSamp:
    case F::kVarPop:
    case F::kVarSamp:
      if (!type.is_numeric()) {
        return invalid_argument(ErrorId::kSqlType, "a number is needed, and not {}",
                                type.to_string());
      }
      if (type.kind == TypeKind::kDecimal) {
        const bool sums = function == F::kSum || function == F::kSum0;
        type = sums ? decimal_total_type(type) : decimal_average_type(type);
      }
      type.nullable = function != F::kSum0;
      return type;
    case F::kListagg:
      if (!type.is_character()) {
        return invalid_argument(ErrorId::kSqlType, "LISTAGG needs a string, and not {}",
                                type.to_string());
      }
      return LogicalType::string();
    case F::kCollect: {
      LogicalType multiset = LogicalType::of(TypeKind::kMultiset, false);
      multiset.children.push_back(arguments[0].as_nullable(false));
      return multiset;
    }
    case F::kArrayAgg: return LogicalType::array(arguments[0]);
    default: return type;
  }
}

bool has_accumulator(const AggregateCall& call, bool retracts) {
  switch (call.function) {
    case F::kCollect:
    case F::kArrayAgg: return false;
    case F::kMin:
    case F::kMax:
    case F::kFirstValue:
    case F::kLastValue:
    case F::kListagg: return !retracts;
    default: return true;
  }
}

Result<std::unique_ptr<Accumulator>> make_accumulator(const AggregateCall& call,
                                                      const std::vector<LogicalType>& input) {
  CallInfo info;
  info.result_scale = call.result.kind == TypeKind::kDecimal ? call.result.scale : 0;
  if (!call.arguments.empty()) {
    const LogicalType& type = input[static_cast<size_t>(call.arguments[0])];
    info.argument = type.physical();
    info.argument_scale = type.kind == TypeKind::kDecimal ? type.scale : 0;
  }
  Made made = choose(call, info);
  if (made == nullptr) {
    return invalid_argument(ErrorId::kSqlUnsupported, "{} can't take a value of type {}",
                            describe_call(call),
                            input[static_cast<size_t>(call.arguments[0])].to_string());
  }
  return made;
}

void find_changes(const Column& pairs, uint32_t count, uint8_t* changed) {
  if (wide_kind(pairs.physical()) == WideKind::kNone) {
    std::fill(changed, changed + count, uint8_t{1});  // not looked into
    return;
  }
  const ColumnView view = pairs.view();
  if (view.validity != nullptr) {
    for (uint32_t i = 0; i < count; ++i) {
      changed[i] |= static_cast<uint8_t>(view.is_null(2 * i) != view.is_null(2 * i + 1));
    }
  }
  with_physical(pairs.physical(), [&]<class T>() {
    const T* const values = view.as<T>();
    for (uint32_t i = 0; i < count; ++i) {
      const T& a = values[2 * i];
      const T& b = values[2 * i + 1];
      bool same = a == b;
      if constexpr (std::is_floating_point_v<T>) { same = same || (a != a && b != b); }
      changed[i] |= static_cast<uint8_t>(!same);
    }
  });
}

}  // namespace tidewheel::sql
