#include "tidewheel/cli/cluster_client.h"

#include <gtest/gtest.h>

#include "tidewheel/base/world.h"
#include "tidewheel/cli/client_tables.h"
#include "tidewheel/rest/server.h"
#include "tidewheel/rest/test_gateway.h"

namespace tidewheel {
namespace {

// A cluster of plain data behind a real API, at a free port of this machine.
struct ClusterClientTest : ::testing::Test {
  ClusterClientTest() : world(make_real_world({.log_level = LogLevel::kError})) {
    const std::string folder = ::testing::TempDir();
    EXPECT_TRUE(config.set("rest.port", "0").ok());
    EXPECT_TRUE(config.set("web.upload.dir", folder).ok());
    auto opened = RestServer::open(*world, config, gateway);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    server = std::move(opened).value();
    client = open(server->address());
  }
  std::unique_ptr<ClusterClient> open(const std::string& address, const Config& settings = {}) {
    auto opened = ClusterClient::open(*world, {.address = address, .config = settings});
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    return std::move(opened).value();
  }

  const std::unique_ptr<World> world;
  Config config;
  TestGateway gateway;
  std::unique_ptr<RestServer> server;
  std::unique_ptr<ClusterClient> client;
};

TEST_F(ClusterClientTest, jobs_are_found_by_id_beginning_and_name) {
  EXPECT_EQ(client->find_job(TestGateway::kJob).value_or(""), TestGateway::kJob);
  EXPECT_EQ(client->find_job("1111").value_or(""), TestGateway::kJob);
  EXPECT_EQ(client->find_job("clicks").value_or(""), TestGateway::kJob);
  EXPECT_EQ(client->find_job("broken").value_or(""), TestGateway::kEndedJob);
  EXPECT_EQ(client->find_job("other").status().id(), ErrorId::kUnknownJob);
  JobSummary twin = gateway.summaries[0];
  twin.id = "1111" + std::string(28, '0');
  gateway.summaries.push_back(twin);
  EXPECT_EQ(client->find_job("clicks").status().id(), ErrorId::kUnknownJob);
}

TEST_F(ClusterClientTest, programs_are_uploaded) {
  const std::string path = ::testing::TempDir() + "/libx.so";
  ASSERT_TRUE(write_all_durably(world->files(), path, std::string(200'000, '-')).ok());
  const Result<std::string> id = client->upload(path);
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  EXPECT_EQ(*id, gateway.stored[0].id);
  EXPECT_EQ(gateway.stored[0].bytes, 200'000);
  EXPECT_EQ(client->upload("/no/such/file.so").status().id(), ErrorId::kFileNotFound);
}

TEST_F(ClusterClientTest, operations_are_waited_for) {
  const std::string path = "/v1/jobs/" + TestGateway::kJob;
  const auto trigger = client->send("POST", path + "/savepoints", R"({"target-directory":"/s"})");
  ASSERT_TRUE(trigger.ok());
  const auto outcome = client->wait_for(path + "/savepoints/" + (*trigger)["request-id"].text());
  ASSERT_TRUE(outcome.ok()) << outcome.status().to_string();
  EXPECT_EQ((*outcome)["location"].text(), "/s/savepoint-111122-abc");
  gateway.savepoint_failure = Status(unavailable(ErrorId::kFileNoSpace, "the disk is full"));
  const auto second = client->send("POST", path + "/savepoints", R"({"target-directory":"/s"})");
  const auto failure = client->wait_for(path + "/savepoints/" + (*second)["request-id"].text());
  EXPECT_NE(failure.status().message().find("the disk is full"), std::string::npos);
}

TEST_F(ClusterClientTest, refusals_say_what_the_cluster_says) {
  const auto answer = client->send("PATCH", "/v1/jobs/" + TestGateway::kEndedJob);
  EXPECT_EQ(answer.status().id(), ErrorId::kHttpStatus);
  EXPECT_EQ(answer.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(answer.status().message().find("the job has failed already"), std::string::npos);
}

TEST_F(ClusterClientTest, the_leader_is_followed) {
  TestGateway other;
  other.leader = server->address();
  auto follower = RestServer::open(*world, config, other);
  ASSERT_TRUE(follower.ok());
  const auto redirected = open((*follower)->address());
  EXPECT_TRUE(redirected->get("/v1/jobs/overview").ok());
  EXPECT_EQ(redirected->address(), server->address());
}

TEST_F(ClusterClientTest, who_is_not_there_is_named) {
  const std::string address = server->address();
  server.reset();
  const auto answer = client->get("/v1/overview");
  EXPECT_EQ(answer.status().id(), ErrorId::kNetworkConnect);
  EXPECT_NE(answer.status().message().find(address), std::string::npos);
}

TEST(ClientTables, jobs_are_listed_as_by_flink) {
  const auto overview = JsonValue::parse(
      R"({"jobs":[{"jid":"a1","name":"x\ty","start-time":1600000000000,)"
      R"("end-time":-1,"state":"RUNNING"},{"jid":"b2","name":"z",)"
      R"("start-time":1600000000000,"end-time":1600000001000,"state":"FAILED"}]})");
  const std::string text = job_list_text(*overview, true, true, false);
  EXPECT_NE(text.find("------------------ Running/Restarting Jobs -------------------\n"),
            std::string::npos);
  EXPECT_NE(text.find(" : a1 : x?y (RUNNING)\n"), std::string::npos);
  EXPECT_NE(text.find("No scheduled jobs.\n"), std::string::npos);
  EXPECT_EQ(text.find("b2"), std::string::npos);
  EXPECT_NE(job_list_text(*overview, false, false, true).find(" : b2 : z (FAILED)\n"),
            std::string::npos);
}

TEST(ClientTables, figures_are_short) {
  EXPECT_EQ(count_text(9999), "9999");
  EXPECT_EQ(count_text(12'345), "12.3 k");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(duration_text(250), "250 ms");
  EXPECT_EQ(duration_text(3'723'000), "1 h 02 min");
  TextTable table({"name", "size"});
  table.add({"a", "5"});
  table.add({"longer", "100"});
  EXPECT_EQ(table.text(), "name    size\na          5\nlonger   100\n");
}

}  // namespace
}  // namespace tidewheel
