// The paths of profiles.
#include <algorithm>
#include <memory>

#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rest/api.h"

namespace tidewheel {
namespace {

// Often enough to tell where time goes, and less than a thousandth of a thread's time.
constexpr int64_t kIntervalMs = 20;
constexpr int32_t kDepthMax = 128;

}  // namespace

void RestApi::add_profile_routes(const std::string& prefix,
                                 const std::function<ProcessName(const RestCall&)>& process) {
  get(prefix + "/profiler", "Profiles of it, the newest first",
      [this, process](const RestCallRef& call) {
        call->json(profiles_.list_json(process(*call).task_manager));
      });
  change("POST", prefix + "/profiler", "Takes a profile: its mode, and its duration in seconds",
         [this, process](const RestCallRef& call) { take_profile(call, process(*call)); });
  get(prefix + "/profiler/:filename", "One of them: a page, or stacks by line (.folded)",
      [this, process](const RestCallRef& call) {
        const std::string& name = call->parameter("filename");
        const std::string* const file = profiles_.file(process(*call).task_manager, name);
        if (file == nullptr) { return call->fail(404, "there is no profile of that name"); }
        HttpResponse response{.status = 200, .body = *file};
        const bool is_page = name.ends_with(".html");
        response.headers.add("Content-Type",
                             is_page ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
        call->answer(std::move(response));
      });
}

void RestApi::take_profile(const RestCallRef& call, const ProcessName& process) {
  if (!settings_.profiling || profiler_ == nullptr) {
    return call->fail(404,
                      fmt::format("profiles are not taken: {} is false", options::kProfiling.key));
  }
  const Result<JsonValue> body = call->body();
  if (!body.ok()) { return call->fail(body.status()); }
  Result<ProfileOrder> order = parse_profile_order(
      (*body)["mode"].text(), (*body)["duration"].as_integer(), settings_.profile_ms_max / 1000);
  if (!order.ok()) { return call->fail(order.status()); }
  Profiling profiling{.task_manager = process.task_manager,
                      .kind = sampling_kind_of(*order),
                      .samples = static_cast<int32_t>(order->duration_s * 1000 / kIntervalMs),
                      .interval_ms = kIntervalMs,
                      .depth_max = kDepthMax};
  // Only processes that there are get an entry.
  gateway_.task_managers(on_answer<std::vector<TaskManagerSummary>>(
      call, [this, call, profiling = std::move(profiling),
             order = *order](const std::vector<TaskManagerSummary>& all) {
        const std::string& id = profiling.task_manager;
        const bool is_there =
            id.empty() || std::any_of(all.begin(), all.end(),
                                      [&](const TaskManagerSummary& one) { return one.id == id; });
        if (!is_there) { return call->fail(404, "there is no TaskManager " + id); }
        const auto begun = profiles_.begin(id, order, world_.clock().wall_ms());
        if (!begun.ok()) { return call->fail(begun.status()); }
        call->json(Profiles::json_of(**begun));
        profiler_->profile(profiling, [this, id, poster = loop_.poster()](
                                          Result<std::vector<SampledStack>> stacks) {
          poster([this, id,
                  stacks = std::make_shared<Result<std::vector<SampledStack>>>(std::move(stacks))] {
            profiles_.end(id, *stacks, kIntervalMs, world_.clock().wall_ms());
          });
        });
      }));
}

}  // namespace tidewheel
