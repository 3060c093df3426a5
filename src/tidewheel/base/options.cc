#include "tidewheel/base/options.h"

#include "tidewheel/base/rocksdb_options.h"

namespace tidewheel {

std::span<const ConfigOption* const> all_options() {
  static constexpr const ConfigOption* kAll[] = {
      &options::kBufferTimeout,
      &options::kLatencyInterval,
      &options::kParallelism,
      &options::kAutoGenerateUids,
      &options::kAutoWatermarkInterval,
      &options::kCheckpointDirectory,
      &options::kCheckpointSubdirectory,
      &options::kIncrementalCheckpoints,
      &options::kInlineThreshold,
      &options::kSnapshotCompression,
      &options::kMaxParallelism,
      &options::kPipelineName,
      &options::kOperatorChaining,
      &options::kBatchRows,
      &options::kJobMemory,
      &options::kCredits,
      &options::kTaskSlots,
      &options::kRocksdbLocalDirectory,
      &options::kManagedFraction,
      &options::kRocksdbHotFraction,
      &options::kRocksdbManagedMemory,
      &options::kRocksdbFixedPerSlot,
      &options::kRocksdbWriteBufferRatio,
      &options::kRocksdbHighPriorityRatio,
      &options::kRocksdbPartitionedIndexFilters,
      &options::kRocksdbPredefinedOptions,
      &options::kRocksdbThreads,
      &options::kRocksdbOpenFiles,
      &options::kRocksdbLogLevel,
      &options::kRocksdbLogDirectory,
      &options::kRocksdbLogFiles,
      &options::kRocksdbLogFileSize,
      &options::kRocksdbCompactionStyle,
      &options::kRocksdbCompression,
      &options::kRocksdbDynamicLevelSize,
      &options::kRocksdbTargetFileSize,
      &options::kRocksdbLevelBaseSize,
      &options::kRocksdbWriteBufferSize,
      &options::kRocksdbWriteBufferCount,
      &options::kRocksdbWriteBufferMerge,
      &options::kRocksdbBlockSize,
      &options::kRocksdbMetadataBlockSize,
      &options::kRocksdbBlockCache,
      &options::kRocksdbWriteBatchSize,
      &options::kRocksdbBloomFilter,
      &options::kRocksdbBloomBits,
      &options::kRocksdbTtlQueryEntries,
      &options::kRocksdbPeriodicCompaction,
#define TIDEWHEEL_ROCKSDB_METRIC(name, property, text) &options::kRocksdbMetric##name,
#include "tidewheel/base/rocksdb_metrics.inc"
#undef TIDEWHEEL_ROCKSDB_METRIC
  };
  return kAll;
}

}  // namespace tidewheel
