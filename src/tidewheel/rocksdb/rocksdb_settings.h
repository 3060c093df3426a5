// From configuration to RocksDB's own options. For the files of this folder only.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"

namespace rocksdb {
class Cache;
class Env;
class Status;
class WriteBufferManager;
struct ColumnFamilyOptions;
struct DBOptions;
}  // namespace rocksdb

namespace tidewheel {

// What all databases of a job share. By the formula of Flink: a write-buffer manager counts buffers
// that wait to be written beyond its limit (up to half of it), so cache and buffers together stay
// within `total` when
//   cache = (3 - ratio) / 3 * total,  write buffers = 2 * ratio / 3 * total
struct RocksdbMemory {
  std::shared_ptr<rocksdb::Cache> cache;  // null: not managed
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  int64_t total_bytes = 0;
  int64_t write_buffer_bytes = 0;
};
RocksdbMemory make_rocksdb_memory(const Config& config, int64_t total_bytes);

// Looks at all values at once, before anything is opened. Errors: kBadOptionValue.
Status check_rocksdb_config(const Config& config);

// The parts of a job's memory. Those for entries are smaller than by default when more is managed
// and nobody has set them.
struct RocksdbParts {
  int64_t managed_bytes = 0;  // 0: each state has its own
  int64_t hot_bytes = 0;
  int64_t cached_bytes = 0;
};
// `slot_count` is for memory.fixed-per-slot. Errors: kBadOptionValue when the backend can't work
// with so little, with the least; kMemorySizes when the parts are more than there is.
Result<RocksdbParts> divide_rocksdb_memory(const Config& config, int64_t limit_bytes,
                                           int32_t slot_count);

// What databases keep their files by: nothing waits for the disk.
rocksdb::Env* working_files();
rocksdb::DBOptions database_options(const Config& config, const RocksdbMemory& memory);
// Of one state.
rocksdb::ColumnFamilyOptions family_options(const Config& config, const RocksdbMemory& memory,
                                            bool has_ttl);

// Timers are read in their order and hardly ever asked for one by one: they need no filters.
void fit_to_timers(rocksdb::ColumnFamilyOptions& family);

// kStateBackend, saying what the caller can do about it. `what` names the database.
Status rocksdb_failure(const rocksdb::Status& status, std::string_view what);

}  // namespace tidewheel
