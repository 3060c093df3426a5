// Runs the flights job, shows how far it is, and prints what it found.
#include <fmt/format.h>
#include <tidewheel/api/command_line.h>
#include <tidewheel/api/interruption.h>
#include <tidewheel/api/run_report.h>
#include <tidewheel/base/options.h>
#include <tidewheel/base/world.h>
#include <tidewheel/checkpoint/checkpoint_store.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "job.h"
#include "report.h"

namespace {

constexpr const char* kHelp = R"(flights: a job on the departures of New York's airports in 2013

  --data DIR          folder with flights*.csv[.gz], planes.csv[.gz] and weather.csv[.gz]
  --out DIR           folder for the results (flights-out); those of an earlier run are replaced
  --rate N            reads no more than N flights a second
  -p, --parallelism N subtasks of every operator
  -Dkey=value         a setting of the engine, such as -Dtaskmanager.batch-rows=1
  --explain           prints the plan instead of running it
  --help              this text

  --checkpoint-interval TIME   takes a checkpoint so often, such as 1s
  --checkpoint-dir DIR         where checkpoints are kept
  --resume                     goes on from the newest one, and with its results
  --from-savepoint DIR         goes on from a savepoint
  --savepoint-on-interrupt DIR Ctrl-C stops with a savepoint


Writes CSV files into the folders hourly, late, sessions, alerts and weather of --out.
Ctrl-C ends the job with the results so far; a second one ends it at once.
)";

constexpr const char* kJobName = "flights";

// A mistake in how the program was called, or with what.
class Misuse : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class T>
T take(tidewheel::Result<T> result) {
  if (!result.ok()) { throw std::runtime_error(result.status().to_string()); }
  return std::move(*result);
}
void check(const tidewheel::Status& status) {
  if (!status.ok()) { throw std::runtime_error(status.to_string()); }
}

// The files of a folder whose names begin with `start`, in the order of their names.
std::vector<std::string> files_named(tidewheel::FileSystem& files, const std::string& data,
                                     const std::string& start) {
  std::vector<std::string> paths;
  for (const auto& entry : take(files.list(data))) {
    if (!entry.is_directory && entry.name.starts_with(start)) {
      paths.push_back(data + "/" + entry.name);
    }
  }
  if (paths.empty()) {
    throw Misuse(fmt::format("there is no {}*.csv or {}*.csv.gz in {}", start, start, data));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

flights::Paths find_paths(tidewheel::FileSystem& files, const tidewheel::JobArgs& args) {
  if (!args.has("data")) { throw Misuse("--data is needed: the folder with the CSV files"); }
  const std::string data = args.require("data");
  return {files_named(files, data, "flights"), files_named(files, data, "planes").front(),
          files_named(files, data, "weather").front(), args.get("out", "flights-out"),
          args.get("rate", 0.0)};
}

// Removes the results of an earlier run; nothing that this program has not written.
void remove_results(tidewheel::FileSystem& files, const std::string& out) {
  std::vector<std::string> folders;
  for (const char* name : flights::kResultFolders) {
    const std::string folder = out + "/" + name;
    if (!take(files.exists(folder))) { continue; }
    for (const auto& entry : take(files.list(folder))) {
      if (!entry.name.starts_with("part-") && !entry.name.starts_with(".part-")) {
        throw Misuse(fmt::format("{}/{} was not written by this program: choose another --out",
                                 folder, entry.name));
      }
    }
    folders.push_back(folder);
  }
  for (const std::string& folder : folders) { check(files.remove_all(folder)); }
}

// A line on the error stream, if there is something to say.
void tell(const std::string& text) {
  if (!text.empty()) { fmt::print(stderr, "{}\n", text); }
}

// Prints how far the job is, until it ends.
void watch(tidewheel::JobHandle& job, tidewheel::Clock& clock) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const int64_t pause_ns = terminal ? 100'000'000 : 1'000'000'000;
  while (!job.wait(clock.now_ns() + pause_ns)) {
    int64_t watermark = INT64_MIN;
    for (const auto& task : job.tasks()) {
      if (task.watermark != INT64_MAX) { watermark = std::max(watermark, task.watermark); }
    }
    const auto counters = job.accumulators();
    const auto found = counters.find("rows read");
    const int64_t rows = found == counters.end() ? 0 : found->second;
    const double seconds = static_cast<double>(job.runtime_ns()) * 1e-9;
    fmt::print(
        stderr, "{}{:>8} flights, {:>9.0f} a second, event time {:<16}{}", terminal ? "\r" : "",
        rows, static_cast<double>(rows) / seconds,
        watermark == INT64_MIN ? "-" : to_string(tidewheel::Timestamp(watermark)).substr(0, 16),
        terminal ? "" : "\n");
    std::fflush(stderr);
  }
  if (terminal) { fmt::print(stderr, "\r{:79}\r", ""); }
}

// Goes on: from a snapshot, and so with the results that are there.
enum class Beginning { kAnew, kGoesOn, kHasFinished };

Beginning beginning_of(tidewheel::World& world, const tidewheel::JobCommandLine& line,
                       const tidewheel::Config& config) {
  namespace options = tidewheel::options;
  if (!config.get(options::kRecoveryPath).empty()) { return Beginning::kGoesOn; }
  if (!line.resume) { return Beginning::kAnew; }
  std::vector<std::string> warnings;  // the job gives them when it starts
  const auto newest = tidewheel::find_newest_snapshot(
      world, config.get(options::kCheckpointDirectory), "", kJobName, warnings);
  if (newest.ok()) { return Beginning::kGoesOn; }
  if (newest.status().id() == tidewheel::ErrorId::kJobFinished) {
    tell(std::string(newest.status().message()));
    return Beginning::kHasFinished;
  }
  if (newest.status().id() != tidewheel::ErrorId::kFileNotFound) { check(newest.status()); }
  return Beginning::kAnew;
}

// Prints the plan when it was asked for.
bool explain(tidewheel::Env& env, tidewheel::JobCommandLine::Action action) {
  using Action = tidewheel::JobCommandLine::Action;
  if (action == Action::kRun) { return false; }
  fmt::print("{}\n", take(action == Action::kExplain ? env.explain() : env.explain_json()));
  return true;
}

void run(const tidewheel::JobCommandLine& line) {
  const tidewheel::JobArgs args(line.arguments);
  for (const auto& [key, value] : args.all()) {
    if (key != "data" && key != "out" && key != "rate") {
      throw Misuse("unknown option --" + key + "; see --help");
    }
  }
  if (!args.positional().empty()) {
    throw Misuse("'" + args.positional().front() + "' means nothing here; see --help");
  }
  const auto world = tidewheel::make_real_world();
  tidewheel::Env env(*world, line.config, args);
  const flights::Paths paths = find_paths(world->files(), args);
  const flights::Results results = flights::build(env, paths);
  if (explain(env, line.action)) { return; }

  check(tidewheel::check_start(line, env.config()));
  // Two of these programs would remove each other's results.
  check(world->files().make_directories(paths.out));
  const auto lock = take(world->files().lock(paths.out + "/.lock", "another run of this program"));
  const Beginning beginning = beginning_of(*world, line, env.config());
  if (beginning == Beginning::kHasFinished) { return; }
  const bool goes_on = beginning == Beginning::kGoesOn;
  if (!goes_on) { remove_results(world->files(), paths.out); }
  env.resume(line.resume);
  const auto interruption = take(tidewheel::Interruption::install(
      {.savepoint_directory = line.savepoint_on_interrupt, .drain = line.drain}));
  const auto job = take(env.execute_async(kJobName));
  tell(tidewheel::start_text(job->checkpoints(), kJobName, line.resume,
                             env.config().get(tidewheel::options::kCheckpointDirectory)));
  interruption->watch(job.get());
  watch(*job, world->clock());
  interruption->watch(nullptr);
  tell(tidewheel::checkpoint_summary(job->checkpoints(), job->restarts()));
  check(job->result());

  const auto counters = job->accumulators();
  const int64_t rows = counters.at("rows read");
  const double seconds = static_cast<double>(job->runtime_ns()) * 1e-9;
  // The tables are made of what this process has seen; the files have everything.
  fmt::print("{}", goes_on ? flights::counted(counters) : flights::report(results, counters));
  fmt::print("\n{}{} flights in {:.2f} s, {:.0f} a second\nResults: {}/{{{}}}\n",
             interruption->interrupted() ? "Interrupted: " : "", rows, seconds,
             static_cast<double>(rows) / seconds, paths.out,
             fmt::join(flights::kResultFolders, ","));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto line =
        tidewheel::parse_job_command_line(std::vector<std::string>(argv + 1, argv + argc));
    if (!line.ok()) { throw Misuse(line.status().to_string()); }
    if (line->action == tidewheel::JobCommandLine::Action::kHelp) {
      fmt::print("{}", kHelp);
    } else {
      run(*line);
    }
    return 0;
  } catch (const Misuse& misuse) {
    fmt::print(stderr, "flights: {}\n", misuse.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "flights: {}\n", error.what());
    return 1;
  }
}
