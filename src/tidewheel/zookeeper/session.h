// A session with ZooKeeper: over one connection at a time, with any of its servers. Algorithm: that
// of ZooKeeper's own clients.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/zookeeper/protocol.h"

namespace tidewheel {
class World;  // base/world.h
}

namespace tidewheel::zookeeper {

struct SaslLogin {
  std::string user;
  std::string password;
};

struct SessionOptions {
  std::vector<NetworkAddress> servers;  // one at least; asked in an order drawn for each session
  int64_t timeout_ms = 60'000;          // that is asked for
  std::string authorization;            // "scheme:text"; empty: none
  std::optional<SaslLogin> sasl;        // by DIGEST-MD5
  int64_t frame_bytes_max = int64_t{1} << 20;  // of a request, and of an answer
};

struct SessionEvent {
  enum class Kind : uint8_t {
    kConnected,     // questions are answered from now on
    kDisconnected,  // and no more; the session may still be alive, and another server is tried
    kUnreachable,   // a server that was tried; the next one is
    kChanged,       // a node that is watched
    kExpired,       // the session is over, with its ephemeral nodes. The last event
    kRefused,       // what we prove is not believed. The last event
  };
  Kind kind = Kind::kChanged;
  Status why;             // of all but kConnected and kChanged
  int64_t silent_ms = 0;  // of kDisconnected: since that was sent which the servers answered last
};

// What a question wants to hear of later, once, if it is answered without an error.
struct Watch {
  enum class What : uint8_t { kData, kChildren };
  What what = What::kData;
  std::string path;
};

// A connection is given up when nothing has been answered that was sent within the last two thirds
// of the session's time; there is a ping for each third. So servers can't have taken a session for
// dead before SessionEvent::silent_ms has come to its whole time, whatever the network does.
//
// All functions: any thread, but that of events and answers for the destructor.
class Session {
 public:
  // Called on a thread of the session's; quick.
  using OnEvent = std::function<void(const SessionEvent&)>;
  using Done = std::function<void(Result<Answer>)>;

  // `world` and `network` outlive it.
  Session(World& world, Network& network, SessionOptions options, OnEvent on_event);
  // Ends the session, if it is connected.
  ~Session();

  // Answers come in the order of the questions, on a thread of the session's. Errors:
  // kHighAvailability, without a connection at once, or when it is lost before the answer: what was
  // asked for may have been done then, or not.
  void ask(Request request, std::optional<Watch> watch, Done done);
  bool is_connected() const;
  // What the servers have agreed to, which may be less than what was asked for; once connected.
  int64_t timeout_ms() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace tidewheel::zookeeper
