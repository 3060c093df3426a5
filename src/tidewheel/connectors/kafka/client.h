// What the connector needs of Kafka's client, so that a simulated broker can stand in for it. The
// real one is librdkafka (`real_client`), whose threads do all that waits for brokers: calls marked
// "blocks" belong on the blocking pool, all others answer at once and may be made on a slot's
// thread. Who waits is woken by the function given in ClientContext.
//
// Errors of all calls name brokers, topic and partition:
//   kConnectorOption    a property that does not exist or has no such value
//   kKafkaBroker        brokers can't be reached, or refused a request; a retry may help
//   kKafkaTopic         a topic or partition that does not exist
//   kKafkaAccess        authentication or authorization has failed
//   kKafkaOffset        an offset that the log no longer has, or does not have yet
//   kKafkaMessage       a message that the broker does not take (too large, malformed)
//   kKafkaTransaction   the transaction has failed: it has to be aborted
//   kKafkaFenced        another producer has the transactional id: this one is of no use any more
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
class Executor;  // base/executor.h
}  // namespace tidewheel

namespace tidewheel::kafka {

// Properties of the client as users write them: names of librdkafka, and those of Kafka's own
// client for the same things. "bootstrap.servers" names the brokers.
using Properties = std::map<std::string, std::string>;

// Offsets that stand for a place in a log. The numbers are those of the protocol.
inline constexpr int64_t kOffsetLatest = -1;
inline constexpr int64_t kOffsetEarliest = -2;
inline constexpr int64_t kNoOffset = -1001;

inline constexpr int32_t kAnyPartition = -1;  // the client's partitioner chooses
inline constexpr int64_t kNoMessageTime = -1;

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

struct PartitionOffset {
  TopicPartition partition;
  int64_t offset = kNoOffset;
};

enum class TimestampType : uint8_t { kNone, kCreateTime, kLogAppendTime };

struct Header {
  std::string_view name;
  std::optional<std::string_view> value;  // nothing: null
};

// A message as it was read. Its bytes live until the next call of PartitionReader::fetch.
struct Message {
  std::string_view key;
  std::string_view value;
  bool has_key = false;
  bool has_value = false;  // false: a tombstone
  TimestampType timestamp_type = TimestampType::kNone;
  int32_t leader_epoch = -1;  // -1: not known
  int64_t timestamp_ms = kNoMessageTime;
  int64_t offset = 0;
  const void* native = nullptr;  // the client's own
};

// What one call of `fetch` has found.
struct Fetched {
  std::span<const Message> messages;
  // The log had no more when it was read: all below this offset was handed out, counting this
  // call's messages. kNoOffset: nothing is known.
  int64_t reached = kNoOffset;
  // What ends reading here, after the messages: kKafkaOffset (open it elsewhere), kKafkaTopic,
  // kKafkaAccess. Brokers that can't be reached are not an error: the client tries again.
  Status status;
};

// One partition that is being read. Belongs to one thread, and is gone before its consumer.
class PartitionReader {
 public:
  virtual ~PartitionReader() = default;
  // At most `messages_max`; none when nothing has come: the context is woken when something does.
  virtual Fetched fetch(uint32_t messages_max) = 0;
  // Appends the headers of a message of the last `fetch`.
  virtual void headers(const Message& message, std::vector<Header>& headers) = 0;
  // End of the log as the last fetch response told: the high watermark; kNoOffset: not known yet.
  virtual int64_t log_end() = 0;
};

// What has happened to a client as a whole since it was asked last.
struct ClientNews {
  int64_t broker_failures = 0;  // connections lost or refused, requests that timed out
  int64_t commits = 0;          // of offsets, that have succeeded
  int64_t failed_commits = 0;
  std::string last_failure;  // text of the newest of those, for the log
  Status fatal;              // the client is of no use any more
};

class Consumer {
 public:
  virtual ~Consumer() = default;
  // Reads from `offset` on, or from kOffsetEarliest or kOffsetLatest. `isolation.level` is
  // "read_committed" unless the properties say otherwise.
  virtual Result<std::unique_ptr<PartitionReader>> open(const TopicPartition& partition,
                                                        int64_t offset) = 0;
  // Has the group's offsets, the next ones to be read, written; `news` tells how it went. Without
  // "group.id" it does nothing.
  virtual void commit(std::span<const PartitionOffset> offsets) = 0;
  virtual ClientNews news() = 0;
};

// A message to be written.
struct OutgoingMessage {
  std::optional<std::string_view> key = std::nullopt;
  std::optional<std::string_view> value = std::nullopt;  // nothing: a tombstone
  int32_t partition = kAnyPartition;
  int64_t timestamp_ms = kNoMessageTime;  // the client's clock
  std::span<const Header> headers = {};
};

// Messages that were produced and have been answered for, since the producer was made.
struct Deliveries {
  int64_t delivered = 0;
  int64_t failed = 0;
  Status first_failure;
  int64_t latest_latency_us = 0;  // of the latest delivered one, since it was produced
};

// Belongs to one thread at a time: calls on the blocking pool and on the slot's thread may follow
// each other, but not overlap, but for `produce` and `deliveries` beside `flush`.
class Producer {
 public:
  virtual ~Producer() = default;

  // Blocks until the client knows the topic, and gives the number of its partitions. Without it the
  // first message may wait for a second until the client asks. Errors: kKafkaTopic, kKafkaBroker.
  virtual Result<int32_t> learn_topic(const std::string& topic, Duration timeout) = 0;
  // Queues a message, whose bytes are copied. False: the queue is full; the context is woken when
  // there may be room. Errors: kKafkaMessage, kKafkaTransaction, kKafkaFenced.
  virtual Result<bool> produce(const std::string& topic, const OutgoingMessage& message) = 0;
  // Takes delivery reports that have come.
  virtual Deliveries deliveries() = 0;
  // Messages that were not answered for yet.
  virtual int64_t in_flight() const = 0;
  // Blocks until nothing is in flight. Errors: the first failure of a delivery since the producer
  // was made; kKafkaBroker when it takes longer than `timeout`.
  virtual Status flush(Duration timeout) = 0;
  // Drops what is queued or in flight; it is counted as failed. For a producer that is given up.
  virtual void purge() = 0;

  // ---- Transactions: with "transactional.id" in the properties.

  // Blocks. Ends what an earlier producer of this id has left open, and fences it. Once, and first.
  virtual Status init_transactions(Duration timeout) = 0;
  // Quick: the broker hears of it with the first message.
  virtual Status begin_transaction() = 0;
  // Blocks. May be called again after kKafkaBroker. Errors: kKafkaTransaction: abort it.
  virtual Status commit_transaction(Duration timeout) = 0;
  // Blocks. May be called again after kKafkaBroker.
  virtual Status abort_transaction(Duration timeout) = 0;

  virtual ClientNews news() = 0;
};

struct TopicInfo {
  std::string name;
  int32_t partition_count = 0;
};

// Where the messages of a partition lie. `end` is that of the isolation level: with read_committed
// the first offset of the oldest transaction that is open.
struct Watermarks {
  int64_t begin = 0;
  int64_t end = 0;
};

// Asks brokers. All calls block, for at most the timeout that it was made with. One thread.
class Admin {
 public:
  virtual ~Admin() = default;
  // All topics that may be seen, without Kafka's internal ones.
  virtual Result<std::vector<TopicInfo>> topics() = 0;
  // Errors: kKafkaTopic.
  virtual Result<TopicInfo> topic(const std::string& name) = 0;
  // The first offset whose message has a time >= `timestamp_ms`, for each partition;
  // kOffsetLatest: there is none.
  virtual Result<std::vector<PartitionOffset>> offsets_at(
      std::span<const TopicPartition> partitions, int64_t timestamp_ms) = 0;
  virtual Result<std::vector<Watermarks>> watermarks(
      std::span<const TopicPartition> partitions) = 0;
  // What the group "group.id" has committed; kNoOffset: nothing.
  virtual Result<std::vector<PartitionOffset>> committed(
      std::span<const TopicPartition> partitions) = 0;
  // For tests and examples: nothing when it is there already.
  virtual Status create_topic(const std::string& name, int32_t partitions,
                              const Properties& config) = 0;
  // For tests too: nothing when it is not there.
  virtual Status delete_topic(const std::string& name) = 0;
};

// What a client may use. The executor outlives the client; `wake` may come from any thread until
// the consumer or producer is gone, and not afterwards.
struct ClientContext {
  Executor* executor = nullptr;
  std::function<void()> wake;
};

// Makes clients. Any thread; outlives what it has made. Nothing is asked of a broker by making one:
// errors are kConnectorOption. Destroying one takes no time either: what librdkafka has to end is
// ended on the blocking pool.
class Client {
 public:
  virtual ~Client() = default;
  virtual Result<std::unique_ptr<Consumer>> consumer(const Properties& properties,
                                                     const ClientContext& context) const = 0;
  virtual Result<std::unique_ptr<Producer>> producer(const Properties& properties,
                                                     const ClientContext& context) const = 0;
  virtual Result<std::unique_ptr<Admin>> admin(const Properties& properties,
                                               Duration timeout) const = 0;
};

// librdkafka's.
std::shared_ptr<const Client> real_client();

}  // namespace tidewheel::kafka
