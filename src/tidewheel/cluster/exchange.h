// Moves the elements of a job's channels between its workers: docs/design/0006-cluster.md, "Data
// between workers".
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/dataflow/remote_edges.h"

namespace tidewheel {

class Config;      // base/config.h
class MemoryPool;  // base/memory_pool.h
class World;       // base/world.h

enum class ExchangeCompression : uint8_t { kNone = 0, kLz4 = 1, kZstd = 2, kSnappy = 3 };

// Another worker of the same job.
struct ExchangePeer {
  uint64_t worker = 0;  // its id within the job; a worker that is started again has another one
  NetworkAddress address;
  std::string name;  // for messages: "worker 3 on tm-1"
};

// A channel of one deployment of its region. Both sides must use the same number for the attempt,
// and no two deployments of a region the same.
struct ExchangeChannelId {
  uint64_t attempt = 0;
  uint32_t number = 0;  // RemoteChannelSpec::number
  auto operator<=>(const ExchangeChannelId&) const = default;
};

struct ExchangeOptions {
  std::string job;      // peers of another job are refused
  uint64_t token = 0;   // a secret of the job, which its master has given to all its workers
  uint64_t worker = 0;  // this one's id
  std::string name;     // for messages of its peers
  NetworkAddress listen_at;
  Network* network = nullptr;  // null: the world's
  int64_t connect_timeout_ms = 10'000;
  // Who has sent nothing for `heartbeat_interval_ms` says that it is there; a peer that was silent
  // for `heartbeat_timeout_ms` is lost.
  int64_t heartbeat_interval_ms = 10'000;
  int64_t heartbeat_timeout_ms = 50'000;
  ExchangeCompression compression = ExchangeCompression::kNone;
  // Buffer debloating: receivers grant no more credits than what they use up in this time; 0: as
  // many as the channel has.
  int64_t debloat_target_ms = 0;
  // Of the network, within the job's: charged for what has come and is not given back, and for what
  // is encoded ahead. Channels that come here share its limit equally; each may always have one
  // batch on its way. Null: what comes is charged to the account of its channel, without a limit of
  // its own.
  MemoryPool* memory = nullptr;

  // ---- Called on the exchange's thread; must not block.
  // The plans of barriers that are sent.
  const CheckpointPlans* plans = nullptr;
  // A plan that has come with a barrier, before the barrier is in its channel. It comes once for
  // each channel. `trigger_ns` is on this machine's clock.
  std::function<void(CheckpointPlanRef)> on_plan;
  // The connection that the channel needs is lost, or the peer has refused the channel: nothing
  // more moves in it. Not called for channels that have seen their end of input, or that this side
  // or the other has given up.
  std::function<void(ExchangeChannelId, Status)> on_failure;
};

// Takes over what `config` says of compression, debloating and timeouts. Errors: kBadOptionValue.
[[nodiscard]] Status configure_exchange(const Config& config, ExchangeOptions& options);

// Figures of one worker since its start; any thread.
struct ExchangeFigures {
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
  int64_t elements_sent = 0;
  int64_t elements_received = 0;
  int64_t connections = 0;
};

// Has a worker (a thread) of its own for all connections. At the end it is stopped, then the
// workers of the slots, then it is destroyed, then the tasks: it wakes tasks until it has stopped,
// and tasks wake it until they have.
class Exchange {
 public:
  // Errors: kNetworkAddress when it can't listen.
  static Result<std::unique_ptr<Exchange>> start(World& world, ExchangeOptions options);
  virtual ~Exchange() = default;
  virtual uint16_t port() const = 0;
  // Nothing moves any more, and no task is touched, once this has returned. Not on a worker's turn.
  virtual void stop() = 0;

  // Any thread. The receiver's side may be made before or after the sender's: nothing is sent until
  // it is there. The end that comes back may be destroyed at any time after its task has been
  // stepped for the last time; the other side is told that the channel was given up.
  // Errors: kGraphEdge when the edge's rows can't be encoded.
  virtual Result<std::unique_ptr<RemoteChannel>> make_outgoing(ExchangeChannelId id,
                                                               const RemoteChannelSpec& spec,
                                                               const ExchangePeer& receiver,
                                                               WakeTarget& sender) = 0;
  virtual Result<std::unique_ptr<RemoteChannel>> make_incoming(ExchangeChannelId id,
                                                               const RemoteChannelSpec& spec,
                                                               const ExchangePeer& sender,
                                                               WakeTarget& receiver) = 0;
  virtual ExchangeFigures figures() const = 0;
  // How many elements the channels that come to a task from other workers may have on their way, on
  // the mean; nothing: there are none. Any thread.
  virtual std::optional<double> mean_window(TaskId receiver) const = 0;
};

}  // namespace tidewheel
