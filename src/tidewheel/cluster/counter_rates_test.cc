#include "tidewheel/cluster/counter_rates.h"

#include <gtest/gtest.h>

namespace tidewheel {
namespace {

MetricValue counter(std::string name, int64_t value) {
  MetricValue metric;
  metric.scope = "job.operator.0";
  metric.name = std::move(name);
  metric.value = value;
  return metric;
}

TEST(CounterRates, a_counter_has_the_rate_of_the_last_two_notes) {
  CounterRates rates;
  rates.note({counter("numRecordsIn", 100)}, 1'000'000'000);
  EXPECT_EQ(rates.of(counter("numRecordsIn", 100)), 0);
  rates.note({counter("numRecordsIn", 400), counter("other", 5)}, 3'000'000'000);
  EXPECT_DOUBLE_EQ(rates.of(counter("numRecordsIn", 400)), 150);
  EXPECT_EQ(rates.of(counter("other", 5)), 0);
  // Another attempt counts from nothing.
  rates.note({counter("numRecordsIn", 10)}, 4'000'000'000);
  EXPECT_EQ(rates.of(counter("numRecordsIn", 10)), 0);
}

TEST(CounterRates, names_are_those_of_the_field) {
  EXPECT_EQ(CounterRates::name_of_rate("numRecordsOut"), "numRecordsOutPerSecond");
  EXPECT_EQ(CounterRates::name_of_rate("numLateRecordsDropped"), "lateRecordsDroppedRate");
  EXPECT_EQ(CounterRates::name_of_rate("numBytesSend"), "");
}

}  // namespace
}  // namespace tidewheel
