// A simulated election service: what ZooKeeper is to a cluster, as plain data outside of all
// processes, with sessions that time out.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/high_availability/high_availability.h"
#include "tidewheel/sim/simulation.h"

namespace tidewheel {

// Outlives its clients.
class SimElection {
 public:
  struct Options {
    int64_t session_ns = 4'000'000'000;
    int64_t answer_ns_max = 5'000'000;  // what a call, or news, takes at most
  };
  SimElection(Simulation& simulation, const Options& options)
      : simulation_(simulation), options_(options) {}

  // `alive` says whether the process still is; `reaches` whether the service can be reached from
  // its host.
  std::unique_ptr<HighAvailability> connect(std::string name, std::shared_ptr<const bool> alive,
                                            std::function<bool()> reaches, std::string directory);
  // The leader's session ends although nothing is wrong.
  void expire_leader();
  // What nobody should ever see; empty: nothing.
  const std::string& broken() const { return broken_; }
  int64_t leaders_so_far() const { return leaders_; }
  // Of the present leader; empty: nobody leads.
  std::string leader_name() const;

 private:
  class Client;
  struct Session {
    std::string name;
    uint64_t number = 0;
    Leader leader;             // the fence is the number
    int64_t heard_ns = 0;      // when the service has last heard of it
    Client* client = nullptr;  // null: it is gone
  };
  void tick();
  void elect();
  void later(std::function<void()> action);

  Simulation& simulation_;
  const Options options_;
  std::vector<std::shared_ptr<Session>> candidates_;  // by number
  std::vector<Client*> clients_;
  std::map<std::string, std::string> jobs_;
  uint64_t next_number_ = 1;
  uint64_t leader_ = 0;  // the session that leads, as the service sees it
  int64_t leaders_ = 0;
  bool ticking_ = false;
  std::string broken_;
};

}  // namespace tidewheel
