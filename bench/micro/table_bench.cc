// Rows into columns: the Nexmark table, and formats of tables, beside formats_bench.cc.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/connectors/nexmark/columns.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/formats/json/table.h"

namespace tidewheel {
namespace {

constexpr uint32_t kBatchRows = 1024;
constexpr int64_t kLines = 20'000;

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }

// Bids with the fields of this mask, in batches that are used again.
void table_bids(benchmark::State& state, std::vector<uint32_t> fields) {
  nexmark::EventLayout layout;
  layout.wanted = {false, false, true};
  for (const uint32_t field : fields) {
    const bool is_text = field == 3 || field == 4 || field == 6;
    nexmark::EventColumn column;
    column.type = is_text      ? LogicalType::string()
                  : field == 5 ? of(TypeKind::kTimestamp, 3)
                               : of(TypeKind::kBigint);
    column.fields = {field};
    layout.columns.push_back(std::move(column));
  }
  const nexmark::Generator generator({.events = 0, .rate = 10'000});
  const nexmark::ColumnWriter writer(std::move(layout));
  const auto pool = BatchPool::create_for<ColumnRow>(kBatchRows, nullptr);
  nexmark::Place place = generator.place_of(0);
  int64_t rows = 0;
  for (auto _ : state) {
    auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
    writer.write(generator, place, INT64_MAX / 2, kBatchRows, *batch);
    batch->seal();
    benchmark::DoNotOptimize(batch->views().data());
    rows += batch->size();
    batch->release();
  }
  state.SetItemsProcessed(rows);
}
void table_bid_numbers(benchmark::State& state) { table_bids(state, {0, 1, 2, 5}); }
BENCHMARK(table_bid_numbers);
void table_bid_all(benchmark::State& state) { table_bids(state, {0, 1, 2, 3, 4, 5, 6}); }
BENCHMARK(table_bid_all);

RowType bid_type() {
  RowType type;
  for (const char* name : {"auction", "bidder", "price"}) { type.add(name, of(TypeKind::kBigint)); }
  type.add("channel", LogicalType::string());
  type.add("url", LogicalType::string());
  type.add("dateTime", of(TypeKind::kTimestamp, 3));
  type.add("extra", LogicalType::string());
  return type;
}

// Columns of the same bids as those of formats_bench.cc.
void fill_bids(ColumnBatch& batch, std::vector<std::string>& texts) {
  const auto room = static_cast<uint32_t>(kLines);
  batch.set_types(bid_type().types);
  batch.ensure_room(room);
  texts.resize(room);
  for (uint32_t i = 0; i < room; ++i) {
    batch.column(0).values<int64_t>()[i] = 1000 + i % 977;
    batch.column(1).values<int64_t>()[i] = 2000 + i % 1013;
    batch.column(2).values<int64_t>()[i] = 100 + (int64_t{i} * 7919) % 10'000'000;
    batch.column(3).values<Text>()[i] = i % 2 == 0 ? Text("Google") : Text("channel-4711");
    batch.column(4).values<Text>()[i] =
        "https://www.nexmark.com/abcd/ef_g/hij/item.htm?query=1&channel_id=379584512";
    batch.column(5).values<int64_t>()[i] = 1'795'183'471'000 + i;
    texts[i] = "abdjosVQJotcwxljswqvbKWQmfvpgmXYNYOIKSXTXTUTKYJJXQWU" + std::to_string(i);
    batch.column(6).values<Text>()[i] = texts[i];
  }
  batch.set_size(room);
  batch.seal();
}

std::string encoded(const TableFormat& format, TableOptions& options) {
  const auto pool = BatchPool::create_for<ColumnRow>(kBatchRows, nullptr);
  auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
  std::vector<std::string> texts;
  fill_bids(*batch, texts);
  const auto encoder = format.encoder(bid_type(), {0, 1, 2, 3, 4, 5, 6}, options).value()();
  std::string lines;
  for (uint32_t i = 0; i < batch->size(); ++i) {
    if (!encoder->encode(*batch, i, lines).ok()) { return {}; }
    lines += '\n';
  }
  batch->release();
  return lines;
}

void read_table(benchmark::State& state, const TableFormat& format, std::vector<size_t> fields) {
  TableDefinition table;
  TableOptions options(table, format.options());
  const std::string lines = encoded(format, options);
  DecodedRow row{bid_type(), {}};
  std::vector<LogicalType> types;
  for (const size_t field : fields) {
    row.wanted.push_back({field, types.size()});
    types.push_back(row.message.types[field]);
  }
  const MakeDecoder make_decoder = format.decoder(row, options).value();
  const auto pool = BatchPool::create_for<ColumnRow>(kBatchRows, nullptr);
  for (auto _ : state) {
    const auto decoder = make_decoder();
    std::string_view rest = lines;
    auto next = RowDecoder::Next::kFull;
    while (next == RowDecoder::Next::kFull) {
      auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
      batch->set_types(types);
      size_t taken = 0;
      next = decoder->read(rest, true, taken, *batch, kBatchRows);
      rest.remove_prefix(taken);
      benchmark::DoNotOptimize(batch->size());
      batch->release();
    }
    if (next != RowDecoder::Next::kEnd) {
      state.SkipWithError(decoder->status().message().c_str());
    }
  }
  state.SetItemsProcessed(state.iterations() * kLines);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(lines.size()));
}

void table_json_read_bid(benchmark::State& state) {
  read_table(state, *json_table_format(), {0, 1, 2, 3, 4, 5, 6});
}
BENCHMARK(table_json_read_bid);
void table_json_read_bid_numbers(benchmark::State& state) {
  read_table(state, *json_table_format(), {0, 1, 2, 5});
}
BENCHMARK(table_json_read_bid_numbers);
void table_csv_read_bid(benchmark::State& state) {
  read_table(state, *csv_table_format(), {0, 1, 2, 3, 4, 5, 6});
}
BENCHMARK(table_csv_read_bid);
void table_csv_read_bid_numbers(benchmark::State& state) {
  read_table(state, *csv_table_format(), {0, 1, 2, 5});
}
BENCHMARK(table_csv_read_bid_numbers);

void write_table(benchmark::State& state, const TableFormat& format) {
  TableDefinition table;
  TableOptions options(table, format.options());
  const auto pool = BatchPool::create_for<ColumnRow>(kBatchRows, nullptr);
  auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
  std::vector<std::string> texts;
  fill_bids(*batch, texts);
  const auto encoder = format.encoder(bid_type(), {0, 1, 2, 3, 4, 5, 6}, options).value()();
  std::string out;
  int64_t bytes = 0;
  uint32_t row = 0;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(encoder->encode(*batch, row, out));
    row = (row + 1) % batch->size();
    bytes += std::ssize(out);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
  batch->release();
}
void table_json_write_bid(benchmark::State& state) { write_table(state, *json_table_format()); }
BENCHMARK(table_json_write_bid);
void table_csv_write_bid(benchmark::State& state) { write_table(state, *csv_table_format()); }
BENCHMARK(table_csv_write_bid);

}  // namespace
}  // namespace tidewheel
