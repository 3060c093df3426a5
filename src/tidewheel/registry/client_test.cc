#include "tidewheel/registry/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/posix_file_system.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/base/world.h"
#include "tidewheel/http/server.h"
#include "tidewheel/registry/answers.h"
#include "tidewheel/registry/table_options.h"
#include "tidewheel/sim/sim_network.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/simulation.h"
#include "tidewheel/sim/tls_identity.h"

namespace tidewheel::registry {
namespace {

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// Answers as a registry does, by target and method; notes what it was asked.
class Registry final : public HttpService {
 public:
  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest&) override {
    return std::shared_ptr<HttpBodyTaker>();
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    asked.push_back(request.method + " " + request.target);
    authorization = std::string(request.headers.find("Authorization").value_or(""));
    body = request.body;
    HttpResponse response;
    if (failures > 0) {
      --failures;
      response.status = 503;
      response.body = "{\"error_code\":50003,\"message\":\"not now\"}";
    } else if (const auto it = answers.find(request.target); it != answers.end()) {
      response.status = it->second.first;
      response.body = it->second.second;
    } else {
      response.status = 404;
      response.body = "{\"error_code\":40403,\"message\":\"Schema not found\"}";
    }
    answer(std::move(response));
  }
  HttpResponse failure_response(int32_t status, const Status&) override {
    return {.status = status};
  }

  std::map<std::string, std::pair<int32_t, std::string>> answers;
  std::vector<std::string> asked;
  std::string authorization;
  std::string body;
  int32_t failures = 0;
};

// A registry and a client of it in a simulated world.
class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest()
      : simulation_({.seed = 7}),
        fabric_(simulation_),
        server_world_(simulation_, fabric_, "registry"),
        world_(simulation_, fabric_, "worker") {}

  void serve() {
    HttpServerOptions options;
    options.address = {"", kPort};
    auto opened = HttpServer::open(server_world_, options, registry_);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    server_ = std::move(*opened);
  }
  FormatContext context() {
    return {.network = &world_.network(),
            .executor = &world_.executor(),
            .clock = &world_.clock(),
            .wake = [this] { ++wakes_; }};
  }
  static Options options(const std::string& urls = "http://registry:8081/base") {
    Options options;
    options.servers = *parse_servers(urls);
    return options;
  }
  // Asks until there is an answer, as a source does.
  template <class F>
  auto ask(F&& call) {
    auto answer = call();
    while (!answer.ok() && answer.status().id() == ErrorId::kFormatNotYet) {
      const int32_t wakes = wakes_;
      simulation_.run_until([&] { return wakes_ > wakes; });
      answer = call();
    }
    return answer;
  }

  static constexpr uint16_t kPort = 8081;
  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld server_world_;
  SimWorld world_;
  Registry registry_;
  std::unique_ptr<HttpServer> server_;
  int32_t wakes_ = 0;
};

TEST_F(RegistryTest, a_schema_is_asked_for_once_and_outlives_the_registry) {
  serve();
  registry_.answers["/base/schemas/ids/7"] = {200, "{\"schema\":\"\\\"int\\\"\"}"};
  Client client(options(), context());
  EXPECT_EQ(client.schema(7).status().id(), ErrorId::kFormatNotYet);
  const auto found = ask([&] { return client.schema(7); });
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ((*found)->type, "AVRO");
  EXPECT_EQ((*found)->texts, std::vector<std::string>{"\"int\""});
  server_.reset();
  EXPECT_TRUE(client.schema(7).ok());
  EXPECT_EQ(registry_.asked, std::vector<std::string>{"GET /base/schemas/ids/7"});
}

TEST_F(RegistryTest, what_a_schema_refers_to_comes_before_it) {
  serve();
  registry_.answers["/base/schemas/ids/7"] = {
      200,
      "{\"schema\":\"top\",\"references\":[{\"name\":\"a\",\"subject\":\"s/a\",\"version\":2},"
      "{\"name\":\"b\",\"subject\":\"b\",\"version\":1}]}"};
  registry_.answers["/base/subjects/s%2Fa/versions/2"] = {
      200, "{\"schema\":\"a\",\"references\":[{\"name\":\"b\",\"subject\":\"b\",\"version\":1}]}"};
  registry_.answers["/base/subjects/b/versions/1"] = {200, "{\"schema\":\"b\"}"};
  Client client(options(), context());
  const auto found = ask([&] { return client.schema(7); });
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ((*found)->texts, (std::vector<std::string>{"b", "a", "top"}));
}

TEST_F(RegistryTest, an_id_that_is_not_there_is_not_asked_for_again_at_once) {
  serve();
  Client client(options(), context());
  for (int i = 0; i < 3; ++i) {
    const auto found = ask([&] { return client.schema(9); });
    EXPECT_EQ(found.status().code(), StatusCode::kNotFound);
    EXPECT_CONTAINS(found.status().message(),
                    "schema 9: the registry says: Schema not found (40403)");
  }
  EXPECT_EQ(registry_.asked.size(), 1U);
  simulation_.run_for(11'000'000'000);
  registry_.answers["/base/schemas/ids/9"] = {200, "{\"schema\":\"x\"}"};
  EXPECT_TRUE(ask([&] { return client.schema(9); }).ok());
}

TEST_F(RegistryTest, a_registry_that_is_down_is_waited_for) {
  registry_.answers["/base/schemas/ids/7"] = {200, "{\"schema\":\"x\"}"};
  registry_.failures = 2;
  Client client(options(), context());
  EXPECT_FALSE(client.schema(7).ok());
  simulation_.run_for(1'000'000'000);
  EXPECT_EQ(client.schema(7).status().id(), ErrorId::kFormatNotYet);
  serve();
  const auto found = ask([&] { return client.schema(7); });
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(registry_.asked.size(), 3U);
}

TEST_F(RegistryTest, a_registry_that_stays_down_is_given_up) {
  Client client(options(), context());
  const auto found = ask([&] { return client.schema(7); });
  EXPECT_EQ(found.status().id(), ErrorId::kSchemaRegistry);
  EXPECT_CONTAINS(found.status().message(), "can't be used, after 12 attempts");
}

TEST_F(RegistryTest, the_next_server_is_asked_when_one_is_not_there) {
  serve();
  registry_.answers["/base/schemas/ids/7"] = {200, "{\"schema\":\"x\"}"};
  Client client(options("http://registry:1/base,http://registry:8081/base/"), context());
  EXPECT_TRUE(ask([&] { return client.schema(7); }).ok());
}

TEST_F(RegistryTest, schemas_are_registered_with_who_asks) {
  serve();
  registry_.answers["/base/subjects/orders-value/versions"] = {200, "{\"id\":12}"};
  Options how = options("http://us%40er:pass@registry:8081/base");
  Client client(how, context());
  const RegisteredSchema schema{"AVRO", {"{\"type\":\"int\"}"}};
  const auto id = ask([&] { return client.id_of("orders-value", schema, true); });
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  EXPECT_EQ(*id, 12);
  EXPECT_EQ(registry_.body, "{\"schema\":\"{\\\"type\\\":\\\"int\\\"}\"}");
  EXPECT_EQ(registry_.authorization, "Basic dXNAZXI6cGFzcw==");
  EXPECT_EQ(*client.id_of("orders-value", schema, true), 12);
  EXPECT_EQ(registry_.asked, std::vector<std::string>{"POST /base/subjects/orders-value/versions"});
}

TEST_F(RegistryTest, what_the_registry_refuses_is_shown) {
  serve();
  registry_.answers["/base/subjects/s/versions"] = {
      409, "{\"error_code\":409,\"message\":\"Schema being registered is incompatible\"}"};
  Client client(options(), context());
  const auto id = ask([&] { return client.id_of("s", {"AVRO", {"x"}}, true); });
  EXPECT_EQ(id.status().id(), ErrorId::kSchemaRegistry);
  EXPECT_CONTAINS(id.status().message(),
                  "subject 's': the registry says: Schema being registered is incompatible (409)");
}

TEST_F(RegistryTest, a_client_goes_while_it_asks) {
  registry_.answers["/base/schemas/ids/7"] = {200, "{\"schema\":\"x\"}"};
  serve();
  {
    Client client(options(), context());
    EXPECT_FALSE(client.schema(7).ok());
  }
  Client client(options(), context());
  EXPECT_TRUE(ask([&] { return client.schema(7); }).ok());
}

TEST(RegistryClient, callers_that_may_block_wait_within_the_call) {
  RealWorldOptions quiet;
  quiet.log_level = LogLevel::kError;
  const auto world = make_real_world(quiet);
  Registry registry;
  registry.answers["/schemas/ids/7"] = {200, "{\"schema\":\"x\"}"};
  HttpServerOptions server_options;
  server_options.address = {"127.0.0.1", 0};
  auto server = HttpServer::open(*world, server_options, registry);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  Options options;
  options.servers = *parse_servers("http://127.0.0.1:" + std::to_string((*server)->port()));
  Client client(options, {.network = &world->network(),
                          .executor = &world->executor(),
                          .clock = &world->clock(),
                          .wake = {}});
  const auto found = client.schema(7);
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ((*found)->texts, std::vector<std::string>{"x"});
}

TEST(RegistryOptions, urls_are_checked) {
  const auto servers = parse_servers("http://a:1/x/ , http://[::1]:8081");
  ASSERT_TRUE(servers.ok()) << servers.status().to_string();
  EXPECT_EQ((*servers)[0].url, "http://a:1/x");
  EXPECT_EQ((*servers)[1].url, "http://[::1]:8081");
  EXPECT_EQ((*parse_servers("https://a/x"))[0].url, "https://a:443/x");
  EXPECT_CONTAINS(parse_servers("a:1").status().message(), "no such URL");
  EXPECT_CONTAINS(parse_servers("http://a:1,").status().message(), "no such URL");
  EXPECT_EQ(parse_servers("").status().id(), ErrorId::kConnectorOption);
}

TEST(RegistryOptions, tables_name_the_registry_as_in_flink) {
  const auto read = [](std::map<std::string, std::string> options, Status& status) {
    TableDefinition table;
    options["connector"] = "test";
    options["f.url"] = "http://a:1";
    table.options = options;
    TableOptions known(table, table_options("f"));
    name_topic("f", "orders", false, known);
    const TableSettings settings = read_table_options("f", known);
    status = known.finish();
    return settings;
  };
  Status status;
  EXPECT_EQ(read({}, status).subject, "orders-value");
  EXPECT_TRUE(status.ok()) << status.to_string();
  const auto basic = read({{"f.basic-auth.credentials-source", "USER_INFO"},
                           {"f.basic-auth.user-info", "u:p"},
                           {"f.subject", "s"},
                           {"f.properties.auto.register.schemas", "false"}},
                          status);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(basic.options.authorization, "Basic dTpw");
  EXPECT_EQ(basic.subject, "s");
  EXPECT_FALSE(basic.registers);
  EXPECT_EQ(read({{"f.bearer-auth.token", "t"}}, status).options.authorization, "Bearer t");
  EXPECT_EQ(read({{"f.properties.value.subject.name.strategy",
                   "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"}},
                 status)
                .subject,
            "orders-{record}");
  EXPECT_TRUE(status.ok()) << status.to_string();
  read({{"f.ssl.truststore.location", "x"}}, status);
  EXPECT_CONTAINS(status.message(), "goes with a URL that begins with https://");
  read({{"f.properties.x", "y"}}, status);
  EXPECT_CONTAINS(status.message(), "auto.register.schemas");
}

// A registry behind TLS that asks for certificates, and files of a client's.
class RegistryTls : public RegistryTest {
 protected:
  RegistryTls()
      : authority_("authority"),
        registry_identity_("registry", &authority_),
        client_identity_("worker", &authority_),
        stranger_("registry") {
    std::filesystem::create_directories(folder());
    write("authority.pem", authority_.pem(false));
    write("registry.pem", registry_identity_.pem(true));
    write("client.pem", client_identity_.pem(true, "hidden"));
    write("stranger.pem", stranger_.pem(true));
    registry_.answers["/schemas/ids/7"] = {200, "{\"schema\":\"\\\"int\\\"\"}"};
  }
  ~RegistryTls() override { std::filesystem::remove_all(folder()); }
  // Of this process alone: other tests of this file run at the same time, with other certificates.
  static std::string folder() {
    return ::testing::TempDir() + "tidewheel_registry_tls_" + std::to_string(::getpid());
  }
  static std::string path(const std::string& name) { return folder() + "/" + name; }
  static void write(const std::string& name, const std::string& bytes) {
    std::ofstream(path(name)) << bytes;
  }
  void serve_tls(const std::string& keystore) {
    TlsOptions tls;
    tls.keystore = path(keystore);
    tls.truststore = path("authority.pem");
    tls.authenticates_clients = true;
    const auto files = make_posix_file_system();
    auto network = make_tls_network(server_world_.network(), *files, tls);
    ASSERT_TRUE(network.ok()) << network.status().to_string();
    network_ = std::move(*network);
    HttpServerOptions options;
    options.address = {"", kPort};
    options.network = network_.get();
    auto opened = HttpServer::open(server_world_, options, registry_);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    server_ = std::move(*opened);
  }
  // As a table names it.
  Status ask_for_schema(std::map<std::string, std::string> options) {
    TableDefinition table;
    options["connector"] = "test";
    options.emplace("f.url", "https://registry:8081");
    table.options = options;
    TableOptions known(table, table_options("f"));
    const TableSettings settings = read_table_options("f", known);
    TIDEWHEEL_RETURN_IF_ERROR(known.finish());
    Client client(settings.options, context());
    return ask([&] { return client.schema(7); }).status();
  }
  std::map<std::string, std::string> all_options() {
    return {{"f.ssl.truststore.location", path("authority.pem")},
            {"f.ssl.keystore.location", path("client.pem")},
            {"f.ssl.keystore.password", "hidden"},
            {"f.basic-auth.user-info", "u:p"}};
  }

  const TlsIdentity authority_;
  const TlsIdentity registry_identity_;
  const TlsIdentity client_identity_;
  const TlsIdentity stranger_;
  std::unique_ptr<Network> network_;
};

TEST_F(RegistryTls, a_registry_is_asked_over_tls_with_certificates_on_both_sides) {
  serve_tls("registry.pem");
  EXPECT_EQ(ask_for_schema(all_options()).to_string(), "ok");
  EXPECT_EQ(registry_.authorization, "Basic dTpw");
}

TEST_F(RegistryTls, certificates_that_are_refused_are_told_soon) {
  serve_tls("stranger.pem");
  const int64_t begun = simulation_.now_ns();
  const Status status = ask_for_schema(all_options());
  EXPECT_EQ(status.id(), ErrorId::kSchemaRegistry);
  EXPECT_CONTAINS(status.message(), "schema 7: no TLS with the registry at https://registry:8081");
  EXPECT_CONTAINS(status.message(), "certificate");
  EXPECT_LT(simulation_.now_ns() - begun, int64_t{5'000'000'000});
}

TEST_F(RegistryTls, a_client_without_a_certificate_is_told_so) {
  serve_tls("registry.pem");
  auto options = all_options();
  options.erase("f.ssl.keystore.location");
  options.erase("f.ssl.keystore.password");
  const Status status = ask_for_schema(options);
  EXPECT_EQ(status.id(), ErrorId::kSchemaRegistry);
  EXPECT_CONTAINS(status.message(), "no TLS with the registry");
}

TEST_F(RegistryTls, the_certificate_has_to_be_the_hosts_unless_told_otherwise) {
  write("registry.pem", client_identity_.pem(true));  // of the host "worker"
  serve_tls("registry.pem");
  EXPECT_CONTAINS(ask_for_schema(all_options()).message(), "no TLS with the registry");
  auto options = all_options();
  options["f.properties.ssl.endpoint.identification.algorithm"] = "";
  EXPECT_EQ(ask_for_schema(options).to_string(), "ok");
}

TEST_F(RegistryTls, files_that_can_not_be_used_are_named) {
  auto options = all_options();
  options["f.ssl.truststore.location"] = "/nowhere/ca.pem";
  EXPECT_CONTAINS(ask_for_schema(options).message(), "/nowhere/ca.pem");
  options = all_options();
  options["f.ssl.keystore.password"] = "wrong";
  EXPECT_CONTAINS(ask_for_schema(options).message(), "password");
}

TEST(RegistryAnswers, what_is_no_answer_is_said) {
  EXPECT_EQ(parse_id_answer("{\"id\":5}").value(), 5);
  for (const char* body : {"", "[]", "{\"id\":\"5\"}", "{\"id\":-1}", "{\"id\":99999999999}"}) {
    EXPECT_EQ(parse_id_answer(body).status().id(), ErrorId::kSchemaRegistry) << body;
  }
  for (const char* body : {"{}", "{\"schema\":1}", "{\"schema\":\"\",\"references\":[1]}"}) {
    EXPECT_EQ(parse_schema_answer(body).status().id(), ErrorId::kSchemaRegistry) << body;
  }
  EXPECT_EQ(refusal_text(500, "<html>"), "status 500: <html>");
}

TEST(RegistryFrame, a_message_has_its_id_before_it) {
  std::string message;
  append_frame(message, 0x01020304);
  message += "value";
  EXPECT_EQ(message.substr(0, 5), std::string("\0\1\2\3\4", 5));
  EXPECT_EQ(unframed(message)->id, 0x01020304);
  EXPECT_EQ(unframed(message)->value, "value");
  EXPECT_FALSE(unframed("\0\1\2\3").has_value());
  EXPECT_FALSE(unframed("\1\1\2\3\4").has_value());
}

}  // namespace
}  // namespace tidewheel::registry
