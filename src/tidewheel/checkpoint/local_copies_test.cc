// Local copies are read first, are never believed, and never stand in the way.
#include "tidewheel/checkpoint/local_copies.h"

#include <gtest/gtest.h>

#include <optional>

#include "tidewheel/base/options.h"
#include "tidewheel/testing/store_world.h"

namespace tidewheel {
namespace {

using testing::kTestGroups;
using testing::kTestTasks;
using testing::StoreWorld;
using testing::TestJob;

constexpr char kJobId[] = "0123456789abcdef0123456789abcdef";

class LocalCopyOfState : public ::testing::Test {
 protected:
  static CheckpointStoreOptions options() {
    CheckpointStoreOptions options;
    options.directory = "/d";
    options.job_id = kJobId;
    options.inline_bytes_max = 0;
    options.local = {{"/l"}, true, true};
    return options;
  }
  void open(CheckpointStoreOptions options) {
    store_.reset();
    store_ = CheckpointStore::open(world_, std::move(options)).value();
  }
  Result<CompletedSnapshot> take(int64_t id, int64_t base = 0) {
    TIDEWHEEL_RETURN_IF_ERROR(store_->prepare(id).status());
    return write(plan_of(id, base));
  }
  CheckpointPlan plan_of(int64_t id, int64_t base = 0) {
    CheckpointPlan plan;
    plan.id = id;
    plan.base_checkpoint = base;
    plan.directory = store_->directory_of(id);
    return plan;
  }
  Result<CompletedSnapshot> write(const CheckpointPlan& plan) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Manifest manifest, write_tasks(plan));
    return store_->complete(plan, std::move(manifest));
  }
  Result<Manifest> write_tasks(const CheckpointPlan& plan) {
    Manifest manifest;
    manifest.checkpoint = plan.id;
    manifest.kind = plan.kind;
    manifest.job_id = kJobId;
    ManifestOperator& op = manifest.operators.emplace_back();
    op.uid = "counter";
    op.parallelism = kTestTasks;
    op.max_parallelism = kTestGroups;
    for (int32_t task = 0; task < kTestTasks; ++task) {
      const auto writer = store_->write(plan, 0, task);
      writer->grant(UINT32_MAX, nullptr);
      job_.write(task, plan.base_checkpoint == 0, writer->writer(TestJob::place(task)));
      std::optional<Result<std::vector<std::vector<SegmentRef>>>> done;
      writer->finish([&done](auto result) { done = std::move(result); });
      TIDEWHEEL_RETURN_IF_ERROR(done->status());
      OperatorSnapshot& subtask = op.subtasks.emplace_back();
      subtask.uid = op.uid;
      subtask.subtask = task;
      subtask.parallelism = kTestTasks;
      subtask.max_parallelism = kTestGroups;
      subtask.segments = std::move(done->value().front());
    }
    return manifest;
  }
  void expect_read(const CompletedSnapshot& snapshot) {
    const auto found = TestJob::read(world_, snapshot, store_->local_copies());
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_EQ(*found, job_.states);
  }
  std::vector<std::string> copies(const std::string& folder = "/l") {
    return world_.disk().files_below(folder);
  }
  const LocalCopyFigures& figures() { return store_->local_copies()->figures(); }

  StoreWorld world_{1};
  std::unique_ptr<CheckpointStore> store_;
  TestJob job_;
};

void fill(TestJob& job) {
  for (int32_t i = 0; i < 5000; ++i) {
    job.set(i % kTestTasks, "k" + std::to_string(i), "v" + std::to_string(i * i));
  }
}

TEST_F(LocalCopyOfState, a_checkpoint_is_read_without_its_own_files) {
  fill(job_);
  for (const std::vector<std::string>& directories :
       {std::vector<std::string>{"/l"}, {"/l/a", "/l/b", "/l/c"}, {"/d/local"}}) {
    CheckpointStoreOptions of = options();
    of.local.directories = directories;
    open(of);
    const auto snapshot = take(1);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
    const CompletedSnapshot loaded = load_snapshot(world_, snapshot->path).value();
    world_.disk().set_unreachable("/d/" + std::string(kJobId));
    expect_read(loaded);
    EXPECT_EQ(world_.disk().reads_refused(), 0);
    EXPECT_EQ(figures().used, kTestTasks);
    EXPECT_EQ(figures().unusable, 0);
    EXPECT_EQ(figures().missing, 0);
    world_.disk().set_unreachable("");
    ASSERT_TRUE(store_->drop(1).ok());
  }
}

TEST_F(LocalCopyOfState, is_a_second_name_of_the_file_on_the_same_disk) {
  fill(job_);
  CheckpointStoreOptions of = options();
  of.local.directories = {"/d/local"};
  open(of);
  const auto snapshot = take(1).value();
  for (const auto& [file, size] : files_of(snapshot.manifest)) {
    EXPECT_EQ(world_.files().info(path_of_file(snapshot.path, file))->id,
              world_.files().info("/d/local/" + std::string(kJobId) + "/" + file)->id);
  }
  // The job's own files may go.
  EXPECT_TRUE(world_.files().remove_all(snapshot.path).ok());
  expect_read(snapshot);
}

TEST_F(LocalCopyOfState, that_is_damaged_anywhere_is_not_used) {
  fill(job_);
  open(options());
  const auto snapshot = take(1).value();
  ASSERT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  const std::string copy = copies()[0];
  const std::string whole = read_all(world_.files(), copy).value();
  const auto replace = [&](const std::string& bytes) {
    const auto file = world_.files().open_write(copy, WriteMode::kTruncate).value();
    ASSERT_TRUE(file->append(bytes).ok());
  };
  int64_t unusable = 0;
  Random random(3);
  for (int32_t round = 0; round < 60; ++round) {
    std::string bytes = whole;
    if (round % 3 == 0) {
      bytes.resize(random.below(whole.size()));
    } else if (round % 3 == 1) {
      bytes += "more";
    } else {
      bytes[random.below(whole.size())] ^= static_cast<char>(1 << random.below(8));
    }
    replace(bytes);
    expect_read(snapshot);
    EXPECT_EQ(figures().unusable, ++unusable) << round;
  }
  replace(whole);
  expect_read(snapshot);
  EXPECT_EQ(figures().unusable, unusable);
}

TEST_F(LocalCopyOfState, that_is_missing_is_counted_and_not_needed) {
  fill(job_);
  open(options());
  const auto snapshot = take(1).value();
  ASSERT_TRUE(world_.files().remove(copies()[0]).ok());
  expect_read(snapshot);
  EXPECT_EQ(figures().missing, 1);
  EXPECT_EQ(figures().used, kTestTasks - 1);
  ASSERT_TRUE(world_.files().remove_all("/l").ok());
  expect_read(snapshot);
  EXPECT_EQ(figures().missing, 1 + kTestTasks);
  EXPECT_EQ(figures().unusable, 0);
}

TEST_F(LocalCopyOfState, is_kept_of_the_newest_checkpoint_only) {
  fill(job_);
  open(options());
  ASSERT_TRUE(take(1).ok());
  ASSERT_TRUE(take(2).ok());
  ASSERT_EQ(store_->kept().size(), 2U);
  ASSERT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  for (const std::string& copy : copies()) { EXPECT_TRUE(file_name(copy).starts_with("2-")); }
  // One under way keeps what it has written while an older one completes.
  ASSERT_TRUE(store_->prepare(3).ok());
  ASSERT_TRUE(store_->prepare(4).ok());
  ASSERT_TRUE(write_tasks(plan_of(4)).ok());
  ASSERT_TRUE(write(plan_of(3)).ok());
  EXPECT_EQ(copies().size(), 2U * kTestTasks);
  ASSERT_TRUE(store_->discard(plan_of(4)).ok());
  EXPECT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  ASSERT_TRUE(store_->drop(1).ok());
  ASSERT_TRUE(store_->drop(2).ok());
  EXPECT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  ASSERT_TRUE(store_->drop(3).ok());
  EXPECT_FALSE(*world_.files().exists("/l/" + std::string(kJobId)));
}

TEST_F(LocalCopyOfState, of_a_base_stays_for_as_long_as_changes_need_it) {
  fill(job_);
  CheckpointStoreOptions of = options();
  of.incremental = true;
  open(of);
  ASSERT_TRUE(take(1).ok());
  job_.set(0, "k0", "changed");
  job_.set(1, "k1", "changed");
  const auto snapshot = take(2, 1).value();
  ASSERT_TRUE(store_->drop(1).ok());
  EXPECT_EQ(copies().size(), 2U * kTestTasks);
  world_.disk().set_unreachable("/d");
  expect_read(snapshot);
  EXPECT_EQ(world_.disk().reads_refused(), 0);
}

TEST_F(LocalCopyOfState, serves_the_next_process_and_what_is_stale_goes) {
  fill(job_);
  open(options());
  const auto snapshot = take(1).value();
  ASSERT_TRUE(store_->prepare(2).ok());
  ASSERT_TRUE(write_tasks(plan_of(2)).ok());  // and the process dies
  open(options());
  store_->adopt(snapshot);
  world_.disk().set_unreachable("/d");
  expect_read(snapshot);
  world_.disk().set_unreachable("");
  ASSERT_TRUE(take(3).ok());
  ASSERT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  for (const std::string& copy : copies()) { EXPECT_TRUE(file_name(copy).starts_with("3-")); }
}

TEST_F(LocalCopyOfState, that_can_not_be_written_fails_no_checkpoint) {
  fill(job_);
  ASSERT_TRUE(world_.files().make_directories("/x").ok());
  ASSERT_TRUE(write_all_durably(world_.files(), "/x/taken", "by a file").ok());
  CheckpointStoreOptions of = options();
  of.local.directories = {"/x/taken"};
  open(of);
  EXPECT_EQ(figures().unwritten, 1);
  const auto snapshot = take(1);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().to_string();
  EXPECT_EQ(figures().unwritten, 1 + kTestTasks);
  expect_read(*snapshot);
}

TEST_F(LocalCopyOfState, is_not_made_of_savepoints) {
  fill(job_);
  open(options());
  CheckpointPlan plan;
  plan.id = 1;
  plan.kind = SnapshotKind::kSavepoint;
  plan.directory = store_->prepare_savepoint("/s").value();
  const auto savepoint = write(plan);
  ASSERT_TRUE(savepoint.ok()) << savepoint.status().to_string();
  EXPECT_TRUE(copies().empty());
  expect_read(*savepoint);
  EXPECT_EQ(figures().missing, 0);
}

TEST_F(LocalCopyOfState, of_a_job_that_is_gone_is_removed_after_a_day) {
  fill(job_);
  open(options());
  ASSERT_TRUE(take(1).ok());
  CheckpointStoreOptions other = options();
  other.job_id = "fedcba9876543210fedcba9876543210";
  open(other);
  EXPECT_EQ(copies().size(), static_cast<size_t>(kTestTasks));
  world_.jump_wall_clock(int64_t{25} * 3600 * 1000);
  open(other);
  EXPECT_TRUE(copies().empty());
}

TEST(LocalCopyOptions, name_their_folders) {
  Config config;
  EXPECT_FALSE(local_copy_options(config)->writes);
  EXPECT_TRUE(config.set("state.backend.local-recovery", "true").ok());
  EXPECT_TRUE(config.set("taskmanager.state.local.root-dirs", "/a, /b/c,,").ok());
  const LocalCopyOptions options = local_copy_options(config).value();
  EXPECT_TRUE(options.writes);
  EXPECT_TRUE(options.reads);
  EXPECT_EQ(options.directories, (std::vector<std::string>{"/a", "/b/c"}));
  EXPECT_TRUE(config.set("execution.checkpointing.local-backup.dirs", " , ").ok());
  EXPECT_EQ(local_copy_options(config).status().id(), ErrorId::kBadOptionValue);
}

}  // namespace
}  // namespace tidewheel
