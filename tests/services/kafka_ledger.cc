// A job from Kafka to Kafka whose output says by itself whether each message has counted once:
// kafka_check.py kills it, and kafka_ledger_tool writes its input and reads its output.
//
//   --brokers HOST:PORT --in TOPIC --out TOPIC --prefix PREFIX
//   [--guarantee exactly-once|at-least-once|none] [--keys K] [--transaction-timeout-ms MS]
//   [--bounded 1]
//
// Message number n has the key n mod K. It becomes "n,count,sum" under that key: how many messages
// of the key there were with it, and the sum of their numbers.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

#include "tidewheel/api/connected.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/kafka/kafka.h"

namespace tw = tidewheel;

namespace {

struct Line {
  int64_t key = 0;
  int64_t number = 0;
  int64_t count = 0;
  int64_t sum = 0;
};

struct Account {
  using output = Line;
  tw::Value<int64_t> count{"count"};
  tw::Value<int64_t> sum{"sum"};

  void on_element(const int64_t& number, auto& ctx) {
    count.update([](int64_t& n) { ++n; });
    sum.update([&](int64_t& total) { total += number; });
    ctx.emit({ctx.key(), number, count.get(), sum.get()});
  }
};

tw::kafka::DeliveryGuarantee guarantee_of(const std::string& name) {
  if (name == "exactly-once") { return tw::kafka::DeliveryGuarantee::kExactlyOnce; }
  return name == "none" ? tw::kafka::DeliveryGuarantee::kNone
                        : tw::kafka::DeliveryGuarantee::kAtLeastOnce;
}

tw::Result<bool> read_number(const tw::kafka::MessageView& view, tw::SourceOut<int64_t>& out) {
  const std::string_view text = view.message().value;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return tw::invalid_argument(tw::ErrorId::kRecordMalformed, "not a number: {}", text);
  }
  out.emit(number);
  return true;
}

void write_line(const Line& line, tw::kafka::MessageBuilder& message) {
  fmt::format_to(std::back_inserter(message.key()), "{}", line.key);
  fmt::format_to(std::back_inserter(message.value()), "{},{},{}", line.number, line.count,
                 line.sum);
}

void put_together(tw::Env& env) {
  const auto brokers = env.args().require("brokers");
  const auto keys = env.args().get<int64_t>("keys", 100);
  tw::kafka::SourceOptions in;
  in.brokers = brokers;
  in.topics = {env.args().require("in")};
  in.start = tw::kafka::Start::earliest();
  tw::kafka::SinkOptions out;
  out.brokers = brokers;
  out.topic = env.args().require("out");
  out.guarantee = guarantee_of(env.args().get<std::string>("guarantee", "exactly-once"));
  out.transactional_id_prefix = env.args().require("prefix");
  out.transaction_timeout =
      tw::Duration(env.args().get<int64_t>("transaction-timeout-ms", 15 * 60'000));
  env.from("numbers", tw::kafka::source<int64_t>(in, read_number))
      .uid("numbers")
      .key_by([keys](const int64_t& number) { return number % keys; })
      .process(Account{})
      .uid("account")
      .to(tw::kafka::sink(out, write_line))
      .uid("lines");
}

tw::Result<tw::JobResult> run(const std::vector<std::string>& words) {
  const tw::JobArgs args(words);
  tw::Config config;
  config.set(tw::options::kParallelism, args.get<int64_t>("parallelism", 1));
  config.set(tw::options::kCheckpointInterval, args.get<int64_t>("interval-ms", 300));
  config.set(tw::options::kCheckpointDirectory, args.require("checkpoint-dir"));
  config.set(tw::options::kCheckpointRetention, std::string("RETAIN_ON_CANCELLATION"));
  const auto world = tw::make_real_world({});
  tw::Env env(*world, config, args);
  env.resume(true);
  put_together(env);
  return env.execute("ledger");
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(std::vector<std::string>(argv + 1, argv + argc));
  if (!result.ok()) { fmt::print(stderr, "kafka_ledger: {}\n", result.status().to_string()); }
  return result.ok() ? 0 : 1;
}
