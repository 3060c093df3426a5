#include "bench/kafka/bare_consumer.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <vector>

namespace tidewheel::bench {
namespace {

constexpr size_t kBatch = 1024;
// A call waits so long for its batch to be full; so many calls without a message end the run.
constexpr int kWaitMs = 5;
constexpr int kEmptyMax = 2000;

}  // namespace

Result<BareRun> consume_bare(const std::string& brokers, const std::string& topic,
                             int32_t partitions, int64_t messages) {
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
  int empty = 0;
  while (run.messages < messages && empty < kEmptyMax) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, kWaitMs, batch.data(), kBatch);
    empty = count > 0 ? 0 : empty + 1;
    for (ssize_t i = 0; i < count; ++i) {
      const rd_kafka_message_t& message = *batch[static_cast<size_t>(i)];
      if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++run.messages;
        run.bytes += static_cast<int64_t>(message.len);
      }
      rd_kafka_message_destroy(batch[static_cast<size_t>(i)]);
    }
  }
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  if (run.messages < messages) {
    return unavailable(ErrorId::kKafkaBroker, "only {} of {} messages came", run.messages,
                       messages);
  }
  return run;
}

}  // namespace tidewheel::bench
