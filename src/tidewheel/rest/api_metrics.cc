// The paths of metrics.
#include <algorithm>

#include "tidewheel/base/config.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/job_json.h"
#include "tidewheel/rest/metrics.h"
#include "tidewheel/rest/prometheus.h"

namespace tidewheel {
namespace {

// None: answered as a mistake.
std::optional<MetricAggregation> aggregation_of(const RestCallRef& call) {
  MetricAggregation wanted{
      .get = call->query_list("get"),
      .aggregations = call->query_list("agg").value_or(std::vector<std::string>())};
  if (const Status status = check_aggregations(wanted.aggregations); !status.ok()) {
    call->fail(status);
    return std::nullopt;
  }
  return wanted;
}

// An empty list chooses nothing, a missing one everything.
bool is_chosen(const std::optional<std::vector<std::string>>& chosen, const std::string& id) {
  return !chosen.has_value() || std::find(chosen->begin(), chosen->end(), id) != chosen->end();
}

}  // namespace

void RestApi::with_job_metrics(const RestCallRef& call, const std::string& job_id,
                               std::function<void(JobReportRef, MetricReportRef)> then) {
  if (!is_rest_id(job_id)) {
    call->fail(400, fmt::format("'{}' is not the id of a job, which has 32 hex digits", job_id));
    return;
  }
  fetch_report(job_id, [this, call, job_id, then](const Result<JobReportRef>& report) {
    if (!report.ok()) {
      call->fail(report.status());
      return;
    }
    fetch_metrics(job_id, [job = *report, then](const Result<MetricReportRef>& metrics) {
      // What the report itself says is there even when its processes can't be asked.
      then(job, metrics.ok() ? *metrics : std::make_shared<const pb::MetricReport>());
    });
  });
}

void RestApi::fetch_process(const ProcessName& process, Then<Result<MetricReportRef>> then) {
  gateway_.metrics_of_process(process, [this, id = process.task_manager, then = std::move(then),
                                        poster = loop_.poster()](Result<MetricReportRef> own) {
    poster([this, id, then, own = std::move(own)] {
      if (!own.ok() || id.empty()) { return then(own); }
      add_workers(id, *own, then);
    });
  });
}

// Of jobs that do not answer there is nothing.
void RestApi::add_workers(const std::string& task_manager, const MetricReportRef& own,
                          const Then<Result<MetricReportRef>>& then) {
  struct Gathered {
    std::vector<MetricReportRef> jobs;
    size_t missing = 0;
  };
  const auto finish = [task_manager, own, then](const std::vector<MetricReportRef>& jobs) {
    auto all = std::make_shared<pb::MetricReport>(*own);
    add_worker_sums(jobs, task_manager, *all);
    then(MetricReportRef(std::move(all)));
  };
  gateway_.jobs([this, finish, poster = loop_.poster()](Result<std::vector<JobSummary>> jobs) {
    poster([this, finish, jobs = std::move(jobs)] {
      std::vector<std::string> ids;
      for (size_t i = 0; jobs.ok() && i < jobs->size(); ++i) {
        if (!is_final((*jobs)[i].status)) { ids.push_back((*jobs)[i].id); }
      }
      if (ids.empty()) { return finish({}); }
      const auto gathered = std::make_shared<Gathered>();
      gathered->missing = ids.size();
      for (const std::string& id : ids) {
        fetch_metrics(id, [gathered, finish](const Result<MetricReportRef>& metrics) {
          if (metrics.ok()) { gathered->jobs.push_back(*metrics); }
          if (--gathered->missing == 0) { finish(gathered->jobs); }
        });
      }
    });
  });
}

void RestApi::collect(
    const std::vector<std::string>& ids,
    const std::function<void(const std::string&, std::function<void(MetricTable)>)>& fetch,
    Collected then) {
  struct Gathered {
    std::vector<MetricTable> tables;
    size_t missing = 0;
  };
  const auto gathered = std::make_shared<Gathered>();
  gathered->missing = ids.size();
  if (ids.empty()) {
    then({});
    return;
  }
  for (const std::string& id : ids) {
    fetch(id, [gathered, then](MetricTable table) {
      gathered->tables.push_back(std::move(table));
      if (--gathered->missing == 0) { then(std::move(gathered->tables)); }
    });
  }
}

void RestApi::add_metric_routes() {
  const std::vector<std::string> get_query = {"get"};
  get(
      "/jobs/:jobid/metrics", "A job's metrics",
      [this](const RestCallRef& call) {
        with_job_metrics(
            call, call->parameter("jobid"),
            [call](const JobReportRef& job, const MetricReportRef& metrics) {
              call->json(metrics_json(job_metrics(*job, *metrics), call->query_list("get")));
            });
      },
      get_query);
  const std::string prefix = "/jobs/:jobid/vertices/:vertexid";
  using Table = std::function<std::optional<MetricTable>(const RestCall&, const pb::VertexReport&,
                                                         const pb::MetricReport&)>;
  const auto of_vertex = [this, prefix, get_query](std::string path, std::string summary,
                                                   Table table) {
    get(
        prefix + path, std::move(summary),
        [this, table](const RestCallRef& call) {
          with_job_metrics(
              call, call->parameter("jobid"),
              [call, table](const JobReportRef& job, const MetricReportRef& metrics) {
                const pb::VertexReport* const vertex =
                    find_vertex(*job, call->parameter("vertexid"));
                const std::optional<MetricTable> found =
                    vertex == nullptr ? std::nullopt : table(*call, *vertex, *metrics);
                if (found.has_value()) {
                  call->json(metrics_json(*found, call->query_list("get")));
                } else {
                  call->fail(404, "the job has no such vertex, or the vertex no such subtask");
                }
              });
        },
        get_query);
  };
  of_vertex("/metrics", "All its subtasks' metrics",
            [](const RestCall&, const pb::VertexReport& vertex, const pb::MetricReport& metrics) {
              return vertex_metrics(vertex, metrics);
            });
  of_vertex("/jm-operator-metrics", "Its coordinators' metrics",
            [](const RestCall&, const pb::VertexReport& vertex, const pb::MetricReport& metrics) {
              return coordinator_metrics(vertex, metrics);
            });
  of_vertex("/subtasks/:subtaskindex/metrics", "One subtask's metrics",
            [](const RestCall& call, const pb::VertexReport& vertex,
               const pb::MetricReport& metrics) -> std::optional<MetricTable> {
              const Result<int64_t> index = parse_int(call.parameter("subtaskindex"));
              if (!index.ok() || *index < 0 || *index >= vertex.parallelism()) {
                return std::nullopt;
              }
              return subtask_metrics(vertex, metrics, static_cast<int32_t>(*index));
            });
  get(prefix + "/subtasks/metrics", "Metrics over its subtasks",
      [this](const RestCallRef& call) { aggregate_subtask_metrics(call); },
      {"get", "agg", "subtasks"});
  get("/jobs/metrics", "Metrics over jobs",
      [this](const RestCallRef& call) { aggregate_job_metrics(call); }, {"get", "agg", "jobs"});
  get("/taskmanagers/metrics", "Metrics over TaskManagers",
      [this](const RestCallRef& call) { aggregate_task_manager_metrics(call); },
      {"get", "agg", "taskmanagers"});
  get("/metrics", "All metrics of the cluster, for Prometheus", [this](const RestCallRef& call) {
    gather([call](const Status& refused, const PrometheusText& text) {
      if (!refused.ok()) { return call->fail(refused); }
      HttpResponse response{.status = 200, .body = text.text()};
      response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      call->answer(std::move(response));
    });
  });
}

void RestApi::gather_metrics(std::function<void(const PrometheusText&)> done) {
  gather([done = std::move(done)](const Status&, const PrometheusText& text) { done(text); });
}

// Jobs that run, and processes, are asked one beside the other; what does not answer is left out.
void RestApi::gather(std::function<void(const Status&, const PrometheusText&)> done) {
  struct Gathered {
    PrometheusText text;
    Status refused;
    size_t missing = 3;  // the two lists, and the JobManager
    std::function<void(const Status&, const PrometheusText&)> done;

    void arrived() {
      if (--missing == 0) { done(refused, text); }
    }
  };
  const auto gathered = std::make_shared<Gathered>();
  gathered->done = std::move(done);
  const auto ask_process = [this, gathered](const std::string& id) {
    fetch_process({.task_manager = id}, [gathered, id](const Result<MetricReportRef>& metrics) {
      if (metrics.ok()) { add_process(gathered->text, id, process_metrics(**metrics)); }
      gathered->arrived();
    });
  };
  const auto ask_job = [this, gathered](const std::string& id) {
    fetch_report(id, [this, gathered, id](const Result<JobReportRef>& report) {
      if (!report.ok()) { return gathered->arrived(); }
      fetch_metrics(id, [gathered, job = *report](const Result<MetricReportRef>& metrics) {
        add_job(gathered->text, *job,
                metrics.ok() ? **metrics : pb::MetricReport::default_instance());
        gathered->arrived();
      });
    });
  };
  ask_process("");
  gateway_.task_managers([gathered, ask_process,
                          poster = loop_.poster()](Result<std::vector<TaskManagerSummary>> all) {
    poster([gathered, ask_process, all = std::move(all)] {
      if (!all.ok()) { gathered->refused = all.status(); }
      for (size_t i = 0; all.ok() && i < all->size(); ++i) {
        ++gathered->missing;
        ask_process((*all)[i].id);
      }
      gathered->arrived();
    });
  });
  gateway_.jobs([gathered, ask_job, poster = loop_.poster()](Result<std::vector<JobSummary>> all) {
    poster([gathered, ask_job, all = std::move(all)] {
      if (!all.ok()) { gathered->refused = all.status(); }
      for (size_t i = 0; all.ok() && i < all->size(); ++i) {
        if (is_final((*all)[i].status)) { continue; }
        ++gathered->missing;
        ask_job((*all)[i].id);
      }
      gathered->arrived();
    });
  });
}

void RestApi::aggregate_subtask_metrics(const RestCallRef& call) {
  const std::optional<MetricAggregation> wanted = aggregation_of(call);
  if (!wanted.has_value()) { return; }
  with_job_metrics(
      call, call->parameter("jobid"),
      [call, wanted = *wanted](const JobReportRef& job, const MetricReportRef& metrics) {
        const pb::VertexReport* const vertex = find_vertex(*job, call->parameter("vertexid"));
        if (vertex == nullptr) {
          call->fail(404, "the job has no such vertex");
          return;
        }
        const Result<std::vector<int32_t>> subtasks = parse_subtasks(
            call->query("subtasks").value_or(fmt::format("0-{}", vertex->parallelism() - 1)),
            vertex->parallelism());
        if (!subtasks.ok()) {
          call->fail(subtasks.status());
          return;
        }
        std::vector<MetricTable> tables;
        for (const int32_t one : *subtasks) {
          tables.push_back(subtask_metrics(*vertex, *metrics, one));
        }
        call->json(aggregated_metrics_json(tables, wanted));
      });
}

void RestApi::aggregate_job_metrics(const RestCallRef& call) {
  const std::optional<MetricAggregation> wanted = aggregation_of(call);
  if (!wanted.has_value()) { return; }
  gateway_.jobs(on_answer<std::vector<JobSummary>>(call, [this, call, wanted = *wanted](
                                                             const std::vector<JobSummary>& jobs) {
    const auto chosen = call->query_list("jobs");
    std::vector<std::string> ids;
    for (const JobSummary& job : jobs) {
      if (is_chosen(chosen, job.id)) { ids.push_back(job.id); }
    }
    const auto fetch = [this](const std::string& id, std::function<void(MetricTable)> done) {
      fetch_report(id, [this, id, done](const Result<JobReportRef>& report) {
        if (!report.ok()) {
          done({});
          return;
        }
        fetch_metrics(id, [job = *report, done](const Result<MetricReportRef>& metrics) {
          done(job_metrics(*job, metrics.ok() ? **metrics : pb::MetricReport::default_instance()));
        });
      });
    };
    collect(ids, fetch, [call, wanted](const std::vector<MetricTable>& tables) {
      call->json(aggregated_metrics_json(tables, wanted));
    });
  }));
}

void RestApi::aggregate_task_manager_metrics(const RestCallRef& call) {
  const std::optional<MetricAggregation> wanted = aggregation_of(call);
  if (!wanted.has_value()) { return; }
  gateway_.task_managers(on_answer<std::vector<TaskManagerSummary>>(
      call, [this, call, wanted = *wanted](const std::vector<TaskManagerSummary>& all) {
        const auto chosen = call->query_list("taskmanagers");
        std::vector<std::string> ids;
        for (const TaskManagerSummary& one : all) {
          if (is_chosen(chosen, one.id)) { ids.push_back(one.id); }
        }
        const auto fetch = [this](const std::string& id, std::function<void(MetricTable)> done) {
          fetch_process({.task_manager = id}, [done](const Result<MetricReportRef>& metrics) {
            done(metrics.ok() ? process_metrics(**metrics) : MetricTable());
          });
        };
        collect(ids, fetch, [call, wanted](const std::vector<MetricTable>& tables) {
          call->json(aggregated_metrics_json(tables, wanted));
        });
      }));
}

}  // namespace tidewheel
