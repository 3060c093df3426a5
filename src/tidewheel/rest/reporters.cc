#include "tidewheel/rest/reporters.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/metric_options.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/http/server.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/server.h"

namespace tidewheel {
namespace {

constexpr int64_t kConnectNs = 10'000'000'000;

using Keys = std::map<std::string, std::string>;  // of one reporter, without the prefix

// By Flink's names of their classes, and by their own.
constexpr std::pair<std::string_view, ReporterSettings::Kind> kKinds[] = {
    {"prometheus", ReporterSettings::Kind::kPrometheus},
    {"org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
     ReporterSettings::Kind::kPrometheus},
    {"graphite", ReporterSettings::Kind::kGraphite},
    {"org.apache.flink.metrics.graphite.GraphiteReporterFactory",
     ReporterSettings::Kind::kGraphite},
    {"json-file", ReporterSettings::Kind::kJsonFile}};

std::map<std::string, Keys> reporters_of(const Config& config) {
  std::map<std::string, Keys> out;
  for (const auto& [key, value] : config.values()) {
    std::string_view rest = key;
    if (!rest.starts_with(options::kMetricReporterPrefix)) { continue; }
    rest.remove_prefix(options::kMetricReporterPrefix.size());
    const size_t dot = rest.find('.');
    if (dot == std::string_view::npos) { continue; }
    out[std::string(rest.substr(0, dot))][std::string(rest.substr(dot + 1))] = value;
  }
  return out;
}

std::string key_of(const std::string& name, std::string_view key) {
  return fmt::format("{}{}.{}", options::kMetricReporterPrefix, name, key);
}

std::string value_or(const Keys& keys, const char* key, std::string otherwise) {
  const auto found = keys.find(key);
  return found == keys.end() ? std::move(otherwise) : found->second;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<ReporterSettings> read_reporter(const Config& config, const std::string& name,
                                       const Keys& keys) {
  ReporterSettings out;
  out.name = name;
  const std::string kind = value_or(keys, "factory.class", "");
  const auto* const known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const auto& one) { return one.first == kind; });
  if (known == std::end(kKinds)) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'; prometheus, graphite and json-file are accepted, and the "
                            "classes of Flink's reporters for the first two",
                            key_of(name, "factory.class"), kind);
  }
  out.kind = known->second;
  const std::string interval = value_or(keys, "interval", "10 s");
  const Result<int64_t> ms = parse_duration_ms(interval);
  if (!ms.ok() || *ms < 1) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} needs a time such as 10 s, not '{}'",
                            key_of(name, "interval"), interval);
  }
  out.interval_ms = *ms;
  out.host = value_or(keys, "host", "localhost");
  const bool is_graphite = out.kind == ReporterSettings::Kind::kGraphite;
  TIDEWHEEL_ASSIGN_OR_RETURN(
      out.ports,
      parse_port_list(value_or(keys, "port", is_graphite ? "2003" : "9249"), key_of(name, "port")));
  out.path = value_or(keys, "path", "");
  if (out.kind == ReporterSettings::Kind::kPrometheus && !is_loopback(out.host) &&
      !config.get(options::kAllowOpenBind)) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}', which other machines reach, and nobody there would have "
                            "to prove who they are; set {} to true if the network is trusted",
                            key_of(name, "host"), out.host, options::kAllowOpenBind.key);
  }
  if (out.kind == ReporterSettings::Kind::kJsonFile && out.path.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is not set: which file is it?",
                            key_of(name, "path"));
  }
  return out;
}

std::string without_blanks(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) <= ' ' || c == ';' || c == '=' || c == '~') { c = '_'; }
  }
  return out;
}

// ---- The kinds

class Reporter {
 public:
  virtual ~Reporter() = default;
  // On the loop's thread, each interval. Not called for those that are asked.
  virtual void report(const PrometheusText& metrics) = 0;
  virtual bool is_asked() const { return false; }
  virtual uint16_t port() const { return 0; }
};

// Whoever asks gets what there is now.
class PrometheusReporter final : public Reporter, public HttpService {
 public:
  PrometheusReporter(EventLoop& loop, GatherMetrics gather)
      : post_(loop.poster()), gather_(std::move(gather)) {}
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
    return std::move(failure).with_context("the metric reporter {}", settings.name);
  }
  ~PrometheusReporter() override { server_.reset(); }

  void report(const PrometheusText&) override {}
  bool is_asked() const override { return true; }
  uint16_t port() const override { return server_->port(); }

  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest&) override {
    return std::shared_ptr<HttpBodyTaker>();
  }
  void serve(HttpRequest request, HttpAnswer answer) override {
    if (request.method != "GET" && request.method != "HEAD") {
      return answer(failure_response(405, ok_status()));
    }
    post_([gather = gather_, answer = std::move(answer)] {
      gather([answer](const PrometheusText& metrics) {
        HttpResponse response{.status = 200, .body = metrics.text()};
        response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        answer(std::move(response));
      });
    });
  }
  HttpResponse failure_response(int32_t status, const Status& why) override {
    return {.status = status == 0 ? 400 : status, .body = why.message() + "\n"};
  }

 private:
  const EventLoop::Poster post_;
  const GatherMetrics gather_;
  std::unique_ptr<HttpServer> server_;
};

// Replaces a file as a whole.
class JsonFileReporter final : public Reporter {
 public:
  JsonFileReporter(World& world, const ReporterSettings& settings)
      : world_(world),
        path_(settings.path),
        logger_(world.logger().named("metrics")),
        files_(std::make_unique<SerialJobs>(world.executor())) {}

  void report(const PrometheusText& metrics) override {
    files_->run([this, text = metrics_as_json(metrics, world_.clock().wall_ms())] {
      const Status status = write_all_durably(world_.files(), path_, text);
      if (!status.ok() && told_ != status.message()) {
        told_ = status.message();
        logger_.warning("{}", status.to_string());
      }
    });
  }

 private:
  World& world_;
  const std::string path_;
  const Logger logger_;
  std::string told_;
  std::unique_ptr<SerialJobs> files_;
};

// One connection, made anew when it was lost. What could not be sent by the next time is dropped.
class GraphiteReporter final : public Reporter {
 public:
  GraphiteReporter(World& world, EventLoop& loop, const ReporterSettings& settings)
      : world_(world),
        post_(loop.poster()),
        address_{settings.host, settings.ports.front()},
        logger_(world.logger().named("metrics")) {}
  ~GraphiteReporter() override { connection_.reset(); }

  void report(const PrometheusText& metrics) override {
    if (connection_ == nullptr) {
      unsent_.clear();
      connection_ =
          world_.network().connect(address_, kConnectNs, [this] { post_([this] { flush(); }); });
    }
    if (!unsent_.empty()) { return; }
    unsent_ = graphite_lines(metrics, world_.clock().wall_ms() / 1000);
    flush();
  }

 private:
  void flush() {
    if (connection_ == nullptr) { return; }
    size_t sent = 0;
    Status failure;
    while (sent < unsent_.size()) {
      const Result<Transfer> put = connection_->write(std::string_view(unsent_).substr(sent));
      if (!put.ok()) {
        failure = put.status();
        break;
      }
      if (put->state != Transfer::State::kMoved) { break; }
      sent += static_cast<size_t>(put->bytes);
    }
    unsent_.erase(0, sent);
    if (failure.ok()) {
      if (unsent_.empty()) { told_.clear(); }
      return;
    }
    connection_.reset();
    if (told_ == failure.message()) { return; }
    told_ = failure.message();
    logger_.warning("Graphite: {}", failure.to_string());
  }

  World& world_;
  const EventLoop::Poster post_;
  const NetworkAddress address_;
  const Logger logger_;
  std::string unsent_;
  std::string told_;
  std::unique_ptr<Connection> connection_;
};

class AllReporters final : public MetricReporters {
 public:
  AllReporters(EventLoop& loop, GatherMetrics gather) : loop_(loop), gather_(std::move(gather)) {}

  Status add(World& world, const ReporterSettings& settings) {
    std::unique_ptr<Reporter> reporter;
    switch (settings.kind) {
      case ReporterSettings::Kind::kPrometheus: {
        auto made = std::make_unique<PrometheusReporter>(loop_, gather_);
        TIDEWHEEL_RETURN_IF_ERROR(made->listen(world, settings));
        reporter = std::move(made);
        break;
      }
      case ReporterSettings::Kind::kGraphite:
        reporter = std::make_unique<GraphiteReporter>(world, loop_, settings);
        break;
      case ReporterSettings::Kind::kJsonFile:
        reporter = std::make_unique<JsonFileReporter>(world, settings);
        break;
    }
    Reporter* const one = reporter.get();
    reporters_.emplace_back(settings.name, std::move(reporter));
    if (!one->is_asked()) {
      loop_.post([this, one, every_ms = settings.interval_ms] { tick(*one, every_ms); });
    }
    return ok_status();
  }
  uint16_t port_of(std::string_view name) const override {
    for (const auto& [own, reporter] : reporters_) {
      if (own == name) { return reporter->port(); }
    }
    return 0;
  }

 private:
  void tick(Reporter& reporter, int64_t every_ms) {
    gather_([&reporter](const PrometheusText& metrics) { reporter.report(metrics); });
    loop_.after_ms(every_ms, [this, &reporter, every_ms] { tick(reporter, every_ms); });
  }

  EventLoop& loop_;
  const GatherMetrics gather_;
  std::vector<std::pair<std::string, std::unique_ptr<Reporter>>> reporters_;
};

}  // namespace

Result<std::vector<ReporterSettings>> reporter_settings(const Config& config) {
  const std::map<std::string, Keys> known = reporters_of(config);
  std::vector<std::string> names;
  const std::string wanted = config.get(options::kMetricReporters);
  for (size_t at = 0; at < wanted.size();) {
    const size_t end = std::min(wanted.find(',', at), wanted.size());
    std::string name = wanted.substr(at, end - at);
    std::erase(name, ' ');
    if (!name.empty()) { names.push_back(std::move(name)); }
    at = end + 1;
  }
  if (names.empty()) {
    for (const auto& [name, keys] : known) {
      if (keys.count("factory.class") != 0) { names.push_back(name); }
    }
  }
  std::vector<ReporterSettings> out;
  for (const std::string& name : names) {
    const auto found = known.find(name);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        ReporterSettings settings,
        read_reporter(config, name, found == known.end() ? Keys() : found->second));
    out.push_back(std::move(settings));
  }
  return out;
}

std::string graphite_lines(const PrometheusText& metrics, int64_t wall_s) {
  std::string out;
  for (const auto& [name, family] : metrics.families()) {
    for (const PrometheusText::Sample& sample : family.samples) {
      out += name;
      for (const auto& [key, value] : sample.labels) {
        // A tag without a value is refused there.
        if (!value.empty()) { out += ";" + key + "=" + without_blanks(value); }
      }
      out += fmt::format(" {} {}\n", sample.value, wall_s);
    }
  }
  return out;
}

std::string metrics_as_json(const PrometheusText& metrics, int64_t wall_ms) {
  JsonWriter json;
  json.begin_object().member("timestamp", wall_ms).begin_array("metrics");
  for (const auto& [name, family] : metrics.families()) {
    for (const PrometheusText::Sample& sample : family.samples) {
      json.begin_object().member("name", name).begin_object("labels");
      for (const auto& [key, value] : sample.labels) { json.member(key, value); }
      json.end_object().member("value", parse_double(sample.value).value_or(0)).end_object();
    }
  }
  return json.end_array().end_object().take() + "\n";
}

Result<std::unique_ptr<MetricReporters>> MetricReporters::open(World& world, const Config& config,
                                                               EventLoop& loop,
                                                               GatherMetrics gather) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto all, reporter_settings(config));
  auto reporters = std::make_unique<AllReporters>(loop, std::move(gather));
  for (const ReporterSettings& settings : all) {
    TIDEWHEEL_RETURN_IF_ERROR(reporters->add(world, settings));
  }
  return std::unique_ptr<MetricReporters>(std::move(reporters));
}

}  // namespace tidewheel
