// What every connector has to do, whatever it connects to: keep its promise when its process is
// killed in any phase of a checkpoint and started again at another parallelism, survive a peer that
// is slow or gone for a while, judge records and options as users were told. An adaptor says how
// the outside is filled and looked at; everything else is here. `certification_suite.h` makes tests
// of it. Jobs run in a simulated world, in virtual time, from a seed.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::certification {

// What becomes of each row, whatever happens to the job.
enum class Promise : uint8_t { kExactlyOnce, kAtLeastOnce, kAtMostOnce };

// What is at the other end of a connection.
enum class Peer : uint8_t { kWell, kSlow, kDead };

// When the job's process is killed.
enum class Phase : uint8_t {
  kBetween,    // rows have come since the last checkpoint, and none is under way
  kSnapshot,   // a checkpoint is under way
  kPreparing,  // the same, in the middle of a call of the outside world
  kComplete,   // a checkpoint has just become complete: its commits are yet to come, or under way
  kCommitted,  // something was committed of which no checkpoint knows: it is committed again
};
inline constexpr Phase kPhases[] = {Phase::kBetween, Phase::kSnapshot, Phase::kPreparing,
                                    Phase::kComplete, Phase::kCommitted};
const char* phase_name(Phase phase);

// A value that an option must not have, and what the message has to say besides the option's key:
// the choices that there are.
struct WrongOption {
  std::string key;
  std::string value;
  std::string accepted = {};
};

// A connector and what it connects to. One for each run.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual const TableConnector& connector() const = 0;
  virtual const TableRegistry& registry() const = 0;
  // A table that works.
  virtual TableDefinition table() const = 0;
  virtual Promise promise() const { return Promise::kExactlyOnce; }

  // ---- Options: "?!" is a value of none, but of these, for which any text may be right.
  virtual std::vector<std::string> free_options() const { return {}; }
  virtual std::vector<WrongOption> wrong_options() const { return {}; }

  // ---- The outside.
  virtual void start(SimMachine& /*machine*/) {}
  // Before the machine goes.
  virtual void finish() {}
  virtual void start_process(SimProcess& /*process*/) {}
  // Has the process die in the call of the outside after so many others.
  virtual void kill_at_call(SimProcess& process, int64_t calls) {
    process.kill_at_file_call(calls);
  }
  // False: there is none.
  virtual bool set_peer(Peer /*peer*/) { return false; }
  // The promise takes a job that is restarted after failures, even when its peer is well.
  virtual bool needs_restarts() const { return false; }
  // Of operators in the job; 0: drawn.
  virtual int32_t parallelism() const { return 0; }
};

class SourceSubject : public Subject {
 public:
  // Puts rows there to be read: (n, 'word-n') for n in [first, first + count). A connector that
  // makes its rows itself does nothing.
  virtual void fill(SimWorld& /*host*/, int64_t /*first*/, int64_t /*count*/) {}
  // Puts something there that is no row. False: there is no such thing.
  virtual bool put_bad_record(SimWorld& /*host*/) { return false; }
  // The option with which bad records are left out.
  virtual std::pair<std::string, std::string> skip_option() const { return {}; }
  // How `process` reads the table; as here, by the connector.
  virtual Result<std::unique_ptr<TableSource>> source(const TableDefinition& table,
                                                      SimProcess& process) const;
  // Rows that have been put there come while the job runs. The job is at its end when all have.
  virtual bool is_bounded() const { return true; }
  // Nothing comes any more, and what was sent has had time to arrive: for what may get lost.
  virtual bool is_exhausted() const { return false; }
};

class SinkSubject : public Subject {
 public:
  // The numbers of the rows that a reader sees.
  virtual std::vector<int64_t> visible(SimWorld& host) = 0;
  // Has the rows written by `process`; as here, by the connector's table.
  virtual Status write(Env& env, Stream<ColumnRow> rows, SimProcess& process);
};

struct RunOptions {
  uint64_t seed = 1;
  int64_t rows = 200;
  int64_t kills_max = 0;
  std::vector<Phase> phases = {};  // of kills; empty: all
  bool rescales = false;
  Peer peer = Peer::kWell;  // for some seconds, soon after the start; then it is well again
};

struct Outcome {
  std::string problem;  // empty: the promise was kept
  std::map<Phase, int64_t> kills;
};

// Runs a job from the source to a sink that commits in two phases, and compares what was committed
// with what a run gives in which nothing happens.
Outcome run_source(SourceSubject& subject, const std::vector<std::string>& expected,
                   const RunOptions& options);
// What comes of the source when nothing happens, sorted.
Result<std::vector<std::string>> rows_of(SourceSubject& subject, const RunOptions& options);
// Runs a job from numbers to the sink.
Outcome run_sink(SinkSubject& subject, const RunOptions& options);

// What is wrong with how options are judged; empty: nothing.
std::string check_options(const Subject& subject);
// Bad records fail the job, or are left out when the user says so. Empty: so they do.
std::string check_bad_records(SourceSubject& failing, SourceSubject& skipping);
// What is wrong when the planner asks for the first two columns the other way round; `expected` has
// the rows of whole tables.
std::string check_projection(SourceSubject& subject, const std::vector<std::string>& expected);

// ---- For adaptors: rows (n, 'word-n') as lines of JSON.

// The table's columns: n BIGINT, word STRING.
TableDefinition numbered_table(std::map<std::string, std::string> options);
std::string json_lines(int64_t first, int64_t count);
// Makes a file of them, at once.
void put_json_file(SimWorld& host, const std::string& path, int64_t first, int64_t count);
// The numbers in all files of a folder, but those that are hidden.
std::vector<int64_t> numbers_in(SimWorld& host, const std::string& folder);

}  // namespace tidewheel::certification
