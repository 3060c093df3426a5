// What functions of SQL cost a row that are not simple loops: UNNEST, users' functions in C++,
// JSON.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/bench_context.h"
#include "tidewheel/api/function_library.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/correlate.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/user_function.h"

namespace tidewheel::sql {
namespace {

using bench::BenchContext;
using bench::Drop;

constexpr uint32_t kRows = 1024;

LogicalType bigint() { return LogicalType::of(TypeKind::kBigint); }

// Arrays of `state.range(0)` numbers; items are rows of the output.
void unnest(benchmark::State& state, bool is_left) {
  const auto count = static_cast<uint32_t>(state.range(0));
  CorrelateSpec spec;
  spec.function = make_unnest(false);
  spec.input = {LogicalType::string(), LogicalType::array(bigint())};
  spec.arguments = {1};
  spec.passed = {0};
  spec.given = {0};
  spec.is_left = is_left;
  const std::unique_ptr<Operator> op = make_correlate(spec).value();
  const std::shared_ptr<BatchPool> pool = BatchPool::create_for<ColumnRow>(kRows, nullptr);
  auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
  batch->set_types(spec.input);
  batch->ensure_room(kRows);
  tidewheel::Column& list = batch->column(1);
  list.child(0).ensure(kRows * count);
  for (uint32_t row = 0; row < kRows; ++row) {
    batch->column(0).values<Text>()[row] = batch->arena().copy("row " + std::to_string(row));
    for (uint32_t e = row * count; e < (row + 1) * count; ++e) {
      list.child(0).values<int64_t>()[e] = e;
    }
    list.offsets()[row + 1] = (row + 1) * count;
  }
  list.set_child_rows(kRows * count);
  batch->set_size(kRows);
  batch->seal();
  const Element rows = Element::rows(BatchRef::adopt(batch));
  Drop drop;
  BenchContext context;
  op->outputs()[0]->connect(drop);
  if (!op->open(context).ok()) { return state.SkipWithError("open"); }
  for (auto _ : state) {
    uint32_t cursor = 0;
    static_cast<void>(op->on_rows(0, rows, cursor));
  }
  state.SetItemsProcessed(state.iterations() * kRows * count);
  op->close(false);
}
void unnest_inner(benchmark::State& state) { unnest(state, false); }
BENCHMARK(unnest_inner)->Arg(1)->Arg(4)->Arg(100);
void unnest_left(benchmark::State& state) { unnest(state, true); }
BENCHMARK(unnest_left)->Arg(4);

// One expression over numbers and texts.
void evaluate(benchmark::State& state, const Bound& expression) {
  const std::vector<LogicalType> types{LogicalType::of(TypeKind::kDouble), LogicalType::string()};
  const ArenaRef kept = Arena::create();
  std::vector<tidewheel::Column> columns;
  for (const LogicalType& type : types) { columns.emplace_back(type).ensure(kRows); }
  for (uint32_t row = 0; row < kRows; ++row) {
    columns[0].values<double>()[row] = row;
    columns[1].values<Text>()[row] =
        kept->copy(R"({"id":)" + std::to_string(row) +
                   R"(,"user":{"name":"somebody","tags":["a","b","c"]},"price":12.50})");
  }
  const std::vector<ColumnView> views{columns[0].view(), columns[1].view()};
  auto evaluator = Evaluator::compile({expression}, types, {}).value();
  ArenaRef arena = Arena::create();
  tidewheel::Column target(expression.type);
  tidewheel::Column* const targets[] = {&target};
  Evaluated result;
  for (auto _ : state) {
    arena.recycle();
    const Status status = evaluator->run(views, 0, kRows, targets, *arena, {&result, 1});
    if (!status.ok()) { return state.SkipWithError(status.message().c_str()); }
    benchmark::DoNotOptimize(result.view.values);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

Bound call(const FunctionRef& function, std::vector<Bound> arguments) {
  std::vector<Argument> given;
  for (const Bound& argument : arguments) {
    given.push_back({argument.type, argument.is_literal() ? &argument.literal : nullptr});
  }
  const Resolved resolved = FunctionRegistry::resolve(function, given).value();
  Bound made;
  made.kind = Bound::Kind::kCall;
  made.function = resolved.function;
  made.type = resolved.result;
  made.arguments = std::move(arguments);
  return made;
}

Bound users(const std::string& name) {
  static const UserFunctionsRef functions = [] {
    auto library = std::make_shared<FunctionLibrary>();
    library->function("plain", [](double x) noexcept { return x * 2 + 1; });
    library->function("careful", [](double x) { return x * 2 + 1; });
    library->function("length", [](std::string_view x) { return static_cast<int64_t>(x.size()); });
    library->function("copied", [](std::string_view x) { return std::string(x.substr(0, 30)); });
    return UserFunctions::of(library).value();
  }();
  const bool of_text = name == "length" || name == "copied";
  return call(functions->find(name).value().scalar,
              {of_text ? Bound::of_column(1, LogicalType::string())
                       : Bound::of_column(0, LogicalType::of(TypeKind::kDouble))});
}
void user_plain(benchmark::State& state) { evaluate(state, users("plain")); }
BENCHMARK(user_plain);
void user_careful(benchmark::State& state) { evaluate(state, users("careful")); }
BENCHMARK(user_careful);
void user_text(benchmark::State& state) { evaluate(state, users("length")); }
BENCHMARK(user_text);
void user_copied(benchmark::State& state) { evaluate(state, users("copied")); }
BENCHMARK(user_copied);

Bound word(const std::string& text) {
  const auto size = static_cast<int32_t>(text.size());
  return Bound::of_literal({text}, LogicalType::with(TypeKind::kChar, size, 0, false));
}
Bound json_value(const std::string& path) {
  const Bound nothing = Bound::of_literal({}, LogicalType::string());
  return call(builtin_functions().find("JSON_VALUE"),
              {Bound::of_column(1, LogicalType::string()), word(path), word("NULL"), nothing,
               word("NULL"), nothing, nothing});
}
void json_value_member(benchmark::State& state) { evaluate(state, json_value("$.user.name")); }
BENCHMARK(json_value_member);
void json_value_element(benchmark::State& state) {
  evaluate(state, json_value("lax $.user.tags[2]"));
}
BENCHMARK(json_value_element);

}  // namespace
}  // namespace tidewheel::sql
