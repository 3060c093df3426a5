// What a program's job would be, told by the program itself: a process in the role of the job's
// master that has this variable in its environment writes the plan to the file that it names, a
// pb::JobReport with vertices and edges, and ends when it would have begun.
#pragma once
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;         // base/config.h
class FileSystem;     // base/file_system.h
struct LogicalGraph;  // dataflow/graph.h

inline constexpr const char* kPlanFileVariable = "TIDEWHEEL_PLAN_FILE";

// Blocks. Errors: those of chaining and of files.
[[nodiscard]] Status write_program_plan(FileSystem& files, const std::string& path,
                                        LogicalGraph graph, const Config& config);

}  // namespace tidewheel
