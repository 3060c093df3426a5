#include "tidewheel/api/job.h"

#include <algorithm>
#include <utility>

namespace tidewheel {

namespace {
// Filled before main by constructors, on one thread; read-only afterwards. Constant-initialised, so
// that it is there before the first of them.
constinit Job* first_job = nullptr;
}  // namespace

Job::Job(std::string name, Build build)
    : name_(std::move(name)), build_(std::move(build)), next_(std::exchange(first_job, this)) {}

std::vector<const Job*> all_jobs() {
  std::vector<const Job*> jobs;
  for (const Job* job = first_job; job != nullptr; job = job->next()) { jobs.push_back(job); }
  std::sort(jobs.begin(), jobs.end(),
            [](const Job* a, const Job* b) { return a->name() < b->name(); });
  return jobs;
}

}  // namespace tidewheel
