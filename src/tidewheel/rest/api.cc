#include "tidewheel/rest/api.h"

#include <algorithm>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/files.h"
#include "tidewheel/rest/upload.h"

namespace tidewheel {
namespace {

constexpr size_t kReportsMax = 64;  // that are kept for the next request
constexpr int64_t kLeaderRetryMs = 200;
constexpr int64_t kMsToNs = 1'000'000;
constexpr std::string_view kNoLeader =
    "Service temporarily unavailable due to an ongoing leader election. Please refresh.";

// Takes as long whatever the texts are, so that a token can't be guessed letter by letter.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference = static_cast<unsigned char>(difference | (a[i] ^ other));
  }
  return difference == 0;
}

}  // namespace

Result<std::vector<RestToken>> parse_rest_tokens(std::string_view text) {
  std::vector<RestToken> tokens;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) { line.remove_suffix(1); }
    if (line.empty() || line.starts_with('#')) { continue; }
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string_view role = line.substr(0, blank);
    const std::string_view token = line.substr(std::min(blank + 1, line.size()));
    // Not shown: it may be a token with a mistake in it.
    if ((role != "read" && role != "write") || token.empty() ||
        token.find(' ') != std::string_view::npos) {
      return invalid_argument(ErrorId::kBadOptionValue,
                              "line {} of the file of security.rest.token-file is not `read TOKEN` "
                              "or `write TOKEN`",
                              number);
    }
    tokens.push_back({role == "write" ? RestRole::kWrite : RestRole::kRead, std::string(token)});
  }
  return tokens;
}

RestSettings rest_settings(const Config& config) {
  RestSettings settings;
  settings.refresh_interval_ms = config.get(options::kWebRefreshInterval);
  settings.metrics_interval_ms = config.get(options::kMetricsUpdateInterval);
  settings.store_ms = config.get(options::kRestStoreDuration);
  settings.leader_timeout_ms = config.get(options::kLeaderTimeout);
  settings.allow_origin = config.get(options::kWebAllowOrigin);
  settings.submit = config.get(options::kWebSubmit);
  settings.cancel = config.get(options::kWebCancel);
  settings.rescale = config.get(options::kWebRescale);
  settings.flame_graphs = config.get(options::kFlameGraphs);
  settings.flame_samples = static_cast<int32_t>(config.get(options::kFlameGraphSamples));
  settings.flame_delay_ms = config.get(options::kFlameGraphDelay);
  settings.flame_depth = static_cast<int32_t>(config.get(options::kFlameGraphDepth));
  settings.flame_refresh_ms = config.get(options::kFlameGraphRefresh);
  settings.profiling = config.get(options::kProfiling);
  settings.profile_ms_max = config.get(options::kProfileDurationMax);
  settings.profiles_kept = static_cast<size_t>(config.get(options::kProfileHistory));
  settings.web_directory = config.get(options::kWebDirectory);
  return settings;
}

RestApi::RestApi(World& world, RestSettings settings, ClusterGateway& gateway, EventLoop& loop,
                 Profiler* profiler)
    : world_(world),
      settings_(std::move(settings)),
      gateway_(gateway),
      loop_(loop),
      profiler_(profiler),
      triggers_(world.clock(), settings_.store_ms),
      reports_(world.clock(), loop.poster(), kReportsMax),
      metrics_(world.clock(), loop.poster(), kReportsMax),
      profiles_(settings_.profiles_kept),
      random_(world.fork_random()) {
  // What is known of a job that has ended does not change.
  reports_.set_lasting([](const JobReportRef& report) { return report->end_ms() > 0; });
  add_cluster_routes();
  add_process_routes("/jobmanager", [](const RestCall&) { return ProcessName{}; });
  add_process_routes("/taskmanagers/:taskmanagerid", [](const RestCall& call) {
    return ProcessName{.task_manager = call.parameter("taskmanagerid")};
  });
  add_program_routes();
  add_job_routes();
  add_job_change_routes();
  add_savepoint_routes();
  add_vertex_routes();
  add_checkpoint_routes();
  add_metric_routes();
}

RestApi::~RestApi() = default;

void RestApi::get(std::string pattern, std::string summary, Handler handler,
                  std::vector<std::string> query) {
  router_.add({.method = "GET",
               .pattern = std::move(pattern),
               .handler = std::move(handler),
               .summary = std::move(summary),
               .query = std::move(query)});
}

void RestApi::change(std::string method, std::string pattern, std::string summary, Handler handler,
                     int32_t success, std::vector<std::string> query) {
  router_.add({.method = std::move(method),
               .pattern = std::move(pattern),
               .role = RestRole::kWrite,
               .handler = std::move(handler),
               .summary = std::move(summary),
               .query = std::move(query),
               .success = success});
}

Status RestApi::check_token(const HttpRequest& request, RestRole role) const {
  if (settings_.tokens.empty()) { return {}; }
  std::string_view field = request.headers.find("Authorization").value_or("");
  constexpr std::string_view kScheme = "Bearer ";
  const bool has_scheme =
      field.size() > kScheme.size() && equal_without_case(field.substr(0, kScheme.size()), kScheme);
  if (has_scheme) { field.remove_prefix(kScheme.size()); }
  const RestToken* found = nullptr;
  for (const RestToken& token : settings_.tokens) {
    const bool is_equal = equal_in_constant_time(token.text, field);
    if (is_equal && has_scheme) { found = &token; }
  }
  if (found == nullptr) {
    return failed_precondition(ErrorId::kNotAuthenticated,
                               "this cluster asks for a token: Authorization: Bearer TOKEN");
  }
  if (role == RestRole::kWrite && found->role != RestRole::kWrite) {
    return failed_precondition(ErrorId::kNotAuthorized,
                               "this token is for looking only; a `write` token may do this");
  }
  return {};
}

Result<std::shared_ptr<HttpBodyTaker>> RestApi::take_body(const HttpRequest& head) {
  const std::optional<RestRouter::Match> match = router_.find(head.method, head.path());
  if (!match.has_value() && head.method == "POST" && head.path().ends_with("/jobs")) {
    return invalid_argument(ErrorId::kRestRequest,
                            "this cluster runs programs, not job graphs of Java's: POST "
                            "/jars/upload a library or an SQL script, then POST /jars/ID/run");
  }
  if (!match.has_value() || !match->route->takes_upload) {
    return std::shared_ptr<HttpBodyTaker>();
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_token(head, match->route->role));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Upload> upload,
                             Upload::begin(world_, settings_.upload_directory,
                                           head.headers.find("Content-Type").value_or("")));
  return std::shared_ptr<HttpBodyTaker>(std::move(upload));
}

HttpResponse RestApi::failure_response(int32_t status, const Status& why) {
  HttpResponse response = status == 0 ? rest_failure(why) : rest_failure(status, why.to_string());
  response.headers.add("Access-Control-Allow-Origin", settings_.allow_origin);
  return response;
}

void RestApi::serve(HttpRequest request, HttpAnswer answer) {
  HttpAnswer with_origin = [answer = std::move(answer),
                            origin = settings_.allow_origin](HttpResponse response) {
    response.headers.add("Access-Control-Allow-Origin", origin);
    answer(std::move(response));
  };
  Result<RestCall::Query> query = parse_query(request.query());
  if (!query.ok()) {
    with_origin(rest_failure(query.status()));
    return;
  }
  auto call = std::make_shared<RestCall>(std::move(request), std::move(query).value(),
                                         std::move(with_origin));
  const int64_t give_up_ns = world_.clock().now_ns() + settings_.leader_timeout_ms * kMsToNs;
  loop_.post([this, call, give_up_ns] { handle(call, give_up_ns); });
}

void RestApi::handle(const RestCallRef& call, int64_t give_up_ns) {
  const HttpRequest& request = call->request();
  // HEAD is GET without the body, which the server leaves out.
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::optional<RestRouter::Match> match = router_.find(method, request.path());
  const RestRole role = match.has_value() ? match->route->role : RestRole::kRead;
  if (const Status status = check_token(request, role); !status.ok()) {
    HttpResponse refusal = rest_failure(status);
    if (refusal.status == 401) { refusal.headers.add("WWW-Authenticate", "Bearer"); }
    call->answer(std::move(refusal));
    return;
  }
  if (!match.has_value()) {
    if (method == "GET") {
      serve_file(call);
    } else {
      call->fail(404, fmt::format("Not found: {}", request.path()));
    }
    return;
  }
  const Result<std::string> leader = gateway_.leader_address();
  if (!leader.ok()) {
    if (world_.clock().now_ns() >= give_up_ns) {
      call->fail(503, std::string(kNoLeader));
      return;
    }
    loop_.after_ms(kLeaderRetryMs, [this, call, give_up_ns] { handle(call, give_up_ns); });
    return;
  }
  if (!leader->empty()) {
    redirect(call, *leader);
    return;
  }
  for (const char* const name : {"jobid", "vertexid", "triggerid"}) {
    const auto found = match->parameters.find(name);
    if (found == match->parameters.end() || is_rest_id(found->second)) { continue; }
    call->fail(
        400, fmt::format("'{}' is no {}, which has 32 lower-case hex digits", found->second, name));
    return;
  }
  call->set_parameters(std::move(match->parameters));
  match->route->handler(call);
}

void RestApi::redirect(const RestCallRef& call, const std::string& leader) const {
  HttpResponse response = rest_failure(307, "this JobManager does not lead; " + leader + " does");
  response.headers.add("Location", leader + call->request().target);
  call->answer(std::move(response));
}

void RestApi::serve_file(const RestCallRef& call) {
  const std::string path(call->request().path());
  std::optional<std::vector<std::string>> segments = path_segments(path);
  if (!segments.has_value() || settings_.web_directory.empty()) {
    call->fail(404, fmt::format("Unable to load requested file {}.", path));
    return;
  }
  std::string file = settings_.web_directory;
  for (const std::string& segment : *segments) { file = join_path(file, segment); }
  if (segments->empty()) { file = join_path(file, "index.html"); }
  answer_file(world_, call, file, fmt::format("Unable to load requested file {}.", path));
}

ClusterGateway::Done RestApi::on_done(RestCallRef call, std::function<void()> then) {
  return [poster = loop_.poster(), call = std::move(call),
          then = std::move(then)](const Status& status) {
    if (!status.ok()) {
      call->fail(status);
      return;
    }
    poster(then);
  };
}

void RestApi::fetch_report(const std::string& job_id, FetchCache<JobReportRef>::Done done) {
  reports_.get(
      job_id, settings_.refresh_interval_ms,
      [this, job_id](ClusterGateway::Answer<JobReportRef> answer) {
        gateway_.report(job_id, std::move(answer));
      },
      std::move(done));
}

void RestApi::fetch_metrics(const std::string& job_id, FetchCache<MetricReportRef>::Done done) {
  metrics_.get(
      job_id, settings_.metrics_interval_ms,
      [this, job_id](ClusterGateway::Answer<MetricReportRef> answer) {
        gateway_.metrics_of_job(job_id, std::move(answer));
      },
      std::move(done));
}

void RestApi::with_report(const RestCallRef& call, Then<JobReportRef> then) {
  fetch_report(call->parameter("jobid"),
               [call, then = std::move(then)](const Result<JobReportRef>& report) {
                 if (report.ok()) {
                   then(*report);
                 } else {
                   call->fail(report.status());
                 }
               });
}

}  // namespace tidewheel
