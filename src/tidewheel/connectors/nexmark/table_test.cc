#include "tidewheel/connectors/nexmark/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/nexmark/source.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel::nexmark {
namespace {

using test::NamedTypes;
using test::read_table;
using test::table_of;

const LogicalType kLong = LogicalType::of(TypeKind::kBigint);
const LogicalType kString = LogicalType::string();
const LogicalType kTime = LogicalType::with(TypeKind::kTimestamp, 3);
const NamedTypes kBid = {{"auction", kLong},   {"bidder", kLong}, {"price", kLong},
                         {"channel", kString}, {"url", kString},  {"dateTime", kTime},
                         {"extra", kString}};
const NamedTypes kPerson = {{"id", kLong},           {"name", kString}, {"emailAddress", kString},
                            {"creditCard", kString}, {"city", kString}, {"state", kString},
                            {"dateTime", kTime},     {"extra", kString}};
const NamedTypes kAuction = {{"id", kLong},         {"itemName", kString}, {"description", kString},
                             {"initialBid", kLong}, {"reserve", kLong},    {"dateTime", kTime},
                             {"expires", kTime},    {"seller", kLong},     {"category", kLong},
                             {"extra", kString}};

LogicalType row_of(const NamedTypes& columns) {
  LogicalType row = LogicalType::row({}, {});
  for (const auto& [name, type] : columns) {
    row.names.push_back(name);
    row.children.push_back(type);
  }
  return row;
}
NamedTypes all_kinds() {
  return {{"event_type", LogicalType::of(TypeKind::kInt)},
          {"person", row_of(kPerson)},
          {"auction", row_of(kAuction)},
          {"bid", row_of(kBid)}};
}
std::map<std::string, std::string> with(std::map<std::string, std::string> more) {
  more.insert({{"connector", "nexmark"}, {"events.num", "5000"}});
  return more;
}

std::string time_text(Timestamp time) { return to_string(time); }
std::string text_of(const Bid& bid) {
  return fmt::format("{}, {}, {}, {}, {}, {}, {}", bid.auction, bid.bidder, bid.price,
                     bid.channel.view(), bid.url.view(), time_text(bid.date_time),
                     bid.extra.view());
}
std::string text_of(const Person& person) {
  return fmt::format("{}, {}, {}, {}, {}, {}, {}, {}", person.id, person.name.view(),
                     person.email_address.view(), person.credit_card.view(), person.city.view(),
                     person.state.view(), time_text(person.date_time), person.extra.view());
}
std::string text_of(const Auction& auction) {
  return fmt::format("{}, {}, {}, {}, {}, {}, {}, {}, {}, {}", auction.id, auction.item_name.view(),
                     auction.description.view(), auction.initial_bid, auction.reserve,
                     time_text(auction.date_time), time_text(auction.expires), auction.seller,
                     auction.category, auction.extra.view());
}
std::string text_of(const std::variant<Person, Auction, Bid>& event) {
  const std::string row =
      std::visit([](const auto& one) { return "(" + text_of(one) + ")"; }, event);
  const size_t kind = event.index();
  return fmt::format("+I[{}, {}, {}, {}]", kind, kind == 0 ? row : "NULL", kind == 1 ? row : "NULL",
                     kind == 2 ? row : "NULL");
}

// What the typed source gives.
template <class S>
std::vector<std::string> expected_of(S source) {
  SimMachine machine{SimulationOptions()};
  testing::SourceHarness harness(machine.world, std::move(source));
  std::vector<std::string> rows;
  EXPECT_TRUE(harness.read_all(rows, [](const auto& row) { return text_of(row); }).ok());
  return rows;
}

class NexmarkTable : public ::testing::Test {
 protected:
  std::vector<std::string> read(const NamedTypes& columns,
                                std::map<std::string, std::string> options,
                                const test::Prepare& prepare = nullptr,
                                const test::ClusterOptions& cluster = {}) {
    const auto rows = read_table(*connector_, table_of(columns, with(std::move(options))),
                                 registry_, prepare, cluster);
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return rows.ok() ? *rows : std::vector<std::string>();
  }
  ErrorId error_of(const NamedTypes& columns, std::map<std::string, std::string> options) {
    return connector_->source({table_of(columns, with(std::move(options))), registry_})
        .status()
        .id();
  }
  const std::unique_ptr<TableConnector> connector_ = table_connector();
  TableRegistry registry_;
};

TEST_F(NexmarkTable, has_the_events_of_the_typed_source_in_rows) {
  const Options options{.events = 5000, .rate = 10'000};
  EXPECT_TRUE(read(all_kinds(), {}) == expected_of(events(options)));
}

TEST_F(NexmarkTable, has_the_flat_columns_of_one_kind) {
  const auto in_brackets = [](std::vector<std::string> rows) {
    for (std::string& row : rows) { row = "+I[" + row + "]"; }
    return rows;
  };
  const Options options{.seed = 7, .events = 5000, .rate = 500};
  const std::map<std::string, std::string> same = {{"seed", "7"}, {"next-event.rate", "500"}};
  const auto of_kind = [&](const char* kind) {
    std::map<std::string, std::string> all = same;
    all["nexmark.kind"] = kind;
    return all;
  };
  EXPECT_TRUE(read(kBid, of_kind("bid")) == in_brackets(expected_of(bids(options))));
  EXPECT_TRUE(read(kPerson, of_kind("person")) == in_brackets(expected_of(persons(options))));
  EXPECT_TRUE(read(kAuction, of_kind("auction")) == in_brackets(expected_of(auctions(options))));
}

TEST_F(NexmarkTable, small_batches_and_parallelism_change_nothing) {
  std::vector<std::string> expected = read(all_kinds(), {});
  EXPECT_TRUE(read(all_kinds(), {}, nullptr, {.batch_rows = 1}) == expected);
  std::vector<std::string> parallel =
      read(all_kinds(), {}, nullptr, {.parallelism = 3, .batch_rows = 50});
  std::sort(expected.begin(), expected.end());
  std::sort(parallel.begin(), parallel.end());
  EXPECT_TRUE(parallel == expected);
}

TEST_F(NexmarkTable, makes_only_the_columns_asked_for) {
  const std::vector<std::string> rows =
      read(kBid, {{"nexmark.kind", "bid"}}, [](TableSource& source) {
        EXPECT_TRUE(source.project({5, 0}));
        return std::vector<LogicalType>{kTime, kLong};
      });
  ASSERT_EQ(rows.size(), 4600U);
  EXPECT_EQ(rows[0], "+I[2015-07-15 00:00:00.000, 1000]");
}

TEST_F(NexmarkTable, makes_fields_of_rows_and_keeps_only_the_kinds_asked_for) {
  std::vector<std::string> rows = read(all_kinds(), {}, [](TableSource& source) {
    EXPECT_TRUE(source.project_fields({{0}, {1, {1}}, {3, {2}}}));
    EXPECT_TRUE(source.keep_only(0, {0, 2, 17}));
    EXPECT_FALSE(source.keep_only(1, {0}));
    return std::vector<LogicalType>{LogicalType::of(TypeKind::kInt), kString, kLong};
  });
  EXPECT_EQ(rows.size(), 4700U);
  const auto first_bid = std::find_if(rows.begin(), rows.end(), [](const std::string& row) {
    return row.starts_with("+I[2, NULL, ");
  });
  ASSERT_NE(first_bid, rows.end());
  EXPECT_NE(*first_bid, "+I[2, NULL, NULL]");
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                          [](const std::string& row) { return row.ends_with(", NULL]"); }),
            100);
}

TEST_F(NexmarkTable, can_have_no_columns_at_all) {
  const std::vector<std::string> rows =
      read(kBid, {{"nexmark.kind", "bid"}}, [](TableSource& source) {
        EXPECT_TRUE(source.project({}));
        return std::vector<LogicalType>();
      });
  EXPECT_EQ(rows.size(), 4600U);
}

TEST_F(NexmarkTable, is_bounded_when_the_number_of_events_is_given) {
  const auto bounded = [this](const char* events) {
    const auto table =
        table_of(kBid, {{"connector", "nexmark"}, {"nexmark.kind", "bid"}, {"events.num", events}});
    const auto source = connector_->source({table, registry_});
    return source.ok() && (*source)->is_bounded();
  };
  EXPECT_TRUE(bounded("10"));
  EXPECT_FALSE(bounded("0"));
}

TEST_F(NexmarkTable, refuses_columns_and_options_that_it_does_not_have) {
  const std::map<std::string, std::string> bid = {{"nexmark.kind", "bid"}};
  EXPECT_EQ(error_of({{"prize", kLong}}, bid), ErrorId::kSqlName);
  EXPECT_EQ(error_of({{"price", kString}}, bid), ErrorId::kSqlType);
  EXPECT_EQ(error_of({{"dateTime", LogicalType::with(TypeKind::kTimestamp, 6)}}, bid),
            ErrorId::kSqlType);
  EXPECT_EQ(error_of({{"price", kLong}}, {}), ErrorId::kSqlName);
  EXPECT_EQ(error_of({{"bid", row_of({{"colour", kString}})}}, {}), ErrorId::kSqlName);
  EXPECT_EQ(error_of({{"bid", row_of(kBid).as_nullable(false)}}, {}), ErrorId::kSqlType);
  EXPECT_EQ(error_of(kBid, {{"nexmark.kind", "offer"}}), ErrorId::kSqlOption);
  EXPECT_EQ(error_of(all_kinds(), {{"rate.shape", "SINE"}}), ErrorId::kSqlOption);
  EXPECT_EQ(error_of(all_kinds(), {{"first-event.rate", "0"}}), ErrorId::kSqlOption);
}

}  // namespace
}  // namespace tidewheel::nexmark
