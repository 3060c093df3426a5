// Functions for SQL, one of each kind. Build it, then:
//   CREATE TEMPORARY FUNCTION haversine AS 'haversine'
//     LANGUAGE CPP USING LIBRARY 'build/libsql_functions.so';
//   SELECT haversine(52.5, 13.4, 48.9, 2.4);
#include <tidewheel/api/function_library.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tw = tidewheel;

namespace {

// Kilometres between two places, in degrees. noexcept and of numbers alone: one loop over columns.
double haversine(double lat1, double lon1, double lat2, double lon2) noexcept {
  constexpr double kRadians = 3.14159265358979323846 / 180;
  constexpr double kEarthKm = 6371;
  const double lat = std::sin((lat2 - lat1) * kRadians / 2);
  const double lon = std::sin((lon2 - lon1) * kRadians / 2);
  const double a = lat * lat + std::cos(lat1 * kRadians) * std::cos(lat2 * kRadians) * lon * lon;
  return 2 * kEarthKm * std::asin(std::sqrt(a));
}

struct Agent {
  std::string name;
  std::optional<int32_t> major;
};

// "firefox/115.0": a row, or NULL when it is none.
std::optional<Agent> parse_agent(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) { return std::nullopt; }
  Agent agent{std::string(text.substr(0, slash)), std::nullopt};
  int32_t major = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data() + slash + 1, end, major).ec == std::errc()) {
    agent.major = major;
  }
  return agent;
}

struct Word {
  std::string_view word;  // a part of the argument: nothing is copied
  int32_t length;
};

void words(std::string_view text, tw::TableOut<Word>& out) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) { out({text.substr(0, end), static_cast<int32_t>(end)}); }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

void tidewheel_functions(tw::FunctionLibrary& library) {
  library.function("haversine", &haversine);
  library.function("parse_agent", &parse_agent);
  library.table_function("words", &words);

  // Two signatures of one name. A parameter that may be NULL is an std::optional.
  library.function("or_zero", [](std::optional<int64_t> x) { return x.value_or(0); });
  library.function("or_zero", [](std::optional<double> x) { return x.value_or(0); });

  // Whole columns at a time.
  library.vectorized(
      "fused", [](std::span<const double> a, std::span<const double> b, std::span<double> out) {
        for (size_t i = 0; i < out.size(); ++i) { out[i] = a[i] * b[i] + 1; }
      });

  // Nested values.
  library.function("histogram", [](const std::vector<std::string>& names) {
    std::map<std::string, int32_t> counts;
    for (const std::string& name : names) { ++counts[name]; }
    return counts;
  });

  // What is thrown ends the job, with the function's name and this text.
  library.function("checked_sqrt", [](double x) {
    if (x < 0) { throw std::domain_error("the square root of a number below zero"); }
    return std::sqrt(x);
  });

  library.table_function("numbers", [](int64_t from, int64_t to, tw::TableOut<int64_t>& out) {
    for (int64_t i = from; i <= to; ++i) { out(i); }
  });
}
