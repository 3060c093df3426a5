// A client of HTTP/1.1 servers. Connections are kept open and used again.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/http/message.h"

namespace tidewheel {

class World;  // base/world.h

struct HttpClientOptions {
  Network* network = nullptr;      // for http; null: the world's
  Network* tls_network = nullptr;  // for https; null: such URLs are refused
  int64_t connect_timeout_ms = 15'000;
  // Of a whole call, from now to the last byte of the answer.
  int64_t timeout_ms = 60'000;
  int64_t idle_timeout_ms = 30'000;  // a connection that nobody uses is closed
  int32_t idle_connections_max = 8;  // kept open, of all servers together
  int32_t connections_max = 64;      // to one server; further calls wait
  size_t head_bytes_max = 64 * 1024;
  int64_t body_bytes_max = int64_t{100} << 20;
};

struct HttpCall {
  std::string url;
  std::string method = "GET";
  HttpHeaders headers = {};
  std::string body = {};
  int64_t timeout_ms = 0;  // 0: the client's
};

// Any thread. The world outlives it.
class HttpClient {
 public:
  explicit HttpClient(World& world, const HttpClientOptions& options = {});
  // Calls without an answer fail with kNetworkLost.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called once, on the client's thread: with the answer, whatever its status is, or why
  // there is none. Errors: kNetworkAddress, kNetworkConnect, kNetworkLost (what the server did is
  // not known), kHttpMessage, kHttpLimit. A call over a connection that the server had closed
  // meanwhile is made once more, over a new one, when nothing of an answer had come and the method
  // is one that may be repeated (GET, HEAD, PUT, DELETE).
  void send(HttpCall call, std::function<void(Result<HttpResponse>)> done);
  // Blocks until the answer is there. Not to be used in a worker's turn.
  Result<HttpResponse> call(HttpCall call);

 private:
  class Loop;
  const std::unique_ptr<Loop> loop_;
};

std::string base64(std::string_view bytes);
// The field `Authorization` of "user:password".
std::string basic_authorization(std::string_view user_info);

}  // namespace tidewheel
