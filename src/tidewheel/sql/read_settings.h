// The settings of a session as those who plan and build want them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/base/world.h"
#include "tidewheel/sql/build.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/sink_plan.h"
#include "tidewheel/sql/skew.h"

namespace tidewheel::sql {

// All values were checked when they were set.
struct ReadSettings {
  const Session& session;
  bool flag(const char* key) const { return *parse_bool(session.setting(key)); }
  std::string word(const char* key) const { return in_capitals(session.setting(key)); }
  int64_t ms(const char* key) const { return *parse_duration_ms(session.setting(key)); }

  EvalOptions eval(World& world, bool is_bounded) const {
    EvalOptions options;
    options.zone = *TimeZone::find(session.setting("table.local-time-zone"));
    options.clock = &world.clock();
    if (is_bounded) { options.query_start_ms = world.clock().wall_ms(); }
    options.random_seed = world.fork_random().next();
    options.database = session.catalog().current_database();
    return options;
  }
  UpsertMaterialize upsert_materialize() const {
    const std::string mode = word("table.exec.sink.upsert-materialize");
    return mode == "FORCE"  ? UpsertMaterialize::kForce
           : mode == "NONE" ? UpsertMaterialize::kNone
                            : UpsertMaterialize::kAuto;
  }
  EpochOptions epochs() const {
    EpochOptions options;
    if (word("consistency") != "EPOCH") { return options; }
    options.interval_ms = ms("table.exec.epoch.interval");
    options.buffer_bytes = *parse_memory_bytes(session.setting("table.exec.epoch.buffer-size"));
    return options;
  }
  // Errors: kSqlOption when mini-batches are wanted, and it is not said when one is full.
  Status check_mini_batch() const {
    if (!flag("table.exec.mini-batch.enabled")) { return ok_status(); }
    constexpr const char* kNeeds =
        "'table.exec.mini-batch.enabled' = 'true' needs '{}' above 0, which says {}";
    if (ms("table.exec.mini-batch.allow-latency") <= 0) {
      return invalid_argument(ErrorId::kSqlOption, kNeeds, "table.exec.mini-batch.allow-latency",
                              "how long rows may wait");
    }
    if (*parse_int(session.setting("table.exec.mini-batch.size")) <= 0) {
      return invalid_argument(ErrorId::kSqlOption, kNeeds, "table.exec.mini-batch.size",
                              "how many rows are kept at most");
    }
    return ok_status();
  }
  BundleOptions bundles() const {
    if (!flag("table.exec.mini-batch.enabled")) { return {}; }
    return {*parse_int(session.setting("table.exec.mini-batch.size")),
            ms("table.exec.mini-batch.allow-latency")};
  }
  AggregatePhases phases() const {
    const std::string strategy = word("table.optimizer.agg-phase-strategy");
    return strategy == "TWO_PHASE"   ? AggregatePhases::kTwo
           : strategy == "ONE_PHASE" ? AggregatePhases::kOne
                                     : AggregatePhases::kAuto;
  }
  SkewOptions skew() const {
    SkewOptions options;
    options.two_phase = phases() == AggregatePhases::kTwo;
    options.splits_distinct = flag("table.optimizer.distinct-agg.split.enabled");
    options.buckets = std::min<int64_t>(
        INT32_MAX, *parse_int(session.setting("table.optimizer.distinct-agg.split.bucket-num")));
    return options;
  }
  BuildOptions build(World& world, bool is_bounded) const {
    BuildOptions options;
    options.eval = eval(world, is_bounded);
    options.watermark_interval_ms = ms("pipeline.auto-watermark-interval");
    options.watermark_per_record = options.watermark_interval_ms == 0;
    options.state_ttl_ms = ms("table.exec.state.ttl");
    options.bundles = bundles();
    options.mini_batch = options.bundles.rows_max > 0 || flag("table.exec.fold-batches.enabled");
    options.drops_null_rows = word("table.exec.sink.not-null-enforcer") == "DROP";
    const std::string shuffle = word("table.exec.sink.keyed-shuffle");
    options.keyed_shuffle = shuffle == "FORCE"  ? KeyedShuffle::kForce
                            : shuffle == "NONE" ? KeyedShuffle::kNone
                                                : KeyedShuffle::kAuto;
    options.epochs = epochs();
    options.window_phases = phases();
    options.lookup_capacity =
        *parse_int(session.setting("table.exec.async-lookup.buffer-capacity"));
    options.lookup_timeout_ms = ms("table.exec.async-lookup.timeout");
    AsyncCallOptions& async = options.async_calls;
    async.capacity = *parse_int(session.setting("table.exec.async-scalar.buffer-capacity"));
    async.timeout_ms = ms("table.exec.async-scalar.timeout");
    async.retry_delay_ms = ms("table.exec.async-scalar.retry-delay");
    const bool retries = word("table.exec.async-scalar.retry-strategy") != "NO_RETRY";
    constexpr int64_t kAttemptsMax = 1'000'000;
    async.attempts_max = static_cast<int32_t>(std::min(
        kAttemptsMax,
        retries ? *parse_int(session.setting("table.exec.async-scalar.max-attempts")) : 1));
    options.lookup_is_ordered = word("table.exec.async-lookup.output-mode") == "ORDERED";
    return options;
  }
};

}  // namespace tidewheel::sql
