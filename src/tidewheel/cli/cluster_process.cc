#include "tidewheel/cli/cluster_process.h"

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config_directory.h"
#include "tidewheel/base/history_options.h"
#include "tidewheel/base/log_output.h"
#include "tidewheel/base/memory_sizes.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/port_list.h"
#include "tidewheel/base/process.h"
#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/security_options.h"
#include "tidewheel/base/signals.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/base/version.h"
#include "tidewheel/cli/usage.h"
#include "tidewheel/cluster/prometheus_endpoint.h"
#include "tidewheel/jobmanager/history_gateway.h"
#include "tidewheel/rest/server.h"
#include "tidewheel/taskmanager/task_manager.h"
#include "tidewheel/zookeeper/zookeeper_high_availability.h"

namespace tidewheel {
namespace {

constexpr int kProcessesMax = 1000;

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string text_of(const Config& config, const TextOption& option) {
  std::string text = config.get(option);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') { c = static_cast<char>(c - 'A' + 'a'); }
  }
  return text;
}

bool has_high_availability(const Config& config) {
  return text_of(config, options::kHighAvailability) != "none";
}

Result<std::vector<uint16_t>> job_manager_ports(const Config& config) {
  if (has_high_availability(config)) {
    return parse_port_list(config.get(options::kHighAvailabilityPort),
                           options::kHighAvailabilityPort.key);
  }
  return std::vector<uint16_t>{static_cast<uint16_t>(config.get(options::kJobManagerPort))};
}

// Of what may have failed for another reason.
Status with_port(const Status& failure, std::string_view key, const std::string& value,
                 const std::string& advice) {
  return failure.id() != ErrorId::kNetworkAddress ? failure
                                                  : no_free_port(failure, key, value, advice);
}

Status job_manager_port_taken(const Status& failure, const Config& config) {
  if (has_high_availability(config)) {
    const std::string_view key = options::kHighAvailabilityPort.key;
    return with_port(failure, key, config.get(options::kHighAvailabilityPort), range_advice(key));
  }
  return with_port(failure, options::kJobManagerPort.key,
                   std::to_string(config.get(options::kJobManagerPort)),
                   fmt::format("give it another one, here and to the TaskManagers, or 0 for any "
                               "free one; with high availability {} takes a range",
                               options::kHighAvailabilityPort.key));
}

std::vector<std::string> history_directories(const Config& config) {
  std::string text = config.get(options::kHistoryDirectories);
  if (text.empty()) { text = config.get(options::kArchiveDirectory); }
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (end > at) { out.push_back(text.substr(at, end - at)); }
    at = end + 1;
  }
  return out;
}

// The REST server's, where a history server's differs.
Config history_web_config(const Config& config) {
  Config web = config;
  web.set(options::kRestAddress, config.get(options::kHistoryAddress));
  web.set(options::kRestBindAddress, config.get(options::kHistoryAddress));
  web.set(options::kRestPort, config.get(options::kHistoryPort));
  web.set(options::kRestBindPort, "");
  web.set(options::kWebRefreshInterval, config.get(options::kHistoryWebRefresh));
  for (const BoolOption* const change :
       {&options::kWebSubmit, &options::kWebCancel, &options::kWebRescale}) {
    web.set(*change, false);
  }
  return web;
}

}  // namespace

Result<std::string> config_directory(World& world, const std::string& given) {
  if (!given.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_there, world.files().exists(given));
    if (is_there) { return given; }
    return invalid_argument(ErrorId::kUsage,
                            "--configDir names a folder that is not there: {}; it has config.yaml, "
                            "or flink-conf.yaml",
                            given);
  }
  const auto named = world.environment("TIDEWHEEL_CONF_DIR");
  if (named.has_value()) { return *named; }
  const std::string program = make_process_launcher()->own_program();
  return join_path(parent_path(parent_path(program)), "conf");
}

Result<ManagerGround> prepare_manager(const ManagerCommand& command, const char* role) {
  ManagerGround ground;
  ground.world = make_real_world({.blocking_threads_max = 4});
  World& world = *ground.world;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string directory,
                             config_directory(world, command.config_directory));
  TIDEWHEEL_ASSIGN_OR_RETURN(DirectoryConfig read, read_config_directory(world.files(), directory));
  ground.config = std::move(read.config);
  TIDEWHEEL_RETURN_IF_ERROR(apply_settings(command.settings, ground.config));
  TIDEWHEEL_RETURN_IF_ERROR(set_log_output(world, ground.config, {.role = role}));
  const Logger log = world.logger().named(role);
  for (const std::string& warning : read.warnings) { log.warning("{}", warning); }
  log.info("Tidewheel {}, with {}", kVersion,
           read.path.empty() ? "no configuration file" : read.path);
  return ground;
}

Result<WorkingDirectory> claim_working_directory(FileSystem& files, const Config& config,
                                                 const std::string& role) {
  std::string root = config.get(options::kTemporaryDirectories);
  root = root.substr(0, root.find_first_of(",:"));
  TIDEWHEEL_RETURN_IF_ERROR(files.make_directories(root));
  for (int i = 0; i < kProcessesMax; ++i) {
    WorkingDirectory out;
    out.path = join_path(root, fmt::format("tidewheel-{}-{}", role, i));
    auto lock = files.lock(out.path + ".lock", role);
    if (lock.ok()) {
      out.lock = std::move(*lock);
      return out;
    }
    if (lock.status().id() != ErrorId::kFileLocked && lock.status().id() != ErrorId::kFileAccess) {
      return lock.status();
    }
  }
  return unavailable(ErrorId::kFileLocked, "{} has folders of {} processes, all of them held", root,
                     kProcessesMax);
}

ProcessLogs manager_logs() {
  ProcessLogs logs;
  const std::string log = file_of_stream(2);
  if (log.empty()) { return logs; }
  logs.directory = parent_path(log);
  logs.log = file_name(log);
  // Older ones, and the other stream's, have names that begin in the same way.
  logs.prefix = logs.log.substr(0, logs.log.rfind('.'));
  const std::string output = file_of_stream(1);
  if (parent_path(output) == logs.directory) { logs.output = file_name(output); }
  return logs;
}

std::string log_directory(const Config& config, const std::string& working_directory) {
  const std::string own = config.get(options::kLogDirectory);
  return own.empty() ? join_path(working_directory, "log") : own;
}

Result<std::unique_ptr<HighAvailability>> open_high_availability(World& world,
                                                                 const Config& config) {
  const std::string type = text_of(config, options::kHighAvailability);
  if (type == "none") {
    return make_no_high_availability(
        world, NetworkAddress{config.get(options::kJobManagerAddress),
                              static_cast<uint16_t>(config.get(options::kJobManagerPort))}
                   .to_string());
  }
  if (type == "filesystem") {
    FileElectionOptions election;
    TIDEWHEEL_ASSIGN_OR_RETURN(election.directory, high_availability_directory(config));
    return make_file_high_availability(world, election);
  }
  if (type == "zookeeper") {
    TIDEWHEEL_ASSIGN_OR_RETURN(const ZooKeeperOptions found, zookeeper_options(world, config));
    return make_zookeeper_high_availability(world, found);
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} can't be '{}', only NONE, filesystem or zookeeper",
                          options::kHighAvailability.key, config.get(options::kHighAvailability));
}

Status check_bind_host(const Config& config, const TextOption& option) {
  const std::string host = config.get(option);
  if (is_loopback(host) || config.get(options::kInternalTls) ||
      config.get(options::kAllowOpenBind)) {
    return ok_status();
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} is '{}', which other machines reach, and nobody there would have to "
                          "prove who they are; set up {}, or set {} to true if the network is "
                          "trusted",
                          option.key, host, options::kInternalTls.key, options::kAllowOpenBind.key);
}

Result<int> run_job_manager(const ManagerCommand& command) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ManagerGround ground, prepare_manager(command, "jobmanager"));
  World& world = *ground.world;
  const Config& config = ground.config;
  ProcessExit exit(world);
  TIDEWHEEL_RETURN_IF_ERROR(check_bind_host(config, options::kJobManagerBindHost));
  TIDEWHEEL_ASSIGN_OR_RETURN(const WorkingDirectory working,
                             claim_working_directory(world.files(), config, "jobmanager"));
  const std::unique_ptr<ProcessLauncher> launcher = make_process_launcher();
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto internal,
                             make_internal_tls(world.network(), world.files(), config));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto availability, open_high_availability(world, config));
  JobManagerOptions options;
  options.config = config;
  options.bind_host = config.get(options::kJobManagerBindHost);
  TIDEWHEEL_ASSIGN_OR_RETURN(options.ports, job_manager_ports(config));
  options.host = config.get(options::kJobManagerAddress);
  TIDEWHEEL_ASSIGN_OR_RETURN(options.master_memory_bytes, master_memory_bytes(config));
  options.working_directory = working.path;
  options.log_directory = log_directory(config, working.path);
  options.logs = manager_logs();
  options.high_availability = availability.get();
  options.launcher = launcher.get();
  options.network = internal.get();
  options.on_end = [&exit](int status) { exit.ask(status); };
  options.application = command.application;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto handler,
                             SignalHandler::install([&exit](int) { exit.ask(0); }));
  Result<std::unique_ptr<JobManager>> opened = JobManager::open(world, std::move(options));
  if (!opened.ok()) { return job_manager_port_taken(opened.status(), config); }
  std::unique_ptr<JobManager> job_manager = std::move(*opened);
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto rest_tls,
                             make_rest_server_tls(world.network(), world.files(), config));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto rest, RestServer::open(world, config, *job_manager,
                                                         {.network = rest_tls.get(),
                                                          .is_secure = rest_tls != nullptr,
                                                          .profiler = job_manager.get()}));
  job_manager->start(rest->address());
  world.logger()
      .named("jobmanager")
      .info(
          "is ready: {} for the cluster, {} for clients",
          NetworkAddress{config.get(options::kJobManagerAddress), job_manager->port()}.to_string(),
          rest->address());
  const int status = exit.wait();
  rest.reset();
  job_manager.reset();
  return status;
}

Result<int> run_history_server(const ManagerCommand& command) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ManagerGround ground, prepare_manager(command, "historyserver"));
  World& world = *ground.world;
  const Config& config = ground.config;
  ProcessExit exit(world);
  HistoryOptions history;
  history.directories = history_directories(config);
  if (history.directories.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is not set: where are the archives of jobs? The JobManager writes "
                            "them to {}",
                            options::kHistoryDirectories.key, options::kArchiveDirectory.key);
  }
  history.refresh_ms = config.get(options::kHistoryRefresh);
  history.retained_max = config.get(options::kHistoryRetained);
  history.configuration.assign(config.values().begin(), config.values().end());
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto handler,
                             SignalHandler::install([&exit](int) { exit.ask(0); }));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto tls,
                             make_rest_server_tls(world.network(), world.files(), config));
  const std::unique_ptr<ClusterGateway> gateway = make_history_gateway(world, std::move(history));
  TIDEWHEEL_ASSIGN_OR_RETURN(
      auto rest,
      RestServer::open(world, history_web_config(config), *gateway,
                       {.network = tls.get(), .is_secure = tls != nullptr, .is_history = true}));
  world.logger().named("historyserver").info("is ready: {}", rest->address());
  const int status = exit.wait();
  rest.reset();
  return status;
}

Result<int> run_task_manager(const ManagerCommand& command) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const ManagerGround ground, prepare_manager(command, "taskmanager"));
  World& world = *ground.world;
  const Config& config = ground.config;
  ProcessExit exit(world);
  TIDEWHEEL_RETURN_IF_ERROR(check_bind_host(config, options::kTaskManagerBindHost));
  TIDEWHEEL_ASSIGN_OR_RETURN(const WorkingDirectory working,
                             claim_working_directory(world.files(), config, "taskmanager"));
  const std::unique_ptr<ProcessLauncher> launcher = make_process_launcher();
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto internal,
                             make_internal_tls(world.network(), world.files(), config));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto availability, open_high_availability(world, config));
  TaskManagerOptions options;
  options.config = config;
  options.id = config.get(options::kTaskManagerId);
  options.bind_host = config.get(options::kTaskManagerBindHost);
  TIDEWHEEL_ASSIGN_OR_RETURN(options.ports, parse_port_list(config.get(options::kTaskManagerPort),
                                                            options::kTaskManagerPort.key));
  TIDEWHEEL_ASSIGN_OR_RETURN(options.data_ports,
                             parse_port_list(config.get(options::kTaskManagerDataPort),
                                             options::kTaskManagerDataPort.key));
  options.host = config.get(options::kTaskManagerHost);
  options.slots = std::max(1, static_cast<int32_t>(config.get(options::kTaskSlots)));
  TIDEWHEEL_ASSIGN_OR_RETURN(options.memory,
                             plan_memory(config, options.slots, world.memory_bytes()));
  const int32_t slots = options.slots;
  const std::string memory = options.memory.describe();
  options.working_directory = working.path;
  options.log_directory = log_directory(config, working.path);
  options.logs = manager_logs();
  options.high_availability = availability.get();
  options.launcher = launcher.get();
  options.network = internal.get();
  options.on_end = [&exit](int status) { exit.ask(status); };
  const Logger log = world.logger().named("taskmanager");
  const std::string unlimited = launcher->why_no_memory_limits();
  if (!unlimited.empty()) {
    log.warning("workers account for their memory, but nothing stops one that does not: {}",
                unlimited);
  }
  std::atomic<bool> is_stopped{false};
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto handler, SignalHandler::install([&](int) {
                               is_stopped.store(true);
                               exit.ask(0);
                             }));
  Result<std::unique_ptr<TaskManager>> started = TaskManager::start(world, std::move(options));
  if (!started.ok()) {
    return with_port(started.status(), options::kTaskManagerPort.key,
                     config.get(options::kTaskManagerPort),
                     range_advice(options::kTaskManagerPort.key));
  }
  std::unique_ptr<TaskManager> task_manager = std::move(*started);
  set_log_process_id(task_manager->id());
  const auto endpoints = PrometheusEndpoint::open_all(
      world, config,
      {.scope = "taskmanager",
       .labels = {{"host", config.get(options::kTaskManagerHost)}, {"tm_id", task_manager->id()}}},
      {});
  log.info("is ready: {}, with {} slots of {}", task_manager->id(), slots, memory);
  const int status = exit.wait();
  if (is_stopped.load()) { task_manager->leave("was stopped"); }
  task_manager.reset();
  return status;
}

}  // namespace tidewheel
