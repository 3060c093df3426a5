#include "tidewheel/cli/cluster_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/http/client.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/call.h"

namespace tidewheel {
namespace {

constexpr int kRedirectsMax = 5;
constexpr int64_t kPollMsMin = 20;
constexpr int64_t kPollMsMax = 1000;

// What a refusal says, in the cluster's words.
std::string message_of(const HttpResponse& response) {
  const Result<JsonValue> body = JsonValue::parse(response.body);
  if (!body.ok() || !(*body)["errors"].is_array()) { return response.body.substr(0, 500); }
  std::string out;
  for (const JsonValue& one : (*body)["errors"].items()) {
    if (one.text() == "Internal server error.") { continue; }
    out += (out.empty() ? "" : "\n") + one.text();
  }
  return out;
}

Status refusal_of(const HttpResponse& response) {
  StatusCode code = StatusCode::kInternal;
  switch (response.status) {
    case 400:
    case 413: code = StatusCode::kInvalidArgument; break;
    case 401:
    case 403:
    case 409: code = StatusCode::kFailedPrecondition; break;
    case 404: code = StatusCode::kNotFound; break;
    case 501: code = StatusCode::kUnimplemented; break;
    case 503: code = StatusCode::kUnavailable; break;
    case 408:
    case 504: code = StatusCode::kDeadlineExceeded; break;
    default: break;
  }
  return Status(code, ErrorId::kHttpStatus,
                fmt::format("the cluster answered {} {}: {}", response.status,
                            http_reason(response.status), message_of(response)));
}

}  // namespace

struct ClusterClient::Parts {
  Parts(World& world, const HttpClientOptions& options) : http(world, options) {}
  HttpClient http;
};

ClusterClient::ClusterClient(World& world, std::string base)
    : world_(world), base_(std::move(base)) {}
ClusterClient::~ClusterClient() = default;

Result<std::unique_ptr<ClusterClient>> ClusterClient::open(World& world,
                                                           ClusterClientOptions options) {
  const Config& config = options.config;
  std::string base = options.address;
  if (base.empty()) {
    base = NetworkAddress{config.get(options::kRestAddress),
                          static_cast<uint16_t>(config.get(options::kRestPort))}
               .to_string();
  }
  if (base.find("://") == std::string::npos) {
    // A host alone has the usual port.
    if (base.find(':') == std::string::npos) {
      base += fmt::format(":{}", config.get(options::kRestPort));
    }
    TIDEWHEEL_RETURN_IF_ERROR(NetworkAddress::parse(base).status());
    base = (options.tls_network != nullptr ? "https://" : "http://") + base;
  }
  while (base.ends_with('/')) { base.pop_back(); }
  TIDEWHEEL_RETURN_IF_ERROR(HttpUrl::parse(base).status());
  std::unique_ptr<ClusterClient> client(new ClusterClient(world, base));
  client->retries_ = config.get(options::kRestRetries);
  client->retry_delay_ms_ = config.get(options::kRestRetryDelay);
  if (const std::string file = config.get(options::kRestTokenFile); !file.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, read_all(world.files(), file));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<RestToken> tokens, parse_rest_tokens(text));
    if (!tokens.empty()) { client->token_ = tokens.front().text; }
  }
  client->parts_ = std::make_unique<Parts>(
      world, HttpClientOptions{.tls_network = options.tls_network,
                               .connect_timeout_ms = config.get(options::kRestConnectTimeout),
                               .timeout_ms = config.get(options::kWebTimeout)});
  return client;
}

void ClusterClient::pause_ms(int64_t ms) {
  world_.executor().make_event()->wait(world_.clock().now_ns() + ms * 1'000'000);
}

Result<std::string> ClusterClient::call(const std::string& method, const std::string& path,
                                        const std::string& body, const std::string& content_type) {
  std::string url = base_ + path;
  int redirects = 0;
  for (int64_t attempts = 0;;) {
    HttpCall http{.url = url, .method = method, .body = body};
    if (!body.empty()) { http.headers.add("Content-Type", content_type); }
    if (!token_.empty()) { http.headers.add("Authorization", "Bearer " + token_); }
    Result<HttpResponse> response = parts_->http.call(std::move(http));
    if (!response.ok()) {
      if (response.status().id() == ErrorId::kNetworkConnect) {
        return unavailable(ErrorId::kNetworkConnect,
                           "no JobManager answers at {} ({}); -m HOST:PORT says where one is",
                           base_, response.status().message());
      }
      return response.status();
    }
    if (response->status / 100 == 2) { return std::move(response->body); }
    const std::optional<std::string_view> location = response->headers.find("Location");
    if (response->status == 307 && location.has_value() && redirects++ < kRedirectsMax) {
      url = *location;
      const size_t end = url.find('/', url.find("://") + 3);
      base_ = url.substr(0, end);  // the leader, for what comes next
      continue;
    }
    if (response->status != 503 || attempts++ >= retries_) { return refusal_of(*response); }
    pause_ms(retry_delay_ms_);
  }
}

Result<JsonValue> ClusterClient::get(const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body, call("GET", path, "", ""));
  return JsonValue::parse(body);
}

Result<JsonValue> ClusterClient::send(const std::string& method, const std::string& path,
                                      const std::string& body) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string answer,
                             call(method, path, body, "application/json"));
  return JsonValue::parse(answer);
}

Result<std::string> ClusterClient::get_text(const std::string& path) {
  return call("GET", path, "", "");
}

Result<std::string> ClusterClient::upload(const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string bytes, read_all(world_.files(), path));
  // A boundary that the program's bytes do not have.
  Random random = world_.fork_random();
  std::string boundary;
  do {
    boundary = fmt::format("tidewheel-{:016x}{:016x}", random.next(), random.next());
  } while (bytes.find(boundary) != std::string::npos);
  std::string name = file_name(path);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '"' || c == '\\' || c < ' '; }, '_');
  const std::string body = fmt::format(
                               "--{}\r\nContent-Disposition: form-data; name=\"jarfile\"; "
                               "filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                               boundary, name) +
                           bytes + "\r\n--" + boundary + "--\r\n";
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::string answer,
      call("POST", "/v1/jars/upload", body, "multipart/form-data; boundary=" + boundary));
  TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue json, JsonValue::parse(answer));
  return file_name(json["filename"].text());
}

Result<JsonValue> ClusterClient::wait_for(const std::string& path) {
  for (int64_t pause = kPollMsMin;; pause = std::min(pause * 2, kPollMsMax)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue answer, get(path));
    if (answer["status"]["id"].text() == "COMPLETED") {
      const JsonValue& operation = answer["operation"];
      for (const char* const member : {"failure-cause", "failureCause"}) {
        const JsonValue& cause = operation[member];
        if (cause.is_object()) {
          return failed_precondition(ErrorId::kHttpStatus, "{}", cause["stack-trace"].text());
        }
      }
      return operation;
    }
    pause_ms(pause);
  }
}

Result<std::string> ClusterClient::find_job(const std::string& name) {
  if (is_rest_id(name)) { return name; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue jobs, get("/v1/jobs/overview"));
  // Those that run come before those that have ended under the same name.
  std::vector<std::string> running;
  std::vector<std::string> ended;
  for (const JsonValue& job : jobs["jobs"].items()) {
    const std::string& id = job["jid"].text();
    if (job["name"].text() != name && (name.size() < 4 || !id.starts_with(name))) { continue; }
    (job["end-time"].integer() > 0 ? ended : running).push_back(id);
  }
  const std::vector<std::string>& found = running.empty() ? ended : running;
  if (found.size() == 1) { return found.front(); }
  if (found.empty()) {
    return not_found(ErrorId::kUnknownJob,
                     "the cluster has no job whose name is '{}', or whose id begins so; `tidewheel "
                     "list -a` shows them",
                     name);
  }
  return not_found(ErrorId::kUnknownJob, "several jobs are named '{}'; which one is meant: {}?",
                   name, fmt::join(found, ", "));
}

}  // namespace tidewheel
