#include "tidewheel/connectors/kafka/source_client.h"

#include "tidewheel/base/check.h"

namespace tidewheel::kafka {

SourceClient::SourceClient(SourceContext& context, std::shared_ptr<const SourceOptions> options)
    : context_(context), options_(std::move(options)), watch_(context, options_) {
  // Names as in Flink.
  MetricGroup& metrics = context.metrics();
  errors_ = &metrics.counter("numRecordsInErrors");
  pending_records_ = &metrics.gauge("pendingRecords");
  fetch_lag_ms_ = &metrics.gauge("currentFetchEventTimeLag");
  MetricGroup& reader = metrics.group("KafkaSourceReader");
  commits_succeeded_ = &reader.counter("commitsSucceeded");
  commits_failed_ = &reader.counter("commitsFailed");
  bytes_in_ = &reader.counter("bytesConsumed");
  resets_ = &reader.counter("offsetsOutOfRange");
  broker_failures_ = &reader.counter("brokerFailures");
}

Result<std::shared_ptr<SourceClient>> SourceClient::open(
    SourceContext& context, std::shared_ptr<const SourceOptions> options) {
  std::shared_ptr<SourceClient> made(new SourceClient(context, std::move(options)));
  const SourceOptions& asked = *made->options_;
  const std::shared_ptr<const Client> client = asked.client_or_real();
  const ClientContext client_context{&context.executor(),
                                     [waker = context]() mutable { waker.wake(); }};
  TIDEWHEEL_ASSIGN_OR_RETURN(made->consumer_,
                             client->consumer(asked.client_properties(), client_context));
  if (asked.bad_records.kind == BadRecords::Kind::kDeadLetter) {
    TIDEWHEEL_ASSIGN_OR_RETURN(made->dead_letters_,
                               DeadLetters::open(*client, asked.client_properties(), client_context,
                                                 asked.bad_records.topic, context.name()));
  }
  return made;
}

SourceClient::Lane& SourceClient::lane_of(const PartitionSplit& split) {
  const auto found = lanes_.find(split.place());
  TIDEWHEEL_CHECK(found != lanes_.end(), "a split is opened before it is read");
  return found->second;
}

Status SourceClient::start(const TopicPartition& place, Lane& lane, int64_t offset) {
  lane.fetched = {};
  lane.next = 0;
  lane.has_letter = false;
  lane.reader.reset();  // before it is opened elsewhere
  TIDEWHEEL_ASSIGN_OR_RETURN(lane.reader, consumer_->open(place, offset));
  return {};
}

Status SourceClient::open_split(const PartitionSplit& split) {
  Lane& lane = lanes_[split.place()];
  MetricGroup& metrics = context_.metrics()
                             .group("KafkaSourceReader")
                             .group("topic")
                             .group(split.topic)
                             .group("partition")
                             .group(std::to_string(split.partition));
  lane.current_offset = &metrics.gauge("currentOffset");
  lane.committed_offset = &metrics.gauge("committedOffset");
  lane.records_lag = &metrics.gauge("recordsLag");
  lane.committed_offset->set(-1);
  if (is_at_end(split)) { return {}; }
  watch_.add(split.place());
  return start(split.place(), lane, split.offset);
}

void SourceClient::close_split(const PartitionSplit& split) {
  const auto found = lanes_.find(split.place());
  if (found == lanes_.end()) { return; }
  lag_ -= found->second.lag;
  pending_records_->set(lag_);
  lanes_.erase(found);
  watch_.remove(split.place());
  if (split.offset >= 0) { ended_.push_back({split.place(), split.offset}); }
}

void SourceClient::checkpoint_complete(std::span<const PartitionSplit> splits) {
  if (!options_->commit_offsets) { return; }
  std::vector<PartitionOffset> offsets = std::exchange(ended_, {});
  for (const PartitionSplit& split : splits) {
    if (split.offset < 0) { continue; }
    offsets.push_back({split.place(), split.offset});
    if (const auto found = lanes_.find(split.place()); found != lanes_.end()) {
      found->second.committed_offset->set(split.offset);
    }
  }
  consumer_->commit(offsets);
  ignore(take_news(), "a client that has failed gives no messages, and reading then tells why");
}

Status SourceClient::take_news() {
  const ClientNews news = consumer_->news();
  broker_failures_->add(news.broker_failures);
  commits_succeeded_->add(news.commits);
  commits_failed_->add(news.failed_commits);
  return news.fatal;
}

ReadResult SourceClient::refill(PartitionSplit& split, Lane& lane, uint32_t messages_max) {
  if (!lane.fetched.status.ok() || lane.fetched.reached != kNoOffset) {
    // What came behind the messages that were taken since.
    ReadResult result = after_end_of_log(split, lane);
    if (result.next() != ReadResult::Next::kWait) { return result; }
  }
  lane.fetched = lane.reader->fetch(std::min(messages_max, kFetchMax));
  lane.next = 0;
  if (!lane.is_empty()) {
    const Message& last = lane.fetched.messages.back();
    note_lag(lane, last.offset + 1);
    if (last.timestamp_ms >= 0) {
      fetch_lag_ms_->set(std::max<int64_t>(0, context_.clock().wall_ms() - last.timestamp_ms));
    }
    return ReadResult::more();
  }
  TIDEWHEEL_RETURN_IF_ERROR(take_news());
  ReadResult result = after_end_of_log(split, lane);
  return result.next() == ReadResult::Next::kWait ? wait_unless_gone(split, lane) : result;
}

ReadResult SourceClient::wait_unless_gone(PartitionSplit& split, Lane& lane) {
  if (!watch_.is_gone(split.place())) { return ReadResult::wait_until(watch_.next_wall_ms()); }
  lane.fetched.status =
      not_found(ErrorId::kKafkaTopic,
                "topic '{}', partition {} was deleted while it was read; deleted_topic = kEnd "
                "('scan.deleted-topic' = 'end') would have its rows end there",
                split.topic, split.partition);
  return after_lost_place(split, lane);
}

void SourceClient::note_lag(Lane& lane, int64_t next) {
  const int64_t end = lane.reader->log_end();
  if (end == kNoOffset) { return; }
  const int64_t lag = std::max<int64_t>(0, end - next);
  lag_ += lag - std::exchange(lane.lag, lag);
  lane.records_lag->set(lag);
  pending_records_->set(lag_);
}

// All messages that were fetched are taken.
ReadResult SourceClient::after_end_of_log(PartitionSplit& split, Lane& lane) {
  if (!lane.fetched.status.ok()) { return after_lost_place(split, lane); }
  const int64_t reached = std::exchange(lane.fetched.reached, kNoOffset);
  if (reached == kNoOffset) { return ReadResult::wait(); }
  // Behind the last message there may be what ends transactions: it is passed over, here and for
  // those who watch the group.
  split.offset = std::max(split.offset, reached);
  note_lag(lane, split.offset);
  return split.has_end() && reached >= split.stop ? ReadResult::end() : ReadResult::wait();
}

ReadResult SourceClient::after_lost_place(PartitionSplit& split, Lane& lane) {
  Status status = std::exchange(lane.fetched.status, Status());
  if (status.id() == ErrorId::kKafkaTopic && options_->deleted_topic == DeletedTopic::kEnd) {
    return ReadResult::end();
  }
  if (status.id() != ErrorId::kKafkaOffset) { return status; }
  const OutOfRange policy = options_->out_of_range_policy();
  if (policy == OutOfRange::kFail) {
    return std::move(status).with_context(
        "offset {} of topic '{}', partition {} is not there; 'auto.offset.reset' = 'earliest' or "
        "'latest' would have the job go on without what is missing",
        split.offset, split.topic, split.partition);
  }
  resets_->add();
  TIDEWHEEL_RETURN_IF_ERROR(start(
      split.place(), lane, policy == OutOfRange::kEarliest ? kOffsetEarliest : kOffsetLatest));
  return ReadResult::wait();
}

ReadResult SourceClient::after_failure(const PartitionSplit& split, Lane& lane,
                                       const Status& status) {
  if (status.id() == ErrorId::kFormatNotYet) { return ReadResult::wait(); }
  const BadRecords::Kind policy = options_->bad_records.kind;
  if (status.id() != ErrorId::kRecordMalformed || policy == BadRecords::Kind::kFail) {
    return status.with_context("topic '{}', partition {}, offset {}", split.topic, split.partition,
                               lane.front().offset);
  }
  if (policy == BadRecords::Kind::kDeadLetter) {
    ReadResult result = send_dead_letter(split, lane, status);
    if (result.next() != ReadResult::Next::kMore) { return result; }
  }
  errors_->add();
  return ReadResult::more();
}

// The split stays in front of the message until the letter is with the brokers, so that a
// checkpoint that is past it has its letter too.
ReadResult SourceClient::send_dead_letter(const PartitionSplit& split, Lane& lane,
                                          const Status& status) {
  if (!lane.has_letter) {
    std::vector<Header> headers;
    lane.reader->headers(lane.front(), headers);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool sent,
                               dead_letters_->send(split.place(), lane.front(), headers, status));
    if (!sent) { return ReadResult::wait(); }
    lane.has_letter = true;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool written, dead_letters_->all_written());
  if (!written) { return ReadResult::wait(); }
  lane.has_letter = false;
  return ReadResult::more();
}

ReadResult SourceClient::after_messages(const PartitionSplit& split, Lane& lane, int64_t bytes) {
  bytes_in_->add(bytes);
  lane.current_offset->set(split.offset - 1);
  return ReadResult::more();
}

}  // namespace tidewheel::kafka
