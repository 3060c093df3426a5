// A session with ZooKeeper. All calls block: they are made on the blocking pool, by one at a time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/zookeeper/session.h"

namespace tidewheel {
class World;  // base/world.h

class ZooKeeperConnection {
 public:
  // `world` and `network` outlive it. Who has given authorization or SASL may keep others away from
  // its nodes (`only_creator`).
  ZooKeeperConnection(World& world, Network& network, const zookeeper::SessionOptions& options,
                      bool only_creator, zookeeper::Session::OnEvent on_event);
  ~ZooKeeperConnection();  // ends the session

  using Node = zookeeper::Node;
  bool is_connected() const { return session_->is_connected(); }
  // What the servers have agreed to, which may be less than what was asked for; once connected.
  int64_t session_timeout_ms() const { return session_->timeout_ms(); }

  // Errors of all that follow: kHighAvailability.
  // What is there already is fine; the nodes above are made too.
  [[nodiscard]] Status make_nodes(const std::string& path);
  // Ephemeral, with a number behind `prefix`.
  Result<Node> make_candidate(const std::string& prefix, const std::string& data);
  // Names, sorted. kFileNotFound: there is no such node. Watches them once.
  Result<std::vector<std::string>> children(const std::string& path, bool watches);
  // kFileNotFound: there is none. Watches it once.
  Result<Node> read(const std::string& path, bool watches);
  // Sets or makes `path`, or removes it, if `guard` exists: kFenced when it does not.
  [[nodiscard]] Status write_guarded(const std::string& guard, const std::string& path,
                                     const std::string& data);
  [[nodiscard]] Status remove_guarded(const std::string& guard, const std::string& path);

 private:
  Result<zookeeper::Answer> ask(zookeeper::Request request,
                                std::optional<zookeeper::Watch> watch = std::nullopt);
  // The answer's body.
  Result<std::string> ask_of(const char* what, const std::string& path, zookeeper::Request request,
                             std::optional<zookeeper::Watch> watch = std::nullopt);
  Status change(zookeeper::Request step, const std::string& guard, const std::string& path);

  World& world_;
  const zookeeper::Access access_;
  const std::unique_ptr<zookeeper::Session> session_;
};

}  // namespace tidewheel
