// Queries that keep one value a key and give it out each time that it changes: q17.
#include <algorithm>
#include <array>

#include "bench/nexmark/query_sink.h"
#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::bench {
namespace {

// The classes of price that the queries count: below 10,000, below 1,000,000, above.
int price_class(int64_t price) { return (price >= 10'000 ? 1 : 0) + (price >= 1'000'000 ? 1 : 0); }

struct Q17Bid {
  int64_t auction, price;
  Timestamp date_time;
};
struct AuctionDay {
  int64_t auction;
  int64_t day;
  friend bool operator==(const AuctionDay&, const AuctionDay&) = default;
};
struct DayStatistics {
  int64_t bids = 0;
  std::array<int64_t, 3> by_class{};
  int64_t lowest = INT64_MAX;
  int64_t highest = 0;
  int64_t sum = 0;
};
struct Q17Row {
  int64_t auction;
  Date day;
  int64_t bids, bids_low, bids_middle, bids_high, lowest, highest, average, sum;
};

}  // namespace

void build_q17(QueryRun& run) {
  auto rows = run.env.from("bids", nexmark::bids<Q17Bid>(run.options))
                  .uid("source")
                  .key_by([](const Q17Bid& bid) {
                    return AuctionDay{bid.auction, bid.date_time.ms() / 86'400'000};
                  })
                  .running(DayStatistics{},
                           [](DayStatistics& day, const Q17Bid& bid) {
                             ++day.bids;
                             ++day.by_class[static_cast<size_t>(price_class(bid.price))];
                             day.lowest = std::min(day.lowest, bid.price);
                             day.highest = std::max(day.highest, bid.price);
                             day.sum += bid.price;
                           })
                  .uid("q17-statistics")
                  .map([](const std::pair<AuctionDay, DayStatistics>& row) {
                    const DayStatistics& day = row.second;
                    return Q17Row{row.first.auction,  Date(static_cast<int32_t>(row.first.day)),
                                  day.bids,           day.by_class[0],
                                  day.by_class[1],    day.by_class[2],
                                  day.lowest,         day.highest,
                                  day.sum / day.bids, day.sum};
                  });
  sink_changes<0, 1>(run, rows);
}

}  // namespace tidewheel::bench
