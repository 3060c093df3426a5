#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace flights {
namespace {

// The first `count` rows of a table in the order of `before`.
template <class Row, class Before>
std::vector<Row> first_rows(std::vector<Row> rows, size_t count, Before before) {
  const size_t kept = std::min(count, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(kept), rows.end(),
                    before);
  rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(kept), rows.end());
  return rows;
}

// Lines of text, appended.
template <class... Args>
void line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out += '\n';
}

void hardest_hours(const Results& results, std::string& out) {
  const std::vector<Hourly> rows = results.hourly.get();
  line(out, "\nHardest hours of {}, by cancelled departures", rows.size());
  line(out, "  {:<7} {:<16} {:>8} {:>9} {:>10} {:>8}", "airport", "hour (UTC)", "flights",
       "cancelled", "mean delay", "95th pct");
  for (const Hourly& row : first_rows(rows, 8, [](const Hourly&a, const Hourly&b) {
         if (a.cancelled != b.cancelled) { return a.cancelled > b.cancelled; }
         return std::tie(a.window_start, a.origin) < std::tie(b.window_start, b.origin);
       })) {
    line(out, "  {:<7} {:<16} {:>8} {:>9} {:>10} {:>8}", std::string_view(row.origin),
         to_string(row.window_start).substr(0, 16), row.flights, row.cancelled,
         row.mean_delay ? row.mean_delay->to_string() : "-",
         row.p95_delay ? std::to_string(*row.p95_delay) : "-");
  }
}

void latest_airlines(const Results& results, std::string& out) {
  struct Airline {
    std::string carrier;
    int64_t departures = 0;
    int64_t delay = 0;
    double visibility = 0;
  };
  std::map<std::string, Airline> airlines;
  for (const InWeather& row : results.late_departures.get()) {
    Airline& airline = airlines[std::string(row.carrier)];
    airline.carrier = row.carrier;
    ++airline.departures;
    airline.delay += row.delay;
    airline.visibility += row.visib;
  }
  std::vector<Airline> rows;
  for (const auto& [carrier, airline] : airlines) { rows.push_back(airline); }
  line(out, "\nAirlines, by departures that were over an hour late");
  line(out, "  {:<7} {:>10} {:>11} {:>17}", "airline", "departures", "mean delay",
       "mean visibility");
  for (const Airline& row : first_rows(rows, 8, [](const Airline&a, const Airline&b) {
         return std::tie(b.departures, a.carrier) < std::tie(a.departures, b.carrier);
       })) {
    const auto count = static_cast<double>(row.departures);
    line(out, "  {:<7} {:>10} {:>7.0f} min {:>14.1f} mi", row.carrier, row.departures,
         static_cast<double>(row.delay) / count, row.visibility / count);
  }
}

void latest_aircraft(const Results& results, std::string& out) {
  struct Aircraft {
    std::string tailnum;
    int64_t alerts = 0;
    std::string what = "unknown";
  };
  std::map<std::string, Aircraft> aircraft;
  for (const Alert& alert : results.alerts.get()) {
    Aircraft& one = aircraft[std::string(alert.tailnum)];
    one.tailnum = alert.tailnum;
    ++one.alerts;
    if (alert.model && alert.manufacturer) {
      one.what = fmt::format("{} {}, {}", std::string_view(*alert.manufacturer),
                             std::string_view(*alert.model),
                             alert.year ? std::to_string(*alert.year) : "year unknown");
    }
  }
  std::vector<Aircraft> rows;
  int64_t alerts = 0;
  for (const auto& [tailnum, one] : aircraft) {
    rows.push_back(one);
    alerts += one.alerts;
  }
  line(out, "\nThree times in a row over an hour late: {} alerts for {} aircraft", alerts,
       rows.size());
  line(out, "  {:<8} {:>6}  {}", "aircraft", "alerts", "model");
  for (const Aircraft& row : first_rows(rows, 5, [](const Aircraft&a, const Aircraft&b) {
         return std::tie(b.alerts, a.tailnum) < std::tie(a.alerts, b.tailnum);
       })) {
    line(out, "  {:<8} {:>6}  {}", row.tailnum, row.alerts, row.what);
  }
}

}  // namespace

std::string report(const Results& results, const std::map<std::string, int64_t>& counters) {
  std::string out;
  hardest_hours(results, out);
  latest_airlines(results, out);
  latest_aircraft(results, out);
  return out + counted(counters);
}

std::string counted(const std::map<std::string, int64_t>& counters) {
  std::string out;
  line(out, "\nCounted");
  for (const auto& [name, count] : counters) { line(out, "  {:<20} {:>8}", name, count); }
  return out;
}

}  // namespace flights
