#include "tidewheel/base/event_loop.h"

#include <gtest/gtest.h>

#include <vector>

#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

TEST(EventLoop, runs_mail_in_order_and_timers_by_time) {
  const std::unique_ptr<World> world = make_real_world();
  const std::unique_ptr<Event> done = world->executor().make_event();
  std::vector<int> order;
  EventLoop loop(*world, "test");
  loop.post([&] {
    loop.after_ms(20, [&] {
      order.push_back(4);
      done->set();
    });
    loop.after_ms(1, [&] { order.push_back(3); });
    const EventLoop::TimerId never = loop.after_ms(2, [&] { order.push_back(99); });
    loop.cancel(never);
    order.push_back(1);
  });
  loop.post([&] { order.push_back(2); });
  ASSERT_TRUE(done->wait(world->clock().now_ns() + 20'000'000'000));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}

TEST(EventLoop, a_timer_may_set_and_cancel_others) {
  const std::unique_ptr<World> world = make_real_world();
  const std::unique_ptr<Event> done = world->executor().make_event();
  int ticks = 0;
  EventLoop::TimerId cancelled = 0;
  std::function<void()> tick;
  EventLoop loop(*world, "test");
  tick = [&] {
    loop.cancel(cancelled);
    cancelled = loop.after_ms(1000, [&] { ADD_FAILURE(); });
    if (++ticks == 5) {
      loop.cancel(cancelled);
      done->set();
    } else {
      loop.after_ms(0, tick);
    }
  };
  loop.post(tick);
  ASSERT_TRUE(done->wait(world->clock().now_ns() + 20'000'000'000));
  EXPECT_EQ(ticks, 5);
}

TEST(EventLoop, what_is_posted_after_its_end_is_dropped) {
  const std::unique_ptr<World> world = make_real_world();
  EventLoop::Poster poster;
  const auto kept = std::make_shared<int>(1);
  {
    EventLoop loop(*world, "test");
    poster = loop.poster();
    loop.after_ms(1'000'000, [kept] {});
  }
  poster([kept] { ADD_FAILURE(); });
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace tidewheel
