// The Nexmark benchmark of the engine's APIs.
#pragma once
#include <string>
#include <vector>

namespace tidewheel::bench {

// Runs it with the arguments after the word "nexmark"; returns the exit status.
int run_nexmark(const std::vector<std::string>& args);

}  // namespace tidewheel::bench
