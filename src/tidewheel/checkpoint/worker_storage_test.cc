#include "tidewheel/checkpoint/worker_storage.h"

#include <gtest/gtest.h>

#include <optional>

#include "tidewheel/checkpoint/snapshot_files.h"
#include "tidewheel/testing/store_world.h"

namespace tidewheel {
namespace {

using testing::StoreWorld;
using testing::TestJob;

CheckpointStoreOptions storage_options() {
  CheckpointStoreOptions options;
  options.directory = "/d";
  options.job_id = "0123456789abcdef0123456789abcdef";
  options.inline_bytes_max = 0;
  options.incremental = true;
  return options;
}

// A master that has the folder, and a worker that writes into it.
class WorkerStorageTest : public ::testing::Test {
 protected:
  WorkerStorageTest() {
    auto opened = CheckpointStore::open(world_, storage_options());
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    master_ = std::move(opened).value();
    job_.set(0, "a key", "a value");
  }
  CheckpointPlan plan(int64_t id) {
    EXPECT_TRUE(master_->prepare(id).ok());
    CheckpointPlan plan;
    plan.id = id;
    plan.directory = master_->directory_of(id);
    return plan;
  }
  TaskSnapshot write(const CheckpointPlan& plan) {
    const auto writer = worker_.write(plan, 0, 0);
    writer->grant(UINT32_MAX, nullptr);
    job_.write(0, /*whole=*/true, writer->writer(TestJob::place(0)));
    std::optional<Result<std::vector<std::vector<SegmentRef>>>> done;
    writer->finish([&done](auto result) { done = std::move(result); });
    EXPECT_TRUE(done && done->ok());
    TaskSnapshot snapshot;
    snapshot.checkpoint = plan.id;
    OperatorSnapshot& op = snapshot.operators.emplace_back();
    op.uid = "counter";
    op.parallelism = testing::kTestTasks;
    op.max_parallelism = testing::kTestGroups;
    op.segments = std::move(done->value().front());
    return snapshot;
  }
  Manifest manifest_of(const TaskSnapshot& snapshot) {
    Manifest manifest;
    manifest.checkpoint = snapshot.checkpoint;
    manifest.job_id = storage_options().job_id;
    ManifestOperator& op = manifest.operators.emplace_back();
    op.uid = "counter";
    op.parallelism = testing::kTestTasks;
    op.max_parallelism = testing::kTestGroups;
    op.subtasks.push_back(snapshot.operators.front());
    return manifest;
  }
  size_t shared_files() {
    const auto entries = world_.files().list(
        join_path(checkpoint_root(storage_options()), std::string(kSharedName)));
    EXPECT_TRUE(entries.ok());
    return entries->size();
  }

  bool takes_files(const CheckpointPlan& plan) {
    const auto writer = worker_.write(plan, 0, 0);
    return writer->writer(TestJob::place(0)).takes_files();
  }

  StoreWorld world_{1};
  std::unique_ptr<CheckpointStore> master_;
  WorkerStorage worker_{world_, storage_options()};
  TestJob job_;
};

TEST_F(WorkerStorageTest, a_checkpoint_of_files_that_the_master_was_told_of_is_complete) {
  const CheckpointPlan first = plan(1);
  const TaskSnapshot snapshot = write(first);
  // Not told: nobody vouches for the file.
  EXPECT_EQ(master_->complete(first, manifest_of(snapshot)).status().id(),
            ErrorId::kSnapshotMissing);
  master_->note_written(snapshot);
  const auto complete = master_->complete(first, manifest_of(snapshot));
  ASSERT_TRUE(complete.ok()) << complete.status().to_string();
  worker_.end(1, /*complete=*/true);
  EXPECT_EQ(shared_files(), 1U);
  EXPECT_TRUE(load_snapshot(world_, complete->path).ok());
}

// Of state backends.
TEST_F(WorkerStorageTest, files_are_taken_by_incremental_checkpoints_and_native_savepoints) {
  EXPECT_TRUE(takes_files(plan(1)));
  CheckpointPlan savepoint = plan(2);
  savepoint.kind = SnapshotKind::kSavepoint;
  EXPECT_FALSE(takes_files(savepoint));
  savepoint.form = SavepointForm::kNative;
  EXPECT_TRUE(takes_files(savepoint));
  CheckpointStoreOptions whole = storage_options();
  whole.incremental = false;
  EXPECT_TRUE(task_file_options(whole, savepoint).takes_files);
  EXPECT_FALSE(task_file_options(whole, plan(3)).takes_files);
}

TEST_F(WorkerStorageTest, files_of_a_checkpoint_that_was_given_up_are_deleted) {
  write(plan(1));
  EXPECT_EQ(shared_files(), 1U);
  worker_.end(1, /*complete=*/false);
  EXPECT_EQ(shared_files(), 0U);
  // Neither is one kept that is written afterwards.
  const CheckpointPlan late = plan(1);
  const auto writer = worker_.write(late, 0, 0);
  writer->grant(UINT32_MAX, nullptr);
  job_.write(0, /*whole=*/true, writer->writer(TestJob::place(0)));
  writer->finish([](const auto&) {});
  EXPECT_EQ(shared_files(), 0U);
}

TEST_F(WorkerStorageTest, what_the_master_was_told_of_goes_with_a_discarded_checkpoint) {
  const CheckpointPlan first = plan(1);
  master_->note_written(write(first));
  EXPECT_TRUE(master_->discard(first).ok());
  EXPECT_EQ(shared_files(), 0U);
}

// Another process of the job on this machine: nothing but the folder of copies is common.
TEST_F(WorkerStorageTest, the_next_worker_on_the_machine_reads_its_local_copies) {
  CheckpointStoreOptions options = storage_options();
  options.local = {.directories = {"/local"}, .writes = true, .reads = true};
  WorkerStorage worker(world_, options);
  const auto take = [&](int64_t id) {
    const CheckpointPlan next = plan(id);
    const auto writer = worker.write(next, 0, 0);
    writer->grant(UINT32_MAX, nullptr);
    job_.write(0, /*whole=*/true, writer->writer(TestJob::place(0)));
    std::optional<Result<std::vector<std::vector<SegmentRef>>>> done;
    writer->finish([&done](auto result) { done = std::move(result); });
    EXPECT_TRUE(done && done->ok());
    TaskSnapshot snapshot = write(plan(id));  // for what else it says
    snapshot.operators.front().segments = std::move(done->value().front());
    master_->note_written(snapshot);
    const Result<CompletedSnapshot> complete = master_->complete(next, manifest_of(snapshot));
    EXPECT_TRUE(complete.ok()) << complete.status().to_string();
    world_.hold_pool(true);  // what is done of copies is never done within the call
    worker.end(id, /*complete=*/true);
    world_.hold_pool(false);
    world_.run_pool();
    return *complete;
  };
  const CompletedSnapshot first = take(1);
  EXPECT_EQ(worker.find_copies(first.manifest).size(), 1U);
  const CompletedSnapshot second = take(2);
  EXPECT_EQ(worker.find_copies(second.manifest).size(), 1U);
  EXPECT_TRUE(worker.find_copies(first.manifest).empty()) << "nobody needs it any more";

  WorkerStorage next(world_, options);
  LocalCopyMap copies = next.find_copies(second.manifest);
  ASSERT_EQ(copies.size(), 1U);
  // The copy is the only one that can be read.
  ASSERT_TRUE(world_.files().remove(path_of_file(second.path, copies.begin()->first)).ok());
  EXPECT_EQ(TestJob::read(world_, second, next.copies()).value()[0], job_.states[0]);
  world_.hold_pool(true);
  worker.drop_copies();
  world_.run_pool();
  EXPECT_TRUE(next.find_copies(second.manifest).empty());
}

}  // namespace
}  // namespace tidewheel
