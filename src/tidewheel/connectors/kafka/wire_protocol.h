// The few requests of Kafka's protocol that librdkafka has no calls for: those that describe and
// end transactions of other processes, and read and write the offsets that mark them. Bytes only;
// wire_client.h sends them.
//
// A frame is its size (4 bytes, big-endian, without itself), then a header, then a body:
//   request  api key int16, version int16, correlation id int32, client id string, [tags]
//   response correlation id int32, [tags]
// A string is its size as int16 (-1: null) and bytes; an array its count as int32. Versions that
// the protocol calls flexible ("compact" below) have both as a varint of one more (0: null), and
// end each structure with a count of tagged fields. The versions here are in every broker from 3.0
// to 4.1.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"

namespace tidewheel::kafka::wire {

enum class Api : int16_t {
  kMetadata = 3,
  kOffsetCommit = 8,
  kOffsetFetch = 9,
  kFindCoordinator = 10,
  kSaslHandshake = 17,
  kApiVersions = 18,
  kInitProducerId = 22,
  kAddOffsetsToTxn = 25,
  kEndTxn = 26,
  kTxnOffsetCommit = 28,
  kSaslAuthenticate = 36,
  kDescribeTransactions = 65,
  kListTransactions = 66,
};
std::string_view api_name(Api api);

// Answers that the connector tells apart; the numbers are the protocol's.
enum class ErrorCode : int16_t {
  kNone = 0,
  kUnknownTopicOrPartition = 3,
  kNotLeader = 6,
  kRequestTimedOut = 7,
  kNetworkException = 13,
  kCoordinatorLoading = 14,
  kCoordinatorNotAvailable = 15,
  kNotCoordinator = 16,
  kTopicAuthorization = 29,
  kGroupAuthorization = 30,
  kClusterAuthorization = 31,
  kUnsupportedSaslMechanism = 33,
  kUnsupportedVersion = 35,
  kInvalidProducerEpoch = 47,
  kInvalidTxnState = 48,
  kInvalidProducerIdMapping = 49,
  kInvalidTransactionTimeout = 50,
  kConcurrentTransactions = 51,
  kTransactionalIdAuthorization = 53,
  kSaslAuthenticationFailed = 58,
  kUnknownProducerId = 59,
  kUnstableOffsetCommit = 88,
  kProducerFenced = 90,
  kTransactionalIdNotFound = 105,
};
// "INVALID_PRODUCER_EPOCH (47)".
std::string error_text(ErrorCode code);
// What the caller can do: asking again, perhaps another broker, may help.
bool is_retriable(ErrorCode code);
// Of these, the answer was that the broker asked is not the coordinator (any more).
bool names_wrong_coordinator(ErrorCode code);

// ---- What is asked.

struct Request {
  Api api = Api::kApiVersions;
  int16_t version = 0;
  std::string body;
};
// The whole frame, with its size.
std::string frame(const Request& request, int32_t correlation, std::string_view client_id);

struct ProducerIdentity {
  int64_t id = -1;
  int16_t epoch = -1;
  friend bool operator==(const ProducerIdentity&, const ProducerIdentity&) = default;
};

// One partition's offset within a group.
struct GroupOffset {
  std::string group;
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
};

enum class CoordinatorKind : int8_t { kGroup = 0, kTransaction = 1 };

Request api_versions();
Request brokers();  // Metadata, for no topic
Request find_coordinator(CoordinatorKind kind, std::string_view key);
// Fences who has the id, and ends its transaction.
Request init_producer_id(std::string_view transactional_id, int32_t timeout_ms);
Request add_offsets_to_transaction(std::string_view transactional_id,
                                   const ProducerIdentity& producer, std::string_view group);
Request commit_offset_in_transaction(std::string_view transactional_id,
                                     const ProducerIdentity& producer, const GroupOffset& offset);
Request end_transaction(std::string_view transactional_id, const ProducerIdentity& producer,
                        bool commit);
Request commit_offset(const GroupOffset& offset);
Request fetch_offset(const GroupOffset& of);  // waits for open transactions: kUnstableOffsetCommit
Request describe_transaction(std::string_view transactional_id);
Request list_transactions();
Request sasl_handshake(std::string_view mechanism);
Request sasl_authenticate(std::string_view bytes);

// ---- What is answered. Each reads the body of a response to the request of its name, of which a
// broker may have made anything: kNetworkLost says where the bytes end or make no sense. An error
// code of the whole response is in `error`.

struct Simple {
  ErrorCode error = ErrorCode::kNone;
};
struct ApiVersions {
  ErrorCode error = ErrorCode::kNone;
  struct Range {
    int16_t api = 0;
    int16_t min = 0;
    int16_t max = 0;
  };
  std::vector<Range> ranges;
};
struct Brokers {
  std::vector<NetworkAddress> addresses;
};
struct Coordinator {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
  NetworkAddress address;
};
struct Initialized {
  ErrorCode error = ErrorCode::kNone;
  ProducerIdentity producer;
};
struct FetchedOffset {
  ErrorCode error = ErrorCode::kNone;
  int64_t offset = -1;  // -1: there is none
};
struct DescribedTransaction {
  ErrorCode error = ErrorCode::kNone;
  std::string state;  // "Ongoing", "Empty", ..
  int64_t start_ms = -1;
  ProducerIdentity producer;
};
struct ListedTransactions {
  ErrorCode error = ErrorCode::kNone;
  std::vector<std::string> ids;
};
struct SaslAnswer {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
  std::string bytes;
};

Result<ApiVersions> read_api_versions(std::string_view body);
Result<Brokers> read_brokers(std::string_view body);
Result<Coordinator> read_coordinator(std::string_view body);
Result<Initialized> read_init_producer_id(std::string_view body);
Result<Simple> read_add_offsets(std::string_view body);    // and EndTxn's, which has the same form
Result<Simple> read_offset_commit(std::string_view body);  // in a transaction or not
Result<FetchedOffset> read_fetched_offset(std::string_view body);
Result<DescribedTransaction> read_described_transaction(std::string_view body);
Result<ListedTransactions> read_listed_transactions(std::string_view body);
Result<Simple> read_sasl_handshake(std::string_view body);
Result<SaslAnswer> read_sasl_answer(std::string_view body);

// The body behind the header of a response to `request`, whose frame without its size this is.
// Errors: kNetworkLost, also for another correlation id.
Result<std::string_view> open_response(const Request& request, int32_t correlation,
                                       std::string_view response);

// Largest response that is taken; ListTransactions of a large cluster has some megabytes.
inline constexpr int32_t kResponseBytesMax = 64 << 20;

}  // namespace tidewheel::kafka::wire
