// Windowed queries: q5, q7, q8, q11, q12.
#include <variant>
#include <vector>

#include "bench/nexmark/query_sink.h"
#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::bench {
namespace {

using namespace std::chrono_literals;

struct AuctionCount {
  int64_t auction, count;
};
// The rows with the largest count seen so far.
struct Hottest {
  int64_t count = 0;
  std::vector<int64_t> auctions;
};

struct Q7Bid {
  int64_t auction, price, bidder;
  Timestamp date_time;
  Text extra;
};
struct Highest {
  int64_t price = -1;
  std::vector<Q7Bid> bids;
};

struct Q8Person {
  int64_t id;
  Text name;
};
struct Q8Auction {
  int64_t seller;
};
using Q8Event = std::variant<Q8Person, Q8Auction>;
struct Q8Row {
  int64_t id;
  Text name;
  Timestamp window_start;
};
struct NewSeller {
  Text name;
  bool is_person = false;
  bool is_seller = false;
};

struct BidderOnly {
  int64_t bidder;
};
struct Q11Row {
  int64_t bidder, bid_count;
  Timestamp from, to;
};
struct Q12Total {
  int64_t bidder, bid_count;
};

}  // namespace

void build_q5(QueryRun& run) {
  struct In {
    int64_t auction;
  };
  using Count = WindowValue<int64_t, int64_t>;
  auto counts = run.env.from("bids", nexmark::bids<In>(run.options))
                    .uid("source")
                    .key_by(&In::auction)
                    .window(sliding(10s, 2s))
                    .count();
  counts.name("count").uid("q5-count");
  // The counts of a window carry its last millisecond as their time.
  auto hottest =
      counts.window_all(tumbling(2s))
          .aggregate(aggregator{
              .init = [] { return Hottest{}; },
              .add =
                  [](Hottest& best, const Count& row) {
                    if (row.value > best.count) {
                      best.count = row.value;
                      best.auctions.clear();
                    }
                    if (row.value == best.count) { best.auctions.push_back(row.key); }
                  },
              .merge =
                  [](Hottest& a, const Hottest& b) {
                    if (b.count > a.count) {
                      a = b;
                    } else if (b.count == a.count) {
                      a.auctions.insert(a.auctions.end(), b.auctions.begin(), b.auctions.end());
                    }
                  },
              .result = [](const TimeWindow&, const Hottest& best) { return best; }})
          .flat_map<AuctionCount>([](const Hottest& best, Out<AuctionCount>& out) {
            for (const int64_t auction : best.auctions) { out({auction, best.count}); }
          });
  sink_rows(run, hottest);
}

void build_q7(QueryRun& run) {
  auto highest = run.env.from("bids", nexmark::bids<Q7Bid>(run.options))
                     .uid("source")
                     .window_all(tumbling(10s))
                     .aggregate(aggregator{
                         .init = [] { return Highest{}; },
                         .add =
                             [](Highest& best, const Q7Bid& bid) {
                               if (bid.price < best.price) { return; }
                               if (bid.price > best.price) {
                                 best.price = bid.price;
                                 best.bids.clear();
                               }
                               best.bids.push_back(bid);
                             },
                         .merge =
                             [](Highest& a, const Highest& b) {
                               if (b.price > a.price) {
                                 a = b;
                               } else if (b.price == a.price) {
                                 a.bids.insert(a.bids.end(), b.bids.begin(), b.bids.end());
                               }
                             },
                         .result = [](const TimeWindow&, const Highest& best) { return best; }})
                     .flat_map<Q7Bid>([](const Highest& best, Out<Q7Bid>& out) {
                       for (const Q7Bid& bid : best.bids) { out(bid); }
                     });
  sink_rows(run, highest);
}

void build_q8(QueryRun& run) {
  auto rows =
      run.env.from("events", nexmark::events<Q8Person, Q8Auction, nexmark::None>(run.options))
          .uid("source")
          .key_by([](const Q8Event& event) {
            const auto* person = std::get_if<Q8Person>(&event);
            return person != nullptr ? person->id : std::get<Q8Auction>(event).seller;
          })
          .window(tumbling(10s))
          .aggregate(aggregator{
              .init = [] { return NewSeller{}; },
              .add =
                  [](NewSeller& seller, const Q8Event& event) {
                    if (const auto* person = std::get_if<Q8Person>(&event)) {
                      if (!seller.is_person) { seller.name = person->name; }
                      seller.is_person = true;
                    } else {
                      seller.is_seller = true;
                    }
                  },
              .merge =
                  [](NewSeller& a, const NewSeller& b) {
                    if (!a.is_person && b.is_person) { a.name = b.name; }
                    a.is_person |= b.is_person;
                    a.is_seller |= b.is_seller;
                  },
              .result =
                  [](const int64_t& id, const TimeWindow& window, const NewSeller& seller) {
                    return std::pair{Q8Row{id, seller.name, window.start},
                                     seller.is_person && seller.is_seller};
                  }})
          .filter([](const std::pair<Q8Row, bool>& row) { return row.second; })
          .map([](const std::pair<Q8Row, bool>& row) { return row.first; });
  sink_rows(run, rows);
}

void build_q11(QueryRun& run) {
  auto rows = run.env.from("bids", nexmark::bids<BidderOnly>(run.options))
                  .uid("source")
                  .key_by(&BidderOnly::bidder)
                  .window(session(10s))
                  .aggregate(aggregator{
                      .init = [] { return int64_t{0}; },
                      .add = [](int64_t& n, const BidderOnly&) { ++n; },
                      .merge = [](int64_t& a, const int64_t& b) { a += b; },
                      .result =
                          [](const int64_t& bidder, const TimeWindow& window, const int64_t& n) {
                            return Q11Row{bidder, n, window.start, window.end};
                          }});
  rows.name("sessions").uid("q11-sessions");
  sink_rows(run, rows);
}

void build_q12(QueryRun& run) {
  auto rows = run.env.from("bids", nexmark::bids<BidderOnly>(run.options))
                  .uid("source")
                  .key_by(&BidderOnly::bidder)
                  .window(processing_time(tumbling(10s)))
                  .aggregate(aggregator{
                      .init = [] { return int64_t{0}; },
                      .add = [](int64_t& n, const BidderOnly&) { ++n; },
                      .merge = [](int64_t& a, const int64_t& b) { a += b; },
                      .result =
                          [](const int64_t& bidder, const TimeWindow& window, const int64_t& n) {
                            return Q11Row{bidder, n, window.start, window.end};
                          }});
  rows.name("count").uid("q12-count");
  if (!run.check) {
    sink_rows(run, rows);
    return;
  }
  // How the bids fall into windows depends on the clock: the sum over all windows does not.
  auto totals = rows.key_by(&Q11Row::bidder)
                    .running(int64_t{0}, [](int64_t& n, const Q11Row& row) { n += row.bid_count; })
                    .map([](const std::pair<int64_t, int64_t>& row) {
                      return Q12Total{row.first, row.second};
                    });
  sink_changes<0>(run, totals);
}

}  // namespace tidewheel::bench
