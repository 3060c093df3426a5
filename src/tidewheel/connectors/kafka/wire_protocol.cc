#include "tidewheel/connectors/kafka/wire_protocol.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/big_endian.h"

namespace tidewheel::kafka::wire {
namespace {

// ---- Writing

class Bytes : public BigEndianWriter {
 public:
  void text(std::string_view text) {
    integer(static_cast<int16_t>(text.size()));
    out_ += text;
  }
  void null_text() { integer(int16_t{-1}); }
  void count(int32_t count) { integer(count); }
  // Of flexible versions.
  void varint(uint32_t value) {
    for (; value >= 0x80; value >>= 7) { out_ += static_cast<char>(value | 0x80); }
    out_ += static_cast<char>(value);
  }
  void compact_text(std::string_view text) {
    varint(static_cast<uint32_t>(text.size()) + 1);
    out_ += text;
  }
  void compact_count(uint32_t count) { varint(count + 1); }
  void no_tags() { varint(0); }
};

// Whether the version of a request is one of those that the protocol calls flexible.
bool is_flexible(const Request& request) {
  switch (request.api) {
    case Api::kDescribeTransactions:
    case Api::kListTransactions: return true;
    case Api::kOffsetFetch: return request.version >= 6;
    default: return false;
  }
}

// ---- Reading

class Cursor : public BigEndianReader {
 public:
  using BigEndianReader::BigEndianReader;

  ErrorCode error() { return static_cast<ErrorCode>(integer<int16_t>()); }
  std::string text() {  // null is empty
    const auto size = integer<int16_t>();
    return size < 0 ? std::string() : raw(static_cast<size_t>(size));
  }
  uint32_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (!take(1)) { return 0; }
      const auto byte = static_cast<unsigned char>(bytes_[at_ - 1]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        if (value > UINT32_MAX) { break; }
        return static_cast<uint32_t>(value);
      }
    }
    damage("a number of more than 32 bits");
    return 0;
  }
  std::string compact_text() {
    const uint32_t size = varint();
    return size == 0 ? std::string() : raw(size - 1);
  }
  size_t compact_count() {
    const uint32_t count = varint();
    return count == 0 ? 0 : checked_count(count - 1);
  }
  void tags() {
    for (uint32_t left = varint(); left > 0 && ok(); --left) {
      varint();
      skip(varint());
    }
  }

  // The value, if all reads were good.
  template <class T>
  Result<T> give(T value) const {
    if (what_ == nullptr) { return value; }
    return unavailable(ErrorId::kNetworkLost,
                       "a Kafka broker's response makes no sense: {}, at byte {} of {}", what_, at_,
                       bytes_.size());
  }
};

struct ErrorName {
  ErrorCode code;
  std::string_view name;
};
constexpr ErrorName kErrorNames[] = {
    {ErrorCode::kNone, "NONE"},
    {ErrorCode::kUnknownTopicOrPartition, "UNKNOWN_TOPIC_OR_PARTITION"},
    {ErrorCode::kNotLeader, "NOT_LEADER_OR_FOLLOWER"},
    {ErrorCode::kRequestTimedOut, "REQUEST_TIMED_OUT"},
    {ErrorCode::kNetworkException, "NETWORK_EXCEPTION"},
    {ErrorCode::kCoordinatorLoading, "COORDINATOR_LOAD_IN_PROGRESS"},
    {ErrorCode::kCoordinatorNotAvailable, "COORDINATOR_NOT_AVAILABLE"},
    {ErrorCode::kNotCoordinator, "NOT_COORDINATOR"},
    {ErrorCode::kTopicAuthorization, "TOPIC_AUTHORIZATION_FAILED"},
    {ErrorCode::kGroupAuthorization, "GROUP_AUTHORIZATION_FAILED"},
    {ErrorCode::kClusterAuthorization, "CLUSTER_AUTHORIZATION_FAILED"},
    {ErrorCode::kUnsupportedSaslMechanism, "UNSUPPORTED_SASL_MECHANISM"},
    {ErrorCode::kUnsupportedVersion, "UNSUPPORTED_VERSION"},
    {ErrorCode::kInvalidProducerEpoch, "INVALID_PRODUCER_EPOCH"},
    {ErrorCode::kInvalidTxnState, "INVALID_TXN_STATE"},
    {ErrorCode::kInvalidProducerIdMapping, "INVALID_PRODUCER_ID_MAPPING"},
    {ErrorCode::kInvalidTransactionTimeout, "INVALID_TRANSACTION_TIMEOUT"},
    {ErrorCode::kConcurrentTransactions, "CONCURRENT_TRANSACTIONS"},
    {ErrorCode::kTransactionalIdAuthorization, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"},
    {ErrorCode::kSaslAuthenticationFailed, "SASL_AUTHENTICATION_FAILED"},
    {ErrorCode::kUnknownProducerId, "UNKNOWN_PRODUCER_ID"},
    {ErrorCode::kUnstableOffsetCommit, "UNSTABLE_OFFSET_COMMIT"},
    {ErrorCode::kProducerFenced, "PRODUCER_FENCED"},
    {ErrorCode::kTransactionalIdNotFound, "TRANSACTIONAL_ID_NOT_FOUND"},
};

// The error codes of a response's partitions: the first that is one.
void note_error(ErrorCode& first, ErrorCode error) {
  if (first == ErrorCode::kNone) { first = error; }
}

}  // namespace

std::string_view api_name(Api api) {
  switch (api) {
    case Api::kMetadata: return "Metadata";
    case Api::kOffsetCommit: return "OffsetCommit";
    case Api::kOffsetFetch: return "OffsetFetch";
    case Api::kFindCoordinator: return "FindCoordinator";
    case Api::kSaslHandshake: return "SaslHandshake";
    case Api::kApiVersions: return "ApiVersions";
    case Api::kInitProducerId: return "InitProducerId";
    case Api::kAddOffsetsToTxn: return "AddOffsetsToTxn";
    case Api::kEndTxn: return "EndTxn";
    case Api::kTxnOffsetCommit: return "TxnOffsetCommit";
    case Api::kSaslAuthenticate: return "SaslAuthenticate";
    case Api::kDescribeTransactions: return "DescribeTransactions";
    case Api::kListTransactions: return "ListTransactions";
  }
  return "?";
}

std::string error_text(ErrorCode code) {
  for (const ErrorName& one : kErrorNames) {
    if (one.code == code) { return fmt::format("{} ({})", one.name, static_cast<int>(code)); }
  }
  return fmt::format("error {} of Kafka's protocol", static_cast<int>(code));
}

bool is_retriable(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kNotLeader:
    case ErrorCode::kRequestTimedOut:
    case ErrorCode::kNetworkException:
    case ErrorCode::kCoordinatorLoading:
    case ErrorCode::kConcurrentTransactions: return true;
    default: return names_wrong_coordinator(code);
  }
}

bool names_wrong_coordinator(ErrorCode code) {
  return code == ErrorCode::kNotCoordinator || code == ErrorCode::kCoordinatorNotAvailable;
}

std::string frame(const Request& request, int32_t correlation, std::string_view client_id) {
  Bytes header;
  header.integer(static_cast<int16_t>(request.api));
  header.integer(request.version);
  header.integer(correlation);
  header.text(client_id);
  if (is_flexible(request)) { header.no_tags(); }
  const std::string head = header.take();
  Bytes out;
  out.integer(static_cast<int32_t>(head.size() + request.body.size()));
  return out.take() + head + request.body;
}

Result<std::string_view> open_response(const Request& request, int32_t correlation,
                                       std::string_view response) {
  Cursor in(response);
  const auto answered = in.integer<int32_t>();
  if (in.ok() && answered != correlation) { in.damage("it answers another request"); }
  if (is_flexible(request)) { in.tags(); }
  return in.give(in.rest());
}

// ---- Requests

Request api_versions() { return {Api::kApiVersions, 0, {}}; }

Request brokers() {
  Bytes body;
  body.count(0);  // topics
  return {Api::kMetadata, 1, body.take()};
}

Request find_coordinator(CoordinatorKind kind, std::string_view key) {
  Bytes body;
  body.text(key);
  body.integer(static_cast<int8_t>(kind));
  return {Api::kFindCoordinator, 1, body.take()};
}

Request init_producer_id(std::string_view transactional_id, int32_t timeout_ms) {
  Bytes body;
  body.text(transactional_id);
  body.integer(timeout_ms);
  return {Api::kInitProducerId, 1, body.take()};
}

Request add_offsets_to_transaction(std::string_view transactional_id,
                                   const ProducerIdentity& producer, std::string_view group) {
  Bytes body;
  body.text(transactional_id);
  body.integer(producer.id);
  body.integer(producer.epoch);
  body.text(group);
  return {Api::kAddOffsetsToTxn, 1, body.take()};
}

Request commit_offset_in_transaction(std::string_view transactional_id,
                                     const ProducerIdentity& producer, const GroupOffset& offset) {
  Bytes body;
  body.text(transactional_id);
  body.text(offset.group);
  body.integer(producer.id);
  body.integer(producer.epoch);
  body.count(1);
  body.text(offset.topic);
  body.count(1);
  body.integer(offset.partition);
  body.integer(offset.offset);
  body.integer(int32_t{-1});  // leader epoch
  body.null_text();           // metadata
  return {Api::kTxnOffsetCommit, 2, body.take()};
}

Request end_transaction(std::string_view transactional_id, const ProducerIdentity& producer,
                        bool commit) {
  Bytes body;
  body.text(transactional_id);
  body.integer(producer.id);
  body.integer(producer.epoch);
  body.integer(static_cast<int8_t>(commit ? 1 : 0));
  return {Api::kEndTxn, 1, body.take()};
}

// As a group without members does.
Request commit_offset(const GroupOffset& offset) {
  Bytes body;
  body.text(offset.group);
  body.integer(int32_t{-1});  // generation
  body.text("");              // member
  body.count(1);
  body.text(offset.topic);
  body.count(1);
  body.integer(offset.partition);
  body.integer(offset.offset);
  body.text("");  // metadata
  return {Api::kOffsetCommit, 5, body.take()};
}

Request fetch_offset(const GroupOffset& of) {
  Bytes body;
  body.compact_text(of.group);
  body.compact_count(1);
  body.compact_text(of.topic);
  body.compact_count(1);
  body.integer(of.partition);
  body.no_tags();
  body.integer(int8_t{1});  // require stable
  body.no_tags();
  return {Api::kOffsetFetch, 7, body.take()};
}

Request describe_transaction(std::string_view transactional_id) {
  Bytes body;
  body.compact_count(1);
  body.compact_text(transactional_id);
  body.no_tags();
  return {Api::kDescribeTransactions, 0, body.take()};
}

Request list_transactions() {
  Bytes body;
  body.compact_count(0);  // states
  body.compact_count(0);  // producers
  body.no_tags();
  return {Api::kListTransactions, 0, body.take()};
}

Request sasl_handshake(std::string_view mechanism) {
  Bytes body;
  body.text(mechanism);
  return {Api::kSaslHandshake, 1, body.take()};
}

Request sasl_authenticate(std::string_view bytes) {
  Bytes body;
  body.bytes(bytes);
  return {Api::kSaslAuthenticate, 0, body.take()};
}

// ---- Responses

Result<ApiVersions> read_api_versions(std::string_view body) {
  Cursor in(body);
  ApiVersions versions;
  versions.error = in.error();
  for (size_t left = in.count(); left > 0 && in.ok(); --left) {
    ApiVersions::Range range;
    range.api = in.integer<int16_t>();
    range.min = in.integer<int16_t>();
    range.max = in.integer<int16_t>();
    versions.ranges.push_back(range);
  }
  return in.give(std::move(versions));
}

Result<Brokers> read_brokers(std::string_view body) {
  Cursor in(body);
  Brokers brokers;
  for (size_t left = in.count(); left > 0 && in.ok(); --left) {
    in.skip(4);  // node id
    NetworkAddress address;
    address.host = in.text();
    const auto port = in.integer<int32_t>();
    if (port < 0 || port > 65535) { in.damage("a port that can't be"); }
    address.port = static_cast<uint16_t>(port);
    in.text();  // rack
    brokers.addresses.push_back(std::move(address));
  }
  return in.give(std::move(brokers));
}

Result<Coordinator> read_coordinator(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  Coordinator coordinator;
  coordinator.error = in.error();
  coordinator.message = in.text();
  in.skip(4);  // node id
  coordinator.address.host = in.text();
  const auto port = in.integer<int32_t>();
  if (port > 65535) { in.damage("a port that can't be"); }
  coordinator.address.port = static_cast<uint16_t>(std::max(port, 0));
  return in.give(std::move(coordinator));
}

Result<Initialized> read_init_producer_id(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  Initialized initialized;
  initialized.error = in.error();
  initialized.producer.id = in.integer<int64_t>();
  initialized.producer.epoch = in.integer<int16_t>();
  return in.give(initialized);
}

Result<Simple> read_add_offsets(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  return in.give(Simple{in.error()});
}

Result<Simple> read_offset_commit(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  Simple answer;
  for (size_t topics = in.count(); topics > 0 && in.ok(); --topics) {
    in.text();
    for (size_t partitions = in.count(); partitions > 0 && in.ok(); --partitions) {
      in.skip(4);  // partition
      note_error(answer.error, in.error());
    }
  }
  return in.give(answer);
}

Result<FetchedOffset> read_fetched_offset(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  FetchedOffset fetched;
  for (size_t topics = in.compact_count(); topics > 0 && in.ok(); --topics) {
    in.compact_text();
    for (size_t partitions = in.compact_count(); partitions > 0 && in.ok(); --partitions) {
      in.skip(4);  // partition
      fetched.offset = in.integer<int64_t>();
      in.skip(4);         // leader epoch
      in.compact_text();  // metadata
      note_error(fetched.error, in.error());
      in.tags();
    }
    in.tags();
  }
  note_error(fetched.error, in.error());
  in.tags();
  return in.give(fetched);
}

Result<DescribedTransaction> read_described_transaction(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  DescribedTransaction described;
  described.error = ErrorCode::kTransactionalIdNotFound;
  for (size_t states = in.compact_count(); states > 0 && in.ok(); --states) {
    described.error = in.error();
    in.compact_text();  // transactional id
    described.state = in.compact_text();
    in.skip(4);  // timeout
    described.start_ms = in.integer<int64_t>();
    described.producer.id = in.integer<int64_t>();
    described.producer.epoch = in.integer<int16_t>();
    for (size_t topics = in.compact_count(); topics > 0 && in.ok(); --topics) {
      in.compact_text();
      for (size_t left = in.compact_count(); left > 0 && in.ok(); --left) { in.skip(4); }
      in.tags();
    }
    in.tags();
  }
  in.tags();
  return in.give(std::move(described));
}

Result<ListedTransactions> read_listed_transactions(std::string_view body) {
  Cursor in(body);
  in.skip(4);  // throttle time
  ListedTransactions listed;
  listed.error = in.error();
  for (size_t left = in.compact_count(); left > 0 && in.ok(); --left) { in.compact_text(); }
  for (size_t left = in.compact_count(); left > 0 && in.ok(); --left) {
    listed.ids.push_back(in.compact_text());
    in.skip(8);         // producer id
    in.compact_text();  // state
    in.tags();
  }
  in.tags();
  return in.give(std::move(listed));
}

Result<Simple> read_sasl_handshake(std::string_view body) {
  Cursor in(body);
  Simple answer{in.error()};
  for (size_t left = in.count(); left > 0 && in.ok(); --left) { in.text(); }
  return in.give(answer);
}

Result<SaslAnswer> read_sasl_answer(std::string_view body) {
  Cursor in(body);
  SaslAnswer answer;
  answer.error = in.error();
  answer.message = in.text();
  answer.bytes = in.bytes();
  return in.give(std::move(answer));
}

}  // namespace tidewheel::kafka::wire
