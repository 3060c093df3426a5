// How the commands for a cluster show what they got.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/rest/json_value.h"

namespace tidewheel {

// Columns as wide as they need; numbers to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string count_text(double count);         // "12.3 k"
std::string bytes_text(int64_t bytes);        // "1.4 MiB"
std::string duration_text(int64_t ms);        // "2 h 03 min", "1.2 s"
std::string wall_time_text(int64_t wall_ms);  // "30.11.2026 07:05:12", of the machine's zone
// The lists of `list`, in the form of Flink's.
std::string job_list_text(const JsonValue& overview, bool running, bool scheduled, bool all);
std::string checkpoints_text(const JsonValue& checkpoints);
// One line for a job that runs, from its /jobs/ID and /jobs/ID/checkpoints.
struct JobFigures {
  std::string state;
  int64_t duration_ms = 0;
  double rows_in = 0;  // taken by all sources: what they have sent on
  double rows_out = 0;
  int32_t tasks = 0;
  int32_t running = 0;
  double busy = 0;           // of the busiest vertex, 0 to 1
  double backpressured = 0;  // of the most held up one
  int64_t checkpoints = 0;
  int64_t failed_checkpoints = 0;
  int64_t checkpoint_ms = 0;
  int64_t state_bytes = 0;
};
JobFigures job_figures(const JsonValue& job, const JsonValue& checkpoints);

}  // namespace tidewheel
