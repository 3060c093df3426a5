// How a program says which jobs it has: the one function `tidewheel_job`, or several Job objects.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel {

class Env;  // api/env.h

// static tw::Job hourly{"hourly", [](tw::Env& env) { ... }};
//
// Chosen by `--job hourly`. Lives as long as the program.
class Job {
 public:
  using Build = std::function<void(Env&)>;
  Job(std::string name, Build build);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  const std::string& name() const { return name_; }
  const Build& build() const { return build_; }
  Job* next() const { return next_; }

 private:
  std::string name_;
  Build build_;
  Job* next_;
};

// All Job objects of the program, in the order of their names.
std::vector<const Job*> all_jobs();

}  // namespace tidewheel

// What the author of a program with one job defines. It only puts the job together; who calls it
// runs it.
extern "C" [[gnu::visibility("default"), gnu::weak]] void tidewheel_job(tidewheel::Env& env);
