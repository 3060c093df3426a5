// Options of the REST server and of its clients. Where it listens is in cluster_options.h.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr DurationOption kWebRefreshInterval{
    {"web.refresh-interval", OptionKind::kDuration, "3 s",
     "How old what REST shows of a job may be, and how often the web UI asks.", 0}};
inline constexpr TextOption kWebAllowOrigin{
    {"web.access-control-allow-origin", OptionKind::kText, "*",
     "The header Access-Control-Allow-Origin of all answers."}};
inline constexpr BoolOption kWebSubmit{
    {"web.submit.enable", OptionKind::kBool, "true",
     "Programs can be uploaded and run by REST; false: there are no such paths."}};
inline constexpr BoolOption kWebCancel{
    {"web.cancel.enable", OptionKind::kBool, "true", "Jobs can be cancelled from the web UI."}};
inline constexpr BoolOption kWebRescale{
    {"web.rescale.enable", OptionKind::kBool, "true", "Jobs can be rescaled from the web UI."}};
inline constexpr TextOption kWebUploadDirectory{
    {"web.upload.dir", OptionKind::kText, "",
     "Folder for files while they are uploaded, in one of the process's own below it; empty: "
     "io.tmp.dirs."}};
inline constexpr TextOption kWebDirectory{
    {"web.static.dir", OptionKind::kText, "",
     "Folder of a web UI's files, which are served beside REST; empty: none are."}};
inline constexpr MemoryOption kRestContentLengthMax{
    {"rest.server.max-content-length", OptionKind::kMemory, "100 mb",
     "Largest body that the REST server takes.", 1}};
inline constexpr DurationOption kRestIdleTimeout{
    {"rest.idleness-timeout", OptionKind::kDuration, "5 min",
     "A connection without a request for this long is closed.", 1}};
inline constexpr IntOption kRestConnectionsMax{
    {"rest.server.max-connections", OptionKind::kInt, "20000",
     "Connections at one time; a further one takes the place of the one that idles longest.", 1,
     1000000}};
inline constexpr DurationOption kWebTimeout{
    {"web.timeout", OptionKind::kDuration, "10 min",
     "A request that the cluster has not answered for this long is given up.", 1}};
inline constexpr DurationOption kRestStoreDuration{
    {"rest.async.store-duration", OptionKind::kDuration, "5 min",
     "How long the outcome of an asynchronous operation can be asked for.", 1}};
inline constexpr DurationOption kLeaderTimeout{{"rest.await-leader-timeout", OptionKind::kDuration,
                                                "30 s", "How long a request waits for a leader.",
                                                0}};
inline constexpr DurationOption kMetricsUpdateInterval{
    {"metrics.fetcher.update-interval", OptionKind::kDuration, "10 s",
     "How old metrics of REST may be; 0: they are fetched for each request.", 0}};
inline constexpr BoolOption kFlameGraphs{
    {"rest.flamegraph.enabled", OptionKind::kBool, "false",
     "Stacks of tasks can be sampled by REST, which takes a little of their time."}};
inline constexpr IntOption kFlameGraphSamples{{"rest.flamegraph.num-samples", OptionKind::kInt,
                                               "100", "Samples of a flame graph.", 1, 10000}};
inline constexpr DurationOption kFlameGraphDelay{{"rest.flamegraph.delay-between-samples",
                                                  OptionKind::kDuration, "50 ms",
                                                  "Time between two samples.", 1, 60000}};
inline constexpr IntOption kFlameGraphDepth{{"rest.flamegraph.stack-depth", OptionKind::kInt, "100",
                                             "Frames of a sample at most.", 1, 1000}};
inline constexpr DurationOption kFlameGraphRefresh{
    {"rest.flamegraph.refresh-interval", OptionKind::kDuration, "1 min",
     "How long a flame graph is shown before a new one is made.", 0}};
inline constexpr BoolOption kProfiling{
    {"rest.profiling.enabled", OptionKind::kBool, "false",
     "Profiles of processes can be taken by REST: stacks of all their threads, sampled for a "
     "while."}};
inline constexpr DurationOption kProfileDurationMax{{"rest.profiling.duration-max",
                                                     OptionKind::kDuration, "5 min",
                                                     "How long a profile may take.", 1000}};
inline constexpr IntOption kProfileHistory{
    {"rest.profiling.history-size", OptionKind::kInt, "10",
     "Profiles of a process that are kept, in the JobManager's memory.", 1, 1000}};
inline constexpr TextOption kRestTokenFile{
    {"security.rest.token-file", OptionKind::kText, "",
     "File with the tokens that REST asks for (Authorization: Bearer TOKEN): a line each, `read "
     "TOKEN` or `write TOKEN`. Empty: nobody is asked. Clients send the first one of theirs."}};
inline constexpr IntOption kRestRetries{{"rest.retry.max-attempts", OptionKind::kInt, "20",
                                         "How often a client asks again when the cluster can't "
                                         "answer now.",
                                         0, 100000}};
inline constexpr DurationOption kRestRetryDelay{
    {"rest.retry.delay", OptionKind::kDuration, "3 s", "Time before a client asks again.", 1}};
inline constexpr DurationOption kRestConnectTimeout{
    {"rest.connection-timeout", OptionKind::kDuration, "15 s",
     "How long a client waits for a connection.", 1}};
inline constexpr DurationOption kClientHeartbeatInterval{
    {"client.heartbeat.interval", OptionKind::kDuration, "30 s",
     "How often a client that waits for its job says that it is there.", 1}};
inline constexpr DurationOption kClientHeartbeatTimeout{
    {"client.heartbeat.timeout", OptionKind::kDuration, "3 min",
     "A job whose client waits for it is cancelled when the client is silent for this long.", 1}};

}  // namespace tidewheel::options
