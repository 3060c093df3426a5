// One request to the REST API on its way: its parameters, and the ways to answer it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/http/message.h"
#include "tidewheel/http/server.h"
#include "tidewheel/rest/json_value.h"

namespace tidewheel {

// {"errors": [..]} with what clients expect of that code.
HttpResponse rest_failure(int32_t http_status, const std::string& message);
HttpResponse rest_failure(const Status& status);
HttpResponse rest_json(std::string json, int32_t http_status = 200);
int32_t http_status_of(const Status& status);

// Lives until it is answered. Parameters are for the API's thread; answers may come from any, once.
class RestCall {
 public:
  using Parameters = std::map<std::string, std::string, std::less<>>;
  using Query = std::vector<std::pair<std::string, std::string>>;

  RestCall(HttpRequest request, Query query, HttpAnswer answer)
      : request_(std::move(request)), query_(std::move(query)), answer_(std::move(answer)) {}

  const HttpRequest& request() const { return request_; }
  HttpRequest& request() { return request_; }
  void set_parameters(Parameters parameters) { parameters_ = std::move(parameters); }
  // Of the path: "jobid".
  const std::string& parameter(std::string_view name) const;
  std::optional<std::string> query(std::string_view name) const;
  // All values of that name, each split at commas; none: it was not given.
  std::optional<std::vector<std::string>> query_list(std::string_view name) const;
  // An object; an empty one when there is no body. Errors: kRestRequest.
  Result<JsonValue> body() const;

  void answer(HttpResponse response) const { answer_(std::move(response)); }
  void json(std::string text, int32_t http_status = 200) const {
    answer_(rest_json(std::move(text), http_status));
  }
  // What came out empty is not there.
  void json_or_missing(std::string text, const std::string& what) const;
  void fail(const Status& status) const { answer_(rest_failure(status)); }
  void fail(int32_t http_status, const std::string& message) const {
    answer_(rest_failure(http_status, message));
  }

 private:
  HttpRequest request_;
  Query query_;
  Parameters parameters_;
  HttpAnswer answer_;
};
using RestCallRef = std::shared_ptr<RestCall>;

// "32 lower-case hex digits", as ids of jobs, vertices and triggers are.
bool is_rest_id(std::string_view text);

}  // namespace tidewheel
