// From files to files, through processes that are killed between any two calls of the file system,
// machines that lose their power, and functions that throw: every line and every record of JSON
// comes out once, and nothing is left over.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "tidewheel/connectors/file/lines.h"
#include "tidewheel/connectors/file/records.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/formats/json/json.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kFiles = 5;
constexpr int64_t kLines = 120;  // in each

struct Step {
  int64_t id = 0;
  Text note;
  std::optional<double> weight;
};

SimulationOptions with_seed(uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  return options;
}

class FileRecovery : public ::testing::TestWithParam<uint64_t> {
 protected:
  FileRecovery() : machine_(with_seed(GetParam())), random_(GetParam() * 7919) {}

  SimFileSystem& files() { return machine_.world.sim_files(); }
  // `line(id)` without its line end.
  template <class Line>
  void write_input(Line line_of) {
    ASSERT_TRUE(files().make_directories("/in").ok());
    for (int64_t file = 0; file < kFiles; ++file) {
      std::string content;
      for (int64_t line = 0; line < kLines; ++line) {
        content += line_of(file * kLines + line) + '\n';
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

  file::WriteOptions write_options() {
    file::WriteOptions write;
    write.part_bytes_max = 100 + static_cast<int64_t>(random_.below(3000));
    write.roll_on_checkpoint = random_.chance(0.3);
    if (random_.chance(0.3)) {
      write.merge_parts = 2 + static_cast<int32_t>(random_.below(3));
      write.merge_bytes = write.part_bytes_max * 2;
    }
    return write;
  }
  // Throws once, at one of the rows, perhaps.
  std::function<void(int64_t)> doom() {
    const int64_t doomed = static_cast<int64_t>(random_.below(kFiles * kLines));
    return [throws = std::make_shared<bool>(random_.chance(0.5)), doomed](int64_t id) {
      if (id != doomed || !std::exchange(*throws, false)) { return; }
      throw std::runtime_error("doomed");
    };
  }
  void lines_to_lines(Env& env) {
    env.from("lines", file::lines<std::string>("/in", {.split_bytes = 1024}))
        .uid("lines")
        .async_map(
            [doom = doom()](std::string line) -> Async<std::string> {
              co_await sleep(Duration(2));
              doom(std::stoll(line));
              co_return line;
            },
            {.capacity = 4})
        .uid("slowly")
        .rebalance()
        .to(file::write_lines("/out", write_options()))
        .uid("parts");
  }
  void json_to_json(Env& env) {
    env.from("steps", file::records<Step>("/in", json()))
        .uid("steps")
        .async_map(
            [doom = doom()](Step step) -> Async<Step> {
              co_await sleep(Duration(2));
              doom(step.id);
              co_return step;
            },
            {.capacity = 4})
        .uid("slowly")
        .rebalance()
        .to(file::write("/out", json({.encode_ignore_null_fields = true}), write_options()))
        .uid("parts");
  }

  // One life of the process. Returns whether the job has finished.
  template <class Build>
  bool live(bool first, bool is_killed, Build build) {
    SimProcess process(machine_.simulation, machine_.world, "job");
    if (is_killed) { process.kill_at_file_call(static_cast<int64_t>(random_.below(1500))); }
    Env env(process, config());
    if (!first) { env.resume(); }
    build(env);
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

  template <class Build>
  void live_until_it_is_done(Build build) {
    const int lives = static_cast<int>(random_.below(6));
    bool finished = false;
    for (int life = 0; life <= lives && !finished && !HasFailure(); ++life) {
      finished = live(life == 0, life < lives, build);
      if (!finished && random_.chance(0.5)) { files().crash(); }
    }
    ASSERT_TRUE(finished);
  }

  // The lines of all parts, each of which must be `line(id)`, for every id once.
  template <class Line>
  void check_output(Line line_of) {
    std::map<std::string, int> lines;
    const auto entries = files().list("/out");
    ASSERT_TRUE(entries.ok());
    for (const DirectoryEntry& entry : *entries) {
      EXPECT_FALSE(entry.name.starts_with('.')) << entry.name << " is left over";
      const std::string content = read_all(files(), "/out/" + entry.name).value_or("");
      for (size_t at = 0; at < content.size();) {
        const size_t end = content.find('\n', at);
        ASSERT_NE(end, std::string::npos);
        EXPECT_EQ(++lines[content.substr(at, end - at)], 1) << content.substr(at, end - at);
        at = end + 1;
      }
    }
    EXPECT_EQ(lines.size(), static_cast<size_t>(kFiles * kLines));
    for (int64_t id = 0; id < kFiles * kLines; ++id) { EXPECT_EQ(lines.count(line_of(id)), 1U); }
  }

  SimMachine machine_;
  Random random_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, FileRecovery, ::testing::Range<uint64_t>(1, 25));

TEST_P(FileRecovery, every_line_comes_out_once) {
  const auto line_of = [](int64_t id) { return std::to_string(id) + std::string(20, '.'); };
  write_input(line_of);
  live_until_it_is_done([this](Env& env) { lines_to_lines(env); });
  check_output(line_of);
}

TEST_P(FileRecovery, every_record_of_json_comes_out_once) {
  const auto line_of = [](int64_t id) {
    const std::string note = id % 3 == 0 ? "a \\\"note\\\"\\n" : "plain";
    const std::string weight = id % 2 == 0 ? ",\"weight\":" + std::to_string(id) + ".5" : "";
    return "{\"id\":" + std::to_string(id) + ",\"note\":\"" + note + "\"" + weight + "}";
  };
  write_input(line_of);
  live_until_it_is_done([this](Env& env) { json_to_json(env); });
  check_output(line_of);
}

}  // namespace
}  // namespace tidewheel
