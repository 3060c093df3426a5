// The exchange between simulated workers: what is pushed on one side comes out on the other, once
// and in order, whatever the network does and however slow the receiver is.
#include "tidewheel/cluster/exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/cluster/exchange_frames.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/operators/record_row_codec.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

struct Row {
  int64_t number = 0;
  std::string text;
};

// What a slot does for one task: steps it when it was woken.
class TestTask : public WakeTarget, private Turnable {
 public:
  explicit TestTask(World& world) : world_(world) {}
  void start(const std::string& name) { worker_ = world_.executor().start_worker(name, *this); }
  void stop() {
    if (worker_ == nullptr) { return; }
    stopping_ = true;
    worker_->wake();
    worker_.reset();
  }
  ~TestTask() override { stop(); }
  void poke() { wake(); }

 protected:
  virtual void step() = 0;
  World& world_;
  int64_t wake_at_ns_ = Clock::kNever;

 private:
  void on_scheduled(bool) override {
    if (worker_ != nullptr) { worker_->wake(); }
  }
  Turn turn() override {
    if (stopping_) { return Turn::stop(); }
    rest();
    wake_at_ns_ = Clock::kNever;
    step();
    return Turn::sleep_until(wake_at_ns_);
  }
  bool stopping_ = false;
  std::unique_ptr<Worker> worker_;
};

class Sender final : public TestTask {
 public:
  explicit Sender(World& world) : TestTask(world) {}
  ~Sender() override { stop(); }
  void add_rows(int64_t first, int64_t count) {
    auto* batch = static_cast<RowBatch<Row>*>(pool_->acquire());
    for (int64_t i = 0; i < count; ++i) {
      batch->append(Row{first + i, std::string(static_cast<size_t>(i % 7), 'x')}, first + i);
    }
    waiting.push_back(Element::rows(BatchRef::adopt(batch)));
  }
  void add(Element element) { waiting.push_back(std::move(element)); }
  // As ChannelWriter::overtake does.
  void overtake(int64_t checkpoint) {
    waiting.push_front(Element::control(Element::Kind::kBarrier, checkpoint));
    overtaken = waiting.size() - 1;
    channel->announce(checkpoint, channel->next_position());
    poke();
  }
  Channel* channel = nullptr;
  std::deque<Element> waiting;
  size_t overtaken = 0;

 private:
  void step() override {
    while (!waiting.empty() && channel->push(waiting.front())) { waiting.pop_front(); }
  }
  const std::shared_ptr<BatchPool> pool_ = BatchPool::create_for<Row>(16, nullptr);
};

class Receiver final : public TestTask {
 public:
  explicit Receiver(World& world) : TestTask(world) {}
  ~Receiver() override { stop(); }
  Channel* channel = nullptr;
  std::vector<std::string> seen;
  std::vector<int64_t> numbers;
  int64_t pause_ns = 0;  // between two elements
  bool blocked = false;
  bool ended = false;

 private:
  void step() override {
    Element element;
    while (!blocked && world_.clock().now_ns() >= next_ns_ && channel->pop(element)) {
      take(element);
      next_ns_ = world_.clock().now_ns() + pause_ns;
    }
    if (!blocked && world_.clock().now_ns() < next_ns_) { wake_at_ns_ = next_ns_; }
  }
  void take(const Element& element) {
    switch (element.kind) {
      case Element::Kind::kBatch: {
        const auto& batch = RowBatch<Row>::of(*element.batch);
        for (uint32_t i = element.begin; i < element.end; ++i) {
          numbers.push_back(batch.row(i).number);
          EXPECT_EQ(batch.timestamps()[i], batch.row(i).number);
        }
        break;
      }
      case Element::Kind::kWatermark: seen.push_back("w" + std::to_string(element.value)); break;
      case Element::Kind::kBarrier: seen.push_back("b" + std::to_string(element.value)); break;
      case Element::Kind::kEndOfInput: ended = true; break;
      default: seen.push_back("other"); break;
    }
  }
  int64_t next_ns_ = 0;
};

class Plans final : public CheckpointPlans {
 public:
  CheckpointPlanRef find(int64_t checkpoint) const override {
    const auto found = plans.find(checkpoint);
    return found == plans.end() ? nullptr : found->second;
  }
  std::map<int64_t, CheckpointPlanRef> plans;
};

// A worker process.
struct TestWorker {
  TestWorker(Simulation& simulation, SimNetworkFabric& fabric, std::string host, uint64_t worker,
             const SimHostOptions& host_options = {})
      : world(simulation, fabric, host, host_options), id(worker), name(std::move(host)) {
    options.job = "job";
    options.token = 42;
    options.worker = id;
    options.name = name;
    options.listen_at = {"", 7000};
    options.connect_timeout_ms = 500;
    options.heartbeat_interval_ms = 100;
    options.heartbeat_timeout_ms = 1'000;
    options.plans = &plans;
    options.on_plan = [this](const CheckpointPlanRef& plan) { came.plans[plan->id] = plan; };
    options.on_failure = [this](ExchangeChannelId channel, const Status& why) {
      failures.emplace_back(channel, why);
    };
  }
  void start() { exchange = Exchange::start(world, options).value(); }
  ExchangePeer peer() const { return {id, {name, 7000}, name}; }

  SimWorld world;
  const uint64_t id;
  const std::string name;
  ExchangeOptions options;
  Plans plans;
  Plans came;
  std::vector<std::pair<ExchangeChannelId, Status>> failures;
  std::unique_ptr<Exchange> exchange;
};

// A channel from one worker to another with its tasks.
struct TestChannel {
  TestChannel(TestWorker& from_worker, TestWorker& to_worker, ExchangeChannelId channel_id,
              uint32_t credits)
      : from(from_worker), to(to_worker), id(channel_id), sender(from.world), receiver(to.world) {
    auto edge = std::make_shared<EdgeInfo>();
    edge->name = "a.0 > b.0";
    edge->codec = row_codec_of<Row>();
    spec.number = id.number;
    spec.edge = edge;
    spec.credits = credits;
    spec.batch_rows = 16;
  }
  ~TestChannel() {
    sender.stop();
    receiver.stop();
  }
  void open_sender() {
    out = from.exchange->make_outgoing(id, spec, to.peer(), sender).value();
    sender.channel = &out->channel();
    sender.start("sender");
  }
  void open_receiver() {
    in = to.exchange->make_incoming(id, spec, from.peer(), receiver).value();
    receiver.channel = &in->channel();
    receiver.start("receiver");
  }
  void open() {
    open_sender();
    open_receiver();
  }
  // Rows 0 to count in batches, a watermark after each.
  void send(int64_t batches, int64_t rows) {
    for (int64_t i = 0; i < batches; ++i) {
      sender.add_rows(i * rows, rows);
      sender.add(Element::watermark(i));
    }
    sender.poke();
  }
  bool has_all(int64_t batches, int64_t rows) const {
    return static_cast<int64_t>(receiver.numbers.size()) == batches * rows &&
           std::count_if(receiver.seen.begin(), receiver.seen.end(),
                         [](const std::string& seen) { return seen[0] == 'w'; }) == batches;
  }
  void expect_all(int64_t batches, int64_t rows) const {
    ASSERT_EQ(static_cast<int64_t>(receiver.numbers.size()), batches * rows);
    for (int64_t i = 0; i < batches * rows; ++i) {
      ASSERT_EQ(receiver.numbers[static_cast<size_t>(i)], i);
    }
    EXPECT_TRUE(has_all(batches, rows));
  }

  TestWorker& from;
  TestWorker& to;
  const ExchangeChannelId id;
  RemoteChannelSpec spec;
  Sender sender;
  Receiver receiver;
  std::unique_ptr<RemoteChannel> out;
  std::unique_ptr<RemoteChannel> in;
};

class ExchangeTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  ExchangeTest()
      : simulation_({.seed = GetParam()}),
        fabric_(simulation_),
        a_(simulation_, fabric_, "a", 1),
        b_(simulation_, fabric_, "b", 2) {
    fabric_.set_all_links({.latency_ns_min = 1'000, .latency_ns_max = 100'000});
  }
  ~ExchangeTest() override {
    a_.exchange.reset();
    b_.exchange.reset();
  }
  void start() {
    a_.start();
    b_.start();
  }
  bool run_until(const std::function<bool()>& done, int64_t ms = 120'000) {
    return simulation_.run_until(done, simulation_.now_ns() + ms * kNsPerMs);
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  MemoryPool network_{"network", 64 << 10};
  TestWorker a_;
  TestWorker b_;
};

TEST_P(ExchangeTest, elements_come_once_and_in_order) {
  start();
  TestChannel channel(a_, b_, {1, 7}, 4);
  if (GetParam() % 2 == 0) {
    channel.open();
  } else {
    channel.open_sender();
    simulation_.run_for(200 * kNsPerMs);  // offered before it is expected
    channel.open_receiver();
  }
  channel.send(100, 10);
  channel.sender.add(Element::control(Element::Kind::kEndOfInput));
  ASSERT_TRUE(run_until([&] { return channel.receiver.ended; }));
  channel.expect_all(100, 10);
  EXPECT_TRUE(a_.failures.empty());
  EXPECT_TRUE(b_.failures.empty());
  const ExchangeFigures sent = a_.exchange->figures();
  EXPECT_EQ(sent.elements_sent, 201);
  EXPECT_EQ(b_.exchange->figures().elements_received, 201);
  EXPECT_EQ(sent.connections, 1);
}

TEST_P(ExchangeTest, a_channel_that_stands_still_holds_up_no_other) {
  start();
  std::vector<std::unique_ptr<TestChannel>> channels;
  for (uint32_t i = 0; i < 6; ++i) {
    channels.push_back(std::make_unique<TestChannel>(a_, b_, ExchangeChannelId{1, i}, 3));
    channels.back()->open();
    channels.back()->send(40, 10);
  }
  channels[0]->receiver.blocked = true;
  channels[1]->receiver.pause_ns = 2 * kNsPerMs;
  ASSERT_TRUE(run_until([&] {
    return std::all_of(channels.begin() + 1, channels.end(),
                       [](const auto& channel) { return channel->receiver.numbers.size() == 400; });
  }));
  EXPECT_TRUE(channels[0]->receiver.numbers.empty());
  // The receiver's ring and the sender's are full, and no more has been taken.
  EXPECT_EQ(channels[0]->receiver.channel->size(), 3U);
  EXPECT_EQ(channels[0]->sender.waiting.size(), 80U - 6U);
  EXPECT_EQ(a_.exchange->figures().connections, 1);
  channels[0]->receiver.blocked = false;
  channels[0]->receiver.poke();
  ASSERT_TRUE(run_until([&] { return channels[0]->has_all(40, 10); }));
  for (const auto& channel : channels) { channel->expect_all(40, 10); }
}

TEST_P(ExchangeTest, slow_links_change_nothing) {
  fabric_.set_all_links({.latency_ns_min = kNsPerMs,
                         .latency_ns_max = 30 * kNsPerMs,
                         .window_bytes_max = 2'000,
                         .whole_chance = 0.1});
  start();
  TestChannel channel(a_, b_, {1, 0}, 16);
  channel.open();
  channel.send(30, 16);
  channel.sender.add(Element::control(Element::Kind::kEndOfInput));
  ASSERT_TRUE(run_until([&] { return channel.receiver.ended; }));
  channel.expect_all(30, 16);
}

TEST_P(ExchangeTest, a_lost_connection_fails_what_needs_it_and_names_the_peer) {
  start();
  TestChannel one(a_, b_, {1, 0}, 4);
  TestChannel back(b_, a_, {1, 1}, 4);
  one.open();
  back.open();
  one.receiver.pause_ns = kNsPerMs;
  one.send(1'000, 10);
  back.send(1, 1);
  back.sender.add(Element::control(Element::Kind::kEndOfInput));
  ASSERT_TRUE(run_until([&] { return !one.receiver.numbers.empty() && back.receiver.ended; }));
  fabric_.reset("a", "b");
  ASSERT_TRUE(run_until([&] { return !a_.failures.empty() && !b_.failures.empty(); }));
  simulation_.run_for(100 * kNsPerMs);
  ASSERT_EQ(a_.failures.size(), 1U) << "what has ended does not fail";
  ASSERT_EQ(b_.failures.size(), 1U);
  EXPECT_EQ(a_.failures[0].first, one.id);
  EXPECT_EQ(b_.failures[0].first, one.id);
  EXPECT_EQ(a_.failures[0].second.id(), ErrorId::kNetworkLost);
  EXPECT_NE(a_.failures[0].second.message().find("sending rows to b"), std::string::npos);
  EXPECT_NE(b_.failures[0].second.message().find("receiving rows from a"), std::string::npos);
  // The next attempt makes a connection of its own.
  TestChannel again(a_, b_, {2, 0}, 4);
  again.open();
  again.send(10, 10);
  ASSERT_TRUE(run_until([&] { return again.receiver.numbers.size() == 100; }));
}

TEST_P(ExchangeTest, a_half_open_connection_is_noticed) {
  start();
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open();
  channel.send(3, 10);
  ASSERT_TRUE(run_until([&] { return channel.receiver.numbers.size() == 30; }));
  simulation_.run_for(5'000 * kNsPerMs);
  EXPECT_TRUE(a_.failures.empty()) << "silence of tasks is no silence of workers";
  fabric_.half_open("a", "b");
  const int64_t start_ns = simulation_.now_ns();
  ASSERT_TRUE(run_until([&] { return !b_.failures.empty(); }));
  EXPECT_LT(simulation_.now_ns() - start_ns, 2'500 * kNsPerMs);
}

TEST_P(ExchangeTest, a_peer_that_is_not_there_fails_the_channel) {
  a_.start();
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open_sender();
  channel.send(3, 10);
  ASSERT_TRUE(run_until([&] { return !a_.failures.empty(); }));
  EXPECT_EQ(a_.failures[0].second.id(), ErrorId::kNetworkConnect);
}

TEST_P(ExchangeTest, a_worker_of_another_run_is_refused) {
  b_.options.token = 43;
  start();
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open();
  ASSERT_TRUE(run_until([&] { return !a_.failures.empty(); }));
  // Over a link that takes a few bytes at a time the reason may be lost with the connection.
  const Status& why = a_.failures[0].second;
  EXPECT_TRUE(why.message().find("refuses") != std::string::npos ||
              why.id() == ErrorId::kNetworkLost);
  EXPECT_TRUE(channel.receiver.numbers.empty());
}

TEST_P(ExchangeTest, strangers_are_sent_away_and_hold_up_nobody) {
  start();
  std::vector<std::unique_ptr<Connection>> strangers;
  for (int i = 0; i < 300; ++i) {
    strangers.push_back(a_.world.network().connect({"b", 7000}, 1'000 * kNsPerMs, [] {}));
  }
  simulation_.run_for(1'000 * kNsPerMs);
  const int64_t open = b_.exchange->figures().connections;
  EXPECT_LE(open, 257);
  EXPECT_GE(open, 256);
  simulation_.run_for(12'000 * kNsPerMs);
  EXPECT_EQ(b_.exchange->figures().connections, 0);
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open();
  channel.send(10, 10);
  EXPECT_TRUE(run_until([&] { return channel.has_all(10, 10); }));
}

TEST_P(ExchangeTest, ends_may_go_at_any_time) {
  start();
  for (uint32_t attempt = 1; attempt <= 20; ++attempt) {
    auto channel = std::make_unique<TestChannel>(a_, b_, ExchangeChannelId{attempt, 0}, 4);
    channel->open();
    channel->receiver.pause_ns = 100'000;
    channel->send(50, 10);
    simulation_.run_for(simulation_.draw(0, 20 * kNsPerMs));
    channel->sender.stop();
    channel->receiver.stop();
    if (simulation_.draw(0, 1) == 0) { channel->out.reset(); }
    simulation_.run_for(simulation_.draw(0, kNsPerMs));
    channel->in.reset();
  }
  TestChannel last(a_, b_, {99, 0}, 4);
  last.open();
  last.send(50, 10);
  ASSERT_TRUE(run_until([&] { return last.receiver.numbers.size() == 500; }));
  EXPECT_TRUE(a_.failures.empty());
  EXPECT_TRUE(b_.failures.empty());
  EXPECT_EQ(a_.exchange->figures().connections, 1);
}

TEST_P(ExchangeTest, a_barrier_brings_its_plan_before_it_comes) {
  start();
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open();
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = 3;
  plan->kind = SnapshotKind::kSavepoint;
  plan->after = AfterSavepoint::kDrain;
  plan->exactly_once = false;
  plan->trigger_ns = a_.world.clock().now_ns();
  plan->base_checkpoint = 2;
  plan->directory = "/checkpoints/job";
  a_.plans.plans[3] = plan;
  channel.sender.add(Element::control(Element::Kind::kBarrier, 3));
  channel.sender.add(Element::control(Element::Kind::kBarrier, 4));  // over already
  channel.sender.poke();
  ASSERT_TRUE(run_until([&] { return channel.receiver.seen.size() == 2; }));
  EXPECT_EQ(channel.receiver.seen, (std::vector<std::string>{"b3", "b4"}));
  ASSERT_EQ(b_.came.plans.size(), 1U);
  const CheckpointPlan& came = *b_.came.plans[3];
  EXPECT_EQ(came.kind, plan->kind);
  EXPECT_EQ(came.after, plan->after);
  EXPECT_EQ(came.exactly_once, plan->exactly_once);
  EXPECT_EQ(came.trigger_ns, plan->trigger_ns);
  EXPECT_EQ(came.base_checkpoint, 2);
  EXPECT_EQ(came.directory, "/checkpoints/job");
}

TEST_P(ExchangeTest, a_barrier_overtakes_with_all_that_was_before_it_in_the_ring) {
  start();
  TestChannel channel(a_, b_, {1, 0}, 4);
  channel.open();
  channel.receiver.blocked = true;
  channel.send(20, 10);
  ASSERT_TRUE(run_until([&] {
    return channel.receiver.channel->size() == 4 && channel.sender.channel->size() == 4;
  }));
  channel.sender.overtake(1);
  // The receiver takes nothing, and yet has the announcement and all before the barrier.
  ASSERT_TRUE(run_until([&] { return channel.receiver.channel->announcement().checkpoint == 1; }));
  EXPECT_EQ(channel.receiver.channel->announcement().position, 8U);
  EXPECT_GE(channel.receiver.channel->last_position(), 8U);
  EXPECT_EQ(channel.sender.overtaken, 40U - 8U);
  // A second one has no room left: it waits for the receiver, and no ring runs over.
  simulation_.run_for(10 * kNsPerMs);
  channel.sender.overtake(2);
  simulation_.run_for(100 * kNsPerMs);
  EXPECT_TRUE(b_.failures.empty());
  EXPECT_LE(channel.receiver.channel->size(), 8U);
  channel.receiver.blocked = false;
  channel.receiver.poke();
  ASSERT_TRUE(run_until([&] { return channel.has_all(20, 10); }));
  channel.expect_all(20, 10);
  EXPECT_EQ(std::count(channel.receiver.seen.begin(), channel.receiver.seen.end(), "b1"), 1);
  EXPECT_EQ(std::count(channel.receiver.seen.begin(), channel.receiver.seen.end(), "b2"), 1);
}

TEST_P(ExchangeTest, debloating_keeps_little_on_the_way_to_a_slow_task) {
  for (const int64_t target_ms : {0, 10}) {
    a_.exchange.reset();
    b_.exchange.reset();
    a_.options.debloat_target_ms = b_.options.debloat_target_ms = target_ms;
    start();
    TestChannel channel(a_, b_, {1, 0}, 64);
    channel.open();
    channel.receiver.pause_ns = 4 * kNsPerMs;
    channel.send(400, 1);
    simulation_.run_for(2'000 * kNsPerMs);
    EXPECT_GT(channel.receiver.numbers.size(), 150U) << "the task is kept busy";
    if (target_ms == 0) {
      EXPECT_GT(channel.receiver.channel->size(), 32U);
    } else {
      EXPECT_LE(channel.receiver.channel->size(), 16U);
    }
    channel.receiver.pause_ns = 0;
    channel.receiver.poke();
    ASSERT_TRUE(run_until([&] { return channel.has_all(400, 1); }));
    channel.expect_all(400, 1);
    channel.sender.stop();
    channel.receiver.stop();
  }
}

// Batches of 200 rows take some 10 KB: a channel would have sixteen, and all together half a dozen.
class ExchangeMemoryTest : public ExchangeTest {
 protected:
  static constexpr int64_t kBatches = 60;
  static constexpr int64_t kRows = 200;
  ExchangeMemoryTest() { b_.options.memory = &network_; }
  void open(size_t count) {
    start();
    for (uint32_t i = 0; i < count; ++i) {
      channels_.push_back(std::make_unique<TestChannel>(a_, b_, ExchangeChannelId{1, i}, 16));
      channels_.back()->open();
    }
  }
  void send_while_blocked() {
    for (const auto& channel : channels_) {
      channel->receiver.blocked = true;
      channel->send(kBatches, kRows);
    }
    simulation_.run_for(1'000 * kNsPerMs);
  }
  void unblock() {
    for (const auto& channel : channels_) {
      channel->receiver.blocked = false;
      channel->receiver.poke();
    }
  }
  bool run_to_the_end() {
    return run_until([&] {
      return std::all_of(channels_.begin(), channels_.end(),
                         [](const auto& channel) { return channel->has_all(kBatches, kRows); });
    });
  }
  // What a batch takes here, at most.
  static constexpr int64_t kBatchBytes = 24 << 10;

  std::vector<std::unique_ptr<TestChannel>> channels_;
};

TEST_P(ExchangeMemoryTest, senders_wait_at_the_bound_and_every_channel_moves) {
  open(GetParam() % 2 == 0 ? 3 : 12);
  send_while_blocked();
  const auto count = static_cast<int64_t>(channels_.size());
  EXPECT_LE(network_.peak_bytes(), network_.limit_bytes() + count * kBatchBytes);
  EXPECT_GT(network_.used_bytes(), 0);
  for (const auto& channel : channels_) {
    EXPECT_GE(channel->receiver.channel->size(), 1U);
    EXPECT_LT(channel->receiver.channel->size(), 16U);
    EXPECT_FALSE(channel->sender.waiting.empty()) << "it is held up";
  }
  unblock();
  ASSERT_TRUE(run_to_the_end());
  for (const auto& channel : channels_) { channel->expect_all(kBatches, kRows); }
  EXPECT_LE(network_.peak_bytes(), network_.limit_bytes() + 2 * count * kBatchBytes);
}

TEST_P(ExchangeMemoryTest, a_barrier_overtakes_beyond_the_bound) {
  open(4);
  send_while_blocked();
  for (const auto& channel : channels_) { channel->sender.overtake(1); }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(channels_.begin(), channels_.end(), [](const auto& channel) {
      return channel->receiver.channel->announcement().checkpoint == 1 &&
             channel->receiver.channel->last_position() >=
                 channel->receiver.channel->announcement().position;
    });
  })) << "all that the barrier has not overtaken is there";
  EXPECT_GT(network_.used_bytes(), network_.limit_bytes());
  unblock();
  ASSERT_TRUE(run_to_the_end());
  for (const auto& channel : channels_) {
    channel->expect_all(kBatches, kRows);
    EXPECT_EQ(std::count(channel->receiver.seen.begin(), channel->receiver.seen.end(), "b1"), 1);
  }
  EXPECT_TRUE(b_.failures.empty());
}

TEST_P(ExchangeMemoryTest, what_was_large_once_gives_its_memory_back) {
  open(1);
  TestChannel& channel = *channels_[0];
  channel.receiver.pause_ns = kNsPerMs;
  channel.send(8, 2'000);
  ASSERT_TRUE(run_until([&] { return channel.receiver.numbers.size() == 16'000; }));
  channel.receiver.numbers.clear();
  channel.receiver.seen.clear();
  channel.send(200, 10);
  ASSERT_TRUE(run_until([&] { return channel.has_all(200, 10); }));
  EXPECT_LE(network_.used_bytes(), network_.limit_bytes());
}

TEST_P(ExchangeMemoryTest, channels_that_have_ended_leave_their_share) {
  open(8);
  for (size_t i = 1; i < channels_.size(); ++i) {
    channels_[i]->sender.add(Element::control(Element::Kind::kEndOfInput));
    channels_[i]->sender.poke();
  }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(channels_.begin() + 1, channels_.end(),
                       [](const auto& channel) { return channel->receiver.ended; });
  }));
  TestChannel& last = *channels_[0];
  last.receiver.blocked = true;
  last.send(kBatches, kRows);
  simulation_.run_for(100 * kNsPerMs);
  // It was told of an eighth; from the first batch that it takes on it has all.
  last.receiver.blocked = false;
  last.receiver.pause_ns = 10 * kNsPerMs;
  last.receiver.poke();
  simulation_.run_for(100 * kNsPerMs);
  EXPECT_GE(last.receiver.channel->size(), 4U);
  last.receiver.pause_ns = 0;
  last.receiver.poke();
  ASSERT_TRUE(run_until([&] { return last.has_all(kBatches, kRows); }));
  last.expect_all(kBatches, kRows);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExchangeMemoryTest, ::testing::Range<uint64_t>(1, 13));

TEST_P(ExchangeTest, compression_changes_nothing_but_the_bytes) {
  const auto how = static_cast<ExchangeCompression>(GetParam() % 4);
  a_.options.compression = how;
  start();
  TestChannel channel(a_, b_, {1, 0}, 8);
  channel.open();
  channel.send(50, 200);
  channel.sender.add(Element::control(Element::Kind::kEndOfInput));
  ASSERT_TRUE(run_until([&] { return channel.receiver.ended; }));
  channel.expect_all(50, 200);
  const int64_t bytes = a_.exchange->figures().bytes_sent;
  if (how == ExchangeCompression::kNone) {
    EXPECT_GT(bytes, 50 * 200 * 19);
  } else {
    EXPECT_LT(bytes, 50 * 200 * 12);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExchangeTest, ::testing::Range<uint64_t>(1, 13));

TEST(ExchangeClock, times_of_another_machine_are_translated) {
  Simulation simulation({.seed = 5});
  SimNetworkFabric fabric(simulation);
  TestWorker a(simulation, fabric, "a", 1);
  // This machine was started an hour later, so that its monotonic clock reads less for one time.
  SimHostOptions options;
  options.wall_start_ms += 3'600'000;
  TestWorker b(simulation, fabric, "b", 2, options);
  a.start();
  b.start();
  TestChannel channel(a, b, {1, 0}, 4);
  channel.open();
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = 1;
  plan->trigger_ns = a.world.clock().now_ns();
  a.plans.plans[1] = plan;
  channel.sender.add(Element::control(Element::Kind::kBarrier, 1));
  channel.sender.poke();
  ASSERT_TRUE(simulation.run_until([&] { return !channel.receiver.seen.empty(); }));
  const int64_t moved = b.came.plans[1]->trigger_ns - plan->trigger_ns;
  EXPECT_NEAR(static_cast<double>(moved), -3.6e12, 2e9);
  channel.sender.stop();
  channel.receiver.stop();
  a.exchange.reset();
  b.exchange.reset();
}

TEST(ExchangeOptions, come_from_the_configuration) {
  Config config;
  ExchangeOptions options;
  ASSERT_TRUE(configure_exchange(config, options).ok());
  EXPECT_EQ(options.compression, ExchangeCompression::kNone);
  EXPECT_EQ(options.debloat_target_ms, 0);
  ASSERT_TRUE(config.set("taskmanager.network.compression.codec", "LZ4").ok());
  ASSERT_TRUE(config.set("taskmanager.network.memory.buffer-debloat.enabled", "true").ok());
  ASSERT_TRUE(config.set("heartbeat.timeout", "7 s").ok());
  ASSERT_TRUE(configure_exchange(config, options).ok());
  EXPECT_EQ(options.compression, ExchangeCompression::kLz4);
  EXPECT_EQ(options.debloat_target_ms, 1'000);
  EXPECT_EQ(options.heartbeat_timeout_ms, 7'000);
  ASSERT_TRUE(config.set("taskmanager.network.compression.codec", "LZO").ok());
  EXPECT_EQ(configure_exchange(config, options).id(), ErrorId::kBadOptionValue);
}

TEST(ExchangeFrames, cut_short_are_refused) {
  std::string hello;
  exchange::put_hello(hello, {1, 2, 3, "job", "name"});
  for (size_t size = 0; size < hello.size(); ++size) {
    EXPECT_FALSE(exchange::read_hello(std::string_view(hello).substr(0, size)).ok());
  }
  CheckpointPlan plan;
  plan.id = 1;
  plan.directory = "d";
  std::string barrier;
  exchange::put_control(barrier, Element::control(Element::Kind::kBarrier, 1), &plan);
  ASSERT_TRUE(exchange::read_control(barrier, 0).ok());
  for (size_t size = 0; size < barrier.size(); ++size) {
    const auto read = exchange::read_control(std::string_view(barrier).substr(0, size), 0);
    EXPECT_TRUE(!read.ok() || read->plan == nullptr);
  }
}

}  // namespace
}  // namespace tidewheel
