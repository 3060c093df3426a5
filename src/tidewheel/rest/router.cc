#include "tidewheel/rest/router.h"

#include <algorithm>

namespace tidewheel {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::optional<std::vector<std::string>> path_segments(std::string_view path) {
  if (!path.starts_with('/')) { return std::nullopt; }
  std::vector<std::string> out;
  const std::vector<std::string_view> parts = split(path);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() && i + 1 == parts.size()) { break; }  // a slash at the end
    std::optional<std::string> segment = percent_decode(parts[i], false);
    if (!segment.has_value() || segment->empty() || *segment == "." || *segment == ".." ||
        segment->find_first_of("/\\") != std::string::npos) {
      return std::nullopt;
    }
    out.push_back(std::move(*segment));
  }
  return out;
}

void RestRouter::add(RestRoute route) {
  const auto parameters = [](const RestRoute& one) {
    return std::count(one.pattern.begin(), one.pattern.end(), ':');
  };
  const auto position = std::upper_bound(
      routes_.begin(), routes_.end(), parameters(route),
      [&](auto count, const RestRoute& other) { return count < parameters(other); });
  routes_.insert(position, std::move(route));
}

std::optional<RestRouter::Match> RestRouter::find(std::string_view method,
                                                  std::string_view path) const {
  std::optional<std::vector<std::string>> segments = path_segments(path);
  if (!segments.has_value()) { return std::nullopt; }
  if (!segments->empty() && segments->front() == "v1") { segments->erase(segments->begin()); }
  for (const RestRoute& route : routes_) {
    if (route.method != method) { continue; }
    const std::vector<std::string_view> pattern = split(route.pattern);
    if (pattern.size() != segments->size()) { continue; }
    Match match{.route = &route};
    const bool fits = std::equal(pattern.begin(), pattern.end(), segments->begin(),
                                 [&](std::string_view part, const std::string& segment) {
                                   if (!part.starts_with(':')) { return part == segment; }
                                   match.parameters.emplace(part.substr(1), segment);
                                   return true;
                                 });
    if (fits) { return match; }
  }
  return std::nullopt;
}

}  // namespace tidewheel
