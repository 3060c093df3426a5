// Options of jobs that have ended: where they are archived, and the server that shows them.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kArchiveDirectory{
    {"jobmanager.archive.fs.dir", OptionKind::kText, "",
     "Folder in which the JobManager leaves a file for each job that has ended, for a history "
     "server; empty: none."}};
inline constexpr TextOption kHistoryDirectories{
    {"historyserver.archive.fs.dir", OptionKind::kText, "",
     "Folders of archived jobs that the history server shows, separated by commas; empty: "
     "jobmanager.archive.fs.dir."}};
inline constexpr DurationOption kHistoryRefresh{
    {"historyserver.archive.fs.refresh-interval", OptionKind::kDuration, "10 s",
     "How often it looks for jobs that have been archived or removed.", 1}};
inline constexpr IntOption kHistoryRetained{
    {"historyserver.archive.retained-jobs", OptionKind::kInt, "-1",
     "How many archived jobs are kept in each folder: the history server deletes older ones; -1: "
     "all.",
     -1, 1'000'000'000}};
inline constexpr TextOption kHistoryAddress{{"historyserver.web.address", OptionKind::kText,
                                             "localhost",
                                             "Host at which clients find the history server, and "
                                             "that it listens at."}};
inline constexpr IntOption kHistoryPort{
    {"historyserver.web.port", OptionKind::kInt, "8082", "Its port; 0: any.", 0, 65535}};
inline constexpr DurationOption kHistoryWebRefresh{{"historyserver.web.refresh-interval",
                                                    OptionKind::kDuration, "10 s",
                                                    "How often its web UI asks.", 0}};

inline constexpr TextOption kHistoryMasterLog{
    {"historyserver.log.jobmanager.url-pattern", OptionKind::kText, "",
     "Where logs of JobManagers are found, with <jobid> in it; empty: nowhere."}};
inline constexpr TextOption kHistoryWorkerLog{
    {"historyserver.log.taskmanager.url-pattern", OptionKind::kText, "",
     "Where logs of TaskManagers are found, with <jobid> and <tmid> in it; empty: nowhere."}};

}  // namespace tidewheel::options
