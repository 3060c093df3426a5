// ZooKeeper's protocol as bytes, of versions 3.5 and later: what is asked, and what is answered.
// session.h sends and reads it.
//
// Everything is in frames: their size (int32, big-endian, without itself), and so many bytes. Text
// and bytes are their size as int32 (-1: null) and themselves, a list its count as int32.
//   first    to it:  version int32 0, newest zxid seen int64, timeout ms int32, session int64,
//                    password bytes, read-only bool
//            back:   version int32, timeout ms int32 (0: the session is over), session int64,
//                    password bytes, read-only bool (not of old servers)
//   then     to it:  xid int32, opcode int32, what the opcode takes
//            back:   xid int32, zxid int64, error int32, what the opcode gives (nothing with
//            errors)
// Answers come in the order of the questions. Numbers of questions (xid) are above 0; those below
// have their own meaning.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::zookeeper {

enum class Opcode : int32_t {
  kDelete = 2,
  kGetData = 4,
  kSetData = 5,
  kGetChildren = 8,
  kPing = 11,
  kCheck = 13,
  kMulti = 14,
  kCreate = 15,  // which tells the node's Stat, "create2"
  kAuth = 100,
  kSetWatches = 101,
  kSasl = 102,
  kCloseSession = -11,
};

inline constexpr int32_t kEventXid = -1;
inline constexpr int32_t kPingXid = -2;
inline constexpr int32_t kAuthXid = -4;
inline constexpr int32_t kSetWatchesXid = -8;

// Those that are told apart; others come as their numbers.
enum class ErrorCode : int32_t {
  kOk = 0,
  kRuntimeInconsistency = -2,  // in a transaction: a step after the one that failed
  kNoNode = -101,
  kNoAuth = -102,
  kNodeExists = -110,
  kSessionExpired = -112,
  kAuthFailed = -115,
  kSessionMoved = -118,
  kSaslRequired = -124,
};
// "NODE_EXISTS (-110)".
std::string error_text(ErrorCode code);

// ---- What is asked.

struct Greeting {
  int64_t newest_zxid = 0;  // a server that has not come so far hangs up
  int32_t timeout_ms = 0;
  int64_t session = 0;  // 0: a new one
  std::string password = std::string(16, '\0');
};
// The whole frame.
std::string greet(const Greeting& greeting);

struct Request {
  Opcode opcode = Opcode::kPing;
  std::string body = {};
};
// The whole frame.
std::string frame(int32_t xid, const Request& request);

// Who may do what with a node that is made.
enum class Access : uint8_t {
  kOpen,     // everybody everything
  kCreator,  // who has proved to be the same as its maker everything, others nothing
};

// Bits.
inline constexpr int32_t kEphemeral = 1;
inline constexpr int32_t kSequence = 2;

// A step of a transaction has the same bytes as the request of its kind.
Request create(std::string_view path, std::string_view data, Access access, int32_t flags);
Request set_data(std::string_view path, std::string_view data);  // of any version
Request remove(std::string_view path);                           // of any version
Request check_exists(std::string_view path);                     // a step only
Request transaction(const std::vector<Request>& steps);
Request get_data(std::string_view path, bool watches);
Request get_children(std::string_view path, bool watches);
Request authenticate(std::string_view scheme, std::string_view proof);
Request sasl(std::string_view token);
// What has changed since `newest_zxid` is told at once.
Request set_watches(int64_t newest_zxid, const std::vector<std::string>& data,
                    const std::vector<std::string>& children);

// ---- What is answered. A server may have sent anything: kNetworkLost says where the bytes end or
// make no sense.

// Cuts a stream into frames.
class FrameReader {
 public:
  explicit FrameReader(int64_t bytes_max) : bytes_max_(bytes_max) {}
  void add(std::string_view bytes);
  // Without its size; good until more is added. Nothing: it is not whole yet. Errors: kNetworkLost
  // for one that is longer than `bytes_max`.
  Result<std::optional<std::string_view>> next();

 private:
  int64_t bytes_max_;
  std::string bytes_;
  size_t at_ = 0;
};

struct Welcome {
  int32_t timeout_ms = 0;  // 0: the session is over
  int64_t session = 0;
  std::string password;
};
Result<Welcome> read_welcome(std::string_view frame);

struct Answer {
  int32_t xid = 0;
  int64_t zxid = 0;
  ErrorCode error = ErrorCode::kOk;
  std::string body;
};
Result<Answer> read_answer(std::string_view frame);

struct Node {
  std::string path;
  std::string data;
  int64_t created = 0;  // the transaction that has made it
};
Result<Node> read_created(std::string_view body);   // without its data
Result<Node> read_get_data(std::string_view body);  // without its path
Result<std::vector<std::string>> read_children(std::string_view body);
// Of each step.
Result<std::vector<ErrorCode>> read_transaction(std::string_view body);
Result<std::string> read_sasl(std::string_view body);

enum class EventType : int32_t {
  kNone = -1,  // of the session, not of a node
  kNodeCreated = 1,
  kNodeDeleted = 2,
  kNodeDataChanged = 3,
  kNodeChildrenChanged = 4,
};
struct NodeEvent {
  EventType type = EventType::kNone;
  std::string path;
};
Result<NodeEvent> read_event(std::string_view body);

}  // namespace tidewheel::zookeeper
