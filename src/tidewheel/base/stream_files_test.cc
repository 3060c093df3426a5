#include "tidewheel/base/stream_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

// Runs with its output and error streams in files of a folder. What is tested is done in a child,
// because the streams are the process's.
class StreamFiles : public ::testing::Test {
 protected:
  StreamFiles() { ignore(world_->files().make_directories(folder_), "the test sees it"); }
  ~StreamFiles() override { ignore(world_->files().remove_all(folder_), "of tests"); }

  template <class Body>
  pid_t start(const StreamFileLimits& limits, const Body& body) {
    const pid_t pid = ::fork();
    if (pid != 0) { return pid; }
    go_to(STDOUT_FILENO, "/a.out");
    go_to(STDERR_FILENO, "/a.log");
    limit_stream_files(limits);
    body();
    ::_exit(0);
  }
  static void wait(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  void go_to(int stream, const char* name) const {
    const int file = ::open((folder_ + name).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(file, stream);
    ::close(file);
  }
  static void write_line(int stream, const std::string& text) {
    const std::string line = text + "\n";
    static_cast<void>(!::write(stream, line.data(), line.size()));
    look_after_stream_files();
  }
  std::string text(const std::string& name) const {
    return read_all(world_->files(), folder_ + "/" + name).value_or("none");
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    const auto entries = world_->files().list(folder_);
    for (const DirectoryEntry& entry : *entries) { out.push_back(entry.name); }
    std::sort(out.begin(), out.end());
    return out;
  }

  const std::unique_ptr<World> world_ = make_real_world();
  const std::string folder_ = "/tmp/tidewheel-stream-files-test-" + std::to_string(::getpid());
};

TEST_F(StreamFiles, a_file_that_has_become_large_is_put_away) {
  wait(start({.bytes_max = 5, .files_max = 2}, [] {
    write_line(STDERR_FILENO, "one");
    write_line(STDERR_FILENO, "two");
    write_line(STDERR_FILENO, "three");
    write_line(STDERR_FILENO, "four");
    write_line(STDERR_FILENO, "fives");
    write_line(STDERR_FILENO, "six");
  }));
  EXPECT_EQ(names(), (std::vector<std::string>{"a.log", "a.log.1", "a.log.2", "a.out"}));
  EXPECT_EQ(text("a.log"), "six\n");
  EXPECT_EQ(text("a.log.1"), "four\nfives\n") << "it has become too large with the second line";
  EXPECT_EQ(text("a.log.2"), "three\n");
}

TEST_F(StreamFiles, without_a_limit_they_grow) {
  wait(start({.bytes_max = 0, .files_max = 1}, [] {
    for (int i = 0; i < 100; ++i) { write_line(STDERR_FILENO, "line"); }
  }));
  EXPECT_EQ(names(), (std::vector<std::string>{"a.log", "a.out"}));
}

TEST_F(StreamFiles, output_goes_on_in_the_new_file_wherever_it_is_written) {
  wait(start({.bytes_max = 5, .files_max = 3}, [] {
    const auto world = make_real_world();
    const auto print = world->files().open_write("/dev/stdout", WriteMode::kAppend);
    int go_on[2];
    EXPECT_EQ(::pipe(go_on), 0);
    const pid_t child = ::fork();  // has the old file
    if (child == 0) {
      char word = 0;
      static_cast<void>(::read(go_on[0], &word, 1));
      write_line(STDOUT_FILENO, "late");
      ::_exit(0);
    }
    static_cast<void>((*print)->append("before\n"));
    look_after_stream_files();
    static_cast<void>((*print)->append("b\n"));
    static_cast<void>((*print)->close());
    write_line(STDOUT_FILENO, "c");
    EXPECT_EQ(::write(go_on[1], "!", 1), 1);
    wait(child);
  }));
  EXPECT_EQ(text("a.out"), "b\nc\n");
  EXPECT_EQ(text("a.out.1"), "before\nlate\n");
}

TEST_F(StreamFiles, both_streams_may_go_to_one_file) {
  wait(start({.bytes_max = 6, .files_max = 1}, [this] {
    go_to(STDOUT_FILENO, "/a.log");
    limit_stream_files({.bytes_max = 6, .files_max = 1});
    write_line(STDERR_FILENO, "longer");
    write_line(STDOUT_FILENO, "out");
    write_line(STDERR_FILENO, "x");
  }));
  EXPECT_EQ(text("a.log"), "out\nx\n");
  EXPECT_EQ(text("a.log.1"), "longer\n");
}

TEST_F(StreamFiles, no_line_of_many_threads_and_processes_is_lost_or_torn) {
  constexpr int kProcesses = 4;
  constexpr int kThreads = 3;
  constexpr int kLines = 400;
  std::vector<pid_t> processes;
  for (int p = 0; p < kProcesses; ++p) {
    processes.push_back(start({.bytes_max = 2'000, .files_max = 1000}, [p] {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([p, t] {
          for (int i = 0; i < kLines; ++i) {
            write_line(STDERR_FILENO, fmt::format("line {} of thread {} of {}", i, t, p));
          }
        });
      }
      for (std::thread& thread : threads) { thread.join(); }
    }));
  }
  for (const pid_t process : processes) { wait(process); }
  std::vector<std::string> lines;
  for (const std::string& name : names()) {
    const std::string all = text(name);
    for (size_t at = 0; at < all.size();) {
      const size_t end = std::min(all.find('\n', at), all.size());
      lines.push_back(all.substr(at, end - at));
      at = end + 1;
    }
  }
  EXPECT_EQ(lines.size(), static_cast<size_t>(kProcesses * kThreads * kLines));
  EXPECT_GT(names().size(), 20U);
  std::sort(lines.begin(), lines.end());
  for (int p = 0; p < kProcesses; ++p) {
    for (int t = 0; t < kThreads; ++t) {
      for (int i = 0; i < kLines; ++i) {
        const std::string line = fmt::format("line {} of thread {} of {}", i, t, p);
        ASSERT_TRUE(std::binary_search(lines.begin(), lines.end(), line)) << line;
      }
    }
  }
}

TEST_F(StreamFiles, a_file_without_a_name_is_left_alone) {
  wait(start({.bytes_max = 5, .files_max = 1}, [this] {
    ::unlink((folder_ + "/a.log").c_str());
    write_line(STDERR_FILENO, "more than five");
    write_line(STDERR_FILENO, "more than five");
  }));
  EXPECT_EQ(names(), (std::vector<std::string>{"a.out"}));
}

}  // namespace
}  // namespace tidewheel
