// Reads records of JSON and writes them again: json_check.py compares with another implementation.
#include <tidewheel/tidewheel.h>

#include <map>

namespace tw = tidewheel;

namespace {

struct Inner {
  std::string text;
  std::optional<double> real;
};
struct Record {
  int64_t id = 0;
  std::optional<uint64_t> big;
  std::optional<double> real;
  std::optional<bool> flag;
  std::optional<tw::Text> text;
  std::vector<std::optional<Inner>> inners;
  std::map<std::string, std::vector<int32_t>> lists;
};

}  // namespace

void tidewheel_job(tw::Env& env) {
  env.from("records", tw::file::records<Record>(env.args().get("in", ""), tw::json()))
      .to(tw::file::write(env.args().get("out", ""), tw::json()));
}
