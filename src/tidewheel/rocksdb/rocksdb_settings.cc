#include "tidewheel/rocksdb/rocksdb_settings.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/base/memory_options.h"
#include "tidewheel/base/memory_sizes.h"
#include "tidewheel/base/rocksdb_options.h"

namespace tidewheel {

namespace {

// The least that works.
constexpr int64_t kManagedBytesMin = 3 << 19;
constexpr int64_t kCachedBytesMin = 1 << 20;
constexpr int64_t kHotBytesMin = 256 << 10;
// With which the default parts for entries belong.
constexpr std::string_view kDefaultManaged = options::kManagedFraction.default_text;

template <class T>
using Names = std::span<const std::pair<std::string_view, T>>;

constexpr std::pair<std::string_view, ::rocksdb::CompressionType> kCompressions[] = {
    {"NO_COMPRESSION", ::rocksdb::kNoCompression},
    {"SNAPPY_COMPRESSION", ::rocksdb::kSnappyCompression},
    {"LZ4_COMPRESSION", ::rocksdb::kLZ4Compression},
    {"ZSTD_COMPRESSION", ::rocksdb::kZSTD},
    {"ZLIB_COMPRESSION", ::rocksdb::kZlibCompression},
};
constexpr std::pair<std::string_view, ::rocksdb::CompactionStyle> kCompactionStyles[] = {
    {"LEVEL", ::rocksdb::kCompactionStyleLevel},
    {"UNIVERSAL", ::rocksdb::kCompactionStyleUniversal},
    {"NONE", ::rocksdb::kCompactionStyleNone},
};
constexpr std::pair<std::string_view, ::rocksdb::InfoLogLevel> kLogLevels[] = {
    {"DEBUG_LEVEL", ::rocksdb::DEBUG_LEVEL}, {"INFO_LEVEL", ::rocksdb::INFO_LEVEL},
    {"WARN_LEVEL", ::rocksdb::WARN_LEVEL},   {"ERROR_LEVEL", ::rocksdb::ERROR_LEVEL},
    {"FATAL_LEVEL", ::rocksdb::FATAL_LEVEL}, {"HEADER_LEVEL", ::rocksdb::HEADER_LEVEL},
};
enum class Predefined : uint8_t { kDefault, kSpinningDisk, kSpinningDiskHighMemory, kFlash };
constexpr std::pair<std::string_view, Predefined> kPredefined[] = {
    {"DEFAULT", Predefined::kDefault},
    {"SPINNING_DISK_OPTIMIZED", Predefined::kSpinningDisk},
    {"SPINNING_DISK_OPTIMIZED_HIGH_MEM", Predefined::kSpinningDiskHighMemory},
    {"FLASH_SSD_OPTIMIZED", Predefined::kFlash},
};

template <class T>
std::optional<T> find_name(Names<T> names, std::string_view text) {
  for (const auto& [name, value] : names) {
    if (name == text) { return value; }
  }
  return std::nullopt;
}

template <class T>
Status check_name(Names<T> names, const TextOption& option, std::string_view text) {
  if (find_name(names, text).has_value()) { return {}; }
  std::string accepted;
  for (const auto& [name, value] : names) {
    if (!accepted.empty()) { accepted += ", "; }
    accepted += name;
  }
  return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}'; it takes {}", option.key,
                          text, accepted);
}

Status check_part(const Config& config, const DoubleOption& option, double max) {
  const double value = config.get(option);
  if (value > 0 && value <= max) { return {}; }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} can't be '{}'; it takes a number above 0 and up to {}", option.key,
                          value, max);
}

int64_t part_of(double all, double part) { return static_cast<int64_t>(all * part); }

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find_first_of(";,", begin);
    std::string part = text.substr(begin, end == std::string::npos ? end : end - begin);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    if (!part.empty()) { parts.push_back(std::move(part)); }
    if (end == std::string::npos) { return parts; }
    begin = end + 1;
  }
}

// The predefined option sets, as Flink has them.
void apply_predefined(Predefined predefined, ::rocksdb::ColumnFamilyOptions& family,
                      ::rocksdb::BlockBasedTableOptions& table) {
  if (predefined == Predefined::kDefault) { return; }
  if (predefined == Predefined::kFlash) { return; }  // threads and files only
  family.level_compaction_dynamic_level_bytes = true;
  if (predefined == Predefined::kSpinningDisk) { return; }
  family.target_file_size_base = 256 << 20;
  family.max_bytes_for_level_base = 1 << 30;
  family.write_buffer_size = 64 << 20;
  family.min_write_buffer_number_to_merge = 3;
  family.max_write_buffer_number = 4;
  table.block_size = 128 << 10;
  table.filter_policy.reset(::rocksdb::NewBloomFilterPolicy(10));
}

// Files whose bytes need not survive a crash of the machine: nothing waits for the disk. What goes
// into a snapshot is synced there.
class UnsyncedFile final : public ::rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit UnsyncedFile(std::unique_ptr<::rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}
  ::rocksdb::IOStatus Sync(const ::rocksdb::IOOptions&, ::rocksdb::IODebugContext*) override {
    return ::rocksdb::IOStatus::OK();
  }
  ::rocksdb::IOStatus Fsync(const ::rocksdb::IOOptions&, ::rocksdb::IODebugContext*) override {
    return ::rocksdb::IOStatus::OK();
  }
};

// RocksDB's own log. What the disk has no room for is not in it: builds of RocksDB with assertions,
// Debian's for one, end the process when they write to a log after an error.
class LogFile final : public ::rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit LogFile(std::unique_ptr<::rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}
  ::rocksdb::IOStatus Append(const ::rocksdb::Slice& data, const ::rocksdb::IOOptions& options,
                             ::rocksdb::IODebugContext* debug) override {
    target()->Append(data, options, debug).PermitUncheckedError();
    return ::rocksdb::IOStatus::OK();
  }
  ::rocksdb::IOStatus Append(const ::rocksdb::Slice& data, const ::rocksdb::IOOptions& options,
                             const ::rocksdb::DataVerificationInfo&,
                             ::rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
};

class LogFiles final : public ::rocksdb::FileSystemWrapper {
 public:
  LogFiles() : FileSystemWrapper(::rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "tidewheel.log-files"; }
  ::rocksdb::IOStatus NewWritableFile(const std::string& name,
                                      const ::rocksdb::FileOptions& options,
                                      std::unique_ptr<::rocksdb::FSWritableFile>* result,
                                      ::rocksdb::IODebugContext* debug) override {
    std::unique_ptr<::rocksdb::FSWritableFile> file;
    ::rocksdb::IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (status.ok()) { *result = std::make_unique<LogFile>(std::move(file)); }
    return status;
  }
  // The logger that writes to a file of this object.
  ::rocksdb::IOStatus NewLogger(const std::string& name, const ::rocksdb::IOOptions& options,
                                std::shared_ptr<::rocksdb::Logger>* result,
                                ::rocksdb::IODebugContext* debug) override {
    return ::rocksdb::FileSystem::NewLogger(name, options, result, debug);
  }
};

class UnsyncedFiles final : public ::rocksdb::FileSystemWrapper {
 public:
  UnsyncedFiles() : FileSystemWrapper(::rocksdb::FileSystem::Default()) {}
  ::rocksdb::IOStatus NewLogger(const std::string& name, const ::rocksdb::IOOptions& options,
                                std::shared_ptr<::rocksdb::Logger>* result,
                                ::rocksdb::IODebugContext* debug) override {
    return logs_->NewLogger(name, options, result, debug);
  }
  const char* Name() const override { return "tidewheel.working-files"; }
  ::rocksdb::IOStatus NewWritableFile(const std::string& name,
                                      const ::rocksdb::FileOptions& options,
                                      std::unique_ptr<::rocksdb::FSWritableFile>* result,
                                      ::rocksdb::IODebugContext* debug) override {
    std::unique_ptr<::rocksdb::FSWritableFile> file;
    ::rocksdb::IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (status.ok()) { *result = std::make_unique<UnsyncedFile>(std::move(file)); }
    return status;
  }
  ::rocksdb::IOStatus ReopenWritableFile(const std::string& name,
                                         const ::rocksdb::FileOptions& options,
                                         std::unique_ptr<::rocksdb::FSWritableFile>* result,
                                         ::rocksdb::IODebugContext* debug) override {
    std::unique_ptr<::rocksdb::FSWritableFile> file;
    ::rocksdb::IOStatus status = target()->ReopenWritableFile(name, options, &file, debug);
    if (status.ok()) { *result = std::make_unique<UnsyncedFile>(std::move(file)); }
    return status;
  }

 private:
  const std::shared_ptr<LogFiles> logs_ = std::make_shared<LogFiles>();
};

}  // namespace

::rocksdb::Env* working_files() {
  static const std::unique_ptr<::rocksdb::Env> env =
      ::rocksdb::NewCompositeEnv(std::make_shared<UnsyncedFiles>());
  return env.get();
}

namespace {

Predefined predefined_of(const Config& config) {
  return *find_name<Predefined>(kPredefined, config.get(options::kRocksdbPredefinedOptions));
}

void apply_compression(const Config& config, ::rocksdb::ColumnFamilyOptions& family) {
  family.compression_per_level.clear();
  for (const std::string& name : split(config.get(options::kRocksdbCompression))) {
    family.compression_per_level.push_back(
        *find_name<::rocksdb::CompressionType>(kCompressions, name));
  }
  if (family.compression_per_level.empty()) {
    family.compression_per_level.push_back(::rocksdb::kNoCompression);
  }
  family.compression = family.compression_per_level.back();
  if (family.compression_per_level.size() == 1) { family.compression_per_level.clear(); }
}

// What the user has set goes before what is predefined.
void apply_user_values(const Config& config, ::rocksdb::ColumnFamilyOptions& family,
                       ::rocksdb::BlockBasedTableOptions& table) {
  const auto take = [&](const MemoryOption& option, auto& to) {
    if (config.has(option)) {
      to = static_cast<std::remove_cvref_t<decltype(to)>>(config.get(option));
    }
  };
  take(options::kRocksdbTargetFileSize, family.target_file_size_base);
  take(options::kRocksdbLevelBaseSize, family.max_bytes_for_level_base);
  take(options::kRocksdbWriteBufferSize, family.write_buffer_size);
  take(options::kRocksdbBlockSize, table.block_size);
  take(options::kRocksdbMetadataBlockSize, table.metadata_block_size);
  if (config.has(options::kRocksdbWriteBufferCount)) {
    family.max_write_buffer_number =
        static_cast<int>(config.get(options::kRocksdbWriteBufferCount));
  }
  if (config.has(options::kRocksdbWriteBufferMerge)) {
    family.min_write_buffer_number_to_merge =
        static_cast<int>(config.get(options::kRocksdbWriteBufferMerge));
  }
  if (config.has(options::kRocksdbDynamicLevelSize)) {
    family.level_compaction_dynamic_level_bytes = config.get(options::kRocksdbDynamicLevelSize);
  }
  family.compaction_style = *find_name<::rocksdb::CompactionStyle>(
      kCompactionStyles, config.get(options::kRocksdbCompactionStyle));
}

// Sizes that go with the job's write buffers: levels are made for what a flush gives, so that a
// small buffer does not have a large level rewritten each time.
void fit_to_memory(const RocksdbMemory& memory, ::rocksdb::ColumnFamilyOptions& family) {
  const int64_t buffer = std::clamp<int64_t>(memory.write_buffer_bytes / 2, 256 << 10, 64 << 20);
  family.write_buffer_size = static_cast<size_t>(buffer);
  family.max_bytes_for_level_base =
      static_cast<uint64_t>(std::clamp<int64_t>(buffer * 16, 8 << 20, 256 << 20));
  // Large files: the keys of a MultiGet that are in one file share the way to its index.
  family.target_file_size_base = std::max<uint64_t>(family.max_bytes_for_level_base / 2, 4 << 20);
  family.level0_file_num_compaction_trigger = 6;
  family.level0_slowdown_writes_trigger = 40;
  family.level0_stop_writes_trigger = 60;
}

// What comes at barriers is files of the size of what has changed, which lie above each other until
// they are merged (rocksdb/level_merges.h). RocksDB's own compactions are for what write buffers
// bring, and go after them only when they are many. Nobody looks for anything in these files as
// long as the state fits into the entry file.
void fit_to_files(::rocksdb::ColumnFamilyOptions& family) {
  family.max_bytes_for_level_base = std::max<uint64_t>(family.max_bytes_for_level_base, 64 << 20);
  family.level0_file_num_compaction_trigger = 24;
  family.level0_slowdown_writes_trigger = 80;
  family.level0_stop_writes_trigger = 120;
}

}  // namespace

RocksdbMemory make_rocksdb_memory(const Config& config, int64_t total_bytes) {
  RocksdbMemory memory;
  memory.total_bytes = total_bytes;
  if (total_bytes <= 0) { return memory; }
  const double ratio = config.get(options::kRocksdbWriteBufferRatio);
  const auto total = static_cast<double>(total_bytes);
  ::rocksdb::LRUCacheOptions cache;
  cache.capacity = static_cast<size_t>((3 - ratio) / 3 * total);
  cache.high_pri_pool_ratio = config.get(options::kRocksdbHighPriorityRatio);
  // Few shards: a small cache that is cut in many pieces can't hold a large block.
  cache.num_shard_bits = total_bytes < (64 << 20) ? 1 : 4;
  memory.cache = ::rocksdb::NewLRUCache(cache);
  memory.write_buffer_bytes = static_cast<int64_t>(2 * ratio / 3 * total);
  memory.write_buffers = std::make_shared<::rocksdb::WriteBufferManager>(
      static_cast<size_t>(memory.write_buffer_bytes), memory.cache);
  return memory;
}

Status check_rocksdb_config(const Config& config) {
  TIDEWHEEL_RETURN_IF_ERROR(check_name<Predefined>(kPredefined, options::kRocksdbPredefinedOptions,
                                                   config.get(options::kRocksdbPredefinedOptions)));
  TIDEWHEEL_RETURN_IF_ERROR(
      check_name<::rocksdb::CompactionStyle>(kCompactionStyles, options::kRocksdbCompactionStyle,
                                             config.get(options::kRocksdbCompactionStyle)));
  TIDEWHEEL_RETURN_IF_ERROR(check_name<::rocksdb::InfoLogLevel>(
      kLogLevels, options::kRocksdbLogLevel, config.get(options::kRocksdbLogLevel)));
  for (const std::string& name : split(config.get(options::kRocksdbCompression))) {
    TIDEWHEEL_RETURN_IF_ERROR(
        check_name<::rocksdb::CompressionType>(kCompressions, options::kRocksdbCompression, name));
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kManagedFraction, 1));
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kRocksdbHotFraction, 1));
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kRocksdbCachedFraction, 1));
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kRocksdbWriteBufferRatio, 1));
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kRocksdbHighPriorityRatio, 1));
  TIDEWHEEL_RETURN_IF_ERROR(check_part(config, options::kRocksdbBloomBits, 100));
  const std::string directory = config.get(options::kRocksdbLocalDirectory);
  if (!directory.starts_with('/')) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}'; it takes an absolute path",
                            options::kRocksdbLocalDirectory.key, directory);
  }
  return {};
}

Result<RocksdbParts> divide_rocksdb_memory(const Config& config, int64_t limit_bytes,
                                           int32_t slot_count) {
  const auto all = static_cast<double>(std::max<int64_t>(1, limit_bytes - kManagedOverheadBytes));
  const int64_t size = config.get(options::kManagedMemory);
  const double managed =
      size > 0 ? static_cast<double>(size) / all : config.get(options::kManagedFraction);
  double hot = config.get(options::kRocksdbHotFraction);
  double cached = config.get(options::kRocksdbCachedFraction);
  if (!config.has(options::kRocksdbHotFraction) && !config.has(options::kRocksdbCachedFraction)) {
    const double left = std::max(0.0, 1 - managed);
    const double smaller = std::min(1.0, left / (1 - *parse_double(kDefaultManaged)));
    hot *= smaller;
    cached *= smaller;
  }
  if (managed + hot + cached > 1 || hot == 0) {
    return invalid_argument(
        ErrorId::kMemorySizes,
        "{} of the job's memory are {} by {}, {} by {} and {} by {}: more than there is",
        rounded_memory(static_cast<int64_t>(all)), rounded_memory(part_of(all, managed)),
        size > 0 ? options::kManagedMemory.key : options::kManagedFraction.key,
        rounded_memory(part_of(all, hot)), options::kRocksdbHotFraction.key,
        rounded_memory(part_of(all, cached)), options::kRocksdbCachedFraction.key);
  }
  const bool is_managed = config.get(options::kRocksdbManagedMemory);
  const int64_t fixed = config.get(options::kRocksdbFixedPerSlot);
  const auto limit_for = [](int64_t least, double part) {
    return static_cast<int64_t>(static_cast<double>(least) / part) + 1;
  };
  int64_t least = limit_for(kHotBytesMin, hot);
  if (config.get(options::kRocksdbEntryFileSize) == 0) {
    least = std::max(least, limit_for(kCachedBytesMin, cached));
  }
  if (is_managed && fixed == 0) { least = std::max(least, limit_for(kManagedBytesMin, managed)); }
  least += kManagedOverheadBytes;
  if (limit_bytes < least) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "the state backend rocksdb needs at least {} MB of memory for the job, "
                            "as its parts are set ({}, {}, {}); the limit is {} bytes",
                            (least >> 20) + 1, options::kManagedFraction.key,
                            options::kRocksdbCachedFraction.key, options::kRocksdbHotFraction.key,
                            limit_bytes);
  }
  RocksdbParts parts;
  parts.hot_bytes = part_of(all, hot);
  parts.cached_bytes = part_of(all, cached);
  if (is_managed) {
    parts.managed_bytes = fixed > 0 ? fixed * slot_count : size > 0 ? size : part_of(all, managed);
  }
  return parts;
}

::rocksdb::DBOptions database_options(const Config& config, const RocksdbMemory& memory) {
  ::rocksdb::DBOptions database;
  database.create_if_missing = true;
  const auto threads = static_cast<int>(config.get(options::kRocksdbThreads));
  database.IncreaseParallelism(std::max(threads, 2));
  database.max_background_jobs = threads;
  if (predefined_of(config) != Predefined::kDefault && !config.has(options::kRocksdbThreads)) {
    database.IncreaseParallelism(4);
  }
  database.max_open_files = static_cast<int>(config.get(options::kRocksdbOpenFiles));
  database.info_log_level =
      *find_name<::rocksdb::InfoLogLevel>(kLogLevels, config.get(options::kRocksdbLogLevel));
  database.db_log_dir = config.get(options::kRocksdbLogDirectory);
  database.keep_log_file_num = static_cast<size_t>(config.get(options::kRocksdbLogFiles));
  database.max_log_file_size = static_cast<size_t>(config.get(options::kRocksdbLogFileSize));
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.write_buffer_manager = memory.write_buffers;
  if (memory.total_bytes > 0) {
    // Each file that is written has one, and several are at once.
    database.writable_file_max_buffer_size =
        static_cast<size_t>(std::clamp<int64_t>(memory.total_bytes / 64, 64 << 10, 1 << 20));
  }
  // There is no log: what is not in a snapshot is worth nothing after a crash.
  database.env = working_files();
  database.avoid_flush_during_shutdown = true;
  database.max_manifest_file_size = 1 << 20;  // each snapshot copies it
  database.avoid_unnecessary_blocking_io = true;
  return database;
}

::rocksdb::ColumnFamilyOptions family_options(const Config& config, const RocksdbMemory& memory,
                                              bool has_ttl) {
  ::rocksdb::ColumnFamilyOptions family;
  ::rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = ::rocksdb::kXXH3;
  table.data_block_index_type = ::rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  if (config.get(options::kRocksdbBloomFilter)) {
    table.filter_policy.reset(
        ::rocksdb::NewBloomFilterPolicy(config.get(options::kRocksdbBloomBits)));
  }
  family.optimize_filters_for_hits = config.get(options::kRocksdbFiltersForHits);
  if (memory.cache != nullptr) { fit_to_memory(memory, family); }
  if (config.get(options::kRocksdbEntryFileSize) > 0) { fit_to_files(family); }
  apply_predefined(predefined_of(config), family, table);
  apply_user_values(config, family, table);
  apply_compression(config, family);
  if (config.get(options::kRocksdbPartitionedIndexFilters)) {
    table.index_type = ::rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.pin_top_level_index_and_filter = true;
  }
  if (memory.cache != nullptr) {
    table.block_cache = memory.cache;
    table.cache_index_and_filter_blocks = true;
    table.cache_index_and_filter_blocks_with_high_priority = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    // A write buffer grows by such pieces: large ones would make many small states overrun the
    // budget at once, which flushes them again and again.
    family.arena_block_size =
        static_cast<size_t>(std::clamp<int64_t>(memory.write_buffer_bytes / 64, 16 << 10, 1 << 20));
  } else {
    ::rocksdb::LRUCacheOptions cache;
    cache.capacity = static_cast<size_t>(config.get(options::kRocksdbBlockCache));
    table.block_cache = ::rocksdb::NewLRUCache(cache);
  }
  // Most keys that are asked for are not in the write buffer.
  family.memtable_prefix_bloom_size_ratio = 0.1;
  family.memtable_whole_key_filtering = true;
  if (has_ttl) {
    family.periodic_compaction_seconds =
        static_cast<uint64_t>(config.get(options::kRocksdbPeriodicCompaction) / 1000);
  }
  family.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

void fit_to_timers(::rocksdb::ColumnFamilyOptions& family) {
  family.memtable_prefix_bloom_size_ratio = 0;
  family.memtable_whole_key_filtering = false;
  auto table = *family.table_factory->GetOptions<::rocksdb::BlockBasedTableOptions>();
  table.filter_policy = nullptr;
  table.data_block_index_type = ::rocksdb::BlockBasedTableOptions::kDataBlockBinarySearch;
  family.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
}

Status rocksdb_failure(const ::rocksdb::Status& status, std::string_view what) {
  if (status.ok()) { return {}; }
  const std::string text = status.ToString();
  if (status.IsNoSpace()) {
    return resource_exhausted(ErrorId::kStateBackend, "{}: the disk is full: {}", what, text);
  }
  if (status.IsCorruption()) {
    return data_loss(ErrorId::kStateBackend, "{}: a file is damaged: {}", what, text);
  }
  return unavailable(ErrorId::kStateBackend, "{}: {}", what, text);
}

}  // namespace tidewheel
