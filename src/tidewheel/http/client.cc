#include "tidewheel/http/client.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "tidewheel/base/world.h"
#include "tidewheel/http/mail.h"
#include "tidewheel/http/parser.h"

namespace tidewheel {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr int kReadsMax = 8;  // of one connection, before the others have their turn
constexpr int64_t kMsToNs = 1'000'000;

bool may_repeat(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE";
}

// Text of the caller's that goes into a head must not end its line.
bool is_field_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string head_of(const HttpUrl& url, const HttpCall& call) {
  std::string head = call.method + " " + url.target + " HTTP/1.1\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  if (!call.headers.has("Host")) { add("Host", url.host_field()); }
  if (!url.user_info.empty() && !call.headers.has("Authorization")) {
    add("Authorization", basic_authorization(url.user_info));
  }
  for (const auto& [name, value] : call.headers.fields()) { add(name, value); }
  if (!call.body.empty() || (call.method != "GET" && call.method != "HEAD")) {
    add("Content-Length", std::to_string(call.body.size()));
  }
  return head + "\r\n";
}

// A call that waits for its answer, and gets one whatever happens.
struct PendingCall {
  PendingCall() = default;
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  ~PendingCall() {
    answer(unavailable(ErrorId::kNetworkLost, "the HTTP client ended before {} had answered",
                       call.url));
  }
  void answer(Result<HttpResponse> response) {
    if (const auto answers = std::exchange(done, nullptr)) { answers(std::move(response)); }
  }

  HttpCall call;
  HttpUrl url;
  std::function<void(Result<HttpResponse>)> done;
  int64_t deadline_ns = 0;
  bool repeated = false;
};
using PendingCallRef = std::shared_ptr<PendingCall>;

}  // namespace

class HttpClient::Loop final : public Turnable {
 public:
  Loop(World& world, const HttpClientOptions& options) : world_(world), options_(options) {
    worker_ = world_.executor().start_worker("http-client", *this);
    mail_->set_worker(worker_.get());
  }
  ~Loop() override {
    stopping_.store(true);
    worker_->wake();
    mail_->close();
    worker_.reset();
  }

  void post(PendingCallRef call) {
    call->deadline_ns =
        world_.clock().now_ns() +
        (call->call.timeout_ms > 0 ? call->call.timeout_ms : options_.timeout_ms) * kMsToNs;
    mail_->post([this, call = std::move(call)] { begin(call); });
  }
  const HttpClientOptions& options() const { return options_; }
  World& world() { return world_; }

  Turn turn() override {
    if (stopping_.load()) {
      links_.clear();
      waiting_.clear();
      return Turn::stop();
    }
    mail_->run_pending();
    const int64_t now = world_.clock().now_ns();
    expire(now);
    if (mail_->has_mail()) { return Turn::again(); }
    return Turn::sleep_until(next_deadline_ns());
  }

 private:
  struct Link {
    std::string server;
    std::unique_ptr<Connection> connection;
    std::optional<HttpParser> parser;
    PendingCallRef call;  // null: it is idle
    std::string out;
    size_t out_at = 0;
    std::string in;
    bool was_used = false;  // for a call before
    bool got_some = false;  // of this call's answer
    int64_t idle_until_ns = 0;
    std::shared_ptr<std::atomic<bool>> is_queued = std::make_shared<std::atomic<bool>>(false);
  };

  static std::string server_of(const HttpUrl& url) {
    return (url.secure ? "https " : "http ") + url.address.to_string();
  }

  void begin(const PendingCallRef& call) {
    const std::string server = server_of(call->url);
    int32_t open = 0;
    for (auto& [id, link] : links_) {
      if (link.server != server) { continue; }
      ++open;
      if (link.call == nullptr && !call->repeated) {
        start(id, link, call);
        return;
      }
    }
    if (open >= options_.connections_max) {
      waiting_[server].push_back(call);
      return;
    }
    connect(server, call);
  }

  void connect(const std::string& server, const PendingCallRef& call) {
    Network* network = call->url.secure
                           ? options_.tls_network
                           : (options_.network != nullptr ? options_.network : &world_.network());
    if (network == nullptr) {
      call->answer(invalid_argument(ErrorId::kNetworkAddress,
                                    "https is not set up here; what was asked for is {}",
                                    call->call.url));
      return;
    }
    const uint64_t id = next_id_++;
    Link& link = links_[id];
    link.server = server;
    link.connection = network->connect(call->url.address, options_.connect_timeout_ms * kMsToNs,
                                       [this, id, mail = mail_, is_queued = link.is_queued] {
                                         if (is_queued->exchange(true)) { return; }
                                         mail->post([this, id] { on_ready(id); });
                                       });
    start(id, link, call);
  }

  void start(uint64_t id, Link& link, const PendingCallRef& call) {
    link.call = call;
    link.out = head_of(call->url, call->call) + call->call.body;
    link.out_at = 0;
    link.in.clear();
    link.got_some = false;
    new_parser(link);
    step(id, link);
  }
  void new_parser(Link& link) {
    link.parser.emplace(HttpMessageKind::kResponse,
                        HttpParserLimits{.head_bytes_max = options_.head_bytes_max});
    if (link.call->call.method == "HEAD") { link.parser->expect_no_body(); }
  }

  void on_ready(uint64_t id) {
    const auto found = links_.find(id);
    if (found == links_.end()) { return; }
    found->second.is_queued->store(false);
    step(id, found->second);
  }

  // The link may be gone when it returns.
  void step(uint64_t id, Link& link) {
    const Status status = link.call == nullptr ? check_idle(link) : transfer(id, link);
    if (!status.ok()) { fail(id, status); }
  }

  // A server that says something unasked, or ends, is not asked again over this connection.
  static Status check_idle(Link& link) {
    char byte = 0;
    const Result<Transfer> got = link.connection->read({&byte, 1});
    if (got.ok() && got->state == Transfer::State::kWouldBlock) { return {}; }
    return unavailable(ErrorId::kNetworkLost, "the server has closed the connection");
  }

  Status transfer(uint64_t id, Link& link) {
    Status write_failure;
    while (link.out_at < link.out.size()) {
      const Result<Transfer> moved =
          link.connection->write(std::string_view(link.out).substr(link.out_at));
      // A server that refuses may have answered before it stopped reading: so it is read first.
      write_failure = moved.status();
      if (!moved.ok() || moved->state != Transfer::State::kMoved) { break; }
      link.out_at += static_cast<size_t>(moved->bytes);
    }
    // An answer may come before all is sent: a refusal.
    for (int reads = 0; reads < kReadsMax; ++reads) {
      const size_t before = link.in.size();
      link.in.resize(before + kReadBytes);
      Result<Transfer> moved = link.connection->read({link.in.data() + before, kReadBytes});
      const bool has_moved = moved.ok() && moved->state == Transfer::State::kMoved;
      link.in.resize(before + (has_moved ? static_cast<size_t>(moved->bytes) : 0));
      TIDEWHEEL_RETURN_IF_ERROR(moved.status());
      if (moved->state == Transfer::State::kWouldBlock) { return write_failure; }
      if (moved->state == Transfer::State::kEnd) { return on_end(id, link); }
      link.got_some = true;
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_over, parse(id, link));
      if (is_over) { return {}; }
    }
    if (!link.is_queued->exchange(true)) {
      mail_->post([this, id] { on_ready(id); });
    }
    return {};
  }

  // True: the call has its answer, and the link may be gone.
  Result<bool> parse(uint64_t id, Link& link) {
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const size_t used, link.parser->put(link.in));
      link.in.erase(0, used);
      if (link.parser->head_done() && link.parser->status() / 100 == 1) {
        if (link.parser->status() == 101) {
          return invalid_argument(ErrorId::kHttpMessage, "the server answered with 101");
        }
        new_parser(link);
        continue;
      }
      if (link.parser->body_bytes() > options_.body_bytes_max ||
          link.parser->content_length().value_or(0) >
              static_cast<uint64_t>(options_.body_bytes_max)) {
        return resource_exhausted(ErrorId::kHttpLimit, "the answer of {} is longer than {} bytes",
                                  link.call->call.url, options_.body_bytes_max);
      }
      if (link.parser->done()) {
        finish(id, link);
        return true;
      }
      if (used == 0 || link.in.empty()) { return false; }
    }
  }

  Status on_end(uint64_t id, Link& link) {
    if (!link.got_some) {
      return unavailable(ErrorId::kNetworkLost, "{} ended the connection without an answer",
                         link.call->url.address.to_string());
    }
    TIDEWHEEL_RETURN_IF_ERROR(link.parser->put_end());
    finish(id, link);
    return {};
  }

  void finish(uint64_t id, Link& link) {
    HttpParser& parser = *link.parser;
    HttpResponse response{.status = parser.status(), .body = parser.take_body()};
    response.headers = std::move(parser.headers());
    const bool stays = parser.keep_alive() && link.out_at == link.out.size() && link.in.empty() &&
                       idle_count() < options_.idle_connections_max;
    const PendingCallRef call = std::exchange(link.call, nullptr);
    const std::string server = link.server;
    if (stays) {
      link.parser.reset();
      link.out = {};
      link.in = {};
      link.was_used = true;
      link.idle_until_ns = world_.clock().now_ns() + options_.idle_timeout_ms * kMsToNs;
    } else {
      links_.erase(id);
    }
    call->answer(std::move(response));
    next_waiting(server);
  }

  void fail(uint64_t id, const Status& status) {
    auto node = links_.extract(id);
    if (node.empty()) { return; }
    Link& link = node.mapped();
    link.connection.reset();
    const PendingCallRef call = std::exchange(link.call, nullptr);
    if (call != nullptr) {
      if (link.was_used && !link.got_some && !call->repeated && may_repeat(call->call.method) &&
          status.id() != ErrorId::kHttpMessage) {
        call->repeated = true;
        begin(call);
      } else {
        call->answer(Status(status).with_context("{} {}", call->call.method, call->call.url));
      }
    }
    next_waiting(link.server);
  }

  void next_waiting(const std::string& server) {
    const auto found = waiting_.find(server);
    if (found == waiting_.end()) { return; }
    const PendingCallRef call = found->second.front();
    found->second.pop_front();
    if (found->second.empty()) { waiting_.erase(found); }
    begin(call);
  }

  int32_t idle_count() const {
    return static_cast<int32_t>(std::count_if(links_.begin(), links_.end(), [](const auto& link) {
      return link.second.call == nullptr;
    }));
  }

  void expire(int64_t now) {
    std::vector<uint64_t> late;
    for (const auto& [id, link] : links_) {
      if ((link.call == nullptr ? link.idle_until_ns : link.call->deadline_ns) <= now) {
        late.push_back(id);
      }
    }
    for (const uint64_t id : late) {
      const auto found = links_.find(id);
      if (found == links_.end()) { continue; }
      if (found->second.call != nullptr) {
        const PendingCallRef call = std::exchange(found->second.call, nullptr);
        call->answer(too_late(*call));
      }
      fail(id, unavailable(ErrorId::kNetworkLost, "not used any more"));
    }
    for (auto& [server, calls] : waiting_) {
      std::erase_if(calls, [&](const PendingCallRef& call) {
        if (call->deadline_ns > now) { return false; }
        call->answer(too_late(*call));
        return true;
      });
    }
    std::erase_if(waiting_, [](const auto& entry) { return entry.second.empty(); });
  }
  static Status too_late(const PendingCall& call) {
    return deadline_exceeded(ErrorId::kNetworkLost, "{} {}: not answered in time", call.call.method,
                             call.call.url);
  }
  int64_t next_deadline_ns() const {
    int64_t earliest = Clock::kNever;
    for (const auto& [id, link] : links_) {
      earliest =
          std::min(earliest, link.call == nullptr ? link.idle_until_ns : link.call->deadline_ns);
    }
    for (const auto& [server, calls] : waiting_) {
      for (const PendingCallRef& call : calls) { earliest = std::min(earliest, call->deadline_ns); }
    }
    return earliest;
  }

  World& world_;
  const HttpClientOptions options_;
  const std::shared_ptr<http_detail::Mail> mail_ = std::make_shared<http_detail::Mail>();
  std::atomic<bool> stopping_{false};
  // The thread's.
  std::map<uint64_t, Link> links_;
  uint64_t next_id_ = 1;
  std::map<std::string, std::deque<PendingCallRef>> waiting_;  // by server
  std::unique_ptr<Worker> worker_;                             // last: turns until it is destroyed
};

HttpClient::HttpClient(World& world, const HttpClientOptions& options)
    : loop_(std::make_unique<Loop>(world, options)) {}
HttpClient::~HttpClient() = default;

void HttpClient::send(HttpCall call, std::function<void(Result<HttpResponse>)> done) {
  auto pending = std::make_shared<PendingCall>();
  pending->call = std::move(call);
  pending->done = std::move(done);
  Result<HttpUrl> url = HttpUrl::parse(pending->call.url);
  bool is_clean = is_field_text(pending->call.method) &&
                  pending->call.method.find(' ') == std::string::npos &&
                  !pending->call.method.empty();
  for (const auto& [name, value] : pending->call.headers.fields()) {
    is_clean = is_clean && is_field_text(name) && is_field_text(value) && !name.empty();
  }
  if (!url.ok()) {
    pending->answer(url.status());
  } else if (!is_clean) {
    pending->answer(invalid_argument(
        ErrorId::kHttpMessage,
        "a method or header field for {} has a line break or zero byte in it", pending->call.url));
  } else {
    pending->url = std::move(url).value();
    loop_->post(std::move(pending));
  }
}

Result<HttpResponse> HttpClient::call(HttpCall call) {
  const std::shared_ptr<Event> answered = loop_->world().executor().make_event();
  auto response = std::make_shared<std::optional<Result<HttpResponse>>>();
  send(std::move(call), [answered, response](Result<HttpResponse> result) {
    response->emplace(std::move(result));
    answered->set();
  });
  answered->wait();
  return std::move(**response);
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(k <= count ? kDigits[bits >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

std::string basic_authorization(std::string_view user_info) { return "Basic " + base64(user_info); }

}  // namespace tidewheel
