// `tidewheel_bench`: the benchmarks that run whole jobs.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/nexmark/nexmark_bench.h"
#include "bench/state/state_bench.h"

namespace {
constexpr const char* kHelp = R"(tidewheel_bench COMMAND [options]

  nexmark      throughput of the Nexmark queries
  state        a keyed count over many keys, on both state backends
  checkpoint   what checkpoints cost: throughput, pauses, latency, recovery

tidewheel_bench COMMAND --help tells about one.
)";
}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  if (command == "nexmark") { return tidewheel::bench::run_nexmark(args); }
  if (command == "state") { return tidewheel::bench::run_state(args); }
  if (command == "checkpoint") { return tidewheel::bench::run_checkpoint(args); }
  if (command == "--help") {
    fmt::print("{}", kHelp);
    return 0;
  }
  fmt::print(stderr, "tidewheel_bench: {}\n\n{}",
             command.empty() ? "no command given" : "unknown command " + command, kHelp);
  return 2;
}
