// The client's side of SASL SCRAM (RFC 5802, 7677), by which a user shows that he knows a password
// without sending it, and learns that the broker knows it too.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel::kafka {

enum class ScramHash : uint8_t { kSha256, kSha512 };

// One exchange: first(), then finish() with the broker's answer, then check() with the next one.
class Scram {
 public:
  // `nonce`: printable, without commas, never used before.
  Scram(ScramHash hash, std::string_view user, std::string password, std::string nonce);
  std::string first() const;
  // What is sent second. Errors: kKafkaAccess when the answer makes no sense.
  Result<std::string> finish(std::string_view server_first);
  // Errors: kKafkaAccess when the broker does not know the password.
  Status check(std::string_view server_final) const;

 private:
  const ScramHash hash_;
  const std::string password_;
  const std::string nonce_;
  const std::string first_bare_;
  std::string server_signature_;
};

// The value of `name="value"` in the property sasl.jaas.config; empty: there is none.
std::string jaas_value(std::string_view config, std::string_view name);

}  // namespace tidewheel::kafka
