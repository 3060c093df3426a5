#include "tidewheel/connectors/socket/socket.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/executor.h"
#include "tidewheel/testing/connector_harness.h"

namespace tidewheel::socket {
namespace {

using testing::ReadRows;
using testing::SourceHarness;
using Lines = std::vector<std::string>;

static_assert(Source<LineSource<Text>> && Source<LineSource<std::string>>);

std::unique_ptr<World> quiet_world() {
  RealWorldOptions options;
  options.log_level = LogLevel::kError;
  return make_real_world(options);
}

// A server on a free port of this machine, driven by the test's thread. What it waits for comes
// from the kernel at once; the bound on the tries is for a test that fails.
class Server {
 public:
  explicit Server(World& world) : world_(world), event_(world.executor().make_event()) {
    auto listener = world.network().listen({"127.0.0.1", 0}, [] {});
    EXPECT_TRUE(listener.ok());
    listener_ = std::move(listener).value();
  }
  uint16_t port() const { return listener_->port(); }
  void accept() {
    connection_.reset();
    wait_until([this] {
      auto accepted = listener_->accept([] {});
      EXPECT_TRUE(accepted.ok());
      connection_ = std::move(accepted).value();
      return connection_ != nullptr;
    });
  }
  void send(std::string_view bytes) {
    wait_until([&] {
      const auto sent = connection_->write(bytes);
      EXPECT_TRUE(sent.ok());
      if (sent.ok()) { bytes.remove_prefix(static_cast<size_t>(sent->bytes)); }
      return bytes.empty();
    });
  }
  void end() { EXPECT_TRUE(connection_->shutdown_write().ok()); }
  void stop_listening() { listener_.reset(); }

  template <class F>
  void wait_until(F&& done) {
    for (int i = 0; i < 20'000; ++i) {
      if (done()) { return; }
      static_cast<void>(event_->wait(world_.clock().now_ns() + 500'000));
    }
    FAIL() << "waited in vain";
  }

 private:
  World& world_;
  std::unique_ptr<Event> event_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
};

template <class Line>
class Client {
 public:
  Client(World& world, Server& server, SocketOptions options = {}, uint32_t batch_rows = 3)
      : server_(server),
        harness_(world, socket::lines<Line>("127.0.0.1", server.port(), options),
                 {.batch_rows = batch_rows}) {
    harness_.context().on_wake = [this] { wakes_.fetch_add(1); };
    const auto splits = harness_.discover();
    EXPECT_TRUE(splits.ok());
    split_ = splits->front();
    EXPECT_TRUE(harness_.open().ok());
  }
  // Reads what is there now.
  ReadResult read() {
    return harness_.drain(split_, lines_, [](const Line& line) { return std::string(line); });
  }
  // Reads until so many lines have come, or the stream has ended or failed.
  ReadResult read_until(size_t count) {
    ReadResult result = ReadResult::more();
    server_.wait_until([&] {
      result = read();
      return lines_.size() >= count || result.next() != ReadResult::Next::kWait;
    });
    return result;
  }
  const Lines& lines() const { return lines_; }
  int64_t records() const { return split_.records; }
  int wakes() const { return wakes_.load(); }

 private:
  Server& server_;
  SourceHarness<LineSource<Line>> harness_;
  SocketSplit split_;
  Lines lines_;
  std::atomic<int> wakes_{0};
};

TEST(SocketLines, come_whole_however_the_bytes_were_split) {
  const auto world = quiet_world();
  Server server(*world);
  Client<Text> client(*world, server);
  EXPECT_EQ(client.read().next(), ReadResult::Next::kWait);
  server.accept();
  server.send("one\ntw");
  client.read_until(1);
  EXPECT_EQ(client.lines(), Lines({"one"}));
  server.send("o\r\n");
  client.read_until(2);
  server.send("\nfour\nfive\nsix");
  client.read_until(5);
  EXPECT_EQ(client.lines(), Lines({"one", "two", "", "four", "five"}));
  server.end();
  EXPECT_EQ(client.read_until(99).next(), ReadResult::Next::kEnd);
  EXPECT_EQ(client.lines(), Lines({"one", "two", "", "four", "five", "six"}));
  EXPECT_EQ(client.records(), 6);
  EXPECT_GT(client.wakes(), 0);
}

TEST(SocketLines, end_when_the_peer_closes) {
  const auto world = quiet_world();
  Server server(*world);
  Client<std::string> client(*world, server);
  client.read();
  server.accept();
  server.end();
  EXPECT_EQ(client.read_until(99).next(), ReadResult::Next::kEnd);
  EXPECT_TRUE(client.lines().empty());
}

TEST(SocketLines, longer_than_a_chunk_come_whole) {
  const auto world = quiet_world();
  Server server(*world);
  Client<Text> client(*world, server);
  client.read();
  server.accept();
  const std::string line(50'000, 'x');
  for (int i = 0; i < 10; ++i) {
    server.send(line + std::to_string(i));
    client.read();
  }
  server.send("\nshort\n");
  client.read_until(2);
  ASSERT_EQ(client.lines().size(), 2U);
  EXPECT_EQ(client.lines()[0].size(), 500'010U);
  EXPECT_EQ(client.lines()[1], "short");
}

TEST(SocketLines, that_are_too_long_fail_and_name_the_place) {
  const auto world = quiet_world();
  Server server(*world);
  Client<Text> client(*world, server, {.record_bytes_max = 4});
  client.read();
  server.accept();
  server.send("1234\n123456");
  const ReadResult result = client.read_until(99);
  ASSERT_EQ(result.next(), ReadResult::Next::kFailed);
  EXPECT_EQ(result.status().id(), ErrorId::kRecordMalformed);
  EXPECT_NE(
      result.status().message().find("127.0.0.1:" + std::to_string(server.port()) + " at byte 5"),
      std::string::npos);
  EXPECT_EQ(client.lines(), Lines({"1234"}));
}

TEST(SocketLines, fail_when_nobody_listens) {
  const auto world = quiet_world();
  Server server(*world);
  Client<Text> client(*world, server);
  server.stop_listening();
  const ReadResult result = client.read_until(1);
  ASSERT_EQ(result.next(), ReadResult::Next::kFailed);
  EXPECT_EQ(result.status().id(), ErrorId::kNetworkConnect);
}

TEST(SocketLines, connect_again_when_asked_to) {
  const auto world = quiet_world();
  Server server(*world);
  Client<Text> client(*world, server, {.reconnects_max = 1, .reconnect_after = Duration(0)});
  client.read();
  server.accept();
  server.send("one\ntwo");
  server.end();
  client.read_until(2);
  client.read();
  server.accept();
  server.send("three\n");
  client.read_until(3);
  EXPECT_EQ(client.lines(), Lines({"one", "two", "three"}));
  server.end();
  server.stop_listening();
  ReadResult result = ReadResult::wait();
  server.wait_until([&] {
    result = client.read();
    return result.next() != ReadResult::Next::kWait;
  });
  EXPECT_EQ(result.next(), ReadResult::Next::kFailed);
}

TEST(SocketLines, refuse_options_that_make_no_sense) {
  const auto world = quiet_world();
  SourceHarness<LineSource<Text>> harness(*world, lines("localhost", 1, {.reconnects_max = -2}));
  const auto splits = harness.discover();
  ASSERT_FALSE(splits.ok());
  EXPECT_EQ(splits.status().id(), ErrorId::kConnectorOption);
}

}  // namespace
}  // namespace tidewheel::socket
