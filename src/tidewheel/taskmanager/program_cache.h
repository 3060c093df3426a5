// The programs that a TaskManager has fetched from the JobManager, by the hash of their bytes.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rpc/service.h"

namespace tidewheel {

// On its owner's thread.
class ProgramCache {
 public:
  using Done = std::function<void(Result<std::string> path)>;

  // All outlive it.
  ProgramCache(World& world, EventLoop& loop, SerialJobs& files, std::string directory)
      : world_(world), loop_(loop), files_(files), directory_(std::move(directory)) {}

  // Answers where the program is, once all of it is there and has that hash. Fetched once, however
  // often it is asked for meanwhile.
  void get(const std::string& sha256, const RpcClient& job_manager, Done done);

 private:
  struct Fetch {
    RpcClient from;
    int64_t have_bytes = 0;
    std::vector<Done> waiting;
  };
  void fetch_next(const std::string& sha256);
  void append(const std::string& sha256, std::string piece, int64_t size_bytes);
  void finish(const std::string& sha256, const Status& status);
  std::string path_of(const std::string& sha256) const;

  World& world_;
  EventLoop& loop_;
  SerialJobs& files_;
  const std::string directory_;
  std::map<std::string, Fetch> fetches_;  // by hash
};

}  // namespace tidewheel
