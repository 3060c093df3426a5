// Functions for scripts, beside those of examples/sql_functions: asynchronous ones whose values
// come from another thread.
#include <tidewheel/api/function_library.h>

#include <cctype>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tw = tidewheel;

namespace {

// Stands for the client of a service: what it is given runs later, on its own thread.
class Client {
 public:
  static Client& get() {
    static auto* const client = new Client();  // its thread outlives main
    return *client;
  }
  void later(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    has_jobs_.notify_one();
  }

 private:
  Client() {
    std::thread([this] { run(); }).detach();
  }
  void run() {
    while (true) {
      std::unique_lock lock(mutex_);
      has_jobs_.wait(lock, [this] { return !jobs_.empty(); });
      // The last one first, so that answers do not come in the order of the calls.
      const std::function<void()> next = std::move(jobs_.back());
      jobs_.pop_back();
      lock.unlock();
      next();
    }
  }
  std::mutex mutex_;
  std::condition_variable has_jobs_;
  std::deque<std::function<void()>> jobs_;
};

void slow_upper(const std::string& text, const tw::AsyncResult<std::string>& result) {
  if (text == "bad") { throw std::invalid_argument("no word"); }
  if (text == "dropped") { return; }
  Client::get().later([text, result] {
    if (text == "never") {  // an answer that is lost
      static auto* const lost = new std::vector<tw::AsyncResult<std::string>>();
      return lost->push_back(result);
    }
    std::string upper = text;
    for (char& c : upper) { c = static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
    result.complete(upper);
    result.fail("only the first counts");
  });
}

}  // namespace

void tidewheel_functions(tw::FunctionLibrary& library) {
  library.async_function("slow_upper", &slow_upper);
}
