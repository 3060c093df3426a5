#include "tidewheel/rest/call.h"

#include <algorithm>

#include "tidewheel/rest/json_writer.h"

namespace tidewheel {

HttpResponse rest_json(std::string json, int32_t http_status) {
  HttpResponse response{.status = http_status, .body = std::move(json)};
  response.headers.add("Content-Type", "application/json; charset=UTF-8");
  return response;
}

HttpResponse rest_failure(int32_t http_status, const std::string& message) {
  JsonBuilder json;
  json.begin_object().begin_array("errors");
  if (http_status == 500) {
    json.value("Internal server error.");
    json.value("<Exception on server side:\n" + message + "\nEnd of exception on server side>");
  } else {
    json.value(message);
  }
  json.end_array().end_object();
  return rest_json(json.take(), http_status);
}

HttpResponse rest_failure(const Status& status) {
  return rest_failure(http_status_of(status), status.to_string());
}

int32_t http_status_of(const Status& status) {
  if (status.ok()) { return 200; }
  if (status.id() == ErrorId::kNotAuthenticated) { return 401; }
  if (status.id() == ErrorId::kNotAuthorized) { return 403; }
  if (status.id() == ErrorId::kHttpLimit) { return 413; }
  switch (status.code()) {
    case StatusCode::kInvalidArgument: return 400;
    case StatusCode::kNotFound: return 404;
    case StatusCode::kFailedPrecondition: return 409;
    case StatusCode::kUnavailable: return 503;
    case StatusCode::kDeadlineExceeded: return 504;
    case StatusCode::kUnimplemented: return 501;
    default: return 500;
  }
}

const std::string& RestCall::parameter(std::string_view name) const {
  static const std::string kNone;
  const auto found = parameters_.find(name);
  return found == parameters_.end() ? kNone : found->second;
}

std::optional<std::string> RestCall::query(std::string_view name) const {
  for (const auto& [key, value] : query_) {
    if (key == name) { return value; }
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> RestCall::query_list(std::string_view name) const {
  std::optional<std::vector<std::string>> out;
  for (const auto& [key, value] : query_) {
    if (key != name) { continue; }
    if (!out.has_value()) { out.emplace(); }
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(','), rest.size());
      if (end > 0) { out->emplace_back(rest.substr(0, end)); }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return out;
}

Result<JsonValue> RestCall::body() const {
  if (request_.body.empty()) { return JsonValue::parse("{}"); }
  Result<JsonValue> value = JsonValue::parse(request_.body);
  if (!value.ok() || !value->is_object()) {
    return invalid_argument(
        ErrorId::kRestRequest,
        "Request did not match expected format: the body has to be a JSON object, not {}",
        request_.body.substr(0, 100));
  }
  return value;
}

void RestCall::json_or_missing(std::string text, const std::string& what) const {
  if (text.empty()) {
    fail(404, what + " not found");
  } else {
    json(std::move(text));
  }
}

bool is_rest_id(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace tidewheel
