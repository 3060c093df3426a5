// Sessions with ZooKeeper's servers on simulated hosts that go down, fall behind, fall silent and
// are cut off.
#include "tidewheel/zookeeper/session.h"

#include <gtest/gtest.h>

#include <array>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/tls_identity.h"
#include "tidewheel/zookeeper/connection.h"
#include "tidewheel/zookeeper/ensemble_testing.h"

namespace tidewheel::zookeeper {
namespace {

using Kind = SessionEvent::Kind;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kTimeoutMs = 6000;

class ZooKeeperSession : public ::testing::TestWithParam<uint64_t> {
 protected:
  ZooKeeperSession()
      : simulation_({.seed = GetParam()}),
        fabric_(simulation_),
        servers_{{{simulation_, fabric_, "zk0"},
                  {simulation_, fabric_, "zk1"},
                  {simulation_, fabric_, "zk2"}}},
        ensemble_({&servers_[0], &servers_[1], &servers_[2]}),
        world_(simulation_, fabric_, "client") {
    options_.servers = ensemble_.addresses();
    options_.timeout_ms = kTimeoutMs;
  }

  std::unique_ptr<ZooKeeperConnection> open(bool only_creator = false) {
    return std::make_unique<ZooKeeperConnection>(
        world_, network_ != nullptr ? *network_ : world_.network(), options_, only_creator,
        [this](const SessionEvent& event) { events_.push_back(event); });
  }
  size_t count(Kind kind) const {
    return static_cast<size_t>(std::count_if(
        events_.begin(), events_.end(), [&](const auto& event) { return event.kind == kind; }));
  }
  bool wait(const std::function<bool()>& fact, int64_t ms = 20'000) {
    return simulation_.run_until(fact, simulation_.now_ns() + ms * kNsPerMs);
  }
  bool wait_for(Kind kind, size_t times = 1) {
    return wait([&] { return count(kind) >= times; });
  }
  std::string reasons() const {
    std::string out;
    for (const SessionEvent& event : events_) { out += event.why.message() + "\n"; }
    return out;
  }
  size_t used() const { return ensemble_.used().empty() ? 99 : ensemble_.used().front(); }
  void cut(bool is_cut) {
    for (size_t i = 0; i < 3; ++i) {
      fabric_.cut("client", SimEnsemble::host(i), is_cut);
      fabric_.cut(SimEnsemble::host(i), "client", is_cut);
    }
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  std::array<SimWorld, 3> servers_;
  SimEnsemble ensemble_;
  SimWorld world_;
  SessionOptions options_;
  std::vector<SessionEvent> events_;
  std::unique_ptr<Network> network_;  // null: the host's
};

TEST_P(ZooKeeperSession, nodes_are_made_listed_and_read) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  EXPECT_EQ(connection->session_timeout_ms(), kTimeoutMs);
  ASSERT_EQ(connection->make_nodes("/a/b").to_string(), "ok");
  ASSERT_EQ(connection->make_nodes("/a/b").to_string(), "ok");
  const auto first = connection->make_candidate("/a/b/c-", "data");
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_EQ(first->path, "/a/b/c-0000000000");
  EXPECT_EQ(connection->make_candidate("/a/b/c-", "more")->path, "/a/b/c-0000000001");
  EXPECT_EQ(*connection->children("/a/b", false),
            (std::vector<std::string>{"c-0000000000", "c-0000000001"}));
  const auto read = connection->read(first->path, false);
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(read->data, "data");
  EXPECT_EQ(read->created, first->created);
  EXPECT_EQ(connection->read("/nowhere", true).status().id(), ErrorId::kFileNotFound);
}

TEST_P(ZooKeeperSession, writes_go_with_the_node_that_guards_them) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  ASSERT_TRUE(connection->make_nodes("/jobs").ok());
  const auto guard = connection->make_candidate("/own-", "");
  ASSERT_TRUE(guard.ok());
  ASSERT_EQ(connection->write_guarded(guard->path, "/jobs/1", "one").to_string(), "ok");
  ASSERT_EQ(connection->write_guarded(guard->path, "/jobs/1", "two").to_string(), "ok");
  EXPECT_EQ(connection->read("/jobs/1", false)->data, "two");
  EXPECT_EQ(connection->write_guarded("/gone", "/jobs/1", "three").id(), ErrorId::kFenced);
  EXPECT_EQ(connection->remove_guarded("/gone", "/jobs/1").id(), ErrorId::kFenced);
  EXPECT_EQ(connection->read("/jobs/1", false)->data, "two");
  EXPECT_TRUE(connection->remove_guarded(guard->path, "/jobs/1").ok());
  EXPECT_TRUE(connection->remove_guarded(guard->path, "/jobs/1").ok());
  EXPECT_FALSE(ensemble_.has("/jobs/1"));
}

TEST_P(ZooKeeperSession, it_goes_on_with_another_server_and_hears_what_it_has_missed) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  ASSERT_TRUE(connection->make_nodes("/watched").ok());
  const auto node = connection->make_candidate("/own-", "");
  ASSERT_TRUE(connection->read("/watched", /*watches=*/true).ok());
  const size_t before = used();
  ensemble_.stop(before);
  ensemble_.set_data("/watched", "new");
  ASSERT_TRUE(wait_for(Kind::kConnected, 2)) << reasons();
  EXPECT_EQ(count(Kind::kDisconnected), 1U);
  EXPECT_NE(used(), before);
  ASSERT_TRUE(wait_for(Kind::kChanged)) << reasons();
  EXPECT_EQ(ensemble_.sessions_begun(), 1);
  EXPECT_TRUE(ensemble_.has(node->path));
  // What is watched still is told once, and what has been told is watched no more.
  ensemble_.set_data("/watched", "newer");
  ASSERT_TRUE(connection->read("/watched", /*watches=*/true).ok());
  ensemble_.set_data("/watched", "newest");
  ASSERT_TRUE(wait_for(Kind::kChanged, 2));
  simulation_.run_for(1000 * kNsPerMs);
  EXPECT_EQ(count(Kind::kChanged), 2U);
}

TEST_P(ZooKeeperSession, a_server_that_is_behind_is_not_used) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const size_t before = used();
  const size_t behind = (before + 1) % 3;
  ensemble_.leave_behind(behind);
  ASSERT_TRUE(connection->make_nodes("/new").ok());
  for (int round = 0; round < 5; ++round) {
    const size_t now = used();
    ensemble_.stop(now);
    const size_t connected = count(Kind::kConnected);
    ASSERT_TRUE(wait([&] { return count(Kind::kConnected) > connected; })) << reasons();
    EXPECT_NE(used(), behind);
    EXPECT_TRUE(connection->read("/new", false).ok());
    ensemble_.start(now);
  }
  EXPECT_GT(ensemble_.sent_away(), 0);
  EXPECT_EQ(ensemble_.sessions_begun(), 1);
}

TEST_P(ZooKeeperSession, the_end_of_a_session_is_told) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const auto node = connection->make_candidate("/own-", "");
  cut(true);
  ASSERT_TRUE(wait_for(Kind::kDisconnected)) << reasons();
  ASSERT_TRUE(wait([&] { return !ensemble_.has(node->path); }));
  EXPECT_EQ(count(Kind::kExpired), 0U);
  cut(false);
  ASSERT_TRUE(wait_for(Kind::kExpired)) << reasons();
  EXPECT_EQ(connection->read("/", false).status().id(), ErrorId::kHighAvailability);
  EXPECT_FALSE(connection->is_connected());
  const size_t told = events_.size();
  simulation_.run_for(60'000 * kNsPerMs);
  EXPECT_EQ(events_.size(), told);
}

TEST_P(ZooKeeperSession, a_silent_server_is_left_in_time) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const auto node = connection->make_candidate("/own-", "");
  simulation_.run_for(GetParam() * 700 * kNsPerMs);
  const size_t before = used();
  const int64_t since_ns = simulation_.now_ns();
  ensemble_.hush(before, true);
  ASSERT_TRUE(wait_for(Kind::kDisconnected)) << reasons();
  EXPECT_LE(simulation_.now_ns() - since_ns, kTimeoutMs * 3 / 4 * kNsPerMs);
  EXPECT_GE(events_.back().silent_ms, kTimeoutMs * 2 / 3);
  EXPECT_LE(events_.back().silent_ms, kTimeoutMs * 3 / 4);
  ASSERT_TRUE(wait_for(Kind::kConnected, 2)) << reasons();
  EXPECT_NE(used(), before);
  EXPECT_TRUE(ensemble_.has(node->path));
}

TEST_P(ZooKeeperSession, an_idle_session_lives_on) {
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const auto node = connection->make_candidate("/own-", "");
  simulation_.run_for(int64_t{600'000} * kNsPerMs);
  EXPECT_EQ(events_.size(), 1U) << reasons();
  EXPECT_TRUE(ensemble_.has(node->path));
}

TEST_P(ZooKeeperSession, answers_come_in_order_and_fail_with_the_connection) {
  Session session(world_, world_.network(), options_,
                  [this](const SessionEvent& event) { events_.push_back(event); });
  Status refused;
  session.ask(get_data("/", false), std::nullopt,
              [&](const Result<Answer>& answer) { refused = answer.status(); });
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  EXPECT_EQ(refused.id(), ErrorId::kHighAvailability);
  std::vector<int> answered;
  for (int i = 0; i < 200; ++i) {
    session.ask(create("/n" + std::to_string(i), "", Access::kOpen, 0), std::nullopt,
                [&, i](const Result<Answer>& answer) {
                  EXPECT_TRUE(answer.ok()) << answer.status().to_string();
                  answered.push_back(i);
                });
  }
  ASSERT_TRUE(wait([&] { return answered.size() == 200; }));
  EXPECT_TRUE(std::is_sorted(answered.begin(), answered.end()));
  ensemble_.hush(used(), true);
  int failed = 0;
  for (int i = 0; i < 50; ++i) {
    session.ask(get_data("/", false), std::nullopt, [&](const Result<Answer>& answer) {
      EXPECT_EQ(answer.status().id(), ErrorId::kHighAvailability);
      ++failed;
    });
  }
  ASSERT_TRUE(wait([&] { return failed == 50; }));
  EXPECT_TRUE(wait_for(Kind::kConnected, 2));
}

TEST_P(ZooKeeperSession, its_end_takes_its_nodes_away_at_once) {
  auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const auto node = connection->make_candidate("/own-", "");
  const int64_t since_ns = simulation_.now_ns();
  connection.reset();
  EXPECT_FALSE(ensemble_.has(node->path));
  EXPECT_EQ(ensemble_.sessions(), 0U);
  EXPECT_LT(simulation_.now_ns() - since_ns, 1000 * kNsPerMs);
}

TEST_P(ZooKeeperSession, a_server_of_something_else_is_told_from_zookeepers) {
  SimWorld other(simulation_, fabric_, "other");
  std::string saying = "HTTP/1.1 400 Bad Request\r\n\r\n";
  std::unique_ptr<Connection> taken;
  std::unique_ptr<Listener> listener;
  EventLoop loop(other, "other");
  const auto say = [&] {
    while (taken != nullptr && !saying.empty()) {
      const auto moved = taken->write(saying);
      if (!moved.ok() || moved->state != Transfer::State::kMoved) { return; }
      saying.erase(0, static_cast<size_t>(moved->bytes));
    }
  };
  const auto accept = [&] {
    if (taken == nullptr) {
      taken = listener->accept([&] { loop.post(say); }).value();
    }
    say();
  };
  listener = other.network().listen({"", SimEnsemble::kPort}, [&] { loop.post(accept); }).value();
  options_.servers = {{"other", SimEnsemble::kPort}};
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kUnreachable)) << reasons();
  EXPECT_NE(reasons().find("jute.maxbuffer"), std::string::npos) << reasons();
  loop.stop();
}

TEST_P(ZooKeeperSession, a_request_that_is_too_long_is_not_sent) {
  options_.frame_bytes_max = 4096;
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  const auto made = connection->make_candidate("/own-", std::string(5000, 'x'));
  EXPECT_NE(made.status().message().find("jute.maxbuffer"), std::string::npos)
      << made.status().to_string();
  EXPECT_TRUE(connection->make_candidate("/own-", std::string(3000, 'x')).ok());
}

TEST_P(ZooKeeperSession, nodes_of_a_creator_are_for_who_proves_the_same) {
  options_.authorization = "digest:me:secret";
  const auto connection = open(/*only_creator=*/true);
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  ASSERT_EQ(connection->make_nodes("/mine").to_string(), "ok");
  EXPECT_TRUE(connection->read("/mine", false).ok());
  options_.authorization = "digest:me:guess";
  const auto stranger = open();
  ASSERT_TRUE(wait_for(Kind::kConnected, 2)) << reasons();
  const Status refused = stranger->read("/mine", false).status();
  EXPECT_NE(refused.message().find("NO_AUTH"), std::string::npos) << refused.to_string();
}

TEST_P(ZooKeeperSession, a_proof_of_an_unknown_kind_is_refused) {
  options_.authorization = "magic:word";
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kRefused)) << reasons();
  EXPECT_NE(reasons().find("high-availability.zookeeper.client.authorization"), std::string::npos);
}

TEST_P(ZooKeeperSession, sasl_lets_in_who_knows_the_password) {
  options_.sasl = {SimEnsemble::kUser, SimEnsemble::kPassword};
  const auto connection = open(/*only_creator=*/true);
  ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
  ASSERT_EQ(connection->make_nodes("/mine").to_string(), "ok");
  const size_t before = used();
  ensemble_.stop(before);
  ASSERT_TRUE(wait_for(Kind::kConnected, 2)) << reasons();
  EXPECT_TRUE(connection->read("/mine", false).ok());
  options_.sasl.reset();
  const auto stranger = open();
  ASSERT_TRUE(wait_for(Kind::kConnected, 3)) << reasons();
  EXPECT_FALSE(stranger->read("/mine", false).ok());
}

TEST_P(ZooKeeperSession, sasl_refuses_who_does_not_and_says_so) {
  options_.sasl = {SimEnsemble::kUser, "a guess"};
  const auto connection = open();
  ASSERT_TRUE(wait_for(Kind::kRefused)) << reasons();
  EXPECT_NE(reasons().find("zookeeper.sasl.password"), std::string::npos) << reasons();
  EXPECT_EQ(reasons().find("a guess"), std::string::npos) << reasons();
  ensemble_.offer_sasl(false);
  const auto other = open();
  ASSERT_TRUE(wait_for(Kind::kRefused, 2)) << reasons();
  EXPECT_NE(reasons().find("does not offer DIGEST-MD5"), std::string::npos) << reasons();
}

TEST_P(ZooKeeperSession, servers_prove_by_tls_who_they_are) {
  const TlsIdentity authority("authority");
  std::vector<std::unique_ptr<Network>> serving;
  for (size_t i = 0; i < 3; ++i) {
    SimWorld& server = servers_[i];
    // The last one has the certificate of another host.
    const TlsIdentity identity(SimEnsemble::host(i == 2 ? 0 : i), &authority);
    ASSERT_TRUE(write_all_durably(server.files(), "/own.pem", identity.pem(true)).ok());
    TlsOptions own;
    own.keystore = "/own.pem";
    serving.push_back(make_tls_network(server.network(), server.files(), own).value());
    ensemble_.stop(i);
    ensemble_.start(i, serving.back().get());
  }
  ASSERT_TRUE(write_all_durably(world_.files(), "/ca.pem", authority.pem(false)).ok());
  TlsOptions trusting;
  trusting.truststore = "/ca.pem";
  trusting.verifies_host = true;
  network_ = make_tls_network(world_.network(), world_.files(), trusting).value();
  {
    const auto connection = open();
    ASSERT_TRUE(wait_for(Kind::kConnected)) << reasons();
    ASSERT_TRUE(connection->make_nodes("/over/tls").ok());
    ensemble_.stop(0);
    ensemble_.stop(1);
    const size_t tried = count(Kind::kUnreachable);
    ASSERT_TRUE(wait([&] { return count(Kind::kUnreachable) > tried + 3; })) << reasons();
    EXPECT_NE(reasons().find("zk2:2181: TLS handshake"), std::string::npos) << reasons();
    EXPECT_FALSE(connection->is_connected());
  }
  for (size_t i = 0; i < 3; ++i) { ensemble_.stop(i); }
}

INSTANTIATE_TEST_SUITE_P(seeds, ZooKeeperSession, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace tidewheel::zookeeper
