// `kafka_bench source`: the source beside a bare consumer.
#pragma once
#include <string>
#include <vector>

namespace tidewheel::bench {

int run_source_bench(const std::vector<std::string>& args);

}  // namespace tidewheel::bench
