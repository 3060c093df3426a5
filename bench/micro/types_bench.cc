// Values, piece by piece: serializers, Text kept in state, printing, CSV.
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <string_view>

#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/serde.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {
namespace {

struct Fixed {
  int64_t auction = 1;
  int64_t bidder = 2;
  int64_t price = 3;
  Timestamp at;
};
struct Bid {
  int64_t auction = 1;
  int64_t bidder = 2;
  int64_t price = 3;
  Text channel = "channel-4711";
  Text url = "https://www.nexmark.com/abc/def/ghi/item.htm?query=1&channel_id=4711";
  Timestamp at;
};
struct Row {
  int32_t year = 2013;
  std::optional<double> delay = -3.5;
  Text carrier = "UA";
  std::optional<Text> tail = "N14228";
  Timestamp at = Timestamp(1357034400000);
};

template <class T>
void encode_one(benchmark::State& state) {
  const T value;
  Writer writer;
  for (auto _ : state) {
    writer.clear();
    encode(writer, value);
    benchmark::DoNotOptimize(writer.view().data());
  }
  state.SetItemsProcessed(state.iterations());
}
template <class T>
void decode_one(benchmark::State& state) {
  const std::string bytes = encode_to_string(T());
  for (auto _ : state) {
    Reader reader(bytes);
    T value;
    decode(reader, value);
    benchmark::DoNotOptimize(value);
  }
  state.SetItemsProcessed(state.iterations());
}
void BM_encode_fixed(benchmark::State& state) { encode_one<Fixed>(state); }
void BM_encode_bid(benchmark::State& state) { encode_one<Bid>(state); }
void BM_decode_fixed(benchmark::State& state) { decode_one<Fixed>(state); }
void BM_decode_bid(benchmark::State& state) { decode_one<Bid>(state); }
BENCHMARK(BM_encode_fixed);
BENCHMARK(BM_encode_bid);
BENCHMARK(BM_decode_fixed);
BENCHMARK(BM_decode_bid);

// A bid kept in state in place of another one.
void BM_store_bid(benchmark::State& state) {
  TextHeap heap;
  Stored<Bid> stored;
  const Bid bid;
  for (auto _ : state) {
    stored.store(bid, heap);
    benchmark::DoNotOptimize(stored.value);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_store_bid);

void BM_print_bid(benchmark::State& state) {
  std::string out;
  const Bid bid;
  for (auto _ : state) {
    out.clear();
    print_delimited_to(out, bid);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_print_bid);

std::string csv_text(int rows) {
  const auto writer = csv::Writer<Row>::open({.header = false});
  std::string text;
  for (int i = 0; i < rows; ++i) { writer->append_row(text, Row{.year = i}); }
  return text;
}

void BM_csv_read(benchmark::State& state) {
  constexpr int kRows = 1000;
  const std::string text = csv_text(kRows);
  const ArenaRef arena = Arena::create();
  for (auto _ : state) {
    auto reader = csv::Reader<Row>::open({.header = false}, "bench");
    std::string_view bytes = text;
    size_t taken = 0;
    Row row;
    while (reader->next(bytes, /*ended=*/true, taken, row, arena.get()) == csv::Next::kRow) {
      bytes.remove_prefix(taken);
      benchmark::DoNotOptimize(row);
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_csv_read);

void BM_csv_write(benchmark::State& state) {
  const auto writer = csv::Writer<Row>::open({.header = false});
  const Row row;
  std::string out;
  for (auto _ : state) {
    out.clear();
    writer->append_row(out, row);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_csv_write);

}  // namespace
}  // namespace tidewheel
