#include "tidewheel/connectors/socket/table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/world.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel::socket {
namespace {

const LogicalType kInt = LogicalType::of(TypeKind::kInt);
const test::NamedTypes kTwo = {{"a", kInt}, {"b", LogicalType::string()}};

class SocketTableTest : public ::testing::Test {
 protected:
  SocketTableTest() { registry_.add(csv_table_format()); }
  Status status_of(std::map<std::string, std::string> options) {
    options["connector"] = "socket";
    return table_connector()->source({test::table_of(kTwo, options), registry_}).status();
  }
  TableRegistry registry_;
};

TEST_F(SocketTableTest, each_line_is_a_row) {
  RealWorldOptions quiet;
  quiet.log_level = LogLevel::kError;
  const auto world = make_real_world(quiet);
  std::unique_ptr<Connection> connection;
  auto listener = world->network().listen({"127.0.0.1", 0}, [] {});
  ASSERT_TRUE(listener.ok());
  const auto table = test::table_of(kTwo, {{"connector", "socket"},
                                           {"hostname", "127.0.0.1"},
                                           {"port", std::to_string((*listener)->port())},
                                           {"format", "csv"},
                                           {"csv.ignore-parse-errors", "true"}});
  const auto source = table_connector()->source({table, registry_});
  ASSERT_TRUE(source.ok()) << source.status().to_string();
  EXPECT_FALSE((*source)->is_bounded());
  EXPECT_TRUE((*source)->project({1, 0}));
  const auto rows = std::make_shared<std::vector<std::string>>();
  Env env(*world, Config());
  const auto stream = (*source)->add_to(env, "table", "table");
  ASSERT_TRUE(stream.ok());
  stream->to(test::RowTextSink({LogicalType::string(), kInt}, rows)).uid("rows");
  auto job = env.execute_async("read");
  ASSERT_TRUE(job.ok());
  const auto event = world->executor().make_event();
  for (int i = 0; i < 20'000 && connection == nullptr; ++i) {
    auto accepted = (*listener)->accept([] {});
    ASSERT_TRUE(accepted.ok());
    connection = std::move(accepted).value();
    if (connection == nullptr) {
      static_cast<void>(event->wait(world->clock().now_ns() + 500'000));
    }
  }
  ASSERT_NE(connection, nullptr);
  ASSERT_TRUE(connection->write("1,x\n\nno,y\n3,z").ok());
  ASSERT_TRUE(connection->shutdown_write().ok());
  EXPECT_TRUE((*job)->wait());
  EXPECT_EQ(*rows, (std::vector<std::string>{"+I[x, 1]", "+I[y, NULL]", "+I[z, 3]"}));
}

TEST_F(SocketTableTest, refuses_options_that_make_no_sense) {
  EXPECT_EQ(status_of({{"hostname", "h"}, {"port", "1"}}).id(), ErrorId::kSqlOption);
  EXPECT_EQ(status_of({{"hostname", "h"}, {"format", "csv"}}).id(), ErrorId::kSqlOption);
  EXPECT_EQ(status_of({{"hostname", "h"}, {"port", "70000"}, {"format", "csv"}}).id(),
            ErrorId::kSqlOption);
  EXPECT_TRUE(status_of({{"hostname", "h"}, {"port", "70"}, {"format", "csv"}}).ok());
}

}  // namespace
}  // namespace tidewheel::socket
