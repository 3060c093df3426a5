// tidewheel_sim: runs random jobs on a simulated machine, a seed a run, and reports those whose
// results are wrong, those that do not replay, and places of interest that no run has reached.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/sim/job_run.h"

namespace tidewheel::sim {
namespace {

constexpr unsigned kSecondsPerSeed = 60;  // of real time; more is taken for a hang
constexpr uint64_t kReplayEvery = 20;     // of so many seeds one is run twice

struct Options {
  uint64_t first = 1;
  uint64_t count = 200;
  int64_t processes = 2;
  bool verbose = false;
  RunOptions run;
};

// What the processes say over their pipe: a letter, then words, a line each.
//   S seed            begins
//   R seed hash       has ended well; refusals
//   E seed text       has failed (newlines as \x01)
//   M mark, F fault   seen for the first time by this process
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

void run_one(uint64_t seed, const Options& options, Reporter& reporter) {
  ::alarm(kSecondsPerSeed);
  reporter.say('S', std::to_string(seed));
  RunReport report = run_seed(seed, options.run);
  if (report.failure.empty() && seed % kReplayEvery == 0) {
    const RunReport again = run_seed(seed, options.run);
    if (again.trace_hash != report.trace_hash) {
      report.failure = fmt::format("does not replay: trace {:016x}, then {:016x}",
                                   report.trace_hash, again.trace_hash);
    }
  }
  for (const std::string& mark : report.marks) { reporter.say_once('M', mark); }
  for (const auto& [fault, times] : report.faults) { reporter.say_once('F', fault); }
  if (report.failure.empty()) {
    reporter.say('R', fmt::format("{} {:016x}", seed, report.trace_hash));
  } else {
    reporter.say('E', fmt::format("{} {}\n{}", seed, report.failure, report.plan));
  }
}

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
    if (process.is_running) {
      fail(process.running,
           WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
               ? fmt::format("no end in {} seconds", kSecondsPerSeed)
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
      case 'M': marks_.insert(text); break;
      case 'F': faults_.insert(text); break;
      default: break;
    }
  }

  void fail(uint64_t seed, const std::string& message) {
    ++failed_;
    if (failed_ <= 20) {
      fmt::print("FAILED seed {}: {}\n  replay: tidewheel_sim --seed {}{}\n", seed, message, seed,
                 options_.run.family.empty() ? "" : " --family " + options_.run.family);
      std::fflush(stdout);
    }
  }

  int report() const {
    fmt::print("{} seeds from {}: {} passed, {} failed\n", options_.count, options_.first, passed_,
               failed_);
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
  std::set<std::string> marks_;
  std::set<std::string> faults_;
};

constexpr std::string_view kUsage =
    "tidewheel_sim: runs random jobs on a simulated machine and checks their results\n"
    "  --seeds N      how many runs (200; 1 when only --seed is given)\n"
    "  --seed S       the first seed (1)\n"
    "  --processes P  how many run side by side (2)\n"
    "  --family NAME  only jobs of this family: runtime, typed\n"
    "  --trace        prints each decision of the scheduler\n"
    "  --verbose      prints each run's trace hash\n";

// False: the command line can't be understood.
bool parse(int argc, char** argv, Options& options) {
  bool has_seed = false;
  bool has_count = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--trace") {
      options.run.print_trace = true;
      continue;
    }
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (i + 1 >= argc) { return false; }
    const std::string_view value = argv[++i];
    if (name == "--family") {
      options.run.family = value;
      continue;
    }
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
    } else {
      return false;
    }
  }
  if (has_seed && !has_count) { options.count = 1; }
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
  return tidewheel::sim::Driver(options).run();
}
