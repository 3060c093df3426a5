#include "bench/kafka/source_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/kafka/bare_consumer.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/discard/discard.h"
#include "tidewheel/connectors/kafka/kafka.h"
#include "tidewheel/formats/json/json.h"
#include "tidewheel/tables/env_sql.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel::bench {
namespace {

constexpr const char* kHelp =
    R"(kafka_bench source: messages a second that a job reads, beside a bare consumer of librdkafka

  --brokers HOST:PORT    (TIDEWHEEL_KAFKA_BOOTSTRAP)
  --messages N           how many are read in a run (3000000)
  --partitions N         of the topic (4)
  --repeat K             runs of each kind, in turns; the median counts (5)
  --topic NAME           one that is there already, with JSON as this benchmark writes it
)";

struct Options {
  std::string brokers;
  std::string topic;
  int64_t messages = 3'000'000;
  int64_t partitions = 4;
  int64_t repeat = 5;
};

struct Event {
  int64_t id = 0;
  Text user;
  double price = 0;
  int64_t at = 0;
  Text note;
};

struct Measured {
  double wall_s = 0;
  double cpu_s = 0;
};

struct Kind {
  const char* name;
  size_t beside;  // which kind it is measured by
  std::function<Status(const Options&)> run;
};
constexpr size_t kBare = 0;
constexpr size_t kBareJson = 1;

bool parse(const std::vector<std::string>& args, Options& options) {
  const auto number = [](const std::string& text, int64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value > 0;
  };
  for (size_t i = 0; i + 1 < args.size(); i += 2) {
    const std::string& name = args[i];
    const std::string& value = args[i + 1];
    const bool good = name == "--brokers"      ? (options.brokers = value, true)
                      : name == "--topic"      ? (options.topic = value, true)
                      : name == "--messages"   ? number(value, options.messages)
                      : name == "--partitions" ? number(value, options.partitions)
                      : name == "--repeat"     ? number(value, options.repeat)
                                               : false;
    if (!good) { return false; }
  }
  return args.size() % 2 == 0 && !options.brokers.empty();
}

// Writes the topic: about 130 bytes a message, in batches as producers make them by themselves.
Status fill(const Options& options) {
  const auto client = kafka::real_client();
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const auto admin, client->admin({{"bootstrap.servers", options.brokers}}, Duration(30'000)));
  TIDEWHEEL_RETURN_IF_ERROR(
      admin->create_topic(options.topic, static_cast<int32_t>(options.partitions), {}));
  const auto world = make_real_world();
  const auto room = world->executor().make_event();
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const auto producer,
      client->producer({{"bootstrap.servers", options.brokers}, {"linger.ms", "20"}},
                       {&world->executor(), [] {}}));
  std::string value;
  for (int64_t i = 0; i < options.messages;) {
    value = fmt::format(
        R"({{"id":{},"user":"user-{}","price":{}.25,"at":{},"note":"some words, as they come"}})",
        i, i % 5'000, i % 997, 1'700'000'000'000 + i);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const bool taken,
        producer->produce(
            options.topic,
            {.value = value, .partition = static_cast<int32_t>(i % options.partitions)}));
    if (taken) {
      ++i;
    } else {
      static_cast<void>(producer->deliveries());
      static_cast<void>(room->wait(world->clock().now_ns() + 1'000'000));
    }
  }
  return producer->flush(Duration(120'000));
}

kafka::SourceOptions source_options(const Options& options) {
  kafka::SourceOptions made;
  made.brokers = options.brokers;
  made.topics = {options.topic};
  made.start = kafka::Start::earliest();
  made.stop = kafka::Stop::latest();
  return made;
}

Status check(const Result<JobResult>& result, int64_t rows, int64_t expected) {
  if (!result.ok()) { return result.status(); }
  if (rows == expected) { return {}; }
  return internal_error(ErrorId::kInternal, "{} rows were read, not {}", rows, expected);
}

Status run_bare(const Options& options, BareDecoding decoding) {
  return consume_bare(options.brokers, options.topic, static_cast<int32_t>(options.partitions),
                      options.messages, decoding)
      .status();
}

// Rows are counted by a sink that does nothing else.
template <class T>
struct CountSink {
  using input = T;
  std::shared_ptr<int64_t> rows;  // one subtask
  Status write_batch(const RowBatch<T>&, uint32_t begin, uint32_t end) {
    *rows += end - begin;
    return {};
  }
};

template <class S>
Status run_source(const Options& options, S source) {
  using T = typename S::output;
  Env env;
  auto rows = std::make_shared<int64_t>(0);
  env.from("messages", std::move(source)).uid("messages").to(CountSink<T>{rows});
  const Result<JobResult> result = env.execute("source");
  return check(result, *rows, options.messages);
}

Status run_raw(const Options& options) {
  return run_source(options, kafka::source<Text>(source_options(options),
                                                 [](const kafka::MessageView& view,
                                                    SourceOut<Text>& out) -> Result<bool> {
                                                   out.emit(out.intern(view.message().value));
                                                   return true;
                                                 }));
}

Status run_json(const Options& options) {
  return run_source(options, kafka::source<Event>(source_options(options), json()));
}

Status run_sql(const Options& options, const std::string& columns, const std::string& format) {
  Env env;
  static_cast<void>(env.sql(
      fmt::format("CREATE TABLE t ({}) WITH ('connector' = 'kafka', 'topic' = '{}', "
                  "'properties.bootstrap.servers' = '{}', 'format' = '{}', 'scan.startup.mode' = "
                  "'earliest-offset', 'scan.bounded.mode' = 'latest-offset')",
                  columns, options.topic, options.brokers, format)));
  static_cast<void>(
      env.sql("CREATE TABLE s WITH ('connector' = 'blackhole') LIKE t (EXCLUDING OPTIONS)"));
  static_cast<void>(env.sql("INSERT INTO s SELECT * FROM t"));
  const auto result = env.execute("source");
  return result.ok() ? ok_status() : result.status();
}

std::optional<Measured> measure(const Kind& kind, const Options& options) {
  return run_in_child<Measured>(kind.name, [&](const auto&) -> Result<Measured> {
    const double wall = wall_now();
    const double cpu = cpu_now();
    TIDEWHEEL_RETURN_IF_ERROR(kind.run(options));
    return Measured{wall_now() - wall, cpu_now() - cpu};
  });
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int run_source_bench(const std::vector<std::string>& args) {
  Options options;
  if (const char* const brokers = std::getenv("TIDEWHEEL_KAFKA_BOOTSTRAP")) {
    options.brokers = brokers;
  }
  if (!parse(args, options)) {
    fmt::print(stderr, "{}", kHelp);
    return 2;
  }
  if (options.topic.empty()) {
    options.topic = fmt::format("tidewheel-bench-{}", wall_now_ns());
    if (const Status status = fill(options); !status.ok()) {
      fmt::print(stderr, "kafka_bench: {}\n", status.to_string());
      return 1;
    }
  }
  const Kind kinds[] = {
      {"bare", kBare, [](const Options& o) { return run_bare(o, BareDecoding::kNone); }},
      {"bare, simdjson", kBareJson,
       [](const Options& o) { return run_bare(o, BareDecoding::kJson); }},
      {"raw, C++", kBare, run_raw},
      {"JSON, C++", kBareJson, run_json},
      {"raw, SQL", kBare, [](const Options& o) { return run_sql(o, "v BYTES", "raw"); }},
      {"JSON, SQL", kBareJson, [](const Options& o) {
         return run_sql(o, "id BIGINT, `user` STRING, price DOUBLE, `at` BIGINT, note STRING",
                        "json");
       }}};
  std::vector<std::vector<double>> walls(std::size(kinds));
  std::vector<std::vector<double>> cpus(std::size(kinds));
  for (int64_t run = 0; run < options.repeat; ++run) {
    for (size_t i = 0; i < std::size(kinds); ++i) {
      const std::optional<Measured> measured = measure(kinds[i], options);
      if (!measured.has_value()) { return 1; }
      walls[i].push_back(measured->wall_s);
      cpus[i].push_back(measured->cpu_s);
    }
  }
  fmt::print("{} messages, {} partitions, topic {}, median of {}\n", options.messages,
             options.partitions, options.topic, options.repeat);
  // "of bare" is how fast, and with how little of the processor, beside a bare consumer that does
  // the same: 100 % is as good.
  fmt::print("{:<16}{:>12}{:>10}{:>12}{:>16}{:>10}{:>10}\n", "", "messages/s", "of bare",
             "CPU ns each", "of bare's CPU", "least s", "most s");
  for (size_t i = 0; i < std::size(kinds); ++i) {
    const double wall = median(walls[i]);
    const double cpu = median(cpus[i]);
    const auto [least, most] = std::minmax_element(walls[i].begin(), walls[i].end());
    const double messages = static_cast<double>(options.messages);
    fmt::print("{:<16}{:>12.0f}{:>9.0f}%{:>12.0f}{:>15.0f}%{:>10.2f}{:>10.2f}\n", kinds[i].name,
               messages / wall, 100 * median(walls[kinds[i].beside]) / wall, 1e9 * cpu / messages,
               100 * median(cpus[kinds[i].beside]) / cpu, *least, *most);
  }
  return 0;
}

}  // namespace tidewheel::bench
