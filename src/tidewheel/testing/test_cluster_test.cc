#include "tidewheel/testing/test_cluster.h"

#include <gtest/gtest.h>

#include "tidewheel/testing/keyed_harness.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel::test {
namespace {

using namespace std::chrono_literals;

struct Click {
  std::string user;
  Timestamp at;
};
struct Quiet {
  std::string user;
  int64_t clicks = 0;
  friend auto operator<=>(const Quiet&, const Quiet&) = default;
};

struct Inactivity {
  using output = Quiet;
  Value<int64_t> clicks{"clicks"};
  EventTimer idle{"idle"};
  void on_element(const Click& click, auto&) {
    clicks.update([](int64_t& n) { ++n; });
    idle.at(click.at + 10min);
  }
  void on_timer(EventTimer&, Timestamp, auto& ctx) {
    ctx.emit({ctx.key(), clicks.get()});
    clicks.clear();
  }
};

// As its author writes it: from a file to the console.
void quiet_users(Env& env) {
  env.from("clicks", collection<Click>({}))
      .event_time(&Click::at,
                  bounded_lateness(Duration(env.args().get("late-ms", int64_t{0}))).per_record())
      .key_by(&Click::user)
      .process(Inactivity{})
      .uid("inactivity")
      .print()
      .name("alerts");
}

std::vector<Click> clicks() {
  std::vector<Click> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back({"user " + std::to_string(i % 17), Timestamp(Duration(i * 40'000 % 3'600'000))});
  }
  return all;
}

TEST(TestCluster, a_whole_job_gives_the_same_whatever_the_seed) {
  Cluster cluster;
  cluster.stub<Click>("clicks", clicks()).capture<Quiet>("alerts");
  const JobRun first = cluster.run(quiet_users);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_FALSE(first.rows<Quiet>("alerts").empty());
  for (uint64_t seed = 2; seed < 12; ++seed) {
    const JobRun other =
        cluster.run(quiet_users, {.seed = seed,
                                  .parallelism = static_cast<int32_t>(seed % 4 + 1),
                                  .batch_rows = static_cast<int64_t>(seed % 5 + 1),
                                  .refusal = 0.1});
    ASSERT_TRUE(other.ok()) << other.status().to_string();
    EXPECT_EQ(other.sorted<Quiet>("alerts"), first.sorted<Quiet>("alerts")) << "seed " << seed;
  }
}

// Event time begins anew after a failure, so what a late row does is not the same: there are none.
TEST(TestCluster, a_job_whose_process_is_killed_gives_the_same) {
  Cluster cluster({.config = {}, .args = {"--late-ms", "4000000"}});
  cluster.stub<Click>("clicks", clicks()).capture<Quiet>("alerts");
  const JobRun first = cluster.run(quiet_users);
  int64_t kills = 0;
  for (uint64_t seed = 1; seed < 12; ++seed) {
    const JobRun other =
        cluster.run(quiet_users, {.seed = seed,
                                  .parallelism = static_cast<int32_t>(seed % 4 + 1),
                                  .batch_rows = static_cast<int64_t>(seed % 5 + 1),
                                  .kill_every_checkpoints = static_cast<int64_t>(seed % 3 + 1),
                                  .args = {"--late-ms", "4000000"}});
    ASSERT_TRUE(other.ok()) << other.status().to_string();
    EXPECT_EQ(other.sorted<Quiet>("alerts"), first.sorted<Quiet>("alerts")) << "seed " << seed;
    kills += other.kills();
  }
  EXPECT_GT(kills, 0);
}

TEST(KeyedHarness, state_and_timers_survive_a_restore) {
  Keyed harness{Inactivity{}, &Click::user};
  harness.push({"ann", Timestamp(5min)}, 5min).push({"ann", Timestamp(6min)}, 6min);
  EXPECT_TRUE(harness.watermark(15min).output().empty());
  harness.snapshot_restore().watermark(16min);
  EXPECT_EQ(harness.output(), (std::vector<Quiet>{{"ann", 2}}));
}

TEST(TestCluster, names_that_the_job_does_not_have_are_mistakes) {
  Cluster cluster;
  cluster.stub<Click>("clicks", clicks()).capture<Quiet>("alarms");
  EXPECT_EQ(cluster.run(quiet_users).status().id(), ErrorId::kGraphEdge);
  Cluster other;
  other.stub<Quiet>("clicks", {});
  EXPECT_EQ(other.run(quiet_users).status().id(), ErrorId::kGraphEdge);
}

TEST(TestCluster, time_is_virtual) {
  Cluster cluster({.config = {}, .args = {}});
  cluster.capture<int64_t>("out");
  const JobRun run = cluster.run([](Env& env) {
    env.sequence(1, 5)
        .async_map(
            [](int64_t n) -> Async<int64_t> {
              co_await sleep(24h);
              co_return n;
            },
            {.capacity = 1})
        .to(discard())
        .name("out");
  });
  ASSERT_TRUE(run.ok()) << run.status().to_string();
  EXPECT_EQ(run.rows<int64_t>("out"), (std::vector<int64_t>{1, 2, 3, 4, 5}));
  EXPECT_GE(run.result().runtime_ns, int64_t{5} * 24 * 3600 * 1'000'000'000);
}

}  // namespace
}  // namespace tidewheel::test
