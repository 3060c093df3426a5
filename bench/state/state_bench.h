// Benchmarks of keyed state and of checkpoints.
#pragma once
#include <string>
#include <vector>

namespace tidewheel::bench {

// `tidewheel_bench state` and `tidewheel_bench checkpoint`; return the exit status.
int run_state(const std::vector<std::string>& args);
int run_checkpoint(const std::vector<std::string>& args);

}  // namespace tidewheel::bench
