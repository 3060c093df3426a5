// A service outside of every simulated process, which takes rows in two phases as a database would,
// and the sink that writes to it. It keeps all that was ever prepared, so that a run can be judged
// at its end.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/operators/sink.h"
#include "tidewheel/sim/model.h"

namespace tidewheel::sim {

class Ledger {
 public:
  enum class State : uint8_t { kPrepared, kCommitted, kAborted, kVoid };
  struct Transaction {
    std::string table;
    int32_t subtask = 0;
    int64_t checkpoint = 0;  // the one that it was prepared for
    int64_t writer = 0;      // who did
    State state = State::kPrepared;
    Rows rows;
  };

  int64_t new_writer() { return next_writer_++; }
  // The writer has ended well: nothing of its may be left open.
  void writer_finished(int64_t writer) { finished_.insert(writer); }
  int64_t prepare(Transaction transaction);
  // Both may come again. What is wrong with it; empty when nothing is.
  std::string commit(int64_t id);
  std::string abort(int64_t id);
  // Aborts what subtask `subtask` of `parallelism` has to care for, and is not to be kept.
  void abort_others(std::string_view table, int32_t subtask, int32_t parallelism,
                    const std::set<int64_t>& keep);
  const Transaction& transaction(int64_t id) const {
    return transactions_[static_cast<size_t>(id)];
  }

  // The world as it was when the checkpoint was complete: what was committed for later ones has not
  // happened.
  void roll_back_to(int64_t checkpoint);
  // The rows of committed transactions, in the order of their checkpoints.
  Rows committed(std::string_view table) const;
  int64_t committed_count() const;
  // The newest checkpoint that rows were committed for; 0: none were.
  int64_t newest_committed() const;
  // Transactions of writers that have ended well which are neither committed nor aborted.
  std::string leftovers() const;

 private:
  std::vector<Transaction> transactions_;
  std::set<int64_t> finished_;
  int64_t next_writer_ = 1;
};

// One process's connection to the ledger.
struct LedgerClient {
  Ledger& ledger;
  std::function<bool()> alive;               // nothing comes from a dead process
  std::function<bool(int64_t)> can_be_lost;  // the checkpoint, and all after it, in a crash now
  std::function<void(std::string)> report;   // a broken promise
  std::function<bool(std::string_view)> refuses;  // the call fails this time
};

// What two-phase sinks of the typed API share.
class LedgerSinkBase {
 public:
  using input = Row;
  struct Pending {
    int64_t id = 0;
  };

  LedgerSinkBase(std::shared_ptr<LedgerClient> client, std::string table)
      : client_(std::move(client)), table_(std::move(table)) {}

  Status open(SinkContext& context);
  Status write_rows(std::span<const Row> rows, std::span<const int64_t> times_ms);
  Result<std::vector<Pending>> prepare(int64_t checkpoint);
  Status commit(const Pending& pending);
  Status close(bool finished);

 protected:
  std::shared_ptr<LedgerClient> client_;
  std::string table_;
  int32_t subtask_ = 0;
  int32_t parallelism_ = 1;
  int64_t writer_ = 0;
  Rows rows_;
};

// Leaves what a failed checkpoint had to the next one, and what earlier attempts have prepared
// open.
class LedgerSink final : public LedgerSinkBase {
 public:
  using LedgerSinkBase::LedgerSinkBase;
};

// Takes rows back from failed checkpoints, and aborts what no checkpoint has.
class TidyLedgerSink final : public LedgerSinkBase {
 public:
  using LedgerSinkBase::LedgerSinkBase;
  Status abort(const Pending& pending);
  Status recover(const SinkRecovery<Pending>& recovery);
};

}  // namespace tidewheel::sim
