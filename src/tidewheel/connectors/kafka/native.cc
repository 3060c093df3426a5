#include "tidewheel/connectors/kafka/native.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <utility>

#include "tidewheel/base/executor.h"

namespace tidewheel::kafka {
namespace {

// How long the end of a client waits for offsets whose commit is under way.
constexpr int kLastCommitMs = 10'000;

void error_callback(rd_kafka_t*, int code, const char* reason, void* opaque) {
  static_cast<Handle*>(opaque)->on_error(code, reason);
}

void delivery_callback(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    static_cast<Handle*>(opaque)->on_delivered(rd_kafka_message_latency(message));
    return;
  }
  static_cast<Handle*>(opaque)->on_failed_delivery(
      message->err, message->rkt == nullptr ? "" : rd_kafka_topic_name(message->rkt),
      message->partition);
}

struct Meaning {
  StatusCode code;
  ErrorId id;
};

Meaning meaning_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return {StatusCode::kNotFound, ErrorId::kKafkaTopic};
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return {StatusCode::kFailedPrecondition, ErrorId::kKafkaAccess};
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET: return {StatusCode::kDataLoss, ErrorId::kKafkaOffset};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR__BAD_MSG: return {StatusCode::kInvalidArgument, ErrorId::kKafkaMessage};
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      return {StatusCode::kFailedPrecondition, ErrorId::kKafkaFenced};
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
      return {StatusCode::kFailedPrecondition, ErrorId::kKafkaTransaction};
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__INVALID_TYPE:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return {StatusCode::kInvalidArgument, ErrorId::kConnectorOption};
    default: return {StatusCode::kUnavailable, ErrorId::kKafkaBroker};
  }
}

}  // namespace

Status status_of(int code, const std::string& what) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) { return {}; }
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  const Meaning meaning = meaning_of(error);
  return Status(
      meaning.code, meaning.id,
      fmt::format("{}: {} ({})", what, rd_kafka_err2str(error), rd_kafka_err2name(error)));
}

Status status_of(rd_kafka_error_s* error, const std::string& what) {
  if (error == nullptr) { return {}; }
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  Meaning meaning = meaning_of(code);
  if (meaning.id != ErrorId::kKafkaFenced) {
    if (rd_kafka_error_txn_requires_abort(error) != 0) {
      meaning = {StatusCode::kFailedPrecondition, ErrorId::kKafkaTransaction};
    } else if (rd_kafka_error_is_fatal(error) != 0) {
      meaning = {StatusCode::kFailedPrecondition, ErrorId::kKafkaFenced};
    }
  }
  Status status(
      meaning.code, meaning.id,
      fmt::format("{}: {} ({})", what, rd_kafka_error_string(error), rd_kafka_err2name(code)));
  rd_kafka_error_destroy(error);
  return status;
}

Handle::Handle(const ClientContext& context) : executor_(context.executor), wake_(context.wake) {}

Result<std::shared_ptr<Handle>> Handle::open(const Properties& properties, HandleKind kind,
                                             const ClientContext& context) {
  std::shared_ptr<Handle> handle(new Handle(context));
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  if (Status status = apply_properties(properties, kind, conf); !status.ok()) {
    rd_kafka_conf_destroy(conf);
    return status;
  }
  rd_kafka_conf_set_opaque(conf, handle.get());
  rd_kafka_conf_set_error_cb(conf, error_callback);
  if (kind == HandleKind::kProducer) { rd_kafka_conf_set_dr_msg_cb(conf, delivery_callback); }
  // What is worth telling comes as errors too; a user who debugs gets librdkafka's own lines.
  if (!properties.contains("debug")) { rd_kafka_conf_set_log_cb(conf, nullptr); }
  std::array<char, 512> text{};
  handle->native_ =
      rd_kafka_new(kind == HandleKind::kConsumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf,
                   text.data(), text.size());
  if (handle->native_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    return invalid_argument(ErrorId::kConnectorOption, "the Kafka client can't be made: {}",
                            text.data());
  }
  handle->events_ = rd_kafka_queue_get_main(handle->native_);
  if (const auto found = properties.find("bootstrap.servers"); found != properties.end()) {
    handle->brokers_ = found->second;
  }
  handle->has_group_ = properties.contains("group.id");
  handle->wake_on(handle->events_);
  return handle;
}

void Handle::close(std::shared_ptr<Handle> handle) {
  if (handle == nullptr) { return; }
  wake_no_more_on(handle->events_);
  handle->gate_.close();
  Executor* const executor = handle->executor_;
  if (executor == nullptr) { return; }
  // The job owns the last reference.
  executor->run_blocking([owned = std::move(handle)]() mutable { owned.reset(); });
}

Handle::~Handle() {
  if (native_ == nullptr) { return; }
  for (int waited_ms = 0; waited_ms < kLastCommitMs && commits_in_flight_.load() > 0;
       waited_ms += 100) {
    serve(100);
  }
  if (rd_kafka_type(native_) == RD_KAFKA_PRODUCER) {
    rd_kafka_purge(native_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  }
  rd_kafka_queue_destroy(events_);
  rd_kafka_destroy_flags(native_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void Handle::on_queue_event(rd_kafka_t*, void* opaque) {
  auto* const handle = static_cast<Handle*>(opaque);
  if (!handle->wake_ || !handle->gate_.enter()) { return; }
  handle->wake_();
  handle->gate_.leave();
}

void Handle::wake_on(rd_kafka_queue_s* queue) {
  rd_kafka_queue_cb_event_enable(queue, &Handle::on_queue_event, this);
}

void Handle::wake_no_more_on(rd_kafka_queue_s* queue) {
  rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
}

void Handle::serve(int timeout_ms) { rd_kafka_poll(native_, timeout_ms); }

void Handle::on_error(int code, const char* reason) {
  if (code != RD_KAFKA_RESP_ERR__FATAL) {
    std::string text = reason == nullptr ? "" : reason;
    const std::lock_guard guard(lock_);
    ++news_.broker_failures;
    news_.last_failure = std::move(text);
    return;
  }
  std::array<char, 512> text{};
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(native_, text.data(), text.size());
  const Meaning meaning = meaning_of(fatal);
  Status status(StatusCode::kFailedPrecondition,
                meaning.id == ErrorId::kKafkaBroker ? ErrorId::kKafkaFenced : meaning.id,
                fmt::format("the Kafka client has failed for good: {} ({})", text.data(),
                            rd_kafka_err2name(fatal)));
  const std::lock_guard guard(lock_);
  news_.fatal = std::move(status);
}

void Handle::on_delivered(int64_t latency_us) {
  delivered_.fetch_add(1, std::memory_order_relaxed);
  if (latency_us >= 0) { latest_latency_us_.store(latency_us, std::memory_order_relaxed); }
}

void Handle::on_failed_delivery(int code, const std::string& topic, int32_t partition) {
  Status failure =
      status_of(code, fmt::format("writing to topic '{}', partition {}", topic, partition));
  const std::lock_guard guard(lock_);
  failed_deliveries_.fetch_add(1, std::memory_order_relaxed);
  if (first_delivery_failure_.ok()) { first_delivery_failure_ = std::move(failure); }
}

void Handle::on_commit(int code) {
  commits_in_flight_.fetch_sub(1, std::memory_order_relaxed);
  const bool done = code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET;
  std::string failure;
  if (!done) {
    failure = fmt::format("committing offsets of the group: {}",
                          rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)));
  }
  const std::lock_guard guard(lock_);
  if (done) {
    ++news_.commits;
  } else {
    ++news_.failed_commits;
    news_.last_failure = std::move(failure);
  }
}

Deliveries Handle::deliveries() {
  Deliveries all{delivered_.load(std::memory_order_relaxed),
                 failed_deliveries_.load(std::memory_order_relaxed), Status(),
                 latest_latency_us_.load(std::memory_order_relaxed)};
  if (all.failed > 0) {
    const std::lock_guard guard(lock_);
    all.first_failure = first_delivery_failure_;
  }
  return all;
}

ClientNews Handle::take_news() {
  serve();
  const std::lock_guard guard(lock_);
  ClientNews news = std::exchange(news_, {});
  news_.fatal = news.fatal;
  return news;
}

Status Handle::describe(const Status& status) {
  if (status.ok()) { return status; }
  std::string reason;
  {
    const std::lock_guard guard(lock_);
    reason = news_.last_failure;
  }
  std::string text = fmt::format("Kafka at '{}': {}", brokers_, status.message());
  if (status.id() == ErrorId::kKafkaBroker && !reason.empty()) { text += "; " + reason; }
  return Status(status.code(), status.id(), std::move(text));
}

}  // namespace tidewheel::kafka
