// SQL expressions over batches of 1,024 rows: nanoseconds for a row.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {
namespace {

constexpr uint32_t kRows = 1024;

struct Input {
  std::vector<LogicalType> types;
  std::vector<tidewheel::Column> columns;
  ArenaRef arena = Arena::create();

  // Auction, price, time, url, a price that may be NULL.
  Input() {
    types = {LogicalType::of(TypeKind::kBigint, false), LogicalType::of(TypeKind::kBigint, false),
             LogicalType::with(TypeKind::kTimestamp, 3, 0, false), LogicalType::string(false),
             LogicalType::of(TypeKind::kBigint)};
    Random random(1);
    for (const LogicalType& type : types) {
      columns.emplace_back(type);
      columns.back().ensure(kRows);
    }
    for (uint32_t i = 0; i < kRows; ++i) {
      columns[0].values<int64_t>()[i] = static_cast<int64_t>(random.below(100'000));
      columns[1].values<int64_t>()[i] = static_cast<int64_t>(random.below(1'000'000));
      columns[2].values<int64_t>()[i] = 1'577'836'800'000 + static_cast<int64_t>(i) * 100;
      columns[3].values<Text>()[i] =
          arena->copy("https://www.nexmark.com/abc/def/ghi/item.htm?query=1&channel_id=" +
                      std::to_string(random.below(10'000)));
      columns[4].values<int64_t>()[i] = columns[1].values<int64_t>()[i];
      if (i % 7 == 0) { columns[4].set_null(i); }
    }
  }
  Bound column(int32_t index) const {
    return Bound::of_column(index, types[static_cast<size_t>(index)]);
  }
  std::vector<ColumnView> views() const {
    std::vector<ColumnView> out;
    for (const auto& column : columns) { out.push_back(column.view()); }
    return out;
  }
};

const FunctionRegistry& functions() {
  static const FunctionRegistry registry = builtin_functions();
  return registry;
}

Bound integer(int64_t value) {
  return Bound::of_literal({value}, LogicalType::of(TypeKind::kBigint, false));
}
Bound text(const std::string& value) {
  return Bound::of_literal(
      {value}, LogicalType::with(TypeKind::kChar, static_cast<int32_t>(value.size()), 0, false));
}

Bound call(const std::string& name, std::vector<Bound> arguments) {
  std::vector<Argument> list;
  for (const Bound& argument : arguments) {
    list.push_back({argument.type, argument.is_literal() ? &argument.literal : nullptr});
  }
  const Resolved resolved = functions().resolve(name, list).value();
  Bound bound;
  bound.kind = Bound::Kind::kCall;
  bound.function = resolved.function;
  bound.type = resolved.result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const LogicalType& wanted = resolved.argument_types[i];
    if (!arguments[i].type.same_type(wanted)) {
      Bound cast;
      cast.kind = Bound::Kind::kCast;
      cast.type = wanted;
      cast.arguments.push_back(std::move(arguments[i]));
      arguments[i] = std::move(cast);
    }
    bound.arguments.push_back(std::move(arguments[i]));
  }
  return bound;
}

void project(benchmark::State& state, const Input& input, const Bound& bound) {
  auto evaluator = Evaluator::compile({bound}, input.types, {}).value();
  const auto views = input.views();
  ArenaRef arena = Arena::create();
  tidewheel::Column target(bound.type);
  tidewheel::Column* const targets[] = {&target};
  Evaluated result;
  for (auto _ : state) {
    arena.recycle();
    const Status status = evaluator->run(views, 0, kRows, targets, *arena, std::span(&result, 1));
    if (!status.ok()) { state.SkipWithError(status.message().c_str()); }
    benchmark::DoNotOptimize(result.view.values);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.counters["ns/row"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kRows / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void filter(benchmark::State& state, const Input& input, const Bound& bound) {
  auto evaluator = Evaluator::compile({bound}, input.types, {}).value();
  const auto views = input.views();
  const ArenaRef arena = Arena::create();
  std::vector<uint32_t> rows;
  for (auto _ : state) {
    rows.clear();
    const Status status = evaluator->run_filter(views, 0, kRows, *arena, rows);
    if (!status.ok()) { state.SkipWithError(status.message().c_str()); }
    benchmark::DoNotOptimize(rows.data());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.counters["ns/row"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kRows / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

const Input& input() {
  static const Input made;
  return made;
}

void sql_add_columns(benchmark::State& state) {
  project(state, input(), call("+", {input().column(0), input().column(1)}));
}
void sql_add_with_nulls(benchmark::State& state) {
  project(state, input(), call("+", {input().column(0), input().column(4)}));
}
// Nexmark q1: 0.908 * price
void sql_decimal_times_bigint(benchmark::State& state) {
  const Bound rate = Bound::of_literal({Int128{908}}, LogicalType::decimal(3, 3, false));
  project(state, input(), call("*", {rate, input().column(1)}));
}
// Nexmark q2: MOD(auction, 123) = 0
void sql_filter_modulo(benchmark::State& state) {
  filter(state, input(), call("=", {call("MOD", {input().column(0), integer(123)}), integer(0)}));
}
void sql_filter_half(benchmark::State& state) {
  filter(state, input(), call("<", {input().column(1), integer(500'000)}));
}
void sql_case(benchmark::State& state) {
  Bound bound;
  bound.kind = Bound::Kind::kCase;
  bound.type = LogicalType::string(false);
  bound.arguments = {call("<", {input().column(1), integer(10'000)}), text("rank1"),
                     call("<", {input().column(1), integer(500'000)}), text("rank2"),
                     text("rank3")};
  project(state, input(), bound);
}
// Nexmark q15: DATE_FORMAT(dateTime, 'yyyy-MM-dd')
void sql_date_format(benchmark::State& state) {
  project(state, input(), call("DATE_FORMAT", {input().column(2), text("yyyy-MM-dd")}));
}
void sql_hour(benchmark::State& state) {
  project(state, input(), call("HOUR", {input().column(2)}));
}
// Nexmark q22
void sql_split_index(benchmark::State& state) {
  project(state, input(),
          call("SPLIT_INDEX",
               {input().column(3), text("/"),
                Bound::of_literal({int64_t{3}}, LogicalType::of(TypeKind::kInt, false))}));
}
// Nexmark q21
void sql_regexp_extract(benchmark::State& state) {
  project(state, input(),
          call("REGEXP_EXTRACT", {input().column(3), text("(&|^)channel_id=([^&]*)"), integer(2)}));
}
void sql_like_contains(benchmark::State& state) {
  filter(state, input(), call("LIKE", {input().column(3), text("%channel_id=99%")}));
}
void sql_lower(benchmark::State& state) {
  project(state, input(), call("LOWER", {input().column(3)}));
}
void sql_bigint_to_string(benchmark::State& state) {
  Bound cast;
  cast.kind = Bound::Kind::kCast;
  cast.type = LogicalType::string(false);
  cast.arguments.push_back(input().column(1));
  project(state, input(), cast);
}
BENCHMARK(sql_add_columns);
BENCHMARK(sql_add_with_nulls);
BENCHMARK(sql_decimal_times_bigint);
BENCHMARK(sql_filter_modulo);
BENCHMARK(sql_filter_half);
BENCHMARK(sql_case);
BENCHMARK(sql_date_format);
BENCHMARK(sql_hour);
BENCHMARK(sql_split_index);
BENCHMARK(sql_regexp_extract);
BENCHMARK(sql_like_contains);
BENCHMARK(sql_lower);
BENCHMARK(sql_bigint_to_string);

}  // namespace
}  // namespace tidewheel::sql
