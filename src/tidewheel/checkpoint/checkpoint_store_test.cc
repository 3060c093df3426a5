// Tests of storage on a disk that crashes, fails and fills up.
#include "tidewheel/checkpoint/checkpoint_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>

#include "tidewheel/testing/store_world.h"

namespace tidewheel {
namespace {

using testing::kTestGroups;
using testing::kTestTasks;
using testing::StoreWorld;
using testing::TestJob;

constexpr int64_t kAges = int64_t{1} << 40;

CheckpointStoreOptions store_options(bool incremental) {
  CheckpointStoreOptions options;
  options.directory = "/d";
  options.job_id = "0123456789abcdef0123456789abcdef";
  options.inline_bytes_max = 64;
  options.incremental = incremental;
  return options;
}

CheckpointPlan plan_of(CheckpointStore& store, int64_t id, int64_t base = 0) {
  CheckpointPlan plan;
  plan.id = id;
  plan.base_checkpoint = base;
  plan.directory = store.directory_of(id);
  return plan;
}

// Has the tasks write, and gives the manifest of what they have written.
Result<Manifest> write_tasks(CheckpointStore& store, const CheckpointPlan& plan, TestJob& job) {
  Manifest manifest;
  manifest.checkpoint = plan.id;
  manifest.kind = plan.kind;
  manifest.job_id = store_options(false).job_id;
  manifest.job_name = "test job";
  ManifestOperator& op = manifest.operators.emplace_back();
  op.uid = "counter";
  op.parallelism = kTestTasks;
  op.max_parallelism = kTestGroups;
  for (int32_t task = 0; task < kTestTasks; ++task) {
    const auto writer = store.write(plan, 0, task);
    writer->grant(UINT32_MAX, nullptr);
    job.write(task, plan.base_checkpoint == 0, writer->writer(TestJob::place(task)));
    std::optional<Result<std::vector<std::vector<SegmentRef>>>> done;
    writer->finish([&done](auto result) { done = std::move(result); });
    EXPECT_TRUE(done.has_value());
    if (!done->ok()) { return done->status(); }
    OperatorSnapshot& subtask = op.subtasks.emplace_back();
    subtask.uid = op.uid;
    subtask.subtask = task;
    subtask.parallelism = kTestTasks;
    subtask.max_parallelism = kTestGroups;
    subtask.segments = std::move(done->value().front());
  }
  return manifest;
}

Result<CompletedSnapshot> take(CheckpointStore& store, TestJob& job, int64_t id, int64_t base) {
  TIDEWHEEL_RETURN_IF_ERROR(store.prepare(id).status());
  const CheckpointPlan plan = plan_of(store, id, base);
  TIDEWHEEL_ASSIGN_OR_RETURN(Manifest manifest, write_tasks(store, plan, job));
  return store.complete(plan, std::move(manifest));
}

void change(TestJob& job, Random& random, int32_t keys) {
  for (int32_t i = 0; i < keys; ++i) {
    const auto task = static_cast<int32_t>(random.below(kTestTasks));
    const std::string key = "k" + std::to_string(random.below(40));
    if (random.chance(0.2)) {
      job.erase(task, key);
    } else {
      job.set(task, key, "v" + std::to_string(random.below(1000)));
    }
  }
}

// All files below `path`, relative to it, but for the lock of whoever has the folder.
std::vector<std::string> tree(FileSystem& files, const std::string& path) {
  std::vector<std::string> found;
  const auto entries = files.list(path);
  if (!entries.ok()) { return found; }
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.is_directory) {
      if (entry.name != "_lock") { found.push_back(entry.name); }
      continue;
    }
    for (const std::string& below : tree(files, join_path(path, entry.name))) {
      found.push_back(join_path(entry.name, below));
    }
  }
  return found;
}

// Every complete snapshot below the job's folder loads, and its files are there.
void expect_all_load(StoreWorld& world, const std::string& root) {
  const auto entries = world.files().list(root);
  if (!entries.ok()) { return; }
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(root, entry.name);
    if (checkpoint_of_name(entry.name) == 0 ||
        !world.files().exists(join_path(path, kMetadataName)).value()) {
      continue;
    }
    const auto snapshot = load_snapshot(world, path);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status().to_string();
  }
}

TEST(CheckpointStore, a_small_checkpoint_is_one_file) {
  StoreWorld world(1);
  auto options = store_options(false);
  options.inline_bytes_max = 20 * 1024;
  auto store = CheckpointStore::open(world, options).value();
  TestJob job;
  job.set(0, "a", "1");
  job.set(1, "b", "2");
  const auto snapshot = take(*store, job, 1, 0);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
  EXPECT_EQ(snapshot->path, "/d/" + options.job_id + "/chk-1");
  EXPECT_EQ(tree(world.files(), "/d"),
            (std::vector<std::string>{options.job_id + "/chk-1/_metadata"}));
  EXPECT_EQ(TestJob::read(world, load_snapshot(world, snapshot->path).value()).value(), job.states);
  EXPECT_EQ(
      TestJob::read(world, load_snapshot(world, snapshot->path + "/_metadata").value()).value(),
      job.states);
  EXPECT_TRUE(store->drop(1).ok());
  EXPECT_TRUE(tree(world.files(), "/d").empty());
  EXPECT_TRUE(store->drop(1).ok());
}

TEST(CheckpointStore, large_state_goes_to_one_file_a_task) {
  for (const BlockCodec codec : {BlockCodec::kNone, BlockCodec::kZstd}) {
    StoreWorld world(1);
    auto options = store_options(false);
    options.compression = codec;
    auto store = CheckpointStore::open(world, options).value();
    TestJob job;
    for (int i = 0; i < 3000; ++i) {
      job.set(i % 2, "key" + std::to_string(i), std::string(200, 'v'));
    }
    const auto snapshot = take(*store, job, 1, 0);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
    EXPECT_EQ(tree(world.files(), "/d").size(), 3U);
    EXPECT_EQ(snapshot->manifest.size_bytes() < 100'000, codec == BlockCodec::kZstd);
    const SegmentRef& segment = snapshot->manifest.operators[0].subtasks[0].segments[0];
    EXPECT_EQ(segment.entries, 1500U);
    EXPECT_EQ(segment.place.file.find('/'), std::string::npos);
    EXPECT_EQ(TestJob::read(world, load_snapshot(world, snapshot->path).value()).value(),
              job.states);
  }
}

TEST(CheckpointStore, incremental_checkpoints_share_files) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  Random random(7);
  TestJob job;
  std::vector<std::vector<TestJob::State>> expected;
  std::vector<CompletedSnapshot> taken;
  for (int64_t id = 1; id <= 6; ++id) {
    change(job, random, id == 1 ? 200 : 15);
    const auto snapshot = take(*store, job, id, id - 1);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
    taken.push_back(*snapshot);
    expected.push_back(job.states);
  }
  EXPECT_EQ(taken.back().manifest.operators[0].subtasks[0].segments.size(), 6U);
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(TestJob::read(world, taken[i]).value(), expected[i]);
  }
  // The oldest go; what the newest needs of them stays.
  for (int64_t id = 1; id <= 5; ++id) { EXPECT_TRUE(store->drop(id).ok()); }
  EXPECT_EQ(TestJob::read(world, load_snapshot(world, taken[5].path).value()).value(), expected[5]);
  EXPECT_EQ(store->kept(), (std::vector<int64_t>{6}));
  EXPECT_EQ(store->sweep(0).value(), 0);
  EXPECT_TRUE(store->drop(6).ok());
  EXPECT_TRUE(tree(world.files(), "/d").empty());
}

TEST(CheckpointStore, layers_of_which_nothing_is_read_are_left_out) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  const auto write = [&](int64_t id, const std::function<void(SnapshotWriter&)>& fill) {
    EXPECT_TRUE(store->prepare(id).ok());
    const CheckpointPlan plan = plan_of(*store, id, id - 1);
    const auto writer = store->write(plan, 0, 0);
    writer->grant(UINT32_MAX, nullptr);
    fill(writer->writer({"op", 0, 1, kTestGroups}));
    Manifest manifest;
    manifest.checkpoint = id;
    ManifestOperator& op = manifest.operators.emplace_back();
    op.uid = "op";
    op.max_parallelism = kTestGroups;
    OperatorSnapshot& subtask = op.subtasks.emplace_back();
    subtask.uid = "op";
    subtask.max_parallelism = kTestGroups;
    writer->finish([&](auto result) { subtask.segments = result.value().front(); });
    return store->complete(plan, manifest).value();
  };
  const std::string big(100, 'v');
  write(1, [&](SnapshotWriter& writer) {
    writer.begin_state(TestJob::meta());
    writer.add({2, "a", "", big});
    writer.add({4, "b", "", big});
  });
  auto same = write(2, [](SnapshotWriter& writer) { writer.begin_changes(TestJob::meta()); });
  EXPECT_EQ(same.manifest.operators[0].subtasks[0].segments.size(), 1U);
  auto half = write(3, [&](SnapshotWriter& writer) {
    writer.begin_changes(TestJob::meta());
    for (int32_t group = 0; group <= 3; ++group) { writer.whole_group(group); }
    writer.add({3, "c", "", big});
    writer.add({9, "d", "", big});
  });
  EXPECT_EQ(half.manifest.operators[0].subtasks[0].segments.size(), 2U);
  auto all = write(4, [&](SnapshotWriter& writer) {
    writer.begin_changes(TestJob::meta());
    writer.whole_group(4);
    writer.add({4, "e", "", big});
  });
  // Checkpoint 1's groups 2 to 4 are whole in newer layers.
  EXPECT_EQ(all.manifest.operators[0].subtasks[0].segments.size(), 2U);
  for (int64_t id = 1; id <= 3; ++id) { EXPECT_TRUE(store->drop(id).ok()); }
  const auto source = open_snapshot(world, load_snapshot(world, all.path).value()).value();
  const auto reader = source->reader({"op", 0, 1, kTestGroups}).value();
  const auto entries = reader->read("n").value();
  std::string keys;
  StateEntry entry;
  while (entries->next(entry).value()) { keys += entry.key; }
  EXPECT_EQ(keys, "ced");
  EXPECT_EQ(tree(world.files(), "/d").size(), 3U);  // metadata and two layers
}

TEST(CheckpointStore, savepoints_can_be_moved_and_disposed_of) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  TestJob job;
  for (int i = 0; i < 500; ++i) { job.set(i % 2, std::to_string(i), "value"); }
  CheckpointPlan plan;
  plan.id = 3;
  plan.kind = SnapshotKind::kSavepoint;
  plan.directory = store->prepare_savepoint("/save").value();
  EXPECT_EQ(plan.directory.substr(0, 23), "/save/savepoint-012345-");
  EXPECT_EQ(plan.directory.size(), 35U);
  auto manifest = write_tasks(*store, plan, job).value();
  ASSERT_TRUE(store->complete(plan, manifest).ok());
  EXPECT_TRUE(store->kept().empty());
  ASSERT_TRUE(world.files().make_directories("/elsewhere").ok());
  for (const std::string& file : tree(world.files(), plan.directory)) {
    ASSERT_TRUE(
        world.files().rename(join_path(plan.directory, file), join_path("/elsewhere", file)).ok());
  }
  const auto moved = load_snapshot(world, "/elsewhere/");
  ASSERT_TRUE(moved.ok()) << moved.status().to_string();
  EXPECT_EQ(TestJob::read(world, *moved).value(), job.states);
  EXPECT_EQ(load_snapshot(world, plan.directory).status().id(), ErrorId::kSnapshotMissing);

  const auto checkpoint = take(*store, job, 4, 0).value();
  EXPECT_EQ(dispose_savepoint(world, checkpoint.path).id(), ErrorId::kSnapshotFormat);
  EXPECT_TRUE(dispose_savepoint(world, "/elsewhere").ok());
  EXPECT_FALSE(world.files().exists("/elsewhere").value());
  EXPECT_EQ(dispose_savepoint(world, "/elsewhere").id(), ErrorId::kSnapshotMissing);
  EXPECT_EQ(dispose_savepoint(world, "/d").id(), ErrorId::kSnapshotMissing);
}

TEST(CheckpointStore, the_newest_that_is_whole_is_found) {
  StoreWorld world(3);
  auto store = CheckpointStore::open(world, store_options(false)).value();
  TestJob job;
  Random random(1);
  for (int64_t id = 1; id <= 12; ++id) {
    change(job, random, 50);
    ASSERT_TRUE(take(*store, job, id, 0).ok());
  }
  std::vector<std::string> warnings;
  const std::string& job_id = store_options(false).job_id;
  const auto number = [&](const std::string& id, const std::string& name) -> int64_t {
    warnings.clear();
    const auto found = find_newest_snapshot(world, "/d", id, name, warnings);
    if (!found.ok()) {
      EXPECT_EQ(found.status().id(), ErrorId::kFileNotFound);
      return 0;
    }
    return found->manifest.checkpoint;
  };
  EXPECT_EQ(number(job_id, ""), 12);
  EXPECT_EQ(number("", "test job"), 12);
  EXPECT_EQ(number("", ""), 12);
  EXPECT_EQ(number("", "other job"), 0);
  EXPECT_EQ(number("ffff", ""), 0);
  EXPECT_TRUE(warnings.empty());
  // Damaged metadata, a file that is gone, one that is cut, and one that never got its metadata.
  ASSERT_TRUE(world.disk().flip_bit(store->directory_of(12) + "/_metadata").ok());
  const auto data_file = [&](int64_t id) {
    return join_path(store->directory_of(id), tree(world.files(), store->directory_of(id))[0]);
  };
  ASSERT_TRUE(world.files().remove(data_file(11)).ok());
  ASSERT_TRUE(world.files().open_write(data_file(10), WriteMode::kTruncate).ok());
  ASSERT_TRUE(world.files().remove(store->directory_of(9) + "/_metadata").ok());
  EXPECT_EQ(number(job_id, ""), 8);
  ASSERT_EQ(warnings.size(), 3U);
  EXPECT_NE(warnings[0].find("chk-12"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find(data_file(11).substr(0, 40)), std::string::npos) << warnings[1];
  EXPECT_NE(warnings[2].find("has 0 bytes"), std::string::npos) << warnings[2];
  // Damage in a block is found when it is read.
  ASSERT_TRUE(world.disk().flip_bit(data_file(8)).ok());
  const Status read =
      TestJob::read(world, load_snapshot(world, store->directory_of(8)).value()).status();
  EXPECT_EQ(read.id(), ErrorId::kSnapshotChecksum);
  EXPECT_NE(read.message().find("operator counter, state n"), std::string::npos) << read.message();
  EXPECT_NE(read.message().find(data_file(8)), std::string::npos) << read.message();
}

TEST(CheckpointStore, damage_in_any_file_is_found_before_anything_is_restored) {
  StoreWorld world(4);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  TestJob job;
  Random random(2);
  for (int64_t id = 1; id <= 3; ++id) {
    change(job, random, 200);
    ASSERT_TRUE(take(*store, job, id, id - 1).ok());
  }
  const CompletedSnapshot snapshot = load_snapshot(world, store->directory_of(3)).value();
  EXPECT_TRUE(verify_snapshot(world, snapshot, nullptr).ok());
  std::set<std::string> paths;
  for (const auto& [file, size] : files_of(snapshot.manifest)) {
    paths.insert(path_of_file(snapshot.path, file));
  }
  EXPECT_GT(paths.size(), 3U);  // those of the checkpoints before, too
  for (const std::string& path : paths) {
    const std::string bytes = read_all(world.files(), path).value();
    ASSERT_TRUE(world.disk().flip_bit(path).ok());
    const Status damaged = verify_snapshot(world, snapshot, nullptr);
    EXPECT_EQ(damaged.id(), ErrorId::kSnapshotChecksum) << damaged.to_string();
    EXPECT_NE(damaged.message().find(path), std::string::npos) << damaged.message();
    EXPECT_NE(damaged.message().find("operator counter"), std::string::npos) << damaged.message();
    EXPECT_TRUE(verify_snapshot(world, snapshot, [](const std::string& uid) {
                  return uid == "another";
                }).ok());
    ASSERT_TRUE(world.files().remove(path).ok());
    EXPECT_EQ(verify_snapshot(world, snapshot, nullptr).id(), ErrorId::kSnapshotMissing);
    ASSERT_TRUE(write_all_durably(world.files(), path, bytes).ok());
  }
  EXPECT_TRUE(verify_snapshot(world, snapshot, nullptr).ok());
}

TEST(CheckpointStore, a_job_whose_checkpoints_are_all_damaged_is_not_begun_anew) {
  StoreWorld world(5);
  auto store = CheckpointStore::open(world, store_options(false)).value();
  TestJob job;
  Random random(1);
  change(job, random, 50);
  for (int64_t id = 1; id <= 2; ++id) {
    ASSERT_TRUE(take(*store, job, id, 0).ok());
    ASSERT_TRUE(world.disk().flip_bit(store->directory_of(id) + "/_metadata").ok());
  }
  std::vector<std::string> warnings;
  const Status none = find_newest_snapshot(world, "/d", "", "test job", warnings).status();
  EXPECT_EQ(none.id(), ErrorId::kNoUsableCheckpoint) << none.to_string();
  for (const char* const words : {"chk-1", "chk-2", "'test job'", "without --resume"}) {
    EXPECT_NE(none.message().find(words), std::string::npos) << none.message();
  }
  // What lies in the folder of another job is not this job's.
  ASSERT_TRUE(take(*store, job, 3, 0).ok());
  warnings.clear();
  EXPECT_EQ(find_newest_snapshot(world, "/d", "", "other job", warnings).status().id(),
            ErrorId::kFileNotFound);
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(find_newest_snapshot(world, "/d", "", "test job", warnings)->manifest.checkpoint, 3);
}

TEST(CheckpointStore, one_process_at_a_time_has_a_job_s_folder) {
  StoreWorld world(1);
  auto first = CheckpointStore::open(world, store_options(false)).value();
  const Status refused = CheckpointStore::open(world, store_options(false)).status();
  EXPECT_EQ(refused.id(), ErrorId::kFileLocked);
  EXPECT_NE(refused.message().find(store_options(false).job_id), std::string::npos);
  auto other = store_options(false);
  other.job_id = "fedcba9876543210fedcba9876543210";
  EXPECT_TRUE(CheckpointStore::open(world, other).ok());
  first->close();
  EXPECT_TRUE(CheckpointStore::open(world, store_options(false)).ok());
}

TEST(CheckpointStore, what_was_passed_over_is_not_the_newest_later) {
  StoreWorld world(1);
  TestJob job;
  Random random(1);
  change(job, random, 50);
  auto first = CheckpointStore::open(world, store_options(false)).value();
  for (int64_t id = 1; id <= 4; ++id) { ASSERT_TRUE(take(*first, job, id, 0).ok()); }
  ASSERT_TRUE(world.files().remove(first->directory_of(3) + "/_metadata").ok());
  ASSERT_TRUE(world.disk().flip_bit(first->directory_of(4) + "/_metadata").ok());
  const std::string root = parent_path(first->directory_of(1));
  first->close();
  for (const char* const name : {"passed-over-chk-4", "passed-over-chk-4-2"}) {
    auto store = CheckpointStore::open(world, store_options(false)).value();
    EXPECT_EQ(store->set_aside_newer(2).value(), (std::vector<std::string>{join_path(root, name)}));
    EXPECT_TRUE(world.files().exists(join_path(root, name) + "/_metadata").value());
    EXPECT_TRUE(store->set_aside_newer(2).value().empty());
    std::vector<std::string> warnings;
    EXPECT_EQ(find_newest_snapshot(world, "/d", "", "test job", warnings)->manifest.checkpoint, 2);
    EXPECT_TRUE(warnings.empty());
    ASSERT_TRUE(take(*store, job, 4, 0).ok());
  }
}

TEST(CheckpointStore, a_checkpoint_of_another_run_is_not_overwritten) {
  StoreWorld world(1);
  TestJob job;
  job.set(0, "a", "1");
  auto first = CheckpointStore::open(world, store_options(true)).value();
  EXPECT_EQ(first->highest_found(), 0);
  ASSERT_TRUE(take(*first, job, 5, 0).ok());
  ASSERT_TRUE(first->prepare(7).ok());
  first->close();
  auto second = CheckpointStore::open(world, store_options(true)).value();
  EXPECT_EQ(second->highest_found(), 7);
  EXPECT_EQ(second->prepare(5).status().id(), ErrorId::kFileExists);
  EXPECT_TRUE(second->prepare(7).ok());
}

TEST(CheckpointStore, checkpoints_that_were_not_adopted_keep_their_files) {
  StoreWorld world(1);
  TestJob job;
  Random random(1);
  change(job, random, 300);
  std::vector<std::vector<TestJob::State>> expected(4);
  auto first = CheckpointStore::open(world, store_options(true)).value();
  for (int64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(take(*first, job, id, id - 1).ok());
    expected[static_cast<size_t>(id)] = job.states;
    change(job, random, 30);
  }
  first->close();
  auto second = CheckpointStore::open(world, store_options(true)).value();
  ASSERT_EQ(second->found().size(), 3U);
  EXPECT_EQ(second->found()[0].path, second->directory_of(1));
  second->adopt(load_snapshot(world, "/d/./" + store_options(true).job_id + "/chk-3").value());
  EXPECT_EQ(second->found().size(), 2U);
  ASSERT_TRUE(take(*second, job, 4, 0).ok());
  EXPECT_TRUE(second->drop(3).ok());
  EXPECT_EQ(second->sweep(-kAges).value(), 0);
  for (int64_t id = 1; id <= 2; ++id) {
    EXPECT_EQ(TestJob::read(world, load_snapshot(world, second->directory_of(id)).value()).value(),
              expected[static_cast<size_t>(id)]);
  }
  // One that is released is kept too, and what it shares.
  ASSERT_TRUE(take(*second, job, 5, 4).ok());
  second->release(4);
  EXPECT_TRUE(second->drop(5).ok());
  EXPECT_TRUE(load_snapshot(world, second->directory_of(4)).ok());
  EXPECT_EQ(second->sweep(-kAges).value(), 0);
}

TEST(CheckpointStore, an_unreadable_checkpoint_protects_all_shared_files) {
  StoreWorld world(1);
  TestJob job;
  Random random(1);
  change(job, random, 300);
  auto first = CheckpointStore::open(world, store_options(true)).value();
  ASSERT_TRUE(take(*first, job, 1, 0).ok());
  ASSERT_TRUE(take(*first, job, 2, 1).ok());
  ASSERT_TRUE(world.disk().flip_bit(first->directory_of(1) + "/_metadata").ok());
  const auto before = tree(world.files(), "/d");
  first->close();
  auto second = CheckpointStore::open(world, store_options(true)).value();
  second->adopt(load_snapshot(world, first->directory_of(2)).value());
  EXPECT_TRUE(second->drop(2).ok());
  EXPECT_EQ(second->sweep(-kAges).value(), 0);
  EXPECT_EQ(tree(world.files(), "/d").size(), before.size() - 1);  // only chk-2/_metadata
}

TEST(CheckpointStore, what_comes_late_leaves_nothing) {
  for (const bool incremental : {false, true}) {
    StoreWorld world(1);
    auto store = CheckpointStore::open(world, store_options(incremental)).value();
    TestJob job;
    for (int i = 0; i < 100; ++i) { job.set(0, std::to_string(i), "value"); }
    ASSERT_TRUE(store->prepare(1).ok());
    const CheckpointPlan plan = plan_of(*store, 1);
    const auto early = store->write(plan, 0, 0);
    const auto slow = store->write(plan, 0, 1);
    const auto dropped = store->write(plan, 0, 2);
    const auto finish = [&](TaskSnapshotWriter& writer) {
      writer.grant(UINT32_MAX, nullptr);
      job.write(0, true, writer.writer(TestJob::place(0)));
      Status status;
      writer.finish([&status](auto result) { status = result.status(); });
      return status;
    };
    EXPECT_TRUE(finish(*early).ok());
    EXPECT_EQ(tree(world.files(), "/d").size(), 1U);
    EXPECT_TRUE(finish(*dropped).ok());
    dropped->abandon();
    EXPECT_EQ(tree(world.files(), "/d").size(), 1U);
    EXPECT_TRUE(store->discard(plan).ok());
    EXPECT_TRUE(tree(world.files(), "/d").empty());
    EXPECT_FALSE(finish(*slow).ok());
    EXPECT_FALSE(finish(*store->write(plan, 0, 3)).ok());
    EXPECT_TRUE(tree(world.files(), "/d").empty());
    EXPECT_TRUE(store->discard(plan).ok());
  }
}

TEST(CheckpointStore, a_file_that_nobody_keeps_is_not_referred_to) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  TestJob job;
  for (int i = 0; i < 100; ++i) { job.set(i % 2, std::to_string(i), "value"); }
  const CompletedSnapshot first = take(*store, job, 1, 0).value();
  ASSERT_TRUE(store->prepare(2).ok());
  EXPECT_TRUE(store->drop(1).ok());
  Manifest manifest = first.manifest;
  manifest.checkpoint = 2;
  const CheckpointPlan plan = plan_of(*store, 2);
  EXPECT_EQ(store->complete(plan, manifest).status().id(), ErrorId::kSnapshotMissing);
  EXPECT_TRUE(store->discard(plan).ok());
  EXPECT_TRUE(tree(world.files(), "/d").empty());
}

TEST(CheckpointStore, what_dead_processes_have_left_is_swept_when_it_is_old) {
  StoreWorld world(1);
  TestJob job;
  for (int i = 0; i < 100; ++i) { job.set(i % 2, std::to_string(i), "value"); }
  auto dead = CheckpointStore::open(world, store_options(true)).value();
  ASSERT_TRUE(dead->prepare(1).ok());
  ASSERT_TRUE(write_tasks(*dead, plan_of(*dead, 1), job).ok());
  EXPECT_EQ(tree(world.files(), "/d").size(), 2U);
  dead->close();
  for (const int64_t hours : {0, 2}) {
    world.jump_wall_clock(hours * 3'600'000);
    auto store = CheckpointStore::open(world, store_options(true)).value();
    EXPECT_EQ(store->highest_found(), hours == 0 ? 1 : 2);
    ASSERT_TRUE(take(*store, job, 2 + hours, 0).ok());
    EXPECT_TRUE(store->drop(2 + hours).ok());
    if (hours == 0) { ASSERT_TRUE(store->prepare(2).ok()); }
    EXPECT_EQ(tree(world.files(), "/d").size(), hours == 0 ? 2U : 0U);
  }
  EXPECT_FALSE(world.files().exists(dead->directory_of(1)).value());
}

TEST(CheckpointStore, a_disk_that_is_too_slow_makes_the_task_wait) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(false)).value();
  ASSERT_TRUE(store->prepare(1).ok());
  const auto writer = store->write(plan_of(*store, 1), 0, 0);
  int wakes = 0;
  SnapshotWriter& out = writer->writer(TestJob::place(0));
  EXPECT_FALSE(out.ready());
  writer->grant(UINT32_MAX, [&wakes] { ++wakes; });
  world.hold_pool(true);
  out.begin_state(TestJob::meta());
  uint64_t bytes = 0;
  while (out.ready()) {
    out.add({0, std::to_string(bytes), {}, std::string(1000, 'v')});
    bytes += 1000;
  }
  EXPECT_FALSE(writer->has_room());
  EXPECT_GT(bytes, 3'000'000U);
  EXPECT_LT(bytes, 5'000'000U);
  EXPECT_EQ(wakes, 0);
  world.run_pool();
  EXPECT_EQ(wakes, 1);
  EXPECT_TRUE(out.ready());
  bool done = false;
  writer->finish([&done](auto result) { done = result.ok(); });
  world.run_pool();
  EXPECT_TRUE(done);
}

TEST(CheckpointStore, native_files_are_counted_too) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  const auto write = [&](int64_t id, const std::vector<SnapshotFile>& older, SnapshotFile& made) {
    EXPECT_TRUE(store->prepare(id).ok());
    const CheckpointPlan plan = plan_of(*store, id, id - 1);
    const auto writer = store->write(plan, 0, 0);
    SnapshotWriter& out = writer->writer(TestJob::place(0));
    EXPECT_TRUE(out.takes_files());
    out.begin_state({"db", StateKind::kKeyed, "rocksdb", "", "", "", false});
    made = {"7.sst", out.new_file(".sst"), 5, 0};
    EXPECT_TRUE(write_all_durably(world.files(), made.path, "bytes").ok());
    out.add_file(made);
    for (const SnapshotFile& file : older) { out.add_file(file); }
    Manifest manifest;
    manifest.checkpoint = id;
    ManifestOperator& op = manifest.operators.emplace_back();
    op.uid = "counter";
    op.parallelism = kTestTasks;
    op.max_parallelism = kTestGroups;
    OperatorSnapshot& subtask = op.subtasks.emplace_back();
    subtask.uid = "counter";
    subtask.parallelism = kTestTasks;
    subtask.max_parallelism = kTestGroups;
    writer->finish([&](auto result) { subtask.segments = result.value().front(); });
    return store->complete(plan, manifest).value();
  };
  SnapshotFile first;
  SnapshotFile second;
  write(1, {}, first);
  const auto snapshot = write(2, {first}, second);
  EXPECT_EQ(snapshot.manifest.size_bytes() / 10, 1U);  // ten bytes of files, and an empty index
  EXPECT_TRUE(store->drop(1).ok());
  const auto source = open_snapshot(world, load_snapshot(world, snapshot.path).value()).value();
  const auto native = source->reader(TestJob::place(0)).value()->native("db");
  ASSERT_EQ(native.size(), 1U);
  EXPECT_EQ(native[0].groups, key_groups_of(0, kTestTasks, kTestGroups));
  ASSERT_EQ(native[0].files.size(), 2U);
  for (const SnapshotFile& file : native[0].files) {
    EXPECT_EQ(read_all(world.files(), file.path).value(), "bytes");
  }
  EXPECT_TRUE(source->reader(TestJob::place(1)).value()->native("db").empty());
  EXPECT_TRUE(store->drop(2).ok());
  EXPECT_TRUE(tree(world.files(), "/d").empty());
}

// ---- crashes ----

// A run of a job: checkpoints, most of them incremental, one that is discarded, a savepoint; two
// are kept. Ends early when the disk is off.
struct Run {
  std::map<int64_t, std::vector<TestJob::State>> states;  // at each checkpoint that was begun
  int64_t newest_complete = 0;

  void go(StoreWorld& world, uint64_t seed, bool incremental) {
    auto opened = CheckpointStore::open(world, store_options(incremental));
    if (!opened.ok()) { return; }
    CheckpointStore& store = **opened;
    Random random(seed);
    TestJob job;
    change(job, random, 80);
    int64_t base = 0;
    for (int64_t id = 1; id <= 5 && !world.files().is_off(); ++id) {
      change(job, random, 10);
      states[id] = job.states;
      if (id == 3) {
        // Is not to be complete; the next one is whole.
        if (!store.prepare(id).ok()) { return; }
        const CheckpointPlan plan = plan_of(store, id, base);
        ignore(write_tasks(store, plan, job).status(), "the disk may be off");
        ignore(store.discard(plan), "the disk may be off");
        base = 0;
        continue;
      }
      const auto snapshot = take(store, job, id, base);
      if (!snapshot.ok()) { return; }
      newest_complete = id;
      base = incremental ? id : 0;
      if (store.kept().size() > 2) { ignore(store.drop(store.kept().front()), "tried again"); }
    }
  }
};

// Sinks commit what a savepoint that stops the job holds: it is the newest that there is, although
// it is nobody's checkpoint.
TEST(CheckpointStore, a_job_that_is_killed_while_it_is_being_stopped_goes_on_from_its_savepoint) {
  StoreWorld world(1);
  auto store = CheckpointStore::open(world, store_options(true)).value();
  const std::string id = store_options(true).job_id;
  TestJob job;
  job.set(0, "key", "before");
  ASSERT_TRUE(take(*store, job, 1, 0).ok());
  CheckpointPlan plan;
  plan.id = 2;
  plan.kind = SnapshotKind::kSavepoint;
  plan.after = AfterSavepoint::kSuspend;
  plan.directory = store->prepare_savepoint("/save").value();
  job.set(0, "key", "after");
  auto manifest = write_tasks(*store, plan, job).value();
  ASSERT_TRUE(store->note_stopping({id, "test job", plan.directory, 5, 2}).ok());
  std::vector<std::string> warnings;
  // It is not whole, so nothing was committed for it.
  EXPECT_EQ(find_newest_snapshot(world, "/d", id, "", warnings)->manifest.checkpoint, 1);
  ASSERT_TRUE(store->complete(plan, manifest).ok());
  const auto newest = find_newest_snapshot(world, "/d", id, "", warnings);
  ASSERT_TRUE(newest.ok()) << newest.status().to_string();
  EXPECT_EQ(newest->path, plan.directory);
  EXPECT_EQ(TestJob::read(world, *newest).value(), job.states);
  // The job did not end, and has gone on.
  ASSERT_TRUE(take(*store, job, 3, 0).ok());
  EXPECT_EQ(find_newest_snapshot(world, "/d", id, "", warnings)->manifest.checkpoint, 3);
  store = nullptr;
  EXPECT_EQ(CheckpointStore::open(world, store_options(true)).value()->highest_found(), 3);
}

// After the crash: the newest is what it may be, everything that is complete loads, what nobody
// needs is swept, and the job goes on.
void check_recovery(StoreWorld& world, const Run& run, bool incremental) {
  const std::string root = "/d/" + store_options(false).job_id;
  expect_all_load(world, root);
  std::vector<std::string> warnings;
  const auto newest = find_newest_snapshot(world, "/d", store_options(false).job_id, "", warnings);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  auto store = CheckpointStore::open(world, store_options(incremental)).value();
  if (run.newest_complete > 0) { ASSERT_TRUE(newest.ok()) << newest.status().to_string(); }
  if (newest.ok()) {
    const int64_t number = newest->manifest.checkpoint;
    EXPECT_GE(number, run.newest_complete);
    EXPECT_NE(number, 3);
    EXPECT_EQ(TestJob::read(world, *newest).value(), run.states.at(number));
    store->adopt(*newest);
  }
  EXPECT_TRUE(store->sweep(-kAges).ok());
  expect_all_load(world, root);
  TestJob job;
  job.set(0, "after", std::string(100, 'x'));
  const int64_t next = store->highest_found() + 1;
  ASSERT_TRUE(take(*store, job, next, 0).ok());
  if (newest.ok()) { EXPECT_TRUE(store->drop(newest->manifest.checkpoint).ok()); }
  // Of the run that has died only what was complete is left: the user may delete those.
  for (const std::string& file : tree(world.files(), root)) {
    const std::string folder = file.substr(0, file.find('/'));
    if (checkpoint_of_name(folder) > 0) {
      EXPECT_TRUE(world.files().exists(join_path(root, folder) + "/_metadata").value()) << file;
    }
  }
  store->close();
  auto last = CheckpointStore::open(world, store_options(incremental)).value();
  const auto folders = world.files().list(root).value();
  for (const DirectoryEntry& entry : folders) {
    if (checkpoint_of_name(entry.name) == 0) { continue; }
    last->adopt(load_snapshot(world, join_path(root, entry.name)).value());
  }
  for (const int64_t number : last->kept()) { EXPECT_TRUE(last->drop(number).ok()); }
  EXPECT_TRUE(tree(world.files(), root).empty()) << tree(world.files(), root).front();
}

void crash_everywhere(bool incremental) {
  int64_t operations = 0;
  {
    StoreWorld world(1);
    Run run;
    run.go(world, 1, incremental);
    EXPECT_EQ(run.newest_complete, 5);
    operations = world.files().operations();
  }
  EXPECT_GT(operations, 60);
  for (int64_t at = 0; at < operations; ++at) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      SCOPED_TRACE(fmt::format("operation {} seed {}", at, seed));
      StoreWorld world(seed);
      Run run;
      world.files().crash_after(at);
      run.go(world, 1, incremental);
      EXPECT_TRUE(world.files().is_off());
      world.files().turn_on();
      check_recovery(world, run, incremental);
      if (::testing::Test::HasFailure()) { return; }
    }
  }
}

TEST(CheckpointStoreCrash, at_every_operation_of_full_checkpoints) { crash_everywhere(false); }
TEST(CheckpointStoreCrash, at_every_operation_of_incremental_checkpoints) {
  crash_everywhere(true);
}

TEST(CheckpointStoreCrash, a_disk_that_fails_now_and_then) {
  int64_t failed = 0;
  int64_t completed = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    StoreWorld world(seed);
    auto store = CheckpointStore::open(world, store_options(seed % 2 == 0)).value();
    Random random(seed);
    TestJob job;
    change(job, random, 60);
    std::map<int64_t, std::vector<TestJob::State>> states;
    int64_t base = 0;
    world.disk().set_faults({.write_error = 0.02, .sync_error = 0.05});
    if (seed % 3 == 0) {
      world.disk().set_capacity(world.disk().used_bytes() + 2000 +
                                static_cast<int64_t>(random.below(20'000)));
    }
    for (int64_t id = 1; id <= 8; ++id) {
      change(job, random, 8);
      const auto snapshot = take(*store, job, id, base);
      base = 0;
      if (!snapshot.ok()) {
        ++failed;
        ignore(store->discard(plan_of(*store, id)), "tried again");
        continue;
      }
      ++completed;
      states[id] = job.states;
      base = seed % 2 == 0 ? id : 0;
      if (store->kept().size() > 2) { ignore(store->drop(store->kept().front()), "tried again"); }
    }
    world.disk().set_faults({});
    world.disk().set_capacity(Clock::kNever);
    if (seed % 5 == 0) { world.disk().crash(); }
    const std::string root = "/d/" + store_options(false).job_id;
    for (const int64_t id : store->kept()) {
      const auto snapshot = load_snapshot(world, store->directory_of(id));
      ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
      EXPECT_EQ(TestJob::read(world, *snapshot).value(), states.at(id));
    }
    expect_all_load(world, root);
    EXPECT_TRUE(store->sweep(-kAges).ok());
    for (const int64_t id : store->kept()) { EXPECT_TRUE(store->drop(id).ok()); }
    EXPECT_TRUE(store->sweep(-kAges).ok());
    if (seed % 5 != 0) {
      EXPECT_TRUE(tree(world.files(), root).empty()) << tree(world.files(), root).front();
    }
  }
  EXPECT_GT(failed, 200);
  EXPECT_GT(completed, 500);
}

// A checkpoint whose completion has failed though it can be found: the sync after the rename did.
// False: it became complete, or can't be found.
bool fail_after_rename(StoreWorld& world, CheckpointStore& store) {
  TestJob job;
  job.set(0, "key", std::string(100, 'x'));
  world.disk().set_faults({.sync_error = 0.15});
  const bool failed = !take(store, job, 1, 0).ok();
  world.disk().set_faults({});
  return failed && world.files().exists(join_path(store.directory_of(1), kMetadataName)).value();
}

TEST(CheckpointStoreCrash, what_was_withdrawn_is_gone_for_good) {
  int64_t doubtful = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    StoreWorld world(seed);
    auto store = CheckpointStore::open(world, store_options(seed % 2 == 0)).value();
    if (!fail_after_rename(world, *store)) { continue; }
    ++doubtful;
    world.disk().set_faults({.sync_error = 0.5, .remove_error = 0.5});
    while (!store->withdraw(plan_of(*store, 1)).ok()) {}
    world.disk().set_faults({});
    world.disk().crash();
    const std::string metadata = join_path(store->directory_of(1), kMetadataName);
    EXPECT_FALSE(world.files().exists(metadata).value());
  }
  EXPECT_GT(doubtful, 5);
}

TEST(CheckpointStoreCrash, what_was_found_and_made_durable_stays) {
  int64_t doubtful = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    StoreWorld world(seed);
    auto store = CheckpointStore::open(world, store_options(seed % 2 == 0)).value();
    if (!fail_after_rename(world, *store)) { continue; }
    ++doubtful;
    const auto found = load_snapshot(world, store->directory_of(1));
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    ASSERT_TRUE(make_durable(world, *found).ok());
    world.disk().crash();
    EXPECT_TRUE(load_snapshot(world, store->directory_of(1)).ok());
  }
  EXPECT_GT(doubtful, 5);
}

}  // namespace
}  // namespace tidewheel
