// The life of part files: when they are closed, how small ones become one, with and without
// checkpoints and over restarts, and which buckets there may be.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/connectors/file/part_writer.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::file {
namespace {

constexpr char kFolder[] = "/out";
using Parts = std::map<std::string, std::string>;  // content by name
using Pending = std::vector<PendingPart>;

class PartLife : public ::testing::Test {
 protected:
  SimFileSystem& files() { return machine_.world.sim_files(); }
  int64_t now_ms() { return machine_.world.clock().wall_ms(); }

  void open(const WriteOptions& options, const std::string& head = "", bool by_checkpoint = true) {
    options_ = options;
    writer_ = nullptr;
    auto made = PartWriter::open(files(), machine_.world.clock(), {kFolder, 0, 1, 1, ++attempt_},
                                 options, head, by_checkpoint);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    writer_ = std::move(*made);
  }
  // What comes after a crash: another attempt, from what the latest checkpoint has.
  void open_restored(const std::string& head, const Pending& pending) {
    const std::vector<PartState> states = writer_->state();
    writer_->abandon();
    open(options_, head);
    PartRecovery recovery;
    recovery.restored = recovery.is_restart = true;
    for (const PendingPart& part : pending) { recovery.pending.push_back({0, 1, part}); }
    for (const PartState& state : states) { recovery.states.push_back({0, 1, state}); }
    const Status status = writer_->recover(recovery);
    ASSERT_TRUE(status.ok()) << status.to_string();
    commit(pending);
  }
  void write(const std::string& row, const std::string& bucket = "") {
    auto record = writer_->begin_record(bucket);
    ASSERT_TRUE(record.ok()) << record.status().to_string();
    **record += row;
    ASSERT_TRUE(writer_->record_done().ok());
  }
  Pending prepare() {
    auto sync = writer_->prepare();
    EXPECT_TRUE(sync.ok());
    auto pending = sync->run();
    EXPECT_TRUE(pending.ok());
    return *pending;
  }
  void commit(const Pending& pending) {
    for (const PendingPart& part : pending) { ASSERT_TRUE(publish(files(), part).ok()); }
  }
  void checkpoint() { commit(prepare()); }
  void finish() {
    writer_->end_of_input();
    checkpoint();
    EXPECT_TRUE(hidden().empty());
  }
  void pass(int64_t ms) {
    machine_.world.jump_wall_clock(ms);
    ASSERT_TRUE(writer_->on_time(now_ms()).ok());
  }

  std::vector<DirectoryEntry> entries_of(const std::string& folder) {
    const auto entries = files().list(folder);
    EXPECT_TRUE(entries.ok()) << folder;
    return entries.ok() ? *entries : std::vector<DirectoryEntry>();
  }
  Parts visible(const std::string& bucket = "") {
    Parts parts;
    const std::string folder = join_path(kFolder, bucket);
    for (const DirectoryEntry& entry : entries_of(folder)) {
      if (entry.is_directory || entry.name.starts_with('.')) { continue; }
      parts[entry.name] = read_all(files(), join_path(folder, entry.name)).value_or("unreadable");
    }
    return parts;
  }
  std::vector<std::string> hidden() {
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : entries_of(kFolder)) {
      if (entry.name.starts_with('.') && entry.name.find("-lock") == std::string::npos) {
        names.push_back(entry.name);
      }
    }
    return names;
  }

  SimMachine machine_{SimulationOptions()};
  WriteOptions options_;
  uint64_t attempt_ = 0;
  std::unique_ptr<PartWriter> writer_;
};

// ---- When parts are closed ----

TEST_F(PartLife, a_part_goes_on_over_checkpoints_until_it_is_large_old_or_idle) {
  open({.part_bytes_max = 6, .part_time_max = Duration(1000), .idle_time_max = Duration(500)});
  write("aaa");
  checkpoint();
  EXPECT_EQ(visible(), Parts());
  write("bbb");  // large enough
  EXPECT_EQ(visible(), Parts());
  checkpoint();
  EXPECT_EQ(visible(), (Parts{{"part-0-0", "aaabbb"}}));
  write("c");
  for (int i = 0; i < 3; ++i) {
    pass(400);
    write("c");
  }
  checkpoint();
  EXPECT_EQ(visible().at("part-0-1"), "ccc");  // it was old; the last row is in the next one
  pass(100);
  pass(500);
  checkpoint();
  EXPECT_EQ(visible().at("part-0-2"), "c");  // it was idle
}

TEST_F(PartLife, every_checkpoint_closes_all_parts_when_that_is_asked_for) {
  open({.roll_on_checkpoint = true});
  write("a", "x");
  write("b", "y/z");
  checkpoint();
  EXPECT_EQ(visible("x"), (Parts{{"part-0-0", "a"}}));
  EXPECT_EQ(visible("y/z"), (Parts{{"part-0-0", "b"}}));
  EXPECT_TRUE(writer_->state().empty());
}

TEST_F(PartLife, of_many_buckets_the_one_that_was_unused_for_longest_is_closed) {
  open({}, "", /*by_checkpoint=*/false);
  for (int i = 0; i < 200; ++i) {
    write("x", "bucket " + std::to_string(i));
    write("h", "hot");
  }
  EXPECT_EQ(visible("bucket 0"), (Parts{{"part-0-0", "x"}}));
  EXPECT_EQ(visible("bucket 199"), Parts());
  finish();
  EXPECT_EQ(visible("hot"), (Parts{{"part-0-0", std::string(200, 'h')}}));
}

TEST_F(PartLife, buckets_are_folders_within_the_folder) {
  open({});
  for (const char* name : {"..", "a/../../b", "/etc", "a//b", "a/", ".hidden", "a/.b"}) {
    EXPECT_EQ(writer_->begin_record(name).status().id(), ErrorId::kConnectorOption) << name;
  }
  write("x", "a/b..c");
  write("y", "");
  finish();
  EXPECT_EQ(visible("a/b..c").size(), 1U);
  EXPECT_EQ(visible().size(), 1U);
}

// ---- Merging ----

TEST_F(PartLife, small_parts_become_one_when_there_are_enough_of_them) {
  open({.roll_on_checkpoint = true, .merge_parts = 3}, "head\n");
  for (const char* row : {"a\n", "b\n"}) {
    write(row);
    write(row, "other");
    checkpoint();
  }
  EXPECT_EQ(visible(), Parts());
  write("c\n");
  checkpoint();
  EXPECT_EQ(visible(), (Parts{{"part-0-3", "head\na\nb\nc\n"}}));
  EXPECT_EQ(visible("other"), Parts());  // there are two
  EXPECT_TRUE(hidden().empty());
  finish();
  EXPECT_EQ(visible("other"), (Parts{{"part-0-2", "head\na\nb\n"}}));
}

TEST_F(PartLife, small_parts_become_one_when_they_have_enough_bytes_and_large_ones_never_wait) {
  open({.roll_on_checkpoint = true, .merge_parts = 100, .merge_bytes = 10});
  write("0123456789");
  checkpoint();
  EXPECT_EQ(visible(), (Parts{{"part-0-0", "0123456789"}}));
  write("abcdef");
  checkpoint();
  EXPECT_EQ(visible().size(), 1U);
  write("ghij");
  checkpoint();
  EXPECT_EQ(visible().at("part-0-3"), "abcdefghij");
  EXPECT_TRUE(hidden().empty());
}

TEST_F(PartLife, small_parts_do_not_wait_for_ever) {
  open({.roll_on_checkpoint = true, .merge_parts = 100, .merge_time_max = Duration(1000)});
  write("a");
  checkpoint();
  pass(900);
  write("b");
  checkpoint();
  EXPECT_EQ(visible(), Parts());
  pass(100);
  checkpoint();
  EXPECT_EQ(visible(), (Parts{{"part-0-2", "ab"}}));
  write("c");
  checkpoint();
  pass(1000);
  checkpoint();
  EXPECT_EQ(visible().at("part-0-3"), "c");  // alone
  EXPECT_TRUE(hidden().empty());
}

TEST_F(PartLife, small_parts_are_merged_without_checkpoints_too) {
  open({.part_bytes_max = 7, .merge_parts = 2, .merge_time_max = Duration(1000)}, "head\n",
       /*by_checkpoint=*/false);
  for (const char* row : {"a\n", "b\n", "c\n"}) { write(row); }
  EXPECT_EQ(visible(), (Parts{{"part-0-2", "head\na\nb\n"}}));
  EXPECT_EQ(hidden().size(), 1U);
  pass(1000);
  EXPECT_EQ(visible().at("part-0-3"), "head\nc\n");
  EXPECT_TRUE(hidden().empty());
  write("d\n");
  finish();
  EXPECT_EQ(visible().at("part-0-4"), "head\nd\n");
  write("e\n");
  writer_->abandon();  // the job has failed
  EXPECT_TRUE(hidden().empty());
}

TEST_F(PartLife, parts_that_wait_are_merged_after_a_restart) {
  open({.roll_on_checkpoint = true, .merge_parts = 3, .merge_time_max = Duration(1000)}, "head\n");
  for (const char* row : {"a\n", "b\n"}) {
    write(row);
    checkpoint();
  }
  open_restored("head\n", {});
  write("c\n");
  checkpoint();
  ASSERT_EQ(visible().size(), 1U);
  EXPECT_EQ(visible().begin()->second, "head\na\nb\nc\n");
  // The time that they have waited is not forgotten.
  write("d\n");
  checkpoint();
  pass(900);
  open_restored("head\n", {});
  pass(100);
  checkpoint();
  EXPECT_EQ(visible().size(), 2U);
  EXPECT_TRUE(hidden().empty());
}

TEST_F(PartLife, parts_with_another_head_are_not_merged_with_those_of_now) {
  open({.roll_on_checkpoint = true, .merge_parts = 3}, "head\n");
  for (const char* row : {"a\n", "b\n"}) {
    write(row);
    checkpoint();
  }
  open_restored("neck\n", {});
  write("c\n");
  checkpoint();
  EXPECT_EQ(visible(), (Parts{{"part-0-0", "head\na\n"}, {"part-0-1", "head\nb\n"}}));
  finish();
  EXPECT_EQ(visible().size(), 3U);
}

// The process dies between any two steps of a commit; the merged rows are visible once.
TEST_F(PartLife, a_merge_is_done_once_wherever_its_commit_is_cut_off) {
  for (int cut = 0; cut < 4; ++cut) {
    SCOPED_TRACE(cut);
    open({.roll_on_checkpoint = true, .merge_parts = 2}, "head\n");
    write("a\n");
    checkpoint();
    write("b\n");
    const Pending pending = prepare();
    ASSERT_EQ(pending.size(), 1U);
    ASSERT_EQ(pending[0].merged.size(), 2U);
    if (cut > 0) { ASSERT_TRUE(files().rename(pending[0].hidden_path, pending[0].path).ok()); }
    for (int i = 0; i + 1 < cut; ++i) {
      ASSERT_TRUE(files().remove(pending[0].merged[static_cast<size_t>(i)]).ok());
    }
    open_restored("head\n", pending);
    finish();
    const Parts parts = visible();
    ASSERT_EQ(parts.size(), 1U);
    EXPECT_EQ(parts.begin()->second, "head\na\nb\n");
    ASSERT_TRUE(files().remove_all(kFolder).ok());
  }
}

TEST_F(PartLife, options_of_merging_that_make_no_sense_are_refused) {
  EXPECT_EQ(WriteOptions{.merge_parts = -1}.validate().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(WriteOptions{.merge_bytes = 0}.validate().id(), ErrorId::kConnectorOption);
  EXPECT_EQ(WriteOptions{.merge_time_max = Duration(-1)}.validate().id(),
            ErrorId::kConnectorOption);
}

}  // namespace
}  // namespace tidewheel::file
