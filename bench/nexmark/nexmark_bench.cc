// `tidewheel_bench nexmark`: runs Nexmark queries, each run in a process of its own so that memory
// and CPU time are that run's, and prints what was measured.
#include "bench/nexmark/nexmark_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/child.h"
#include "bench/nexmark/queries.h"
#include "bench/nexmark/sql_queries.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"

namespace tidewheel::bench {
namespace {

constexpr const char* kHelp = R"(tidewheel_bench nexmark: runs Nexmark queries on the engine

  --api cpp|sql          which API the queries are written in (cpp)
  --queries q0,q1,...    which queries; all when not given
  --events N             events of each run (10000000)
  --parallelism P        subtasks of every operator (1)
  --rate R               events per second of event time (100000)
  --seed S               seed of the generator (42)
  --repeat K             runs of each query; the median CPU time counts (5)
  --no-check             skip the extra run that hashes the result
  --backend B            where state is: hashmap or rocksdb (hashmap)
  --checkpoint-interval MS
                         takes an incremental checkpoint so often (none)
  --dir FOLDER           for checkpoints (bench-state); emptied
  --json FILE            write the measurements to FILE as JSON

A run is measured with a sink that reads every field. An extra run hashes the result's text lines;
the hash is the sum of the XXH3-64 of the lines, so that it can be compared with any other
implementation. With a backend, or checkpoints, it is compared with the hash of a run that has
neither.
)";

// A query in one of the APIs.
struct Candidate {
  std::string name;
  std::function<Status(QueryRun&)> build;
};

struct Options {
  std::string api = "cpp";
  std::string names;  // of the queries, with commas; empty: all
  std::vector<Candidate> queries;
  nexmark::Options source;
  int32_t parallelism = 1;
  int32_t repeat = 5;
  bool check = true;
  std::string json;
  std::string backend = "hashmap";
  int64_t checkpoint_interval_ms = 0;  // 0: none
  std::string directory = "bench-state";
};

// What a child process sends back; plain data through a pipe.
struct Measured {
  double seconds = 0;
  double cpu_seconds = 0;
  int64_t peak_rss_bytes = 0;
  uint64_t rows = 0;
  uint64_t changes = 0;
  uint64_t hash = 0;
  int64_t checkpoints = 0;
};

Status configure(const Options& options, Config& config) {
  if (options.backend != "hashmap") {
    TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kStateBackend.key, options.backend));
  }
  if (options.checkpoint_interval_ms == 0) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kCheckpointInterval.key,
                                       format_duration_ms(options.checkpoint_interval_ms)));
  TIDEWHEEL_RETURN_IF_ERROR(config.set(options::kCheckpointDirectory.key, options.directory));
  return config.set(options::kIncrementalCheckpoints.key, "true");
}

Result<Measured> run_here(const Candidate& query, const Options& options, bool check) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  Env env(*world, Config());
  env.parallelism(options.parallelism);
  TIDEWHEEL_RETURN_IF_ERROR(configure(options, env.config()));
  const auto totals = std::make_shared<RunTotals>();
  QueryRun run{env, options.source, totals, check};
  TIDEWHEEL_RETURN_IF_ERROR(query.build(run));
  const double wall = wall_now();
  const double cpu = cpu_now();
  TIDEWHEEL_ASSIGN_OR_RETURN(const JobResult done, env.execute(query.name));
  Measured measured;
  measured.seconds = wall_now() - wall;
  measured.cpu_seconds = cpu_now() - cpu;
  measured.peak_rss_bytes = peak_rss_bytes();
  measured.checkpoints = done.checkpoints.completed;
  measured.rows = totals->rows;
  measured.changes = totals->changes;
  measured.hash = totals->hash;
  return measured;
}

std::optional<Measured> run_once(const Candidate& query, const Options& options, bool check) {
  if (options.checkpoint_interval_ms > 0 && !empty_folder(options.directory)) {
    return std::nullopt;
  }
  return run_in_child<Measured>(query.name,
                                [&](const auto&) { return run_here(query, options, check); });
}

struct Line {
  std::string query;
  Measured median;
  double spread = 0;  // (slowest - fastest) / median of the CPU times
  uint64_t result_rows = 0;
  std::optional<uint64_t> result_hash;
};

// Whether a run has the result of one with state in memory and without checkpoints.
bool is_as_plain(const Candidate& query, const Options& options, const Measured& checked) {
  if (options.backend == "hashmap" && options.checkpoint_interval_ms == 0) { return true; }
  Options plain = options;
  plain.backend = "hashmap";
  plain.checkpoint_interval_ms = 0;
  const auto expected = run_once(query, plain, true);
  if (!expected) { return false; }
  if (expected->rows == checked.rows && expected->hash == checked.hash) { return true; }
  fmt::print(stderr,
             "tidewheel_bench: {} has {} rows of hash {:016x}, but {} of {:016x} with state in "
             "memory and without checkpoints\n",
             query.name, checked.rows, checked.hash, expected->rows, expected->hash);
  return false;
}

std::optional<Line> measure(const Candidate& query, const Options& options) {
  std::vector<Measured> runs;
  for (int32_t i = 0; i < options.repeat; ++i) {
    const auto measured = run_once(query, options, false);
    if (!measured) { return std::nullopt; }
    runs.push_back(*measured);
  }
  std::sort(runs.begin(), runs.end(),
            [](const Measured& a, const Measured& b) { return a.cpu_seconds < b.cpu_seconds; });
  Line line{query.name, runs[runs.size() / 2], 0, 0, std::nullopt};
  line.spread = (runs.back().cpu_seconds - runs.front().cpu_seconds) / line.median.cpu_seconds;
  line.result_rows = line.median.rows;
  if (options.check) {
    const auto checked = run_once(query, options, true);
    if (!checked || !is_as_plain(query, options, *checked)) { return std::nullopt; }
    line.result_rows = checked->rows;
    line.result_hash = checked->hash;
  }
  return line;
}

std::string as_json(const Line& line, const Options& options) {
  const auto events = static_cast<double>(options.source.events);
  const Measured& m = line.median;
  return fmt::format(
      R"({{"query": "{}", "api": "{}", "events": {}, "parallelism": {}, )"
      R"("state_backend": "{}", "checkpoint_interval_ms": {}, "checkpoints": {}, )"
      R"("seconds": {:.6f}, "cpu_seconds": {:.6f}, "events_per_second": {:.0f}, )"
      R"("cpu_ns_per_event": {:.3f}, "peak_rss_bytes": {}, "result_rows": {}, "changes": {}, )"
      R"("result_hash": {}, "repeat": {}, "spread": {:.3f}}})",
      line.query, options.api, options.source.events, options.parallelism, options.backend,
      options.checkpoint_interval_ms, m.checkpoints, m.seconds, m.cpu_seconds, events / m.seconds,
      m.cpu_seconds * 1e9 / events, m.peak_rss_bytes, line.result_rows, m.changes,
      line.result_hash ? fmt::format("\"{:016x}\"", *line.result_hash) : "null", options.repeat,
      line.spread);
}

bool write_json(const std::vector<Line>& lines, const Options& options) {
  std::FILE* file = std::fopen(options.json.c_str(), "w");
  if (file == nullptr) {
    fmt::print(stderr, "tidewheel_bench: can't write {}: {}\n", options.json, std::strerror(errno));
    return false;
  }
  std::string text = "[\n";
  for (size_t i = 0; i < lines.size(); ++i) {
    text += "  " + as_json(lines[i], options) + (i + 1 < lines.size() ? ",\n" : "\n");
  }
  text += "]\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) {
    fmt::print(stderr, "tidewheel_bench: can't write {}\n", options.json);
    return false;
  }
  return true;
}

template <class T>
bool parse_number(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<Candidate> all_candidates(const std::string& api) {
  std::vector<Candidate> all;
  if (api == "sql") {
    for (const SqlQuery& query : all_sql_queries()) {
      all.push_back({std::string(query.name),
                     [&query](QueryRun& run) { return build_sql_query(query, run); }});
    }
    return all;
  }
  for (const Query& query : all_queries()) {
    all.push_back({std::string(query.name), [&query](QueryRun& run) {
                     query.build(run);
                     return ok_status();
                   }});
  }
  return all;
}

// Returns false after saying what is wrong.
bool choose_queries(Options& options) {
  const std::vector<Candidate> all = all_candidates(options.api);
  if (options.names.empty()) {
    options.queries = all;
    return true;
  }
  const std::string& text = options.names;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    const auto it = std::find_if(all.begin(), all.end(),
                                 [&](const Candidate& one) { return one.name == name; });
    if (it == all.end()) {
      std::string known;
      for (const Candidate& each : all) { known += fmt::format(" {}", each.name); }
      fmt::print(stderr, "tidewheel_bench: no query \"{}\"; there are{}\n", name, known);
      return false;
    }
    options.queries.push_back(*it);
    begin = end + 1;
  }
  return true;
}

// Returns false after saying what is wrong.
bool parse_option(const std::string& name, const std::string& value, Options& options) {
  bool good = true;
  if (name == "--api") {
    if (value != "cpp" && value != "sql") {
      fmt::print(stderr, "tidewheel_bench: --api is cpp or sql, not \"{}\"\n", value);
      return false;
    }
    options.api = value;
  } else if (name == "--queries") {
    options.names = value;
  } else if (name == "--events") {
    good = parse_number(value, options.source.events) && options.source.events > 0;
  } else if (name == "--parallelism") {
    good = parse_number(value, options.parallelism) && options.parallelism > 0;
  } else if (name == "--rate") {
    good = parse_number(value, options.source.rate) && options.source.rate > 0;
  } else if (name == "--seed") {
    good = parse_number(value, options.source.seed);
  } else if (name == "--repeat") {
    good = parse_number(value, options.repeat) && options.repeat > 0;
  } else if (name == "--backend") {
    options.backend = value;
  } else if (name == "--checkpoint-interval") {
    good =
        parse_number(value, options.checkpoint_interval_ms) && options.checkpoint_interval_ms > 0;
  } else if (name == "--dir") {
    options.directory = value;
  } else if (name == "--json") {
    options.json = value;
  } else {
    fmt::print(stderr, "tidewheel_bench: unknown option {}\n\n{}", name, kHelp);
    return false;
  }
  if (!good) {
    fmt::print(stderr, "tidewheel_bench: {} takes a positive number, not \"{}\"\n", name, value);
  }
  return good;
}

}  // namespace

int run_nexmark(const std::vector<std::string>& args) {
  Options options;
  options.source.events = 10'000'000;
  options.source.rate = 100'000;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--help") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (args[i] == "--no-check") {
      options.check = false;
      continue;
    }
    if (i + 1 == args.size()) {
      fmt::print(stderr, "tidewheel_bench: {} needs a value\n", args[i]);
      return 2;
    }
    if (!parse_option(args[i], args[i + 1], options)) { return 2; }
    ++i;
  }
  if (!choose_queries(options)) { return 2; }
  fmt::print(
      "# Nexmark, {}: {} events, {} a second of event time, parallelism {}, median of {}, "
      "state in {}{}\n",
      options.api == "sql" ? "SQL" : "C++ API", options.source.events, options.source.rate,
      options.parallelism, options.repeat, options.backend,
      options.checkpoint_interval_ms > 0
          ? fmt::format(", a checkpoint each {}",
                        format_duration_ms(options.checkpoint_interval_ms))
          : ", no checkpoints");
  fmt::print("{:<5} {:>9} {:>9} {:>12} {:>9} {:>7} {:>9} {:>6} {:>12} {:>17}\n", "query", "seconds",
             "cpu s", "events/s", "ns/event", "spread", "peak MB", "ckpts", "result rows",
             "result hash");
  std::vector<Line> lines;
  bool failed = false;
  for (const Candidate& query : options.queries) {
    const auto line = measure(query, options);
    if (!line) {
      failed = true;
      continue;
    }
    const auto events = static_cast<double>(options.source.events);
    fmt::print(
        "{:<5} {:>9.3f} {:>9.3f} {:>12.0f} {:>9.1f} {:>6.0f}% {:>9.0f} {:>6} {:>12} {:>17}\n",
        query.name, line->median.seconds, line->median.cpu_seconds, events / line->median.seconds,
        line->median.cpu_seconds * 1e9 / events, line->spread * 100,
        static_cast<double>(line->median.peak_rss_bytes) / 1e6, line->median.checkpoints,
        line->result_rows, line->result_hash ? fmt::format("{:016x}", *line->result_hash) : "-");
    std::fflush(stdout);
    lines.push_back(*line);
  }
  if (!options.json.empty() && !write_json(lines, options)) { return 1; }
  return failed ? 1 : 0;
}

}  // namespace tidewheel::bench
