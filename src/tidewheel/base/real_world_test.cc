// The real executor, network and signals.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tidewheel/base/fault.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/signals.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

std::unique_ptr<World> quiet_world() {
  RealWorldOptions options;
  options.log_level = LogLevel::kOff;
  options.refuse_at_random = false;
  return make_real_world(options);
}

// Turns by a function.
class Lambda final : public Turnable {
 public:
  explicit Lambda(std::function<Turn()> turn) : turn_(std::move(turn)) {}
  Turn turn() override { return turn_(); }

 private:
  std::function<Turn()> turn_;
};

TEST(RealExecutor, turns_until_stop_and_wakes_a_sleeper) {
  const auto world = quiet_world();
  std::atomic<int> wanted{0};
  int done = 0;
  const auto reached = world->executor().make_event();
  Lambda work([&] {
    if (done < wanted.load()) {
      ++done;
      return Turn::again();
    }
    if (done >= 1000) {
      reached->set();
      return Turn::stop();
    }
    return Turn::sleep_until(Clock::kNever);
  });
  const auto worker = world->executor().start_worker("test", work);
  for (int i = 0; i < 1000; ++i) {
    wanted.fetch_add(1);
    worker->wake();
  }
  EXPECT_TRUE(reached->wait(world->clock().now_ns() + 20'000'000'000));
  EXPECT_EQ(done, 1000);
}

TEST(RealExecutor, a_sleep_ends_at_its_deadline_and_not_before) {
  const auto world = quiet_world();
  const int64_t deadline = world->clock().now_ns() + 3'000'000;
  int64_t woken_at = 0;
  Lambda work([&] {
    woken_at = world->clock().now_ns();
    return woken_at < deadline ? Turn::sleep_until(deadline) : Turn::stop();
  });
  world->executor().start_worker("test", work).reset();
  EXPECT_GE(woken_at, deadline);
}

// Two workers wake each other for each step, and others wake both at random: a lost wake-up hangs.
TEST(RealExecutor, wake_storms_lose_no_wake) {
  const auto world = quiet_world();
  constexpr int kSteps = 20'000;
  std::atomic<int> step{0};
  std::atomic<int> stopped{0};
  std::unique_ptr<Worker> workers[2];
  std::atomic<Worker*> published[2] = {nullptr, nullptr};
  const auto finished = world->executor().make_event();
  const auto turn = [&](int self) {
    const int now = step.load();
    if (now >= kSteps) {
      finished->set();
      if (published[1 - self].load() == nullptr) { return Turn::again(); }
      stopped.fetch_add(1);
      return Turn::stop();
    }
    if (now % 2 == self) {
      step.store(now + 1);
      if (Worker* other = published[1 - self].load()) { other->wake(); }
    }
    return published[1 - self].load() == nullptr ? Turn::again() : Turn::sleep_until(Clock::kNever);
  };
  Lambda first([&] { return turn(0); });
  Lambda second([&] { return turn(1); });
  workers[0] = world->executor().start_worker("first", first);
  published[0].store(workers[0].get());
  workers[1] = world->executor().start_worker("second", second);
  published[1].store(workers[1].get());
  // Until here a worker does not sleep, since it could not be woken; now the storm begins.
  std::thread storm([&] {
    while (!finished->is_set() && step.load() < kSteps / 2) {
      workers[0]->wake();
      workers[1]->wake();
    }
  });
  EXPECT_TRUE(finished->wait(world->clock().now_ns() + 60'000'000'000));
  storm.join();
  // Neither is destroyed before the other has called its wake() for the last time.
  while (stopped.load() < 2) {
    workers[0]->wake();
    workers[1]->wake();
  }
}

TEST(RealExecutor, blocking_jobs_run_side_by_side_and_before_the_end) {
  auto world = quiet_world();
  std::atomic<int> ran{0};
  const auto first_waits = world->executor().make_event();
  const auto both = world->executor().make_event();
  world->executor().run_blocking([&] {
    EXPECT_TRUE(first_waits->wait(world->clock().now_ns() + 20'000'000'000));
    both->set();
  });
  world->executor().run_blocking([&] { first_waits->set(); });
  EXPECT_TRUE(both->wait(world->clock().now_ns() + 20'000'000'000));
  for (int i = 0; i < 100; ++i) {
    world->executor().run_blocking([&] { ran.fetch_add(1); });
  }
  world.reset();
  EXPECT_EQ(ran.load(), 100);
}

TEST(RealExecutor, a_blocking_job_may_have_the_last_worker) {
  class Sleeper final : public Turnable {
   public:
    Turn turn() override { return stops.load() ? Turn::stop() : Turn::sleep_until(Clock::kNever); }
    std::atomic<bool> stops{false};
  };
  auto world = quiet_world();
  auto work = std::make_unique<Sleeper>();
  std::shared_ptr<Worker> worker = world->executor().start_worker("sleeper", *work);
  world->executor().run_blocking([&work, worker = std::move(worker)]() mutable {
    work->stops.store(true);
    worker->wake();
    worker.reset();
  });
  world.reset();
  EXPECT_TRUE(work->stops.load());
}

TEST(RealExecutor, an_event_waits_until_its_deadline) {
  const auto world = quiet_world();
  const auto event = world->executor().make_event();
  EXPECT_FALSE(event->wait(world->clock().now_ns() + 1'000'000));
  event->set();
  EXPECT_TRUE(event->wait());
}

TEST(RealWorld, knows_the_machine_and_its_environment) {
  const auto world = quiet_world();
  EXPECT_GT(world->memory_bytes(), 1 << 20);
  EXPECT_GE(world->executor().core_count(), 1);
  EXPECT_TRUE(world->environment("PATH").has_value());
  EXPECT_FALSE(world->environment("TIDEWHEEL_THERE_IS_NO_SUCH").has_value());
  EXPECT_GT(world->clock().wall_ms(), 1'500'000'000'000);
  EXPECT_NE(world->fork_random().next(), world->fork_random().next());
}

// Waits for facts about a connection: each callback sets a new round going.
class NetworkTest : public testing::Test {
 protected:
  NetworkTest() : world_(quiet_world()) {}
  ReadyCallback callback() {
    return [this] {
      rounds_.fetch_add(1);
      rounds_.notify_all();
    };
  }
  // Calls `done` after each callback until it is true.
  template <class Done>
  void until(Done done) {
    while (true) {
      const int before = rounds_.load();
      if (done()) { return; }
      rounds_.wait(before);
    }
  }

  std::unique_ptr<World> world_;
  std::atomic<int> rounds_{0};
};

TEST_F(NetworkTest, megabytes_cross_a_loopback_connection_both_ways_and_end) {
  auto listener = std::move(world_->network().listen({"127.0.0.1", 0}, callback())).value();
  EXPECT_GT(listener->port(), 0);
  const auto client =
      world_->network().connect({"127.0.0.1", listener->port()}, 10'000'000'000, callback());
  std::unique_ptr<Connection> server;
  until([&] {
    server = std::move(listener->accept(callback())).value();
    return server != nullptr;
  });
  std::string sent;
  for (int i = 0; i < 3'000'000; ++i) { sent += static_cast<char>('a' + i % 23); }
  std::string received;
  size_t written = 0;
  bool ended = false;
  bool shut = false;
  until([&] {
    while (written < sent.size()) {
      const Transfer put = *client->write(std::string_view(sent).substr(written));
      if (put.state == Transfer::State::kWouldBlock) { break; }
      written += static_cast<size_t>(put.bytes);
    }
    if (written == sent.size() && !shut) { shut = client->shutdown_write().ok(); }
    char buffer[65536];
    while (!ended) {
      const Transfer got = *server->read(buffer);
      if (got.state == Transfer::State::kWouldBlock) { break; }
      ended = got.state == Transfer::State::kEnd;
      received.append(buffer, static_cast<size_t>(got.bytes));
    }
    return ended;
  });
  EXPECT_EQ(received, sent);
  EXPECT_EQ(server->write("bye")->bytes, 3);
  char buffer[8];
  until([&] { return client->read(buffer)->state == Transfer::State::kMoved; });
  EXPECT_EQ(std::string(buffer, 3), "bye");
}

TEST_F(NetworkTest, a_refused_connection_says_so) {
  uint16_t port = 0;
  {
    const auto listener = std::move(world_->network().listen({"127.0.0.1", 0}, callback())).value();
    port = listener->port();
  }
  const auto client = world_->network().connect({"127.0.0.1", port}, 10'000'000'000, callback());
  char buffer[8];
  Status failure;
  until([&] {
    const Result<Transfer> got = client->read(buffer);
    if (!got.ok()) { failure = got.status(); }
    return !got.ok();
  });
  EXPECT_EQ(failure.id(), ErrorId::kNetworkConnect);
  EXPECT_FALSE(client->is_connected());
}

TEST_F(NetworkTest, a_host_name_is_resolved_off_the_caller_s_thread) {
  const auto listener = std::move(world_->network().listen({"127.0.0.1", 0}, callback())).value();
  const auto client =
      world_->network().connect({"localhost", listener->port()}, 10'000'000'000, callback());
  until([&] { return client->is_connected() || !client->write("x").ok(); });
  EXPECT_TRUE(client->is_connected());
  EXPECT_NE(client->peer().find("localhost"), std::string::npos);
}

TEST(NetworkAddress, parses_hosts_and_ports) {
  EXPECT_EQ(NetworkAddress::parse("localhost:80")->port, 80);
  EXPECT_EQ(NetworkAddress::parse("[::1]:80")->host, "::1");
  EXPECT_EQ(NetworkAddress::parse("[::1]:80")->to_string(), "[::1]:80");
  for (const char* bad : {"", "host", "host:", "host:70000", ":5", "host:x"}) {
    EXPECT_EQ(NetworkAddress::parse(bad).status().id(), ErrorId::kNetworkAddress) << bad;
  }
}

TEST(SignalHandler, the_first_signal_calls_the_function) {
  std::atomic<int> seen{0};
  const auto handler = std::move(SignalHandler::install([&](int signal) {
                         seen.store(signal);
                         seen.notify_all();
                       })).value();
  EXPECT_FALSE(SignalHandler::install([](int) {}).ok());
  ::raise(SIGTERM);
  seen.wait(0);
  EXPECT_EQ(seen.load(), SIGTERM);
}

TEST(SignalHandlerDeathTest, the_second_signal_ends_the_process) {
  EXPECT_EXIT(
      {
        const auto handler = SignalHandler::install([](int) {});
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      testing::ExitedWithCode(130), "");
}

class CountingPlan final : public FaultPlan {
 public:
  bool fires(std::string_view name) override { return name == "test.fault"; }
  bool refuses() override { return true; }
  void mark(std::string_view name) override { marks.insert(std::string(name)); }
  std::set<std::string> marks;
};

TEST(Fault, sites_ask_the_plan_of_their_thread_and_are_known_by_name) {
  const auto both = [] {
    TIDEWHEEL_MARK("test.mark");
    return TIDEWHEEL_FAULT("test.fault");
  };
  EXPECT_FALSE(both());
  EXPECT_FALSE(refuses_for_test());
  CountingPlan plan;
  {
    const FaultPlan::Scope scope(&plan);
    EXPECT_TRUE(both());
    EXPECT_FALSE(TIDEWHEEL_FAULT("test.other"));
    EXPECT_TRUE(refuses_for_test());
    std::thread([&] { EXPECT_FALSE(both()); }).join();
  }
  EXPECT_FALSE(both());
  EXPECT_EQ(plan.marks, (std::set<std::string>{"test.mark"}));
  const auto marks = all_mark_names();
  EXPECT_EQ(std::count(marks.begin(), marks.end(), "test.mark"), 1);
  EXPECT_EQ(all_fault_names(), (std::vector<std::string_view>{"test.fault", "test.other"}));
}

TEST(Log, lines_below_the_level_are_not_written) {
  class Lines final : public LogSink {
   public:
    void write(LogLevel, int64_t, std::string_view logger, std::string_view message) override {
      lines.push_back(std::string(logger) + ":" + std::string(message));
    }
    std::vector<std::string> lines;
  } sink;
  const auto world = quiet_world();
  const Logger logger(sink, world->clock(), LogLevel::kInfo, "a");
  logger.debug("not {}", 1);
  logger.info("one {}", 1);
  logger.named("b").error("two");
  EXPECT_EQ(sink.lines, (std::vector<std::string>{"a:one 1", "b:two"}));
}

}  // namespace
}  // namespace tidewheel
