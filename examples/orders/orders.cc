// Reads orders, one JSON object a line, writes what each is worth, and puts aside what can't be
// read: `./orders --in orders.jsonl --out out`.
#include <tidewheel/tidewheel.h>

namespace tw = tidewheel;
using namespace std::chrono_literals;

namespace {

using Money = tw::Decimal<12, 2>;

struct Item {
  std::string sku;
  int64_t count = 1;
  Money price;
};
struct Order {
  int64_t id = 0;
  tw::Timestamp at;
  std::optional<std::string> customer;
  std::vector<Item> items;
};
struct Worth {
  int64_t id = 0;
  std::string customer;
  Money total;
};

using OrderOrReject = std::variant<Order, tw::JsonReject>;
const tw::OutputTag<tw::JsonReject> kRejected{"rejected"};

}  // namespace

void tidewheel_job(tw::Env& env) {
  const auto in = env.args().get("in", "orders.jsonl");
  const auto out = env.args().get("out", "out");

  auto worths =
      env.from("orders", tw::file::records<OrderOrReject>(
                             in, tw::json({.timestamp_format = tw::JsonTimestampFormat::kIso8601})))
          .uid("orders")
          .flat_map<Worth>([](const OrderOrReject& row, tw::Out<Worth>& to) {
            if (const auto* reject = std::get_if<tw::JsonReject>(&row)) {
              to.side(kRejected, *reject);
              return;
            }
            const Order& order = std::get<Order>(row);
            Money total;
            for (const Item& item : order.items) { total += item.price * item.count; }
            to(Worth{order.id, order.customer.value_or("nobody"), total});
          })
          .uid("worths");

  worths.to(tw::file::write(out + "/worths", tw::json(), {.suffix = ".jsonl"})).uid("write worths");
  worths.side(kRejected)
      .to(tw::file::write(out + "/rejected", tw::json(), {.suffix = ".jsonl"}))
      .uid("write rejected");
}
