#include "tidewheel/base/network.h"

#include "tidewheel/base/config.h"

namespace tidewheel {

std::string NetworkAddress::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<NetworkAddress> NetworkAddress::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const Result<int64_t> port =
      parse_int(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (host.empty() || !port.ok() || *port < 0 || *port > 65535) {
    return invalid_argument(ErrorId::kNetworkAddress,
                            "'{}' is not an address; write host:port, port from 0 to 65535", text);
  }
  return NetworkAddress{std::string(host), static_cast<uint16_t>(*port)};
}

}  // namespace tidewheel
