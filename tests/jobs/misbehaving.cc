// Jobs that go wrong, or that are hard on the engine, one for each --case: process_check.py runs
// them.
#include <tidewheel/tidewheel.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace tw = tidewheel;
using namespace std::chrono_literals;

namespace {

// Throws at the 57th row.
void throws(tw::Env& env) {
  env.sequence(1, 100)
      .map([](int64_t number) {
        if (number == 57) { throw std::runtime_error("out of luck"); }
        return number;
      })
      .name("fragile")
      .uid("fragile-uid")
      .print();
}

// Dereferences null at the 57th row, and says so before.
void crashes(tw::Env& env) {
  env.sequence(1, 100)
      .map([](int64_t number) {
        int64_t* volatile nothing = nullptr;
        if (number != 57) { return number; }
        std::fputs("about to read what is not there\n", stderr);
        return *nothing;
      })
      .name("careless")
      .print();
}

// User code that does not return until somebody writes to standard input.
void blocks(tw::Env& env) {
  env.sequence(1, 3)
      .map([](int64_t number) {
        char byte = 0;
        return number + ::read(STDIN_FILENO, &byte, 1);
      })
      .name("waits for standard input")
      .print();
}

// Without an end; counts what it has seen when it is stopped.
void endless(tw::Env& env) {
  env.generate([](int64_t index) { return index; }, tw::GeneratorOptions{.rate = 100'000})
      .window_all(tw::processing_time(tw::tumbling(24h)))
      .count()
      .print();
}

// Prints how long the lines of a file are.
void lines(tw::Env& env) {
  const auto path = env.args().require("path");
  const auto bytes_max = env.args().get<int64_t>("bytes-max", int64_t{16} << 20);
  env.from("lines", tw::file::lines(path, {.record_bytes_max = bytes_max}))
      .map([](const tw::Text& line) { return static_cast<int64_t>(line.size()); })
      .print();
}

// --sources connections, each with ten operators behind it, none of them chained.
void idle(tw::Env& env) {
  env.disable_chaining();
  const auto port = env.args().require<uint16_t>("port");
  const auto sources = env.args().require<int32_t>("sources");
  for (int32_t i = 0; i < sources; ++i) {
    auto stream =
        env.from("lines " + std::to_string(i), tw::socket::lines<std::string>("127.0.0.1", port));
    for (int32_t k = 0; k < 8; ++k) {
      stream = stream.filter([](const std::string& line) { return !line.empty(); });
    }
    stream.print();
  }
}

}  // namespace

void tidewheel_job(tw::Env& env) {
  const auto which = env.args().require("case");
  if (which == "nothing") { return; }
  if (which == "throws-early") { throw std::runtime_error("no idea what to do"); }
  if (which == "throws") { return throws(env); }
  if (which == "crashes") { return crashes(env); }
  if (which == "blocks") { return blocks(env); }
  if (which == "endless") { return endless(env); }
  if (which == "lines") { return lines(env); }
  if (which == "idle") { return idle(env); }
  throw std::runtime_error("no such case: " + which);
}
