// Talks to a cluster by its REST API, as the commands of the command line need it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/rest/json_value.h"

namespace tidewheel {

class World;  // base/world.h

struct ClusterClientOptions {
  std::string address;  // "host:port" or a URL; empty: rest.address and rest.port
  Config config;
  Network* tls_network =
      nullptr;  // for https, which then is what an address without a scheme means
};

// One thread. Calls block; those that the cluster can't answer now (a change of its leader) are
// made again, rest.retry.max-attempts times.
class ClusterClient {
 public:
  // Errors: kNetworkAddress, those of the token file.
  static Result<std::unique_ptr<ClusterClient>> open(World& world, ClusterClientOptions options);
  ~ClusterClient();

  const std::string& address() const { return base_; }
  // The answer's body. Errors: kHttpStatus, by its code as kNotFound, kFailedPrecondition and so
  // on, with what the cluster says; kNetworkConnect when nobody is there.
  Result<JsonValue> get(const std::string& path);
  Result<JsonValue> send(const std::string& method, const std::string& path,
                         const std::string& body = "{}");
  // Text, of a log.
  Result<std::string> get_text(const std::string& path);
  // Sends a program; returns its id.
  Result<std::string> upload(const std::string& path);
  // Waits for an operation: `path` is asked for it until it is completed. Returns what it gives.
  Result<JsonValue> wait_for(const std::string& path);
  // The id of the job that is named by its id, the beginning of it, or its name. Errors:
  // kUnknownJob when none is, or several are.
  Result<std::string> find_job(const std::string& name);
  void pause_ms(int64_t ms);

 private:
  struct Parts;
  ClusterClient(World& world, std::string base);
  Result<std::string> call(const std::string& method, const std::string& path,
                           const std::string& body, const std::string& content_type);

  World& world_;
  std::string base_;  // "http://host:port"
  std::string token_;
  int64_t retries_ = 0;
  int64_t retry_delay_ms_ = 0;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tidewheel
