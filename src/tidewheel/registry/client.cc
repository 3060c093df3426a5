#include "tidewheel/registry/client.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/posix_file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/http/client.h"
#include "tidewheel/registry/answers.h"
#include "tidewheel/registry/known.h"

namespace tidewheel::registry {
namespace {

constexpr int64_t kMsToNs = 1'000'000;
constexpr int64_t kAnswerBytesMax = int64_t{16} << 20;
constexpr int64_t kMissingForNs = 10'000 * kMsToNs;
constexpr size_t kReferencesMax = 200;
// A server that is being restarted may break a handshake off; a certificate that is not believed
// stays so.
constexpr int32_t kTlsFailuresMax = 3;
constexpr int32_t kNotFound = 404;
constexpr int32_t kTooMany = 429;

// The parts of the world that a client of HTTP needs.
class NetworkWorld final : public World {
 public:
  explicit NetworkWorld(const FormatContext& context) : context_(context) {}
  Clock& clock() override { return *context_.clock; }
  Executor& executor() override { return *context_.executor; }
  Network& network() override { return *context_.network; }
  FileSystem& files() override { none(); }
  Logger& logger() override { none(); }
  Random fork_random() override { none(); }
  std::optional<std::string> environment(const std::string&) override { none(); }
  int64_t memory_bytes() const override { none(); }

 private:
  [[noreturn]] static void none() {
    TIDEWHEEL_CHECK(false, "a client of a registry needs no such part of the world");
    __builtin_unreachable();
  }
  const FormatContext& context_;
};

// An answer on its way from the client's thread to the call's.
struct Inbox {
  LeafLock lock;
  std::optional<Result<HttpResponse>> answer;  // under the lock
};

bool may_pass(int32_t status) { return status >= 500 || status == kTooMany; }

std::string version_target(const SchemaAnswer::Reference& reference) {
  return "/subjects/" + percent_encode(reference.subject) + "/versions/" +
         std::to_string(reference.version);
}

}  // namespace

// What is asked, in one or several calls, and what became of it. The worker's until it is done.
struct Client::Request {
  virtual ~Request() = default;
  // The next call, whose URL is without the server's; nothing: all has been asked.
  virtual std::optional<HttpCall> next() = 0;
  // An answer of success to it.
  virtual Status take(const std::string& body) = 0;
  virtual std::string what() const = 0;  // for messages
};

// Makes the calls of one request, on a worker of its own: to the servers in turn, with pauses.
// Workers must not be waited for in a turn, as a slot's is: so it goes on the blocking pool.
class Client::Call final : public Turnable {
 public:
  Call(std::shared_ptr<const Options> options, const FormatContext& context,
       std::unique_ptr<Request> request)
      : options_(std::move(options)),
        context_(context),
        request_(std::move(request)),
        finished_(context.executor->make_event()),
        world_(context_) {
    worker_ = context_.executor->start_worker("schema-registry", *this);
    worker_seen_.store(worker_.get(), std::memory_order_release);
    worker_->wake();  // what came before it was seen
  }
  ~Call() override {
    worker_gate_->close();
    worker_.reset();  // waits for its end
  }
  // The owner's last call: nobody is woken any more once it returns.
  static void dismiss(std::shared_ptr<Call> call) {
    call->owner_gate_->close();
    call->cancelled_.store(true, std::memory_order_release);
    call->worker_->wake();
    Executor& executor = *call->context_.executor;
    executor.run_blocking([gone = std::move(call)]() mutable { gone.reset(); });
  }

  bool is_done() const { return done_.load(std::memory_order_acquire); }
  // Blocks.
  void wait() { static_cast<void>(finished_->wait()); }
  // Once it is done.
  const Status& status() const { return status_; }
  Request& request() { return *request_; }

  Turn turn() override {
    if (cancelled_.load(std::memory_order_acquire) || is_done()) { return Turn::stop(); }
    if (inbox_ == nullptr) {
      if (context_.clock->now_ns() < resume_ns_) { return Turn::sleep_until(resume_ns_); }
      if (http_ == nullptr) {
        Status status = make_http();
        if (!status.ok()) { return finish(std::move(status)); }
      }
      return begin() ? Turn::sleep_until(Clock::kNever) : finish({});
    }
    std::optional<Result<HttpResponse>> answer;
    {
      const std::lock_guard guard(inbox_->lock);
      answer.swap(inbox_->answer);
    }
    if (!answer.has_value()) { return Turn::sleep_until(Clock::kNever); }
    inbox_.reset();
    return take(std::move(*answer));
  }

 private:
  const Server& server() const { return options_->servers[server_ % options_->servers.size()]; }
  // False: there is nothing more to ask.
  bool begin() {
    if (!pending_.has_value()) { pending_ = request_->next(); }
    if (!pending_.has_value()) { return false; }
    HttpCall call = *pending_;
    call.url = server().url + call.url;
    const std::string& authorization =
        server().authorization.empty() ? options_->authorization : server().authorization;
    if (!authorization.empty()) { call.headers.add("Authorization", authorization); }
    call.headers.add("Accept", "application/vnd.schemaregistry.v1+json, application/json");
    if (!call.body.empty()) {
      call.headers.add("Content-Type", "application/vnd.schemaregistry.v1+json");
    }
    inbox_ = std::make_shared<Inbox>();
    http_->send(std::move(call),
                [this, gate = worker_gate_, inbox = inbox_](Result<HttpResponse> answer) {
                  {
                    const std::lock_guard guard(inbox->lock);
                    inbox->answer = std::move(answer);
                  }
                  if (!gate->enter()) { return; }
                  Worker* const worker = worker_seen_.load(std::memory_order_acquire);
                  if (worker != nullptr) { worker->wake(); }
                  gate->leave();
                });
    return true;
  }
  Turn take(Result<HttpResponse> answer) {
    if (!answer.ok() && answer.status().id() == ErrorId::kTls &&
        ++tls_failures_ >= kTlsFailuresMax) {
      return finish(invalid_argument(ErrorId::kSchemaRegistry,
                                     "{}: no TLS with the registry at {}: {}", request_->what(),
                                     server().url, answer.status().message()));
    }
    if (!answer.ok()) { return retry(answer.status().message()); }
    constexpr int32_t kSuccess = 2;
    if (answer->status / 100 == kSuccess) {
      pending_.reset();
      attempts_ = 0;
      const Status status = request_->take(answer->body);
      return status.ok() ? Turn::again() : finish(status);
    }
    const std::string text = refusal_text(answer->status, answer->body);
    if (may_pass(answer->status)) { return retry("it says: " + text); }
    if (answer->status == kNotFound) {
      return finish(
          not_found(ErrorId::kSchemaRegistry, "{}: the registry says: {}", request_->what(), text));
    }
    return finish(invalid_argument(ErrorId::kSchemaRegistry, "{}: the registry says: {}",
                                   request_->what(), text));
  }
  Turn retry(const std::string& why) {
    ++attempts_;
    if (attempts_ >= options_->attempts_max) {
      return finish(unavailable(ErrorId::kSchemaRegistry,
                                "{}: the registry can't be used, after {} attempts, the last one "
                                "at {}: {}",
                                request_->what(), attempts_, server().url, why));
    }
    ++server_;
    const auto round = static_cast<int32_t>(options_->servers.size());
    if (attempts_ % round != 0) { return Turn::again(); }
    constexpr int32_t kDoublingsMax = 20;
    const int64_t pause = options_->pause_ms << std::min(attempts_ / round - 1, kDoublingsMax);
    resume_ns_ = context_.clock->now_ns() + std::min(pause, options_->pause_max_ms) * kMsToNs;
    return Turn::sleep_until(resume_ns_);
  }
  Turn finish(Status status) {
    status_ = std::move(status);
    done_.store(true, std::memory_order_release);
    finished_->set();
    if (context_.wake && owner_gate_->enter()) {
      context_.wake();
      owner_gate_->leave();
    }
    return Turn::stop();
  }
  // Here and not before: files of certificates are read, on this worker.
  Status make_http() {
    HttpClientOptions made;
    made.connect_timeout_ms = options_->connect_timeout_ms;
    made.timeout_ms = options_->timeout_ms;
    made.body_bytes_max = kAnswerBytesMax;
    const bool is_secure =
        std::any_of(options_->servers.begin(), options_->servers.end(),
                    [](const Server& one) { return one.url.starts_with("https"); });
    if (is_secure) {
      const auto files = make_posix_file_system();
      auto network = make_tls_network(*context_.network, *files, options_->tls);
      if (!network.ok()) {
        return invalid_argument(ErrorId::kSchemaRegistry, "{}: TLS can't be set up: {}",
                                request_->what(), network.status().message());
      }
      tls_ = std::move(*network);
      made.tls_network = tls_.get();
    }
    http_ = std::make_unique<HttpClient>(world_, made);
    return {};
  }

  const std::shared_ptr<const Options> options_;
  const FormatContext context_;
  const std::unique_ptr<Request> request_;
  const std::unique_ptr<Event> finished_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> done_{false};
  // The worker's.
  std::optional<HttpCall> pending_;
  std::shared_ptr<Inbox> inbox_;  // while an answer is awaited
  size_t server_ = 0;
  int32_t attempts_ = 0;
  int64_t resume_ns_ = INT64_MIN;
  Status status_;

  const std::shared_ptr<CompletionGate> owner_gate_ = CompletionGate::create();
  const std::shared_ptr<CompletionGate> worker_gate_ = CompletionGate::create();
  NetworkWorld world_;
  int32_t tls_failures_ = 0;
  std::unique_ptr<Network> tls_;
  std::unique_ptr<HttpClient> http_;
  std::atomic<Worker*> worker_seen_{nullptr};
  std::unique_ptr<Worker> worker_;
};

Client::Client(Options options, FormatContext context)
    : options_(std::make_shared<const Options>(std::move(options))), context_(std::move(context)) {}
Client::~Client() {
  for (auto& [id, known] : schemas_) { dismiss(known.call); }
  for (auto& [key, call] : id_calls_) { dismiss(call); }
}

void Client::dismiss(std::shared_ptr<Call>& call) {
  if (call != nullptr) { Call::dismiss(std::exchange(call, nullptr)); }
}

// Begins the call, or looks whether it is done. OK: its request has what was asked for.
template <class Make>
Status Client::run(std::shared_ptr<Call>& call, const Make& make) {
  if (call == nullptr) { call = std::make_shared<Call>(options_, context_, make()); }
  if (!context_.wake) { call->wait(); }
  if (!call->is_done()) {
    return unavailable(ErrorId::kFormatNotYet, "the registry of schemas is being asked");
  }
  return call->status();
}

Result<std::shared_ptr<const RegisteredSchema>> Client::schema(int32_t id) {
  // A schema, then those that it refers to, depth first; each is added behind what it refers to.
  struct Lookup final : Request {
    explicit Lookup(int32_t schema_id) : id(schema_id) {}
    std::optional<HttpCall> next() override {
      if (!asked) { return HttpCall{.url = "/schemas/ids/" + std::to_string(id)}; }
      while (!open.empty()) {
        SchemaAnswer& top = open.back().answer;
        if (top.references.empty()) {
          found.texts.push_back(std::move(top.schema));
          found.names.push_back(std::move(open.back().name));
          open.pop_back();
          continue;
        }
        const SchemaAnswer::Reference reference = top.references.front();
        top.references.erase(top.references.begin());
        if (!seen.insert(version_target(reference)).second) { continue; }
        name = reference.name;
        return HttpCall{.url = version_target(reference)};
      }
      return std::nullopt;
    }
    Status take(const std::string& body) override {
      TIDEWHEEL_ASSIGN_OR_RETURN(SchemaAnswer answer, parse_schema_answer(body));
      if (!asked) { found.type = answer.type; }
      asked = true;
      if (seen.size() > kReferencesMax) {
        return invalid_argument(ErrorId::kSchemaRegistry, "{} refers to more than {} others",
                                what(), kReferencesMax);
      }
      open.push_back({std::move(answer), std::exchange(name, {})});
      return {};
    }
    std::string what() const override { return "schema " + std::to_string(id); }

    const int32_t id;
    bool asked = false;
    struct Open {
      SchemaAnswer answer;
      std::string name;
    };
    std::string name;  // of what is asked for
    std::vector<Open> open;
    std::set<std::string> seen;
    RegisteredSchema found;
  };
  if (!schemas_.contains(id)) { make_room(); }
  Entry& known = schemas_[id];
  if (known.schema != nullptr) { return known.schema; }
  if (!known.missing.ok() && context_.clock->now_ns() < known.missing_until_ns) {
    return known.missing;
  }
  const Status status = run(known.call, [&] { return std::make_unique<Lookup>(id); });
  if (status.ok()) {
    known.schema = std::make_shared<const RegisteredSchema>(
        std::move(static_cast<Lookup&>(known.call->request()).found));
    dismiss(known.call);
    return known.schema;
  }
  if (status.id() == ErrorId::kFormatNotYet) { return status; }
  dismiss(known.call);
  if (status.code() == StatusCode::kNotFound) {
    known.missing = status;
    known.missing_until_ns = context_.clock->now_ns() + kMissingForNs;
  }
  return status;
}

void Client::make_room() {
  if (schemas_.size() < kKnownMax) { return; }
  // Ids that nobody knows, of messages that are none; or else all, to be asked for again.
  std::erase_if(schemas_, [](const auto& entry) { return !entry.second.missing.ok(); });
  if (schemas_.size() < kKnownMax) { return; }
  std::erase_if(schemas_, [](const auto& entry) { return entry.second.call == nullptr; });
}

Result<std::shared_ptr<const RegisteredSchema>> Client::schema_of_record(int32_t id,
                                                                         std::string_view type) {
  auto found = schema(id);
  if (!found.ok()) {
    const Status& status = found.status();
    if (status.code() != StatusCode::kNotFound) { return status; }
    return invalid_argument(ErrorId::kRecordMalformed, "{}", status.message());
  }
  if ((*found)->type != type) {
    return invalid_argument(ErrorId::kFormatSchema, "schema {} is of type {}, and not {}", id,
                            (*found)->type, type);
  }
  return found;
}

Result<int32_t> Client::id_of(const std::string& subject, const RegisteredSchema& schema,
                              bool registers) {
  struct Registration final : Request {
    std::optional<HttpCall> next() override {
      if (done) { return std::nullopt; }
      return request;
    }
    Status take(const std::string& body) override {
      done = true;
      TIDEWHEEL_ASSIGN_OR_RETURN(id, parse_id_answer(body));
      return {};
    }
    std::string what() const override { return "subject '" + subject + "'"; }

    HttpCall request;
    std::string subject;
    bool done = false;
    int32_t id = 0;
  };
  std::string key = subject;
  key += '\0';
  key += schema.texts.back();
  if (const auto it = ids_.find(key); it != ids_.end()) { return it->second; }
  std::shared_ptr<Call>& call = id_calls_[key];
  const Status status = run(call, [&] {
    auto request = std::make_unique<Registration>();
    request->subject = subject;
    request->request.method = "POST";
    request->request.url = "/subjects/" + percent_encode(subject) + (registers ? "/versions" : "");
    request->request.body = schema_body(schema.type, schema.texts.back());
    return request;
  });
  if (!status.ok()) {
    if (status.id() != ErrorId::kFormatNotYet) {
      dismiss(call);
      id_calls_.erase(key);
    }
    return status;
  }
  const int32_t id = static_cast<Registration&>(call->request()).id;
  dismiss(call);
  id_calls_.erase(key);
  ids_[key] = id;
  return id;
}

}  // namespace tidewheel::registry
