// The client of registries of schemas against a real one: TIDEWHEEL_SCHEMA_REGISTRY is its URL.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tidewheel/base/random.h"
#include "tidewheel/base/world.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/formats/avro/sql_schema.h"
#include "tidewheel/formats/json/json_schema.h"
#include "tidewheel/http/client.h"
#include "tidewheel/registry/client.h"

namespace tidewheel::registry {
namespace {

class RealRegistry : public ::testing::Test {
 protected:
  void SetUp() override {
    RealWorldOptions quiet;
    quiet.log_level = LogLevel::kError;
    world_ = make_real_world(quiet);
    url_ = world_->environment("TIDEWHEEL_SCHEMA_REGISTRY").value_or("");
    Options options;
    options.servers = *parse_servers(url_);
    // Without `wake` calls wait for their answers.
    client_ = std::make_unique<Client>(options, FormatContext{.network = &world_->network(),
                                                              .executor = &world_->executor(),
                                                              .clock = &world_->clock(),
                                                              .wake = {}});
    subject_ = "tidewheel-" + std::to_string(world_->fork_random().next()) + "-value";
  }
  static RegisteredSchema avro_of(const RowType& row) {
    return {"AVRO", {avro::schema_of(row, {})->to_json()}};
  }
  static RowType old_row() {
    RowType row;
    row.add("id", LogicalType::of(TypeKind::kBigint, false));
    row.add("name", LogicalType::string());
    return row;
  }

  std::unique_ptr<World> world_;
  std::string url_;
  std::string subject_;
  std::unique_ptr<Client> client_;
};

TEST_F(RealRegistry, schemas_are_registered_and_found_by_their_ids) {
  const RegisteredSchema schema = avro_of(old_row());
  const auto id = client_->id_of(subject_, schema, true);
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  const auto found = client_->schema(*id);
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ((*found)->type, "AVRO");
  EXPECT_EQ(avro::Schema::parse((*found)->texts.back())->canonical(),
            avro::Schema::parse(schema.texts.back())->canonical());
  RowType wider = old_row();
  wider.add("added", LogicalType::of(TypeKind::kDouble));
  const auto next = client_->id_of(subject_, avro_of(wider), true);
  ASSERT_TRUE(next.ok()) << next.status().to_string();
  EXPECT_NE(*next, *id);
}

TEST_F(RealRegistry, what_it_says_against_a_schema_is_in_the_error) {
  ASSERT_TRUE(client_->id_of(subject_, avro_of(old_row()), true).ok());
  HttpClient http(*world_);
  const auto configured =
      http.call({.url = url_ + "/config/" + subject_,
                 .method = "PUT",
                 .headers = {{"Content-Type", "application/vnd.schemaregistry.v1+json"}},
                 .body = "{\"compatibility\":\"BACKWARD\"}"});
  ASSERT_TRUE(configured.ok()) << configured.status().to_string();
  ASSERT_EQ(configured->status, 200) << configured->body;
  RowType narrower;
  narrower.add("other", LogicalType::string(false));
  const auto refused = client_->id_of(subject_, avro_of(narrower), true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().id(), ErrorId::kSchemaRegistry);
  EXPECT_NE(refused.status().message().find(subject_), std::string::npos)
      << refused.status().to_string();
}

TEST_F(RealRegistry, an_id_that_it_does_not_have_is_said_to_be_missing) {
  constexpr int32_t kNobodys = 2'000'000'000;
  EXPECT_EQ(client_->schema(kNobodys).status().code(), StatusCode::kNotFound)
      << client_->schema(kNobodys).status().to_string();
}

TEST_F(RealRegistry, json_schemas_are_registered) {
  const RegisteredSchema schema{"JSON", {json_detail::json_schema_of(old_row())}};
  const auto id = client_->id_of(subject_, schema, true);
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  EXPECT_EQ((*client_->schema(*id))->type, "JSON");
}

TEST_F(RealRegistry, a_schema_is_looked_for_without_being_registered) {
  const RegisteredSchema schema = avro_of(old_row());
  EXPECT_FALSE(client_->id_of(subject_, schema, false).ok());
  const auto id = client_->id_of(subject_, schema, true);
  ASSERT_TRUE(id.ok());
  Options options;
  options.servers = *parse_servers(url_);
  Client other(options, FormatContext{.network = &world_->network(),
                                      .executor = &world_->executor(),
                                      .clock = &world_->clock(),
                                      .wake = {}});
  const auto same = other.id_of(subject_, schema, false);
  ASSERT_TRUE(same.ok()) << same.status().to_string();
  EXPECT_EQ(*same, *id);
}

}  // namespace
}  // namespace tidewheel::registry

// 77: there is no registry, and the test is skipped.
int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  ::testing::InitGoogleTest(&argc, argv);
  if (!tidewheel::make_real_world()->environment("TIDEWHEEL_SCHEMA_REGISTRY").has_value()) {
    std::puts("set TIDEWHEEL_SCHEMA_REGISTRY to the URL of a registry of schemas");
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
