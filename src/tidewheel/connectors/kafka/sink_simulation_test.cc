// Jobs that write to a simulated Kafka cluster, in processes that are killed at any moment, at
// other parallelisms each time. An oracle reads the log as a reader of committed messages does.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/api/connected.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/base/options.h"
#include "tidewheel/connectors/kafka/cluster_testing.h"
#include "tidewheel/connectors/kafka/sink.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/test_cluster.h"

namespace tidewheel::kafka {
namespace {

using testing::ClusterFaults;
using testing::kMs;
using testing::SimCluster;
using testing::SimLink;
using testing::SimRecord;
using testing::SimTransaction;

struct Order {
  std::string customer;
  int64_t number = 0;
};
struct Count {
  std::string customer;
  int64_t orders = 0;
};

// Counts a customer's orders, so that what is written depends on state.
struct CountOrders {
  using output = Count;
  Value<int64_t> orders{"orders"};
  void on_element(const Order& order, auto& ctx) {
    orders.update([](int64_t& n) { ++n; });
    ctx.emit({order.customer, orders.get()});
  }
};

// What a reader of committed messages may expect.
enum class Promise : uint8_t { kExactlyOnce, kNothingLost, kNothingTwice };

struct RunOptions {
  uint64_t seed = 1;
  Promise promise = Promise::kExactlyOnce;
  DeliveryGuarantee guarantee = DeliveryGuarantee::kExactlyOnce;
  int64_t orders = 400;
  int32_t customers = 7;
  int64_t lives_max = 8;
  bool rescales = true;
  ClusterFaults faults = {};
  LostMarker on_lost_marker = LostMarker::kFail;
  int64_t restarts_max = 1'000;
  int64_t transaction_timeout_ms = 2'000;
};

struct RunResult {
  Status status;
  std::string wrong;  // empty: the log is as it should be
  std::map<std::string, int64_t> seen;
  std::set<std::string, std::less<>> marks;
  int64_t kills = 0;
};

std::vector<Order> make_orders(const RunOptions& options) {
  std::vector<Order> orders;
  for (int64_t i = 0; i < options.orders; ++i) {
    orders.push_back({"customer " + std::to_string(i * 31 % options.customers), i});
  }
  return orders;
}

SinkOptions sink_options(const RunOptions& run, const SimLink& link) {
  SinkOptions options;
  options.brokers = "simulated:9092";
  options.topic = "counts";
  options.guarantee = run.guarantee;
  options.transactional_id_prefix = "job";
  options.transaction_timeout = Duration(run.transaction_timeout_ms);
  options.request_timeout = Duration(5'000);
  options.on_lost_marker = run.on_lost_marker;
  testing::use_simulated(options, link);
  return options;
}

// What is wrong with what readers of committed messages see.
std::string judge(const SimCluster& cluster, const RunOptions& options) {
  std::map<std::string, int64_t> expected;
  for (const Order& order : make_orders(options)) { ++expected[order.customer]; }
  std::map<std::string, std::vector<int64_t>> counts;  // by customer, in the order of the log
  for (const auto& partition : cluster.partitions()) {
    for (const SimRecord& record : partition) {
      if (record.state == SimRecord::State::kOpen) { return "a message is in an open transaction"; }
      if (record.state == SimRecord::State::kAborted) { continue; }
      counts[record.key].push_back(std::stoll(record.value));
    }
  }
  for (const auto& [customer, orders] : expected) {
    std::vector<int64_t>& of_customer = counts[customer];
    for (size_t i = 1; options.promise == Promise::kExactlyOnce && i < of_customer.size(); ++i) {
      if (of_customer[i] != of_customer[i - 1] + 1) {
        return fmt::format("{}: {} comes after {}", customer, of_customer[i], of_customer[i - 1]);
      }
    }
    const std::set<int64_t> different(of_customer.begin(), of_customer.end());
    const bool is_whole = static_cast<int64_t>(different.size()) == orders &&
                          *different.begin() == 1 && *different.rbegin() == orders;
    if (options.promise != Promise::kNothingTwice && !is_whole) {
      return fmt::format("{}: messages are missing", customer);
    }
    if (options.promise != Promise::kNothingLost && different.size() != of_customer.size()) {
      return fmt::format("{}: messages are there twice", customer);
    }
  }
  for (const auto& [id, transaction] : cluster.transactions()) {
    if (transaction.state == SimTransaction::State::kOngoing) { return id + " was left open"; }
  }
  return "";
}

class KafkaRun {
 public:
  explicit KafkaRun(const RunOptions& options)
      : options_(options),
        machine_({.seed = options.seed, .refusal_chance = 0.02}),
        cluster_({[this] { return simulation().now_ns(); },
                  [this](int64_t low, int64_t high) { return simulation().draw(low, high); },
                  [this](double chance) { return simulation().random().chance(chance); },
                  [this](int64_t delay_ns, std::function<void()> action) {
                    simulation().call_later(delay_ns, std::move(action));
                  }},
                 3) {}

  RunResult run() {
    RunResult result;
    for (int64_t life = 0;; ++life) {
      const bool is_last = life + 1 >= options_.lives_max;
      cluster_.faults = is_last ? ClusterFaults() : options_.faults;
      cluster_.faults.epoch_max = options_.faults.epoch_max;
      if (live(is_last, result)) { break; }
      ++result.kills;
      // Long enough, sometimes, for transactions to expire.
      simulation().run_for(simulation().draw(0, 1) == 0 ? simulation().draw(0, 100 * kMs)
                                                        : simulation().draw(0, 4'000 * kMs));
    }
    simulation().run_for(60'000 * kMs);
    cluster_.expire();
    simulation().run_for(1'000 * kMs);
    if (result.status.ok() && !has_hung_) { result.wrong = judge(cluster_, options_); }
    result.seen = cluster_.seen;
    result.marks = simulation().marks();
    return result;
  }

 private:
  Simulation& simulation() { return machine_.simulation; }

  Config config() {
    Config config;
    config.set(options::kParallelism,
               options_.rescales ? static_cast<int32_t>(simulation().draw(1, 4)) : 2);
    config.set(options::kBatchRows, simulation().draw(1, 6));
    config.set(options::kCheckpointInterval, simulation().draw(1, 40));
    config.set(options::kCheckpointDirectory, std::string("/checkpoints"));
    config.set(options::kCheckpointRetention, std::string("RETAIN_ON_CANCELLATION"));
    config.set(options::kRestartStrategy, std::string("fixed-delay"));
    config.set(options::kFixedDelayAttempts, options_.restarts_max);
    config.set(options::kFixedDelay, simulation().draw(1, 200));
    return config;
  }

  // False: the process was killed.
  bool live(bool is_last, RunResult& result) {
    SimProcess process(simulation(), machine_.world, "job");
    const SimLink link{&cluster_, process.life(), &process.executor()};
    cluster_.calls_left =
        is_last || simulation().draw(0, 1) == 0 ? INT64_MAX : simulation().draw(1, 120);
    cluster_.on_last_call = [&] { process.kill(); };
    Env env(process, config(), JobArgs(std::vector<std::string>()));
    env.resume(true);
    test::StubSource<Order> source;
    source.rows = std::make_shared<const std::vector<Order>>(make_orders(options_));
    source.slow = true;
    env.from("orders", source)
        .uid("orders")
        .key_by(&Order::customer)
        .process(CountOrders{})
        .uid("count")
        .to(sink(sink_options(options_, link),
                 [](const Count& count, MessageBuilder& message) {
                   message.key().append(count.customer);
                   message.value().append(std::to_string(count.orders));
                 }))
        .name("counts")
        .uid("counts");
    const auto doomed = std::make_shared<SimProcess*>(&process);  // null: it is over
    env.on_execute([&](JobHandle* handle) {
      if (handle == nullptr) { return; }
      const auto over = [&] { return is_final(handle->state()) || !process.alive(); };
      // The last one meets no faults: what it waits for that long never comes.
      const int64_t span_ns = is_last ? int64_t{45'000} * kMs : simulation().draw(0, 600 * kMs);
      // Calls that wait on the pool run the simulation within each other, and keep `run_until` from
      // its end as long as there are new ones.
      if (!is_last) {
        simulation().call_later(span_ns, [doomed] {
          if (*doomed != nullptr) { (*doomed)->kill(); }
        });
      }
      simulation().run_until(over, simulation().now_ns() + span_ns);
      if (is_final(handle->state())) { return; }
      has_hung_ = is_last;
      if (process.alive()) { process.kill(); }
      handle->cancel();
    });
    const Result<JobResult> ended = env.execute();
    *doomed = nullptr;
    if (has_hung_) {
      result.wrong = "it does not end";
      return true;
    }
    if (!process.alive()) { return false; }
    result.status = ended.status();
    // The process was killed when the last checkpoint was complete.
    if (!ended.ok() && ended.status().id() == ErrorId::kJobFinished) {
      result.status = ok_status();
    }
    return true;
  }

  const RunOptions options_;
  SimMachine machine_;
  SimCluster cluster_;
  bool has_hung_ = false;
};

// Seeds of a test: a few, or those of TIDEWHEEL_KAFKA_SEEDS=FIRST:COUNT.
struct Seeds {
  uint64_t first = 1;
  uint64_t end = 1;
};
Seeds seeds_or(uint64_t count) {
  const char* const asked = std::getenv("TIDEWHEEL_KAFKA_SEEDS");
  if (asked == nullptr) { return {1, 1 + count}; }
  Seeds seeds;
  if (std::sscanf(asked, "%lu:%lu", &seeds.first, &count) != 2) {
    ADD_FAILURE() << "TIDEWHEEL_KAFKA_SEEDS is FIRST:COUNT, not " << asked;
  }
  seeds.end = seeds.first + count;
  return seeds;
}

ClusterFaults drawn_faults(uint64_t seed) {
  ClusterFaults faults;
  faults.late_arrival = 0.5;
  if (seed % 3 != 0) { faults.lost_request = 0.02; }
  if (seed % 4 != 0) { faults.lost_answer = 0.03; }
  if (seed % 5 == 0) { faults.early_end = 0.01; }
  if (seed % 7 == 0) { faults.ending_ms_max = 300; }
  if (seed % 2 == 0) { faults.late_commit = 0.02; }
  return faults;
}

TEST(KafkaSinkSimulation, every_message_is_committed_once_and_in_order) {
  constexpr uint64_t kSeeds = 150;  // enough for the rarest of what a cluster may do
  std::map<std::string, int64_t> seen;
  const Seeds seeds = seeds_or(kSeeds);
  int64_t kills = 0;
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.faults = drawn_faults(seed);
    // Longer than anybody waits for one to expire.
    if (seed % 3 == 0) { options.transaction_timeout_ms = 600'000; }
    const RunResult result = KafkaRun(options).run();
    EXPECT_TRUE(result.status.ok()) << "seed " << seed << ": " << result.status.to_string();
    EXPECT_EQ(result.wrong, "") << "seed " << seed;
    for (const auto& [what, times] : result.seen) { seen[what] += times; }
    kills += result.kills;
  }
  if (seeds.end - seeds.first < kSeeds) { return; }
  EXPECT_GT(kills, 0);
  for (const char* what :
       {"expired", "lost request", "lost answer", "late arrival", "fenced an open transaction",
        "ended early", "late commit", "late commit of a fenced one"}) {
    EXPECT_GT(seen[what], 0) << what;
  }
}

TEST(KafkaSinkSimulation, at_least_once_loses_nothing) {
  const Seeds seeds = seeds_or(15);
  for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.guarantee = DeliveryGuarantee::kAtLeastOnce;
    options.promise = Promise::kNothingLost;
    const RunResult result = KafkaRun(options).run();
    EXPECT_TRUE(result.status.ok()) << "seed " << seed << ": " << result.status.to_string();
    EXPECT_EQ(result.wrong, "") << "seed " << seed;
  }
}

// Offsets of groups are forgotten now and then, and with them what was committed.
TEST(KafkaSinkSimulation, a_lost_marker_is_judged_as_the_user_has_said) {
  struct Case {
    LostMarker policy;
    Promise promise;
  };
  constexpr uint64_t kSeeds = 15;
  const Seeds seeds = seeds_or(kSeeds);
  for (const Case& one : {Case{LostMarker::kSendAgain, Promise::kNothingLost},
                          Case{LostMarker::kDrop, Promise::kNothingTwice},
                          Case{LostMarker::kFail, Promise::kExactlyOnce}}) {
    int64_t failures = 0;
    for (uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
      RunOptions options;
      options.seed = seed;
      options.faults = drawn_faults(seed);
      options.faults.lost_offsets = 0.01;
      options.on_lost_marker = one.policy;
      options.promise = one.promise;
      options.restarts_max = 200;
      const RunResult result = KafkaRun(options).run();
      if (one.policy == LostMarker::kFail && !result.status.ok()) {
        ASSERT_EQ(result.status.id(), ErrorId::kKafkaTransaction) << result.status.to_string();
        ASSERT_EQ(result.status.code(), StatusCode::kDataLoss) << result.status.to_string();
        ++failures;
        continue;
      }
      EXPECT_TRUE(result.status.ok()) << "seed " << seed << ": " << result.status.to_string();
      EXPECT_EQ(result.wrong, "") << "seed " << seed;
    }
    if (seeds.end - seeds.first < kSeeds) { continue; }
    EXPECT_EQ(failures > 0, one.policy == LostMarker::kFail);
  }
}

}  // namespace
}  // namespace tidewheel::kafka
