// Connections, as all code outside `base` sees them. Nothing blocks: a call does what it can now,
// and the callback `on_ready` says when trying again may help.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

struct NetworkAddress {
  std::string host;  // a name, an IPv4 or an IPv6 address without brackets
  uint16_t port = 0;
  std::string to_string() const;  // "host:port", "[::1]:port"
  // Errors: kNetworkAddress.
  static Result<NetworkAddress> parse(std::string_view text);
};

// What a read or write did.
struct Transfer {
  enum class State : uint8_t {
    kMoved,       // `bytes` > 0 were read or written
    kWouldBlock,  // nothing now; on_ready will be called
    kEnd,         // the peer has ended its side and all has been read
  };
  State state = State::kWouldBlock;
  int64_t bytes = 0;
};

// Called, on any thread, each time the connection may have become readable or writable, has been
// made, or has failed; sometimes in vain. It must be quick (a wake), must not destroy the
// connection, and is not called once the destructor has returned.
using ReadyCallback = std::function<void()>;

// A byte stream in both directions. One thread at a time; destroying it closes it.
class Connection {
 public:
  virtual ~Connection() = default;
  // While the connection is being made both answer kWouldBlock. Errors: kNetworkAddress,
  // kNetworkConnect before it is made; kNetworkLost later.
  virtual Result<Transfer> read(std::span<char> into) = 0;
  virtual Result<Transfer> write(std::string_view bytes) = 0;
  // The same with bytes that lie in several places, of which there is one at least, and none is
  // empty. It may stop behind any of them.
  virtual Result<Transfer> write_pieces(std::span<const std::string_view> pieces) {
    return write(pieces.front());
  }
  // Ends this side; the peer reads kEnd after what was written before.
  [[nodiscard]] virtual Status shutdown_write() = 0;
  virtual bool is_connected() const = 0;
  virtual std::string peer() const = 0;  // for messages
};

// Takes connections at an address. One thread at a time.
class Listener {
 public:
  virtual ~Listener() = default;
  // A connection that was made to us; null when none waits (the listener's on_ready will be
  // called).
  virtual Result<std::unique_ptr<Connection>> accept(ReadyCallback on_ready) = 0;
  virtual uint16_t port() const = 0;  // the one chosen, when port 0 was asked for
};

// Any thread.
class Network {
 public:
  virtual ~Network() = default;
  // Begins to connect; failures, a timeout among them, come from the connection's read and write.
  virtual std::unique_ptr<Connection> connect(const NetworkAddress& address, int64_t timeout_ns,
                                              ReadyCallback on_ready) = 0;
  // An empty host is every interface. Errors: kNetworkAddress.
  virtual Result<std::unique_ptr<Listener>> listen(const NetworkAddress& address,
                                                   ReadyCallback on_ready) = 0;
};

}  // namespace tidewheel
