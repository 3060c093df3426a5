// The handlers of the REST API, over a ClusterGateway.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/random.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/http/server.h"
#include "tidewheel/rest/call.h"
#include "tidewheel/rest/fetch_cache.h"
#include "tidewheel/rest/metrics.h"
#include "tidewheel/rest/profiles.h"
#include "tidewheel/rest/prometheus.h"
#include "tidewheel/rest/router.h"
#include "tidewheel/rest/triggers.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

struct RestToken {
  RestRole role = RestRole::kRead;
  std::string text;
};
// Lines "read TOKEN" and "write TOKEN"; empty ones and those that begin with # are passed over.
// Errors: kBadOptionValue, with the line.
Result<std::vector<RestToken>> parse_rest_tokens(std::string_view text);

struct RestSettings {
  int64_t refresh_interval_ms = 3000;
  int64_t metrics_interval_ms = 10'000;
  int64_t store_ms = 300'000;
  int64_t leader_timeout_ms = 30'000;
  std::string allow_origin = "*";
  bool submit = true;
  bool cancel = true;
  bool rescale = true;
  bool history = false;
  // Of a history server: where logs are, with <jobid> and <tmid> to be replaced.
  std::string master_log_url;
  std::string worker_log_url;
  bool flame_graphs = false;
  int32_t flame_samples = 100;
  int64_t flame_delay_ms = 50;
  int32_t flame_depth = 100;
  int64_t flame_refresh_ms = 60'000;
  bool profiling = false;
  int64_t profile_ms_max = 300'000;
  size_t profiles_kept = 10;     // of each process
  std::string upload_directory;  // is there
  std::string web_directory;     // empty: none
  std::string address;           // "http://host:port"
  std::vector<RestToken> tokens;
};
RestSettings rest_settings(const Config& config);

class Profiler;  // cluster/profiler.h

// Requests come on the HTTP server's thread, and are handled on the loop's.
class RestApi final : public HttpService {
 public:
  // All outlive it, and so does the HTTP server's end: no request comes any more when it goes.
  // Without a profiler no profiles are taken.
  RestApi(World& world, RestSettings settings, ClusterGateway& gateway, EventLoop& loop,
          Profiler* profiler = nullptr);
  ~RestApi() override;

  void set_address(std::string address) { settings_.address = std::move(address); }
  bool is_drained() const { return triggers_.owed_count() == 0; }
  const RestRouter& router() const { return router_; }
  // The loop's thread. All metrics of the cluster, handed over on it once they are there; of those
  // that do not answer there are none.
  void gather_metrics(std::function<void(const PrometheusText&)> done);

  Result<std::shared_ptr<HttpBodyTaker>> take_body(const HttpRequest& head) override;
  void serve(HttpRequest request, HttpAnswer answer) override;
  HttpResponse failure_response(int32_t status, const Status& why) override;

 private:
  using JobReportRef = ClusterGateway::JobReportRef;
  using MetricReportRef = ClusterGateway::MetricReportRef;
  using Handler = std::function<void(const RestCallRef&)>;
  template <class T>
  using Then = std::function<void(T)>;

  void get(std::string pattern, std::string summary, Handler handler,
           std::vector<std::string> query = {});
  // A request that changes something.
  void change(std::string method, std::string pattern, std::string summary, Handler handler,
              int32_t success = 200, std::vector<std::string> query = {});
  void add_cluster_routes();
  void add_process_routes(const std::string& prefix,
                          std::function<ProcessName(const RestCall&)> process);
  void add_profile_routes(const std::string& prefix,
                          const std::function<ProcessName(const RestCall&)>& process);
  void add_program_routes();
  void add_job_routes();
  void add_job_change_routes();
  void add_savepoint_routes();
  void add_vertex_routes();
  void add_checkpoint_routes();
  void add_metric_routes();

  void handle(const RestCallRef& call, int64_t give_up_ns);
  Status check_token(const HttpRequest& request, RestRole role) const;
  void redirect(const RestCallRef& call, const std::string& leader) const;
  void serve_file(const RestCallRef& call);

  // A callback for the gateway: `then` is run on the loop, with what was answered; a failure is
  // answered to the client.
  template <class T>
  std::function<void(Result<T>)> on_answer(RestCallRef call, Then<T> then) {
    return [poster = loop_.poster(), call = std::move(call),
            then = std::move(then)](Result<T> answer) {
      poster([call, then, answer = std::make_shared<Result<T>>(std::move(answer))] {
        if (answer->ok()) {
          then(std::move(*answer).value());
        } else {
          call->fail(answer->status());
        }
      });
    };
  }
  ClusterGateway::Done on_done(RestCallRef call, std::function<void()> then);

  void with_report(const RestCallRef& call, Then<JobReportRef> then);
  void with_vertex(const RestCallRef& call,
                   std::function<void(const pb::JobReport&, const pb::VertexReport&)> then);
  void with_checkpoints(const RestCallRef& call, Then<JobReportRef> then);
  void with_job_metrics(const RestCallRef& call, const std::string& job_id,
                        std::function<void(JobReportRef, MetricReportRef)> then);
  // All jobs, as they are now.
  void with_jobs(const RestCallRef& call, Then<std::vector<JobSummary>> then);
  void with_job_summary(const RestCallRef& call, Then<JobSummary> then);
  void fetch_report(const std::string& job_id, FetchCache<JobReportRef>::Done done);
  void fetch_metrics(const std::string& job_id, FetchCache<MetricReportRef>::Done done);
  // Of a process; of a TaskManager with what the jobs' workers there have. `then` is run on the
  // loop.
  void fetch_process(const ProcessName& process, Then<Result<MetricReportRef>> then);
  void add_workers(const std::string& task_manager, const MetricReportRef& own,
                   const Then<Result<MetricReportRef>>& then);

  void run_program(const RestCallRef& call);
  void upload_program(const RestCallRef& call);
  void show_execution_result(const RestCallRef& call);
  void cancel_job(const RestCallRef& call);
  void trigger_savepoint(const RestCallRef& call, bool stops);
  void start_savepoint(const RestCallRef& call, const RestTriggers::Key& key, SavepointOrder order);
  void trigger_checkpoint(const RestCallRef& call);
  void put_requirements(const RestCallRef& call);
  void take_profile(const RestCallRef& call, const ProcessName& process);
  void show_flame_graph(const RestCallRef& call, const pb::VertexReport& vertex);
  void aggregate_subtask_metrics(const RestCallRef& call);
  void aggregate_job_metrics(const RestCallRef& call);
  void aggregate_task_manager_metrics(const RestCallRef& call);
  // `refused`: why neither jobs nor TaskManagers can be told of.
  void gather(std::function<void(const Status& refused, const PrometheusText&)> done);
  // Calls `then` once each of `ids` has come to something.
  using Collected = std::function<void(std::vector<MetricTable>)>;
  static void collect(
      const std::vector<std::string>& ids,
      const std::function<void(const std::string&, std::function<void(MetricTable)>)>& fetch,
      Collected then);
  // The id of a body's triggerId, or a new one. Empty: answered as a mistake.
  std::string trigger_id_of(const RestCallRef& call, const JsonValue& body);

  struct FlameGraph {
    std::string json;
    int64_t made_ns = 0;
    bool is_sampling = false;
  };

  World& world_;
  RestSettings settings_;
  ClusterGateway& gateway_;
  EventLoop& loop_;
  Profiler* const profiler_;
  RestRouter router_;
  RestTriggers triggers_;
  FetchCache<JobReportRef> reports_;
  FetchCache<MetricReportRef> metrics_;
  std::map<std::string, FlameGraph> flame_graphs_;
  Profiles profiles_;
  Random random_;
};

}  // namespace tidewheel
