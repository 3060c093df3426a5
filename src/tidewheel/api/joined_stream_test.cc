// Joins through the API, in whole small jobs.
#include <gtest/gtest.h>

#include <algorithm>

#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

struct Order {
  int64_t id = 0;
  Timestamp at;
};
struct Payment {
  int64_t order = 0;
  int64_t cents = 0;
  Timestamp at;
};
struct Paid {
  int64_t id = 0;
  int64_t cents = 0;
  friend bool operator==(const Paid&, const Paid&) = default;
  friend auto operator<=>(const Paid&, const Paid&) = default;
};

Paid pair_up(const Order& order, const Payment& payment) { return {order.id, payment.cents}; }

struct Inputs {
  explicit Inputs(Env& env)
      : orders(env.from_elements<Order>({{1, 10s}, {2, 11s}, {3, 40s}})
                   .event_time(&Order::at, monotonous())),
        payments(env.from_elements<Payment>(
                        {{1, 100, 9s}, {1, 101, 12s}, {2, 200, 21s}, {9, 1, 22s}, {3, 300, 49s}})
                     .event_time(&Payment::at, monotonous())) {}
  Stream<Order> orders;
  Stream<Payment> payments;
};
std::vector<Paid> run(Env& env, const Collected<Paid>& collected) {
  const auto result = env.execute("joins");
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  std::vector<Paid> rows = collected.get();
  std::sort(rows.begin(), rows.end());
  return rows;
}

TEST(JoinedStream, rows_meet_within_an_interval_of_time) {
  Env env;
  Inputs in(env);
  auto paid = in.orders.key_by(&Order::id)
                  .interval_join(in.payments.key_by(&Payment::order), -1s, 9s, pair_up)
                  .collect();
  EXPECT_EQ(run(env, paid), (std::vector<Paid>{{1, 100}, {1, 101}, {3, 300}}));
}

TEST(JoinedStream, rows_meet_within_a_window) {
  Env env;
  Inputs in(env);
  auto paid = in.orders.key_by(&Order::id)
                  .join(in.payments.key_by(&Payment::order))
                  .window(tumbling(10s))
                  .apply(pair_up)
                  .collect();
  EXPECT_EQ(run(env, paid), (std::vector<Paid>{{1, 101}, {3, 300}}));
}

TEST(JoinedStream, rows_meet_within_a_session) {
  Env env;
  Inputs in(env);
  auto paid = in.orders.key_by(&Order::id)
                  .join(in.payments.key_by(&Payment::order))
                  .window(session(10s))
                  .apply(pair_up)
                  .collect();
  EXPECT_EQ(run(env, paid), (std::vector<Paid>{{1, 100}, {1, 101}, {2, 200}, {3, 300}}));
}

TEST(JoinedStream, co_group_sees_keys_of_either_side) {
  Env env;
  Inputs in(env);
  auto sizes = in.orders.key_by(&Order::id)
                   .co_group(in.payments.key_by(&Payment::order))
                   .window(tumbling(1min))
                   .apply<Paid>([](const int64_t& key, std::span<const Order> orders,
                                   std::span<const Payment> payments, auto& out) {
                     out(Paid{key, static_cast<int64_t>(orders.size() * 10 + payments.size())});
                   })
                   .collect();
  EXPECT_EQ(run(env, sizes), (std::vector<Paid>{{1, 12}, {2, 11}, {3, 11}, {9, 1}}));
}

TEST(JoinedStream, an_empty_interval_fails_the_job_with_a_message) {
  Env env;
  Inputs in(env);
  static_cast<void>(in.orders.key_by(&Order::id)
                        .interval_join(in.payments.key_by(&Payment::order), 0s, 0s, pair_up,
                                       {.lower_exclusive = true})
                        .collect());
  const auto result = env.execute("bad");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().id(), ErrorId::kWindowOption);
}

}  // namespace
}  // namespace tidewheel
