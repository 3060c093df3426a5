#include "tidewheel/rpc/endpoint.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rpc/frame.h"
#include "tidewheel/rpc/message.h"
#include "tidewheel/rpc/service.h"
#include "tidewheel/rpc/session.h"

namespace tidewheel {
namespace {

using rpc::FrameType;
using rpc::Message;
using rpc::Session;

constexpr int64_t kNsPerMs = 1'000'000;
// Written ahead of the socket; more waits in the session.
constexpr size_t kWriteBytes = size_t{256} << 10;
// A turn reads no more of one connection, so that others have their turn.
constexpr int kReadsPerTurn = 16;
constexpr size_t kGreetingsMax = 1024;  // connections that have not said who they are
constexpr uint32_t kFrameBytesMax = 1 << 20;

void post_to(const RpcPoster& poster, std::function<void()> what) {
  if (poster == nullptr) {
    what();
  } else {
    poster(std::move(what));
  }
}

uint8_t number_of(FrameType type) { return static_cast<uint8_t>(type); }

struct Peer;
class Endpoint;

// A connection and what is under way on it.
struct Wire {
  uint64_t id = 0;
  std::unique_ptr<Connection> connection;
  FrameReader reader{kFrameBytesMax};
  FrameWriter writer;
  std::shared_ptr<std::atomic<bool>> signalled = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Peer> peer;  // null: it has not said who it is
  bool greeted = false;        // parts may go both ways
  int64_t last_sent_ns = 0;
};

struct PendingCall {
  std::string what;
  RpcPoster poster;
  RpcDone done;
  EventLoop::TimerId timer = 0;
};

class PeerHandle;

// What the endpoint knows of a peer. On its thread, but for what is atomic.
struct Peer {
  enum class State : uint8_t {
    kApart,    // no session
    kUp,       // a session, with a connection or between two
    kClosing,  // what was sent is still to be written
    kClosed,
  };
  bool is_client = false;  // we connect to it
  NetworkAddress address;
  std::atomic<std::shared_ptr<const std::string>> name;
  std::atomic<bool> up{false};
  std::weak_ptr<PeerHandle> handle;

  State state = State::kApart;
  uint64_t session_id = 0;
  std::optional<Session> session;
  uint64_t sessions = 0;  // counted, so that answers of an earlier one are dropped
  uint64_t wire = 0;      // 0: none
  int64_t last_heard_ns = 0;
  int64_t lost_at_ns = Clock::kNever;                    // when there is no connection by then
  std::deque<std::pair<uint64_t, std::string>> waiting;  // for a session; call or 0, and message
  std::map<uint64_t, PendingCall> calls;
  uint64_t next_call = 1;
  RpcPeer::Watch watch;
  int64_t reconnect_after_ms = 0;
  EventLoop::TimerId reconnect_timer = 0;
  Status trouble;  // the newest reason why there is no session

  std::string name_text() const { return *name.load(std::memory_order_acquire); }
  void set_name(std::string text) {
    name.store(std::make_shared<const std::string>(std::move(text)), std::memory_order_release);
  }
};
using PeerRef = std::shared_ptr<Peer>;

class Endpoint final : public RpcEndpoint {
 public:
  Endpoint(World& world, RpcOptions options)
      : world_(world),
        options_(std::move(options)),
        network_(options_.network != nullptr ? *options_.network : world.network()),
        logger_(world.logger().named("rpc")),
        random_(world.fork_random()),
        loop_(std::make_unique<EventLoop>(world, "rpc")) {}
  ~Endpoint() override;
  Status listen();

  void serve(std::shared_ptr<RpcService> service) override {
    loop_->post([this, service = std::move(service)] { services_[service->name()] = service; });
  }
  void stop_serving(const std::string& service) override {
    loop_->post([this, service] { services_.erase(service); });
  }
  RpcPeerRef connect(const NetworkAddress& address) override;
  uint16_t port() const override { return port_; }

  // ---- For handles, by mail.
  const EventLoop::Poster& poster() const { return loop_->poster(); }
  void call(const PeerRef& peer, RpcCall call, RpcPoster poster, RpcDone done);
  void notify(const PeerRef& peer, RpcNotice notice);
  void watch(const PeerRef& peer, RpcPeer::Watch watch);
  void close(const PeerRef& peer);

 private:
  int64_t now_ns() const { return world_.clock().now_ns(); }
  RpcPeerRef handle_of(const PeerRef& peer);

  // ---- Connections.
  Wire& new_wire();
  ReadyCallback ready_callback(const Wire& wire);
  Wire* find_wire(uint64_t id);
  void accept();
  void begin_connect(const PeerRef& peer);
  void limit_greeting(uint64_t id);
  void connect_later(const PeerRef& peer);
  void on_ready(uint64_t id);
  bool read_frames(uint64_t id);
  void flush(Wire& wire);
  void drop_wire(uint64_t id);
  void on_wire_failed(uint64_t id, Status why);
  void on_wire_ended(uint64_t id);
  void refuse(uint64_t id, uint8_t flags, const Status& why);

  // ---- Frames; false when the wire is gone.
  Status on_frame(uint64_t id, const Frame& frame);
  Status on_hello(uint64_t id, std::string_view body);
  Status on_welcome(Wire& wire, std::string_view body);
  void on_refusal(Wire& wire, const Frame& frame);
  Status on_part(Wire& wire, const Frame& frame);

  // ---- Sessions.
  void begin_session(const PeerRef& peer);
  void come_up(const PeerRef& peer);
  void lose(const PeerRef& peer, const Status& why);
  void fail_calls(const PeerRef& peer, const Status& why);
  void send(const PeerRef& peer, std::string message);
  void pump(const PeerRef& peer);
  void finish_closing(const PeerRef& peer);
  void forget(const PeerRef& peer);

  // ---- Messages.
  void on_message(const PeerRef& peer, Message message);
  void on_call(const PeerRef& peer, Message message);
  void on_reply(const PeerRef& peer, Message message);
  void on_timeout(const PeerRef& peer, uint64_t call, int64_t timeout_ms);

  // ---- Time.
  void tick();
  void look_after(const PeerRef& peer, int64_t now);

  World& world_;
  const RpcOptions options_;
  Network& network_;
  const Logger logger_;
  Random random_;
  uint16_t port_ = 0;
  std::atomic<bool> listening_{false};
  std::unique_ptr<Listener> listener_;
  std::map<std::string, std::shared_ptr<RpcService>> services_;
  std::map<uint64_t, Wire> wires_;
  uint64_t next_wire_ = 1;
  std::vector<PeerRef> peers_;
  std::map<uint64_t, PeerRef> sessions_;  // of peers that called us
  std::unique_ptr<EventLoop> loop_;
};

// What users hold. A reference to one that we connect to keeps it.
class PeerHandle final : public RpcPeer {
 public:
  PeerHandle(Endpoint& endpoint, PeerRef peer)
      : endpoint_(endpoint), poster_(endpoint.poster()), peer_(std::move(peer)) {}
  ~PeerHandle() override {
    if (peer_->is_client) { PeerHandle::close(); }
  }
  void call(RpcCall call, RpcPoster poster, RpcDone done) override {
    poster_([endpoint = &endpoint_, peer = peer_, call = std::move(call),
             poster = std::move(poster), done = std::move(done)]() mutable {
      endpoint->call(peer, std::move(call), std::move(poster), std::move(done));
    });
  }
  void notify(RpcNotice notice) override {
    poster_([endpoint = &endpoint_, peer = peer_, notice = std::move(notice)]() mutable {
      endpoint->notify(peer, std::move(notice));
    });
  }
  void watch(Watch watch) override {
    poster_([endpoint = &endpoint_, peer = peer_, watch = std::move(watch)]() mutable {
      endpoint->watch(peer, std::move(watch));
    });
  }
  bool is_up() const override { return peer_->up.load(); }
  std::string name() const override { return peer_->name_text(); }
  void close() override {
    poster_([endpoint = &endpoint_, peer = peer_] { endpoint->close(peer); });
  }

 private:
  Endpoint& endpoint_;  // the poster drops what comes after its end
  const EventLoop::Poster poster_;
  const PeerRef peer_;
};

// ---- Start and end

Endpoint::~Endpoint() {
  // Not by `reset`: what its thread still runs meanwhile uses the pointer.
  delete loop_.get();
  static_cast<void>(loop_.release());
  // Nobody else is here any more. Peers are told at once, as far as sockets take it.
  for (auto& [id, wire] : wires_) {
    if (!wire.greeted) { continue; }
    wire.peer->session->write_to(wire.writer, kWriteBytes);
    std::string why;
    put_text(why, "it has ended");
    wire.writer.add(number_of(FrameType::kBye), 0, 0, why);
    ignore(wire.writer.flush(*wire.connection), "the peer notices when the connection ends");
  }
}

Status Endpoint::listen() {
  loop_->post([this] { tick(); });
  if (!options_.listens) { return ok_status(); }
  auto listener = network_.listen(
      options_.listen_at, [this, poster = loop_->poster()] { poster([this] { accept(); }); });
  if (!listener.ok()) { return std::move(listener).status(); }
  listener_ = std::move(listener).value();
  port_ = listener_->port();
  listening_.store(true, std::memory_order_release);
  loop_->post([this] { accept(); });
  return ok_status();
}

RpcPeerRef Endpoint::connect(const NetworkAddress& address) {
  auto peer = std::make_shared<Peer>();
  peer->is_client = true;
  peer->address = address;
  peer->set_name(address.to_string());
  auto handle = std::make_shared<PeerHandle>(*this, peer);
  peer->handle = handle;
  loop_->post([this, peer] {
    peers_.push_back(peer);
    begin_session(peer);
    begin_connect(peer);
  });
  return handle;
}

RpcPeerRef Endpoint::handle_of(const PeerRef& peer) {
  std::shared_ptr<PeerHandle> handle = peer->handle.lock();
  // Of a peer that we connect to, the last user may have just gone: its close is on the way.
  if (handle == nullptr) {
    handle = std::make_shared<PeerHandle>(*this, peer);
    peer->handle = handle;
  }
  return handle;
}

// ---- Connections

Wire& Endpoint::new_wire() {
  Wire& wire = wires_[next_wire_];
  wire.id = next_wire_++;
  wire.last_sent_ns = now_ns();
  return wire;
}

ReadyCallback Endpoint::ready_callback(const Wire& wire) {
  return [this, id = wire.id, signalled = wire.signalled, poster = loop_->poster()] {
    if (!signalled->exchange(true)) {
      poster([this, id] { on_ready(id); });
    }
  };
}

Wire* Endpoint::find_wire(uint64_t id) {
  const auto found = wires_.find(id);
  return found == wires_.end() ? nullptr : &found->second;
}

void Endpoint::accept() {
  if (!listening_.load(std::memory_order_acquire)) { return; }
  while (true) {
    Wire& wire = new_wire();
    auto connection = listener_->accept(ready_callback(wire));
    if (!connection.ok() || *connection == nullptr) {
      wires_.erase(wire.id);
      if (!connection.ok()) { logger_.warning("{}", connection.status().to_string()); }
      return;
    }
    wire.connection = std::move(connection).value();
    const auto greeting = [](const auto& entry) { return entry.second.peer == nullptr; };
    if (static_cast<size_t>(std::count_if(wires_.begin(), wires_.end(), greeting)) >
        kGreetingsMax) {
      logger_.warning("{} is sent away: {} connections have not said who they are",
                      wire.connection->peer(), kGreetingsMax);
      wires_.erase(wire.id);
      continue;
    }
    limit_greeting(wire.id);
    loop_->post([this, id = wire.id] { on_ready(id); });
  }
}

void Endpoint::begin_connect(const PeerRef& peer) {
  Wire& wire = new_wire();
  wire.peer = peer;
  peer->wire = wire.id;
  rpc::Hello hello;
  hello.session = peer->session_id;
  hello.received = peer->session->received();
  hello.resumes = peer->state == Peer::State::kUp;
  hello.name = options_.name;
  wire.writer.add(number_of(FrameType::kHello), 0, 0, rpc::encode_hello(hello));
  wire.connection =
      network_.connect(peer->address, options_.connect_timeout_ms * kNsPerMs, ready_callback(wire));
  limit_greeting(wire.id);
  flush(wire);
}

// The other side may be gone, or its answer lost with it: nothing else would end the connection.
void Endpoint::limit_greeting(uint64_t id) {
  loop_->after_ms(options_.connect_timeout_ms, [this, id] {
    const Wire* const late = find_wire(id);
    if (late == nullptr || late->greeted) { return; }
    on_wire_failed(
        id, unavailable(ErrorId::kNetworkConnect, "{} does not answer", late->connection->peer()));
  });
}

void Endpoint::connect_later(const PeerRef& peer) {
  const int64_t after = std::max(peer->reconnect_after_ms, options_.reconnect_after_ms_min);
  peer->reconnect_after_ms = std::min(after * 2, options_.reconnect_after_ms_max);
  loop_->cancel(peer->reconnect_timer);
  peer->reconnect_timer = loop_->after_ms(after, [this, peer] {
    peer->reconnect_timer = 0;
    const bool wants = peer->state == Peer::State::kApart || peer->state == Peer::State::kUp;
    if (wants && peer->wire == 0) { begin_connect(peer); }
  });
}

void Endpoint::on_ready(uint64_t id) {
  Wire* wire = find_wire(id);
  if (wire == nullptr) { return; }
  wire->signalled->store(false);
  if (!read_frames(id)) { return; }
  wire = find_wire(id);
  if (wire == nullptr) { return; }
  const PeerRef peer = wire->peer;
  if (wire->greeted) {
    if (peer->session->owes_acknowledgement()) {
      std::string& out = wire->writer.begin(number_of(FrameType::kBeat), 0, 0);
      put_number(out, peer->session->acknowledgement());
      wire->writer.finish();
    }
    pump(peer);
  } else {
    flush(*wire);
  }
}

// False when the connection is gone, or has been read for long enough.
bool Endpoint::read_frames(uint64_t id) {
  for (int reads = 0;; ++reads) {
    Wire* const wire = find_wire(id);
    if (wire == nullptr) { return false; }
    if (reads == kReadsPerTurn) {
      if (!wire->signalled->exchange(true)) {
        loop_->post([this, id] { on_ready(id); });
      }
      return true;
    }
    const auto state = wire->reader.fill(*wire->connection);
    if (!state.ok()) {
      on_wire_failed(id, state.status());
      return false;
    }
    if (*state == Transfer::State::kWouldBlock) { return true; }
    if (*state == Transfer::State::kEnd) {
      on_wire_ended(id);
      return false;
    }
    if (wire->peer != nullptr) { wire->peer->last_heard_ns = now_ns(); }
    while (Wire* const still = find_wire(id)) {
      Frame frame;
      const Result<bool> has = still->reader.next(frame);
      Status status = has.ok() ? ok_status() : has.status();
      if (has.ok() && !*has) { break; }
      if (status.ok()) { status = on_frame(id, frame); }
      if (!status.ok()) {
        refuse(id, 0, status);
        return false;
      }
    }
  }
}

void Endpoint::flush(Wire& wire) {
  const size_t unsent = wire.writer.unsent_bytes();
  const Result<bool> done = wire.writer.flush(*wire.connection);
  if (done.ok()) {
    if (wire.writer.unsent_bytes() < unsent) { wire.last_sent_ns = now_ns(); }
    return;
  }
  // Not at once: callers are in the middle of something with this peer.
  loop_->post([this, id = wire.id, why = done.status()] { on_wire_failed(id, why); });
}

void Endpoint::drop_wire(uint64_t id) {
  const auto found = wires_.find(id);
  if (found == wires_.end()) { return; }
  if (found->second.peer != nullptr && found->second.peer->wire == id) {
    found->second.peer->wire = 0;
  }
  wires_.erase(found);
}

void Endpoint::on_wire_failed(uint64_t id, Status why) {
  Wire* const wire = find_wire(id);
  if (wire == nullptr) { return; }
  const PeerRef peer = wire->peer;
  if (peer == nullptr && why.id() == ErrorId::kTls) {
    logger_.warning("a stranger: {}", why.to_string());
  }
  drop_wire(id);
  if (peer == nullptr) { return; }
  if (peer->state == Peer::State::kClosing) {
    forget(peer);
    return;
  }
  if (peer->state == Peer::State::kUp && peer->lost_at_ns == Clock::kNever) {
    peer->lost_at_ns = now_ns() + options_.reconnect_within_ms * kNsPerMs;
    loop_->after_ms(options_.reconnect_within_ms, [this, peer] { look_after(peer, now_ns()); });
  }
  // Told once, not with each attempt.
  if (peer->is_client && peer->state == Peer::State::kApart &&
      peer->trouble.message() != why.message()) {
    logger_.warning("{} is not reached: {}", peer->name_text(), why.to_string());
  }
  peer->trouble = std::move(why);
  if (peer->is_client) { connect_later(peer); }
}

// Processes that live say good-bye, or keep their connections: this one has died.
void Endpoint::on_wire_ended(uint64_t id) {
  Wire* const wire = find_wire(id);
  const PeerRef peer = wire->peer;
  if (peer == nullptr || !wire->greeted || peer->state != Peer::State::kUp) {
    on_wire_failed(id, unavailable(ErrorId::kNetworkLost, "{} has closed the connection",
                                   wire->connection->peer()));
    return;
  }
  lose(peer, unavailable(ErrorId::kProcessLost, "{} has ended", peer->name_text()));
}

// Tells the peer why it is not talked to.
void Endpoint::refuse(uint64_t id, uint8_t flags, const Status& why) {
  Wire* const wire = find_wire(id);
  if (wire == nullptr) { return; }
  const PeerRef peer = wire->peer;
  if ((flags & rpc::kUnknownSession) == 0) {
    logger_.warning("{}: {}", wire->connection->peer(), why.to_string());
  }
  const FrameType type = wire->greeted ? FrameType::kBye : FrameType::kRefusal;
  std::string text;
  put_text(text, why.message());
  wire->writer.add(number_of(type), flags, 0, text);
  ignore(wire->writer.flush(*wire->connection), "the connection is given up anyway");
  if (peer != nullptr && peer->state == Peer::State::kUp) {
    lose(peer, why);
  } else if (peer != nullptr) {
    on_wire_failed(id, why);
  } else {
    drop_wire(id);
  }
}

// ---- Frames

Status Endpoint::on_frame(uint64_t id, const Frame& frame) {
  Wire& wire = *find_wire(id);
  const auto type = static_cast<FrameType>(frame.type);
  if (wire.peer == nullptr) {
    if (type == FrameType::kHello) { return on_hello(id, frame.body); }
  } else if (!wire.greeted) {
    if (type == FrameType::kWelcome) { return on_welcome(wire, frame.body); }
    if (type == FrameType::kRefusal) {
      on_refusal(wire, frame);
      return ok_status();
    }
  } else if (type == FrameType::kPart) {
    return on_part(wire, frame);
  } else if (type == FrameType::kBeat) {
    return wire.peer->session->acknowledge(FieldReader(frame.body).number<uint64_t>());
  } else if (type == FrameType::kBye) {
    const PeerRef peer = wire.peer;
    FieldReader why(frame.body);
    lose(peer, unavailable(ErrorId::kProcessLost, "{} has ended the session: {}", peer->name_text(),
                           why.text()));
    return ok_status();
  }
  return data_loss(ErrorId::kRpcMessage, "a frame of type {} is not expected now", frame.type);
}

Status Endpoint::on_hello(uint64_t id, std::string_view body) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const rpc::Hello hello, rpc::decode_hello(body));
  const auto found = sessions_.find(hello.session);
  PeerRef peer = found == sessions_.end() ? nullptr : found->second;
  if (peer == nullptr && hello.resumes) {
    refuse(id, rpc::kUnknownSession,
           unavailable(ErrorId::kProcessLost, "the session is not known any more"));
    return ok_status();
  }
  const bool is_new = peer == nullptr;
  if (is_new) {
    peer = std::make_shared<Peer>();
    peer->session_id = hello.session;
    peer->session.emplace(options_.message_bytes_max);
    sessions_[hello.session] = peer;
    peers_.push_back(peer);
  } else {
    drop_wire(peer->wire);
  }
  Wire& wire = *find_wire(id);
  peer->set_name(hello.name.empty() ? wire.connection->peer() : hello.name);
  wire.peer = peer;
  wire.greeted = true;
  peer->wire = id;
  peer->last_heard_ns = now_ns();
  peer->lost_at_ns = Clock::kNever;
  TIDEWHEEL_RETURN_IF_ERROR(peer->session->resume(hello.received));
  wire.writer.add(number_of(FrameType::kWelcome), 0, 0,
                  rpc::encode_welcome({peer->session->received(), options_.name}));
  if (is_new) { come_up(peer); }
  pump(peer);
  return ok_status();
}

Status Endpoint::on_welcome(Wire& wire, std::string_view body) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const rpc::Welcome welcome, rpc::decode_welcome(body));
  const PeerRef peer = wire.peer;
  TIDEWHEEL_RETURN_IF_ERROR(peer->session->resume(welcome.received));
  wire.greeted = true;
  peer->lost_at_ns = Clock::kNever;
  peer->reconnect_after_ms = 0;
  if (!welcome.name.empty()) { peer->set_name(welcome.name); }
  if (peer->state == Peer::State::kApart) { come_up(peer); }
  pump(peer);
  return ok_status();
}

void Endpoint::on_refusal(Wire& wire, const Frame& frame) {
  const PeerRef peer = wire.peer;
  FieldReader why(frame.body);
  Status status =
      unavailable(ErrorId::kProcessLost, "{} refuses: {}", peer->name_text(), why.text());
  if ((frame.flags & rpc::kUnknownSession) != 0 && peer->state == Peer::State::kUp) {
    lose(peer, unavailable(ErrorId::kProcessLost, "{} has begun anew", peer->name_text()));
  } else {
    on_wire_failed(wire.id, std::move(status));
  }
}

Status Endpoint::on_part(Wire& wire, const Frame& frame) {
  const PeerRef peer = wire.peer;
  std::string bytes;
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const bool is_whole,
      peer->session->take_part(frame.body, (frame.flags & rpc::kLast) != 0, bytes));
  if (!is_whole) { return ok_status(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Message message, rpc::decode_message(bytes));
  on_message(peer, std::move(message));
  return ok_status();
}

// ---- Sessions

void Endpoint::begin_session(const PeerRef& peer) {
  do { peer->session_id = random_.next(); } while (peer->session_id == 0);
  peer->session.emplace(options_.message_bytes_max);
  peer->state = Peer::State::kApart;
  ++peer->sessions;
}

void Endpoint::come_up(const PeerRef& peer) {
  peer->state = Peer::State::kUp;
  peer->last_heard_ns = now_ns();
  peer->trouble = ok_status();
  peer->up.store(true);
  if (peer->watch.on_up != nullptr) { post_to(peer->watch.poster, peer->watch.on_up); }
  while (!peer->waiting.empty()) {
    peer->session->send(std::move(peer->waiting.front().second));
    peer->waiting.pop_front();
  }
}

// A peer that we connect to gets another session; one that called us is gone.
void Endpoint::lose(const PeerRef& peer, const Status& why) {
  if (peer->state != Peer::State::kUp && peer->state != Peer::State::kClosing) { return; }
  const bool was_up = peer->state == Peer::State::kUp;
  peer->up.store(false);
  drop_wire(peer->wire);
  peer->lost_at_ns = Clock::kNever;
  if (!peer->is_client || !was_up) {
    forget(peer);
  } else {
    peer->trouble = why;
    begin_session(peer);
    connect_later(peer);
  }
  if (!was_up) { return; }
  fail_calls(peer, why);
  if (peer->watch.on_lost != nullptr) {
    post_to(peer->watch.poster, [on_lost = peer->watch.on_lost, why] { on_lost(why); });
  }
}

void Endpoint::fail_calls(const PeerRef& peer, const Status& why) {
  const std::map<uint64_t, PendingCall> calls = std::exchange(peer->calls, {});
  for (const auto& [id, call] : calls) {
    loop_->cancel(call.timer);
    post_to(call.poster,
            [done = call.done, status = why.with_context("{}", call.what)] { done(status); });
  }
}

void Endpoint::forget(const PeerRef& peer) {
  peer->state = Peer::State::kClosed;
  peer->up.store(false);
  ++peer->sessions;
  drop_wire(peer->wire);
  loop_->cancel(peer->reconnect_timer);
  peer->waiting.clear();
  sessions_.erase(peer->session_id);
  std::erase(peers_, peer);
}

void Endpoint::send(const PeerRef& peer, std::string message) {
  peer->session->send(std::move(message));
  if (peer->session->unacknowledged_bytes() > options_.unacknowledged_bytes_max) {
    lose(peer, resource_exhausted(ErrorId::kProcessLost,
                                  "{} does not read what it is sent: {} bytes wait",
                                  peer->name_text(), peer->session->unacknowledged_bytes()));
    return;
  }
  pump(peer);
}

void Endpoint::pump(const PeerRef& peer) {
  Wire* const wire = find_wire(peer->wire);
  if (wire == nullptr || !wire->greeted) { return; }
  do {
    peer->session->write_to(wire->writer, kWriteBytes);
    flush(*wire);
  } while (peer->session->has_unwritten() && wire->writer.unsent_bytes() == 0);
  if (peer->state == Peer::State::kClosing && wire->writer.unsent_bytes() == 0) {
    finish_closing(peer);
  }
}

void Endpoint::close(const PeerRef& peer) {
  switch (peer->state) {
    case Peer::State::kClosing:
    case Peer::State::kClosed: return;
    case Peer::State::kApart: forget(peer); break;
    case Peer::State::kUp:
      peer->state = Peer::State::kClosing;
      peer->up.store(false);
      pump(peer);
      // The peer may read nothing any more.
      loop_->after_ms(options_.reconnect_within_ms, [this, peer] {
        if (peer->state == Peer::State::kClosing) { forget(peer); }
      });
      break;
  }
  fail_calls(peer, cancelled(ErrorId::kProcessLost, "the connection to {} was given up",
                             peer->name_text()));
}

void Endpoint::finish_closing(const PeerRef& peer) {
  Wire& wire = *find_wire(peer->wire);
  std::string why;
  put_text(why, "it has nothing more to say");
  wire.writer.add(number_of(FrameType::kBye), 0, 0, why);
  ignore(wire.writer.flush(*wire.connection), "the peer notices when the connection ends");
  forget(peer);
}

// ---- Messages

void Endpoint::call(const PeerRef& peer, RpcCall call, RpcPoster poster, RpcDone done) {
  PendingCall pending;
  pending.what = fmt::format("calling {}.{} of {}", call.service, call.method, peer->name_text());
  pending.poster = std::move(poster);
  pending.done = std::move(done);
  if (peer->state == Peer::State::kClosed || peer->state == Peer::State::kClosing) {
    post_to(pending.poster, [done = pending.done, what = pending.what] {
      done(unavailable(ErrorId::kProcessLost, "{}: the session has ended", what));
    });
    return;
  }
  const uint64_t id = peer->next_call++;
  pending.timer = loop_->after_ms(call.timeout_ms, [this, peer, id, timeout = call.timeout_ms] {
    on_timeout(peer, id, timeout);
  });
  peer->calls.emplace(id, std::move(pending));
  Message message;
  message.kind = Message::Kind::kCall;
  message.call = id;
  message.fence = call.fence;
  message.service = std::move(call.service);
  message.method = std::move(call.method);
  message.body = std::move(call.body);
  std::string bytes = rpc::encode_message(message);
  if (peer->state == Peer::State::kApart) {
    peer->waiting.emplace_back(id, std::move(bytes));
  } else {
    send(peer, std::move(bytes));
  }
}

void Endpoint::notify(const PeerRef& peer, RpcNotice notice) {
  Message message;
  message.kind = Message::Kind::kNotice;
  message.fence = notice.fence;
  message.service = std::move(notice.service);
  message.method = std::move(notice.method);
  message.body = std::move(notice.body);
  if (peer->state == Peer::State::kApart) {
    peer->waiting.emplace_back(0, rpc::encode_message(message));
  } else if (peer->state == Peer::State::kUp) {
    send(peer, rpc::encode_message(message));
  }
}

void Endpoint::watch(const PeerRef& peer, RpcPeer::Watch watch) {
  peer->watch = std::move(watch);
  const RpcPeer::Watch& now = peer->watch;
  if (peer->state == Peer::State::kUp && now.on_up != nullptr) {
    post_to(now.poster, now.on_up);
  } else if (peer->state == Peer::State::kClosed && now.on_lost != nullptr) {
    post_to(now.poster, [on_lost = now.on_lost, name = peer->name_text()] {
      on_lost(unavailable(ErrorId::kProcessLost, "the session with {} has ended", name));
    });
  }
}

void Endpoint::on_message(const PeerRef& peer, Message message) {
  if (peer->state != Peer::State::kUp) { return; }
  if (message.kind == Message::Kind::kReply) {
    on_reply(peer, std::move(message));
  } else {
    on_call(peer, std::move(message));
  }
}

void Endpoint::on_call(const PeerRef& peer, Message message) {
  const std::string what = message.service + "." + message.method;
  RpcReply reply;
  if (message.kind == Message::Kind::kCall) {
    reply = RpcReply([this, poster = loop_->poster(), peer, session = peer->sessions,
                      call = message.call](Result<std::string> result) {
      Message answer;
      answer.kind = Message::Kind::kReply;
      answer.call = call;
      if (result.ok()) {
        answer.body = std::move(result).value();
      } else {
        answer.status = std::move(result).status();
      }
      poster([this, peer, session, bytes = rpc::encode_message(answer)]() mutable {
        if (peer->sessions == session && peer->state == Peer::State::kUp) {
          send(peer, std::move(bytes));
        }
      });
    });
  } else {
    reply = RpcReply([logger = logger_, what, from = peer->name_text()](Result<std::string> done) {
      if (!done.ok() && done.status().id() != ErrorId::kInternal) {
        logger.warning("{} from {}: {}", what, from, done.status().to_string());
      }
    });
  }
  const auto found = services_.find(message.service);
  if (found == services_.end()) {
    reply.fail(not_found(ErrorId::kRpcMethod, "{} serves no '{}'", options_.name, message.service));
    return;
  }
  RpcRequest request;
  request.peer = handle_of(peer);
  request.method = std::move(message.method);
  request.body = std::move(message.body);
  request.fence = message.fence;
  post_to(found->second->poster(),
          [service = found->second, request = std::move(request), reply = std::move(reply)] {
            service->dispatch(request, reply);
          });
}

void Endpoint::on_reply(const PeerRef& peer, Message message) {
  const auto found = peer->calls.find(message.call);
  if (found == peer->calls.end()) { return; }  // it took too long
  const PendingCall call = std::move(found->second);
  peer->calls.erase(found);
  loop_->cancel(call.timer);
  Result<std::string> result = message.status.ok() ? Result<std::string>(std::move(message.body))
                                                   : Result<std::string>(std::move(message.status));
  post_to(call.poster, [done = call.done, result = std::move(result)] { done(result); });
}

void Endpoint::on_timeout(const PeerRef& peer, uint64_t id, int64_t timeout_ms) {
  const auto found = peer->calls.find(id);
  if (found == peer->calls.end()) { return; }
  const PendingCall call = std::move(found->second);
  peer->calls.erase(found);
  std::erase_if(peer->waiting, [id](const auto& entry) { return entry.first == id; });
  const std::string why = peer->trouble.ok() ? "" : " (" + peer->trouble.message() + ")";
  Status status = deadline_exceeded(ErrorId::kRpcDeadline, "{}: no answer within {} ms{}",
                                    call.what, timeout_ms, why);
  post_to(call.poster, [done = call.done, status = std::move(status)] { done(status); });
}

// ---- Time

void Endpoint::tick() {
  const int64_t now = now_ns();
  for (const PeerRef& peer : std::vector(peers_)) { look_after(peer, now); }
  const int64_t after_ms = std::min(
      {options_.heartbeat_interval_ms / 2, options_.heartbeat_timeout_ms / 4, int64_t{1000}});
  loop_->after_ms(std::max<int64_t>(after_ms, 1), [this] { tick(); });
}

void Endpoint::look_after(const PeerRef& peer, int64_t now) {
  if (peer->state != Peer::State::kUp) { return; }
  const int64_t silent_ms = (now - peer->last_heard_ns) / kNsPerMs;
  if (silent_ms >= options_.heartbeat_timeout_ms || now >= peer->lost_at_ns) {
    lose(peer,
         unavailable(ErrorId::kProcessLost, "{} was not heard of for {} ms{}{}", peer->name_text(),
                     silent_ms, peer->trouble.ok() ? "" : ": ", peer->trouble.message()));
    return;
  }
  Wire* const wire = find_wire(peer->wire);
  if (wire == nullptr || !wire->greeted) { return; }
  if (peer->is_client && silent_ms >= options_.heartbeat_timeout_ms / 2) {
    // The connection may be dead where the peer is not.
    drop_wire(wire->id);
    begin_connect(peer);
    return;
  }
  if (now - wire->last_sent_ns >= options_.heartbeat_interval_ms * kNsPerMs) {
    std::string& out = wire->writer.begin(number_of(FrameType::kBeat), 0, 0);
    put_number(out, peer->session->acknowledgement());
    wire->writer.finish();
    wire->last_sent_ns = now;
    pump(peer);
  }
}

}  // namespace

Result<std::unique_ptr<RpcEndpoint>> RpcEndpoint::start(World& world, RpcOptions options) {
  auto endpoint = std::make_unique<Endpoint>(world, std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(endpoint->listen());
  return std::unique_ptr<RpcEndpoint>(std::move(endpoint));
}

}  // namespace tidewheel
