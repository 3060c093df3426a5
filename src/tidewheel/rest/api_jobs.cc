// The paths of jobs, of their vertices and of their checkpoints, as far as they only show them.
#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/checkpoint_json.h"
#include "tidewheel/rest/cluster_json.h"
#include "tidewheel/rest/job_json.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

constexpr int64_t kExceptionsMax = 1000;
constexpr size_t kFlameGraphsMax = 50;
// What clients take for: it has ended, it is switched off, ask again.
constexpr int64_t kFlameGraphOff = -2;
constexpr int64_t kFlameGraphSoon = -3;

Settings settings_of(const pb::JobReport& job) {
  Settings settings;
  for (const pb::SettingReport& one : job.settings()) {
    settings.emplace_back(one.key(), one.value());
  }
  return settings;
}

// -1: it is no number.
int64_t number_of(const std::string& text) {
  const Result<int64_t> value = parse_int(text);
  return value.ok() && *value >= 0 && *value <= INT32_MAX ? *value : -1;
}

std::string flame_graph_without_data(int64_t end_timestamp) {
  JsonBuilder json;
  return json.begin_object().member("endTimestamp", end_timestamp).end_object().take();
}

}  // namespace

void RestApi::add_job_routes() {
  using Jobs = std::vector<JobSummary>;
  get("/jobs", "Ids and states of all jobs", [this](const RestCallRef& call) {
    with_jobs(call, [call](const Jobs& jobs) { call->json(jobs_json(jobs)); });
  });
  get("/jobs/overview", "All jobs", [this](const RestCallRef& call) {
    with_jobs(call, [this, call](const Jobs& jobs) {
      call->json(jobs_overview_json(jobs, world_.clock().wall_ms()));
    });
  });
  const auto show = [this](std::string path, std::string summary,
                           std::function<std::string(const pb::JobReport&)> write) {
    get("/jobs/:jobid" + path, std::move(summary), [this, write](const RestCallRef& call) {
      with_report(call, [call, write](const JobReportRef& job) { call->json(write(*job)); });
    });
  };
  show("", "A job: its vertices, their states and figures", job_json);
  show("/config", "How it is executed", job_config_json);
  show("/plan", "Its plan", job_plan_json);
  show("/accumulators", "Sums over all its tasks", job_accumulators_json);
  show("/jobmanager/config", "Its configuration, secrets masked",
       [](const pb::JobReport& job) { return settings_json(settings_of(job)); });
  get("/jobs/:jobid/status", "Its state, as of now", [this](const RestCallRef& call) {
    with_job_summary(call, [call](const JobSummary& job) {
      JsonBuilder json;
      json.begin_object().member("status", cluster_job_status_name(job.status));
      call->json(json.end_object().take());
    });
  });
  get("/jobs/:jobid/execution-result", "How it ended, once it has",
      [this](const RestCallRef& call) { show_execution_result(call); });
  get("/jobs/:jobid/exceptions", "Its failures, the newest first",
      [this](const RestCallRef& call) {
        const int64_t count_max = number_of(call->query("maxExceptions").value_or("20"));
        if (count_max < 0) {
          call->fail(400, "maxExceptions has to be a number");
          return;
        }
        with_report(call, [call, count_max](const JobReportRef& job) {
          call->json(job_exceptions_json(*job, std::min(count_max, kExceptionsMax),
                                         call->query("failureLabelFilter").has_value()));
        });
      },
      {"maxExceptions", "failureLabelFilter"});
  get("/jobs/:jobid/resource-requirements", "What each vertex may run at",
      [this](const RestCallRef& call) {
        gateway_.parallelism_bounds(call->parameter("jobid"),
                                    on_answer<std::vector<ParallelismBounds>>(
                                        call, [call](const std::vector<ParallelismBounds>& bounds) {
                                          call->json(requirements_json(bounds));
                                        }));
      });
}

// Asked of the cluster each time: clients wait for a change of it. Who has seen a state here sees
// it in the job's report too, of which a copy may be older.
void RestApi::with_jobs(const RestCallRef& call, Then<std::vector<JobSummary>> then) {
  gateway_.jobs(on_answer<std::vector<JobSummary>>(
      call, [this, then = std::move(then)](const std::vector<JobSummary>& jobs) {
        for (const JobSummary& job : jobs) {
          reports_.forget_unless(job.id, [&job](const JobReportRef& report) {
            return report->status() == static_cast<uint32_t>(job.status);
          });
        }
        then(jobs);
      }));
}

void RestApi::with_job_summary(const RestCallRef& call, Then<JobSummary> then) {
  with_jobs(call, [call, then = std::move(then)](const std::vector<JobSummary>& jobs) {
    const std::string& id = call->parameter("jobid");
    const auto found =
        std::find_if(jobs.begin(), jobs.end(), [&](const JobSummary& job) { return job.id == id; });
    if (found == jobs.end()) {
      call->fail(not_found(ErrorId::kUnknownJob, "Job {} not found", id));
    } else {
      then(*found);
    }
  });
}

void RestApi::show_execution_result(const RestCallRef& call) {
  with_job_summary(call, [this, call](const JobSummary& job) {
    if (!is_final(job.status)) {
      call->json(R"({"status":{"id":"IN_PROGRESS"}})");
      return;
    }
    // A report from before the end is of no use.
    const auto show = [call](const JobReportRef& report) { call->json(job_result_json(*report)); };
    gateway_.report(job.id, on_answer<JobReportRef>(call, show));
  });
}

void RestApi::with_vertex(const RestCallRef& call,
                          std::function<void(const pb::JobReport&, const pb::VertexReport&)> then) {
  with_report(call, [call, then = std::move(then)](const JobReportRef& job) {
    const std::string& id = call->parameter("vertexid");
    const pb::VertexReport* const vertex = find_vertex(*job, id);
    if (vertex == nullptr) {
      call->fail(404, fmt::format("JobVertex {} not found", id));
    } else {
      then(*job, *vertex);
    }
  });
}

void RestApi::add_vertex_routes() {
  const std::string prefix = "/jobs/:jobid/vertices/:vertexid";
  using Write = std::function<std::string(const pb::JobReport&, const pb::VertexReport&)>;
  const auto show = [this, prefix](std::string path, std::string summary, Write write) {
    get(prefix + path, std::move(summary), [this, write](const RestCallRef& call) {
      with_vertex(call, [call, write](const pb::JobReport& job, const pb::VertexReport& vertex) {
        call->json(write(job, vertex));
      });
    });
  };
  const auto of_vertex = [](std::string (*write)(const pb::VertexReport&)) {
    return [write](const pb::JobReport&, const pb::VertexReport& vertex) { return write(vertex); };
  };
  show("", "A vertex and its subtasks", vertex_json);
  show("/subtasktimes", "When its subtasks came into their states", vertex_times_json);
  show("/taskmanagers", "Its subtasks by TaskManager", vertex_task_managers_json);
  show("/backpressure", "How much it is held up by those behind it", vertex_backpressure_json);
  show("/watermarks", "Its subtasks' watermarks", of_vertex(vertex_watermarks_json));
  show("/accumulators", "Sums over its subtasks", of_vertex(vertex_accumulators_json));
  show("/subtasks/accumulators", "Each subtask's", of_vertex(subtask_accumulators_json));
  const auto subtask = [this, prefix](std::string path, std::string summary, bool accumulators) {
    get(prefix + "/subtasks/:subtaskindex" + path, std::move(summary),
        [this, accumulators](const RestCallRef& call) {
          with_vertex(call, [call, accumulators](const pb::JobReport& job,
                                                 const pb::VertexReport& vertex) {
            const int64_t index = number_of(call->parameter("subtaskindex"));
            const std::string& text = call->parameter("attempt");
            const int64_t attempt = text.empty() ? -1 : number_of(text);
            if (index < 0 || (!text.empty() && attempt < 0)) {
              call->fail(400, "subtasks and attempts are numbers from 0");
              return;
            }
            call->json_or_missing(accumulators ? attempt_accumulators_json(vertex, index, attempt)
                                               : subtask_json(job, vertex, index, attempt),
                                  "subtask, or attempt,");
          });
        });
  };
  subtask("", "A subtask", false);
  subtask("/attempts/:attempt", "An attempt at it", false);
  subtask("/attempts/:attempt/accumulators", "Its accumulators", true);
  get(prefix + "/flamegraph", "Where its subtasks spend their time",
      [this](const RestCallRef& call) {
        with_vertex(call, [this, call](const pb::JobReport&, const pb::VertexReport& vertex) {
          show_flame_graph(call, vertex);
        });
      },
      {"type", "subtaskindex"});
}

namespace {

// Upper or lower case: the dashboard writes lower case.
std::optional<StackSampling::Kind> sampling_kind(std::string name) {
  for (char& c : name) { c = static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
  if (name == "FULL") { return StackSampling::Kind::kFull; }
  if (name == "ON_CPU") { return StackSampling::Kind::kOnCpu; }
  if (name == "OFF_CPU") { return StackSampling::Kind::kOffCpu; }
  return std::nullopt;
}

}  // namespace

void RestApi::show_flame_graph(const RestCallRef& call, const pb::VertexReport& vertex) {
  StackSampling sampling{.job_id = call->parameter("jobid"), .vertex_id = vertex.id()};
  const auto kind = sampling_kind(call->query("type").value_or("FULL"));
  const std::string subtask = call->query("subtaskindex").value_or("");
  sampling.subtask = subtask.empty() ? -1 : static_cast<int32_t>(number_of(subtask));
  if (!kind.has_value() || (!subtask.empty() && sampling.subtask < 0)) {
    call->fail(400, "type is FULL, ON_CPU or OFF_CPU, and subtaskindex a number");
    return;
  }
  if (sampling.subtask >= vertex.parallelism()) {
    call->fail(404, "the vertex has no such subtask");
    return;
  }
  if (!settings_.flame_graphs) {
    call->json(flame_graph_without_data(kFlameGraphOff));
    return;
  }
  sampling.kind = *kind;
  sampling.samples = settings_.flame_samples;
  sampling.interval_ms = settings_.flame_delay_ms;
  sampling.depth_max = settings_.flame_depth;
  const std::string key = sampling.job_id + sampling.vertex_id +
                          std::to_string(static_cast<int>(*kind)) + "/" + subtask;
  if (flame_graphs_.size() >= kFlameGraphsMax && !flame_graphs_.contains(key)) {
    std::erase_if(flame_graphs_, [](const auto& entry) { return !entry.second.is_sampling; });
  }
  FlameGraph& graph = flame_graphs_[key];
  const bool is_old = graph.json.empty() || world_.clock().now_ns() - graph.made_ns >
                                                settings_.flame_refresh_ms * 1'000'000;
  call->json(graph.json.empty() ? flame_graph_without_data(kFlameGraphSoon) : graph.json);
  if (!is_old || graph.is_sampling) { return; }
  graph.is_sampling = true;
  gateway_.sample_stacks(
      sampling, [this, key, poster = loop_.poster()](Result<std::vector<SampledStack>> stacks) {
        poster([this, key, stacks = std::move(stacks)] {
          const auto found = flame_graphs_.find(key);
          if (found == flame_graphs_.end()) { return; }
          found->second.is_sampling = false;
          if (!stacks.ok()) { return; }  // the next request tries again
          found->second.json = flame_graph_json(*stacks, world_.clock().wall_ms());
          found->second.made_ns = world_.clock().now_ns();
        });
      });
}

void RestApi::with_checkpoints(const RestCallRef& call, Then<JobReportRef> then) {
  with_report(call, [call, then = std::move(then)](const JobReportRef& job) {
    if (job->has_checkpoints()) {
      then(job);
    } else {
      call->fail(404, "Checkpointing has not been enabled.");
    }
  });
}

void RestApi::add_checkpoint_routes() {
  get("/jobs/:jobid/checkpoints", "Its checkpoints and savepoints",
      [this](const RestCallRef& call) {
        with_checkpoints(call, [call](const JobReportRef& job) {
          call->json(checkpoints_json(job->checkpoints()));
        });
      });
  get("/jobs/:jobid/checkpoints/config", "How they are taken", [this](const RestCallRef& call) {
    with_checkpoints(call, [call](const JobReportRef& job) {
      call->json(checkpoint_config_json(job->checkpoints()));
    });
  });
  const auto details = [this](std::string path, std::string summary, bool of_vertex) {
    get("/jobs/:jobid/checkpoints/details/:checkpointid" + path, std::move(summary),
        [this, of_vertex](const RestCallRef& call) {
          const int64_t id = number_of(call->parameter("checkpointid"));
          if (id < 0) {
            call->fail(400, "the id of a checkpoint is a number");
            return;
          }
          with_checkpoints(call, [call, id, of_vertex](const JobReportRef& job) {
            call->json_or_missing(of_vertex
                                      ? checkpoint_task_json(*job, id, call->parameter("vertexid"))
                                      : checkpoint_json(*job, id),
                                  fmt::format("checkpoint {}, or its part,", id));
          });
        });
  };
  details("", "One of them", false);
  details("/subtasks/:vertexid", "A vertex's part of it", true);
}

}  // namespace tidewheel
