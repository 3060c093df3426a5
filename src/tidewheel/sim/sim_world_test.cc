#include "tidewheel/sim/sim_world.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace tidewheel {
namespace {

class Lambda final : public Turnable {
 public:
  explicit Lambda(std::function<Turn()> turn) : turn_(std::move(turn)) {}
  Turn turn() override { return turn_(); }

 private:
  std::function<Turn()> turn_;
};

SimulationOptions with_seed(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  return options;
}

// Three workers that write their names; the order is the schedule.
std::pair<std::string, uint64_t> schedule_of(uint64_t seed) {
  SimMachine machine(with_seed(seed));
  std::string order;
  std::vector<std::unique_ptr<Lambda>> work;
  std::vector<std::unique_ptr<Worker>> workers;
  for (const char name : {'a', 'b', 'c'}) {
    work.push_back(std::make_unique<Lambda>([&order, name, turns = 0]() mutable {
      order += name;
      return ++turns < 5 ? Turn::again() : Turn::stop();
    }));
    workers.push_back(machine.world.executor().start_worker(std::string(1, name), *work.back()));
  }
  workers.clear();
  return {order, machine.simulation.trace().hash()};
}

TEST(Simulation, a_seed_replays_and_seeds_differ) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(schedule_of(seed), schedule_of(seed));
    orders.insert(schedule_of(seed).first);
  }
  EXPECT_GT(orders.size(), 15U);
}

TEST(Simulation, time_moves_to_the_next_deadline_when_nobody_is_ready) {
  SimMachine machine(with_seed(1));
  Clock& clock = machine.world.clock();
  const int64_t deadline = clock.now_ns() + 3'600'000'000'000;
  int turns = 0;
  Lambda work([&] {
    ++turns;
    return clock.now_ns() < deadline ? Turn::sleep_until(deadline) : Turn::stop();
  });
  machine.world.executor().start_worker("sleeper", work).reset();
  EXPECT_EQ(turns, 2);
  EXPECT_GE(clock.now_ns(), deadline);
}

TEST(Simulation, a_wake_during_the_turn_is_not_lost) {
  SimMachine machine(with_seed(1));
  int turns = 0;
  Worker* self = nullptr;
  Lambda work([&] {
    if (++turns == 1) { self->wake(); }
    return turns < 2 ? Turn::sleep_until(Clock::kNever) : Turn::stop();
  });
  std::unique_ptr<Worker> worker = machine.world.executor().start_worker("self", work);
  self = worker.get();
  worker.reset();
  EXPECT_EQ(turns, 2);
}

TEST(Simulation, events_and_blocking_jobs_run_in_virtual_time) {
  SimMachine machine(with_seed(1));
  const auto event = machine.world.executor().make_event();
  machine.world.executor().run_blocking([&] { event->set(); });
  EXPECT_FALSE(event->is_set());
  EXPECT_TRUE(event->wait());
  const auto never = machine.world.executor().make_event();
  const int64_t deadline = machine.world.clock().now_ns() + 1'000'000;
  EXPECT_FALSE(never->wait(deadline));
  EXPECT_GE(machine.world.clock().now_ns(), deadline);
}

TEST(Simulation, a_slow_worker_has_few_turns) {
  const auto turns_with = [](double slow_chance) {
    SimulationOptions options = with_seed(1);
    options.slow_chance = slow_chance;
    SimMachine machine(options);
    int turns = 0;
    bool ends = false;
    Lambda work([&] {
      ++turns;
      return ends ? Turn::stop() : Turn::again();
    });
    const auto worker = machine.world.executor().start_worker("worker", work);
    machine.simulation.run_for(100'000'000);
    ends = true;
    return turns;
  };
  EXPECT_GT(turns_with(0), 20 * turns_with(1));
}

TEST(SimulationDeathTest, a_deadlock_ends_the_process_and_names_the_sleepers) {
  const auto hang = [] {
    SimMachine machine(with_seed(1));
    Lambda work([] { return Turn::sleep_until(Clock::kNever); });
    const auto worker = machine.world.executor().start_worker("forgotten", work);
    machine.world.executor().make_event()->wait();
  };
  EXPECT_DEATH(hang(), "deadlock.*\n?.*forgotten: sleeps until woken");
}

TEST(SimulationDeathTest, a_livelock_ends_the_process) {
  const auto spin = [] {
    SimulationOptions options = with_seed(1);
    options.steps_max = 1000;
    SimMachine machine(options);
    Lambda work([] { return Turn::again(); });
    const auto worker = machine.world.executor().start_worker("busy", work);
    machine.world.executor().make_event()->wait();
  };
  EXPECT_DEATH(spin(), "livelock");
}

TEST(Simulation, fault_sites_are_on_or_off_for_a_run_and_marks_are_kept) {
  int runs_with_fault = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SimulationOptions options = with_seed(seed);
    options.fault_site_chance = 0.5;
    options.fault_chance = 0.5;
    options.refusal_chance = 0.25;
    SimMachine machine(options);
    int fired = 0;
    int refused = 0;
    for (int i = 0; i < 100; ++i) {
      fired += TIDEWHEEL_FAULT("sim_test.fault") ? 1 : 0;
      refused += refuses_for_test() ? 1 : 0;
    }
    TIDEWHEEL_MARK("sim_test.mark");
    EXPECT_EQ(machine.simulation.marks().count("sim_test.mark"), 1U);
    EXPECT_TRUE(fired == 0 || fired > 20);
    EXPECT_GT(refused, 5);
    EXPECT_EQ(machine.simulation.refusals(), refused);
    runs_with_fault += fired > 0 ? 1 : 0;
  }
  EXPECT_GT(runs_with_fault, 25);
  EXPECT_LT(runs_with_fault, 75);
  EXPECT_FALSE(TIDEWHEEL_FAULT("sim_test.fault"));
}

TEST(SimWorld, the_wall_clock_jumps_and_drifts_and_the_monotonic_one_does_not) {
  SimHostOptions host;
  host.wall_drift = 0.5;
  SimMachine machine(with_seed(1), host);
  Clock& clock = machine.world.clock();
  const int64_t wall = clock.wall_ms();
  const int64_t mono = clock.now_ns();
  machine.simulation.run_for(10'000'000'000);
  EXPECT_NEAR(static_cast<double>(clock.wall_ms() - wall), 15'000, 2);
  machine.world.jump_wall_clock(-3'600'000);
  EXPECT_LT(clock.wall_ms(), wall);
  EXPECT_NEAR(static_cast<double>(clock.now_ns() - mono), 1e10, 1e6);
}

TEST(SimWorld, has_its_own_environment_and_log) {
  SimMachine machine(with_seed(1));
  EXPECT_FALSE(machine.world.environment("HOME").has_value());
  machine.world.set_environment("HOME", "/x");
  EXPECT_EQ(*machine.world.environment("HOME"), "/x");
  machine.world.logger().error("no {}", 1);
  EXPECT_EQ(machine.world.log_lines(), (std::vector<std::string>{"host: no 1"}));
}

class SimFileSystemTest : public testing::Test {
 protected:
  explicit SimFileSystemTest(uint64_t seed = 1)
      : machine_(with_seed(seed)), files_(machine_.world.sim_files()) {}
  std::unique_ptr<WritableFile> open(const std::string& path) {
    return std::move(files_.open_write(path, WriteMode::kAppend)).value();
  }
  SimMachine machine_;
  SimFileSystem& files_;
};

TEST_F(SimFileSystemTest, behaves_like_a_disk_while_nothing_goes_wrong) {
  EXPECT_TRUE(files_.make_directories("/a/b").ok());
  EXPECT_TRUE(write_all_durably(files_, "/a/b/f", "hello").ok());
  EXPECT_EQ(*read_all(files_, "/a/b/f"), "hello");
  EXPECT_EQ(files_.open_write("/a/b/f", WriteMode::kCreate).status().id(), ErrorId::kFileExists);
  EXPECT_EQ(files_.open_read("/none").status().id(), ErrorId::kFileNotFound);
  EXPECT_EQ(files_.open_read("/a").status().id(), ErrorId::kFileAccess);
  EXPECT_EQ(files_.remove("/a").id(), ErrorId::kFileExists);
  EXPECT_EQ(files_.list("/a/b")->size(), 1U);
  const uint64_t id = files_.info("/a/b/f")->id;
  EXPECT_TRUE(files_.rename("/a/b/f", "/a/g").ok());
  EXPECT_EQ(files_.info("/a/g")->id, id);
  EXPECT_TRUE(files_.remove_all("/a").ok());
  EXPECT_FALSE(*files_.exists("/a"));
}

TEST_F(SimFileSystemTest, what_was_written_durably_survives_a_crash) {
  ASSERT_TRUE(write_all_durably(files_, "/tmp/f", "safe").ok());
  files_.crash();
  EXPECT_EQ(*read_all(files_, "/tmp/f"), "safe");
}

TEST(SimFileSystem, a_crash_loses_or_tears_what_was_not_synced) {
  std::set<std::string> kinds;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimMachine machine(with_seed(seed));
    SimFileSystem& files = machine.world.sim_files();
    const auto file = std::move(files.open_write("/tmp/f", WriteMode::kCreate)).value();
    ASSERT_TRUE(file->append("synced").ok());
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(files.sync_directory("/tmp").ok());
    ASSERT_TRUE(file->append("+tail").ok());
    files.crash();
    EXPECT_EQ(file->append("x").id(), ErrorId::kFileIo);  // opened before the crash
    const std::string left = *read_all(files, "/tmp/f");
    ASSERT_EQ(left.substr(0, 6), "synced");
    ASSERT_LE(left.size(), 11U);
    kinds.insert(left == "synced"                       ? "lost"
                 : left == "synced+tail"                ? "kept"
                 : left.find('\0') != std::string::npos ? "torn"
                                                        : "cut");
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"cut", "kept", "lost", "torn"}));
}

TEST(SimFileSystem, a_crash_may_lose_names_and_bring_back_removed_ones) {
  int new_kept = 0;
  int removed_back = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SimMachine machine(with_seed(seed));
    SimFileSystem& files = machine.world.sim_files();
    ASSERT_TRUE(write_all_durably(files, "/tmp/old", "x").ok());
    ASSERT_TRUE(files.remove("/tmp/old").ok());
    const auto file = std::move(files.open_write("/tmp/new", WriteMode::kCreate)).value();
    ASSERT_TRUE(file->append("y").ok());
    ASSERT_TRUE(file->sync().ok());  // the bytes, not the name
    files.crash();
    new_kept += *files.exists("/tmp/new") ? 1 : 0;
    removed_back += *files.exists("/tmp/old") ? 1 : 0;
  }
  EXPECT_GT(new_kept, 20);
  EXPECT_LT(new_kept, 80);
  EXPECT_GT(removed_back, 20);
  EXPECT_LT(removed_back, 80);
}

TEST_F(SimFileSystemTest, a_failed_sync_is_not_mended_by_a_later_one) {
  const auto file = open("/tmp/f");
  ASSERT_TRUE(file->append("lost").ok());
  files_.set_faults({.sync_error = 1});
  EXPECT_EQ(file->sync().id(), ErrorId::kFileIo);
  files_.set_faults({});
  ASSERT_TRUE(file->append("more").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(files_.sync_directory("/tmp").ok());
  files_.crash();
  const std::string left = *read_all(files_, "/tmp/f");
  EXPECT_EQ(left.find("lost"), std::string::npos);
}

TEST_F(SimFileSystemTest, errors_a_full_disk_and_flipped_bits) {
  ASSERT_TRUE(write_all_durably(files_, "/tmp/f", std::string(100, 'a')).ok());
  files_.set_faults({.read_error = 1});
  EXPECT_EQ(read_all(files_, "/tmp/f").status().id(), ErrorId::kFileIo);
  files_.set_faults({.write_error = 1});
  EXPECT_EQ(open("/tmp/g")->append("x").id(), ErrorId::kFileIo);
  files_.set_faults({.bit_flip = 1});
  EXPECT_NE(*read_all(files_, "/tmp/f"), std::string(100, 'a'));
  files_.set_faults({.short_read = 1});
  EXPECT_EQ(*read_all(files_, "/tmp/f"), std::string(100, 'a'));
  files_.set_faults({});
  ASSERT_TRUE(files_.flip_bit("/tmp/f").ok());
  EXPECT_NE(*read_all(files_, "/tmp/f"), std::string(100, 'a'));
  files_.set_capacity(150);
  EXPECT_EQ(open("/tmp/h")->append(std::string(100, 'b')).id(), ErrorId::kFileNoSpace);
}

TEST_F(SimFileSystemTest, a_slow_disk_takes_virtual_time) {
  files_.set_faults({.delay_ns_max = 1'000'000'000});
  int turns = 0;
  const int64_t start = machine_.simulation.now_ns();
  Lambda work([&] {
    ignore(files_.exists("/tmp"), "only its time matters");
    return ++turns < 20 ? Turn::again() : Turn::stop();
  });
  machine_.world.executor().start_worker("disk", work).reset();
  EXPECT_GT(machine_.simulation.now_ns() - start, 1'000'000'000);
}

class SimNetworkTest : public testing::Test {
 protected:
  SimNetworkTest()
      : simulation_(with_seed(7)),
        fabric_(simulation_),
        a_(simulation_, fabric_, "a"),
        b_(simulation_, fabric_, "b") {}
  ~SimNetworkTest() override = default;

  // A connection from a to b.
  void connect() {
    listener_ = std::move(b_.network().listen({"", 99}, [] {})).value();
    client_ = a_.network().connect({"b", 99}, 10'000'000'000, [this] { ++client_calls_; });
    ASSERT_TRUE(simulation_.run_until(
        [this] {
          if (server_ == nullptr) {
            server_ = std::move(listener_->accept([] {})).value();
          }
          return server_ != nullptr && client_->is_connected();
        },
        simulation_.now_ns() + 10'000'000'000));
  }
  // Sends as much as goes within a second.
  size_t pump(Connection& from, Connection& to, std::string_view bytes, std::string& received) {
    size_t sent = 0;
    simulation_.run_until(
        [&] {
          const Result<Transfer> put = from.write(bytes.substr(sent));
          if (put.ok()) { sent += static_cast<size_t>(put->bytes); }
          char buffer[64];
          const Result<Transfer> got = to.read(buffer);
          if (got.ok()) { received.append(buffer, static_cast<size_t>(got->bytes)); }
          return received.size() >= bytes.size();
        },
        simulation_.now_ns() + 1'000'000'000);
    return sent;
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld a_;
  SimWorld b_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> client_;
  std::unique_ptr<Connection> server_;
  int client_calls_ = 0;
};

TEST_F(SimNetworkTest, bytes_arrive_in_order_split_anywhere_then_the_end) {
  SimLink link;
  link.whole_chance = 0;
  link.window_bytes_max = 100;
  fabric_.set_all_links(link);
  connect();
  std::string sent;
  for (int i = 0; i < 500; ++i) { sent += std::to_string(i) + ","; }
  std::string received;
  // The clock stands still while nothing is under way, so keep something coming.
  EXPECT_EQ(pump(*client_, *server_, sent, received), sent.size());
  EXPECT_EQ(received, sent);
  ASSERT_TRUE(client_->shutdown_write().ok());
  char buffer[8];
  EXPECT_TRUE(
      simulation_.run_until([&] { return server_->read(buffer)->state == Transfer::State::kEnd; }));
  std::string answer;
  pump(*server_, *client_, "bye", answer);  // the other direction is still open
  EXPECT_EQ(answer, "bye");
  EXPECT_GT(client_calls_, 0);
}

TEST_F(SimNetworkTest, a_slow_reader_blocks_the_writer) {
  SimLink link;
  link.window_bytes_max = 50;
  fabric_.set_all_links(link);
  connect();
  size_t sent = 0;
  while (true) {
    const Transfer put = *client_->write(std::string(1000, 'x'));
    if (put.state == Transfer::State::kWouldBlock) { break; }
    sent += static_cast<size_t>(put.bytes);
  }
  EXPECT_LE(sent, 50U);
  simulation_.run_for(1'000'000'000);
  EXPECT_EQ(client_->write("x")->state, Transfer::State::kWouldBlock);
  const int calls = client_calls_;
  char buffer[100];
  EXPECT_EQ(server_->read(buffer)->state, Transfer::State::kMoved);
  simulation_.run_for(1'000'000'000);
  EXPECT_GT(client_calls_, calls);
}

TEST_F(SimNetworkTest, a_cut_in_one_direction_holds_bytes_back_until_mended) {
  connect();
  fabric_.cut("a", "b", true);
  std::string received;
  EXPECT_GT(pump(*client_, *server_, "to b", received), 0U);
  EXPECT_EQ(received, "");
  std::string back;
  pump(*server_, *client_, "to a", back);
  EXPECT_EQ(back, "to a");
  fabric_.cut("a", "b", false);
  char buffer[8];
  EXPECT_TRUE(simulation_.run_until([&] {
    const Transfer got = *server_->read(buffer);
    received.append(buffer, static_cast<size_t>(got.bytes));
    return !received.empty();
  }));
}

TEST_F(SimNetworkTest, a_reset_is_noticed_by_both_and_a_half_open_connection_by_one) {
  connect();
  char buffer[8];
  fabric_.half_open("a", "b");
  EXPECT_EQ(client_->read(buffer).status().id(), ErrorId::kNetworkLost);
  EXPECT_EQ(server_->read(buffer)->state, Transfer::State::kWouldBlock);
  EXPECT_TRUE(server_->write("x").ok());
  fabric_.reset("a", "b");
  EXPECT_EQ(server_->read(buffer).status().id(), ErrorId::kNetworkLost);
}

TEST_F(SimNetworkTest, links_lose_connections_by_chance) {
  SimLink link;
  link.loss_chance = 1;
  fabric_.set_link("a", "b", link);
  connect();
  EXPECT_EQ(client_->write("x").status().id(), ErrorId::kNetworkLost);
  char buffer[8];
  EXPECT_EQ(server_->read(buffer).status().id(), ErrorId::kNetworkLost);
}

TEST_F(SimNetworkTest, connecting_is_refused_times_out_or_finds_no_such_host) {
  char buffer[8];
  const auto failure = [&](const NetworkAddress& address) {
    const auto connection = a_.network().connect(address, 1'000'000'000, [] {});
    Status status;
    simulation_.run_until(
        [&] {
          const Result<Transfer> got = connection->read(buffer);
          if (!got.ok()) { status = got.status(); }
          return !got.ok();
        },
        simulation_.now_ns() + 5'000'000'000);
    return status.ok() ? std::string() : std::string(error_name(status.id())) + status.message();
  };
  EXPECT_NE(failure({"b", 5}).find("refused"), std::string::npos);
  EXPECT_NE(failure({"nowhere", 5}).find("kNetworkAddress"), std::string::npos);
  fabric_.cut("a", "b", true);
  EXPECT_NE(failure({"b", 5}).find("timed out"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
