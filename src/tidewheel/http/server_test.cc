#include "tidewheel/http/server.h"

#include <gtest/gtest.h>

#include <map>

#include "tidewheel/http/client.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

constexpr uint16_t kPort = 8081;
constexpr int64_t kSecondNs = 1'000'000'000;

// Gives the numbers from 1 to 5, a line each.
class Numbers final : public HttpBodySource {
 public:
  explicit Numbers(bool fails) : fails_(fails) {}
  void next(std::function<void(Result<std::string>)> done) override {
    if (fails_ && next_ == 3) {
      done(unavailable(ErrorId::kNetworkLost, "no more"));
    } else {
      done(next_ > 5 ? std::string() : std::to_string(next_) + "\n");
    }
    ++next_;
  }

 private:
  const bool fails_;
  int next_ = 1;
};

class CountingTaker final : public HttpBodyTaker {
 public:
  explicit CountingTaker(SimWorld& world) : world_(world) {}
  void take(std::string piece, std::function<void(Status)> done) override {
    bytes += piece.size();
    largest = std::max(largest, piece.size());
    world_.executor().run_blocking([done] { done(ok_status()); });
  }
  size_t bytes = 0;
  size_t largest = 0;

 private:
  SimWorld& world_;
};

class TestService final : public HttpService {
 public:
  explicit TestService(SimWorld& world) : world_(world) {}
  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest& head) override {
    if (head.path() == "/refused") {
      return Status(cancelled(ErrorId::kNotAuthorized, "uploads are switched off"));
    }
    if (head.path() != "/upload") { return std::shared_ptr<HttpBodyTaker>(); }
    return std::shared_ptr<HttpBodyTaker>(std::make_shared<CountingTaker>(world_));
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    ++served;
    const std::string_view path = request.path();
    HttpResponse response;
    if (path == "/numbers" || path == "/broken") {
      response.source = std::make_shared<Numbers>(path == "/broken");
    } else if (path == "/upload") {
      const auto& taker = static_cast<const CountingTaker&>(*request.taker);
      response.body = fmt::format("{} {}", taker.bytes, taker.largest <= 128 * 1024);
    } else if (path == "/dropped") {
      return;
    } else if (path == "/later") {
      waiting.push_back(std::move(answer));
      return;
    } else {
      response.body = fmt::format("{} {} {}", request.method, request.target, request.body);
      response.headers.add("X-Note", "a\r\nInjected: 1");
    }
    answer(std::move(response));
  }
  HttpResponse failure_response(int32_t status, const Status& why) override {
    const int32_t own = why.code() == StatusCode::kCancelled ? 403 : 500;
    return {.status = status == 0 ? own : status, .body = why.message()};
  }
  int served = 0;
  std::vector<HttpAnswer> waiting;

 private:
  SimWorld& world_;
};

// A server and a client on two hosts of a simulated network.
struct Hosts {
  explicit Hosts(HttpServerOptions options = {})
      : simulation({.seed = 7}),
        fabric(simulation),
        server_world(simulation, fabric, "server"),
        client_world(simulation, fabric, "client"),
        service(server_world) {
    options.address = {"", kPort};
    auto opened = HttpServer::open(server_world, options, service);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    server = std::move(opened).value();
    client.emplace(client_world);
  }
  ~Hosts() {
    client.reset();
    server.reset();
  }
  Result<HttpResponse> get(const std::string& path) { return call({.url = url(path)}); }
  static std::string url(const std::string& path) { return "http://server:8081" + path; }
  Result<HttpResponse> call(HttpCall call) { return client->call(std::move(call)); }

  Simulation simulation;
  SimNetworkFabric fabric;
  SimWorld server_world;
  SimWorld client_world;
  TestService service;
  std::unique_ptr<HttpServer> server;
  std::optional<HttpClient> client;
};

// A client that sends what it likes.
class RawPeer {
 public:
  explicit RawPeer(Hosts& hosts)
      : world_(hosts.client_world),
        connection_(world_.network().connect({"server", kPort}, 10 * kSecondNs, [] {})) {}
  void send(std::string_view text) {
    wait_until([&] {
      const Result<Transfer> moved = connection_->write(text);
      if (!moved.ok()) { return true; }
      text.remove_prefix(static_cast<size_t>(moved->bytes));
      return text.empty();
    });
  }
  // All that comes until the server ends, or `seconds` are over.
  std::string read_all(int64_t seconds) {
    std::string out;
    wait_until(
        [&] {
          char buffer[4096];
          const Result<Transfer> moved = connection_->read(buffer);
          if (!moved.ok() || moved->state == Transfer::State::kEnd) {
            ended = true;
            return true;
          }
          out.append(buffer, static_cast<size_t>(moved->bytes));
          return false;
        },
        seconds);
    return out;
  }
  void wait_seconds(int64_t seconds) {
    wait_until([] { return false; }, seconds);
  }
  bool ended = false;

 private:
  void wait_until(const std::function<bool()>& done, int64_t seconds = 60) {
    const int64_t until = world_.clock().now_ns() + seconds * kSecondNs;
    while (!done() && world_.clock().now_ns() < until) {
      world_.executor().make_event()->wait(world_.clock().now_ns() + kSecondNs / 100);
    }
  }
  SimWorld& world_;
  std::unique_ptr<Connection> connection_;
};

TEST(HttpServer, requests_are_answered_over_one_connection) {
  Hosts hosts;
  for (int i = 0; i < 3; ++i) {
    const auto response = hosts.get(fmt::format("/a?b={}", i));
    ASSERT_TRUE(response.ok()) << response.status().to_string();
    EXPECT_EQ(response->body, fmt::format("GET /a?b={} ", i));
    EXPECT_EQ(response->headers.find("Injected"), std::nullopt);
    EXPECT_EQ(hosts.server->connection_count(), 1);
  }
}

TEST(HttpServer, bodies_come_and_go) {
  Hosts hosts;
  const std::string body(300'000, 'x');
  const auto response = hosts.call({.url = Hosts::url("/echo"), .method = "POST", .body = body});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->body, "POST /echo " + body);
}

TEST(HttpServer, a_source_is_sent_in_chunks) {
  Hosts hosts;
  const auto response = hosts.get("/numbers");
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->body, "1\n2\n3\n4\n5\n");
  EXPECT_TRUE(response->headers.has_token("Transfer-Encoding", "chunked"));
  // The connection is used again.
  EXPECT_TRUE(hosts.get("/numbers").ok());
  EXPECT_EQ(hosts.server->connection_count(), 1);
}

TEST(HttpServer, an_answer_that_breaks_off_is_no_answer) {
  Hosts hosts;
  EXPECT_FALSE(hosts.get("/broken").ok());
}

TEST(HttpServer, uploads_go_to_their_taker_in_pieces) {
  Hosts hosts({.body_bytes_max = 1000, .taken_bytes_max = 3'000'000});
  const std::string body(2'000'000, 'x');
  auto response = hosts.call({.url = Hosts::url("/upload"), .method = "POST", .body = body});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->body, "2000000 true");
  response = hosts.call({.url = Hosts::url("/upload"), .method = "POST", .body = body + body});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->status, 413);
  response = hosts.call({.url = Hosts::url("/echo"), .method = "POST", .body = body});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->status, 413);
  response = hosts.call({.url = Hosts::url("/refused"), .method = "POST", .body = body});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->status, 403);
}

TEST(HttpServer, chunks_beyond_the_limit_are_refused) {
  Hosts hosts({.body_bytes_max = 1000});
  RawPeer peer(hosts);
  peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) { peer.send("64\r\n" + std::string(100, 'x') + "\r\n"); }
  EXPECT_NE(peer.read_all(5).find("HTTP/1.1 413"), std::string::npos);
  EXPECT_TRUE(peer.ended);
  EXPECT_EQ(hosts.service.served, 0);
}

TEST(HttpServer, pipelined_requests_are_answered_in_order) {
  Hosts hosts;
  RawPeer peer(hosts);
  peer.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy");
  const std::string all = peer.read_all(5);
  const size_t first = all.find("GET /1 ");
  const size_t second = all.find("GET /2 ");
  const size_t third = all.find("POST /3 xy");
  ASSERT_NE(third, std::string::npos) << all;
  EXPECT_TRUE(first < second && second < third);
  EXPECT_TRUE(peer.ended);
}

TEST(HttpServer, what_is_no_request_is_refused_and_the_connection_closed) {
  for (const char* text :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x05\x01\r\n\r\n"}) {
    Hosts hosts;
    RawPeer peer(hosts);
    peer.send(text);
    EXPECT_TRUE(peer.read_all(5).starts_with("HTTP/1.1 400")) << text;
    EXPECT_TRUE(peer.ended) << text;
    EXPECT_EQ(hosts.service.served, 0) << text;
  }
}

TEST(HttpServer, a_head_that_trickles_in_is_cut_off) {
  Hosts hosts({.head_timeout_ms = 10'000});
  RawPeer peer(hosts);
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 15 && !peer.ended; ++i) {
    peer.send("X: 1\r\n");
    peer.wait_seconds(1);
  }
  EXPECT_TRUE(peer.read_all(1).starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(peer.ended);
}

TEST(HttpServer, a_body_that_trickles_in_is_cut_off) {
  Hosts hosts({.head_timeout_ms = 5'000, .bytes_per_second_min = 100});
  RawPeer peer(hosts);
  peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 30; ++i) {
    peer.send("x");
    peer.wait_seconds(1);
  }
  EXPECT_TRUE(peer.read_all(1).starts_with("HTTP/1.1 408"));
}

TEST(HttpServer, who_does_not_read_the_answer_is_dropped) {
  Hosts hosts({.body_bytes_max = 4'000'000, .head_timeout_ms = 5'000});
  const std::string body(3'000'000, 'x');
  RawPeer peer(hosts);
  peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + body);
  peer.wait_seconds(40);
  EXPECT_EQ(hosts.server->connection_count(), 0);
}

TEST(HttpServer, idle_connections_are_closed) {
  Hosts hosts({.idle_timeout_ms = 20'000});
  ASSERT_TRUE(hosts.get("/a").ok());
  RawPeer peer(hosts);
  peer.wait_seconds(10);
  EXPECT_EQ(hosts.server->connection_count(), 2);
  peer.wait_seconds(30);
  EXPECT_EQ(hosts.server->connection_count(), 0);
}

TEST(HttpServer, the_one_that_idles_longest_makes_room) {
  Hosts hosts({.connections_max = 3});
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 6; ++i) {
    peers.push_back(std::make_unique<RawPeer>(hosts));
    peers.back()->wait_seconds(1);
  }
  EXPECT_EQ(hosts.server->connection_count(), 3);
  peers[0]->read_all(1);
  EXPECT_TRUE(peers[0]->ended);
  EXPECT_TRUE(hosts.get("/a").ok());
}

TEST(HttpServer, a_request_that_is_dropped_is_answered) {
  Hosts hosts;
  const auto response = hosts.get("/dropped");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 500);
}

TEST(HttpServer, a_request_that_nobody_answers_is_given_up) {
  Hosts hosts({.answer_timeout_ms = 20'000});
  const auto response = hosts.get("/later");
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->status, 504);
  // Too late, and without effect.
  hosts.service.waiting[0]({.body = "at last"});
  EXPECT_EQ(hosts.get("/a")->body, "GET /a ");
}

TEST(HttpServer, expectations_are_met) {
  Hosts hosts;
  RawPeer peer(hosts);
  peer.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(peer.read_all(2), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("xy");
  EXPECT_NE(peer.read_all(2).find("POST /a xy"), std::string::npos);
  RawPeer other(hosts);
  other.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 2\r\n\r\nxy");
  EXPECT_TRUE(other.read_all(2).starts_with("HTTP/1.1 417"));
}

TEST(HttpServer, heads_alone_have_no_body) {
  Hosts hosts;
  auto response = hosts.call({.url = Hosts::url("/a"), .method = "HEAD"});
  ASSERT_TRUE(response.ok()) << response.status().to_string();
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(response->headers.find("Content-Length"), "8");
  EXPECT_TRUE(hosts.get("/a").ok());
}

TEST(HttpServer, requests_that_were_taken_are_answered_when_it_stops_accepting) {
  Hosts hosts;
  std::optional<Result<HttpResponse>> got;
  hosts.client->send({.url = Hosts::url("/later")},
                     [&](Result<HttpResponse> response) { got.emplace(std::move(response)); });
  RawPeer pause(hosts);
  pause.wait_seconds(2);
  ASSERT_EQ(hosts.service.waiting.size(), 1U);
  hosts.server->stop_accepting();
  pause.wait_seconds(1);
  EXPECT_FALSE(hosts.get("/a").ok());
  hosts.service.waiting[0]({.body = "at last"});
  pause.wait_seconds(2);
  ASSERT_TRUE(got.has_value() && got->ok());
  EXPECT_EQ((*got)->body, "at last");
}

TEST(HttpClient, a_server_that_is_not_there_is_named) {
  Hosts hosts;
  const auto response = hosts.call({.url = "http://server:9/a"});
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.status().id(), ErrorId::kNetworkConnect);
}

TEST(HttpClient, a_call_that_is_not_answered_fails_in_time) {
  Hosts hosts;
  const int64_t before = hosts.client_world.clock().now_ns();
  const auto response = hosts.call({.url = Hosts::url("/later"), .timeout_ms = 3'000});
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_LT(hosts.client_world.clock().now_ns() - before, 4 * kSecondNs);
}

TEST(HttpClient, a_connection_that_was_closed_meanwhile_is_replaced) {
  Hosts hosts;
  ASSERT_TRUE(hosts.get("/a").ok());
  hosts.fabric.half_open("server", "client");
  hosts.fabric.reset("server", "client");
  EXPECT_TRUE(hosts.get("/a").ok());
}

TEST(HttpClient, calls_beyond_the_limit_wait_their_turn) {
  Hosts hosts;
  HttpClient client(hosts.client_world, {.connections_max = 2});
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    client.send({.url = Hosts::url("/a")},
                [&](const Result<HttpResponse>& response) { answered += response.ok() ? 1 : 0; });
  }
  RawPeer pause(hosts);
  pause.wait_seconds(5);
  EXPECT_EQ(answered, 10);
}

TEST(HttpClient, every_call_is_answered_when_the_client_goes) {
  Hosts hosts;
  int failed = 0;
  {
    HttpClient client(hosts.client_world);
    for (int i = 0; i < 5; ++i) {
      client.send({.url = Hosts::url("/later")},
                  [&](const Result<HttpResponse>& response) { failed += response.ok() ? 0 : 1; });
    }
  }
  EXPECT_EQ(failed, 5);
}

TEST(HttpClient, text_that_would_end_a_field_is_refused) {
  Hosts hosts;
  EXPECT_EQ(hosts.call({.url = Hosts::url("/a"), .headers = {{"X", "1\r\nY: 2"}}}).status().id(),
            ErrorId::kHttpMessage);
  EXPECT_EQ(hosts.call({.url = Hosts::url("/a"), .method = "GET /b"}).status().id(),
            ErrorId::kHttpMessage);
}

TEST(HttpClient, answers_beyond_the_limit_are_refused) {
  Hosts hosts;
  HttpClient client(hosts.client_world, {.body_bytes_max = 100});
  const auto response =
      client.call({.url = Hosts::url("/echo"), .method = "POST", .body = std::string(1000, 'x')});
  EXPECT_EQ(response.status().id(), ErrorId::kHttpLimit);
}

}  // namespace
}  // namespace tidewheel
