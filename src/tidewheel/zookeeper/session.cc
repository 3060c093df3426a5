#include "tidewheel/zookeeper/session.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <span>
#include <utility>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/world.h"
#include "tidewheel/zookeeper/digest_md5.h"

namespace tidewheel::zookeeper {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kReadsMax = 8;                // before the loop's other work has its turn
constexpr size_t kOutstandingMax = 10'000;  // questions that are not answered
constexpr int64_t kPingMsMax = 10'000;
constexpr int64_t kPauseMsMax = 1000;  // before all servers are tried once more
constexpr int64_t kCloseMs = 3000;     // that the end of a session may take
// By which ZooKeeper's servers know themselves in DIGEST-MD5, whatever they are called.
constexpr char kDigestService[] = "zookeeper/zk-sasl-md5";

}  // namespace

class Session::Loop {
 public:
  Loop(World& world, Network& network, SessionOptions options, OnEvent on_event)
      : world_(world),
        network_(network),
        options_(std::move(options)),
        on_event_(std::move(on_event)),
        random_(world.fork_random()),
        servers_(options_.servers),
        timeout_ms_(options_.timeout_ms),
        in_(options_.frame_bytes_max),
        loop_(world, "zookeeper") {
    for (size_t i = servers_.size(); i > 1; --i) {
      std::swap(servers_[i - 1], servers_[random_.below(i)]);
    }
    loop_.post([this] { connect(); });
  }
  ~Loop() {
    const std::shared_ptr<Event> closed = world_.executor().make_event();
    loop_.post([this, closed] { close(closed); });
    closed->wait(world_.clock().now_ns() + kCloseMs * kNsPerMs);
    loop_.stop();
    fail_pending(ended());
  }

  void ask(Request request, std::optional<Watch> watch, Done done) {
    loop_.post([this, request = std::move(request), watch = std::move(watch),
                done = std::move(done)]() mutable {
      if (state_ != State::kConnected) {
        done(unavailable(ErrorId::kHighAvailability, "there is no connection with ZooKeeper"));
        return;
      }
      enqueue(request, std::move(watch), std::move(done));
      step();
    });
  }
  bool is_connected() const { return connected_.load(std::memory_order_acquire); }
  int64_t timeout_ms() const { return timeout_ms_.load(std::memory_order_acquire); }

 private:
  enum class State : uint8_t {
    kPausing,    // there is no connection
    kGreeting,   // it is being made, and the server asked for the session
    kProving,    // by SASL
    kConnected,  //
    kEnded,      // for good
  };
  struct Pending {
    int32_t xid = 0;
    int64_t sent_ns = 0;
    std::optional<Watch> watch;
    Done done;
  };

  int64_t now_ns() const { return world_.clock().now_ns(); }
  const NetworkAddress& server() const { return servers_[server_]; }
  static Status ended() {
    return unavailable(ErrorId::kHighAvailability, "the session with ZooKeeper has ended");
  }

  // ---- A connection

  void connect() {
    server_ = (server_ + 1) % servers_.size();
    ++tried_;
    state_ = State::kGreeting;
    in_ = FrameReader(options_.frame_bytes_max);
    out_ = greet({.newest_zxid = newest_zxid_,
                  .timeout_ms = static_cast<int32_t>(timeout_ms()),
                  .session = session_,
                  .password = password_});
    out_at_ = 0;
    zxid_min_ = newest_zxid_;
    // All servers can be tried within the session's time.
    const int64_t within_ms =
        std::max<int64_t>(1, timeout_ms() / static_cast<int64_t>(servers_.size()));
    ready_is_posted_ = std::make_shared<std::atomic<bool>>(false);
    connection_ = network_.connect(
        server(), within_ms * kNsPerMs,
        [this, connection = ++connections_, is_posted = ready_is_posted_, post = loop_.poster()] {
          if (is_posted->exchange(true)) { return; }
          post([this, connection, is_posted] {
            is_posted->store(false);
            if (connection == connections_) { step(); }
          });
        });
    set_timer(within_ms, [this, within_ms] {
      lose(deadline_exceeded(ErrorId::kNetworkConnect, "there is no session within {} ms",
                             within_ms));
    });
    step();
  }

  // Moves bytes, and acts on what has come.
  void step() {
    if (connection_ == nullptr) { return; }
    const uint64_t connection = connections_;
    const Status written = flush();
    // A server that hangs up may have said why before it stopped reading: so it is read first.
    Status status = receive();
    if (connection != connections_ || connection_ == nullptr) { return; }
    if (status.ok()) { status = written.ok() ? flush() : written; }
    if (!status.ok()) { lose(status); }
  }

  Status flush() {
    while (connection_ != nullptr && out_at_ < out_.size()) {
      if (state_ == State::kGreeting && out_at_ == 0) { greeted_ns_ = now_ns(); }
      TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer moved,
                                 connection_->write(std::string_view(out_).substr(out_at_)));
      if (moved.state != Transfer::State::kMoved) { return ok_status(); }
      out_at_ += static_cast<size_t>(moved.bytes);
    }
    out_.clear();
    out_at_ = 0;
    return ok_status();
  }

  Status receive() {
    buffer_.resize(kReadBytes);
    const uint64_t connection = connections_;
    for (int reads = 0; reads < kReadsMax; ++reads) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer moved, connection_->read(std::span(buffer_)));
      if (moved.state == Transfer::State::kWouldBlock) { return ok_status(); }
      if (moved.state == Transfer::State::kEnd) {
        return unavailable(ErrorId::kNetworkLost, "it has closed the connection");
      }
      in_.add(std::string_view(buffer_).substr(0, static_cast<size_t>(moved.bytes)));
      while (true) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<std::string_view> frame, in_.next());
        if (!frame.has_value()) { break; }
        TIDEWHEEL_RETURN_IF_ERROR(take(*frame));
        if (connection != connections_ || connection_ == nullptr) { return ok_status(); }
      }
    }
    if (!ready_is_posted_->exchange(true)) {
      loop_.post([this, connection, is_posted = ready_is_posted_] {
        is_posted->store(false);
        if (connection == connections_) { step(); }
      });
    }
    return ok_status();
  }

  void drop_connection() {
    ++connections_;
    connected_.store(false, std::memory_order_release);
    connection_.reset();
    loop_.cancel(std::exchange(timer_, 0));
    out_.clear();
    out_at_ = 0;
    ping_sent_ns_.reset();
  }

  void lose(const Status& why) {
    const bool was_connected = state_ == State::kConnected;
    Status reason = Status(why).with_context("ZooKeeper's server {}", server().to_string());
    drop_connection();
    state_ = State::kPausing;
    fail_pending(reason);
    const int64_t silent_ms = was_connected ? (now_ns() - confirmed_ns_) / kNsPerMs : 0;
    on_event_({was_connected ? SessionEvent::Kind::kDisconnected : SessionEvent::Kind::kUnreachable,
               reason, silent_ms});
    // At once with the next server, but not round and round; and not all clients at a time.
    int64_t pause_ms = 0;
    if (was_connected || tried_ % servers_.size() == 0) {
      const int64_t pause_ms_max = std::clamp<int64_t>(timeout_ms() / 12, 1, kPauseMsMax);
      pause_ms = 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(pause_ms_max)));
    }
    set_timer(pause_ms, [this] { connect(); });
  }

  // For good.
  void end(SessionEvent::Kind how, const Status& why) {
    Status reason = Status(why).with_context("ZooKeeper's server {}", server().to_string());
    drop_connection();
    state_ = State::kEnded;
    fail_pending(reason);
    on_event_({how, reason, 0});
    if (closed_ != nullptr) { closed_->set(); }
  }

  void fail_pending(const Status& why) {
    for (Pending& pending : std::exchange(pending_, {})) {
      pending.done(unavailable(ErrorId::kHighAvailability,
                               "the connection was lost before the answer came, so that it is not "
                               "known what was done: {}",
                               why.message()));
    }
    if (closed_ != nullptr) { closed_->set(); }
  }

  void close(const std::shared_ptr<Event>& closed) {
    closed_ = closed;
    if (state_ != State::kConnected) {
      closed->set();
      return;
    }
    enqueue({Opcode::kCloseSession}, std::nullopt, [closed](const auto&) { closed->set(); });
    step();
  }

  // ---- Time

  void set_timer(int64_t ms, std::function<void()> what) {
    loop_.cancel(timer_);
    timer_ = loop_.after_ms(ms, [this, what = std::move(what)] {
      timer_ = 0;
      what();
    });
  }

  // Of a connection that is in use: pings, and gives it up.
  void look_at_time() {
    const int64_t now = now_ns();
    const int64_t given_up_ns = confirmed_ns_ + timeout_ms() * kNsPerMs * 2 / 3;
    if (now >= given_up_ns) {
      lose(deadline_exceeded(ErrorId::kNetworkLost,
                             "has not answered for two thirds of the session's time"));
      return;
    }
    const int64_t ping_ns =
        confirmed_ns_ + std::min(timeout_ms() * kNsPerMs / 3, kPingMsMax * kNsPerMs);
    if (now >= ping_ns && !ping_sent_ns_.has_value()) {
      ping_sent_ns_ = now;
      out_ += frame(kPingXid, {Opcode::kPing});
    }
    const int64_t next_ns = ping_sent_ns_.has_value() ? given_up_ns : ping_ns;
    set_timer((next_ns - now) / kNsPerMs + 1, [this] { look_at_time(); });
    step();
  }

  // ---- What is said

  void enqueue(const Request& request, std::optional<Watch> watch, Done done) {
    const int32_t xid = next_xid_;
    std::string bytes = frame(xid, request);
    const auto size = static_cast<int64_t>(bytes.size());
    if (size > options_.frame_bytes_max || pending_.size() >= kOutstandingMax) {
      done(resource_exhausted(ErrorId::kHighAvailability,
                              "a request of {} bytes, where ZooKeeper takes {} (jute.maxbuffer), "
                              "or more than {} requests at a time",
                              size, options_.frame_bytes_max, kOutstandingMax));
      return;
    }
    next_xid_ = next_xid_ == INT32_MAX ? 1 : next_xid_ + 1;
    out_ += bytes;
    pending_.push_back({xid, now_ns(), std::move(watch), std::move(done)});
  }

  // Errors: the connection is of no use any more.
  Status take(std::string_view frame) {
    if (state_ == State::kGreeting) { return take_welcome(frame); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Answer answer, read_answer(frame));
    if (answer.xid != kEventXid && answer.zxid > 0 && answer.zxid < zxid_min_) {
      return unavailable(ErrorId::kNetworkLost, "is behind: at {:#x}, where {:#x} was seen before",
                         answer.zxid, zxid_min_);
    }
    newest_zxid_ = std::max(newest_zxid_, answer.zxid);
    switch (answer.xid) {
      case kEventXid: return take_event(answer);
      case kPingXid:
        if (ping_sent_ns_.has_value()) { confirm(*std::exchange(ping_sent_ns_, std::nullopt)); }
        return ok_status();
      case kAuthXid: return take_verdict(answer);
      case kSetWatchesXid:
        if (answer.error == ErrorCode::kOk) { return ok_status(); }
        return unavailable(ErrorId::kNetworkLost, "does not take watches over: {}",
                           error_text(answer.error));
      default: return take_answer(std::move(answer));
    }
  }

  void confirm(int64_t sent_ns) { confirmed_ns_ = std::max(confirmed_ns_, sent_ns); }

  Status take_answer(Answer answer) {
    if (pending_.empty() || pending_.front().xid != answer.xid) {
      return unavailable(ErrorId::kNetworkLost, "has answered what was not asked");
    }
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    confirm(pending.sent_ns);
    const ErrorCode error = answer.error;
    if (error == ErrorCode::kOk && pending.watch.has_value()) {
      watched(pending.watch->what).insert(pending.watch->path);
    }
    if (error == ErrorCode::kSaslRequired) {
      pending.done(std::move(answer));
      end(SessionEvent::Kind::kRefused,
          failed_precondition(ErrorId::kHighAvailability,
                              "wants SASL: set zookeeper.sasl.username and "
                              "zookeeper.sasl.password"));
      return ok_status();
    }
    pending.done(std::move(answer));
    if (error == ErrorCode::kSessionExpired || error == ErrorCode::kSessionMoved) {
      // What has become of the session is said to who greets.
      return unavailable(ErrorId::kNetworkLost, "has said {}", error_text(error));
    }
    return ok_status();
  }

  Status take_welcome(std::string_view frame) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Welcome welcome, read_welcome(frame));
    if (welcome.timeout_ms <= 0 || (session_ != 0 && welcome.session != session_)) {
      end(SessionEvent::Kind::kExpired,
          unavailable(ErrorId::kHighAvailability, "says that the session is over"));
      return ok_status();
    }
    session_ = welcome.session;
    password_ = std::move(welcome.password);
    timeout_ms_.store(welcome.timeout_ms, std::memory_order_release);
    confirmed_ns_ = greeted_ns_;
    if (!options_.sasl.has_value()) {
      begin_work();
      return ok_status();
    }
    state_ = State::kProving;
    digest_.emplace(DigestMd5Login{options_.sasl->user, options_.sasl->password, kDigestService},
                    fmt::format("{:016x}{:016x}", random_.next(), random_.next()));
    enqueue(sasl(""), std::nullopt, [this](Result<Answer> answer) {
      take_token(std::move(answer), /*is_challenge=*/true);
    });
    return ok_status();
  }

  void take_token(Result<Answer> answer, bool is_challenge) {
    if (!answer.ok()) { return; }  // the connection is lost
    const Status proved = prove(*answer, is_challenge);
    if (!proved.ok()) {
      end(SessionEvent::Kind::kRefused,
          Status(proved).with_context("SASL as '{}'", options_.sasl->user));
    }
  }

  Status prove(const Answer& answer, bool is_challenge) {
    if (answer.error != ErrorCode::kOk) {
      return failed_precondition(
          ErrorId::kHighAvailability,
          "{}: are zookeeper.sasl.username and zookeeper.sasl.password right?",
          error_text(answer.error));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string token, read_sasl(answer.body));
    if (token.empty()) {
      return failed_precondition(ErrorId::kHighAvailability,
                                 "it does not offer DIGEST-MD5, or has not believed the password");
    }
    if (!is_challenge) {
      TIDEWHEEL_RETURN_IF_ERROR(digest_->check(token));
      begin_work();
      return ok_status();
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string proof, digest_->respond(token));
    enqueue(sasl(proof), std::nullopt, [this](Result<Answer> verdict) {
      take_token(std::move(verdict), /*is_challenge=*/false);
    });
    return ok_status();
  }

  void begin_work() {
    digest_.reset();
    if (!options_.authorization.empty()) {
      const size_t colon =
          std::min(options_.authorization.find(':'), options_.authorization.size());
      const std::string_view both = options_.authorization;
      out_ += frame(kAuthXid, authenticate(both.substr(0, colon),
                                           both.substr(std::min(colon + 1, both.size()))));
    }
    if (!data_.empty() || !children_.empty()) {
      out_ += frame(kSetWatchesXid, set_watches(newest_zxid_, {data_.begin(), data_.end()},
                                                {children_.begin(), children_.end()}));
    }
    state_ = State::kConnected;
    tried_ = 0;
    connected_.store(true, std::memory_order_release);
    loop_.post([this, connection = connections_] {
      if (connection == connections_) { look_at_time(); }
    });
    on_event_({SessionEvent::Kind::kConnected, ok_status(), 0});
  }

  Status take_verdict(const Answer& answer) {
    if (answer.error == ErrorCode::kOk) { return ok_status(); }
    end(SessionEvent::Kind::kRefused,
        failed_precondition(ErrorId::kHighAvailability,
                            "does not believe high-availability.zookeeper.client.authorization: {}",
                            error_text(answer.error)));
    return ok_status();
  }

  Status take_event(const Answer& answer) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeEvent event, read_event(answer.body));
    bool was_watched = false;
    if (event.type == EventType::kNodeChildrenChanged || event.type == EventType::kNodeDeleted) {
      was_watched = children_.erase(event.path) > 0;
    }
    if (event.type == EventType::kNodeDataChanged || event.type == EventType::kNodeDeleted) {
      was_watched = data_.erase(event.path) > 0 || was_watched;
    }
    if (was_watched) { on_event_({SessionEvent::Kind::kChanged, ok_status(), 0}); }
    return ok_status();
  }

  std::set<std::string>& watched(Watch::What what) {
    return what == Watch::What::kData ? data_ : children_;
  }

  World& world_;
  Network& network_;
  const SessionOptions options_;
  const OnEvent on_event_;
  Random random_;
  std::vector<NetworkAddress> servers_;
  // Written by the loop, read by all.
  std::atomic<bool> connected_{false};
  std::atomic<int64_t> timeout_ms_;
  // The loop's, as all that follows. The session.
  State state_ = State::kPausing;
  int64_t session_ = 0;  // 0: there is none yet
  std::string password_ = Greeting().password;
  int64_t newest_zxid_ = 0;
  std::set<std::string> data_;      // that is watched, by path
  std::set<std::string> children_;  // that are watched, by path
  std::shared_ptr<Event> closed_;   // somebody waits for the end
  // The connection.
  size_t server_ = 0;
  size_t tried_ = 0;  // servers, since one was connected with
  uint64_t connections_ = 0;
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<std::atomic<bool>> ready_is_posted_;
  std::string out_;  // sent up to out_at_
  size_t out_at_ = 0;
  FrameReader in_;
  std::string buffer_;
  std::optional<DigestMd5> digest_;
  int32_t next_xid_ = 1;
  std::deque<Pending> pending_;
  int64_t zxid_min_ = 0;      // that was seen before this connection
  int64_t greeted_ns_ = 0;    // when it was asked for the session
  int64_t confirmed_ns_ = 0;  // when that was sent which was answered last
  std::optional<int64_t> ping_sent_ns_;
  EventLoop::TimerId timer_ = 0;
  EventLoop loop_;  // last: its thread uses all of it
};

Session::Session(World& world, Network& network, SessionOptions options, OnEvent on_event)
    : loop_(std::make_unique<Loop>(world, network, std::move(options), std::move(on_event))) {}
Session::~Session() = default;

void Session::ask(Request request, std::optional<Watch> watch, Done done) {
  loop_->ask(std::move(request), std::move(watch), std::move(done));
}
bool Session::is_connected() const { return loop_->is_connected(); }
int64_t Session::timeout_ms() const { return loop_->timeout_ms(); }

}  // namespace tidewheel::zookeeper
