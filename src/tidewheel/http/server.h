// A server of HTTP/1.1: keep-alive, pipelining, bodies with a length or in chunks, `Expect:
// 100-continue`. What a peer may send, and how slowly, is limited, so that no peer can keep the
// server from others.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/http/message.h"

namespace tidewheel {

class World;  // base/world.h

// Answers one request. Any thread, once; further calls do nothing. When all copies are gone without
// a call, the server answers 500.
using HttpAnswer = std::function<void(HttpResponse)>;

// What is served. Called on the server's thread, so it must be quick.
class HttpService {
 public:
  virtual ~HttpService() = default;
  // The head of a request with a body has come. What takes the body; null: it is kept in memory, up
  // to the server's limit. A failure refuses the request with `failure_response`.
  virtual Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest& head) = 0;
  virtual void serve(HttpRequest request, HttpAnswer answer) = 0;
  // The answer to a request that is refused before it is served: with this code, or, where it is
  // 0, with the one that fits `why`, which came from `take_body` or a taker.
  virtual HttpResponse failure_response(int32_t status, const Status& why) = 0;
};

struct HttpServerOptions {
  std::string name = "http";  // of its thread
  NetworkAddress address = {};
  Network* network = nullptr;  // null: the world's; or one with TLS
  int32_t connections_max = 20'000;
  size_t head_bytes_max = 32 * 1024;
  size_t fields_max = 100;
  int64_t body_bytes_max = int64_t{1} << 20;     // kept in memory
  int64_t taken_bytes_max = int64_t{100} << 20;  // given to a taker
  // A head must be complete so long after its first byte.
  int64_t head_timeout_ms = 15'000;
  // A body must come, and an answer be taken, at this rate at least, in each period of
  // head_timeout_ms that it takes.
  int64_t bytes_per_second_min = 1024;
  // Between two requests.
  int64_t idle_timeout_ms = 300'000;
  // A request that the service has not answered for so long is answered with 504.
  int64_t answer_timeout_ms = 600'000;
};

// Has a thread of its own. The world and the service outlive it.
class HttpServer {
 public:
  // Listens. Errors: kNetworkAddress.
  static Result<std::unique_ptr<HttpServer>> open(World& world, HttpServerOptions options,
                                                  HttpService& service);
  // Closes all connections; answers that come later do nothing.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // Takes no new connections and requests from now on. Requests that were taken are answered.
  void stop_accepting();
  int32_t connection_count() const;

 private:
  class Loop;
  explicit HttpServer(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace tidewheel
