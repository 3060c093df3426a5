// ZooKeeper's servers on simulated hosts, for tests: as much of them as a client of this project
// uses.
#pragma once
#include <openssl/evp.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/big_endian.h"
#include "tidewheel/base/check.h"
#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/world.h"
#include "tidewheel/zookeeper/digest_md5.h"
#include "tidewheel/zookeeper/protocol.h"

namespace tidewheel::zookeeper {

class SimEnsemble {
 public:
  static constexpr uint16_t kPort = 2181;
  static constexpr const char* kUser = "bob";
  static constexpr const char* kPassword = "bob's secret";

  // On hosts of one simulation, whose names are host(0), host(1) and so on; they outlive it.
  explicit SimEnsemble(const std::vector<World*>& hosts) {
    nodes_["/"] = {};
    for (World* const world : hosts) {
      servers_.push_back(std::make_unique<Server>(*this, *world));
      start(servers_.size() - 1);
    }
    clock_ = std::make_unique<EventLoop>(servers_.front()->world, "clock");
    clock_->post([this] { tick(); });
  }
  ~SimEnsemble() {
    clock_->stop();
    for (const auto& server : servers_) { server->loop.stop(); }
  }

  static std::string host(size_t i) { return "zk" + std::to_string(i); }
  std::vector<NetworkAddress> addresses() const {
    std::vector<NetworkAddress> out;
    for (size_t i = 0; i < servers_.size(); ++i) { out.push_back({host(i), kPort}); }
    return out;
  }

  void start(size_t i, Network* network = nullptr) {
    Server& server = *servers_[i];
    Network& used = network == nullptr ? server.world.network() : *network;
    server.listener =
        used.listen({"", kPort}, [&server] { server.loop.post([&server] { server.accept(); }); })
            .value();
  }
  // As if its process had been killed.
  void stop(size_t i) {
    servers_[i]->listener.reset();
    servers_[i]->clients.clear();
  }
  // It takes what comes, and answers nothing.
  void hush(size_t i, bool is_silent) { servers_[i]->is_silent = is_silent; }
  // It hears of no transactions that come from now on.
  void leave_behind(size_t i) { servers_[i]->zxid_max = zxid_; }
  void catch_up(size_t i) { servers_[i]->zxid_max = INT64_MAX; }
  void offer_sasl(bool offers) { offers_sasl_ = offers; }

  void expire_all() {
    while (!sessions_.empty()) { end_session(sessions_.begin()->first); }
  }
  void set_data(const std::string& path, const std::string& data) {
    Change change;
    TIDEWHEEL_CHECK(put(path, data, {}, change) == ErrorCode::kOk);
    tell(change);
  }

  int64_t sessions_begun() const { return sessions_begun_; }
  size_t sessions() const { return sessions_.size(); }
  bool has(const std::string& path) const { return nodes_.contains(path); }
  // The servers with which somebody has a session.
  std::vector<size_t> used() const {
    std::vector<size_t> out;
    for (size_t i = 0; i < servers_.size(); ++i) {
      const auto& clients = servers_[i]->clients;
      if (std::any_of(clients.begin(), clients.end(),
                      [](const auto& one) { return one.second.session != 0; })) {
        out.push_back(i);
      }
    }
    return out;
  }
  // Greetings of one that had seen more than the server.
  int64_t sent_away() const { return sent_away_; }

 private:
  using Ids = std::set<std::string>;
  using Change = std::vector<std::pair<EventType, std::string>>;
  struct NodeState {
    std::string data;
    int64_t created = 0;
    int64_t changed = 0;
    int64_t children_changed = 0;
    int64_t owner = 0;  // the session of an ephemeral one
    int32_t next_number = 0;
    Ids only_for;  // empty: for everybody
  };
  struct SessionState {
    std::string password;
    int64_t timeout_ms = 0;
    int64_t heard_ns = 0;
  };
  struct Client {
    std::unique_ptr<Connection> connection;
    FrameReader in{1 << 20};
    std::string out;
    int64_t session = 0;
    Ids ids;
    std::set<std::pair<bool, std::string>> watches;  // whether of children, and the path
    bool was_challenged = false;
    bool is_over = false;
  };
  struct Out : BigEndianWriter {
    void stat(const NodeState& node) {
      integer(node.created);
      integer(node.changed);
      for (const int64_t zero : {0, 0}) { integer(zero); }
      for (const int32_t zero : {0, 0, 0}) { integer(zero); }
      integer(node.owner);
      for (const int32_t zero : {0, 0}) { integer(zero); }
      integer(node.children_changed);
    }
    void boolean(bool value) { integer(static_cast<uint8_t>(value)); }
    void error(ErrorCode code) { integer(static_cast<int32_t>(code)); }
    void append(std::string_view more) { out_ += more; }
  };
  struct Server {
    Server(SimEnsemble& ensemble, World& host) : all(ensemble), world(host), loop(host, "server") {}
    void accept() {
      while (listener != nullptr) {
        const uint64_t id = next_client++;
        auto taken =
            listener->accept([this, id] { loop.post([this, id] { all.serve(*this, id); }); });
        if (!taken.ok() || *taken == nullptr) { return; }
        clients[id].connection = std::move(*taken);
        all.serve(*this, id);
      }
    }
    SimEnsemble& all;
    World& world;
    std::unique_ptr<Listener> listener;
    std::map<uint64_t, Client> clients;
    uint64_t next_client = 1;
    bool is_silent = false;
    int64_t zxid_max = INT64_MAX;
    EventLoop loop;
  };

  int64_t zxid_of(const Server& server) const { return std::min(zxid_, server.zxid_max); }

  // ---- Bytes

  void serve(Server& server, uint64_t id) {
    const auto found = server.clients.find(id);
    if (found == server.clients.end()) { return; }
    Client& client = found->second;
    bool ends = !receive(server, client);
    while (!client.out.empty() && !server.is_silent) {
      const auto moved = client.connection->write(client.out);
      ends = ends || !moved.ok();
      if (!moved.ok() || moved->state != Transfer::State::kMoved) { break; }
      client.out.erase(0, static_cast<size_t>(moved->bytes));
    }
    if (ends || (client.is_over && client.out.empty())) { server.clients.erase(id); }
  }

  bool receive(Server& server, Client& client) {
    char buffer[4096];
    while (true) {
      const auto moved = client.connection->read(buffer);
      if (!moved.ok() || moved->state == Transfer::State::kEnd) { return false; }
      if (moved->state == Transfer::State::kWouldBlock) { return true; }
      if (server.is_silent) { continue; }
      client.in.add({buffer, static_cast<size_t>(moved->bytes)});
      while (!client.is_over) {
        const auto frame = client.in.next();
        if (!frame.ok()) { return false; }
        if (!frame->has_value()) { break; }
        if (client.session == 0) {
          if (!greet(server, client, **frame)) { return false; }
        } else {
          answer(server, client, **frame);
        }
      }
    }
  }

  static void send(Client& client, const std::string& record) {
    Out framed;
    framed.bytes(record);
    client.out += framed.take();
  }

  void reply(const Server& server, Client& client, int32_t xid, ErrorCode error,
             std::string_view body = "") {
    Out out;
    out.integer(xid);
    out.integer(zxid_of(server));
    out.error(error);
    if (error == ErrorCode::kOk) { out.append(body); }
    send(client, out.take());
  }

  // ---- Sessions

  bool greet(Server& server, Client& client, std::string_view frame) {
    BigEndianReader in(frame);
    in.skip(4);
    const auto newest = in.integer<int64_t>();
    const auto timeout_ms = in.integer<int32_t>();
    auto session = in.integer<int64_t>();
    const std::string password = in.bytes();
    if (newest > zxid_of(server)) {
      ++sent_away_;
      return false;
    }
    const int64_t now = server.world.clock().now_ns();
    if (session == 0) {
      session = ++sessions_begun_;
      sessions_[session] = {"password " + std::to_string(session), timeout_ms, now};
    }
    const auto found = sessions_.find(session);
    const bool fits = found != sessions_.end() &&
                      (found->second.heard_ns == now || found->second.password == password);
    Out out;
    out.integer(int32_t{0});
    out.integer(fits ? static_cast<int32_t>(found->second.timeout_ms) : 0);
    out.integer(fits ? session : 0);
    out.bytes(fits ? found->second.password : std::string());
    out.boolean(false);
    send(client, out.take());
    client.is_over = !fits;
    if (fits) {
      client.session = session;
      found->second.heard_ns = now;
    }
    return true;
  }

  void tick() {
    const int64_t now = servers_.front()->world.clock().now_ns();
    for (auto next = sessions_.begin(); next != sessions_.end();) {
      const auto session = next++;
      if (session->second.heard_ns + session->second.timeout_ms * 1'000'000 < now) {
        end_session(session->first);
      }
    }
    clock_->after_ms(50, [this] { tick(); });
  }

  void end_session(int64_t session) {
    sessions_.erase(session);
    Change change;
    std::vector<std::string> owned;
    for (const auto& [path, node] : nodes_) {
      if (node.owner == session) { owned.push_back(path); }
    }
    for (const std::string& path : owned) { erase(path, {}, change); }
    tell(change);
    for (const auto& server : servers_) {
      std::erase_if(server->clients, [&](const auto& one) {
        return one.second.session == session && !one.second.is_over;
      });
    }
  }

  // ---- Nodes

  static std::string parent(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  static bool may(const NodeState& node, const Ids& ids) {
    return node.only_for.empty() || std::any_of(ids.begin(), ids.end(), [&](const auto& id) {
             return node.only_for.contains(id);
           });
  }

  ErrorCode make(BigEndianReader& in, const Ids& ids, int64_t session, Change& change,
                 std::string& path) {
    path = in.bytes();
    NodeState node;
    node.data = in.bytes();
    in.skip(8);  // the count of rules, and what they allow
    if (in.bytes() == "auth") { node.only_for = ids; }
    const bool wants_ids = in.bytes().empty();
    const auto flags = in.integer<int32_t>();
    if (wants_ids && ids.empty()) { return static_cast<ErrorCode>(-114); }
    const auto above = nodes_.find(parent(path));
    if (above == nodes_.end()) { return ErrorCode::kNoNode; }
    if (!may(above->second, ids)) { return ErrorCode::kNoAuth; }
    if ((flags & kSequence) != 0) { path += fmt::format("{:010}", above->second.next_number++); }
    if (nodes_.contains(path)) { return ErrorCode::kNodeExists; }
    node.created = node.changed = node.children_changed = above->second.children_changed = ++zxid_;
    node.owner = (flags & kEphemeral) != 0 ? session : 0;
    nodes_[path] = node;
    change.emplace_back(EventType::kNodeChildrenChanged, above->first);
    return ErrorCode::kOk;
  }
  ErrorCode put(const std::string& path, const std::string& data, const Ids& ids, Change& change) {
    const auto found = nodes_.find(path);
    if (found == nodes_.end()) { return ErrorCode::kNoNode; }
    if (!may(found->second, ids)) { return ErrorCode::kNoAuth; }
    found->second.data = data;
    found->second.changed = ++zxid_;
    change.emplace_back(EventType::kNodeDataChanged, path);
    return ErrorCode::kOk;
  }
  ErrorCode erase(const std::string& path, const Ids& ids, Change& change) {
    const auto found = nodes_.find(path);
    if (found == nodes_.end()) { return ErrorCode::kNoNode; }
    if (!ids.empty() && !may(found->second, ids)) { return ErrorCode::kNoAuth; }
    nodes_.erase(found);
    nodes_[parent(path)].children_changed = ++zxid_;
    change.emplace_back(EventType::kNodeDeleted, path);
    change.emplace_back(EventType::kNodeChildrenChanged, parent(path));
    return ErrorCode::kOk;
  }

  void tell(const Change& change) {
    for (const auto& server : servers_) {
      for (auto& [id, client] : server->clients) {
        for (const auto& [type, path] : change) {
          const bool of_children = type == EventType::kNodeChildrenChanged;
          bool watched = client.watches.erase({of_children, path}) > 0;
          if (type == EventType::kNodeDeleted) {
            watched = client.watches.erase({true, path}) > 0 || watched;
          }
          if (watched) { send_event(client, type, path); }
        }
        server->loop.post([this, &server = *server, id = id] { serve(server, id); });
      }
    }
  }
  static void send_event(Client& client, EventType type, const std::string& path) {
    Out out;
    out.integer(kEventXid);
    out.integer(int64_t{-1});
    out.integer(int32_t{0});
    out.integer(static_cast<int32_t>(type));
    out.integer(int32_t{3});
    out.bytes(path);
    send(client, out.take());
  }

  // ---- Questions

  void answer(Server& server, Client& client, std::string_view frame) {
    BigEndianReader in(frame);
    const auto xid = in.integer<int32_t>();
    const auto opcode = static_cast<Opcode>(in.integer<int32_t>());
    const auto session = sessions_.find(client.session);
    if (session == sessions_.end()) {
      client.is_over = true;
      return reply(server, client, xid, ErrorCode::kSessionExpired);
    }
    session->second.heard_ns = server.world.clock().now_ns();
    Change change;
    switch (opcode) {
      case Opcode::kPing: reply(server, client, xid, ErrorCode::kOk); break;
      case Opcode::kCloseSession:
        client.is_over = true;
        end_session(client.session);
        reply(server, client, xid, ErrorCode::kOk);
        break;
      case Opcode::kAuth: authenticate(server, client, xid, in); break;
      case Opcode::kSasl: prove(server, client, xid, in.bytes()); break;
      case Opcode::kSetWatches: set_watches(server, client, xid, in); break;
      case Opcode::kMulti: transact(server, client, xid, in); break;
      case Opcode::kGetData: read(server, client, xid, in); break;
      case Opcode::kGetChildren: list(server, client, xid, in); break;
      default: {
        Out out;
        const ErrorCode done = apply(opcode, in, client, change, out);
        reply(server, client, xid, done, out.take());
      }
    }
    tell(change);
  }

  ErrorCode apply(Opcode opcode, BigEndianReader& in, const Client& client, Change& change,
                  Out& out) {
    ErrorCode done = ErrorCode::kOk;
    if (opcode == Opcode::kCreate) {
      std::string path;
      done = make(in, client.ids, client.session, change, path);
      if (done == ErrorCode::kOk) {
        out.bytes(path);
        out.stat(nodes_[path]);
      }
      return done;
    }
    const std::string path = in.bytes();
    if (opcode == Opcode::kSetData) {
      const std::string data = in.bytes();
      done = put(path, data, client.ids, change);
      if (done == ErrorCode::kOk) { out.stat(nodes_[path]); }
    } else if (opcode == Opcode::kDelete) {
      done = erase(path, client.ids, change);
    } else if (!nodes_.contains(path)) {
      done = ErrorCode::kNoNode;
    }
    in.skip(4);  // the version
    return done;
  }

  void transact(const Server& server, Client& client, int32_t xid, BigEndianReader& in) {
    const auto before = nodes_;
    const int64_t zxid_before = zxid_;
    Change change;
    std::vector<std::pair<int32_t, Out>> done;
    std::vector<ErrorCode> errors;
    bool failed = false;
    while (in.ok()) {
      const auto opcode = in.integer<int32_t>();
      const bool is_over = in.integer<uint8_t>() != 0;
      in.skip(4);
      if (is_over) { break; }
      Out out;
      const ErrorCode error = failed ? ErrorCode::kRuntimeInconsistency
                                     : apply(static_cast<Opcode>(opcode), in, client, change, out);
      if (failed) {
        in.skip(in.rest().size() - 9);  // the steps that are left, all but what ends them
      }
      failed = failed || error != ErrorCode::kOk;
      errors.push_back(error);
      done.emplace_back(opcode, std::move(out));
    }
    Out body;
    for (size_t i = 0; i < done.size(); ++i) {
      body.integer(failed ? -1 : done[i].first);
      body.boolean(false);
      body.error(failed ? errors[i] : ErrorCode::kOk);
      failed ? body.error(errors[i]) : body.append(done[i].second.take());
    }
    body.integer(int32_t{-1});
    body.boolean(true);
    body.integer(int32_t{-1});
    if (failed) {
      nodes_ = before;
      zxid_ = zxid_before;
      change.clear();
    }
    reply(server, client, xid, ErrorCode::kOk, body.take());
    tell(change);
  }

  void read(const Server& server, Client& client, int32_t xid, BigEndianReader& in) {
    const std::string path = in.bytes();
    const auto found = nodes_.find(path);
    if (found == nodes_.end()) { return reply(server, client, xid, ErrorCode::kNoNode); }
    if (!may(found->second, client.ids)) { return reply(server, client, xid, ErrorCode::kNoAuth); }
    if (in.integer<uint8_t>() != 0) { client.watches.emplace(false, path); }
    Out out;
    out.bytes(found->second.data);
    out.stat(found->second);
    reply(server, client, xid, ErrorCode::kOk, out.take());
  }

  void list(const Server& server, Client& client, int32_t xid, BigEndianReader& in) {
    const std::string path = in.bytes();
    if (!nodes_.contains(path)) { return reply(server, client, xid, ErrorCode::kNoNode); }
    if (in.integer<uint8_t>() != 0) { client.watches.emplace(true, path); }
    std::vector<std::string> names;
    for (const auto& [child, node] : nodes_) {
      if (child != "/" && parent(child) == path) {
        names.push_back(child.substr(child.rfind('/') + 1));
      }
    }
    Out out;
    out.integer(static_cast<int32_t>(names.size()));
    for (const std::string& name : names) { out.bytes(name); }
    reply(server, client, xid, ErrorCode::kOk, out.take());
  }

  void set_watches(const Server& server, Client& client, int32_t xid, BigEndianReader& in) {
    const auto since = in.integer<int64_t>();
    for (const int kind : {0, 1, 2}) {  // of data, of what is not there, of children
      for (size_t left = in.count(); left > 0; --left) {
        const std::string path = in.bytes();
        const auto found = nodes_.find(path);
        if (found == nodes_.end()) {
          send_event(client, EventType::kNodeDeleted, path);
        } else if (kind == 0 && found->second.changed > since) {
          send_event(client, EventType::kNodeDataChanged, path);
        } else if (kind == 2 && found->second.children_changed > since) {
          send_event(client, EventType::kNodeChildrenChanged, path);
        } else {
          client.watches.emplace(kind == 2, path);
        }
      }
    }
    reply(server, client, xid, ErrorCode::kOk);
  }

  void authenticate(const Server& server, Client& client, int32_t xid, BigEndianReader& in) {
    in.skip(4);
    const bool is_known = in.bytes() == "digest";
    if (is_known) { client.ids.insert("digest:" + in.bytes()); }
    client.is_over = !is_known;
    reply(server, client, xid, is_known ? ErrorCode::kOk : ErrorCode::kAuthFailed);
  }

  static std::string md5(std::string_view text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), out, &size, EVP_md5(), nullptr);
    return {reinterpret_cast<const char*>(out), size};
  }
  static std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) { out += fmt::format("{:02x}", static_cast<unsigned char>(c)); }
    return out;
  }
  static std::string between(std::string_view text, std::string_view before, char end) {
    const size_t at = text.find(before);
    if (at == std::string_view::npos) { return ""; }
    text.remove_prefix(at + before.size());
    return std::string(text.substr(0, text.find(end)));
  }

  void prove(const Server& server, Client& client, int32_t xid, const std::string& token) {
    static constexpr const char* kNonce = "a nonce of the server";
    if (!offers_sasl_) {
      return reply(server, client, xid, ErrorCode::kOk, std::string(4, '\xff'));
    }
    Out out;
    if (!std::exchange(client.was_challenged, true)) {
      out.bytes(fmt::format("realm=\"zk-sasl-md5\",nonce=\"{}\",charset=utf-8,algorithm=md5-sess",
                            kNonce));
      return reply(server, client, xid, ErrorCode::kOk, out.take());
    }
    const std::string cnonce = between(token, "cnonce=\"", '"');
    const std::string user = between(token, "username=\"", '"');
    const std::string key =
        hex(md5(md5(user + ":zk-sasl-md5:" + kPassword) + ":" + kNonce + ":" + cnonce));
    const auto proof = [&](const std::string& what) {
      return hex(md5(key + ":" + kNonce + ":00000001:" + cnonce + ":auth:" + hex(md5(what))));
    };
    if (user != kUser ||
        between(token, "response=", ',') != proof("AUTHENTICATE:zookeeper/zk-sasl-md5")) {
      client.is_over = true;
      return reply(server, client, xid, ErrorCode::kAuthFailed);
    }
    client.ids.insert("sasl:" + user);
    out.bytes("rspauth=" + proof(":zookeeper/zk-sasl-md5"));
    reply(server, client, xid, ErrorCode::kOk, out.take());
  }

  std::vector<std::unique_ptr<Server>> servers_;
  std::map<std::string, NodeState> nodes_;
  std::map<int64_t, SessionState> sessions_;
  int64_t sessions_begun_ = 0;
  int64_t zxid_ = 0;
  int64_t sent_away_ = 0;
  bool offers_sasl_ = true;
  std::unique_ptr<EventLoop> clock_;
};

}  // namespace tidewheel::zookeeper
