// From files to files, through processes that are killed between any two calls of the file system,
// machines that lose their power, and functions that throw: every line comes out once, and nothing
// is left over.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "tidewheel/connectors/file/lines.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kFiles = 5;
constexpr int64_t kLines = 120;  // in each

SimulationOptions with_seed(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  return options;
}

class FileRecovery : public ::testing::TestWithParam<uint64_t> {
 protected:
  FileRecovery() : machine_(with_seed(GetParam())), random_(GetParam() * 7919) {}

  SimFileSystem& files() { return machine_.world.sim_files(); }
  void write_input() {
    ASSERT_TRUE(files().make_directories("/in").ok());
    for (int64_t file = 0; file < kFiles; ++file) {
      std::string content;
      for (int64_t line = 0; line < kLines; ++line) {
        content += std::to_string(file * kLines + line) + std::string(20, '.') + '\n';
      }
      ASSERT_TRUE(write_all_durably(files(), "/in/" + std::to_string(file), content).ok());
    }
  }
  Config config() {
    Config config;
    config.set(options::kCheckpointDirectory, "/checkpoints");
    config.set(options::kCheckpointRetention, "RETAIN_ON_CANCELLATION");
    config.set(options::kCheckpointInterval, 10);
    config.set(options::kTolerableFailedCheckpoints, 100);
    config.set(options::kBatchRows, 16);
    config.set(options::kParallelism, 1 + static_cast<int64_t>(random_.below(3)));
    config.set(options::kExponentialInitial, 1);
    config.set(options::kExponentialMax, 20);
    return config;
  }

  // One life of the process. Returns whether the job has finished.
  bool live(bool first, bool is_killed) {
    SimProcess process(machine_.simulation, machine_.world, "job");
    if (is_killed) { process.kill_at_file_call(static_cast<int64_t>(random_.below(1500))); }
    Env env(process, config());
    if (!first) { env.resume(); }
    const int64_t doomed = static_cast<int64_t>(random_.below(kFiles * kLines));
    auto throws = std::make_shared<bool>(random_.chance(0.5));
    const int64_t part_bytes = 100 + static_cast<int64_t>(random_.below(3000));
    file::WriteOptions write{.part_bytes_max = part_bytes};
    write.roll_on_checkpoint = random_.chance(0.3);
    env.from("lines", file::lines<std::string>("/in", {.split_bytes = 1024}))
        .uid("lines")
        .async_map(
            [throws, doomed](std::string line) -> Async<std::string> {
              co_await sleep(Duration(2));
              if (*throws && line.starts_with(std::to_string(doomed) + '.')) {
                *throws = false;
                throw std::runtime_error("doomed");
              }
              co_return line;
            },
            {.capacity = 4})
        .uid("slowly")
        .rebalance()
        .to(file::write_lines("/out", write))
        .uid("parts");
    auto job = env.execute_async("files");
    if (!job.ok()) {
      EXPECT_FALSE(process.alive()) << job.status().to_string();
      return false;
    }
    for (int64_t ms = 0; process.alive() && ms < 100'000; ms += 5) {
      if ((*job)->wait(machine_.simulation.now_ns() + 5 * kMs)) { break; }
    }
    const bool finished = (*job)->state() == JobState::kFinished;
    if (process.alive()) { EXPECT_TRUE(finished) << (*job)->result().to_string(); }
    (*job)->cancel();
    (*job)->wait();
    return finished && process.alive();
  }

  void check_output() {
    std::map<std::string, int> lines;
    const auto entries = files().list("/out");
    ASSERT_TRUE(entries.ok());
    for (const DirectoryEntry& entry : *entries) {
      EXPECT_FALSE(entry.name.starts_with('.')) << entry.name << " is left over";
      std::string content = read_all(files(), "/out/" + entry.name).value_or("");
      while (!content.empty()) {
        const size_t end = content.find('.');
        ASSERT_NE(end, std::string::npos);
        EXPECT_EQ(++lines[content.substr(0, end)], 1) << content.substr(0, end);
        content = content.substr(content.find('\n') + 1);
      }
    }
    EXPECT_EQ(lines.size(), static_cast<size_t>(kFiles * kLines));
  }

  SimMachine machine_;
  Random random_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, FileRecovery, ::testing::Range<uint64_t>(1, 25));

TEST_P(FileRecovery, every_line_comes_out_once) {
  write_input();
  const int lives = static_cast<int>(random_.below(6));
  bool finished = false;
  for (int life = 0; life <= lives && !finished && !HasFailure(); ++life) {
    finished = live(life == 0, life < lives);
    if (!finished && random_.chance(0.5)) { files().crash(); }
  }
  ASSERT_TRUE(finished);
  check_output();
}

}  // namespace
}  // namespace tidewheel
