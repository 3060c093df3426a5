// Results of tasks that are kept in files until their receivers have taken them: the channels of
// blocking exchanges (docs/design/0006-cluster.md).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/remote_edges.h"
#include "tidewheel/dataflow/result_file.h"

namespace tidewheel {

struct ResultFiles;

// The files of one job in this process, FOLDER/<attempt>/<channel>. Work on files is done on the
// blocking pool. Any thread.
//
// A file is read when it is whole. One that is still being written here is waited for; of one that
// another process has left, its last block tells.
class ResultStore {
 public:
  struct Options {
    std::string directory;  // the job's own
    BlockCodec compression = BlockCodec::kNone;
    // What `sender` keeps, in this attempt at its region, can't be written or read. On the blocking
    // pool; not after `stop`.
    std::function<void(TaskId sender, uint64_t attempt, Status why)> on_lost;
    // Others go on with the files: they stay when the store goes.
    bool is_shared = false;
    std::unique_ptr<FileLock> lock = nullptr;  // of the folder; null: it needs none
  };
  ResultStore(World& world, Options options);
  // All ends are gone. Removes the files, unless they are shared.
  ~ResultStore();
  // No task is touched any more once this has returned.
  void stop();

  // The end into which `sender` pushes. `attempt` is the one at its region.
  // Errors: kGraphEdge when the edge's rows can't be encoded.
  Result<std::unique_ptr<RemoteChannel>> make_writer(uint64_t attempt,
                                                     const RemoteChannelSpec& spec,
                                                     WakeTarget& sender);
  // The end from which `receiver` pops.
  Result<std::unique_ptr<RemoteChannel>> make_reader(uint64_t attempt,
                                                     const RemoteChannelSpec& spec,
                                                     WakeTarget& receiver);
  // What is read goes into a channel that somebody else takes from, made with its sender.
  using MakeChannel = std::function<Result<std::unique_ptr<RemoteChannel>>(WakeTarget& sender)>;
  Result<std::unique_ptr<RemoteChannel>> make_server(uint64_t attempt,
                                                     const RemoteChannelSpec& spec,
                                                     const MakeChannel& make);
  // Removes the attempt's files, in the background.
  void drop(uint64_t attempt);

 private:
  const std::shared_ptr<ResultFiles> shared_;
};

// Of a job in one process: a folder in io.tmp.dirs that it holds. What jobs have left there whose
// process has died is removed.
Result<ResultStore::Options> claim_results(World& world, const Config& config,
                                           const std::string& job_id);
// Of files and of what goes over the wire, by taskmanager.network.compression.codec. Errors:
// kBadOptionValue.
Result<BlockCodec> network_compression(const Config& config);

}  // namespace tidewheel
