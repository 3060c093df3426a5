#include "tidewheel/rpc/service.h"

#include <atomic>

#include "tidewheel/base/check.h"

namespace tidewheel {

struct RpcReply::State {
  ~State() {
    if (!answered.load()) {
      send(internal_error(ErrorId::kInternal, "the call was dropped without an answer"));
    }
  }
  std::function<void(Result<std::string>)> send;
  std::atomic<bool> answered{false};
};

RpcReply::RpcReply(std::function<void(Result<std::string>)> send)
    : state_(std::make_shared<State>()) {
  state_->send = std::move(send);
}

void RpcReply::ok(std::string body) const {
  if (state_ != nullptr && !state_->answered.exchange(true)) { state_->send(std::move(body)); }
}

void RpcReply::fail(Status why) const {
  if (state_ != nullptr && !state_->answered.exchange(true)) { state_->send(std::move(why)); }
}

namespace rpc_detail {
Status malformed(const std::string& service, const std::string& method) {
  return data_loss(ErrorId::kRpcMessage, "{}.{}: the message can't be parsed", service, method);
}
}  // namespace rpc_detail

RpcService::RpcService(std::string name, RpcPoster poster)
    : name_(std::move(name)), poster_(std::move(poster)) {}

void RpcService::on_bytes(const std::string& method, Handler handler) {
  Method& entry = methods_[method];
  TIDEWHEEL_CHECK(entry.handler == nullptr, "{}.{} has one handler", name_, method);
  entry.handler = std::move(handler);
}

void RpcService::dispatch(const RpcRequest& request, const RpcReply& reply) {
  const auto found = methods_.find(request.method);
  if (found == methods_.end() || found->second.handler == nullptr) {
    reply.fail(not_found(ErrorId::kRpcMethod, "no such call: {}.{}", name_, request.method));
    return;
  }
  if (found->second.fenced) {
    if (Status status = check_fence(request); !status.ok()) {
      reply.fail(std::move(status));
      return;
    }
  }
  found->second.handler(request, reply);
}

Status RpcService::check_fence(const RpcRequest& request) {
  switch (rule_) {
    case Rule::kAny: return ok_status();
    case Rule::kOnly:
      if (request.fence == fence_) { return ok_status(); }
      return failed_precondition(ErrorId::kFenced,
                                 "{}.{} has fencing token {:x}, and {:x} is the one that counts",
                                 name_, request.method, request.fence, fence_);
    case Rule::kNewest:
      if (request.fence >= fence_) {
        fence_ = request.fence;
        return ok_status();
      }
      return failed_precondition(ErrorId::kFenced,
                                 "{}.{} is of epoch {}, and epoch {} has begun already", name_,
                                 request.method, request.fence, fence_);
    case Rule::kNone:
      return failed_precondition(ErrorId::kNotLeader, "{}.{}: {}", name_, request.method,
                                 why_none_);
  }
  return ok_status();
}

void RpcClient::call_bytes(const std::string& method, std::string body, RpcDone done) const {
  peer_->call({.service = service_,
               .method = method,
               .body = std::move(body),
               .fence = fence_,
               .timeout_ms = timeout_ms_},
              poster_, std::move(done));
}

void RpcClient::notify_bytes(const std::string& method, std::string body) const {
  peer_->notify({.service = service_, .method = method, .body = std::move(body), .fence = fence_});
}

}  // namespace tidewheel
