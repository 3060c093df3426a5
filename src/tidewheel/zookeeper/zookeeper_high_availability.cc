#include "tidewheel/zookeeper/zookeeper_high_availability.h"

#include <algorithm>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/zookeeper/connection.h"

namespace tidewheel {
namespace {

constexpr int64_t kRetryMs = 1000;

class ZooKeeperHighAvailability final : public HighAvailability {
 public:
  ZooKeeperHighAvailability(World& world, const ZooKeeperOptions& options)
      : world_(world),
        options_(options),
        log_(world.logger().named("zookeeper")),
        election_path_(options.path + "/election"),
        jobs_path_(options.path + "/jobs"),
        jobs_directory_(join_path(options.directory, "jobs")),
        calls_(std::make_unique<SerialJobs>(world.executor())),
        loop_(std::make_unique<EventLoop>(world, "zookeeper-loop")),
        poster_(loop_->poster()) {
    loop_->post([this] { look(); });
  }
  ~ZooKeeperHighAvailability() override {
    // Nothing asks for another call once the loop has gone; what others post then is dropped.
    loop_->stop();
    calls_.reset();
    connection_.reset();
  }

  void contend(Candidate candidate) override {
    loop_->post([this, candidate = std::move(candidate)]() mutable {
      candidate_ = std::move(candidate);
      look();
    });
  }
  void watch_leader(Poster poster, std::function<void(std::optional<Leader>)> on_change) override {
    loop_->post([this, poster = std::move(poster), on_change = std::move(on_change)]() mutable {
      watch_poster_ = std::move(poster);
      on_change_ = std::move(on_change);
      look();
    });
  }
  bool keeps_jobs() const override { return true; }
  void put_job(std::string id, std::string record, Poster poster, Done done) override {
    calls_->run([this, id = std::move(id), record = std::move(record), poster = std::move(poster),
                 done = std::move(done)] {
      poster([done, status = write_job(id, record)] { done(status); });
    });
  }
  void remove_job(std::string id, Poster poster, Done done) override {
    calls_->run([this, id = std::move(id), poster = std::move(poster), done = std::move(done)] {
      poster([done, status = erase_job(id)] { done(status); });
    });
  }
  void read_jobs(Poster poster, std::function<void(Result<Jobs>)> done) override {
    calls_->run([this, poster = std::move(poster), done = std::move(done)] {
      poster([done, jobs = load_jobs()] { done(jobs); });
    });
  }
  std::string shared_directory() const override { return options_.directory; }

 private:
  // What was seen of the election.
  struct Look {
    Status failure;
    std::optional<Leader> leader;
    bool is_elected = false;
    int64_t session_timeout_ms = 0;
  };

  // ---- Calls, on the pool, one at a time.

  Status check_connected() const {
    if (connection_ != nullptr && connection_->is_connected()) { return ok_status(); }
    return unavailable(ErrorId::kHighAvailability, "there is no connection with ZooKeeper at {}",
                       options_.quorum);
  }

  Status connect() {
    if (connection_ != nullptr) { return ok_status(); }
    // An event of a session that has been replaced says nothing of the next one.
    const uint64_t number = ++sessions_;
    TIDEWHEEL_ASSIGN_OR_RETURN(
        connection_,
        ZooKeeperConnection::open(options_, [this, number](ZooKeeperConnection::Event event) {
          poster_([this, number, event] { on_event(number, event); });
        }));
    return ok_status();
  }

  // The session is gone, or is to go with what it has made.
  void drop_session() {
    connection_.reset();
    own_node_.clear();
  }

  Result<Look> look_at_election(const std::optional<std::string>& candidate) {
    TIDEWHEEL_RETURN_IF_ERROR(connect());
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    Look seen;
    seen.session_timeout_ms = connection_->session_timeout_ms();
    if (candidate.has_value() && own_node_.empty()) {
      TIDEWHEEL_RETURN_IF_ERROR(connection_->make_nodes(election_path_));
      TIDEWHEEL_RETURN_IF_ERROR(connection_->make_nodes(jobs_path_));
      TIDEWHEEL_ASSIGN_OR_RETURN(
          const ZooKeeperConnection::Node node,
          connection_->make_candidate(election_path_ + "/candidate-", *candidate));
      own_node_ = node.path;
    }
    const auto names = connection_->children(election_path_, /*watches=*/true);
    if (!names.ok()) {
      // Nobody has contended yet, ever.
      return names.status().id() == ErrorId::kFileNotFound ? Result<Look>(seen) : names.status();
    }
    if (names->empty()) { return seen; }
    const std::string first = election_path_ + "/" + names->front();
    const auto node = connection_->read(first, /*watches=*/true);
    if (!node.ok()) {
      return node.status().id() == ErrorId::kFileNotFound ? Result<Look>(seen) : node.status();
    }
    Leader leader;
    const size_t line = node->data.find('\n');
    leader.rpc_address = node->data.substr(0, line);
    leader.rest_address = line == std::string::npos ? "" : node->data.substr(line + 1);
    leader.fence = node->created;
    seen.leader = leader;
    seen.is_elected = first == own_node_;
    return seen;
  }

  Status write_job(const std::string& id, const std::string& record) {
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    if (own_node_.empty()) { return not_leading(); }
    TIDEWHEEL_RETURN_IF_ERROR(world_.files().make_directories(jobs_directory_));
    const std::string node = jobs_path_ + "/" + id;
    const auto before = connection_->read(node, /*watches=*/false);
    const std::string name = fmt::format("{}-{}-{}", id, file_name(own_node_), ++files_written_);
    const std::string path = join_path(jobs_directory_, name);
    TIDEWHEEL_RETURN_IF_ERROR(write_all_durably(world_.files(), path, record));
    Status written = connection_->write_guarded(own_node_, node, name);
    // Of a write whose outcome is not known both files stay; the next one removes what it replaces.
    if (written.ok() && before.ok() && before->data != name) {
      ignore(world_.files().remove_all(join_path(jobs_directory_, before->data)),
             "a file that nothing names does no harm");
    }
    if (!written.ok() && written.id() == ErrorId::kFenced) {
      ignore(world_.files().remove_all(path), "a file that nothing names does no harm");
    }
    return written;
  }
  Status erase_job(const std::string& id) {
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    if (own_node_.empty()) { return not_leading(); }
    const std::string node = jobs_path_ + "/" + id;
    const auto before = connection_->read(node, /*watches=*/false);
    TIDEWHEEL_RETURN_IF_ERROR(connection_->remove_guarded(own_node_, node));
    if (before.ok()) { return world_.files().remove_all(join_path(jobs_directory_, before->data)); }
    return ok_status();
  }
  Result<Jobs> load_jobs() {
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                               connection_->children(jobs_path_, /*watches=*/false));
    Jobs jobs;
    for (const std::string& id : ids) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const ZooKeeperConnection::Node node,
                                 connection_->read(jobs_path_ + "/" + id, /*watches=*/false));
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string record,
                                 read_all(world_.files(), join_path(jobs_directory_, node.data)));
      jobs.emplace_back(id, std::move(record));
    }
    return jobs;
  }
  static Status not_leading() {
    return failed_precondition(ErrorId::kFenced, "this JobManager does not lead");
  }

  // ---- The loop's.

  void look() {
    std::optional<std::string> candidate;
    if (candidate_.has_value()) {
      candidate = candidate_->rpc_address + "\n" + candidate_->rest_address;
    }
    calls_->run([this, candidate = std::move(candidate)] {
      Result<Look> seen = look_at_election(candidate);
      Look out;
      if (seen.ok()) {
        out = std::move(*seen);
      } else {
        out.failure = seen.status();
      }
      poster_([this, out = std::move(out)] { on_look(out); });
    });
  }

  void on_look(const Look& seen) {
    if (!seen.failure.ok()) {
      // Before the connection is there every look fails; it is looked again with the event.
      if (!retry_) {
        retry_ = true;
        loop_->after_ms(kRetryMs, [this] {
          retry_ = false;
          look();
        });
      }
      return;
    }
    session_timeout_ms_ = seen.session_timeout_ms;
    if (leads_ && !seen.is_elected) {
      step_down(failed_precondition(ErrorId::kNotLeader, "ZooKeeper says that another one leads"));
    }
    if (!leads_ && seen.is_elected && candidate_.has_value()) {
      leads_ = true;
      candidate_->poster(
          [elected = candidate_->on_elected, fence = seen.leader->fence] { elected(fence); });
    }
    if (on_change_ && (!told_.has_value() || *told_ != seen.leader)) {
      told_ = seen.leader;
      watch_poster_([on_change = on_change_, leader = seen.leader] { on_change(leader); });
    }
  }

  void on_event(uint64_t session, ZooKeeperConnection::Event event) {
    if (session < session_) { return; }
    session_ = session;
    switch (event) {
      case ZooKeeperConnection::Event::kConnected:
        if (grace_ != 0) { log_.info("the connection with ZooKeeper is there again"); }
        loop_->cancel(grace_);
        grace_ = 0;
        look();
        break;
      case ZooKeeperConnection::Event::kChanged: look(); break;
      case ZooKeeperConnection::Event::kDisconnected:
        if (grace_ != 0) { break; }
        log_.warning("the connection with ZooKeeper is lost");
        // The library notices a silent connection after two thirds of the session's time; another
        // one can lead when all of it is over.
        grace_ = loop_->after_ms(session_timeout_ms_ / 4, [this] {
          grace_ = 0;
          step_down(unavailable(ErrorId::kHighAvailability,
                                "ZooKeeper has not been reached for {} ms",
                                session_timeout_ms_ / 4));
        });
        break;
      case ZooKeeperConnection::Event::kExpired:
        loop_->cancel(grace_);
        grace_ = 0;
        log_.warning("the session with ZooKeeper has ended");
        lose(unavailable(ErrorId::kHighAvailability, "the session with ZooKeeper has ended"));
        renew_session();
        break;
    }
  }

  void lose(const Status& why) {
    if (!leads_) { return; }
    leads_ = false;
    candidate_->poster([lost = candidate_->on_lost, why] { lost(why); });
  }
  // Its node goes too: when it leads again, it is with a later fence.
  void step_down(const Status& why) {
    if (!leads_) { return; }
    lose(why);
    renew_session();
  }
  void renew_session() {
    session_ += 1;
    calls_->run([this] { drop_session(); });
    look();
  }

  World& world_;
  const ZooKeeperOptions options_;
  const Logger log_;
  const std::string election_path_;
  const std::string jobs_path_;
  const std::string jobs_directory_;
  // The pool's.
  std::unique_ptr<ZooKeeperConnection> connection_;
  std::string own_node_;
  uint64_t sessions_ = 0;
  int64_t files_written_ = 0;
  // The loop's.
  std::optional<Candidate> candidate_;
  bool leads_ = false;
  bool retry_ = false;
  uint64_t session_ = 0;            // events of earlier ones are late
  EventLoop::TimerId grace_ = 0;    // until it steps down
  int64_t session_timeout_ms_ = 0;  // as agreed to for the present session
  Poster watch_poster_;
  std::function<void(std::optional<Leader>)> on_change_;
  std::optional<std::optional<Leader>> told_;
  std::unique_ptr<SerialJobs> calls_;
  std::unique_ptr<EventLoop> loop_;
  const Poster poster_;  // the loop's, for other threads
};

}  // namespace

std::unique_ptr<HighAvailability> make_zookeeper_high_availability(
    World& world, const ZooKeeperOptions& options) {
  return std::make_unique<ZooKeeperHighAvailability>(world, options);
}

Result<ZooKeeperOptions> zookeeper_options(const Config& config) {
  ZooKeeperOptions out;
  out.quorum = config.get(options::kZooKeeperQuorum);
  if (out.quorum.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} has to name ZooKeeper's servers, such as a:2181,b:2181,c:2181",
                            options::kZooKeeperQuorum.key);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(out.directory, high_availability_directory(config));
  const std::string root = config.get(options::kZooKeeperRoot);
  const std::string cluster = config.get(options::kClusterId);
  out.path = root + (cluster.starts_with('/') ? "" : "/") + cluster;
  while (out.path.size() > 1 && out.path.ends_with('/')) { out.path.pop_back(); }
  if (!out.path.starts_with('/') || out.path.find("//") != std::string::npos) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} and {} make the path '{}', which is none of ZooKeeper's",
                            options::kZooKeeperRoot.key, options::kClusterId.key, out.path);
  }
  out.session_timeout_ms = config.get(options::kZooKeeperSession);
  out.authorization = config.get(options::kZooKeeperAuthorization);
  const std::string acl = config.get(options::kZooKeeperAcl);
  if (acl != "open" && acl != "creator") {
    return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}', only open or creator",
                            options::kZooKeeperAcl.key, acl);
  }
  out.only_creator = acl == "creator";
  if (out.only_creator && out.authorization.find(':') == std::string::npos) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is creator, so {} has to be a scheme and its text, such as "
                            "digest:user:password",
                            options::kZooKeeperAcl.key, options::kZooKeeperAuthorization.key);
  }
  return out;
}

}  // namespace tidewheel
