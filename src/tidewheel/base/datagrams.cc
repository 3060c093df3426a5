#include "tidewheel/base/datagrams.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tidewheel {

Result<std::unique_ptr<DatagramSender>> DatagramSender::open(const NetworkAddress& to) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &wanted, &found);
  if (failure != 0) {
    return unavailable(ErrorId::kNetworkAddress, "datagrams to {}: {}", to.to_string(),
                       ::gai_strerror(failure));
  }
  int socket = -1;
  int error = 0;
  for (const addrinfo* one = found; one != nullptr && socket < 0; one = one->ai_next) {
    socket = ::socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket >= 0 && ::connect(socket, one->ai_addr, one->ai_addrlen) != 0) {
      error = errno;
      ::close(socket);
      socket = -1;
    }
  }
  ::freeaddrinfo(found);
  if (socket < 0) {
    return unavailable(ErrorId::kNetworkAddress, "datagrams to {}: {}", to.to_string(),
                       std::strerror(error));
  }
  return std::unique_ptr<DatagramSender>(new DatagramSender(socket, to));
}

DatagramSender::DatagramSender(int socket, NetworkAddress to)
    : socket_(socket), to_(std::move(to)) {}
DatagramSender::~DatagramSender() { ::close(socket_); }

Status DatagramSender::send(std::string_view bytes) {
  if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) { return ok_status(); }
  return unavailable(ErrorId::kNetworkAddress, "datagrams to {}: {}", to_.to_string(),
                     std::strerror(errno));
}

}  // namespace tidewheel
