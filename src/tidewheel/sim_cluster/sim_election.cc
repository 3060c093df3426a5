#include "tidewheel/sim_cluster/sim_election.h"

#include <algorithm>
#include <utility>

namespace tidewheel {
namespace {
constexpr int64_t kTickNs = 50'000'000;
}  // namespace

class SimElection::Client final : public HighAvailability {
 public:
  Client(SimElection& service, std::string name, std::shared_ptr<const bool> alive,
         std::function<bool()> reaches, std::string directory)
      : service_(service),
        name_(std::move(name)),
        alive_(std::move(alive)),
        reaches_(std::move(reaches)),
        directory_(std::move(directory)),
        self_(std::make_shared<Client*>(this)) {
    service_.clients_.push_back(this);
  }
  ~Client() override {
    *self_ = nullptr;
    std::erase(service_.clients_, this);
    if (session_ != nullptr) { session_->client = nullptr; }
  }

  void contend(Candidate candidate) override {
    candidate_ = std::move(candidate);
    join();
  }
  void watch_leader(Poster poster, std::function<void(std::optional<Leader>)> on_change) override {
    watch_poster_ = std::move(poster);
    on_change_ = std::move(on_change);
    tell_leader();
  }
  bool keeps_jobs() const override { return true; }
  void put_job(uint64_t fence, std::string id, std::string record, Poster poster,
               Done done) override {
    change(
        fence, [id = std::move(id), record = std::move(record)](auto& jobs) { jobs[id] = record; },
        std::move(poster), std::move(done));
  }
  void remove_job(uint64_t fence, std::string id, Poster poster, Done done) override {
    change(
        fence, [id = std::move(id)](auto& jobs) { jobs.erase(id); }, std::move(poster),
        std::move(done));
  }
  void read_jobs(Poster poster, std::function<void(Result<Jobs>)> done) override {
    service_.later([this, self = self_, poster = std::move(poster), done = std::move(done)] {
      if (*self == nullptr) { return; }
      Result<Jobs> jobs = can_reach()
                              ? Result<Jobs>(Jobs(service_.jobs_.begin(), service_.jobs_.end()))
                              : Result<Jobs>(out_of_reach());
      poster([done, jobs = std::move(jobs)] { done(jobs); });
    });
  }
  std::string shared_directory() const override { return directory_; }

  // ---- The service's clock.
  bool can_reach() const { return *alive_ && reaches_(); }
  // What the process's own library does: it notices that it is not answered, and that it is again.
  void tick() {
    if (!*alive_) { return; }
    const int64_t now_ns = service_.simulation_.now_ns();
    if (can_reach()) {
      reached_ns_ = now_ns;
      if (session_ != nullptr && session_->client == nullptr) {
        step_down("the session has ended");
      }
      if (session_ != nullptr) { session_->heard_ns = now_ns; }
      if (session_ == nullptr && candidate_.has_value()) { join(); }
      // The news may have been lost.
      if (session_ != nullptr && session_->number != 0 && service_.leader_ == session_->number) {
        on_elected();
      }
      tell_leader();
    } else if (leads_ && now_ns - reached_ns_ > service_.options_.session_ns / 4) {
      step_down("the election service is not reached");
    }
  }
  void on_elected() {
    if (std::exchange(leads_, true)) { return; }
    candidate_->poster(
        [elected = candidate_->on_elected, fence = session_->number] { elected(fence); });
  }
  // The service has given the session up.
  void on_expired() {
    if (!can_reach()) { return; }  // it finds out by itself
    step_down("the session has ended");
  }
  const std::string& name() const { return name_; }
  const std::shared_ptr<Session>& session() const { return session_; }
  bool leads() const { return leads_ && *alive_; }

 private:
  void join() {
    if (!can_reach()) { return; }
    session_ = std::make_shared<Session>();
    session_->name = name_;
    session_->leader = {candidate_->rpc_address, candidate_->rest_address, 0};
    session_->heard_ns = service_.simulation_.now_ns();
    session_->client = this;
    service_.later([&service = service_, session = session_] {
      if (session->client == nullptr) { return; }
      // In the order in which they come to the service.
      session->number = session->leader.fence = service.next_number_++;
      service.candidates_.push_back(session);
      service.elect();
    });
  }
  void step_down(const char* why) {
    if (session_ != nullptr) {
      // As far as it can be told: else the service finds out by its timeout.
      if (can_reach()) { std::erase(service_.candidates_, session_); }
      session_->client = nullptr;
      session_ = nullptr;
    }
    if (std::exchange(leads_, false)) {
      candidate_->poster([lost = candidate_->on_lost, why] {
        lost(unavailable(ErrorId::kHighAvailability, "{}", why));
      });
    }
    if (can_reach()) { service_.elect(); }
  }
  void change(uint64_t fence, std::function<void(std::map<std::string, std::string>&)> action,
              Poster poster, Done done) {
    service_.later([this, self = self_, fence, action = std::move(action),
                    poster = std::move(poster), done = std::move(done)] {
      if (*self == nullptr || !*alive_) { return; }
      Status status = ok_status();
      if (!can_reach()) {
        status = out_of_reach();
      } else if (service_.leader_ != fence) {
        status = failed_precondition(ErrorId::kFenced, "another one leads");
      } else {
        action(service_.jobs_);
      }
      poster([done, status] { done(status); });
    });
  }
  void tell_leader() {
    if (!on_change_ || !can_reach()) { return; }
    std::optional<Leader> now;
    for (const auto& session : service_.candidates_) {
      if (session->number == service_.leader_) { now = session->leader; }
    }
    if (told_.has_value() && *told_ == now) { return; }
    told_ = now;
    watch_poster_([on_change = on_change_, now] { on_change(now); });
  }
  static Status out_of_reach() {
    return unavailable(ErrorId::kHighAvailability, "the election service is not reached");
  }

  SimElection& service_;
  const std::string name_;
  const std::shared_ptr<const bool> alive_;
  const std::function<bool()> reaches_;
  const std::string directory_;
  const std::shared_ptr<Client*> self_;
  std::optional<Candidate> candidate_;
  std::shared_ptr<Session> session_;
  bool leads_ = false;
  int64_t reached_ns_ = 0;
  Poster watch_poster_;
  std::function<void(std::optional<Leader>)> on_change_;
  std::optional<std::optional<Leader>> told_;
};

std::unique_ptr<HighAvailability> SimElection::connect(std::string name,
                                                       std::shared_ptr<const bool> alive,
                                                       std::function<bool()> reaches,
                                                       std::string directory) {
  if (!std::exchange(ticking_, true)) {
    simulation_.call_later(kTickNs, [this] { tick(); });
  }
  return std::make_unique<Client>(*this, std::move(name), std::move(alive), std::move(reaches),
                                  std::move(directory));
}

void SimElection::later(std::function<void()> action) {
  simulation_.call_later(simulation_.draw(1, options_.answer_ns_max), std::move(action));
}

void SimElection::elect() {
  const uint64_t first = candidates_.empty() ? 0 : candidates_.front()->number;
  if (first == leader_) { return; }
  if (first != 0 && first < leader_) {
    broken_ = "a leader was elected whose fence is smaller than the one before";
  }
  leader_ = first;
  if (first == 0) { return; }
  ++leaders_;
  later([this, session = candidates_.front()] {
    if (session->client == nullptr || leader_ != session->number) { return; }
    if (!session->client->can_reach()) { return; }
    // Whoever has led before has found out: that is what the timeouts are for.
    for (const Client* const client : clients_) {
      if (client != session->client && client->leads()) {
        broken_ = client->name() + " acts as a leader still, and " + session->name + " leads";
      }
    }
    session->client->on_elected();
  });
}

void SimElection::tick() {
  const std::vector<Client*> clients = clients_;
  for (Client* const client : clients) { client->tick(); }
  const int64_t now_ns = simulation_.now_ns();
  const size_t before = candidates_.size();
  std::erase_if(candidates_, [&](const std::shared_ptr<Session>& session) {
    if (now_ns - session->heard_ns <= options_.session_ns) { return false; }
    if (session->client != nullptr) {
      Client* const client = session->client;
      session->client = nullptr;
      client->on_expired();
    }
    return true;
  });
  if (candidates_.size() != before) { elect(); }
  simulation_.call_later(kTickNs, [this] { tick(); });
}

void SimElection::expire_leader() {
  for (const std::shared_ptr<Session>& session : candidates_) {
    if (session->number != leader_ || session->client == nullptr) { continue; }
    // It is told of it before another one is elected.
    session->client->on_expired();
    return;
  }
}

std::string SimElection::leader_name() const {
  for (const std::shared_ptr<Session>& session : candidates_) {
    if (session->number == leader_) { return session->name; }
  }
  return {};
}

}  // namespace tidewheel
