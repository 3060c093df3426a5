// The pipeline of pipeline.sql in C++: tables of Avro messages in, structs between, messages out.
//
//   orders_kafka --tables tables.sql --brokers HOST:PORT --topics PREFIX
#include <tidewheel/connectors/kafka/kafka.h>
#include <tidewheel/tidewheel.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tw = tidewheel;
using namespace std::chrono_literals;

namespace {

using Money = tw::Decimal<10, 2>;
using Total = tw::Decimal<20, 2>;

struct Order {
  int64_t customer_id = 0;
  Money amount;
  tw::LocalTimestamp ordered_at;
};
struct Customer {
  int64_t customer_id = 0;
  std::string country;
  tw::LocalTimestamp updated_at;
};
struct Enriched {
  std::string country;
  Money amount;
};
struct Revenue {
  tw::LocalTimestamp window_start;
  std::string country;
  int64_t orders = 0;
  Total revenue;
};
struct Sum {
  int64_t orders = 0;
  Total amount;
};

// What the customer was at the time of the order. Orders wait until both sides have come so far.
struct AsOf {
  using output = Enriched;
  tw::Map<int64_t, std::string> countries{"countries"};  // by the time from which they hold, ms
  tw::Map<int64_t, std::vector<Money>> waiting{"waiting"};

  void on_left(const Order& order, auto& ctx) {
    const int64_t at = order.ordered_at.ms();
    waiting.update(at, [&](std::vector<Money>& amounts) { amounts.push_back(order.amount); });
    ctx.timers().at(tw::Timestamp(at));
  }
  void on_right(const tw::Change<Customer>& change, auto& ctx) {
    if (change.kind != tw::RowKind::kInsert && change.kind != tw::RowKind::kUpdateAfter) { return; }
    static_cast<void>(ctx);
    countries.put(change.row.updated_at.ms(), change.row.country);
  }
  void on_timer(tw::Timestamp when, auto& ctx) {
    std::string country;
    int64_t since = INT64_MIN;
    for (const auto& [from, name] : countries.entries()) {
      if (from <= when.ms() && from > since) {
        since = from;
        country = name;
      }
    }
    // Nobody asks for earlier times any more.
    countries.erase_if([&](int64_t from, const std::string&) { return from < since; });
    if (country.empty()) { return; }
    for (const Money& amount : waiting.get(when.ms())) { ctx.emit({country, amount}); }
    waiting.erase(when.ms());
  }
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

void tidewheel_job(tw::Env& env) {
  env.sql(read_file(env.args().require("tables")));
  const auto orders = env.sql("SELECT customer_id, amount, ordered_at FROM orders").as<Order>();
  const auto customers =
      env.sql("SELECT customer_id, country, updated_at FROM customers").as<tw::Change<Customer>>();
  const auto topics = env.args().require("topics");

  orders.key_by(&Order::customer_id)
      .connect(customers.key_by(
          [](const tw::Change<Customer>& change) { return change.row.customer_id; }))
      .process(AsOf{})
      .uid("as of")
      .key_by(&Enriched::country)
      .window(tw::tumbling(10s))
      .aggregate(tw::aggregator{
          .init = [] { return Sum{}; },
          .add =
              [](Sum& sum, const Enriched& order) {
                ++sum.orders;
                sum.amount += Total::of_unscaled(order.amount.unscaled());
              },
          .merge =
              [](Sum& a, const Sum& b) {
                a.orders += b.orders;
                a.amount += b.amount;
              },
          .result =
              [](const std::string& country, const tw::TimeWindow& window, const Sum& sum) {
                return Revenue{tw::LocalTimestamp(window.start.ms()), country, sum.orders,
                               sum.amount};
              }})
      .uid("revenue")
      .to(tw::kafka::sink({.brokers = env.args().require("brokers"),
                           .topic = topics + "-revenue",
                           .guarantee = tw::kafka::DeliveryGuarantee::kExactlyOnce,
                           .transactional_id_prefix = topics + "-revenue"},
                          tw::json()))
      .uid("write revenue");
}
