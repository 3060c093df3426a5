#include "tidewheel/connectors/kafka/producer.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <utility>
#include <vector>

#include "tidewheel/connectors/kafka/native.h"

namespace tidewheel::kafka {
namespace {

constexpr size_t kFieldsMax = 7;  // topic, partition, flags, value, key, time, headers

int milliseconds(Duration timeout) { return static_cast<int>(to_ms(timeout)); }

class NativeProducer final : public Producer {
 public:
  NativeProducer(std::shared_ptr<Handle> handle, std::string transactional_id)
      : handle_(std::move(handle)), transactional_id_(std::move(transactional_id)) {}
  ~NativeProducer() override {
    for (rd_kafka_topic_t* const topic : topics_) { rd_kafka_topic_destroy(topic); }
    Handle::close(std::move(handle_));
  }

  // The client forgets a topic that nobody holds.
  Result<int32_t> learn_topic(const std::string& name, Duration timeout) override {
    rd_kafka_topic_t* const topic = rd_kafka_topic_new(handle_->get(), name.c_str(), nullptr);
    if (topic == nullptr) {
      return handle_->describe(status_of(rd_kafka_last_error(), fmt::format("topic '{}'", name)));
    }
    topics_.push_back(topic);
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(handle_->get(), 0, topic, &metadata, milliseconds(timeout));
    int32_t partition_count = 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      code = metadata->topics[0].err;
      partition_count = metadata->topics[0].partition_cnt;
    }
    if (metadata != nullptr) { rd_kafka_metadata_destroy(metadata); }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && partition_count > 0) { return partition_count; }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) { code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART; }
    return handle_->describe(status_of(code, fmt::format("topic '{}'", name)));
  }

  Result<bool> produce(const std::string& topic, const OutgoingMessage& message) override {
    std::array<rd_kafka_vu_t, kFieldsMax> fields{};
    size_t count = 0;
    const auto field = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
      fields[count].vtype = type;
      return fields[count++];
    };
    field(RD_KAFKA_VTYPE_TOPIC).u.cstr = topic.c_str();
    field(RD_KAFKA_VTYPE_PARTITION).u.i32 = message.partition;
    field(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
    if (message.value.has_value()) { set(field(RD_KAFKA_VTYPE_VALUE), *message.value); }
    if (message.key.has_value()) { set(field(RD_KAFKA_VTYPE_KEY), *message.key); }
    if (message.timestamp_ms != kNoMessageTime) {
      field(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = message.timestamp_ms;
    }
    rd_kafka_headers_t* const headers = copy_headers(message.headers);
    if (headers != nullptr) { field(RD_KAFKA_VTYPE_HEADERS).u.headers = headers; }
    rd_kafka_error_t* const error = rd_kafka_produceva(handle_->get(), fields.data(), count);
    if (error == nullptr) [[likely]] { return true; }
    if (headers != nullptr) { rd_kafka_headers_destroy(headers); }
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_error_destroy(error);
      handle_->serve();
      return false;
    }
    return produce_failure(error, topic, message.partition);
  }

  Deliveries deliveries() override {
    handle_->serve();
    return handle_->deliveries();
  }
  int64_t in_flight() const override { return rd_kafka_outq_len(handle_->get()); }

  Status flush(Duration timeout) override {
    const rd_kafka_resp_err_t code = rd_kafka_flush(handle_->get(), milliseconds(timeout));
    if (const Deliveries all = handle_->deliveries(); all.failed > 0) {
      return handle_->describe(all.first_failure);
    }
    return handle_->describe(status_of(code, "waiting for messages to be written"));
  }
  void purge() override {
    rd_kafka_purge(handle_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    handle_->serve();
  }

  Status init_transactions(Duration timeout) override {
    return answer(rd_kafka_init_transactions(handle_->get(), milliseconds(timeout)), "starting");
  }
  Status begin_transaction() override {
    return answer(rd_kafka_begin_transaction(handle_->get()), "beginning a transaction of");
  }
  Status commit_transaction(Duration timeout) override {
    return answer(rd_kafka_commit_transaction(handle_->get(), milliseconds(timeout)),
                  "committing a transaction of");
  }
  Status abort_transaction(Duration timeout) override {
    return answer(rd_kafka_abort_transaction(handle_->get(), milliseconds(timeout)),
                  "aborting a transaction of");
  }

  ClientNews news() override { return handle_->take_news(); }

 private:
  // Null and empty are not the same: nothing at all is a tombstone.
  static void set(rd_kafka_vu_t& field, std::string_view bytes) {
    field.u.mem.ptr = const_cast<char*>(bytes.data() == nullptr ? "" : bytes.data());
    field.u.mem.size = bytes.size();
  }

  static rd_kafka_headers_t* copy_headers(std::span<const Header> headers) {
    if (headers.empty()) { return nullptr; }
    rd_kafka_headers_t* const list = rd_kafka_headers_new(headers.size());
    for (const Header& header : headers) {
      rd_kafka_header_add(
          list, header.name.data(), static_cast<ssize_t>(header.name.size()),
          header.value.has_value() ? (header.value->empty() ? "" : header.value->data()) : nullptr,
          header.value.has_value() ? static_cast<ssize_t>(header.value->size()) : 0);
    }
    return list;
  }

  // A transactional producer answers with its state when that does not allow messages.
  Status produce_failure(rd_kafka_error_t* error, const std::string& topic, int32_t partition) {
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    const std::string what =
        partition == kAnyPartition
            ? fmt::format("writing to topic '{}'", topic)
            : fmt::format("writing to topic '{}', partition {}", topic, partition);
    Status status = status_of(error, what);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
      const ClientNews news = handle_->take_news();
      return handle_->describe(news.fatal.ok() ? status : news.fatal);
    }
    if (code == RD_KAFKA_RESP_ERR__STATE || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE) {
      status =
          Status(StatusCode::kFailedPrecondition, ErrorId::kKafkaTransaction, status.message());
    }
    return handle_->describe(status);
  }

  Status answer(rd_kafka_error_t* error, std::string_view doing) {
    return handle_->describe(status_of(error, fmt::format("{} '{}'", doing, transactional_id_)));
  }

  std::shared_ptr<Handle> handle_;
  const std::string transactional_id_;
  std::vector<rd_kafka_topic_t*> topics_;  // held, so that the client knows them
};

}  // namespace

Result<std::unique_ptr<Producer>> open_producer(const Properties& properties,
                                                const ClientContext& context) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Handle> handle,
                             Handle::open(properties, HandleKind::kProducer, context));
  const auto found = properties.find("transactional.id");
  return std::unique_ptr<Producer>(std::make_unique<NativeProducer>(
      std::move(handle), found == properties.end() ? "" : found->second));
}

}  // namespace tidewheel::kafka
