// Fuzzes what comes from ZooKeeper's servers: the same frames whatever pieces the bytes come in,
// readers of answers, and challenges of SASL DIGEST-MD5. The first byte says who has the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/zookeeper/digest_md5.h"
#include "tidewheel/zookeeper/protocol.h"

namespace {

using namespace tidewheel;
using namespace tidewheel::zookeeper;

constexpr int64_t kFrameBytesMax = 1 << 16;

struct Taken {
  std::vector<std::string> frames;
  bool failed = false;
  bool operator==(const Taken&) const = default;
};

Taken take(std::string_view stream, size_t piece) {
  Taken taken;
  FrameReader reader(kFrameBytesMax);
  for (size_t at = 0; at < stream.size() && !taken.failed; at += piece) {
    reader.add(stream.substr(at, piece));
    while (true) {
      const auto next = reader.next();
      taken.failed = !next.ok();
      if (!next.ok() || !next->has_value()) { break; }
      taken.frames.emplace_back(**next);
    }
  }
  return taken;
}

void use_frames(std::string_view stream) {
  const Taken whole = take(stream, std::max<size_t>(stream.size(), 1));
  for (const size_t piece : {1u, 3u, 100u}) { TIDEWHEEL_CHECK(take(stream, piece) == whole); }
}

// The first line is the server's challenge, the rest its verdict.
void use_digest(std::string_view text) {
  const size_t line = std::min(text.find('\n'), text.size());
  DigestMd5 digest({"user", "pencil", "zookeeper/zk-sasl-md5"}, "abc");
  const Result<std::string> response = digest.respond(text.substr(0, line));
  if (!response.ok()) {
    TIDEWHEEL_CHECK(response.status().id() == ErrorId::kHighAvailability, "another error: {}",
                    response.status().to_string());
  }
  const Status checked = digest.check(text.substr(std::min(line + 1, text.size())));
  TIDEWHEEL_CHECK(!checked.ok() || response.ok(), "a verdict on nothing");
}

template <class T>
void use(const Result<T>& result) {
  TIDEWHEEL_CHECK(result.ok() || result.status().id() == ErrorId::kNetworkLost, "another error: {}",
                  result.status().to_string());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 10) {
    case 0: use_frames(bytes); break;
    case 1: use(read_welcome(bytes)); break;
    case 2: use(read_answer(bytes)); break;
    case 3: use(read_created(bytes)); break;
    case 4: use(read_get_data(bytes)); break;
    case 5: use(read_children(bytes)); break;
    case 6: use(read_transaction(bytes)); break;
    case 7: use(read_sasl(bytes)); break;
    case 8: use(read_event(bytes)); break;
    default: use_digest(bytes); break;
  }
  return 0;
}
