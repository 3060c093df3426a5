#include "tidewheel/checkpoint/inspect.h"

#include <gtest/gtest.h>

#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/testing/store_world.h"

namespace tidewheel {
namespace {

struct Split {
  std::string path;
  int64_t offset = 0;
};

// A checkpoint of a source with two splits, and of a counter that has written changes.
std::string write_snapshot(testing::StoreWorld& world) {
  CheckpointStoreOptions options;
  options.directory = "/d";
  options.job_id = "0123456789abcdef0123456789abcdef";
  options.incremental = true;
  auto store = CheckpointStore::open(world, options).value();
  std::string path;
  for (int64_t id = 1; id <= 2; ++id) {
    EXPECT_TRUE(store->prepare(id).ok());
    CheckpointPlan plan;
    plan.id = id;
    plan.base_checkpoint = id - 1;
    plan.directory = store->directory_of(id);
    const auto writer = store->write(plan, 0, 0);
    writer->grant(1000, nullptr);
    SnapshotWriter& source = writer->writer({"source-uid", 0, 1, 16});
    source.begin_state({"splits", StateKind::kSplitList, "list", {}, {}, encoded_schema<Split>()});
    for (const Split& split : {Split{"a.csv", 120 * id}, Split{"b.csv", 7}}) {
      Writer bytes;
      encode(bytes, split);
      source.add({0, {}, {}, bytes.view()});
    }
    SnapshotWriter& counter = writer->writer({"counter", 0, 1, 16});
    const StateMeta meta{"n", StateKind::kKeyed,        "value", encoded_schema<std::string>(),
                         {},  encoded_schema<int64_t>()};
    if (id == 1) {
      counter.begin_state(meta);
    } else {
      counter.begin_changes(meta);
      counter.erase(3, "old", {});
    }
    for (int32_t group = 3; group < 9; ++group) { counter.add({group, "key", {}, "12345678"}); }
    Manifest manifest;
    manifest.checkpoint = id;
    manifest.job_id = options.job_id;
    manifest.job_name = "a \"job\"";
    manifest.trigger_wall_ms = 1'000;
    manifest.complete_wall_ms = 1'250;
    writer->finish([&](auto result) {
      for (auto& segments : result.value()) {
        ManifestOperator& op = manifest.operators.emplace_back();
        op.uid = manifest.operators.size() == 1 ? "source-uid" : "counter";
        op.name = "the " + op.uid;
        op.max_parallelism = 16;
        OperatorSnapshot& subtask = op.subtasks.emplace_back();
        subtask.uid = op.uid;
        subtask.max_parallelism = 16;
        subtask.segments = std::move(segments);
        subtask.accumulators["rows"] = 42;
      }
    });
    path = store->complete(plan, std::move(manifest)).value().path;
  }
  return path;
}

TEST(Inspect, says_what_is_in_a_snapshot) {
  testing::StoreWorld world(1);
  const std::string path = write_snapshot(world);
  const auto text = inspect_snapshot(world, {path, false, true});
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  for (const char* part : {"checkpoint 2 of job `a \"job\"`", "250 ms",
                           "operator the counter (uid counter), 1 of at "
                           "most 16",
                           "n     keyed value    3-8      12      1      2 173 B  "
                           "273 B string -> int64",
                           "every block was read", "position {path: \"a.csv\", offset: 240}",
                           "position {path: \"b.csv\", offset: 7}", "accumulator rows: 42"}) {
    EXPECT_NE(text->find(part), std::string::npos) << part << "\nin\n" << *text;
  }
}

TEST(Inspect, speaks_json) {
  testing::StoreWorld world(1);
  const auto json = inspect_snapshot(world, {write_snapshot(world), true, false});
  ASSERT_TRUE(json.ok()) << json.status().to_string();
  for (const char* part :
       {"\"kind\":\"checkpoint\",\"checkpoint\":2", "\"jobName\":\"a \\\"job\\\"\"",
        "\"entries\":12,\"erased\":1,\"layers\":2", "{path: \\\"a.csv\\\", offset: 240}",
        "\"accumulators\":{\"rows\":42}"}) {
    EXPECT_NE(json->find(part), std::string::npos) << part << "\nin\n" << *json;
  }
}

TEST(Inspect, names_what_is_wrong) {
  testing::StoreWorld world(1);
  const std::string path = write_snapshot(world);
  const auto failure = [&](const std::string& at) {
    return inspect_snapshot(world, {at, false, true}).status();
  };
  EXPECT_EQ(failure("/nowhere").id(), ErrorId::kSnapshotMissing);
  const Status above = failure("/d");
  EXPECT_EQ(above.id(), ErrorId::kSnapshotMissing);
  EXPECT_NE(above.message().find(path), std::string::npos) << above.message();
  ASSERT_TRUE(world.disk().flip_bit(path + "/_metadata").ok());
  const Status damaged = failure(path);
  EXPECT_TRUE(damaged.id() == ErrorId::kSnapshotChecksum ||
              damaged.id() == ErrorId::kSnapshotFormat);
  EXPECT_NE(damaged.message().find(path + "/_metadata"), std::string::npos) << damaged.message();
}

}  // namespace
}  // namespace tidewheel
