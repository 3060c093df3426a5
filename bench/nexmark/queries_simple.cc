// Queries without state: q0, q1, q2.
#include "bench/nexmark/query_sink.h"
#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::bench {

void build_q0(QueryRun& run) {
  struct Row {
    int64_t auction, bidder, price;
    Timestamp date_time;
    Text extra;
  };
  auto bids = run.env.from("bids", nexmark::bids<Row>(run.options)).uid("source");
  sink_rows(run, bids.map([](const Row& bid) { return bid; }));
}

void build_q1(QueryRun& run) {
  struct In {
    int64_t auction, bidder, price;
    Timestamp date_time;
    Text extra;
  };
  struct Row {
    int64_t auction, bidder;
    Decimal<23, 3> price;
    Timestamp date_time;
    Text extra;
  };
  auto bids = run.env.from("bids", nexmark::bids<In>(run.options)).uid("source");
  sink_rows(run, bids.map([](const In& bid) {
    return Row{bid.auction, bid.bidder, Decimal<23, 3>::of_unscaled(bid.price * 908), bid.date_time,
               bid.extra};
  }));
}

void build_q2(QueryRun& run) {
  struct Row {
    int64_t auction, price;
  };
  auto bids = run.env.from("bids", nexmark::bids<Row>(run.options)).uid("source");
  sink_rows(run, bids.filter([](const Row& bid) { return bid.auction % 123 == 0; }));
}

}  // namespace tidewheel::bench
