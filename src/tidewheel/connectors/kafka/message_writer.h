// Writes one subtask's messages to Kafka, with the guarantee that was asked for: what typed sinks
// and tables share. docs/design/0005-kafka-transactions.md says why it is as it is.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/kept_output.h"
#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/connectors/kafka/transaction_pending.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel {
class Counter;  // base/metrics.h
class Gauge;    // the same
}  // namespace tidewheel

namespace tidewheel::kafka {

// Names the transactions and markers of one operator.
class TransactionNames {
 public:
  // `lane` is drawn anew by each attempt of each subtask.
  TransactionNames(std::string_view prefix, std::string_view uid, int32_t subtask, uint64_t lane);
  // What all transactional ids of the operator begin with.
  const std::string& common() const { return common_; }
  std::string id(int32_t number) const { return own_ + std::to_string(number); }
  const std::string& marker_group() const { return marker_group_; }
  // Of an id with the common prefix; nothing when it has another form.
  struct Parsed {
    int32_t subtask = 0;
    int32_t number = 0;
  };
  std::optional<Parsed> parse(std::string_view id) const;

 private:
  std::string common_;
  std::string own_;
  std::string marker_group_;
};

// What was produced for one checkpoint, or since the start without transactions.
struct ProducerLease {
  std::unique_ptr<Producer> producer;
  std::string transactional_id;  // empty without transactions
  int32_t number = -1;           // of the id
  // Who the producer is, or whoever has fenced it: then nothing that it writes is taken.
  ProducerIdentity identity = {};
  int32_t partition_count = 0;
};

// What outlives the writer, for calls on the blocking pool: shared between those and the slot.
class SinkShared {
 public:
  SinkShared(SinkContext& context, const SinkOptions& options, TransactionNames names);

  const SinkOptions options;
  const Properties properties;
  const TransactionNames names;
  const WireWorld world;
  const std::shared_ptr<const Client> client;
  const int32_t subtask;
  const int32_t parallelism;
  const std::shared_ptr<CompletionGate> gate = CompletionGate::create();
  const std::shared_ptr<std::atomic<bool>> give_up = std::make_shared<std::atomic<bool>>(false);
  // Restored transactions of this subtask that are not resolved yet: rows wait for them.
  std::atomic<int64_t> unresolved{0};
  // The messages of a checkpoint are in flight: rows wait, so that they stay in order.
  std::atomic<bool> is_flushing{false};
  std::atomic<int64_t> sent_again{0};  // messages

  bool is_transactional() const { return options.guarantee == DeliveryGuarantee::kExactlyOnce; }
  MarkerPlace marker_place() const { return {names.marker_group(), options.topic}; }
  ClientContext client_context();
  Result<std::unique_ptr<Transactions>> open_transactions();
  // The operator is called again soon, if it is still there.
  void wake();
  // Numbers of transactional ids.
  int32_t take_number();
  void give_back_number(int32_t number);
  void keep_number(int32_t number);

 private:
  OperatorContext* context_;  // behind the gate
  LeafLock lock_;
  std::set<int32_t> numbers_in_use_;  // guarded by lock_
};

// Writes all of the messages and waits until they are acknowledged. Blocks.
Status send_and_flush(Producer& producer, SinkShared& shared, const std::string& topic,
                      const std::string& messages);

// Commits what was prepared by this subtask, or by others before a restore. On the blocking pool,
// one call at a time.
class TransactionCommitter {
 public:
  explicit TransactionCommitter(std::shared_ptr<SinkShared> shared) : shared_(std::move(shared)) {}

  // Before all other calls: the ids of restored transactions for which `commit` is going to be
  // called, in this order.
  void expect(std::deque<std::string> restored) { restored_ = std::move(restored); }
  Status commit(const PendingTransaction& pending);
  // The second half of preparing: all was acknowledged. Lets go of the producer.
  Result<PendingTransaction> prepare(ProducerLease& lease, int64_t marker_value);

 private:
  Result<Transactions*> transactions();
  Status resolve(const PendingTransaction& pending);
  Status fence_behind(const PendingTransaction& pending);
  Result<std::optional<int64_t>> settled_marker(Transactions& cluster, const MarkerPlace& place);
  Result<bool> was_committed(Transactions& cluster, const PendingTransaction& pending);
  Status send_again(Producer& producer, const ProducerIdentity& identity, Transactions& cluster,
                    const PendingTransaction& pending);
  void confirm(const PendingTransaction& pending, bool was_restored);

  const std::shared_ptr<SinkShared> shared_;
  std::unique_ptr<Transactions> transactions_;
  std::deque<std::string> restored_;  // those for which `commit` was not called yet
  // A restored transaction was over, and may have been sent again, now or by an earlier attempt:
  // what later ones have open lies before that in the log, so those are resolved too.
  bool resolves_all_ = false;
};

// Makes producers ahead, on the blocking pool. The first time it ends what earlier attempts have
// left behind.
class ProducerSupply {
 public:
  explicit ProducerSupply(std::shared_ptr<SinkShared> shared);

  // Has the first one made. Before the first call of `take`: ids that stay as they are, and
  // transactions of other subtasks that have to be committed before keys that have moved here are
  // written.
  void start(std::set<std::string> ids_to_keep, std::vector<PendingTransaction> to_await);
  // A producer that is ready, or null: then one is being made, and the operator is woken.
  Result<std::shared_ptr<ProducerLease>> take();

 private:
  struct Outcome;
  struct Maker;
  void order();

  const std::shared_ptr<SinkShared> shared_;
  const std::shared_ptr<Maker> maker_;  // used by one call on the pool at a time
  std::shared_ptr<Outcome> outcome_;    // of the call that was made last; null: it was taken
};

class MessageWriter {
 public:
  using Recovery = SinkRecovery<PendingTransaction>;

  // Errors: kConnectorOption.
  static Result<std::shared_ptr<MessageWriter>> open(SinkContext& context,
                                                     const SinkOptions& options);
  MessageWriter(SinkContext& context, const SinkOptions& options, TransactionNames names);

  void recover(const Recovery& recovery);
  // False: no messages are taken until the operator is woken.
  bool ready();
  // Only after `ready` was true, for as many messages as there are in a batch.
  Status write(const OutgoingMessage& message);
  // Has `ready` asked again; for parts of the sink that wait for something. Any thread, any time.
  std::function<void()> waker() const { return shared_->client_context().wake; }
  int32_t partition_count() const { return lease_ != nullptr ? lease_->partition_count : 0; }
  void end_of_input() { has_ended_ = true; }
  Result<PrepareJob<PendingTransaction>> prepare(int64_t checkpoint);
  const std::shared_ptr<TransactionCommitter>& committer() const { return committer_; }
  void close();

 private:
  bool send_overflow();
  Status begin_if_needed();
  int32_t choose_partition(const OutgoingMessage& message);
  Status check_kept() const;

  const std::shared_ptr<SinkShared> shared_;
  const std::shared_ptr<TransactionCommitter> committer_;
  ProducerSupply supply_;
  std::shared_ptr<ProducerLease> lease_;  // null: none is ready
  bool has_begun_ = false;                // something was written since the last `prepare`
  bool has_ended_ = false;                // no message comes any more
  KeptOutput kept_;                       // of this transaction
  KeptOutput overflow_;                   // what the client had no room for, in order
  Status failure_;                        // given by the next call that can
  uint32_t next_partition_ = 0;
  Counter* sent_count_ = nullptr;
  Counter* bytes_count_ = nullptr;
  Counter* error_count_ = nullptr;
  Gauge* send_time_ms_ = nullptr;
  Counter* sent_again_count_ = nullptr;
};

}  // namespace tidewheel::kafka
