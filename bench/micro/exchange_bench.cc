// Rows from one worker to another over loopback: two exchanges in this process, a task on each
// side that does nothing else; and, to compare, bytes over a bare socket.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tidewheel/base/world.h"
#include "tidewheel/cluster/exchange.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/operators/record_row_codec.h"

namespace tidewheel {
namespace {

struct Bid {
  int64_t auction = 1;
  int64_t bidder = 2;
  int64_t price = 3;
  Text channel;
  Text url;
  Text extra;
  Timestamp at;
};
struct Numbers {
  int64_t auction = 1;
  int64_t bidder = 2;
  int64_t price = 3;
  Timestamp at;
};

template <class T>
void fill(RowBatch<T>& batch, uint32_t rows) {
  for (uint32_t i = 0; i < rows; ++i) {
    T row;
    row.auction = i;
    if constexpr (requires { row.url; }) {
      Arena& arena = batch.arena();
      row.channel = arena.copy("channel-4711");
      row.url = arena.copy("https://www.nexmark.com/abc/def/ghi/item.htm?query=1&channel_id=4711");
      row.extra = arena.copy(std::string(60, 'x'));
    }
    batch.append(std::move(row), i);
  }
}

// One side's task, on a worker of its own.
class Pump : public WakeTarget, private Turnable {
 public:
  explicit Pump(World& world) : world_(world) {}
  void start(const char* name, Channel& channel) {
    channel_ = &channel;
    worker_ = world_.executor().start_worker(name, *this);
    wake();
  }
  void stop() {
    stopping_.store(true);
    worker_->wake();
    worker_.reset();
  }

 protected:
  virtual void step(Channel& channel) = 0;

 private:
  void on_scheduled(bool) override {
    if (worker_ != nullptr) { worker_->wake(); }
  }
  Turn turn() override {
    if (stopping_.load()) { return Turn::stop(); }
    rest();
    step(*channel_);
    return Turn();
  }
  World& world_;
  Channel* channel_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Worker> worker_;
};

class Source final : public Pump {
 public:
  using Pump::Pump;
  BatchRef batch;
  std::atomic<int64_t> left{0};

 private:
  void step(Channel& channel) override {
    while (left.load(std::memory_order_relaxed) > 0) {
      Element element = Element::rows(batch);
      if (!channel.push(element)) { return; }
      left.fetch_sub(1, std::memory_order_relaxed);
    }
  }
};

class Sink final : public Pump {
 public:
  using Pump::Pump;
  std::atomic<int64_t> taken{0};

 private:
  void step(Channel& channel) override {
    Element element;
    while (channel.pop(element)) {
      element.batch.reset();
      taken.fetch_add(1, std::memory_order_release);
    }
  }
};

ExchangeOptions options_of(uint64_t worker, ExchangeCompression compression) {
  ExchangeOptions options;
  options.job = "bench";
  options.worker = worker;
  options.listen_at = {"127.0.0.1", 0};
  options.compression = compression;
  return options;
}

template <class T>
void rows_to_another_worker(benchmark::State& state) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto compression = static_cast<ExchangeCompression>(state.range(1));
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  Source source(*world);
  Sink sink(*world);
  auto pool = BatchPool::create_for<T>(rows, nullptr);
  auto* const batch = static_cast<RowBatch<T>*>(pool->acquire());
  fill(*batch, rows);
  source.batch = BatchRef::adopt(batch);
  std::unique_ptr<Exchange> from = Exchange::start(*world, options_of(1, compression)).value();
  std::unique_ptr<Exchange> to = Exchange::start(*world, options_of(2, compression)).value();
  RemoteChannelSpec spec;
  auto edge = std::make_shared<EdgeInfo>();
  edge->codec = row_codec_of<T>();
  spec.edge = edge;
  spec.credits = 16;
  spec.batch_rows = rows;
  const ExchangePeer sender{1, {"127.0.0.1", from->port()}, "sender"};
  const ExchangePeer receiver{2, {"127.0.0.1", to->port()}, "receiver"};
  std::unique_ptr<RemoteChannel> out = from->make_outgoing({1, 0}, spec, receiver, source).value();
  std::unique_ptr<RemoteChannel> in = to->make_incoming({1, 0}, spec, sender, sink).value();
  source.start("source", out->channel());
  sink.start("sink", in->channel());
  int64_t expected = 0;
  const int64_t batches = 200'000 / rows + 1;
  for (auto _ : state) {
    expected += batches;
    source.left.fetch_add(batches);
    source.wake();
    while (sink.taken.load(std::memory_order_acquire) < expected) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  state.SetItemsProcessed(expected * rows);
  state.SetBytesProcessed(from->figures().bytes_sent);
  from->stop();
  to->stop();
  source.stop();
  sink.stop();
  from.reset();
  to.reset();
  out.reset();
  in.reset();
}
BENCHMARK_TEMPLATE(rows_to_another_worker, Bid)
    ->Args({1024, 0})
    ->Args({1024, 1})
    ->Args({64, 0})
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_TEMPLATE(rows_to_another_worker, Numbers)
    ->Args({1024, 0})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

void bytes_over_a_bare_socket(benchmark::State& state) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 1) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    state.SkipWithError("no socket");
    return;
  }
  const int out = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(out, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    state.SkipWithError("no connection");
    return;
  }
  const int in = ::accept(listener, nullptr, nullptr);
  std::atomic<int64_t> received{0};
  std::thread reader([&] {
    std::vector<char> buffer(1 << 16);
    for (ssize_t got = 0; (got = ::recv(in, buffer.data(), buffer.size(), 0)) > 0;) {
      received.fetch_add(got, std::memory_order_release);
    }
  });
  const std::string chunk(1 << 16, 'x');
  int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < 500; ++i) {
      for (size_t at = 0; at < chunk.size();) {
        const ssize_t put = ::send(out, chunk.data() + at, chunk.size() - at, 0);
        if (put <= 0) { break; }
        at += static_cast<size_t>(put);
      }
      sent += static_cast<int64_t>(chunk.size());
    }
    while (received.load(std::memory_order_acquire) < sent) { std::this_thread::yield(); }
  }
  state.SetBytesProcessed(sent);
  ::close(out);
  reader.join();
  ::close(in);
  ::close(listener);
}
BENCHMARK(bytes_over_a_bare_socket)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace tidewheel
