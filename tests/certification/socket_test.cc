// Certifies the socket: rows come at most once, since nobody sends again what was sent while the
// job was away.
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/network.h"
#include "tidewheel/connectors/socket/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {
namespace {

constexpr uint16_t kPort = 5555;
constexpr int64_t kTickNs = 1'000'000;

// A server that sends each row to whoever is connected last, and ends the connection behind the
// last row.
class SocketSubject final : public SourceSubject {
 public:
  SocketSubject() { registry_.add(json_table_format()); }
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  Promise promise() const override { return Promise::kAtMostOnce; }
  TableDefinition table() const override {
    return numbered_table({{"connector", "socket"},
                           {"hostname", "localhost"},
                           {"port", std::to_string(kPort)},
                           {"format", "json"},
                           {"reconnects.max", "-1"},
                           {"reconnects.after", "10 ms"}});
  }
  std::vector<std::string> free_options() const override { return {"hostname"}; }
  std::vector<WrongOption> wrong_options() const override { return {{"port", "70000", "65535"}}; }

  void start(SimMachine& machine) override {
    machine_ = &machine;
    listen();
    tick();
  }
  void finish() override {
    connection_.reset();
    listener_.reset();
  }
  void fill(SimWorld&, int64_t first, int64_t count) override { end_ = first + count; }
  bool put_bad_record(SimWorld&) override {
    unsent_ += "{\"n\":1\n";
    return true;
  }
  std::pair<std::string, std::string> skip_option() const override {
    return {"json.ignore-parse-errors", "true"};
  }
  bool set_peer(Peer peer) override {
    peer_ = peer;
    if (machine_ == nullptr) { return true; }
    if (peer == Peer::kDead) { finish(); }
    if (listener_ == nullptr && peer != Peer::kDead) { listen(); }
    return true;
  }

 private:
  void listen() {
    auto listener = machine_->world.network().listen({"localhost", kPort}, [] {});
    ASSERT_TRUE(listener.ok()) << listener.status().to_string();
    listener_ = std::move(listener).value();
  }
  void tick() {
    const int64_t slowness = peer_ == Peer::kSlow ? 40 : 1;
    machine_->simulation.call_later(kTickNs * slowness, [this] { tick(); });
    if (listener_ == nullptr) { return; }
    auto accepted = listener_->accept([] {});
    if (accepted.ok() && *accepted != nullptr) {
      if (connection_ != nullptr) { unsent_.clear(); }  // a part of it may have been sent
      connection_ = std::move(accepted).value();
      has_ended_ = false;
    }
    if (connection_ != nullptr) { send(); }
  }
  void send() {
    if (unsent_.empty() && next_ < end_) {
      const int64_t count = std::min<int64_t>(end_ - next_, machine_->simulation.draw(1, 5));
      unsent_ = json_lines(next_, count);
      next_ += count;
    }
    if (unsent_.empty()) {
      if (!std::exchange(has_ended_, true)) {
        ignore(connection_->shutdown_write(), "the client may be gone");
      }
      return;
    }
    const Result<Transfer> moved = connection_->write(unsent_);
    if (!moved.ok()) {
      connection_.reset();
      unsent_.clear();  // nobody knows what has arrived of it
      return;
    }
    unsent_.erase(0, static_cast<size_t>(moved->bytes));
  }

  const std::unique_ptr<TableConnector> connector_ = socket::table_connector();
  TableRegistry registry_;
  SimMachine* machine_ = nullptr;
  Peer peer_ = Peer::kWell;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
  std::string unsent_;
  int64_t next_ = 0;
  int64_t end_ = 0;
  bool has_ended_ = false;
};

INSTANTIATE_TEST_SUITE_P(socket, SourceCertification, certified_source<SocketSubject>());

}  // namespace
}  // namespace tidewheel::certification
