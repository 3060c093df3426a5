#include "tidewheel/http/server.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "tidewheel/base/world.h"
#include "tidewheel/http/mail.h"
#include "tidewheel/http/parser.h"

namespace tidewheel {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kPieceBytes = 64 * 1024;  // of a body, before its taker has it
constexpr int kReadsMax = 8;               // of one connection, before the others have their turn
constexpr int kAcceptsMax = 64;            // in one turn
constexpr int64_t kMsToNs = 1'000'000;
// What is read of a refused request's rest, and for how long: a connection that is closed with
// bytes unread is reset, and the peer may lose the answer.
constexpr int64_t kLingerBytesMax = int64_t{4} << 20;
constexpr int64_t kLingerMs = 2'000;
constexpr int32_t kByService = 0;        // the code of a failure that is the service's own
constexpr int64_t kAcceptAgainMs = 100;  // when the machine has no more sockets

// A field's value that comes from elsewhere must not end its line.
std::string clean_field(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return text;
}

}  // namespace

class HttpServer::Loop final : public Turnable {
 public:
  Loop(World& world, HttpServerOptions options, HttpService& service)
      : world_(world), options_(std::move(options)), service_(service) {}
  ~Loop() override {
    stopping_.store(true);
    if (worker_ != nullptr) { worker_->wake(); }
    mail_->close();
    worker_.reset();
  }

  Status start() {
    Network& network = options_.network != nullptr ? *options_.network : world_.network();
    TIDEWHEEL_ASSIGN_OR_RETURN(listener_, network.listen(options_.address, [this, mail = mail_] {
      if (!accept_queued_.exchange(true)) {
        mail->post([this] { accept_all(); });
      }
    }));
    port_ = listener_->port();
    worker_ = world_.executor().start_worker(options_.name, *this);
    mail_->set_worker(worker_.get());
    mail_->post([this] { accept_all(); });
    return {};
  }
  uint16_t port() const { return port_; }
  int32_t connection_count() const { return count_.load(std::memory_order_relaxed); }
  void stop_accepting() {
    mail_->post([this] {
      accepting_ = false;
      listener_.reset();
      // Those that wait for a request would wait for nothing.
      std::vector<uint64_t> idle;
      for (const auto& [id, peer] : peers_) {
        if (peer->stage == Stage::kHead && !peer->parser->has_begun()) { idle.push_back(id); }
      }
      for (const uint64_t id : idle) { drop(id); }
    });
  }

  Turn turn() override {
    if (stopping_.load()) {
      listener_.reset();
      peers_.clear();
      return Turn::stop();
    }
    mail_->run_pending();
    const int64_t now = world_.clock().now_ns();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      expire(deadlines_.begin()->second);
    }
    if (accept_again_ns_ <= now) { accept_all(); }
    if (mail_->has_mail()) { return Turn::again(); }
    return Turn::sleep_until(
        std::min(accept_again_ns_, deadlines_.empty() ? Clock::kNever : deadlines_.begin()->first));
  }

 private:
  enum class Stage : uint8_t {
    kHead,     // waits for a request, or its head
    kBody,     // the body comes
    kTaking,   // a piece of it is being taken, and nothing is read meanwhile
    kServing,  // the service has it
    kSending,  // the answer goes out
    kLingering,
  };
  struct Peer {
    Stage stage = Stage::kHead;
    std::unique_ptr<Connection> connection;
    std::optional<HttpParser> parser;
    std::string in;
    std::string out;
    size_t out_at = 0;
    HttpRequest request;
    std::string piece;  // of the body, for its taker
    std::shared_ptr<HttpBodySource> source;
    bool source_asked = false;
    bool source_ended = false;
    bool is_chunked = false;  // the answer
    bool closes = false;      // behind the answer
    bool is_head = false;     // the answer has no body
    uint64_t exchange = 0;    // counts requests: answers to former ones do nothing
    int64_t deadline_ns = Clock::kNever;
    int64_t stage_bytes = 0;  // of the body, or the answer, since it was looked at last
    std::shared_ptr<std::atomic<bool>> is_queued = std::make_shared<std::atomic<bool>>(false);
  };

  // Answers with 500 when nobody has.
  class Answerer {
   public:
    Answerer(std::shared_ptr<http_detail::Mail> mail, Loop* loop, uint64_t id, uint64_t exchange)
        : mail_(std::move(mail)), loop_(loop), id_(id), exchange_(exchange) {}
    ~Answerer() {
      if (is_answered_.load()) { return; }
      mail_->post([loop = loop_, id = id_, exchange = exchange_] {
        loop->on_answer(id, exchange,
                        loop->service_.failure_response(
                            500, internal_error(ErrorId::kInternal, "the request was dropped")));
      });
    }
    Answerer(const Answerer&) = delete;
    Answerer& operator=(const Answerer&) = delete;
    void answer(HttpResponse response) {
      if (is_answered_.exchange(true)) { return; }
      mail_->post([loop = loop_, id = id_, exchange = exchange_,
                   response = std::make_shared<HttpResponse>(std::move(response))] {
        loop->on_answer(id, exchange, std::move(*response));
      });
    }

   private:
    const std::shared_ptr<http_detail::Mail> mail_;
    Loop* const loop_;
    const uint64_t id_;
    const uint64_t exchange_;
    std::atomic<bool> is_answered_{false};
  };

  int64_t now_ns() const { return world_.clock().now_ns(); }
  Peer* find(uint64_t id) {
    const auto found = peers_.find(id);
    return found == peers_.end() ? nullptr : found->second.get();
  }

  void accept_all() {
    accept_queued_.store(false);
    accept_again_ns_ = Clock::kNever;
    for (int accepts = 0; accepting_ && listener_ != nullptr; ++accepts) {
      if (accepts == kAcceptsMax) {
        mail_->post([this] { accept_all(); });
        return;
      }
      const uint64_t id = next_id_++;
      auto peer = std::make_unique<Peer>();
      Result<std::unique_ptr<Connection>> connection =
          listener_->accept([this, id, mail = mail_, is_queued = peer->is_queued] {
            if (is_queued->exchange(true)) { return; }
            mail->post([this, id] { on_ready(id); });
          });
      if (!connection.ok()) {
        // Out of sockets, most likely: one that idles makes room, and it is tried again.
        drop_idlest();
        accept_again_ns_ = now_ns() + kAcceptAgainMs * kMsToNs;
        return;
      }
      if (*connection == nullptr) { return; }
      if (connection_count() >= options_.connections_max) { drop_idlest(); }
      if (connection_count() >= options_.connections_max) { continue; }  // closes it
      peer->connection = std::move(connection).value();
      Peer& added = *peers_.emplace(id, std::move(peer)).first->second;
      count_.store(static_cast<int32_t>(peers_.size()), std::memory_order_relaxed);
      expect_request(id, added);
      set_deadline(id, added, now_ns() + options_.head_timeout_ms * kMsToNs);
      step(id, added);
    }
  }

  // Of those between two requests, the one that will be closed first anyway.
  void drop_idlest() {
    for (const auto& [deadline, id] : deadlines_) {
      const Peer* const peer = find(id);
      if (peer->stage == Stage::kHead && !peer->parser->has_begun()) {
        drop(id);
        return;
      }
    }
  }

  void drop(uint64_t id) {
    const auto found = peers_.find(id);
    if (found == peers_.end()) { return; }
    deadlines_.erase({found->second->deadline_ns, id});
    peers_.erase(found);
    count_.store(static_cast<int32_t>(peers_.size()), std::memory_order_relaxed);
  }

  void set_deadline(uint64_t id, Peer& peer, int64_t deadline_ns) {
    deadlines_.erase({peer.deadline_ns, id});
    peer.deadline_ns = deadline_ns;
    if (deadline_ns != Clock::kNever) { deadlines_.emplace(deadline_ns, id); }
  }

  // Bytes have to move at a rate; whether they do is looked at now and then.
  void start_watching(uint64_t id, Peer& peer) {
    peer.stage_bytes = 0;
    set_deadline(id, peer, now_ns() + options_.head_timeout_ms * kMsToNs);
  }
  bool is_fast_enough(const Peer& peer) const {
    return peer.stage_bytes >= options_.head_timeout_ms * options_.bytes_per_second_min / 1000;
  }

  void expire(uint64_t id) {
    Peer& peer = *find(id);
    const bool is_moving = peer.stage == Stage::kBody || peer.stage == Stage::kSending;
    if (is_moving && is_fast_enough(peer)) {
      start_watching(id, peer);
      return;
    }
    if (peer.stage == Stage::kServing) {
      refuse(id, peer, 504,
             deadline_exceeded(ErrorId::kHttpLimit, "the request was not answered in time"));
      return;
    }
    const bool is_asked =
        peer.stage == Stage::kBody || (peer.stage == Stage::kHead && peer.parser->has_begun());
    if (!is_asked) {
      drop(id);
      return;
    }
    refuse(id, peer, 408,
           deadline_exceeded(ErrorId::kHttpLimit, "the request did not come in time"));
  }

  void expect_request(uint64_t id, Peer& peer) {
    peer.stage = Stage::kHead;
    peer.request = {};
    peer.piece = {};
    peer.parser.emplace(HttpMessageKind::kRequest,
                        HttpParserLimits{.head_bytes_max = options_.head_bytes_max,
                                         .fields_max = options_.fields_max});
    set_deadline(id, peer, now_ns() + options_.idle_timeout_ms * kMsToNs);
  }

  void on_ready(uint64_t id) {
    Peer* const peer = find(id);
    if (peer == nullptr) { return; }
    peer->is_queued->store(false);
    step(id, *peer);
  }

  // The peer may be gone when it returns.
  void step(uint64_t id, Peer& peer) {
    Status status;
    switch (peer.stage) {
      case Stage::kHead:
      case Stage::kBody: status = receive(id, peer); break;
      case Stage::kTaking:
      case Stage::kServing: return;  // what the peer sends meanwhile stays in its socket
      case Stage::kSending: status = send(id, peer); break;
      case Stage::kLingering: linger(id, peer); return;
    }
    if (!status.ok()) { drop(id); }  // the connection is lost, and there is nobody to be told
  }

  void step_later(uint64_t id, Peer& peer) {
    if (!peer.is_queued->exchange(true)) {
      mail_->post([this, id] { on_ready(id); });
    }
  }

  Status receive(uint64_t id, Peer& peer) {
    for (int reads = 0; reads < kReadsMax; ++reads) {
      if (!peer.in.empty() && !parse(id, peer)) { return {}; }
      char buffer[kReadBytes];
      TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer moved, peer.connection->read(buffer));
      if (moved.state == Transfer::State::kWouldBlock) {
        if (peer.in.empty()) { std::string().swap(peer.in); }
        return {};
      }
      if (moved.state == Transfer::State::kEnd) {
        return unavailable(ErrorId::kNetworkLost, "the client has gone");
      }
      // A connection that idled is given the time of a head from its first byte on.
      if (peer.stage == Stage::kHead && !peer.parser->has_begun() && peer.in.empty()) {
        set_deadline(id, peer, now_ns() + options_.head_timeout_ms * kMsToNs);
      }
      peer.in.append(buffer, static_cast<size_t>(moved.bytes));
      peer.stage_bytes += moved.bytes;
    }
    if (!peer.in.empty() && !parse(id, peer)) { return {}; }
    step_later(id, peer);
    return {};
  }

  // False: nothing is to be read now; the peer may be gone.
  bool parse(uint64_t id, Peer& peer) {
    const bool had_head = peer.parser->head_done();
    const Result<size_t> used = peer.parser->put(peer.in);
    if (!used.ok()) {
      const bool is_limit = used.status().id() == ErrorId::kHttpLimit;
      refuse(id, peer, is_limit ? 431 : 400, used.status());
      return false;
    }
    peer.in.erase(0, *used);
    if (!peer.parser->head_done()) { return true; }
    if (!had_head && !on_head(id, peer)) { return false; }
    return on_body(id, peer);
  }

  bool on_head(uint64_t id, Peer& peer) {
    HttpParser& parser = *peer.parser;
    peer.request.method = parser.method();
    peer.request.target = parser.target();
    peer.request.headers = std::move(parser.headers());
    peer.request.peer = peer.connection->peer();
    peer.closes = !parser.keep_alive();
    peer.is_head = peer.request.method == "HEAD";
    const size_t hosts = peer.request.headers.count("Host");
    if (hosts > 1 || (hosts == 0 && parser.version() >= 11)) {
      refuse(id, peer, 400,
             invalid_argument(ErrorId::kHttpMessage, "a request needs one field Host"));
      return false;
    }
    peer.stage = Stage::kBody;
    start_watching(id, peer);
    if (!parser.has_body()) { return true; }
    Result<std::shared_ptr<HttpBodyTaker>> taker = service_.take_body(peer.request);
    if (!taker.ok()) {
      refuse(id, peer, kByService, taker.status());
      return false;
    }
    peer.request.taker = std::move(taker).value();
    const auto limit = static_cast<uint64_t>(body_limit(peer));
    if (parser.content_length().value_or(0) > limit) {
      refuse_body(id, peer);
      return false;
    }
    const std::optional<std::string_view> expect = peer.request.headers.find("Expect");
    if (expect.has_value() && !equal_without_case(*expect, "100-continue")) {
      refuse(id, peer, 417,
             invalid_argument(ErrorId::kHttpMessage, "Expect has to be 100-continue, not {}",
                              *expect));
      return false;
    }
    if (expect.has_value() && peer.in.empty()) {
      // A few bytes that the socket surely takes; a peer that they do not reach sends the body
      // after a while anyway.
      ignore(peer.connection->write("HTTP/1.1 100 Continue\r\n\r\n"), "only a hint");
    }
    return true;
  }

  int64_t body_limit(const Peer& peer) const {
    return peer.request.taker != nullptr ? options_.taken_bytes_max : options_.body_bytes_max;
  }
  void refuse_body(uint64_t id, Peer& peer) {
    refuse(id, peer, 413,
           resource_exhausted(ErrorId::kHttpLimit, "the body is longer than {} bytes",
                              body_limit(peer)));
  }

  bool on_body(uint64_t id, Peer& peer) {
    HttpParser& parser = *peer.parser;
    const Result<size_t> used = parser.put(peer.in);
    if (!used.ok()) {
      refuse(id, peer, 400, used.status());
      return false;
    }
    peer.in.erase(0, *used);
    if (parser.body_bytes() > body_limit(peer)) {
      refuse_body(id, peer);
      return false;
    }
    if (peer.request.taker == nullptr) {
      peer.request.body += parser.take_body();
      if (!parser.done()) { return true; }
      serve(id, peer);
      return false;
    }
    peer.piece += parser.take_body();
    if (peer.piece.size() < kPieceBytes && !parser.done()) { return true; }
    take_piece(id, peer);
    return false;
  }

  void take_piece(uint64_t id, Peer& peer) {
    if (peer.piece.empty()) {
      serve(id, peer);
      return;
    }
    peer.stage = Stage::kTaking;
    set_deadline(id, peer, Clock::kNever);
    const std::shared_ptr<HttpBodyTaker> taker = peer.request.taker;
    taker->take(std::exchange(peer.piece, {}),
                [this, mail = mail_, id, exchange = peer.exchange](const Status& status) {
                  mail->post([this, id, exchange, status] { on_taken(id, exchange, status); });
                });
  }
  void on_taken(uint64_t id, uint64_t exchange, const Status& status) {
    Peer* const peer = find(id);
    if (peer == nullptr || peer->exchange != exchange || peer->stage != Stage::kTaking) { return; }
    if (!status.ok()) {
      refuse(id, *peer, kByService, status);
      return;
    }
    if (peer->parser->done()) {
      serve(id, *peer);
      return;
    }
    peer->stage = Stage::kBody;
    // The time that the taker took is not the peer's.
    start_watching(id, *peer);
    step(id, *peer);
  }

  void serve(uint64_t id, Peer& peer) {
    peer.stage = Stage::kServing;
    set_deadline(id, peer, now_ns() + options_.answer_timeout_ms * kMsToNs);
    auto answerer = std::make_shared<Answerer>(mail_, this, id, peer.exchange);
    service_.serve(std::exchange(peer.request, {}),
                   [answerer](HttpResponse response) { answerer->answer(std::move(response)); });
  }

  void on_answer(uint64_t id, uint64_t exchange, HttpResponse response) {
    Peer* const peer = find(id);
    if (peer == nullptr || peer->exchange != exchange) { return; }
    begin_answer(id, *peer, std::move(response));
    step(id, *peer);
  }

  void refuse(uint64_t id, Peer& peer, int32_t status, const Status& why) {
    peer.closes = true;
    peer.request.taker.reset();
    begin_answer(id, peer, service_.failure_response(status, why));
    step_later(id, peer);
  }

  void begin_answer(uint64_t id, Peer& peer, HttpResponse response) {
    ++peer.exchange;
    peer.stage = Stage::kSending;
    start_watching(id, peer);
    peer.closes = peer.closes || !accepting_;
    peer.source = std::move(response.source);
    peer.source_asked = false;
    peer.source_ended = peer.source == nullptr;
    peer.is_chunked = peer.source != nullptr && peer.parser->version() >= 11;
    if (peer.source != nullptr && !peer.is_chunked) { peer.closes = true; }
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\n", response.status, http_reason(response.status));
    for (const auto& [name, value] : response.headers.fields()) {
      head += name + ": " + clean_field(value) + "\r\n";
    }
    if (peer.is_chunked) {
      head += "Transfer-Encoding: chunked\r\n";
    } else if (peer.source == nullptr && response.status != 204 && response.status != 304) {
      head += fmt::format("Content-Length: {}\r\n", response.body.size());
    }
    head += peer.closes ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
    peer.out_at = 0;
    peer.out = std::move(head);
    if (peer.is_head) {
      peer.source.reset();
      peer.source_ended = true;
    } else {
      peer.out += response.body;
    }
  }

  Status send(uint64_t id, Peer& peer) {
    while (true) {
      while (peer.out_at < peer.out.size()) {
        TIDEWHEEL_ASSIGN_OR_RETURN(
            const Transfer moved,
            peer.connection->write(std::string_view(peer.out).substr(peer.out_at)));
        if (moved.state != Transfer::State::kMoved) { return {}; }
        peer.out_at += static_cast<size_t>(moved.bytes);
        peer.stage_bytes += moved.bytes;
      }
      peer.out.clear();
      peer.out_at = 0;
      if (peer.source_ended) { break; }
      if (!peer.source_asked) { ask_source(id, peer); }
      return {};
    }
    return after_answer(id, peer);
  }

  void ask_source(uint64_t id, Peer& peer) {
    peer.source_asked = true;
    set_deadline(id, peer, Clock::kNever);
    const std::shared_ptr<HttpBodySource> source = peer.source;
    source->next([this, mail = mail_, id, exchange = peer.exchange](Result<std::string> piece) {
      mail->post(
          [this, id, exchange, piece = std::make_shared<Result<std::string>>(std::move(piece))] {
            on_piece(id, exchange, std::move(*piece));
          });
    });
  }
  void on_piece(uint64_t id, uint64_t exchange, Result<std::string> piece) {
    Peer* const peer = find(id);
    if (peer == nullptr || peer->exchange != exchange || !peer->source_asked) { return; }
    if (!piece.ok()) {
      drop(id);
      return;
    }
    peer->source_asked = false;
    peer->source_ended = piece->empty();
    if (peer->is_chunked) {
      peer->out = fmt::format("{:x}\r\n", piece->size()) + *piece + "\r\n";
    } else {
      peer->out = std::move(piece).value();
    }
    start_watching(id, *peer);
    step(id, *peer);
  }

  Status after_answer(uint64_t id, Peer& peer) {
    std::string().swap(peer.out);
    peer.source.reset();
    if (peer.closes) {
      TIDEWHEEL_RETURN_IF_ERROR(peer.connection->shutdown_write());
      peer.stage = Stage::kLingering;
      peer.stage_bytes = 0;
      peer.in = {};
      set_deadline(id, peer, now_ns() + kLingerMs * kMsToNs);
      step_later(id, peer);
      return {};
    }
    expect_request(id, peer);
    // Pipelined requests: those that are there already.
    step_later(id, peer);
    return {};
  }

  void linger(uint64_t id, Peer& peer) {
    char buffer[kReadBytes];
    for (int reads = 0; reads < kReadsMax; ++reads) {
      const Result<Transfer> moved = peer.connection->read(buffer);
      if (moved.ok() && moved->state == Transfer::State::kWouldBlock) { return; }
      if (moved.ok() && moved->state == Transfer::State::kMoved) {
        peer.stage_bytes += moved->bytes;
        if (peer.stage_bytes <= kLingerBytesMax) { continue; }
      }
      drop(id);
      return;
    }
    step_later(id, peer);
  }

  World& world_;
  const HttpServerOptions options_;
  HttpService& service_;
  const std::shared_ptr<http_detail::Mail> mail_ = std::make_shared<http_detail::Mail>();
  std::atomic<bool> stopping_{false};
  std::atomic<bool> accept_queued_{false};
  std::atomic<int32_t> count_{0};
  uint16_t port_ = 0;
  // The thread's.
  bool accepting_ = true;
  std::unique_ptr<Listener> listener_;
  int64_t accept_again_ns_ = Clock::kNever;
  std::map<uint64_t, std::unique_ptr<Peer>> peers_;
  std::set<std::pair<int64_t, uint64_t>> deadlines_;
  uint64_t next_id_ = 1;
  std::unique_ptr<Worker> worker_;  // last: turns until it is destroyed
};

HttpServer::HttpServer(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::open(World& world, HttpServerOptions options,
                                                     HttpService& service) {
  auto loop = std::make_unique<Loop>(world, std::move(options), service);
  TIDEWHEEL_RETURN_IF_ERROR(loop->start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop)));
}

uint16_t HttpServer::port() const { return loop_->port(); }
void HttpServer::stop_accepting() { loop_->stop_accepting(); }
int32_t HttpServer::connection_count() const { return loop_->connection_count(); }

}  // namespace tidewheel
