// Options of a cluster's processes: JobManager, TaskManager, their children, and the clients that
// talk to them. Keys, and what they mean, are Flink's where it has one.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

// ---- Addresses

inline constexpr TextOption kJobManagerAddress{
    {"jobmanager.rpc.address", OptionKind::kText, "localhost",
     "Host by which others reach the JobManager; with high availability the leader says "
     "which it is."}};
inline constexpr IntOption kJobManagerPort{
    {"jobmanager.rpc.port", OptionKind::kInt, "6123",
     "Port of the JobManager for the cluster's own messages; 0: any free one.", 0, 65535}};
inline constexpr TextOption kJobManagerBindHost{
    {"jobmanager.bind-host", OptionKind::kText, "localhost",
     "Address that the JobManager listens at; 0.0.0.0: all of the machine's."}};
inline constexpr TextOption kTaskManagerHost{
    {"taskmanager.host", OptionKind::kText, "localhost",
     "Host by which others reach the TaskManager and its workers."}};
inline constexpr TextOption kTaskManagerBindHost{
    {"taskmanager.bind-host", OptionKind::kText, "localhost",
     "Address that the TaskManager and its workers listen at; 0.0.0.0: all of the machine's."}};
inline constexpr TextOption kTaskManagerPort{
    {"taskmanager.rpc.port", OptionKind::kText, "0",
     "Port of the TaskManager for the cluster's own messages: one, a range such as 50100-50200, or "
     "several of them, separated by commas, of which the first free one is taken; 0: any."}};
inline constexpr TextOption kTaskManagerDataPort{
    {"taskmanager.data.port", OptionKind::kText, "0",
     "Ports of workers, as taskmanager.rpc.port; each worker needs one."}};
inline constexpr TextOption kTaskManagerId{
    {"taskmanager.resource-id", OptionKind::kText, "",
     "Name of the TaskManager in the cluster; empty: its host and port, and letters by chance."}};
inline constexpr BoolOption kAllowOpenBind{
    {"security.allow-unauthenticated-bind", OptionKind::kBool, "false",
     "Listen at addresses that other machines reach although nobody has to prove who they are."}};

// ---- Who is there, and for how long it is waited

inline constexpr DurationOption kHeartbeatInterval{
    {"heartbeat.interval", OptionKind::kDuration, "10 s",
     "How often the processes of a cluster tell each other that they are there.", 1}};
inline constexpr DurationOption kHeartbeatTimeout{
    {"heartbeat.timeout", OptionKind::kDuration, "50 s",
     "A process that has not been heard of for this long is taken for lost.", 1}};
inline constexpr DurationOption kAskTimeout{
    {"pekko.ask.timeout", OptionKind::kDuration, "10 s",
     "How long a process of the cluster waits for another one's answer.", 1, INT64_MAX,
     "akka.ask.timeout"}};
inline constexpr DurationOption kRegistrationTimeout{
    {"taskmanager.registration.timeout", OptionKind::kDuration, "5 min",
     "A TaskManager that finds no JobManager for this long ends.", 1}};
inline constexpr DurationOption kSlotRequestTimeout{
    {"slot.request.timeout", OptionKind::kDuration, "5 min",
     "A job that does not get its slots for this long fails.", 1}};
inline constexpr BoolOption kSpreadOutSlots{
    {"cluster.evenly-spread-out-slots", OptionKind::kBool, "false",
     "Take slots from all TaskManagers evenly, rather than fill one before the next."}};

// ---- Jobs and programs

inline constexpr IntOption kJobStoreCapacity{{"jobstore.max-capacity", OptionKind::kInt, "1000",
                                              "Ended jobs that are remembered.", 0, INT32_MAX}};
inline constexpr DurationOption kJobStoreExpiration{{"jobstore.expiration-time",
                                                     OptionKind::kDuration, "1 h",
                                                     "How long an ended job is remembered.", 1}};
inline constexpr BoolOption kShutdownOnFinish{
    {"execution.shutdown-on-application-finish", OptionKind::kBool, "true",
     "In application mode: the cluster ends with its application."}};
inline constexpr TextOption kTemporaryDirectories{
    {"io.tmp.dirs", OptionKind::kText, "/tmp",
     "Folder for programs and working files of the cluster's processes; what is left there by a "
     "crash is removed by the next start of the same process."}};
inline constexpr TextOption kLogDirectory{
    {"env.log.dir", OptionKind::kText, "",
     "Folder for log and output files of all processes; empty: those of job masters and workers go "
     "to the process's folder in io.tmp.dirs, and the managers' to standard error."}};

// ---- Scheduling

inline constexpr TextOption kScheduler{
    {"jobmanager.scheduler", OptionKind::kText, "Default",
     "Default: a job waits until it has all the slots that its parallelism needs. Adaptive: it "
     "runs "
     "with those that there are, and at a higher parallelism when more come."}};
inline constexpr TextOption kSchedulerMode{
    {"scheduler-mode", OptionKind::kText, "",
     "REACTIVE: the adaptive scheduler, and each vertex takes as many slots as there are, up to "
     "its "
     "max parallelism."}};
inline constexpr DurationOption kSubmissionStabilization{
    {"jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout",
     OptionKind::kDuration, "10 s",
     "A job under the adaptive scheduler starts with what there is when no more slots have come "
     "for "
     "this long.",
     0, INT64_MAX, "jobmanager.adaptive-scheduler.resource-stabilization-timeout"}};
inline constexpr DurationOption kExecutingStabilization{
    {"jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout",
     OptionKind::kDuration, "60 s",
     "A running job takes slots that have come when no more have for this long; at once when it "
     "has "
     "all that it can use.",
     0}};

inline constexpr BoolOption kPinWorkers{
    {"taskmanager.worker.cpu-pinning", OptionKind::kBool, "false",
     "Bind each worker to as many cores as it has slots, which no other worker of the TaskManager "
     "has; one that comes when too few are left runs on all."}};

// ---- High availability

inline constexpr TextOption kHighAvailability{
    {"high-availability.type", OptionKind::kText, "NONE",
     "NONE: what a JobManager knew goes with it. filesystem: several on one machine, or on a file "
     "system with locks. zookeeper.",
     INT64_MIN, INT64_MAX, "high-availability"}};
inline constexpr TextOption kHighAvailabilityDirectory{
    {"high-availability.storageDir", OptionKind::kText, "",
     "Folder for programs and jobs, which all JobManagers reach."}};
inline constexpr TextOption kClusterId{
    {"high-availability.cluster-id", OptionKind::kText, "/default",
     "Tells clusters apart that share the folder or ZooKeeper."}};
inline constexpr TextOption kHighAvailabilityPort{
    {"high-availability.jobmanager.port", OptionKind::kText, "0",
     "With high availability, instead of jobmanager.rpc.port: a port, a range such as 50000-50025, "
     "or several, separated by commas; 0: any."}};
inline constexpr TextOption kZooKeeperQuorum{
    {"high-availability.zookeeper.quorum", OptionKind::kText, "",
     "Servers of ZooKeeper: host:port, separated by commas."}};
inline constexpr TextOption kZooKeeperRoot{{"high-availability.zookeeper.path.root",
                                            OptionKind::kText, "/tidewheel",
                                            "Node of ZooKeeper under which all clusters are."}};
inline constexpr DurationOption kZooKeeperSession{
    {"high-availability.zookeeper.client.session-timeout", OptionKind::kDuration, "60 s",
     "A leader that ZooKeeper has not heard of for this long is replaced; it steps down before.",
     1000, 3'600'000}};

inline constexpr TextOption kZooKeeperAcl{
    {"high-availability.zookeeper.client.acl", OptionKind::kText, "open",
     "open: whoever reaches ZooKeeper may change the cluster's nodes; creator: only who has proved "
     "to be the same, by high-availability.zookeeper.client.authorization or "
     "zookeeper.sasl.username."}};
inline constexpr TextOption kZooKeeperAuthorization{
    {"high-availability.zookeeper.client.authorization", OptionKind::kText, "",
     "What this process proves to ZooKeeper: a scheme and its text, such as "
     "digest:user:password."}};
inline constexpr TextOption kZooKeeperSaslUser{
    {"zookeeper.sasl.username", OptionKind::kText, "",
     "User as whom this process logs in to ZooKeeper, by SASL DIGEST-MD5; empty: it does not."}};
inline constexpr TextOption kZooKeeperSaslPassword{
    {"zookeeper.sasl.password", OptionKind::kText, "", "The user's password."}};
inline constexpr BoolOption kZooKeeperSaslDisable{
    {"zookeeper.sasl.disable", OptionKind::kBool, "false",
     "Do not log in to ZooKeeper, whatever zookeeper.sasl.username says."}};
inline constexpr MemoryOption kZooKeeperFrameBytes{
    {"jute.maxbuffer", OptionKind::kMemory, "1 mb",
     "The longest answer that is taken from ZooKeeper, and the longest request that is sent; where "
     "its servers have the property of this name, the same.",
     1024, int64_t{1} << 30}};

// ---- REST

inline constexpr TextOption kRestAddress{
    {"rest.address", OptionKind::kText, "localhost",
     "Host at which clients find the JobManager's REST server."}};
inline constexpr IntOption kRestPort{
    {"rest.port", OptionKind::kInt, "8081",
     "Port at which clients find it, and that it listens at unless rest.bind-port is set.", 0,
     65535}};
inline constexpr TextOption kRestBindAddress{
    {"rest.bind-address", OptionKind::kText, "localhost",
     "Address that the REST server listens at; 0.0.0.0: all of the machine's."}};
inline constexpr TextOption kRestBindPort{
    {"rest.bind-port", OptionKind::kText, "",
     "Port that it listens at: one, a range such as 50100-50200, or several, separated by commas; "
     "0: any; empty: rest.port."}};

}  // namespace tidewheel::options
