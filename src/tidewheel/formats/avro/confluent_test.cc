// The format avro-confluent, with a registry in a simulated network.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tidewheel/formats/avro/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/http/server.h"
#include "tidewheel/registry/table_options.h"
#include "tidewheel/sim/sim_network.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/simulation.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

using namespace test;
using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

constexpr uint16_t kPort = 8081;

// A registry that takes every schema: the n-th has the id n.
class Registry final : public HttpService {
 public:
  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest&) override {
    return std::shared_ptr<HttpBodyTaker>();
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    HttpResponse response;
    constexpr std::string_view kIds = "/schemas/ids/";
    if (request.method == "POST") {
      subjects.push_back(request.target);
      bodies.push_back(request.body);
      response.body = "{\"id\":" + std::to_string(bodies.size()) + "}";
    } else if (request.target.starts_with(kIds)) {
      const auto id = static_cast<size_t>(std::stoi(request.target.substr(kIds.size())));
      response.status = id > 0 && id <= bodies.size() ? 200 : 404;
      response.body = response.status == 200 ? bodies[id - 1] : "{\"message\":\"no such schema\"}";
    }
    answer(std::move(response));
  }
  HttpResponse failure_response(int32_t status, const Status&) override {
    return {.status = status};
  }
  std::vector<std::string> subjects;
  std::vector<std::string> bodies;
};

class AvroConfluent : public ::testing::Test {
 protected:
  AvroConfluent()
      : simulation_({.seed = 11}),
        fabric_(simulation_),
        server_world_(simulation_, fabric_, "registry"),
        world_(simulation_, fabric_, "worker") {
    HttpServerOptions options;
    options.address = {"", kPort};
    auto opened = HttpServer::open(server_world_, options, registry_);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    server_ = std::move(*opened);
  }

  static Options with(Options options) {
    options["connector"] = "test";
    options.emplace("avro-confluent.url", "http://registry:8081");
    return options;
  }
  FormatContext context() {
    return {.network = &world_.network(),
            .executor = &world_.executor(),
            .clock = &world_.clock(),
            .wake = [this] { ++wakes_; }};
  }
  void wait_for_wake() {
    const int32_t wakes = wakes_;
    simulation_.run_until([&] { return wakes_ > wakes; });
  }

  Texts encode(const NamedTypes& columns, const Options& options, std::string_view lines) {
    const RowType row = row_of(columns);
    const auto format = avro_confluent_table_format();
    TableOptions read(table_of(columns, with(options)), format->options());
    format->name_topic("orders", false, read);
    const auto make = format->encoder(row, all_of(row), read);
    status_ = make.ok() ? read.finish() : make.status();
    if (!status_.ok()) { return {}; }
    const auto encoder = (*make)();
    EXPECT_TRUE(encoder->open(context()).ok());
    auto ready = encoder->ready();
    while (ready.ok() && !*ready) {
      wait_for_wake();
      ready = encoder->ready();
    }
    ColumnRows rows(row);
    rows.add(json_table_format(), lines);
    Texts messages;
    for (uint32_t i = 0; i < rows.sealed().size(); ++i) {
      status_ = encoder->encode(rows.batch(), i, messages.emplace_back());
    }
    return messages;
  }
  std::unique_ptr<RowDecoder> decoder(const NamedTypes& columns, const Options& options = {}) {
    const RowType row = row_of(columns);
    const auto format = avro_confluent_table_format();
    TableOptions read(table_of(columns, with(options)), format->options());
    const auto make = format->decoder(DecodedRow::all(row), read);
    status_ = make.ok() ? read.finish() : make.status();
    if (!status_.ok()) { return nullptr; }
    auto decoder = (*make)();
    EXPECT_TRUE(decoder->open(context()).ok());
    return decoder;
  }
  Texts decode(RowDecoder& decoder, const NamedTypes& columns, const Texts& messages) {
    ColumnRows rows(row_of(columns));
    for (const std::string& message : messages) {
      auto done = decoder.decode(Text(message), rows.batch());
      while (!done.ok() && done.status().id() == ErrorId::kFormatNotYet) {
        wait_for_wake();
        done = decoder.decode(Text(message), rows.batch());
      }
      if (!done.ok()) { status_ = done.status(); }
    }
    return rows.texts();
  }

  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld server_world_;
  SimWorld world_;
  Registry registry_;
  std::unique_ptr<HttpServer> server_;
  int32_t wakes_ = 0;
  Status status_;
};

const NamedTypes kOld = {{"id", LogicalType::of(TypeKind::kInt, false)},
                         {"name", LogicalType::string()}};
const NamedTypes kNew = {{"id", LogicalType::of(TypeKind::kBigint, false)},
                         {"price", LogicalType::decimal(10, 2)},
                         {"name", LogicalType::string()}};

TEST_F(AvroConfluent, schemas_are_registered_and_looked_up) {
  const Texts messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(messages[0].substr(0, 5), std::string("\0\0\0\0\1", 5));
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/orders-value/versions"});
  const auto reader = decoder(kOld);
  EXPECT_EQ(decode(*reader, kOld, messages), (Texts{"[1, a]", "[2, NULL]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
}

TEST_F(AvroConfluent, messages_of_several_versions_are_read_by_each_ones_schema) {
  const Texts old_messages = encode(kOld, {}, "{\"id\":1,\"name\":\"a\"}\n");
  const Texts new_messages = encode(kNew, {}, "{\"id\":2,\"price\":1.5,\"name\":\"b\"}\n");
  const auto reader = decoder(kNew);
  EXPECT_EQ(decode(*reader, kNew, {old_messages[0], new_messages[0], old_messages[0]}),
            (Texts{"[1, NULL, a]", "[2, 1.50, b]", "[1, NULL, a]"}));
  EXPECT_TRUE(status_.ok()) << status_.to_string();
  // What is known needs no registry.
  server_.reset();
  EXPECT_EQ(decode(*reader, kNew, new_messages), Texts{"[2, 1.50, b]"});
}

TEST_F(AvroConfluent, what_is_not_framed_or_names_no_schema_is_malformed) {
  const auto reader = decoder(kOld);
  for (const std::string& message :
       {std::string("\1\0\0\0\1\2", 6), std::string("\0\0\0", 3), std::string("{}")}) {
    EXPECT_EQ(decode(*reader, kOld, {message}), Texts());
    EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
    EXPECT_CONTAINS(status_.message(), "0 and the id of a schema");
  }
  EXPECT_EQ(decode(*reader, kOld, {std::string("\0\0\0\0\x63\2", 6)}), Texts());
  EXPECT_EQ(status_.id(), ErrorId::kRecordMalformed);
  EXPECT_CONTAINS(status_.message(), "schema 99: the registry says: no such schema");
  status_ = {};
  EXPECT_EQ(decode(*reader, kOld, {""}), Texts());
  EXPECT_TRUE(status_.ok());
}

TEST_F(AvroConfluent, a_schema_that_does_not_fit_is_named_by_its_id) {
  const Texts messages = encode({{"id", LogicalType::string()}}, {}, "{\"id\":\"x\"}\n");
  const auto reader = decoder(kOld);
  decode(*reader, kOld, messages);
  EXPECT_EQ(status_.id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(status_.message(), "schema 1");
}

TEST_F(AvroConfluent, a_schema_and_a_subject_of_ones_own_are_used) {
  const Options options = {
      {"avro-confluent.schema",
       R"({"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"}]})"},
      {"avro-confluent.properties.value.subject.name.strategy", "RecordNameStrategy"}};
  encode({{"id", LogicalType::of(TypeKind::kBigint, false)}}, options, "{\"id\":1}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(registry_.subjects, Texts{"/subjects/shop.Order/versions"});
  EXPECT_CONTAINS(registry_.bodies[0], "shop.Order");
  // A single value, as keys often are.
  const NamedTypes key = {{"id", LogicalType::string(false)}};
  const Options plain = {{"avro-confluent.schema", "\"string\""}};
  const Texts messages = encode(key, plain, "{\"id\":\"k\"}\n");
  ASSERT_TRUE(status_.ok()) << status_.to_string();
  EXPECT_EQ(messages[0].substr(5), "\2k");
  const auto reader = decoder(key, plain);
  EXPECT_EQ(decode(*reader, key, messages), Texts{"[k]"});
}

TEST_F(AvroConfluent, options_are_checked) {
  decoder(kOld, {{"avro-confluent.url", "registry"}});
  EXPECT_CONTAINS(status_.message(), "http://host:8081");
  decoder(kOld, {{"avro-confluent.ssl.keystore.location", "x"}});
  EXPECT_CONTAINS(status_.message(), "begins with https:");
  decoder(kOld, {{"avro-confluent.schema", "\"strin\""}});
  EXPECT_CONTAINS(status_.message(), "avro-confluent.schema");
}

}  // namespace
}  // namespace tidewheel
