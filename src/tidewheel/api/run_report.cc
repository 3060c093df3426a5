#include "tidewheel/api/run_report.h"

#include <fmt/format.h>

namespace tidewheel {

std::string job_name_of(std::string_view program) {
  const size_t slash = program.rfind('/');
  std::string_view name = slash == std::string_view::npos ? program : program.substr(slash + 1);
  if (name.ends_with(".so")) {
    name.remove_suffix(3);
    if (name.starts_with("lib")) { name.remove_prefix(3); }
  }
  return name.empty() ? "tidewheel job" : std::string(name);
}

std::string start_text(const CheckpointStatistics& checkpoints, std::string_view job_name,
                       bool resumes, std::string_view directory) {
  if (checkpoints.latest_restore) {
    const RestoreFigures& restore = *checkpoints.latest_restore;
    return fmt::format("starting from {} {}: {}",
                       restore.kind == SnapshotKind::kSavepoint ? "savepoint" : "checkpoint",
                       restore.checkpoint, restore.path);
  }
  if (!resumes) { return ""; }
  return fmt::format("starting from the beginning: there is no checkpoint of job '{}' in {}",
                     job_name, directory);
}

std::string checkpoint_summary(const CheckpointStatistics& checkpoints, int64_t restarts) {
  if (checkpoints.triggered == 0 && restarts == 0) { return ""; }
  std::string text = fmt::format("checkpoints: {} completed, {} failed", checkpoints.completed,
                                 checkpoints.failed);
  if (checkpoints.latest_failed && !checkpoints.latest_failed->failure.empty()) {
    text += fmt::format(" (the last one: {})", checkpoints.latest_failed->failure);
  }
  return text + fmt::format("; restarts: {}", restarts);
}

}  // namespace tidewheel
