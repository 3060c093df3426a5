// State backends on RocksDB: a database for each operator's subtask, with a column family for each
// state. All databases of a job share one block cache and one account of write buffers. Nothing is
// logged: what counts after a crash is the last snapshot.
#pragma once
#include <cstdint>
#include <memory>

#include "tidewheel/base/status.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

class Config;      // base/config.h
class MemoryPool;  // base/memory_pool.h
class World;       // base/world.h

// Where timers are, by the configuration. Errors: kBadOptionValue.
Result<TimerStorage> timer_storage_of(const Config& config);

// `memory` is the job's account; RocksDB's part of its limit is reserved in it. `slot_count` is for
// memory.fixed-per-slot. All outlive the backends. Errors: kBadOptionValue, kMemorySizes,
// kStateBackend when the folder can't be written, kMemoryLimit.
Result<std::unique_ptr<StateBackends>> make_rocksdb_backends(World& world, const Config& config,
                                                             MemoryPool& memory,
                                                             int32_t slot_count);

// What RocksDB's block cache and write buffers have of the job's memory; 0 for other backends, and
// for none.
int64_t rocksdb_managed_bytes(const StateBackends* backends);

}  // namespace tidewheel
