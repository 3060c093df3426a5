#include "tidewheel/rest/openapi.h"

#include <algorithm>
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

// What a parameter, or a member of a body, may be: a JSON schema.
struct ValueSchema {
  const char* name;
  const char* schema;
};
constexpr const char* kText = R"({"type":"string"})";
constexpr const char* kId = R"({"type":"string","pattern":"^[0-9a-f]{32}$"})";
// What a client may leave to the server.
constexpr const char* kIdOrNull = R"({"type":["string","null"],"pattern":"^[0-9a-f]{32}$"})";
constexpr const char* kTextOrNull = R"({"type":["string","null"]})";
constexpr const char* kBoolOrNull = R"({"type":["boolean","null"]})";
constexpr const char* kBool = R"({"type":"boolean"})";
constexpr const char* kNumber = R"({"type":"integer","minimum":0,"maximum":2147483647})";
constexpr const char* kParallelism = R"({"type":"integer","minimum":1,"maximum":32768})";

// Whatever is not here is text.
constexpr ValueSchema kParameters[] = {
    {"jobid", kId},
    {"vertexid", kId},
    {"triggerid", kId},
    {"subtaskindex", kNumber},
    {"attempt", kNumber},
    {"checkpointid", kNumber},
    {"maxExceptions", kNumber},
    {"parallelism", kParallelism},
    {"allowNonRestoredState", kBool},
    {"mode", R"({"type":"string","enum":["cancel"]})"},
    {"type", R"({"type":"string","enum":["FULL","ON_CPU","OFF_CPU","full","on_cpu","off_cpu"]})"},
    {"agg",
     R"({"type":"string","pattern":"^((min|max|sum|avg|skew)(,(min|max|sum|avg|skew)){0,4})?$"})"},
    {"subtasks", R"({"type":"string","pattern":"^([0-9]{1,4}(-[0-9]{1,4})?)?$"})"},
};

// The bodies of requests.
struct BodySchema {
  const char* method;
  const char* pattern;
  std::vector<ValueSchema> members;
  std::vector<const char*> required = {};
};
const std::vector<BodySchema>& bodies() {
  constexpr const char* kFormat =
      R"({"type":["string","null"],"enum":["CANONICAL","NATIVE",null]})";
  constexpr const char* kProfileMode = R"({"type":"string","enum":["CPU","ITIMER","WALL"]})";
  constexpr const char* kProfileDuration = R"({"type":"integer","minimum":1,"maximum":300})";
  static const std::vector<BodySchema> kBodies = {
      {"POST",
       "/jars/:jarid/run",
       {{"entryClass", kText},
        {"programArgsList", R"({"type":"array","items":{"type":"string"}})"},
        {"parallelism", kParallelism},
        {"jobId", kId},
        {"allowNonRestoredState", kBool},
        {"savepointPath", kText},
        {"claimMode", R"({"type":["string","null"],"enum":["CLAIM","NO_CLAIM",null]})"},
        {"flinkConfiguration", R"({"type":"object","additionalProperties":{"type":"string"}})"}}},
      {"PATCH",
       "/jobs/:jobid/clientHeartbeat",
       {{"expiredTimestamp", R"({"type":"integer","minimum":0,"maximum":9007199254740991})"}},
       {"expiredTimestamp"}},
      {"POST",
       "/jobs/:jobid/savepoints",
       {{"target-directory", kTextOrNull},
        {"cancel-job", kBoolOrNull},
        {"formatType", kFormat},
        {"triggerId", kIdOrNull}}},
      {"POST",
       "/jobs/:jobid/stop",
       {{"targetDirectory", kTextOrNull},
        {"drain", kBoolOrNull},
        {"formatType", kFormat},
        {"triggerId", kIdOrNull}}},
      {"POST",
       "/jobs/:jobid/checkpoints",
       {{"checkpointType", R"({"type":["string","null"],"enum":["CONFIGURED","FULL",null]})"},
        {"triggerId", kIdOrNull}}},
      {"POST",
       "/jobmanager/profiler",
       {{"mode", kProfileMode}, {"duration", kProfileDuration}},
       {"mode", "duration"}},
      {"POST",
       "/taskmanagers/:taskmanagerid/profiler",
       {{"mode", kProfileMode}, {"duration", kProfileDuration}},
       {"mode", "duration"}},
      {"POST",
       "/savepoint-disposal",
       {{"savepoint-path", kText}, {"triggerId", kIdOrNull}},
       {"savepoint-path"}},
  };
  return kBodies;
}
// By vertex: what each may run at.
constexpr const char* kRequirements =
    R"({"type":"object","minProperties":1,"propertyNames":{"pattern":"^[0-9a-f]{32}$"},)"
    R"("additionalProperties":{"type":"object","required":["parallelism"],"properties":)"
    R"({"parallelism":{"type":"object","required":["lowerBound","upperBound"],"properties":)"
    R"({"lowerBound":{"type":"integer","minimum":1,"maximum":32768},)"
    R"("upperBound":{"type":"integer","minimum":1,"maximum":32768}}}}}})";

void write_parameter(JsonBuilder& json, const std::string& name, bool is_in_path) {
  const char* schema = kText;
  for (const ValueSchema& known : kParameters) {
    if (name == known.name) { schema = known.schema; }
  }
  json.begin_object().member("name", name).member("in", is_in_path ? "path" : "query");
  json.member("required", is_in_path).key("schema").raw(schema).end_object();
}

// What only changes a state has its say in the query.
bool has_body(const RestRoute& route) {
  return std::any_of(bodies().begin(), bodies().end(), [&](const BodySchema& body) {
    return route.method == body.method && route.pattern == body.pattern;
  });
}

// Whether the request makes no sense without.
bool needs_body(const RestRoute& route) {
  return std::any_of(bodies().begin(), bodies().end(), [&](const BodySchema& body) {
    return route.method == body.method && route.pattern == body.pattern && !body.required.empty();
  });
}

void write_body(JsonBuilder& json, const RestRoute& route) {
  if (route.pattern == "/jobs/:jobid/resource-requirements") {
    json.key("schema").raw(kRequirements);
    return;
  }
  json.begin_object("schema").member("type", "object");
  for (const BodySchema& body : bodies()) {
    if (route.method != body.method || route.pattern != body.pattern) { continue; }
    json.begin_object("properties");
    for (const ValueSchema& member : body.members) { json.key(member.name).raw(member.schema); }
    json.end_object();
    if (body.required.empty()) { continue; }
    json.begin_array("required");
    for (const char* const name : body.required) { json.value(name); }
    json.end_array();
  }
  json.end_object();
}

void write_response(JsonBuilder& json, const char* code, const char* what, bool is_failure) {
  json.begin_object(code).member("description", what);
  if (is_failure) {
    json.begin_object("content").begin_object("application/json").begin_object("schema");
    json.member("$ref", "#/components/schemas/Failure").end_object().end_object().end_object();
  }
  json.end_object();
}

void write_operation(JsonBuilder& json, const RestRoute& route,
                     const std::vector<std::string>& path_parameters) {
  std::string method = route.method;
  for (char& c : method) { c = static_cast<char>(c + ('a' - 'A')); }
  json.begin_object(method).member("summary", route.summary).begin_array("parameters");
  for (const std::string& name : path_parameters) { write_parameter(json, name, true); }
  for (const std::string& name : route.query) { write_parameter(json, name, false); }
  json.end_array();
  if (route.takes_upload) {
    json.begin_object("requestBody").member("required", true);
    json.begin_object("content").begin_object("multipart/form-data");
    json.begin_object("schema").member("type", "object").begin_object("properties");
    json.begin_object("jarfile").member("type", "string").member("format", "binary");
    json.end_object().end_object().begin_array("required").value("jarfile").end_array();
    json.end_object().end_object().end_object().end_object();
  } else if (route.method == "POST" || route.method == "PUT" || has_body(route)) {
    json.begin_object("requestBody").member("required", needs_body(route));
    json.begin_object("content").begin_object("application/json");
    write_body(json, route);
    json.end_object().end_object().end_object();
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
  JsonBuilder json;
  json.begin_object().member("openapi", "3.1.0").begin_object("info");
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
