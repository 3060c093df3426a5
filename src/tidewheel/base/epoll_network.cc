#include "tidewheel/base/epoll_network.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"

namespace tidewheel {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::string errno_text(int error) {
  char buffer[128];
  return ::strerror_r(error, buffer, sizeof buffer);
}

// All addresses of a host, in the order in which they should be tried.
Result<std::vector<SocketAddress>> resolve(const NetworkAddress& address, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                  port.c_str(), &hints, &found);
  if (error != 0) {
    return unavailable(ErrorId::kNetworkAddress, "can't resolve host '{}': {}", address.host,
                       ::gai_strerror(error));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress& entry = addresses.emplace_back();
    std::memcpy(&entry.storage, at->ai_addr, at->ai_addrlen);
    entry.size = at->ai_addrlen;
  }
  ::freeaddrinfo(found);
  return addresses;
}

std::string address_text(const sockaddr_storage& storage, socklen_t size) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown peer";
  }
  return std::string(host) + ":" + port;
}

// What the watching thread knows of a socket. Shared by it and the socket's owner.
class Watched {
 public:
  Watched(ReadyCallback on_ready) : on_ready_(std::move(on_ready)) {}
  virtual ~Watched() = default;
  // The watching thread: something has happened to the socket.
  virtual void on_event() {}
  // When the watching thread is to call on_event at the latest.
  virtual int64_t deadline_ns() { return Clock::kNever; }

  // Calls the owner back, unless it is gone. The lock is held meanwhile, because the owner's
  // destructor must wait for a call that runs; that is why the callback must not destroy the
  // connection.
  void notify() {
    const std::lock_guard lock(callback_mutex_);
    if (on_ready_) { on_ready_(); }
  }
  void silence() {
    ReadyCallback dropped;
    const std::lock_guard lock(callback_mutex_);
    std::swap(dropped, on_ready_);
  }

 private:
  std::mutex callback_mutex_;  // guards on_ready_
  ReadyCallback on_ready_;
};

// The thread that waits for events of all sockets.
class Poller {
 public:
  explicit Poller(const Clock& clock) : clock_(clock) {}
  ~Poller() {
    if (!thread_.joinable()) { return; }
    stopping_.store(true);
    interrupt();
    thread_.join();
    ::close(epoll_fd_);
    ::close(wake_fd_);
  }

  // Begins to watch `fd` for `socket`. Returns the ticket for `forget`.
  uint64_t watch(int fd, std::shared_ptr<Watched> socket) {
    const std::lock_guard lock(mutex_);
    start();
    const uint64_t ticket = next_ticket_++;
    const bool has_deadline = socket->deadline_ns() != Clock::kNever;
    if (has_deadline) { timed_.emplace(ticket, socket); }
    sockets_.emplace(ticket, std::move(socket));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = ticket;
    TIDEWHEEL_CHECK(::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl: {}",
                    errno_text(errno));
    if (has_deadline) { interrupt(); }
    return ticket;
  }
  void forget(int fd, uint64_t ticket) {
    std::shared_ptr<Watched> dropped;  // destroyed outside of the lock
    const std::lock_guard lock(mutex_);
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    timed_.erase(ticket);
    const auto found = sockets_.find(ticket);
    if (found != sockets_.end()) {
      dropped = std::move(found->second);
      sockets_.erase(found);
    }
  }

 private:
  static constexpr uint64_t kWakeTicket = 0;

  void start() {
    if (thread_.joinable()) { return; }
    epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    TIDEWHEEL_CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0, "epoll: {}", errno_text(errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kWakeTicket;
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event);
    thread_ = std::thread([this] { run(); });
  }
  void interrupt() {
    const uint64_t one = 1;
    // A full counter means that the thread is to wake up already.
    static_cast<void>(!::write(wake_fd_, &one, sizeof one));
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "tw-network");
    epoll_event events[64];
    while (!stopping_.load()) {
      const int count = ::epoll_wait(epoll_fd_, events, 64, timeout_ms());
      for (int i = 0; i < count; ++i) {
        const uint64_t ticket = events[i].data.u64;
        if (ticket == kWakeTicket) {
          uint64_t drained = 0;
          static_cast<void>(!::read(wake_fd_, &drained, sizeof drained));
        } else if (const std::shared_ptr<Watched> socket = find(ticket)) {
          socket->on_event();
          socket->notify();
        }
      }
      for (const std::shared_ptr<Watched>& socket : overdue()) {
        socket->on_event();
        socket->notify();
      }
    }
  }

  std::shared_ptr<Watched> find(uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    const auto found = sockets_.find(ticket);
    return found == sockets_.end() ? nullptr : found->second;
  }
  int timeout_ms() {
    int64_t earliest = Clock::kNever;
    const std::lock_guard lock(mutex_);
    // A deadline that is over does not come back.
    std::erase_if(timed_,
                  [](const auto& entry) { return entry.second->deadline_ns() == Clock::kNever; });
    for (const auto& [ticket, socket] : timed_) {
      earliest = std::min(earliest, socket->deadline_ns());
    }
    if (earliest == Clock::kNever) { return -1; }
    const int64_t left_ms = (earliest - clock_.now_ns()) / 1'000'000 + 1;
    return static_cast<int>(std::clamp<int64_t>(left_ms, 0, 1'000'000));
  }
  std::vector<std::shared_ptr<Watched>> overdue() {
    std::vector<std::shared_ptr<Watched>> late;
    const std::lock_guard lock(mutex_);
    const int64_t now = clock_.now_ns();
    for (const auto& [ticket, socket] : timed_) {
      if (socket->deadline_ns() <= now) { late.push_back(socket); }
    }
    return late;
  }

  const Clock& clock_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards sockets_, timed_, next_ticket_ and the start of the thread
  std::map<uint64_t, std::shared_ptr<Watched>> sockets_;
  // Those that are being connected: all sockets are many, these are few.
  std::map<uint64_t, std::shared_ptr<Watched>> timed_;
  uint64_t next_ticket_ = 1;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::thread thread_;
};

// A stream socket: resolving its host, being connected, connected, or failed.
class StreamSocket final : public Watched, public std::enable_shared_from_this<StreamSocket> {
 public:
  enum class Phase : uint8_t { kConnecting, kConnected, kFailed, kClosed };

  StreamSocket(Poller& poller, const Clock& clock, ReadyCallback on_ready, std::string peer)
      : Watched(std::move(on_ready)), poller_(poller), clock_(clock), peer_(std::move(peer)) {}

  // A connection that was accepted.
  void adopt(int fd) {
    prepare(fd);
    fd_ = fd;
    phase_.store(Phase::kConnected, std::memory_order_release);
    ticket_ = poller_.watch(fd_, shared_from_this());
  }
  void set_deadline(int64_t deadline_ns) { deadline_ns_.store(deadline_ns); }
  // Any thread: the host's addresses are known, or why not.
  void begin(Result<std::vector<SocketAddress>> addresses) {
    {
      const std::lock_guard lock(mutex_);
      if (phase() != Phase::kConnecting) { return; }
      if (!addresses.ok()) {
        fail(std::move(addresses).status());
      } else {
        addresses_ = std::move(addresses).value();
        try_next(0);
      }
    }
    notify();
  }

  void on_event() override {
    if (phase() != Phase::kConnecting) { return; }
    const std::lock_guard lock(mutex_);
    if (phase() != Phase::kConnecting) { return; }
    if (clock_.now_ns() >= deadline_ns_.load()) {
      fail(deadline_exceeded(ErrorId::kNetworkConnect, "connecting to {}: timed out", peer_));
      return;
    }
    if (fd_ < 0) { return; }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    sockaddr_storage storage{};
    socklen_t storage_size = sizeof storage;
    if (error == 0 &&
        ::getpeername(fd_, reinterpret_cast<sockaddr*>(&storage), &storage_size) == 0) {
      deadline_ns_.store(Clock::kNever);
      phase_.store(Phase::kConnected, std::memory_order_release);
    } else if (error != 0) {
      try_next(error);
    }
  }
  int64_t deadline_ns() override { return deadline_ns_.load(); }

  Phase phase() const { return phase_.load(std::memory_order_acquire); }
  int fd() const { return fd_; }  // once connected
  const std::string& peer() const { return peer_; }
  Status failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  void close() {
    silence();
    const std::lock_guard lock(mutex_);
    phase_.store(Phase::kClosed, std::memory_order_release);
    deadline_ns_.store(Clock::kNever);
    drop_fd();
  }

 private:
  static void prepare(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  // Under mutex_.
  void fail(Status status) {
    failure_ = std::move(status);
    deadline_ns_.store(Clock::kNever);
    drop_fd();
    phase_.store(Phase::kFailed, std::memory_order_release);
  }
  void drop_fd() {
    if (fd_ < 0) { return; }
    poller_.forget(fd_, ticket_);
    ::close(std::exchange(fd_, -1));
  }
  // Under mutex_. `error` is why the address before has failed.
  void try_next(int error) {
    drop_fd();
    while (next_address_ < addresses_.size()) {
      const SocketAddress& address = addresses_[next_address_++];
      const int fd =
          ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) {
        error = errno;
        continue;
      }
      prepare(fd);
      if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
          errno != EINPROGRESS) {
        error = errno;
        ::close(fd);
        continue;
      }
      // Made at once or not, the first event says so.
      fd_ = fd;
      ticket_ = poller_.watch(fd_, shared_from_this());
      return;
    }
    fail(unavailable(ErrorId::kNetworkConnect, "connecting to {}: {}", peer_, errno_text(error)));
  }

  Poller& poller_;
  const Clock& clock_;
  const std::string peer_;
  std::atomic<Phase> phase_{Phase::kConnecting};
  std::atomic<int64_t> deadline_ns_{Clock::kNever};
  std::mutex mutex_;  // guards all below until the phase is kConnected; taken before the poller's
  int fd_ = -1;
  uint64_t ticket_ = 0;
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  Status failure_;
};

class EpollConnection final : public Connection {
 public:
  explicit EpollConnection(std::shared_ptr<StreamSocket> socket) : socket_(std::move(socket)) {}
  ~EpollConnection() override { socket_->close(); }

  Result<Transfer> read(std::span<char> into) override {
    if (socket_->phase() != StreamSocket::Phase::kConnected) { return not_connected(); }
    while (true) {
      const ssize_t got = ::recv(socket_->fd(), into.data(), into.size(), 0);
      if (got > 0) { return Transfer{Transfer::State::kMoved, got}; }
      if (got == 0) { return Transfer{Transfer::State::kEnd, 0}; }
      if (errno == EAGAIN || errno == EWOULDBLOCK) { return Transfer{}; }
      if (errno != EINTR) { return lost("reading from"); }
    }
  }
  Result<Transfer> write(std::string_view bytes) override {
    if (socket_->phase() != StreamSocket::Phase::kConnected) { return not_connected(); }
    while (true) {
      const ssize_t put = ::send(socket_->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put >= 0) { return Transfer{Transfer::State::kMoved, put}; }
      if (errno == EAGAIN || errno == EWOULDBLOCK) { return Transfer{}; }
      if (errno != EINTR) { return lost("writing to"); }
    }
  }
  Result<Transfer> write_pieces(std::span<const std::string_view> pieces) override {
    if (socket_->phase() != StreamSocket::Phase::kConnected) { return not_connected(); }
    constexpr size_t kPiecesMax = 64;
    iovec parts[kPiecesMax];
    const size_t count = std::min(pieces.size(), kPiecesMax);
    for (size_t i = 0; i < count; ++i) {
      parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    while (true) {
      const ssize_t put = ::sendmsg(socket_->fd(), &message, MSG_NOSIGNAL);
      if (put >= 0) { return Transfer{Transfer::State::kMoved, put}; }
      if (errno == EAGAIN || errno == EWOULDBLOCK) { return Transfer{}; }
      if (errno != EINTR) { return lost("writing to"); }
    }
  }
  Status shutdown_write() override {
    if (!is_connected()) { return not_connected().status(); }
    if (::shutdown(socket_->fd(), SHUT_WR) != 0) { return lost("ending"); }
    return {};
  }
  bool is_connected() const override { return socket_->phase() == StreamSocket::Phase::kConnected; }
  std::string peer() const override { return socket_->peer(); }

 private:
  Result<Transfer> not_connected() {
    if (socket_->phase() == StreamSocket::Phase::kFailed) { return socket_->failure(); }
    return Transfer{};
  }
  Status lost(std::string_view doing) {
    return unavailable(ErrorId::kNetworkLost, "{} {}: {}", doing, peer(), errno_text(errno));
  }

  const std::shared_ptr<StreamSocket> socket_;
};

class EpollListener final : public Listener {
 public:
  EpollListener(Poller& poller, const Clock& clock, int fd, uint16_t port, ReadyCallback on_ready)
      : poller_(poller),
        clock_(clock),
        fd_(fd),
        port_(port),
        watched_(std::make_shared<Watched>(std::move(on_ready))),
        ticket_(poller_.watch(fd, watched_)) {}
  ~EpollListener() override {
    watched_->silence();
    poller_.forget(fd_, ticket_);
    ::close(fd_);
  }

  Result<std::unique_ptr<Connection>> accept(ReadyCallback on_ready) override {
    while (true) {
      SocketAddress from;
      from.size = sizeof from.storage;
      const int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from.storage), &from.size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        auto socket = std::make_shared<StreamSocket>(poller_, clock_, std::move(on_ready),
                                                     address_text(from.storage, from.size));
        socket->adopt(fd);
        return std::unique_ptr<Connection>(std::make_unique<EpollConnection>(std::move(socket)));
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) { return std::unique_ptr<Connection>(); }
      if (errno != EINTR && errno != ECONNABORTED) {
        return unavailable(ErrorId::kNetworkConnect, "accepting at port {}: {}", port_,
                           errno_text(errno));
      }
    }
  }
  uint16_t port() const override { return port_; }

 private:
  Poller& poller_;
  const Clock& clock_;
  const int fd_;
  const uint16_t port_;
  const std::shared_ptr<Watched> watched_;
  const uint64_t ticket_;
};

class EpollNetwork final : public Network {
 public:
  EpollNetwork(const Clock& clock, Executor& executor)
      : clock_(clock), executor_(executor), poller_(clock) {}

  std::unique_ptr<Connection> connect(const NetworkAddress& address, int64_t timeout_ns,
                                      ReadyCallback on_ready) override {
    auto socket =
        std::make_shared<StreamSocket>(poller_, clock_, std::move(on_ready), address.to_string());
    const int64_t now = clock_.now_ns();
    socket->set_deadline(timeout_ns >= Clock::kNever - now ? Clock::kNever : now + timeout_ns);
    Result<std::vector<SocketAddress>> numeric = resolve(address, AI_NUMERICHOST);
    if (numeric.ok()) {
      socket->begin(std::move(numeric));
    } else {
      // The job keeps the socket alive, and finds it closed when its owner has gone.
      executor_.run_blocking([socket, address] { socket->begin(resolve(address, AI_ADDRCONFIG)); });
    }
    return std::make_unique<EpollConnection>(std::move(socket));
  }

  Result<std::unique_ptr<Listener>> listen(const NetworkAddress& address,
                                           ReadyCallback on_ready) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<SocketAddress> addresses,
                               resolve(address, AI_PASSIVE));
    int error = EADDRNOTAVAIL;
    for (const SocketAddress& at : addresses) {
      const int fd = ::socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) {
        error = errno;
        continue;
      }
      const int on = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      sockaddr_storage bound{};
      socklen_t bound_size = sizeof bound;
      if (::bind(fd, reinterpret_cast<const sockaddr*>(&at.storage), at.size) != 0 ||
          ::listen(fd, 1024) != 0 ||
          ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) {
        error = errno;
        ::close(fd);
        continue;
      }
      const uint16_t port =
          ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
      return std::unique_ptr<Listener>(
          std::make_unique<EpollListener>(poller_, clock_, fd, port, std::move(on_ready)));
    }
    if (error == EADDRINUSE) {
      return already_exists(ErrorId::kNetworkAddress, "listening at {}: {}", address.to_string(),
                            errno_text(error));
    }
    return unavailable(ErrorId::kNetworkAddress, "listening at {}: {}", address.to_string(),
                       errno_text(error));
  }

 private:
  const Clock& clock_;
  Executor& executor_;
  Poller poller_;
};

}  // namespace

std::unique_ptr<Network> make_epoll_network(const Clock& clock, Executor& executor) {
  return std::make_unique<EpollNetwork>(clock, executor);
}

}  // namespace tidewheel
