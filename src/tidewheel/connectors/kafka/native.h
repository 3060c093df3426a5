// What the parts of the real client share: a handle of librdkafka's with its callbacks, properties,
// and errors as Status. librdkafka's header is for .cc files alone.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

struct rd_kafka_s;                       // rd_kafka_t
struct rd_kafka_conf_s;                  // rd_kafka_conf_t
struct rd_kafka_error_s;                 // rd_kafka_error_t
struct rd_kafka_queue_s;                 // rd_kafka_queue_t
struct rd_kafka_topic_partition_list_s;  // rd_kafka_topic_partition_list_t

namespace tidewheel::kafka {

enum class HandleKind : uint8_t { kConsumer, kProducer };

// What librdkafka's error `code` (rd_kafka_resp_err_t) means to a caller. `what` says what was
// being done, to which topic and partition.
Status status_of(int code, const std::string& what);
// Takes the error object.
Status status_of(rd_kafka_error_s* error, const std::string& what);

// Sets properties on a configuration: the defaults of this connector, then those given. Names of
// Kafka's own client are translated where librdkafka has the same under another name, and refused
// with what to use instead where it has not. Errors: kConnectorOption.
Status apply_properties(const Properties& properties, HandleKind kind, rd_kafka_conf_s* conf);

// An rd_kafka_t and what its callbacks write to. Shared by the object that the engine sees and by
// the job on the blocking pool that ends it: ending one takes as long as its threads and, for
// offsets whose commit is under way, the broker take.
class Handle {
 public:
  // Errors: kConnectorOption.
  static Result<std::shared_ptr<Handle>> open(const Properties& properties, HandleKind kind,
                                              const ClientContext& context);
  // Has `handle` ended, on the blocking pool when there is one; nobody is woken afterwards.
  static void close(std::shared_ptr<Handle> handle);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  rd_kafka_s* get() const { return native_; }
  // The queue that rd_kafka_poll serves.
  rd_kafka_queue_s* events() const { return events_; }
  const std::string& brokers() const { return brokers_; }
  bool has_group() const { return has_group_; }
  // Has the context woken when something comes into an empty queue; `queue` is let go of before the
  // handle is.
  void wake_on(rd_kafka_queue_s* queue);
  static void wake_no_more_on(rd_kafka_queue_s* queue);

  // Runs the callbacks that are due. Any thread.
  void serve(int timeout_ms = 0);
  ClientNews take_news();
  // With the brokers, and why they can't be reached as far as that is known.
  Status describe(const Status& status);

  // ---- Filled by callbacks, which run within `serve` and within calls that block.
  void on_error(int code, const char* reason);
  void on_delivered(int64_t latency_us);  // since it was produced; -1: not known
  void on_failed_delivery(int code, const std::string& topic, int32_t partition);
  void on_commit(int code);
  Deliveries deliveries();
  void begin_commit() { commits_in_flight_.fetch_add(1, std::memory_order_relaxed); }

 private:
  explicit Handle(const ClientContext& context);
  static void on_queue_event(rd_kafka_s* native, void* opaque);

  rd_kafka_s* native_ = nullptr;
  rd_kafka_queue_s* events_ = nullptr;
  std::string brokers_;
  bool has_group_ = false;
  Executor* const executor_;
  const std::function<void()> wake_;
  CompletionGate gate_;  // for wake_

  std::atomic<int64_t> delivered_{0};
  std::atomic<int64_t> failed_deliveries_{0};
  std::atomic<int64_t> latest_latency_us_{0};
  std::atomic<int64_t> commits_in_flight_{0};
  LeafLock lock_;  // guards what is below
  ClientNews news_;
  Status first_delivery_failure_;
};

}  // namespace tidewheel::kafka
