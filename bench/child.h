// Runs a measurement in a process of its own, so that memory and CPU time are that run's; and where
// it puts its files.
#pragma once
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "tidewheel/base/status.h"

namespace tidewheel::bench {

// CPU time of this process, in seconds.
inline double cpu_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline double wall_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline int64_t wall_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

// Memory that is the process's own and no part of a file: what it holds, without the code of
// libraries.
inline int64_t own_memory_bytes() {
  std::ifstream status("/proc/self/status");
  int64_t kilobytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:") || line.starts_with("RssShmem:")) {
      kilobytes += std::stoll(line.substr(line.find(':') + 1));
    }
  }
  return kilobytes * 1024;
}

// The folder as if it were new. Nothing that is not the benchmark's own is in it: it must be new,
// or have the mark that an earlier run has left.
inline bool empty_folder(const std::string& folder) {
  const std::string mark = folder + "/.tidewheel-bench";
  std::error_code error;
  if (std::filesystem::exists(folder, error) && !std::filesystem::exists(mark, error)) {
    fmt::print(stderr, "tidewheel_bench: {} is not empty: choose another --dir\n", folder);
    return false;
  }
  std::filesystem::remove_all(folder, error);
  if (!error) { std::filesystem::create_directories(folder, error); }
  if (error) {
    fmt::print(stderr, "tidewheel_bench: {}: {}\n", folder, error.message());
    return false;
  }
  return static_cast<bool>(std::ofstream(mark) << "may be deleted\n");
}

// What `measure(send)`, a Result<Measured>, gave in a child; nothing when it failed, which was
// printed.
// `Measured` goes through a pipe as it is; a measurement that ends its process by itself calls
// send(measured) before.
template <class Measured, class Measure>
std::optional<Measured> run_in_child(std::string_view what, Measure measure) {
  static_assert(std::is_trivially_copyable_v<Measured> && sizeof(Measured) <= 4096);
  int ends[2];
  if (pipe(ends) != 0) {
    std::perror("tidewheel_bench: pipe");
    return std::nullopt;
  }
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    std::perror("tidewheel_bench: fork");
    return std::nullopt;
  }
  if (child == 0) {
    close(ends[0]);
    const auto send = [&](const Measured& measured) {
      return write(ends[1], &measured, sizeof measured) == sizeof measured;
    };
    const Result<Measured> measured = measure(send);
    if (!measured.ok()) {
      fmt::print(stderr, "tidewheel_bench: {}: {}\n", what, measured.status().to_string());
      _exit(1);
    }
    _exit(send(*measured) ? 0 : 1);
  }
  close(ends[1]);
  Measured measured;
  const bool received = read(ends[0], &measured, sizeof measured) == sizeof measured;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    fmt::print(stderr, "tidewheel_bench: {}: ended by signal {}\n", what, WTERMSIG(status));
  }
  if (!received) { return std::nullopt; }
  return measured;
}

}  // namespace tidewheel::bench
