#include "tidewheel/connectors/file/part_writer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/sim/sim_world.h"

namespace tidewheel::file {
namespace {

constexpr char kFolder[] = "/out";
using Parts = std::map<std::string, std::string>;  // content by name, of parts that have their name

class CrashingDisk {
 public:
  explicit CrashingDisk(uint64_t seed) : machine_(options_of(seed)), random_(seed * 7919) {}

  // Restarts a writer again and again, which fails or loses its power. Each time all that is
  // visible must be whole, and what was visible once must stay as it is.
  void run() {
    EXPECT_TRUE(files().make_directories(kFolder).ok());
    for (int round = 0; round < 6; ++round) {
      set_faults(true);
      const Status status = write_for_a_while();
      set_faults(false);
      if (!status.ok()) {
        ++failures_;
        ++names_in_doubt_;
      }
      const Parts before = visible();
      for (const auto& [name, content] : before) { expect_whole_records(name, content); }
      for (const auto& [name, content] : seen_) { EXPECT_EQ(before.count(name), 1U) << name; }
      const bool crashes = random_.chance(0.7);
      if (crashes) { files().crash(); }
      seen_ = visible();
      // A name that the disk failed to make durable, when that failed the writer, may be gone.
      EXPECT_GE(seen_.size() + names_in_doubt_, before.size());
      if (crashes) { names_in_doubt_ = 0; }
      for (const auto& [name, content] : seen_) {
        EXPECT_TRUE(before.count(name) == 1 && before.at(name) == content) << name;
      }
    }
  }
  int failures() const { return failures_; }
  size_t parts() const { return seen_.size(); }

 private:
  static SimulationOptions options_of(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    return options;
  }
  SimFileSystem& files() { return machine_.world.sim_files(); }
  void set_faults(bool on) {
    SimDiskFaults faults;
    if (on) {
      faults.write_error = 0.03;
      faults.sync_error = 0.03;
    }
    files().set_faults(faults);
  }

  Status write_for_a_while() {
    WriteOptions options;
    options.part_bytes_max = 300;
    const bool by_checkpoint = random_.chance(0.5);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const std::unique_ptr<PartWriter> writer,
        PartWriter::open(files(), machine_.world.clock(), {kFolder, 0, 1, 1, random_.next()},
                         options, "head\n", by_checkpoint));
    for (uint64_t left = random_.below(200); left > 0; --left) {
      TIDEWHEEL_ASSIGN_OR_RETURN(std::string* const record, writer->begin_record({}));
      const uint64_t size = random_.below(50);
      *record += std::to_string(size) + ':' + std::string(size, 'x') + '\n';
      TIDEWHEEL_RETURN_IF_ERROR(writer->record_done());
      if (random_.chance(0.05)) { TIDEWHEEL_RETURN_IF_ERROR(writer->flush()); }
      if (random_.chance(0.05)) { TIDEWHEEL_RETURN_IF_ERROR(checkpoint(*writer)); }
    }
    if (random_.chance(0.5)) {
      writer->end_of_input();
      TIDEWHEEL_RETURN_IF_ERROR(checkpoint(*writer));
    }
    if (random_.chance(0.5)) { writer->abandon(); }
    return ok_status();
  }
  Status checkpoint(PartWriter& writer) {
    TIDEWHEEL_ASSIGN_OR_RETURN(PartSync sync, writer.prepare());
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto pending, sync.run());
    for (const PendingPart& part : pending) {
      if (random_.chance(0.2)) { continue; }  // the commit is lost
      TIDEWHEEL_RETURN_IF_ERROR(publish(files(), part));
      if (random_.chance(0.2)) { TIDEWHEEL_RETURN_IF_ERROR(publish(files(), part)); }
    }
    return ok_status();
  }

  Parts visible() {
    Parts parts;
    const auto entries = files().list(kFolder);
    EXPECT_TRUE(entries.ok());
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name.starts_with('.')) { continue; }
      parts[entry.name] = read_all(files(), join_path(kFolder, entry.name)).value_or("unreadable");
    }
    return parts;
  }
  static void expect_whole_records(const std::string& name, std::string_view content) {
    ASSERT_TRUE(content.starts_with("head\n")) << name;
    content.remove_prefix(5);
    while (!content.empty()) {
      const size_t colon = content.find(':');
      ASSERT_NE(colon, std::string_view::npos) << name;
      const size_t size = std::stoul(std::string(content.substr(0, colon)));
      ASSERT_GE(content.size(), colon + size + 2) << name;
      ASSERT_EQ(content[colon + size + 1], '\n') << name;
      content.remove_prefix(colon + size + 2);
    }
  }

  SimMachine machine_;
  Random random_;
  Parts seen_;
  int failures_ = 0;
  size_t names_in_doubt_ = 0;  // since the last crash
};

TEST(PartWriter, never_shows_half_a_part_whatever_fails) {
  int failures = 0;
  size_t parts = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    CrashingDisk disk(seed);
    disk.run();
    failures += disk.failures();
    parts += disk.parts();
    if (::testing::Test::HasFailure()) { return; }
  }
  EXPECT_GT(failures, 100);  // the faults did happen
  EXPECT_GT(parts, 1000U);
}

TEST(PartWriter, says_when_the_disk_is_full) {
  SimMachine machine{SimulationOptions()};
  SimFileSystem& files = machine.world.sim_files();
  auto writer = PartWriter::open(files, machine.world.clock(), {kFolder}, {}, "", false);
  ASSERT_TRUE(writer.ok());
  files.set_capacity(1000);
  auto record = (*writer)->begin_record({});
  ASSERT_TRUE(record.ok());
  **record += std::string(2000, 'x');
  ASSERT_TRUE((*writer)->record_done().ok());
  EXPECT_EQ((*writer)->flush().id(), ErrorId::kFileNoSpace);
}

class Clockwork {
 public:
  explicit Clockwork(const WriteOptions& options) {
    auto made = PartWriter::open(files(), machine_.world.clock(), {kFolder, 3, 4, 1, 1}, options,
                                 "", false);
    EXPECT_TRUE(made.ok());
    writer_ = std::move(*made);
    look();
  }
  SimFileSystem& files() { return machine_.world.sim_files(); }
  void write(const std::string& row) {
    auto record = writer_->begin_record({});
    ASSERT_TRUE(record.ok());
    **record += row;
    ASSERT_TRUE(writer_->record_done().ok());
  }
  void pass(int64_t ms) {
    machine_.world.jump_wall_clock(ms);
    while (next_ms_ <= machine_.world.clock().wall_ms()) { look(); }
  }
  std::string content(const std::string& name) {
    return read_all(files(), join_path(kFolder, name)).value_or("none");
  }

 private:
  void look() {
    const Result<int64_t> next = writer_->on_time(machine_.world.clock().wall_ms());
    ASSERT_TRUE(next.ok());
    ASSERT_GT(*next, machine_.world.clock().wall_ms());
    next_ms_ = *next;
  }
  SimMachine machine_{SimulationOptions()};
  std::unique_ptr<PartWriter> writer_;
  int64_t next_ms_ = 0;
};

TEST(PartWriter, closes_parts_that_are_old) {
  WriteOptions options;
  options.part_time_max = Duration(1000);
  Clockwork clockwork(options);
  clockwork.write("1\n");
  clockwork.pass(600);
  clockwork.write("2\n");
  clockwork.pass(600);
  EXPECT_EQ(clockwork.content("part-3-0"), "1\n2\n");
  clockwork.write("3\n");
  clockwork.pass(600);
  EXPECT_EQ(clockwork.content("part-3-1"), "none");
}

TEST(PartWriter, closes_parts_that_get_no_rows) {
  WriteOptions options;
  options.part_time_max = Duration(0);
  options.idle_time_max = Duration(1000);
  Clockwork clockwork(options);
  for (int i = 0; i < 4; ++i) {
    clockwork.write("x");
    clockwork.pass(600);
  }
  EXPECT_EQ(clockwork.content("part-3-0"), "none");
  clockwork.pass(1000);
  EXPECT_EQ(clockwork.content("part-3-0"), "xxxx");
}

}  // namespace
}  // namespace tidewheel::file
