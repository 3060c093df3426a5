// Sends requests of wire_protocol.h to brokers and waits for the answers. For the blocking pool.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/connectors/kafka/wire_protocol.h"

namespace tidewheel {
class Clock;       // base/clock.h
class Executor;    // base/executor.h
class FileSystem;  // base/file_system.h
}  // namespace tidewheel

namespace tidewheel::kafka {

// How brokers are reached, read from a client's properties.
struct WireSettings {
  std::vector<NetworkAddress> bootstrap;
  std::string client_id = "tidewheel";
  int64_t request_timeout_ms = 30'000;
  std::string mechanism;  // of SASL: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"; empty: none
  std::string user;
  std::string password;
  std::optional<TlsOptions> tls;  // of SSL and SASL_SSL

  // Errors: kConnectorOption for what the connector's own client can't do (other mechanisms of
  // SASL, certificates that are not in files), and for brokers that are no addresses; all name the
  // property.
  static Result<WireSettings> from(const Properties& properties);
};

// What a client reaches the world through. All outlive it.
struct WireWorld {
  Network* network = nullptr;
  Executor* executor = nullptr;
  Clock* clock = nullptr;
  FileSystem* files = nullptr;  // of certificates
  uint64_t random = 0;          // drawn for this client; for nonces
};

// Set by whoever does not need the results of calls any more: they end soon, with kCancelled.
using GiveUp = std::shared_ptr<const std::atomic<bool>>;

// Keeps a connection to each broker that was asked. One thread at a time.
class WireClient {
 public:
  WireClient(const WireWorld& world, WireSettings settings, GiveUp give_up);
  ~WireClient();

  // The body of the response. Errors: kKafkaBroker when the broker can't be reached, is too old or
  // takes longer than `deadline_ns` or the request timeout; whether it has done what was asked is
  // not known then. kKafkaAccess: it did not let us in. kTls: certificates can't be read.
  Result<std::string> call(const NetworkAddress& broker, const wire::Request& request,
                           int64_t deadline_ns);
  // Waits; kCancelled when it was given up.
  Status pause(int64_t ms);

  const WireSettings& settings() const { return settings_; }
  Clock& clock() { return *world_.clock; }

 private:
  struct Link;
  struct Readiness;

  Result<Network*> network();
  Result<std::string> call_on(Link& link, const wire::Request& request, int64_t deadline_ns);
  Status prepare(Link& link, int64_t deadline_ns);
  Status check_versions(Link& link, int64_t deadline_ns);
  Status authenticate(Link& link, int64_t deadline_ns);
  Result<std::string> send_proof(Link& link, const std::string& proof, int64_t deadline_ns);
  Status refusal(const Link& link, const wire::SaslAnswer& answer) const;
  Result<std::string> exchange(Link& link, const wire::Request& request, int64_t deadline_ns);
  Status write_all(Link& link, std::string_view bytes, int64_t deadline_ns);
  Status read_all(Link& link, std::string& into, size_t size, int64_t deadline_ns);
  Status wait_for(Link& link, int64_t deadline_ns);

  const WireWorld world_;
  const WireSettings settings_;
  const GiveUp give_up_;
  int32_t next_correlation_ = 1;
  std::unique_ptr<Network> tls_;  // null until the first call, or without TLS
  std::string without_tls_;       // the broker with which the last call failed for TLS; empty: none
  std::map<std::string, std::unique_ptr<Link>> links_;  // by address
};

}  // namespace tidewheel::kafka
