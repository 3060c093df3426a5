// Snapshots that released versions have written stay readable: tests/data has one of each version.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/version.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/checkpoint_store.h"
#include "tidewheel/checkpoint/inspect.h"
#include "tidewheel/state/codec.h"

namespace tidewheel {
namespace {

constexpr int32_t kSubtasks = 2;
constexpr int32_t kGroups = 8;
constexpr int32_t kKeys = 300;

std::string data_directory(const char* version) {
  return std::string(TIDEWHEEL_TEST_DATA) + "/snapshot-" + version;
}

struct Split {
  std::string path;
  int64_t offset = 0;
};

template <class T>
std::string bytes_of(const T& value) {
  Writer writer;
  encode(writer, value);
  return writer.str();
}

StateMeta counts_meta() {
  return {"counts", StateKind::kKeyed,         "value", encoded_schema<std::string>(),
          {},       encoded_schema<int64_t>(), false};
}
std::string key_of(int32_t i) { return "key-" + std::to_string(i); }
int32_t group_of(int32_t i) { return i % kGroups; }

// Checkpoint 1 has all keys with their number as value. By checkpoint 2 every tenth has ten times
// that, every seventh is gone, and group 5 has been written whole.
void write_counts(SnapshotWriter& writer, int32_t subtask, bool changes) {
  if (changes) {
    writer.begin_changes(counts_meta());
  } else {
    writer.begin_state(counts_meta());
  }
  const KeyGroupRange range = key_groups_of(subtask, kSubtasks, kGroups);
  for (int32_t group = range.first; group <= range.last; ++group) {
    const bool whole = changes && group == 5;
    if (whole) { writer.whole_group(group); }
    for (int32_t i = 0; i < kKeys && changes && !whole; ++i) {
      if (group_of(i) == group && i % 7 == 0) { writer.erase(group, bytes_of(key_of(i)), {}); }
    }
    for (int32_t i = 0; i < kKeys; ++i) {
      const bool gone = changes && i % 7 == 0;
      if (group_of(i) != group || gone || (changes && !whole && i % 10 != 0)) { continue; }
      const int64_t value = changes && i % 10 == 0 ? i * 10 : i;
      writer.add({group, bytes_of(key_of(i)), {}, bytes_of(value)});
    }
  }
}

void write_rest(SnapshotWriter& writer, int32_t subtask) {
  const KeyGroupRange range = key_groups_of(subtask, kSubtasks, kGroups);
  writer.begin_state({"timers", StateKind::kTimers, "timers", encoded_schema<std::string>(),
                      encoded_schema<int64_t>(), encoded_schema<int64_t>(), true});
  for (int32_t group = range.first; group <= range.last; ++group) {
    writer.add({group, bytes_of(key_of(group)), bytes_of(int64_t{7}), bytes_of(int64_t{group})});
  }
  writer.begin_state({"splits", StateKind::kSplitList, "list", {}, {}, encoded_schema<Split>()});
  for (int64_t i = 0; i <= subtask; ++i) {
    writer.add({0, {}, {}, bytes_of(Split{"file-" + std::to_string(i), 100 * i})});
  }
  writer.begin_state({"union", StateKind::kUnionList, "list", {}, {}, encoded_schema<int64_t>()});
  writer.add({0, {}, {}, bytes_of(int64_t{subtask})});
  writer.begin_state({"rules",
                      StateKind::kBroadcast,
                      "map",
                      encoded_schema<int64_t>(),
                      {},
                      encoded_schema<std::string>()});
  writer.add({0, bytes_of(int64_t{1}), {}, bytes_of(std::string(300, 'r'))});
  writer.begin_state({"in flight 0", StateKind::kInFlight, "elements", {}, {}, {}});
  writer.add({0, {}, {}, "an element"});
}

Manifest manifest_of(int64_t id, bool savepoint) {
  Manifest manifest;
  manifest.checkpoint = id;
  manifest.kind = savepoint ? SnapshotKind::kSavepoint : SnapshotKind::kCheckpoint;
  manifest.job_id = "0123456789abcdef0123456789abcdef";
  manifest.job_name = "golden";
  manifest.trigger_wall_ms = 1'700'000'000'000;
  manifest.complete_wall_ms = 1'700'000'000'025;
  return manifest;
}

Status write_snapshot(World& world, CheckpointStore& store, const CheckpointPlan& plan) {
  Manifest manifest = manifest_of(plan.id, plan.kind == SnapshotKind::kSavepoint);
  ManifestOperator& op = manifest.operators.emplace_back();
  op.uid = "op";
  op.name = "the operator";
  op.parallelism = kSubtasks;
  op.max_parallelism = kGroups;
  op.coordinator_state = "of the coordinator";
  for (int32_t subtask = 0; subtask < kSubtasks; ++subtask) {
    const auto writer = store.write(plan, 0, subtask);
    writer->grant(1 << 20, nullptr);
    SnapshotWriter& out = writer->writer({"op", subtask, kSubtasks, kGroups});
    write_counts(out, subtask, plan.base_checkpoint != 0);
    write_rest(out, subtask);
    OperatorSnapshot& written = op.subtasks.emplace_back();
    written.uid = "op";
    written.subtask = subtask;
    written.parallelism = kSubtasks;
    written.max_parallelism = kGroups;
    written.end_of_data = subtask == 1;
    written.accumulators["rows"] = 10 + subtask;
    const auto event = world.executor().make_event();
    writer->finish([&](auto result) {
      written.segments = std::move(result).value().front();
      event->set();
    });
    event->wait();
  }
  return store.complete(plan, std::move(manifest)).status();
}

// An incremental checkpoint and two savepoints.
void write_all(const std::string& directory) {
  const auto world = make_real_world({.refuse_at_random = false});
  CheckpointStoreOptions options;
  options.directory = directory;
  options.job_id = "job";
  options.inline_bytes_max = 400;
  options.incremental = true;
  for (int64_t id = 1; id <= 2; ++id) {
    options.compression = id == 1 ? BlockCodec::kZstd : BlockCodec::kNone;
    auto store = CheckpointStore::open(*world, options).value();
    if (id == 2) { store->adopt(load_snapshot(*world, directory + "/job/chk-1").value()); }
    CheckpointPlan plan;
    plan.id = id;
    plan.base_checkpoint = id - 1;
    plan.directory = store->prepare(id).value();
    ASSERT_TRUE(write_snapshot(*world, *store, plan).ok());
    if (id == 2) { ASSERT_TRUE(store->drop(1).ok()); }
  }
  for (const BlockCodec codec : {BlockCodec::kSnappy, BlockCodec::kLz4}) {
    options.compression = codec;
    auto store = CheckpointStore::open(*world, options).value();
    CheckpointPlan plan;
    plan.id = 3;
    plan.kind = SnapshotKind::kSavepoint;
    plan.directory = directory + "/savepoint-" + std::string(codec_name(codec));
    ASSERT_TRUE(world->files().make_directories(plan.directory).ok());
    ASSERT_TRUE(write_snapshot(*world, *store, plan).ok());
  }
}

template <class T>
T value_of(std::string_view bytes) {
  Reader reader(bytes);
  T value{};
  decode(reader, value);
  EXPECT_TRUE(reader.finish().ok());
  return value;
}

// By one subtask: key -> value, with namespaces where there are.
std::vector<StateEntry> read_state(SnapshotReader& reader, std::string_view state,
                                   std::vector<std::string>& kept) {
  std::vector<StateEntry> all;
  auto entries = reader.read(state);
  EXPECT_TRUE(entries.ok()) << entries.status().to_string();
  StateEntry entry;
  kept.reserve(3000);
  while (entries.ok() && (*entries)->next(entry).value()) {
    for (std::string_view* part : {&entry.key, &entry.name_space, &entry.value}) {
      kept.emplace_back(*part);
      *part = kept.back();
    }
    all.push_back(entry);
  }
  return all;
}

void expect_counts(SnapshotReader& reader, bool changed, int32_t first_group, int32_t last_group) {
  std::vector<std::string> kept;
  std::map<std::string, int64_t> found;
  for (const StateEntry& entry : read_state(reader, "counts", kept)) {
    found[value_of<std::string>(entry.key)] = value_of<int64_t>(entry.value);
  }
  std::map<std::string, int64_t> expected;
  for (int32_t i = 0; i < kKeys; ++i) {
    if (group_of(i) < first_group || group_of(i) > last_group || (changed && i % 7 == 0)) {
      continue;
    }
    expected[key_of(i)] = changed && i % 10 == 0 ? i * 10 : i;
  }
  EXPECT_EQ(found, expected);
}

void expect_rest(SnapshotReader& reader) {
  std::vector<std::string> kept;
  EXPECT_EQ(reader.states().size(), 6U);
  const auto timers = read_state(reader, "timers", kept);
  ASSERT_EQ(timers.size(), static_cast<size_t>(kGroups));
  EXPECT_EQ(value_of<std::string>(timers[3].key), key_of(3));
  EXPECT_EQ(value_of<int64_t>(timers[3].name_space), 7);
  EXPECT_EQ(value_of<int64_t>(timers[3].value), 3);
  kept.clear();
  const auto splits = read_state(reader, "splits", kept);
  ASSERT_EQ(splits.size(), 3U);
  EXPECT_EQ(value_of<Split>(splits[2].value).path, "file-1");
  EXPECT_EQ(value_of<Split>(splits[2].value).offset, 100);
  kept.clear();
  EXPECT_EQ(read_state(reader, "union", kept).size(), 2U);
  kept.clear();
  const auto rules = read_state(reader, "rules", kept);
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_EQ(value_of<std::string>(rules[0].value), std::string(300, 'r'));
  kept.clear();
  const auto in_flight = read_state(reader, "in flight 0", kept);
  ASSERT_EQ(in_flight.size(), 2U);
  EXPECT_EQ(in_flight[1].value, "an element");
}

void expect_snapshot(const std::string& path, bool changed) {
  SCOPED_TRACE(path);
  const auto world = make_real_world({.refuse_at_random = false});
  const auto snapshot = load_snapshot(*world, path);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
  EXPECT_EQ(snapshot->manifest.job_name, "golden");
  EXPECT_EQ(snapshot->manifest.complete_wall_ms, 1'700'000'000'025);
  const ManifestOperator& op = *snapshot->manifest.find("op");
  EXPECT_EQ(op.name, "the operator");
  EXPECT_EQ(op.coordinator_state, "of the coordinator");
  ASSERT_EQ(op.subtasks.size(), 2U);
  EXPECT_TRUE(op.subtasks[1].end_of_data);
  EXPECT_EQ(op.subtasks[1].accumulators.at("rows"), 11);
  const auto source = open_snapshot(*world, *snapshot).value();
  const auto all = source->reader({"op", 0, 1, kGroups}).value();
  expect_counts(*all, changed, 0, kGroups - 1);
  expect_rest(*all);
  for (int32_t subtask = 0; subtask < 4; ++subtask) {
    const auto part = source->reader({"op", subtask, 4, kGroups}).value();
    expect_counts(*part, changed, subtask * 2, subtask * 2 + 1);
  }
  EXPECT_TRUE(inspect_snapshot(*world, {path, false, true}).ok());
}

void expect_all(const std::string& directory) {
  expect_snapshot(directory + "/job/chk-2", true);
  expect_snapshot(directory + "/savepoint-snappy", false);
  expect_snapshot(directory + "/savepoint-lz4", false);
}

TEST(Golden, version_0_1_is_read) { expect_all(data_directory("0.1")); }

TEST(Golden, this_version_has_left_a_snapshot) {
  const std::string version(kVersion.substr(0, kVersion.rfind('.')));
  const std::string directory = data_directory(version.c_str());
  const auto world = make_real_world({.refuse_at_random = false});
  if (!world->files().exists(directory).value()) {
    write_all(directory);
    FAIL() << "a snapshot of version " << version << " is there now: check it in, and read it in "
           << "a test of its own: " << directory;
  }
}

TEST(Golden, what_is_written_now_is_read) {
  const auto world = make_real_world({.refuse_at_random = false});
  const std::string directory =
      ::testing::TempDir() + "tidewheel-golden-" + std::to_string(world->fork_random().next());
  write_all(directory);
  expect_all(directory);
  EXPECT_TRUE(world->files().remove_all(directory).ok());
}

}  // namespace
}  // namespace tidewheel
