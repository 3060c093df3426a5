#include "bench/kafka/bare_consumer.h"

#include <librdkafka/rdkafka.h>
#include <simdjson.h>

#include <array>
#include <cstring>
#include <vector>

namespace tidewheel::bench {
namespace {

constexpr size_t kBatch = 1024;
// A call waits so long for its batch to be full; so many calls without a message end the run.
constexpr int kWaitMs = 5;
constexpr int kEmptyMax = 2000;

// The rows of a batch, with their strings one behind the other.
class JsonBatch {
 public:
  JsonBatch() { rows_.reserve(kBatch); }
  void clear() {
    rows_.clear();
    texts_.clear();
  }
  // False: it is not what the benchmark has written.
  bool decode(const void* message, size_t size) {
    if (padded_.size() < size + simdjson::SIMDJSON_PADDING) {
      padded_.resize(2 * (size + simdjson::SIMDJSON_PADDING));
    }
    std::memcpy(padded_.data(), message, size);
    simdjson::ondemand::document document;
    if (parser_.iterate(padded_.data(), size, padded_.size()).get(document) != simdjson::SUCCESS) {
      return false;
    }
    Row row;
    std::string_view user;
    std::string_view note;
    const bool good = document["id"].get(row.id) == simdjson::SUCCESS &&
                      document["user"].get(user) == simdjson::SUCCESS &&
                      document["price"].get(row.price) == simdjson::SUCCESS &&
                      document["at"].get(row.at) == simdjson::SUCCESS &&
                      document["note"].get(note) == simdjson::SUCCESS;
    row.user = keep(user);
    row.note = keep(note);
    rows_.push_back(row);
    return good;
  }
  int64_t sum() const {
    int64_t sum = 0;
    for (const Row& row : rows_) { sum += row.id + static_cast<int64_t>(row.user.size); }
    return sum;
  }

 private:
  struct Place {
    size_t begin = 0;
    size_t size = 0;
  };
  struct Row {
    int64_t id = 0;
    Place user;
    double price = 0;
    int64_t at = 0;
    Place note;
  };
  Place keep(std::string_view text) {
    const size_t begin = texts_.size();
    texts_.append(text);
    return {begin, text.size()};
  }
  simdjson::ondemand::parser parser_;
  std::vector<char> padded_;
  std::vector<Row> rows_;
  std::string texts_;
};

}  // namespace

Result<BareRun> consume_bare(const std::string& brokers, const std::string& topic,
                             int32_t partitions, int64_t messages, BareDecoding decoding) {
  std::array<char, 512> text{};
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  // Those that the connector sets too.
  const std::array<const char*, 2> settings[] = {{"bootstrap.servers", brokers.c_str()},
                                                 {"group.id", "bare"},
                                                 {"enable.auto.commit", "false"},
                                                 {"auto.offset.reset", "error"},
                                                 {"check.crcs", "true"}};
  for (const auto& [name, value] : settings) {
    rd_kafka_conf_set(conf, name, value, text.data(), text.size());
  }
  rd_kafka_t* const consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text.data(), text.size());
  if (consumer == nullptr) {
    return unavailable(ErrorId::kKafkaBroker, "no consumer: {}", text.data());
  }
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(partitions);
  for (int32_t i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> batch(kBatch);
  BareRun run;
  JsonBatch rows;
  bool is_good = true;
  int empty = 0;
  while (run.messages < messages && empty < kEmptyMax) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, kWaitMs, batch.data(), kBatch);
    empty = count > 0 ? 0 : empty + 1;
    rows.clear();
    for (ssize_t i = 0; i < count; ++i) {
      const rd_kafka_message_t& message = *batch[static_cast<size_t>(i)];
      if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++run.messages;
        run.bytes += static_cast<int64_t>(message.len);
        if (decoding == BareDecoding::kJson) {
          is_good = rows.decode(message.payload, message.len) && is_good;
        }
      }
      rd_kafka_message_destroy(batch[static_cast<size_t>(i)]);
    }
    run.sum += rows.sum();
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  if (run.messages < messages) {
    return unavailable(ErrorId::kKafkaBroker, "only {} of {} messages came", run.messages,
                       messages);
  }
  if (!is_good) {
    return invalid_argument(ErrorId::kRecordMalformed, "some messages are not the benchmark's");
  }
  return run;
}

}  // namespace tidewheel::bench
