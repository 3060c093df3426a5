// The REST API of a cluster, as Flink's clients and dashboard know it (docs/guide/rest.md).
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class ClusterGateway;  // cluster/gateway.h
class Config;          // base/config.h
class Profiler;        // cluster/profiler.h
class World;           // base/world.h

struct RestServerOptions {
  Network* network = nullptr;    // null: the world's; or one with TLS
  bool is_secure = false;        // the network has TLS: addresses begin with https
  bool is_history = false;       // only jobs that have ended are shown
  Profiler* profiler = nullptr;  // outlives it; null: no profiles are taken
};

// Has threads of its own. The world and the gateway outlive it.
class RestServer {
 public:
  // Listens at rest.bind-address and the first free port of rest.bind-port (or at rest.port).
  // Errors: kNetworkAddress when none is free, kBadOptionValue, those of the token file.
  static Result<std::unique_ptr<RestServer>> open(World& world, const Config& config,
                                                  ClusterGateway& gateway,
                                                  const RestServerOptions& options = {});
  // Answers that have not come are not waited for.
  ~RestServer();
  RestServer(const RestServer&) = delete;
  RestServer& operator=(const RestServer&) = delete;

  uint16_t port() const;
  // "http://host:port", by rest.address.
  std::string address() const;
  // Nobody is owed the outcome of an asynchronous operation: what has ended was asked for, or is
  // older than rest.async.store-duration. A cluster that ends waits for it.
  bool is_drained() const;

 private:
  struct Parts;
  explicit RestServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tidewheel
