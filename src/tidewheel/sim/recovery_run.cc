// Runs of the family "recovery": a job with checkpoints in a process that lives several times. It
// is killed between any two calls of the file system, its host loses its power, its disk fails,
// fills and lies, its user code throws, it is stopped with savepoints and goes on at other
// parallelisms and from older checkpoints. In its last life nothing goes wrong: then the rows that
// the outside has seen are those of an undisturbed run.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/sim/job_run.h"
#include "tidewheel/sim/ledger.h"
#include "tidewheel/sim/random_job.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::sim {
namespace {

constexpr int64_t kMs = 1'000'000;
// Virtual time in which a job that nothing disturbs must have ended.
constexpr int64_t kRestartsMax = 20;  // of a job that nothing disturbs
constexpr int64_t kRunNs = int64_t{48} * 3600 * 1000 * kMs;
// What a life gets that was not ended, before it is cancelled.
constexpr int64_t kCalmNs = 5'000 * kMs;
constexpr char kCheckpoints[] = "/data/checkpoints";
constexpr char kSavepoints[] = "/data/savepoints";
// For local copies: on the disk of the checkpoints, where copies are links, or on others.
constexpr char kLinkedCopies[] = "/data/local";
constexpr char kFarCopies[] = "/local";

enum class End : uint8_t {
  kRunOn,
  kKill,
  kKillAtFileCall,
  kKillAtSite,
  kCancel,
  kStop,
  kCancelWith
};

std::string_view name_of(End end) {
  switch (end) {
    case End::kRunOn: return "runs on";
    case End::kKill: return "is killed";
    case End::kKillAtFileCall: return "is killed in a file call";
    case End::kKillAtSite: return "is killed at a site";
    case End::kCancel: return "is cancelled";
    case End::kStop: return "is stopped with a savepoint";
    case End::kCancelWith: return "is cancelled with a savepoint";
  }
  return "";
}

// A snapshot on disk that the job could go on from.
struct Point {
  std::string path;  // its folder
  int64_t checkpoint = 0;
  bool savepoint = false;
  std::string lost_file = {};  // one that a loss of power may take
};

// What a life of the job draws its parallelism and its chains from.
struct Shape {
  Random places{0};
  Random plan{0};
};

class RecoveryRun {
 public:
  RecoveryRun(uint64_t seed, const RunOptions& options)
      : options_(options),
        random_(seed ^ 0x2ec07e21ULL),
        moods_(draw_moods()),
        machine_(simulation(seed), host()),
        copies_random_(seed ^ 0x10ca1c09ULL) {}

  RunReport run() {
    draw_plan();
    const int64_t lives = std::min(lives_, options_.lives_max);
    for (int64_t life = 0; life <= lives + extra_lives_ && failure_.empty() && !finished_; ++life) {
      Random random = life_random_.fork();
      live(life, life >= lives, random);
      check_files();
    }
    if (failure_.empty()) { check_end(); }
    return report();
  }

 private:
  // Most runs do without some kinds of faults and settings, and have others often: what goes on
  // together in every run gets in each other's way (swarm testing: Groce et al., ISSTA 2012).
  enum class Mood : uint8_t { kNever, kAsDrawn, kOften };
  std::map<std::string_view, Mood> draw_moods() {
    Random random = random_.fork();
    const bool swarms = random.chance(0.75);
    std::map<std::string_view, Mood> moods;
    for (const std::string& part : recovery_parts()) {
      const Mood mood = one_of(
          random, {Mood::kNever, Mood::kAsDrawn, Mood::kAsDrawn, Mood::kOften, Mood::kOften});
      moods[part] = swarms ? mood : Mood::kAsDrawn;
    }
    return moods;
  }
  // Draws as ever, and answers no when the run is to do without it.
  bool draws(Random& random, const char* part, double chance) {
    const auto mood = moods_.find(part);
    TIDEWHEEL_CHECK(mood != moods_.end(), "{} is no part of a recovery run", part);
    if (mood->second == Mood::kOften) { chance = 0.4 + 0.6 * chance; }
    const bool drawn = random.chance(chance) && mood->second != Mood::kNever;
    return drawn && !options_.without.contains(part);
  }
  // Of the whole run: what weakens its oracles stays rare.
  bool draws_rarely(Random& random, const char* part, double chance) {
    return random.chance(chance) && !options_.without.contains(part);
  }
  void note(std::string line) {
    if (options_.print_log) {
      fmt::print(stderr, "== {} {}\n", machine_.simulation.now_ns(), line);
    }
    plan_ += "  " + std::move(line) + "\n";
  }
  void fail(std::string failure) {
    if (failure_.empty()) { failure_ = std::move(failure); }
  }

  // ---- What the seed says of the whole run

  SimulationOptions simulation(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    options.disorder = one_of(random_, {0.0, 0.5, 1.0, 1.0});
    options.turn_ns_max = one_of<int64_t>(random_, {1'000, 20'000, 1'000'000});
    options.stall_chance = one_of(random_, {0.0, 0.001, 0.02});
    options.wake_ns_max = one_of<int64_t>(random_, {0, 5'000, 50'000, 5'000'000});
    options.blocking_ns_max = one_of<int64_t>(random_, {0, 1'000'000, 1'000'000, 100'000'000});
    if (draws(random_, "slow-workers", 0.3)) {
      options.slow_chance = one_of(random_, {0.2, 0.5});
      options.slow_turn_ns_max = one_of<int64_t>(random_, {500'000, 5'000'000});
    }
    options.refusal_chance = one_of(random_, {0.0, 0.01, 0.1});
    options.fault_site_chance = one_of(random_, {0.0, 0.5});
    options.steps_max = 2'000'000;
    options.print_trace = options_.print_trace;
    return options;
  }
  SimHostOptions host() {
    SimHostOptions host;
    host.cores = 1 + static_cast<int32_t>(random_.below(4));
    host.print_log = options_.print_log;
    host.log_level = options_.print_log ? LogLevel::kDebug : LogLevel::kWarning;
    return host;
  }
  void draw_plan() {
    lives_ = static_cast<int64_t>(random_.below(6));
    at_least_once_ = draws_rarely(random_, "at-least-once", 0.05);
    lies_ = draws_rarely(random_, "lying-disk", 0.04);
    presses_ = draws(random_, "back-pressure", 0.3);
    round_times_ = draws(random_, "round-times", 0.5);
    rows_max_ = one_of<int64_t>(random_, {30, 100, 100, 400});
    rescales_ = draws(random_, "rescale", 0.6);
    changes_ = draws(random_, "plan-changes", 0.4);
    writes_files_ = draws(random_, "file-sinks", 0.4);
    chains_ = random_.chance(0.7);
    if (random_.chance(0.3)) { max_parallelism_ = one_of<int64_t>(random_, {4, 5, 128, 1000}); }
    structure_ = random_.fork();
    life_random_ = random_.fork();
    shape_ = {random_.fork(), random_.fork()};
    copies_ = draws(copies_random_, "local-copies", 0.3);
    linked_copies_ = copies_random_.chance(0.3);
  }
  Config draw_config(Random& random, bool last) {
    Config config;
    const int64_t batch_rows = one_of<int64_t>(random, {1, 2, 3, 7, 64, 1024});
    const int64_t credits = one_of<int64_t>(random, {1, 2, 16});
    config.set(options::kBatchRows, presses_ ? std::min<int64_t>(batch_rows, 3) : batch_rows);
    config.set(options::kCredits, presses_ ? std::min<int64_t>(credits, 2) : credits);
    config.set(options::kBufferTimeout, one_of<int64_t>(random, {-1, 0, 1, 10, 100}));
    const bool chains = random.chance(0.7);
    config.set(options::kOperatorChaining, changes_ ? chains : chains_);
    config.set(options::kParallelism, 1 + static_cast<int64_t>(random.below(4)));
    config.set(options::kTaskSlots,
               random.chance(0.5) ? 0 : 1 + static_cast<int64_t>(random.below(4)));
    config.set(options::kAutoWatermarkInterval, one_of<int64_t>(random, {1, 20, 200}));
    if (max_parallelism_ > 0) { config.set(options::kMaxParallelism, max_parallelism_); }
    config.set(options::kCheckpointDirectory, std::string(kCheckpoints));
    config.set(options::kSavepointDirectory, std::string(kSavepoints));
    config.set(options::kCheckpointInterval, one_of<int64_t>(random, {1, 5, 10, 30, 100}));
    config.set(options::kCheckpointRetention, std::string("RETAIN_ON_CANCELLATION"));
    config.set(options::kRetainedCheckpoints, one_of<int64_t>(random, {1, 1, 2, 3, 10}));
    if (at_least_once_) { config.set(options::kCheckpointMode, std::string("AT_LEAST_ONCE")); }
    // Rows in flight are bound to the edges that there are.
    if (draws(random, "unaligned", 0.6) && !at_least_once_ && !changes_) {
      config.set(options::kUnalignedCheckpoints, true);
      config.set(options::kAlignedCheckpointTimeout, one_of<int64_t>(random, {0, 0, 1, 10, 100}));
    }
    if (draws(random, "min-pause", 0.2)) {
      config.set(options::kCheckpointMinPause, one_of<int64_t>(random, {1, 10, 50}));
    }
    if (draws(random, "concurrent", 0.3) && !config.get(options::kUnalignedCheckpoints)) {
      config.set(options::kMaxConcurrentCheckpoints, one_of<int64_t>(random, {2, 3, 5}));
    }
    if (draws(random, "incremental", 0.5)) { config.set(options::kIncrementalCheckpoints, true); }
    if (draws(random, "compression", 0.3)) {
      config.set(options::kSnapshotCompression,
                 std::string(one_of(random, {"snappy", "lz4", "zstd"})));
    }
    config.set(options::kInlineThreshold, one_of<int64_t>(random, {0, 0, 100, 20'000}));
    draw_backend(random, config);
    // Operators with state come and go.
    config.set(options::kIgnoreUnclaimedState, changes_);
    draw_failure_config(random, last, config);
    if (copies_) { draw_copies_config(config); }
    return config;
  }
  // Each life has its own, so that each reads the snapshots of the other. From a copy: what is
  // drawn later stays what it was.
  void draw_backend(Random random, Config& config) {
    Random own = random.fork();
    if (!draws(own, "backend", 0.4)) { return; }
    config.set(options::kStateBackend, std::string("map"));
    // A cache of some entries, or one that holds all.
    config.set(options::kRocksdbHotFraction, one_of(own, {0.0001, 0.0001, 0.4}));
    config.set(options::kRocksdbTimerFactory, std::string(own.chance(0.7) ? "ROCKSDB" : "HEAP"));
    config.set(options::kRocksdbTimerCacheSize, one_of<int64_t>(own, {0, 0, 1, 3}));
    config.set(options::kRocksdbCachedFraction, one_of(own, {0.0001, 0.0005, 0.5}));
  }
  void draw_copies_config(Config& config) {
    config.set(options::kLocalBackup, copies_random_.chance(0.8));
    config.set(options::kRecoverFromLocal, copies_random_.chance(0.8));
    const std::string one = linked_copies_ ? kLinkedCopies : kFarCopies;
    const bool two = copies_random_.chance(0.3);
    config.set(options::kLocalBackupDirectories, two ? one + "/a, " + one + "/b" : one + "/a");
  }
  // Between two lives: copies are lost, damaged, and others are there that nobody knows.
  void harm_copies() {
    if (!copies_) { return; }
    SimFileSystem& disk = machine_.world.sim_files();
    if (draws(copies_random_, "copies-lost", 0.2)) {
      static_cast<void>(disk.remove_all(linked_copies_ ? kLinkedCopies : kFarCopies));
    }
    const bool damages = draws(copies_random_, "copies-damaged", 0.4);
    // A link is the file itself.
    for (const std::string& file : disk.files_below(kFarCopies)) {
      if (!damages || !copies_random_.chance(0.3)) { continue; }
      note("the copy " + file + " is damaged");
      static_cast<void>(copies_random_.chance(0.7) ? disk.flip_bit(file) : disk.cut_short(file));
    }
  }
  void draw_failure_config(Random& random, bool last, Config& config) {
    // The last life has to end, whatever is drawn.
    const bool short_timeout = draws(random, "timeout", 0.2);
    const int64_t timeout = one_of<int64_t>(random, {1, 5, 20, 100});
    has_short_timeout_ = short_timeout && !last;
    if (has_short_timeout_) { config.set(options::kCheckpointTimeout, timeout); }
    const int64_t tolerable = one_of<int64_t>(random, {0, 1, 1000});
    if (!last || random.chance(0.5)) {
      config.set(options::kTolerableFailedCheckpoints, tolerable);
    }
    const char* strategy =
        one_of(random, {"fixed-delay", "exponential-delay", "failure-rate", "none", ""});
    if (last) { strategy = ""; }
    config.set(options::kRestartStrategy, std::string(strategy));
    config.set(options::kFixedDelayAttempts, one_of<int64_t>(random, {1, 3, 100}));
    config.set(options::kFixedDelay, one_of<int64_t>(random, {0, 1, 20}));
    config.set(options::kExponentialInitial, one_of<int64_t>(random, {1, 10}));
    config.set(options::kExponentialMax, one_of<int64_t>(random, {20, 100}));
    config.set(options::kFailureRateMax, one_of<int64_t>(random, {1, 5}));
    config.set(options::kFailureRateInterval, one_of<int64_t>(random, {1, 100}));
    config.set(options::kFailureRateDelay, one_of<int64_t>(random, {0, 5}));
    if (draws(random, "full-failover", 0.3)) {
      config.set(options::kFailoverStrategy, std::string("full"));
    }
  }

  // ---- One life of the process

  void live(int64_t number, bool last, Random& random) {
    const bool disturbed = !last;
    SimProcess process(machine_.simulation, machine_.world, fmt::format("life-{}", number));
    process_ = &process;
    Random job_random = structure_;
    Shape shape{random.fork(), random.fork()};
    if (!rescales_) { shape.places = shape_.places; }
    if (!changes_) { shape.plan = shape_.plan; }
    Config config = draw_config(random, last);
    const std::optional<Point> point = choose_start(random, disturbed);
    if (!failure_.empty()) { return; }
    harm_copies();
    if (std::exchange(repeats_shape_, false) && point.has_value()) {
      shape = shape_of_point_.at(point->path);
    }
    const std::shared_ptr<Rebuild> rebuild = make_rebuild(process, shape, disturbed, random);
    // One who has seen the job go on from its savepoint to its end does not begin with that again.
    const bool goes_on_from_savepoint =
        point.has_value() && point->savepoint && !has_ended_with(point->checkpoint + 1);
    if (point.has_value() && (goes_on_from_savepoint || resumes_elsewhere_)) {
      config.set(options::kRecoveryPath, point->path);
    } else {
      rebuild->start.resume = true;
    }
    resumes_elsewhere_ = false;
    started_from_point_ = point.has_value();
    const End end = draw_end(random, last);
    const bool power_fails = draws(random, "machine-crash", 0.4);
    note(fmt::format(
        "life {}: from {}, {}{}", number, point.has_value() ? point->path : std::string("nothing"),
        name_of(end),
        end >= End::kKill && end <= End::kKillAtSite && power_fails ? " with its machine" : ""));
    job_ = make_typed_job({process, job_random, std::move(config), Ending::kComplete, rebuild});
    removes_fail_ = false;
    const auto faults_end = disturbed ? schedule_disk_faults(random) : nullptr;
    arm(end, process, random);
    if (last) {
      stop_faults();
    } else {
      machine_.simulation.resume_faults();
    }
    const int64_t until_ns = machine_.simulation.now_ns() + draw_length_ns(random);
    {
      Result<std::unique_ptr<JobHandle>> handle = job_->start();
      if (!handle.ok()) {
        on_no_start(handle.status(), last);
      } else {
        machine_.simulation.set_details(
            [this, &handle = **handle] { return describe(handle) + plan_ + job_->plan(); });
        finish(**handle, process, end, until_ns, last);
        machine_.simulation.set_details(nullptr);
        if (!process.alive() && power_fails) { crash(); }
      }
    }
    machine_.simulation.set_site_hook(nullptr);
    if (!process.alive() && power_fails) { crash(); }
    if (faults_end != nullptr) { *faults_end = true; }
    stop_faults();
    for (const Point& made : points()) { shape_of_point_.try_emplace(made.path, shape); }
    process_ = nullptr;
  }
  std::shared_ptr<Rebuild> make_rebuild(SimProcess& process, const Shape& shape, bool disturbed,
                                        Random& random) {
    return std::make_shared<Rebuild>(
        Rebuild{.places = shape.places,
                .plan = shape.plan,
                .fixed_places = !rescales_,
                .at_least_once = at_least_once_ || lies_,
                .ledger = make_client(process, disturbed),
                .writes_files = writes_files_,
                .read_files = [this](const std::string& folder) { return read_files(folder); },
                .rows_drawn_max = rows_max_,
                .round_times = round_times_,
                .few_pauses = presses_,
                .start = {},
                .dooms = draw_dooms(random, disturbed),
                .row_ns = draw_row_ns(random),
                .spend_ns = [this](int64_t ns) { machine_.simulation.charge(ns); },
                .sources_max = options_.sources_max,
                .rows_max = options_.rows_max,
                .without_steps = options_.without_steps});
  }
  void on_no_start(const Status& why, bool last) {
    if (why.id() == ErrorId::kJobFinished) {
      note("it had finished");
      had_finished_ = true;
      last_result_ = {};
      finished_ = true;
      return;
    }
    last_result_ = why;
    // Operators that are chained in this shape, and were not.
    const bool misfit = why.id() == ErrorId::kStateNotRestored && rescales_ &&
                        why.message().find("chained now") != std::string::npos;
    if (misfit) {
      repeats_shape_ = true;
      if (last) { ++extra_lives_; }
    } else if (last && !lies_) {
      fail("the job did not start: " + why.to_string());
    }
    note("did not start: " + why.to_string());
  }
  void crash() {
    if (std::exchange(crashed_life_, process_) == process_) { return; }
    machine_.world.sim_files().crash();
  }

  End draw_end(Random& random, bool last) {
    const bool kills = draws(random, "kill", 0.7);
    const End kill = one_of(random, {End::kKill, End::kKillAtFileCall, End::kKillAtSite});
    const bool cancels = draws(random, "cancel", 0.3);
    const bool savepoints = draws(random, "savepoint", 0.6);
    const End with = one_of(random, {End::kStop, End::kStop, End::kCancelWith});
    if (last) { return End::kRunOn; }
    if (kills) { return kill; }
    if (cancels) { return End::kCancel; }
    return savepoints ? with : End::kRunOn;
  }
  int64_t draw_length_ns(Random& random) {
    const int64_t most_ms = one_of<int64_t>(random, {5, 50, 200, 1000, 5000});
    return static_cast<int64_t>(random.below(static_cast<uint64_t>(most_ms * kMs)));
  }
  void arm(End end, SimProcess& process, Random& random) {
    const auto calls =
        static_cast<int64_t>(random.below(one_of<uint64_t>(random, {20, 200, 2000})));
    if (end == End::kKillAtFileCall) { process.kill_at_file_call(calls); }
    const auto sites =
        static_cast<int64_t>(random.below(one_of<uint64_t>(random, {20, 200, 2000})));
    if (end == End::kKillAtSite) {
      machine_.simulation.set_site_hook([&process, left = sites](std::string_view) mutable {
        if (left-- == 0) { process.kill(); }
      });
    }
  }

  void finish(JobHandle& handle, SimProcess& process, End end, int64_t until_ns, bool last) {
    const bool ended = machine_.simulation.run_until(
        [&] { return !process.alive() || is_final(handle.state()); }, until_ns);
    if (!ended) { end_life(handle, process, end, last); }
    if (!process.alive()) { return; }
    const auto is_hopeless = [&] { return last && handle.restarts() > kRestartsMax; };
    const bool goes_on = !machine_.simulation.run_until(
        [&] { return !process.alive() || is_final(handle.state()) || is_hopeless(); },
        machine_.simulation.now_ns() + kRunNs);
    if (process.alive() && is_hopeless() && lies_) {
      // What its disk has lost comes back by no restart.
      last_result_ = handle.failures().back().status;
      note("it is started again and again: " + last_result_.to_string());
      handle.cancel();
      return;
    }
    if (process.alive() && is_hopeless()) {
      fail("the job is started again and again, and nothing disturbs it: " +
           handle.failures().back().status.to_string());
      return;
    }
    if (goes_on) {
      fail(fmt::format("the job, which {}, has not ended in two days of virtual time\n{}",
                       name_of(end), machine_.simulation.describe()));
      return;
    }
    if (!process.alive()) { return; }
    const Status result = last_result_ = handle.result();
    note(fmt::format("ended as {}: {}", job_state_name(handle.state()), result.to_string()));
    finished_ = handle.state() == JobState::kFinished && !std::exchange(suspended_, false);
  }
  void end_life(JobHandle& handle, SimProcess& process, End end, bool last) {
    switch (end) {
      case End::kRunOn:
        if (last) { return; }
        // Some settings never let a job end, short timeouts for one.
        stop_faults();
        machine_.simulation.run_until([&] { return !process.alive() || is_final(handle.state()); },
                                      machine_.simulation.now_ns() + kCalmNs);
        if (process.alive()) { handle.cancel(); }
        break;
      case End::kKill:
      case End::kKillAtFileCall:
      case End::kKillAtSite: process.kill(); break;
      case End::kCancel: handle.cancel(); break;
      case End::kStop:
      case End::kCancelWith: take_savepoint(handle, process, end); break;
    }
  }

  void take_savepoint(JobHandle& handle, SimProcess& process, End end) {
    Result<std::string> path =
        end == End::kStop
            ? handle.savepoint({.directory = kSavepoints, .after = AfterSavepoint::kSuspend})
            : handle.cancel_with_savepoint(kSavepoints);
    if (!path.ok()) {
      note("no savepoint: " + path.status().to_string());
      // A barrier that does not get on in ten minutes never will.
      if (path.status().id() == ErrorId::kCheckpointExpired && !has_short_timeout_) {
        fail("a savepoint hangs: " + path.status().to_string());
      }
      // The job goes on, but this life is to end.
      if (process.alive()) { handle.cancel(); }
      return;
    }
    note("savepoint " + *path);
    suspended_ = end == End::kStop;
  }

  std::string describe(const JobHandle& handle) {
    std::string text = fmt::format("  job {}\n", job_state_name(handle.state()));
    for (const TaskInfo& task : handle.tasks()) {
      text += fmt::format("  task {} {}/{} in slot {}: {}, {} rows in, {} out, watermark {}\n",
                          task.vertex, task.subtask, task.parallelism, task.slot,
                          task_state_name(task.state), task.rows_in, task.rows_out, task.watermark);
    }
    return text;
  }

  // ---- What goes wrong

  void stop_faults() {
    machine_.simulation.stop_faults();
    machine_.world.sim_files().set_faults({});
    machine_.world.sim_files().set_capacity(Clock::kNever);
  }

  std::function<bool()> draw_dooms(Random& random, bool disturbed) {
    const bool crashes = draws(random, "task-crash", 0.4);
    auto left = std::make_shared<int64_t>(1 + static_cast<int64_t>(random.below(4)));
    auto own = std::make_shared<Random>(random.fork());
    const double chance = one_of(random, {0.001, 0.005, 0.03});
    if (!crashes || !disturbed) {
      return [] { return false; };
    }
    return [left, own, chance] {
      if (*left <= 0 || !own->chance(chance)) { return false; }
      --*left;
      return true;
    };
  }

  std::function<int64_t(int64_t)> draw_row_ns(Random& random) const {
    return [seed = random.next(), presses = presses_](int64_t probe) {
      Random own(seed + static_cast<uint64_t>(probe));
      const bool is_slow = own.chance(0.5);
      const int64_t row_ns = one_of<int64_t>(own, {100'000, 1'000'000, 5'000'000});
      return presses && is_slow ? row_ns : 0;
    };
  }

  // Returns what tells the faults that are still to come that the life is over.
  std::shared_ptr<bool> schedule_disk_faults(Random& random) {
    auto over = std::make_shared<bool>(false);
    SimDiskFaults faults;
    if (draws(random, "slow-disk", 0.2)) {
      faults.delay_ns_max = one_of<int64_t>(random, {100'000, 20'000'000});
    }
    const double chance = one_of(random, {0.01, 0.1, 0.5});
    if (draws(random, "write-errors", 0.15)) { faults.write_error = chance; }
    if (draws(random, "sync-errors", 0.15)) { faults.sync_error = chance; }
    if (draws(random, "rename-errors", 0.1)) { faults.rename_error = chance; }
    if (draws(random, "remove-errors", 0.1)) { faults.remove_error = chance; }
    removes_fail_ = faults.remove_error > 0;
    if (draws(random, "read-errors", 0.1)) { faults.read_error = chance; }
    if (draws(random, "short-reads", 0.2)) { faults.short_read = 0.5; }
    if (lies_ && random.chance(0.5)) { faults.sync_lost = chance; }
    const bool full = draws(random, "full-disk", 0.1);
    const auto room = static_cast<int64_t>(random.below(20'000));
    const auto from_ns =
        static_cast<int64_t>(random.below(one_of<uint64_t>(random, {1, 200'000'000})));
    const auto length_ns =
        static_cast<int64_t>(random.below(one_of<uint64_t>(random, {20'000'000, 2'000'000'000})));
    Simulation& simulation = machine_.simulation;
    SimFileSystem& disk = machine_.world.sim_files();
    simulation.call_later(from_ns, [over, faults, full, room, &disk] {
      if (*over) { return; }
      disk.set_faults(faults);
      if (full) { disk.set_capacity(disk.used_bytes() + room); }
    });
    simulation.call_later(from_ns + length_ns, [over, &disk] {
      if (*over) { return; }
      disk.set_faults({});
      disk.set_capacity(Clock::kNever);
    });
    return over;
  }

  std::shared_ptr<LedgerClient> make_client(SimProcess& process, bool disturbed) {
    auto random = std::make_shared<Random>(life_random_.fork());
    const bool refuses = draws(*random, "ledger-refuses", 0.1) && disturbed;
    return std::make_shared<LedgerClient>(LedgerClient{
        .ledger = ledger_,
        .alive = [&process] { return process.alive(); },
        .can_be_lost = [this](int64_t checkpoint) { return can_be_lost(checkpoint); },
        .report =
            [this, &process](std::string what) {
              if (process.alive()) { fail(std::move(what)); }
            },
        .refuses = [random,
                    refuses](std::string_view) { return refuses && random->chance(0.05); }});
  }

  // ---- What is on disk

  // What a _metadata says.
  struct Known {
    std::string end;  // of the file: its checksum
    std::optional<Point> point = {};
    std::map<std::string, uint64_t> files = {};  // by path, with their sizes
  };

  // All that have their metadata, the oldest first.
  std::vector<Point> points() const {
    std::vector<Point> found;
    for (const Known* const known : known_points()) {
      found.push_back(*known->point);
      found.back().lost_file = lost_file_of(*known);
    }
    std::sort(found.begin(), found.end(), [](const Point& a, const Point& b) {
      return std::tie(a.checkpoint, a.path) < std::tie(b.checkpoint, b.path);
    });
    return found;
  }
  // The same, without a look at their files; by path.
  std::vector<const Known*> known_points() const {
    const SimFileSystem& disk = machine_.world.sim_files();
    std::vector<const Known*> found;
    for (const std::string& file : disk.files_below("/data")) {
      if (file_name(file) != kMetadataName) { continue; }
      if (file_name(parent_path(file)).starts_with("passed-over-")) { continue; }
      const std::string* const bytes = disk.durable_bytes(file);
      const Known* const known = bytes == nullptr ? nullptr : read_metadata(file, *bytes);
      if (known != nullptr) { found.push_back(known); }
    }
    return found;
  }
  std::string lost_file_of(const Known& known) const {
    std::string lost;
    for (const auto& [path, size] : known.files) {
      const std::string* const durable = machine_.world.sim_files().durable_bytes(path);
      if (durable == nullptr || durable->size() != size) { lost = path; }
    }
    return lost;
  }
  // Whether it is sure that nobody begins the job anew, since all that was committed is all there
  // is.
  bool has_ended_with(int64_t committed) const {
    for (const auto& [file, bytes] : end_marks()) {
      const Result<EndedJob> ended = decode_ended(bytes);
      if (ended.ok() && ended->checkpoint >= committed) { return true; }
    }
    return false;
  }
  // What says that a job has come to its end: bytes, by path.
  std::map<std::string, std::string> end_marks() const {
    std::map<std::string, std::string> marks;
    for (const std::string& file : machine_.world.sim_files().files_below("/data")) {
      if (file_name(file) != kEndedName) { continue; }
      const auto bytes = machine_.world.sim_files().durable_content(file);
      if (bytes.has_value()) { marks[file] = *bytes; }
    }
    return marks;
  }
  // Null when nobody can read it. It is asked for often, and changes never.
  const Known* read_metadata(const std::string& file, const std::string& bytes) const {
    const std::string end = bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 8));
    Known& known = known_[file];
    if (known.end != end) {
      known = {.end = end};
      const Result<Manifest> manifest = decode_manifest(bytes);
      if (manifest.ok()) {
        const std::string folder = parent_path(file);
        known.point =
            Point{folder, manifest->checkpoint, manifest->kind == SnapshotKind::kSavepoint};
        for (const auto& [name, size] : files_of(*manifest)) {
          known.files[path_of_file(folder, name)] = size;
        }
      }
    }
    return known.point.has_value() ? &known : nullptr;
  }
  // Whether no snapshot that is sure to survive a crash covers the checkpoint.
  bool can_be_lost(int64_t checkpoint) const {
    if (lies_) { return false; }
    const std::vector<const Known*> found = known_points();
    const auto covers = [&](const Known* known) {
      return known->point->checkpoint >= checkpoint && lost_file_of(*known).empty();
    };
    // The newest are the last, mostly.
    if (std::any_of(found.rbegin(), found.rend(), covers)) { return false; }
    if (options_.print_log) {
      fmt::print(stderr, "== {} checkpoint {} can be lost\n", machine_.simulation.now_ns(),
                 checkpoint);
      for (const std::string& file : machine_.world.sim_files().files_below("/data")) {
        const auto bytes = machine_.world.sim_files().durable_content(file);
        fmt::print(stderr, "==   {} {}\n", file,
                   bytes.has_value() ? static_cast<int64_t>(bytes->size()) : -1);
      }
    }
    return true;
  }

  // The content of the files that anybody would read.
  std::vector<std::string> read_files(const std::string& folder) {
    std::vector<std::string> contents;
    for (const std::string& file : machine_.world.sim_files().files_below(folder)) {
      if (file_name(file).starts_with('.')) { continue; }
      Result<std::string> bytes = read_all(machine_.world.files(), file);
      if (bytes.ok()) { contents.push_back(std::move(*bytes)); }
    }
    return contents;
  }

  // Where the next life goes on: at the newest point, sometimes at an older one, to which the
  // outside goes back too.
  std::optional<Point> choose_start(Random& random, bool) {
    std::vector<Point> found = points();
    rot(random, found);
    const bool older = draws(random, "older-checkpoint", 0.2);
    const uint64_t which = random.below(std::max<size_t>(found.size(), 1));
    const int64_t committed = ledger_.newest_committed();
    if (!lies_ && committed > 0 && (found.empty() || found.back().checkpoint < committed) &&
        !has_ended_with(committed)) {
      fail(fmt::format("rows of checkpoint {} are committed, and the newest snapshot on disk is {}",
                       committed, found.empty() ? 0 : found.back().checkpoint));
    }
    if (found.empty()) { return std::nullopt; }
    // Whoever goes back behind a job's end says so until there is a checkpoint of that: to one who
    // asks for the newest, the job has ended still.
    if (const WentBack before = std::exchange(went_back_, {});
        before.point == found.back().path && !before.marks.empty() && before.marks == end_marks()) {
      went_back_ = before;
      resumes_elsewhere_ = true;
      return found.back();
    }
    // Files that were finished can't be told by their checkpoints.
    if (!older || writes_files_) { return found.back(); }
    resumes_elsewhere_ = true;
    const Point chosen = found[which];
    ledger_.roll_back_to(chosen.checkpoint);
    for (const Point& point : found) {
      if (point.checkpoint > chosen.checkpoint) {
        static_cast<void>(machine_.world.files().remove_all(point.path));
        static_cast<void>(machine_.world.files().sync_directory(parent_path(point.path)));
      }
    }
    went_back_ = {chosen.path, end_marks()};
    return chosen;
  }

  // A disk that lies turns a bit of what it has, too.
  void rot(Random& random, const std::vector<Point>& found) {
    const bool rots = draws(random, "bit-rot", 0.3);
    const uint64_t which = random.next();
    if (!lies_ || !rots || found.empty()) { return; }
    const std::vector<std::string> files =
        machine_.world.sim_files().files_below(found.back().path);
    if (files.empty()) { return; }
    const std::string& file = files[which % files.size()];
    note("a bit turns in " + file);
    static_cast<void>(machine_.world.sim_files().flip_bit(file));
  }

  // Every snapshot that is there can be read.
  void check_files() {
    if (lies_ || !failure_.empty()) { return; }
    for (const Point& point : points()) {
      if (!point.lost_file.empty()) {
        fail(fmt::format("{} is complete, and may lose its file {}", point.path, point.lost_file));
      }
      const Result<CompletedSnapshot> snapshot = load_snapshot(machine_.world, point.path);
      if (!snapshot.ok()) {
        fail(fmt::format("{} can't be restored: {}", point.path, snapshot.status().to_string()));
      }
    }
  }

  void check_end() {
    if (!finished_) {
      // What a disk has lost that said it had it can be noticed only.
      const ErrorId id = last_result_.id();
      const bool noticed = id == ErrorId::kSnapshotChecksum || id == ErrorId::kSnapshotFormat ||
                           id == ErrorId::kSnapshotMissing || id == ErrorId::kNoUsableCheckpoint ||
                           last_result_.code() == StatusCode::kDataLoss;
      if (!lies_ || !noticed) {
        fail("the job has not finished in its last life: " + last_result_.to_string());
      }
      return;
    }
    // A life that finds the job finished opens no sink: what the one before was killed with, such
    // as the lock on its part files, stays.
    const bool tidies = started_from_point_ && !had_finished_ && !removes_fail_;
    if (!lies_ && tidies) { check_no_hidden_files(); }
    // What was done is done: it outlives a loss of power.
    if (!lies_) { machine_.world.sim_files().crash(); }
    fail_unless_empty(job_->check(true));
    fail_unless_empty(ledger_.leftovers());
  }
  // A job that recovers removes what its lives before have left, and leaves nothing itself.
  void check_no_hidden_files() {
    for (const std::string& file : machine_.world.sim_files().files_below("/data/out")) {
      if (file_name(file).starts_with('.')) { fail("a hidden part file is left over: " + file); }
    }
  }
  void fail_unless_empty(const std::string& failure) {
    if (!failure.empty()) { fail(failure); }
  }

  RunReport report() {
    RunReport report;
    report.failure = failure_;
    report.plan = plan_ + (job_ == nullptr ? std::string() : job_->plan());
    report.trace_hash = machine_.simulation.trace().hash();
    report.virtual_ms = machine_.simulation.now_ns() / kMs;
    report.refusals = machine_.simulation.refusals();
    report.marks = machine_.simulation.marks();
    report.faults = machine_.simulation.faults();
    return report;
  }

  const RunOptions options_;
  Random random_;
  const std::map<std::string_view, Mood> moods_;
  SimMachine machine_;
  Random structure_{0};
  Random life_random_{0};
  Shape shape_;
  mutable std::map<std::string, Known> known_;
  std::map<std::string, Shape> shape_of_point_;  // of the life that has made it, by its path
  bool repeats_shape_ = false;                   // that of the point that the life starts from
  int64_t lives_ = 0;
  int64_t max_parallelism_ = 0;
  bool at_least_once_ = false;
  bool lies_ = false;
  bool rescales_ = false;
  bool chains_ = true;
  bool changes_ = false;  // chaining, and what is in the way, from life to life
  bool writes_files_ = false;
  Random copies_random_;  // of its own, so that it moves no other draw
  bool copies_ = false;
  bool linked_copies_ = false;
  bool presses_ = false;      // small batches and few credits
  bool round_times_ = false;  // of many rows
  int64_t rows_max_ = 0;      // of a split

  Ledger ledger_;
  std::unique_ptr<RandomJob> job_;
  const SimProcess* process_ = nullptr;
  const SimProcess* crashed_life_ = nullptr;
  std::string plan_;
  std::string failure_;
  Status last_result_;
  bool resumes_elsewhere_ = false;  // not at what the job would find by itself
  struct WentBack {
    std::string point;
    std::map<std::string, std::string> marks = {};  // of jobs that had ended then
  };
  WentBack went_back_;               // by the life before
  bool started_from_point_ = false;  // the last life
  bool had_finished_ = false;        // before the last life
  bool removes_fail_ = false;        // in the life at hand
  bool has_short_timeout_ = false;   // of checkpoints, in the life at hand
  bool suspended_ = false;
  bool finished_ = false;
  int64_t extra_lives_ = 0;
};

}  // namespace

const std::vector<std::string>& recovery_parts() {
  static const std::vector<std::string> parts = {
      "at-least-once", "back-pressure", "backend",        "bit-rot",       "cancel",
      "compression",   "concurrent",    "copies-damaged", "copies-lost",   "file-sinks",
      "full-disk",     "full-failover", "incremental",    "kill",          "ledger-refuses",
      "local-copies",  "lying-disk",    "machine-crash",  "min-pause",     "older-checkpoint",
      "plan-changes",  "read-errors",   "remove-errors",  "rename-errors", "rescale",
      "round-times",   "savepoint",     "short-reads",    "slow-disk",     "slow-workers",
      "sync-errors",   "task-crash",    "timeout",        "unaligned",     "write-errors"};
  return parts;
}

RunReport run_recovery(uint64_t seed, const RunOptions& options) {
  return RecoveryRun(seed, options).run();
}

}  // namespace tidewheel::sim
