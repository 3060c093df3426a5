#include "tidewheel/connectors/kafka/message_writer.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::kafka {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kRoomPauseMs = 5;
constexpr int64_t kSettlePauseMs = 20;
// Flushing is done in steps, between which it can be given up.
constexpr Duration kFlushStep{500};

Status given_up() { return cancelled(ErrorId::kKafkaBroker, "the sink was closed meanwhile"); }

void pause(const WireWorld& world, int64_t ms) {
  static_cast<void>(world.executor->make_event()->wait(world.clock->now_ns() + ms * kNsPerMs));
}

// All digits of `text`, from its start; nothing when there are none.
std::optional<int32_t> take_number(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') { ++digits; }
  const Result<int64_t> number = parse_int(text.substr(0, digits));
  if (digits == 0 || digits > 9 || !number.ok()) { return std::nullopt; }
  text.remove_prefix(digits);
  return static_cast<int32_t>(*number);
}

}  // namespace

// ---- Names

TransactionNames::TransactionNames(std::string_view prefix, std::string_view uid, int32_t subtask,
                                   uint64_t lane)
    : common_(fmt::format("{}-{:08x}-", prefix,
                          static_cast<uint32_t>(hash_bytes(uid.data(), uid.size())))),
      own_(fmt::format("{}{}-", common_, subtask)),
      marker_group_(fmt::format("{}{}-{:016x}", common_, subtask, lane)) {}

std::optional<TransactionNames::Parsed> TransactionNames::parse(std::string_view id) const {
  if (!id.starts_with(common_)) { return std::nullopt; }
  id.remove_prefix(common_.size());
  const std::optional<int32_t> subtask = take_number(id);
  if (!subtask.has_value() || !id.starts_with('-')) { return std::nullopt; }
  id.remove_prefix(1);
  const std::optional<int32_t> number = take_number(id);
  if (!number.has_value() || !id.empty()) { return std::nullopt; }
  return Parsed{*subtask, *number};
}

// ---- What is shared

SinkShared::SinkShared(SinkContext& context, const SinkOptions& the_options, TransactionNames n)
    : options(the_options),
      properties(the_options.producer_properties()),
      names(std::move(n)),
      world{&context.network(), &context.executor(), &context.clock(),
            &context.operator_context().files(), context.random().next()},
      client(the_options.client != nullptr ? the_options.client : real_client()),
      subtask(context.subtask_index()),
      parallelism(context.parallelism()),
      context_(&context.operator_context()) {}

void SinkShared::wake() {
  if (!gate->enter()) { return; }
  context_->wake();
  gate->leave();
}

ClientContext SinkShared::client_context() {
  ClientContext context;
  context.executor = world.executor;
  context.wake = [gate = gate, operator_context = context_] {
    if (!gate->enter()) { return; }
    operator_context->wake();
    gate->leave();
  };
  return context;
}

Result<std::unique_ptr<Transactions>> SinkShared::open_transactions() {
  const auto make = options.make_transactions ? options.make_transactions : wire_transactions;
  return make(world, properties, options.request_timeout, give_up);
}

int32_t SinkShared::take_number() {
  const std::lock_guard guard(lock_);
  int32_t number = 0;
  while (numbers_in_use_.contains(number)) { ++number; }
  numbers_in_use_.insert(number);
  return number;
}
void SinkShared::give_back_number(int32_t number) {
  const std::lock_guard guard(lock_);
  numbers_in_use_.erase(number);
}
void SinkShared::keep_number(int32_t number) {
  const std::lock_guard guard(lock_);
  numbers_in_use_.insert(number);
}

Status send_and_flush(Producer& producer, SinkShared& shared, const std::string& topic,
                      const std::string& messages) {
  const int64_t deadline_ns =
      shared.world.clock->now_ns() + to_ms(shared.options.transaction_timeout) * kNsPerMs;
  const auto check = [&]() -> Status {
    if (shared.give_up->load(std::memory_order_acquire)) { return given_up(); }
    if (Deliveries all = producer.deliveries(); all.failed > 0) { return all.first_failure; }
    if (shared.world.clock->now_ns() < deadline_ns) { return ok_status(); }
    return unavailable(ErrorId::kKafkaBroker,
                       "Kafka has not acknowledged {} messages to topic '{}' within {} ms",
                       producer.in_flight(), topic, to_ms(shared.options.transaction_timeout));
  };
  TIDEWHEEL_RETURN_IF_ERROR(
      for_each_message(messages, [&](const OutgoingMessage& message) -> Status {
        while (true) {
          TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_queued, producer.produce(topic, message));
          if (is_queued) { return ok_status(); }
          TIDEWHEEL_RETURN_IF_ERROR(check());
          pause(shared.world, kRoomPauseMs);
        }
      }));
  while (true) {
    const Status flushed = producer.flush(kFlushStep);
    if (flushed.ok() || producer.in_flight() == 0) {
      const Deliveries all = producer.deliveries();
      return all.failed > 0 ? all.first_failure : ok_status();
    }
    TIDEWHEEL_RETURN_IF_ERROR(check());
  }
}

// ---- Committing

Result<Transactions*> TransactionCommitter::transactions() {
  if (transactions_ == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(transactions_, shared_->open_transactions());
  }
  return transactions_.get();
}

Result<PendingTransaction> TransactionCommitter::prepare(ProducerLease& lease,
                                                         int64_t marker_value) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Transactions* const cluster, transactions());
  const MarkerPlace place = shared_->marker_place();
  TIDEWHEEL_RETURN_IF_ERROR(
      cluster->mark(lease.transactional_id, lease.identity, place, marker_value));
  lease.producer = nullptr;
  PendingTransaction pending;
  pending.transactional_id = lease.transactional_id;
  pending.producer_id = lease.identity.id;
  pending.producer_epoch = lease.identity.epoch;
  pending.marker_group = place.group;
  pending.marker_topic = place.topic;
  pending.marker_value = marker_value;
  pending.parallelism = shared_->parallelism;
  return pending;
}

Status TransactionCommitter::commit(const PendingTransaction& pending) {
  const bool was_restored = pending.marker_group != shared_->names.marker_group();
  if (was_restored && !restored_.empty()) { restored_.pop_front(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Transactions* const cluster, transactions());
  if (!was_restored || !resolves_all_) {
    const ProducerIdentity producer{pending.producer_id,
                                    static_cast<int16_t>(pending.producer_epoch)};
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_committed,
                               cluster->commit(pending.transactional_id, producer));
    if (is_committed) {
      confirm(pending, was_restored);
      return ok_status();
    }
  }
  if (was_restored) { return resolve(pending); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_committed, was_committed(*cluster, pending));
  if (is_committed) {
    confirm(pending, was_restored);
    return ok_status();
  }
  return unavailable(
      ErrorId::kKafkaTransaction,
      "Kafka has ended transaction '{}' of checkpoint {} before it was committed, and later output "
      "has been written already: the job has to be restarted to send it again, in order. Was the "
      "checkpoint complete later than transaction_timeout, {} ms, or does another job have the "
      "same transactional_id_prefix?",
      pending.transactional_id, pending.marker_value, to_ms(shared_->options.transaction_timeout));
}

// Whoever gets this far with the id keeps all others who try from ever committing its output.
Status TransactionCommitter::resolve(const PendingTransaction& pending) {
  if (!std::exchange(resolves_all_, true)) { TIDEWHEEL_RETURN_IF_ERROR(fence_behind(pending)); }
  Properties properties = shared_->properties;
  properties["transactional.id"] = pending.transactional_id;
  properties["transaction.timeout.ms"] =
      std::to_string(to_ms(shared_->options.transaction_timeout));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Producer> producer,
                             shared_->client->producer(properties, shared_->client_context()));
  TIDEWHEEL_RETURN_IF_ERROR(producer->init_transactions(shared_->options.request_timeout));
  TIDEWHEEL_ASSIGN_OR_RETURN(Transactions* const cluster, transactions());
  TIDEWHEEL_ASSIGN_OR_RETURN(const ProducerIdentity identity,
                             cluster->identify(pending.transactional_id));
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_committed, was_committed(*cluster, pending));
  if (!is_committed) {
    TIDEWHEEL_MARK("kafka.sends_again");
    TIDEWHEEL_RETURN_IF_ERROR(
        send_again(*producer, identity, *cluster, pending)
            .with_context("sending the output of checkpoint {} again, whose transaction '{}' Kafka "
                          "has ended",
                          pending.marker_value, pending.transactional_id));
  }
  confirm(pending, true);
  return ok_status();
}

// What was restored behind a transaction that is over is not committed as it lies in the log. While
// it is open its marker is on its way, and the marker of the one before can't be read.
Status TransactionCommitter::fence_behind(const PendingTransaction& pending) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Transactions* const cluster, transactions());

  for (const std::string& later : restored_) {
    if (later == pending.transactional_id) { continue; }
    TIDEWHEEL_MARK("kafka.fences_behind");
    TIDEWHEEL_RETURN_IF_ERROR(cluster->fence(later));
  }
  return ok_status();
}

Result<std::optional<int64_t>> TransactionCommitter::settled_marker(Transactions& cluster,
                                                                    const MarkerPlace& place) {
  const int64_t deadline_ns =
      shared_->world.clock->now_ns() + to_ms(shared_->options.request_timeout) * kNsPerMs;
  while (true) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Marker marker, cluster.marker(place));
    if (marker.is_settled) { return marker.value; }
    if (shared_->give_up->load(std::memory_order_acquire)) { return given_up(); }
    if (shared_->world.clock->now_ns() >= deadline_ns) {
      return unavailable(ErrorId::kKafkaBroker,
                         "Kafka has not ended a transaction that has offsets of group '{}' within "
                         "{} ms",
                         place.group, to_ms(shared_->options.request_timeout));
    }
    pause(shared_->world, kSettlePauseMs);
  }
}

Result<bool> TransactionCommitter::was_committed(Transactions& cluster,
                                                 const PendingTransaction& pending) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::optional<int64_t> marker,
                             settled_marker(cluster, {pending.marker_group, pending.marker_topic}));
  if (marker.has_value()) { return *marker >= pending.marker_value; }
  switch (shared_->options.on_lost_marker) {
    case LostMarker::kSendAgain: return false;
    case LostMarker::kDrop: return true;
    case LostMarker::kFail: break;
  }
  return data_loss(
      ErrorId::kKafkaTransaction,
      "Kafka has ended transaction '{}' of checkpoint {}, and the group '{}', whose offset tells "
      "whether it was committed, is gone: look whether topic '{}' has its output, and set "
      "on_lost_marker ('sink.on-lost-marker') to send it again or to drop it",
      pending.transactional_id, pending.marker_value, pending.marker_group, pending.marker_topic);
}

Status TransactionCommitter::send_again(Producer& producer, const ProducerIdentity& identity,
                                        Transactions& cluster, const PendingTransaction& pending) {
  // The topic as it was when the output was written.
  TIDEWHEEL_RETURN_IF_ERROR(
      producer.learn_topic(pending.marker_topic, shared_->options.request_timeout).status());
  TIDEWHEEL_RETURN_IF_ERROR(producer.begin_transaction());
  TIDEWHEEL_RETURN_IF_ERROR(
      send_and_flush(producer, *shared_, pending.marker_topic, pending.output));
  TIDEWHEEL_RETURN_IF_ERROR(cluster.mark(pending.transactional_id, identity,
                                         {pending.marker_group, pending.marker_topic},
                                         pending.marker_value));
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_committed,
                             cluster.commit(pending.transactional_id, identity));
  if (!is_committed) {
    return unavailable(ErrorId::kKafkaFenced, "another producer has taken the transactional id");
  }
  shared_->sent_again.fetch_add(producer.deliveries().delivered, std::memory_order_relaxed);
  return ok_status();
}

void TransactionCommitter::confirm(const PendingTransaction& pending, bool was_restored) {
  const auto parsed = shared_->names.parse(pending.transactional_id);
  if (parsed.has_value() && parsed->subtask == shared_->subtask) {
    shared_->give_back_number(parsed->number);
  }
  if (!was_restored) { return; }
  shared_->unresolved.fetch_sub(1, std::memory_order_acq_rel);
  shared_->wake();
}

// ---- Producers made ahead

struct ProducerSupply::Outcome {
  std::optional<Result<std::shared_ptr<ProducerLease>>> result;  // null: not yet, order again
  std::atomic<bool> is_done{false};
};

// Whatever runs on the pool: each call sees what the one before has done.
struct ProducerSupply::Maker {
  std::shared_ptr<SinkShared> shared;
  std::unique_ptr<Transactions> transactions;
  std::set<std::string> ids_to_keep;
  std::vector<PendingTransaction> to_await;
  bool has_begun = false;

  Result<std::shared_ptr<ProducerLease>> make(int32_t number);
  Status begin();
  Status fence_leftovers();
  Status look_at_others();
};

ProducerSupply::ProducerSupply(std::shared_ptr<SinkShared> shared)
    : shared_(std::move(shared)), maker_(std::make_shared<Maker>()) {
  maker_->shared = shared_;
}

void ProducerSupply::start(std::set<std::string> ids_to_keep,
                           std::vector<PendingTransaction> to_await) {
  maker_->ids_to_keep = std::move(ids_to_keep);
  maker_->to_await = std::move(to_await);
  order();
}

Result<std::shared_ptr<ProducerLease>> ProducerSupply::take() {
  if (outcome_ == nullptr) { order(); }
  if (!outcome_->is_done.load(std::memory_order_acquire)) { return nullptr; }
  Result<std::shared_ptr<ProducerLease>> result = std::move(*outcome_->result);
  outcome_ = nullptr;
  // The next one, or this one again.
  if (result.ok() && (shared_->is_transactional() || *result == nullptr)) { order(); }
  return result;
}

void ProducerSupply::order() {
  outcome_ = std::make_shared<Outcome>();
  const int32_t number = shared_->is_transactional() ? shared_->take_number() : -1;
  shared_->world.executor->run_blocking(
      [shared = shared_, maker = maker_, outcome = outcome_, number] {
        // Once the sink is closed a later attempt may have the id.
        if (shared->give_up->load(std::memory_order_acquire)) { return; }
        outcome->result = maker->make(number);
        const bool has_producer = outcome->result->ok() && **outcome->result != nullptr;
        if (!has_producer && number >= 0) { shared->give_back_number(number); }
        outcome->is_done.store(true, std::memory_order_release);
        shared->wake();
      });
}

Result<std::shared_ptr<ProducerLease>> ProducerSupply::Maker::make(int32_t number) {
  if (!has_begun && shared->is_transactional()) { TIDEWHEEL_RETURN_IF_ERROR(begin()); }
  has_begun = true;
  if (!to_await.empty()) {
    TIDEWHEEL_RETURN_IF_ERROR(look_at_others());
    if (!to_await.empty()) { return std::shared_ptr<ProducerLease>(); }
  }
  auto lease = std::make_shared<ProducerLease>();
  lease->number = number;
  if (shared->give_up->load(std::memory_order_acquire)) { return given_up(); }
  Properties properties = shared->properties;
  if (number >= 0) {
    lease->transactional_id = shared->names.id(number);
    properties["transactional.id"] = lease->transactional_id;
    properties["transaction.timeout.ms"] =
        std::to_string(to_ms(shared->options.transaction_timeout));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(lease->producer,
                             shared->client->producer(properties, shared->client_context()));
  if (number >= 0) {
    TIDEWHEEL_RETURN_IF_ERROR(lease->producer->init_transactions(shared->options.request_timeout));
    TIDEWHEEL_ASSIGN_OR_RETURN(lease->identity, transactions->identify(lease->transactional_id));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(
      lease->partition_count,
      lease->producer->learn_topic(shared->options.topic, shared->options.request_timeout));
  return lease;
}

// What comes before the first transaction of this attempt.
Status ProducerSupply::Maker::begin() {
  TIDEWHEEL_ASSIGN_OR_RETURN(transactions, shared->open_transactions());
  TIDEWHEEL_RETURN_IF_ERROR(fence_leftovers());
  return transactions->set_marker(shared->marker_place(), 0);
}

Status ProducerSupply::Maker::fence_leftovers() {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                             transactions->list(shared->names.common()));
  for (const std::string& id : ids) {
    const auto parsed = shared->names.parse(id);
    const bool is_own =
        parsed.has_value() && parsed->subtask % shared->parallelism == shared->subtask;
    if (!is_own || ids_to_keep.contains(id)) { continue; }
    TIDEWHEEL_MARK("kafka.fences_leftover");
    TIDEWHEEL_RETURN_IF_ERROR(transactions->fence(id));
  }
  return ok_status();
}

// Drops from `to_await` what is committed. In steps: those who are awaited need the pool too.
Status ProducerSupply::Maker::look_at_others() {
  constexpr int64_t kLookAgainMs = 50;
  // Those of a sink that wrote exactly once before, and does not now.
  if (transactions == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(transactions, shared->open_transactions());
  }
  while (!to_await.empty()) {
    const PendingTransaction& next = to_await.back();
    TIDEWHEEL_ASSIGN_OR_RETURN(const Marker marker,
                               transactions->marker({next.marker_group, next.marker_topic}));
    // One that is lost is for its own subtask to judge.
    if (!marker.is_settled || (marker.value.has_value() && *marker.value < next.marker_value)) {
      pause(shared->world, kLookAgainMs);
      return ok_status();
    }
    to_await.pop_back();
  }
  return ok_status();
}

// ---- The slot's side

Result<std::shared_ptr<MessageWriter>> MessageWriter::open(SinkContext& context,
                                                           const SinkOptions& options) {
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  TransactionNames names(options.transactional_id_prefix, context.operator_context().uid(),
                         context.subtask_index(), context.random().next());
  return std::make_shared<MessageWriter>(context, options, std::move(names));
}

MessageWriter::MessageWriter(SinkContext& context, const SinkOptions& options,
                             TransactionNames names)
    : shared_(std::make_shared<SinkShared>(context, options, std::move(names))),
      committer_(std::make_shared<TransactionCommitter>(shared_)),
      supply_(shared_),
      sent_count_(&context.metrics().counter("numRecordsSend")),
      bytes_count_(&context.metrics().counter("numBytesSend")),
      error_count_(&context.metrics().counter("numRecordsSendErrors")),
      send_time_ms_(&context.metrics().gauge("currentSendTime")),
      sent_again_count_(&context.metrics().counter("numRecordsSentAgain")) {}

void MessageWriter::recover(const Recovery& recovery) {
  std::set<std::string> ids;
  std::deque<std::string> own;
  std::vector<PendingTransaction> of_others;
  for (const auto& saved : recovery.pending) {
    const PendingTransaction& pending = saved.record;
    ids.insert(pending.transactional_id);
    const auto parsed = shared_->names.parse(pending.transactional_id);
    if (parsed.has_value() && parsed->subtask == shared_->subtask) {
      shared_->keep_number(parsed->number);
    }
    // Which keys a subtask has follows from the parallelism.
    const bool may_have_own_keys = pending.parallelism != shared_->parallelism ||
                                   !parsed.has_value() || parsed->subtask == shared_->subtask;
    if (belongs_to(saved, shared_->subtask, shared_->parallelism)) {
      shared_->unresolved.fetch_add(1, std::memory_order_relaxed);
      own.push_back(pending.transactional_id);
    } else if (may_have_own_keys) {
      PendingTransaction& other = of_others.emplace_back();
      other.marker_group = pending.marker_group;
      other.marker_topic = pending.marker_topic;
      other.marker_value = pending.marker_value;
    }
  }
  committer_->expect(std::move(own));
  supply_.start(std::move(ids), std::move(of_others));
}

bool MessageWriter::ready() {
  // A failure is given by the call that comes next.
  if (!failure_.ok()) { return true; }
  if (shared_->is_flushing.load(std::memory_order_acquire) ||
      shared_->unresolved.load(std::memory_order_acquire) > 0) {
    return false;
  }
  if (lease_ == nullptr) {
    Result<std::shared_ptr<ProducerLease>> next = supply_.take();
    if (!next.ok()) {
      failure_ = std::move(next).status();
      return true;
    }
    lease_ = std::move(*next);
    if (lease_ == nullptr) { return false; }
  }
  const Deliveries all = lease_->producer->deliveries();
  send_time_ms_->set(all.latest_latency_us / 1000);
  if (all.failed > 0) {
    error_count_->add(all.failed);
    failure_ = all.first_failure;
    return true;
  }
  return send_overflow();
}

// False: some of it is left.
bool MessageWriter::send_overflow() {
  if (overflow_.message_count() == 0) { return true; }
  const std::string messages = overflow_.take();
  failure_ = for_each_message(messages, [this](const OutgoingMessage& message) -> Status {
    bool is_queued = false;
    if (overflow_.message_count() == 0) {
      TIDEWHEEL_ASSIGN_OR_RETURN(is_queued,
                                 lease_->producer->produce(shared_->options.topic, message));
    }
    if (!is_queued) { overflow_.add(message); }
    return ok_status();
  });
  return !failure_.ok() || overflow_.message_count() == 0;
}

Status MessageWriter::begin_if_needed() {
  if (has_begun_) { return ok_status(); }
  has_begun_ = true;
  return shared_->is_transactional() ? lease_->producer->begin_transaction() : ok_status();
}

int32_t MessageWriter::choose_partition(const OutgoingMessage& message) {
  if (message.partition != kAnyPartition) { return message.partition; }
  switch (shared_->options.partitioner) {
    case Partitioner::kDefault: return kAnyPartition;
    case Partitioner::kFixed: return shared_->subtask % lease_->partition_count;
    case Partitioner::kRoundRobin:
      return static_cast<int32_t>(next_partition_++ %
                                  static_cast<uint32_t>(lease_->partition_count));
  }
  return kAnyPartition;
}

Status MessageWriter::check_kept() const {
  if (kept_.bytes() <= shared_->options.kept_bytes_max) { return ok_status(); }
  return resource_exhausted(
      ErrorId::kKafkaTransaction,
      "the output since the last checkpoint, {} bytes, is more than kept_bytes_max "
      "('sink.kept-output.max-bytes') of {}: take checkpoints more often, or raise it",
      kept_.bytes(), shared_->options.kept_bytes_max);
}

Status MessageWriter::write(const OutgoingMessage& message) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  TIDEWHEEL_CHECK(lease_ != nullptr, "a Kafka sink was given rows while it was not ready");
  TIDEWHEEL_RETURN_IF_ERROR(begin_if_needed());
  OutgoingMessage chosen = message;
  chosen.partition = choose_partition(message);
  if (shared_->is_transactional()) {
    kept_.add(chosen);
    TIDEWHEEL_RETURN_IF_ERROR(check_kept());
  }
  sent_count_->add(1);
  bytes_count_->add(static_cast<int64_t>((message.key.has_value() ? message.key->size() : 0) +
                                         (message.value.has_value() ? message.value->size() : 0)));
  bool is_queued = false;
  if (overflow_.message_count() == 0) {
    TIDEWHEEL_ASSIGN_OR_RETURN(is_queued,
                               lease_->producer->produce(shared_->options.topic, chosen));
  }
  if (!is_queued) { overflow_.add(chosen); }
  return ok_status();
}

Result<PrepareJob<PendingTransaction>> MessageWriter::prepare(int64_t checkpoint) {
  using Prepared = Result<std::vector<PendingTransaction>>;
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  sent_again_count_->add(shared_->sent_again.exchange(0, std::memory_order_relaxed));
  const bool nobody_waits = shared_->options.guarantee == DeliveryGuarantee::kNone && !has_ended_;
  if (!has_begun_ || nobody_waits) {
    return PrepareJob<PendingTransaction>([]() -> Prepared { return Prepared::value_type(); });
  }
  has_begun_ = false;
  shared_->is_flushing.store(true, std::memory_order_release);
  const std::shared_ptr<ProducerLease> lease = lease_;
  if (shared_->is_transactional()) { lease_ = nullptr; }
  return PrepareJob<PendingTransaction>([shared = shared_, committer = committer_, lease,
                                         checkpoint, messages = overflow_.take(),
                                         output = kept_.take()]() -> Prepared {
    TIDEWHEEL_RETURN_IF_ERROR(
        send_and_flush(*lease->producer, *shared, shared->options.topic, messages));
    shared->is_flushing.store(false, std::memory_order_release);
    shared->wake();
    Prepared::value_type prepared;
    if (shared->is_transactional()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(PendingTransaction pending,
                                 committer->prepare(*lease, checkpoint));
      pending.output = output;
      prepared.push_back(std::move(pending));
    }
    return prepared;
  });
}

void MessageWriter::close() {
  shared_->gate->close();
  // Nobody waits for what is still on the pool: when the job has ended well, that is a producer
  // that was made ahead.
  shared_->give_up->store(true, std::memory_order_release);
  const bool is_open = lease_ != nullptr && has_begun_ && shared_->is_transactional();
  if (!is_open) { return; }
  // Readers need not wait until it expires.
  shared_->world.executor->run_blocking([lease = std::exchange(lease_, nullptr)] {
    constexpr Duration kAbortTimeout{5'000};
    lease->producer->purge();
    ignore(lease->producer->abort_transaction(kAbortTimeout), "it expires, or is fenced, later");
  });
}

}  // namespace tidewheel::kafka
