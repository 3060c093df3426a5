// Makes a topic, unless it is there: orders_topic BROKERS NAME PARTITIONS CLEANUP_POLICY
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "tidewheel/connectors/kafka/client.h"

namespace tw = tidewheel;

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "orders_topic BROKERS NAME PARTITIONS CLEANUP_POLICY\n");
    return 2;
  }
  const auto admin =
      tw::kafka::real_client()->admin({{"bootstrap.servers", argv[1]}}, tw::Duration(30'000));
  // Messages have the time of their orders, which are from the first of January 2026: retention,
  // which goes by that time, would soon delete them.
  const tw::kafka::Properties config = {{"cleanup.policy", argv[4]}, {"retention.ms", "-1"}};
  const tw::Status status =
      admin.ok() ? (*admin)->create_topic(argv[2], std::stoi(argv[3]), config) : admin.status();
  if (!status.ok()) { fmt::print(stderr, "orders_topic: {}\n", status.to_string()); }
  return status.ok() ? 0 : 1;
}
