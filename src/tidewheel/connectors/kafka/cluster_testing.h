// A Kafka cluster outside of every simulated process, with the worst that a real one may do: it
// expires and fences, ends transactions late, answers nothing after it has done what was asked,
// takes what a dead producer has sent, gives out new producer ids, forgets offsets.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::kafka::testing {

inline constexpr int64_t kMs = 1'000'000;

// How often things go wrong, each as a probability of a call.
struct ClusterFaults {
  double lost_request = 0;  // nothing was done, nobody answers
  double lost_answer = 0;   // it was done, nobody answers
  double early_end = 0;     // an administrator ends an open transaction
  double late_arrival = 0;  // what a dead process had in flight arrives
  double lost_offsets = 0;  // the offsets of a group are forgotten, at each expiry check
  double late_commit = 0;   // a request to commit is done long after nobody has answered
  int64_t answer_ms_max = 3;
  int64_t ending_ms_max = 5;
  int16_t epoch_max = 4;  // a producer gets a new id after so many epochs
};

// Virtual time and chance, of the simulation that the cluster is in.
struct SimTime {
  std::function<int64_t()> now_ns;
  std::function<int64_t(int64_t low, int64_t high)> draw;
  std::function<bool(double)> chance;
  std::function<void(int64_t delay_ns, std::function<void()>)> call_later;
};

struct SimRecord {
  std::string key;
  std::string value;
  enum class State : uint8_t { kOpen, kCommitted, kAborted } state = State::kOpen;
};

// What a group has committed. Of two transactions the one whose offset was sent later counts,
// whichever is ended first.
struct SimOffset {
  int64_t value = 0;
  int64_t sent = 0;  // ever higher
};

struct SimTransaction {
  enum class State : uint8_t { kEmpty, kOngoing, kEnding, kEnded };
  State state = State::kEmpty;
  ProducerIdentity producer;
  bool commits = false;  // of kEnding and kEnded
  int64_t began_ns = 0;
  int64_t timeout_ms = 0;
  std::vector<std::pair<int32_t, size_t>> records;         // partition, offset
  std::vector<std::pair<std::string, SimOffset>> offsets;  // by group
};

class SimCluster {
 public:
  SimCluster(SimTime time, int32_t partitions)
      : time_(std::move(time)), partitions_(static_cast<size_t>(partitions)) {}

  ClusterFaults faults;
  // The process dies in the broker call that comes after so many others.
  int64_t calls_left = INT64_MAX;
  std::function<void()> on_last_call;
  std::map<std::string, int64_t> seen;  // what has happened, for tests of the test

  const SimTime& time() const { return time_; }
  bool chance(double probability) const { return probability > 0 && time_.chance(probability); }
  const std::vector<std::vector<SimRecord>>& partitions() const { return partitions_; }
  const std::map<std::string, SimTransaction>& transactions() const { return transactions_; }
  const std::map<std::string, SimOffset>& offsets() const { return offsets_; }
  void set_offset(const std::string& group, int64_t value) {
    offsets_[group] = {value, next_sent_++};
  }
  int32_t partition_count() const { return static_cast<int32_t>(partitions_.size()); }

  // Time passes, and ends what is open for too long.
  void expire() {
    for (auto& [id, transaction] : transactions_) {
      if (transaction.state != SimTransaction::State::kOngoing) { continue; }
      const bool is_over = time_.now_ns() - transaction.began_ns > transaction.timeout_ms * kMs;
      if (!is_over && !chance(faults.early_end)) { continue; }
      ++seen[is_over ? "expired" : "ended early"];
      ++transaction.producer.epoch;
      end(id, false);
    }
    if (!offsets_.empty() && chance(faults.lost_offsets)) {
      ++seen["lost offsets"];
      offsets_.clear();
      // With a group go the offsets that transactions have for it.
      for (auto& [id, transaction] : transactions_) {
        if (transaction.state != SimTransaction::State::kEnded) { transaction.offsets.clear(); }
      }
    }
  }

  bool is_ending(const std::string& id) const {
    const auto found = transactions_.find(id);
    return found != transactions_.end() && found->second.state == SimTransaction::State::kEnding;
  }

  // InitProducerId, when nothing is being ended. False: something is now; ask again.
  bool initialize(const std::string& id, int64_t timeout_ms, ProducerIdentity& given) {
    SimTransaction& transaction = transactions_[id];
    if (transaction.state == SimTransaction::State::kOngoing) {
      ++seen["fenced an open transaction"];
      ++transaction.producer.epoch;
      end(id, false);
      return false;
    }
    if (transaction.producer.id < 0 || transaction.producer.epoch >= faults.epoch_max) {
      transaction.producer = {next_producer_++, -1};
    }
    ++transaction.producer.epoch;
    transaction.state = SimTransaction::State::kEmpty;
    transaction.timeout_ms = timeout_ms;
    transaction.records.clear();
    transaction.offsets.clear();
    given = transaction.producer;
    return true;
  }

  bool owns(const std::string& id, const ProducerIdentity& producer) const {
    const auto found = transactions_.find(id);
    return found != transactions_.end() && found->second.producer == producer;
  }
  bool is_open(const std::string& id) const {
    const auto found = transactions_.find(id);
    return found != transactions_.end() && found->second.state == SimTransaction::State::kOngoing;
  }
  // Produce. False: the producer is fenced. Without an id it is not transactional.
  bool append(const std::string& id, const ProducerIdentity& producer, int32_t partition,
              SimRecord record) {
    auto& log = partitions_[static_cast<size_t>(partition)];
    if (id.empty()) {
      record.state = SimRecord::State::kCommitted;
      log.push_back(std::move(record));
      return true;
    }
    if (!touch(id, producer)) { return false; }
    transactions_[id].records.emplace_back(partition, log.size());
    log.push_back(std::move(record));
    return true;
  }
  bool add_offset(const std::string& id, const ProducerIdentity& producer, const std::string& group,
                  int64_t value) {
    if (!touch(id, producer)) { return false; }
    transactions_[id].offsets.emplace_back(group, SimOffset{value, next_sent_++});
    return true;
  }
  // EndTxn, when nothing is being ended.
  bool commit(const std::string& id, const ProducerIdentity& producer) {
    if (!owns(id, producer)) { return false; }
    const SimTransaction& transaction = transactions_[id];
    if (transaction.state == SimTransaction::State::kEnded) { return transaction.commits; }
    if (transaction.state != SimTransaction::State::kOngoing) { return false; }
    end(id, true);
    return true;
  }
  void end(const std::string& id, bool commits) {
    SimTransaction& transaction = transactions_[id];
    transaction.state = SimTransaction::State::kEnding;
    transaction.commits = commits;
    time_.call_later(time_.draw(0, faults.ending_ms_max * kMs), [this, id] { write_markers(id); });
  }
  // Whether a transaction that is not over has an offset of the group.
  bool has_pending(const std::string& group) const {
    return std::any_of(transactions_.begin(), transactions_.end(), [&](const auto& one) {
      const SimTransaction& transaction = one.second;
      const bool is_over = transaction.state == SimTransaction::State::kEnded ||
                           transaction.state == SimTransaction::State::kEmpty;
      return !is_over && std::any_of(transaction.offsets.begin(), transaction.offsets.end(),
                                     [&](const auto& offset) { return offset.first == group; });
    });
  }

 private:
  bool touch(const std::string& id, const ProducerIdentity& producer) {
    if (!owns(id, producer)) { return false; }
    SimTransaction& transaction = transactions_[id];
    if (transaction.state == SimTransaction::State::kEnding ||
        transaction.state == SimTransaction::State::kEnded) {
      return false;
    }
    if (transaction.state == SimTransaction::State::kEmpty) {
      transaction.state = SimTransaction::State::kOngoing;
      transaction.began_ns = time_.now_ns();
    }
    return true;
  }
  void write_markers(const std::string& id) {
    SimTransaction& transaction = transactions_[id];
    for (const auto& [partition, offset] : transaction.records) {
      partitions_[static_cast<size_t>(partition)][offset].state =
          transaction.commits ? SimRecord::State::kCommitted : SimRecord::State::kAborted;
    }
    if (transaction.commits) {
      for (const auto& [group, offset] : transaction.offsets) {
        const auto known = offsets_.find(group);
        if (known == offsets_.end() || known->second.sent < offset.sent) {
          offsets_[group] = offset;
        }
      }
    }
    transaction.state = SimTransaction::State::kEnded;
  }

  const SimTime time_;
  std::vector<std::vector<SimRecord>> partitions_;
  std::map<std::string, SimTransaction> transactions_;
  std::map<std::string, SimOffset> offsets_;  // by group
  int64_t next_producer_ = 1000;
  int64_t next_sent_ = 0;
};

// One process's way to the cluster.
struct SimLink {
  SimCluster* cluster = nullptr;
  std::shared_ptr<const bool> alive;
  Executor* executor = nullptr;

  Status gone() const {
    return *alive ? ok_status() : unavailable(ErrorId::kKafkaBroker, "the process is dead");
  }
  void wait_ms(int64_t ms) const {
    static_cast<void>(
        executor->make_event()->wait(cluster->time().now_ns() + std::max(ms, INT64_C(0)) * kMs));
  }
  Status lost(double probability, const char* what) const {
    if (!cluster->chance(probability)) { return ok_status(); }
    ++cluster->seen[what];
    return unavailable(ErrorId::kKafkaBroker, "the simulated broker: {}", what);
  }
  // Runs `act` at the broker, once or several times, or not at all. `act` says false while it has
  // to wait for a transaction that is being ended.
  Status call(const std::function<bool()>& act) const {
    TIDEWHEEL_RETURN_IF_ERROR(gone());
    if (--cluster->calls_left == 0) { cluster->on_last_call(); }
    wait_ms(cluster->time().draw(0, cluster->faults.answer_ms_max));
    TIDEWHEEL_RETURN_IF_ERROR(gone());
    cluster->expire();
    TIDEWHEEL_RETURN_IF_ERROR(lost(cluster->faults.lost_request, "lost request"));
    // What is on its way arrives, whether or not the one who asks is still there.
    while (!act()) { wait_ms(1); }
    if (--cluster->calls_left == 0) { cluster->on_last_call(); }
    TIDEWHEEL_RETURN_IF_ERROR(gone());
    return lost(cluster->faults.lost_answer, "lost answer");
  }
};

class SimTransactions final : public Transactions {
 public:
  explicit SimTransactions(SimLink link) : link_(std::move(link)) {}

  Result<ProducerIdentity> identify(const std::string& id) override {
    std::optional<ProducerIdentity> found;
    TIDEWHEEL_RETURN_IF_ERROR(again([&] {
      const auto known = cluster().transactions().find(id);
      if (known != cluster().transactions().end()) { found = known->second.producer; }
      return true;
    }));
    if (found.has_value()) { return *found; }
    return unavailable(ErrorId::kKafkaTransaction, "nobody has the id: {}", id);
  }
  Status mark(const std::string& id, const ProducerIdentity& producer, const MarkerPlace& place,
              int64_t value) override {
    bool is_marked = false;
    TIDEWHEEL_RETURN_IF_ERROR(again([&] {
      is_marked = cluster().add_offset(id, producer, place.group, value);
      return true;
    }));
    return is_marked ? ok_status() : unavailable(ErrorId::kKafkaFenced, "fenced: {}", id);
  }
  Result<bool> commit(const std::string& id, const ProducerIdentity& producer) override {
    if (*link_.alive && cluster().chance(cluster().faults.late_commit)) {
      commit_late(id, producer);
      return unavailable(ErrorId::kKafkaBroker, "the simulated broker: a commit comes late");
    }
    bool is_committed = false;
    TIDEWHEEL_RETURN_IF_ERROR(again([&] {
      if (cluster().is_ending(id)) { return false; }
      is_committed = cluster().commit(id, producer);
      return true;
    }));
    return is_committed;
  }
  Status set_marker(const MarkerPlace& place, int64_t value) override {
    return again([&] {
      cluster().set_offset(place.group, value);
      return true;
    });
  }
  Result<Marker> marker(const MarkerPlace& place) override {
    Marker marker;
    TIDEWHEEL_RETURN_IF_ERROR(again([&] {
      marker.is_settled = !cluster().has_pending(place.group);
      const auto found = cluster().offsets().find(place.group);
      marker.value.reset();
      if (found != cluster().offsets().end()) { marker.value = found->second.value; }
      return true;
    }));
    return marker;
  }
  Result<std::vector<std::string>> list(std::string_view prefix) override {
    std::vector<std::string> ids;
    TIDEWHEEL_RETURN_IF_ERROR(again([&] {
      ids.clear();
      for (const auto& [id, transaction] : cluster().transactions()) {
        if (id.starts_with(prefix)) { ids.push_back(id); }
      }
      return true;
    }));
    return ids;
  }
  Status fence(const std::string& id) override {
    ProducerIdentity given;
    return again(
        [&] { return !cluster().is_ending(id) && cluster().initialize(id, 60'000, given); });
  }

 private:
  SimCluster& cluster() { return *link_.cluster; }
  // Whoever has asked may be dead by then, and another one at work.
  void commit_late(const std::string& id, const ProducerIdentity& producer) {
    const SimTime& time = cluster().time();
    time.call_later(time.draw(0, 1'500 * kMs), [cluster = link_.cluster, id, producer] {
      cluster->expire();
      const char* const outcome = cluster->is_ending(id)          ? "late commit while ending"
                                  : cluster->commit(id, producer) ? "late commit"
                                                                  : "late commit of a fenced one";
      ++cluster->seen[outcome];
    });
  }
  // The real one asks again when it got no answer, and gives up some time.
  Status again(const std::function<bool()>& act) {
    while (true) {
      const Status status = link_.call(act);
      if (status.ok() || !*link_.alive || cluster().chance(0.3)) { return status; }
    }
  }
  const SimLink link_;
};

class SimProducer final : public Producer {
 public:
  SimProducer(SimLink link, const Properties& properties, const ClientContext& context)
      : link_(std::move(link)), state_(std::make_shared<State>()) {
    if (const auto id = properties.find("transactional.id"); id != properties.end()) {
      state_->id = id->second;
      timeout_ms_ = std::stoll(properties.at("transaction.timeout.ms"));
    }
    state_->wake = context.wake;
  }
  ~SimProducer() override { state_->wake = nullptr; }

  Result<int32_t> learn_topic(const std::string&, Duration) override {
    TIDEWHEEL_RETURN_IF_ERROR(link_.call([] { return true; }));
    return link_.cluster->partition_count();
  }
  Result<bool> produce(const std::string&, const OutgoingMessage& message) override {
    constexpr int64_t kQueueMax = 6;
    TIDEWHEEL_RETURN_IF_ERROR(link_.gone());
    if (state_->in_flight >= kQueueMax) { return false; }
    SimRecord record;
    record.key = message.key.value_or("");
    record.value = message.value.value_or("");
    const auto hash = hash_bytes(record.key.data(), record.key.size());
    const int32_t partition =
        message.partition != kAnyPartition
            ? message.partition
            : static_cast<int32_t>(hash % static_cast<uint64_t>(link_.cluster->partition_count()));
    ++state_->in_flight;
    const SimTime& time = link_.cluster->time();
    const int64_t at_ns =
        std::max(state_->last_arrival_ns + 1, time.now_ns() + time.draw(0, 2 * kMs));
    state_->last_arrival_ns = at_ns;
    time.call_later(at_ns - time.now_ns(), [link = link_, state = state_, partition, record] {
      arrive(link, *state, partition, record);
    });
    return true;
  }
  Deliveries deliveries() override { return state_->deliveries; }
  int64_t in_flight() const override { return state_->in_flight; }
  Status flush(Duration timeout) override {
    const int64_t deadline_ns = link_.cluster->time().now_ns() + to_ms(timeout) * kMs;
    while (state_->in_flight > 0) {
      // Time does not pass in a dead process: whoever asks again would do so for ever.
      if (const Status gone = link_.gone(); !gone.ok()) {
        ++state_->deliveries.failed;
        return state_->deliveries.first_failure = gone;
      }
      if (link_.cluster->time().now_ns() >= deadline_ns) {
        return unavailable(ErrorId::kKafkaBroker, "flush takes too long");
      }
      link_.wait_ms(1);
    }
    return state_->deliveries.first_failure;
  }
  void purge() override { state_->is_purged = true; }
  Status init_transactions(Duration) override {
    return link_.call([this] {
      return !link_.cluster->is_ending(state_->id) &&
             link_.cluster->initialize(state_->id, timeout_ms_, state_->identity);
    });
  }
  Status begin_transaction() override { return ok_status(); }
  Status commit_transaction(Duration) override {
    return unimplemented(ErrorId::kInternal, "the sink commits by Transactions");
  }
  Status abort_transaction(Duration) override {
    return link_.call([this] {
      if (link_.cluster->owns(state_->id, state_->identity) && link_.cluster->is_open(state_->id)) {
        link_.cluster->end(state_->id, false);
      }
      return true;
    });
  }
  ClientNews news() override { return {}; }

 private:
  struct State {
    std::string id;
    ProducerIdentity identity;
    std::function<void()> wake;
    int64_t in_flight = 0;
    int64_t last_arrival_ns = 0;
    bool is_purged = false;
    Deliveries deliveries;
  };
  static void arrive(const SimLink& link, State& state, int32_t partition,
                     const SimRecord& record) {
    --state.in_flight;
    if (!*link.alive) {
      if (!link.cluster->chance(link.cluster->faults.late_arrival)) { return; }
      ++link.cluster->seen["late arrival"];
    }
    link.cluster->expire();
    const bool is_taken =
        !state.is_purged && link.cluster->append(state.id, state.identity, partition, record);
    if (is_taken) {
      ++state.deliveries.delivered;
    } else if (state.deliveries.failed++ == 0) {
      state.deliveries.first_failure = unavailable(ErrorId::kKafkaFenced, "fenced: {}", state.id);
    }
    if (state.wake && *link.alive) { state.wake(); }
  }

  const SimLink link_;
  const std::shared_ptr<State> state_;
  int64_t timeout_ms_ = 0;
};

class SimClient final : public Client {
 public:
  explicit SimClient(SimLink link) : link_(std::move(link)) {}
  Result<std::unique_ptr<Consumer>> consumer(const Properties&,
                                             const ClientContext&) const override {
    return unimplemented(ErrorId::kInternal, "the simulated cluster is only written to");
  }
  Result<std::unique_ptr<Producer>> producer(const Properties& properties,
                                             const ClientContext& context) const override {
    return std::unique_ptr<Producer>(std::make_unique<SimProducer>(link_, properties, context));
  }
  Result<std::unique_ptr<Admin>> admin(const Properties&, Duration) const override {
    return unimplemented(ErrorId::kInternal, "the simulated cluster is only written to");
  }

 private:
  const SimLink link_;
};

// Has a sink of this process write to the simulated cluster.
inline void use_simulated(SinkOptions& options, const SimLink& link) {
  options.client = std::make_shared<SimClient>(link);
  options.make_transactions = [link](const WireWorld&, const Properties&, Duration,
                                     GiveUp) -> Result<std::unique_ptr<Transactions>> {
    return std::unique_ptr<Transactions>(std::make_unique<SimTransactions>(link));
  };
}

}  // namespace tidewheel::kafka::testing
