#include "tidewheel/connectors/nexmark/options.h"

#include <charconv>
#include <cmath>
#include <optional>

namespace tidewheel::nexmark {
namespace {

struct IntegerOption {
  std::string_view name;
  int32_t Options::*member;
  int32_t min;
  int32_t max;
};
constexpr IntegerOption kIntegerOptions[] = {
    {"person.proportion", &Options::person_proportion, 1, 1'000'000},
    {"auction.proportion", &Options::auction_proportion, 1, 1'000'000},
    {"bid.proportion", &Options::bid_proportion, 0, 1'000'000},
    {"person.avg-size", &Options::person_average_bytes, 0, 500'000},
    {"auction.avg-size", &Options::auction_average_bytes, 0, 500'000},
    {"bid.avg-size", &Options::bid_average_bytes, 0, 500'000},
    {"bid.hot-ratio.auctions", &Options::hot_auction_ratio, 1, 1'000'000'000},
    {"bid.hot-ratio.bidders", &Options::hot_bidder_ratio, 1, 1'000'000'000},
    {"auction.hot-ratio.sellers", &Options::hot_seller_ratio, 1, 1'000'000'000},
    {"auctions.in-flight", &Options::auctions_in_flight, 1, 1'000'000},
    {"people.active", &Options::active_people, 1, 1'000'000},
};

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && rest == end;
}

Status bad_value(std::string_view name, std::string_view accepted, std::string_view value) {
  return invalid_argument(ErrorId::kConnectorOption, "nexmark option '{}' accepts {}, not '{}'",
                          name, accepted, value);
}

Status parse_boolean(std::string_view name, std::string_view value, bool& out) {
  if (value != "true" && value != "false") { return bad_value(name, "true or false", value); }
  out = value == "true";
  return ok_status();
}

std::string accepted_names() {
  std::string names =
      "events.num, first-event.rate, next-event.rate, rate.limited, max-emit-speed, seed, "
      "base-time, watermark.delay";
  for (const IntegerOption& option : kIntegerOptions) {
    names += ", ";
    names += option.name;
  }
  return names;
}

// Reads one option. The two rates are kept apart in `rates` until both are known.
Status parse_option(std::string_view name, std::string_view value, Options& out,
                    std::optional<double> rates[2]) {
  for (const IntegerOption& option : kIntegerOptions) {
    if (name == option.name) {
      return parse_number(value, out.*option.member) ? ok_status()
                                                     : bad_value(name, "an integer", value);
    }
  }
  if (name == "events.num") {
    return parse_number(value, out.events) ? ok_status() : bad_value(name, "an integer", value);
  }
  if (name == "first-event.rate" || name == "next-event.rate") {
    double& rate = rates[name == "next-event.rate" ? 1 : 0].emplace();
    return parse_number(value, rate) ? ok_status() : bad_value(name, "events a second", value);
  }
  if (name == "seed") {
    return parse_number(value, out.seed) ? ok_status() : bad_value(name, "an integer >= 0", value);
  }
  if (name == "base-time") {
    return parse_number(value, out.base_time_ms)
               ? ok_status()
               : bad_value(name, "milliseconds since 1970", value);
  }
  if (name == "watermark.delay") {
    return parse_number(value, out.watermark_delay_ms) ? ok_status()
                                                       : bad_value(name, "milliseconds", value);
  }
  if (name == "rate.limited") { return parse_boolean(name, value, out.rate_limited); }
  if (name == "max-emit-speed") {
    bool unlimited = !out.rate_limited;
    TIDEWHEEL_RETURN_IF_ERROR(parse_boolean(name, value, unlimited));
    out.rate_limited = !unlimited;
    return ok_status();
  }
  return invalid_argument(ErrorId::kConnectorOption, "nexmark has no option '{}'; it accepts {}",
                          name, accepted_names());
}

}  // namespace

Status Options::validate() const {
  for (const IntegerOption& option : kIntegerOptions) {
    const int32_t value = this->*option.member;
    if (value < option.min || value > option.max) {
      return bad_value(option.name, fmt::format("{} to {}", option.min, option.max),
                       std::to_string(value));
    }
  }
  if (events < 0) {
    return bad_value("events.num", "a number of events, or 0 for no end", std::to_string(events));
  }
  if (!(rate > 0) || !std::isfinite(rate)) {
    return bad_value("first-event.rate", "a number above 0", std::to_string(rate));
  }
  if (watermark_delay_ms < 0) {
    return bad_value("watermark.delay", "milliseconds >= 0", std::to_string(watermark_delay_ms));
  }
  return ok_status();
}

std::vector<NamedDefault> proportion_options() {
  const Options defaults;
  std::vector<NamedDefault> all;
  for (const IntegerOption& option : kIntegerOptions) {
    all.push_back({std::string(option.name), defaults.*option.member});
  }
  return all;
}

Result<Options> parse_options(std::span<const OptionText> texts, const Options& defaults) {
  Options options = defaults;
  std::optional<double> rates[2];
  for (const auto& [name, value] : texts) {
    TIDEWHEEL_RETURN_IF_ERROR(parse_option(name, value, options, rates));
  }
  if (rates[0] && rates[1] && rates[0] != rates[1]) {
    return bad_value("next-event.rate", "the same value as first-event.rate (the rate is constant)",
                     std::to_string(*rates[1]));
  }
  options.rate = rates[0].value_or(rates[1].value_or(options.rate));
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  return options;
}

}  // namespace tidewheel::nexmark
