// Options of logs, and of the scripts that start and stop a cluster's processes (distribution/bin).
// Keys are Flink's where it has one.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kLogFormat{
    {"env.log.format", OptionKind::kText, "text",
     "text: lines for people. json: each line of a log is an object, with time, level, logger, "
     "message, and what they are about (process, job, task)."}};
inline constexpr TextOption kLogLevel{
    {"env.log.level", OptionKind::kText, "INFO",
     "What is logged: DEBUG, INFO, WARN, ERROR or OFF, each with those behind it."}};
inline constexpr IntOption kLogFilesMax{
    {"env.log.max", OptionKind::kInt, "10",
     "How many older log and output files of a process are kept: NAME.log.1 is the newest of them.",
     1, 1000}};
inline constexpr MemoryOption kLogFileSize{
    {"env.log.max-file-size", OptionKind::kMemory, "100 mb",
     "A log or output file that has become larger than this is put away, and another one begun; "
     "0: none is while its process runs.",
     0}};
inline constexpr TextOption kPidDirectory{
    {"env.pid.dir", OptionKind::kText, "/tmp",
     "Folder in which the scripts note the ids of the processes that they have started."}};
inline constexpr TextOption kSshOptions{
    {"env.ssh.opts", OptionKind::kText, "",
     "Options of ssh, by which start-cluster.sh and stop-cluster.sh reach other machines."}};

}  // namespace tidewheel::options
