#include "tidewheel/rocksdb/rocksdb_backends.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/allocator.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/file_memory.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backend.h"
#include "tidewheel/state/entry_cache.h"
#include "tidewheel/state/state_memory.h"

namespace tidewheel {

namespace {

// Path-safe: what is left of a uid in the name of a folder.
std::string folder_name(std::string_view uid) {
  std::string name;
  for (const char c : uid.substr(0, 40)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    name.push_back(plain ? c : '_');
  }
  return name;
}

constexpr int kArenasMax = 2;
constexpr size_t kFileChunkBytes = 64 << 10;  // fewer to be known than small ones

class RocksdbBackends final : public StateBackends {
 public:
  RocksdbBackends(World& world, const Config& config, MemoryPool& memory)
      : shared_{world, config, {}, {}, 0, 0, 0, false, {}},
        memory_(memory),
        managed_(memory.make_child("rocksdb: block cache and write buffers")),
        account_(managed_.get(), managed_->name()) {}
  ~RocksdbBackends() override {
    ignore(shared_.world.files().remove_all(shared_.directory), "it is a temporary folder");
  }

  Status open(int32_t slot_count) {
    const Config& config = shared_.config;
    TIDEWHEEL_RETURN_IF_ERROR(check_rocksdb_config(config));
    TIDEWHEEL_ASSIGN_OR_RETURN(shared_.timers, timer_storage_of(config));
    TIDEWHEEL_ASSIGN_OR_RETURN(const RocksdbParts parts,
                               divide_rocksdb_memory(config, memory_.limit_bytes(), slot_count));
    shared_.hot_bytes = parts.hot_bytes;
    shared_.cached_bytes = parts.cached_bytes;
    shared_.file_bytes = config.get(options::kRocksdbEntryFileSize);
    if (shared_.file_bytes > 0) { shared_.hot_bytes += std::exchange(shared_.cached_bytes, 0); }
    // The databases' own threads, and the pool's, allocate blocks that others free.
    limit_allocator_arenas(kArenasMax);
    shared_.merges.count_max = static_cast<int32_t>(config.get(options::kRocksdbThreads));
    shared_.can_share_reads = shared_.world.executor().core_count() > 1;
    if (config.get(options::kRocksdbManagedMemory)) {
      if (!account_.try_reserve(parts.managed_bytes)) { return account_.status(); }
      shared_.memory = make_rocksdb_memory(config, parts.managed_bytes);
    }
    Random random = shared_.world.fork_random();
    shared_.directory = fmt::format("{}/tidewheel-rocksdb-{:016x}",
                                    config.get(options::kRocksdbLocalDirectory), random.next());
    Status made = shared_.world.files().make_directories(shared_.directory);
    if (made.ok()) { return {}; }
    return unavailable(ErrorId::kStateBackend,
                       "the folder for RocksDB's files ({}) can't be made: {}",
                       options::kRocksdbLocalDirectory.key, made.message());
  }

  Result<std::unique_ptr<StateBackend>> make(const BackendPlace& place,
                                             MetricGroup* metrics) override {
    std::string directory =
        fmt::format("{}/{}-{}-{}", shared_.directory, folder_name(place.operator_uid),
                    place.subtask, made_.fetch_add(1));
    auto backend = std::make_unique<RocksdbBackend>(shared_, place, std::move(directory), metrics);
    TIDEWHEEL_RETURN_IF_ERROR(backend->open());
    EntryCacheOptions options{.bytes = [this] { return cached_bytes(); }, .memory = &memory_};
    if (shared_.file_bytes > 0) {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          options.file,
          FileMemory::open(shared_.directory, static_cast<size_t>(shared_.file_bytes)));
      options.chunk_bytes = kFileChunkBytes;
    }
    return std::unique_ptr<StateBackend>(
        std::make_unique<EntryCache>(std::move(backend), std::move(options)));
  }

  int64_t managed_bytes() const { return account_.bytes(); }

 private:
  // Each of the backends that there are has the same part.
  int64_t cached_bytes() const {
    return std::max(shared_.cached_bytes, shared_.file_bytes) /
           std::max(shared_.live.load(std::memory_order_relaxed), 1);
  }

  RocksdbShared shared_;
  MemoryPool& memory_;
  const std::unique_ptr<MemoryPool> managed_;
  StateMemory account_;
  std::atomic<int64_t> made_{0};
};

}  // namespace

int64_t rocksdb_managed_bytes(const StateBackends* backends) {
  const auto* const rocksdb = dynamic_cast<const RocksdbBackends*>(backends);
  return rocksdb == nullptr ? 0 : rocksdb->managed_bytes();
}

Result<TimerStorage> timer_storage_of(const Config& config) {
  const std::string factory = config.get(options::kRocksdbTimerFactory);
  const bool in_rocksdb = same_word(factory, "ROCKSDB");
  if (!in_rocksdb && !same_word(factory, "HEAP")) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}'; it takes ROCKSDB or HEAP",
                            options::kRocksdbTimerFactory.key, factory);
  }
  return TimerStorage{in_rocksdb, config.get(options::kRocksdbTimerCacheSize)};
}

Result<std::unique_ptr<StateBackends>> make_rocksdb_backends(World& world, const Config& config,
                                                             MemoryPool& memory,
                                                             int32_t slot_count) {
  auto backends = std::make_unique<RocksdbBackends>(world, config, memory);
  TIDEWHEEL_RETURN_IF_ERROR(backends->open(slot_count));
  return std::unique_ptr<StateBackends>(std::move(backends));
}

}  // namespace tidewheel
