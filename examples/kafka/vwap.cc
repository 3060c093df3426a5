// Prices of trades from a Kafka topic, weighted by volume, every ten seconds. With a broker:
//
//   ./vwap --job make-trades --brokers localhost:9092       writes some trades to the topic
//   "trades"
//   ./vwap --job vwap --brokers localhost:9092              reads them, and goes on with what comes
//   ./vwap --job vwap --brokers localhost:9092 --once true  reads what is there, and ends
//
// The topics "trades", and "trades-dead" for records that can't be read, have to be there.
#include <tidewheel/connectors/kafka/kafka.h>
#include <tidewheel/tidewheel.h>

namespace tw = tidewheel;
using namespace std::chrono_literals;

namespace {

struct Trade {
  std::string symbol;
  int64_t cents = 0;
  int64_t quantity = 0;
  tw::Timestamp at;
};
struct Vwap {
  std::string symbol;
  tw::Timestamp until;
  double cents = 0;
  int64_t trades = 0;
};
struct Sums {
  int64_t cents = 0;
  int64_t quantity = 0;
  int64_t trades = 0;
};

Trade make_trade(int64_t index) {
  constexpr const char* kSymbols[] = {"ABB", "BASF", "CATL", "DHL"};
  return {kSymbols[index * 7 % 11 % 4], 9'000 + index * 37 % 2'000, 1 + index * 13 % 100,
          tw::Timestamp(index * 250)};
}

void make_trades(tw::Env& env) {
  const auto brokers = env.args().get("brokers", "localhost:9092");
  const auto count = env.args().get<int64_t>("trades", 1'000);
  env.generate(make_trade, tw::GeneratorOptions{.count = count})
      .to(tw::kafka::sink({.brokers = brokers, .topic = "trades"}, tw::json()))
      .name("trades");
}

void compute_vwap(tw::Env& env) {
  const auto brokers = env.args().get("brokers", "localhost:9092");
  tw::kafka::SourceOptions options{.brokers = brokers, .topics = {"trades"}, .group = "vwap"};
  options.start = tw::kafka::Start::earliest();
  if (env.args().get<bool>("once", false)) { options.stop = tw::kafka::Stop::latest(); }
  options.bad_records = tw::kafka::BadRecords::dead_letter("trades-dead");

  env.from("trades", tw::kafka::source<Trade>(options, tw::json()))
      .event_time(&Trade::at, tw::bounded_lateness(2s).idle_after(10s))
      .uid("trades")
      .key_by(&Trade::symbol)
      .window(tw::tumbling(10s))
      .aggregate(tw::aggregator{
          .init = [] { return Sums{}; },
          .add =
              [](Sums& sums, const Trade& trade) {
                sums.cents += trade.cents * trade.quantity;
                sums.quantity += trade.quantity;
                ++sums.trades;
              },
          .merge =
              [](Sums& sums, const Sums& other) {
                sums.cents += other.cents;
                sums.quantity += other.quantity;
                sums.trades += other.trades;
              },
          .result =
              [](const std::string& symbol, const tw::TimeWindow& window, const Sums& sums) {
                return Vwap{symbol, tw::Timestamp(window.end),
                            static_cast<double>(sums.cents) / static_cast<double>(sums.quantity),
                            sums.trades};
              }})
      .name("vwap")
      .uid("vwap")
      .print();
}

const tw::Job kMakeTrades{"make-trades", make_trades};
const tw::Job kVwap{"vwap", compute_vwap};

}  // namespace
