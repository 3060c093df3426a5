// What sessions say: the frames of a connection, and the messages in them.
//
// Frames (rpc/frame.h; `number` is 0):
//   hello    client, first: magic u32 | version u8 | session u64 | received u64 | resumes u8 | name
//   welcome  server, first: version u8 | received u64 | name
//   refusal  server, first: why. With flag kUnknownSession: begin another one.
//   part     sequence u64 | acknowledged u64 | a slice of a message; flag kLast on its last slice
//   beat     acknowledged u64
//   bye      why: the session has ended
// Parts are counted from 1 within a session; `received` and `acknowledged` are the number of the
// last that has come. Texts have a length of 16 bits before them.
//
// Message: kind u8 | status u8 | error u16 | call u64 | fence u64 | service | method | body
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel::rpc {

inline constexpr uint32_t kMagic = 0x31525754;  // "TWR1"
inline constexpr uint8_t kVersion = 1;

enum class FrameType : uint8_t { kHello = 1, kWelcome, kRefusal, kPart, kBeat, kBye };
inline constexpr uint8_t kLast = 1;
inline constexpr uint8_t kUnknownSession = 1;

struct Hello {
  uint64_t session = 0;
  uint64_t received = 0;
  bool resumes = false;
  std::string name = {};
};
std::string encode_hello(const Hello& hello);
Result<Hello> decode_hello(std::string_view body);

struct Welcome {
  uint64_t received = 0;
  std::string name = {};
};
std::string encode_welcome(const Welcome& welcome);
Result<Welcome> decode_welcome(std::string_view body);

struct Message {
  enum class Kind : uint8_t { kCall = 1, kReply, kNotice };
  Kind kind = Kind::kNotice;
  uint64_t call = 0;  // of calls and replies: the caller's number
  uint64_t fence = 0;
  std::string service;
  std::string method;
  // Of a reply: an error, or OK and the body.
  Status status = {};
  std::string body;
};
std::string encode_message(const Message& message);
Result<Message> decode_message(std::string_view bytes);

}  // namespace tidewheel::rpc
