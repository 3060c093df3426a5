// 'consistency' = 'epoch', end to end: whatever a query gives between two epochs leads from one
// exact answer to another. Each transfer debits one account and credits another, so that every
// exact answer has the total 0.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/world.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/tables/table_registry.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

struct Transfer {
  int64_t debit = 0;
  int64_t credit = 0;
  int64_t amount = 0;
};

// In three splits, which end one after the other.
struct Transfers {
  using output = Transfer;
  struct Split {
    int64_t number = 0;
    int64_t next = 0;
  };
  int64_t rows = 0;  // of a split
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>{{0}, {1}, {2}}; }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  ReadResult read(Split& split, SourceOut<Transfer>& out) {
    const int64_t end = rows * (split.number + 1);
    while (split.next < end && out.room() > 0) {
      const int64_t n = split.next++ * 3 + split.number;
      out.emit(Transfer{n * 7 % 1000, (n * 13 + 5) % 1000, n % 97 + 1});
    }
    return split.next < end ? ReadResult::more() : ReadResult::end();
  }
};

struct Balance {
  int64_t account = 0;
  int64_t balance = 0;
};

// By epoch, what all subtasks of a sink were given.
class Ledger {
 public:
  struct Epoch {
    int64_t change = 0;
    int64_t rows = 0;
    int32_t subtasks = 0;
  };
  void add(int64_t epoch, const Epoch& part) {
    const std::lock_guard guard(lock_);
    Epoch& all = epochs_[epoch];
    all.change += part.change;
    all.rows += part.rows;
    ++all.subtasks;
  }
  // Of those that all subtasks have ended: a failure may cut one short.
  std::vector<Epoch> complete(int32_t subtasks) {
    const std::lock_guard guard(lock_);
    std::vector<Epoch> found;
    for (const auto& [number, epoch] : epochs_) {
      EXPECT_LE(epoch.subtasks, subtasks) << "number " << number << " was given twice";
      if (epoch.subtasks == subtasks) { found.push_back(epoch); }
    }
    return found;
  }

 private:
  LeafLock lock_;
  std::map<int64_t, Epoch> epochs_;
};

struct Audit {
  using input = Change<Balance>;
  std::shared_ptr<Ledger> ledger;
  Ledger::Epoch epoch{};

  Status write(const Change<Balance>& change) {
    const int64_t balance = change.row.balance;
    epoch.change += is_retraction(change.kind) ? -balance : balance;
    ++epoch.rows;
    return {};
  }
  Status flush_epoch(int64_t number) {
    ledger->add(number, std::exchange(epoch, {}));
    return {};
  }
  Status end_of_input() { return flush_epoch(INT64_MAX); }
};

class Epochs : public ::testing::Test {
 protected:
  Epochs() : folder_(::testing::TempDir() + "tidewheel_epochs_" + std::to_string(::getpid())) {}
  ~Epochs() override { std::filesystem::remove_all(folder_); }

  // A job over transfers, in `parallelism` subtasks. `fails_at`: a map throws once, at that row.
  void prepare(Env& env, int64_t rows, int32_t parallelism, int64_t fails_at = -1) const {
    env.parallelism(parallelism);
    env.checkpoints({.every = 30ms, .directory = folder_});
    env.config().set(options::kFixedDelay, int64_t{1});
    EXPECT_TRUE(env.config().set("restart-strategy.type", "fixed-delay").ok());
    const auto seen = std::make_shared<std::atomic<int64_t>>(0);
    env.view("transfers",
             env.from("transfers", Transfers{rows}).map([seen, fails_at](const Transfer& one) {
               if (seen->fetch_add(1) == fails_at) {
                 throw std::runtime_error("a crash in the middle");
               }
               return one;
             }));
    env.sql(
        "CREATE VIEW debits AS SELECT debit AS account, -SUM(amount) AS balance FROM transfers "
        "GROUP BY debit;"
        "CREATE VIEW credits AS SELECT credit AS account, SUM(amount) AS balance FROM transfers "
        "GROUP BY credit;"
        "CREATE VIEW balances AS SELECT * FROM debits UNION ALL SELECT * FROM credits");
  }
  static void run(Env& env) {
    const auto result = env.execute();
    ASSERT_TRUE(result.ok()) << result.status().to_string();
  }
  const std::string folder_;
};

constexpr char kEpochs[] = "SET 'consistency' = 'epoch'; SET 'table.exec.epoch.interval' = '3 ms';";

// How many of the totals that a query gives are not 0.
int64_t wrong_totals(const std::vector<Change<std::optional<int64_t>>>& totals) {
  return std::count_if(totals.begin(), totals.end(),
                       [](const auto& change) { return change.row.value_or(0) != 0; });
}

// What the changes amount to: they come in any order, by several subtasks.
int64_t last_total(const std::vector<Change<std::optional<int64_t>>>& totals) {
  int64_t last = 0;
  for (const auto& change : totals) {
    const int64_t total = change.row.value_or(0);
    last += is_retraction(change.kind) ? -total : total;
  }
  return last;
}

TEST_F(Epochs, the_total_is_zero_in_everything_that_is_given) {
  for (const bool has_epochs : {false, true}) {
    Env env;
    prepare(env, 20'000, 3);
    if (has_epochs) { env.sql(kEpochs); }
    auto totals =
        env.sql("SELECT SUM(balance) FROM balances").as<Change<std::optional<int64_t>>>().collect();
    run(env);
    ASSERT_FALSE(totals.get().empty());
    EXPECT_EQ(last_total(totals.get()), 0);
    // Without epochs the test would see it.
    if (has_epochs) {
      EXPECT_EQ(wrong_totals(totals.get()), 0);
    } else {
      EXPECT_GT(wrong_totals(totals.get()), 0);
    }
  }
}

// Each epoch is exact over all subtasks of the sink, whatever happens to the job meanwhile.
void check(const std::shared_ptr<Ledger>& ledger, int32_t subtasks) {
  int64_t with_rows = 0;
  for (const Ledger::Epoch& epoch : ledger->complete(subtasks)) {
    EXPECT_EQ(epoch.change, 0) << "of " << epoch.rows << " rows";
    if (epoch.rows > 0) { ++with_rows; }
  }
  EXPECT_GT(with_rows, 3);
}

TEST_F(Epochs, united_aggregates_are_exact_after_a_crash_with_batches_of_one_row) {
  const auto ledger = std::make_shared<Ledger>();
  Env env;
  env.batch_rows(1);
  prepare(env, 10'000, 3, 15'000);
  env.sql(kEpochs);
  env.sql("SELECT * FROM balances").as<Change<Balance>>().to(Audit{ledger});
  run(env);
  check(ledger, 3);
}

TEST_F(Epochs, joined_aggregates_are_exact_after_a_crash) {
  for (const int64_t batch_rows : {1, 1024}) {
    // As many as take some epochs.
    const int64_t rows = batch_rows == 1 ? 10'000 : 100'000;
    const auto ledger = std::make_shared<Ledger>();
    Env env;
    env.batch_rows(batch_rows);
    prepare(env, rows, 3, rows * 3 / 2);
    env.sql(kEpochs);
    env.sql(
           "SELECT COALESCE(d.account, c.account, 0) AS account, "
           "COALESCE(d.balance, 0) + COALESCE(c.balance, 0) AS balance "
           "FROM debits AS d FULL JOIN credits AS c ON d.account = c.account")
        .as<Change<Balance>>()
        .to(Audit{ledger});
    run(env);
    check(ledger, 3);
  }
}

// ---- Statements

class EpochStatements : public ::testing::Test {
 protected:
  EpochStatements()
      : world_(make_real_world()),
        session_(*world_, {.tables = make_table_registry(), .config = {}, .file_table = nullptr}) {
    run("CREATE TABLE t (a BIGINT, b BIGINT, c STRING, at TIMESTAMP(3), "
        "WATERMARK FOR at AS at - INTERVAL '1' SECOND) "
        "WITH ('connector' = 'datagen', 'number-of-rows' = '10')");
  }
  Result<sql::StatementResult> execute(const std::string& text) {
    const auto statement = sql::parse_statement(text);
    TIDEWHEEL_RETURN_IF_ERROR(statement.status());
    return session_.execute(text, *statement);
  }
  void run(const std::string& text) {
    const auto result = execute(text);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
  }
  std::string explained(const std::string& query) {
    const auto result = execute("EXPLAIN " + query);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    std::string text;
    for (const auto& row : std::get<sql::Listing>(*result).rows) { text += row[0] + "\n"; }
    return text;
  }
  static int64_t count(const std::string& text, const std::string& part) {
    int64_t found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++found;
    }
    return found;
  }
  const std::unique_ptr<World> world_;
  sql::Session session_;
};

TEST_F(EpochStatements, explain_says_which_consistency_there_is) {
  const std::string query = "SELECT a, SUM(b) FROM t GROUP BY a HAVING SUM(b) > 1";
  const std::string eventual = explained(query);
  EXPECT_EQ(count(eventual, "EpochFold"), 0) << eventual;
  EXPECT_EQ(count(eventual, "== Consistency =="), 0) << eventual;
  run("SET 'consistency' = 'epoch'");
  run("SET 'table.exec.epoch.interval' = '250 ms'");
  const std::string exact = explained(query);
  EXPECT_GE(count(exact, "EpochFold"), 1) << exact;
  EXPECT_EQ(count(exact, "epoch: each 250 ms"), 1) << exact;
  // An aggregate gives the net changes of an epoch by itself.
  EXPECT_EQ(count(explained("SELECT SUM(b), a FROM t GROUP BY a"), "EpochFold"), 0);
  // Not what is made of its results, nor with one that is left out, and whose changes are none.
  EXPECT_GE(count(explained("SELECT a, SUM(b) > 1 FROM t GROUP BY a"), "EpochFold"), 1);
  EXPECT_GE(count(explained("SELECT SUM(b) FROM t GROUP BY a"), "EpochFold"), 1);
}

TEST_F(EpochStatements, what_is_exact_by_itself_goes_to_its_table_without_a_fold) {
  run("SET 'consistency' = 'epoch'");
  run("CREATE TABLE nowhere (x BIGINT, y BIGINT) WITH ('connector' = 'blackhole')");
  const auto folds = [this](const std::string& query) {
    return count(explained("INSERT INTO nowhere " + query), "EpochFold");
  };
  EXPECT_EQ(folds("SELECT a, b + 1 FROM t WHERE b > 1"), 0);
  EXPECT_EQ(folds("SELECT a, SUM(b) FROM t GROUP BY a UNION ALL "
                  "SELECT b, SUM(a) FROM t GROUP BY b"),
            0);
  // Two rows of one.
  EXPECT_GE(folds("SELECT a, b FROM t UNION ALL SELECT b, a FROM t"), 1);
  // One side's changes are those of many rows.
  EXPECT_GE(folds("SELECT a, SUM(b) FROM t GROUP BY a UNION ALL SELECT a, b FROM t"), 1);
}

TEST_F(EpochStatements, a_table_that_is_named_twice_is_read_once) {
  const std::string query =
      "SELECT a FROM t WHERE b = 1 UNION ALL SELECT CHAR_LENGTH(c) FROM t WHERE b = 2";
  EXPECT_EQ(count(explained(query), "] Source: "), 2);
  run("SET 'consistency' = 'epoch'");
  const std::string exact = explained(query);
  EXPECT_EQ(count(exact, "] Source: "), 1) << exact;
  // Other hints are another input.
  const std::string hinted =
      explained("SELECT a FROM t UNION ALL SELECT b FROM t /*+ OPTIONS('seed' = '7') */");
  EXPECT_EQ(count(hinted, "] Source: "), 2) << hinted;
}

TEST_F(EpochStatements, settings_out_of_range_are_refused) {
  for (const char* text :
       {"SET 'consistency' = 'exact'", "SET 'table.exec.epoch.interval' = '0 ms'",
        "SET 'table.exec.epoch.interval' = 'soon'", "SET 'table.exec.epoch.buffer-size' = 'x'"}) {
    EXPECT_EQ(execute(text).status().id(), ErrorId::kBadOptionValue) << text;
  }
}

// What a caller sees of an epoch, he sees at once.
TEST_F(EpochStatements, rows_of_a_query_come_with_the_number_of_their_epoch) {
  run("SET 'consistency' = 'epoch'");
  run("SET 'table.exec.epoch.interval' = '5 ms'");
  run("CREATE TABLE slow (a BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '100', "
      "'rows-per-second' = '500')");
  auto result = execute("SELECT a, COUNT(*) FROM slow GROUP BY a");
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  auto& query = std::get<sql::RunningQuery>(*result);
  ASSERT_TRUE(query.job->result().ok());
  std::vector<int64_t> numbers;
  int64_t rows = 0;
  for (const sql::ResultQueue::Rows& batch : query.rows->take_all()) {
    numbers.push_back(batch.epoch == 0 ? INT64_MAX : batch.epoch);
    rows += batch.end - batch.begin;
  }
  EXPECT_EQ(rows, 100);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  EXPECT_GT(std::set<int64_t>(numbers.begin(), numbers.end()).size(), 3U);
}

}  // namespace
}  // namespace tidewheel
