#include "tidewheel/zookeeper/zookeeper_high_availability.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/base/world.h"
#include "tidewheel/zookeeper/connection.h"

namespace tidewheel {
namespace {

using zookeeper::SessionEvent;

constexpr int64_t kRetryMs = 1000;
constexpr size_t kTroublesMax = 100;
constexpr uint16_t kPort = 2181;  // where a server's is not said

class ZooKeeperHighAvailability final : public HighAvailability {
 public:
  ZooKeeperHighAvailability(World& world, const ZooKeeperOptions& options)
      : world_(world),
        options_(options),
        network_(options.tls != nullptr ? *options.tls : world.network()),
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
  void put_job(uint64_t fence, std::string id, std::string record, Poster poster,
               Done done) override {
    calls_->run([this, fence, id = std::move(id), record = std::move(record),
                 poster = std::move(poster), done = std::move(done)] {
      poster([done, status = write_job(fence, id, record)] { done(status); });
    });
  }
  void remove_job(uint64_t fence, std::string id, Poster poster, Done done) override {
    calls_->run(
        [this, fence, id = std::move(id), poster = std::move(poster), done = std::move(done)] {
          poster([done, status = erase_job(fence, id)] { done(status); });
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
    return unavailable(ErrorId::kHighAvailability, "there is no connection with ZooKeeper");
  }

  void connect() {
    if (connection_ != nullptr) { return; }
    // An event of a session that has been replaced says nothing of the next one.
    const uint64_t number = ++sessions_;
    connection_ = std::make_unique<ZooKeeperConnection>(
        world_, network_, options_.session, options_.only_creator,
        [this, number](const SessionEvent& event) {
          poster_([this, number, event] { on_event(number, event); });
        });
  }

  // The session is gone, or is to go with what it has made.
  void drop_session() {
    connection_.reset();
    own_node_.clear();
    own_fence_ = 0;
  }

  Result<Look> look_at_election(const std::optional<std::string>& candidate) {
    connect();
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
    leader.fence = static_cast<uint64_t>(node->created);
    seen.leader = leader;
    seen.is_elected = first == own_node_;
    if (seen.is_elected) { own_fence_ = leader.fence; }
    return seen;
  }

  Status write_job(uint64_t fence, const std::string& id, const std::string& record) {
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    if (fence == 0 || own_fence_ != fence) { return not_leading(); }
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
  Status erase_job(uint64_t fence, const std::string& id) {
    TIDEWHEEL_RETURN_IF_ERROR(check_connected());
    if (fence == 0 || own_fence_ != fence) { return not_leading(); }
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

  void look_again_later() {
    if (retry_) { return; }
    retry_ = true;
    loop_->after_ms(kRetryMs, [this] {
      retry_ = false;
      look();
    });
  }

  void on_look(const Look& seen) {
    if (!seen.failure.ok()) {
      // Before the connection is there every look fails; it is looked again with the event.
      look_again_later();
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

  void on_event(uint64_t session, const SessionEvent& event) {
    if (session < session_) { return; }
    session_ = session;
    switch (event.kind) {
      case SessionEvent::Kind::kConnected:
        if (!troubles_.empty()) { log_.info("the connection with ZooKeeper is there again"); }
        troubles_.clear();
        stop_grace();
        look();
        break;
      case SessionEvent::Kind::kChanged: look(); break;
      case SessionEvent::Kind::kUnreachable: warn("ZooKeeper can't be reached", event.why); break;
      case SessionEvent::Kind::kDisconnected:
        warn("the connection with ZooKeeper is lost", event.why);
        begin_grace(event.silent_ms);
        break;
      case SessionEvent::Kind::kExpired:
        warn("the session with ZooKeeper has ended", event.why);
        end_session(event.why);
        look();
        break;
      case SessionEvent::Kind::kRefused:
        warn("ZooKeeper does not let this process in", event.why);
        end_session(event.why);
        look_again_later();
        break;
    }
  }

  // Says the same once, until the connection is there.
  void warn(const char* what, const Status& why) {
    if (troubles_.size() >= kTroublesMax) { troubles_.clear(); }
    const auto [trouble, is_new] = troubles_.insert(fmt::format("{}: {}", what, why.message()));
    if (is_new) { log_.warning("{}", *trouble); }
  }

  // Another one can lead when the session's whole time is over since the servers have heard of us,
  // which is not before the sending of what they have answered last.
  void begin_grace(int64_t silent_ms) {
    const int64_t left_ms = session_timeout_ms_ * 11 / 12 - silent_ms;
    const int64_t grace_ms = std::clamp<int64_t>(left_ms, 0, session_timeout_ms_ / 4);
    stop_grace();
    grace_ = loop_->after_ms(grace_ms, [this, grace_ms] {
      grace_ = 0;
      step_down(unavailable(ErrorId::kHighAvailability, "ZooKeeper has not been reached for {} ms",
                            grace_ms));
    });
  }
  void stop_grace() { loop_->cancel(std::exchange(grace_, 0)); }

  void end_session(const Status& why) {
    stop_grace();
    lose(why);
    session_ += 1;
    calls_->run([this] { drop_session(); });
  }

  void lose(const Status& why) {
    if (!leads_) { return; }
    leads_ = false;
    candidate_->poster([lost = candidate_->on_lost, why] { lost(why); });
  }
  // Its node goes too: when it leads again, it is with a later fence.
  void step_down(const Status& why) {
    if (!leads_) { return; }
    end_session(why);
    look();
  }

  World& world_;
  const ZooKeeperOptions options_;
  Network& network_;
  const Logger log_;
  const std::string election_path_;
  const std::string jobs_path_;
  const std::string jobs_directory_;
  // The pool's.
  std::unique_ptr<ZooKeeperConnection> connection_;
  std::string own_node_;
  uint64_t own_fence_ = 0;  // of the leadership that the node stands for, once it is seen to lead
  uint64_t sessions_ = 0;
  int64_t files_written_ = 0;
  // The loop's.
  std::optional<Candidate> candidate_;
  bool leads_ = false;
  bool retry_ = false;
  uint64_t session_ = 0;            // events of earlier ones are late
  EventLoop::TimerId grace_ = 0;    // until it steps down
  int64_t session_timeout_ms_ = 0;  // as agreed to for the present session
  std::set<std::string> troubles_;  // that were told, since the connection was there
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

namespace {

struct Quorum {
  std::vector<NetworkAddress> servers;
  std::string root;  // "host:2181,host:2181/root"
};

Result<Quorum> parse_quorum(std::string_view text) {
  Quorum quorum;
  const size_t slash = std::min(text.find('/'), text.size());
  quorum.root = text.substr(slash);
  for (std::string_view left = text.substr(0, slash); !left.empty();) {
    const size_t comma = std::min(left.find(','), left.size());
    std::string_view one = left.substr(0, comma);
    left.remove_prefix(std::min(comma + 1, left.size()));
    while (!one.empty() && one.front() == ' ') { one.remove_prefix(1); }
    while (!one.empty() && one.back() == ' ') { one.remove_suffix(1); }
    if (one.empty()) { continue; }
    const bool has_port = one.find(':') != std::string_view::npos && one.back() != ']';
    TIDEWHEEL_ASSIGN_OR_RETURN(
        NetworkAddress server,
        NetworkAddress::parse(has_port ? std::string(one) : fmt::format("{}:{}", one, kPort))
            .with_context("{}", options::kZooKeeperQuorum.key));
    quorum.servers.push_back(std::move(server));
  }
  if (quorum.servers.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} has to name ZooKeeper's servers, such as a:2181,b:2181,c:2181",
                            options::kZooKeeperQuorum.key);
  }
  return quorum;
}

Result<std::string> cluster_path(const std::string& above, const Config& config) {
  const std::string root = config.get(options::kZooKeeperRoot);
  const std::string cluster = config.get(options::kClusterId);
  std::string path = above + root + (cluster.starts_with('/') ? "" : "/") + cluster;
  while (path.size() > 1 && path.ends_with('/')) { path.pop_back(); }
  if (path.starts_with('/') && path.find("//") == std::string::npos) { return path; }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} and {} make the path '{}', which is none of ZooKeeper's",
                          options::kZooKeeperRoot.key, options::kClusterId.key, path);
}

// Who this process says it is, and whether that keeps others away.
Status read_access(const Config& config, ZooKeeperOptions& out) {
  out.session.authorization = config.get(options::kZooKeeperAuthorization);
  const std::string user = config.get(options::kZooKeeperSaslUser);
  if (!user.empty() && !config.get(options::kZooKeeperSaslDisable)) {
    out.session.sasl = {.user = user, .password = config.get(options::kZooKeeperSaslPassword)};
  }
  const std::string acl = config.get(options::kZooKeeperAcl);
  if (acl != "open" && acl != "creator") {
    return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}', only open or creator",
                            options::kZooKeeperAcl.key, acl);
  }
  out.only_creator = acl == "creator";
  const bool has_proof =
      out.session.sasl.has_value() || out.session.authorization.find(':') != std::string::npos;
  if (out.only_creator && !has_proof) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is creator, so {} has to be a scheme and its text, such as "
                            "digest:user:password, or {} a user of ZooKeeper's",
                            options::kZooKeeperAcl.key, options::kZooKeeperAuthorization.key,
                            options::kZooKeeperSaslUser.key);
  }
  return ok_status();
}

}  // namespace

Result<ZooKeeperOptions> zookeeper_options(World& world, const Config& config) {
  ZooKeeperOptions out;
  TIDEWHEEL_ASSIGN_OR_RETURN(Quorum quorum, parse_quorum(config.get(options::kZooKeeperQuorum)));
  out.session.servers = std::move(quorum.servers);
  TIDEWHEEL_ASSIGN_OR_RETURN(out.directory, high_availability_directory(config));
  TIDEWHEEL_ASSIGN_OR_RETURN(out.path, cluster_path(quorum.root, config));
  out.session.timeout_ms = config.get(options::kZooKeeperSession);
  out.session.frame_bytes_max = config.get(options::kZooKeeperFrameBytes);
  TIDEWHEEL_RETURN_IF_ERROR(read_access(config, out));
  TIDEWHEEL_ASSIGN_OR_RETURN(out.tls, make_zookeeper_tls(world.network(), world.files(), config));
  return out;
}

}  // namespace tidewheel
