#include "tidewheel/base/fixed_options.h"

namespace tidewheel {
namespace {

constexpr std::string_view kNoMerging =
    "each task writes one file a checkpoint, and small state goes into the metadata file "
    "(execution.checkpointing.data-inline-threshold)";

constexpr std::string_view kNoJvm = "there is no Java virtual machine";
constexpr std::string_view kNoHeap =
    "a job's master has one kind of memory: jobmanager.memory.flink.size, or "
    "jobmanager.memory.process.size with what is not counted";
constexpr std::string_view kOwnMemory = "the TaskManager itself needs 64 mb, however it is used";
constexpr std::string_view kNoSerializers =
    "how a type is written is settled when the job is compiled";

constexpr std::string_view kNoKerberos =
    "there is no Kerberos here; ZooKeeper is logged in to by zookeeper.sasl.username and "
    "zookeeper.sasl.password (DIGEST-MD5)";

constexpr FixedOption kFixed[] = {
    {"execution.checkpointing.storage", "filesystem",
     "checkpoints are always in files; small state is in the metadata file",
     "state.checkpoint-storage"},
    {"execution.checkpointing.file-merging.enabled", "false", kNoMerging},
    {"execution.checkpointing.file-merging.across-checkpoint-boundary", "false", kNoMerging},
    {"execution.checkpointing.file-merging.max-file-size", "", kNoMerging},
    {"execution.checkpointing.file-merging.max-space-amplification", "", kNoMerging},
    {"execution.checkpointing.file-merging.pool-blocking", "false", kNoMerging},
    {"execution.checkpointing.interval-during-backlog", "",
     "no source tells whether it works on a backlog; execution.checkpointing.interval holds "
     "always"},
    {"execution.checkpointing.unaligned.forced", "false",
     "barriers overtake on every edge whose rows can be given back to whom they belong, and are "
     "aligned on all others",
     "execution.checkpointing.force-unaligned"},
    {"execution.checkpointing.unaligned.interruptible-timers.enabled", "false",
     "timers that fire when an unaligned barrier comes do not wait for their outputs, so there is "
     "nothing to interrupt"},
    {"execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", "1",
     "rows in flight are in the file of the task that gets them"},
    {"execution.checkpointing.write-buffer-size", "",
     "state is written in blocks of 64 KB, some of them at a time",
     "state.storage.fs.write-buffer-size"},
    {"execution.checkpointing.cleaner.parallel-mode", "false",
     "files are deleted one after another, on a thread of their own"},
    {"pipeline.object-reuse", "true", "rows are handed on, not copied"},
    {"state.changelog.enabled", "false",
     "checkpoints hold what has changed since the one before "
     "(execution.checkpointing.incremental)",
     "state.backend.changelog.enabled"},
    {"state.latency-track.keyed-state-enabled", "false",
     "single accesses to state are not timed; RocksDB has counters of its own "
     "(state.backend.rocksdb.metrics)",
     "state.backend.latency-track.keyed-state-enabled"},
    {"slotmanager.number-of-slots.max", "",
     "TaskManagers are started by whoever runs the cluster, and all of their slots are used"},
    {"slotmanager.number-of-slots.min", "0",
     "TaskManagers are started by whoever runs the cluster, and all of their slots are used"},
    {"taskmanager.load-balance.mode", "NONE",
     "cluster.evenly-spread-out-slots says whether slots come from all TaskManagers evenly"},
    {"pipeline.cached-files", "", "files are not handed out to tasks; have them where tasks run"},
    {"zookeeper.sasl.service-name", "zookeeper",
     "ZooKeeper's servers have this name for DIGEST-MD5, whatever they are called"},
    {"zookeeper.sasl.login-context-name", "Client",
     "there are no files of JAAS: zookeeper.sasl.username and zookeeper.sasl.password say who logs "
     "in"},
    {"security.kerberos.login.contexts", "", kNoKerberos},
    {"security.kerberos.login.keytab", "", kNoKerberos},
    {"security.kerberos.login.principal", "", kNoKerberos},
    {"web.log.path", "", "logs are where env.log.dir says", "jobmanager.web.log.path"},
};

constexpr MeaninglessOption kMeaningless[] = {
    {"env.java.*", kNoJvm},
    {"env.jvm.*", kNoJvm},
    {"classloader.*", "a job's library is loaded into worker processes that no other job is in"},
    {"python.*", "jobs are in C++ and SQL"},
    {"pipeline.force-avro", kNoSerializers},
    {"pipeline.force-kryo", kNoSerializers},
    {"pipeline.force-kryo-avro", kNoSerializers},
    {"pipeline.generic-types", kNoSerializers},
    {"pipeline.serialization-config", kNoSerializers},
    {"pipeline.registered-kryo-types", kNoSerializers},
    {"pipeline.registered-pojo-types", kNoSerializers},
    {"pipeline.default-kryo-serializers", kNoSerializers},
    {"pipeline.closure-cleaner-level", kNoJvm},
    {"blob.*", "programs are sent over the connections that processes have anyway"},
    {"jobmanager.heap.size", kNoHeap},
    {"jobmanager.memory.enable-jvm-direct-memory-limit", kNoJvm},
    {"jobmanager.memory.heap.size", kNoHeap},
    {"jobmanager.memory.jvm-*", kNoJvm},
    {"jobmanager.memory.off-heap.size", kNoHeap},
    {"taskmanager.memory.framework.*", kOwnMemory},
    {"taskmanager.memory.jvm-*", kNoJvm},
    {"taskmanager.memory.managed.consumer-weights", "managed memory has one consumer, RocksDB"},
    {"taskmanager.memory.min-segment-size",
     "rows are sent in batches, not in pages (taskmanager.batch-rows)"},
    {"taskmanager.memory.segment-size",
     "rows are sent in batches, not in pages (taskmanager.batch-rows)"},
    {"taskmanager.network.memory.buffers-per-channel",
     "what may wait between two subtasks are batches (taskmanager.network.credits)"},
    {"taskmanager.network.memory.floating-buffers-per-gate",
     "what may wait between two subtasks are batches (taskmanager.network.credits)"},
    {"taskmanager.network.memory.max-buffers-per-channel",
     "what may wait between two subtasks are batches (taskmanager.network.credits)"},
    {"resourcemanager.taskmanager-timeout",
     "a TaskManager is kept until whoever started it stops it"},
    {"execution.attached", "clients wait for the job unless they are told -d"},
    {"execution.shutdown-on-attached-exit",
     "a client that is to cancel its job when it ends is told so by --shutdownOnAttachedExit"},
    {"execution.target", "a client goes to the cluster that -m or rest.address names, or with -t"},
    {"table.exec.legacy-*", "there are no older forms of functions and types"},
};

}  // namespace

std::span<const FixedOption> fixed_options() { return kFixed; }
std::span<const MeaninglessOption> meaningless_options() { return kMeaningless; }

}  // namespace tidewheel
