// Counts words that come over a socket, every five seconds. In one terminal: `nc -lk 9000`, and
// type; in another: `./wordcount --port 9000`.
#include <tidewheel/tidewheel.h>

namespace tw = tidewheel;
using namespace std::chrono_literals;

void tidewheel_job(tw::Env& env) {
  const auto host = env.args().get("host", "localhost");
  const auto port = env.args().get<uint16_t>("port", 9000);
  const auto every = env.args().get<tw::Duration>("every", 5s);

  env.from("lines", tw::socket::lines<std::string>(host, port))
      .uid("lines")
      .flat_map<std::string>([](const std::string& line, tw::Out<std::string>& out) {
        for (size_t i = 0, j = 0; i < line.size(); i = j + 1) {
          j = std::min(line.find(' ', i), line.size());
          if (j > i) { out(line.substr(i, j - i)); }
        }
      })
      .name("words")
      .key_by([](const std::string& word) { return word; })
      .window(tw::processing_time(tw::tumbling(every)))
      .count()
      .name("counts")
      .uid("counts")
      .print();
}
