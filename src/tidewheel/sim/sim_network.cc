#include "tidewheel/sim/sim_network.h"

#include <algorithm>
#include <deque>

#include "tidewheel/base/check.h"

namespace tidewheel {

// One side of a connection.
struct SimNetworkFabric::Endpoint {
  enum class Phase : uint8_t { kConnecting, kConnected, kFailed, kClosed };
  std::string host;
  std::string peer_host;
  std::string peer_text;
  ReadyCallback on_ready;
  Phase phase = Phase::kConnecting;
  Status failure;
  std::weak_ptr<Endpoint> peer;
  std::string inbox;         // arrived, not read
  bool end_arrived = false;  // after the inbox, the peer's end
  bool end_sent = false;
  bool silent = false;  // half-open: what is sent reaches nobody
  size_t unread = 0;    // sent by this side, not yet read by the peer
  size_t window = 1;
  int64_t last_arrival_ns = 0;
  std::deque<std::function<void()>> parked;  // sent while the link was cut
};

struct SimNetworkFabric::Port {
  ReadyCallback on_ready;
  std::deque<EndpointRef> waiting;  // server sides that nobody has accepted
};

class SimNetworkFabric::HostConnection final : public Connection {
 public:
  HostConnection(SimNetworkFabric& fabric, EndpointRef endpoint)
      : fabric_(fabric), endpoint_(std::move(endpoint)) {}
  ~HostConnection() override { fabric_.close(endpoint_); }

  Result<Transfer> read(std::span<char> into) override { return fabric_.read(endpoint_, into); }
  Result<Transfer> write(std::string_view bytes) override {
    return fabric_.write(endpoint_, bytes);
  }
  Status shutdown_write() override {
    if (endpoint_->phase != Endpoint::Phase::kConnected || endpoint_->end_sent) { return {}; }
    endpoint_->end_sent = true;
    fabric_.send(endpoint_, [fabric = &fabric_, peer = endpoint_->peer] {
      if (const EndpointRef other = peer.lock()) {
        other->end_arrived = true;
        fabric->make_ready(other);
      }
    });
    return {};
  }
  bool is_connected() const override { return endpoint_->phase == Endpoint::Phase::kConnected; }
  std::string peer() const override { return endpoint_->peer_text; }

 private:
  SimNetworkFabric& fabric_;
  const EndpointRef endpoint_;
};

class SimNetworkFabric::HostListener final : public Listener {
 public:
  HostListener(SimNetworkFabric& fabric, std::string host, uint16_t port,
               std::shared_ptr<Port> state)
      : fabric_(fabric), host_(std::move(host)), port_(port), state_(std::move(state)) {}
  ~HostListener() override {
    state_->on_ready = nullptr;
    for (const EndpointRef& endpoint : state_->waiting) { fabric_.close(endpoint); }
    fabric_.ports_.erase({host_, port_});
  }
  Result<std::unique_ptr<Connection>> accept(ReadyCallback on_ready) override {
    if (state_->waiting.empty()) { return std::unique_ptr<Connection>(); }
    const EndpointRef endpoint = state_->waiting.front();
    state_->waiting.pop_front();
    endpoint->on_ready = std::move(on_ready);
    fabric_.make_ready(endpoint);
    return std::unique_ptr<Connection>(std::make_unique<HostConnection>(fabric_, endpoint));
  }
  uint16_t port() const override { return port_; }

 private:
  SimNetworkFabric& fabric_;
  const std::string host_;
  const uint16_t port_;
  const std::shared_ptr<Port> state_;
};

class SimNetworkFabric::HostNetwork final : public Network {
 public:
  HostNetwork(SimNetworkFabric& fabric, std::string host)
      : fabric_(fabric), host_(std::move(host)) {}

  std::unique_ptr<Connection> connect(const NetworkAddress& address, int64_t timeout_ns,
                                      ReadyCallback on_ready) override {
    const bool local = address.host == "localhost" || address.host == "127.0.0.1";
    const EndpointRef client = fabric_.new_endpoint(host_, local ? host_ : address.host,
                                                    address.to_string(), std::move(on_ready));
    fabric_.begin_connect(client, address.port, timeout_ns);
    return std::make_unique<HostConnection>(fabric_, client);
  }
  Result<std::unique_ptr<Listener>> listen(const NetworkAddress& address,
                                           ReadyCallback on_ready) override {
    const uint16_t port = address.port != 0 ? address.port : fabric_.next_port_++;
    const auto state = std::make_shared<Port>();
    state->on_ready = std::move(on_ready);
    if (!fabric_.ports_.emplace(std::make_pair(host_, port), state).second) {
      return already_exists(ErrorId::kNetworkAddress, "listening at {}:{}: address already in use",
                            host_, port);
    }
    return std::unique_ptr<Listener>(std::make_unique<HostListener>(fabric_, host_, port, state));
  }

 private:
  SimNetworkFabric& fabric_;
  const std::string host_;
};

SimNetworkFabric::SimNetworkFabric(Simulation& simulation) : simulation_(simulation) {}
// What waits behind a cut link holds its endpoints, which hold it.
SimNetworkFabric::~SimNetworkFabric() {
  for (const std::weak_ptr<Endpoint>& weak : endpoints_) {
    if (const EndpointRef endpoint = weak.lock()) { endpoint->parked.clear(); }
  }
}

std::unique_ptr<Network> SimNetworkFabric::add_host(const std::string& host) {
  hosts_[host] = true;
  return std::make_unique<HostNetwork>(*this, host);
}

void SimNetworkFabric::set_link(const std::string& from, const std::string& to,
                                const SimLink& link) {
  links_[{from, to}] = link;
}

const SimLink& SimNetworkFabric::link(const std::string& from, const std::string& to) const {
  const auto found = links_.find({from, to});
  return found == links_.end() ? default_link_ : found->second;
}

bool SimNetworkFabric::is_cut(const std::string& from, const std::string& to) const {
  const auto found = cuts_.find({from, to});
  return found != cuts_.end() && found->second;
}

void SimNetworkFabric::cut(const std::string& from, const std::string& to, bool is_cut_now) {
  cuts_[{from, to}] = is_cut_now;
  if (is_cut_now) { return; }
  for (const std::weak_ptr<Endpoint>& weak : endpoints_) {
    const EndpointRef endpoint = weak.lock();
    if (endpoint == nullptr || endpoint->host != from || endpoint->peer_host != to) { continue; }
    std::deque<std::function<void()>> parked = std::move(endpoint->parked);
    endpoint->parked.clear();
    for (std::function<void()>& action : parked) { send(endpoint, std::move(action)); }
  }
}

SimNetworkFabric::EndpointRef SimNetworkFabric::new_endpoint(const std::string& host,
                                                             const std::string& peer_host,
                                                             std::string peer_text,
                                                             ReadyCallback on_ready) {
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->host = host;
  endpoint->peer_host = peer_host;
  endpoint->peer_text = std::move(peer_text);
  endpoint->on_ready = std::move(on_ready);
  endpoint->window =
      static_cast<size_t>(simulation_.draw(1, link(host, peer_host).window_bytes_max));
  std::erase_if(endpoints_, [](const std::weak_ptr<Endpoint>& weak) { return weak.expired(); });
  endpoints_.push_back(endpoint);
  return endpoint;
}

void SimNetworkFabric::send(const EndpointRef& from, std::function<void()> action) {
  const SimLink& way = link(from->host, from->peer_host);
  const int64_t arrival =
      std::max(from->last_arrival_ns,
               simulation_.now_ns() + simulation_.draw(way.latency_ns_min, way.latency_ns_max));
  from->last_arrival_ns = arrival;
  simulation_.call_later(arrival - simulation_.now_ns(),
                         [this, from, action = std::move(action)] { arrive(from, action); });
}

void SimNetworkFabric::arrive(const EndpointRef& from, std::function<void()> action) {
  if (from->silent) { return; }
  if (is_cut(from->host, from->peer_host) || !from->parked.empty()) {
    from->parked.push_back(std::move(action));
    return;
  }
  action();
}

void SimNetworkFabric::make_ready(const EndpointRef& endpoint) {
  simulation_.call_later(0, [endpoint] {
    if (endpoint->on_ready) { endpoint->on_ready(); }
  });
}

void SimNetworkFabric::lose(const EndpointRef& endpoint, const std::string& why) {
  if (endpoint->phase == Endpoint::Phase::kClosed || endpoint->phase == Endpoint::Phase::kFailed) {
    return;
  }
  const bool was_connected = endpoint->phase == Endpoint::Phase::kConnected;
  endpoint->phase = Endpoint::Phase::kFailed;
  endpoint->failure =
      was_connected
          ? unavailable(ErrorId::kNetworkLost, "connection to {}: {}", endpoint->peer_text, why)
          : unavailable(ErrorId::kNetworkConnect, "connecting to {}: {}", endpoint->peer_text, why);
  make_ready(endpoint);
}

void SimNetworkFabric::reset(const std::string& a, const std::string& b) {
  for (const std::weak_ptr<Endpoint>& weak : std::vector(endpoints_)) {
    const EndpointRef endpoint = weak.lock();
    if (endpoint != nullptr && ((endpoint->host == a && endpoint->peer_host == b) ||
                                (endpoint->host == b && endpoint->peer_host == a))) {
      lose(endpoint, "reset by peer");
    }
  }
}

void SimNetworkFabric::half_open(const std::string& a, const std::string& b) {
  for (const std::weak_ptr<Endpoint>& weak : std::vector(endpoints_)) {
    const EndpointRef endpoint = weak.lock();
    if (endpoint == nullptr) { continue; }
    if (endpoint->host == a && endpoint->peer_host == b) {
      endpoint->silent = true;
      lose(endpoint, "reset by peer");
    } else if (endpoint->host == b && endpoint->peer_host == a) {
      endpoint->silent = true;
    }
  }
}

void SimNetworkFabric::begin_connect(const EndpointRef& client, uint16_t port, int64_t timeout_ns) {
  if (hosts_.find(client->peer_host) == hosts_.end()) {
    client->phase = Endpoint::Phase::kFailed;
    client->failure =
        unavailable(ErrorId::kNetworkAddress, "can't resolve host '{}'", client->peer_host);
    make_ready(client);
    return;
  }
  send(client, [this, client, port] {
    if (client->phase != Endpoint::Phase::kConnecting) { return; }
    const auto found = ports_.find({client->peer_host, port});
    if (found == ports_.end()) {
      lose(client, "connection refused");
      return;
    }
    const EndpointRef server =
        new_endpoint(client->peer_host, client->host, client->host + ":client", nullptr);
    server->phase = Endpoint::Phase::kConnected;
    server->peer = client;
    client->peer = server;
    found->second->waiting.push_back(server);
    if (found->second->on_ready) {
      simulation_.call_later(0, [state = found->second] {
        if (state->on_ready) { state->on_ready(); }
      });
    }
    send(server, [this, client] {
      if (client->phase == Endpoint::Phase::kConnecting) {
        client->phase = Endpoint::Phase::kConnected;
        make_ready(client);
      }
    });
  });
  if (timeout_ns < Clock::kNever / 2) {
    simulation_.call_later(timeout_ns, [this, client] {
      if (client->phase == Endpoint::Phase::kConnecting) { lose(client, "timed out"); }
    });
  }
}

size_t SimNetworkFabric::part_of(const SimLink& way, size_t count) {
  if (count <= 1 || simulation_.random().chance(way.whole_chance)) { return count; }
  return 1 + static_cast<size_t>(simulation_.random().below(count));
}

Result<Transfer> SimNetworkFabric::write(const EndpointRef& from, std::string_view bytes) {
  if (from->phase == Endpoint::Phase::kFailed) { return from->failure; }
  if (from->phase == Endpoint::Phase::kConnecting || bytes.empty()) { return Transfer{}; }
  const SimLink& way = link(from->host, from->peer_host);
  if (way.loss_chance > 0 && simulation_.random().chance(way.loss_chance)) {
    lose(from, "reset by peer");
    if (const EndpointRef peer = from->peer.lock()) { lose(peer, "reset by peer"); }
    return from->failure;
  }
  if (from->unread >= from->window) { return Transfer{}; }
  const size_t count = part_of(way, std::min(bytes.size(), from->window - from->unread));
  from->unread += count;
  send(from, [this, peer = from->peer, chunk = std::string(bytes.substr(0, count))] {
    const EndpointRef to = peer.lock();
    if (to == nullptr || to->phase == Endpoint::Phase::kClosed) { return; }
    simulation_.trace().fold(chunk);
    to->inbox += chunk;
    make_ready(to);
  });
  return Transfer{Transfer::State::kMoved, static_cast<int64_t>(count)};
}

Result<Transfer> SimNetworkFabric::read(const EndpointRef& to, std::span<char> into) {
  if (!to->inbox.empty() && !into.empty() && to->phase != Endpoint::Phase::kFailed) {
    const size_t count =
        part_of(link(to->peer_host, to->host), std::min(to->inbox.size(), into.size()));
    std::copy_n(to->inbox.data(), count, into.data());
    to->inbox.erase(0, count);
    if (const EndpointRef peer = to->peer.lock()) {
      // The window opens when the news of it arrives.
      send(to, [this, peer, count] {
        const bool was_full = peer->unread >= peer->window;
        peer->unread -= count;
        if (was_full) { make_ready(peer); }
      });
    }
    return Transfer{Transfer::State::kMoved, static_cast<int64_t>(count)};
  }
  if (to->phase == Endpoint::Phase::kFailed) { return to->failure; }
  if (to->end_arrived) { return Transfer{Transfer::State::kEnd, 0}; }
  return Transfer{};
}

void SimNetworkFabric::close(const EndpointRef& endpoint) {
  endpoint->on_ready = nullptr;
  if (endpoint->phase == Endpoint::Phase::kConnected) {
    // What was sent arrives first; then the peer reads the end, and its writes fail.
    send(endpoint, [this, peer = endpoint->peer] {
      if (const EndpointRef other = peer.lock()) {
        if (other->end_sent || other->phase != Endpoint::Phase::kConnected) {
          other->end_arrived = true;
          make_ready(other);
        } else {
          other->end_arrived = true;
          other->unread = 0;
          make_ready(other);
        }
      }
    });
  }
  endpoint->phase = Endpoint::Phase::kClosed;
  endpoint->inbox.clear();
}

}  // namespace tidewheel
