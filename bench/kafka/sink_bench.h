// `kafka_bench sink`: from Kafka to Kafka, with each guarantee.
#pragma once
#include <string>
#include <vector>

namespace tidewheel::bench {

int run_sink_bench(const std::vector<std::string>& args);

}  // namespace tidewheel::bench
