#include "tidewheel/sim/sim_process.h"

#include <fmt/format.h>

#include <cerrno>
#include <map>
#include <utility>

#include "tidewheel/base/posix_file_system.h"

namespace tidewheel {

// The host's files, for as long as the process lives.
class SimProcess::Files final : public FileSystem {
 public:
  explicit Files(SimProcess& process) : process_(process), disk_(process.host_.sim_files()) {}

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> open_write(const std::string& path,
                                                   WriteMode mode) override;
  Status rename(const std::string& from, const std::string& to) override {
    return lives() ? disk_.rename(from, to) : dead("renaming", from);
  }
  Status link(const std::string& from, const std::string& to) override {
    return lives() ? disk_.link(from, to) : dead("linking", from);
  }
  Status remove(const std::string& path) override {
    return lives() ? disk_.remove(path) : dead("removing", path);
  }
  Status remove_all(const std::string& path) override {
    return lives() ? disk_.remove_all(path) : dead("removing", path);
  }
  Status make_directories(const std::string& path) override {
    return lives() ? disk_.make_directories(path) : dead("making the folder", path);
  }
  Status sync_directory(const std::string& path) override {
    return lives() ? disk_.sync_directory(path) : dead("syncing", path);
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    if (!lives()) { return dead("listing", path); }
    return disk_.list(path);
  }
  Result<FileInfo> info(const std::string& path) override {
    if (!lives()) { return dead("looking at", path); }
    return disk_.info(path);
  }
  Result<bool> exists(const std::string& path) override {
    if (!lives()) { return dead("looking at", path); }
    return disk_.exists(path);
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path,
                                         const std::string& holder) override;
  // The process has died.
  void let_go_of_locks() {
    for (const auto& [owner, lock] : locks_) { SimFileSystem::let_go(*lock); }
    locks_.clear();
  }

  // Counts a call. False: the process is dead, from now on or already.
  bool lives() {
    if (!process_.alive()) { return false; }
    ++process_.file_calls_;
    if (process_.calls_left_-- > 0) { return true; }
    process_.kill();
    return false;
  }
  static Status dead(std::string_view doing, const std::string& path) {
    return status_of_errno(EIO, doing, path);
  }
  Random& random() { return process_.random_; }

 private:
  class OpenRead;
  class OpenWrite;
  class Lock;

  SimProcess& process_;
  SimFileSystem& disk_;
  std::map<const Lock*, std::unique_ptr<FileLock>> locks_;  // of the process, while it lives
};

class SimProcess::Files::Lock final : public FileLock {
 public:
  Lock(Files& files, std::unique_ptr<FileLock> lock) : files_(files) {
    files_.locks_.emplace(this, std::move(lock));
  }
  ~Lock() override {
    if (files_.lives()) { files_.locks_.erase(this); }
  }

 private:
  Files& files_;
};

class SimProcess::Files::OpenRead final : public ReadableFile {
 public:
  OpenRead(Files& files, std::unique_ptr<ReadableFile> file, std::string path)
      : files_(files), file_(std::move(file)), path_(std::move(path)) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    if (!files_.lives()) { return dead("reading", path_); }
    return file_->read_at(offset, into);
  }
  Result<int64_t> read(std::span<char> into) override {
    if (!files_.lives()) { return dead("reading", path_); }
    return file_->read(into);
  }
  Result<FileInfo> info() override {
    if (!files_.lives()) { return dead("looking at", path_); }
    return file_->info();
  }

 private:
  Files& files_;
  const std::unique_ptr<ReadableFile> file_;
  const std::string path_;
};

class SimProcess::Files::OpenWrite final : public WritableFile {
 public:
  OpenWrite(Files& files, std::unique_ptr<WritableFile> file, std::string path)
      : files_(files), file_(std::move(file)), path_(std::move(path)) {}
  Status append(std::string_view bytes) override {
    const bool lived = files_.process_.alive();
    if (files_.lives()) { return file_->append(bytes); }
    if (lived) {
      // Killed while the bytes were being copied.
      const size_t written = static_cast<size_t>(files_.random().below(bytes.size() + 1));
      static_cast<void>(file_->append(bytes.substr(0, written)));
    }
    return dead("writing", path_);
  }
  Status sync() override { return files_.lives() ? file_->sync() : dead("syncing", path_); }
  Status close() override { return files_.lives() ? file_->close() : dead("closing", path_); }
  int64_t size_bytes() const override { return file_->size_bytes(); }

 private:
  Files& files_;
  const std::unique_ptr<WritableFile> file_;
  const std::string path_;
};

Result<std::unique_ptr<ReadableFile>> SimProcess::Files::open_read(const std::string& path) {
  if (!lives()) { return dead("opening", path); }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, disk_.open_read(path));
  return std::unique_ptr<ReadableFile>(std::make_unique<OpenRead>(*this, std::move(file), path));
}

Result<std::unique_ptr<WritableFile>> SimProcess::Files::open_write(const std::string& path,
                                                                    WriteMode mode) {
  if (!lives()) { return dead("opening for writing", path); }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, disk_.open_write(path, mode));
  return std::unique_ptr<WritableFile>(std::make_unique<OpenWrite>(*this, std::move(file), path));
}

Result<std::unique_ptr<FileLock>> SimProcess::Files::lock(const std::string& path,
                                                          const std::string& holder) {
  if (!lives()) { return dead("opening", path); }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, disk_.lock(path, holder));
  return std::unique_ptr<FileLock>(std::make_unique<Lock>(*this, std::move(lock)));
}

// The host's, but that it waits for the jobs of this process only.
class SimProcess::ProcessExecutor final : public Executor {
 public:
  ProcessExecutor(SimProcess& process, Executor& host, std::string name)
      : simulation_(process.simulation_), host_(host), name_(std::move(name)) {}
  ~ProcessExecutor() override {
    simulation_.run_until([this] { return *pending_ == 0; });
  }
  std::unique_ptr<Worker> start_worker(std::string name, Turnable& work) override {
    return host_.start_worker(fmt::format("{}:{}", name_, name), work);
  }
  void run_blocking(std::function<void()> job) override {
    ++*pending_;
    host_.run_blocking([pending = pending_, job = std::move(job)] {
      job();
      --*pending;
    });
  }
  std::unique_ptr<Event> make_event() override { return host_.make_event(); }
  int32_t core_count() const override { return host_.core_count(); }

 private:
  Simulation& simulation_;
  Executor& host_;
  const std::string name_;
  const std::shared_ptr<int64_t> pending_ = std::make_shared<int64_t>(0);
};

SimProcess::SimProcess(Simulation& simulation, SimWorld& host, std::string name)
    : simulation_(simulation),
      host_(host),
      random_(simulation.random().fork()),
      files_(std::make_unique<Files>(*this)),
      executor_(std::make_unique<ProcessExecutor>(*this, host.executor(), name)) {
  simulation_.trace().fold(name);
}

SimProcess::~SimProcess() = default;

Executor& SimProcess::executor() { return *executor_; }
FileSystem& SimProcess::files() { return *files_; }

void SimProcess::kill() {
  if (!alive()) { return; }
  *alive_ = false;
  files_->let_go_of_locks();
  simulation_.trace().fold("killed");
}

}  // namespace tidewheel
