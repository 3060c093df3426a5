// How a registry of schemas is reached.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/base/tls_network.h"

namespace tidewheel::registry {

struct Server {
  std::string url;            // without user, password and a '/' at its end
  std::string authorization;  // of "http://user:password@host"; empty: none
};

struct Options {
  std::vector<Server> servers;  // of one registry: the next is asked when one does not answer
  std::string authorization;    // the field's value for servers that have none of their own
  TlsOptions tls;               // of https; files are read when the first call is made
  int64_t connect_timeout_ms = 5'000;
  int64_t timeout_ms = 10'000;  // of one call
  // How often a call is made, to all servers together, until it is given up; with a pause after
  // each round of all servers that doubles up to the longest.
  int32_t attempts_max = 12;
  int64_t pause_ms = 100;
  int64_t pause_max_ms = 10'000;
};

// "http://host:8081/path" or https, several with commas between them. Errors: kConnectorOption.
Result<std::vector<Server>> parse_servers(std::string_view urls);

}  // namespace tidewheel::registry
