// What a job's program says about its checkpoints, beside the job's own output.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/checkpoint/stats.h"

namespace tidewheel {

// "path/to/libwords.so" -> "words": the name of a job that has none.
std::string job_name_of(std::string_view program);

// Where the job starts from; empty: from the beginning, and nothing else was asked for.
std::string start_text(const CheckpointStatistics& checkpoints, std::string_view job_name,
                       bool resumes, std::string_view directory);

// "checkpoints: 12 completed, 1 failed (<why>); restarts: 0"; empty when there were none.
std::string checkpoint_summary(const CheckpointStatistics& checkpoints, int64_t restarts);

}  // namespace tidewheel
