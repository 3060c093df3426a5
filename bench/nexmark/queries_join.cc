// Queries that join kinds of events by key, for all time: q3, q4, q9, q20. The source gives the
// kinds in one stream, in the order of events; a bid may still come before its auction.
#include <variant>

#include "bench/nexmark/query_sink.h"
#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::bench {
namespace {

// ---- q3 ----

struct Q3Person {
  int64_t id;
  Text name, city, state;
};
struct Q3Auction {
  int64_t id, seller, category;
};
using Q3Event = std::variant<Q3Person, Q3Auction>;
struct Q3Row {
  Text name, city, state;
  int64_t id;
};
struct Q3Join {
  using output = Q3Row;
  struct Seller {
    Text name, city, state;
  };
  Value<Seller> seller{"seller"};
  List<int64_t> auctions{"auctions"};

  void on_element(const Q3Event& event, auto& ctx) {
    if (const auto* person = std::get_if<Q3Person>(&event)) {
      seller = Seller{person->name, person->city, person->state};
      for (const int64_t id : auctions.items()) {
        ctx.emit({person->name, person->city, person->state, id});
      }
      return;
    }
    const auto& auction = std::get<Q3Auction>(event);
    auctions.add(auction.id);
    if (seller) { ctx.emit({seller->name, seller->city, seller->state, auction.id}); }
  }
};

// The key of a stream of auctions and their bids.
template <class Auction, class Bid>
int64_t auction_of(const std::variant<Auction, Bid>& event) {
  const auto* bid = std::get_if<Bid>(&event);
  return bid != nullptr ? bid->auction : std::get<Auction>(event).id;
}

// ---- q4 ----

struct AuctionTimes {
  int64_t id;
  Timestamp date_time, expires;
  int64_t category;
};
struct BidPrice {
  int64_t auction, price;
  Timestamp date_time;
};
using Q4Event = std::variant<AuctionTimes, BidPrice>;
// By how much an auction's winning price changes the sum of its category, and its count.
struct WinnerChange {
  int64_t category, price, count;
};
struct Q4Row {
  int64_t category, average;
};
struct WinningPrice {
  using output = WinnerChange;
  struct Auction {
    Timestamp from, to;
    int64_t category = 0;
    int64_t best = -1;
  };
  struct Early {
    int64_t price;
    Timestamp at;
  };
  Value<Auction> auction{"auction"};
  List<Early> early{"early bids"};

  static bool wins(const Auction& state, int64_t price, Timestamp at) {
    return at >= state.from && at <= state.to && price > state.best;
  }
  static WinnerChange change(const Auction& state, int64_t price) {
    const bool is_first = state.best < 0;
    return {state.category, is_first ? price : price - state.best, is_first ? 1 : 0};
  }
  void on_element(const Q4Event& event, auto& ctx) {
    if (const auto* bid = std::get_if<BidPrice>(&event)) {
      const Auction* state = auction.find();
      if (state == nullptr) {
        early.add({bid->price, bid->date_time});
      } else if (wins(*state, bid->price, bid->date_time)) {
        ctx.emit(change(*state, bid->price));
        auction.update([&](Auction& changed) { changed.best = bid->price; });
      }
      return;
    }
    const auto& opened = std::get<AuctionTimes>(event);
    Auction state{opened.date_time, opened.expires, opened.category, -1};
    for (const Early& bid : early.items()) {
      if (wins(state, bid.price, bid.at)) {
        ctx.emit(change(state, bid.price));
        state.best = bid.price;
      }
    }
    early.clear();
    auction = state;
  }
};

// ---- q9 and q20 ----

struct FullAuction {
  int64_t id;
  Text item_name, description;
  int64_t initial_bid, reserve;
  Timestamp date_time, expires;
  int64_t seller, category;
  Text extra;
};
struct Q9Bid {
  int64_t auction, bidder, price;
  Timestamp date_time;
  Text extra;
};
using Q9Event = std::variant<FullAuction, Q9Bid>;
struct Q9Row {
  int64_t id;
  Text item_name, description;
  int64_t initial_bid, reserve;
  Timestamp date_time, expires;
  int64_t seller, category;
  Text extra;
  int64_t auction, bidder, price;
  Timestamp bid_time;
  Text bid_extra;
};
struct WinningBid {
  using output = Q9Row;
  struct Best {
    Timestamp from, to;
    int64_t price = -1;
    Timestamp at;
  };
  Value<Best> best{"best"};
  Value<FullAuction> auction{"auction"};
  List<Q9Bid> early{"early bids"};

  // Of equal prices the earlier bid wins.
  static bool wins(const Best& state, const Q9Bid& bid) {
    return bid.date_time >= state.from && bid.date_time <= state.to &&
           (bid.price > state.price || (bid.price == state.price && bid.date_time < state.at));
  }
  static void emit(const FullAuction& a, const Q9Bid& b, auto& ctx) {
    ctx.emit({a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires,
              a.seller, a.category, a.extra, b.auction, b.bidder, b.price, b.date_time, b.extra});
  }
  void on_element(const Q9Event& event, auto& ctx) {
    if (const auto* bid = std::get_if<Q9Bid>(&event)) {
      const Best* state = best.find();
      if (state == nullptr) {
        early.add(*bid);
      } else if (wins(*state, *bid)) {
        best.update([&](Best& changed) {
          changed.price = bid->price;
          changed.at = bid->date_time;
        });
        emit(*auction, *bid, ctx);
      }
      return;
    }
    const auto& opened = std::get<FullAuction>(event);
    Best state{opened.date_time, opened.expires, -1, {}};
    for (const Q9Bid& bid : early.items()) {
      if (wins(state, bid)) {
        state.price = bid.price;
        state.at = bid.date_time;
        emit(opened, bid, ctx);
      }
    }
    early.clear();
    best = state;
    auction = opened;
  }
};

struct Q20Bid {
  int64_t auction, bidder, price;
  Text channel, url;
  Timestamp date_time;
  Text extra;
};
using Q20Event = std::variant<FullAuction, Q20Bid>;
struct Q20Row {
  int64_t auction, bidder, price;
  Text channel, url;
  Timestamp bid_time;
  Text bid_extra;
  Text item_name, description;
  int64_t initial_bid, reserve;
  Timestamp date_time, expires;
  int64_t seller, category;
  Text extra;
};
struct ExpandBid {
  using output = Q20Row;
  Value<bool> known{"known"};
  Value<FullAuction> auction{"auction"};
  List<Q20Bid> early{"early bids"};

  static void emit(const Q20Bid& b, const FullAuction& a, auto& ctx) {
    ctx.emit({b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra, a.item_name,
              a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category,
              a.extra});
  }
  void on_element(const Q20Event& event, auto& ctx) {
    if (const auto* bid = std::get_if<Q20Bid>(&event)) {
      if (const FullAuction* found = auction.find()) {
        emit(*bid, *found, ctx);
      } else if (!known) {
        early.add(*bid);
      }
      return;
    }
    const auto& opened = std::get<FullAuction>(event);
    known = true;
    if (opened.category == 10) {
      for (const Q20Bid& bid : early.items()) { emit(bid, opened, ctx); }
      auction = opened;
    }
    early.clear();
  }
};

}  // namespace

void build_q3(QueryRun& run) {
  auto events =
      run.env.from("events", nexmark::events<Q3Person, Q3Auction, nexmark::None>(run.options))
          .uid("source");
  auto rows =
      events
          .filter([](const Q3Event& event) {
            if (const auto* person = std::get_if<Q3Person>(&event)) {
              return person->state == "OR" || person->state == "ID" || person->state == "CA";
            }
            return std::get<Q3Auction>(event).category == 10;
          })
          .key_by([](const Q3Event& event) {
            const auto* person = std::get_if<Q3Person>(&event);
            return person != nullptr ? person->id : std::get<Q3Auction>(event).seller;
          })
          .process(Q3Join{});
  rows.name("join").uid("q3-join");
  sink_rows(run, rows);
}

void build_q4(QueryRun& run) {
  struct Sum {
    int64_t price = 0, count = 0;
  };
  auto events =
      run.env.from("events", nexmark::events<nexmark::None, AuctionTimes, BidPrice>(run.options))
          .uid("source");
  auto changes = events.key_by(auction_of<AuctionTimes, BidPrice>).process(WinningPrice{});
  changes.name("winning price").uid("q4-winner");
  auto averages = changes.key_by(&WinnerChange::category)
                      .running(Sum{},
                               [](Sum& sum, const WinnerChange& change) {
                                 sum.price += change.price;
                                 sum.count += change.count;
                               })
                      .uid("q4-average")
                      .map([](const std::pair<int64_t, Sum>& row) {
                        return Q4Row{row.first, row.second.price / row.second.count};
                      });
  sink_changes<0>(run, averages);
}

void build_q9(QueryRun& run) {
  auto events =
      run.env.from("events", nexmark::events<nexmark::None, FullAuction, Q9Bid>(run.options))
          .uid("source");
  auto rows = events.key_by(auction_of<FullAuction, Q9Bid>).process(WinningBid{});
  rows.name("winning bid").uid("q9-winner");
  sink_changes<0>(run, rows);
}

void build_q20(QueryRun& run) {
  auto events =
      run.env.from("events", nexmark::events<nexmark::None, FullAuction, Q20Bid>(run.options))
          .uid("source");
  auto rows = events.key_by(auction_of<FullAuction, Q20Bid>).process(ExpandBid{});
  rows.name("expand").uid("q20-expand");
  sink_rows(run, rows);
}

}  // namespace tidewheel::bench
