// Fuzzes what comes over a connection between processes: the same frames whatever pieces the bytes
// come in, hostile ones are refused, and what is accepted survives being written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/rpc/frame.h"
#include "tidewheel/rpc/message.h"
#include "tidewheel/rpc/session.h"

namespace {

using namespace tidewheel;

struct Taken {
  std::vector<std::string> frames;
  bool failed = false;
  bool operator==(const Taken&) const = default;
};

Taken take(std::string_view stream, size_t piece) {
  Taken taken;
  FrameReader reader(1 << 20, 64);
  for (size_t at = 0; at < stream.size() && !taken.failed; at += piece) {
    reader.add(stream.substr(at, piece));
    Frame frame;
    while (true) {
      const Result<bool> has = reader.next(frame);
      taken.failed = !has.ok();
      if (!has.ok() || !*has) { break; }
      taken.frames.push_back(fmt::format("{} {} {} ", frame.type, frame.flags, frame.number));
      taken.frames.back().append(frame.body);
    }
  }
  return taken;
}

void read_bodies(std::string_view stream) {
  FrameReader reader(1 << 20);
  reader.add(stream);
  rpc::Session session(1 << 16);
  session.send("something that was sent");
  FrameWriter writer;
  session.write_to(writer, SIZE_MAX);
  Frame frame;
  while (reader.next(frame).value_or(false)) {
    ignore(rpc::decode_hello(frame.body).status(), "only a crash is wrong");
    ignore(rpc::decode_welcome(frame.body).status(), "only a crash is wrong");
    std::string bytes;
    if (!session.take_part(frame.body, (frame.flags & rpc::kLast) != 0, bytes).value_or(false)) {
      continue;
    }
    const Result<rpc::Message> message = rpc::decode_message(bytes);
    if (!message.ok()) { continue; }
    const std::string again = rpc::encode_message(*message);
    const Result<rpc::Message> back = rpc::decode_message(again);
    TIDEWHEEL_CHECK(back.ok(), "{}", back.status().to_string());
    TIDEWHEEL_CHECK(rpc::encode_message(*back) == again);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const Taken whole = take(stream, std::max<size_t>(size, 1));
  for (const size_t piece : {1u, 3u, 100u}) { TIDEWHEEL_CHECK(take(stream, piece) == whole); }
  read_bodies(stream);
  ignore(rpc::decode_message(stream).status(), "only a crash is wrong");
  return 0;
}
