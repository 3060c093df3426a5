// High availability by ZooKeeper: who leads is in ephemeral nodes, and which jobs there are in
// nodes that name files in a folder that all JobManagers reach.
//
//   ROOT/CLUSTER/election/candidate-N   one for each JobManager that is there, with its addresses;
//                                       the one of the smallest number leads, and the transaction
//                                       that made its node is the fence
//   ROOT/CLUSTER/jobs/ID                the name of the file that has the job's record
//   storageDir/CLUSTER/jobs/ID-FENCE-N  such a file
//
// Every write checks, in the same transaction, that the writer's candidate node is still there: one
// that has been taken for dead writes nothing any more.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/high_availability/high_availability.h"
#include "tidewheel/zookeeper/session.h"

namespace tidewheel {

struct ZooKeeperOptions {
  std::string path;       // of the cluster's node: "/tidewheel/default"
  std::string directory;  // for the files
  // ZooKeeper takes a client for dead that it has not heard of for the session's time. A leader
  // that has lost its connection steps down before: see zookeeper/session.h.
  zookeeper::SessionOptions session;
  std::shared_ptr<Network> tls;  // null: without
  bool only_creator = false;     // nodes may be changed by who has proved to be the same only
};

// Connects in the background. `world` outlives it.
std::unique_ptr<HighAvailability> make_zookeeper_high_availability(World& world,
                                                                   const ZooKeeperOptions& options);
// As the configuration says; certificates are read. Errors: kBadOptionValue, kTls.
Result<ZooKeeperOptions> zookeeper_options(World& world, const Config& config);

}  // namespace tidewheel
