// Calls and notices between the processes of a cluster, over `Network`. An endpoint is a process's
// end of all its connections; a peer is another process, which may call back over the connection
// that it was called on.
//
// What a session promises. Two processes that have met have a session. Within it every message
// arrives once, and messages of one side arrive in the order in which they were sent, although
// connections may break meanwhile: what was not acknowledged is sent again over the next one. A
// session is lost when the peer has ended, has begun anew, or was not heard of for too long. Then
// calls that have no answer fail with kProcessLost: whether they were carried out is not known.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class RpcService;  // rpc/service.h
class World;       // base/world.h

// Has a function run on the thread of whoever gave the poster (a role's mailbox). Any thread calls
// it. Null where one is asked for: the function runs on the endpoint's own thread, and must not
// block it.
using RpcPoster = std::function<void(std::function<void()>)>;

struct RpcOptions {
  // Who this process is, for the messages of its peers: "TaskManager tm-1".
  std::string name;
  // Where it can be called. Port 0 is any free one; `listens` false: nowhere.
  bool listens = false;
  NetworkAddress listen_at = {};
  Network* network = nullptr;  // null: the world's

  int64_t connect_timeout_ms = 10'000;
  // Pause before the next attempt to connect: doubled after each failure.
  int64_t reconnect_after_ms_min = 10;
  int64_t reconnect_after_ms_max = 1'000;
  // Who has sent nothing for `heartbeat_interval_ms` sends a heartbeat; who has heard nothing for
  // `heartbeat_timeout_ms` loses the session. (heartbeat.interval, heartbeat.timeout)
  int64_t heartbeat_interval_ms = 10'000;
  int64_t heartbeat_timeout_ms = 50'000;
  // A session whose connection has broken is lost when there is no other for so long.
  int64_t reconnect_within_ms = 2'000;

  int64_t message_bytes_max = int64_t{256} << 20;
  // Not yet acknowledged by one peer; beyond it the session is lost, so that a peer that has
  // stopped reading does not fill this process's memory.
  int64_t unacknowledged_bytes_max = int64_t{512} << 20;
};

struct RpcCall {
  std::string service;
  std::string method;
  std::string body = {};
  uint64_t fence = 0;  // see RpcService
  // From now on, waiting for a connection included.
  int64_t timeout_ms = 10'000;
};

struct RpcNotice {
  std::string service;
  std::string method;
  std::string body = {};
  uint64_t fence = 0;
};

using RpcDone = std::function<void(Result<std::string> body)>;

// Another process. Any thread.
class RpcPeer {
 public:
  virtual ~RpcPeer() = default;
  // `done` is called once: with the answer's body, or why there is none. Errors: those of the
  // handler; kProcessLost, kRpcDeadline, kFenced, kRpcMethod (no such service or method).
  virtual void call(RpcCall call, RpcPoster poster, RpcDone done) = 0;
  // Is dropped when the session is lost before it has arrived: who must know watches the peer.
  // Without a session it waits for the next one.
  virtual void notify(RpcNotice notice) = 0;

  struct Watch {
    RpcPoster poster;
    // A session has begun; nothing was sent in it before. Called again for each new one, after
    // `on_lost` for the one before, and at once when there is one when the watch is set.
    std::function<void()> on_up;
    std::function<void(Status why)> on_lost;
  };
  // Takes the place of the watch before. A peer that called us comes up once; when it is lost it is
  // lost for good (the process that comes back is another peer).
  virtual void watch(Watch watch) = 0;

  virtual bool is_up() const = 0;
  // What the peer calls itself, or its address until it has said so; for messages.
  virtual std::string name() const = 0;
  // Ends the session, after what was sent has been written; the peer's side is lost at once. Calls
  // fail, with kProcessLost, and so do all later ones.
  virtual void close() = 0;
};
using RpcPeerRef = std::shared_ptr<RpcPeer>;

// Has a worker (a thread) of its own for its connections, and one for all. Destroyed before
// anything that posters and handlers reach: afterwards nothing is called, and calls that had no
// answer never get one.
class RpcEndpoint {
 public:
  // Errors: kNetworkAddress when it can't listen.
  static Result<std::unique_ptr<RpcEndpoint>> start(World& world, RpcOptions options);
  virtual ~RpcEndpoint() = default;

  // Any thread, all of these.

  // Peers may call it from now on. A service of the same name takes the place of the one before.
  virtual void serve(std::shared_ptr<RpcService> service) = 0;
  // What comes later is answered with kRpcMethod.
  virtual void stop_serving(const std::string& service) = 0;
  // Keeps a session with the process at `address`, and begins a new one whenever one is lost, until
  // the peer is closed or the last reference is gone.
  virtual RpcPeerRef connect(const NetworkAddress& address) = 0;

  virtual uint16_t port() const = 0;  // where it listens; 0: nowhere
};

}  // namespace tidewheel
