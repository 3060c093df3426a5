// All options of the engine. Keys are Flink's where it has one.
#pragma once
#include <span>

#include "tidewheel/base/config.h"

namespace tidewheel {

namespace options {

inline constexpr TextOption kPipelineName{
    {"pipeline.name", OptionKind::kText, "", "The job's name; empty: the name given in code."}};
inline constexpr IntOption kParallelism{
    {"parallelism.default", OptionKind::kInt, "1",
     "Subtasks of an operator that has no parallelism of its own.", 1, 32768}};
inline constexpr IntOption kMaxParallelism{
    {"pipeline.max-parallelism", OptionKind::kInt, "-1",
     "Number of key groups, the upper limit of parallelism for keyed state; -1: derived from the "
     "parallelism.",
     -1, 32768}};
inline constexpr BoolOption kOperatorChaining{{"pipeline.operator-chaining.enabled",
                                               OptionKind::kBool, "true",
                                               "Fuse operators on forward edges into one task.",
                                               INT64_MIN, INT64_MAX, "pipeline.operator-chaining"}};
inline constexpr BoolOption kAutoGenerateUids{
    {"pipeline.auto-generate-uids", OptionKind::kBool, "true",
     "Derive ids of operators without a uid from the topology; false: they are an error."}};
inline constexpr DurationOption kAutoWatermarkInterval{
    {"pipeline.auto-watermark-interval", OptionKind::kDuration, "200 ms",
     "How often at least a source that gets rows looks at its watermark; 0: never.", 0}};
inline constexpr DurationOption kBufferTimeout{
    {"execution.buffer-timeout.interval", OptionKind::kDuration, "10 ms",
     "How long rows wait at most for their batch to fill; 0: a batch is sent after every step; -1: "
     "only full batches are sent.",
     -1, INT64_MAX, "execution.buffer-timeout"}};
inline constexpr IntOption kTaskSlots{
    {"taskmanager.numberOfTaskSlots", OptionKind::kInt, "0",
     "Slots of a TaskManager, or of a job that runs by itself, each a thread; 0: one, and as many "
     "as the job's largest parallelism.",
     0, 4096}};
inline constexpr IntOption kCredits{{"taskmanager.network.credits", OptionKind::kInt, "16",
                                     "Batches that may wait between two subtasks, for each pair.",
                                     1, 65536}};
inline constexpr IntOption kBatchRows{{"taskmanager.batch-rows", OptionKind::kInt, "1024",
                                       "Rows at which a batch is full.", 1, 1048576}};
inline constexpr MemoryOption kJobMemory{
    {"taskmanager.memory.task.size", OptionKind::kMemory, "0",
     "Memory that a job may use for batches, state and timers; 0: three quarters of the machine's.",
     0}};
inline constexpr DurationOption kLatencyInterval{
    {"metrics.latency.interval", OptionKind::kDuration, "0 ms",
     "How often sources send latency markers; 0: never.", 0}};

// ---- Checkpoints and state

inline constexpr DurationOption kCheckpointInterval{
    {"execution.checkpointing.interval", OptionKind::kDuration, "0 ms",
     "How often a checkpoint is taken; 0: never.", 0}};
inline constexpr TextOption kCheckpointMode{
    {"execution.checkpointing.mode", OptionKind::kText, "EXACTLY_ONCE",
     "EXACTLY_ONCE, or AT_LEAST_ONCE: channels are not blocked for barriers, and rows may count "
     "twice "
     "after a failure."}};
inline constexpr DurationOption kCheckpointTimeout{
    {"execution.checkpointing.timeout", OptionKind::kDuration, "10 min",
     "A checkpoint that takes longer is given up.", 1}};
inline constexpr DurationOption kCheckpointMinPause{
    {"execution.checkpointing.min-pause", OptionKind::kDuration, "0 ms",
     "Time between the end of a checkpoint and the beginning of the next.", 0}};
inline constexpr IntOption kMaxConcurrentCheckpoints{
    {"execution.checkpointing.max-concurrent-checkpoints", OptionKind::kInt, "1",
     "Checkpoints that may be under way together.", 1, 1000}};
inline constexpr IntOption kTolerableFailedCheckpoints{
    {"execution.checkpointing.tolerable-failed-checkpoints", OptionKind::kInt, "0",
     "Checkpoints that may fail one after another before the job does.", 0, INT32_MAX}};
inline constexpr BoolOption kUnalignedCheckpoints{
    {"execution.checkpointing.unaligned.enabled", OptionKind::kBool, "false",
     "Barriers overtake rows, which go into the checkpoint.", INT64_MIN, INT64_MAX,
     "execution.checkpointing.unaligned"}};
inline constexpr DurationOption kAlignedCheckpointTimeout{
    {"execution.checkpointing.aligned-checkpoint-timeout", OptionKind::kDuration, "0 ms",
     "With unaligned checkpoints: how long barriers are aligned before they overtake.", 0,
     INT64_MAX, "execution.checkpointing.alignment-timeout"}};
inline constexpr BoolOption kCheckpointsAfterTasksFinish{
    {"execution.checkpointing.checkpoints-after-tasks-finish", OptionKind::kBool, "true",
     "Go on with checkpoints when some tasks have finished.", INT64_MIN, INT64_MAX,
     "execution.checkpointing.checkpoints-after-tasks-finish.enabled"}};
inline constexpr TextOption kCheckpointDirectory{{"execution.checkpointing.dir", OptionKind::kText,
                                                  "", "Folder for checkpoints.", INT64_MIN,
                                                  INT64_MAX, "state.checkpoints.dir"}};
inline constexpr TextOption kSavepointDirectory{
    {"execution.checkpointing.savepoint-dir", OptionKind::kText, "",
     "Folder for savepoints that name none.", INT64_MIN, INT64_MAX, "state.savepoints.dir"}};
inline constexpr BoolOption kCheckpointSubdirectory{
    {"execution.checkpointing.create-subdir", OptionKind::kBool, "true",
     "Give each job a folder of its own in the folder for checkpoints.", INT64_MIN, INT64_MAX,
     "state.checkpoints.create-subdir"}};
inline constexpr TextOption kCheckpointRetention{
    {"execution.checkpointing.externalized-checkpoint-retention", OptionKind::kText,
     "NO_EXTERNALIZED_CHECKPOINTS",
     "What stays when the job ends without having finished: NO_EXTERNALIZED_CHECKPOINTS (nothing), "
     "DELETE_ON_CANCELLATION (the newest checkpoints after a failure), RETAIN_ON_CANCELLATION "
     "(also "
     "after a cancellation)."}};
inline constexpr IntOption kRetainedCheckpoints{
    {"execution.checkpointing.num-retained", OptionKind::kInt, "1",
     "Complete checkpoints that are kept.", 1, 100000, "state.checkpoints.num-retained"}};
inline constexpr BoolOption kIncrementalCheckpoints{
    {"execution.checkpointing.incremental", OptionKind::kBool, "false",
     "Write only what has changed since the last checkpoint.", INT64_MIN, INT64_MAX,
     "state.backend.incremental"}};
inline constexpr TextOption kSnapshotCompression{
    {"execution.checkpointing.snapshot-compression", OptionKind::kText, "false",
     "Compression of snapshots: false or none, snappy (true means it too), lz4, zstd."}};
inline constexpr MemoryOption kInlineThreshold{
    {"execution.checkpointing.data-inline-threshold", OptionKind::kMemory, "20 kb",
     "State smaller than this goes into the metadata file.", 0, 1 << 20,
     "state.storage.fs.memory-threshold"}};
inline constexpr IntOption kCheckpointHistory{{"web.checkpoints.history", OptionKind::kInt, "10",
                                               "Checkpoints whose figures are remembered.", 0,
                                               100000}};
inline constexpr TextOption kStateBackend{
    {"state.backend.type", OptionKind::kText, "hashmap",
     "Where keyed state lives: hashmap (in memory), rocksdb (on disk, with a cache).", INT64_MIN,
     INT64_MAX, "state.backend"}};
inline constexpr TextOption kRecoveryPath{{"execution.state-recovery.path", OptionKind::kText, "",
                                           "Savepoint or checkpoint that the job starts from.",
                                           INT64_MIN, INT64_MAX, "execution.savepoint.path"}};
inline constexpr BoolOption kIgnoreUnclaimedState{
    {"execution.state-recovery.ignore-unclaimed-state", OptionKind::kBool, "false",
     "Start although the snapshot has state that the job has no place for; it is dropped.",
     INT64_MIN, INT64_MAX, "execution.savepoint.ignore-unclaimed-state"}};
inline constexpr TextOption kClaimMode{
    {"execution.state-recovery.claim-mode", OptionKind::kText, "NO_CLAIM",
     "NO_CLAIM: the snapshot stays the user's. CLAIM: the job owns it, and deletes it when it "
     "is not "
     "needed any more.",
     INT64_MIN, INT64_MAX, "execution.savepoint-restore-mode"}};
inline constexpr BoolOption kVerifySnapshot{
    {"execution.state-recovery.verify", OptionKind::kBool, "true",
     "Read all of a snapshot, and compare it with its checksums, before any task starts from it: a "
     "damaged one is passed over before a sink has committed what it holds."}};
inline constexpr TextOption kRestartStrategy{
    {"restart-strategy.type", OptionKind::kText, "",
     "none, fixed-delay, failure-rate or exponential-delay; empty: exponential-delay with "
     "checkpoints, "
     "none without.",
     INT64_MIN, INT64_MAX, "restart-strategy"}};
inline constexpr IntOption kFixedDelayAttempts{{"restart-strategy.fixed-delay.attempts",
                                                OptionKind::kInt, "1", "Restarts of a job.", 0,
                                                INT32_MAX}};
inline constexpr DurationOption kFixedDelay{{"restart-strategy.fixed-delay.delay",
                                             OptionKind::kDuration, "1 s",
                                             "Delay before a restart.", 0}};
inline constexpr IntOption kFailureRateMax{
    {"restart-strategy.failure-rate.max-failures-per-interval", OptionKind::kInt, "1",
     "Failures within the interval that are followed by a restart.", 1, INT32_MAX}};
inline constexpr DurationOption kFailureRateInterval{
    {"restart-strategy.failure-rate.failure-rate-interval", OptionKind::kDuration, "1 min",
     "The interval in which failures are counted.", 1}};
inline constexpr DurationOption kFailureRateDelay{{"restart-strategy.failure-rate.delay",
                                                   OptionKind::kDuration, "1 s",
                                                   "Delay before a restart.", 0}};
inline constexpr DurationOption kExponentialInitial{
    {"restart-strategy.exponential-delay.initial-backoff", OptionKind::kDuration, "1 s",
     "Delay before the first restart.", 0}};
inline constexpr DurationOption kExponentialMax{{"restart-strategy.exponential-delay.max-backoff",
                                                 OptionKind::kDuration, "1 min",
                                                 "The longest delay.", 0}};
inline constexpr DurationOption kExponentialReset{
    {"restart-strategy.exponential-delay.reset-backoff-threshold", OptionKind::kDuration, "1 h",
     "After this time without a failure the delay is the first one again.", 0}};
inline constexpr DoubleOption kExponentialMultiplier{
    {"restart-strategy.exponential-delay.backoff-multiplier", OptionKind::kDouble, "1.5",
     "How the delay grows from failure to failure."}};
inline constexpr DoubleOption kExponentialJitter{
    {"restart-strategy.exponential-delay.jitter-factor", OptionKind::kDouble, "0.1",
     "Random part of the delay."}};
inline constexpr IntOption kExponentialAttempts{
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", OptionKind::kInt, "-1",
     "Restarts before the job fails; -1: no limit.", -1, INT32_MAX}};
inline constexpr TextOption kFailoverStrategy{
    {"jobmanager.execution.failover-strategy", OptionKind::kText, "region",
     "What is started again after a failure: region (the tasks that are connected to the failed "
     "one), "
     "full (all)."}};
inline constexpr BoolOption kLocalBackup{{"execution.checkpointing.local-backup.enabled",
                                          OptionKind::kBool, "false",
                                          "Write the files of checkpoints to a local disk as well.",
                                          INT64_MIN, INT64_MAX, "state.backend.local-recovery"}};
inline constexpr TextOption kLocalBackupDirectories{
    {"execution.checkpointing.local-backup.dirs", OptionKind::kText, "/tmp/tidewheel-local-state",
     "Folders for that, separated by commas.", INT64_MIN, INT64_MAX,
     "taskmanager.state.local.root-dirs"}};
inline constexpr BoolOption kRecoverFromLocal{
    {"execution.state-recovery.from-local", OptionKind::kBool, "false",
     "Read state from the local disk where it is there and whole.", INT64_MIN, INT64_MAX,
     "state.backend.local-recovery"}};
inline constexpr IntOption kWithoutChannelState{
    {"execution.state-recovery.without-channel-state.checkpoint-id", OptionKind::kInt, "-1",
     "Drop the rows in flight of the snapshot that the job starts from, if it is the checkpoint of "
     "this number.",
     -1, INT64_MAX, "execution.checkpointing.recover-without-channel-state.checkpoint-id"}};

}  // namespace options

// Every option above, by key.
std::span<const ConfigOption* const> all_options();

}  // namespace tidewheel
