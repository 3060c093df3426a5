#include "tidewheel/operators/process.h"

#include <gtest/gtest.h>

#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessSnapshot;
using testing::OperatorHarness;
using testing::TimedRow;
using namespace std::chrono_literals;

struct Click {
  std::string user;
  std::string url;
  Timestamp at;
};
struct Alert {
  std::string user;
  int64_t clicks = 0;
  Timestamp at;
  friend bool operator==(const Alert&, const Alert&) = default;
};
void PrintTo(const Alert& alert, std::ostream* out) { *out << printed(alert); }

// Says that a user has been quiet, and how much that user had clicked.
struct Inactivity {
  using output = Alert;
  Duration quiet = 30min;
  Value<int64_t> clicks{"clicks"};
  EventTimer idle{"idle"};

  void on_element(const Click& click, auto&) {
    clicks.update([](int64_t& n) { ++n; });
    idle.at(click.at + quiet);
  }
  void on_timer(EventTimer&, Timestamp when, auto& ctx) {
    ctx.emit({ctx.key(), clicks.get(), when});
    clicks.clear();
  }
};

template <class P>
std::unique_ptr<Operator> keyed(const P& function) {
  using Inputs = ProcessInputs<std::string, Click, std::string Click::*, NoRow, NoKey>;
  return std::make_unique<ProcessOperator<ProcessKind::kOneInput, Inputs, P>>(
      function, Inputs{&Click::user, {}}, nullptr);
}

Click click(const std::string& user, Duration at) { return {user, "/", Timestamp(at)}; }

TEST(Process, a_named_timer_moves_and_fires_once) {
  OperatorHarness harness(keyed(Inactivity{.quiet = 20min}));
  harness.push(click("ann", 10min), to_ms(10min));
  harness.push(click("ann", 15min), to_ms(15min));
  harness.watermark(to_ms(34min));
  EXPECT_TRUE(harness.take<Alert>().empty());
  harness.watermark(to_ms(35min));
  EXPECT_EQ(harness.take<Alert>(), (std::vector<Alert>{{"ann", 2, Timestamp(35min)}}));
  harness.watermark(to_ms(90min));
  EXPECT_TRUE(harness.take<Alert>().empty());
}

TEST(Process, rows_of_timers_have_the_time_of_the_timer_and_come_before_the_watermark) {
  OperatorHarness harness(keyed(Inactivity{.quiet = 20min}), {.batch_rows = 2, .refusal = 0.5});
  for (int i = 0; i < 20; ++i) { harness.push(click("user " + std::to_string(i), Duration(i)), i); }
  harness.watermark(to_ms(1h));
  const auto elements = harness.take_elements();
  uint32_t rows = 0;
  int64_t last = 0;
  for (size_t i = 0; i + 1 < elements.size(); ++i) {
    ASSERT_EQ(elements[i].kind, Element::Kind::kBatch);
    rows += elements[i].end - elements[i].begin;
    for (uint32_t row = elements[i].begin; row < elements[i].end; ++row) {
      EXPECT_GE(elements[i].batch->timestamps()[row], last);
      last = elements[i].batch->timestamps()[row];
    }
  }
  EXPECT_EQ(rows, 20U);
  EXPECT_EQ(last, 19 + to_ms(20min));
  EXPECT_EQ(elements.back().kind, Element::Kind::kWatermark);
}

TEST(Process, state_and_timers_survive_a_rescale) {
  HarnessSnapshot all;
  {
    OperatorHarness harness(keyed(Inactivity{.quiet = 20min}));
    for (int i = 0; i < 30; ++i) { harness.push(click("user " + std::to_string(i), 1min), 60'000); }
    // Rows and timers after the barrier are none of the snapshot's business.
    int i = 0;
    all = harness.snapshot_in_steps(30, [&] {
      harness.push(click("user " + std::to_string(i * 7 % 40), 2min), 120'000);
      if (++i == 10) { harness.watermark(to_ms(21min)); }
    });
    EXPECT_GT(i, 20);
  }
  size_t alerts = 0;
  for (int32_t subtask = 0; subtask < 4; ++subtask) {
    OperatorHarness harness(keyed(Inactivity{.quiet = 20min}),
                            {.subtask_index = subtask, .parallelism = 4});
    ASSERT_TRUE(harness.open_restored(all).ok());
    harness.watermark(to_ms(21min));
    for (const Alert& alert : harness.take<Alert>()) {
      EXPECT_EQ(alert.clicks, 1);
      ++alerts;
    }
  }
  EXPECT_EQ(alerts, 30U);
}

// Repeats what it has seen ten seconds later, by the clock.
struct Echo {
  using output = std::string;
  Value<std::string> last{"last"};
  void on_element(const Click& click, auto& ctx) {
    last = click.url;
    ctx.timers().proc_at(ctx.now() + 10s);
    ctx.timers().at(click.at + 1s);
  }
  void on_timer(Timestamp, auto& ctx) {
    ctx.emit(last.get() + (ctx.time_domain() == TimeDomain::kEvent ? " by event" : " by clock"));
  }
};

TEST(Process, timers_without_a_name_fire_by_either_clock) {
  OperatorHarness harness(keyed(Echo{}), {.wall_ms = 1000});
  harness.push<Click>({"ann", "/a", Timestamp(5)}, 5);
  harness.advance_to_wall_ms(11'000);
  EXPECT_TRUE(harness.take<std::string>().empty());
  harness.advance_to_wall_ms(11'001);
  EXPECT_EQ(harness.take_timed<std::string>(),
            (std::vector<TimedRow<std::string>>{{"/a by clock", kNoTimestamp}}));
  harness.watermark(1005);
  EXPECT_EQ(harness.take_timed<std::string>(),
            (std::vector<TimedRow<std::string>>{{"/a by event", 1005}}));
}

struct Bad {
  using output = std::string;
  void on_element(const Click&, auto& ctx) { ctx.timers().at(Timestamp(1)); }
  void on_timer(Timestamp, auto&) { throw std::runtime_error("no"); }
};

TEST(Process, a_failure_in_a_timer_names_the_key) {
  OperatorHarness harness(keyed(Bad{}));
  harness.push(click("ann", 0min), 0);
  try {
    harness.watermark(5);
    FAIL() << "it must throw";
  } catch (const OperatorFailure& failure) {
    EXPECT_NE(failure.status().message().find("in on_timer, at record of key ann"),
              std::string::npos)
        << failure.status().message();
  }
}

// Joins two keyed inputs: the latest of each.
struct Latest {
  using output = std::string;
  Value<std::string> url{"url"};
  Value<int64_t> clicks{"clicks"};
  void on_left(const Click& click, auto& ctx) {
    url = click.url;
    ctx.emit(ctx.key() + " " + click.url + " " + std::to_string(clicks.get()));
  }
  void on_right(const Alert& alert, auto& ctx) {
    clicks = alert.clicks;
    ctx.emit(ctx.key() + " " + url.get_or("?") + " " + std::to_string(alert.clicks));
  }
  void on_end(auto& ctx) { ctx.emit("end"); }
};

TEST(Process, two_inputs_share_the_state_of_a_key) {
  using Inputs =
      ProcessInputs<std::string, Click, std::string Click::*, Alert, std::string Alert::*>;
  OperatorHarness harness(
      std::make_unique<ProcessOperator<ProcessKind::kTwoInputs, Inputs, Latest>>(
          Latest{}, Inputs{&Click::user, &Alert::user}, nullptr));
  harness.push<Alert>({"ann", 3, {}}, 0, 1);
  harness.push<Click>({"ann", "/a", {}}, 0, 0);
  harness.push<Alert>({"bob", 1, {}}, 0, 1);
  harness.end_of_input(2);
  EXPECT_EQ(harness.take<std::string>(),
            (std::vector<std::string>{"ann ? 3", "ann /a 3", "bob ? 1", "end"}));
}

struct Rule {
  std::string url;
  std::string name;
};
// Names urls by broadcast rules, and counts for each user how many had a name.
struct Naming {
  using output = std::string;
  Broadcast<std::string, std::string> names{"names"};
  Value<int64_t> named{"named"};
  void on_element(const Click& click, auto& ctx) {
    if (!names.contains(click.url)) { return ctx.emit(click.url); }
    named.update([](int64_t& n) { ++n; });
    ctx.emit(names.get(click.url) + " " + std::to_string(named.get()));
  }
  void on_broadcast(const Rule& rule, auto& ctx) {
    if (rule.name.empty()) {
      ctx.for_each_key(
          [&](const std::string& user) { ctx.emit(user + " had " + std::to_string(named.get())); });
    } else {
      names.edit(ctx).put(rule.url, rule.name);
    }
  }
};

TEST(Process, broadcast_rows_change_the_state_that_all_keys_read) {
  using Inputs = ProcessInputs<std::string, Click, std::string Click::*, Rule, NoKey>;
  const auto make = [] {
    return std::make_unique<ProcessOperator<ProcessKind::kBroadcast, Inputs, Naming>>(
        Naming{}, Inputs{&Click::user, {}}, nullptr);
  };
  HarnessSnapshot all;
  {
    OperatorHarness harness(make());
    harness.push<Click>({"ann", "/a", {}}, 0, 0);
    harness.push<Rule>({"/a", "home"}, 0, 1);
    harness.push<Click>({"ann", "/a", {}}, 0, 0);
    harness.push<Rule>({"", ""}, 0, 1);
    EXPECT_EQ(harness.take<std::string>(), (std::vector<std::string>{"/a", "home 1", "ann had 1"}));
    all = harness.snapshot_in_steps(1, [&] {
      harness.push<Rule>({"/a", "not home"}, 0, 1);
      harness.push<Click>({"ann", "/a", {}}, 0, 0);
    });
  }
  OperatorHarness restored(make());
  ASSERT_TRUE(restored.open_restored(all).ok());
  restored.push<Click>({"ann", "/a", {}}, 0, 0);
  EXPECT_EQ(restored.take<std::string>(), (std::vector<std::string>{"home 2"}));
}

struct Remember {
  using output = int64_t;
  OperatorList<int64_t> seen{"seen"};
  void on_element(const int64_t& n, auto& ctx) {
    seen.add(n);
    ctx.emit(static_cast<int64_t>(seen.size()));
  }
};

TEST(Process, without_a_key_there_is_state_of_the_subtask) {
  using Inputs = ProcessInputs<NoKey, int64_t, NoKey, NoRow, NoKey>;
  using Op = ProcessOperator<ProcessKind::kOneInput, Inputs, Remember>;
  HarnessSnapshot all;
  {
    OperatorHarness harness(std::make_unique<Op>(Remember{}, Inputs{}, nullptr));
    for (int64_t i = 0; i < 4; ++i) { harness.push(i, i); }
    EXPECT_EQ(harness.take<int64_t>(), (std::vector<int64_t>{1, 2, 3, 4}));
    all = harness.snapshot_in_steps(1, [&] { harness.push(int64_t{7}, 7); });
  }
  int64_t total = 0;
  for (int32_t subtask = 0; subtask < 2; ++subtask) {
    OperatorHarness harness(std::make_unique<Op>(Remember{}, Inputs{}, nullptr),
                            {.subtask_index = subtask, .parallelism = 2});
    ASSERT_TRUE(harness.open_restored(all).ok());
    harness.push<int64_t>(0, 0);
    total += harness.take<int64_t>().at(0);
  }
  EXPECT_EQ(total, 4 + 2);
}

}  // namespace
}  // namespace tidewheel
