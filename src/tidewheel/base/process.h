// Child processes, as all code outside `base` sees them.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

struct ProcessSpec {
  std::string program;                 // a path; own_program() is this one
  std::vector<std::string> arguments;  // the program's name not included
  // Set besides what this process has.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string directory;  // where it works; empty: where this process does
  // Files that its output and error stream are appended to; empty: those of this process.
  std::string output_path;
  std::string error_path;
  // A limit that the system enforces, where it can (ProcessLauncher::why_no_memory_limits); 0:
  // none.
  int64_t memory_bytes_max = 0;
  // It does not end with this process, unless its ChildProcess is destroyed first and was not left
  // (ChildProcess::leave).
  bool outlives_parent = false;
  // Cores that it may run on; empty: all that this process may.
  std::vector<int32_t> cores;
};

// How a process has ended.
struct ProcessEnd {
  int32_t exit_code = 0;
  int32_t signal = 0;            // 0: it has exited by itself
  bool by_memory = false;        // it was ended because it reached its limit of memory
  int64_t memory_bytes_max = 0;  // that limit; 0: it had none
  // It was killed, and the system has killed processes for want of memory while it ran: this one,
  // or another.
  bool memory_was_short = false;
  bool ok() const { return exit_code == 0 && signal == 0; }
  // "exited with code 1", "was killed by signal 11 (SIGSEGV, Segmentation fault)"
  std::string describe() const;
};

// A child that has been started. Any thread. It ends when this object is destroyed, and with this
// process, however that ends (unless ProcessSpec::outlives_parent).
class ChildProcess {
 public:
  virtual ~ChildProcess() = default;
  virtual int64_t id() const = 0;
  // Asks it to end (SIGTERM). Does nothing once it has.
  virtual void terminate() = 0;
  // Ends it at once.
  virtual void kill() = 0;
  // Of one with ProcessSpec::outlives_parent: it goes on, whatever becomes of this object and of
  // the launcher. Nobody is told of its end any more.
  virtual void leave() = 0;
  // Resident memory now; 0 when it has ended.
  virtual int64_t memory_bytes() const = 0;
};

// What a process uses.
struct ProcessFigures {
  int64_t cpu_ns = 0;  // of all its threads, since it began
  int32_t threads = 0;
  int32_t processors = 0;  // that it may run on
  int64_t own_bytes = 0;   // in memory, of no file
  int64_t file_bytes = 0;  // in memory, of files or shared
  int64_t files_open = 0;  // descriptors: files, sockets and the like
  int64_t files_max = 0;   // that it may have open
};
// This process. What the system does not tell is 0. Any thread.
ProcessFigures process_figures();

// Any thread.
class ProcessLauncher {
 public:
  virtual ~ProcessLauncher() = default;
  // `on_end` is called once, on a thread of the launcher's, unless the ChildProcess was destroyed
  // before; it must be quick. Does not wait for the program to be up, but for the system to have
  // begun it. Errors: kProcessStart.
  virtual Result<std::unique_ptr<ChildProcess>> start(ProcessSpec spec,
                                                      std::function<void(ProcessEnd)> on_end) = 0;
  // Why limits of memory can't be enforced here; empty: they are.
  virtual std::string why_no_memory_limits() = 0;
  // The cores that this process may run on, by the system's numbers.
  virtual std::vector<int32_t> usable_cores() const = 0;
  // This process, which in a simulation uses nothing.
  virtual ProcessFigures own_figures() const { return {}; }
  // The path of the program that this process runs.
  virtual std::string own_program() const = 0;
};

// The file that this process's output (1) or error stream (2) goes to; empty: it is none.
std::string file_of_stream(int stream);

// Starts a thread at the first use.
std::unique_ptr<ProcessLauncher> make_process_launcher();

}  // namespace tidewheel
