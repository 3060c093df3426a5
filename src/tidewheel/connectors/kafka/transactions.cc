#include "tidewheel/connectors/kafka/transactions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/base/clock.h"

namespace tidewheel::kafka {
namespace {

using wire::CoordinatorKind;
using wire::ErrorCode;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kFirstPauseMs = 20;
constexpr int64_t kLongestPauseMs = 1'000;
// A topic that has just been made is not known to all brokers at once.
constexpr int64_t kTopicPatienceMs = 10'000;
// Of transactions that are made only to fence others.
constexpr int32_t kFenceTimeoutMs = 60'000;

class WireTransactions final : public Transactions {
 public:
  WireTransactions(const WireWorld& world, WireSettings settings, Duration timeout, GiveUp give_up)
      : client_(world, std::move(settings), std::move(give_up)), timeout_ms_(to_ms(timeout)) {}

  Result<ProducerIdentity> identify(const std::string& transactional_id) override {
    const Attempt attempt = begin();
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::DescribedTransaction described,
        ask<wire::DescribedTransaction>(attempt, CoordinatorKind::kTransaction, transactional_id,
                                        wire::describe_transaction(transactional_id),
                                        wire::read_described_transaction));
    if (described.error == ErrorCode::kNone) { return described.producer; }
    if (described.error == ErrorCode::kTransactionalIdNotFound) {
      return unavailable(ErrorId::kKafkaTransaction,
                         "Kafka does not know the transactional id '{}'", transactional_id);
    }
    return refused(wire::Api::kDescribeTransactions, transactional_id, described.error);
  }

  Status mark(const std::string& transactional_id, const ProducerIdentity& producer,
              const MarkerPlace& place, int64_t value) override {
    const Attempt attempt = begin();
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::Simple added,
        ask<wire::Simple>(attempt, CoordinatorKind::kTransaction, transactional_id,
                          wire::add_offsets_to_transaction(transactional_id, producer, place.group),
                          wire::read_add_offsets));
    TIDEWHEEL_RETURN_IF_ERROR(
        check_not_over(wire::Api::kAddOffsetsToTxn, transactional_id, added.error));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::Simple marked,
        ask<wire::Simple>(
            attempt, CoordinatorKind::kGroup, place.group,
            wire::commit_offset_in_transaction(transactional_id, producer, offset_of(place, value)),
            wire::read_offset_commit));
    if (marked.error == ErrorCode::kUnknownTopicOrPartition) { return no_topic(place); }
    return check_not_over(wire::Api::kTxnOffsetCommit, transactional_id, marked.error);
  }

  Result<bool> commit(const std::string& transactional_id,
                      const ProducerIdentity& producer) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::Simple ended,
        ask<wire::Simple>(begin(), CoordinatorKind::kTransaction, transactional_id,
                          wire::end_transaction(transactional_id, producer, true),
                          wire::read_add_offsets));
    if (ended.error == ErrorCode::kNone) { return true; }
    if (is_over(ended.error)) { return false; }
    return refused(wire::Api::kEndTxn, transactional_id, ended.error);
  }

  Status set_marker(const MarkerPlace& place, int64_t value) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::Simple written,
        ask<wire::Simple>(begin(), CoordinatorKind::kGroup, place.group,
                          wire::commit_offset(offset_of(place, value)), wire::read_offset_commit));
    if (written.error == ErrorCode::kNone) { return ok_status(); }
    if (written.error == ErrorCode::kUnknownTopicOrPartition) { return no_topic(place); }
    return refused(wire::Api::kOffsetCommit, place.group, written.error);
  }

  Result<Marker> marker(const MarkerPlace& place) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::FetchedOffset fetched,
        ask<wire::FetchedOffset>(begin(), CoordinatorKind::kGroup, place.group,
                                 wire::fetch_offset(offset_of(place, 0)),
                                 wire::read_fetched_offset));
    if (fetched.error == ErrorCode::kUnstableOffsetCommit) { return Marker{false, std::nullopt}; }
    if (fetched.error != ErrorCode::kNone) {
      return refused(wire::Api::kOffsetFetch, place.group, fetched.error);
    }
    if (fetched.offset < 0) { return Marker(); }
    return Marker{true, fetched.offset};
  }

  Result<std::vector<std::string>> list(std::string_view prefix) override {
    Attempt attempt = begin();
    std::vector<std::string> ids;
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<NetworkAddress> brokers, all_brokers(attempt));
    for (const NetworkAddress& broker : brokers) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const wire::ListedTransactions listed, list_at(attempt, broker));
      for (const std::string& id : listed.ids) {
        if (id.starts_with(prefix)) { ids.push_back(id); }
      }
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  Status fence(const std::string& transactional_id) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const wire::Initialized fenced,
        ask<wire::Initialized>(begin(), CoordinatorKind::kTransaction, transactional_id,
                               wire::init_producer_id(transactional_id, kFenceTimeoutMs),
                               wire::read_init_producer_id));
    if (fenced.error == ErrorCode::kNone) { return ok_status(); }
    return refused(wire::Api::kInitProducerId, transactional_id, fenced.error);
  }

 private:
  // How long one call of the interface may go on.
  struct Attempt {
    int64_t deadline_ns = 0;
    int64_t topic_deadline_ns = 0;  // for answers that there is no such topic
    int64_t pause_ms = kFirstPauseMs;
  };
  Attempt begin() {
    const int64_t now_ns = client_.clock().now_ns();
    return {now_ns + timeout_ms_ * kNsPerMs, now_ns + kTopicPatienceMs * kNsPerMs, kFirstPauseMs};
  }

  static wire::GroupOffset offset_of(const MarkerPlace& place, int64_t value) {
    return {place.group, place.topic, 0, value};
  }
  // Nobody can do anything any more with the producer that the request named.
  static bool is_over(ErrorCode error) {
    return error == ErrorCode::kInvalidProducerEpoch || error == ErrorCode::kProducerFenced ||
           error == ErrorCode::kInvalidProducerIdMapping || error == ErrorCode::kInvalidTxnState ||
           error == ErrorCode::kUnknownProducerId || error == ErrorCode::kTransactionalIdNotFound;
  }
  static Status refused(wire::Api api, const std::string& what, ErrorCode error) {
    const bool no_access = error == ErrorCode::kGroupAuthorization ||
                           error == ErrorCode::kTransactionalIdAuthorization ||
                           error == ErrorCode::kTopicAuthorization ||
                           error == ErrorCode::kClusterAuthorization;
    const std::string text =
        fmt::format("Kafka refused {} for '{}': {}", api_name(api), what, wire::error_text(error));
    if (no_access) { return failed_precondition(ErrorId::kKafkaAccess, "{}", text); }
    return unavailable(ErrorId::kKafkaBroker, "{}", text);
  }
  static Status no_topic(const MarkerPlace& place) {
    return not_found(ErrorId::kKafkaTopic, "Kafka's brokers have no topic '{}'", place.topic);
  }
  static Status check_not_over(wire::Api api, const std::string& transactional_id,
                               ErrorCode error) {
    if (error == ErrorCode::kNone) { return ok_status(); }
    if (!is_over(error)) { return refused(api, transactional_id, error); }
    return unavailable(ErrorId::kKafkaFenced,
                       "the transaction of '{}' was ended by Kafka, or by another producer of that "
                       "id, before its checkpoint: {}",
                       transactional_id, wire::error_text(error));
  }

  // Asks the coordinator of `key` until it answers with something that asking again does not help.
  template <class Response>
  Result<Response> ask(Attempt attempt, CoordinatorKind kind, const std::string& key,
                       const wire::Request& request,
                       Result<Response> (*read)(std::string_view body)) {
    while (true) {
      Result<Response> response = ask_once(attempt, kind, key, request, read);
      if (response.ok() && !is_retriable(response->error)) { return response; }
      if (response.ok() && response->error == ErrorCode::kUnknownTopicOrPartition &&
          client_.clock().now_ns() >= attempt.topic_deadline_ns) {
        return response;
      }
      if (!response.ok() && !may_help(response.status())) { return response; }
      if (!response.ok() || names_wrong_coordinator(response->error)) {
        coordinators_.erase({kind, key});
      }
      if (client_.clock().now_ns() >= attempt.deadline_ns) {
        return response.ok() ? Result<Response>(refused(request.api, key, response->error))
                             : std::move(response);
      }
      TIDEWHEEL_RETURN_IF_ERROR(pause(attempt));
    }
  }
  template <class Response>
  Result<Response> ask_once(Attempt& attempt, CoordinatorKind kind, const std::string& key,
                            const wire::Request& request,
                            Result<Response> (*read)(std::string_view body)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NetworkAddress broker, coordinator(attempt, kind, key));
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string body,
                               client_.call(broker, request, attempt.deadline_ns));
    return read(body);
  }

  static bool may_help(const Status& failure) {
    return failure.code() == StatusCode::kUnavailable ||
           failure.code() == StatusCode::kDeadlineExceeded;
  }
  Status pause(Attempt& attempt) {
    const int64_t ms =
        std::exchange(attempt.pause_ms, std::min(attempt.pause_ms * 2, kLongestPauseMs));
    return client_.pause(ms);
  }

  // Brokers that may know others: those of the properties first.
  Result<NetworkAddress> coordinator(Attempt& attempt, CoordinatorKind kind,
                                     const std::string& key) {
    if (const auto known = coordinators_.find({kind, key}); known != coordinators_.end()) {
      return known->second;
    }
    Status failure;
    for (const NetworkAddress& broker : client_.settings().bootstrap) {
      const Result<std::string> body =
          client_.call(broker, wire::find_coordinator(kind, key), attempt.deadline_ns);
      if (!body.ok()) {
        failure = body.status();
        if (!may_help(failure)) { return failure; }
        continue;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const wire::Coordinator found, wire::read_coordinator(*body));
      if (found.error == ErrorCode::kNone) { return coordinators_[{kind, key}] = found.address; }
      failure = refused(wire::Api::kFindCoordinator, key, found.error);
      if (!is_retriable(found.error)) { return failure; }
    }
    return failure;
  }

  Result<std::vector<NetworkAddress>> all_brokers(Attempt& attempt) {
    while (true) {
      Status failure;
      for (const NetworkAddress& broker : client_.settings().bootstrap) {
        const Result<std::string> body = client_.call(broker, wire::brokers(), attempt.deadline_ns);
        if (body.ok()) {
          TIDEWHEEL_ASSIGN_OR_RETURN(wire::Brokers found, wire::read_brokers(*body));
          if (!found.addresses.empty()) { return std::move(found.addresses); }
          failure = unavailable(ErrorId::kKafkaBroker, "Kafka's broker {} knows of no brokers",
                                broker.to_string());
        } else {
          failure = body.status();
        }
        if (!may_help(failure)) { return failure; }
      }
      if (client_.clock().now_ns() >= attempt.deadline_ns) { return failure; }
      TIDEWHEEL_RETURN_IF_ERROR(pause(attempt));
    }
  }
  // A broker that can't be asked may be the one that knows: all have to answer.
  Result<wire::ListedTransactions> list_at(Attempt& attempt, const NetworkAddress& broker) {
    while (true) {
      const Result<std::string> body =
          client_.call(broker, wire::list_transactions(), attempt.deadline_ns);
      Status failure = body.status();
      if (body.ok()) {
        TIDEWHEEL_ASSIGN_OR_RETURN(wire::ListedTransactions listed,
                                   wire::read_listed_transactions(*body));
        if (listed.error == ErrorCode::kNone) { return listed; }
        failure = refused(wire::Api::kListTransactions, broker.to_string(), listed.error);
        if (!is_retriable(listed.error)) { return failure; }
      }
      if (!may_help(failure) || client_.clock().now_ns() >= attempt.deadline_ns) { return failure; }
      TIDEWHEEL_RETURN_IF_ERROR(pause(attempt));
    }
  }

  WireClient client_;
  const int64_t timeout_ms_;
  std::map<std::pair<CoordinatorKind, std::string>, NetworkAddress> coordinators_;
};

}  // namespace

Result<std::unique_ptr<Transactions>> wire_transactions(const WireWorld& world,
                                                        const Properties& properties,
                                                        Duration timeout, GiveUp give_up) {
  TIDEWHEEL_ASSIGN_OR_RETURN(WireSettings settings, WireSettings::from(properties));
  return std::unique_ptr<Transactions>(
      std::make_unique<WireTransactions>(world, std::move(settings), timeout, std::move(give_up)));
}

}  // namespace tidewheel::kafka
