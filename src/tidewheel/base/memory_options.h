// Options of memory: of a TaskManager and how it is divided, of a job's master. Keys, and what they
// mean, are Flink's as far as there is something like it without a Java virtual machine.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr MemoryOption kTaskManagerMemory{
    {"taskmanager.memory.process.size", OptionKind::kMemory, "0",
     "Memory of a TaskManager and all its workers; each slot has an equal part of what the "
     "TaskManager itself does not need. 0: what the parts that are set need, or else three "
     "quarters of the machine's.",
     0}};
inline constexpr MemoryOption kTaskManagerFlinkMemory{
    {"taskmanager.memory.flink.size", OptionKind::kMemory, "0",
     "Instead of taskmanager.memory.process.size: that less what is not accounted for (a tenth of "
     "the slots' memory, 32 mb at least). 0: not set.",
     0, INT64_MAX, "taskmanager.heap.size"}};
inline constexpr MemoryOption kTaskHeapMemory{
    {"taskmanager.memory.task.heap.size", OptionKind::kMemory, "0",
     "Memory of a TaskManager for state, timers and batches of its tasks. With "
     "taskmanager.memory.managed.size all other sizes follow from the two; alone it leaves the "
     "rest to the network. 0: what the other parts leave.",
     0}};
inline constexpr MemoryOption kTaskOffHeapMemory{
    {"taskmanager.memory.task.off-heap.size", OptionKind::kMemory, "0",
     "Added to taskmanager.memory.task.heap.size, since tasks have one kind of memory.", 0}};
inline constexpr MemoryOption kManagedMemory{
    {"taskmanager.memory.managed.size", OptionKind::kMemory, "0",
     "Memory of a TaskManager for RocksDB's block caches and write buffers, in equal parts a slot; "
     "of a job that runs by itself, all of it. 0: by taskmanager.memory.managed.fraction.",
     0, INT64_MAX, "taskmanager.memory.size"}};
inline constexpr DoubleOption kManagedFraction{
    {"taskmanager.memory.managed.fraction", OptionKind::kDouble, "0.25",
     "Part of the job's memory, less 8 MB, that RocksDB may use for its block cache and write "
     "buffers, all operators together; without meaning where taskmanager.memory.managed.size is "
     "set."}};
inline constexpr DoubleOption kNetworkFraction{
    {"taskmanager.memory.network.fraction", OptionKind::kDouble, "0.1",
     "Part of the memory that is accounted for, up to which batches may be on their way to tasks "
     "from other processes; senders wait at this bound. Tasks use what the network does not.",
     INT64_MIN, INT64_MAX, "taskmanager.network.memory.fraction"}};
inline constexpr MemoryOption kNetworkMemoryMin{
    {"taskmanager.memory.network.min", OptionKind::kMemory, "64 mb",
     "Least of a TaskManager for taskmanager.memory.network.fraction; where it is not set, no more "
     "than a quarter of what is accounted for.",
     0, INT64_MAX, "taskmanager.network.memory.min"}};
inline constexpr MemoryOption kNetworkMemoryMax{
    {"taskmanager.memory.network.max", OptionKind::kMemory, "0",
     "Most of a TaskManager for taskmanager.memory.network.fraction; the same as "
     "taskmanager.memory.network.min: just this. 0: no limit.",
     0, INT64_MAX, "taskmanager.network.memory.max"}};

inline constexpr MemoryOption kJobManagerMemory{
    {"jobmanager.memory.process.size", OptionKind::kMemory, "0",
     "Memory of each job's master, which the system enforces where it can; 0: what "
     "jobmanager.memory.flink.size needs, or no limit.",
     0}};
inline constexpr MemoryOption kJobManagerFlinkMemory{
    {"jobmanager.memory.flink.size", OptionKind::kMemory, "0",
     "Instead of jobmanager.memory.process.size: that less what is not accounted for (a tenth, 32 "
     "mb at least). 0: not set.",
     0}};

}  // namespace tidewheel::options
