#include "tidewheel/connectors/kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/connectors/kafka/native.h"

namespace tidewheel::kafka {
namespace {

std::string_view bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), data == nullptr ? 0 : size};
}

TimestampType type_of(rd_kafka_timestamp_type_t type) {
  switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME: return TimestampType::kCreateTime;
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME: return TimestampType::kLogAppendTime;
    default: return TimestampType::kNone;
  }
}

// Errors after which nothing more comes from a partition unless the user does something; all
// others pass by themselves.
bool ends_reading(const Status& status) {
  return status.id() == ErrorId::kKafkaOffset || status.id() == ErrorId::kKafkaTopic ||
         status.id() == ErrorId::kKafkaAccess;
}

// Reads by librdkafka's consumer of single partitions: that of groups would ask the broker for the
// group, and so for a right to it, though nothing of it is used here but its offsets.
class NativePartition final : public PartitionReader {
 public:
  static Result<std::unique_ptr<PartitionReader>> open(std::shared_ptr<Handle> handle,
                                                       const TopicPartition& partition,
                                                       int64_t offset) {
    std::unique_ptr<NativePartition> reader(new NativePartition(std::move(handle), partition));
    TIDEWHEEL_RETURN_IF_ERROR(reader->start(offset));
    return std::unique_ptr<PartitionReader>(std::move(reader));
  }
  ~NativePartition() override {
    let_go();
    if (queue_ != nullptr) { Handle::wake_no_more_on(queue_); }
    // Waits for librdkafka's thread to take note, not for a broker.
    if (started_) { rd_kafka_consume_stop(topic_, partition_.partition); }
    if (queue_ != nullptr) {
      // What lies in the queue holds the partition, which holds the queue. When its topic was
      // deleted librdkafka (before 2.6.1) does not break that circle, and never ends the client.
      empty_queue();
      rd_kafka_queue_destroy(queue_);
    }
    if (topic_ != nullptr) { rd_kafka_topic_destroy(topic_); }
  }

  Fetched fetch(uint32_t messages_max) override {
    let_go();
    if (natives_.size() < messages_max) { natives_.resize(messages_max); }
    const ssize_t count = rd_kafka_consume_batch_queue(queue_, 0, natives_.data(), messages_max);
    Fetched fetched;
    if (count <= 0) { return fetched; }
    held_ = static_cast<size_t>(count);
    messages_.resize(held_);
    size_t size = 0;
    for (size_t i = 0; i < held_; ++i) {
      rd_kafka_message_t* const native = natives_[i];
      if (native->err == RD_KAFKA_RESP_ERR_NO_ERROR) [[likely]] {
        fill(*native, messages_[size++]);
      } else if (native->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        fetched.reached = native->offset;
      } else if (fetched.status.ok()) {
        fetched.status = failure(*native);
      }
    }
    fetched.messages = {messages_.data(), size};
    return fetched;
  }

  void headers(const Message& message, std::vector<Header>& headers) override {
    rd_kafka_headers_t* list = nullptr;
    const auto* const native = static_cast<const rd_kafka_message_t*>(message.native);
    if (rd_kafka_message_headers(native, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) { return; }
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      Header& header = headers.emplace_back();
      header.name = name;
      if (value != nullptr) { header.value = bytes_of(value, size); }
    }
  }

  int64_t log_end() override {
    int64_t begin = 0;
    int64_t end = 0;
    if (rd_kafka_get_watermark_offsets(handle_->get(), partition_.topic.c_str(),
                                       partition_.partition, &begin,
                                       &end) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kNoOffset;
    }
    return end < 0 ? kNoOffset : end;
  }

 private:
  NativePartition(std::shared_ptr<Handle> handle, const TopicPartition& partition)
      : handle_(std::move(handle)), partition_(partition) {}

  std::string place() const {
    return fmt::format("reading topic '{}', partition {}", partition_.topic, partition_.partition);
  }

  Status start(int64_t offset) {
    topic_ = rd_kafka_topic_new(handle_->get(), partition_.topic.c_str(), nullptr);
    if (topic_ == nullptr) { return handle_->describe(status_of(rd_kafka_last_error(), place())); }
    queue_ = rd_kafka_queue_get_partition(handle_->get(), partition_.topic.c_str(),
                                          partition_.partition);
    TIDEWHEEL_CHECK(queue_ != nullptr, "a consumer has a queue for each partition");
    // What came since an earlier reader has left: a queue that is not empty wakes nobody when more
    // comes.
    empty_queue();
    handle_->wake_on(queue_);
    if (rd_kafka_consume_start(topic_, partition_.partition, offset) != 0) {
      return handle_->describe(status_of(rd_kafka_last_error(), place()));
    }
    started_ = true;
    return {};
  }

  static void fill(const rd_kafka_message_t& native, Message& message) {
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    message.key = bytes_of(native.key, native.key_len);
    message.value = bytes_of(native.payload, native.len);
    message.has_key = native.key != nullptr;
    message.has_value = native.payload != nullptr;
    message.timestamp_ms = rd_kafka_message_timestamp(&native, &type);
    message.timestamp_type = type_of(type);
    message.offset = native.offset;
    message.native = &native;
  }

  Status failure(const rd_kafka_message_t& native) const {
    Status status = status_of(native.err, place());
    if (!ends_reading(status)) {
      handle_->on_error(native.err, rd_kafka_message_errstr(&native));
      return {};
    }
    const auto text = bytes_of(native.payload, native.len);
    return handle_->describe(text.empty() ? status
                                          : Status(status.code(), status.id(),
                                                   fmt::format("{}; {}", status.message(), text)));
  }

  void empty_queue() {
    rd_kafka_message_t* message = nullptr;
    while (rd_kafka_consume_batch_queue(queue_, 0, &message, 1) > 0) {
      rd_kafka_message_destroy(message);
    }
  }

  void let_go() {
    for (size_t i = 0; i < held_; ++i) { rd_kafka_message_destroy(natives_[i]); }
    held_ = 0;
  }

  const std::shared_ptr<Handle> handle_;
  const TopicPartition partition_;
  rd_kafka_topic_t* topic_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  bool started_ = false;
  std::vector<rd_kafka_message_t*> natives_;
  size_t held_ = 0;  // of natives_, those that are to be given back
  std::vector<Message> messages_;
};

void commit_callback(rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t*,
                     void* handle) {
  static_cast<Handle*>(handle)->on_commit(code);
}

class NativeConsumer final : public Consumer {
 public:
  explicit NativeConsumer(std::shared_ptr<Handle> handle) : handle_(std::move(handle)) {}
  ~NativeConsumer() override { Handle::close(std::move(handle_)); }

  Result<std::unique_ptr<PartitionReader>> open(const TopicPartition& partition,
                                                int64_t offset) override {
    return NativePartition::open(handle_, partition, offset);
  }

  void commit(std::span<const PartitionOffset> offsets) override {
    if (!handle_->has_group() || offsets.empty()) { return; }
    auto* const list = rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
    for (const PartitionOffset& one : offsets) {
      rd_kafka_topic_partition_list_add(list, one.partition.topic.c_str(), one.partition.partition)
          ->offset = one.offset;
    }
    handle_->begin_commit();
    const rd_kafka_resp_err_t code = rd_kafka_commit_queue(handle_->get(), list, handle_->events(),
                                                           commit_callback, handle_.get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) { handle_->on_commit(code); }
    rd_kafka_topic_partition_list_destroy(list);
  }

  ClientNews news() override { return handle_->take_news(); }

 private:
  std::shared_ptr<Handle> handle_;
};

}  // namespace

Result<std::unique_ptr<Consumer>> open_consumer(const Properties& properties,
                                                const ClientContext& context) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Handle> handle,
                             Handle::open(properties, HandleKind::kConsumer, context));
  return std::unique_ptr<Consumer>(std::make_unique<NativeConsumer>(std::move(handle)));
}

}  // namespace tidewheel::kafka
