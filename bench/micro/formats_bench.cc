// Formats of rows: Nexmark bids read into structs and written, in JSON and CSV, one a line.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"
#include "tidewheel/formats/json/json.h"

namespace tidewheel {
namespace {

struct Bid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  LocalTimestamp dateTime;
  Text extra;
};
struct BidNumbers {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  LocalTimestamp dateTime;
};
// As Nexmark's generator of JSON has them: one of the three is there.
struct NoEvent {};
struct Event {
  int32_t event_type = 0;
  std::optional<NoEvent> person;
  std::optional<NoEvent> auction;
  std::optional<Bid> bid;
};

Bid make_bid(int64_t i, std::string& text) {
  Bid bid;
  bid.auction = 1000 + i % 977;
  bid.bidder = 2000 + i % 1013;
  bid.price = 100 + (i * 7919) % 10'000'000;
  bid.channel = i % 2 == 0 ? "Google" : "channel-4711";
  bid.url = "https://www.nexmark.com/abcd/ef_g/hij/item.htm?query=1&channel_id=379584512";
  bid.dateTime = LocalTimestamp(1'795'183'471'000 + i);
  text = "abdjosVQJotcwxljswqvbKWQmfvpgmXYNYOIKSXTXTUTKYJJXQWU" + std::to_string(i);
  bid.extra = text;
  return bid;
}

constexpr int64_t kRows = 20'000;

template <class T, class Make>
std::string make_lines(Make make) {
  std::string lines;
  std::string text;
  const auto writer = JsonWriter::open({}).value();
  for (int64_t i = 0; i < kRows; ++i) { writer.append_row(lines, make(i, text)); }
  return lines;
}

template <class T>
void read_lines(benchmark::State& state, const std::string& lines) {
  for (auto _ : state) {
    auto reader = JsonReader<T>::open({}, "bench").value();
    const ArenaRef arena = Arena::create();
    std::string_view rest = lines;
    T row;
    size_t taken = 0;
    while (reader.next(rest, true, taken, row, arena.get()) == JsonNext::kRow) {
      benchmark::DoNotOptimize(row);
      rest.remove_prefix(taken);
    }
    if (!reader.status().ok()) { state.SkipWithError(reader.status().message().c_str()); }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(lines.size()));
}

void json_read_bid(benchmark::State& state) { read_lines<Bid>(state, make_lines<Bid>(make_bid)); }
BENCHMARK(json_read_bid);

// What no field asks for is passed over.
void json_read_bid_numbers(benchmark::State& state) {
  read_lines<BidNumbers>(state, make_lines<Bid>(make_bid));
}
BENCHMARK(json_read_bid_numbers);

void json_read_short_bid(benchmark::State& state) {
  read_lines<BidNumbers>(state, make_lines<BidNumbers>([](int64_t i, std::string& text) {
                           const Bid bid = make_bid(i, text);
                           return BidNumbers{bid.auction, bid.bidder, bid.price, bid.dateTime};
                         }));
}
BENCHMARK(json_read_short_bid);

void json_read_event(benchmark::State& state) {
  read_lines<Event>(state, make_lines<Event>([](int64_t i, std::string& text) {
                      return Event{2, {}, {}, make_bid(i, text)};
                    }));
}
BENCHMARK(json_read_event);

template <class Writer>
void write_bids(benchmark::State& state, const Writer& writer) {
  std::string text;
  const Bid bid = make_bid(7, text);
  std::string out;
  int64_t bytes = 0;
  for (auto _ : state) {
    out.clear();
    writer.append_row(out, bid);
    benchmark::DoNotOptimize(out.data());
    bytes += std::ssize(out);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
}

void json_write_bid(benchmark::State& state) { write_bids(state, JsonWriter::open({}).value()); }
BENCHMARK(json_write_bid);

void csv_write_bid(benchmark::State& state) {
  write_bids(state, csv::Writer<Bid>::open({}).value());
}
BENCHMARK(csv_write_bid);

void csv_read_bid(benchmark::State& state) {
  std::string lines;
  std::string text;
  const csv::Options options{.header = false};
  const auto writer = csv::Writer<Bid>::open(options).value();
  for (int64_t i = 0; i < kRows; ++i) { writer.append_row(lines, make_bid(i, text)); }
  for (auto _ : state) {
    auto reader = csv::Reader<Bid>::open(options, "bench").value();
    const ArenaRef arena = Arena::create();
    std::string_view rest = lines;
    Bid row;
    size_t taken = 0;
    while (reader.next(rest, true, taken, row, arena.get()) == csv::Next::kRow) {
      benchmark::DoNotOptimize(row);
      rest.remove_prefix(taken);
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(lines.size()));
}
BENCHMARK(csv_read_bid);

}  // namespace
}  // namespace tidewheel
