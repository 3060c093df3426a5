// What a user says of a Kafka sink.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/connectors/kafka/transactions.h"
#include "tidewheel/types/time.h"

namespace tidewheel::kafka {

enum class DeliveryGuarantee : uint8_t {
  kNone,         // nobody waits for brokers: what they do not take fails the job late, or never
  kAtLeastOnce,  // a checkpoint waits until all before it was acknowledged
  kExactlyOnce,  // a transaction for each checkpoint; brokers of Kafka 3.0 or later
};

// Which partition a message goes to that does not name one itself.
enum class Partitioner : uint8_t {
  kDefault,     // by the hash of the key, as Kafka's own client does it; without key at random
  kFixed,       // one partition for each subtask
  kRoundRobin,  // the partitions in turn
};

// What becomes of a transaction that Kafka has ended before its commit, when the marker that would
// tell whether it was committed has gone (offsets expire after a week without commits).
enum class LostMarker : uint8_t { kFail, kSendAgain, kDrop };

struct SinkOptions {
  std::string brokers;  // "host:9092,other:9092"; the property bootstrap.servers
  std::string topic;
  DeliveryGuarantee guarantee = DeliveryGuarantee::kAtLeastOnce;
  Partitioner partitioner = Partitioner::kDefault;
  // Required for kExactlyOnce. No other job that runs at the same time may have it.
  std::string transactional_id_prefix = {};
  // How long a transaction may be open, which is from one checkpoint until the next one is
  // complete. Brokers allow up to their transaction.max.timeout.ms, 15 minutes unless set. A
  // transaction that the job has left behind keeps readers waiting for so long.
  Duration transaction_timeout{15 * 60'000};
  // How long the job waits for brokers that do not answer before it fails.
  Duration request_timeout{120'000};
  // Output that is kept until it is committed, by each subtask: more of it fails the job.
  int64_t kept_bytes_max = int64_t{1} << 30;
  LostMarker on_lost_marker = LostMarker::kFail;
  // Of the client, by their names in librdkafka or Kafka's own client.
  Properties properties = {};
  // Other clients, for tests.
  std::shared_ptr<const Client> client = nullptr;
  MakeTransactions make_transactions = nullptr;

  // Errors: kConnectorOption, naming the option and what would be accepted.
  [[nodiscard]] Status validate() const;
  // Of the producers, without a transactional id.
  Properties producer_properties() const;
};

}  // namespace tidewheel::kafka
