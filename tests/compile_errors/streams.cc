// Pipelines that are put together wrongly.
#include <string>

#include "tidewheel/api/connected.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"

using namespace tidewheel;

struct Trade {
  std::string symbol;
  int64_t cents;
  Timestamp at;
};
struct Vwap {
  std::string symbol;
  double price;
};
struct VwapSink {
  using input = Vwap;
  void write(const Vwap&) {}
};

// MISTAKE: map must return a Record (aggregate of supported fields, or specialise
// tidewheel::serde<T>)
auto mistake(Stream<Trade> trades) {
  return trades.map([](const Trade& trade) { return &trade; });
}

// MISTAKE: map needs a function of a row of this stream: To f(const T&)
auto mistake(Stream<Trade> trades) {
  return trades.map([](const Vwap& vwap) { return vwap.price; });
}

// MISTAKE: the sink does not take rows of this stream
auto mistake(Stream<Trade> trades) { return trades.to(VwapSink{}); }

// MISTAKE: event_time needs a member or function giving tw::Timestamp
auto mistake(Stream<Trade> trades) { return trades.event_time(&Trade::symbol, monotonous()); }

// MISTAKE: lambdas must be const: keep state in a process struct, where it is checkpointed
auto mistake(Stream<Trade> trades) {
  return trades.map([count = int64_t{0}](const Trade&) mutable { return ++count; });
}

// MISTAKE: filter needs a function that returns bool
auto mistake(Stream<Trade> trades) {
  return trades.filter([](const Trade& trade) { return trade.symbol; });
}

// MISTAKE: a key must be an integer, bool, double, enum, string
auto mistake(Stream<Trade> trades) {
  return trades.key_by([](const Trade& trade) { return std::vector<int>{int(trade.cents)}; });
}

// MISTAKE: a process struct says what it emits: using output = T;
struct NoOutput {
  void on_element(const Trade&, auto&) {}
};
auto mistake(Stream<Trade> trades) { return trades.key_by(&Trade::symbol).process(NoOutput{}); }

// MISTAKE: a process struct needs on_element(const T&, auto& ctx) for the rows of its stream
struct OtherRows {
  using output = int64_t;
  void on_element(const Vwap&, auto&) {}
};
auto mistake(Stream<Trade> trades) { return trades.key_by(&Trade::symbol).process(OtherRows{}); }

// MISTAKE: a process struct of two streams needs on_right(const B&, auto& ctx)
struct OneSide {
  using output = int64_t;
  void on_left(const Trade&, auto&) {}
};
auto mistake(Stream<Trade> trades, Stream<Vwap> vwaps) {
  return trades.key_by(&Trade::symbol).connect(vwaps.key_by(&Vwap::symbol)).process(OneSide{});
}
