// For tests: bounded jobs over topics of the test's own.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/collect.h"
#include "tidewheel/api/env.h"
#include "tidewheel/connectors/kafka/kafka_testing.h"
#include "tidewheel/connectors/kafka/source.h"

namespace tidewheel::kafka {

using Strings = std::vector<std::string>;

class KafkaSourceTest : public KafkaTest {
 protected:
  SourceOptions options(Strings topics) {
    SourceOptions made;
    made.brokers = brokers();
    made.topics = std::move(topics);
    made.start = Start::earliest();
    made.stop = Stop::latest();
    made.request_timeout = Duration(20'000);
    return made;
  }
  struct Outcome {
    Status status;
    Strings values;  // sorted
    JobResult result;
  };
  // What a bounded job over messages reads.
  Strings values_of(const SourceOptions& asked) {
    const Outcome outcome = run(asked);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.to_string();
    return outcome.values;
  }
  // Runs a bounded job over messages.
  Outcome run(SourceOptions asked, int32_t parallelism = 1) {
    Env env(world(), Config());
    env.parallelism(parallelism);
    auto rows = env.from("messages", records(std::move(asked)))
                    .map([](const Record& record) {
                      return record.value.has_value() ? record.value->str() : std::string("<none>");
                    })
                    .collect();
    Outcome outcome;
    const Result<JobResult> result = env.execute();
    if (!result.ok()) {
      outcome.status = result.status();
      return outcome;
    }
    outcome.result = *result;
    outcome.values = rows.sorted();
    return outcome;
  }
};

}  // namespace tidewheel::kafka
