#include "tidewheel/zookeeper/digest_md5.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/hex.h"
#include "tidewheel/base/utf8.h"

namespace tidewheel::zookeeper {
namespace {

constexpr size_t kChallengeBytesMax = 2048;  // by the RFC

Status no_sense(std::string_view what) {
  return unavailable(ErrorId::kHighAvailability,
                     "ZooKeeper's answer to SASL DIGEST-MD5 makes no sense: {}", what);
}

std::string md5(std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, EVP_md5(), nullptr);
  return std::string(reinterpret_cast<const char*>(out), size);
}

// Text of which all characters are in ISO 8859-1 is hashed in that (section 2.1.2.1).
std::string hashed_form(std::string_view text) {
  std::string latin;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Character character = first_character(rest);
    if (character.bytes == 0 || character.code > 0xFF) { return std::string(text); }
    latin += static_cast<char>(character.code);
    rest.remove_prefix(character.bytes);
  }
  return latin;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') { out += '\\'; }
    out += c;
  }
  return out + '"';
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// `name=value, name="value", ...`; nothing: it is no such list.
class Directives {
 public:
  static std::optional<Directives> read(std::string_view text) {
    Directives out;
    while (true) {
      while (!text.empty() && (text.front() == ',' || is_space(text.front()))) {
        text.remove_prefix(1);
      }
      if (text.empty()) { return out; }
      const size_t equals = text.find('=');
      if (equals == std::string_view::npos) { return std::nullopt; }
      std::string name(text.substr(0, equals));
      while (!name.empty() && is_space(name.back())) { name.pop_back(); }
      text.remove_prefix(equals + 1);
      std::optional<std::string> value = take_value(text);
      if (name.empty() || !value.has_value()) { return std::nullopt; }
      out.values_.emplace_back(std::move(name), std::move(*value));
    }
  }
  size_t count(std::string_view name) const {
    return static_cast<size_t>(std::count_if(values_.begin(), values_.end(),
                                             [&](const auto& one) { return one.first == name; }));
  }
  // The first one's; empty: there is none.
  std::string value(std::string_view name) const {
    const auto found = std::find_if(values_.begin(), values_.end(),
                                    [&](const auto& one) { return one.first == name; });
    return found == values_.end() ? std::string() : found->second;
  }

 private:
  static std::optional<std::string> take_value(std::string_view& text) {
    while (!text.empty() && is_space(text.front())) { text.remove_prefix(1); }
    std::string value;
    if (text.empty() || text.front() != '"') {
      const size_t end = std::min(text.find(','), text.size());
      value = text.substr(0, end);
      while (!value.empty() && is_space(value.back())) { value.pop_back(); }
      text.remove_prefix(end);
      return value;
    }
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return value;
      }
      if (text[i] == '\\' && ++i == text.size()) { break; }
      value += text[i];
    }
    return std::nullopt;  // the quotes are not closed
  }

  std::vector<std::pair<std::string, std::string>> values_;
};

// Whether "auth" is among the qualities of protection that a server offers; none named means that.
bool offers_auth(const Directives& challenge) {
  if (challenge.count("qop") == 0) { return true; }
  std::string list = challenge.value("qop");
  std::erase_if(list, is_space);
  return ("," + list + ",").find(",auth,") != std::string::npos;
}

}  // namespace

DigestMd5::DigestMd5(DigestMd5Login login, std::string nonce)
    : login_(std::move(login)), nonce_(std::move(nonce)) {}

Result<std::string> DigestMd5::respond(std::string_view challenge) {
  if (challenge.size() > kChallengeBytesMax) { return no_sense("it is too long"); }
  const std::optional<Directives> given = Directives::read(challenge);
  if (!given.has_value()) { return no_sense("it is no list of directives"); }
  const std::string server_nonce = given->value("nonce");
  if (server_nonce.empty() || given->count("nonce") > 1) { return no_sense("its nonce"); }
  if (given->value("algorithm") != "md5-sess") { return no_sense("its algorithm"); }
  if (!offers_auth(*given)) { return no_sense("it wants encryption by SASL, which is not here"); }
  const bool in_utf8 = given->value("charset") == "utf-8";
  const std::string realm = given->value("realm");

  const auto hashed = [&](const std::string& text) { return in_utf8 ? hashed_form(text) : text; };
  const std::string secret =
      md5(hashed(login_.user) + ':' + hashed(realm) + ':' + hashed(login_.password));
  const std::string key = to_hex(md5(secret + ':' + server_nonce + ':' + nonce_));
  const auto proof = [&](const std::string& what) {
    return to_hex(
        md5(key + ':' + server_nonce + ":00000001:" + nonce_ + ":auth:" + to_hex(md5(what))));
  };
  server_proof_ = proof(':' + login_.service);

  std::string out = in_utf8 ? "charset=utf-8," : "";
  out += "username=" + quoted(login_.user);
  if (given->count("realm") > 0) { out += ",realm=" + quoted(realm); }
  out += ",nonce=" + quoted(server_nonce) + ",nc=00000001,cnonce=" + quoted(nonce_);
  out += ",digest-uri=" + quoted(login_.service);
  out += ",response=" + proof("AUTHENTICATE:" + login_.service) + ",qop=auth";
  return out;
}

Status DigestMd5::check(std::string_view verdict) const {
  const std::optional<Directives> given = Directives::read(verdict);
  const std::string proof = given.has_value() ? given->value("rspauth") : std::string();
  const bool is_right = !server_proof_.empty() && proof.size() == server_proof_.size() &&
                        CRYPTO_memcmp(proof.data(), server_proof_.data(), proof.size()) == 0;
  return is_right ? ok_status() : no_sense("it does not know the password itself");
}

}  // namespace tidewheel::zookeeper
