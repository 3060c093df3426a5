// What ZooKeeper is asked for, by the configuration, and who leads by simulated servers of it.
#include <gtest/gtest.h>

#include <array>

#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/zookeeper/ensemble_testing.h"
#include "tidewheel/zookeeper/zookeeper_high_availability.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

Result<ZooKeeperOptions> options_of(const std::vector<std::string>& settings) {
  SimMachine machine({});
  Config config;
  for (const std::string& setting : settings) { EXPECT_TRUE(config.set_assignment(setting).ok()); }
  return zookeeper_options(machine.world, config);
}

TEST(ZooKeeperOptions, clusters_are_told_apart_by_their_ids) {
  const auto options =
      options_of({"high-availability.zookeeper.quorum=a:1, b ,[::1]/above",
                  "high-availability.storageDir=/shared", "high-availability.cluster-id=/blue"});
  ASSERT_TRUE(options.ok()) << options.status().to_string();
  EXPECT_EQ(options->path, "/above/tidewheel/blue");
  EXPECT_EQ(options->directory, "/shared/blue");
  EXPECT_EQ(options->session.timeout_ms, 60'000);
  std::string servers;
  for (const NetworkAddress& server : options->session.servers) {
    servers += server.to_string() + " ";
  }
  EXPECT_EQ(servers, "a:1 b:2181 [::1]:2181 ");
  EXPECT_EQ(options->tls, nullptr);
}

TEST(ZooKeeperOptions, what_is_missing_is_named) {
  EXPECT_NE(options_of({}).status().message().find("high-availability.zookeeper.quorum"),
            std::string::npos);
  EXPECT_NE(options_of({"high-availability.zookeeper.quorum=a:b"})
                .status()
                .message()
                .find("high-availability.zookeeper.quorum"),
            std::string::npos);
  EXPECT_NE(options_of({"high-availability.zookeeper.quorum=a:1"})
                .status()
                .message()
                .find("high-availability.storageDir"),
            std::string::npos);
}

TEST(ZooKeeperOptions, nodes_of_a_creator_need_a_proof) {
  std::vector<std::string> settings = {"high-availability.zookeeper.quorum=a:1",
                                       "high-availability.storageDir=/shared",
                                       "high-availability.zookeeper.client.acl=creator"};
  EXPECT_EQ(options_of(settings).status().id(), ErrorId::kBadOptionValue);
  std::vector<std::string> by_digest = settings;
  by_digest.emplace_back("high-availability.zookeeper.client.authorization=digest:me:secret");
  ASSERT_TRUE(options_of(by_digest).ok());
  EXPECT_TRUE(options_of(by_digest)->only_creator);
  settings.emplace_back("zookeeper.sasl.username=me");
  settings.emplace_back("zookeeper.sasl.password=secret");
  ASSERT_TRUE(options_of(settings).ok());
  EXPECT_EQ(options_of(settings)->session.sasl->user, "me");
  settings.emplace_back("zookeeper.sasl.disable=true");
  EXPECT_EQ(options_of(settings).status().id(), ErrorId::kBadOptionValue);
}

TEST(ZooKeeperOptions, certificates_that_are_not_there_are_told_at_once) {
  const auto options =
      options_of({"high-availability.zookeeper.quorum=a:1", "high-availability.storageDir=/shared",
                  "security.ssl.zookeeper.enabled=true", "security.ssl.zookeeper.truststore=/ca"});
  EXPECT_NE(options.status().message().find("/ca"), std::string::npos);
}

TEST(ZooKeeperOptions, kerberos_is_refused) {
  Config config;
  const Status refused = config.set("security.kerberos.login.contexts", "Client");
  EXPECT_NE(refused.message().find("zookeeper.sasl.username"), std::string::npos);
  EXPECT_TRUE(config.set("zookeeper.sasl.login-context-name", "Client").ok());
  EXPECT_FALSE(config.set("zookeeper.sasl.service-name", "other").ok());
}

// ---- Elections

// A JobManager on a host of its own, with the files of all.
class Contender {
 public:
  Contender(Simulation& simulation, SimNetworkFabric& fabric, const std::string& host,
            const zookeeper::SimEnsemble& ensemble)
      : simulation_(simulation), world_(simulation, fabric, host), loop_(world_, "contender") {
    ZooKeeperOptions options;
    options.path = "/tidewheel/default";
    options.directory = "/shared";
    options.session.servers = ensemble.addresses();
    options.session.timeout_ms = 6000;
    availability_ = make_zookeeper_high_availability(world_, options);
    availability_->contend({.rpc_address = host + ":1",
                            .rest_address = "http://" + host,
                            .poster = loop_.poster(),
                            .on_elected = [this](uint64_t fence) { fence_ = fence; },
                            .on_lost = [this](const Status&) { fence_ = 0; }});
    availability_->watch_leader(loop_.poster(), [this](std::optional<Leader> leader) {
      leader_ = leader.has_value() ? leader->rpc_address : "";
    });
  }
  ~Contender() {
    availability_.reset();
    loop_.stop();
  }

  uint64_t fence() const { return fence_; }  // 0: it does not lead
  const std::string& leader() const { return leader_; }
  Status put(const std::string& id, const std::string& record) { return put(fence_, id, record); }
  Status put(uint64_t fence, const std::string& id, const std::string& record) {
    std::optional<Status> status;
    availability_->put_job(fence, id, record, loop_.poster(), [&](Status done) { status = done; });
    simulation_.run_until([&] { return status.has_value(); });
    return *status;
  }
  const std::vector<std::string>& log_lines() const { return world_.log_lines(); }

 private:
  Simulation& simulation_;
  SimWorld world_;
  EventLoop loop_;
  std::unique_ptr<HighAvailability> availability_;
  uint64_t fence_ = 0;
  std::string leader_;
};

class ZooKeeperElection : public ::testing::TestWithParam<uint64_t> {
 protected:
  ZooKeeperElection()
      : simulation_({.seed = GetParam()}),
        fabric_(simulation_),
        servers_{{{simulation_, fabric_, "zk0"},
                  {simulation_, fabric_, "zk1"},
                  {simulation_, fabric_, "zk2"}}},
        ensemble_({&servers_[0], &servers_[1], &servers_[2]}),
        first_(std::make_unique<Contender>(simulation_, fabric_, "jm0", ensemble_)) {
    EXPECT_TRUE(wait([&] { return first_->fence() != 0; }));
    second_ = std::make_unique<Contender>(simulation_, fabric_, "jm1", ensemble_);
    EXPECT_TRUE(wait([&] { return second_->leader() == "jm0:1"; }));
  }
  bool wait(const std::function<bool()>& fact) {
    return simulation_.run_until(
        [&] {
          both_lead_ = both_lead_ || (second_ != nullptr && first_ != nullptr &&
                                      first_->fence() != 0 && second_->fence() != 0);
          return fact();
        },
        simulation_.now_ns() + 60'000 * kNsPerMs);
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  std::array<SimWorld, 3> servers_;
  zookeeper::SimEnsemble ensemble_;
  std::unique_ptr<Contender> first_;
  std::unique_ptr<Contender> second_;
  bool both_lead_ = false;
};

TEST_P(ZooKeeperElection, who_is_cut_off_steps_down_before_another_leads) {
  ASSERT_TRUE(first_->put("1", "record").ok());
  const uint64_t fence = first_->fence();
  simulation_.run_for(static_cast<int64_t>(GetParam()) * 321 * kNsPerMs);
  for (size_t i = 0; i < 3; ++i) {
    fabric_.cut(ensemble_.host(i), "jm0", true);
    if (GetParam() % 2 == 0) { fabric_.cut("jm0", ensemble_.host(i), true); }
  }
  ASSERT_TRUE(wait([&] { return second_->fence() != 0; }));
  EXPECT_FALSE(both_lead_);
  EXPECT_GT(second_->fence(), fence);
  for (size_t i = 0; i < 3; ++i) {
    fabric_.cut(ensemble_.host(i), "jm0", false);
    fabric_.cut("jm0", ensemble_.host(i), false);
  }
  ASSERT_TRUE(wait([&] { return first_->leader() == "jm1:1"; }));
  // Its new node is a candidate's, and stands for no earlier leadership, nor does that of a later
  // one.
  EXPECT_EQ(first_->put(fence, "1", "of an earlier leader").id(), ErrorId::kFenced);
  second_.reset();
  ASSERT_TRUE(wait([&] { return first_->fence() != 0; }));
  EXPECT_EQ(first_->put(fence, "1", "of an earlier leader").id(), ErrorId::kFenced);
  EXPECT_TRUE(first_->put("1", "of this one").ok());
}

// What comes from a server says nothing of when it has last heard of the leader.
TEST_P(ZooKeeperElection, answers_that_are_long_on_their_way_do_not_keep_a_leader) {
  const SimLink slow{.latency_ns_min = 1700 * kNsPerMs, .latency_ns_max = 1700 * kNsPerMs};
  for (size_t i = 0; i < 3; ++i) { fabric_.set_link(ensemble_.host(i), "jm0", slow); }
  const uint64_t fence = first_->fence();
  simulation_.run_for((20'000 + static_cast<int64_t>(GetParam()) * 321) * kNsPerMs);
  EXPECT_EQ(first_->fence(), fence);
  for (size_t i = 0; i < 3; ++i) { fabric_.cut("jm0", ensemble_.host(i), true); }
  ASSERT_TRUE(wait([&] { return second_->fence() != 0; }));
  EXPECT_FALSE(both_lead_);
}

TEST_P(ZooKeeperElection, a_leader_whose_server_is_lost_leads_on) {
  const uint64_t fence = first_->fence();
  for (size_t i = 0; i < 3; ++i) {
    ensemble_.stop(i);
    simulation_.run_for(1000 * kNsPerMs);
    ensemble_.start(i);
    simulation_.run_for(1000 * kNsPerMs);
  }
  ASSERT_TRUE(wait([&] { return first_->put("1", "record").ok(); }));
  EXPECT_EQ(first_->fence(), fence);
  EXPECT_EQ(second_->fence(), 0U);
}

TEST_P(ZooKeeperElection, a_session_that_ends_is_followed_by_another) {
  const uint64_t fence = first_->fence();
  ensemble_.expire_all();
  ASSERT_TRUE(wait([&] { return first_->fence() > fence || second_->fence() > fence; }));
  EXPECT_TRUE(wait([&] { return first_->fence() != fence; }));
  EXPECT_TRUE(wait([&] { return ensemble_.sessions() == 2; }));
}

INSTANTIATE_TEST_SUITE_P(seeds, ZooKeeperElection, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace tidewheel
