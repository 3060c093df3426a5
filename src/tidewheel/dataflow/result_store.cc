#include "tidewheel/dataflow/result_store.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/leaf_lock.h"
#include "tidewheel/base/network_options.h"
#include "tidewheel/dataflow/batch_pool.h"

namespace tidewheel {
namespace {

// Of one channel, before others on the blocking pool have their turn.
constexpr int kElementsAtOnce = 64;
constexpr std::string_view kLocalPrefix = "tidewheel-results-";
constexpr std::string_view kLockSuffix = ".lock";
// Of one job in this process, whose folders are there at the same time.
constexpr int kRunsMax = 16;

uint32_t room_of(const RemoteChannelSpec& spec) { return std::max(spec.credits, 1U); }

Status check_codec(const RemoteChannelSpec& spec) {
  if (spec.edge->codec != nullptr) { return ok_status(); }
  return invalid_argument(
      ErrorId::kGraphEdge,
      "rows on '{}' can't be kept in files: their type is no record; give it a "
      "serde<T>, or set execution.batch-shuffle-mode to ALL_EXCHANGES_PIPELINED",
      spec.edge->name);
}

// Work on one channel, done on the blocking pool, one call at a time: whenever it was woken. What
// has woken it is seen by the call under way or by the next one.
class Pump : public WakeTarget, public std::enable_shared_from_this<Pump> {
 public:
  Pump(World& world, std::shared_ptr<CompletionGate> store_gate)
      : world_(world), store_gate_(std::move(store_gate)) {}
  // The owner's thread: nothing of the channel's tasks is touched any more.
  void close() {
    gate_->close();
    drop();
  }

 protected:
  // True: there is more to do now.
  virtual bool work() = 0;
  virtual void drop() = 0;

 private:
  void on_scheduled(bool) override {
    rest();
    if (wakes_.fetch_add(1, std::memory_order_seq_cst) == 0) { post(); }
  }
  void post() {
    world_.executor().run_blocking([self = shared_from_this()] { self->run(); });
  }
  void run() {
    if (!store_gate_->enter()) { return; }
    if (gate_->enter()) {
      const uint32_t wakes = wakes_.load(std::memory_order_seq_cst);
      const bool goes_on = work() || wakes_.fetch_sub(wakes, std::memory_order_seq_cst) != wakes;
      gate_->leave();
      if (goes_on) { post(); }
    }
    store_gate_->leave();
  }

  World& world_;
  const std::shared_ptr<CompletionGate> store_gate_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::atomic<uint32_t> wakes_{0};  // not yet answered; while it is not 0, a call is under way
};

// How far a file that is written in this process is. Those who want to read it wait.
class FileProgress {
 public:
  // True: it is written still, and `reader` is woken when that is over.
  bool wait(std::weak_ptr<Pump> reader) {
    const std::lock_guard lock(lock_);
    if (is_over_) { return false; }
    waiting_.push_back(std::move(reader));
    return true;
  }
  void end() {
    std::vector<std::weak_ptr<Pump>> waiting;
    {
      const std::lock_guard lock(lock_);
      is_over_ = true;
      waiting.swap(waiting_);
    }
    for (const std::weak_ptr<Pump>& weak : waiting) {
      if (const std::shared_ptr<Pump> reader = weak.lock()) { reader->wake(); }
    }
  }

 private:
  LeafLock lock_;
  bool is_over_ = false;
  std::vector<std::weak_ptr<Pump>> waiting_;
};

}  // namespace

struct ResultFiles {
  ResultFiles(World& of, ResultStore::Options given) : world(of), options(std::move(given)) {}

  std::string folder_of(uint64_t attempt) const {
    return join_path(options.directory, std::to_string(attempt));
  }
  std::string path_of(ResultId id) const {
    return join_path(folder_of(id.attempt), std::to_string(id.channel));
  }
  bool is_dropped(uint64_t attempt) {
    const std::lock_guard guard(lock);
    return dropped.contains(attempt);
  }
  std::shared_ptr<FileProgress> progress_of(ResultId id) {
    const std::lock_guard guard(lock);
    const auto found = written.find(id);
    return found == written.end() ? nullptr : found->second;
  }
  void tell_lost(TaskId sender, ResultId id, const Status& why) {
    if (is_dropped(id.attempt) || !options.on_lost) { return; }
    options.on_lost(sender, id.attempt, why);
  }

  World& world;
  const ResultStore::Options options;
  const std::shared_ptr<CompletionGate> gate = CompletionGate::create();
  LeafLock lock;
  std::map<ResultId, std::shared_ptr<FileProgress>> written;  // by this process
  std::set<uint64_t> dropped;
};

namespace {

// Takes what a task sends, and writes it down.
class ResultWriter final : public Pump {
 public:
  ResultWriter(std::shared_ptr<ResultFiles> shared, ResultId id, const RemoteChannelSpec& spec,
               std::shared_ptr<FileProgress> progress, WakeTarget& sender)
      : Pump(shared->world, shared->gate),
        shared_(std::move(shared)),
        id_(id),
        sender_(spec.sender),
        edge_(spec.edge),
        progress_(std::move(progress)),
        writer_(id, *spec.edge->codec, shared_->options.compression),
        channel_(std::make_unique<Channel>(room_of(spec), false, sender, *this)) {}
  ~ResultWriter() override = default;
  Channel& channel() { return *channel_; }

 private:
  bool work() override {
    for (int i = 0; i < kElementsAtOnce; ++i) {
      Element element;
      if (!channel_->pop(element)) { return false; }
      // The rest is taken too: the sender, if it runs still, is not to wait for its end.
      if (is_over_) { continue; }
      const Status written = write(element);
      if (!written.ok()) { lose(written); }
    }
    return true;
  }
  Status write(const Element& element) {
    writer_.add(element);
    if (!writer_.has_block()) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view block, writer_.take_block());
    if (file_ == nullptr) { TIDEWHEEL_RETURN_IF_ERROR(open()); }
    TIDEWHEEL_RETURN_IF_ERROR(file_->append(block));
    if (!writer_.ended()) { return ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(file_->close());
    over();
    return ok_status();
  }
  Status open() {
    if (shared_->is_dropped(id_.attempt)) {
      return cancelled(ErrorId::kDataFrame, "nobody wants them any more");
    }
    FileSystem& files = shared_->world.files();
    TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(shared_->folder_of(id_.attempt)));
    TIDEWHEEL_ASSIGN_OR_RETURN(file_,
                               files.open_write(shared_->path_of(id_), WriteMode::kTruncate));
    return ok_status();
  }
  void lose(const Status& why) {
    over();
    shared_->tell_lost(sender_, id_, why.with_context("keeping the rows of '{}'", edge_->name));
  }
  void over() {
    is_over_ = true;
    file_ = nullptr;
    progress_->end();
  }
  void drop() override {
    channel_.reset();
    file_ = nullptr;
    progress_->end();
  }

  const std::shared_ptr<ResultFiles> shared_;
  const ResultId id_;
  const TaskId sender_;
  const EdgeInfoRef edge_;
  const std::shared_ptr<FileProgress> progress_;
  ResultFileWriter writer_;
  std::unique_ptr<WritableFile> file_;
  bool is_over_ = false;  // all is written, or nothing more can be
  std::unique_ptr<Channel> channel_;
};

// Brings what was written down to a channel.
class ResultReader final : public Pump {
 public:
  ResultReader(std::shared_ptr<ResultFiles> shared, ResultId id, const RemoteChannelSpec& spec)
      : Pump(shared->world, shared->gate),
        shared_(std::move(shared)),
        id_(id),
        sender_(spec.sender),
        edge_(spec.edge),
        pool_(spec.edge->codec->make_pool(spec.batch_rows, spec.memory)) {}
  ~ResultReader() override = default;
  // Whom it brings the rows to, before the first wake.
  void set_channel(Channel& channel) { channel_ = &channel; }

 private:
  bool work() override {
    if (is_over_) { return false; }
    const Result<bool> worked = bring();
    if (worked.ok()) { return *worked; }
    is_over_ = true;
    shared_->tell_lost(sender_, id_,
                       worked.status().with_context("reading the rows of '{}'", edge_->name));
    return false;
  }
  Result<bool> bring() {
    if (reader_ == nullptr) {
      const std::shared_ptr<FileProgress> progress = shared_->progress_of(id_);
      if (progress != nullptr && progress->wait(weak_from_this())) { return false; }
      TIDEWHEEL_RETURN_IF_ERROR(open());
    }
    for (int i = 0; i < kElementsAtOnce; ++i) {
      if (!has_element_) {
        TIDEWHEEL_ASSIGN_OR_RETURN(has_element_, reader_->next(element_));
        if (!has_element_) {
          is_over_ = true;
          reader_ = nullptr;
          return false;
        }
      }
      // It wakes us when there is room.
      if (!channel_->push(element_)) { return false; }
      has_element_ = false;
    }
    return true;
  }
  Status open() {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto file, shared_->world.files().open_read(shared_->path_of(id_)));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto rows, edge_->codec->open_reader(edge_->codec->schema()));
    reader_ = std::make_unique<ResultFileReader>(id_, std::move(file), std::move(rows), *pool_);
    return ok_status();
  }
  void drop() override {
    channel_ = nullptr;
    element_ = {};
    reader_ = nullptr;
    pool_.reset();
  }

  const std::shared_ptr<ResultFiles> shared_;
  const ResultId id_;
  const TaskId sender_;
  const EdgeInfoRef edge_;
  std::shared_ptr<BatchPool> pool_;
  std::unique_ptr<ResultFileReader> reader_;
  Channel* channel_ = nullptr;
  Element element_;
  bool has_element_ = false;
  bool is_over_ = false;
};

class WriterEnd final : public RemoteChannel {
 public:
  explicit WriterEnd(std::shared_ptr<ResultWriter> writer) : writer_(std::move(writer)) {}
  ~WriterEnd() override { writer_->close(); }
  Channel& channel() override { return writer_->channel(); }

 private:
  const std::shared_ptr<ResultWriter> writer_;
};

class ReaderEnd final : public RemoteChannel {
 public:
  ReaderEnd(std::shared_ptr<ResultReader> reader, const RemoteChannelSpec& spec,
            WakeTarget& receiver)
      : reader_(std::move(reader)),
        channel_(std::make_unique<Channel>(room_of(spec), false, *reader_, receiver)) {
    reader_->set_channel(*channel_);
    reader_->wake();
  }
  ~ReaderEnd() override { reader_->close(); }
  Channel& channel() override { return *channel_; }

 private:
  const std::shared_ptr<ResultReader> reader_;
  const std::unique_ptr<Channel> channel_;
};

class ServerEnd final : public RemoteChannel {
 public:
  ServerEnd(std::shared_ptr<ResultReader> reader, std::unique_ptr<RemoteChannel> served)
      : reader_(std::move(reader)), served_(std::move(served)) {
    reader_->set_channel(served_->channel());
    reader_->wake();
  }
  ~ServerEnd() override {
    reader_->close();
    served_.reset();
  }
  Channel& channel() override { return served_->channel(); }

 private:
  const std::shared_ptr<ResultReader> reader_;  // whoever serves may wake it until that is gone
  std::unique_ptr<RemoteChannel> served_;
};

}  // namespace

ResultStore::ResultStore(World& world, Options options)
    : shared_(std::make_shared<ResultFiles>(world, std::move(options))) {}

ResultStore::~ResultStore() {
  stop();
  if (shared_->options.is_shared) { return; }
  shared_->world.executor().run_blocking([shared = shared_] {
    ignore(shared->world.files().remove_all(shared->options.directory),
           "whoever next looks after the folders removes it");
  });
}

void ResultStore::stop() { shared_->gate->close(); }

Result<std::unique_ptr<RemoteChannel>> ResultStore::make_writer(uint64_t attempt,
                                                                const RemoteChannelSpec& spec,
                                                                WakeTarget& sender) {
  TIDEWHEEL_RETURN_IF_ERROR(check_codec(spec));
  const ResultId id{attempt, spec.number};
  auto progress = std::make_shared<FileProgress>();
  {
    const std::lock_guard guard(shared_->lock);
    shared_->written[id] = progress;
  }
  return std::unique_ptr<RemoteChannel>(std::make_unique<WriterEnd>(
      std::make_shared<ResultWriter>(shared_, id, spec, std::move(progress), sender)));
}

Result<std::unique_ptr<RemoteChannel>> ResultStore::make_reader(uint64_t attempt,
                                                                const RemoteChannelSpec& spec,
                                                                WakeTarget& receiver) {
  TIDEWHEEL_RETURN_IF_ERROR(check_codec(spec));
  return std::unique_ptr<RemoteChannel>(std::make_unique<ReaderEnd>(
      std::make_shared<ResultReader>(shared_, ResultId{attempt, spec.number}, spec), spec,
      receiver));
}

Result<std::unique_ptr<RemoteChannel>> ResultStore::make_server(uint64_t attempt,
                                                                const RemoteChannelSpec& spec,
                                                                const MakeChannel& make) {
  TIDEWHEEL_RETURN_IF_ERROR(check_codec(spec));
  auto reader = std::make_shared<ResultReader>(shared_, ResultId{attempt, spec.number}, spec);
  TIDEWHEEL_ASSIGN_OR_RETURN(auto served, make(*reader));
  return std::unique_ptr<RemoteChannel>(
      std::make_unique<ServerEnd>(std::move(reader), std::move(served)));
}

void ResultStore::drop(uint64_t attempt) {
  {
    const std::lock_guard guard(shared_->lock);
    if (attempt == 0 || !shared_->dropped.insert(attempt).second) { return; }
    std::erase_if(shared_->written,
                  [attempt](const auto& entry) { return entry.first.attempt == attempt; });
  }
  shared_->world.executor().run_blocking([shared = shared_, attempt] {
    ignore(shared->world.files().remove_all(shared->folder_of(attempt)),
           "the job's folder is removed at its end");
  });
}

// ---- Where

// Held by a live process: the lock is not to be had.
Result<ResultStore::Options> claim_results(World& world, const Config& config,
                                           const std::string& job_id) {
  FileSystem& files = world.files();
  std::string root = config.get(options::kTemporaryDirectories);
  root = root.substr(0, root.find_first_of(",:"));
  TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(root));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, files.list(root));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || !entry.name.starts_with(kLocalPrefix)) { continue; }
    const std::string path = join_path(root, entry.name);
    if (const auto lock = files.lock(path + std::string(kLockSuffix), "cleaning up"); lock.ok()) {
      ignore(files.remove_all(path), "the next job tries again");
    }
  }
  ResultStore::Options out;
  out.directory = join_path(root, std::string(kLocalPrefix) + job_id);
  // What the run before has left may be on its way out still, when the job is resumed at once.
  const std::string first = out.directory;
  auto lock = files.lock(first + std::string(kLockSuffix), "job " + job_id);
  for (int i = 2; i <= kRunsMax && !lock.ok() && lock.status().id() == ErrorId::kFileLocked; ++i) {
    out.directory = fmt::format("{}-{}", first, i);
    lock = files.lock(out.directory + std::string(kLockSuffix), "job " + job_id);
  }
  TIDEWHEEL_RETURN_IF_ERROR(lock.status());
  out.lock = std::move(lock).value();
  TIDEWHEEL_ASSIGN_OR_RETURN(out.compression, network_compression(config));
  return out;
}

Result<BlockCodec> network_compression(const Config& config) {
  const std::string codec = config.get(options::kNetworkCompression);
  if (codec == "NONE") { return BlockCodec::kNone; }
  if (codec == "LZ4") { return BlockCodec::kLz4; }
  if (codec == "ZSTD") { return BlockCodec::kZstd; }
  if (codec == "SNAPPY") { return BlockCodec::kSnappy; }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} is '{}'; NONE, LZ4, ZSTD and SNAPPY are accepted",
                          options::kNetworkCompression.key, codec);
}

}  // namespace tidewheel
