// Frames, messages and sessions without a network.
#include "tidewheel/rpc/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/rpc/message.h"
#include "tidewheel/rpc/session.h"

namespace tidewheel {
namespace {

// A connection that takes everything, and keeps it.
class KeepingConnection final : public Connection {
 public:
  Result<Transfer> read(std::span<char>) override { return Transfer{}; }
  Result<Transfer> write(std::string_view bytes) override {
    taken_.append(bytes);
    return Transfer{Transfer::State::kMoved, static_cast<int64_t>(bytes.size())};
  }
  Status shutdown_write() override { return {}; }
  bool is_connected() const override { return true; }
  std::string peer() const override { return "test"; }
  std::string take() { return std::exchange(taken_, {}); }

 private:
  std::string taken_;
};

std::string bytes_of(FrameWriter& writer) {
  KeepingConnection connection;
  EXPECT_TRUE(writer.flush(connection).value());
  return connection.take();
}

TEST(Frame, any_cut_of_the_stream_gives_the_same_frames) {
  FrameWriter writer;
  std::vector<std::string> bodies = {
      "", "a", std::string(700'000, 'b'), "c", std::string(300'000, 'd'), "e"};
  for (size_t i = 0; i < bodies.size(); ++i) {
    writer.add(static_cast<uint8_t>(i), 1, static_cast<uint32_t>(i * 100), bodies[i]);
  }
  const std::string stream = bytes_of(writer);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, size_t{65536}, stream.size()}) {
    FrameReader reader(1 << 20);
    size_t found = 0;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.add(std::string_view(stream).substr(at, piece));
      Frame frame;
      while (reader.next(frame).value()) {
        ASSERT_LT(found, bodies.size());
        EXPECT_EQ(frame.type, found);
        EXPECT_EQ(frame.number, found * 100);
        EXPECT_EQ(frame.body, bodies[found]);
        ++found;
      }
    }
    EXPECT_EQ(found, bodies.size());
    EXPECT_FALSE(reader.is_inside_frame());
  }
}

// Room for every second body that is asked about.
class EverySecond final : public BodyPlaces {
 public:
  char* place(const Frame&, size_t size) override {
    if (++asked_ % 2 == 0) { return nullptr; }
    room_.assign(size, '?');
    return room_.data();
  }
  int asked() const { return asked_; }

 private:
  int asked_ = 0;
  std::string room_;
};

TEST(Frame, bodies_that_have_a_place_of_their_own_come_whole_at_any_cut) {
  FrameWriter writer;
  const std::vector<std::string> bodies = {std::string(40'000, 'a'), "b",
                                           std::string(50'000, 'c'), std::string(300'000, 'd'),
                                           std::string(20'000, 'e'), ""};
  for (size_t i = 0; i < bodies.size(); ++i) {
    writer.add(static_cast<uint8_t>(i), 1, static_cast<uint32_t>(i * 100), bodies[i]);
  }
  const std::string stream = bytes_of(writer);
  for (const size_t piece : {size_t{1}, size_t{5000}, size_t{65536}}) {
    FrameReader reader(1 << 20);
    EverySecond places;
    size_t found = 0;
    size_t placed = 0;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.add(std::string_view(stream).substr(at, piece));
      Frame frame;
      while (reader.next(frame, &places).value()) {
        ASSERT_LT(found, bodies.size());
        EXPECT_EQ(frame.type, found);
        EXPECT_EQ(frame.number, found * 100);
        EXPECT_EQ(frame.body, bodies[found]);
        ++found;
        placed += frame.is_placed ? 1 : 0;
      }
    }
    EXPECT_EQ(found, bodies.size());
    EXPECT_GT(placed, 0U);
    EXPECT_FALSE(reader.is_inside_frame());
  }
}

TEST(Frame, a_body_that_is_too_long_is_refused_before_it_comes) {
  FrameWriter writer;
  writer.add(1, 0, 0, std::string(101, 'x'));
  FrameReader reader(100);
  reader.add(bytes_of(writer).substr(0, kFrameHeaderBytes));
  Frame frame;
  EXPECT_EQ(reader.next(frame).status().id(), ErrorId::kRpcMessage);
}

TEST(RpcMessage, comes_back_as_it_was) {
  rpc::Message message;
  message.kind = rpc::Message::Kind::kCall;
  message.call = 1ULL << 60;
  message.fence = UINT64_MAX;
  message.service = "JobManager";
  message.method = "Register";
  message.body = std::string("\0\xff body", 7);
  const rpc::Message back = rpc::decode_message(rpc::encode_message(message)).value();
  EXPECT_EQ(back.kind, message.kind);
  EXPECT_EQ(back.call, message.call);
  EXPECT_EQ(back.fence, message.fence);
  EXPECT_EQ(back.service, message.service);
  EXPECT_EQ(back.method, message.method);
  EXPECT_EQ(back.body, message.body);

  message.kind = rpc::Message::Kind::kReply;
  message.status = unavailable(ErrorId::kNoSlots, "no slots");
  const rpc::Message failure = rpc::decode_message(rpc::encode_message(message)).value();
  EXPECT_EQ(failure.status.to_string(), message.status.to_string());
}

TEST(RpcMessage, cut_short_is_refused) {
  rpc::Message message;
  message.kind = rpc::Message::Kind::kNotice;
  message.service = "s";
  message.method = "m";
  const std::string bytes = rpc::encode_message(message);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(rpc::decode_message(bytes.substr(0, size)).status().id(), ErrorId::kRpcMessage);
  }
  const std::string hello = rpc::encode_hello({.session = 1, .name = "n"});
  for (size_t size = 0; size < hello.size(); ++size) {
    EXPECT_EQ(rpc::decode_hello(hello.substr(0, size)).status().id(), ErrorId::kRpcMessage);
  }
}

TEST(RpcMessage, another_version_is_named) {
  std::string hello = rpc::encode_hello({.session = 1});
  hello[4] = 9;
  const Status status = rpc::decode_hello(hello).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("version 9"), std::string::npos);
}

TEST(RpcSession, parts_are_written_again_from_where_the_peer_was) {
  rpc::Session sender(1 << 20);
  rpc::Session receiver(1 << 20);
  sender.send(std::string(200'000, 'a'));
  sender.send("b");
  FrameWriter first;
  sender.write_to(first, SIZE_MAX);
  FrameReader reader(1 << 20);
  reader.add(bytes_of(first));
  Frame frame;
  std::string message;
  ASSERT_TRUE(reader.next(frame).value());
  EXPECT_FALSE(receiver.take_part(frame.body, false, message).value());  // then it breaks
  ASSERT_TRUE(sender.resume(receiver.received()).ok());
  FrameWriter second;
  sender.write_to(second, SIZE_MAX);
  FrameReader next(1 << 20);
  next.add(bytes_of(second));
  std::vector<std::string> messages;
  while (next.next(frame).value()) {
    if (receiver.take_part(frame.body, (frame.flags & rpc::kLast) != 0, message).value()) {
      messages.push_back(message);
    }
  }
  EXPECT_EQ(messages, (std::vector<std::string>{std::string(200'000, 'a'), "b"}));
  EXPECT_GT(sender.unacknowledged_bytes(), 0);
  ASSERT_TRUE(sender.acknowledge(receiver.acknowledgement()).ok());
  EXPECT_EQ(sender.unacknowledged_bytes(), 0);
}

TEST(RpcSession, what_the_peer_can_not_have_is_refused) {
  rpc::Session session(100);
  EXPECT_EQ(session.acknowledge(1).id(), ErrorId::kRpcMessage);
  EXPECT_EQ(session.resume(3).id(), ErrorId::kRpcMessage);
  std::string body;
  put_number<uint64_t>(body, 2);
  put_number<uint64_t>(body, 0);
  std::string message;
  EXPECT_EQ(session.take_part(body, true, message).status().id(), ErrorId::kRpcMessage);
  std::string large;
  put_number<uint64_t>(large, 1);
  put_number<uint64_t>(large, 0);
  large.append(101, 'x');
  EXPECT_EQ(session.take_part(large, true, message).status().id(), ErrorId::kRpcMessage);
}

}  // namespace
}  // namespace tidewheel
