// Datagrams that nobody answers: what metrics are sent as. One way, over UDP.
#pragma once
#include <memory>
#include <string_view>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// One thread.
class DatagramSender {
 public:
  // Looks the host up, which may block. Errors: kNetworkAddress.
  static Result<std::unique_ptr<DatagramSender>> open(const NetworkAddress& to);
  ~DatagramSender();
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  // Never blocks. OK says nothing about arrival. Errors: kNetworkAddress, as when the machine says
  // that nobody listened to the one before.
  [[nodiscard]] Status send(std::string_view bytes);

 private:
  explicit DatagramSender(int socket, NetworkAddress to);
  const int socket_;
  const NetworkAddress to_;
};

}  // namespace tidewheel
