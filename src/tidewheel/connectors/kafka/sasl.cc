#include "tidewheel/connectors/kafka/sasl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidewheel/types/base64.h"

namespace tidewheel::kafka {
namespace {

// More would keep a thread busy for minutes.
constexpr int kIterationsMax = 10'000'000;

const EVP_MD* digest_of(ScramHash hash) {
  return hash == ScramHash::kSha256 ? EVP_sha256() : EVP_sha512();
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hmac(ScramHash hash, std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(digest_of(hash), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), out,
       &size);
  return std::string(reinterpret_cast<const char*>(out), size);
}

std::string digest(ScramHash hash, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, digest_of(hash), nullptr);
  return std::string(reinterpret_cast<const char*>(out), size);
}

// A comma and an equals sign mean something between attributes.
std::string escaped(std::string_view user) {
  std::string out;
  for (const char c : user) {
    if (c == '=') {
      out += "=3D";
    } else if (c == ',') {
      out += "=2C";
    } else {
      out += c;
    }
  }
  return out;
}

// The value of an attribute such as "r=..".
std::string attribute(std::string_view message, char name) {
  while (!message.empty()) {
    const size_t comma = std::min(message.find(','), message.size());
    const std::string_view one = message.substr(0, comma);
    message.remove_prefix(std::min(comma + 1, message.size()));
    if (one.size() >= 2 && one[0] == name && one[1] == '=') { return std::string(one.substr(2)); }
  }
  return "";
}

Status no_sense(std::string_view what) {
  return failed_precondition(ErrorId::kKafkaAccess,
                             "the broker's answer to SCRAM makes no sense: {}", what);
}

}  // namespace

Scram::Scram(ScramHash hash, std::string_view user, std::string password, std::string nonce)
    : hash_(hash),
      password_(std::move(password)),
      nonce_(std::move(nonce)),
      first_bare_("n=" + escaped(user) + ",r=" + nonce_) {}

std::string Scram::first() const { return "n,," + first_bare_; }

Result<std::string> Scram::finish(std::string_view server_first) {
  const std::string nonce = attribute(server_first, 'r');
  const std::string rounds = attribute(server_first, 'i');
  int iterations = 0;
  std::from_chars(rounds.data(), rounds.data() + rounds.size(), iterations);
  std::string salt;
  if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size()) { return no_sense("its nonce"); }
  if (iterations < 1 || iterations > kIterationsMax) { return no_sense("its iterations"); }
  if (!parse_base64(attribute(server_first, 's'), salt) || salt.empty()) {
    return no_sense("its salt");
  }
  std::string salted(static_cast<size_t>(EVP_MD_size(digest_of(hash_))), '\0');
  PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), bytes_of(salt),
                    static_cast<int>(salt.size()), iterations, digest_of(hash_),
                    static_cast<int>(salted.size()),
                    reinterpret_cast<unsigned char*>(salted.data()));
  const std::string without_proof = "c=biws,r=" + nonce;
  const std::string all = first_bare_ + ',' + std::string(server_first) + ',' + without_proof;
  std::string proof = hmac(hash_, salted, "Client Key");
  const std::string signature = hmac(hash_, digest(hash_, proof), all);
  for (size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  server_signature_ = hmac(hash_, hmac(hash_, salted, "Server Key"), all);
  std::string message = without_proof + ",p=";
  append_base64(message, proof);
  return message;
}

Status Scram::check(std::string_view server_final) const {
  std::string signature;
  const bool is_right =
      parse_base64(attribute(server_final, 'v'), signature) &&
      signature.size() == server_signature_.size() &&
      CRYPTO_memcmp(signature.data(), server_signature_.data(), signature.size()) == 0;
  return is_right ? ok_status() : no_sense("it does not know the password itself");
}

std::string jaas_value(std::string_view config, std::string_view name) {
  for (size_t at = config.find(name); at != std::string_view::npos;
       at = config.find(name, at + 1)) {
    const bool begins = at > 0 && (config[at - 1] == ' ' || config[at - 1] == '\t');
    std::string_view rest = config.substr(at + name.size());
    if (!begins || !rest.starts_with("=\"")) { continue; }
    rest.remove_prefix(2);
    std::string value;
    for (size_t i = 0; i < rest.size() && rest[i] != '"'; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) { ++i; }
      value += rest[i];
    }
    return value;
  }
  return "";
}

}  // namespace tidewheel::kafka
