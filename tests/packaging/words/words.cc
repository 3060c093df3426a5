// Counts words, and throws when it is asked to.
#include <tidewheel/tidewheel.h>

#include <stdexcept>

namespace tw = tidewheel;

void tidewheel_job(tw::Env& env) {
  const bool fail = env.args().get("fail", false);
  env.from_elements<std::string>({"to", "be", "or", "not", "to", "be"})
      .key_by([](const std::string& word) { return word; })
      .running(std::int64_t{0},
               [fail](std::int64_t& count, const std::string& word) {
                 if (fail && word == "or") { throw std::runtime_error("asked to fail"); }
                 ++count;
               })
      .name("count")
      .uid("count")
      .print();
}
