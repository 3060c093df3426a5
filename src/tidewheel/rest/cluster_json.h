// What REST shows of a cluster and its processes, as JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/cluster/gateway.h"

namespace tidewheel {

// The version of Flink whose API this is: clients look at it.
inline constexpr std::string_view kFlinkVersion = "1.20.5";
#if defined(__aarch64__)
inline constexpr std::string_view kArchitecture = "aarch64";
#else
inline constexpr std::string_view kArchitecture = "amd64";
#endif

using Settings = std::vector<std::pair<std::string, std::string>>;

std::string overview_json(const ClusterOverview& overview, const std::vector<JobSummary>& jobs);
// [{"key","value"}], secrets masked.
std::string settings_json(const Settings& settings);
bool is_secret_key(std::string_view key);
std::string task_managers_json(const std::vector<TaskManagerSummary>& task_managers);
// Empty: there is none of that id. `metrics`: of its process.
std::string task_manager_json(const std::vector<TaskManagerSummary>& task_managers,
                              std::string_view id, const pb::MetricReport& metrics);
std::string log_files_json(const std::vector<LogFileInfo>& files);
std::string thread_dump_json(const std::vector<ThreadStack>& threads);
std::string programs_json(const std::vector<ProgramInfo>& programs, const std::string& address);
std::string requirements_json(const std::vector<ParallelismBounds>& bounds);
// {"endTimestamp", "data"}: the stacks as a tree.
std::string flame_graph_json(const std::vector<SampledStack>& stacks, int64_t end_ms);

}  // namespace tidewheel
