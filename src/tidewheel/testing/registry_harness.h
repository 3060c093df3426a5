// What tests of formats with a registry of schemas share: a registry in a simulated network, and
// both ends of a topic.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/http/server.h"
#include "tidewheel/sim/sim_network.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/sim/simulation.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel::test {

using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;

inline constexpr uint16_t kRegistryPort = 8081;

// A registry that takes every schema: the n-th has the id n.
class FakeRegistry final : public HttpService {
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
    } else if (versions.count(request.target) > 0) {
      response.body = versions[request.target];
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
  std::map<std::string, std::string> versions;
};

// Formats whose messages name their schema by its id in a registry: one message after the other, as
// a worker in a simulated network reads and writes them.
class ConfluentTest : public ::testing::Test {
 protected:
  // `lines`: the format in which tests give rows.
  ConfluentTest(std::unique_ptr<TableFormat> format, std::unique_ptr<TableFormat> lines)
      : format_(std::move(format)),
        lines_(std::move(lines)),
        simulation_({.seed = 11}),
        fabric_(simulation_),
        server_world_(simulation_, fabric_, "registry"),
        world_(simulation_, fabric_, "worker") {
    HttpServerOptions options;
    options.address = {"", kRegistryPort};
    auto opened = HttpServer::open(server_world_, options, registry_);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    server_ = std::move(*opened);
  }

  Options with(Options options) const {
    options["connector"] = "test";
    options.emplace(std::string(format_->name()) + ".url", "http://registry:8081");
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
    TableOptions read(table_of(columns, with(options)), format_->options());
    format_->name_topic("orders", false, read);
    const auto make = format_->encoder(row, all_of(row), read);
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
    rows.add(lines_, lines);
    Texts messages;
    for (uint32_t i = 0; i < rows.sealed().size(); ++i) {
      status_ = encoder->encode(rows.batch(), i, messages.emplace_back());
    }
    return messages;
  }
  std::unique_ptr<RowDecoder> decoder(const NamedTypes& columns, const Options& options = {}) {
    const RowType row = row_of(columns);
    TableOptions read(table_of(columns, with(options)), format_->options());
    const auto make = format_->decoder(DecodedRow::all(row), read);
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

  const std::unique_ptr<TableFormat> format_;
  const std::unique_ptr<TableFormat> lines_;
  Simulation simulation_;
  SimNetworkFabric fabric_;
  SimWorld server_world_;
  SimWorld world_;
  FakeRegistry registry_;
  std::unique_ptr<HttpServer> server_;
  int32_t wakes_ = 0;
  Status status_;
};

}  // namespace tidewheel::test
