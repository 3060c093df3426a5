// TLS between simulated hosts, alone and under calls: who is believed, who is not, and that bytes
// arrive however the network cuts them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/rpc/endpoint.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/tls_identity.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

void write_file(World& world, const std::string& path, const std::string& bytes) {
  auto file = world.files().open_write(path, WriteMode::kTruncate).value();
  ASSERT_TRUE(file->append(bytes).ok());
  ASSERT_TRUE(file->close().ok());
}

class TlsTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  TlsTest()
      : simulation_({.seed = GetParam()}),
        fabric_(simulation_),
        server_(simulation_, fabric_, "server"),
        client_(simulation_, fabric_, "client"),
        authority_("authority"),
        stranger_("stranger"),
        server_identity_("server", &authority_),
        client_identity_("client", &authority_) {
    for (SimWorld* world : {&server_, &client_}) {
      write_file(*world, "/ca.pem", authority_.pem(false));
      write_file(*world, "/server.pem", server_identity_.pem(true));
      write_file(*world, "/server.p12", server_identity_.pkcs12("secret"));
      write_file(*world, "/client.pem", client_identity_.pem(true, "hidden"));
      write_file(*world, "/stranger.pem", stranger_.pem(true));
      write_file(*world, "/old.jks", std::string("\xfe\xed\xfe\xed\0\0\0\2", 8));
    }
    server_options_.keystore = "/server.p12";
    server_options_.keystore_password = "secret";
    server_options_.truststore = "/ca.pem";
    server_options_.authenticates_clients = true;
    client_options_.keystore = "/client.pem";
    client_options_.keystore_password = "hidden";
    client_options_.truststore = "/ca.pem";
    client_options_.verifies_host = true;
  }

  // What the client's connection comes to: connected, or why not. `server_failure_` has the other
  // side's view.
  Status shake_hands(const std::string& host = "server") {
    auto serving = make_tls_network(server_.network(), server_.files(), server_options_).value();
    auto calling = make_tls_network(client_.network(), client_.files(), client_options_).value();
    auto listener = serving->listen({"", 443}, [] {}).value();
    auto client = calling->connect({host, 443}, 5'000 * kNsPerMs, [] {});
    std::unique_ptr<Connection> server;
    Status failure;
    bool answered = false;
    char buffer[16];
    simulation_.run_until(
        [&] {
          if (server == nullptr) {
            server = listener->accept([] {}).value();
          }
          if (server != nullptr && server_failure_.ok()) {
            const auto read = server->read(buffer);
            server_failure_ = read.ok() ? ok_status() : read.status();
            if (read.ok() && read->state == Transfer::State::kMoved) {
              ignore(server->write("pong"), "the client tells");
            }
          }
          if (client->is_connected() && !asked_) {
            const auto put = client->write("ping");
            asked_ = put.ok() && put->bytes > 0;
          }
          const auto read = client->read(buffer);
          if (!read.ok()) { failure = read.status(); }
          answered = read.ok() && read->state == Transfer::State::kMoved;
          return answered || !failure.ok();
        },
        simulation_.now_ns() + 20'000 * kNsPerMs);
    return answered ? ok_status() : failure;
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld server_;
  SimWorld client_;
  const TlsIdentity authority_;
  const TlsIdentity stranger_;
  const TlsIdentity server_identity_;
  const TlsIdentity client_identity_;
  TlsOptions server_options_;
  TlsOptions client_options_;
  Status server_failure_;
  bool asked_ = false;
};

TEST_P(TlsTest, both_sides_prove_who_they_are) { EXPECT_EQ(shake_hands().to_string(), "ok"); }

TEST_P(TlsTest, a_server_that_nobody_vouches_for_is_not_believed) {
  server_options_.keystore = "/stranger.pem";
  EXPECT_EQ(shake_hands().id(), ErrorId::kTls);
}

TEST_P(TlsTest, a_client_without_a_certificate_is_sent_away) {
  client_options_.keystore.clear();
  EXPECT_FALSE(shake_hands().ok());
  EXPECT_EQ(server_failure_.id(), ErrorId::kTls);
}

TEST_P(TlsTest, a_client_that_nobody_vouches_for_is_sent_away) {
  client_options_.keystore = "/stranger.pem";
  EXPECT_FALSE(shake_hands().ok());
  EXPECT_EQ(server_failure_.id(), ErrorId::kTls);
}

TEST_P(TlsTest, a_certificate_for_another_host_is_not_believed_where_that_is_asked) {
  server_options_.keystore = "/client.pem";  // for the host "client"
  server_options_.keystore_password = "hidden";
  EXPECT_EQ(shake_hands().id(), ErrorId::kTls);
  client_options_.verifies_host = false;
  server_failure_ = ok_status();
  EXPECT_EQ(shake_hands().to_string(), "ok");
}

TEST_P(TlsTest, a_fingerprint_names_the_one_certificate) {
  client_options_.fingerprint = server_identity_.fingerprint();
  EXPECT_EQ(shake_hands().to_string(), "ok");
  client_options_.fingerprint = authority_.fingerprint();
  server_failure_ = ok_status();
  asked_ = false;
  EXPECT_EQ(shake_hands().id(), ErrorId::kTls);
}

TEST_P(TlsTest, versions_that_do_not_meet_fail) {
  server_options_.protocol_min = "TLSv1.3";
  EXPECT_EQ(shake_hands().to_string(), "ok");
  server_options_.protocol_min = "TLSv1.1";
  EXPECT_EQ(make_tls_network(server_.network(), server_.files(), server_options_).status().id(),
            ErrorId::kTls);
}

TEST_P(TlsTest, calls_go_through_it_and_plain_ones_do_not) {
  auto serving = make_tls_network(server_.network(), server_.files(), server_options_).value();
  auto calling = make_tls_network(client_.network(), client_.files(), client_options_).value();
  EventLoop server_loop(server_, "server");
  EventLoop client_loop(client_, "client");
  RpcOptions options;
  options.name = "server";
  options.listens = true;
  options.listen_at = {"", 6000};
  options.network = serving.get();
  auto server = RpcEndpoint::start(server_, options).value();
  auto service = std::make_shared<RpcService>("Echo", server_loop.poster());
  service->on_bytes(
      "Say", [](const RpcRequest& request, const RpcReply& reply) { reply.ok(request.body); });
  server->serve(service);
  RpcOptions client_options;
  client_options.network = calling.get();
  auto client = RpcEndpoint::start(client_, client_options).value();
  auto plain = RpcEndpoint::start(client_, {}).value();
  const RpcPeerRef peer = client->connect({"server", 6000});
  const RpcPeerRef plain_peer = plain->connect({"server", 6000});
  std::vector<size_t> answers;
  Status plain_failure;
  for (const size_t size : {1u, 100'000u, 10u, 300'000u}) {
    peer->call(
        {.service = "Echo", .method = "Say", .body = std::string(size, 'x'), .timeout_ms = 100'000},
        client_loop.poster(),
        [&](const Result<std::string>& answer) { answers.push_back(answer->size()); });
  }
  plain_peer->call({.service = "Echo", .method = "Say", .timeout_ms = 2'000}, client_loop.poster(),
                   [&](const Result<std::string>& answer) {
                     plain_failure = answer.ok() ? ok_status() : answer.status();
                   });
  ASSERT_TRUE(simulation_.run_until([&] { return answers.size() == 4 && !plain_failure.ok(); },
                                    simulation_.now_ns() + 200'000 * kNsPerMs));
  EXPECT_EQ(answers, (std::vector<size_t>{1, 100'000, 10, 300'000}));
  // An end in order is noticed at once, through TLS too.
  bool lost = false;
  peer->watch({.poster = client_loop.poster(), .on_up = nullptr, .on_lost = [&](const Status&) {
                 lost = true;
               }});
  server.reset();
  EXPECT_TRUE(simulation_.run_until([&] { return lost; }, simulation_.now_ns() + 1'000 * kNsPerMs));
}

INSTANTIATE_TEST_SUITE_P(Seeds, TlsTest, ::testing::Range<uint64_t>(1, 6));

TEST(TlsOptions, stores_that_can_not_be_used_are_named) {
  SimMachine machine({.seed = 1});
  const TlsIdentity identity("server");
  write_file(machine.world, "/good.p12", identity.pkcs12("secret"));
  write_file(machine.world, "/locked.pem", identity.pem(true, "hidden"));
  write_file(machine.world, "/keyless.pem", identity.pem(false));
  write_file(machine.world, "/old.jks", std::string("\xfe\xed\xfe\xed\0\0\0\2", 8));
  write_file(machine.world, "/noise", "noise");
  const auto failure = [&](const std::string& keystore, const std::string& password,
                           const std::string& truststore) {
    TlsOptions options;
    options.keystore = keystore;
    options.keystore_password = password;
    options.truststore = truststore;
    return make_tls_network(machine.world.network(), machine.world.files(), options)
        .status()
        .message();
  };
  EXPECT_EQ(failure("/good.p12", "secret", "/keyless.pem"), "");
  EXPECT_NE(failure("/good.p12", "wrong", "/keyless.pem").find("password"), std::string::npos);
  EXPECT_NE(failure("/locked.pem", "wrong", "/keyless.pem").find("password"), std::string::npos);
  EXPECT_NE(failure("/keyless.pem", "", "/keyless.pem").find("no key"), std::string::npos);
  EXPECT_NE(failure("/old.jks", "", "/keyless.pem").find("keytool"), std::string::npos);
  EXPECT_NE(failure("/noise", "", "/keyless.pem").find("PKCS#12"), std::string::npos);
  EXPECT_NE(failure("/none", "", "/keyless.pem").find("/none"), std::string::npos);
  Config config;
  ASSERT_TRUE(config.set("security.ssl.internal.enabled", "true").ok());
  const Status status =
      make_internal_tls(machine.world.network(), machine.world.files(), config).status();
  EXPECT_NE(status.message().find("security.ssl.internal.keystore"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
