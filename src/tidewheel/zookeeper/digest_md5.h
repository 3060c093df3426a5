// The client's side of SASL DIGEST-MD5 (RFC 2831), without layers of security of its own: by it a
// user shows that he knows a password without sending it, and learns that the server knows it too.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel::zookeeper {

struct DigestMd5Login {
  std::string user;      // UTF-8
  std::string password;  // UTF-8
  std::string service;   // "serv-type/host", as the server calls itself
};

// One exchange: respond() to what the server says first, then check() what it says next.
class DigestMd5 {
 public:
  // `nonce`: printable, without quotes, never used before.
  DigestMd5(DigestMd5Login login, std::string nonce);
  // Errors: kHighAvailability when the challenge makes no sense, or wants what is not here.
  Result<std::string> respond(std::string_view challenge);
  // Errors: kHighAvailability when the server does not know the password.
  Status check(std::string_view verdict) const;

 private:
  const DigestMd5Login login_;
  const std::string nonce_;
  std::string server_proof_;
};

}  // namespace tidewheel::zookeeper
