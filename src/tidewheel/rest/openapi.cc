#include "tidewheel/rest/openapi.h"

#include <map>
#include <vector>

#include "tidewheel/base/version.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/router.h"

namespace tidewheel {
namespace {

// "/jobs/:jobid" as "/jobs/{jobid}", and the parameters' names.
std::string openapi_path(std::string_view pattern, std::vector<std::string>& parameters) {
  std::string out;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view part = pattern.substr(0, end);
    pattern.remove_prefix(end);
    out += '/';
    if (part.starts_with(':')) {
      parameters.emplace_back(part.substr(1));
      out += "{" + parameters.back() + "}";
    } else {
      out += part;
    }
  }
  return out;
}

bool is_id(std::string_view name) {
  return name == "jobid" || name == "vertexid" || name == "triggerid";
}

void write_parameter(JsonWriter& json, const std::string& name, bool is_in_path) {
  json.begin_object().member("name", name).member("in", is_in_path ? "path" : "query");
  json.member("required", is_in_path).begin_object("schema").member("type", "string");
  if (is_in_path && is_id(name)) { json.member("pattern", "^[0-9a-f]{32}$"); }
  json.end_object().end_object();
}

void write_response(JsonWriter& json, const char* code, const char* what, bool is_failure) {
  json.begin_object(code).member("description", what);
  if (is_failure) {
    json.begin_object("content").begin_object("application/json").begin_object("schema");
    json.member("$ref", "#/components/schemas/Failure").end_object().end_object().end_object();
  }
  json.end_object();
}

void write_operation(JsonWriter& json, const RestRoute& route,
                     const std::vector<std::string>& path_parameters) {
  std::string method = route.method;
  for (char& c : method) { c = static_cast<char>(c + ('a' - 'A')); }
  json.begin_object(method).member("summary", route.summary).begin_array("parameters");
  for (const std::string& name : path_parameters) { write_parameter(json, name, true); }
  for (const std::string& name : route.query) { write_parameter(json, name, false); }
  json.end_array();
  if (route.takes_upload) {
    json.begin_object("requestBody").begin_object("content").begin_object("multipart/form-data");
    json.begin_object("schema").member("type", "object").begin_object("properties");
    json.begin_object("jarfile").member("type", "string").member("format", "binary");
    json.end_object().end_object().end_object().end_object().end_object().end_object();
  } else if (route.method == "POST" || route.method == "PUT" || route.method == "PATCH") {
    json.begin_object("requestBody").begin_object("content").begin_object("application/json");
    json.begin_object("schema").member("type", "object");
    json.end_object().end_object().end_object().end_object();
  }
  json.begin_object("responses");
  write_response(json, std::to_string(route.success).c_str(), "it was done", false);
  write_response(json, "400", "the request makes no sense", true);
  write_response(json, "404", "something that it names is not there", true);
  write_response(json, "default", "a failure", true);
  json.end_object().end_object();
}

}  // namespace

std::string openapi_json(const RestRouter& router) {
  // By path: a path has its methods in one object.
  std::map<std::string, std::vector<const RestRoute*>> paths;
  std::map<std::string, std::vector<std::string>> parameters;
  for (const RestRoute& route : router.routes()) {
    std::vector<std::string> names;
    const std::string path = openapi_path(route.pattern, names);
    paths[path].push_back(&route);
    parameters[path] = names;
  }
  JsonWriter json;
  json.begin_object().member("openapi", "3.0.3").begin_object("info");
  json.member("title", "Tidewheel REST API").member("version", kVersion).end_object();
  json.begin_array("servers").begin_object().member("url", "/v1").end_object().end_array();
  json.begin_object("paths");
  for (const auto& [path, routes] : paths) {
    json.begin_object(path);
    for (const RestRoute* const route : routes) { write_operation(json, *route, parameters[path]); }
    json.end_object();
  }
  json.end_object().begin_object("components").begin_object("schemas").begin_object("Failure");
  json.member("type", "object").begin_array("required").value("errors").end_array();
  json.begin_object("properties").begin_object("errors").member("type", "array");
  json.begin_object("items").member("type", "string");
  return json.end_object()
      .end_object()
      .end_object()
      .end_object()
      .end_object()
      .end_object()
      .end_object()
      .take();
}

}  // namespace tidewheel
