// What it costs a row to become columns, and to come back. Items per second are rows.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/bench_context.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/sql/typed_rows.h"

namespace tidewheel::sql {
namespace {

using bench::BenchContext;
using bench::Drop;

constexpr uint32_t kRows = 1024;
constexpr int64_t kBatches = 64;  // more than the second-level cache holds

// Keeps the last batch.
class Keep final : public ElementSink {
 public:
  bool offer(Element& element) override {
    if (element.kind == Element::Kind::kBatch) { last = std::move(element); }
    return true;
  }
  Element last;
};

struct Numbers {
  int64_t key = 0;
  int64_t value = 0;
  double price = 0;
  Timestamp at;
};
template <class S>
struct Words {
  int64_t key = 0;
  S name;
  S text;
  std::optional<int32_t> count;
};

template <class T>
T make_row(int64_t i) {
  if constexpr (std::is_same_v<T, Numbers>) {
    return {i, i * 3, 0.5, Timestamp(i)};
  } else {
    return {i, "name", "a text that is longer than a short string", static_cast<int32_t>(i)};
  }
}

template <class T>
std::vector<Element> batches_of(BatchPool& pool) {
  std::vector<Element> batches;
  for (int64_t i = 0; i < kBatches; ++i) {
    auto* const batch = static_cast<RowBatch<T>*>(pool.acquire());
    for (uint32_t j = 0; j < kRows; ++j) { batch->append(make_row<T>(i * kRows + j), 0); }
    batches.push_back(Element::rows(BatchRef::adopt(batch)));
  }
  return batches;
}

void drive(benchmark::State& state, Operator& op, const std::vector<Element>& batches) {
  Drop drop;
  BenchContext context;
  op.outputs()[0]->connect(drop);
  if (!op.open(context).ok()) { return state.SkipWithError("open"); }
  for (auto _ : state) {
    for (const Element& batch : batches) {
      uint32_t cursor = 0;
      static_cast<void>(op.on_rows(0, batch, cursor));
    }
  }
  state.SetItemsProcessed(state.iterations() * kBatches * kRows);
  op.close(false);
}

template <class T>
std::vector<size_t> all_fields() {
  std::vector<size_t> fields;
  for (size_t i = 0; i < kRowFields<T>; ++i) { fields.push_back(i); }
  return fields;
}

template <class T>
void rows_to_columns(benchmark::State& state) {
  const auto pool = BatchPool::create_for<T>(kRows, nullptr);
  const std::vector<Element> batches = batches_of<T>(*pool);
  RowsToColumns<T> op(all_fields<T>(), row_shape<T>().type.types, nullptr);
  drive(state, op, batches);
}
BENCHMARK(rows_to_columns<Numbers>);
BENCHMARK(rows_to_columns<Words<std::string>>);
BENCHMARK(rows_to_columns<Words<Text>>);

template <class T>
void columns_to_rows(benchmark::State& state) {
  const auto pool = BatchPool::create_for<T>(kRows, nullptr);
  std::vector<Element> columns;
  {
    const std::vector<Element> batches = batches_of<T>(*pool);
    RowsToColumns<T> make(all_fields<T>(), row_shape<T>().type.types, nullptr);
    Keep keep;
    BenchContext context;
    make.outputs()[0]->connect(keep);
    if (!make.open(context).ok()) { return state.SkipWithError("open"); }
    for (const Element& batch : batches) {
      uint32_t cursor = 0;
      static_cast<void>(make.on_rows(0, batch, cursor));
      columns.push_back(keep.last);
    }
    keep.last = {};
    make.close(false);
  }
  ColumnsToRows<T> op({}, row_shape<T>().type.names, nullptr);
  drive(state, op, columns);
}
BENCHMARK(columns_to_rows<Numbers>);
BENCHMARK(columns_to_rows<Words<std::string>>);
BENCHMARK(columns_to_rows<Words<Text>>);

}  // namespace
}  // namespace tidewheel::sql
