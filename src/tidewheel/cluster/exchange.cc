#include "tidewheel/cluster/exchange.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/intrusive_stack.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/network_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/exchange_frames.h"
#include "tidewheel/cluster/exchange_lane.h"
#include "tidewheel/dataflow/result_store.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/rpc/frame.h"

namespace tidewheel {
namespace {

using exchange::FrameType;
using exchange::InLane;
using exchange::Lane;
using exchange::OutLane;
using exchange::Sent;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr uint32_t kBodyBytesMax = uint32_t{512} << 20;
constexpr uint32_t kGreetingBytesMax = 1 << 16;
// Encoded ahead of the socket.
constexpr size_t kWriteBytes = size_t{256} << 10;
// Long batches are read to where they stay; this is for the others.
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kElementsAtOnce = 4;  // of one channel, before another one's turn
constexpr int kReadsPerTurn = 8;
constexpr int kWritesPerTurn = 8;
constexpr int64_t kGrantBytesMax = int64_t{1} << 48;
constexpr size_t kLinksMax = 16'384;
// Connections that have not said who they are, and how long they may take.
constexpr int64_t kGreetingsMax = 256;
constexpr int64_t kGreetingMs = 10'000;
// Clocks that differ by less are the same machine's, read at different times.
constexpr int64_t kSameClockNs = 100 * kNsPerMs;

uint8_t number_of(FrameType type) { return static_cast<uint8_t>(type); }

struct Link {
  struct Opened {
    ExchangeChannelId id;
    std::shared_ptr<InLane> lane;  // null: the receiver is not there yet
  };

  Link(uint64_t link_id, bool sends) : id(link_id), is_out(sends), reader(kGreetingBytesMax) {}

  const uint64_t id;
  const bool is_out;  // we have made it, and send rows
  ExchangePeer peer;
  std::unique_ptr<Connection> connection;
  FrameReader reader;
  exchange::RowFrameWriter writer;
  std::shared_ptr<std::atomic<bool>> signalled = std::make_shared<std::atomic<bool>>(true);
  bool more_to_read = false;
  bool blocked = false;  // the socket takes nothing now
  bool greeted = false;
  int64_t clock_offset_ns = 0;  // from the peer's monotonic clock to ours
  int64_t last_heard_ns = 0;
  int64_t last_sent_ns = 0;
  // ---- What we send.
  std::unordered_map<uint32_t, std::shared_ptr<OutLane>> out;
  uint32_t next_number = 0;
  std::deque<std::shared_ptr<OutLane>> queue;  // lanes that may have something to send
  int64_t charged_bytes = 0;                   // of the writer's buffers, which never shrink
  // ---- What comes.
  std::unordered_map<uint32_t, Opened> in;
  BatchRef placed;                                            // the batch whose rows are being read
  std::vector<std::pair<uint32_t, exchange::Grant>> credits;  // to be told

  std::string name() const {
    return peer.name.empty()
               ? (connection == nullptr ? peer.address.to_string() : connection->peer())
               : peer.name;
  }
};

class WorkerExchange final : public Exchange, public Turnable, public exchange::LaneWorker {
 public:
  WorkerExchange(World& world, ExchangeOptions options)
      : world_(world),
        options_(std::move(options)),
        network_(options_.network != nullptr ? *options_.network : world.network()),
        logger_(world.logger().named("exchange")),
        send_options_{options_.compression, options_.plans, kBodyBytesMax, kWriteBytes},
        stopped_(world.executor().make_event()) {}
  ~WorkerExchange() override;
  Status listen();

  uint16_t port() const override { return port_; }
  void stop() override;
  Result<std::unique_ptr<RemoteChannel>> make_outgoing(ExchangeChannelId id,
                                                       const RemoteChannelSpec& spec,
                                                       const ExchangePeer& receiver,
                                                       WakeTarget& sender) override;
  Result<std::unique_ptr<RemoteChannel>> make_incoming(ExchangeChannelId id,
                                                       const RemoteChannelSpec& spec,
                                                       const ExchangePeer& sender,
                                                       WakeTarget& receiver) override;
  ExchangeFigures figures() const override;
  std::optional<double> mean_window(TaskId receiver) const override;

  Turn turn() override;
  void on_woken(Lane& lane) override {
    if (!lane.is_woken.exchange(true)) { woken_.push(&lane); }
    wake();
  }
  void on_alert() override {
    alerted_.store(true);
    wake();
  }

  // An end of a channel, as its task's worker holds it.
  class End final : public RemoteChannel {
   public:
    End(WorkerExchange& owner, std::shared_ptr<Lane> lane)
        : owner_(owner), gate_(owner.gate_), lane_(std::move(lane)) {}
    ~End() override {
      lane_->close();
      if (!gate_->enter()) { return; }  // the exchange is gone
      owner_.post([owner = &owner_, lane = lane_] { owner->give_up(lane); });
      gate_->leave();
    }
    Channel& channel() override { return lane_->channel(); }

   private:
    WorkerExchange& owner_;
    const std::shared_ptr<CompletionGate> gate_;
    const std::shared_ptr<Lane> lane_;
  };

 private:
  void post(std::function<void()> mail) {
    if (mailbox_.post(std::move(mail))) { wake(); }
  }
  void wake() {
    Worker* const worker = worker_pointer_.load(std::memory_order_seq_cst);
    if (worker != nullptr) { worker->wake(); }
  }
  int64_t now_ns() const { return world_.clock().now_ns(); }
  int64_t clock_ns() const { return world_.clock().wall_ms() * kNsPerMs - world_.clock().now_ns(); }

  // ---- Lanes.
  void add_out(const std::shared_ptr<OutLane>& lane, const ExchangePeer& receiver);
  void add_in(const std::shared_ptr<InLane>& lane);
  void give_up(const std::shared_ptr<Lane>& lane);
  void take_woken();
  void enqueue(Link& link, OutLane& lane);
  void bind(Link& link, uint32_t number, const std::shared_ptr<InLane>& lane);
  void grant(Link& link, InLane& lane);
  int64_t share_bytes() const;
  void end_share(Lane& lane);
  void charge_writer(Link& link);
  void fail(Lane& lane, const Status& why);

  // ---- Links.
  class Places;
  Link& new_link(bool is_out);
  Link& link_to(const ExchangePeer& peer);
  ReadyCallback ready_callback(const Link& link);
  void accept();
  void fail_link(Link& link, const Status& why);
  void drop_failed();
  bool read(Link& link);
  Status read_frames(Link& link);
  bool pump(Link& link);
  bool fill(Link& link);
  void look_after(Link& link, int64_t now);
  void set_clock(Link& link, int64_t clock);

  // ---- Frames.
  Status on_frame(Link& link, const Frame& frame);
  Status on_greeting(Link& link, const Frame& frame);
  Status on_row_frame(Link& link, const Frame& frame);
  Status take(Link& link, InLane& lane, const Frame& frame, BatchRef placed);
  Status on_open(Link& link, const Frame& frame);
  Status on_credits(Link& link, std::string_view body);
  void on_close(Link& link, uint32_t number);
  void tell_plan(const CheckpointPlanRef& plan);

  World& world_;
  const ExchangeOptions options_;
  Network& network_;
  const Logger logger_;
  const OutLane::Options send_options_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  Mailbox mailbox_;
  std::atomic<bool> stopping_{false};
  const std::unique_ptr<Event> stopped_;
  std::atomic<bool> alerted_{false};
  std::atomic<bool> may_accept_{false};
  IntrusiveStack<Lane, &Lane::next_woken> woken_;

  // By receiver; guarded by the lock.
  mutable LeafLock incoming_lock_;
  std::vector<std::pair<TaskId, std::weak_ptr<InLane>>> incoming_;

  uint16_t port_ = 0;
  std::unique_ptr<Listener> listener_;
  uint64_t next_link_ = 1;
  std::map<uint64_t, Link> links_;
  std::map<uint64_t, uint64_t> link_of_worker_;  // those that we send on
  std::vector<uint64_t> failed_;
  // Receivers that wait for their sender, and the other way round (link and number).
  std::map<ExchangeChannelId, std::shared_ptr<InLane>> expected_;
  std::map<ExchangeChannelId, std::pair<uint64_t, uint32_t>> offered_;
  std::vector<std::shared_ptr<Lane>> given_up_;  // may still be among the woken
  int64_t shares_ = 0;  // lanes among which the network's memory is divided
  int64_t next_look_ns_ = 0;

  std::atomic<int64_t> bytes_sent_{0};
  std::atomic<int64_t> bytes_received_{0};
  std::atomic<int64_t> elements_sent_{0};
  std::atomic<int64_t> elements_received_{0};
  std::atomic<int64_t> connections_{0};
  std::atomic<Worker*> worker_pointer_{nullptr};
  std::unique_ptr<Worker> worker_;
};

// ---- Start and end

WorkerExchange::~WorkerExchange() {
  gate_->close();
  mailbox_.close();
  stop();
  // The network's thread calls back as long as there is a connection, and wakes the worker.
  listener_.reset();
  links_.clear();
  worker_.reset();
}

// The worker itself stays, since tasks may still wake it.
void WorkerExchange::stop() {
  if (worker_ == nullptr || stopping_.exchange(true)) { return; }
  worker_->wake();
  static_cast<void>(stopped_->wait());
}

Status WorkerExchange::listen() {
  TIDEWHEEL_ASSIGN_OR_RETURN(listener_, network_.listen(options_.listen_at, [this] {
    may_accept_.store(true);
    wake();
  }));
  port_ = listener_->port();
  may_accept_.store(true);
  worker_ = world_.executor().start_worker("exchange", *this);
  worker_pointer_.store(worker_.get(), std::memory_order_seq_cst);
  worker_->wake();
  return ok_status();
}

ExchangeFigures WorkerExchange::figures() const {
  ExchangeFigures figures;
  figures.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  figures.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  figures.elements_sent = elements_sent_.load(std::memory_order_relaxed);
  figures.elements_received = elements_received_.load(std::memory_order_relaxed);
  figures.connections = connections_.load(std::memory_order_relaxed);
  return figures;
}

Turn WorkerExchange::turn() {
  if (stopping_.load()) {
    stopped_->set();
    return Turn::stop();
  }
  // Before the woken: a lane that is given up is never woken again, but may have been.
  mailbox_.run_pending();
  take_woken();
  given_up_.clear();
  if (may_accept_.exchange(false)) { accept(); }
  bool more = false;
  const int64_t now = now_ns();
  const bool look = now >= next_look_ns_;
  for (auto& [id, link] : links_) {
    if (link.signalled->exchange(false)) {
      link.more_to_read = true;
      link.blocked = false;
    }
    if (link.more_to_read && read(link)) { more = true; }
    if (pump(link)) { more = true; }
    if (look) { look_after(link, now); }
  }
  if (look) {
    const int64_t every_ms = std::clamp<int64_t>(
        std::min(options_.heartbeat_interval_ms / 2, options_.heartbeat_timeout_ms / 4), 1, 1000);
    next_look_ns_ = now + every_ms * kNsPerMs;
  }
  drop_failed();
  if (more || mailbox_.has_mail()) { return Turn::again(); }
  return Turn::sleep_until(links_.empty() ? Clock::kNever : next_look_ns_);
}

// ---- Lanes

Result<std::unique_ptr<RemoteChannel>> WorkerExchange::make_outgoing(ExchangeChannelId id,
                                                                     const RemoteChannelSpec& spec,
                                                                     const ExchangePeer& receiver,
                                                                     WakeTarget& sender) {
  if (spec.edge->codec == nullptr) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "rows on '{}' can't be sent to another process: their type is no "
                            "record; give it a serde<T>, or keep both operators in one slot",
                            spec.edge->name);
  }
  auto lane = std::make_shared<OutLane>(*this, id, spec, sender);
  auto end = std::make_unique<End>(*this, lane);
  post([this, lane, receiver] { add_out(lane, receiver); });
  return std::unique_ptr<RemoteChannel>(std::move(end));
}

Result<std::unique_ptr<RemoteChannel>> WorkerExchange::make_incoming(ExchangeChannelId id,
                                                                     const RemoteChannelSpec& spec,
                                                                     const ExchangePeer&,
                                                                     WakeTarget& receiver) {
  if (spec.edge->codec == nullptr) {
    return invalid_argument(ErrorId::kGraphEdge,
                            "rows on '{}' can't come from another process: their type is no record",
                            spec.edge->name);
  }
  auto lane = std::make_shared<InLane>(*this, id, spec, receiver, options_.debloat_target_ms,
                                       options_.memory);
  auto end = std::make_unique<End>(*this, lane);
  {
    const std::lock_guard lock(incoming_lock_);
    std::erase_if(incoming_, [](const auto& one) { return one.second.expired(); });
    incoming_.emplace_back(spec.receiver, lane);
  }
  post([this, lane] { add_in(lane); });
  return std::unique_ptr<RemoteChannel>(std::move(end));
}

std::optional<double> WorkerExchange::mean_window(TaskId receiver) const {
  const std::lock_guard lock(incoming_lock_);
  double sum = 0;
  int32_t count = 0;
  for (const auto& [task, known] : incoming_) {
    const std::shared_ptr<InLane> lane = known.lock();
    if (lane == nullptr || !(task == receiver)) { continue; }
    sum += lane->window();
    ++count;
  }
  return count == 0 ? std::nullopt : std::optional(sum / count);
}

void WorkerExchange::add_out(const std::shared_ptr<OutLane>& lane, const ExchangePeer& receiver) {
  Link& link = link_to(receiver);
  lane->link = link.id;
  lane->number = link.next_number++;
  link.out.emplace(lane->number, lane);
  exchange::put_open(link.writer.begin(number_of(FrameType::kOpen), 0, lane->number), lane->id());
  link.writer.finish();
  enqueue(link, *lane);
}

void WorkerExchange::add_in(const std::shared_ptr<InLane>& lane) {
  lane->has_share = true;
  ++shares_;
  const auto offered = offered_.find(lane->id());
  if (offered == offered_.end()) {
    expected_[lane->id()] = lane;
    return;
  }
  const auto [link, number] = offered->second;
  offered_.erase(offered);
  bind(links_.at(link), number, lane);
}

void WorkerExchange::bind(Link& link, uint32_t number, const std::shared_ptr<InLane>& lane) {
  lane->link = link.id;
  lane->number = number;
  link.in[number] = {lane->id(), lane};
  grant(link, *lane);
}

// Its task is gone.
void WorkerExchange::give_up(const std::shared_ptr<Lane>& lane) {
  given_up_.push_back(lane);
  const bool was_open = !lane->given_up && !lane->finished;
  lane->given_up = true;
  end_share(*lane);
  if (!lane->is_out()) {
    const auto expected = expected_.find(lane->id());
    if (expected != expected_.end() && expected->second == lane) { expected_.erase(expected); }
  }
  const auto found = links_.find(lane->link);
  if (found == links_.end()) { return; }
  Link& link = found->second;
  if (lane->is_out()) {
    link.out.erase(lane->number);
  } else {
    link.in.erase(lane->number);
  }
  if (was_open) { link.writer.add(number_of(FrameType::kClose), 0, lane->number, {}); }
}

void WorkerExchange::take_woken() {
  Lane* next = woken_.take_all();
  while (next != nullptr) {
    Lane& lane = *std::exchange(next, next->next_woken);
    lane.is_woken.store(false);  // before it is looked at: what comes from here on puts it there
    const auto found = links_.find(lane.link);
    if (lane.given_up || found == links_.end()) {
      lane.settle();
    } else if (lane.is_out()) {
      enqueue(found->second, static_cast<OutLane&>(lane));
    } else {
      lane.settle();
      grant(found->second, static_cast<InLane&>(lane));
    }
  }
  if (!alerted_.exchange(false)) { return; }
  for (auto& [id, link] : links_) {
    for (auto& [number, lane] : link.out) { enqueue(link, *lane); }
  }
}

void WorkerExchange::enqueue(Link& link, OutLane& lane) {
  if (lane.is_in_queue || lane.given_up) { return; }
  lane.is_in_queue = true;
  link.queue.push_back(std::static_pointer_cast<OutLane>(lane.shared_from_this()));
}

void WorkerExchange::grant(Link& link, InLane& lane) {
  if (lane.given_up || !lane.enter()) { return; }
  const exchange::Grant granted = lane.take_grant(now_ns(), share_bytes());
  lane.leave();
  if (!granted.is_empty()) { link.credits.emplace_back(lane.number, granted); }
}

// Others' shares become smaller when a lane comes: what they have been granted before they keep.
int64_t WorkerExchange::share_bytes() const {
  if (options_.memory == nullptr) { return INT64_MAX; }
  return options_.memory->limit_bytes() / std::max<int64_t>(1, shares_);
}

void WorkerExchange::end_share(Lane& lane) {
  if (std::exchange(lane.has_share, false)) { --shares_; }
}

void WorkerExchange::charge_writer(Link& link) {
  const auto bytes = static_cast<int64_t>(link.writer.own_bytes());
  if (options_.memory == nullptr || bytes <= link.charged_bytes) { return; }
  options_.memory->reserve(bytes - std::exchange(link.charged_bytes, bytes));
}

void WorkerExchange::fail(Lane& lane, const Status& why) {
  if (lane.given_up || lane.finished) { return; }
  lane.given_up = true;
  end_share(lane);
  if (options_.on_failure) { options_.on_failure(lane.id(), why); }
}

// ---- Links

Link& WorkerExchange::new_link(bool is_out) {
  const uint64_t id = next_link_++;
  Link& link = links_.try_emplace(id, id, is_out).first->second;
  link.last_heard_ns = link.last_sent_ns = now_ns();
  connections_.fetch_add(1, std::memory_order_relaxed);
  return link;
}

ReadyCallback WorkerExchange::ready_callback(const Link& link) {
  return [this, signalled = link.signalled] {
    signalled->store(true);
    wake();
  };
}

Link& WorkerExchange::link_to(const ExchangePeer& peer) {
  const auto found = link_of_worker_.find(peer.worker);
  if (found != link_of_worker_.end()) { return links_.at(found->second); }
  Link& link = new_link(true);
  link.peer = peer;
  link_of_worker_[peer.worker] = link.id;
  exchange::Hello hello;
  hello.token = options_.token;
  hello.worker = options_.worker;
  hello.clock_ns = clock_ns();
  hello.job = options_.job;
  hello.name = options_.name;
  exchange::put_hello(link.writer.begin(number_of(FrameType::kHello), 0, 0), hello);
  link.writer.finish();
  link.connection =
      network_.connect(peer.address, options_.connect_timeout_ms * kNsPerMs, ready_callback(link));
  return link;
}

void WorkerExchange::accept() {
  while (true) {
    Link& link = new_link(false);
    auto connection = listener_->accept(ready_callback(link));
    if (!connection.ok() || *connection == nullptr) {
      if (!connection.ok()) { logger_.warning("{}", connection.status().to_string()); }
      links_.erase(link.id);
      connections_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    link.connection = std::move(connection).value();
    const auto is_stranger = [](const auto& entry) {
      return !entry.second.is_out && !entry.second.greeted;
    };
    if (links_.size() > kLinksMax ||
        std::count_if(links_.begin(), links_.end(), is_stranger) > kGreetingsMax) {
      fail_link(link, resource_exhausted(ErrorId::kNetworkConnect,
                                         "{} connections are open, and more are not taken now",
                                         links_.size()));
    }
  }
}

// It goes at the end of the turn, since somebody may be at work on it.
void WorkerExchange::fail_link(Link& link, const Status& why) {
  if (std::find(failed_.begin(), failed_.end(), link.id) != failed_.end()) { return; }
  failed_.push_back(link.id);
  const bool matters = !link.out.empty() || !link.in.empty();
  const std::string name = link.name();
  if (matters || !link.greeted) { logger_.info("{}: {}", name, why.to_string()); }
  for (auto& [number, lane] : link.out) {
    fail(*lane, why.with_context("sending rows to {}", name));
  }
  for (auto& [number, opened] : link.in) {
    if (opened.lane == nullptr) {
      offered_.erase(opened.id);
    } else {
      fail(*opened.lane, why.with_context("receiving rows from {}", name));
    }
  }
  link.queue.clear();
}

void WorkerExchange::drop_failed() {
  for (const uint64_t id : std::exchange(failed_, {})) {
    const auto link = links_.find(id);
    if (link->second.is_out) { link_of_worker_.erase(link->second.peer.worker); }
    if (options_.memory != nullptr) { options_.memory->release(link->second.charged_bytes); }
    links_.erase(link);
    connections_.fetch_sub(1, std::memory_order_relaxed);
  }
}

// True: there is more to read now.
bool WorkerExchange::read(Link& link) {
  if (link.connection == nullptr) { return false; }
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (const Status status = read_frames(link); !status.ok()) {
      if (!link.greeted && !link.is_out) {
        exchange::put_welcome(link.writer.begin(number_of(FrameType::kRefusal), 0, 0),
                              {0, status.message()});
        link.writer.finish();
        ignore(link.writer.flush(*link.connection), "the connection is given up");
      }
      fail_link(link, status);
      return false;
    }
    if (!link.more_to_read) { return false; }
  }
  return true;
}

// Rows that are long are read right into the batch that they become.
class WorkerExchange::Places final : public BodyPlaces {
 public:
  explicit Places(Link& link) : link_(link) {}
  char* place(const Frame& frame, size_t size) override {
    if (!link_.greeted || link_.is_out || frame.flags != 0 ||
        static_cast<FrameType>(frame.type) != FrameType::kBatch) {
      return nullptr;
    }
    const auto opened = link_.in.find(frame.number);
    if (opened == link_.in.end() || opened->second.lane == nullptr) { return nullptr; }
    InLane& lane = *opened->second.lane;
    if (lane.given_up || !lane.enter()) { return nullptr; }
    char* room = nullptr;
    std::tie(link_.placed, room) = lane.place_body(size);
    lane.leave();
    return room;
  }

 private:
  Link& link_;
};

// Reads once, and works on the frames that came whole.
Status WorkerExchange::read_frames(Link& link) {
  const auto state = link.reader.fill(*link.connection);
  if (!state.ok()) { return state.status(); }
  if (*state == Transfer::State::kWouldBlock) {
    link.more_to_read = false;
    return ok_status();
  }
  if (*state == Transfer::State::kEnd) {
    link.more_to_read = false;
    return unavailable(ErrorId::kNetworkLost, "the other worker has ended the connection");
  }
  link.last_heard_ns = now_ns();
  int64_t bytes = 0;
  while (true) {
    Frame frame;
    Places places(link);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool has, link.reader.next(frame, &places));
    if (!has) { break; }
    bytes += static_cast<int64_t>(kFrameHeaderBytes + frame.body.size());
    TIDEWHEEL_RETURN_IF_ERROR(on_frame(link, frame));
  }
  bytes_received_.fetch_add(bytes, std::memory_order_relaxed);
  return ok_status();
}

// True: there is more to send now.
bool WorkerExchange::pump(Link& link) {
  if (link.connection == nullptr) { return false; }
  if (!link.credits.empty()) {
    std::string& out = link.writer.begin(number_of(FrameType::kCredits), 0, 0);
    for (const auto& [number, granted] : link.credits) {
      put_number(out, number);
      put_number(out, granted.count);
      put_number(out, granted.bytes);
    }
    link.writer.finish();
    link.credits.clear();
  }
  for (int i = 0; i < kWritesPerTurn; ++i) {
    const bool more = link.greeted && fill(link);
    charge_writer(link);
    const size_t unsent = link.writer.unsent_bytes();
    if (unsent == 0 || link.blocked) { return false; }
    const Result<bool> done = link.writer.flush(*link.connection);
    if (!done.ok()) {
      fail_link(link, done.status());
      return false;
    }
    const auto sent = static_cast<int64_t>(unsent - link.writer.unsent_bytes());
    bytes_sent_.fetch_add(sent, std::memory_order_relaxed);
    if (sent > 0) { link.last_sent_ns = now_ns(); }
    link.blocked = !*done;
    if (link.blocked || !more) { return false; }
  }
  return true;
}

// Encodes what lanes have, in turn. True: some have more.
bool WorkerExchange::fill(Link& link) {
  while (link.writer.unsent_bytes() < kWriteBytes) {
    if (link.queue.empty()) { return false; }
    const std::shared_ptr<OutLane> lane = std::move(link.queue.front());
    link.queue.pop_front();
    lane->is_in_queue = false;
    if (lane->given_up || !lane->enter()) { continue; }
    const int64_t before = lane->elements();
    const Result<Sent> sent = lane->send(link.writer, send_options_, kElementsAtOnce);
    elements_sent_.fetch_add(lane->elements() - before, std::memory_order_relaxed);
    lane->leave();
    if (!sent.ok()) {
      fail(*lane, sent.status());
    } else if (*sent == Sent::kMore) {
      enqueue(link, *lane);
    }
  }
  return !link.queue.empty();
}

void WorkerExchange::look_after(Link& link, int64_t now) {
  const int64_t silent_ms = (now - link.last_heard_ns) / kNsPerMs;
  const int64_t greeting_ms = link.is_out ? 2 * options_.connect_timeout_ms : kGreetingMs;
  const int64_t allowed_ms = link.greeted ? options_.heartbeat_timeout_ms : greeting_ms;
  if (silent_ms >= allowed_ms) {
    fail_link(link, unavailable(ErrorId::kNetworkLost,
                                "the other worker was not heard of for {} ms", silent_ms));
    return;
  }
  if (link.greeted && now - link.last_sent_ns >= options_.heartbeat_interval_ms * kNsPerMs) {
    link.last_sent_ns = now;
    if (link.writer.unsent_bytes() == 0) {
      link.writer.add(number_of(FrameType::kPing), 0, 0, {});
      pump(link);
    }
  }
}

// ---- Frames

Status WorkerExchange::on_frame(Link& link, const Frame& frame) {
  if (!link.greeted) { return on_greeting(link, frame); }
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::kOpen:
      if (!link.is_out) { return on_open(link, frame); }
      break;
    case FrameType::kCredits:
      if (link.is_out) { return on_credits(link, frame.body); }
      break;
    case FrameType::kClose: on_close(link, frame.number); return ok_status();
    case FrameType::kBatch:
    case FrameType::kControl:
    case FrameType::kAnnouncement:
      if (!link.is_out) { return on_row_frame(link, frame); }
      break;
    case FrameType::kPing: return ok_status();
    default: break;
  }
  return data_loss(ErrorId::kDataFrame, "a frame of type {} is not expected", frame.type);
}

Status WorkerExchange::on_greeting(Link& link, const Frame& frame) {
  const auto type = static_cast<FrameType>(frame.type);
  if (link.is_out) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Welcome welcome, exchange::read_welcome(frame.body));
    if (type == FrameType::kRefusal) {
      return failed_precondition(ErrorId::kNetworkConnect, "the other worker refuses: {}",
                                 welcome.name);
    }
    if (type != FrameType::kWelcome) {
      return data_loss(ErrorId::kDataFrame, "a greeting is expected");
    }
    set_clock(link, welcome.clock_ns);
  } else {
    if (type != FrameType::kHello) {
      return data_loss(ErrorId::kDataFrame, "the peer is no worker of a job");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Hello hello, exchange::read_hello(frame.body));
    if (hello.job != options_.job || hello.token != options_.token) {
      return failed_precondition(ErrorId::kFenced,
                                 "{} is of job {}, and this worker is of job {}, or of another "
                                 "run of it",
                                 hello.name, hello.job, options_.job);
    }
    link.peer.name = hello.name;
    link.peer.worker = hello.worker;
    set_clock(link, hello.clock_ns);
    exchange::put_welcome(link.writer.begin(number_of(FrameType::kWelcome), 0, 0),
                          {clock_ns(), options_.name});
    link.writer.finish();
  }
  link.reader.set_limits(kBodyBytesMax, kReadBytes);
  link.greeted = true;
  return ok_status();
}

void WorkerExchange::set_clock(Link& link, int64_t clock) {
  const int64_t offset = clock - clock_ns();
  link.clock_offset_ns = std::abs(offset) < kSameClockNs ? 0 : offset;
}

Status WorkerExchange::on_open(Link& link, const Frame& frame) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ExchangeChannelId id, exchange::read_open(frame.body));
  if (link.in.count(frame.number) != 0 || offered_.count(id) != 0) {
    return data_loss(ErrorId::kDataFrame, "channel {} of attempt {} is opened twice", id.number,
                     id.attempt);
  }
  const auto expected = expected_.find(id);
  if (expected == expected_.end()) {
    link.in[frame.number] = {id, nullptr};
    offered_[id] = {link.id, frame.number};
    return ok_status();
  }
  const std::shared_ptr<InLane> lane = std::move(expected->second);
  expected_.erase(expected);
  bind(link, frame.number, lane);
  return ok_status();
}

Status WorkerExchange::on_credits(Link& link, std::string_view body) {
  FieldReader in(body);
  while (!in.rest().empty()) {
    const auto number = in.number<uint32_t>();
    const exchange::Grant granted{in.number<uint32_t>(), in.number<int64_t>()};
    if (!in.ok() || granted.count > INT32_MAX || granted.bytes < 0 ||
        granted.bytes > kGrantBytesMax) {
      return data_loss(ErrorId::kDataFrame, "credits from another worker can't be read");
    }
    const auto lane = link.out.find(number);
    if (lane == link.out.end()) { continue; }  // given up meanwhile
    lane->second->add_credits(granted);
    enqueue(link, *lane->second);
  }
  return ok_status();
}

// The peer's task is gone. What becomes of ours is its master's business.
void WorkerExchange::on_close(Link& link, uint32_t number) {
  if (link.is_out) {
    const auto lane = link.out.find(number);
    if (lane != link.out.end()) { lane->second->given_up = true; }
    return;
  }
  const auto opened = link.in.find(number);
  if (opened == link.in.end()) { return; }
  if (opened->second.lane == nullptr) {
    offered_.erase(opened->second.id);
    link.in.erase(opened);
  } else {
    opened->second.lane->given_up = true;
  }
}

Status WorkerExchange::on_row_frame(Link& link, const Frame& frame) {
  BatchRef placed = std::move(link.placed);
  const auto opened = link.in.find(frame.number);
  // It may have been given up while this was on its way.
  if (opened == link.in.end()) { return ok_status(); }
  const std::shared_ptr<InLane> lane = opened->second.lane;
  if (lane == nullptr) {
    return data_loss(ErrorId::kDataFrame, "rows came before their receiver has given credit");
  }
  if (lane->given_up || !lane->enter()) { return ok_status(); }
  const Status status = take(link, *lane, frame, std::move(placed));
  lane->leave();
  if (status.ok()) {
    if (lane->finished) { end_share(*lane); }
    elements_received_.fetch_add(1, std::memory_order_relaxed);
    grant(link, *lane);
  }
  return status;
}

Status WorkerExchange::take(Link& link, InLane& lane, const Frame& frame, BatchRef placed) {
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::kBatch: return lane.take_batch(frame.flags, frame.body, std::move(placed));
    case FrameType::kControl: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Control control,
                                 exchange::read_control(frame.body, link.clock_offset_ns));
      tell_plan(control.plan);
      return lane.take_control(control);
    }
    default: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const exchange::Announcement announcement,
                                 exchange::read_announcement(frame.body, link.clock_offset_ns));
      tell_plan(announcement.plan);
      return lane.take_announcement(announcement);
    }
  }
}

void WorkerExchange::tell_plan(const CheckpointPlanRef& plan) {
  if (plan != nullptr && options_.on_plan) { options_.on_plan(plan); }
}

ExchangeCompression on_the_wire(BlockCodec codec) {
  switch (codec) {
    case BlockCodec::kNone: return ExchangeCompression::kNone;
    case BlockCodec::kSnappy: return ExchangeCompression::kSnappy;
    case BlockCodec::kLz4: return ExchangeCompression::kLz4;
    case BlockCodec::kZstd: return ExchangeCompression::kZstd;
  }
  return ExchangeCompression::kNone;
}

}  // namespace

Status configure_exchange(const Config& config, ExchangeOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const BlockCodec codec, network_compression(config));
  options.compression = on_the_wire(codec);
  if (config.get(options::kBufferDebloat)) {
    options.debloat_target_ms = config.get(options::kBufferDebloatTarget);
  }
  options.connect_timeout_ms = config.get(options::kDataConnectTimeout) * 1'000;
  options.heartbeat_interval_ms = config.get(options::kHeartbeatInterval);
  options.heartbeat_timeout_ms = config.get(options::kHeartbeatTimeout);
  return ok_status();
}

Result<std::unique_ptr<Exchange>> Exchange::start(World& world, ExchangeOptions options) {
  auto exchange = std::make_unique<WorkerExchange>(world, std::move(options));
  TIDEWHEEL_RETURN_IF_ERROR(exchange->listen());
  return std::unique_ptr<Exchange>(std::move(exchange));
}

}  // namespace tidewheel
