// The form on a folder. Everything that touches files runs on the blocking pool, one job at a time,
// in the order of the calls: a record that is written twice ends as the later one.
#include <charconv>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/high_availability/high_availability.h"

namespace tidewheel {
namespace {

// `leader`: three lines.
std::string leader_text(const Leader& leader) {
  return fmt::format("{}\n{}\n{}\n", leader.fence, leader.rpc_address, leader.rest_address);
}

std::optional<Leader> parse_leader(std::string_view text) {
  Leader leader;
  const auto line = [&]() -> std::optional<std::string_view> {
    const size_t end = text.find('\n');
    if (end == text.npos) { return std::nullopt; }
    const std::string_view found = text.substr(0, end);
    text.remove_prefix(end + 1);
    return found;
  };
  const auto fence = line();
  const auto rpc = line();
  const auto rest = line();
  if (!fence || !rpc || !rest ||
      std::from_chars(fence->data(), fence->data() + fence->size(), leader.fence).ec !=
          std::errc() ||
      leader.fence == 0) {
    return std::nullopt;
  }
  leader.rpc_address = *rpc;
  leader.rest_address = *rest;
  return leader;
}

class FileHighAvailability final : public HighAvailability {
 public:
  FileHighAvailability(World& world, const FileElectionOptions& options)
      : world_(world),
        options_(options),
        lock_path_(join_path(options.directory, "leader.lock")),
        leader_path_(join_path(options.directory, "leader")),
        jobs_path_(join_path(options.directory, "jobs")),
        gate_(CompletionGate::create()),
        files_(std::make_unique<SerialJobs>(world.executor())),
        loop_(std::make_unique<EventLoop>(world, "leadership")) {
    loop_->post([this] { poll(); });
  }
  ~FileHighAvailability() override {
    gate_->close();
    loop_->stop();
    files_.reset();
  }

  void contend(Candidate candidate) override {
    loop_->post([this, candidate = std::move(candidate)]() mutable {
      candidate_ = std::move(candidate);
      poll_now();
    });
  }
  void watch_leader(Poster poster, std::function<void(std::optional<Leader>)> on_change) override {
    loop_->post([this, poster = std::move(poster), on_change = std::move(on_change)]() mutable {
      watch_poster_ = std::move(poster);
      on_change_ = std::move(on_change);
      told_.reset();
      poll_now();
    });
  }
  bool keeps_jobs() const override { return true; }
  void put_job(uint64_t fence, std::string id, std::string record, Poster poster,
               Done done) override {
    write(
        fence,
        [this, path = join_path(jobs_path_, id), record = std::move(record)] {
          return write_all_durably(world_.files(), path, record);
        },
        std::move(poster), std::move(done));
  }
  void remove_job(uint64_t fence, std::string id, Poster poster, Done done) override {
    write(
        fence, [this, path = join_path(jobs_path_, id)] { return world_.files().remove_all(path); },
        std::move(poster), std::move(done));
  }
  void read_jobs(Poster poster, std::function<void(Result<Jobs>)> done) override {
    files_->run([this, poster = std::move(poster), done = std::move(done)] {
      poster([done, jobs = load_jobs()] { done(jobs); });
    });
  }
  std::string shared_directory() const override { return options_.directory; }

 private:
  // ---- The pool's jobs.

  void write(uint64_t fence, std::function<Status()> action, Poster poster, Done done) {
    files_->run([this, fence, action = std::move(action), poster = std::move(poster),
                 done = std::move(done)] {
      Status status =
          held_ != nullptr && fence == fence_
              ? action()
              : failed_precondition(ErrorId::kFenced, "this JobManager does not lead any more");
      poster([done, status = std::move(status)] { done(status); });
    });
  }
  Result<Jobs> load_jobs() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, world_.files().exists(jobs_path_));
    Jobs jobs;
    if (!exists) { return jobs; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, world_.files().list(jobs_path_));
    for (const DirectoryEntry& entry : entries) {
      // What a crash has left of a write has another name than a job.
      if (entry.name.size() != 32) { continue; }
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string record,
                                 read_all(world_.files(), join_path(jobs_path_, entry.name)));
      jobs.emplace_back(entry.name, std::move(record));
    }
    return jobs;
  }

  // Takes the lock if it is free; and reads who leads.
  struct Look {
    std::optional<Leader> leader;
    bool is_elected = false;
    Status failure;
  };
  Look look(bool contends, Leader mine) {
    Look seen;
    if (contends && held_ == nullptr) {
      seen.failure = take_lock(mine);
      seen.is_elected = held_ != nullptr;
    }
    const Result<std::string> text = read_all(world_.files(), leader_path_);
    if (text.ok()) { seen.leader = parse_leader(*text); }
    return seen;
  }
  Status take_lock(Leader& mine) {
    TIDEWHEEL_RETURN_IF_ERROR(world_.files().make_directories(jobs_path_));
    auto lock = world_.files().lock(lock_path_, mine.rpc_address);
    if (!lock.ok()) {
      return lock.status().id() == ErrorId::kFileLocked ? ok_status() : lock.status();
    }
    const Result<std::string> before = read_all(world_.files(), leader_path_);
    const std::optional<Leader> last = before.ok() ? parse_leader(*before) : std::nullopt;
    mine.fence = last.has_value() ? last->fence + 1 : 1;
    TIDEWHEEL_RETURN_IF_ERROR(write_all_durably(world_.files(), leader_path_, leader_text(mine)));
    held_ = std::move(*lock);
    fence_ = mine.fence;
    return ok_status();
  }

  // ---- The loop's.

  void poll() {
    const bool contends = candidate_.has_value() && !leads_;
    Leader mine;
    if (candidate_.has_value()) { mine = {candidate_->rpc_address, candidate_->rest_address, 0}; }
    files_->run([this, contends, mine] {
      Look seen = look(contends, mine);
      if (!gate_->enter()) { return; }
      loop_->post([this, seen = std::move(seen)] { on_look(seen); });
      gate_->leave();
    });
  }
  void poll_now() {
    loop_->cancel(timer_);
    timer_ = 0;
    poll();
  }
  void on_look(const Look& seen) {
    if (!seen.failure.ok()) {
      if (failures_++ == 0) { world_.logger().warning("{}", seen.failure.to_string()); }
    } else {
      failures_ = 0;
    }
    if (seen.is_elected && seen.leader.has_value()) {
      leads_ = true;
      candidate_->poster(
          [elected = candidate_->on_elected, fence = seen.leader->fence] { elected(fence); });
    }
    if (on_change_ && (!told_.has_value() || *told_ != seen.leader)) {
      told_ = seen.leader;
      watch_poster_([on_change = on_change_, leader = seen.leader] { on_change(leader); });
    }
    if (timer_ == 0) {
      timer_ = loop_->after_ms(options_.poll_ms, [this] {
        timer_ = 0;
        poll();
      });
    }
  }

  World& world_;
  const FileElectionOptions options_;
  const std::string lock_path_;
  const std::string leader_path_;
  const std::string jobs_path_;
  const std::shared_ptr<CompletionGate> gate_;
  // The pool's, one job at a time.
  std::unique_ptr<FileLock> held_;
  uint64_t fence_ = 0;  // with which it is held
  // The loop's.
  std::optional<Candidate> candidate_;
  bool leads_ = false;
  Poster watch_poster_;
  std::function<void(std::optional<Leader>)> on_change_;
  std::optional<std::optional<Leader>> told_;
  EventLoop::TimerId timer_ = 0;
  int64_t failures_ = 0;
  std::unique_ptr<SerialJobs> files_;
  std::unique_ptr<EventLoop> loop_;
};

}  // namespace

std::unique_ptr<HighAvailability> make_file_high_availability(World& world,
                                                              const FileElectionOptions& options) {
  return std::make_unique<FileHighAvailability>(world, options);
}

Result<std::string> high_availability_directory(const Config& config) {
  const std::string directory = config.get(options::kHighAvailabilityDirectory);
  if (directory.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} has to name a folder that all JobManagers reach when {} is {}",
                            options::kHighAvailabilityDirectory.key, options::kHighAvailability.key,
                            config.get(options::kHighAvailability));
  }
  std::string cluster = config.get(options::kClusterId);
  while (cluster.starts_with('/')) { cluster.erase(0, 1); }
  if (cluster.empty() || cluster.find("..") != std::string::npos) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} can't be '{}'; it is a name such as /default",
                            options::kClusterId.key, config.get(options::kClusterId));
  }
  return join_path(directory, cluster);
}

}  // namespace tidewheel
