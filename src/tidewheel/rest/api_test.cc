#include "tidewheel/rest/api.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/base/port_list.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/http/client.h"
#include "tidewheel/rest/call.h"
#include "tidewheel/rest/server.h"
#include "tidewheel/rest/test_gateway.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

const std::string kJobPath = "/jobs/" + TestGateway::kJob;
const std::string kUnknown = "99999999999999999999999999999999";
constexpr int64_t kSecondNs = 1'000'000'000;

struct RestTest : ::testing::Test {
  RestTest() : machine({.seed = 3}) { EXPECT_TRUE(config.set("rest.port", "8081").ok()); }
  ~RestTest() override {
    client.reset();
    server.reset();
  }

  void start() {
    if (server != nullptr) { return; }
    auto opened = RestServer::open(machine.world, config, gateway, {.profiler = &gateway});
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    server = std::move(opened).value();
    client.emplace(machine.world);
  }
  HttpResponse call(const std::string& method, const std::string& target,
                    const std::string& body = {}, HttpHeaders headers = {}) {
    start();
    const Result<HttpResponse> response = client->call({.url = "http://localhost:8081" + target,
                                                        .method = method,
                                                        .headers = std::move(headers),
                                                        .body = body});
    EXPECT_TRUE(response.ok()) << target << ": " << response.status().to_string();
    return response.ok() ? *response : HttpResponse{.status = 0};
  }
  // The body of a request that succeeds.
  JsonValue json(const std::string& method, const std::string& target, const std::string& body = {},
                 int32_t code = 200) {
    const HttpResponse response = call(method, target, body);
    EXPECT_EQ(response.status, code) << target << ": " << response.body;
    const Result<JsonValue> value = JsonValue::parse(response.body);
    EXPECT_TRUE(value.ok()) << response.body;
    return value.ok() ? *value : JsonValue();
  }
  JsonValue get(const std::string& target) { return json("GET", target); }
  int32_t code(const std::string& method, const std::string& target, const std::string& body = {}) {
    const HttpResponse response = call(method, target, body);
    if (response.status >= 300) {
      const Result<JsonValue> value = JsonValue::parse(response.body);
      EXPECT_TRUE(value.ok() && !(*value)["errors"].items().empty()) << response.body;
    }
    return response.status;
  }
  void wait_ms(int64_t ms) {
    Clock& clock = machine.world.clock();
    machine.world.executor().make_event()->wait(clock.now_ns() + ms * 1'000'000);
  }
  HttpResponse upload(const std::string& file_name, const std::string& content,
                      const std::string& path = "/jars/upload") {
    return call("POST", path,
                "--xyz\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"" +
                    file_name + "\"\r\nContent-Type: application/x-java-archive\r\n\r\n" + content +
                    "\r\n--xyz--\r\n",
                {{"Content-Type", "multipart/form-data; boundary=xyz"}});
  }

  SimMachine machine;
  Config config;
  TestGateway gateway;
  std::unique_ptr<RestServer> server;
  std::optional<HttpClient> client;
};

TEST_F(RestTest, paths_answer_with_and_without_the_version) {
  EXPECT_EQ(get("/overview")["slots-total"].integer(), 4);
  EXPECT_EQ(get("/v1/overview")["jobs-running"].integer(), 1);
  EXPECT_EQ(get("/v1/overview")["jobs-failed"].integer(), 1);
  EXPECT_EQ(code("GET", "/v2/overview"), 404);
  EXPECT_EQ(code("POST", "/jobs/nothing/at/all"), 404);
  const HttpResponse response = call("GET", "/config");
  EXPECT_EQ(response.headers.find("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(response.headers.find("Content-Type"), "application/json; charset=UTF-8");
}

TEST_F(RestTest, jobs_are_listed) {
  const JsonValue jobs = get("/jobs");
  ASSERT_EQ(jobs["jobs"].items().size(), 2U);
  EXPECT_EQ(jobs["jobs"].items()[0]["id"].text(), TestGateway::kJob);
  EXPECT_EQ(jobs["jobs"].items()[0]["status"].text(), "RUNNING");
  const JsonValue overview = get("/jobs/overview");
  const JsonValue& first = overview["jobs"].items()[0];
  EXPECT_EQ(first["tasks"]["running"].integer(), 4);
  EXPECT_EQ(first["tasks"]["total"].integer(), 4);
  EXPECT_EQ(first["end-time"].integer(), -1);
  EXPECT_GE(first["duration"].integer(), 0);
}

TEST_F(RestTest, a_job_is_shown_with_its_vertices_and_plan) {
  const JsonValue job = get(kJobPath);
  EXPECT_EQ(job["state"].text(), "RUNNING");
  EXPECT_EQ(job["timestamps"].members().size(), 11U);
  ASSERT_EQ(job["vertices"].items().size(), 2U);
  const JsonValue& source = job["vertices"].items()[0];
  EXPECT_EQ(source["status"].text(), "RUNNING");
  // Flink's clients parse it.
  EXPECT_TRUE(is_rest_id(source["slotSharingGroupId"].text()));
  EXPECT_EQ(source["slotSharingGroupId"].text(),
            job["vertices"].items()[1]["slotSharingGroupId"].text());
  EXPECT_EQ(job["timestamps"]["INITIALIZING"].integer(), job["start-time"].integer());
  EXPECT_EQ(source["tasks"]["RUNNING"].integer(), 2);
  EXPECT_EQ(source["metrics"]["read-records"].integer(), 300);
  EXPECT_TRUE(source["metrics"]["read-records-complete"].boolean());
  EXPECT_EQ(job["status-counts"]["RUNNING"].integer(), 2);
  const JsonValue& nodes = job["plan"]["nodes"];
  ASSERT_EQ(nodes.items().size(), 2U);
  EXPECT_EQ(nodes.items()[0]["description"].text(), "clicks<br/>+- &lt;map&gt;<br/>");
  EXPECT_TRUE(nodes.items()[0]["inputs"].is_null());
  EXPECT_EQ(nodes.items()[1]["inputs"].items()[0]["ship_strategy"].text(), "HASH");
  EXPECT_EQ(nodes.items()[1]["inputs"].items()[0]["id"].text(), TestGateway::kSource);
  EXPECT_EQ(get(kJobPath + "/plan")["plan"]["nodes"].items().size(), 2U);
}

TEST_F(RestTest, a_job_is_fetched_once_for_many_requests) {
  for (int i = 0; i < 5; ++i) { get(kJobPath); }
  EXPECT_EQ(gateway.reports_asked, 1);
  wait_ms(4000);
  get(kJobPath);
  EXPECT_EQ(gateway.reports_asked, 2);
  // One that has ended does not change.
  get("/jobs/" + TestGateway::kEndedJob);
  wait_ms(4000);
  get("/jobs/" + TestGateway::kEndedJob);
  EXPECT_EQ(gateway.reports_asked, 3);
}

TEST_F(RestTest, a_state_that_was_seen_in_the_list_is_seen_at_the_job) {
  EXPECT_EQ(get(kJobPath)["state"].text(), "RUNNING");
  gateway.set_status(TestGateway::kJob, ClusterJobStatus::kFinished);
  EXPECT_EQ(get(kJobPath)["state"].text(), "RUNNING") << "it was fetched just now";
  for (const char* const path : {"/jobs/overview", "/jobs", "/overview"}) {
    gateway.set_status(TestGateway::kJob, ClusterJobStatus::kRunning);
    get(path);
    EXPECT_EQ(get(kJobPath)["state"].text(), "RUNNING");
    gateway.set_status(TestGateway::kJob, ClusterJobStatus::kFinished);
    get(path);
    EXPECT_EQ(get(kJobPath)["state"].text(), "FINISHED") << path;
  }
}

TEST_F(RestTest, who_has_seen_the_end_sees_the_failures_before_it) {
  EXPECT_TRUE(get(kJobPath + "/exceptions")["exceptionHistory"]["entries"].items().empty());
  gateway.set_status(TestGateway::kJob, ClusterJobStatus::kFailed);
  pb::FailureReport& failure = *gateway.report_of(TestGateway::kJob).add_failures();
  failure.set_text("in the last moment");
  EXPECT_TRUE(get(kJobPath + "/exceptions")["exceptionHistory"]["entries"].items().empty())
      << "it was fetched just now";
  EXPECT_EQ(get(kJobPath + "/execution-result")["status"]["id"].text(), "COMPLETED");
  EXPECT_EQ(get(kJobPath + "/exceptions")["exceptionHistory"]["entries"].items().size(), 1U);
}

TEST(FetchCache, who_asks_after_news_does_not_get_what_was_asked_for_before) {
  SimMachine machine({.seed = 3});
  // All on this thread: what is posted runs at once.
  FetchCache<int> cache(
      machine.world.clock(), [](const std::function<void()>& mail) { mail(); }, 10);
  std::vector<FetchCache<int>::Done> fetching;
  const auto fetch = [&fetching](FetchCache<int>::Done done) {
    fetching.push_back(std::move(done));
  };
  std::vector<std::string> got;
  const auto ask = [&](const std::string& who) {
    cache.get("job", 60'000, fetch, [&got, who](const Result<int>& value) {
      got.push_back(who + std::to_string(*value));
    });
  };
  ask("a");
  ask("b");
  cache.forget_unless("job", [](int) { return true; });
  ask("c");
  ASSERT_EQ(fetching.size(), 1U);
  fetching[0](1);
  EXPECT_EQ(got, (std::vector<std::string>{"a1", "b1"}));
  ASSERT_EQ(fetching.size(), 2U);
  fetching[1](2);
  ask("d");
  EXPECT_EQ(got, (std::vector<std::string>{"a1", "b1", "c2", "d2"}));
  cache.forget_unless("job", [](int value) { return value == 2; });
  ask("e");
  EXPECT_EQ(fetching.size(), 2U) << "it is right";
  cache.forget_unless("job", [](int value) { return value == 3; });
  ask("f");
  EXPECT_EQ(fetching.size(), 3U);
}

TEST_F(RestTest, what_is_not_there_is_404_and_what_is_no_id_is_400) {
  EXPECT_EQ(code("GET", "/jobs/" + kUnknown), 404);
  EXPECT_EQ(code("GET", "/jobs/nonsense"), 400);
  EXPECT_EQ(code("GET", "/jobs/nonsense/jobmanager/environment"), 400);
  EXPECT_EQ(code("POST", "/jobs/nonsense/checkpoints", "{}"), 400);
  EXPECT_EQ(code("POST", "/jobs/nonsense/savepoints", R"({"target-directory":"/s"})"), 400);
  EXPECT_EQ(code("PATCH", "/jobs/nonsense"), 400);
  EXPECT_EQ(code("GET", kJobPath + "/savepoints/nonsense"), 400);
  EXPECT_EQ(code("GET", "/jobs/" + kUnknown + "/status"), 404);
  EXPECT_EQ(code("GET", kJobPath + "/vertices/" + kUnknown), 404);
  EXPECT_EQ(code("GET", kJobPath + "/vertices/" + TestGateway::kSource + "/subtasks/7"), 404);
  EXPECT_EQ(code("GET", kJobPath + "/vertices/" + TestGateway::kSource + "/subtasks/x"), 400);
  EXPECT_EQ(code("GET", kJobPath + "/checkpoints/details/77"), 404);
  EXPECT_EQ(code("GET", kJobPath + "/savepoints/" + kUnknown), 404);
  EXPECT_EQ(code("GET", "/taskmanagers/none"), 404);
  EXPECT_EQ(code("GET", "/x.js"), 404);
  EXPECT_EQ(code("GET", "/jobs/overview?a=%zz"), 400);
}

TEST_F(RestTest, paths_do_not_lead_out) {
  machine.world.sim_files();
  ASSERT_TRUE(machine.world.files().make_directories("/web/sub").ok());
  ASSERT_TRUE(write_all_durably(machine.world.files(), "/web/index.html", "<html>").ok());
  ASSERT_TRUE(write_all_durably(machine.world.files(), "/secret.txt", "x").ok());
  ASSERT_TRUE(config.set("web.static.dir", "/web").ok());
  EXPECT_EQ(call("GET", "/").body, "<html>");
  EXPECT_EQ(call("GET", "/index.html").headers.find("Content-Type"), "text/html; charset=UTF-8");
  for (const char* const path :
       {"/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub/..%5c..%5csecret.txt",
        "/%2e%2e%2fsecret.txt", "//secret.txt", "/.%2e/secret.txt", "/sub"}) {
    EXPECT_EQ(code("GET", path), 404) << path;
  }
  for (const char* const name : {"..%2f..%2fsecret.txt", "%2e%2e", ":log", "%3Astdout"}) {
    EXPECT_EQ(code("GET", std::string("/jobmanager/logs/") + name), 404) << name;
  }
}

TEST_F(RestTest, vertices_and_subtasks_are_shown) {
  const std::string path = kJobPath + "/vertices/" + TestGateway::kSink;
  const JsonValue vertex = get(path);
  ASSERT_EQ(vertex["subtasks"].items().size(), 2U);
  const JsonValue& first = vertex["subtasks"].items()[0];
  EXPECT_EQ(first["endpoint"].text(), "host1:5000");
  EXPECT_EQ(first["taskmanager-id"].text(), "tm-1");
  EXPECT_EQ(first["status-duration"]["CREATED"].integer(), 10);
  EXPECT_EQ(vertex["aggregated"]["metrics"]["read-records"]["max"].integer(), 200);
  EXPECT_EQ(vertex["aggregated"]["status-duration"]["CREATED"]["min"].integer(), 10);
  EXPECT_EQ(get(path + "/subtasktimes")["subtasks"].items().size(), 2U);
  EXPECT_EQ(
      get(path + "/taskmanagers")["taskmanagers"].items()[0]["metrics"]["read-records"].integer(),
      300);
  const JsonValue pressure = get(path + "/backpressure");
  EXPECT_EQ(pressure["backpressure-level"].text(), "low");
  EXPECT_EQ(pressure["subtasks"].items()[1]["backpressure-level"].text(), "ok");
  EXPECT_EQ(pressure["subtasks"].items()[0]["ratio"].number(), 0.3);
  const JsonValue marks = get(path + "/watermarks");
  ASSERT_EQ(marks.items().size(), 2U);
  EXPECT_EQ(marks.items()[0]["value"].text(), "-9223372036854775808");
  EXPECT_EQ(marks.items()[1]["value"].text(), "12345");
  // Sources have none.
  EXPECT_EQ(get(kJobPath + "/vertices/" + TestGateway::kSource + "/watermarks").items().size(), 0U);
  EXPECT_EQ(get(path + "/accumulators")["user-accumulators"].items()[0]["value"].text(), "6");
  EXPECT_EQ(get(path + "/subtasks/1")["subtask"].integer(), 1);
  EXPECT_EQ(get(path + "/subtasks/1/attempts/0")["attempt"].integer(), 0);
  EXPECT_EQ(code("GET", path + "/subtasks/1/attempts/5"), 404);
}

TEST_F(RestTest, failures_are_shown_in_both_forms) {
  const JsonValue shown = get("/jobs/" + TestGateway::kEndedJob + "/exceptions");
  const JsonValue& entry = shown["exceptionHistory"]["entries"].items()[0];
  EXPECT_EQ(entry["exceptionName"].text(), "TW1501 kUserCodeFailed");
  EXPECT_EQ(entry["taskName"].text(), "print (1/2) - execution #0");
  EXPECT_EQ(shown["root-exception"].text(), "TW1501 kUserCodeFailed: it was \"bad\"");
  EXPECT_EQ(shown["all-exceptions"].items().size(), 1U);
  EXPECT_TRUE(get(kJobPath + "/exceptions")["root-exception"].is_null());
}

TEST_F(RestTest, results_are_there_once_the_job_has_ended) {
  EXPECT_EQ(get(kJobPath + "/execution-result")["status"]["id"].text(), "IN_PROGRESS");
  gateway.set_status(TestGateway::kJob, ClusterJobStatus::kFinished);
  const JsonValue result = get(kJobPath + "/execution-result");
  EXPECT_EQ(result["status"]["id"].text(), "COMPLETED");
  EXPECT_EQ(result["job-execution-result"]["application-status"].text(), "SUCCEEDED");
  EXPECT_EQ(result["job-execution-result"]["net-runtime"].integer(), 90'000);
  const JsonValue failed = get("/jobs/" + TestGateway::kEndedJob + "/execution-result");
  EXPECT_EQ(failed["job-execution-result"]["application-status"].text(), "FAILED");
  EXPECT_FALSE(
      failed["job-execution-result"]["failure-cause"]["serialized-throwable"].text().empty());
}

TEST_F(RestTest, jobs_are_cancelled) {
  EXPECT_EQ(code("PATCH", "/jobs/" + kUnknown), 404);
  EXPECT_EQ(code("PATCH", "/jobs/" + TestGateway::kEndedJob), 409);
  EXPECT_EQ(code("PATCH", kJobPath + "?mode=stop"), 308);
  EXPECT_EQ(code("PATCH", kJobPath + "?mode=other"), 400);
  EXPECT_EQ(code("PATCH", kJobPath + "?mode=cancel"), 202);
  EXPECT_EQ(get(kJobPath + "/status")["status"].text(), "CANCELED");
}

TEST_F(RestTest, savepoints_are_triggered_and_asked_for) {
  const std::string path = kJobPath + "/savepoints";
  EXPECT_EQ(code("POST", path, "{}"), 400);  // no folder
  EXPECT_EQ(code("POST", path, "nonsense"), 400);
  EXPECT_EQ(code("POST", path, R"({"target-directory":"/s","formatType":"OTHER"})"), 400);
  EXPECT_EQ(code("POST", path, R"({"target-directory":"/s","triggerId":"1"})"), 400);
  gateway.holds_savepoints = true;
  const std::string id =
      json("POST", path, R"({"target-directory":"/s","bogus":1})", 202)["request-id"].text();
  EXPECT_EQ(get(path + "/" + id)["status"]["id"].text(), "IN_PROGRESS");
  EXPECT_FALSE(server->is_drained());
  gateway.held_savepoints[0](std::string("/s/savepoint-1"));
  const JsonValue outcome = get(path + "/" + id);
  EXPECT_EQ(outcome["status"]["id"].text(), "COMPLETED");
  EXPECT_EQ(outcome["operation"]["location"].text(), "/s/savepoint-1");
  EXPECT_TRUE(server->is_drained());
  // It is forgotten after a while.
  wait_ms(301'000);
  EXPECT_EQ(code("GET", path + "/" + id), 404);
}

TEST_F(RestTest, a_trigger_that_is_repeated_starts_nothing) {
  const std::string path = kJobPath + "/savepoints";
  const std::string body = R"({"target-directory":"/s","triggerId":")" + kUnknown + R"("})";
  EXPECT_EQ(json("POST", path, body, 202)["request-id"].text(), kUnknown);
  EXPECT_EQ(json("POST", path, body, 202)["request-id"].text(), kUnknown);
  EXPECT_EQ(gateway.savepoints.size(), 1U);
  // The id means something for this job only.
  EXPECT_EQ(code("GET", "/jobs/" + TestGateway::kEndedJob + "/savepoints/" + kUnknown), 404);
}

TEST_F(RestTest, a_savepoint_that_fails_is_completed_with_its_cause) {
  const std::string path = "/jobs/" + kUnknown + "/savepoints";
  const std::string id =
      json("POST", path, R"({"target-directory":"/s"})", 202)["request-id"].text();
  const JsonValue outcome = get(path + "/" + id);
  EXPECT_EQ(outcome["status"]["id"].text(), "COMPLETED");
  EXPECT_EQ(outcome["operation"]["failure-cause"]["class"].text(), "TW2106 kUnknownJob");
}

TEST_F(RestTest, what_is_of_another_kind_is_refused) {
  EXPECT_EQ(code("POST", kJobPath + "/stop", R"({"targetDirectory":"/x","drain":{}})"), 400);
  EXPECT_EQ(code("POST", kJobPath + "/savepoints", R"({"target-directory":"/x","cancel-job":1})"),
            400);
  EXPECT_EQ(code("POST", kJobPath + "/savepoints", R"({"target-directory":[]})"), 400);
  EXPECT_TRUE(gateway.savepoints.empty());
  EXPECT_EQ(code("GET", kJobPath + "/exceptions?maxExceptions=2147483648"), 400);
  const std::string flames = kJobPath + "/vertices/" + TestGateway::kSource + "/flamegraph";
  EXPECT_EQ(code("GET", flames + "?subtaskindex=2147483646"), 404);
  EXPECT_EQ(code("GET", flames + "?type=AAA"), 400);
}

TEST_F(RestTest, stopping_takes_a_savepoint) {
  gateway.settings.emplace_back("state.savepoints.dir", "/default");
  const std::string id =
      json("POST", kJobPath + "/stop", R"({"drain":true})", 202)["request-id"].text();
  ASSERT_EQ(gateway.savepoints.size(), 1U);
  EXPECT_EQ(gateway.savepoints[0].second.then, SavepointOrder::Then::kDrain);
  EXPECT_EQ(get(kJobPath + "/savepoints/" + id)["status"]["id"].text(), "COMPLETED");
  EXPECT_EQ(get(kJobPath + "/status")["status"].text(), "FINISHED");
}

TEST_F(RestTest, checkpoints_are_triggered_and_shown) {
  const std::string path = kJobPath + "/checkpoints";
  EXPECT_EQ(code("POST", path, R"({"checkpointType":"INCREMENTAL"})"), 400);
  const std::string id = json("POST", path, "{}", 202)["request-id"].text();
  EXPECT_EQ(get(path + "/" + id)["operation"]["checkpointId"].integer(), 18);
  const JsonValue shown = get(path);
  EXPECT_EQ(shown["counts"]["completed"].integer(), 2);
  ASSERT_EQ(shown["history"].items().size(), 3U);
  EXPECT_EQ(shown["history"].items()[0]["id"].integer(), 3);
  EXPECT_EQ(shown["history"].items()[1]["failure_message"].text(), "the disk is full");
  EXPECT_EQ(shown["latest"]["completed"]["external_path"].text(), "/checkpoints/chk-3");
  EXPECT_TRUE(shown["latest"]["savepoint"].is_null());
  EXPECT_EQ(shown["summary"]["state_size"]["max"].integer(), 3000);
  EXPECT_EQ(get(path + "/config")["interval"].integer(), 1000);
  const JsonValue details = get(path + "/details/3");
  EXPECT_EQ(details["tasks"][TestGateway::kSource]["num_subtasks"].integer(), 2);
  // Whose tasks had ended before has no part in it, and is shown with none.
  EXPECT_EQ(details["tasks"][TestGateway::kSink]["status"].text(), "COMPLETED");
  EXPECT_EQ(get(path + "/details/3/subtasks/" + TestGateway::kSink)["subtasks"].items().size(), 0U);
  const JsonValue task = get(path + "/details/3/subtasks/" + TestGateway::kSource);
  EXPECT_EQ(task["subtasks"].items()[0]["status"].text(), "pending_or_failed");
  EXPECT_EQ(task["subtasks"].items()[1]["status"].text(), "completed");
  EXPECT_EQ(task["summary"]["state_size"]["p50"].text(), "NaN");
  EXPECT_EQ(code("GET", "/jobs/" + TestGateway::kEndedJob + "/checkpoints"), 404);
}

TEST_F(RestTest, savepoints_are_disposed_of) {
  EXPECT_EQ(code("POST", "/savepoint-disposal", "{}"), 400);
  const std::string id =
      json("POST", "/savepoint-disposal", R"({"savepoint-path":"/s/1"})")["request-id"].text();
  EXPECT_EQ(get("/savepoint-disposal/" + id)["status"]["id"].text(), "COMPLETED");
  EXPECT_TRUE(get("/savepoint-disposal/" + id)["operation"].is_object());
  EXPECT_EQ(gateway.disposed, std::vector<std::string>{"/s/1"});
}

TEST_F(RestTest, jobs_are_rescaled) {
  const std::string path = kJobPath + "/resource-requirements";
  EXPECT_EQ(get(path)[TestGateway::kSource]["parallelism"]["upperBound"].integer(), 2);
  const auto body = [](int32_t upper, bool both) {
    const std::string bounds =
        fmt::format(R"(":{{"parallelism":{{"lowerBound":1,"upperBound":{}}}}})", upper);
    return "{\"" + TestGateway::kSource + bounds +
           (both ? ",\"" + TestGateway::kSink + bounds : "") + "}";
  };
  EXPECT_EQ(code("PUT", path, "{}"), 400);
  EXPECT_EQ(code("PUT", path, body(3, false)), 400);
  EXPECT_EQ(code("PUT", path, body(0, true)), 400);
  EXPECT_EQ(code("PUT", path, body(129, true)), 400);
  EXPECT_EQ(code("PUT", path, body(3, true)), 200);
  EXPECT_EQ(gateway.bounds[0].upper, 3);
  gateway.can_rescale = false;
  EXPECT_EQ(code("GET", path), 501);
}

TEST_F(RestTest, programs_are_uploaded_run_and_forgotten) {
  EXPECT_EQ(upload("a.txt", "x").status, 400);
  EXPECT_EQ(code("POST", "/jars/upload", ""), 400);
  EXPECT_EQ(call("POST", "/jars/upload", "x", {{"Content-Type", "text/plain"}}).status, 400);
  const HttpResponse response = upload("../../lib words.so", std::string(300'000, 'x'));
  ASSERT_EQ(response.status, 200) << response.body;
  ASSERT_EQ(gateway.uploads.size(), 1U);
  EXPECT_EQ(gateway.uploads[0].name, "lib_words.so");
  EXPECT_EQ(gateway.uploads[0].bytes, 300'000);
  EXPECT_EQ(read_all(machine.world.files(), gateway.uploads[0].path)->size(), 300'000U);
  const std::string name = JsonValue::parse(response.body).value()["filename"].text();
  const std::string id = name.substr(name.rfind('/') + 1);
  const JsonValue programs = get("/jars");
  EXPECT_EQ(programs["files"].items()[0]["id"].text(), id);
  EXPECT_EQ(programs["address"].text(), "http://localhost:8081");
  const JsonValue run = json(
      "POST", "/jars/" + id + "/run?parallelism=3",
      R"({"programArgsList":["a","b c"],"flinkConfiguration":{"x.y":"1"},"savepointPath":"/s"})");
  EXPECT_EQ(run["jobid"].text(), TestGateway::kJob);
  ASSERT_EQ(gateway.runs.size(), 1U);
  EXPECT_EQ(gateway.runs[0].second.arguments, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(gateway.runs[0].second.parallelism, 3);
  EXPECT_EQ(gateway.runs[0].second.savepoint_path, "/s");
  EXPECT_EQ(code("POST", "/jars/" + id + "/run", R"({"parallelism":-1})"), 400);
  EXPECT_EQ(code("POST", "/jars/" + id + "/run", R"({"claimMode":"LEGACY"})"), 400);
  EXPECT_EQ(code("POST", "/jars/" + id + "/run?program-args=--a+%27b+c%27", ""), 200);
  EXPECT_EQ(gateway.runs[1].second.arguments, (std::vector<std::string>{"--a", "b c"}));
  EXPECT_EQ(get("/jars/" + id + "/plan")["plan"]["nodes"].items().size(), 2U);
  EXPECT_EQ(code("DELETE", "/jars/" + id), 200);
  EXPECT_EQ(code("DELETE", "/jars/" + id), 400);
}

TEST_F(RestTest, job_graphs_of_java_are_refused_with_a_hint) {
  const HttpResponse response = call("POST", "/v1/jobs", std::string(3'000'000, 'x'),
                                     {{"Content-Type", "multipart/form-data; boundary=xyz"}});
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("/jars/upload"), std::string::npos);
}

TEST_F(RestTest, rescaling_is_shown_where_the_scheduler_is_adaptive) {
  EXPECT_FALSE(get("/config")["features"]["web-rescale"].boolean());
  gateway.settings.emplace_back("jobmanager.scheduler", "Adaptive");
  EXPECT_TRUE(get("/config")["features"]["web-rescale"].boolean());
}

TEST_F(RestTest, uploads_can_be_switched_off) {
  ASSERT_TRUE(config.set("web.submit.enable", "false").ok());
  EXPECT_EQ(upload("a.so", "x").status, 404);
  EXPECT_EQ(code("GET", "/jars"), 404);
  EXPECT_FALSE(get("/config")["features"]["web-submit"].boolean());
}

TEST_F(RestTest, metrics_are_listed_read_and_aggregated) {
  const std::string path = kJobPath + "/vertices/" + TestGateway::kSource;
  const JsonValue ids = get(path + "/metrics");
  EXPECT_GT(ids.items().size(), 10U);
  EXPECT_TRUE(ids.items()[0]["value"].is_null());
  const JsonValue values = get(path + "/metrics?get=0.numRecordsOut,1.my_clicks.pendingRecords,no");
  ASSERT_EQ(values.items().size(), 2U);
  EXPECT_EQ(values.items()[0]["value"].text(), "50");
  EXPECT_EQ(values.items()[1]["value"].text(), "20");
  EXPECT_EQ(get(path + "/subtasks/1/metrics?get=busyTimeMsPerSecond").items()[0]["value"].text(),
            "200");
  const JsonValue sums = get(path + "/subtasks/metrics?get=my_clicks.pendingRecords");
  EXPECT_EQ(sums.items()[0]["sum"].number(), 30);
  EXPECT_EQ(sums.items()[0]["avg"].number(), 15);
  const JsonValue one =
      get(path + "/subtasks/metrics?get=my_clicks.pendingRecords&subtasks=1&agg=max");
  EXPECT_EQ(one.items()[0]["max"].number(), 20);
  EXPECT_TRUE(one.items()[0]["min"].is_null());
  EXPECT_EQ(code("GET", path + "/subtasks/metrics?agg=median"), 400);
  EXPECT_EQ(code("GET", path + "/subtasks/metrics?subtasks=x"), 400);
  EXPECT_EQ(get(kJobPath + "/metrics?get=numberOfCompletedCheckpoints").items()[0]["value"].text(),
            "2");
  EXPECT_EQ(get("/jobs/metrics?get=numRestarts&agg=sum").items()[0]["sum"].number(), 0);
  EXPECT_EQ(get("/taskmanagers/metrics?get=Status.JVM.CPU.Load&agg=max").items()[0]["max"].number(),
            0.25);
  EXPECT_EQ(get("/jobmanager/metrics?get=Status.JVM.CPU.Load").items()[0]["value"].text(), "0.25");
}

TEST_F(RestTest, prometheus_gets_all_metrics_at_once) {
  const HttpResponse response = call("GET", "/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("# TYPE flink_taskmanager_job_task_numRecordsIn gauge\n"),
            std::string::npos);
  const std::string labels = "job_id=\"" + TestGateway::kJob +
                             "\",job_name=\"clicks\",host=\"host1\",tm_id=\"tm-1\",task_id=\"" +
                             TestGateway::kSource +
                             "\",task_name=\"clicks -> <map>\",subtask_index=\"1\"";
  EXPECT_NE(response.body.find("flink_taskmanager_job_task_numRecordsIn{" + labels),
            std::string::npos)
      << response.body;
  EXPECT_NE(response.body.find("operator_name=\"my clicks\",} 20\n"), std::string::npos);
  EXPECT_NE(response.body.find("flink_taskmanager_Status_JVM_CPU_Load{tm_id=\"tm-1\",} 0.25\n"),
            std::string::npos);
  EXPECT_NE(response.body.find("flink_jobmanager_Status_JVM_CPU_Load{} 0.25\n"), std::string::npos);
  // Jobs that have ended have none, and what is no number is left out.
  EXPECT_EQ(response.body.find(TestGateway::kEndedJob), std::string::npos);
  EXPECT_EQ(response.body.find("ExternalPath"), std::string::npos);
}

TEST_F(RestTest, task_managers_logs_and_threads_are_shown) {
  EXPECT_EQ(get("/taskmanagers")["taskmanagers"].items()[0]["slotsNumber"].integer(), 4);
  const JsonValue one = get("/taskmanagers/tm-1");
  EXPECT_EQ(one["allocatedSlots"].items()[0]["jobId"].text(), TestGateway::kJob);
  EXPECT_EQ(one["metrics"]["heapUsed"].integer(), 0);
  EXPECT_EQ(call("GET", "/taskmanagers/tm-1/log").body, "one\ntwo\n");
  EXPECT_EQ(call("GET", "/jobmanager/logs/worker.log").body, "three\n");
  EXPECT_EQ(code("GET", "/jobmanager/logs/other.log"), 404);
  EXPECT_EQ(code("GET", "/jobmanager/stdout"), 404);
  gateway.logs["big.log"] = std::string(1'000'000, 'x') + "end";
  EXPECT_EQ(call("GET", "/jobmanager/logs/big.log").body, gateway.logs["big.log"]);
  EXPECT_EQ(get("/jobmanager/thread-dump")["threadInfos"].items()[0]["threadName"].text(),
            "tw-slot-0");
  EXPECT_EQ(get("/jobmanager/logs")["logs"].items()[0]["size"].integer(), 6);
}

TEST_F(RestTest, secrets_are_masked) {
  const JsonValue shown = get("/jobmanager/config");
  ASSERT_EQ(shown.items().size(), 2U);
  for (const JsonValue& one : shown.items()) {
    EXPECT_EQ(one["value"].text(), one["key"].text() == "my.Password" ? "******" : "8081");
  }
}

TEST_F(RestTest, flame_graphs_are_sampled_once_and_shown_later) {
  const std::string path = kJobPath + "/vertices/" + TestGateway::kSource + "/flamegraph";
  EXPECT_EQ(get(path)["endTimestamp"].integer(), -2);  // switched off
  server.reset();
  ASSERT_TRUE(config.set("rest.flamegraph.enabled", "true").ok());
  EXPECT_EQ(get(path)["endTimestamp"].integer(), -3);
  const JsonValue graph = get(path);
  EXPECT_EQ(graph["data"]["value"].integer(), 4);
  const JsonValue& main = graph["data"]["children"].items()[0];
  EXPECT_EQ(main["name"].text(), "main");
  EXPECT_EQ(main["children"].items().size(), 2U);
  EXPECT_EQ(gateway.samplings, 1);
  EXPECT_EQ(code("GET", path + "?type=off_cpu"), 200);
  EXPECT_EQ(code("GET", path + "?type=OTHER"), 400);
  EXPECT_EQ(code("GET", path + "?subtaskindex=2"), 404);
}

TEST_F(RestTest, profiles_are_taken_listed_and_fetched) {
  ASSERT_TRUE(config.set("rest.profiling.enabled", "true").ok());
  ASSERT_TRUE(config.set("rest.profiling.history-size", "2").ok());
  const std::string path = "/taskmanagers/" + gateway.managers.front().id + "/profiler";
  EXPECT_TRUE(get(path)["profilingList"].items().empty());
  const JsonValue begun = json("POST", path, R"({"mode":"CPU","duration":3})");
  EXPECT_EQ(begun["status"].text(), "RUNNING");
  EXPECT_EQ(code("POST", path, R"({"mode":"WALL","duration":3})"), 409);
  ASSERT_EQ(gateway.profilings.size(), 1U);
  EXPECT_EQ(gateway.profilings[0].task_manager, gateway.managers.front().id);
  EXPECT_EQ(gateway.profilings[0].kind, StackSampling::Kind::kOnCpu);
  EXPECT_EQ(gateway.profilings[0].samples * gateway.profilings[0].interval_ms, 3000);
  gateway.end_profile(std::vector<SampledStack>{{.frames = {"worker", "main", "a<b>"}, .count = 2},
                                                {.frames = {"worker", "idle"}, .count = 1}});
  wait_ms(10);
  const JsonValue profile = get(path)["profilingList"].items().at(0);
  EXPECT_EQ(profile["status"].text(), "FINISHED");
  EXPECT_EQ(profile["mode"].text(), "CPU");
  EXPECT_EQ(profile["duration"].integer(), 3);
  const std::string file = profile["outputFile"].text();
  const HttpResponse page = call("GET", path + "/" + file);
  EXPECT_EQ(page.headers.find("Content-Type"), "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("a\\u003cb>"), std::string::npos);
  const std::string folded = file.substr(0, file.size() - 5) + ".folded";
  EXPECT_EQ(call("GET", path + "/" + folded).body, "worker;main;a<b> 2\nworker;idle 1\n");
  EXPECT_EQ(code("GET", path + "/CPU_1.html"), 404);
  EXPECT_TRUE(get("/jobmanager/profiler")["profilingList"].items().empty());
}

TEST_F(RestTest, a_profile_that_fails_says_why_and_old_ones_go) {
  ASSERT_TRUE(config.set("rest.profiling.enabled", "true").ok());
  ASSERT_TRUE(config.set("rest.profiling.history-size", "2").ok());
  for (int i = 0; i < 3; ++i) {
    json("POST", "/jobmanager/profiler", R"({"mode":"WALL","duration":1})");
    EXPECT_EQ(gateway.profilings.back().kind, StackSampling::Kind::kFull);
    gateway.end_profile(unavailable(ErrorId::kProcessLost, "it is gone"));
    wait_ms(10);
  }
  const JsonValue all = get("/jobmanager/profiler")["profilingList"];
  ASSERT_EQ(all.items().size(), 2U);
  EXPECT_EQ(all.items()[0]["status"].text(), "FAILED");
  EXPECT_NE(all.items()[0]["message"].text().find("it is gone"), std::string::npos);
  EXPECT_GT(all.items()[0]["triggerTime"].integer(), all.items()[1]["triggerTime"].integer());
}

TEST_F(RestTest, profiles_that_make_no_sense_are_refused) {
  EXPECT_EQ(code("POST", "/jobmanager/profiler", R"({"mode":"CPU","duration":1})"), 404);
  server.reset();
  ASSERT_TRUE(config.set("rest.profiling.enabled", "true").ok());
  const std::string path = "/jobmanager/profiler";
  for (const char* const body :
       {R"({"mode":"ALLOC","duration":1})", R"({"mode":"LOCK","duration":1})", R"({"mode":"CPU"})",
        R"({"mode":"cpu","duration":1})", R"({"mode":"CPU","duration":0})",
        R"({"mode":"CPU","duration":301})", R"({"mode":"CPU","duration":"x"})"}) {
    EXPECT_EQ(code("POST", path, body), 400) << body;
  }
  EXPECT_NE(call("POST", path, R"({"mode":"LOCK","duration":1})").body.find("not traced"),
            std::string::npos);
  EXPECT_EQ(code("POST", "/taskmanagers/nobody/profiler", R"({"mode":"CPU","duration":1})"), 404);
}

TEST_F(RestTest, who_does_not_lead_sends_on) {
  gateway.leader = std::string("http://leader:8081");
  const HttpResponse response = call("GET", "/jobs/overview?a=1");
  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(response.headers.find("Location"), "http://leader:8081/jobs/overview?a=1");
}

TEST_F(RestTest, a_leader_is_waited_for) {
  gateway.leader = Status(unavailable(ErrorId::kNotLeader, "nobody leads"));
  const int64_t before = machine.world.clock().now_ns();
  EXPECT_EQ(code("GET", "/jobs/overview"), 503);
  EXPECT_GE(machine.world.clock().now_ns() - before, 30 * kSecondNs);
}

TEST_F(RestTest, tokens_are_asked_for) {
  ASSERT_TRUE(
      write_all_durably(machine.world.files(), "/tokens", "# ours\nread looker\nwrite doer\n")
          .ok());
  ASSERT_TRUE(config.set("security.rest.token-file", "/tokens").ok());
  const auto with = [&](const char* method, const std::string& path, const char* token) {
    return call(method, path, "", {{"Authorization", token}}).status;
  };
  EXPECT_EQ(code("GET", "/jobs"), 401);
  EXPECT_EQ(code("GET", "/x.html"), 401);
  EXPECT_EQ(with("GET", "/jobs", "Bearer wrong"), 401);
  EXPECT_EQ(with("GET", "/jobs", "looker"), 401);
  EXPECT_EQ(with("GET", "/jobs", "Bearer looker"), 200);
  EXPECT_EQ(with("PATCH", kJobPath, "Bearer looker"), 403);
  EXPECT_EQ(with("GET", kJobPath + "/yarn-cancel", "Bearer looker"), 403);
  EXPECT_EQ(upload("a.so", "x").status, 401);
  EXPECT_TRUE(gateway.uploads.empty());
  EXPECT_EQ(with("PATCH", kJobPath, "Bearer doer"), 202);
}

TEST_F(RestTest, the_cluster_is_shut_down) {
  EXPECT_EQ(code("DELETE", "/cluster"), 200);
  EXPECT_TRUE(gateway.was_shut_down);
}

TEST_F(RestTest, all_paths_are_described) {
  const JsonValue described = get("/openapi.json");
  EXPECT_TRUE(described["paths"]["/jobs/{jobid}"]["get"].is_object());
  EXPECT_TRUE(described["paths"]["/jobs/{jobid}"]["patch"].is_object());
  EXPECT_GT(described["paths"].members().size(), 60U);
  const JsonValue& heartbeat = described["paths"]["/jobs/{jobid}/clientHeartbeat"]["patch"];
  const JsonValue& body = heartbeat["requestBody"]["content"]["application/json"]["schema"];
  EXPECT_EQ(body["required"].items().at(0).text(), "expiredTimestamp");
  EXPECT_EQ(body["properties"]["expiredTimestamp"]["type"].text(), "integer");
}

TEST(RestTokens, lines_are_read_strictly) {
  EXPECT_EQ(parse_rest_tokens("read a\nwrite b\r\n\n# c\n")->size(), 2U);
  for (const char* const bad : {"a", "admin a", "read", "read a b"}) {
    const auto tokens = parse_rest_tokens(bad);
    EXPECT_EQ(tokens.status().id(), ErrorId::kBadOptionValue) << bad;
  }
}

TEST(RestServer, port_lists_are_read) {
  EXPECT_EQ(*parse_port_list("80", "k"), std::vector<uint16_t>{80});
  EXPECT_EQ(*parse_port_list("5-7,9", "k"), (std::vector<uint16_t>{5, 6, 7, 9}));
  for (const char* const bad : {"", "x", "7-5", "70000", "5-", "1,,2"}) {
    EXPECT_EQ(parse_port_list(bad, "k").status().id(), ErrorId::kBadOptionValue) << bad;
  }
}

TEST(JsonValue, an_integer_may_be_written_with_a_fraction_of_nothing) {
  const JsonValue read =
      *JsonValue::parse(R"([126.0, 1e3, 1.5, -2.0, 1e300, 9223372036854775807])");
  EXPECT_EQ(read.items()[0].as_integer(), 126);
  EXPECT_EQ(read.items()[1].as_integer(), 1000);
  EXPECT_FALSE(read.items()[2].as_integer().has_value());
  EXPECT_EQ(read.items()[3].as_integer(), -2);
  EXPECT_FALSE(read.items()[4].as_integer().has_value());
  EXPECT_EQ(read.items()[5].as_integer(), 9223372036854775807);
}

TEST(RestServer, other_machines_reach_it_only_with_tokens_or_when_that_is_meant) {
  SimMachine machine({.seed = 3});
  TestGateway gateway;
  Config config;
  ASSERT_TRUE(config.set("rest.bind-address", "0.0.0.0").ok());
  EXPECT_EQ(RestServer::open(machine.world, config, gateway).status().id(),
            ErrorId::kBadOptionValue);
  ASSERT_TRUE(config.set("security.allow-unauthenticated-bind", "true").ok());
  EXPECT_TRUE(RestServer::open(machine.world, config, gateway).ok());
}

TEST(RestServer, an_empty_bind_port_is_the_port_of_clients) {
  SimMachine machine({.seed = 3});
  TestGateway gateway;
  Config config;
  ASSERT_TRUE(config.set("rest.port", "9005").ok());
  ASSERT_TRUE(config.set("rest.bind-port", "").ok());
  const auto server = RestServer::open(machine.world, config, gateway);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  EXPECT_EQ((*server)->port(), 9005);
}

TEST(RestServer, the_next_free_port_of_a_range_is_taken) {
  SimMachine machine({.seed = 3});
  TestGateway gateway;
  Config config;
  ASSERT_TRUE(config.set("rest.bind-port", "9000-9001").ok());
  const auto first = RestServer::open(machine.world, config, gateway);
  const auto second = RestServer::open(machine.world, config, gateway);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->port(), 9000);
  EXPECT_EQ((*second)->port(), 9001);
  const Status taken = RestServer::open(machine.world, config, gateway).status();
  EXPECT_EQ(taken.id(), ErrorId::kNetworkAddress);
  EXPECT_NE(taken.message().find("rest.bind-port is 9000-9001"), std::string::npos)
      << taken.to_string();
  EXPECT_NE(taken.message().find("give rest.bind-port a range"), std::string::npos)
      << taken.to_string();
  ASSERT_TRUE(config.set("rest.bind-port", "").ok());
  ASSERT_TRUE(config.set("rest.port", "9001").ok());
  const Status alone = RestServer::open(machine.world, config, gateway).status();
  EXPECT_NE(alone.message().find("rest.port is 9001"), std::string::npos) << alone.to_string();
}

}  // namespace
}  // namespace tidewheel
