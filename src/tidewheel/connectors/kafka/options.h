// What a Kafka source reads, from where to where, and what becomes of what can't be read.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/types/time.h"

namespace tidewheel::kafka {

// Where reading begins, in partitions that the job does not know yet. Partitions that come into
// being while it runs are read from their beginning.
struct Start {
  enum class Kind : uint8_t { kGroupOffsets, kEarliest, kLatest, kTimestamp, kOffsets };
  Kind kind = Kind::kGroupOffsets;
  int64_t timestamp_ms = 0;                   // of kTimestamp
  std::map<TopicPartition, int64_t> offsets;  // of kOffsets; others are read from their beginning

  // What the group has committed; without that, what "auto.offset.reset" says: "earliest",
  // "latest", or, as it is by default, "none": the job fails.
  static Start group_offsets() { return {}; }
  static Start earliest() { return {Kind::kEarliest, 0, {}}; }
  static Start latest() { return {Kind::kLatest, 0, {}}; }
  // The first message with this time or a later one; the end when there is none.
  static Start at(Timestamp time) { return {Kind::kTimestamp, time.ms(), {}}; }
  static Start at_offsets(std::map<TopicPartition, int64_t> offsets) {
    return {Kind::kOffsets, 0, std::move(offsets)};
  }
};

// Where reading ends. What is there when the job starts is read, and topics that come into being
// afterwards are not.
struct Stop {
  enum class Kind : uint8_t { kNever, kLatest, kGroupOffsets, kTimestamp, kOffsets };
  Kind kind = Kind::kNever;
  int64_t timestamp_ms = 0;
  std::map<TopicPartition, int64_t> offsets;  // the first ones that are not read, of all partitions

  static Stop never() { return {}; }
  // The end as it is when the job starts.
  static Stop latest() { return {Kind::kLatest, 0, {}}; }
  static Stop group_offsets() { return {Kind::kGroupOffsets, 0, {}}; }
  // Before the first message with this time or a later one; at the end as it is when there is none.
  static Stop at(Timestamp time) { return {Kind::kTimestamp, time.ms(), {}}; }
  static Stop at_offsets(std::map<TopicPartition, int64_t> offsets) {
    return {Kind::kOffsets, 0, std::move(offsets)};
  }
};

// What becomes of a record that can't be read.
struct BadRecords {
  enum class Kind : uint8_t { kFail, kSkip, kDeadLetter };
  Kind kind = Kind::kFail;
  std::string topic = {};  // of kDeadLetter

  // The job fails, and names topic, partition and offset.
  static BadRecords fail() { return {}; }
  // It is left out, and counted in the metric numRecordsInErrors.
  static BadRecords skip() { return {Kind::kSkip, {}}; }
  // The same, and it is written to a topic as it is, with headers that say where it was and what is
  // wrong. Reading its partition goes on when the brokers have it: a failure doubles some, and
  // loses none.
  static BadRecords dead_letter(std::string topic) { return {Kind::kDeadLetter, std::move(topic)}; }
};

// When an offset is asked for that the partition does not have: it was deleted by retention, or
// the topic was made anew.
enum class OutOfRange : uint8_t {
  kFail,
  kEarliest,  // goes on at the beginning; how many messages are missed nobody knows
  kLatest,    // goes on at the end
};

// When a topic is deleted that is being read.
enum class DeletedTopic : uint8_t {
  kFail,
  kEnd,  // its partitions end
};

struct SourceOptions {
  std::string brokers;              // "host:9092,other:9092"
  std::vector<std::string> topics;  // these, or
  std::string topic_pattern = {};   // those whose whole name matches (RE2)
  std::string group = {};           // for Start::group_offsets, and told how far the job is
  Start start = Start::group_offsets();
  Stop stop = Stop::never();
  // Looks for new topics and partitions, and for those that were deleted; 0: never.
  Duration discovery_every{300'000};
  BadRecords bad_records = BadRecords::fail();
  // By default as "auto.offset.reset" of the properties says, which is kFail when it is not there.
  std::optional<OutOfRange> out_of_range = std::nullopt;
  DeletedTopic deleted_topic = DeletedTopic::kFail;
  bool commit_offsets = true;                      // to the group, when a checkpoint is complete
  Duration request_timeout{30'000};                // for what is asked of brokers before reading
  Properties properties = {};                      // of the client, as they are
  std::shared_ptr<const Client> client = nullptr;  // null: librdkafka

  // All properties, with brokers and group.
  Properties client_properties() const;
  std::shared_ptr<const Client> client_or_real() const;
  OutOfRange out_of_range_policy() const;
  bool is_bounded() const { return stop.kind != Stop::Kind::kNever; }
  // Errors: kConnectorOption.
  [[nodiscard]] Status validate() const;
};

}  // namespace tidewheel::kafka
