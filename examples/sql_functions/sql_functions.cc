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

// The accumulator of geo_mean: plain memory, which lies in the state of a query as it is.
struct Logs {
  double sum = 0;
  int64_t count = 0;
};

std::optional<double> geo_mean(const Logs& logs) {
  if (logs.count == 0) { return std::nullopt; }
  return std::exp(logs.sum / static_cast<double>(logs.count));
}

void add_aggregates(tw::FunctionLibrary& library) {
  library.aggregate(
      "geo_mean",
      tw::SqlAggregate{
          .init = [] { return Logs{}; },
          .add =
              [](Logs& logs, double x) {
                logs.sum += std::log(x);
                ++logs.count;
              },
          .merge =
              [](Logs& logs, const Logs& later) {
                logs.sum += later.sum;
                logs.count += later.count;
              },
          .result = &geo_mean,
          // With it the function may stand over rows that change, and in frames that move.
          .retract =
              [](Logs& logs, double x) {
                logs.sum -= std::log(x);
                --logs.count;
              },
          // Many rows at a time, where nobody asks for results between them: in windows.
          .add_rows =
              [](std::span<Logs* const> logs, std::span<const double> values) {
                for (size_t i = 0; i < values.size(); ++i) {
                  logs[i]->sum += std::log(values[i]);
                  ++logs[i]->count;
                }
              }});

  // Without `retract`: of rows that are only added. The accumulator holds a string.
  library.aggregate(
      "longest",
      tw::SqlAggregate{
          .init = [] { return std::optional<std::string>(); },
          .add =
              [](std::optional<std::string>& kept, std::string_view s) {
                if (!kept || s.size() > kept->size()) { kept = s; }
              },
          .merge =
              [](std::optional<std::string>& kept, const std::optional<std::string>& later) {
                if (later && (!kept || later->size() > kept->size())) { kept = later; }
              },
          .result = [](const std::optional<std::string>& kept) { return kept; }});

  // How often each word came: a map is kept, and a map is given. NULL is a word, too.
  using Counts = std::map<std::string, int64_t>;
  library.aggregate(
      "word_counts",
      tw::SqlAggregate{
          .init = [] { return Counts{}; },
          .add = [](Counts& counts,
                    const std::optional<std::string>& word) { ++counts[word.value_or("?")]; },
          .merge =
              [](Counts& counts, const Counts& later) {
                for (const auto& [word, count] : later) { counts[word] += count; }
              },
          .result = [](const Counts& counts) { return counts; },
          .retract =
              [](Counts& counts, const std::optional<std::string>& word) {
                const auto found = counts.find(word.value_or("?"));
                if (found != counts.end() && --found->second == 0) { counts.erase(found); }
              }});
}

}  // namespace

void tidewheel_functions(tw::FunctionLibrary& library) {
  add_aggregates(library);
  library.function("haversine", &haversine);
  library.function("parse_agent", &parse_agent);
  library.table_function("words", &words);

  // A value that comes later. A client of a service would keep `result`, and complete it on a
  // thread of its own when the answer is there; what is known already can be given at once.
  library.async_function(
      "country", [](const std::string& code, tw::AsyncResult<std::optional<std::string>> result) {
        static const std::map<std::string, std::string> names{{"DE", "Germany"}, {"FR", "France"}};
        if (code.size() != 2) { return result.fail("a country's code has two letters: " + code); }
        const auto found = names.find(code);
        result.complete(found == names.end() ? std::nullopt : std::optional(found->second));
      });

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
