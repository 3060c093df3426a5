// What the sink asks of a cluster about transactions that no producer of this process has: they are
// named by their transactional id and the producer that had it when the transaction began.
//
// All calls block, look for the coordinator and try again until the timeout that the object was
// made with, and may be made again after a failure: each can be done twice. Errors: kKafkaBroker
// (time is up; what was asked may have been done), kKafkaAccess.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"
#include "tidewheel/connectors/kafka/wire_client.h"

namespace tidewheel::kafka {

using wire::ProducerIdentity;

// Where it is written that a transaction was committed: an offset that a group commits within the
// transaction.
struct MarkerPlace {
  std::string group;
  std::string topic;  // its partition 0
};

struct Marker {
  // False: a transaction that has the marker is open or being ended; ask again.
  bool is_settled = true;
  std::optional<int64_t> value;  // nothing: there is no marker
};

// One thread at a time.
class Transactions {
 public:
  virtual ~Transactions() = default;

  // Who has the id: right after a producer was initialised with it that is this one, unless it is
  // fenced already. Errors: kKafkaTransaction when nobody has.
  virtual Result<ProducerIdentity> identify(const std::string& transactional_id) = 0;
  // Puts the marker into the open transaction. Errors: kKafkaFenced when it is over.
  virtual Status mark(const std::string& transactional_id, const ProducerIdentity& producer,
                      const MarkerPlace& place, int64_t value) = 0;
  // True: it is committed. False: it is over, and the marker tells how.
  virtual Result<bool> commit(const std::string& transactional_id,
                              const ProducerIdentity& producer) = 0;
  // Writes the marker outside of any transaction.
  virtual Status set_marker(const MarkerPlace& place, int64_t value) = 0;
  // What the transaction that was committed last has said.
  virtual Result<Marker> marker(const MarkerPlace& place) = 0;
  // All ids that begin with `prefix`, of which the cluster knows something.
  virtual Result<std::vector<std::string>> list(std::string_view prefix) = 0;
  // Ends what is open under the id, and keeps its producer from ever doing anything again.
  virtual Status fence(const std::string& transactional_id) = 0;
};

using MakeTransactions = std::function<Result<std::unique_ptr<Transactions>>(
    const WireWorld& world, const Properties& properties, Duration timeout, GiveUp give_up)>;

// By requests of Kafka's protocol. Errors: kConnectorOption.
Result<std::unique_ptr<Transactions>> wire_transactions(const WireWorld& world,
                                                        const Properties& properties,
                                                        Duration timeout, GiveUp give_up);

}  // namespace tidewheel::kafka
