// What reporters of metrics are configured with, and what they write.
#include "tidewheel/rest/reporters.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/rest/json_value.h"

namespace tidewheel {
namespace {

Config config_of(std::initializer_list<const char*> assignments) {
  Config config;
  for (const char* const one : assignments) {
    const Status status = config.set_assignment(one);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
  return config;
}

TEST(Reporters, are_configured_by_name) {
  const auto all = reporter_settings(config_of(
      {"metrics.reporters=prom, g",
       "metrics.reporter.prom.factory.class="
       "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
       "metrics.reporter.prom.port=9250-9252", "metrics.reporter.g.factory.class=graphite",
       "metrics.reporter.g.interval=30 s", "metrics.reporter.g.host=carbon",
       "metrics.reporter.unused.factory.class=json-file"}));
  ASSERT_TRUE(all.ok()) << all.status().to_string();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].kind, ReporterSettings::Kind::kPrometheus);
  EXPECT_EQ((*all)[0].ports, (std::vector<uint16_t>{9250, 9251, 9252}));
  EXPECT_EQ((*all)[1].host, "carbon");
  EXPECT_EQ((*all)[1].interval_ms, 30'000);
}

TEST(Reporters, without_a_list_all_that_have_a_kind_are_meant) {
  const auto all = reporter_settings(config_of({"metrics.reporter.file.factory.class=json-file",
                                                "metrics.reporter.file.path=/tmp/metrics.json"}));
  ASSERT_TRUE(all.ok()) << all.status().to_string();
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ((*all)[0].path, "/tmp/metrics.json");
  EXPECT_TRUE(reporter_settings(Config())->empty());
}

TEST(Reporters, mistakes_are_named) {
  const auto id = [](std::initializer_list<const char*> assignments) {
    return reporter_settings(config_of(assignments)).status().id();
  };
  EXPECT_EQ(id({"metrics.reporters=nobody"}), ErrorId::kBadOptionValue);
  EXPECT_EQ(id({"metrics.reporter.a.factory.class=carrier-pigeon"}), ErrorId::kBadOptionValue);
  EXPECT_EQ(id({"metrics.reporter.a.factory.class="
                "org.apache.flink.metrics.datadog.DatadogHttpReporterFactory"}),
            ErrorId::kBadOptionValue);
  EXPECT_EQ(id({"metrics.reporter.a.factory.class=json-file"}), ErrorId::kBadOptionValue);
  EXPECT_EQ(id({"metrics.reporter.a.factory.class=prometheus", "metrics.reporter.a.host=0.0.0.0"}),
            ErrorId::kBadOptionValue);
  EXPECT_EQ(id({"metrics.reporter.a.factory.class=graphite", "metrics.reporter.a.interval=often"}),
            ErrorId::kBadOptionValue);
  Config config;
  EXPECT_EQ(config.set("metrics.reporter.a.prot", "1").id(), ErrorId::kUnknownOption);
}

TEST(Reporters, write_every_sample_with_its_labels) {
  PrometheusText metrics;
  metrics.add("taskmanager", "Status.CPU", {{"tm_id", "a b:1"}, {"host", ""}}, "0.5");
  metrics.add("jobmanager", "numRunningJobs", {}, "3");
  EXPECT_EQ(graphite_lines(metrics, 17),
            "flink_jobmanager_numRunningJobs 3 17\n"
            "flink_taskmanager_Status_CPU;tm_id=a_b:1 0.5 17\n");
  EXPECT_EQ(statsd_datagrams(metrics, 1000),
            std::vector<std::string>{"flink_jobmanager_numRunningJobs:3|g\n"
                                     "flink_taskmanager_Status_CPU.a_b_1:0.5|g"});
  EXPECT_EQ(statsd_datagrams(metrics, 50).size(), 2U);
  const Result<JsonValue> json = JsonValue::parse(metrics_as_json(metrics, 1234));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["timestamp"].integer(), 1234);
  EXPECT_EQ((*json)["metrics"].items()[1]["labels"]["tm_id"].text(), "a b:1");
  EXPECT_EQ((*json)["metrics"].items()[1]["value"].number(), 0.5);
}

}  // namespace
}  // namespace tidewheel
