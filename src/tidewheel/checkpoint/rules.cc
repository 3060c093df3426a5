#include "tidewheel/checkpoint/rules.h"

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/epoch_options.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

Status bad_value(const TextOption& option, const std::string& value, std::string_view accepted) {
  return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; {} are possible", option.key,
                          value, accepted);
}

Result<CheckpointRetention> retention_of(const Config& config) {
  const std::string text = config.get(options::kCheckpointRetention);
  if (same_word(text, "NO_EXTERNALIZED_CHECKPOINTS")) { return CheckpointRetention::kNone; }
  if (same_word(text, "DELETE_ON_CANCELLATION")) {
    return CheckpointRetention::kDeleteOnCancellation;
  }
  if (same_word(text, "RETAIN_ON_CANCELLATION")) {
    return CheckpointRetention::kRetainOnCancellation;
  }
  return bad_value(
      options::kCheckpointRetention, text,
      "NO_EXTERNALIZED_CHECKPOINTS, DELETE_ON_CANCELLATION and RETAIN_ON_CANCELLATION");
}

}  // namespace

Result<CheckpointRules> checkpoint_rules(const Config& config) {
  CheckpointRules settings;
  TIDEWHEEL_ASSIGN_OR_RETURN(const BatchSettings batch, batch_settings(config));
  // A failure of a bounded job is made good by running again what it has hit.
  settings.interval_ns = batch.is_batch ? 0 : config.get(options::kCheckpointInterval) * kNsPerMs;
  if (batch.is_batch && config.get(options::kEpochInterval) > 0) {
    return invalid_argument(
        ErrorId::kBadOptionValue,
        "{} is set, but a job with {} BATCH has one epoch only, which is all of "
        "its input",
        options::kEpochInterval.key, options::kRuntimeMode.key);
  }
  settings.timeout_ns = config.get(options::kCheckpointTimeout) * kNsPerMs;
  settings.min_pause_ns = config.get(options::kCheckpointMinPause) * kNsPerMs;
  settings.concurrent_max = static_cast<int32_t>(config.get(options::kMaxConcurrentCheckpoints));
  settings.tolerable_failures = config.get(options::kTolerableFailedCheckpoints);
  settings.after_tasks_finish = config.get(options::kCheckpointsAfterTasksFinish);
  settings.retained = static_cast<int32_t>(config.get(options::kRetainedCheckpoints));
  settings.incremental = config.get(options::kIncrementalCheckpoints);
  settings.history = static_cast<size_t>(config.get(options::kCheckpointHistory));
  settings.has_directory = !config.get(options::kCheckpointDirectory).empty();
  settings.savepoint_directory = config.get(options::kSavepointDirectory);
  TIDEWHEEL_ASSIGN_OR_RETURN(settings.retention, retention_of(config));
  const std::string mode = config.get(options::kCheckpointMode);
  settings.exactly_once = same_word(mode, "EXACTLY_ONCE");
  if (!settings.exactly_once && !same_word(mode, "AT_LEAST_ONCE")) {
    return bad_value(options::kCheckpointMode, mode, "EXACTLY_ONCE and AT_LEAST_ONCE");
  }
  if (config.get(options::kUnalignedCheckpoints)) {
    if (!settings.exactly_once) {
      return invalid_argument(ErrorId::kBadOptionValue, "{} needs {} to be EXACTLY_ONCE",
                              options::kUnalignedCheckpoints.key, options::kCheckpointMode.key);
    }
    if (config.has(options::kMaxConcurrentCheckpoints) && settings.concurrent_max > 1) {
      return invalid_argument(ErrorId::kBadOptionValue, "{} is {}; with {} only 1 is possible",
                              options::kMaxConcurrentCheckpoints.key, settings.concurrent_max,
                              options::kUnalignedCheckpoints.key);
    }
    settings.unaligned_after_ns = config.get(options::kAlignedCheckpointTimeout) * kNsPerMs;
  }
  settings.epoch_interval_ns = config.get(options::kEpochInterval) * kNsPerMs;
  if (settings.epoch_interval_ns > 0) {
    // A barrier ends an epoch too, which takes that nothing from behind it comes before it.
    settings.exactly_once = true;
    settings.unaligned_after_ns = Clock::kNever;
  }
  return settings;
}

}  // namespace tidewheel
