#include "tidewheel/zookeeper/connection.h"

#define THREADED
#include <zookeeper/zookeeper.h>

#include <algorithm>

namespace tidewheel {
namespace {

constexpr int kDataBytesMax = 1 << 20;

Status failure(const char* what, const std::string& path, int error) {
  if (error == ZNONODE) {
    return not_found(ErrorId::kFileNotFound, "ZooKeeper has no node {}", path);
  }
  return unavailable(ErrorId::kHighAvailability, "ZooKeeper did not {} {}: {}", what, path,
                     zerror(error));
}

class RealConnection final : public ZooKeeperConnection {
 public:
  RealConnection(const ZooKeeperOptions& options, OnEvent on_event)
      : on_event_(std::move(on_event)),
        acl_(options.only_creator ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE) {}
  ~RealConnection() override {
    if (handle_ != nullptr) { zookeeper_close(handle_); }
  }

  Status connect(const ZooKeeperOptions& options) {
    zoo_set_debug_level(static_cast<ZooLogLevel>(0));
    handle_ = zookeeper_init2(options.quorum.c_str(), &RealConnection::on_session,
                              static_cast<int>(options.session_timeout_ms), nullptr, this, 0,
                              // What it would log comes back as errors and events.
                              [](const char*) {});
    if (handle_ == nullptr) {
      return unavailable(ErrorId::kHighAvailability,
                         "no session with ZooKeeper at {} can be begun: {}", options.quorum,
                         std::string(strerror(errno)));
    }
    if (!options.authorization.empty()) {
      const size_t colon = options.authorization.find(':');
      const std::string scheme = options.authorization.substr(0, colon);
      const std::string proof = options.authorization.substr(colon + 1);
      zoo_add_auth(handle_, scheme.c_str(), proof.data(), static_cast<int>(proof.size()), nullptr,
                   nullptr);
    }
    return ok_status();
  }

  bool is_connected() const override { return zoo_state(handle_) == ZOO_CONNECTED_STATE; }

  int64_t session_timeout_ms() const override { return zoo_recv_timeout(handle_); }

  Status make_nodes(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      const int error = zoo_create(handle_, part.c_str(), "", 0, acl_, 0, nullptr, 0);
      if (error != ZOK && error != ZNODEEXISTS) { return failure("make", part, error); }
      if (end == path.npos) { return ok_status(); }
    }
  }

  Result<Node> make_candidate(const std::string& prefix, const std::string& data) override {
    char path[512];
    Stat stat{};
    const int error =
        zoo_create2(handle_, prefix.c_str(), data.data(), static_cast<int>(data.size()), acl_,
                    ZOO_EPHEMERAL | ZOO_SEQUENCE, path, sizeof path, &stat);
    if (error != ZOK) { return failure("make", prefix, error); }
    return Node{path, data, static_cast<uint64_t>(stat.czxid)};
  }

  Result<std::vector<std::string>> children(const std::string& path, bool watches) override {
    String_vector found{};
    const int error = zoo_wget_children(handle_, path.c_str(),
                                        watches ? &RealConnection::on_node : nullptr, this, &found);
    if (error != ZOK) { return failure("list", path, error); }
    std::vector<std::string> names(found.data, found.data + found.count);
    deallocate_String_vector(&found);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<Node> read(const std::string& path, bool watches) override {
    std::string data(kDataBytesMax, '\0');
    int bytes = kDataBytesMax;
    Stat stat{};
    const int error = zoo_wget(handle_, path.c_str(), watches ? &RealConnection::on_node : nullptr,
                               this, data.data(), &bytes, &stat);
    if (error != ZOK) { return failure("read", path, error); }
    data.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
    return Node{path, std::move(data), static_cast<uint64_t>(stat.czxid)};
  }

  Status remove(const std::string& path) override {
    const int error = zoo_delete(handle_, path.c_str(), -1);
    return error == ZOK || error == ZNONODE ? ok_status() : failure("remove", path, error);
  }

  Status write_guarded(const std::string& guard, const std::string& path,
                       const std::string& data) override {
    zoo_op_t steps[2];
    zoo_check_op_init(&steps[0], guard.c_str(), -1);
    zoo_set_op_init(&steps[1], path.c_str(), data.data(), static_cast<int>(data.size()), -1,
                    nullptr);
    const Status set = carry_out(steps, guard, path);
    if (set.ok() || set.id() != ErrorId::kFileNotFound) { return set; }
    zoo_create_op_init(&steps[1], path.c_str(), data.data(), static_cast<int>(data.size()), acl_, 0,
                       nullptr, 0);
    return carry_out(steps, guard, path);
  }

  Status remove_guarded(const std::string& guard, const std::string& path) override {
    zoo_op_t steps[2];
    zoo_check_op_init(&steps[0], guard.c_str(), -1);
    zoo_delete_op_init(&steps[1], path.c_str(), -1);
    const Status removed = carry_out(steps, guard, path);
    return removed.ok() || removed.id() == ErrorId::kFileNotFound ? ok_status() : removed;
  }

 private:
  // A check and one change.
  Status carry_out(const zoo_op_t* steps, const std::string& guard, const std::string& path) {
    zoo_op_result_t results[2] = {};
    const int error = zoo_multi(handle_, 2, steps, results);
    if (error == ZOK) { return ok_status(); }
    if (results[0].err == ZNONODE) {
      return failed_precondition(ErrorId::kFenced,
                                 "this JobManager does not lead any more: ZooKeeper has taken {} "
                                 "away",
                                 guard);
    }
    return failure("change", path, error);
  }

  static void on_session(zhandle_t*, int type, int state, const char*, void* self) {
    if (type != ZOO_SESSION_EVENT) { return; }
    const OnEvent& tell = static_cast<RealConnection*>(self)->on_event_;
    if (state == ZOO_CONNECTED_STATE) {
      tell(Event::kConnected);
    } else if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE) {
      tell(Event::kExpired);
    } else {
      tell(Event::kDisconnected);
    }
  }
  static void on_node(zhandle_t*, int type, int, const char*, void* self) {
    // What the session goes through comes to every watch as well.
    if (type != ZOO_SESSION_EVENT) {
      static_cast<RealConnection*>(self)->on_event_(Event::kChanged);
    }
  }

  const OnEvent on_event_;
  const ACL_vector* const acl_;
  zhandle_t* handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<ZooKeeperConnection>> ZooKeeperConnection::open(
    const ZooKeeperOptions& options, OnEvent on_event) {
  auto connection = std::make_unique<RealConnection>(options, std::move(on_event));
  TIDEWHEEL_RETURN_IF_ERROR(connection->connect(options));
  return std::unique_ptr<ZooKeeperConnection>(std::move(connection));
}

}  // namespace tidewheel
