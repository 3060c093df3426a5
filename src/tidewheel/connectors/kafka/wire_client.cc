#include "tidewheel/connectors/kafka/wire_client.h"

#include <algorithm>
#include <mutex>
#include <span>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/connectors/kafka/sasl.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A call that was given up is noticed so late at most.
constexpr int64_t kLookAgainNs = 200 * kNsPerMs;
constexpr char kScram256[] = "SCRAM-SHA-256";
constexpr char kScram512[] = "SCRAM-SHA-512";

std::string property(const Properties& properties, const std::string& key, std::string fallback) {
  const auto found = properties.find(key);
  return found == properties.end() ? std::move(fallback) : found->second;
}

std::string in_lower_case(std::string text) {
  for (char& c : text) { c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }
  return text;
}

Result<std::vector<NetworkAddress>> parse_brokers(std::string_view list) {
  std::vector<NetworkAddress> addresses;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!one.empty() && one.front() == ' ') { one.remove_prefix(1); }
    while (!one.empty() && one.back() == ' ') { one.remove_suffix(1); }
    if (const size_t scheme = one.find("://"); scheme != std::string_view::npos) {
      one.remove_prefix(scheme + 3);
    }
    if (one.empty()) { continue; }
    // The port may be left out, as librdkafka allows it.
    const std::string text =
        one.find(':') == std::string_view::npos ? std::string(one) + ":9092" : std::string(one);
    TIDEWHEEL_ASSIGN_OR_RETURN(NetworkAddress address, NetworkAddress::parse(text));
    addresses.push_back(std::move(address));
  }
  return addresses;
}

bool is_sasl(std::string_view protocol) { return protocol.starts_with("sasl_"); }
bool is_tls(std::string_view protocol) { return protocol == "ssl" || protocol == "sasl_ssl"; }

// librdkafka's names, and Kafka's own.
Result<TlsOptions> tls_options(const Properties& properties) {
  TlsOptions tls;
  tls.verifies_host = true;
  for (const auto& [name, value] : properties) {
    if (name == "ssl.ca.location" || name == "ssl.truststore.location") {
      tls.truststore = value;
    } else if (name == "ssl.certificate.location" || name == "ssl.keystore.location") {
      tls.keystore = value;
    } else if (name == "ssl.key.location") {
      tls.key_file = value;
    } else if (name == "ssl.key.password") {
      tls.key_password = value;
    } else if (name == "ssl.keystore.password") {
      tls.keystore_password = value;
    } else if (name == "ssl.cipher.suites") {
      tls.algorithms = value;
    } else if (name == "ssl.endpoint.identification.algorithm") {
      tls.verifies_host = !value.empty() && value != "none";
    } else if (name == "enable.ssl.certificate.verification" && value == "true") {
      continue;
    } else if ((name.starts_with("ssl.") || name.starts_with("enable.ssl.")) &&
               name != "ssl.truststore.type" && name != "ssl.keystore.type") {
      return invalid_argument(
          ErrorId::kConnectorOption,
          "exactly-once delivery to Kafka over TLS can't go by the property {} = '{}'; it takes "
          "files: ssl.ca.location, ssl.certificate.location, ssl.key.location and "
          "ssl.keystore.location, with ssl.key.password, ssl.keystore.password, "
          "ssl.cipher.suites and ssl.endpoint.identification.algorithm",
          name, name.find("password") == std::string::npos ? value : "***");
    }
  }
  return tls;
}

}  // namespace

Result<WireSettings> WireSettings::from(const Properties& properties) {
  WireSettings settings;
  const std::string protocol =
      in_lower_case(property(properties, "security.protocol", "plaintext"));
  if (protocol != "plaintext" && protocol != "sasl_plaintext" && !is_tls(protocol)) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "the property security.protocol can be plaintext, ssl, sasl_plaintext "
                            "or sasl_ssl, not '{}'",
                            protocol);
  }
  if (is_tls(protocol)) { TIDEWHEEL_ASSIGN_OR_RETURN(settings.tls, tls_options(properties)); }
  if (is_sasl(protocol)) {
    settings.mechanism =
        property(properties, "sasl.mechanism", property(properties, "sasl.mechanisms", "GSSAPI"));
    if (settings.mechanism != "PLAIN" && settings.mechanism != kScram256 &&
        settings.mechanism != kScram512) {
      return invalid_argument(
          ErrorId::kConnectorOption,
          "exactly-once delivery to Kafka works with the property sasl.mechanism of PLAIN, {} or "
          "{}, not '{}': take another mechanism or another delivery guarantee",
          kScram256, kScram512, settings.mechanism);
    }
    const std::string jaas = property(properties, "sasl.jaas.config", "");
    settings.user = property(properties, "sasl.username", jaas_value(jaas, "username"));
    settings.password = property(properties, "sasl.password", jaas_value(jaas, "password"));
  }
  const Result<std::vector<NetworkAddress>> brokers =
      parse_brokers(property(properties, "bootstrap.servers", ""));
  if (!brokers.ok() || brokers->empty()) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "the property bootstrap.servers names Kafka's brokers, such as "
                            "'host:9092,other:9092', not '{}'",
                            property(properties, "bootstrap.servers", ""));
  }
  settings.bootstrap = *brokers;
  settings.client_id = property(properties, "client.id", settings.client_id);
  return settings;
}

// ---- A connection, and the wait for it

struct WireClient::Readiness {
  LeafLock lock;
  std::shared_ptr<Event> waiting;  // guarded by lock
  bool is_ready = false;           // guarded by lock; since the last wait

  void note() {
    std::shared_ptr<Event> event;
    {
      const std::lock_guard guard(lock);
      is_ready = true;
      event = waiting;
    }
    if (event != nullptr) { event->set(); }
  }
  void wait(Executor& executor, int64_t deadline_ns) {
    const std::shared_ptr<Event> event = executor.make_event();
    {
      const std::lock_guard guard(lock);
      if (std::exchange(is_ready, false)) { return; }
      waiting = event;
    }
    event->wait(deadline_ns);
    const std::lock_guard guard(lock);
    waiting = nullptr;
    is_ready = false;
  }
};

struct WireClient::Link {
  NetworkAddress address;
  std::shared_ptr<Readiness> readiness = std::make_shared<Readiness>();
  std::unique_ptr<Connection> connection;
  bool is_prepared = false;
};

WireClient::WireClient(const WireWorld& world, WireSettings settings, GiveUp give_up)
    : world_(world), settings_(std::move(settings)), give_up_(std::move(give_up)) {}
WireClient::~WireClient() = default;

Status WireClient::pause(int64_t ms) {
  const int64_t until_ns = world_.clock->now_ns() + ms * kNsPerMs;
  const std::unique_ptr<Event> never_set = world_.executor->make_event();
  while (world_.clock->now_ns() < until_ns) {
    if (give_up_->load(std::memory_order_acquire)) {
      return cancelled(ErrorId::kKafkaBroker, "a request to Kafka was given up");
    }
    never_set->wait(std::min(until_ns, world_.clock->now_ns() + kLookAgainNs));
  }
  return ok_status();
}

Result<Network*> WireClient::network() {
  if (!settings_.tls.has_value()) { return world_.network; }
  if (tls_ == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(tls_,
                               make_tls_network(*world_.network, *world_.files, *settings_.tls));
  }
  return tls_.get();
}

Result<std::string> WireClient::call(const NetworkAddress& broker, const wire::Request& request,
                                     int64_t deadline_ns) {
  const int64_t until_ns =
      std::min(deadline_ns, world_.clock->now_ns() + settings_.request_timeout_ms * kNsPerMs);
  std::unique_ptr<Link>& link = links_[broker.to_string()];
  if (link == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Network* const network, this->network());
    link = std::make_unique<Link>();
    link->address = broker;
    link->connection =
        network->connect(broker, std::max<int64_t>(until_ns - world_.clock->now_ns(), 1),
                         [readiness = link->readiness] { readiness->note(); });
  }
  Result<std::string> body = call_on(*link, request, until_ns);
  if (body.ok()) { return body; }
  // An answer that comes late must not be taken for that to a later request.
  link = nullptr;
  const Status failure = std::move(body).status();
  // A broker that is being stopped may end a handshake too, but not twice in a row.
  const std::string before = std::exchange(
      without_tls_, failure.id() == ErrorId::kTls ? broker.to_string() : std::string());
  if (failure.id() == ErrorId::kTls && before == without_tls_) {
    return failed_precondition(ErrorId::kKafkaAccess, "no TLS with Kafka's broker {}: {}",
                               broker.to_string(), failure.message());
  }
  if (failure.id() == ErrorId::kKafkaAccess || failure.code() == StatusCode::kCancelled ||
      failure.code() == StatusCode::kUnimplemented) {
    return failure;
  }
  return unavailable(ErrorId::kKafkaBroker, "Kafka's broker {} gave no answer to {}: {}",
                     broker.to_string(), api_name(request.api), failure.message());
}

Result<std::string> WireClient::call_on(Link& link, const wire::Request& request,
                                        int64_t deadline_ns) {
  if (!link.is_prepared) {
    TIDEWHEEL_RETURN_IF_ERROR(prepare(link, deadline_ns));
    link.is_prepared = true;
  }
  return exchange(link, request, deadline_ns);
}

// ---- What comes first on a connection

Status WireClient::prepare(Link& link, int64_t deadline_ns) {
  TIDEWHEEL_RETURN_IF_ERROR(check_versions(link, deadline_ns));
  return settings_.mechanism.empty() ? ok_status() : authenticate(link, deadline_ns);
}

Status WireClient::check_versions(Link& link, int64_t deadline_ns) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body,
                             exchange(link, wire::api_versions(), deadline_ns));
  TIDEWHEEL_ASSIGN_OR_RETURN(const wire::ApiVersions versions, wire::read_api_versions(body));
  for (const auto& range : versions.ranges) {
    if (range.api == static_cast<int16_t>(wire::Api::kDescribeTransactions)) { return ok_status(); }
  }
  return unimplemented(
      ErrorId::kKafkaBroker,
      "exactly-once delivery needs brokers of Kafka 3.0 or later, which can describe transactions: "
      "{} can't",
      link.address.to_string());
}

Status WireClient::authenticate(Link& link, int64_t deadline_ns) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string hello,
      exchange(link, wire::sasl_handshake(settings_.mechanism), deadline_ns));
  TIDEWHEEL_ASSIGN_OR_RETURN(const wire::Simple offered, wire::read_sasl_handshake(hello));
  if (offered.error != wire::ErrorCode::kNone) { return refusal(link, {offered.error, {}, {}}); }
  if (settings_.mechanism == "PLAIN") {
    std::string proof(1, '\0');
    proof += settings_.user;
    proof += '\0';
    proof += settings_.password;
    return send_proof(link, proof, deadline_ns).status();
  }
  // Unlike those of other clients and of other connections of this one.
  std::string nonce =
      fmt::format("{:016x}{:016x}{:08x}", world_.random, world_.clock->now_ns(), next_correlation_);
  Scram scram(settings_.mechanism == kScram256 ? ScramHash::kSha256 : ScramHash::kSha512,
              settings_.user, settings_.password, std::move(nonce));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string challenge,
                             send_proof(link, scram.first(), deadline_ns));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string proof, scram.finish(challenge));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string verdict, send_proof(link, proof, deadline_ns));
  return scram.check(verdict);
}

// What the broker says to it.
Result<std::string> WireClient::send_proof(Link& link, const std::string& proof,
                                           int64_t deadline_ns) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body,
                             exchange(link, wire::sasl_authenticate(proof), deadline_ns));
  TIDEWHEEL_ASSIGN_OR_RETURN(wire::SaslAnswer answer, wire::read_sasl_answer(body));
  if (answer.error != wire::ErrorCode::kNone) { return refusal(link, answer); }
  return std::move(answer.bytes);
}

Status WireClient::refusal(const Link& link, const wire::SaslAnswer& answer) const {
  return failed_precondition(ErrorId::kKafkaAccess,
                             "Kafka's broker {} did not let user '{}' in with SASL {}: {} {}",
                             link.address.to_string(), settings_.user, settings_.mechanism,
                             wire::error_text(answer.error), answer.message);
}

// ---- Bytes

Result<std::string> WireClient::exchange(Link& link, const wire::Request& request,
                                         int64_t deadline_ns) {
  const int32_t correlation = next_correlation_;
  next_correlation_ = next_correlation_ == INT32_MAX ? 1 : next_correlation_ + 1;
  TIDEWHEEL_RETURN_IF_ERROR(
      write_all(link, wire::frame(request, correlation, settings_.client_id), deadline_ns));
  std::string bytes;
  TIDEWHEEL_RETURN_IF_ERROR(read_all(link, bytes, 4, deadline_ns));
  uint32_t size = 0;
  for (const char c : bytes) { size = size << 8 | static_cast<unsigned char>(c); }
  if (size > static_cast<uint32_t>(wire::kResponseBytesMax)) {
    return unavailable(ErrorId::kNetworkLost, "a response of {} bytes: is this a Kafka broker?",
                       size);
  }
  TIDEWHEEL_RETURN_IF_ERROR(read_all(link, bytes, size, deadline_ns));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view body,
                             wire::open_response(request, correlation, bytes));
  return std::string(body);
}

Status WireClient::write_all(Link& link, std::string_view bytes, int64_t deadline_ns) {
  while (!bytes.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer transfer, link.connection->write(bytes));
    if (transfer.state == Transfer::State::kMoved) {
      bytes.remove_prefix(static_cast<size_t>(transfer.bytes));
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(wait_for(link, deadline_ns));
    }
  }
  return ok_status();
}

// Replaces `into`. Grows with what comes, not with what was promised.
Status WireClient::read_all(Link& link, std::string& into, size_t size, int64_t deadline_ns) {
  constexpr size_t kStepBytes = 64 * 1024;
  into.clear();
  while (into.size() < size) {
    const size_t before = into.size();
    into.resize(std::min(size, before + kStepBytes));
    const Result<Transfer> transfer = link.connection->read(std::span<char>(into).subspan(before));
    into.resize(before + (transfer.ok() ? static_cast<size_t>(transfer->bytes) : 0));
    TIDEWHEEL_RETURN_IF_ERROR(transfer.status());
    if (transfer->state == Transfer::State::kEnd) {
      return unavailable(ErrorId::kNetworkLost, "it has closed the connection");
    }
    if (transfer->state == Transfer::State::kWouldBlock) {
      TIDEWHEEL_RETURN_IF_ERROR(wait_for(link, deadline_ns));
    }
  }
  return ok_status();
}

Status WireClient::wait_for(Link& link, int64_t deadline_ns) {
  const int64_t now_ns = world_.clock->now_ns();
  if (now_ns >= deadline_ns) {
    return deadline_exceeded(ErrorId::kNetworkLost, "it takes too long");
  }
  if (give_up_->load(std::memory_order_acquire)) {
    return cancelled(ErrorId::kKafkaBroker, "a request to Kafka was given up");
  }
  link.readiness->wait(*world_.executor, std::min(deadline_ns, now_ns + kLookAgainNs));
  return ok_status();
}

}  // namespace tidewheel::kafka
