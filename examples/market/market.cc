// SQL and streams in one job: trades come as structs, SQL and its clauses as C++ calls make tables
// of them, and what these give is structs again. `./market --trades 100000`.
#include <tidewheel/tidewheel.h>

namespace tw = tidewheel;
using namespace std::chrono_literals;
using tw::col;

namespace {

struct Trade {
  std::string symbol;
  tw::Decimal<12, 2> price;
  std::int32_t quantity = 0;
  std::optional<std::string> venue;
  tw::Timestamp at;
};
struct Minute {
  std::string symbol;
  tw::LocalTimestamp window_start;
  std::int64_t trades = 0;
  std::int64_t quantity = 0;
};
struct Volume {
  std::string symbol;
  std::int64_t quantity = 0;
};

Trade make_trade(std::int64_t index) {
  constexpr const char* kSymbols[] = {"ABB", "BASF", "CATL", "DHL"};
  Trade trade;
  trade.symbol = kSymbols[index * 7 % 11 % 4];
  trade.price = tw::Decimal<12, 2>::of_unscaled(9'000 + index * 37 % 2'000);
  trade.quantity = static_cast<std::int32_t>(1 + index * 13 % 100);
  if (index % 5 != 0) { trade.venue = index % 2 == 0 ? "north" : "south"; }
  trade.at = tw::Timestamp(index * 250);
  return trade;
}

}  // namespace

void tidewheel_job(tw::Env& env) {
  const std::int64_t count = env.args().get<std::int64_t>("trades", 1'000);
  const auto trades = env.generate(make_trade, tw::GeneratorOptions{.count = count})
                          .event_time(&Trade::at, tw::monotonous());
  // A struct is a row type: its fields are the columns. `at` is the time by which rows go.
  env.view("trades", trades, {.rowtime = "at"});

  // SQL in, structs out. Names and types are checked when the job is built.
  env.sql(
         "SELECT symbol, window_start, COUNT(*) AS trades, SUM(quantity) AS quantity "
         "FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)) "
         "WHERE venue IS NOT NULL GROUP BY symbol, window_start, window_end")
      .as<Minute>()
      .filter([](const Minute& minute) { return minute.quantity > 2'500; })
      .print("busy");

  // The same planner by calls. Rows of this query change: they come as changes.
  env.table("trades")
      .where(col("price") > 90 && col("venue") == "north")
      .group_by("symbol")
      .select("symbol", col("quantity").sum().as("quantity"))
      .as<tw::Change<Volume>>()
      .filter([](const tw::Change<Volume>& change) {
        return change.kind == tw::RowKind::kUpdateAfter && change.row.quantity % 1'000 < 20;
      })
      .print("north");

  // Several statements: a table of the outside world, and an INSERT into it, which is part of this
  // job.
  env.sql(
      "CREATE TABLE large (symbol STRING, price DECIMAL(12, 2), quantity INT) "
      "WITH ('connector' = 'print', 'print-identifier' = 'large');"
      "INSERT INTO large SELECT symbol, price, quantity FROM trades WHERE quantity = 100");
}
