// A network between simulated hosts: streams with latency that are split anywhere, links that are
// cut in one direction or both, connections that are lost, on one side or both, and readers that
// are slow.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/sim/simulation.h"

namespace tidewheel {

// What one direction between two hosts is like.
struct SimLink {
  int64_t latency_ns_min = 10'000;
  int64_t latency_ns_max = 1'000'000;
  double loss_chance = 0;            // that a write loses the connection
  int64_t window_bytes_max = 65536;  // sent and not read: drawn for each connection, from 1
  double whole_chance = 0.5;         // that a read or write moves all it can; else a drawn part
};

// All hosts and what is between them.
class SimNetworkFabric {
 public:
  explicit SimNetworkFabric(Simulation& simulation);
  ~SimNetworkFabric();

  // The network as `host` sees it. A host is reached by its name, and by "localhost" from itself.
  std::unique_ptr<Network> add_host(const std::string& host);
  void set_link(const std::string& from, const std::string& to, const SimLink& link);
  void set_all_links(const SimLink& link) { default_link_ = link; }

  // Cuts or mends one direction. What is sent meanwhile arrives once it is mended.
  void cut(const std::string& from, const std::string& to, bool is_cut);
  // Loses all connections between two hosts; both sides notice.
  void reset(const std::string& a, const std::string& b);
  // Loses them so that only `a` notices: to `b` they look open, and silent.
  void half_open(const std::string& a, const std::string& b);

 private:
  struct Endpoint;
  struct Port;
  class HostNetwork;
  class HostConnection;
  class HostListener;
  using EndpointRef = std::shared_ptr<Endpoint>;

  const SimLink& link(const std::string& from, const std::string& to) const;
  bool is_cut(const std::string& from, const std::string& to) const;
  // Runs `arrive` at the host `to` once the link has carried it there, in order of sending.
  void send(const EndpointRef& from, std::function<void()> arrive);
  void arrive(const EndpointRef& from, std::function<void()> action);
  void make_ready(const EndpointRef& endpoint);
  void lose(const EndpointRef& endpoint, const std::string& why);
  Result<Transfer> write(const EndpointRef& from, std::string_view bytes);
  Result<Transfer> read(const EndpointRef& to, std::span<char> into);
  void close(const EndpointRef& endpoint);
  size_t part_of(const SimLink& link, size_t count);
  EndpointRef new_endpoint(const std::string& host, const std::string& peer_host,
                           std::string peer_text, ReadyCallback on_ready);
  void begin_connect(const EndpointRef& client, uint16_t port, int64_t timeout_ns);

  Simulation& simulation_;
  SimLink default_link_;
  std::map<std::pair<std::string, std::string>, SimLink> links_;
  std::map<std::pair<std::string, std::string>, bool> cuts_;
  std::map<std::pair<std::string, uint16_t>, std::shared_ptr<Port>> ports_;
  std::map<std::string, bool> hosts_;
  std::vector<std::weak_ptr<Endpoint>> endpoints_;
  uint16_t next_port_ = 40'000;
};

}  // namespace tidewheel
