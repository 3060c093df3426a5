// The certification finds what is wrong: sinks and sources with the mistakes that are made.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/env.h"
#include "tidewheel/connectors/discard/table.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/testing/certification.h"

namespace tidewheel::certification {
namespace {

// Outside of all processes.
struct Outside {
  std::vector<std::vector<int64_t>> prepared;
  std::vector<int64_t> visible;
};

enum class Mistake : uint8_t {
  kNone,
  kWritesAtOnce,   // rows are visible before their checkpoint is complete
  kCommitsTwice,   // a second commit of the same adds the rows again
  kForgetsToFlush  // rows are in memory when a checkpoint says that they are safe
};

// Commits in two phases.
struct TwoPhase {
  using input = ColumnRow;
  struct Pending {
    int64_t number = 0;
  };
  std::shared_ptr<Outside> outside;
  std::shared_ptr<const bool> alive;
  Mistake mistake = Mistake::kNone;
  std::vector<int64_t> rows = {};

  Status gone() const {
    return *alive ? ok_status() : unavailable(ErrorId::kNetworkLost, "the process is dead");
  }
  Status write_batch(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
    for (; begin < end; ++begin) { rows.push_back(batch.view(0).at<int64_t>(begin)); }
    return gone();
  }
  Result<std::vector<Pending>> prepare(int64_t) {
    TIDEWHEEL_RETURN_IF_ERROR(gone());
    outside->prepared.push_back(std::exchange(rows, {}));
    return std::vector<Pending>{{static_cast<int64_t>(outside->prepared.size()) - 1}};
  }
  Status commit(const Pending& pending) {
    TIDEWHEEL_RETURN_IF_ERROR(gone());
    auto& part = outside->prepared[static_cast<size_t>(pending.number)];
    outside->visible.insert(outside->visible.end(), part.begin(), part.end());
    if (mistake != Mistake::kCommitsTwice) { part.clear(); }
    return ok_status();
  }
};

// Writes without transactions.
struct Direct {
  using input = ColumnRow;
  std::shared_ptr<Outside> outside;
  std::shared_ptr<const bool> alive;
  Mistake mistake = Mistake::kNone;
  std::vector<int64_t> rows = {};

  Status write_batch(const ColumnBatch& batch, uint32_t begin, uint32_t end) {
    for (; begin < end; ++begin) { rows.push_back(batch.view(0).at<int64_t>(begin)); }
    return mistake == Mistake::kForgetsToFlush && rows.size() < 40 ? ok_status() : send();
  }
  Status flush() { return mistake == Mistake::kForgetsToFlush ? ok_status() : send(); }
  Status end_of_input() { return send(); }
  Status send() {
    if (!*alive) { return unavailable(ErrorId::kNetworkLost, "the process is dead"); }
    outside->visible.insert(outside->visible.end(), rows.begin(), rows.end());
    rows.clear();
    return ok_status();
  }
};

class MemorySubject final : public SinkSubject {
 public:
  MemorySubject(Promise promise, Mistake mistake) : promise_(promise), mistake_(mistake) {}
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  TableDefinition table() const override { return numbered_table({{"connector", "blackhole"}}); }
  Promise promise() const override { return promise_; }
  std::vector<int64_t> visible(SimWorld&) override { return outside_->visible; }
  Status write(Env&, Stream<ColumnRow> rows, SimProcess& process) override {
    if (mistake_ == Mistake::kNone || mistake_ == Mistake::kCommitsTwice) {
      rows.to(TwoPhase{outside_, process.life(), mistake_}).name("table").uid("table");
    } else {
      rows.to(Direct{outside_, process.life(), mistake_}).name("table").uid("table");
    }
    return ok_status();
  }

 private:
  const Promise promise_;
  const Mistake mistake_;
  const std::unique_ptr<TableConnector> connector_ = blackhole_table_connector();
  TableRegistry registry_;
  const std::shared_ptr<Outside> outside_ = std::make_shared<Outside>();
};

// In how many of some runs something is wrong, and what.
struct Found {
  int count = 0;
  std::string problem;
};
Found problems_of(Promise promise, Mistake mistake, std::vector<Phase> phases) {
  Found found;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    MemorySubject subject(promise, mistake);
    const Outcome outcome =
        run_sink(subject, {.seed = seed, .kills_max = 3, .phases = phases, .rescales = true});
    if (outcome.problem.empty()) { continue; }
    ++found.count;
    found.problem = outcome.problem;
  }
  return found;
}

TEST(Certification, a_right_sink_passes) {
  const Found found = problems_of(Promise::kExactlyOnce, Mistake::kNone, {});
  EXPECT_EQ(found.count, 0) << found.problem;
}

TEST(Certification, rows_that_are_visible_too_early_are_no_exactly_once) {
  const Found found = problems_of(Promise::kExactlyOnce, Mistake::kWritesAtOnce, {});
  EXPECT_GT(found.count, 0);
  EXPECT_NE(found.problem.find("twice"), std::string::npos) << found.problem;
  EXPECT_EQ(problems_of(Promise::kAtLeastOnce, Mistake::kWritesAtOnce, {}).count, 0);
}

TEST(Certification, a_commit_that_is_not_idempotent_is_found) {
  const Found found =
      problems_of(Promise::kExactlyOnce, Mistake::kCommitsTwice, {Phase::kCommitted});
  EXPECT_GT(found.count, 0);
  EXPECT_NE(found.problem.find("twice"), std::string::npos) << found.problem;
}

TEST(Certification, rows_that_a_checkpoint_does_not_flush_are_found) {
  const Found found = problems_of(Promise::kAtLeastOnce, Mistake::kForgetsToFlush, {});
  EXPECT_GT(found.count, 0);
  EXPECT_NE(found.problem.find("lost"), std::string::npos) << found.problem;
}

}  // namespace
}  // namespace tidewheel::certification
