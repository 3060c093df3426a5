#include "tidewheel/rest/server.h"

#include <algorithm>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/history_options.h"
#include "tidewheel/base/port_list.h"
#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/security_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/http/server.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/reporters.h"

namespace tidewheel {

// Destroyed from the last to the first: no request comes any more when the loop goes.
struct RestServer::Parts {
  Parts(World& all, std::string folder) : world(all), upload_folder(std::move(folder)) {}
  ~Parts() {
    http.reset();
    loop.reset();
    reporters.reset();
    api.reset();
    ignore(world.files().remove_all(upload_folder), "the next start has a folder of its own");
  }

  World& world;
  const std::string upload_folder;  // this server's own
  std::string scheme = "http";
  std::string host;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<RestApi> api;
  std::unique_ptr<MetricReporters> reporters;
  std::unique_ptr<HttpServer> http;
};

namespace {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// Who reaches the API runs code in the cluster.
Status check_bind_address(const Config& config, bool asks_for_tokens) {
  const std::string host = config.get(options::kRestBindAddress);
  const bool asks_for_certificates =
      config.get(options::kRestTls) && config.get(options::kRestTlsAuthentication);
  if (is_loopback(host) || asks_for_tokens || asks_for_certificates ||
      config.get(options::kAllowOpenBind)) {
    return {};
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} is '{}', which other machines reach, and nobody there would have to "
                          "prove who they are; set {}, or set {} to true if the network is trusted",
                          options::kRestBindAddress.key, host, options::kRestTokenFile.key,
                          options::kAllowOpenBind.key);
}

Result<std::unique_ptr<HttpServer>> listen(World& world, const Config& config,
                                           HttpServerOptions options, HttpService& service,
                                           bool is_history) {
  std::string text = config.get(options::kRestBindPort);
  const bool has_own = !text.empty();
  if (!has_own) { text = std::to_string(config.get(options::kRestPort)); }
  const std::string_view key = is_history ? options::kHistoryPort.key
                               : has_own  ? options::kRestBindPort.key
                                          : options::kRestPort.key;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<uint16_t> ports, parse_port_list(text, key));
  Status failure;
  for (const uint16_t port : ports) {
    options.address.port = port;
    Result<std::unique_ptr<HttpServer>> server = HttpServer::open(world, options, service);
    if (server.ok()) { return server; }
    failure = server.status();
  }
  const std::string advice = is_history ? "give it another one, or 0 for any free one"
                                        : range_advice(options::kRestBindPort.key);
  return no_free_port(failure, key, text, advice).with_context("REST server");
}

}  // namespace

Result<std::unique_ptr<RestServer>> RestServer::open(World& world, const Config& config,
                                                     ClusterGateway& gateway,
                                                     const RestServerOptions& options) {
  RestSettings settings = rest_settings(config);
  settings.history = options.is_history;
  if (options.is_history) {
    settings.master_log_url = config.get(options::kHistoryMasterLog);
    settings.worker_log_url = config.get(options::kHistoryWorkerLog);
  }
  if (const std::string file = config.get(options::kRestTokenFile); !file.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, read_all(world.files(), file));
    TIDEWHEEL_ASSIGN_OR_RETURN(settings.tokens, parse_rest_tokens(text));
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_bind_address(config, !settings.tokens.empty()));
  std::string base = config.get(options::kWebUploadDirectory);
  if (base.empty()) { base = config.get(options::kTemporaryDirectories); }
  Random random = world.fork_random();
  const std::string folder = join_path(base, fmt::format("tidewheel-web-{:016x}", random.next()));
  auto parts = std::make_unique<Parts>(world, folder);
  settings.upload_directory = join_path(folder, "flink-web-upload");
  TIDEWHEEL_RETURN_IF_ERROR(world.files().make_directories(settings.upload_directory));
  parts->loop = std::make_unique<EventLoop>(world, "rest");
  parts->api = std::make_unique<RestApi>(world, std::move(settings), gateway, *parts->loop,
                                         options.profiler);
  parts->scheme = options.is_secure ? "https" : "http";
  parts->host = config.get(options::kRestAddress);
  std::string bind = config.get(options::kRestBindAddress);
  if (bind == "0.0.0.0" || bind == "::") { bind.clear(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      parts->http,
      listen(world, config,
             {.name = "rest-http",
              .address = {bind, 0},
              .network = options.network,
              .connections_max = static_cast<int32_t>(config.get(options::kRestConnectionsMax)),
              .taken_bytes_max = config.get(options::kRestContentLengthMax),
              .idle_timeout_ms = config.get(options::kRestIdleTimeout),
              .answer_timeout_ms = config.get(options::kWebTimeout)},
             *parts->api, options.is_history));
  if (!options.is_history) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        parts->reporters,
        MetricReporters::open(world, config, *parts->loop, [api = parts->api.get()](auto done) {
          api->gather_metrics(std::move(done));
        }));
  }
  auto server = std::unique_ptr<RestServer>(new RestServer(std::move(parts)));
  server->parts_->loop->post([api = server->parts_->api.get(), address = server->address()] {
    api->set_address(address);
  });
  return server;
}

RestServer::RestServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RestServer::~RestServer() = default;

uint16_t RestServer::port() const { return parts_->http->port(); }
std::string RestServer::address() const {
  return parts_->scheme + "://" + NetworkAddress{parts_->host, port()}.to_string();
}
bool RestServer::is_drained() const { return parts_->api->is_drained(); }

}  // namespace tidewheel
