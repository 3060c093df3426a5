// Child processes by fork and exec. One thread starts and reaps them all: the kernel ties the
// signal that ends a child with its parent to the thread that forked it.
#include "tidewheel/base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "tidewheel/base/check.h"
#include "tidewheel/base/memory_group.h"

extern char** environ;

namespace tidewheel {
namespace {

// glibc 2.36 declares them for C only.
int open_process(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
void send_signal(int handle, int signal) {
  ::syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0);
}

// What the child does between fork and exec may allocate nothing: all is put together before.
struct Prepared {
  std::string program;
  std::vector<std::string> argument_texts;
  std::vector<std::string> environment_texts;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string directory;
  std::string output_path;
  std::string error_path;
  std::string group_file;  // empty: none
  cpu_set_t cores{};
  bool has_cores = false;
  bool outlives_parent = false;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) { out.push_back(text.data()); }
  out.push_back(nullptr);
  return out;
}

// This process's own executable, whatever has become of its file: after an upgrade in place a
// cluster goes on with the program that its processes were started from.
constexpr const char* kOwnExecutable = "/proc/self/exe";

std::string own_executable() {
  constexpr std::string_view kGone = " (deleted)";
  char path[PATH_MAX];
  const ssize_t bytes = ::readlink(kOwnExecutable, path, sizeof path);
  std::string_view found(path, bytes > 0 ? static_cast<size_t>(bytes) : 0);
  if (found.ends_with(kGone)) { found.remove_suffix(kGone.size()); }
  return std::string(found);
}

std::unique_ptr<Prepared> prepare(const ProcessSpec& spec, const MemoryGroup* group) {
  auto out = std::make_unique<Prepared>();
  out->program = spec.program == own_executable() ? kOwnExecutable : spec.program;
  out->argument_texts.push_back(spec.program);
  out->argument_texts.insert(out->argument_texts.end(), spec.arguments.begin(),
                             spec.arguments.end());
  const auto is_given = [&](std::string_view assignment) {
    const std::string_view name = assignment.substr(0, assignment.find('='));
    return std::any_of(spec.environment.begin(), spec.environment.end(),
                       [&](const auto& given) { return given.first == name; });
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_given(*entry)) { out->environment_texts.emplace_back(*entry); }
  }
  for (const auto& [name, value] : spec.environment) {
    out->environment_texts.push_back(name + "=" + value);
  }
  out->arguments = pointers(out->argument_texts);
  out->environment = pointers(out->environment_texts);
  out->directory = spec.directory;
  out->outlives_parent = spec.outlives_parent;
  out->output_path = spec.output_path;
  out->error_path = spec.error_path;
  if (group != nullptr) { out->group_file = group->processes_file(); }
  CPU_ZERO(&out->cores);
  for (const int32_t core : spec.cores) {
    if (core >= 0 && core < CPU_SETSIZE) { CPU_SET(static_cast<size_t>(core), &out->cores); }
  }
  out->has_cores = !spec.cores.empty();
  return out;
}

// Where a child failed to start, as it tells its parent.
struct StartFailure {
  int error = 0;
  char step[32] = {};
};

[[noreturn]] void give_up(int report, const char* step) {
  StartFailure failure;
  failure.error = errno;
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  // The pipe holds it, and a parent that has gone needs no report.
  if (::write(report, &failure, sizeof failure) < 0) { ::_exit(126); }
  ::_exit(127);
}

void redirect(int report, const std::string& path, int stream) {
  if (path.empty()) { return; }
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0 || ::dup2(file, stream) < 0) { give_up(report, "open its output file"); }
}

// In the child. Only calls that are safe after a fork of a process with threads.
[[noreturn]] void become(const Prepared& prepared, pid_t parent, int report) {
  if (!prepared.outlives_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) { ::_exit(126); }  // it has died before the line above
  }
  // A group of its own: what a terminal sends to the parent is the parent's to hand on.
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    ::signal(signal, SIG_DFL);
  }
  if (!prepared.group_file.empty()) {
    const int file = ::open(prepared.group_file.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0 || ::write(file, "0", 1) != 1) { give_up(report, "enter its control group"); }
  }
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, 0) < 0) { give_up(report, "open /dev/null"); }
  redirect(report, prepared.output_path, 1);
  redirect(report, prepared.error_path, 2);
  if (!prepared.directory.empty() && ::chdir(prepared.directory.c_str()) != 0) {
    give_up(report, "go to its folder");
  }
  if (prepared.has_cores && ::sched_setaffinity(0, sizeof prepared.cores, &prepared.cores) != 0) {
    give_up(report, "be bound to its cores");
  }
  // Whatever some library has opened without that flag.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(prepared.program.c_str(), prepared.arguments.data(), prepared.environment.data());
  give_up(report, "be executed");
}

// A child, as the launcher and its owner share it.
struct Child {
  std::mutex mutex;  // guards what follows; a leaf lock but for on_end
  pid_t pid = 0;
  int handle = -1;                         // a pidfd; -1: it has been reaped
  std::function<void(ProcessEnd)> on_end;  // null: nobody asks any more
  bool outlives_parent = false;
  std::unique_ptr<MemoryGroup> group;
  int64_t memory_bytes_max = 0;  // of the group
  int64_t killed_before = 0;     // killed_for_memory() when it was started
  bool is_left = false;          // no signal reaches it any more

  void send(int signal) {
    const std::lock_guard lock(mutex);
    if (handle < 0 || is_left) { return; }
    // What it has started itself is in its group. It leads the group from its first steps on.
    if (signal != SIGKILL || ::kill(-pid, signal) != 0) { send_signal(handle, signal); }
  }
};

class OwnedChild final : public ChildProcess {
 public:
  explicit OwnedChild(std::shared_ptr<Child> child) : child_(std::move(child)), pid_(child_->pid) {}
  ~OwnedChild() override {
    {
      const std::lock_guard lock(child_->mutex);
      child_->on_end = nullptr;
    }
    child_->send(SIGKILL);
  }
  int64_t id() const override { return pid_; }
  void terminate() override { child_->send(SIGTERM); }
  void kill() override { child_->send(SIGKILL); }
  void leave() override {
    const std::lock_guard lock(child_->mutex);
    TIDEWHEEL_CHECK(child_->outlives_parent, "a child that ends with its parent can't be left");
    child_->is_left = true;
    child_->on_end = nullptr;
  }
  int64_t memory_bytes() const override {
    const std::lock_guard lock(child_->mutex);
    if (child_->handle < 0) { return 0; }
    std::FILE* const file = std::fopen(fmt::format("/proc/{}/statm", pid_).c_str(), "re");
    if (file == nullptr) { return 0; }
    long long total = 0;
    long long resident = 0;
    const int read = std::fscanf(file, "%lld %lld", &total, &resident);
    std::fclose(file);
    return read == 2 ? resident * ::sysconf(_SC_PAGESIZE) : 0;
  }

 private:
  const std::shared_ptr<Child> child_;
  const pid_t pid_;
};

class RealLauncher final : public ProcessLauncher {
 public:
  RealLauncher()
      : watched_(::epoll_create1(EPOLL_CLOEXEC)), woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    TIDEWHEEL_CHECK(watched_ >= 0 && woken_ >= 0, "no descriptors: {}", std::strerror(errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = woken_;
    ::epoll_ctl(watched_, EPOLL_CTL_ADD, woken_, &event);
  }
  ~RealLauncher() override {
    if (thread_.joinable()) {
      submit([this] { stopping_ = true; });
      thread_.join();
    }
    ::close(woken_);
    ::close(watched_);
  }

  Result<std::unique_ptr<ChildProcess>> start(ProcessSpec spec,
                                              std::function<void(ProcessEnd)> on_end) override {
    std::optional<Result<std::shared_ptr<Child>>> started;
    run_on_thread([&] { started = launch(spec, std::move(on_end)); });
    TIDEWHEEL_RETURN_IF_ERROR(started->status());
    return std::unique_ptr<ChildProcess>(std::make_unique<OwnedChild>(**started));
  }

  std::string why_no_memory_limits() override {
    std::string why;
    run_on_thread([&] { why = groups().why_not(); });
    return why;
  }

  std::vector<int32_t> usable_cores() const override {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    std::vector<int32_t> out;
    if (::sched_getaffinity(0, sizeof cores, &cores) != 0) { return out; }
    for (int32_t core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(static_cast<size_t>(core), &cores)) { out.push_back(core); }
    }
    return out;
  }

  std::string own_program() const override { return own_executable(); }
  ProcessFigures own_figures() const override { return process_figures(); }

 private:
  void submit(std::function<void()> request) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
      if (!thread_.joinable()) {
        thread_ = std::thread([this] { run(); });
      }
    }
    const uint64_t one = 1;
    // A counter that is full is a wake that waits.
    if (::write(woken_, &one, sizeof one) < 0) { return; }
  }

  void run_on_thread(const std::function<void()>& request) {
    std::mutex mutex;
    std::condition_variable done_changed;
    bool done = false;
    submit([&] {
      request();
      const std::lock_guard lock(mutex);
      done = true;
      done_changed.notify_one();
    });
    std::unique_lock lock(mutex);
    done_changed.wait(lock, [&] { return done; });
  }

  // ---- The launcher's thread.

  void run() {
    ::pthread_setname_np(::pthread_self(), "processes");
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (!stopping_ || !children_.empty()) {
      epoll_event events[16];
      const int count = ::epoll_wait(watched_, events, 16, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == woken_) {
          run_requests();
        } else {
          reap(events[i].data.fd);
        }
      }
    }
  }

  void run_requests() {
    uint64_t count = 0;
    if (::read(woken_, &count, sizeof count) < 0) { return; }
    std::vector<std::function<void()>> requests;
    {
      const std::lock_guard lock(mutex_);
      requests.swap(requests_);
    }
    for (const std::function<void()>& request : requests) { request(); }
    if (!stopping_) { return; }
    forget_left();
    for (const auto& [handle, child] : children_) { child->send(SIGKILL); }
  }

  MemoryGroups& groups() {
    if (!groups_) { groups_.emplace(); }
    return *groups_;
  }

  Result<std::shared_ptr<Child>> launch(const ProcessSpec& spec,
                                        std::function<void(ProcessEnd)> on_end) {
    auto child = std::make_shared<Child>();
    child->on_end = std::move(on_end);
    child->outlives_parent = spec.outlives_parent;
    if (spec.memory_bytes_max > 0 && groups().why_not().empty()) {
      const std::string name = fmt::format("tidewheel-{}-{}", ::getpid(), ++groups_made_);
      TIDEWHEEL_ASSIGN_OR_RETURN(child->group, groups().make(name, spec.memory_bytes_max));
      child->memory_bytes_max = spec.memory_bytes_max;
    }
    child->killed_before = killed_for_memory();
    const std::unique_ptr<Prepared> prepared = prepare(spec, child->group.get());
    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0) { return cannot_start(spec, "make a pipe", errno); }
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) { become(*prepared, parent, report[1]); }
    const int error = errno;
    ::close(report[1]);
    StartFailure failure;
    const ssize_t told = pid < 0 ? 0 : ::read(report[0], &failure, sizeof failure);
    ::close(report[0]);
    if (pid < 0) { return cannot_start(spec, "fork", error); }
    if (told == sizeof failure) {
      ::waitpid(pid, nullptr, 0);
      return cannot_start(spec, failure.step, failure.error);
    }
    child->pid = pid;
    child->handle = open_process(pid);
    if (child->handle < 0) {
      const int why = errno;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return cannot_start(spec, "be watched", why);
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = child->handle;
    ::epoll_ctl(watched_, EPOLL_CTL_ADD, child->handle, &event);
    children_.emplace(child->handle, child);
    return child;
  }

  static Status cannot_start(const ProcessSpec& spec, const char* step, int error) {
    return unavailable(ErrorId::kProcessStart, "{} can't be started: it could not {}: {}",
                       spec.program, step, std::strerror(error));
  }

  // Whoever is their parent then reaps them.
  void forget_left() {
    std::erase_if(children_, [this](const auto& entry) {
      Child& child = *entry.second;
      const std::lock_guard lock(child.mutex);
      if (!child.is_left) { return false; }
      ::epoll_ctl(watched_, EPOLL_CTL_DEL, child.handle, nullptr);
      ::close(child.handle);
      child.handle = -1;
      return true;
    });
  }

  void reap(int handle) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(handle), &info, WEXITED) != 0) { return; }
    const std::shared_ptr<Child> child = children_.at(handle);
    children_.erase(handle);
    ::epoll_ctl(watched_, EPOLL_CTL_DEL, handle, nullptr);
    ProcessEnd end;
    if (info.si_code == CLD_EXITED) {
      end.exit_code = info.si_status;
    } else {
      end.signal = info.si_status;
      const bool is_killed = end.signal == SIGKILL;
      end.by_memory = is_killed && child->group != nullptr && child->group->has_ended_one();
      end.memory_was_short = is_killed && killed_for_memory() > child->killed_before;
    }
    end.memory_bytes_max = child->memory_bytes_max;
    const std::lock_guard lock(child->mutex);
    ::kill(-child->pid, SIGKILL);  // what it may have left behind
    ::close(child->handle);
    child->handle = -1;
    child->group.reset();
    if (child->on_end) { child->on_end(end); }
  }

  const int watched_;  // an epoll
  const int woken_;    // an eventfd
  std::mutex mutex_;   // guards requests_ and the start of thread_; a leaf lock
  std::vector<std::function<void()>> requests_;
  std::thread thread_;
  // The thread's.
  bool stopping_ = false;
  std::map<int, std::shared_ptr<Child>> children_;  // by handle
  std::optional<MemoryGroups> groups_;
  int64_t groups_made_ = 0;
};

}  // namespace

std::string ProcessEnd::describe() const {
  if (signal == 0) { return fmt::format("exited with code {}", exit_code); }
  const char* const name = ::sigabbrev_np(signal);
  const char* const says = ::sigdescr_np(signal);
  std::string out = fmt::format("was killed by signal {}", signal);
  if (name != nullptr && says != nullptr) { out += fmt::format(" (SIG{}, {})", name, says); }
  if (by_memory) {
    out += fmt::format(", by the system, because it reached its limit of memory, {} MB",
                       memory_bytes_max >> 20);
  } else if (memory_was_short) {
    out +=
        "; there was no memory left while it ran, and the system has killed this process or "
        "another of its container or machine";
  }
  return out;
}

namespace {

int64_t descriptors_open() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) { return 0; }
  int64_t count = 0;
  while (const dirent* const entry = ::readdir(folder)) { count += entry->d_name[0] != '.'; }
  ::closedir(folder);
  return count - 1;  // but for the folder's own
}

}  // namespace

ProcessFigures process_figures() {
  ProcessFigures out;
  timespec used{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0) {
    out.cpu_ns = int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) { out.processors = CPU_COUNT(&cores); }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    out.files_max = static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT64_MAX));
  }
  out.files_open = descriptors_open();
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) { return out; }
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    long long value = 0;
    if (std::sscanf(line, "RssAnon: %lld", &value) == 1) { out.own_bytes = value << 10; }
    if (std::sscanf(line, "RssFile: %lld", &value) == 1) { out.file_bytes += value << 10; }
    if (std::sscanf(line, "RssShmem: %lld", &value) == 1) { out.file_bytes += value << 10; }
    if (std::sscanf(line, "Threads: %lld", &value) == 1) {
      out.threads = static_cast<int32_t>(value);
    }
  }
  std::fclose(file);
  return out;
}

std::string file_of_stream(int stream) {
  struct stat info {};
  if (::fstat(stream, &info) != 0 || !S_ISREG(info.st_mode)) { return {}; }
  char path[PATH_MAX];
  const ssize_t bytes =
      ::readlink(fmt::format("/proc/self/fd/{}", stream).c_str(), path, sizeof path);
  return bytes > 0 ? std::string(path, static_cast<size_t>(bytes)) : std::string();
}

std::unique_ptr<ProcessLauncher> make_process_launcher() {
  return std::make_unique<RealLauncher>();
}

}  // namespace tidewheel
