// Endpoints on simulated hosts: what a session promises, whatever becomes of its connections.
#include "tidewheel/rpc/endpoint.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

RpcOptions fast_options(std::string name) {
  RpcOptions options;
  options.name = std::move(name);
  options.connect_timeout_ms = 500;
  options.heartbeat_interval_ms = 100;
  options.heartbeat_timeout_ms = 1'000;
  options.reconnect_within_ms = 400;
  return options;
}

// A service that counts, and remembers what it was told.
struct Server {
  Server(World& world, uint16_t port, std::string name = "server") : loop(world, "server") {
    RpcOptions options = fast_options(std::move(name));
    options.listens = true;
    options.listen_at = {"", port};
    endpoint = RpcEndpoint::start(world, std::move(options)).value();
    service = std::make_shared<RpcService>("Echo", loop.poster());
    service->on_bytes("Say", [this](const RpcRequest& request, const RpcReply& reply) {
      peer = request.peer;
      heard.push_back(request.body);
      reply.ok("heard " + request.body);
    });
    service->on_bytes("Refuse", [](const RpcRequest&, const RpcReply& reply) {
      reply.fail(failed_precondition(ErrorId::kJobState, "not now"));
    });
    service->on_bytes("Forget", [](const RpcRequest&, const RpcReply&) {});
    service->on_bytes("Hold",
                      [this](const RpcRequest&, const RpcReply& reply) { held.push_back(reply); });
    service->set_unfenced("Refuse");
    endpoint->serve(service);
  }
  std::vector<std::string> heard;
  std::vector<RpcReply> held;
  RpcPeerRef peer;
  std::shared_ptr<RpcService> service;
  EventLoop loop;
  std::unique_ptr<RpcEndpoint> endpoint;
};

class RpcEndpointTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  RpcEndpointTest()
      : simulation_({.seed = GetParam()}),
        fabric_(simulation_),
        server_world_(simulation_, fabric_, "server"),
        client_world_(simulation_, fabric_, "client"),
        loop_(client_world_, "client") {
    server_ = std::make_unique<Server>(server_world_, 6000);
    endpoint_ = RpcEndpoint::start(client_world_, fast_options("client")).value();
    peer_ = endpoint_->connect({"server", 6000});
    peer_->watch({.poster = loop_.poster(),
                  .on_up = [this] { events_.push_back("up"); },
                  .on_lost = [this](const Status&) { events_.push_back("lost"); }});
  }

  void say(const std::string& method, const std::string& body, int64_t timeout_ms = 5'000,
           uint64_t fence = 0) {
    ++asked_;
    peer_->call({.service = "Echo",
                 .method = method,
                 .body = body,
                 .fence = fence,
                 .timeout_ms = timeout_ms},
                loop_.poster(), [this, body](Result<std::string> answer) {
                  answers_.push_back(answer.ok() ? *answer : "");
                  errors_.push_back(answer.ok() ? ErrorId{} : answer.status().id());
                });
  }
  bool run_until_answered() {
    return simulation_.run_until([this] { return answers_.size() == asked_; },
                                 simulation_.now_ns() + 60'000 * kNsPerMs);
  }
  bool run_until_event(const std::string& event) {
    return simulation_.run_until([&] { return !events_.empty() && events_.back() == event; },
                                 simulation_.now_ns() + 60'000 * kNsPerMs);
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld server_world_;
  SimWorld client_world_;
  std::vector<std::string> events_;
  std::vector<std::string> answers_;
  std::vector<ErrorId> errors_;
  size_t asked_ = 0;
  EventLoop loop_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RpcEndpoint> endpoint_;
  RpcPeerRef peer_;
};

TEST_P(RpcEndpointTest, calls_are_answered_in_order) {
  for (int i = 0; i < 100; ++i) { say("Say", std::to_string(i)); }
  ASSERT_TRUE(run_until_answered());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(server_->heard[static_cast<size_t>(i)], std::to_string(i));
    EXPECT_EQ(answers_[static_cast<size_t>(i)], "heard " + std::to_string(i));
  }
  EXPECT_EQ(peer_->name(), "server");
}

TEST_P(RpcEndpointTest, errors_come_back_as_they_are) {
  std::map<std::string, ErrorId> errors;
  const std::vector<std::string> calls = {"Echo.Refuse", "Echo.Unknown", "Echo.Forget",
                                          "Nobody.Say"};
  for (const std::string& call : calls) {
    const size_t dot = call.find('.');
    peer_->call({.service = call.substr(0, dot), .method = call.substr(dot + 1)}, loop_.poster(),
                [&errors, call](const Result<std::string>& answer) {
                  errors[call] = answer.status().id();
                });
  }
  ASSERT_TRUE(simulation_.run_until([&] { return errors.size() == calls.size(); }));
  EXPECT_EQ(errors["Echo.Refuse"], ErrorId::kJobState);
  EXPECT_EQ(errors["Echo.Unknown"], ErrorId::kRpcMethod);
  EXPECT_EQ(errors["Echo.Forget"], ErrorId::kInternal);
  EXPECT_EQ(errors["Nobody.Say"], ErrorId::kRpcMethod);
}

TEST_P(RpcEndpointTest, a_call_without_an_answer_ends_at_its_deadline) {
  say("Hold", "", 300);
  const int64_t start = simulation_.now_ns();
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[0], ErrorId::kRpcDeadline);
  EXPECT_GE(simulation_.now_ns() - start, 300 * kNsPerMs);
  EXPECT_LT(simulation_.now_ns() - start, 600 * kNsPerMs);
}

TEST_P(RpcEndpointTest, a_large_message_arrives_whole) {
  std::string body;
  for (int i = 0; i < 200'000; ++i) { body += std::to_string(i); }
  fabric_.set_all_links(
      {.latency_ns_min = 1'000, .latency_ns_max = 20'000, .window_bytes_max = 1 << 20});
  say("Say", body, 60'000);
  say("Say", "small");
  ASSERT_TRUE(run_until_answered());
  ASSERT_EQ(server_->heard.size(), 2U);
  EXPECT_EQ(server_->heard[0], body);
  EXPECT_EQ(answers_[0], "heard " + body);
}

TEST_P(RpcEndpointTest, broken_connections_lose_and_double_nothing) {
  const std::string padding(3'000, 'x');
  for (int i = 0; i < 200; ++i) {
    say("Say", std::to_string(i) + padding);
    simulation_.run_for(simulation_.draw(0, 5) * kNsPerMs);
    if (i % 10 == 9) { fabric_.reset("client", "server"); }
  }
  ASSERT_TRUE(run_until_answered());
  ASSERT_EQ(server_->heard.size(), 200U);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(server_->heard[static_cast<size_t>(i)], std::to_string(i) + padding);
    EXPECT_EQ(errors_[static_cast<size_t>(i)], ErrorId{});
  }
  EXPECT_EQ(events_, std::vector<std::string>{"up"});
}

TEST_P(RpcEndpointTest, writes_that_lose_the_connection_are_made_good) {
  fabric_.set_all_links({.loss_chance = 0.05});
  for (int i = 0; i < 50; ++i) { say("Say", std::to_string(i), 60'000); }
  ASSERT_TRUE(run_until_answered());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(server_->heard[static_cast<size_t>(i)], std::to_string(i));
  }
  EXPECT_EQ(server_->heard.size(), 50U);
}

TEST_P(RpcEndpointTest, a_half_open_connection_is_replaced) {
  say("Say", "before");
  ASSERT_TRUE(run_until_answered());
  // The server notices nothing: what it sends reaches nobody.
  fabric_.half_open("client", "server");
  say("Say", "after", 10'000);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_.back(), "heard after");
  // The other way round: the client sends into the void.
  fabric_.half_open("server", "client");
  say("Say", "later", 20'000);
  ASSERT_TRUE(run_until_answered());
  EXPECT_TRUE(answers_.back() == "heard later" || errors_.back() == ErrorId::kProcessLost);
}

TEST_P(RpcEndpointTest, a_peer_behind_a_cut_is_lost_after_the_heartbeat_timeout) {
  ASSERT_TRUE(run_until_event("up"));
  say("Hold", "", 100'000);
  ASSERT_TRUE(simulation_.run_until([this] { return !server_->held.empty(); }));
  const int64_t start = simulation_.now_ns();
  fabric_.cut("client", "server", true);
  fabric_.cut("server", "client", true);
  ASSERT_TRUE(run_until_event("lost"));
  EXPECT_GE(simulation_.now_ns() - start, 800 * kNsPerMs);
  EXPECT_LT(simulation_.now_ns() - start, 1'700 * kNsPerMs);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[0], ErrorId::kProcessLost);
  fabric_.cut("client", "server", false);
  fabric_.cut("server", "client", false);
  ASSERT_TRUE(run_until_event("up"));
  say("Say", "again");
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_.back(), "heard again");
}

TEST_P(RpcEndpointTest, a_silent_time_within_the_timeout_is_no_loss) {
  ASSERT_TRUE(run_until_event("up"));
  simulation_.run_for(10'000 * kNsPerMs);
  EXPECT_EQ(events_, std::vector<std::string>{"up"});
  EXPECT_TRUE(peer_->is_up());
}

TEST_P(RpcEndpointTest, who_does_not_answer_a_greeting_is_greeted_again) {
  server_.reset();
  std::vector<std::unique_ptr<Connection>> silent;
  auto listener = server_world_.network().listen({"", 6000}, [] {});
  ASSERT_TRUE(listener.ok()) << listener.status().to_string();
  ASSERT_TRUE(simulation_.run_until([&] {
    auto connection = (*listener)->accept([] {});
    if (connection.ok() && *connection != nullptr) { silent.push_back(std::move(*connection)); }
    return !silent.empty();
  }));
  // As if its process had gone without a word.
  listener->reset();
  server_ = std::make_unique<Server>(server_world_, 6000);
  say("Say", "at last", 20'000);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_.back(), "heard at last");
}

TEST_P(RpcEndpointTest, a_server_that_is_started_again_is_another_session) {
  ASSERT_TRUE(run_until_event("up"));
  say("Hold", "", 100'000);
  ASSERT_TRUE(simulation_.run_until([this] { return !server_->held.empty(); }));
  const int64_t start = simulation_.now_ns();
  server_.reset();
  ASSERT_TRUE(run_until_event("lost"));
  EXPECT_LT(simulation_.now_ns() - start, 300 * kNsPerMs) << "its end is noticed at once";
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[0], ErrorId::kProcessLost);
  say("Say", "waits for the server", 20'000);
  simulation_.run_for(500 * kNsPerMs);
  server_ = std::make_unique<Server>(server_world_, 6000);
  ASSERT_TRUE(run_until_event("up"));
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_.back(), "heard waits for the server");
  EXPECT_EQ(events_, (std::vector<std::string>{"up", "lost", "up"}));
}

TEST_P(RpcEndpointTest, a_call_that_timed_out_before_there_was_a_session_is_never_made) {
  server_.reset();
  say("Say", "too early", 200);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[0], ErrorId::kRpcDeadline);
  server_ = std::make_unique<Server>(server_world_, 6000);
  say("Say", "in time", 20'000);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(server_->heard, std::vector<std::string>{"in time"});
}

TEST_P(RpcEndpointTest, a_server_calls_back_who_has_called_it_and_sees_its_end) {
  std::vector<std::string> told;
  auto service = std::make_shared<RpcService>("Client", loop_.poster());
  service->on_bytes("Tell", [&](const RpcRequest& request, const RpcReply& reply) {
    told.push_back(request.body);
    reply.ok("");
  });
  endpoint_->serve(service);
  say("Say", "hello");
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(server_->peer->name(), "client");
  bool lost = false;
  server_->peer->watch(
      {.poster = server_->loop.poster(), .on_up = nullptr, .on_lost = [&](const Status& why) {
         lost = true;
         EXPECT_EQ(why.id(), ErrorId::kProcessLost);
       }});
  for (int i = 0; i < 20; ++i) {
    server_->peer->notify({.service = "Client", .method = "Tell", .body = std::to_string(i)});
  }
  ASSERT_TRUE(simulation_.run_until([&] { return told.size() == 20; }));
  EXPECT_EQ(told[19], "19");
  EXPECT_FALSE(lost);
  peer_->close();
  ASSERT_TRUE(simulation_.run_until([&] { return lost; }, simulation_.now_ns() + 1'000 * kNsPerMs));
  EXPECT_FALSE(server_->peer->is_up());
}

TEST_P(RpcEndpointTest, messages_of_a_leader_that_was_replaced_are_refused) {
  server_->service->accept_only(7);
  say("Say", "old", 5'000, 6);
  say("Say", "now", 5'000, 7);
  say("Refuse", "takes any", 5'000, 1);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[0], ErrorId::kFenced);
  EXPECT_EQ(answers_[1], "heard now");
  EXPECT_EQ(errors_[2], ErrorId::kJobState);
  server_->service->accept_newest(7);
  say("Say", "newer", 5'000, 9);
  say("Say", "late", 5'000, 8);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_[3], "heard newer");
  EXPECT_EQ(errors_[4], ErrorId::kFenced);
  server_->service->accept_none("it does not lead");
  say("Say", "nobody leads", 5'000, 9);
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(errors_[5], ErrorId::kNotLeader);
}

TEST_P(RpcEndpointTest, bytes_that_are_no_frames_are_sent_away) {
  bool ended = false;
  std::string got;
  std::unique_ptr<Connection> connection =
      client_world_.network().connect({"server", 6000}, 1'000 * kNsPerMs, [] {});
  ASSERT_TRUE(simulation_.run_until([&] { return connection->is_connected(); }));
  const std::string request = "GET /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
  // The server closes as soon as it has seen enough, and may read no more of it.
  for (size_t sent = 0, tries = 0; sent < request.size() && tries < 200; ++tries) {
    const auto put = connection->write(std::string_view(request).substr(sent));
    if (!put.ok()) { break; }
    sent += static_cast<size_t>(put->bytes);
    simulation_.run_for(kNsPerMs);
  }
  ASSERT_TRUE(simulation_.run_until(
      [&] {
        char buffer[512];
        const auto read = connection->read(buffer);
        ended = !read.ok() || read->state == Transfer::State::kEnd;
        if (read.ok()) { got.append(buffer, static_cast<size_t>(read->bytes)); }
        return ended;
      },
      simulation_.now_ns() + 5'000 * kNsPerMs));
  EXPECT_NE(got.find("something else than frames"), std::string::npos);
  say("Say", "still there");
  ASSERT_TRUE(run_until_answered());
  EXPECT_EQ(answers_.back(), "heard still there");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RpcEndpointTest, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace tidewheel
