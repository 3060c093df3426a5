// The real world: this machine's clock, threads, files, sockets and environment, put together.
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>

#include "tidewheel/base/epoll_network.h"
#include "tidewheel/base/posix_file_system.h"
#include "tidewheel/base/real_clock.h"
#include "tidewheel/base/real_executor.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

uint64_t seed_of_the_system(const Clock& clock) {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
    seed = static_cast<uint64_t>(clock.now_ns()) ^ static_cast<uint64_t>(clock.wall_ms()) << 20;
  }
  return seed;
}

// The number in a file of the kernel; absent when there is none ("max").
std::optional<int64_t> number_in(FileSystem& files, const char* path) {
  const Result<std::string> text = read_all(files, path);
  int64_t number = 0;
  if (!text.ok() ||
      std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return number;
}

// The machine's memory, or the control group's limit when that is less.
int64_t usable_memory(FileSystem& files) {
  int64_t bytes = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (const std::optional<int64_t> limit = number_in(files, path)) {
      bytes = std::min(bytes, *limit);
    }
  }
  return bytes;
}

bool refuses(const RealWorldOptions& options) {
#ifdef TIDEWHEEL_DEBUG
  return options.refuse_at_random.value_or(true);
#else
  return options.refuse_at_random.value_or(false);
#endif
}

// A process may be started without standard input, output or error. Their numbers are taken then,
// so that no other file gets them, by files that can't be read, or written, either.
void hold_standard_files() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) { continue; }
    // The lowest number that is free is this one. When it can't be opened all is as it was.
    static_cast<void>(::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

// Parts are destroyed in the reverse order: the network before the executor that resolves for it.
class RealWorld final : public World {
 public:
  explicit RealWorld(const RealWorldOptions& options)
      : clock_(make_real_clock()),
        sink_(make_stderr_log_sink()),
        logger_(*sink_, *clock_, options.log_level),
        random_(options.seed != 0 ? options.seed : seed_of_the_system(*clock_)),
        files_(make_posix_file_system()),
        memory_bytes_(usable_memory(*files_)),
        executor_(make_real_executor(*clock_, {.blocking_threads_max = options.blocking_threads_max,
                                               .refuse_at_random = refuses(options),
                                               .seed = random_.next()})),
        network_(make_epoll_network(*clock_, *executor_)) {}
  ~RealWorld() override {
    // Jobs of the blocking pool may still hold sockets: they end before the network goes.
    executor_.reset();
  }

  Clock& clock() override { return *clock_; }
  Executor& executor() override { return *executor_; }
  FileSystem& files() override { return *files_; }
  Network& network() override { return *network_; }
  Logger& logger() override { return logger_; }
  Random fork_random() override {
    const std::lock_guard lock(random_mutex_);
    return random_.fork();
  }
  std::optional<std::string> environment(const std::string& name) override {
    const char* const value = ::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  int64_t memory_bytes() const override { return memory_bytes_; }

 private:
  const std::unique_ptr<Clock> clock_;
  const std::unique_ptr<LogSink> sink_;
  Logger logger_;
  std::mutex random_mutex_;  // guards random_; a leaf lock
  Random random_;
  const std::unique_ptr<FileSystem> files_;
  const int64_t memory_bytes_;
  std::unique_ptr<Executor> executor_;
  const std::unique_ptr<Network> network_;
};

}  // namespace

std::unique_ptr<World> make_real_world(const RealWorldOptions& options) {
  hold_standard_files();
  return std::make_unique<RealWorld>(options);
}

}  // namespace tidewheel
