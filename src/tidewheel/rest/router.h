// Which path is answered by what.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/rest/call.h"

namespace tidewheel {

// Who may make a request, where tokens are asked for.
enum class RestRole : uint8_t { kRead, kWrite };

struct RestRoute {
  std::string method;
  std::string pattern;  // "/jobs/:jobid/vertices/:vertexid"
  RestRole role = RestRole::kRead;
  // The body is a program, which may be large.
  bool takes_upload = false;
  std::function<void(const RestCallRef&)> handler;
  // For the OpenAPI description.
  std::string summary = {};
  std::vector<std::string> query = {};
  int32_t success = 200;
};

class RestRouter {
 public:
  struct Match {
    const RestRoute* route = nullptr;
    RestCall::Parameters parameters = {};
  };

  // Of two patterns that fit, the one with fewer parameters wins.
  void add(RestRoute route);
  // The prefix /v1 does not matter. Segments are decoded; what is empty, "." or "..", or has a
  // slash in it when it is decoded, fits no parameter.
  std::optional<Match> find(std::string_view method, std::string_view path) const;
  const std::vector<RestRoute>& routes() const { return routes_; }

 private:
  std::vector<RestRoute> routes_;
};

// Decoded segments of a path; none: it is malformed, or has one that must not be in a path.
std::optional<std::vector<std::string>> path_segments(std::string_view path);

}  // namespace tidewheel
