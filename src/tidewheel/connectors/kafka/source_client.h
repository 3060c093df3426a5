// One subtask of a Kafka source: reads its partitions by one consumer, and knows what becomes of
// records, offsets and topics that can't be read. What makes rows of messages is given by the
// caller (source.h, column_source.cc).
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/kafka/dead_letters.h"
#include "tidewheel/connectors/kafka/options.h"
#include "tidewheel/connectors/kafka/splits.h"
#include "tidewheel/connectors/kafka/topic_watch.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::kafka {

// A message with where it is, as it is given to what makes rows of it.
class MessageView {
 public:
  MessageView(const PartitionSplit& split, const Message& message, PartitionReader& reader)
      : split_(&split), message_(&message), reader_(&reader) {}
  const std::string& topic() const { return split_->topic; }
  int32_t partition() const { return split_->partition; }
  const Message& message() const { return *message_; }
  // Appends its headers, whose bytes live as long as those of the message.
  void headers(std::vector<Header>& headers) const { reader_->headers(*message_, headers); }

 private:
  const PartitionSplit* split_;
  const Message* message_;
  PartitionReader* reader_;
};

// On the subtask's thread, from `open` to `close`.
class SourceClient {
 public:
  static Result<std::shared_ptr<SourceClient>> open(SourceContext& context,
                                                    std::shared_ptr<const SourceOptions> options);

  Status open_split(const PartitionSplit& split);
  void close_split(const PartitionSplit& split);
  // Tells the group.
  void checkpoint_complete(std::span<const PartitionSplit> splits);

  // Hands messages of a split to `make_rows(const MessageView&)` until `out` is full, and moves the
  // split past those that were taken. It answers with Result<bool>: true: rows were made; false:
  // the message is no row; kFormatNotYet: it is to be asked again after a wake; kRecordMalformed:
  // the message can't be read; other errors: the job fails. With an error no rows were made.
  template <class Row, class MakeRows>
  ReadResult read(PartitionSplit& split, SourceOut<Row>& out, MakeRows&& make_rows) {
    if (is_at_end(split)) { return ReadResult::end(); }
    Lane& lane = lane_of(split);
    if (lane.is_empty()) {
      if (ReadResult result = refill(split, lane, std::max<uint32_t>(1, out.room()));
          lane.is_empty()) {
        return result;
      }
    }
    int64_t bytes = 0;
    while (!lane.is_empty() && out.room() > 0 && bytes < kReadBytesMax) {
      const Message& message = lane.front();
      if (split.has_end() && message.offset >= split.stop) { return ReadResult::end(); }
      const Result<bool> made = make_rows(MessageView(split, message, *lane.reader));
      if (!made.ok()) [[unlikely]] {
        const ReadResult result = after_failure(split, lane, made.status());
        if (result.next() != ReadResult::Next::kMore) { return result; }
      }
      bytes += static_cast<int64_t>(message.key.size() + message.value.size());
      split.offset = message.offset + 1;
      ++lane.next;
    }
    return after_messages(split, lane, bytes);
  }

 private:
  static constexpr int64_t kReadBytesMax = int64_t{1} << 20;
  static constexpr uint32_t kFetchMax = 4096;

  // A partition that is being read.
  struct Lane {
    std::unique_ptr<PartitionReader> reader;
    Fetched fetched;
    size_t next = 0;          // of its messages
    bool has_letter = false;  // the next message was sent to the dead letters
    int64_t lag = 0;
    Gauge* current_offset = nullptr;
    Gauge* committed_offset = nullptr;
    Gauge* records_lag = nullptr;

    bool is_empty() const { return next == fetched.messages.size(); }
    const Message& front() const { return fetched.messages[next]; }
  };

  SourceClient(SourceContext& context, std::shared_ptr<const SourceOptions> options);

  static bool is_at_end(const PartitionSplit& split) {
    return split.has_end() && split.offset >= split.stop;
  }
  Lane& lane_of(const PartitionSplit& split);
  Status start(const TopicPartition& place, Lane& lane, int64_t offset);
  ReadResult refill(PartitionSplit& split, Lane& lane, uint32_t messages_max);
  ReadResult after_end_of_log(PartitionSplit& split, Lane& lane);
  // The next offset of the log that the lane would read is `next`.
  void note_lag(Lane& lane, int64_t next);
  // Nothing has come: perhaps because there is nothing any more that it could come from.
  ReadResult wait_unless_gone(PartitionSplit& split, Lane& lane);
  ReadResult after_lost_place(PartitionSplit& split, Lane& lane);
  // kMore: go on behind the message.
  ReadResult after_failure(const PartitionSplit& split, Lane& lane, const Status& status);
  ReadResult send_dead_letter(const PartitionSplit& split, Lane& lane, const Status& status);
  ReadResult after_messages(const PartitionSplit& split, Lane& lane, int64_t bytes);
  Status take_news();

  SourceContext context_;
  const std::shared_ptr<const SourceOptions> options_;
  std::unique_ptr<Consumer> consumer_;
  std::unique_ptr<DeadLetters> dead_letters_;  // null unless wanted
  std::map<TopicPartition, Lane> lanes_;
  TopicWatch watch_;
  // Partitions that have ended since a checkpoint was complete, for the group.
  std::vector<PartitionOffset> ended_;

  Counter* errors_ = nullptr;
  Counter* bytes_in_ = nullptr;
  Counter* resets_ = nullptr;
  Counter* broker_failures_ = nullptr;
  Counter* commits_succeeded_ = nullptr;
  Counter* commits_failed_ = nullptr;
  Gauge* pending_records_ = nullptr;
  Gauge* fetch_lag_ms_ = nullptr;
  int64_t lag_ = 0;  // of all lanes
};

}  // namespace tidewheel::kafka
