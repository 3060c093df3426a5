#include "tidewheel/base/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

// Starts a shell with a script, and waits for its end.
class Processes : public ::testing::Test {
 protected:
  ~Processes() override { world_->files().remove_all(folder_).ok(); }

  Result<std::unique_ptr<ChildProcess>> start(const std::string& script, ProcessSpec spec = {}) {
    spec.program = "/bin/sh";
    spec.arguments = {"-c", script};
    ended_ = world_->executor().make_event();
    return launcher_->start(std::move(spec), [this](ProcessEnd end) {
      end_ = end;
      ended_->set();
    });
  }
  ProcessEnd wait() {
    EXPECT_TRUE(ended_->wait(world_->clock().now_ns() + 20'000'000'000));
    return end_;
  }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-process-test-" + std::to_string(::getpid());
  ProcessEnd end_;
  std::unique_ptr<Event> ended_;
  const std::unique_ptr<ProcessLauncher> launcher_ = make_process_launcher();
};

TEST_F(Processes, an_exit_code_is_told) {
  const auto child = start("exit 3");
  ASSERT_TRUE(child.ok()) << child.status().to_string();
  EXPECT_EQ(wait().exit_code, 3);
  EXPECT_EQ(end_.describe(), "exited with code 3");
  EXPECT_EQ((*child)->memory_bytes(), 0);
}

TEST_F(Processes, a_signal_is_told_by_number_and_name) {
  const auto child = start("kill -SEGV $$");
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(wait().signal, 11);
  EXPECT_EQ(end_.describe(), "was killed by signal 11 (SIGSEGV, Segmentation fault)");
}

TEST(ProcessEnd, a_kill_while_there_was_no_memory_is_told_with_that) {
  EXPECT_EQ((ProcessEnd{.signal = 9, .memory_was_short = false}).describe(),
            "was killed by signal 9 (SIGKILL, Killed)");
  EXPECT_NE((ProcessEnd{.signal = 9, .memory_was_short = true}).describe().find("no memory left"),
            std::string::npos);
  EXPECT_EQ((ProcessEnd{.signal = 63}).describe(), "was killed by signal 63");
}

TEST_F(Processes, terminate_lets_a_process_end_by_itself) {
  ProcessSpec spec;
  ASSERT_TRUE(world_->files().make_directories(folder_).ok());
  spec.output_path = folder_ + "/out";
  const auto child = start("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done", spec);
  ASSERT_TRUE(child.ok());
  EXPECT_GT((*child)->memory_bytes(), 0);
  while (read_all(world_->files(), spec.output_path).value_or("") != "ready\n") {}
  (*child)->terminate();
  EXPECT_EQ(wait().exit_code, 7);
}

TEST_F(Processes, output_environment_and_folder_are_as_asked_for) {
  ASSERT_TRUE(world_->files().make_directories(folder_).ok());
  ProcessSpec spec;
  spec.environment = {{"TIDEWHEEL_TEST", "a b"}, {"HOME", "/nowhere"}};
  spec.directory = folder_;
  spec.output_path = folder_ + "/out";
  spec.error_path = folder_ + "/err";
  const auto child = start("echo \"$TIDEWHEEL_TEST $HOME $PWD\"; echo oh >&2", spec);
  ASSERT_TRUE(child.ok());
  EXPECT_TRUE(wait().ok());
  EXPECT_EQ(*read_all(world_->files(), spec.output_path), "a b /nowhere " + folder_ + "\n");
  EXPECT_EQ(*read_all(world_->files(), spec.error_path), "oh\n");
}

TEST_F(Processes, a_program_that_is_not_there_is_an_error_that_names_it) {
  ProcessSpec spec;
  spec.program = "/no/such/program";
  const auto child = launcher_->start(spec, [](ProcessEnd) { FAIL(); });
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.status().id(), ErrorId::kProcessStart);
  EXPECT_NE(child.status().message().find("/no/such/program"), std::string::npos);
}

TEST_F(Processes, destroying_a_child_ends_it_with_all_that_it_started) {
  ASSERT_TRUE(world_->files().make_directories(folder_).ok());
  ProcessSpec spec;
  spec.output_path = folder_ + "/out";
  auto child = start("sleep 1000 & echo $!; wait", spec);
  ASSERT_TRUE(child.ok());
  std::string grandchild;
  while (grandchild.empty()) {
    grandchild = read_all(world_->files(), spec.output_path).value_or("");
  }
  grandchild.pop_back();
  child->reset();
  // It is gone once its parent has become its reaper's: the folder in /proc goes, or says "Z".
  const auto is_there = [&] {
    const std::string stat =
        read_all(world_->files(), "/proc/" + grandchild + "/stat").value_or("");
    return !stat.empty() && stat.find(") Z") == std::string::npos;
  };
  while (is_there()) {}
  EXPECT_FALSE(ended_->is_set());
}

TEST_F(Processes, a_child_that_was_left_goes_on_without_its_launcher) {
  std::unique_ptr<ProcessLauncher> launcher = make_process_launcher();
  ProcessSpec spec;
  spec.program = "/bin/sh";
  spec.arguments = {"-c", "sleep 60"};
  spec.outlives_parent = true;
  auto left = launcher->start(spec, [](const ProcessEnd&) { ADD_FAILURE() << "nobody asks"; });
  ASSERT_TRUE(left.ok()) << left.status().to_string();
  auto other = launcher->start(spec, nullptr);
  ASSERT_TRUE(other.ok()) << other.status().to_string();
  const auto pid = static_cast<pid_t>((*left)->id());
  const auto other_pid = static_cast<pid_t>((*other)->id());
  (*left)->leave();
  (*left)->kill();
  left->reset();
  launcher.reset();
  // That of the other was reaped by the launcher.
  EXPECT_EQ(::kill(other_pid, 0), -1);
  EXPECT_EQ(::kill(pid, 0), 0);
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_F(Processes, is_bound_to_the_cores_that_were_asked_for) {
  ASSERT_TRUE(world_->files().make_directories(folder_).ok());
  const std::vector<int32_t> cores = launcher_->usable_cores();
  ASSERT_FALSE(cores.empty());
  ProcessSpec spec;
  spec.cores = {cores.back()};
  spec.output_path = folder_ + "/out";
  const auto child = start("grep Cpus_allowed_list /proc/self/status", spec);
  ASSERT_TRUE(child.ok()) << child.status().to_string();
  EXPECT_TRUE(wait().ok());
  EXPECT_EQ(*read_all(world_->files(), spec.output_path),
            "Cpus_allowed_list:\t" + std::to_string(cores.back()) + "\n");
}

TEST(ProcessFigures, tell_what_this_process_uses) {
  const ProcessFigures before = process_figures();
  EXPECT_GT(before.threads, 0);
  EXPECT_GT(before.processors, 0);
  EXPECT_GT(before.own_bytes, 0);
  EXPECT_GT(before.file_bytes, 0);
  EXPECT_GE(before.files_open, 3);
  EXPECT_GE(before.files_max, before.files_open);
  const int more = ::dup(1);
  EXPECT_EQ(process_figures().files_open, before.files_open + 1);
  ::close(more);
  std::string taken(8 << 20, 'x');
  const ProcessFigures after = process_figures();
  EXPECT_GE(after.own_bytes, before.own_bytes + (7 << 20)) << taken.size();
  EXPECT_GT(after.cpu_ns, before.cpu_ns);
}

TEST_F(Processes, memory_beyond_the_limit_ends_a_process_and_is_told) {
  ProcessSpec spec;
  spec.memory_bytes_max = 16 << 20;
  const auto child = start("x=$(head -c 100000000 /dev/zero | tr '\\0' x)", spec);
  ASSERT_TRUE(child.ok()) << child.status().to_string();
  // Where the system does not let this process set limits, it says so and runs without.
  const bool limits = launcher_->why_no_memory_limits().empty();
  EXPECT_EQ(wait().by_memory, limits) << end_.describe();
  EXPECT_EQ(end_.ok(), !limits);
  EXPECT_EQ(end_.describe().ends_with("because it reached its limit of memory, 16 MB"), limits)
      << end_.describe();
}

}  // namespace
}  // namespace tidewheel
