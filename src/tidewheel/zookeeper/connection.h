// A session with ZooKeeper. All calls block: they are made on the blocking pool, by one at a time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/zookeeper/zookeeper_high_availability.h"

namespace tidewheel {

class ZooKeeperConnection {
 public:
  enum class Event : uint8_t {
    kConnected,
    kDisconnected,  // the session may still be alive
    kExpired,       // it is not: its ephemeral nodes are gone
    kChanged,       // of a node that is watched
  };
  // Called on a thread of ZooKeeper's library; quick.
  using OnEvent = std::function<void(Event)>;

  // Errors: kHighAvailability.
  static Result<std::unique_ptr<ZooKeeperConnection>> open(const ZooKeeperOptions& options,
                                                           OnEvent on_event);
  virtual ~ZooKeeperConnection() = default;  // ends the session

  struct Node {
    std::string path;
    std::string data;
    uint64_t created = 0;  // the transaction that has made it
  };
  virtual bool is_connected() const = 0;
  // What the servers have agreed to, which may be less than what was asked for; once connected.
  virtual int64_t session_timeout_ms() const = 0;
  // What is there already is fine; the nodes above are made too.
  [[nodiscard]] virtual Status make_nodes(const std::string& path) = 0;
  // Ephemeral, with a number behind `prefix`.
  virtual Result<Node> make_candidate(const std::string& prefix, const std::string& data) = 0;
  // Names, sorted; watches them once.
  virtual Result<std::vector<std::string>> children(const std::string& path, bool watches) = 0;
  // kFileNotFound: there is none. Watches it once.
  virtual Result<Node> read(const std::string& path, bool watches) = 0;
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  // Sets or makes `path`, or removes it, if `guard` exists: kFenced when it does not.
  [[nodiscard]] virtual Status write_guarded(const std::string& guard, const std::string& path,
                                             const std::string& data) = 0;
  [[nodiscard]] virtual Status remove_guarded(const std::string& guard,
                                              const std::string& path) = 0;
};

}  // namespace tidewheel
