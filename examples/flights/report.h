// What the program prints when the job has ended.
#pragma once
#include <map>
#include <string>

#include "job.h"

namespace flights {

// Tables for a reader: the hardest hours of the airports, the airlines and aircraft that were late
// most often, and what was counted.
std::string report(const Results& results, const std::map<std::string, int64_t>& counters);

std::string counted(const std::map<std::string, int64_t>& counters);

}  // namespace flights
