#include "tidewheel/base/metrics.h"

#include <gtest/gtest.h>

#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

TEST(Histogram, quantiles_are_exact_when_small_and_within_a_32nd_when_large) {
  Histogram small;
  for (int i = 1; i <= 20; ++i) { small.record(i); }
  EXPECT_EQ(small.quantile(0.5), 10);
  EXPECT_EQ(small.quantile(1), 20);
  EXPECT_EQ(small.quantile(0), 1);
  EXPECT_EQ(small.min(), 1);
  EXPECT_EQ(small.sum(), 210);
  Histogram large;
  for (int i = 1; i <= 1'000'000; ++i) { large.record(i); }
  for (const double share : {0.01, 0.5, 0.95, 0.999}) {
    const double exact = share * 1e6;
    EXPECT_GE(static_cast<double>(large.quantile(share)), exact * 0.999);
    EXPECT_LE(static_cast<double>(large.quantile(share)), exact * (1 + 1.0 / 32));
  }
}

TEST(Histogram, takes_the_whole_range) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(0);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.quantile(0.5), 0);
  EXPECT_EQ(histogram.quantile(1), INT64_MAX);
  EXPECT_EQ(Histogram().quantile(0.5), 0);
}

TEST(Meter, rates_cover_the_last_minute) {
  Meter meter;
  constexpr int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(meter.sample(0), 0);
  meter.mark(100);
  EXPECT_DOUBLE_EQ(meter.sample(10 * kSecond), 10);
  EXPECT_DOUBLE_EQ(meter.sample(100 * kSecond), 0);  // the hundred is more than a minute old
  EXPECT_EQ(meter.count(), 100);
}

TEST(MetricGroup, collects_by_scope) {
  MetricGroup job("job");
  job.group("map").counter("numRecordsIn").add(5);
  job.group("map").gauge("watermark").set(-1);
  job.group("map").gauge("asked", [] { return int64_t{7}; });
  job.group("sink").histogram("latency").record(3);
  EXPECT_EQ(&job.group("map"), &job.group("map"));
  const std::vector<MetricValue> values = job.collect(0);
  ASSERT_EQ(values.size(), 4U);
  EXPECT_EQ(values[0].scope, "job.map");
  EXPECT_EQ(values[0].name, "numRecordsIn");
  EXPECT_EQ(values[0].value, 5);
  EXPECT_EQ(values[1].value, -1);
  EXPECT_EQ(values[2].value, 7);
  EXPECT_EQ(values[3].scope, "job.sink");
  EXPECT_EQ(values[3].p99, 3);
  job.remove_group("map");
  EXPECT_EQ(job.collect(0).size(), 1U);
}

}  // namespace
}  // namespace tidewheel
