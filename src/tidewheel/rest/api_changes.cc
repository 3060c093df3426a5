// The paths that change jobs: cancelling, stopping, savepoints, rescaling.
#include <algorithm>
#include <set>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

constexpr const char* kSavepointDirectoryMissing =
    "no target directory was given, and execution.checkpointing.savepoint-dir is not set";

bool has_savepoint_directory(const std::vector<std::pair<std::string, std::string>>& settings) {
  return std::any_of(settings.begin(), settings.end(), [](const auto& setting) {
    return !setting.second.empty() && (setting.first == options::kSavepointDirectory.key ||
                                       setting.first == options::kSavepointDirectory.former_key);
  });
}

std::string request_id_json(const std::string& id) {
  JsonBuilder json;
  return json.begin_object().member("request-id", id).end_object().take();
}

std::string failure_json(std::string_view member, const Status& status) {
  JsonBuilder json;
  json.begin_object().key(member).raw(failure_cause_json(status));
  return json.end_object().take();
}

Result<ParallelismBounds> bounds_of(const std::string& vertex_id, const JsonValue& value) {
  ParallelismBounds bounds{.vertex_id = vertex_id};
  const JsonValue& parallelism = value["parallelism"];
  const std::optional<int64_t> lower = parallelism["lowerBound"].as_integer();
  const std::optional<int64_t> upper = parallelism["upperBound"].as_integer();
  if (!is_rest_id(vertex_id) || !upper.has_value() || lower.value_or(1) < 1 ||
      *upper < lower.value_or(1) || *upper > 32768) {
    return invalid_argument(
        ErrorId::kRestRequest,
        "each vertex needs {{\"parallelism\":{{\"lowerBound\":1,\"upperBound\":4}}}} with 1 <= "
        "lowerBound <= upperBound <= 32768; that of '{}' is not so",
        vertex_id);
  }
  bounds.lower = static_cast<int32_t>(lower.value_or(1));
  bounds.upper = static_cast<int32_t>(*upper);
  return bounds;
}

}  // namespace

void RestApi::add_job_change_routes() {
  change("PATCH", "/jobs/:jobid", "Cancels a job",
         [this](const RestCallRef& call) {
           const std::string mode = call->query("mode").value_or("cancel");
           if (mode == "stop") {
             call->fail(308,
                        "The termination mode \"stop\" has been removed. For a graceful shutdown, "
                        "please use \"jobs/:jobid/stop\" instead.");
           } else if (mode != "cancel") {
             call->fail(400, fmt::format("mode has to be cancel, not '{}'", mode));
           } else {
             cancel_job(call);
           }
         },
         202, {"mode"});
  // The dashboard's button: a GET, since proxies let nothing else through once.
  if (settings_.cancel) {
    for (const char* const path : {"/jobs/:jobid/yarn-cancel", "/jobs/:jobid/yarn-stop"}) {
      change(
          "GET", path, "Cancels a job", [this](const RestCallRef& call) { cancel_job(call); }, 202);
    }
  }
  if (settings_.rescale) {
    change("PUT", "/jobs/:jobid/resource-requirements", "Rescales a job",
           [this](const RestCallRef& call) { put_requirements(call); });
  }
  change("PATCH", "/jobs/:jobid/rescaling", "Rescaling in the old way, which there is not",
         [](const RestCallRef& call) {
           call->fail(503, "Rescaling is temporarily disabled. See FLINK-12312.");
         },
         503, {"parallelism"});
  get("/jobs/:jobid/rescaling/:triggerid", "The same", [](const RestCallRef& call) {
    call->fail(503, "Rescaling is temporarily disabled. See FLINK-12312.");
  });
  change(
      "PATCH", "/jobs/:jobid/clientHeartbeat", "Says that the job's client is there",
      [this](const RestCallRef& call) {
        const Result<JsonValue> body = call->body();
        const std::optional<int64_t> expires =
            body.ok() ? (*body)["expiredTimestamp"].as_integer() : std::nullopt;
        if (!expires.has_value()) {
          call->fail(400, "expiredTimestamp is missing");
          return;
        }
        gateway_.client_heartbeat(call->parameter("jobid"), *expires,
                                  on_done(call, [call] { call->json("{}", 202); }));
      },
      202);
}

void RestApi::cancel_job(const RestCallRef& call) {
  const std::string job_id = call->parameter("jobid");
  gateway_.cancel(job_id, on_done(call, [this, call, job_id] {
                    reports_.forget(job_id);
                    call->json("{}", 202);
                  }));
}

void RestApi::put_requirements(const RestCallRef& call) {
  const Result<JsonValue> body = call->body();
  std::vector<ParallelismBounds> bounds;
  Status status = body.status();
  if (body.ok() && body->members().empty()) {
    status = invalid_argument(ErrorId::kRestRequest, "no vertex is named; each has to be");
  }
  const JsonValue nothing;
  for (const auto& [vertex, value] : (body.ok() ? *body : nothing).members()) {
    Result<ParallelismBounds> one = bounds_of(vertex, value);
    if (!one.ok()) {
      status = one.status();
      break;
    }
    bounds.push_back(std::move(one).value());
  }
  if (!status.ok()) {
    call->fail(status);
    return;
  }
  with_report(call, [this, call, bounds](const JobReportRef& job) {
    std::set<std::string> missing;
    for (const pb::VertexReport& vertex : job->vertices()) { missing.insert(vertex.id()); }
    for (const ParallelismBounds& one : bounds) {
      const bool is_known = missing.erase(one.vertex_id) > 0;
      const auto vertex =
          std::find_if(job->vertices().begin(), job->vertices().end(),
                       [&](const pb::VertexReport& each) { return each.id() == one.vertex_id; });
      if (!is_known || one.upper > vertex->max_parallelism()) {
        call->fail(400, fmt::format("vertex {} is not the job's, is named twice, or is to go "
                                    "beyond its maximal parallelism",
                                    one.vertex_id));
        return;
      }
    }
    if (!missing.empty()) {
      call->fail(400, fmt::format("every vertex has to be named; {} is not", *missing.begin()));
      return;
    }
    gateway_.set_parallelism_bounds(job->id(), bounds, on_done(call, [call] { call->json("{}"); }));
  });
}

std::string RestApi::trigger_id_of(const RestCallRef& call, const JsonValue& body) {
  const JsonValue& given = body["triggerId"];
  if (given.is_null()) { return fmt::format("{:016x}{:016x}", random_.next(), random_.next()); }
  if (is_rest_id(given.text())) { return given.text(); }
  call->fail(400,
             fmt::format("triggerId has to be 32 lower-case hex digits, not '{}'", given.text()));
  return {};
}

void RestApi::add_savepoint_routes() {
  const auto outcome = [this](std::string pattern, std::string scope, std::string summary) {
    get(std::move(pattern), std::move(summary), [this, scope](const RestCallRef& call) {
      const std::optional<std::string> json =
          triggers_.outcome_json({scope + call->parameter("jobid"), call->parameter("triggerid")});
      if (json.has_value()) {
        call->json(*json);
      } else {
        call->fail(not_found(ErrorId::kRestTrigger, "there is no operation {}, or not any more",
                             call->parameter("triggerid")));
      }
    });
  };
  change(
      "POST", "/jobs/:jobid/savepoints", "Takes a savepoint",
      [this](const RestCallRef& call) { trigger_savepoint(call, false); }, 202);
  change(
      "POST", "/jobs/:jobid/stop", "Stops a job with a savepoint",
      [this](const RestCallRef& call) { trigger_savepoint(call, true); }, 202);
  outcome("/jobs/:jobid/savepoints/:triggerid", "savepoint ", "What became of it");
  change(
      "POST", "/jobs/:jobid/checkpoints", "Takes a checkpoint",
      [this](const RestCallRef& call) { trigger_checkpoint(call); }, 202);
  outcome("/jobs/:jobid/checkpoints/:triggerid", "checkpoint ", "What became of it");
  change("POST", "/savepoint-disposal", "Deletes a savepoint", [this](const RestCallRef& call) {
    const Result<JsonValue> body = call->body();
    if (!body.ok() || !(*body)["savepoint-path"].is_text()) {
      call->fail(400, "savepoint-path is missing");
      return;
    }
    const std::string id = trigger_id_of(call, *body);
    if (id.empty()) { return; }
    call->json(request_id_json(id));
    const RestTriggers::Key key{"disposal ", id};
    if (!triggers_.begin(key)) { return; }
    gateway_.dispose_savepoint(
        (*body)["savepoint-path"].text(),
        [this, key, poster = loop_.poster()](const Status& status) {
          poster([this, key, status] {
            // An object in any case: Flink's client looks for a failure in it.
            triggers_.complete(key, status.ok() ? "{}" : failure_json("failure-cause", status));
          });
        });
  });
  outcome("/savepoint-disposal/:triggerid", "disposal ", "What became of it");
}

void RestApi::trigger_savepoint(const RestCallRef& call, bool stops) {
  const Result<JsonValue> body = call->body();
  if (!body.ok()) {
    call->fail(body.status());
    return;
  }
  const JsonValue& format = (*body)["formatType"];
  if (!format.is_null() && format.text() != "CANONICAL" && format.text() != "NATIVE") {
    call->fail(400,
               fmt::format("formatType has to be CANONICAL or NATIVE, not '{}'", format.text()));
    return;
  }
  const JsonValue& directory = (*body)[stops ? "targetDirectory" : "target-directory"];
  const char* const flag_name = stops ? "drain" : "cancel-job";
  const JsonValue& flag = (*body)[flag_name];
  if ((!directory.is_null() && !directory.is_text()) ||
      (!flag.is_null() && flag.kind() != JsonValue::Kind::kBool)) {
    call->fail(400,
               fmt::format("the target directory has to be text, and {} true or false", flag_name));
    return;
  }
  SavepointOrder order;
  order.directory = directory.text();
  order.native = format.text() == "NATIVE";
  if (stops) {
    order.then = flag.boolean() ? SavepointOrder::Then::kDrain : SavepointOrder::Then::kStop;
  } else if (flag.boolean()) {
    order.then = SavepointOrder::Then::kCancel;
  }
  const std::string id = trigger_id_of(call, *body);
  if (id.empty()) { return; }
  const RestTriggers::Key key{"savepoint " + call->parameter("jobid"), id};
  if (!order.directory.empty() || has_savepoint_directory(gateway_.configuration())) {
    start_savepoint(call, key, std::move(order));
    return;
  }
  // The job may have a folder of its own.
  fetch_report(call->parameter("jobid"),
               [this, call, key, order](const Result<JobReportRef>& report) {
                 std::vector<std::pair<std::string, std::string>> settings;
                 if (report.ok()) {
                   for (const pb::SettingReport& one : (*report)->settings()) {
                     settings.emplace_back(one.key(), one.value());
                   }
                 }
                 if (has_savepoint_directory(settings)) {
                   start_savepoint(call, key, order);
                 } else {
                   call->fail(400, kSavepointDirectoryMissing);
                 }
               });
}

void RestApi::start_savepoint(const RestCallRef& call, const RestTriggers::Key& key,
                              SavepointOrder order) {
  call->json(request_id_json(key.id), 202);
  if (!triggers_.begin(key)) { return; }
  const std::string job_id = call->parameter("jobid");
  gateway_.savepoint(
      job_id, std::move(order),
      [this, key, job_id, poster = loop_.poster()](const Result<std::string>& path) {
        poster([this, key, job_id, path] {
          JsonBuilder json;
          json.begin_object().member("location", path.ok() ? *path : std::string());
          json.end_object();
          triggers_.complete(
              key, path.ok() ? json.take() : failure_json("failure-cause", path.status()));
          reports_.forget(job_id);
        });
      });
}

void RestApi::trigger_checkpoint(const RestCallRef& call) {
  const Result<JsonValue> body = call->body();
  if (!body.ok()) {
    call->fail(body.status());
    return;
  }
  const JsonValue& type = (*body)["checkpointType"];
  if (!type.is_null() && type.text() != "CONFIGURED" && type.text() != "FULL") {
    call->fail(400,
               fmt::format("checkpointType has to be CONFIGURED or FULL, not '{}'", type.text()));
    return;
  }
  const std::string id = trigger_id_of(call, *body);
  if (id.empty()) { return; }
  const std::string job_id = call->parameter("jobid");
  const RestTriggers::Key key{"checkpoint " + job_id, id};
  call->json(request_id_json(id), 202);
  if (!triggers_.begin(key)) { return; }
  gateway_.checkpoint(
      job_id, [this, key, job_id, poster = loop_.poster()](const Result<int64_t>& number) {
        poster([this, key, job_id, number] {
          JsonBuilder json;
          json.begin_object().member("checkpointId", number.ok() ? *number : int64_t{0});
          json.end_object();
          triggers_.complete(
              key, number.ok() ? json.take() : failure_json("failureCause", number.status()));
          reports_.forget(job_id);
        });
      });
}

}  // namespace tidewheel
