// The options of the Nexmark event source, by the names that the official generator gives them.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::nexmark {

struct Options {
  uint64_t seed = 42;
  int64_t events = 10'000'000;  // events.num; 0: no end
  double rate = 10'000'000;     // first-event.rate = next-event.rate: events a second of event time
  bool rate_limited = false;    // rate.limited: emit no faster than `rate` in processing time
  int64_t base_time_ms = 1436918400000;  // event time of event number 0: 2015-07-15T00:00:00Z
  int64_t watermark_delay_ms = 4000;  // watermark = event time - delay, as in the official schema

  int32_t person_proportion = 1;        // person.proportion
  int32_t auction_proportion = 3;       // auction.proportion
  int32_t bid_proportion = 46;          // bid.proportion
  int32_t person_average_bytes = 200;   // person.avg-size
  int32_t auction_average_bytes = 500;  // auction.avg-size
  int32_t bid_average_bytes = 100;      // bid.avg-size
  int32_t hot_auction_ratio =
      2;  // bid.hot-ratio.auctions: of so many bids one is not on a hot auction
  int32_t hot_bidder_ratio = 4;  // bid.hot-ratio.bidders
  int32_t hot_seller_ratio = 4;  // auction.hot-ratio.sellers
  int32_t auctions_in_flight = 100;
  int32_t active_people = 1000;

  // Errors: kConnectorOption, naming the option and what it accepts.
  [[nodiscard]] Status validate() const;
};

// An option with a whole number: proportions, sizes and the like.
struct NamedDefault {
  std::string name;
  int64_t value = 0;
};
std::vector<NamedDefault> proportion_options();

using OptionText = std::pair<std::string, std::string>;

// Reads options by their official names, over `defaults`.
// Errors: kConnectorOption for an unknown name or a value that is out of range.
[[nodiscard]] Result<Options> parse_options(std::span<const OptionText> texts,
                                            const Options& defaults = {});

}  // namespace tidewheel::nexmark
