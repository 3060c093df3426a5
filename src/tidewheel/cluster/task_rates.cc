#include "tidewheel/cluster/task_rates.h"

#include <algorithm>

namespace tidewheel {

void TaskRates::note(TaskId task, uint64_t attempt, const TaskInfo& info,
                     const TaskFigures& figures, int64_t longest_refusal_ns, int64_t now_ns) {
  const auto [at, is_new] = tasks_.try_emplace({task.vertex, task.subtask});
  Noted& noted = at->second;
  if (is_new || noted.attempt != attempt) {
    noted = {attempt, now_ns, info, figures, {}};
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
  const auto flow = [&rate](const TaskFigures::Flow& now, const TaskFigures::Flow& before) {
    return TaskRate::Flow{rate(now.bytes, before.bytes), rate(now.batches, before.batches)};
  };
  const TaskInfo& info_before = noted.info;
  const TaskFigures& before = noted.figures;
  noted.rate = {
      .busy_ms_per_second = share(info.busy_ms, info_before.busy_ms),
      .idle_ms_per_second = share(info.idle_ms, info_before.idle_ms),
      .backpressured_ms_per_second = share(info.backpressured_ms, info_before.backpressured_ms),
      .rows_in_per_second = rate(info.rows_in, info_before.rows_in),
      .rows_out_per_second = rate(info.rows_out, info_before.rows_out),
      .in_local = flow(figures.in_local, before.in_local),
      .in_remote = flow(figures.in_remote, before.in_remote),
      .out = flow(figures.out, before.out),
      .mails_per_second = rate(figures.mails, before.mails),
      .longest_refusal_ms = longest_refusal_ns / 1'000'000};
  noted.at_ns = now_ns;
  noted.info = info;
  noted.figures = figures;
}

TaskRate TaskRates::of(TaskId task) const {
  const auto found = tasks_.find({task.vertex, task.subtask});
  return found == tasks_.end() ? TaskRate() : found->second.rate;
}

}  // namespace tidewheel
