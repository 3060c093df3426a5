// `tidewheel_bench state` and `tidewheel_bench checkpoint`: the keyed count on both backends, and
// what checkpoints cost it. Every run is a process of its own.
#include "bench/state/state_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/state/state_run.h"

namespace tidewheel::bench {
namespace {

constexpr const char* kHelp =
    R"(tidewheel_bench state | checkpoint: keyed state, and what checkpoints cost

  A job counts hits by key: first each key once, then as fast as it goes (or at a rate), evenly
  among some of the keys, which move on all the time: within any second, so between two checkpoints
  that are a second apart, the part of the keys that --changing says is hit. With checkpoints, a
  run is measured from when --settling of them that have all keys are complete, and one is done
  before the next is due (20 seconds later than that at the latest): the first whole ones are
  slower, those right behind them faster, as no key group is written whole again yet.

  --keys N,N,...         how many keys (state: 1000000,10000000; checkpoint: 10000000)
  --large                state: 50000000 keys too
  --backends B,B         hashmap, rocksdb (both)
  --changing PERCENT     the part of the keys that is hit within any second (5)
  --interval MS          time between checkpoints (1000)
  --full                 checkpoints are not incremental
  --no-checkpoints       state: only without them
  --zipf                 state: keys by Zipf's law over all keys, in place of those that move
  --memory-mb N          limit of the job's memory; state in RocksDB may be larger
  --memory-part PERCENT  the limit with rocksdb, as a part of what the same state takes in memory
  --settling N           checkpoints before a run is measured (48)
  --warm-up S            how long a run is not yet measured once all keys are there (2)
  --parallelism P        subtasks of every operator (1)
  --seconds S            how long a run is measured (6)
  --repeat K             runs of each kind; the median counts (3)
  --load PERCENT         checkpoint: of the maximum rate, where latency is measured (60)
  --rate R               checkpoint: hits a second where latency is measured, in place of --load
  --only PART,PART       checkpoint: of throughput, latency, recovery
  --dir FOLDER           for checkpoints and state on disk (bench-state); emptied
)";

struct Options {
  std::vector<int64_t> keys;
  std::vector<std::string> backends;
  bool large = false;
  bool no_checkpoints = false;  // only without
  int64_t repeat = 3;
  double memory_part = 0;  // of the state's size in memory; 0: --memory-mb
  double load = 0.6;
  double rate = 0;                // where latency is measured; 0: `load` of the maximum
  std::vector<std::string> only;  // parts of `checkpoint`; empty: all

  bool has(const char* part) const {
    return only.empty() || std::find(only.begin(), only.end(), part) != only.end();
  }
  StateRun run;
};

template <class T>
bool parse_number(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0;
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool parse_value(const std::string& name, const std::string& value, Options& options) {
  int64_t percent = 0;
  if (name == "--keys") {
    for (const std::string& part : parts_of(value)) {
      if (!parse_number(part, options.keys.emplace_back())) { return false; }
    }
    return true;
  }
  if (name == "--backends") {
    options.backends = parts_of(value);
    return std::all_of(options.backends.begin(), options.backends.end(),
                       [](const auto& each) { return each == "hashmap" || each == "rocksdb"; });
  }
  if (name == "--changing") {
    const bool good = parse_number(value, options.run.workload.changing);
    options.run.workload.changing /= 100;
    return good;
  }
  if (name == "--interval") { return parse_number(value, options.run.checkpoint_interval_ms); }
  if (name == "--memory-mb") {
    const bool good = parse_number(value, options.run.memory_bytes);
    options.run.memory_bytes <<= 20;
    return good;
  }
  if (name == "--memory-part") {
    const bool good = parse_number(value, percent);
    options.memory_part = static_cast<double>(percent) / 100;
    return good;
  }
  if (name == "--settling") { return parse_number(value, options.run.settling); }
  if (name == "--warm-up") { return parse_number(value, options.run.warm_up_s); }
  if (name == "--parallelism") { return parse_number(value, options.run.parallelism); }
  if (name == "--seconds") { return parse_number(value, options.run.seconds); }
  if (name == "--repeat") { return parse_number(value, options.repeat); }
  if (name == "--load") {
    const bool good = parse_number(value, percent);
    options.load = static_cast<double>(percent) / 100;
    return good;
  }
  if (name == "--rate") { return parse_number(value, options.rate); }
  if (name == "--only") {
    options.only = parts_of(value);
    return std::all_of(options.only.begin(), options.only.end(), [](const auto& each) {
      return each == "throughput" || each == "latency" || each == "recovery";
    });
  }
  if (name == "--dir") {
    options.run.directory = value;
    return !value.empty();
  }
  return false;
}

// Nothing when the arguments are wrong, which is printed, or when help was asked for.
std::optional<Options> parse(const std::vector<std::string>& args, int& status) {
  Options options;
  options.run.checkpoint_interval_ms = 1000;
  options.run.directory = "bench-state";
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--help") {
      fmt::print("{}", kHelp);
      status = 0;
      return std::nullopt;
    }
    if (args[i] == "--large") {
      options.large = true;
    } else if (args[i] == "--no-checkpoints") {
      options.no_checkpoints = true;
    } else if (args[i] == "--full") {
      options.run.incremental = false;
    } else if (args[i] == "--zipf") {
      options.run.workload.choice = KeyChoice::kZipf;
    } else if (i + 1 == args.size() || !parse_value(args[i], args[i + 1], options)) {
      fmt::print(stderr, "tidewheel_bench: not understood: {} {}\n\n{}", args[i],
                 i + 1 < args.size() ? args[i + 1] : "", kHelp);
      status = 2;
      return std::nullopt;
    } else {
      ++i;
    }
  }
  if (options.backends.empty()) { options.backends = {"hashmap", "rocksdb"}; }
  return options;
}

std::string machine() {
  std::string model = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
  const auto pages = static_cast<double>(sysconf(_SC_PHYS_PAGES));
  return fmt::format("{} x {}, {:.0f} GB", sysconf(_SC_NPROCESSORS_ONLN), model,
                     pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e9);
}

void print_settings(const char* what, const Options& options) {
  const StateRun& run = options.run;
  fmt::print("# {}: {}\n", what, machine());
  fmt::print("# {}, parallelism {}, {} checkpoints each {} ms, {} s measured, median of {}\n",
             run.workload.choice == KeyChoice::kZipf
                 ? std::string("keys by Zipf's law, exponent 1")
                 : fmt::format("{:g} % of the keys hit in a second", run.workload.changing * 100),
             run.parallelism, run.incremental ? "incremental" : "full", run.checkpoint_interval_ms,
             run.seconds, options.repeat);
}

// The run of the median throughput.
std::optional<StateFigures> median_run(const StateRun& run, int64_t repeat) {
  std::vector<StateFigures> all;
  for (int64_t i = 0; i < repeat; ++i) {
    if (!empty_folder(run.directory)) { return std::nullopt; }
    const auto figures = run_state_in_child(run);
    if (!figures) { return std::nullopt; }
    all.push_back(*figures);
  }
  std::sort(all.begin(), all.end(), [](const StateFigures& a, const StateFigures& b) {
    return a.hits_per_s < b.hits_per_s;
  });
  return all[all.size() / 2];
}

StateRun without_checkpoints(StateRun run) {
  run.checkpoint_interval_ms = 0;
  return run;
}

// A bar, and whether it is held.
void print_bar(const std::string& what, const std::string& found, const std::string& bar,
               bool held) {
  fmt::print("{:<58} {:>12}   bar {:<10} {}\n", what, found, bar, held ? "pass" : "MISS");
}

struct Throughput {
  std::string backend;
  int64_t keys = 0;
  int64_t limit_bytes = 0;  // of the job's memory; 0: the engine's default
  StateFigures without, with;
};

void print_line(const Throughput& line, bool with, double of_without) {
  const StateFigures& f = with ? line.with : line.without;
  fmt::print("{:<8} {:>10} {:>6} {:>12.0f} {:>10.1f} {:>12.0f} {:>8.1f} {:>8.1f} {:>7}\n",
             line.backend, line.keys, with ? "on" : "off", f.hits_per_s, f.cpu_ns_per_hit,
             f.fill_per_s, f.accounted_mb, f.own_mb,
             with ? fmt::format("{:.0f} %", of_without * 100) : "");
  std::fflush(stdout);
}

// Nothing when a run failed.
std::optional<Throughput> measure_throughput(const Options& options, StateRun run,
                                             const std::string& backend, int64_t keys) {
  run.backend = backend;
  run.workload.keys = keys;
  Throughput line{backend, keys, run.memory_bytes, {}, {}};
  const auto without = median_run(without_checkpoints(run), options.repeat);
  if (!without) { return std::nullopt; }
  line.without = *without;
  print_line(line, false, 0);
  if (options.no_checkpoints) { return line; }
  const auto with = median_run(run, options.repeat);
  if (!with) { return std::nullopt; }
  line.with = *with;
  print_line(line, true, line.with.hits_per_s / line.without.hits_per_s);
  return line;
}

// What the state takes in memory: with a lower limit than its account had at its peak it fails.
double state_mb(const Throughput& heap) { return heap.without.accounted_mb; }

const Throughput* find_line(const std::vector<Throughput>& lines, const std::string& backend,
                            int64_t keys) {
  for (const Throughput& line : lines) {
    if (line.backend == backend && line.keys == keys) { return &line; }
  }
  return nullptr;
}

void print_memory_bars(const Throughput& line) {
  const double limit_mb = static_cast<double>(line.limit_bytes) / 1e6;
  const std::string bar = fmt::format("<= {:.1f} MB", limit_mb);
  for (const StateFigures* figures : {&line.without, &line.with}) {
    if (figures->hits_per_s == 0) { continue; }
    const std::string where = fmt::format("rocksdb, {} keys{}: ", line.keys,
                                          figures == &line.with ? ", with checkpoints" : "");
    print_bar(where + "memory accounted for", fmt::format("{:.1f} MB", figures->accounted_mb), bar,
              figures->accounted_mb <= limit_mb);
    print_bar(where + "peak beyond an empty process", fmt::format("{:.1f} MB", figures->own_mb),
              bar, figures->own_mb <= limit_mb);
  }
}

void print_state_bars(const Options& options, const std::vector<Throughput>& lines,
                      const Throughput& line) {
  if (line.backend == "hashmap" && !options.no_checkpoints) {
    const double ratio = line.with.hits_per_s / line.without.hits_per_s;
    print_bar(fmt::format("hashmap, {} keys: throughput with checkpoints", line.keys),
              fmt::format("{:.1f} %", ratio * 100), ">= 90 %", ratio >= 0.9);
  }
  if (line.backend != "rocksdb") { return; }
  const Throughput* const heap = find_line(lines, "hashmap", line.keys);
  if (heap != nullptr) {
    fmt::print("rocksdb, {} keys: {:.0f} MB of state in memory, a limit of {:.0f} MB\n", line.keys,
               state_mb(*heap), static_cast<double>(line.limit_bytes) / 1e6);
    if (options.run.workload.choice == KeyChoice::kZipf) {
      const double part = line.without.hits_per_s / heap->without.hits_per_s;
      print_bar(fmt::format("rocksdb, {} keys: of the rate in memory", line.keys),
                fmt::format("{:.1f} %", part * 100), ">= 25 %", part >= 0.25);
    }
  }
  if (line.limit_bytes > 0) { print_memory_bars(line); }
}

void print_throughput_header() {
  // In MB: what the job has accounted for, and what its process has taken, at their peaks.
  fmt::print("{:<8} {:>10} {:>6} {:>12} {:>10} {:>12} {:>8} {:>8} {:>7}\n", "backend", "keys",
             "chk", "hits/s", "cpu ns/hit", "new keys/s", "account", "peak MB", "of off");
}

// ---- checkpoint ----

void print_checkpoints(const StateFigures& f) {
  fmt::print(
      "  {} completed, {} failed; stood still p50 {:.2f} p99 {:.2f} max {:.2f} ms; from trigger to "
      "complete p50 {:.0f} max {:.0f} ms; written: whole {:.1f} MB, changes {:.1f} MB\n",
      f.checkpoints, f.checkpoints_failed, f.sync_p50, f.sync_p99, f.sync_max, f.total_p50,
      f.total_max, f.first_mb, f.changes_mb);
}

void print_latency(const char* what, const StateFigures& f) {
  const auto ms = [](int64_t ns) { return static_cast<double>(ns) * 1e-6; };
  fmt::print("  {:<24} p50 {:.3f}  p99 {:.3f}  p99.9 {:.3f}  p99.99 {:.3f}  max {:.3f} ms\n", what,
             ms(f.latency_p50_ns), ms(f.latency_p99_ns), ms(f.latency_p999_ns),
             ms(f.latency_p9999_ns), ms(f.latency_max_ns));
}

void print_lateness(const StateFigures& f) {
  const auto ms = [](int64_t ns) { return static_cast<double>(ns) * 1e-6; };
  fmt::print(
      "    the machine: a thread that sleeps for 1 ms was late by p99.9 {:.3f}  max {:.3f} ms\n",
      ms(f.late_p999_ns), ms(f.late_max_ns));
}

// Latency at a part of the maximum rate: of a loop without an engine, without checkpoints, and with
// them.
std::optional<StateFigures> measure_latency(const Options& options, StateRun run, double most) {
  run.workload.rate = options.rate > 0 ? options.rate : most * options.load;
  run.latency = true;
  run.seconds = std::max(run.seconds, 10.0);
  fmt::print("\n{:.0f} hits a second", run.workload.rate);
  if (most > 0) { fmt::print(", {:.0f} % of the most", run.workload.rate / most * 100); }
  fmt::print("\n");
  const auto bare = run_bare_in_child(run);
  if (!bare) { return std::nullopt; }
  print_latency("a loop without engine", *bare);
  const auto without = median_run(without_checkpoints(run), 1);
  if (!without) { return std::nullopt; }
  print_latency("without checkpoints", *without);
  print_lateness(*without);
  const auto with = median_run(run, 1);
  if (!with) { return std::nullopt; }
  print_latency("with checkpoints", *with);
  print_lateness(*with);
  print_checkpoints(*with);
  return with;
}

// So many checkpoints are on top of each other that the next ones would write state whole again.
constexpr int32_t kLayers = 44;

// Ends a run as if killed, and starts it again from its newest checkpoint.
std::optional<StateFigures> measure_recovery(StateRun run) {
  if (!empty_folder(run.directory)) { return std::nullopt; }
  run.keep = true;
  run.settling = 1;
  run.checkpoints_min = kLayers;
  if (!run_state_in_child(run)) { return std::nullopt; }
  run.resume = true;
  run.keep = false;
  run.checkpoints_min = 0;
  run.seconds = 1;
  return run_state_in_child(run);
}

bool report_throughput(const Options& options, const StateRun& run, const std::string& where,
                       double& most) {
  print_throughput_header();
  const auto line = measure_throughput(options, run, run.backend, run.workload.keys);
  if (!line) { return false; }
  print_checkpoints(line->with);
  most = line->without.hits_per_s;
  const double ratio = line->with.hits_per_s / most;
  print_bar(where + "throughput with checkpoints", fmt::format("{:.1f} %", ratio * 100), ">= 90 %",
            ratio >= 0.9);
  print_bar(where + "pause of a task, p99", fmt::format("{:.2f} ms", line->with.sync_p99),
            "<= 5 ms", line->with.sync_p99 <= 5);
  return true;
}

bool report_latency(const Options& options, const StateRun& run, const std::string& where,
                    double most) {
  if (most == 0 && options.rate == 0) {
    const auto without = median_run(without_checkpoints(run), options.repeat);
    if (!without) { return false; }
    most = without->hits_per_s;
  }
  const auto latency = measure_latency(options, run, most);
  if (!latency) { return false; }
  const double p9999 = static_cast<double>(latency->latency_p9999_ns) * 1e-6;
  print_bar(where + "latency p99.99 at load", fmt::format("{:.2f} ms", p9999), "< 10 ms",
            p9999 < 10);
  return true;
}

bool report_recovery(const StateRun& run, const std::string& where) {
  const auto recovered = measure_recovery(run);
  if (!recovered) { return false; }
  print_bar(where + "start from a checkpoint to the first row",
            fmt::format("{:.2f} s", recovered->first_row_s), "< 3 s", recovered->first_row_s < 3);
  return true;
}

bool report_checkpoints(const Options& options, const std::string& backend, int64_t keys) {
  StateRun run = options.run;
  run.backend = backend;
  run.workload.keys = keys;
  const std::string where = fmt::format("{}, {} keys: ", backend, keys);
  double most = 0;  // hits a second without checkpoints
  if (options.has("throughput") && !report_throughput(options, run, where, most)) { return false; }
  if (options.has("latency") && !report_latency(options, run, where, most)) { return false; }
  if (options.has("recovery") && !report_recovery(run, where)) { return false; }
  fmt::print("\n");
  return true;
}

}  // namespace

int run_state(const std::vector<std::string>& args) {
  int status = 0;
  std::optional<Options> options = parse(args, status);
  if (!options) { return status; }
  if (options->keys.empty()) { options->keys = {1'000'000, 10'000'000}; }
  if (options->large) { options->keys.push_back(50'000'000); }
  print_settings("keyed count", *options);
  print_throughput_header();
  std::vector<Throughput> lines;
  for (const int64_t keys : options->keys) {
    for (const std::string& backend : options->backends) {
      StateRun run = options->run;
      if (backend == "rocksdb" && options->memory_part > 0) {
        const Throughput* const heap = find_line(lines, "hashmap", keys);
        if (heap == nullptr) {
          fmt::print(stderr, "tidewheel_bench: --memory-part needs hashmap before rocksdb\n");
          return 2;
        }
        run.memory_bytes =
            static_cast<int64_t>(state_mb(*heap) * 1e6 * options->memory_part) >> 20 << 20;
      }
      const auto line = measure_throughput(*options, run, backend, keys);
      if (line) {
        lines.push_back(*line);
      } else {
        status = 1;
      }
    }
  }
  fmt::print("\n");
  for (const Throughput& line : lines) { print_state_bars(*options, lines, line); }
  return status;
}

int run_checkpoint(const std::vector<std::string>& args) {
  int status = 0;
  std::optional<Options> options = parse(args, status);
  if (!options) { return status; }
  if (options->keys.empty()) { options->keys = {10'000'000}; }
  print_settings("checkpoints", *options);
  for (const int64_t keys : options->keys) {
    for (const std::string& backend : options->backends) {
      if (!report_checkpoints(*options, backend, keys)) { status = 1; }
    }
  }
  return status;
}

}  // namespace tidewheel::bench
