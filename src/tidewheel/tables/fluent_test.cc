// Tables made of tables by calls in C++.
#include <gtest/gtest.h>

#include <set>

#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

struct Bid {
  int64_t auction = 0;
  int64_t price = 0;
  std::string channel;
  Timestamp at;
};
struct Auction {
  int64_t id = 0;
  std::string item;
  std::optional<int64_t> reserve;
};

class Fluent : public ::testing::Test {
 protected:
  Fluent() {
    env_.parallelism(1);
    const std::vector<Bid> bids = {{1, 10, "web", 1s},
                                   {2, 20, "app", 2s},
                                   {1, 30, "app", 11s},
                                   {3, 5, "web", 12s},
                                   {1, 20, "web", 13s}};
    const std::vector<Auction> auctions = {{1, "lamp", 15}, {2, "book", std::nullopt}};
    env_.view("bid", env_.from_collection(bids).event_time(&Bid::at, monotonous()),
              {.rowtime = "at"});
    env_.view("auction", env_.from_collection(auctions));
  }
  // The rows of a table, in order.
  template <class T>
  std::vector<T> rows(const Table& table) {
    auto collected = table.as<T>().collect();
    const auto result = env_.execute("test");
    EXPECT_TRUE(result.ok()) << result.status().to_string() << "\n" << table.to_sql();
    return collected.sorted();
  }
  // What a table of changes amounts to.
  template <class T>
  std::vector<T> result(const Table& table) {
    auto collected = table.as<Change<T>>().collect();
    const auto end = env_.execute("test");
    EXPECT_TRUE(end.ok()) << end.status().to_string() << "\n" << table.to_sql();
    std::multiset<T> left;
    for (const auto& change : collected.get()) {
      if (is_retraction(change.kind)) {
        EXPECT_TRUE(left.contains(change.row));
        left.erase(left.find(change.row));
      } else {
        left.insert(change.row);
      }
    }
    return {left.begin(), left.end()};
  }
  std::string failure(ErrorId id) {
    const auto result = env_.execute("test");
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().id(), id) << result.status().to_string();
    return std::string(result.status().message());
  }

  Env env_;
};

using Pair = std::pair<int64_t, int64_t>;
using Named = std::pair<std::string, int64_t>;

TEST_F(Fluent, expressions_are_printed_as_sql) {
  const auto sql = [](const Expr& e) { return e.to_sql(); };
  EXPECT_EQ(sql(col("a") + 1 * col("b.c")), "a + 1 * b.c");
  EXPECT_EQ(sql((col("a") + 1) * 2 > -3), "(a + 1) * 2 > -3");
  EXPECT_EQ(sql(col("a") - (-1)), "a - -1");
  EXPECT_EQ(sql(col("a") == "it's" && col("b") && !(col("c") || col("d"))),
            "a = 'it''s' AND b AND NOT (c OR d)");
  EXPECT_EQ(sql(col("a").between(1, 2) || col("b").in({1, 2})), "a BETWEEN 1 AND 2 OR b IN (1, 2)");
  EXPECT_EQ(sql(col("a").is_null()), "a IS NULL");
  EXPECT_EQ(sql(col("a").like("x%")), "a LIKE 'x%'");
  EXPECT_EQ(sql(col("a").cast("DECIMAL(10, 2)")), "CAST(a AS DECIMAL(10, 2))");
  EXPECT_EQ(sql(col("a").sum().distinct().filter(col("b") > 0)),
            "SUM(DISTINCT a) FILTER (WHERE b > 0)");
  EXPECT_EQ(sql(count_all()), "COUNT(*)");
  EXPECT_EQ(sql(call("UPPER", col("a"))), "UPPER(a)");
  EXPECT_EQ(sql(Expr(1500ms)), "INTERVAL '1.500' SECOND");
  EXPECT_EQ(sql(Expr(2h)), "INTERVAL '2' HOUR");
  EXPECT_EQ(sql(Expr(0.5)), "0.5E0");
  EXPECT_EQ(sql(Expr(nullptr)), "NULL");
  EXPECT_EQ(sql(Expr(true)), "TRUE");
  EXPECT_EQ(sql(col("`a.b`.order")), "`a.b`.`order`");
  EXPECT_EQ(sql(if_else(col("a") > 1, "x", "y")), "CASE WHEN a > 1 THEN 'x' ELSE 'y' END");
  EXPECT_EQ(sql(col("a").avg().over({.partition_by = {"b"}, .order_by = {"t"}, .rows = 10})),
            "AVG(a) OVER (PARTITION BY b ORDER BY t ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)");
  EXPECT_EQ(sql(sql_expr("EXTRACT(YEAR FROM t)") + 1), "EXTRACT(YEAR FROM t) + 1");
}

TEST_F(Fluent, clauses_are_added_to_one_select) {
  const Table table = env_.table("bid")
                          .where(col("price") > 10)
                          .where(col("channel") == "app")
                          .select("auction", (col("price") * 2).as("twice"));
  EXPECT_EQ(table.to_sql(),
            "SELECT auction, price * 2 AS twice FROM bid WHERE price > 10 AND channel = 'app'");
  EXPECT_EQ(rows<Pair>(table), (std::vector<Pair>{{1, 60}, {2, 40}}));
}

TEST_F(Fluent, what_comes_behind_a_select_sees_its_columns) {
  const Table table = env_.table("bid")
                          .select("auction", (col("price") * 2).as("twice"))
                          .where(col("twice") > 40)
                          .add_columns((col("twice") + 1).as("more"))
                          .select("auction", "more");
  EXPECT_EQ(rows<Pair>(table), (std::vector<Pair>{{1, 61}}));
}

TEST_F(Fluent, groups) {
  const Table table = env_.table("bid")
                          .group_by("channel")
                          .having(count_all() > 2)
                          .select("channel", col("price").sum().as("total"));
  EXPECT_EQ(table.to_sql(),
            "SELECT channel, SUM(price) AS total FROM bid GROUP BY channel HAVING COUNT(*) > 2");
  EXPECT_EQ(result<Named>(table), (std::vector<Named>{{"web", 35}}));
}

TEST_F(Fluent, all_rows_are_one_group_without_keys) {
  EXPECT_EQ(result<int64_t>(env_.table("bid").group_by().select(count_all())),
            (std::vector<int64_t>{5}));
}

TEST_F(Fluent, windows) {
  const Table table = env_.table("bid")
                          .window(Tumble{.on = "at", .size = 10s})
                          .group_by("window_start", "window_end", "auction")
                          .select("auction", col("price").sum().as("total"));
  EXPECT_EQ(rows<Pair>(table), (std::vector<Pair>{{1, 10}, {1, 50}, {2, 20}, {3, 5}}));
}

TEST_F(Fluent, windows_of_what_was_selected) {
  const Table table = env_.table("bid")
                          .where(col("price") > 5)
                          .window(Hop{.on = "at", .size = 20s, .slide = 10s})
                          .group_by("window_start", "window_end")
                          .select("window_start", count_all().as("n"));
  EXPECT_EQ(
      (rows<std::pair<LocalTimestamp, int64_t>>(table)),
      (std::vector<std::pair<LocalTimestamp, int64_t>>{
          {LocalTimestamp(-10'000), 2}, {LocalTimestamp(0), 4}, {LocalTimestamp(10'000), 2}}));
}

TEST_F(Fluent, joins) {
  const Table bids = env_.table("bid").named("b");
  const Table auctions = env_.table("auction").named("a");
  const Table table = bids.join(auctions, col("b.auction") == col("a.id"))
                          .where(col("b.price") > 10)
                          .select("a.item", "b.price");
  EXPECT_EQ(table.to_sql(),
            "SELECT a.item, b.price FROM bid AS b JOIN auction AS a ON b.auction = a.id WHERE "
            "b.price > 10");
  EXPECT_EQ(rows<Named>(table), (std::vector<Named>{{"book", 20}, {"lamp", 20}, {"lamp", 30}}));
}

TEST_F(Fluent, a_filter_before_a_join_stays_before_it) {
  const Table table =
      env_.table("bid")
          .where(col("price") < 10)
          .left_join(env_.table("auction").where(col("id") > 5), col("auction") == col("id"))
          .select("bid.auction", "auction.item");
  using Row = std::pair<int64_t, std::optional<std::string>>;
  EXPECT_EQ(result<Row>(table), (std::vector<Row>{{3, std::nullopt}}));
}

TEST_F(Fluent, unions_distinct_and_the_first_rows) {
  const Table bids = env_.table("bid");
  const Table cheap = bids.where(col("price") <= 10).select("auction");
  const Table dear = bids.where(col("price") >= 30).select("auction");
  EXPECT_EQ(cheap.union_all(dear).to_sql(),
            "SELECT auction FROM bid WHERE price <= 10 UNION ALL SELECT auction FROM bid WHERE "
            "price >= 30");
  EXPECT_EQ(result<int64_t>(cheap.union_all(dear).distinct()), (std::vector<int64_t>{1, 3}));
}

TEST_F(Fluent, the_first_rows_in_an_order) {
  EXPECT_EQ(result<Pair>(env_.table("bid")
                             .select("auction", "price")
                             .order_by(col("price").desc(), "auction")
                             .limit(2)),
            (std::vector<Pair>{{1, 20}, {1, 30}}));
}

TEST_F(Fluent, top_n_of_each_group) {
  const Table table =
      env_.table("bid")
          .select("auction", "price",
                  row_number()
                      .over({.partition_by = {"auction"}, .order_by = {col("price").desc()}})
                      .as("rank_number"))
          .where(col("rank_number") <= 1)
          .select("auction", "price");
  EXPECT_EQ(result<Pair>(table), (std::vector<Pair>{{1, 30}, {2, 20}, {3, 5}}));
}

TEST_F(Fluent, rows_that_another_table_has) {
  const Table known = env_.table("auction").select("id");
  EXPECT_EQ(result<int64_t>(env_.table("bid").where(col("auction").in(known)).select("price")),
            (std::vector<int64_t>{10, 20, 20, 30}));
}

TEST_F(Fluent, texts_and_calls_mix) {
  const Table table = env_.sql("SELECT auction, MAX(price) AS top FROM bid GROUP BY auction")
                          .where(col("top") > 10)
                          .select("auction", "top");
  EXPECT_EQ(result<Pair>(table), (std::vector<Pair>{{1, 30}, {2, 20}}));
}

TEST_F(Fluent, an_unknown_column_is_shown_in_its_expression) {
  env_.table("bid").where(col("pric") > 10);
  const int line = __LINE__ - 1;
  const std::string message = failure(ErrorId::kSqlName);
  EXPECT_NE(message.find(fmt::format("fluent_test.cc:{}: where: ", line)), std::string::npos)
      << message;
  EXPECT_NE(message.find("did you mean 'price'"), std::string::npos) << message;
  EXPECT_NE(message.find("  SELECT * FROM bid WHERE pric > 10\n                          ^^^^"),
            std::string::npos)
      << message;
}

TEST_F(Fluent, select_and_group_by_name_their_line) {
  env_.table("bid").group_by("channel").select("channel", col("pric").sum());
  const int line = __LINE__ - 1;
  const std::string message = failure(ErrorId::kSqlName);
  EXPECT_NE(message.find(fmt::format("fluent_test.cc:{}: group_by(..).select: ", line)),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("SUM(pric)"), std::string::npos) << message;
}

TEST_F(Fluent, types_are_checked_as_in_sql) {
  env_.table("bid").where(col("price") + 1);
  EXPECT_NE(failure(ErrorId::kSqlType).find("price + 1"), std::string::npos);
}

TEST_F(Fluent, texts_inside_of_expressions_are_checked) {
  env_.table("bid").select(col("price").cast("BIGNT"));
  EXPECT_NE(failure(ErrorId::kSqlUnsupported).find("BIGNT"), std::string::npos);
}

TEST_F(Fluent, expressions_given_as_text_are_checked) {
  env_.table("bid").select(sql_expr("price +"));
  failure(ErrorId::kSqlSyntax);
}

TEST_F(Fluent, only_calls_have_a_filter) {
  env_.table("bid").select(col("price").filter(col("auction") > 1));
  EXPECT_NE(failure(ErrorId::kSqlQuery).find("filter() belongs to the call of a function"),
            std::string::npos);
}

TEST_F(Fluent, the_first_mistake_is_the_one_that_is_reported) {
  env_.table("bids").where(col("x") > 1).select("y").as<int64_t>().collect();
  EXPECT_NE(failure(ErrorId::kSqlName).find("table: "), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
