// What a thread logs about, so that each line of a log can tell it: a job, a task.
#pragma once
#include <cstdint>
#include <string_view>

namespace tidewheel {

// Lines that this thread logs while the object lives are about what it names. One that is made
// while another lives has the other's job or task where it names none itself. The texts outlive it.
class LogContext {
 public:
  struct Subject {
    std::string_view job = {};   // its id
    std::string_view task = {};  // its vertex's name
    int32_t subtask = -1;
    int32_t attempt = -1;
  };
  explicit LogContext(const Subject& subject);
  ~LogContext();
  LogContext(const LogContext&) = delete;
  LogContext& operator=(const LogContext&) = delete;

  // What this thread logs about; all of it empty: nothing special.
  static Subject present();

 private:
  Subject subject_;
  const LogContext* const outer_;
};

}  // namespace tidewheel
