// The job on the departures of New York's airports.
#pragma once
#include <string>
#include <vector>

#include "records.h"

namespace flights {

struct Paths {
  std::vector<std::string> flights;  // files or folders of CSV, in the order of time
  std::string planes;
  std::string weather;
  std::string out;
  double rate = 0;  // flights read in a second; 0: as many as go
};

// What the program shows when the job has ended; the CSV files hold everything.
struct Results {
  tw::Collected<Hourly> hourly;
  tw::Collected<Alert> alerts;
  tw::Collected<InWeather> late_departures;
};

// The folders in `Paths::out` that hold the results.
inline constexpr const char* kResultFolders[] = {"alerts", "hourly", "late", "sessions", "weather"};

Results build(tw::Env& env, const Paths& paths);

}  // namespace flights
