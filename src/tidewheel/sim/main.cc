// tidewheel_sim: runs random jobs on a simulated machine, a seed a run, and reports those whose
// results are wrong, those that do not replay, and places of interest that no run has reached.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/sim/job_run.h"

namespace tidewheel::sim {
namespace {

constexpr int64_t kSecondsPerSeed = 30;  // of the processor's time; more is taken for a hang
constexpr int64_t kSecondsPerSmaller = 20;
constexpr uint64_t kReplayEvery = 20;  // of so many seeds one is run twice

constexpr uint64_t kMutantSeedsMax = 10'000;

struct Options {
  uint64_t first = 1;
  uint64_t count = 200;
  int64_t processes = 2;
  bool verbose = false;
  bool shrinks = true;
  bool stops_at_failure = false;
  bool quiet = false;  // failures are not printed
  bool prints_marks = false;
  bool runs_mutants = false;
  bool counts = false;          // mutants: how many seeds find one
  bool recorded_first = false;  // mutants: the seeds of mutant_seeds.inc before others
  std::string mutant;
  RunOptions run;
};

// The command line that runs the seed again.
std::string replay_line(uint64_t seed, const RunOptions& run, const std::string& mutant) {
  std::string line = fmt::format("tidewheel_sim --seed {}", seed);
  if (!run.family.empty()) { line += " --family " + run.family; }
  if (!mutant.empty()) { line += " --mutant " + mutant; }
  for (const std::string& part : run.without) { line += " --without " + part; }
  for (const int64_t step : run.without_steps) { line += fmt::format(" --without-step {}", step); }
  if (run.lives_max != INT64_MAX) { line += fmt::format(" --lives {}", run.lives_max); }
  if (run.sources_max != INT64_MAX) { line += fmt::format(" --sources {}", run.sources_max); }
  if (run.rows_max != INT64_MAX) { line += fmt::format(" --rows {}", run.rows_max); }
  return line;
}

// What the processes say over their pipe: a letter, then words, a line each.
//   S seed            begins
//   R seed hash       has ended well; refusals
//   E seed text       has failed (newlines as \x01)
//   M mark            reached in this run
//   F fault           seen for the first time by this process
class Reporter {
 public:
  explicit Reporter(int fd) : fd_(fd) {}
  void say(char kind, std::string text) {
    std::replace(text.begin(), text.end(), '\n', '\x01');
    text = kind + (" " + text) + "\n";
    for (std::string_view left = text; !left.empty();) {
      const ssize_t put = ::write(fd_, left.data(), left.size());
      if (put <= 0) { ::_exit(3); }
      left.remove_prefix(static_cast<size_t>(put));
    }
  }
  void say_once(char kind, std::string_view name) {
    if (said_.insert(kind + std::string(name)).second) { say(kind, std::string(name)); }
  }

 private:
  const int fd_;
  std::set<std::string> said_;
};

// Nothing sleeps in a run, so a loaded machine does not matter. Ends the process by SIGPROF.
void limit_seconds(int64_t seconds) {
  const itimerval limit = {.it_interval = {}, .it_value = {.tv_sec = seconds, .tv_usec = 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
}

void run_one(uint64_t seed, const Options& options, Reporter& reporter) {
  limit_seconds(kSecondsPerSeed);
  reporter.say('S', std::to_string(seed));
  RunReport report = run_seed(seed, options.run);
  if (report.failure.empty() && seed % kReplayEvery == 0) {
    const RunReport again = run_seed(seed, options.run);
    if (again.trace_hash != report.trace_hash) {
      report.failure = fmt::format("does not replay: trace {:016x}, then {:016x}",
                                   report.trace_hash, again.trace_hash);
    }
  }
  for (const std::string& mark : report.marks) { reporter.say('M', mark); }
  for (const auto& [fault, times] : report.faults) { reporter.say_once('F', fault); }
  if (report.failure.empty()) {
    reporter.say('R', fmt::format("{} {:016x}", seed, report.trace_hash));
  } else {
    reporter.say('E', fmt::format("{} {}\n{}", seed, report.failure, report.plan));
  }
}

// Makes a failing run of the recovery family smaller, as long as it fails.
class Shrinker {
 public:
  explicit Shrinker(uint64_t seed) : seed_(seed) {}

  RunOptions shrink(RunOptions run) {
    for (int round = 0; round < 2; ++round) {
      for (const std::string& part : recovery_parts()) {
        attempt(run, [&](RunOptions& less) { less.without.insert(part); });
      }
      for (int64_t lives = 0; lives < std::min<int64_t>(run.lives_max, 6); ++lives) {
        attempt(run, [&](RunOptions& less) { less.lives_max = lives; });
      }
      for (int64_t step = 0; step < 8; ++step) {
        attempt(run, [&](RunOptions& less) { less.without_steps.insert(step); });
      }
      for (int64_t sources = 0; sources < std::min<int64_t>(run.sources_max, 3); ++sources) {
        attempt(run, [&](RunOptions& less) { less.sources_max = sources; });
      }
      for (int64_t rows = 1; rows < std::min<int64_t>(run.rows_max, 400); rows *= 2) {
        attempt(run, [&](RunOptions& less) { less.rows_max = rows; });
      }
    }
    return run;
  }

 private:
  void attempt(RunOptions& run, const std::function<void(RunOptions&)>& make_less) {
    RunOptions less = run;
    make_less(less);
    if (replay_line(0, less, "") != replay_line(0, run, "") && fails(less)) { run = less; }
  }
  // In a process of its own, because it may end by a signal.
  bool fails(const RunOptions& run) const {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      limit_seconds(kSecondsPerSmaller);
      const int nowhere = ::open("/dev/null", O_WRONLY);
      ::dup2(nowhere, 2);
      ::_exit(run_seed(seed_, run).failure.empty() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    // What takes too long now is something else.
    return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF) &&
           !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

  const uint64_t seed_;
};

// One of the processes: every `step`-th seed.
struct Process {
  pid_t pid = -1;
  int fd = -1;
  uint64_t next = 0;  // the first seed it has not begun
  uint64_t running = 0;
  bool is_running = false;
  std::string buffer;
};

class Driver {
 public:
  explicit Driver(const Options& options) : options_(options) {}

  struct Failure {
    uint64_t seed = 0;
    std::string what;
  };
  const std::optional<Failure>& first_failure() const { return first_failure_; }
  uint64_t failed() const { return failed_; }

  int run() {
    const auto step = static_cast<uint64_t>(options_.processes);
    for (uint64_t i = 0; i < step; ++i) {
      Process process;
      process.next = options_.first + i;
      processes_.push_back(std::move(process));
      start(processes_.back());
    }
    while (wait_for_news()) {}
    return report();
  }

 private:
  uint64_t end() const { return options_.first + options_.count; }

  void start(Process& process) {
    if (process.next >= end()) { return; }
    int ends[2];
    if (::pipe(ends) != 0) {
      std::perror("pipe");
      ::_exit(2);
    }
    std::fflush(nullptr);
    process.pid = ::fork();
    if (process.pid == 0) {
      ::close(ends[0]);
      Reporter reporter(ends[1]);
      for (uint64_t seed = process.next; seed < end();
           seed += static_cast<uint64_t>(options_.processes)) {
        run_one(seed, options_, reporter);
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    process.fd = ends[0];
    process.is_running = false;
  }

  void stop() {
    for (Process& process : processes_) {
      process.next = end();
      if (process.fd >= 0) { ::kill(process.pid, SIGKILL); }
      process.is_running = false;
    }
    stopped_ = true;
  }

  // Reads what there is; false when all processes have ended.
  bool wait_for_news() {
    std::vector<pollfd> polled;
    std::vector<Process*> speakers;
    for (Process& process : processes_) {
      if (process.fd < 0) { continue; }
      polled.push_back({process.fd, POLLIN, 0});
      speakers.push_back(&process);
    }
    if (polled.empty()) { return false; }
    ::poll(polled.data(), polled.size(), -1);
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) { hear(*speakers[i]); }
    }
    return true;
  }

  void hear(Process& process) {
    char bytes[65536];
    const ssize_t got = ::read(process.fd, bytes, sizeof bytes);
    if (got > 0) {
      process.buffer.append(bytes, static_cast<size_t>(got));
      size_t line_end = 0;
      while ((line_end = process.buffer.find('\n')) != std::string::npos) {
        take_line(process, process.buffer.substr(0, line_end));
        process.buffer.erase(0, line_end + 1);
      }
      return;
    }
    ::close(process.fd);
    process.fd = -1;
    int status = 0;
    ::waitpid(process.pid, &status, 0);
    if (process.is_running && !stopped_) {
      fail(process.running,
           WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF
               ? fmt::format("no end in {} seconds of work", kSecondsPerSeed)
               : fmt::format("the process ended by {}",
                             WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "itself"));
      start(process);  // the seeds after it
    }
  }

  void take_line(Process& process, const std::string& line) {
    const std::string text = line.substr(2);
    switch (line[0]) {
      case 'S':
        process.running = std::stoull(text);
        process.is_running = true;
        process.next = process.running + static_cast<uint64_t>(options_.processes);
        break;
      case 'R':
        process.is_running = false;
        ++passed_;
        if (options_.verbose || options_.count == 1) { fmt::print("seed {}\n", text); }
        break;
      case 'E': {
        process.is_running = false;
        std::string message = text.substr(text.find(' ') + 1);
        std::replace(message.begin(), message.end(), '\x01', '\n');
        fail(std::stoull(text), message);
        break;
      }
      case 'M': ++marks_[text]; break;
      case 'F': faults_.insert(text); break;
      default: break;
    }
  }

  void fail(uint64_t seed, const std::string& message) {
    ++failed_;
    if (!first_failure_.has_value() || seed < first_failure_->seed) {
      first_failure_ = Failure{seed, message.substr(0, message.find('\n'))};
    }
    if (failed_ <= 20 && !options_.quiet) { print_failure(seed, message); }
    if (options_.stops_at_failure) { stop(); }
  }
  void print_failure(uint64_t seed, const std::string& message) const {
    fmt::print("FAILED seed {}: {}\n  replay: {}\n", seed, message,
               replay_line(seed, options_.run, options_.mutant));
    std::fflush(stdout);
    const bool recovers =
        options_.run.family == "recovery" || (options_.run.family.empty() && seed % 2 == 0);
    if (options_.shrinks && recovers && failed_ <= 3) {
      const RunOptions less = Shrinker(seed).shrink(options_.run);
      fmt::print("  smaller: {}\n", replay_line(seed, less, options_.mutant));
      std::fflush(stdout);
    }
  }

  int report() const {
    if (options_.quiet) { return failed_ == 0 ? 0 : 1; }
    fmt::print("{} seeds from {}: {} passed, {} failed\n", options_.count, options_.first, passed_,
               failed_);
    if (options_.prints_marks) {
      for (const auto& [mark, runs] : marks_) { fmt::print("{:>8} runs {}\n", runs, mark); }
    }
    if (options_.count >= 100) {
      fmt::print("{} of {} marks were reached\n", marks_.size(), all_mark_names().size());
      for (const std::string_view mark : all_mark_names()) {
        if (marks_.find(std::string(mark)) == marks_.end()) {
          fmt::print("mark never reached: {}\n", mark);
        }
      }
      for (const std::string_view fault : all_fault_names()) {
        if (faults_.find(std::string(fault)) == faults_.end()) {
          fmt::print("fault that never happened: {}\n", fault);
        }
      }
    }
    return failed_ == 0 ? 0 : 1;
  }

  const Options options_;
  std::vector<Process> processes_;
  uint64_t passed_ = 0;
  uint64_t failed_ = 0;
  bool stopped_ = false;
  std::map<std::string, uint64_t> marks_;  // in how many runs they were reached
  std::set<std::string> faults_;
  std::optional<Failure> first_failure_;  // that of the lowest seed
};

// ---- Does it bite?

struct MutantSeed {
  std::string_view mutant;
  uint64_t seed;
};
constexpr MutantSeed kMutantSeeds[] = {
    {"", 0},
#define MUTANT_SEED(mutant, seed) {mutant, seed},
#include "tidewheel/sim/mutant_seeds.inc"
#undef MUTANT_SEED
};

// Puts each known bug back, until a run of the family that recovers has found it. Returns how many
// were not found.
class MutantHunt {
 public:
  explicit MutantHunt(Options options) : options_(std::move(options)) {
    options_.run.family = "recovery";
    options_.stops_at_failure = !options_.counts;
    options_.quiet = true;
  }

  int run() {
    int missed = 0;
    for (const std::string_view name : all_mutant_names()) {
      if (!options_.mutant.empty() && options_.mutant != name) { continue; }
      missed += (options_.counts ? count(name) : find(name)) ? 0 : 1;
    }
    return missed;
  }

 private:
  bool count(std::string_view name) const {
    choose_mutant(name);
    Driver driver(options_);
    driver.run();
    choose_mutant("");
    const auto& first = driver.first_failure();
    fmt::print("{:<40} {} of {} seeds, the first is {}\n", name, driver.failed(), options_.count,
               first.has_value() ? std::to_string(first->seed) : "none");
    std::fflush(stdout);
    return first.has_value();
  }
  bool find(std::string_view name) const {
    std::optional<Driver::Failure> found;
    if (options_.recorded_first) { found = look(name, recorded(name), 1); }
    const bool at_record = found.has_value();
    if (!found.has_value()) { found = look(name, options_.first, options_.count); }
    if (found.has_value()) {
      fmt::print("{:<40} seed {}{}: {}\n", name, found->seed,
                 at_record || !options_.recorded_first ? "" : ", which is not the one recorded",
                 found->what);
    } else {
      fmt::print("{:<40} NOT FOUND in {} seeds\n", name, options_.count);
    }
    std::fflush(stdout);
    return found.has_value();
  }
  // A seed that fails with the mutant, and without it does not.
  std::optional<Driver::Failure> look(std::string_view name, uint64_t first, uint64_t count) const {
    const uint64_t end = first + count;
    while (first < end) {
      choose_mutant(name);
      std::optional<Driver::Failure> found = run(first, end - first);
      choose_mutant("");
      if (!found.has_value()) { break; }
      if (!run(found->seed, 1).has_value()) { return found; }
      first = found->seed + 1;
    }
    return std::nullopt;
  }
  std::optional<Driver::Failure> run(uint64_t first, uint64_t count) const {
    Options options = options_;
    options.first = first;
    options.count = count;
    Driver driver(options);
    driver.run();
    return driver.first_failure();
  }
  static uint64_t recorded(std::string_view name) {
    const auto* const found =
        std::find_if(std::begin(kMutantSeeds), std::end(kMutantSeeds),
                     [&](const MutantSeed& one) { return one.mutant == name; });
    return found == std::end(kMutantSeeds) ? 1 : found->seed;
  }

  Options options_;
};

constexpr std::string_view kUsage =
    "tidewheel_sim: runs random jobs on a simulated machine and checks their results\n"
    "  --seeds N      how many runs (200; 1 when only --seed is given)\n"
    "  --seed S       the first seed (1)\n"
    "  --processes P  how many run side by side (2)\n"
    "  --family NAME  only jobs of this family: runtime, typed, recovery\n"
    "  --trace        prints each decision of the scheduler\n"
    "  --log          prints what the engine logs\n"
    "  --verbose      prints each run's trace hash\n"
    "  --no-shrink    leaves failing runs as they are\n"
    "  --first        ends at the first failure\n"
    "  --marks        says in how many runs each place of interest was reached\n"
    "  --mutant NAME  puts a known bug back (base/mutant.h)\n"
    "  --mutants      puts each known bug back, or that of --mutant, and says which seed finds it\n"
    "  --count        of those, how many seeds find it\n"
    "  --recorded     the same, beginning with the seed that found it before (mutant_seeds.inc)\n"
    "  --list-mutants lists the known bugs of this build\n"
    "Of runs of the recovery family, to make a failing one smaller:\n"
    "  --without PART, --without-step N, --lives N, --sources N, --rows N\n";

// An option without a value. False: it is none.
bool parse_flag(std::string_view name, Options& options) {
  if (name == "--trace") {
    options.run.print_trace = true;
  } else if (name == "--log") {
    options.run.print_log = true;
  } else if (name == "--verbose") {
    options.verbose = true;
  } else if (name == "--no-shrink") {
    options.shrinks = false;
  } else if (name == "--first") {
    options.stops_at_failure = true;
  } else if (name == "--marks") {
    options.prints_marks = true;
  } else if (name == "--mutants") {
    options.runs_mutants = true;
  } else if (name == "--count") {
    options.counts = true;
  } else if (name == "--recorded") {
    options.runs_mutants = options.recorded_first = true;
  } else if (name == "--list-mutants") {
    for (const std::string_view mutant : all_mutant_names()) { fmt::print("{}\n", mutant); }
    std::fflush(stdout);
    ::_exit(0);
  } else {
    return false;
  }
  return true;
}

// An option whose value is a word. False: it is none, or the word is none that it takes.
bool parse_word(std::string_view name, std::string_view value, Options& options) {
  if (name == "--family") {
    options.run.family = value;
    return value == "runtime" || value == "typed" || value == "recovery";
  }
  if (name == "--mutant") {
    options.mutant = value;
    const std::vector<std::string_view> mutants = all_mutant_names();
    return std::find(mutants.begin(), mutants.end(), value) != mutants.end();
  }
  if (name == "--without") {
    options.run.without.insert(std::string(value));
    const std::vector<std::string>& parts = recovery_parts();
    return std::find(parts.begin(), parts.end(), value) != parts.end();
  }
  return false;
}

// False: the command line can't be understood.
bool parse(int argc, char** argv, Options& options) {
  bool has_seed = false;
  bool has_count = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (parse_flag(name, options)) { continue; }
    if (i + 1 >= argc) { return false; }
    const std::string_view value = argv[++i];
    if (parse_word(name, value, options)) { continue; }
    const Result<int64_t> number = parse_int(value);
    if (!number.ok() || *number < 0) { return false; }
    if (name == "--seeds") {
      options.count = static_cast<uint64_t>(*number);
      has_count = true;
    } else if (name == "--seed") {
      options.first = static_cast<uint64_t>(*number);
      has_seed = true;
    } else if (name == "--processes" && *number > 0) {
      options.processes = *number;
    } else if (name == "--without-step") {
      options.run.without_steps.insert(*number);
    } else if (name == "--lives") {
      options.run.lives_max = *number;
    } else if (name == "--sources") {
      options.run.sources_max = *number;
    } else if (name == "--rows") {
      options.run.rows_max = *number;
    } else {
      return false;
    }
  }
  if (has_seed && !has_count) { options.count = 1; }
  if (options.runs_mutants && !has_count) { options.count = kMutantSeedsMax; }
  return true;
}

}  // namespace
}  // namespace tidewheel::sim

int main(int argc, char** argv) {
  tidewheel::sim::Options options;
  if (!tidewheel::sim::parse(argc, argv, options)) {
    fmt::print(stderr, "{}", tidewheel::sim::kUsage);
    return 2;
  }
  if (options.runs_mutants) {
    if (tidewheel::has_mutants()) { return tidewheel::sim::MutantHunt(options).run(); }
    fmt::print(stderr, "this build has no known bugs to put back (base/mutant.h)\n");
    return 2;
  }
  tidewheel::choose_mutant(options.mutant);
  return tidewheel::sim::Driver(options).run();
}
