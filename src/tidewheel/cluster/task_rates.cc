#include "tidewheel/cluster/task_rates.h"

#include <algorithm>

namespace tidewheel {

void TaskRates::note(TaskId task, uint64_t attempt, const TaskInfo& info, int64_t now_ns) {
  const auto [at, is_new] = tasks_.try_emplace({task.vertex, task.subtask});
  Noted& noted = at->second;
  if (is_new || noted.attempt != attempt) {
    noted = {attempt, now_ns, info, {}};
    return;
  }
  const int64_t ms = (now_ns - noted.at_ns) / 1'000'000;
  if (ms <= 0) { return; }
  const auto share = [ms](int64_t now, int64_t before) {
    return std::clamp<int64_t>((now - before) * 1000 / ms, 0, 1000);
  };
  const auto rate = [ms](int64_t now, int64_t before) {
    return static_cast<double>(std::max<int64_t>(0, now - before)) * 1000 / static_cast<double>(ms);
  };
  noted.rate = {share(info.busy_ms, noted.info.busy_ms), share(info.idle_ms, noted.info.idle_ms),
                share(info.backpressured_ms, noted.info.backpressured_ms),
                rate(info.rows_in, noted.info.rows_in), rate(info.rows_out, noted.info.rows_out)};
  noted.at_ns = now_ns;
  noted.info = info;
}

TaskRate TaskRates::of(TaskId task) const {
  const auto found = tasks_.find({task.vertex, task.subtask});
  return found == tasks_.end() ? TaskRate() : found->second.rate;
}

}  // namespace tidewheel
