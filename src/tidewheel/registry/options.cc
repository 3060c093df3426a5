#include "tidewheel/registry/options.h"

#include <algorithm>
#include <utility>

#include "tidewheel/http/client.h"
#include "tidewheel/http/message.h"

namespace tidewheel::registry {
namespace {

Status refuse(std::string_view url, const char* why) {
  return invalid_argument(
      ErrorId::kConnectorOption,
      "the URL of a registry is like http://host:8081 or https://host, or several "
      "with commas between them; {}: '{}'",
      why, url);
}

Result<Server> parse_server(std::string_view text) {
  const auto url = HttpUrl::parse(text);
  if (!url.ok()) { return refuse(text, "this is no such URL"); }
  if (url->target.find('?') != std::string::npos) { return refuse(text, "it has no parameters"); }
  Server server;
  server.url = (url->secure ? "https://" : "http://") + url->address.to_string() + url->target;
  while (server.url.ends_with('/')) { server.url.pop_back(); }
  if (!url->user_info.empty()) { server.authorization = basic_authorization(url->user_info); }
  return server;
}

}  // namespace

Result<std::vector<Server>> parse_servers(std::string_view urls) {
  std::vector<Server> servers;
  while (true) {
    const size_t comma = std::min(urls.find(','), urls.size());
    std::string_view url = urls.substr(0, comma);
    while (url.starts_with(' ')) { url.remove_prefix(1); }
    while (url.ends_with(' ')) { url.remove_suffix(1); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Server server, parse_server(url));
    servers.push_back(std::move(server));
    if (comma == urls.size()) { return servers; }
    urls.remove_prefix(comma + 1);
  }
}

}  // namespace tidewheel::registry
