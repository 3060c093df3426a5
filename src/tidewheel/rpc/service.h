// What a process answers, and how it is asked, with typed messages. A message is a Protobuf, or
// anything with SerializeToString and ParseFromString.
//
//   auto service = std::make_shared<RpcService>("JobManager", poster);
//   service->on<RegisterRequest, RegisterResponse>(
//       "Register", [this](const RpcRequest& from, RegisterRequest request,
//                          RpcAnswer<RegisterResponse> answer) { ... answer.ok(response); });
//   endpoint->serve(service);
//
//   RpcClient client(endpoint->connect(address), "JobManager", poster);
//   client.call<RegisterResponse>("Register", request,
//                                 [this](Result<RegisterResponse> response) { ... });
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/rpc/endpoint.h"

namespace tidewheel {

// A call or notice that has come.
struct RpcRequest {
  RpcPeerRef peer;  // who sent it: kept by who wants to call back
  std::string method;
  std::string body;
  uint64_t fence = 0;
};

// The right to answer a call, once; may be kept for later, on any thread. When all copies are gone
// without an answer, the call fails with kInternal. For a notice it does nothing.
class RpcReply {
 public:
  RpcReply() = default;
  explicit RpcReply(std::function<void(Result<std::string>)> send);
  void ok(std::string body) const;
  void fail(Status why) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

template <class Response>
class RpcAnswer {
 public:
  explicit RpcAnswer(RpcReply reply) : reply_(std::move(reply)) {}
  void ok(const Response& response) const { reply_.ok(response.SerializeAsString()); }
  void fail(Status why) const { reply_.fail(std::move(why)); }
  void finish(const Result<Response>& result) const {
    if (result.ok()) {
      ok(*result);
    } else {
      fail(result.status());
    }
  }

 private:
  RpcReply reply_;
};

namespace rpc_detail {
Status malformed(const std::string& service, const std::string& method);
}

// Methods by name. Made and filled by its owner, then given to the endpoint; handlers run where the
// poster has them run, and so does the check of the fence: what was on its way when the owner
// changed it is refused.
class RpcService {
 public:
  using Handler = std::function<void(const RpcRequest& request, const RpcReply& reply)>;

  RpcService(std::string name, RpcPoster poster);
  const std::string& name() const { return name_; }
  const RpcPoster& poster() const { return poster_; }

  // ---- Before it is served.
  void on_bytes(const std::string& method, Handler handler);
  template <class Request, class Response>
  void on(const std::string& method,
          std::function<void(const RpcRequest&, Request, RpcAnswer<Response>)> handler) {
    on_bytes(method, [name = name_, handler = std::move(handler)](const RpcRequest& request,
                                                                  const RpcReply& reply) {
      Request message;
      if (!message.ParseFromString(request.body)) {
        reply.fail(rpc_detail::malformed(name, request.method));
        return;
      }
      handler(request, std::move(message), RpcAnswer<Response>(reply));
    });
  }
  // For notices. One that can't be parsed is logged by the endpoint and dropped.
  template <class Message>
  void on_notice(const std::string& method,
                 std::function<void(const RpcRequest&, Message)> handler) {
    on_bytes(method, [name = name_, handler = std::move(handler)](const RpcRequest& request,
                                                                  const RpcReply& reply) {
      Message message;
      if (!message.ParseFromString(request.body)) {
        reply.fail(rpc_detail::malformed(name, request.method));
        return;
      }
      handler(request, std::move(message));
      reply.ok({});  // somebody may have called it to know that it has arrived
    });
  }

  // ---- The fence; on the owner's thread. Messages with another one are answered with kFenced.
  // A method that was named `unfenced` takes any (a first registration, a question for the leader).
  void accept_any() { rule_ = Rule::kAny; }  // the default
  void accept_only(uint64_t fence) {
    rule_ = Rule::kOnly;
    fence_ = fence;
  }
  // The newest that was seen, `fence` or later: an older one is refused, a newer one is taken from
  // then on.
  void accept_newest(uint64_t fence) {
    rule_ = Rule::kNewest;
    fence_ = fence;
  }
  // Nothing at all: this process does not lead.
  void accept_none(std::string why) {
    rule_ = Rule::kNone;
    why_none_ = std::move(why);
  }
  void set_unfenced(const std::string& method) { methods_[method].fenced = false; }
  uint64_t fence() const { return fence_; }

  // The owner's thread (endpoints do it by the poster).
  void dispatch(const RpcRequest& request, const RpcReply& reply);

 private:
  enum class Rule : uint8_t { kAny, kOnly, kNewest, kNone };
  struct Method {
    Handler handler;
    bool fenced = true;
  };
  Status check_fence(const RpcRequest& request);

  const std::string name_;
  const RpcPoster poster_;
  std::map<std::string, Method> methods_;
  Rule rule_ = Rule::kAny;
  uint64_t fence_ = 0;
  std::string why_none_;
};

// One service of one peer, as its caller sees it. Copyable; the fence is the copy's own.
class RpcClient {
 public:
  RpcClient() = default;
  RpcClient(RpcPeerRef peer, std::string service, RpcPoster poster)
      : peer_(std::move(peer)), service_(std::move(service)), poster_(std::move(poster)) {}
  explicit operator bool() const { return peer_ != nullptr; }
  const RpcPeerRef& peer() const { return peer_; }
  void set_fence(uint64_t fence) { fence_ = fence; }
  uint64_t fence() const { return fence_; }
  void set_timeout_ms(int64_t timeout_ms) { timeout_ms_ = timeout_ms; }

  template <class Response, class Request>
  void call(const std::string& method, const Request& request,
            std::function<void(Result<Response>)> done) const {
    call_bytes(method, request.SerializeAsString(),
               [service = service_, method, done = std::move(done)](Result<std::string> body) {
                 if (!body.ok()) {
                   done(std::move(body).status());
                   return;
                 }
                 Response response;
                 if (response.ParseFromString(*body)) {
                   done(std::move(response));
                 } else {
                   done(rpc_detail::malformed(service, method));
                 }
               });
  }
  template <class Message>
  void notify(const std::string& method, const Message& message) const {
    notify_bytes(method, message.SerializeAsString());
  }
  void call_bytes(const std::string& method, std::string body, RpcDone done) const;
  void notify_bytes(const std::string& method, std::string body) const;

 private:
  RpcPeerRef peer_;
  std::string service_;
  RpcPoster poster_;
  uint64_t fence_ = 0;
  int64_t timeout_ms_ = 10'000;
};

}  // namespace tidewheel
