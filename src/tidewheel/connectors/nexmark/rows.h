// Makes rows of the user's own struct from generated events: only the fields that it names, found
// by name when the job is compiled.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "tidewheel/connectors/nexmark/generator.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/reflect.h"
#include "tidewheel/types/text.h"
#include "tidewheel/types/time.h"

namespace tidewheel::nexmark {

// The full rows. Any struct whose fields are some of these, by name, can take their place; text may
// be Text or std::string, numbers are int64_t, times Timestamp or int64_t.
struct Person {
  int64_t id = 0;
  Text name;
  Text email_address;
  Text credit_card;
  Text city;
  Text state;
  Timestamp date_time;
  Text extra;
  friend bool operator==(const Person&, const Person&) = default;
};
struct Auction {
  int64_t id = 0;
  Text item_name;
  Text description;
  int64_t initial_bid = 0;
  int64_t reserve = 0;
  Timestamp date_time;
  Timestamp expires;
  int64_t seller = 0;
  int64_t category = 0;
  Text extra;
  friend bool operator==(const Auction&, const Auction&) = default;
};
struct Bid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  Timestamp date_time;
  Text extra;
  friend bool operator==(const Bid&, const Bid&) = default;
};
// In place of a row: events of this kind are not wanted.
struct None {};

namespace detail {

template <size_t kCount>
constexpr size_t find_name(const std::array<std::string_view, kCount>& names,
                           std::string_view name) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) { return i; }
  }
  return kCount;
}

// Where each field of `Row` is in the schema `kNames`, and which fields those are together.
template <class Row, const auto& kNames>
struct Projection {
  static_assert(refl::Reflected<Row>, "a Nexmark row must be a plain struct");
  static constexpr size_t kCount = refl::count<Row>();
  template <size_t kField>
  static constexpr size_t kIndex = find_name(kNames, refl::field_name<Row, kField>());

  static constexpr FieldMask mask() { return mask_of(std::make_index_sequence<kCount>()); }
  static constexpr bool is_known() { return is_known_of(std::make_index_sequence<kCount>()); }

 private:
  template <size_t... kField>
  static constexpr FieldMask mask_of(std::index_sequence<kField...>) {
    return (FieldMask{0} | ... | (FieldMask{1} << kIndex<kField>));
  }
  template <size_t... kField>
  static constexpr bool is_known_of(std::index_sequence<kField...>) {
    return ((kIndex<kField> < kNames.size()) && ...);
  }
};

template <class F>
F number(int64_t value) {
  static_assert(std::same_as<F, int64_t>, "this field of a Nexmark row is a number: int64_t");
  return value;
}
template <class F>
F time(int64_t ms) {
  static_assert(std::same_as<F, int64_t> || std::same_as<F, Timestamp>,
                "this field of a Nexmark row is a time: Timestamp or int64_t");
  return F(ms);
}
template <class F>
F text(std::string_view lasting) {
  static_assert(std::same_as<F, Text> || std::same_as<F, std::string>,
                "this field of a Nexmark row is text: Text or std::string");
  return F(lasting);
}
template <class F>
F copied_text(std::string_view passing, Arena& arena) {
  if constexpr (std::same_as<F, Text>) {
    return arena.copy(passing);
  } else {
    return text<F>(passing);
  }
}

template <size_t kIndex, class F>
[[gnu::always_inline]] inline F bid_field(const Generator& generator, const BidColumns& bids,
                                          int32_t i) {
  if constexpr (kIndex == 0) { return number<F>(bids.auction[i]); }
  if constexpr (kIndex == 1) { return number<F>(bids.bidder[i]); }
  if constexpr (kIndex == 2) { return number<F>(bids.price[i]); }
  if constexpr (kIndex == 3) { return text<F>(generator.channel(bids.channel[i])); }
  if constexpr (kIndex == 4) { return text<F>(generator.url(bids.channel[i])); }
  if constexpr (kIndex == 5) { return time<F>(bids.date_time[i]); }
  if constexpr (kIndex == 6) {
    return text<F>(generator.letters(bids.extra_offset[i], bids.extra_size[i]));
  }
}
template <size_t kIndex, class F>
F person_field(const PersonData& person, Arena& arena) {
  if constexpr (kIndex == 0) { return number<F>(person.id); }
  if constexpr (kIndex == 1) { return text<F>(person.name); }
  if constexpr (kIndex == 2) { return copied_text<F>(person.email_address, arena); }
  if constexpr (kIndex == 3) { return copied_text<F>(person.credit_card, arena); }
  if constexpr (kIndex == 4) { return text<F>(person.city); }
  if constexpr (kIndex == 5) { return text<F>(person.state); }
  if constexpr (kIndex == 6) { return time<F>(person.date_time); }
  if constexpr (kIndex == 7) { return text<F>(person.extra); }
}
template <size_t kIndex, class F>
F auction_field(const AuctionData& auction, Arena& arena) {
  if constexpr (kIndex == 0) { return number<F>(auction.id); }
  if constexpr (kIndex == 1) { return copied_text<F>(auction.item_name, arena); }
  if constexpr (kIndex == 2) { return copied_text<F>(auction.description, arena); }
  if constexpr (kIndex == 3) { return number<F>(auction.initial_bid); }
  if constexpr (kIndex == 4) { return number<F>(auction.reserve); }
  if constexpr (kIndex == 5) { return time<F>(auction.date_time); }
  if constexpr (kIndex == 6) { return time<F>(auction.expires); }
  if constexpr (kIndex == 7) { return number<F>(auction.seller); }
  if constexpr (kIndex == 8) { return number<F>(auction.category); }
  if constexpr (kIndex == 9) { return text<F>(auction.extra); }
}

template <class... Rows>
struct RowOf {
  using type = std::variant<Rows...>;
};
template <class Row>
struct RowOf<Row> {
  using type = Row;
};
template <>
struct RowOf<> {};  // no row at all: refused by RowWriter
template <class Wanted, class... Rest>
struct Drop;
template <class... Wanted>
struct Drop<RowOf<Wanted...>> {
  using type = typename RowOf<Wanted...>::type;
};
template <class... Wanted, class Row, class... Rest>
struct Drop<RowOf<Wanted...>, Row, Rest...>
    : std::conditional_t<std::same_as<Row, None>, Drop<RowOf<Wanted...>, Rest...>,
                         Drop<RowOf<Wanted..., Row>, Rest...>> {};

}  // namespace detail

// Writes the events of the kinds whose row is not None, in the order of events.
template <class PersonRow, class AuctionRow, class BidRow>
class RowWriter {
 public:
  // The row that is wanted, or a variant of those that are, in the order person, auction, bid.
  using Row = typename detail::Drop<detail::RowOf<>, PersonRow, AuctionRow, BidRow>::type;
  static_assert(!(std::same_as<PersonRow, None> && std::same_as<AuctionRow, None> &&
                  std::same_as<BidRow, None>),
                "a Nexmark source needs a row for at least one kind of event");
  static constexpr bool kHasPersons = !std::same_as<PersonRow, None>;
  static constexpr bool kHasAuctions = !std::same_as<AuctionRow, None>;
  static constexpr bool kHasBids = !std::same_as<BidRow, None>;

  // Constructs at most `room` rows, and their timestamps, from the events [place.event, end); moves
  // `place` past the events that were written or not wanted. Text points into `arena` and the
  // generator's arena.
  static uint32_t write(const Generator& generator, Place& place, int64_t end, uint32_t room,
                        Row* rows, int64_t* timestamps, Arena& arena) {
    uint32_t written = 0;
    while (place.event < end && written < room) {
      const auto run =
          static_cast<int32_t>(std::min<int64_t>(generator.run_at(place), end - place.event));
      const Kind kind = generator.kind_at(place);
      const Run to{rows + written, timestamps + written, std::min<int64_t>(run, room - written)};
      int32_t taken = run;
      if (kind == Kind::kBid) {
        if constexpr (kHasBids) {
          taken = write_bids(generator, place, to);
          written += static_cast<uint32_t>(taken);
        }
      } else if (kind == Kind::kAuction) {
        if constexpr (kHasAuctions) {
          taken = write_auctions(generator, place, to, arena);
          written += static_cast<uint32_t>(taken);
        }
      } else {
        if constexpr (kHasPersons) {
          taken = write_persons(generator, place, to, arena);
          written += static_cast<uint32_t>(taken);
        }
      }
      generator.advance(place, taken);
    }
    return written;
  }

 private:
  struct Run {
    Row* rows;
    int64_t* timestamps;
    int64_t room;
  };

  template <class OneRow>
  [[gnu::always_inline]] static void construct(Row* slot, OneRow&& row) {
    using Plain = std::remove_cvref_t<OneRow>;
    if constexpr (std::same_as<Plain, Row>) {
      new (slot) Row(std::forward<OneRow>(row));
    } else {
      new (slot) Row(std::in_place_type<Plain>, std::forward<OneRow>(row));
    }
  }

  static int32_t write_bids(const Generator& generator, const Place& place, const Run& to) {
    using Fields = detail::Projection<BidRow, kBidFields>;
    static_assert(Fields::is_known(),
                  "a bid has the fields auction, bidder, price, channel, url, "
                  "date_time and extra, and the row names another");
    const auto count = static_cast<int32_t>(std::min<int64_t>(to.room, BidColumns::kRows));
    BidColumns bids;
    generator.make_bids(place, count, Fields::mask(), bids);
    const auto row = [&]<size_t... kField>(int32_t i, std::index_sequence<kField...>)
        __attribute__((always_inline)) {
      return BidRow{
          detail::bid_field<Fields::template kIndex<kField>, refl::FieldType<BidRow, kField>>(
              generator, bids, i)...};
    };
    for (int32_t i = 0; i < count; ++i) {
      construct(to.rows + i, row(i, std::make_index_sequence<Fields::kCount>()));
    }
    for (int32_t i = 0; i < count; ++i) { to.timestamps[i] = bids.date_time[i]; }
    return count;
  }

  static int32_t write_auctions(const Generator& generator, Place place, const Run& to,
                                Arena& arena) {
    using Fields = detail::Projection<AuctionRow, kAuctionFields>;
    static_assert(Fields::is_known(),
                  "an auction has the fields id, item_name, description, initial_bid, reserve, "
                  "date_time, expires, seller, category and extra, and the row names another");
    const auto count = static_cast<int32_t>(to.room);
    for (int32_t i = 0; i < count; ++i, ++place.event, ++place.offset) {
      AuctionData auction;
      generator.make_auction(place, Fields::mask(), auction);
      construct(
          to.rows + i, [&]<size_t... kField>(std::index_sequence<kField...>) {
            return AuctionRow{
                detail::auction_field<Fields::template kIndex<kField>,
                                      refl::FieldType<AuctionRow, kField>>(auction, arena)...};
          }(std::make_index_sequence<Fields::kCount>()));
      to.timestamps[i] = auction.date_time;
    }
    return count;
  }

  static int32_t write_persons(const Generator& generator, Place place, const Run& to,
                               Arena& arena) {
    using Fields = detail::Projection<PersonRow, kPersonFields>;
    static_assert(Fields::is_known(),
                  "a person has the fields id, name, email_address, credit_card, city, state, "
                  "date_time and extra, and the row names another");
    const auto count = static_cast<int32_t>(to.room);
    for (int32_t i = 0; i < count; ++i, ++place.event, ++place.offset) {
      PersonData person;
      generator.make_person(place, Fields::mask(), person);
      construct(
          to.rows + i, [&]<size_t... kField>(std::index_sequence<kField...>) {
            return PersonRow{
                detail::person_field<Fields::template kIndex<kField>,
                                     refl::FieldType<PersonRow, kField>>(person, arena)...};
          }(std::make_index_sequence<Fields::kCount>()));
      to.timestamps[i] = person.date_time;
    }
    return count;
  }
};

}  // namespace tidewheel::nexmark
