// Options of the RocksDB state backend. Keys, and what they mean, are Flink's where it has one.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kRocksdbLocalDirectory{
    {"state.backend.rocksdb.localdir", OptionKind::kText, "/tmp",
     "Folder on a local disk for the working files of RocksDB; an absolute path."}};
inline constexpr DoubleOption kRocksdbHotFraction{
    {"state.backend.rocksdb.hot-entries.fraction", OptionKind::kDouble, "0.08",
     "Part of the job's memory, less 8 MB, for the entries of state that are used most, decoded, "
     "all operators together; less where it is not set, and more than a quarter is managed."}};
inline constexpr DoubleOption kRocksdbCachedFraction{
    {"state.backend.rocksdb.cached-entries.fraction", OptionKind::kDouble, "0.5",
     "Part of the job's memory, less 8 MB, for entries of state that are kept as bytes in front of "
     "RocksDB, all operators together. With an entry file they are there, and this part goes to "
     "hot entries too."}};
inline constexpr MemoryOption kRocksdbEntryFileSize{
    {"state.backend.rocksdb.entry-file.size", OptionKind::kMemory, "1 gb",
     "Size up to which entries that are not hot are in a file that is mapped into memory, all "
     "operators together; RocksDB has those beyond, and all when there is a checkpoint. Its pages "
     "are the system's cache, not the job's memory: up to what the machine has to spare. 0: no "
     "file.",
     0}};
inline constexpr BoolOption kRocksdbManagedMemory{
    {"state.backend.rocksdb.memory.managed", OptionKind::kBool, "true",
     "Keep block caches and write buffers of all operators together within the managed part of the "
     "job's memory; false: every state has its own, of the sizes given by block.cache-size and "
     "writebuffer.size."}};
inline constexpr MemoryOption kRocksdbFixedPerSlot{
    {"state.backend.rocksdb.memory.fixed-per-slot", OptionKind::kMemory, "0",
     "Memory of RocksDB for each slot, instead of the managed part; 0: the managed part.", 0}};
inline constexpr DoubleOption kRocksdbWriteBufferRatio{
    {"state.backend.rocksdb.memory.write-buffer-ratio", OptionKind::kDouble, "0.5",
     "Part of RocksDB's memory that write buffers may take."}};
inline constexpr DoubleOption kRocksdbHighPriorityRatio{
    {"state.backend.rocksdb.memory.high-prio-pool-ratio", OptionKind::kDouble, "0.1",
     "Part of RocksDB's memory that is kept for indexes and filters."}};
inline constexpr BoolOption kRocksdbPartitionedIndexFilters{
    {"state.backend.rocksdb.memory.partitioned-index-filters", OptionKind::kBool, "false",
     "Cut indexes and filters into parts that come and go by themselves."}};
inline constexpr TextOption kRocksdbTimerFactory{
    {"state.backend.rocksdb.timer-service.factory", OptionKind::kText, "ROCKSDB",
     "Where timers are: ROCKSDB (in memory those that come first, on disk those that memory has no "
     "room for) or HEAP (all in memory)."}};
inline constexpr IntOption kRocksdbTimerCacheSize{
    {"state.backend.rocksdb.timer-service.cache-size", OptionKind::kInt, "0",
     "With ROCKSDB, timers of each key group that are in memory, on average and at most; 0: as "
     "many as there is room for.",
     0, 1 << 30}};
inline constexpr TextOption kRocksdbPredefinedOptions{
    {"state.backend.rocksdb.predefined-options", OptionKind::kText, "DEFAULT",
     "Settings to start from: DEFAULT, SPINNING_DISK_OPTIMIZED, "
     "SPINNING_DISK_OPTIMIZED_HIGH_MEM or FLASH_SSD_OPTIMIZED."}};
inline constexpr IntOption kRocksdbThreads{
    {"state.backend.rocksdb.thread.num", OptionKind::kInt, "2",
     "Threads for flushing and compaction, for all databases of the process.", 1, 1024}};
inline constexpr IntOption kRocksdbOpenFiles{
    {"state.backend.rocksdb.files.open", OptionKind::kInt, "-1",
     "Files that a database keeps open; -1: no limit.", -1, INT32_MAX}};
inline constexpr TextOption kRocksdbLogLevel{
    {"state.backend.rocksdb.log.level", OptionKind::kText, "INFO_LEVEL",
     "What goes into RocksDB's own log: DEBUG_LEVEL, INFO_LEVEL, WARN_LEVEL, ERROR_LEVEL, "
     "FATAL_LEVEL or HEADER_LEVEL."}};
inline constexpr TextOption kRocksdbLogDirectory{
    {"state.backend.rocksdb.log.dir", OptionKind::kText, "",
     "Folder for RocksDB's own log; empty: beside its files."}};
inline constexpr IntOption kRocksdbLogFiles{{"state.backend.rocksdb.log.file-num", OptionKind::kInt,
                                             "4", "Files of RocksDB's own log that are kept.", 1,
                                             100000}};
inline constexpr MemoryOption kRocksdbLogFileSize{
    {"state.backend.rocksdb.log.max-file-size", OptionKind::kMemory, "25 mb",
     "Size of a file of RocksDB's own log; 0: one file.", 0}};
inline constexpr TextOption kRocksdbCompactionStyle{{"state.backend.rocksdb.compaction.style",
                                                     OptionKind::kText, "LEVEL",
                                                     "LEVEL or UNIVERSAL; NONE: no compaction."}};
inline constexpr TextOption kRocksdbCompression{
    {"state.backend.rocksdb.compression.per.level", OptionKind::kText, "NO_COMPRESSION",
     "Compression of the files: NO_COMPRESSION, SNAPPY_COMPRESSION, LZ4_COMPRESSION, "
     "ZSTD_COMPRESSION or ZLIB_COMPRESSION; one for all levels, or one for each, separated by "
     "semicolons. Compressed files take about half the room, and each read half again the time."}};
inline constexpr BoolOption kRocksdbDynamicLevelSize{
    {"state.backend.rocksdb.compaction.level.use-dynamic-size", OptionKind::kBool, "false",
     "Fit the sizes of levels to the size of the last one."}};
inline constexpr MemoryOption kRocksdbTargetFileSize{
    {"state.backend.rocksdb.compaction.level.target-file-size-base", OptionKind::kMemory, "64 mb",
     "Size of a file on the first level.", 1}};
inline constexpr MemoryOption kRocksdbLevelBaseSize{
    {"state.backend.rocksdb.compaction.level.max-size-level-base", OptionKind::kMemory, "256 mb",
     "Size of the first level.", 1}};
inline constexpr MemoryOption kRocksdbWriteBufferSize{
    {"state.backend.rocksdb.writebuffer.size", OptionKind::kMemory, "64 mb",
     "Size of one write buffer of one state.", 65536}};
inline constexpr IntOption kRocksdbWriteBufferCount{
    {"state.backend.rocksdb.writebuffer.count", OptionKind::kInt, "2",
     "Write buffers of one state that may be filled before writing waits.", 1, 1024}};
inline constexpr IntOption kRocksdbWriteBufferMerge{
    {"state.backend.rocksdb.writebuffer.number-to-merge", OptionKind::kInt, "1",
     "Write buffers that are merged before they are written to a file.", 1, 1024}};
inline constexpr MemoryOption kRocksdbBlockSize{
    {"state.backend.rocksdb.block.blocksize", OptionKind::kMemory, "4 kb",
     "Size of a block of data, uncompressed.", 128, 1 << 30}};
inline constexpr MemoryOption kRocksdbMetadataBlockSize{
    {"state.backend.rocksdb.block.metadata-blocksize", OptionKind::kMemory, "4 kb",
     "Size of a part of an index or filter that is partitioned.", 128, 1 << 30}};
inline constexpr MemoryOption kRocksdbBlockCache{
    {"state.backend.rocksdb.block.cache-size", OptionKind::kMemory, "8 mb",
     "Block cache of one state, when memory is not managed.", 0}};
inline constexpr MemoryOption kRocksdbWriteBatchSize{
    {"state.backend.rocksdb.write-batch-size", OptionKind::kMemory, "2 mb",
     "Bytes at which entries that leave the cache are written.", 1024}};
inline constexpr BoolOption kRocksdbBloomFilter{
    {"state.backend.rocksdb.use-bloom-filter", OptionKind::kBool, "true",
     "Filters in front of files, so that keys that are new cost no read."}};
inline constexpr DoubleOption kRocksdbBloomBits{{"state.backend.rocksdb.bloom-filter.bits-per-key",
                                                 OptionKind::kDouble, "10",
                                                 "Bits of a filter for each key."}};
inline constexpr BoolOption kRocksdbFiltersForHits{
    {"state.backend.rocksdb.bloom-filter.optimize-for-hits", OptionKind::kBool, "true",
     "No filters for the last level, which has most of the entries: they take a tenth of the "
     "memory, and only keys that are new cost more."}};
inline constexpr IntOption kRocksdbTtlQueryEntries{
    {"state.backend.rocksdb.compaction.filter.query-time-after-num-entries", OptionKind::kInt,
     "1000", "Entries after which a compaction that drops expired state reads the clock again.",
     1}};
inline constexpr DurationOption kRocksdbPeriodicCompaction{
    {"state.backend.rocksdb.compaction.filter.periodic-compaction-time", OptionKind::kDuration,
     "30 d",
     "Files older than this are compacted, so that expired state goes; 0: never. For states with a "
     "TTL.",
     0}};

// Figures of RocksDB as metrics of its operator, each switched on by itself.
#define TIDEWHEEL_ROCKSDB_METRIC(name, property, text) \
  inline constexpr BoolOption kRocksdbMetric##name{    \
      {"state.backend.rocksdb.metrics." property, OptionKind::kBool, "false", text}};
#include "tidewheel/base/rocksdb_metrics.inc"
#undef TIDEWHEEL_ROCKSDB_METRIC

}  // namespace tidewheel::options
