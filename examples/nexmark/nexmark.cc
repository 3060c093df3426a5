// Three questions about an online auction, over the event source of the Nexmark benchmark. Choose
// one with
// --job currency, highest_bid or hot_items; --events N says how many events there are.
#include <tidewheel/connectors/nexmark/source.h>
#include <tidewheel/tidewheel.h>

namespace tw = tidewheel;
namespace nexmark = tidewheel::nexmark;
using namespace std::chrono_literals;

namespace {

// The fields of a bid that are wanted here, by name; no others are made.
struct Bid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
};
struct EuroBid {
  int64_t auction = 0;
  int64_t bidder = 0;
  double euros = 0;
};

tw::Stream<Bid> bids(tw::Env& env) {
  const nexmark::Options options{.events = env.args().get<int64_t>("events", 100'000),
                                 .rate = 10'000};
  return env.from("bids", nexmark::bids<Bid>(options)).uid("bids");
}

// Dollar cents to euros: no state, one row for each.
const tw::Job currency{
    "currency", [](tw::Env& env) {
      bids(env)
          .map([](const Bid& bid) {
            return EuroBid{bid.auction, bid.bidder, static_cast<double>(bid.price) * 0.00908};
          })
          .name("to euros")
          .print();
    }};

// The highest bid of every ten seconds.
const tw::Job highest_bid{
    "highest_bid", [](tw::Env& env) {
      bids(env).window_all(tw::tumbling(10s)).max_by(&Bid::price).uid("highest").print();
    }};

// The auction with most bids in the last ten seconds, every two seconds.
const tw::Job hot_items{
    "hot_items", [](tw::Env& env) {
      using Count = tw::WindowResult<int64_t, int64_t>;
      bids(env)
          .key_by(&Bid::auction)
          .window(tw::sliding(10s, 2s))
          .count()
          .name("bids per auction")
          .uid("bids-per-auction")
          // A window's results carry its last moment as their time, so that they meet again here.
          .window_all(tw::tumbling(2s))
          .max_by(&Count::value)
          .name("hottest")
          .uid("hottest")
          .print();
    }};

}  // namespace
