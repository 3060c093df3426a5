#include "bench/kafka/sink_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "bench/child.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/kafka/kafka.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel::bench {
namespace {

using kafka::DeliveryGuarantee;

constexpr const char* kHelp =
    R"(kafka_bench sink: messages a second from Kafka through keyed state to Kafka

  --brokers HOST:PORT    (TIDEWHEEL_KAFKA_BOOTSTRAP)
  --messages N           how many go through in a run (2000000)
  --partitions N         of both topics (4)
  --interval MS          between checkpoints (1000)
  --repeat K             runs of each kind, in turns; the median counts (3)
  --dir PATH             of checkpoints (build/kafka-bench)
)";

struct Options {
  std::string brokers;
  std::string in;
  std::string dir = "build/kafka-bench";
  int64_t messages = 2'000'000;
  int64_t partitions = 4;
  int64_t interval = 1'000;
  int64_t repeat = 3;
};

struct Measured {
  double wall_s = 0;
  double cpu_s = 0;
};

struct Kind {
  const char* name;
  DeliveryGuarantee guarantee;
};
constexpr Kind kKinds[] = {{"none", DeliveryGuarantee::kNone},
                           {"at-least-once", DeliveryGuarantee::kAtLeastOnce},
                           {"exactly-once", DeliveryGuarantee::kExactlyOnce}};

struct Message {
  int64_t key = 0;
  Text text;
};

// The newest number of a key goes with each message: state that checkpoints have.
struct Number {
  using output = Message;
  Value<int64_t> count{"count"};
  void on_element(const Message& message, auto& ctx) {
    count.update([](int64_t& n) { ++n; });
    ctx.emit(message);
  }
};

bool parse(const std::vector<std::string>& args, Options& options) {
  const auto number = [](const std::string& text, int64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value > 0;
  };
  for (size_t i = 0; i + 1 < args.size(); i += 2) {
    const std::string& name = args[i];
    const std::string& value = args[i + 1];
    const bool good = name == "--brokers"      ? (options.brokers = value, true)
                      : name == "--dir"        ? (options.dir = value, true)
                      : name == "--messages"   ? number(value, options.messages)
                      : name == "--partitions" ? number(value, options.partitions)
                      : name == "--interval"   ? number(value, options.interval)
                      : name == "--repeat"     ? number(value, options.repeat)
                                               : false;
    if (!good) { return false; }
  }
  return args.size() % 2 == 0 && !options.brokers.empty();
}

Status create(const Options& options, const std::string& topic) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const auto admin,
      kafka::real_client()->admin({{"bootstrap.servers", options.brokers}}, Duration(30'000)));
  return admin->create_topic(topic, static_cast<int32_t>(options.partitions), {});
}

// About 130 bytes a message.
Status fill(const Options& options) {
  TIDEWHEEL_RETURN_IF_ERROR(create(options, options.in));
  const auto world = make_real_world();
  const auto room = world->executor().make_event();
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const auto producer,
      kafka::real_client()->producer({{"bootstrap.servers", options.brokers}, {"linger.ms", "20"}},
                                     {&world->executor(), [] {}}));
  for (int64_t i = 0; i < options.messages;) {
    const std::string value = fmt::format(
        R"({{"id":{},"user":"user-{}","price":{}.25,"at":{},"note":"a note, as they come"}})", i,
        i % 5'000, i % 997, 1'700'000'000'000 + i);
    const kafka::OutgoingMessage message = {
        .value = value, .partition = static_cast<int32_t>(i % options.partitions)};
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool taken, producer->produce(options.in, message));
    i += taken ? 1 : 0;
    if (!taken) {
      static_cast<void>(producer->deliveries());
      static_cast<void>(room->wait(world->clock().now_ns() + 1'000'000));
    }
  }
  return producer->flush(Duration(120'000));
}

Status run(const Options& options, DeliveryGuarantee guarantee, const std::string& out) {
  kafka::SourceOptions in;
  in.brokers = options.brokers;
  in.topics = {options.in};
  in.start = kafka::Start::earliest();
  in.stop = kafka::Stop::latest();
  kafka::SinkOptions to;
  to.brokers = options.brokers;
  to.topic = out;
  to.guarantee = guarantee;
  to.transactional_id_prefix = out;
  Env env;
  env.checkpoints({.every = Duration(options.interval), .directory = options.dir});
  env.from(
         "messages",
         kafka::source<Message>(
             in,
             [](const kafka::MessageView& view, SourceOut<Message>& rows) -> Result<bool> {
               rows.emit(Message{view.message().offset % 5'000, rows.intern(view.message().value)});
               return true;
             }))
      .key_by(&Message::key)
      .process(Number{})
      .to(kafka::sink(to, [](const Message& message, kafka::MessageBuilder& builder) {
        fmt::format_to(std::back_inserter(builder.key()), "{}", message.key);
        builder.value().append(message.text.view());
      }));
  return env.execute("sink").status();
}

std::optional<Measured> measure(const Options& options, const Kind& kind) {
  const std::string out = fmt::format("{}-{}-{}", options.in, kind.name, wall_now_ns());
  if (!empty_folder(options.dir)) { return std::nullopt; }
  return run_in_child<Measured>(kind.name, [&](const auto&) -> Result<Measured> {
    TIDEWHEEL_RETURN_IF_ERROR(create(options, out));
    const double wall = wall_now();
    const double cpu = cpu_now();
    TIDEWHEEL_RETURN_IF_ERROR(run(options, kind.guarantee, out));
    return Measured{wall_now() - wall, cpu_now() - cpu};
  });
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void print_result(const Options& options, const std::vector<std::vector<Measured>>& runs) {
  const auto walls_of = [&](size_t kind) {
    std::vector<double> walls;
    for (const Measured& one : runs[kind]) { walls.push_back(one.wall_s); }
    return walls;
  };
  fmt::print("{} messages, {} partitions, a checkpoint each {} ms, median of {}\n",
             options.messages, options.partitions, options.interval, options.repeat);
  fmt::print("{:<16}{:>12}{:>20}{:>14}{:>10}{:>10}\n", "", "messages/s", "of at-least-once",
             "CPU ns each", "least s", "most s");
  const double least_once = median(walls_of(1));
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::vector<double> walls = walls_of(i);
    std::vector<double> cpus;
    for (const Measured& one : runs[i]) { cpus.push_back(one.cpu_s); }
    fmt::print("{:<16}{:>12.0f}{:>19.0f}%{:>14.0f}{:>10.2f}{:>10.2f}\n", kKinds[i].name,
               static_cast<double>(options.messages) / median(walls),
               100 * least_once / median(walls),
               1e9 * median(cpus) / static_cast<double>(options.messages),
               *std::min_element(walls.begin(), walls.end()),
               *std::max_element(walls.begin(), walls.end()));
  }
}

}  // namespace

int run_sink_bench(const std::vector<std::string>& args) {
  Options options;
  if (const char* const brokers = std::getenv("TIDEWHEEL_KAFKA_BOOTSTRAP")) {
    options.brokers = brokers;
  }
  if (!parse(args, options)) {
    fmt::print(stderr, "{}", kHelp);
    return 2;
  }
  options.in = fmt::format("tidewheel-bench-{}", wall_now_ns());
  if (const Status status = fill(options); !status.ok()) {
    fmt::print(stderr, "kafka_bench: {}\n", status.to_string());
    return 1;
  }
  std::vector<std::vector<Measured>> runs(std::size(kKinds));
  for (int64_t turn = 0; turn < options.repeat; ++turn) {
    for (size_t i = 0; i < std::size(kKinds); ++i) {
      const std::optional<Measured> measured = measure(options, kKinds[i]);
      if (!measured.has_value()) { return 1; }
      runs[i].push_back(*measured);
    }
  }
  print_result(options, runs);
  return 0;
}

}  // namespace tidewheel::bench
