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
     "Slots, each a thread; 0: as many as the job's largest parallelism.", 0, 4096}};
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

}  // namespace options

// Every option above, by key.
std::span<const ConfigOption* const> all_options();

}  // namespace tidewheel
