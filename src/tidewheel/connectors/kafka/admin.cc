#include "tidewheel/connectors/kafka/admin.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "tidewheel/connectors/kafka/native.h"

namespace tidewheel::kafka {
namespace {

constexpr int kRetryMs = 200;
// How long one try takes at most.
constexpr int kTryMs = 5'000;

struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter>;

std::string place(const TopicPartition& partition) {
  return fmt::format("topic '{}', partition {}", partition.topic, partition.partition);
}

class NativeAdmin final : public Admin {
 public:
  NativeAdmin(std::shared_ptr<Handle> handle, int timeout_ms)
      : handle_(std::move(handle)), timeout_ms_(timeout_ms) {}

  Result<std::vector<TopicInfo>> topics() override {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (const auto code = rd_kafka_metadata(handle_->get(), 1, nullptr, &metadata, timeout_ms_);
        code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(code, "listing topics");
    }
    std::vector<TopicInfo> topics;
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
      if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR || is_internal(topic.topic)) { continue; }
      topics.push_back({topic.topic, topic.partition_cnt});
    }
    rd_kafka_metadata_destroy(metadata);
    return topics;
  }

  Result<TopicInfo> topic(const std::string& name) override {
    rd_kafka_topic_t* const topic = rd_kafka_topic_new(handle_->get(), name.c_str(), nullptr);
    if (topic == nullptr) {
      return failure(rd_kafka_last_error(), fmt::format("topic '{}'", name));
    }
    Result<TopicInfo> info = TopicInfo{};
    for (int left_ms = timeout_ms_;;) {
      const int try_ms = std::min(left_ms, kTryMs);
      info = ask_for(topic, name, try_ms);
      if (info.ok() || info.status().code() != StatusCode::kUnavailable) { break; }
      left_ms -= cost_of(info.status(), try_ms);
      if (left_ms <= 0) { break; }
      handle_->serve(kRetryMs);
    }
    rd_kafka_topic_destroy(topic);
    return info;
  }

  Result<std::vector<PartitionOffset>> offsets_at(std::span<const TopicPartition> partitions,
                                                  int64_t timestamp_ms) override {
    return list_offsets(partitions, timestamp_ms);
  }

  Result<std::vector<Watermarks>> watermarks(std::span<const TopicPartition> partitions) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto begins, list_offsets(partitions, kOffsetEarliest));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto ends, list_offsets(partitions, kOffsetLatest));
    std::vector<Watermarks> all;
    for (size_t i = 0; i < begins.size(); ++i) {
      all.push_back({begins[i].offset, ends[i].offset});
    }
    return all;
  }

  Result<std::vector<PartitionOffset>> committed(
      std::span<const TopicPartition> partitions) override {
    std::vector<PartitionOffset> found;
    for (const TopicPartition& partition : partitions) { found.push_back({partition, kNoOffset}); }
    if (!handle_->has_group() || partitions.empty()) { return found; }
    const PartitionList list = make_list(partitions, RD_KAFKA_OFFSET_INVALID);
    if (const auto code = rd_kafka_committed(handle_->get(), list.get(), timeout_ms_);
        code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(code, "asking for the group's offsets");
    }
    for (int i = 0; i < list->cnt; ++i) {
      const rd_kafka_topic_partition_t& one = list->elems[i];
      if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return failure(one.err, place(partitions[static_cast<size_t>(i)]));
      }
      if (one.offset >= 0) { found[static_cast<size_t>(i)].offset = one.offset; }
    }
    return found;
  }

  Status create_topic(const std::string& name, int32_t partitions,
                      const Properties& config) override {
    std::array<char, 512> text{};
    rd_kafka_NewTopic_t* topic =
        rd_kafka_NewTopic_new(name.c_str(), partitions, -1, text.data(), text.size());
    if (topic == nullptr) {
      return invalid_argument(ErrorId::kKafkaTopic, "topic '{}': {}", name, text.data());
    }
    for (const auto& [key, value] : config) {
      rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    }
    rd_kafka_queue_t* const queue = rd_kafka_queue_new(handle_->get());
    rd_kafka_CreateTopics(handle_->get(), &topic, 1, nullptr, queue);
    rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, timeout_ms_);
    const Status status = created(event, name);
    if (event != nullptr) { rd_kafka_event_destroy(event); }
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return status;
  }

  Status delete_topic(const std::string& name) override {
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_queue_t* const queue = rd_kafka_queue_new(handle_->get());
    rd_kafka_DeleteTopics(handle_->get(), &topic, 1, nullptr, queue);
    rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, timeout_ms_);
    const Status status = deleted(event, name);
    if (event != nullptr) { rd_kafka_event_destroy(event); }
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy(topic);
    return status;
  }

 private:
  // Topics that brokers keep for themselves.
  static bool is_internal(std::string_view name) {
    return name == "__consumer_offsets" || name == "__transaction_state" ||
           name == "__share_group_state" || name == "__cluster_metadata";
  }

  Status failure(int code, const std::string& what) {
    handle_->serve();  // for the reason
    return handle_->describe(status_of(code, what));
  }

  // What a try that has failed counts for. What the client itself says ("_TRANSPORT") it may have
  // said at the end of the try's time, what brokers say comes at once.
  static int cost_of(const Status& status, int try_ms) {
    return status.message().find("(_") != std::string::npos ? try_ms : kRetryMs;
  }

  Result<TopicInfo> ask_for(rd_kafka_topic_t* topic, const std::string& name, int try_ms) {
    const std::string what = fmt::format("topic '{}'", name);
    const rd_kafka_metadata_t* metadata = nullptr;
    if (const auto code = rd_kafka_metadata(handle_->get(), 0, topic, &metadata, try_ms);
        code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(code, what);
    }
    Result<TopicInfo> info = TopicInfo{name, 0};
    if (metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0) {
      const auto code = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                                 : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      info = failure(
          code == RD_KAFKA_RESP_ERR_NO_ERROR ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : code,
          what);
    } else if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      info = failure(metadata->topics[0].err, what);
    } else {
      info->partition_count = metadata->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    return info;
  }

  static PartitionList make_list(std::span<const TopicPartition> partitions, int64_t offset) {
    PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const TopicPartition& one : partitions) {
      rd_kafka_topic_partition_list_add(list.get(), one.topic.c_str(), one.partition)->offset =
          offset;
    }
    return list;
  }

  // ListOffsets of the protocol, whose times -1 and -2 stand for the log's end and beginning: one
  // request for each broker, however many partitions there are.
  Result<std::vector<PartitionOffset>> list_offsets(std::span<const TopicPartition> partitions,
                                                    int64_t time) {
    std::vector<PartitionOffset> found;
    if (partitions.empty()) { return found; }
    for (int left_ms = timeout_ms_;;) {
      const int try_ms = std::min(left_ms, kTryMs);
      found.clear();
      const PartitionList list = make_list(partitions, time);
      Status status = status_of(rd_kafka_offsets_for_times(handle_->get(), list.get(), try_ms),
                                "asking for offsets");
      for (int i = 0; status.ok() && i < list->cnt; ++i) {
        const rd_kafka_topic_partition_t& one = list->elems[i];
        status = status_of(one.err, place(partitions[static_cast<size_t>(i)]));
        found.push_back({partitions[static_cast<size_t>(i)], one.offset});
      }
      if (status.ok()) { return found; }
      // A partition may be without a leader for a moment.
      left_ms -= cost_of(status, try_ms);
      if (status.code() != StatusCode::kUnavailable || left_ms <= 0) {
        handle_->serve();
        return handle_->describe(status);
      }
      handle_->serve(kRetryMs);
    }
  }

  Status created(rd_kafka_event_t* event, const std::string& name) {
    const std::string what = fmt::format("making topic '{}'", name);
    TIDEWHEEL_RETURN_IF_ERROR(answered(event, what));
    size_t count = 0;
    const rd_kafka_topic_result_t** const results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    return check({results, count}, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, what);
  }

  Status deleted(rd_kafka_event_t* event, const std::string& name) {
    const std::string what = fmt::format("deleting topic '{}'", name);
    TIDEWHEEL_RETURN_IF_ERROR(answered(event, what));
    size_t count = 0;
    const rd_kafka_topic_result_t** const results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    return check({results, count}, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, what);
  }

  Status answered(rd_kafka_event_t* event, const std::string& what) {
    const auto code = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? ok_status() : failure(code, what);
  }

  // `done_before`: it was so already.
  Status check(std::span<const rd_kafka_topic_result_t* const> results,
               rd_kafka_resp_err_t done_before, const std::string& what) {
    for (const rd_kafka_topic_result_t* const result : results) {
      const auto code = rd_kafka_topic_result_error(result);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == done_before) { continue; }
      return failure(code, what);
    }
    return {};
  }

  const std::shared_ptr<Handle> handle_;  // ended here: calls of this object block anyway
  const int timeout_ms_;
};

}  // namespace

Result<std::unique_ptr<Admin>> open_admin(const Properties& properties, Duration timeout) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<Handle> handle,
                             Handle::open(properties, HandleKind::kConsumer, {}));
  return std::unique_ptr<Admin>(
      std::make_unique<NativeAdmin>(std::move(handle), static_cast<int>(to_ms(timeout))));
}

}  // namespace tidewheel::kafka
