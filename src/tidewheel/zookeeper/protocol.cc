#include "tidewheel/zookeeper/protocol.h"

#include <utility>

#include "tidewheel/base/big_endian.h"

namespace tidewheel::zookeeper {
namespace {

constexpr int32_t kAnyVersion = -1;
constexpr int32_t kAllPermissions = 31;
constexpr Opcode kErrorStep{-1};  // of a step's answer
constexpr size_t kSizeBytes = 4;
// A node's Stat: czxid, mzxid, ctime, mtime as int64; version, cversion, aversion as int32;
// ephemeral owner as int64; two counts as int32; pzxid as int64. The czxid alone is of interest.
constexpr size_t kStatBytes = 68;
constexpr size_t kStatBytesBehindCzxid = kStatBytes - 8;

class Record : public BigEndianWriter {
 public:
  void boolean(bool value) { integer(static_cast<uint8_t>(value ? 1 : 0)); }
  void texts(const std::vector<std::string>& texts) {
    integer(static_cast<int32_t>(texts.size()));
    for (const std::string& text : texts) { bytes(text); }
  }
  void append(std::string_view more) { out_ += more; }
};

class Cursor : public BigEndianReader {
 public:
  using BigEndianReader::BigEndianReader;

  ErrorCode error() { return static_cast<ErrorCode>(integer<int32_t>()); }
  bool boolean() { return integer<uint8_t>() != 0; }
  int64_t czxid_of_stat() {
    const auto czxid = integer<int64_t>();
    skip(kStatBytesBehindCzxid);
    return czxid;
  }

  // The value, if all reads were good.
  template <class T>
  Result<T> give(T value) const {
    if (what_ == nullptr) { return value; }
    return unavailable(ErrorId::kNetworkLost,
                       "what ZooKeeper has sent makes no sense: {}, at byte {} of {}", what_, at_,
                       bytes_.size());
  }
};

std::string framed(const std::string& record) {
  Record out;
  out.bytes(record);
  return out.take();
}

struct ErrorName {
  int32_t code;
  std::string_view name;
};
constexpr ErrorName kErrorNames[] = {
    {-1, "SYSTEM_ERROR"},
    {-2, "RUNTIME_INCONSISTENCY"},
    {-3, "DATA_INCONSISTENCY"},
    {-4, "CONNECTION_LOSS"},
    {-5, "MARSHALLING_ERROR"},
    {-6, "UNIMPLEMENTED"},
    {-7, "OPERATION_TIMEOUT"},
    {-8, "BAD_ARGUMENTS"},
    {-13, "NEW_CONFIG_NO_QUORUM"},
    {-14, "RECONFIG_IN_PROGRESS"},
    {-101, "NO_NODE"},
    {-102, "NO_AUTH"},
    {-103, "BAD_VERSION"},
    {-108, "NO_CHILDREN_FOR_EPHEMERALS"},
    {-110, "NODE_EXISTS"},
    {-111, "NOT_EMPTY"},
    {-112, "SESSION_EXPIRED"},
    {-113, "INVALID_CALLBACK"},
    {-114, "INVALID_ACL"},
    {-115, "AUTH_FAILED"},
    {-118, "SESSION_MOVED"},
    {-119, "NOT_READ_ONLY"},
    {-120, "EPHEMERAL_ON_LOCAL_SESSION"},
    {-122, "REQUEST_TIMEOUT"},
    {-124, "SESSION_CLOSED_REQUIRE_SASL_AUTH"},
    {-125, "QUOTA_EXCEEDED"},
    {-127, "THROTTLED_OP"},
};

}  // namespace

std::string error_text(ErrorCode code) {
  const auto number = static_cast<int32_t>(code);
  for (const ErrorName& known : kErrorNames) {
    if (known.code == number) { return fmt::format("{} ({})", known.name, number); }
  }
  return fmt::format("error {}", number);
}

// ---- What is asked.

std::string greet(const Greeting& greeting) {
  Record out;
  out.integer(int32_t{0});
  out.integer(greeting.newest_zxid);
  out.integer(greeting.timeout_ms);
  out.integer(greeting.session);
  out.bytes(greeting.password);
  out.boolean(false);
  return framed(out.take());
}

std::string frame(int32_t xid, const Request& request) {
  Record out;
  out.integer(xid);
  out.integer(static_cast<int32_t>(request.opcode));
  out.append(request.body);
  return framed(out.take());
}

Request create(std::string_view path, std::string_view data, Access access, int32_t flags) {
  Record out;
  out.bytes(path);
  out.bytes(data);
  out.integer(int32_t{1});  // one rule
  out.integer(kAllPermissions);
  out.bytes(access == Access::kOpen ? "world" : "auth");
  out.bytes(access == Access::kOpen ? "anyone" : "");
  out.integer(flags);
  return {Opcode::kCreate, out.take()};
}

Request set_data(std::string_view path, std::string_view data) {
  Record out;
  out.bytes(path);
  out.bytes(data);
  out.integer(kAnyVersion);
  return {Opcode::kSetData, out.take()};
}

Request remove(std::string_view path) {
  Record out;
  out.bytes(path);
  out.integer(kAnyVersion);
  return {Opcode::kDelete, out.take()};
}

Request check_exists(std::string_view path) {
  Record out;
  out.bytes(path);
  out.integer(kAnyVersion);
  return {Opcode::kCheck, out.take()};
}

Request transaction(const std::vector<Request>& steps) {
  // Before each step, and behind the last: opcode int32, whether it is over, an error that means
  // nothing here.
  Record out;
  for (const Request& step : steps) {
    out.integer(static_cast<int32_t>(step.opcode));
    out.boolean(false);
    out.integer(int32_t{-1});
    out.append(step.body);
  }
  out.integer(int32_t{-1});
  out.boolean(true);
  out.integer(int32_t{-1});
  return {Opcode::kMulti, out.take()};
}

Request get_data(std::string_view path, bool watches) {
  Record out;
  out.bytes(path);
  out.boolean(watches);
  return {Opcode::kGetData, out.take()};
}

Request get_children(std::string_view path, bool watches) {
  Record out;
  out.bytes(path);
  out.boolean(watches);
  return {Opcode::kGetChildren, out.take()};
}

Request authenticate(std::string_view scheme, std::string_view proof) {
  Record out;
  out.integer(int32_t{0});
  out.bytes(scheme);
  out.bytes(proof);
  return {Opcode::kAuth, out.take()};
}

Request sasl(std::string_view token) {
  Record out;
  out.bytes(token);
  return {Opcode::kSasl, out.take()};
}

Request set_watches(int64_t newest_zxid, const std::vector<std::string>& data,
                    const std::vector<std::string>& children) {
  Record out;
  out.integer(newest_zxid);
  out.texts(data);
  out.texts({});  // on nodes that are not there
  out.texts(children);
  return {Opcode::kSetWatches, out.take()};
}

// ---- What is answered.

void FrameReader::add(std::string_view bytes) {
  bytes_.erase(0, std::exchange(at_, 0));
  bytes_ += bytes;
}

Result<std::optional<std::string_view>> FrameReader::next() {
  const std::string_view left = std::string_view(bytes_).substr(at_);
  if (left.size() < kSizeBytes) { return std::optional<std::string_view>(); }
  const int64_t size = BigEndianReader(left).integer<int32_t>();
  if (size < 0 || size > bytes_max_) {
    return unavailable(ErrorId::kNetworkLost,
                       "an answer of {} bytes, where {} are taken (jute.maxbuffer): is this a "
                       "server of ZooKeeper, and the port the right one for TLS, or without?",
                       size, bytes_max_);
  }
  if (left.size() - kSizeBytes < static_cast<size_t>(size)) {
    return std::optional<std::string_view>();
  }
  at_ += kSizeBytes + static_cast<size_t>(size);
  return std::optional<std::string_view>(left.substr(kSizeBytes, static_cast<size_t>(size)));
}

Result<Welcome> read_welcome(std::string_view frame) {
  Cursor in(frame);
  Welcome welcome;
  in.skip(4);  // the version
  welcome.timeout_ms = in.integer<int32_t>();
  welcome.session = in.integer<int64_t>();
  welcome.password = in.bytes();
  return in.give(std::move(welcome));
}

Result<Answer> read_answer(std::string_view frame) {
  Cursor in(frame);
  Answer answer;
  answer.xid = in.integer<int32_t>();
  answer.zxid = in.integer<int64_t>();
  answer.error = in.error();
  answer.body = in.rest();
  return in.give(std::move(answer));
}

Result<Node> read_created(std::string_view body) {
  Cursor in(body);
  Node node;
  node.path = in.bytes();
  node.created = in.czxid_of_stat();
  return in.give(std::move(node));
}

Result<Node> read_get_data(std::string_view body) {
  Cursor in(body);
  Node node;
  node.data = in.bytes();
  node.created = in.czxid_of_stat();
  return in.give(std::move(node));
}

Result<std::vector<std::string>> read_children(std::string_view body) {
  Cursor in(body);
  std::vector<std::string> names;
  for (size_t left = in.count(); left > 0 && in.ok(); --left) { names.push_back(in.bytes()); }
  return in.give(std::move(names));
}

Result<std::vector<ErrorCode>> read_transaction(std::string_view body) {
  Cursor in(body);
  std::vector<ErrorCode> steps;
  while (in.ok()) {
    const auto kind = static_cast<Opcode>(in.integer<int32_t>());
    const bool is_over = in.boolean();
    in.skip(4);  // the error, which an error step has once more
    if (is_over || !in.ok()) { break; }
    if (kind == kErrorStep) {
      steps.push_back(in.error());
      continue;
    }
    switch (kind) {
      case Opcode::kCheck:
      case Opcode::kDelete: break;
      case Opcode::kSetData: in.skip(kStatBytes); break;
      case Opcode::kCreate:
        in.bytes();
        in.skip(kStatBytes);
        break;
      default: in.damage("a step that was not asked for");
    }
    steps.push_back(ErrorCode::kOk);
  }
  return in.give(std::move(steps));
}

Result<std::string> read_sasl(std::string_view body) {
  Cursor in(body);
  std::string token = in.bytes();
  return in.give(std::move(token));
}

Result<NodeEvent> read_event(std::string_view body) {
  Cursor in(body);
  NodeEvent event;
  event.type = static_cast<EventType>(in.integer<int32_t>());
  in.skip(4);  // the session's state
  event.path = in.bytes();
  return in.give(std::move(event));
}

}  // namespace tidewheel::zookeeper
