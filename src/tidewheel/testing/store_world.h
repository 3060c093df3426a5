// What tests of storage share: a world whose disk crashes at a chosen operation, and tasks whose
// state is a map.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/posix_file_system.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::testing {

// Counts operations, and loses its power behind a chosen one: everything fails from then on, until
// it is turned on again.
class CrashingFiles final : public FileSystem {
 public:
  explicit CrashingFiles(SimFileSystem& disk) : disk_(disk) {}

  int64_t operations() const { return operations_; }
  void crash_after(int64_t operation) { crash_at_ = operation; }
  bool is_off() const { return off_; }
  void turn_on() {
    off_ = false;
    crash_at_ = -1;
  }

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    if (off_) { return dead(path); }
    return disk_.open_read(path);  // reading changes nothing: no place to crash
  }
  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override {
    if (off_) { return dead(path); }
    auto file = disk_.open_write(path, mode);
    if (count()) { return dead(path); }
    if (!file.ok()) { return file; }
    return std::unique_ptr<WritableFile>(
        std::make_unique<File>(*this, path, std::move(file).value()));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return run(from, [&] { return disk_.rename(from, to); });
  }
  Status link(const std::string& from, const std::string& to) override {
    return run(from, [&] { return disk_.link(from, to); });
  }
  Status remove(const std::string& path) override {
    return run(path, [&] { return disk_.remove(path); });
  }
  Status remove_all(const std::string& path) override {
    return run(path, [&] { return disk_.remove_all(path); });
  }
  Status make_directories(const std::string& path) override {
    return run(path, [&] { return disk_.make_directories(path); });
  }
  Status sync_directory(const std::string& path) override {
    return run(path, [&] { return disk_.sync_directory(path); });
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    if (off_) { return dead(path); }
    return disk_.list(path);
  }
  Result<FileInfo> info(const std::string& path) override {
    if (off_) { return dead(path); }
    return disk_.info(path);
  }
  Result<bool> exists(const std::string& path) override {
    if (off_) { return dead(path); }
    return disk_.exists(path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                         const std::string& holder) override {
    if (off_) { return dead(path); }
    auto lock = disk_.lock(path, holder);
    if (count()) { return dead(path); }
    return lock;
  }

 private:
  class File final : public WritableFile {
   public:
    File(CrashingFiles& files, std::string path, std::unique_ptr<WritableFile> file)
        : files_(files), path_(std::move(path)), file_(std::move(file)) {}
    Status append(std::string_view bytes) override {
      return files_.run(path_, [&] { return file_->append(bytes); });
    }
    Status sync() override {
      return files_.run(path_, [&] { return file_->sync(); });
    }
    Status close() override {
      return files_.run(path_, [&] { return file_->close(); });
    }
    int64_t size_bytes() const override { return file_->size_bytes(); }

   private:
    CrashingFiles& files_;
    const std::string path_;
    const std::unique_ptr<WritableFile> file_;
  };

  static Status dead(const std::string& path) { return status_of_errno(5, "using", path); }
  bool count() {
    if (operations_++ != crash_at_) { return false; }
    disk_.crash();
    off_ = true;
    return true;
  }
  Status run(const std::string& path, const std::function<Status()>& operation) {
    if (off_) { return dead(path); }
    Status status = operation();
    return count() ? dead(path) : status;
  }

  SimFileSystem& disk_;
  int64_t operations_ = 0;
  int64_t crash_at_ = -1;
  bool off_ = false;
};

// The simulated world, with that disk, and a blocking pool that works at once.
class StoreWorld final : public World {
 public:
  explicit StoreWorld(uint64_t seed)
      : machine_({.seed = seed}), files_(machine_.world.sim_files()), executor_(machine_.world) {}

  Clock& clock() override { return machine_.world.clock(); }
  Executor& executor() override { return executor_; }
  CrashingFiles& files() override { return files_; }
  Network& network() override { return machine_.world.network(); }
  Logger& logger() override { return machine_.world.logger(); }
  Random fork_random() override { return machine_.world.fork_random(); }
  std::optional<std::string> environment(const std::string&) override { return std::nullopt; }
  int64_t memory_bytes() const override { return 1 << 30; }

  void jump_wall_clock(int64_t by_ms) { machine_.world.jump_wall_clock(by_ms); }
  SimFileSystem& disk() { return machine_.world.sim_files(); }
  // Jobs of the pool wait until `run_pool`.
  void hold_pool(bool hold) { executor_.hold = hold; }
  void run_pool() { executor_.run_held(); }

 private:
  class PoolAtOnce final : public Executor {
   public:
    explicit PoolAtOnce(World& inner) : inner_(inner) {}
    std::unique_ptr<Worker> start_worker(std::string name, Turnable& work) override {
      return inner_.executor().start_worker(std::move(name), work);
    }
    void run_blocking(std::function<void()> job) override {
      if (hold) {
        held_.push_back(std::move(job));
      } else {
        job();
      }
    }
    std::unique_ptr<Event> make_event() override { return inner_.executor().make_event(); }
    int32_t core_count() const override { return 1; }
    void run_held() {
      while (!held_.empty()) {
        const auto jobs = std::exchange(held_, {});
        for (const auto& job : jobs) { job(); }
      }
    }
    bool hold = false;

   private:
    World& inner_;
    std::vector<std::function<void()>> held_;
  };

  SimMachine machine_;
  CrashingFiles files_;
  PoolAtOnce executor_;
};

inline constexpr int32_t kTestTasks = 2;
inline constexpr int32_t kTestGroups = 16;

// The state of a small job: by task, a map from keys to values; and how it is written and read.
struct TestJob {
  using State = std::map<std::string, std::string>;

  std::vector<State> states = std::vector<State>(kTestTasks);
  std::vector<std::set<std::string>> changed = std::vector<std::set<std::string>>(kTestTasks);

  static SnapshotPlace place(int32_t task) { return {"counter", task, kTestTasks, kTestGroups}; }
  static StateMeta meta() { return {"n", StateKind::kKeyed, "value", "", "", "", false}; }
  static int32_t group_of(int32_t task, const std::string& key) {
    const KeyGroupRange range = key_groups_of(task, kTestTasks, kTestGroups);
    return range.first +
           static_cast<int32_t>(key.size() * 7 + static_cast<size_t>(key.back())) % range.count();
  }

  void set(int32_t task, const std::string& key, std::string value) {
    states[static_cast<size_t>(task)][key] = std::move(value);
    changed[static_cast<size_t>(task)].insert(key);
  }
  void erase(int32_t task, const std::string& key) {
    states[static_cast<size_t>(task)].erase(key);
    changed[static_cast<size_t>(task)].insert(key);
  }

  // Writes everything, or what has changed since the last call.
  void write(int32_t task, bool all, SnapshotWriter& writer) {
    const State& state = states[static_cast<size_t>(task)];
    std::set<std::string>& dirty = changed[static_cast<size_t>(task)];
    if (all) {
      writer.begin_state(meta());
    } else {
      writer.begin_changes(meta());
    }
    for (int32_t group = 0; group < kTestGroups; ++group) {
      if (!all) {
        for (const std::string& key : dirty) {
          if (group_of(task, key) == group && !state.contains(key)) {
            writer.erase(group, key, {});
          }
        }
      }
      for (const auto& [key, value] : state) {
        if (group_of(task, key) == group && (all || dirty.contains(key))) {
          writer.add({group, key, {}, value});
        }
      }
    }
    dirty.clear();
  }

  static Result<std::vector<State>> read(World& world, const CompletedSnapshot& snapshot,
                                         const LocalCopies* copies = nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const auto source,
        open_snapshot(world, snapshot,
                      copies == nullptr ? LocalCopyMap() : copies->find(snapshot.manifest)));
    std::vector<State> found(kTestTasks);
    for (int32_t task = 0; task < kTestTasks; ++task) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto reader, source->reader(place(task)));
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader->read("n"));
      StateEntry entry;
      for (;;) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
        if (!more) { break; }
        found[static_cast<size_t>(task)][std::string(entry.key)] = entry.value;
      }
    }
    return found;
  }
};

}  // namespace tidewheel::testing
