// `kafka_bench`: the Kafka connector against a real broker.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/kafka/sink_bench.h"
#include "bench/kafka/source_bench.h"

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "source";
  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  if (command == "source") { return tidewheel::bench::run_source_bench(args); }
  if (command == "sink") { return tidewheel::bench::run_sink_bench(args); }
  fmt::print(stderr, "kafka_bench: unknown command {}; there are: source, sink\n", command);
  return 2;
}
