// What the families of random jobs share: how a run ends, and a stream with the rows that it must
// hold.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sim/ledger.h"
#include "tidewheel/sim/model.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::sim {

// How a job is made to end.
enum class Ending : uint8_t {
  kComplete,  // all input is taken: results are compared
  kCancel,
  kStop,
  kThrow,  // user code throws
};

// One job of one seed. Made, built, started, then checked, all in virtual time.
class RandomJob {
 public:
  virtual ~RandomJob() = default;
  // Builds and starts the job.
  virtual Result<std::unique_ptr<JobHandle>> start() = 0;
  // After the end: what is wrong with the results; empty when nothing is. `complete`: all input was
  // taken.
  virtual std::string check(bool complete) = 0;
  // The job in words, a line an operator.
  const std::string& plan() const { return plan_; }

 protected:
  void note(std::string line) { plan_ += "  " + std::move(line) + "\n"; }

 private:
  std::string plan_;
};

// What a job is given that is built anew in each life of its process: the same graph from the same
// draws, but for what is drawn from `places`.
struct Rebuild {
  Random places;               // parallelism
  Random plan;                 // chaining, and operators that are in the way only
  bool fixed_places = false;   // parallelism is the same in every life
  bool at_least_once = false;  // rows may come twice: only what a source gave is looked for
  std::shared_ptr<LedgerClient> ledger;
  // Some sinks write part files instead: into a folder of the host, whose finished files `read`
  // gives.
  bool writes_files = false;
  std::function<std::vector<std::string>(const std::string& folder)> read_files;
  // What the data are like: rows of a split, and whether many are at round times.
  int64_t rows_drawn_max = 400;
  bool round_times = false;
  bool few_pauses = false;
  JobStartOptions start;
  std::function<bool()> dooms;  // asked for each row that passes a probe: user code throws
  // How long a row keeps a probe, by the probe's number; and who lets that time pass. So some
  // consumers are slower than what they read from.
  std::function<int64_t(int64_t)> row_ns;
  std::function<void(int64_t)> spend_ns;
  // For a failing run that is made smaller.
  int64_t sources_max = INT64_MAX;
  int64_t rows_max = INT64_MAX;  // of a split
  std::set<int64_t> without_steps;
};

struct JobDraw {
  World& world;
  Random random;
  Config config;
  Ending ending = Ending::kComplete;
  std::shared_ptr<Rebuild> rebuild = nullptr;
};

// A job of operators written against the runtime's interface (runtime_operators.h).
std::unique_ptr<RandomJob> make_runtime_job(JobDraw draw);
// A job of the typed API (typed_job.h).
std::unique_ptr<RandomJob> make_typed_job(JobDraw draw);

template <class T, size_t kCount>
T one_of(Random& random, const T (&values)[kCount]) {
  return values[random.below(kCount)];
}

}  // namespace tidewheel::sim
