#include "tidewheel/cluster/prometheus_endpoint.h"

#include <utility>

#include "tidewheel/base/port_list.h"
#include "tidewheel/base/process.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/process_metrics.h"
#include "tidewheel/http/server.h"

namespace tidewheel {
namespace {

class Endpoint final : public PrometheusEndpoint, private HttpService {
 public:
  Endpoint(World& world, ProcessScope process, GatherMetrics gather)
      : world_(world),
        process_(std::move(process)),
        gather_(std::move(gather)),
        figures_(process_.memory_bytes_max) {}
  ~Endpoint() override { server_.reset(); }

  Status listen(World& world, const ReporterSettings& settings) {
    Status failure;
    for (const uint16_t port : settings.ports) {
      auto server = HttpServer::open(
          world, {.name = "metrics-http", .address = {settings.host, port}}, *this);
      if (server.ok()) {
        server_ = std::move(server).value();
        return ok_status();
      }
      failure = server.status();
    }
    const std::string ports =
        settings.ports.size() == 1
            ? std::to_string(settings.ports.front())
            : fmt::format("{} to {}", settings.ports.front(), settings.ports.back());
    return no_free_port(failure, settings.port_key(), ports,
                        "give it a range that has a port for each process of the machine, such as "
                        "9249-9279, or 0 for any free one")
        .with_context("this process has no port for Prometheus");
  }
  uint16_t port() const override { return server_->port(); }

 private:
  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest&) override {
    return std::shared_ptr<HttpBodyTaker>();
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    if (request.method != "GET" && request.method != "HEAD") {
      return answer(failure_response(405, ok_status()));
    }
    const auto finish = [answer = std::move(answer), own = own_text()](const PrometheusText& rest) {
      HttpResponse response{.status = 200, .body = own + rest.text()};
      response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      answer(std::move(response));
    };
    if (gather_) {
      gather_(finish);
    } else {
      finish(PrometheusText());
    }
  }
  std::string own_text() {
    if (process_.scope.empty()) { return {}; }
    pb::MetricScope scope;
    figures_.add_to(process_figures(), world_.clock().now_ns(), scope);
    PrometheusText text;
    text.add_scope(process_.scope, process_.labels, scope);
    return text.text();
  }
  HttpResponse failure_response(int32_t status, const Status& why) override {
    return {.status = status == 0 ? 400 : status, .body = why.message() + "\n"};
  }

  World& world_;
  const ProcessScope process_;
  const GatherMetrics gather_;
  ProcessMetrics figures_;  // the server's thread
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

Result<std::unique_ptr<PrometheusEndpoint>> PrometheusEndpoint::open(
    World& world, const ReporterSettings& settings, ProcessScope process, GatherMetrics gather) {
  auto endpoint = std::make_unique<Endpoint>(world, std::move(process), std::move(gather));
  TIDEWHEEL_RETURN_IF_ERROR(endpoint->listen(world, settings));
  return std::unique_ptr<PrometheusEndpoint>(std::move(endpoint));
}

std::vector<std::unique_ptr<PrometheusEndpoint>> PrometheusEndpoint::open_all(
    World& world, const Config& config, const ProcessScope& process, const GatherMetrics& gather) {
  std::vector<std::unique_ptr<PrometheusEndpoint>> out;
  const Logger logger = world.logger().named("metrics");
  const auto settings = reporter_settings(config);
  if (!settings.ok()) {
    logger.warning("{}", settings.status().to_string());
    return out;
  }
  for (const ReporterSettings& one : *settings) {
    if (one.kind != ReporterSettings::Kind::kPrometheus) { continue; }
    auto endpoint = open(world, one, process, gather);
    if (endpoint.ok()) {
      out.push_back(std::move(*endpoint));
    } else {
      logger.warning("{}", endpoint.status().to_string());
    }
  }
  return out;
}

}  // namespace tidewheel
