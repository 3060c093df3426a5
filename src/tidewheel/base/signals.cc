#include "tidewheel/base/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

namespace tidewheel {
namespace {

// A signal handler can reach globals only. Set while a SignalHandler lives.
std::atomic<int> signal_pipe{-1};
std::atomic<int> signals_left{0};  // that are answered

extern "C" void tidewheel_on_signal(int signal) {
  // Only what is safe in a signal handler: an atomic, write, _exit.
  if (signals_left.fetch_sub(1) <= 0) { ::_exit(128 + signal); }
  const int saved = errno;
  const char byte = static_cast<char>(signal);
  static_cast<void>(!::write(signal_pipe.load(), &byte, 1));
  errno = saved;
}

class PipeSignalHandler final : public SignalHandler {
 public:
  PipeSignalHandler(int read_fd, int write_fd, std::function<void(int)> on_signal, int answered)
      : read_fd_(read_fd), write_fd_(write_fd) {
    signals_left.store(answered);
    signal_pipe.store(write_fd);
    thread_ = std::thread([this, on_signal = std::move(on_signal)] { wait(on_signal); });
    struct sigaction action {};
    action.sa_handler = tidewheel_on_signal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &before_interrupt_);
    ::sigaction(SIGTERM, &action, &before_terminate_);
  }
  ~PipeSignalHandler() override {
    ::sigaction(SIGINT, &before_interrupt_, nullptr);
    ::sigaction(SIGTERM, &before_terminate_, nullptr);
    const char stop = 0;
    static_cast<void>(!::write(write_fd_, &stop, 1));
    thread_.join();
    signal_pipe.store(-1);
    ::close(read_fd_);
    ::close(write_fd_);
  }

 private:
  void wait(const std::function<void(int)>& on_signal) {
    while (true) {
      char byte = 0;
      const ssize_t got = ::read(read_fd_, &byte, 1);
      if (got < 0 && errno == EINTR) { continue; }
      if (got <= 0 || byte == 0) { return; }
      on_signal(byte);
    }
  }

  const int read_fd_;
  const int write_fd_;
  struct sigaction before_interrupt_ {};
  struct sigaction before_terminate_ {};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<SignalHandler>> SignalHandler::install(
    std::function<void(int signal)> on_signal, int answered) {
  if (signal_pipe.load() >= 0) {
    return failed_precondition(ErrorId::kInternal, "signals are handled already");
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return unavailable(ErrorId::kFileIo, "no pipe for signals could be made: error {}", errno);
  }
  return std::unique_ptr<SignalHandler>(
      std::make_unique<PipeSignalHandler>(ends[0], ends[1], std::move(on_signal), answered));
}

}  // namespace tidewheel
