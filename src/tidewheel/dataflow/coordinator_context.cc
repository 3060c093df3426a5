#include "tidewheel/dataflow/coordinator_context.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

void set_coordinator_gauge(CoordinatorContext* context, std::string_view group,
                           std::string_view name, int64_t value) {
  auto* const kept = dynamic_cast<CoordinatorMetrics*>(context);
  MetricGroup* const metrics = kept == nullptr ? nullptr : kept->metrics();
  if (metrics != nullptr) { metrics->group(group).gauge(name).set(value); }
}

HostedCoordinator::HostedCoordinator(CoordinatorHost& host, int32_t node,
                                     const GraphNode& graph_node,
                                     std::unique_ptr<OperatorCoordinator> coordinator)
    : host_(host),
      node_(node),
      graph_node_(graph_node),
      coordinator_(std::move(coordinator)),
      metrics_(host.coordinator_metrics(node)),
      held_(static_cast<size_t>(graph_node.parallelism)) {
  if (metrics_ != nullptr) { static_cast<void>(metrics_->counter("numEventsIn")); }
}

Clock& HostedCoordinator::clock() { return host_.host_world().clock(); }
Executor& HostedCoordinator::executor() { return host_.host_world().executor(); }
FileSystem& HostedCoordinator::files() { return host_.host_world().files(); }
Network& HostedCoordinator::network() { return host_.host_world().network(); }

void HostedCoordinator::guarded(const std::function<void()>& call) {
  if (closed_) { return; }
  try {
    call();
  } catch (const std::exception& exception) {
    fail(user_error(ErrorId::kUserCodeThrew, "coordinator of operator '{}': {}", graph_node_.name,
                    exception.what()));
  }
}

Status HostedCoordinator::restore(std::string_view state) {
  try {
    return coordinator_->restore(state).with_context("restoring the coordinator of operator '{}'",
                                                     graph_node_.name);
  } catch (const std::exception& exception) {
    return user_error(ErrorId::kUserCodeThrew, "restoring the coordinator of operator '{}': {}",
                      graph_node_.name, exception.what());
  }
}

void HostedCoordinator::start() {
  guarded([&] {
    Status status = coordinator_->start(*this);
    if (!status.ok()) {
      fail(std::move(status).with_context("starting the coordinator of operator '{}'",
                                          graph_node_.name));
    }
  });
}

void HostedCoordinator::close() {
  if (closed_) { return; }
  guarded([&] { coordinator_->close(); });
  closed_ = true;
  wake_at_ns_ = Clock::kNever;
  for (auto& held : held_) { held = {}; }
}

void HostedCoordinator::on_subtask_ready(int32_t subtask) {
  guarded([&] { coordinator_->on_subtask_ready(subtask); });
}

void HostedCoordinator::on_event(int32_t subtask, std::string_view event) {
  if (metrics_ != nullptr) { metrics_->counter("numEventsIn").add(); }
  guarded([&] { coordinator_->on_event(subtask, event); });
}

void HostedCoordinator::fire_timer(int64_t now_ns) {
  if (wake_at_ns_ > now_ns) { return; }
  wake_at_ns_ = Clock::kNever;
  guarded([&] { coordinator_->on_timer(); });
}

Result<std::string> HostedCoordinator::snapshot(int64_t checkpoint) {
  try {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        std::string state,
        coordinator_->snapshot(checkpoint)
            .with_context("snapshot of the coordinator of operator '{}'", graph_node_.name));
    for (auto& held : held_) { held.barriers.push_back(checkpoint); }
    return state;
  } catch (const std::exception& exception) {
    return user_error(ErrorId::kUserCodeThrew, "snapshot of the coordinator of operator '{}': {}",
                      graph_node_.name, exception.what());
  }
}

void HostedCoordinator::on_barrier_taken(int32_t subtask, int64_t checkpoint) {
  let_go(subtask, checkpoint);
}

void HostedCoordinator::on_checkpoint_over(int64_t checkpoint) {
  for (int32_t i = 0; i < parallelism(); ++i) { let_go(i, checkpoint); }
}

void HostedCoordinator::on_checkpoint_complete(int64_t checkpoint) {
  guarded([&] { coordinator_->on_checkpoint_complete(checkpoint); });
}

// Events wait for every barrier that was on its way before they were sent, or came to be while they
// waited: a snapshot asked for meanwhile counts them as the coordinator's.
void HostedCoordinator::let_go(int32_t subtask, int64_t checkpoint) {
  Held& held = held_[static_cast<size_t>(subtask)];
  std::erase(held.barriers, checkpoint);
  while (held.barriers.empty() && !held.events.empty()) {
    TIDEWHEEL_MARK("coordinator.event_held_back");
    std::string event = std::move(held.events.front());
    held.events.pop_front();
    host_.deliver(node_, subtask, std::move(event));
  }
}

void HostedCoordinator::send_to_subtask(int32_t subtask, std::string event) {
  if (closed_) { return; }
  Held& held = held_[static_cast<size_t>(subtask)];
  if (held.barriers.empty()) {
    host_.deliver(node_, subtask, std::move(event));
  } else {
    held.events.push_back(std::move(event));
  }
}

std::vector<std::pair<int32_t, std::string>> HostedCoordinator::held_back() const {
  std::vector<std::pair<int32_t, std::string>> all;
  for (size_t subtask = 0; subtask < held_.size(); ++subtask) {
    for (const std::string& event : held_[subtask].events) {
      all.emplace_back(static_cast<int32_t>(subtask), event);
    }
  }
  return all;
}

void HostedCoordinator::wake_at_ns(int64_t time_ns) {
  wake_at_ns_ = std::min(wake_at_ns_, time_ns);
}

void HostedCoordinator::post(std::function<void()> mail) {
  host_.post_mail([weak = weak_from_this(), mail = std::move(mail)] {
    if (const auto self = weak.lock()) { self->guarded(mail); }
  });
}

void HostedCoordinator::fail(Status status) {
  host_.post_mail([weak = weak_from_this(), status = std::move(status)] {
    const auto self = weak.lock();
    if (self && !self->closed_) { self->host_.coordinator_failed(self->node_, status); }
  });
}

}  // namespace tidewheel
