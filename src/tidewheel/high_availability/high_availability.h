// Which JobManager leads, where it is, and what outlives it: one interface, whatever stands behind
// it (nothing, a folder, ZooKeeper).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// A JobManager that leads, as others find it.
struct Leader {
  std::string rpc_address;   // host:port
  std::string rest_address;  // "http://host:port"
  uint64_t fence = 0;        // never 0; greater than those of all leaders before
  bool operator==(const Leader&) const = default;
};

// One process's part in it. Any thread. Functions that are given are run by the poster that comes
// with them (a role's mailbox), and never once the object is destroyed.
class HighAvailability {
 public:
  using Poster = std::function<void(std::function<void()>)>;

  virtual ~HighAvailability() = default;

  // ---- Election
  struct Candidate {
    std::string rpc_address;
    std::string rest_address;
    Poster poster;
    std::function<void(uint64_t fence)> on_elected;
    // It leads no more, and may not act as if: another one may lead already. It is a candidate
    // still, and may be elected again.
    std::function<void(Status why)> on_lost;
  };
  // Once.
  virtual void contend(Candidate candidate) = 0;
  // Called with what is known now, and with every change; empty: nobody leads. Once.
  virtual void watch_leader(Poster poster,
                            std::function<void(std::optional<Leader>)> on_change) = 0;

  // ---- Jobs, which the leader keeps. A write is told the fence of the leadership that it belongs
  // to, and is refused (kFenced) when that is over, be it that this candidate leads again.
  // Whether they outlive the process at all.
  virtual bool keeps_jobs() const = 0;
  using Done = std::function<void(Status)>;
  using Jobs = std::vector<std::pair<std::string, std::string>>;  // id and record, by id
  virtual void put_job(uint64_t fence, std::string id, std::string record, Poster poster,
                       Done done) = 0;
  virtual void remove_job(uint64_t fence, std::string id, Poster poster, Done done) = 0;
  virtual void read_jobs(Poster poster, std::function<void(Result<Jobs>)> done) = 0;
  // Where all candidates find files (programs); empty: each has its own.
  virtual std::string shared_directory() const = 0;
};

// Elected at once; keeps nothing. `leader_address` is where the JobManager is, by the
// configuration.
std::unique_ptr<HighAvailability> make_no_high_availability(World& world,
                                                            const std::string& leader_address);

struct FileElectionOptions {
  std::string directory;  // of this cluster alone
  int64_t poll_ms = 200;  // how often it is looked whether the leader has changed
};
// The leader holds a lock on a file, which goes with its process: for several JobManagers on one
// machine, or on a file system whose locks hold across machines.
//   leader.lock   held by the leader
//   leader        fence, RPC address and REST address, a line each
//   jobs/ID       a job's record
std::unique_ptr<HighAvailability> make_file_high_availability(World& world,
                                                              const FileElectionOptions& options);

// "storageDir/cluster-id". Errors: kBadOptionValue when the folder is not configured.
Result<std::string> high_availability_directory(const Config& config);

}  // namespace tidewheel
