#include "tidewheel/tables/table_registry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewheel {
namespace {

TEST(TableRegistry, has_the_connectors_and_formats_of_the_program) {
  const auto registry = make_table_registry();
  EXPECT_EQ(registry->connector_names(),
            (std::vector<std::string>{"blackhole", "datagen", "filesystem", "kafka", "nexmark",
                                      "print", "socket", "stdin", "stdout", "upsert-kafka"}));
  EXPECT_EQ(registry->format_names(),
            (std::vector<std::string>{"avro", "avro-confluent", "csv", "debezium-json", "json",
                                      "json-registry", "protobuf", "protobuf-confluent", "raw"}));
  const auto unknown = registry->connector("nexmak");
  EXPECT_EQ(unknown.status().id(), ErrorId::kSqlOption);
  EXPECT_NE(unknown.status().message().find("did you mean 'nexmark'?"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
