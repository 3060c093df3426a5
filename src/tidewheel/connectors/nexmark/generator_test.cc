#include "tidewheel/connectors/nexmark/generator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tidewheel/connectors/nexmark/rows.h"

namespace tidewheel::nexmark {
namespace {

// FNV-1a over the fields as text, each followed by '|', and a line feed behind each row.
class TextHash {
 public:
  void bytes(std::string_view bytes) {
    for (const char c : bytes) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
  }
  void field(int64_t value) { bytes(std::to_string(value) + "|"); }
  void field(Timestamp value) { field(value.ms()); }
  void field(Text value) {
    bytes(value);
    bytes("|");
  }
  template <class Row>
  void row(const Row& row) {
    refl::for_each_field(row, [this](const auto& value) { field(value); });
    bytes("\n");
  }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 14695981039346656037ULL;
};

template <class P, class A, class B>
struct Rows {
  using Writer = RowWriter<P, A, B>;
  using Row = typename Writer::Row;
  std::vector<Row> rows;
  std::vector<int64_t> timestamps;
  ArenaRef arena = Arena::create();

  // Writes [from, to) in pieces of at most `room` rows.
  Rows(const Generator& generator, int64_t from, int64_t to, uint32_t room = 1000) {
    Place place = generator.place_of(from);
    while (place.event < to) {
      std::vector<Row> part(room);
      std::vector<int64_t> times(room);
      const uint32_t count =
          Writer::write(generator, place, to, room, part.data(), times.data(), *arena);
      rows.insert(rows.end(), part.begin(), part.begin() + count);
      timestamps.insert(timestamps.end(), times.begin(), times.begin() + count);
    }
  }
};
using AllRows = Rows<Person, Auction, Bid>;

struct Golden {
  uint64_t person;
  uint64_t auction;
  uint64_t bid;
  uint64_t all;
};

void expect_golden(const Options& options, int64_t from, int64_t to, const Golden& golden) {
  const Generator generator(options);
  TextHash kinds[3];
  TextHash all;
  const AllRows events(generator, from, to);
  for (const auto& event : events.rows) {
    std::visit(
        [&](const auto& row) {
          kinds[event.index()].row(row);
          all.row(row);
        },
        event);
  }
  EXPECT_EQ(static_cast<int64_t>(events.rows.size()), to - from);
  EXPECT_EQ(kinds[0].value(), golden.person);
  EXPECT_EQ(kinds[1].value(), golden.auction);
  EXPECT_EQ(kinds[2].value(), golden.bid);
  EXPECT_EQ(all.value(), golden.all);
}

// The golden hashes come from a generator that was written apart from this one, so that the results
// of queries can be compared with loops written by hand.
TEST(NexmarkGenerator, makes_the_reference_events_from_the_start) {
  expect_golden({}, 0, 20'000,
                {0x7cd73cc368cee12b, 0xba5aa494d767a154, 0x7dd3cc5b9a9b66c6, 0x028a286719216ff9});
}

TEST(NexmarkGenerator, makes_the_reference_events_from_the_middle) {
  expect_golden({.seed = 7, .rate = 100'000}, 5'000'000, 5'020'000,
                {0x3b44add7ea81b43d, 0xa5c1b45c80b2e0a1, 0x990750042ade3564, 0x84c1ea947927bdc0});
}

TEST(NexmarkGenerator, makes_the_reference_events_with_every_option_changed) {
  Options options;
  options.seed = 123456789012345;
  options.rate = 1000;
  options.person_proportion = 2;
  options.auction_proportion = 5;
  options.bid_proportion = 13;
  options.hot_auction_ratio = 3;
  options.hot_seller_ratio = 5;
  options.hot_bidder_ratio = 6;
  options.auctions_in_flight = 37;
  options.active_people = 50;
  options.person_average_bytes = 150;
  options.auction_average_bytes = 300;
  options.bid_average_bytes = 20;
  expect_golden(options, 999'999'000, 1'000'004'000,
                {0x9e0d080bdfd0275c, 0x9e9f62a21da81e71, 0xa415a711b5f7b66c, 0xbfd054008a494a49});
}

TEST(NexmarkGenerator, makes_the_reference_events_in_runs_longer_than_a_block) {
  expect_golden({.seed = 1, .bid_proportion = 200}, 77, 10'077,
                {0xb6643eabc1855fa5, 0xffa54b39f598b613, 0xd540fb2e036d5dc0, 0x7644a264dfff7edc});
}

TEST(NexmarkGenerator, cutting_anywhere_changes_nothing) {
  const Generator generator{Options{}};
  const AllRows whole(generator, 100, 1'100, 5'000);
  for (const uint32_t room : {1U, 2U, 7U, 45U, 64U, 100U}) {
    const AllRows cut(generator, 100, 1'100, room);
    EXPECT_EQ(cut.timestamps, whole.timestamps) << room;
    EXPECT_TRUE(cut.rows == whole.rows) << room;
  }
  const AllRows begin(generator, 100, 533);
  const AllRows end(generator, 533, 1'100);
  EXPECT_EQ(begin.rows.size() + end.rows.size(), whole.rows.size());
  EXPECT_TRUE(std::equal(end.rows.begin(), end.rows.end(), whole.rows.begin() + 433));
}

TEST(NexmarkGenerator, timestamps_are_the_events_times) {
  const Generator generator({.rate = 8});
  const AllRows events(generator, 0, 200);
  for (size_t i = 0; i < events.rows.size(); ++i) {
    const int64_t time =
        std::visit([](const auto& row) { return row.date_time.ms(); }, events.rows[i]);
    EXPECT_EQ(events.timestamps[i], time);
    EXPECT_EQ(time, generator.timestamp_of(static_cast<int64_t>(i)));
    EXPECT_EQ(time, 1436918400000 + static_cast<int64_t>(i + 1) * 125);
  }
}

struct Price {
  int64_t price = 0;
};
struct Mixed {
  std::string channel;
  int64_t date_time = 0;
  int64_t auction = 0;
};
struct Seller {
  int64_t seller = 0;
  int64_t id = 0;
};
struct Terms {
  int64_t reserve = 0;
  Timestamp expires;
};
struct Item {
  std::string description;
  Text extra;
  Text item_name;
};
struct Home {
  Text city;
  Text state;
  int64_t id = 0;
};
struct Card {
  Text credit_card;
};
struct Mail {
  std::string email_address;
  Text extra;
};

template <class P, class A, class B>
auto first_kind(const Generator& generator) {
  return Rows<P, A, B>(generator, 0, 5'000).rows;
}

TEST(NexmarkRows, a_projection_of_bids_has_the_values_of_the_full_row) {
  const Generator generator{Options{}};
  const auto full = first_kind<None, None, Bid>(generator);
  const auto prices = first_kind<None, None, Price>(generator);
  const auto mixed = first_kind<None, None, Mixed>(generator);
  ASSERT_EQ(prices.size(), full.size());
  ASSERT_EQ(mixed.size(), full.size());
  for (size_t i = 0; i < full.size(); ++i) {
    EXPECT_EQ(prices[i].price, full[i].price);
    EXPECT_EQ(mixed[i].channel, full[i].channel);
    EXPECT_EQ(mixed[i].date_time, full[i].date_time.ms());
    EXPECT_EQ(mixed[i].auction, full[i].auction);
  }
}

TEST(NexmarkRows, a_projection_of_auctions_has_the_values_of_the_full_row) {
  const Generator generator{Options{}};
  const Rows<None, Auction, None> full(generator, 0, 5'000);
  const auto sellers = first_kind<None, Seller, None>(generator);
  const auto terms = first_kind<None, Terms, None>(generator);
  const Rows<None, Item, None> items(generator, 0, 5'000);
  ASSERT_EQ(full.rows.size(), 300U);
  ASSERT_EQ(sellers.size(), 300U);
  for (size_t i = 0; i < full.rows.size(); ++i) {
    EXPECT_EQ(sellers[i].id, full.rows[i].id);
    EXPECT_EQ(sellers[i].seller, full.rows[i].seller);
    EXPECT_EQ(terms[i].reserve, full.rows[i].reserve);
    EXPECT_EQ(terms[i].expires, full.rows[i].expires);
    EXPECT_EQ(items.rows[i].description, full.rows[i].description);
    EXPECT_EQ(items.rows[i].item_name, full.rows[i].item_name);
    EXPECT_EQ(items.rows[i].extra, full.rows[i].extra);
  }
}

TEST(NexmarkRows, a_projection_of_persons_has_the_values_of_the_full_row) {
  const Generator generator{Options{}};
  const Rows<Person, None, None> full(generator, 0, 5'000);
  const auto homes = first_kind<Home, None, None>(generator);
  const Rows<Card, None, None> cards(generator, 0, 5'000);
  const auto mails = first_kind<Mail, None, None>(generator);
  ASSERT_EQ(full.rows.size(), 100U);
  for (size_t i = 0; i < full.rows.size(); ++i) {
    EXPECT_EQ(homes[i].id, full.rows[i].id);
    EXPECT_EQ(homes[i].city, full.rows[i].city);
    EXPECT_EQ(homes[i].state, full.rows[i].state);
    EXPECT_EQ(cards.rows[i].credit_card, full.rows[i].credit_card);
    EXPECT_EQ(mails[i].email_address, full.rows[i].email_address);
    EXPECT_EQ(mails[i].extra, full.rows[i].extra);
  }
}

TEST(NexmarkRows, two_kinds_come_in_the_order_of_events) {
  const Generator generator{Options{}};
  const Rows<Home, Seller, None> two(generator, 0, 200);
  using Row = std::variant<Home, Seller>;
  static_assert(std::is_same_v<decltype(two)::Row, Row>);
  ASSERT_EQ(two.rows.size(), 16U);
  EXPECT_TRUE(std::is_sorted(two.timestamps.begin(), two.timestamps.end()));
  // The first event has id 2, so it is the second auction of the first cycle.
  EXPECT_EQ(std::get<Seller>(two.rows[0]).id, 1001);
  EXPECT_EQ(std::get<Seller>(two.rows[1]).id, 1002);
  EXPECT_EQ(std::get<Home>(two.rows[2]).id, 1001);
}

template <class Row, class F>
double mean(const std::vector<Row>& rows, F&& value) {
  double sum = 0;
  for (const Row& row : rows) { sum += static_cast<double>(value(row)); }
  return sum / static_cast<double>(rows.size());
}

// The figures are those of 10,000 events made by the generator in common use.
TEST(NexmarkGenerator, follows_the_laws_of_the_generator_in_common_use) {
  const Generator generator({.rate = 1000});
  const Rows<None, None, Bid> bid_rows(generator, 0, 10'000);
  const auto& bids = bid_rows.rows;
  ASSERT_EQ(bids.size(), 9'200U);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return bid.auction % 100 == 0; }), 0.508, 0.02);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return bid.bidder % 100 == 1; }), 0.752, 0.02);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return !bid.channel.starts_with("channel-"); }),
              0.508, 0.02);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return std::log10(bid.price); }), 5.007, 0.06);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return bid.url.size(); }), 62.96, 2);
  EXPECT_NEAR(mean(bids, [](const Bid& bid) { return bid.extra.size(); }), 67.63, 0.5);
  const Rows<None, Auction, None> auction_rows(generator, 0, 10'000);
  const auto& auctions = auction_rows.rows;
  ASSERT_EQ(auctions.size(), 600U);
  EXPECT_NEAR(mean(auctions, [](const Auction& one) { return one.seller % 100 == 0; }), 0.755,
              0.06);
  EXPECT_NEAR(mean(auctions, [](const Auction& one) { return one.item_name.size(); }), 10.98, 1);
  EXPECT_NEAR(mean(auctions, [](const Auction& one) { return one.description.size(); }), 51.6, 5);
  EXPECT_NEAR(mean(auctions, [](const Auction& one) { return one.extra.size(); }), 388.5, 12);
  EXPECT_NEAR(mean(auctions, [](const Auction& one) { return std::log10(one.initial_bid); }), 4.85,
              0.3);
  const Rows<Person, None, None> person_rows(generator, 0, 10'000);
  const auto& persons = person_rows.rows;
  ASSERT_EQ(persons.size(), 200U);
  EXPECT_NEAR(mean(persons, [](const Person& one) { return one.name.size(); }), 11.4, 0.6);
  EXPECT_NEAR(mean(persons, [](const Person& one) { return one.extra.size(); }), 139.6, 6);
}

TEST(NexmarkOptions, are_read_by_their_official_names) {
  const OptionText texts[] = {
      {"events.num", "12"},    {"first-event.rate", "2500.5"},  {"next-event.rate", "2500.5"},
      {"bid.proportion", "7"}, {"bid.hot-ratio.auctions", "9"}, {"rate.limited", "true"}};
  const Result<Options> options = parse_options(texts);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->events, 12);
  EXPECT_EQ(options->rate, 2500.5);
  EXPECT_EQ(options->bid_proportion, 7);
  EXPECT_EQ(options->hot_auction_ratio, 9);
  EXPECT_TRUE(options->rate_limited);
}

TEST(NexmarkOptions, that_can_not_be_used_are_refused) {
  const std::vector<OptionText> bad = {{"events.number", "12"},
                                       {"events.num", "many"},
                                       {"events.num", "-1"},
                                       {"first-event.rate", "0"},
                                       {"first-event.rate", "nan"},
                                       {"person.proportion", "0"},
                                       {"bid.avg-size", "99999999"},
                                       {"rate.limited", "yes"},
                                       {"auction.hot-ratio.sellers", "0"}};
  for (const OptionText& text : bad) {
    const Result<Options> options = parse_options(std::span(&text, 1));
    ASSERT_FALSE(options.ok()) << text.first << "=" << text.second;
    EXPECT_EQ(options.status().id(), ErrorId::kConnectorOption);
    EXPECT_NE(options.status().message().find(text.first), std::string::npos);
  }
  const OptionText rates[] = {{"first-event.rate", "10"}, {"next-event.rate", "20"}};
  EXPECT_FALSE(parse_options(rates).ok());
}

}  // namespace
}  // namespace tidewheel::nexmark
