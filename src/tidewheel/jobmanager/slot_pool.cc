#include "tidewheel/jobmanager/slot_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "tidewheel/base/check.h"

namespace tidewheel {

int32_t SlotPool::Job::total() const {
  int32_t sum = 0;
  for (const auto& [id, count] : slots) { sum += count; }
  return sum;
}

void SlotPool::add_task_manager(const std::string& id, int32_t slots) {
  TaskManager& added = task_managers_[id];
  added.slots = slots;
  // It has come back smaller: who has what is not there is to lose it.
  for (auto& [name, job] : jobs_) {
    const auto has = job.slots.find(id);
    if (has != job.slots.end() && added.used > slots) {
      change(job, name, id, -std::min(added.used - slots, has->second));
    }
  }
}

void SlotPool::remove_task_manager(const std::string& id) {
  task_managers_.erase(id);
  for (auto& [name, job] : jobs_) {
    if (job.slots.erase(id) > 0) { changes_.jobs.push_back(name); }
  }
}

void SlotPool::set_need(const std::string& job, int32_t slots, int32_t min) {
  Job& known = jobs_[job];
  if (known.order == 0) { known.order = next_order_++; }
  known.need = slots;
  known.min = min > 0 ? std::min(min, slots) : slots;
  changes_.jobs.push_back(job);  // it is answered even if nothing changes
}

void SlotPool::remove_job(const std::string& job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) { return; }
  found->second.need = 0;
  give_back(found->second, job);
  jobs_.erase(found);
}

void SlotPool::adopt(const std::string& job, const std::string& task_manager, int32_t slots) {
  const auto there = task_managers_.find(task_manager);
  if (there == task_managers_.end()) { return; }
  Job& known = jobs_[job];
  if (known.order == 0) { known.order = next_order_++; }
  const int32_t free = there->second.slots - there->second.used;
  const auto has = known.slots.find(task_manager);
  const int32_t more = slots - (has == known.slots.end() ? 0 : has->second);
  if (std::min(more, free) > 0) {
    // Until the job says what it needs, this is kept for it.
    change(known, job, task_manager, std::min(more, free));
    known.need = std::max(known.need, known.total());
    known.min = std::max(known.min, known.need);
  }
}

void SlotPool::change(Job& job, const std::string& name, const std::string& task_manager,
                      int32_t by) {
  int32_t& count = job.slots[task_manager];
  count += by;
  TIDEWHEEL_CHECK(count >= 0, "job {} has {} slots on {}", name, count, task_manager);
  if (count == 0) { job.slots.erase(task_manager); }
  task_managers_.at(task_manager).used += by;
  changes_.jobs.push_back(name);
  changes_.on_task_managers.emplace_back(task_manager, name);
}

// Where the job has least, so that the rest stays together.
void SlotPool::give_back(Job& job, const std::string& name) {
  int32_t surplus = job.total() - job.need;
  while (surplus > 0) {
    const auto least =
        std::min_element(job.slots.begin(), job.slots.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const int32_t count = std::min(surplus, least->second);
    const std::string task_manager = least->first;
    change(job, name, task_manager, -count);
    surplus -= count;
  }
}

// The TaskManager that gives the next slot; empty: none is free.
std::string SlotPool::choose(const Job& job) const {
  std::string best;
  std::tuple<int64_t, int64_t> best_rank;
  for (const auto& [id, task_manager] : task_managers_) {
    const int64_t free = task_manager.slots - task_manager.used;
    if (free <= 0) { continue; }
    const int64_t has = job.slots.contains(id) ? job.slots.at(id) : 0;
    // Spreading: the one of which the smallest part is in use, in thousandths, and of those the one
    // where the job has least. Filling: one where the job is already, else the one with most room.
    const std::tuple<int64_t, int64_t> rank =
        choice_ == SlotChoice::kSpread
            ? std::tuple(-int64_t{task_manager.used} * 1000 / task_manager.slots, -has)
            : std::tuple(has > 0 ? int64_t{1} : int64_t{0}, free);
    if (best.empty() || rank > best_rank) {
      best = id;
      best_rank = rank;
    }
  }
  return best;
}

void SlotPool::give(Job& job, const std::string& name) {
  const int32_t has = job.total();
  const int32_t wanted = job.need - has;
  if (wanted <= 0 || has + free_count() < job.min) { return; }
  for (int32_t i = 0; i < wanted; ++i) {
    const std::string task_manager = choose(job);
    if (task_manager.empty()) { return; }
    change(job, name, task_manager, 1);
  }
}

SlotPool::Changes SlotPool::settle() {
  for (auto& [name, job] : jobs_) { give_back(job, name); }
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [name, job] : jobs_) { order.emplace_back(job.order, name); }
  std::sort(order.begin(), order.end());
  for (const auto& [when, name] : order) { give(jobs_.at(name), name); }

  Changes out;
  std::swap(out, changes_);
  const auto unique = [](auto& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  unique(out.jobs);
  unique(out.on_task_managers);
  std::erase_if(out.on_task_managers,
                [&](const auto& entry) { return !task_managers_.contains(entry.first); });
  return out;
}

const SlotPool::Assignment& SlotPool::slots_of(const std::string& job) const {
  static const Assignment kNothing;
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? kNothing : found->second.slots;
}

int32_t SlotPool::slots_of(const std::string& job, const std::string& task_manager) const {
  const Assignment& all = slots_of(job);
  const auto found = all.find(task_manager);
  return found == all.end() ? 0 : found->second;
}

int32_t SlotPool::need_of(const std::string& job) const {
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? 0 : found->second.need;
}

int32_t SlotPool::missing(const std::string& job) const {
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? 0 : std::max(0, found->second.need - found->second.total());
}

std::string SlotPool::why_missing(const std::string& job) const {
  const int32_t count = missing(job);
  if (count == 0) { return {}; }
  const Job& known = jobs_.at(job);
  if (task_managers_.empty()) {
    return fmt::format("it needs {} slots, and no TaskManager has registered", known.need);
  }
  return fmt::format("it needs {} slots and has {}; the cluster has {}, of which {} are free",
                     known.need, known.total(), slot_count(), free_count());
}

int32_t SlotPool::slot_count() const {
  int32_t sum = 0;
  for (const auto& [id, task_manager] : task_managers_) { sum += task_manager.slots; }
  return sum;
}

int32_t SlotPool::free_count() const {
  int32_t sum = 0;
  for (const auto& [id, task_manager] : task_managers_) {
    sum += std::max(0, task_manager.slots - task_manager.used);
  }
  return sum;
}

int32_t SlotPool::free_of(const std::string& task_manager) const {
  const auto found = task_managers_.find(task_manager);
  return found == task_managers_.end() ? 0 : std::max(0, found->second.slots - found->second.used);
}

std::vector<std::string> SlotPool::jobs_on(const std::string& task_manager) const {
  std::vector<std::string> out;
  for (const auto& [name, job] : jobs_) {
    if (job.slots.contains(task_manager)) { out.push_back(name); }
  }
  return out;
}

}  // namespace tidewheel
