// Writes the input of the ledger job (kafka_ledger.cc) and checks its output.
//
//   kafka_ledger_tool create BROKERS TOPIC PARTITIONS
//   kafka_ledger_tool produce BROKERS TOPIC ROWS KEYS RATE
//   kafka_ledger_tool verify BROKERS TOPIC ROWS KEYS at-least-once|exactly-once
//
// `produce` writes the numbers below ROWS that are not there yet, RATE of them a second (0: as fast
// as it can). After a failure it may be run again; one at a time.
// `verify` reads what readers of committed messages see, from the beginning. Status 0: all is as it
// should be; 2: messages are missing, which may still come; 1: something is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr Duration kTimeout{60'000};
enum Verdict { kRight = 0, kWrong = 1, kMissing = 2 };

class Tool {
 public:
  explicit Tool(World& world, std::string brokers) : world_(world), brokers_(std::move(brokers)) {}

  Status create(const std::string& topic, int32_t partitions) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto admin, admin_of("read_committed"));
    TIDEWHEEL_RETURN_IF_ERROR(admin->create_topic(topic, partitions, {}));
    for (int i = 0; i < 200; ++i) {
      const auto info = admin->topic(topic);
      if (info.ok() && info->partition_count == partitions) { return ok_status(); }
      pause(50);
    }
    return unavailable(ErrorId::kKafkaTopic, "topic '{}' does not appear", topic);
  }

  // Each partition has the numbers of its keys in order, so that its length tells where to go on.
  Status produce(const std::string& topic, int64_t end, int64_t keys, int64_t rate) {
    const Properties properties = {{"bootstrap.servers", brokers_},
                                   {"enable.idempotence", "true"},
                                   {"linger.ms", "5"},
                                   {"message.timeout.ms", "300000"}};
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<int64_t> there, lengths_of(topic));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto producer,
                               real_client()->producer(properties, {&world_.executor(), [] {}}));
    TIDEWHEEL_RETURN_IF_ERROR(producer->learn_topic(topic, kTimeout).status());
    const int64_t began_ns = world_.clock().now_ns();
    int64_t written = 0;
    for (int64_t number = 0; number < end; ++number) {
      const auto partition = static_cast<size_t>(number % keys) % there.size();
      if (there[partition]-- > 0) { continue; }
      const std::string key = std::to_string(number % keys);
      const std::string value = std::to_string(number);
      const OutgoingMessage message = {
          .key = key, .value = value, .partition = static_cast<int32_t>(partition)};
      while (rate > 0 && (world_.clock().now_ns() - began_ns) / kNsPerMs * rate / 1'000 < written) {
        pause(5);
      }
      while (true) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_queued, producer->produce(topic, message));
        if (is_queued) { break; }
        if (const Deliveries all = producer->deliveries(); all.failed > 0) {
          return all.first_failure;
        }
        pause(5);
      }
      ++written;
    }
    return producer->flush(Duration(300'000));
  }

  // What is written is under a key in the order of its numbers.
  Result<Verdict> verify(const std::string& topic, int64_t rows, int64_t keys, bool once) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto partitions, partitions_of(topic));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto admin, admin_of("read_committed"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto ends, admin->watermarks(partitions));
    Book book;
    for (size_t i = 0; i < partitions.size(); ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(read(partitions[i], ends[i].end, keys, once, book));
    }
    if (!book.wrong.empty()) {
      fmt::print("wrong: {}\n", book.wrong);
      return kWrong;
    }
    int64_t missing = 0;
    for (int64_t key = 0; key < keys; ++key) {
      missing += (rows - key + keys - 1) / keys - book.counts[key];
    }
    fmt::print("{} of {} messages, {} more than once\n", rows - missing, rows, book.twice);
    return missing == 0 ? kRight : kMissing;
  }

 private:
  struct Book {
    std::map<int64_t, int64_t> counts;  // by key
    std::map<int64_t, int64_t> sums;
    int64_t twice = 0;
    std::string wrong;
  };

  void pause(int64_t ms) {
    static_cast<void>(
        world_.executor().make_event()->wait(world_.clock().now_ns() + ms * kNsPerMs));
  }
  Result<std::unique_ptr<Admin>> admin_of(const std::string& isolation) {
    return real_client()->admin({{"bootstrap.servers", brokers_}, {"isolation.level", isolation}},
                                kTimeout);
  }
  Result<std::vector<TopicPartition>> partitions_of(const std::string& topic) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto admin, admin_of("read_committed"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const TopicInfo info, admin->topic(topic));
    std::vector<TopicPartition> partitions;
    for (int32_t i = 0; i < info.partition_count; ++i) { partitions.push_back({topic, i}); }
    return partitions;
  }

  Result<std::vector<int64_t>> lengths_of(const std::string& topic) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto partitions, partitions_of(topic));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto admin, admin_of("read_uncommitted"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto marks, admin->watermarks(partitions));
    std::vector<int64_t> lengths;
    for (const Watermarks& mark : marks) { lengths.push_back(mark.end); }
    return lengths;
  }

  Status read(const TopicPartition& partition, int64_t end, int64_t keys, bool once, Book& book) {
    if (end == 0) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const auto consumer,
        real_client()->consumer({{"bootstrap.servers", brokers_}, {"enable.partition.eof", "true"}},
                                {&world_.executor(), [] {}}));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto reader, consumer->open(partition, kOffsetEarliest));
    // Markers of transactions are offsets too, so the end is told by the client alone.
    const int64_t deadline_ns = world_.clock().now_ns() + to_ms(kTimeout) * kNsPerMs;
    while (world_.clock().now_ns() < deadline_ns) {
      const Fetched fetched = reader->fetch(1'000);
      TIDEWHEEL_RETURN_IF_ERROR(fetched.status);
      for (const Message& message : fetched.messages) { count(message, keys, once, book); }
      if (fetched.reached != kNoOffset && fetched.reached >= end) { return ok_status(); }
      if (fetched.messages.empty()) { pause(2); }
    }
    return unavailable(ErrorId::kKafkaBroker, "partition {} is not read to its end",
                       partition.partition);
  }

  static void count(const Message& message, int64_t keys, bool once, Book& book) {
    int64_t fields[4] = {-1, -1, -1, -1};  // key, number, count, sum
    const std::string text = std::string(message.key) + ',' + std::string(message.value);
    const char* at = text.data();
    for (int64_t& field : fields) {
      at = std::from_chars(at, text.data() + text.size(), field).ptr + 1;
    }
    const auto [key, number, messages, sum] = fields;
    int64_t& last = book.counts[key];
    if (!once && number < key + last * keys) {
      ++book.twice;
      return;
    }
    const bool is_next =
        number == key + last * keys && messages == last + 1 && sum == book.sums[key] + number;
    if (!is_next && book.wrong.empty()) {
      book.wrong = fmt::format("offset {}: {} comes after {} messages of the key with the sum {}",
                               message.offset, text, last, book.sums[key]);
    }
    ++last;
    book.sums[key] = sum;
  }

  World& world_;
  const std::string brokers_;
};

int report(const Status& status) {
  if (status.ok()) { return kRight; }
  fmt::print(stderr, "{}\n", status.to_string());
  return kWrong;
}
int report(const Result<Verdict>& verdict) {
  return verdict.ok() ? static_cast<int>(*verdict) : report(verdict.status());
}

int run(const std::vector<std::string>& words) {
  const std::unique_ptr<World> world = make_real_world({});
  const auto number = [&](size_t index) { return std::stoll(words[index]); };
  if (words.size() >= 3) {
    Tool tool(*world, words[1]);
    if (words[0] == "create" && words.size() == 4) {
      return report(tool.create(words[2], static_cast<int32_t>(number(3))));
    }
    if (words[0] == "produce" && words.size() == 6) {
      return report(tool.produce(words[2], number(3), number(4), number(5)));
    }
    if (words[0] == "verify" && words.size() == 6) {
      return report(tool.verify(words[2], number(3), number(4), words[5] == "exactly-once"));
    }
  }
  fmt::print(stderr, "kafka_ledger_tool create|produce|verify BROKERS TOPIC ..\n");
  return kWrong;
}

}  // namespace
}  // namespace tidewheel::kafka

int main(int argc, char** argv) {
  return tidewheel::kafka::run(std::vector<std::string>(argv + 1, argv + argc));
}
