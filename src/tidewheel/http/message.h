// HTTP messages as their users see them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// Fields in their order. Names are compared without regard to case.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> fields)
      : fields_(fields) {}
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  // Replaces all fields of that name.
  void set(std::string_view name, std::string value);
  // The first one of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  size_t count(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  // Whether a list of tokens, as in `Connection: keep-alive, upgrade`, has this one.
  bool has_token(std::string_view name, std::string_view token) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Takes a body piece by piece where it would be too large for memory, or is to be kept elsewhere.
class HttpBodyTaker {
 public:
  virtual ~HttpBodyTaker() = default;
  // Called again only after `done`, which is called once, on any thread. A failure ends the
  // request.
  virtual void take(std::string piece, std::function<void(Status)> done) = 0;
};

// Gives a body piece by piece.
class HttpBodySource {
 public:
  virtual ~HttpBodySource() = default;
  // Called again only after `done`, which is called once, on any thread: with some bytes, or none
  // at the end. A failure cuts the connection, so that the other side knows that bytes are missing.
  virtual void next(std::function<void(Result<std::string>)> done) = 0;
};

struct HttpRequest {
  std::string method = "GET";
  // As it is on the wire: "/jobs/0a?mode=cancel".
  std::string target = "/";
  HttpHeaders headers = {};
  std::string body = {};
  // A server's, when the service wanted one: has taken the body instead.
  std::shared_ptr<HttpBodyTaker> taker = nullptr;
  // A server's: who sends it.
  std::string peer = {};

  std::string_view path() const;   // the target up to '?', not decoded
  std::string_view query() const;  // behind it; empty: there is none
};

struct HttpResponse {
  int32_t status = 200;
  HttpHeaders headers = {};
  std::string body = {};
  // A server's, instead of `body`.
  std::shared_ptr<HttpBodySource> source = nullptr;
};

std::string_view http_reason(int32_t status);  // "Not Found"; empty when it has no name here

// "%2F" and the like; '+' is a blank where `plus_is_blank`. Null: not well-formed, or a NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank);
std::string percent_encode(std::string_view text);  // all but unreserved characters
// "a=1&b=x%20y". Errors: kHttpMessage.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);
bool equal_without_case(std::string_view a, std::string_view b);

// "http://host:8081/path?query": what a client needs of it.
struct HttpUrl {
  bool secure = false;  // https
  NetworkAddress address = {};
  std::string target = "/";
  std::string user_info = {};  // "user:password", decoded; empty: none
  // Errors: kNetworkAddress.
  static Result<HttpUrl> parse(std::string_view text);
  std::string host_field() const;  // for the field Host
};

}  // namespace tidewheel
