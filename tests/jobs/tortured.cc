// A job whose result says by itself whether each row has counted once: torture_check.py kills it.
//
//   --out FOLDER [--rows N] [--keys N] [--rate ROWS_A_SECOND] [--part-bytes N] [--merge-parts N]
//
// Row i has the key i mod --keys, and becomes the line "key,i,count,sum,kinds": how many rows of
// its key there were with it, their sum, and how many different values of i / keys mod 7 they had.
// What comes of a key's rows in some order is known, so a row that is missing, comes twice, or has
// met other state than it should can be seen from the lines alone.
#include <tidewheel/tidewheel.h>

#include <string>

namespace tw = tidewheel;

namespace {

struct Line {
  int64_t key = 0;
  int64_t number = 0;
  int64_t count = 0;
  int64_t sum = 0;
  int64_t kinds = 0;
};

struct Account {
  int64_t count = 0;
  int64_t sum = 0;
  tw::Text padding = {};  // so that there are bytes to be damaged
};

struct Count {
  using output = Line;
  int64_t keys = 1;
  tw::Value<Account> account{"account"};
  tw::Map<int64_t, int64_t> kinds{"kinds"};

  void on_element(const int64_t& number, auto& ctx) {
    Account now = account.get();
    ++now.count;
    now.sum += number;
    kinds.update(number / keys % 7, [](int64_t& times) { ++times; });
    int64_t different = 0;
    int64_t times = 0;
    for (const auto& [kind, of_kind] : kinds.entries()) {
      ++different;
      times += of_kind;
    }
    // Two states of a key are of the same moment, or a number shows it.
    ctx.emit({ctx.key(), number, times == now.count ? now.count : -times, now.sum, different});
    const std::string padding(static_cast<size_t>(40 + number % 60), 'x');
    now.padding = tw::Text(padding);
    account = now;
  }
};

struct AsText {
  void operator()(std::string& out, const Line& line) const {
    out += std::to_string(line.key) + ',' + std::to_string(line.number) + ',' +
           std::to_string(line.count) + ',' + std::to_string(line.sum) + ',' +
           std::to_string(line.kinds) + '\n';
  }
};

}  // namespace

void tidewheel_job(tw::Env& env) {
  const auto out = env.args().require("out");
  const auto rows = env.args().get<int64_t>("rows", 100'000);
  const auto keys = env.args().get<int64_t>("keys", 1'000);
  const auto rate = env.args().get<double>("rate", 0);
  tw::file::WriteOptions parts;
  parts.part_bytes_max = env.args().get<int64_t>("part-bytes", int64_t{1} << 20);
  parts.merge_parts = env.args().get<int32_t>("merge-parts", 0);

  env.generate([](int64_t index) { return index; },
               tw::GeneratorOptions{.count = rows, .rate = rate})
      .uid("numbers")
      .key_by([keys](const int64_t& number) { return number % keys; })
      .process(Count{.keys = keys})
      .uid("count")
      .to(tw::file::write(out, AsText{}, parts).by_bucket([](const Line& line) {
        return "of-" + std::to_string(line.key % 3);
      }))
      .uid("lines");
}
