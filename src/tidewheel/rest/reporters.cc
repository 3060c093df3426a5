#include "tidewheel/rest/reporters.h"

#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/datagrams.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

constexpr int64_t kConnectNs = 10'000'000'000;
// Goes through an Ethernet as one packet.
constexpr size_t kDatagramBytesMax = 1432;

std::string without_blanks(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) <= ' ' || c == ';' || c == '=' || c == '~') { c = '_'; }
  }
  return out;
}

// Dots part a name's levels there, and the value begins behind a colon.
std::string statsd_part(std::string_view text) {
  std::string out = without_blanks(text);
  for (char& c : out) {
    if (c == '.' || c == ':' || c == '|' || c == '@' || c == '#') { c = '_'; }
  }
  return out;
}

// ---- The kinds

class Reporter {
 public:
  virtual ~Reporter() = default;
  // On the loop's thread, each interval.
  virtual void report(const PrometheusText& metrics) = 0;
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

// Datagrams to a server that may be there. A failure is told once, until one was sent again.
class StatsDReporter final : public Reporter {
 public:
  StatsDReporter(World& world, std::unique_ptr<DatagramSender> sender)
      : logger_(world.logger().named("metrics")), sender_(std::move(sender)) {}

  void report(const PrometheusText& metrics) override {
    Status failure;
    for (const std::string& datagram : statsd_datagrams(metrics, kDatagramBytesMax)) {
      const Status status = sender_->send(datagram);
      if (!status.ok()) { failure = status; }
    }
    if (!failure.ok() && !told_) { logger_.warning("StatsD: {}", failure.to_string()); }
    told_ = !failure.ok();
  }

 private:
  const Logger logger_;
  const std::unique_ptr<DatagramSender> sender_;
  bool told_ = false;
};

class LogReporter final : public Reporter {
 public:
  explicit LogReporter(World& world) : logger_(world.logger().named("metrics")) {}

  void report(const PrometheusText& metrics) override {
    std::string text;
    for (const auto& [name, family] : metrics.families()) {
      for (const PrometheusText::Sample& sample : family.samples) {
        text += "\n" + name;
        for (const auto& [key, value] : sample.labels) {
          text += fmt::format(" {}={}", key, value);
        }
        text += ": " + sample.value;
      }
    }
    logger_.info("all metrics:{}", text);
  }

 private:
  const Logger logger_;
};

class AllReporters final : public MetricReporters {
 public:
  AllReporters(EventLoop& loop, GatherMetrics gather) : loop_(loop), gather_(std::move(gather)) {}

  Status add(World& world, const ReporterSettings& settings) {
    std::unique_ptr<Reporter> reporter;
    switch (settings.kind) {
      case ReporterSettings::Kind::kPrometheus: {
        TIDEWHEEL_ASSIGN_OR_RETURN(auto endpoint,
                                   PrometheusEndpoint::open(world, settings, {}, own_metrics()));
        endpoints_.emplace_back(settings.name, std::move(endpoint));
        return ok_status();
      }
      case ReporterSettings::Kind::kGraphite:
        reporter = std::make_unique<GraphiteReporter>(world, loop_, settings);
        break;
      case ReporterSettings::Kind::kStatsD: {
        TIDEWHEEL_ASSIGN_OR_RETURN(auto sender,
                                   DatagramSender::open({settings.host, settings.ports.front()}));
        reporter = std::make_unique<StatsDReporter>(world, std::move(sender));
        break;
      }
      case ReporterSettings::Kind::kLog: reporter = std::make_unique<LogReporter>(world); break;
      case ReporterSettings::Kind::kJsonFile:
        reporter = std::make_unique<JsonFileReporter>(world, settings);
        break;
    }
    Reporter* const one = reporter.get();
    reporters_.push_back(std::move(reporter));
    loop_.post([this, one, every_ms = settings.interval_ms] { tick(*one, every_ms); });
    return ok_status();
  }
  uint16_t port_of(std::string_view name) const override {
    for (const auto& [own, endpoint] : endpoints_) {
      if (own == name) { return endpoint->port(); }
    }
    return 0;
  }

 private:
  // The other processes have endpoints of their own.
  GatherMetrics own_metrics() const {
    return [post = loop_.poster(), gather = gather_](auto done) {
      post([gather, done = std::move(done)] {
        gather([done](const PrometheusText& metrics) {
          PrometheusText own = metrics;
          own.keep_scopes("jobmanager_");
          done(own);
        });
      });
    };
  }
  void tick(Reporter& reporter, int64_t every_ms) {
    gather_([&reporter](const PrometheusText& metrics) { reporter.report(metrics); });
    loop_.after_ms(every_ms, [this, &reporter, every_ms] { tick(reporter, every_ms); });
  }

  EventLoop& loop_;
  const GatherMetrics gather_;
  std::vector<std::unique_ptr<Reporter>> reporters_;
  std::vector<std::pair<std::string, std::unique_ptr<PrometheusEndpoint>>> endpoints_;
};

}  // namespace

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

std::vector<std::string> statsd_datagrams(const PrometheusText& metrics, size_t bytes_max) {
  std::vector<std::string> out;
  for (const auto& [name, family] : metrics.families()) {
    for (const PrometheusText::Sample& sample : family.samples) {
      std::string line = name;
      for (const auto& [key, value] : sample.labels) {
        if (!value.empty()) { line += "." + statsd_part(value); }
      }
      line += ":" + sample.value + "|g";
      if (out.empty() || out.back().size() + 1 + line.size() > bytes_max) {
        out.push_back(std::move(line));
      } else {
        out.back() += "\n" + line;
      }
    }
  }
  return out;
}

std::string metrics_as_json(const PrometheusText& metrics, int64_t wall_ms) {
  JsonBuilder json;
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
