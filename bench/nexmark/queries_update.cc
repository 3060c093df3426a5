// Queries whose result is updated with every bid: q18, q19.
#include <algorithm>
#include <array>

#include "bench/nexmark/query_sink.h"
#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::bench {
namespace {

struct Q18Row {
  int64_t auction, bidder, price;
  Text channel, url;
  Timestamp date_time;
  Text extra;
};
struct LastBid {
  using output = Q18Row;
  Value<Q18Row> last{"last bid"};

  // Of two bids at the same time the later row counts.
  void on_element(const Q18Row& bid, auto& ctx) {
    const Q18Row* before = last.find();
    if (before != nullptr && bid.date_time < before->date_time) { return; }
    last = bid;
    ctx.emit(bid);
  }
};

struct Q19Row {
  int64_t auction, bidder, price;
  Text channel, url;
  Timestamp date_time;
  Text extra;
  int64_t rank;
};
struct TopTen {
  using output = Q19Row;
  static constexpr uint32_t kTop = 10;
  // Prices in falling order; `place` says where the bid of that rank is.
  struct Ranks {
    std::array<int64_t, kTop> price{};
    std::array<uint32_t, kTop> place{};
    uint32_t count = 0;
  };
  Value<Ranks> ranks{"ranks"};
  Map<uint32_t, Q18Row> bids{"bids"};

  void on_element(const Q18Row& bid, auto& ctx) {
    const Ranks* known = ranks.find();
    if (known != nullptr && known->count == kTop && !beats(bid, *known, kTop - 1)) { return; }
    ranks.update([&](Ranks& top) {
      const uint32_t place = top.count == kTop ? top.place[--top.count] : top.count;
      uint32_t at = top.count++;
      for (; at > 0 && beats(bid, top, at - 1); --at) {
        top.price[at] = top.price[at - 1];
        top.place[at] = top.place[at - 1];
      }
      top.price[at] = bid.price;
      top.place[at] = place;
      bids.put(place, bid);
      emit_from(top, at, ctx);
    });
  }
  // Of equal prices the earlier bid is better; the streams of several sources meet in any order.
  bool beats(const Q18Row& bid, const Ranks& top, uint32_t at) const {
    if (bid.price != top.price[at]) { return bid.price > top.price[at]; }
    return bid.date_time < bids.find(top.place[at])->date_time;
  }
  // All ranks from `at` on have changed.
  void emit_from(const Ranks& top, uint32_t at, auto& ctx) const {
    for (; at < top.count; ++at) {
      const Q18Row& row = *bids.find(top.place[at]);
      ctx.emit({row.auction, row.bidder, row.price, row.channel, row.url, row.date_time, row.extra,
                int64_t{at} + 1});
    }
  }
};

}  // namespace

void build_q18(QueryRun& run) {
  auto rows = run.env.from("bids", nexmark::bids<Q18Row>(run.options))
                  .uid("source")
                  .key_by([](const Q18Row& bid) {
                    return std::pair{bid.auction, bid.bidder};
                  })
                  .process(LastBid{});
  rows.name("last bid").uid("q18-last");
  sink_changes<0, 1>(run, rows);
}

void build_q19(QueryRun& run) {
  auto rows = run.env.from("bids", nexmark::bids<Q18Row>(run.options))
                  .uid("source")
                  .key_by(&Q18Row::auction)
                  .process(TopTen{});
  rows.name("top ten").uid("q19-top");
  sink_changes<0, 7>(run, rows);
}

}  // namespace tidewheel::bench
