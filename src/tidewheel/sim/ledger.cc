#include "tidewheel/sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidewheel::sim {

int64_t Ledger::prepare(Transaction transaction) {
  transactions_.push_back(std::move(transaction));
  return static_cast<int64_t>(transactions_.size()) - 1;
}

std::string Ledger::commit(int64_t id) {
  if (id < 0 || id >= static_cast<int64_t>(transactions_.size())) {
    return fmt::format("commit of transaction {}, which was never prepared", id);
  }
  Transaction& transaction = transactions_[static_cast<size_t>(id)];
  if (transaction.state == State::kAborted) {
    return fmt::format("commit of transaction {} of '{}' for checkpoint {}, which was aborted", id,
                       transaction.table, transaction.checkpoint);
  }
  // After a roll-back, what is committed again has been in the snapshot that was restored.
  transaction.state = State::kCommitted;
  return {};
}

std::string Ledger::abort(int64_t id) {
  if (id < 0 || id >= static_cast<int64_t>(transactions_.size())) {
    return fmt::format("abort of transaction {}, which was never prepared", id);
  }
  Transaction& transaction = transactions_[static_cast<size_t>(id)];
  if (transaction.state == State::kCommitted) {
    return fmt::format("abort of transaction {} of '{}' for checkpoint {}, which was committed", id,
                       transaction.table, transaction.checkpoint);
  }
  transaction.state = State::kAborted;
  return {};
}

void Ledger::abort_others(std::string_view table, int32_t subtask, int32_t parallelism,
                          const std::set<int64_t>& keep) {
  for (size_t id = 0; id < transactions_.size(); ++id) {
    Transaction& transaction = transactions_[id];
    if (transaction.state == State::kPrepared && transaction.table == table &&
        transaction.subtask % parallelism == subtask && !keep.contains(static_cast<int64_t>(id))) {
      transaction.state = State::kAborted;
    }
  }
}

void Ledger::roll_back_to(int64_t checkpoint) {
  for (Transaction& transaction : transactions_) {
    if (transaction.checkpoint > checkpoint && transaction.state == State::kCommitted) {
      transaction.state = State::kVoid;
    }
  }
}

Rows Ledger::committed(std::string_view table) const {
  std::vector<const Transaction*> ordered;
  for (const Transaction& transaction : transactions_) {
    if (transaction.state == State::kCommitted && transaction.table == table) {
      ordered.push_back(&transaction);
    }
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto* a, const auto* b) { return a->checkpoint < b->checkpoint; });
  Rows rows;
  for (const Transaction* transaction : ordered) {
    rows.insert(rows.end(), transaction->rows.begin(), transaction->rows.end());
  }
  return rows;
}

int64_t Ledger::committed_count() const {
  return std::count_if(
      transactions_.begin(), transactions_.end(),
      [](const Transaction& transaction) { return transaction.state == State::kCommitted; });
}

int64_t Ledger::newest_committed() const {
  int64_t newest = 0;
  for (const Transaction& transaction : transactions_) {
    if (transaction.state == State::kCommitted) {
      newest = std::max(newest, transaction.checkpoint);
    }
  }
  return newest;
}

std::string Ledger::leftovers() const {
  for (size_t id = 0; id < transactions_.size(); ++id) {
    const Transaction& transaction = transactions_[id];
    if (transaction.state == State::kPrepared && finished_.contains(transaction.writer)) {
      return fmt::format(
          "transaction {} of '{}', prepared for checkpoint {} by a sink that has finished, is left "
          "open",
          id, transaction.table, transaction.checkpoint);
    }
  }
  return {};
}

// ---- Sink

Status LedgerSinkBase::open(SinkContext& context) {
  subtask_ = context.subtask_index();
  parallelism_ = context.parallelism();
  writer_ = client_->ledger.new_writer();
  return {};
}

Status LedgerSinkBase::write_rows(std::span<const Row> rows, std::span<const int64_t> times_ms) {
  for (size_t i = 0; i < rows.size(); ++i) { rows_.push_back({rows[i], times_ms[i]}); }
  return {};
}

Result<std::vector<LedgerSinkBase::Pending>> LedgerSinkBase::prepare(int64_t checkpoint) {
  if (!client_->alive() || client_->refuses("prepare")) {
    return unavailable(ErrorId::kNetworkLost, "the ledger does not answer");
  }
  std::vector<Pending> pending;
  if (rows_.empty()) { return pending; }
  pending.push_back({client_->ledger.prepare({.table = table_,
                                              .subtask = subtask_,
                                              .checkpoint = checkpoint,
                                              .writer = writer_,
                                              .rows = std::exchange(rows_, {})})});
  return pending;
}

Status LedgerSinkBase::commit(const Pending& pending) {
  if (!client_->alive() || client_->refuses("commit")) {
    return unavailable(ErrorId::kNetworkLost, "the ledger does not answer");
  }
  std::string wrong = client_->ledger.commit(pending.id);
  if (!wrong.empty()) {
    client_->report(std::move(wrong));
    return {};
  }
  const Ledger::Transaction& transaction = client_->ledger.transaction(pending.id);
  if (client_->can_be_lost(transaction.checkpoint)) {
    client_->report(fmt::format(
        "transaction {} of '{}' was committed before checkpoint {} was complete on disk",
        pending.id, table_, transaction.checkpoint));
  }
  return {};
}

Status LedgerSinkBase::close(bool finished) {
  if (!finished) { return {}; }
  if (!rows_.empty()) {
    client_->report(
        fmt::format("the sink '{}' has finished with {} rows that nobody asked it to "
                    "prepare",
                    table_, rows_.size()));
  }
  if (client_->alive()) { client_->ledger.writer_finished(writer_); }
  return {};
}

Status TidyLedgerSink::abort(const Pending& pending) {
  if (!client_->alive()) {
    return unavailable(ErrorId::kNetworkLost, "the ledger does not answer");
  }
  std::string wrong = client_->ledger.abort(pending.id);
  if (!wrong.empty()) { client_->report(std::move(wrong)); }
  const Rows& back = client_->ledger.transaction(pending.id).rows;
  rows_.insert(rows_.begin(), back.begin(), back.end());
  return {};
}

Status TidyLedgerSink::recover(const SinkRecovery<Pending>& recovery) {
  if (!client_->alive()) {
    return unavailable(ErrorId::kNetworkLost, "the ledger does not answer");
  }
  std::set<int64_t> keep;
  for (const auto& saved : recovery.pending) { keep.insert(saved.record.id); }
  client_->ledger.abort_others(table_, subtask_, parallelism_, keep);
  return {};
}

}  // namespace tidewheel::sim
