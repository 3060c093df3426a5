// The Nexmark events: persons, auctions and bids of an online auction house (Tucker et al.,
// "NEXMark: a benchmark for queries over data streams"), with the proportions, id ranges, hot keys,
// price law and string shapes of the generator that is in common use. Every random draw is a pure
// function of (seed, event id, slot). So any event can be made by itself: a split, or a replay from
// an offset, costs nothing, and a field that nobody asks for is never made.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/connectors/nexmark/options.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::nexmark {

enum class Kind : uint8_t { kPerson, kAuction, kBid };

// The fields of each kind, in the order of the schema. A set of fields is a mask of 1 << index.
inline constexpr std::array<std::string_view, 8> kPersonFields = {
    "id", "name", "email_address", "credit_card", "city", "state", "date_time", "extra"};
inline constexpr std::array<std::string_view, 10> kAuctionFields = {
    "id",        "item_name", "description", "initial_bid", "reserve",
    "date_time", "expires",   "seller",      "category",    "extra"};
inline constexpr std::array<std::string_view, 7> kBidFields = {
    "auction", "bidder", "price", "channel", "url", "date_time", "extra"};

using FieldMask = uint32_t;
inline constexpr FieldMask kAllFields = ~FieldMask{0};

// An event by its place in the cycle of proportions. Events count from 0.
struct Place {
  int64_t event = 0;
  int64_t epoch = 0;   // which cycle
  int32_t offset = 0;  // within the cycle: persons first, then auctions, then bids
};

struct PersonData {
  int64_t id = 0;
  int64_t date_time = 0;
  // These point into the generator, or into `scratch`.
  std::string_view name, email_address, credit_card, city, state, extra;
  char scratch[48];
};

struct AuctionData {
  int64_t id = 0;
  int64_t initial_bid = 0;
  int64_t reserve = 0;
  int64_t date_time = 0;
  int64_t expires = 0;
  int64_t seller = 0;
  int64_t category = 0;
  // These point into the generator, or into `scratch`.
  std::string_view item_name, description, extra;
  char scratch[160];
};

// Up to kRows consecutive bids, by column, so that each column is one loop of vector instructions.
struct BidColumns {
  static constexpr int32_t kRows = 64;
  alignas(64) int64_t auction[kRows];
  alignas(64) int64_t bidder[kRows];
  alignas(64) int64_t price[kRows];
  alignas(64) int64_t date_time[kRows];
  alignas(64) uint32_t channel[kRows];       // index for Generator::channel and url
  alignas(64) uint32_t extra_offset[kRows];  // for Generator::letters
  alignas(64) uint32_t extra_size[kRows];
};

// Makes events. Immutable after construction: any thread, shared by all readers of a source.
class Generator {
 public:
  // `options` must be valid.
  explicit Generator(const Options& options);
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  const Options& options() const { return options_; }
  Place place_of(int64_t event) const;
  // The kind of the event at `place`, and how many events from there on are of that kind.
  Kind kind_at(const Place& place) const {
    return place.offset >= first_bid_                   ? Kind::kBid
           : place.offset >= options_.person_proportion ? Kind::kAuction
                                                        : Kind::kPerson;
  }
  int32_t run_at(const Place& place) const {
    return (place.offset >= first_bid_                   ? cycle_
            : place.offset >= options_.person_proportion ? first_bid_
                                                         : options_.person_proportion) -
           place.offset;
  }
  // Moves on by `count` events, which must not pass the end of the cycle.
  void advance(Place& place, int32_t count) const {
    place.event += count;
    place.offset += count;
    if (place.offset == cycle_) {
      place.offset = 0;
      ++place.epoch;
    }
  }
  int64_t timestamp_of(int64_t event) const;

  // Fill the fields of `fields`, and date_time always. `place` must be of that kind; for bids,
  // `count` (at most BidColumns::kRows) consecutive events from there on must be.
  void make_person(const Place& place, FieldMask fields, PersonData& out) const;
  void make_auction(const Place& place, FieldMask fields, AuctionData& out) const;
  void make_bids(const Place& place, int32_t count, FieldMask fields, BidColumns& out) const;

  // Strings of a bid. At least 16 bytes behind each may be read.
  std::string_view channel(uint32_t index) const {
    const Channel& channel = channels_[index];
    return {strings_ + channel.name_offset, channel.name_size};
  }
  std::string_view url(uint32_t index) const {
    const Channel& channel = channels_[index];
    return {strings_ + channel.url_offset, channel.url_size};
  }
  std::string_view letters(uint32_t offset, uint32_t size) const {
    return {letters_ + offset, size};
  }
  // Holds the strings of bids, and those of persons and auctions that are not in `scratch`.
  const ArenaRef& arena() const { return arena_; }

 private:
  struct Channel {
    uint32_t name_offset;
    uint32_t url_offset;
    uint16_t name_size;
    uint16_t url_size;
  };
  static constexpr uint32_t kChannels = 10'000;
  static constexpr uint32_t kHotChannels = 4;
  static constexpr int32_t kNames = 99;

  void make_letters(uint64_t& state);
  void make_channels(uint64_t& state);
  void make_names();
  uint64_t seed_of(int64_t event) const;
  int64_t price(uint64_t draw) const;
  std::string_view random_letters(uint64_t draw, uint64_t size) const;
  int64_t last_person(const Place& place) const;
  void make_numbers(const Place& place, int32_t count, FieldMask fields, const uint64_t* seeds,
                    BidColumns& out) const;
  void make_strings(int32_t count, const uint64_t* seeds, BidColumns& out) const;

  const Options options_;
  const int32_t first_bid_;
  const int32_t cycle_;
  const double us_per_event_;
  ArenaRef arena_;
  const char* letters_ = nullptr;
  const char* strings_ = nullptr;
  std::vector<Channel> channels_;
  std::array<std::string_view, kNames> names_;
  std::array<double, 64> powers_;  // 2^(i/64)
};

}  // namespace tidewheel::nexmark
